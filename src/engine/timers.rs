//! Which connections are to be looked after at which time: one wheel for all of a reactor.
//!
//! The clock is the caller's: it says how much time has passed, and leaves out what is not to count
//! because the process was held up. A connection that is heard of is not moved in the wheel; when
//! its time comes, it is put where it has to be by then. So that costs nothing but a store.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU8;
use std::sync::OnceLock;
use std::time::Instant;

use super::event::ConnectionId;

/// How long a slot of the wheel is.
const SLOT_MS: u64 = 8;
/// How many slots there are. What is due later stays in its slot when that comes by.
const SLOTS: u64 = 512;

/// Bytes of the payload of a ping: three that all have in common, and its number.
const PAYLOAD_LENGTH: usize = 4;

/// What they have in common; nothing before the first heartbeat of the process.
static MARK: OnceLock<u32> = OnceLock::new();

/// The first three bytes of the payload of each ping, as a number. Random, so that no program uses
/// the same.
#[must_use]
pub fn heartbeat_mark() -> u32 {
    *MARK.get_or_init(|| RandomState::new().build_hasher().finish() as u32 >> u8::BITS)
}

/// The payload of a ping of this number.
pub(super) fn payload_of(sequence: NonZeroU8) -> [u8; PAYLOAD_LENGTH] {
    (heartbeat_mark() << u8::BITS | u32::from(sequence.get())).to_be_bytes()
}

/// The number of the ping that a pong with this payload answers; nothing where it is none of a
/// heartbeat.
pub(super) fn sequence_of(payload: &[u8]) -> Option<NonZeroU8> {
    let mark = MARK.get()?;
    let payload = u32::from_be_bytes(payload.try_into().ok()?);
    (payload >> u8::BITS == *mark).then_some(NonZeroU8::new(payload as u8)).flatten()
}

/// When a connection is given up of which nothing is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// After this time without a byte of the peer's a ping goes out.
    pub interval_ms: u32,
    /// And after this time more without one the connection is given up.
    pub timeout_ms: u32,
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct Entry {
    heartbeat: Heartbeat,
    /// When it is to be looked at.
    due: u64,
    /// How many bytes it had received when it was heard of for the last time, and when that was.
    seen: u64,
    seen_at: u64,
    /// How many bytes it had sent when it was to be pinged.
    written: u64,
    /// Whether that was so since it was heard of.
    is_pinged: bool,
    /// The number of the latest ping.
    sequence: NonZeroU8,
    /// When that was sent, until it is answered.
    pinged_at: Option<Instant>,
    /// The time between the latest ping that was answered and its answer.
    latency_us: Option<u32>,
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// It is to be pinged.
    Ping,
    /// It is to be given up, unless there is something unread.
    GiveUp,
}

impl Entry {
    /// Notes that it is heard of.
    const fn revive(&mut self, received: u64, now: u64) {
        self.seen = received;
        self.seen_at = now;
        self.is_pinged = false;
    }

    /// Says what is to be done now with one that has received and sent this many bytes, some of
    /// which may wait.
    fn judge(&mut self, received: u64, written: u64, waits: bool, now: u64) -> Due {
        // What waits goes on: the peer takes it.
        if received != self.seen || self.is_pinged && waits && written != self.written {
            self.revive(received, now);
        }
        if self.is_pinged {
            return Due::GiveUp;
        }
        let ping_at = self.seen_at + u64::from(self.heartbeat.interval_ms);
        if now < ping_at {
            self.due = ping_at;
            return Due::Nothing;
        }
        Due::Ping
    }
}

/// The connections that are looked after, and when.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// Milliseconds that have passed.
    now: u64,
    slots: Vec<Vec<ConnectionId>>,
    entries: Vec<Option<Box<Entry>>>,
    count: usize,
}

