//! TLS between a connection and its socket: which records are read and written, and when.
//!
//! What a record holds is the business of a [`Session`], which does no I/O. Here is what waits
//! between it and the kernel: records that were read and not opened, records that the kernel did
//! not take.
//!
//! Plaintext counts as written when the kernel has all records of it. Until then the caller keeps
//! it, and gives it again first: those bytes are sealed once, and `owed` says how many they are.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::OwnedFd;

use super::descriptor::{receive, send_all};

/// The plaintext of a record (RFC 8446, section 5.1).
const MAX_RECORD: usize = 16 * 1024;

/// Plaintext that is sealed before the kernel is asked to take it: five records, so that a message
/// of 64 KiB and its header are one call.
const MAX_SEALED: usize = 5 * MAX_RECORD;

/// The least that is read at once, however little space there is for what it holds, and the most.
const MIN_READ: usize = MAX_RECORD;
const MAX_READ: usize = 128 * 1024;

/// Reads in a row that bring no plaintext; then it is the turn of others.
const MAX_FRUITLESS_READS: usize = 8;

/// Records of the session's own that may wait; then nothing is read that it would have to answer.
const MAX_ANSWERS: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Scratch> = const {
        RefCell::new(Scratch { received: Vec::new(), gathered: Vec::new(), sealed: Vec::new() })
    };
}

/// Memory of a thread for all of its connections.
#[derive(Debug)]
struct Scratch {
    /// Records that were read.
    received: Vec<u8>,
    /// Plaintext of several parts.
    gathered: Vec<u8>,
    /// Records that are to be written.
    sealed: Vec<u8>,
}

/// How far a session came with the records that it was given.
#[derive(Debug)]
pub struct Opened {
    /// Bytes of the records that it has taken. It keeps the beginning of a record itself.
    pub taken: usize,
    /// Bytes of plaintext that it has given.
    pub given: usize,
    /// What comes next.
    pub next: Next,
}

/// What comes after the plaintext that a session has given.
#[derive(Debug)]
pub enum Next {
    /// What further records hold.
    Records,
    /// More plaintext, which the session has.
    Plaintext,
    /// Nothing: the peer has said that it sends no more.
    End,
    /// Nothing: the peer, or the session, has broken the connection off.
    Failure(io::Error),
}

/// One end of a TLS connection after its handshake: turns records into plaintext, and back.
pub trait Session: fmt::Debug + Send {
    /// Opens `records` into `space`, as far as there is room. What it has to answer the peer, such
    /// as the alert before a failure, is added to `answers`.
    fn open(&mut self, records: &[u8], space: &mut [u8], answers: &mut Vec<u8>) -> Opened;

    /// Seals all of `plaintext`, at most the length of a record, and adds that to `records`.
    ///
    /// # Errors
    ///
    /// The session is broken.
    fn seal(&mut self, plaintext: &[u8], records: &mut Vec<u8>) -> io::Result<()>;

    /// Adds what says that nothing more is sent; nothing where the session is broken.
    fn seal_end(&mut self, records: &mut Vec<u8>);
}

/// A session on its socket.
#[derive(Debug)]
pub(super) struct Secure {
    session: Box<dyn Session>,
    /// Records that were read and not opened.
    unopened: Vec<u8>,
    /// Records that the kernel has not taken.
    unsent: Vec<u8>,
    /// Plaintext at the beginning of the next write that is in `unsent`, or sent, already.
    owed: usize,
    /// The session has plaintext that was not asked for.
    has_plaintext: bool,
    /// The latest read has not emptied the socket.
    has_more: bool,
    /// How the incoming side ended.
    end: Option<io::Result<()>>,
    /// The caller knows that.
    is_end_told: bool,
    /// Nothing is read yet: somebody else may still ask the session.
    is_held: bool,
    /// The end of the outgoing side is sealed.
    is_ended: bool,
}