impl Timers {
    /// Whether no connection is looked after.
    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Looks after a connection that has received this many bytes.
    pub(super) fn watch(&mut self, id: ConnectionId, heartbeat: Heartbeat, received: u64) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS as usize, Vec::new);
        }
        let place = id as usize;
        if self.entries.len() <= place {
            self.entries.resize_with(place + 1, || None);
        }
        let due = self.now + u64::from(heartbeat.interval_ms);
        let entry = Entry {
            heartbeat,
            due,
            seen: received,
            seen_at: self.now,
            written: 0,
            is_pinged: false,
            sequence: NonZeroU8::MAX,
            pinged_at: None,
            latency_us: None,
        };
        if self.entries[place].replace(Box::new(entry)).is_none() {
            self.count += 1;
        }
        self.put(id, due);
    }

    /// Looks after it no longer.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        if self.entries.get_mut(id as usize).is_some_and(|entry| entry.take().is_some()) {
            self.count -= 1;
        }
    }

    fn entry(&mut self, id: ConnectionId) -> Option<&mut Entry> {
        self.entries.get_mut(id as usize)?.as_deref_mut()
    }

    /// Notes how much a connection has received after its turn, and which of its pings was answered
    /// by that, if one was.
    pub(super) fn note(&mut self, id: ConnectionId, received: u64, answered: Option<NonZeroU8>) {
        let now = self.now;
        let Some(entry) = self.entry(id) else { return };
        if received != entry.seen {
            entry.revive(received, now);
        }
        if answered == Some(entry.sequence)
            && let Some(pinged_at) = entry.pinged_at.take()
        {
            let latency = pinged_at.elapsed().as_micros();
            entry.latency_us = Some(u32::try_from(latency).unwrap_or(u32::MAX));
        }
    }

    /// The time between the latest ping that was answered and its answer.
    pub(super) fn latency_us(&self, id: ConnectionId) -> Option<u32> {
        self.entries.get(id as usize)?.as_deref()?.latency_us
    }

    /// Lets time pass; adds to `due` the connections that are to be looked at.
    pub(super) fn advance(&mut self, elapsed_ms: u64, due: &mut Vec<ConnectionId>) {
        let from = self.now / SLOT_MS;
        self.now += elapsed_ms;
        let to = self.now / SLOT_MS;
        // Each slot comes by once, whatever time has passed.
        for slot in (from + 1..=to).take(SLOTS as usize) {
            let place = (slot % SLOTS) as usize;
            let Some(slot) = self.slots.get_mut(place) else { return };
            for id in std::mem::take(slot) {
                let Some(Some(entry)) = self.entries.get(id as usize) else { continue };
                // Another connection may have the number by now, and a slot of its own.
                if place_of(entry.due) != place {
                    continue;
                }
                if entry.due.div_ceil(SLOT_MS) <= to {
                    due.push(id);
                } else {
                    self.slots[place].push(id);
                }
            }
        }
    }

    /// Says what is to be done with a connection whose time has come.
    pub(super) fn judge(
        &mut self,
        id: ConnectionId,
        received: u64,
        written: u64,
        waits: bool,
    ) -> Due {
        let now = self.now;
        let Some(entry) = self.entry(id) else { return Due::Nothing };
        if now < entry.due {
            // Its number was in the slot twice: that of a connection that is closed, too.
            return Due::Nothing;
        }
        let verdict = entry.judge(received, written, waits, now);
        if verdict == Due::Nothing {
            let due = entry.due;
            self.put(id, due);
        }
        verdict
    }

    /// The number of the next ping.
    pub(super) fn next_sequence(&mut self, id: ConnectionId) -> NonZeroU8 {
        self.entry(id).map_or(NonZeroU8::MIN, |entry| {
            entry.sequence = entry.sequence.checked_add(1).unwrap_or(NonZeroU8::MIN);
            entry.sequence
        })
    }

    /// Notes that a connection was pinged, or could not be because something waits; and that it
    /// has sent this many bytes.
    pub(super) fn note_ping(&mut self, id: ConnectionId, written: u64, is_sent: bool) {
        let now = self.now;
        let Some(entry) = self.entry(id) else { return };
        entry.is_pinged = true;
        entry.written = written;
        entry.pinged_at = is_sent.then(Instant::now);
        entry.due = now + u64::from(entry.heartbeat.timeout_ms);
        let due = entry.due;
        self.put(id, due);
    }

    /// Notes that there is something of a connection that is still to be read.
    pub(super) fn note_unread(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(entry) = self.entry(id) else { return };
        let seen = entry.seen;
        entry.revive(seen, now);
        entry.due = now + u64::from(entry.heartbeat.interval_ms);
        let due = entry.due;
        self.put(id, due);
    }

    /// Puts a connection into the slot of a time.
    fn put(&mut self, id: ConnectionId, due: u64) {
        self.slots[place_of(due)].push(id);
    }
}