impl Secure {
    /// Goes on with a session of which `unopened` was read, and `unsent` is to be written before
    /// anything else. Nothing is read before [`release`](Self::release).
    pub(super) fn new(session: Box<dyn Session>, unopened: Vec<u8>, unsent: Vec<u8>) -> Self {
        Self {
            session,
            unopened,
            unsent,
            owed: 0,
            has_plaintext: false,
            has_more: false,
            end: None,
            is_end_told: false,
            is_held: true,
            is_ended: false,
        }
    }

    /// Reads by it from now on.
    pub(super) fn release(&mut self) {
        self.is_held = false;
    }

    /// Whether a read may bring something that no event of the kernel announces.
    pub(super) fn may_have_more(&self) -> bool {
        let has_end = self.end.is_some() && !self.is_end_told;
        let has_read = self.has_plaintext || !self.unopened.is_empty() || has_end;
        !self.is_held && (has_read || self.has_more)
    }

    /// Whether the session has too much to say to be given more.
    pub(super) fn is_clogged(&self) -> bool {
        self.unsent.len() > MAX_ANSWERS + MAX_SEALED
    }

    /// Whether records wait for the kernel.
    pub(super) fn is_waiting(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Reads plaintext into `space`; none when the socket is empty, 0 at the end of the stream.
    pub(super) fn read(&mut self, fd: &OwnedFd, space: &mut [u8]) -> io::Result<Option<usize>> {
        if self.is_held || space.is_empty() {
            return Ok(None);
        }
        let filled = SCRATCH.with_borrow_mut(|scratch| self.fill(fd, space, &mut scratch.received));
        // A peer that is gone is found by reading, after what it has sent.
        if self.send_waiting(fd).is_err() {
            self.unsent = Vec::new();
        }
        let filled = filled?;
        if filled > 0 {
            return Ok(Some(filled));
        }
        match &mut self.end {
            None => Ok(None),
            // It is given once more where it is asked for once more.
            Some(end) => {
                self.is_end_told = true;
                mem::replace(end, Ok(())).map(|()| Some(0))
            }
        }
    }

    /// Opens what there is, reading as long as that gives no plaintext; returns how much it gives.
    fn fill(
        &mut self,
        fd: &OwnedFd,
        space: &mut [u8],
        received: &mut Vec<u8>,
    ) -> io::Result<usize> {
        let mut filled = 0;
        // Whatever the kernel has reported, until it is asked.
        self.has_more = true;
        if self.has_plaintext || !self.unopened.is_empty() {
            let records = mem::take(&mut self.unopened);
            filled = self.open(&records, space);
        }
        let length = space.len().clamp(MIN_READ, MAX_READ);
        for _ in 0..MAX_FRUITLESS_READS {
            if filled > 0 || self.end.is_some() {
                break;
            }
            if received.len() < length {
                received.resize(length, 0);
            }
            let Some(count) = receive(fd, &mut received[..length])? else {
                self.has_more = false;
                break;
            };
            self.has_more = count == length;
            if count == 0 {
                self.end = Some(Ok(()));
            } else {
                filled = self.open(&received[..count], space);
            }
        }
        Ok(filled)
    }

    /// Opens records, and keeps what the session does not take; returns how much plaintext that
    /// gives.
    fn open(&mut self, records: &[u8], space: &mut [u8]) -> usize {
        let Opened { taken, given, next } = self.session.open(records, space, &mut self.unsent);
        self.unopened.extend_from_slice(records.get(taken..).unwrap_or_default());
        self.has_plaintext = matches!(next, Next::Plaintext);
        match next {
            Next::Records | Next::Plaintext => {}
            Next::End => self.end = Some(Ok(())),
            Next::Failure(error) => self.end = Some(Err(error)),
        }
        if self.end.is_some() {
            self.unopened = Vec::new();
        }
        given
    }

    /// Writes the beginning of `parts`; returns how much of it the kernel has.
    pub(super) fn write(&mut self, fd: &OwnedFd, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.send_waiting(fd)? {
            return Ok(0);
        }
        let total = parts.iter().map(|part| part.len()).sum();
        let mut written = mem::take(&mut self.owed);
        if written > total {
            self.owed = written - total;
            return Ok(total);
        }
        SCRATCH.with_borrow_mut(|Scratch { gathered, sealed, .. }| {
            let mut plaintext = Plaintext::new(parts, written);
            while written < total {
                sealed.clear();
                let mut length = 0;
                while length < MAX_SEALED
                    && let Some(record) = plaintext.next_record(gathered)
                {
                    self.session.seal(record, sealed)?;
                    length += record.len();
                }
                let sent = send_all(fd, sealed)?;
                if sent < sealed.len() {
                    self.unsent.extend_from_slice(&sealed[sent..]);
                    self.owed = length;
                    break;
                }
                written += length;
            }
            Ok(written)
        })
    }

    /// Writes what waits; whether that is all written now.
    pub(super) fn send_waiting(&mut self, fd: &OwnedFd) -> io::Result<bool> {
        if self.unsent.is_empty() {
            return Ok(true);
        }
        let sent = send_all(fd, &self.unsent)?;
        if sent < self.unsent.len() {
            self.unsent.drain(..sent);
            return Ok(false);
        }
        self.unsent = Vec::new();
        Ok(true)
    }

    /// Tells the peer that nothing more is sent; whether the kernel has that.
    pub(super) fn end(&mut self, fd: &OwnedFd) -> io::Result<bool> {
        if !mem::replace(&mut self.is_ended, true) {
            self.session.seal_end(&mut self.unsent);
        }
        self.send_waiting(fd)
    }
}

/// What is to be sealed, record by record.
struct Plaintext<'a, 'b> {
    parts: &'a [IoSlice<'b>],
    /// Where in the first part it begins.
    position: usize,
}

impl<'a, 'b> Plaintext<'a, 'b> {
    /// The bytes of `parts` after the first `skipped`.
    fn new(parts: &'a [IoSlice<'b>], skipped: usize) -> Self {
        let mut this = Self { parts, position: skipped };
        this.settle();
        this
    }

    /// Forgets parts that are used up.
    fn settle(&mut self) {
        while let [first, rest @ ..] = self.parts
            && first.len() <= self.position
        {
            self.position -= first.len();
            self.parts = rest;
        }
    }

    /// The next bytes, as many as fit into a record; in `gathered` where they are of several parts.
    fn next_record<'c>(&mut self, gathered: &'c mut Vec<u8>) -> Option<&'c [u8]>
    where
        'a: 'c,
    {
        let [first, rest @ ..] = self.parts else { return None };
        let first = &first[self.position..];
        if first.len() >= MAX_RECORD || rest.is_empty() {
            let record = &first[..first.len().min(MAX_RECORD)];
            self.position += record.len();
            self.settle();
            return Some(record);
        }
        gathered.clear();
        while let [first, ..] = self.parts
            && gathered.len() < MAX_RECORD
        {
            let bytes = &first[self.position..];
            let length = bytes.len().min(MAX_RECORD - gathered.len());
            gathered.extend_from_slice(&bytes[..length]);
            self.position += length;
            self.settle();
        }
        Some(gathered)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A record: its length, and plaintext whose bits are flipped.
    const HEADER: usize = 2;
    /// In place of a length.
    const END: [u8; HEADER] = [0xff; HEADER];
    const ASK: [u8; HEADER] = [0xff, 0xfe];
    const BREAK: [u8; HEADER] = [0xff, 0xfd];

    #[derive(Debug, Default)]
    struct Flip {
        /// The beginning of a record.
        partial: Vec<u8>,
        /// Plaintext that was not asked for.
        plaintext: Vec<u8>,
    }

    fn seal(plaintext: &[u8]) -> Vec<u8> {
        let header = (plaintext.len() as u16).to_be_bytes();
        header.into_iter().chain(plaintext.iter().map(|byte| !byte)).collect()
    }

    impl Session for Flip {
        fn open(&mut self, records: &[u8], space: &mut [u8], answers: &mut Vec<u8>) -> Opened {
            let (mut taken, mut given) = (0, 0);
            let next = loop {
                let count = self.plaintext.len().min(space.len() - given);
                space[given..given + count].copy_from_slice(&self.plaintext[..count]);
                self.plaintext.drain(..count);
                given += count;
                if !self.plaintext.is_empty() {
                    break Next::Plaintext;
                }
                let header: Option<[u8; HEADER]> = self.partial.first_chunk().copied();
                let length = match header {
                    Some(END) => break Next::End,
                    Some(BREAK) => break Next::Failure(io::ErrorKind::InvalidData.into()),
                    Some(ASK) | None => HEADER,
                    Some(header) => HEADER + usize::from(u16::from_be_bytes(header)),
                };
                if self.partial.len() == length {
                    if header == Some(ASK) {
                        answers.extend_from_slice(&seal(b"answer"));
                    } else {
                        self.plaintext.extend(self.partial[HEADER..].iter().map(|byte| !byte));
                    }
                    self.partial.clear();
                    continue;
                }
                let Some(byte) = records.get(taken) else { break Next::Records };
                self.partial.push(*byte);
                taken += 1;
            };
            Opened { taken, given, next }
        }

        fn seal(&mut self, plaintext: &[u8], records: &mut Vec<u8>) -> io::Result<()> {
            assert!((1..=MAX_RECORD).contains(&plaintext.len()));
            records.extend_from_slice(&seal(plaintext));
            Ok(())
        }

        fn seal_end(&mut self, records: &mut Vec<u8>) {
            records.extend_from_slice(&END);
        }
    }

    fn pair() -> (Secure, OwnedFd, UnixStream) {
        let (own, peer) = UnixStream::pair().unwrap();
        own.set_nonblocking(true).unwrap();
        peer.set_nonblocking(true).unwrap();
        let mut secure = Secure::new(Box::<Flip>::default(), Vec::new(), Vec::new());
        secure.release();
        (secure, own.into(), peer)
    }

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|index| ((index * 31) >> 3) as u8).collect()
    }

    /// All that the peer has got, opened.
    fn take(peer: &mut UnixStream, received: &mut Vec<u8>) {
        let mut space = [0; 4096];
        while let Ok(count) = peer.read(&mut space)
            && count > 0
        {
            received.extend_from_slice(&space[..count]);
        }
    }

    fn opened(records: &[u8]) -> Vec<u8> {
        let mut plaintext = vec![0; records.len()];
        let Opened { given, .. } = Flip::default().open(records, &mut plaintext, &mut Vec::new());
        plaintext.truncate(given);
        plaintext
    }

    #[test]
    fn reads_records_however_they_come_and_whatever_space_there_is() {
        let expected = bytes(40_000);
        let records: Vec<u8> = expected.chunks(7000).flat_map(seal).collect();
        for (part, space) in [(1, 40), (3, 7000), (6999, 4096), (20_000, 3), (60_000, 14)] {
            let (mut secure, fd, mut peer) = pair();
            let mut received = Vec::new();
            let mut space = vec![0; space];
            for part in records.chunks(part) {
                peer.write_all(part).unwrap();
                while let Some(count) = secure.read(&fd, &mut space).unwrap() {
                    received.extend_from_slice(&space[..count]);
                    if !secure.may_have_more() {
                        break;
                    }
                }
            }
            assert_eq!(received, expected);
            drop(peer);
            assert_eq!(secure.read(&fd, &mut space).unwrap(), Some(0));
        }
    }

    #[test]
    fn never_says_that_it_is_empty_while_it_isnt() {
        let (mut secure, fd, mut peer) = pair();
        peer.write_all(&seal(&bytes(100))).unwrap();
        let mut space = [0; 60];
        assert_eq!(secure.read(&fd, &mut space).unwrap(), Some(60));
        assert!(secure.may_have_more());
        // What comes meanwhile is announced now, and never again.
        peer.write_all(&seal(&bytes(10))).unwrap();
        assert_eq!(secure.read(&fd, &mut space).unwrap(), Some(40));
        assert!(secure.may_have_more());
        assert_eq!(secure.read(&fd, &mut space).unwrap(), Some(10));
        assert!(!secure.may_have_more());
        assert_eq!(secure.read(&fd, &mut space).unwrap(), None);
    }

    #[test]
    fn counts_plaintext_as_written_when_the_kernel_has_its_records() {
        for part in [100, 5000, 16_384, 70_000, 1_000_000] {
            let (mut secure, fd, mut peer) = pair();
            let sent = bytes(1_000_000);
            let (mut written, mut records) = (0, Vec::new());
            let mut was_refused = false;
            while written < sent.len() {
                let parts: Vec<_> =
                    sent[written..].chunks(part).take(1024).map(IoSlice::new).collect();
                let count = secure.write(&fd, &parts).unwrap();
                written += count;
                if count < parts.iter().map(|part| part.len()).sum() {
                    was_refused = true;
                    assert!(secure.is_waiting());
                    let before = records.len();
                    take(&mut peer, &mut records);
                    assert!(opened(&records).len() >= written);
                    assert!(records.len() > before);
                }
            }
            take(&mut peer, &mut records);
            assert!(was_refused && !secure.is_waiting());
            assert!(opened(&records) == sent);
        }
    }

    #[test]
    fn answers_and_ends_behind_what_the_kernel_has_not_taken() {
        let (mut secure, fd, mut peer) = pair();
        let sent = bytes(2_000_000);
        let written = secure.write(&fd, &[IoSlice::new(&sent)]).unwrap();
        peer.write_all(&ASK).unwrap();
        assert_eq!(secure.read(&fd, &mut [0; 10]).unwrap(), None);
        let mut records = Vec::new();
        take(&mut peer, &mut records);
        assert!(secure.send_waiting(&fd).unwrap());
        take(&mut peer, &mut records);
        let plaintext = opened(&records);
        let sealed = plaintext.len() - b"answer".len();
        assert!(sealed > written && plaintext[..sealed] == sent[..sealed]);
        // The rest is not sealed twice.
        let rest = &sent[written..sealed + 1];
        assert_eq!(secure.write(&fd, &[IoSlice::new(rest)]).unwrap(), rest.len());
        assert!(secure.end(&fd).unwrap() && secure.end(&fd).unwrap());
        take(&mut peer, &mut records);
        assert_eq!(opened(&records).len(), plaintext.len() + 1);
        assert!(records.ends_with(&END) && !records[..records.len() - HEADER].ends_with(&END));
    }

    #[test]
    fn gives_what_came_before_the_end_or_a_failure() {
        for (last, is_failure) in [(END, false), (BREAK, true)] {
            let (mut secure, fd, mut peer) = pair();
            peer.write_all(&[seal(b"last"), last.to_vec(), seal(b"ignored")].concat()).unwrap();
            let mut space = [0; 100];
            assert_eq!(secure.read(&fd, &mut space).unwrap(), Some(4));
            assert!(secure.may_have_more());
            assert_eq!(secure.read(&fd, &mut space).is_err(), is_failure);
            assert_eq!(secure.read(&fd, &mut space).unwrap(), Some(0));
        }
    }

    #[test]
    fn reads_nothing_before_it_is_released() {
        let (_, fd, mut peer) = pair();
        let records = seal(b"held");
        let mut secure = Secure::new(Box::<Flip>::default(), records[..3].to_vec(), seal(b"first"));
        peer.write_all(&records[3..]).unwrap();
        let mut space = [0; 10];
        assert_eq!(secure.read(&fd, &mut space).unwrap(), None);
        assert_eq!(secure.write(&fd, &[IoSlice::new(b" second")]).unwrap(), 7);
        secure.release();
        assert_eq!(secure.read(&fd, &mut space).unwrap(), Some(4));
        let mut records = Vec::new();
        take(&mut peer, &mut records);
        assert_eq!(opened(&records), b"first second");
    }
}