/// The slot that is over when a time has come.
const fn place_of(due: u64) -> usize {
    (due.div_ceil(SLOT_MS) % SLOTS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Heartbeat = Heartbeat { interval_ms: 1000, timeout_ms: 500 };

    fn pass(timers: &mut Timers, elapsed: u64) -> Vec<ConnectionId> {
        let mut due = Vec::new();
        timers.advance(elapsed, &mut due);
        due
    }

    #[test]
    fn pings_after_the_interval_and_gives_up_after_the_timeout() {
        let mut timers = Timers::default();
        timers.watch(3, BEAT, 7);
        assert_eq!(pass(&mut timers, 992), []);
        assert_eq!(pass(&mut timers, 8), [3]);
        assert_eq!(timers.judge(3, 7, 0, false), Due::Ping);
        timers.note_ping(3, 10, true);
        assert_eq!(pass(&mut timers, 496), []);
        assert_eq!(pass(&mut timers, 8), [3]);
        assert_eq!(timers.judge(3, 7, 10, false), Due::GiveUp);
        timers.forget(3);
        assert!(timers.is_empty());
        assert_eq!(pass(&mut timers, 10_000), []);
    }

    #[test]
    fn takes_any_byte_for_life() {
        let mut timers = Timers::default();
        timers.watch(0, BEAT, 0);
        pass(&mut timers, 900);
        timers.note(0, 1, None);
        assert_eq!(pass(&mut timers, 104), [0]);
        assert_eq!(timers.judge(0, 1, 0, false), Due::Nothing);
        assert_eq!(pass(&mut timers, 880), []);
        assert_eq!(pass(&mut timers, 24), [0]);
        assert_eq!(timers.judge(0, 1, 0, false), Due::Ping);
        let sequence = timers.next_sequence(0);
        timers.note_ping(0, 5, true);
        let payload = payload_of(sequence);
        assert_eq!(sequence_of(&payload), Some(sequence));
        assert_eq!(sequence_of(&payload[1..]), None);
        timers.note(0, 2, Some(sequence));
        assert!(timers.latency_us(0).is_some());
        assert_eq!(pass(&mut timers, 504), [0]);
        assert_eq!(timers.judge(0, 2, 5, false), Due::Nothing);
        // And so does what is found unread.
        assert_eq!(pass(&mut timers, 1000), [0]);
        assert_eq!(timers.judge(0, 2, 5, false), Due::Ping);
        timers.note_ping(0, 5, false);
        assert_eq!(pass(&mut timers, 504), [0]);
        assert_eq!(timers.judge(0, 2, 5, true), Due::GiveUp);
        timers.note_unread(0);
        assert_eq!(pass(&mut timers, 504), []);
        assert_eq!(pass(&mut timers, 504), [0]);
        assert_eq!(timers.judge(0, 2, 5, false), Due::Ping);
        timers.note_ping(0, 5, false);
        assert_eq!(pass(&mut timers, 504), [0]);
        // And what the peer takes.
        assert_eq!(timers.judge(0, 2, 6, true), Due::Nothing);
    }

    #[test]
    fn looks_once_at_a_number_that_is_used_again() {
        let mut timers = Timers::default();
        timers.watch(1, BEAT, 0);
        timers.forget(1);
        timers.watch(1, BEAT, 0);
        assert_eq!(pass(&mut timers, 1000), [1, 1]);
        assert_eq!(timers.judge(1, 0, 0, false), Due::Ping);
        timers.note_ping(1, 0, true);
        assert_eq!(timers.judge(1, 0, 0, false), Due::Nothing);
        assert_eq!(pass(&mut timers, 496), []);
        assert_eq!(pass(&mut timers, 8), [1]);
        assert_eq!(timers.judge(1, 0, 0, false), Due::GiveUp);
    }

    #[test]
    fn keeps_what_is_due_after_many_rounds() {
        let mut timers = Timers::default();
        let heartbeat = Heartbeat { interval_ms: 60_000, timeout_ms: 1 };
        timers.watch(9, heartbeat, 0);
        for _ in 0..599 {
            assert_eq!(pass(&mut timers, 100), []);
        }
        assert_eq!(pass(&mut timers, 100), [9]);
    }
}
