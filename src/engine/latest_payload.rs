//! The latest long payload that was sent, so that all connections that wait for the same one hold
//! it once.

use std::sync::{Arc, Weak};

use bytes::Bytes;

/// What is remembered of a payload: nothing that keeps it in memory.
#[derive(Debug, Default)]
pub(super) struct LatestPayload {
    /// Where its sender has it, and how long it is.
    place: (usize, usize),
    /// The copy, as long as a connection waits for it.
    copy: Weak<Vec<u8>>,
}

/// A copy that a connection waits for.
struct Held(Arc<Vec<u8>>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl LatestPayload {
    /// Holds a payload after the first `written` bytes. The first time, only what is needed of it:
    /// most are sent to one connection.
    pub(super) fn rest(&mut self, payload: &[u8], written: usize) -> Bytes {
        if self.is_new(payload) {
            Bytes::copy_from_slice(&payload[written..])
        } else {
            self.shared(payload).slice(written..)
        }
    }

    /// Holds a payload.
    pub(super) fn whole(&mut self, payload: &[u8]) -> Bytes {
        self.is_new(payload);
        self.shared(payload)
    }

    /// Remembers where a payload is; whether that is somewhere else than before.
    fn is_new(&mut self, payload: &[u8]) -> bool {
        let place = (payload.as_ptr().addr(), payload.len());
        let is_new = self.place != place;
        if is_new {
            *self = Self { place, copy: Weak::new() };
        }
        is_new
    }

    /// The copy that others wait for, unless the sender has changed the payload since.
    fn shared(&mut self, payload: &[u8]) -> Bytes {
        let known = self.copy.upgrade().filter(|copy| ***copy == *payload);
        let copy = known.unwrap_or_else(|| {
            let copy = Arc::new(payload.to_vec());
            self.copy = Arc::downgrade(&copy);
            copy
        });
        Bytes::from_owner(Held(copy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_once_what_many_get_and_nothing_when_all_have_it() {
        let mut latest = LatestPayload::default();
        let payload = vec![7; 1000];
        let first = latest.rest(&payload, 900);
        assert_eq!(first, payload[900..]);
        let (second, third) = (latest.rest(&payload, 10), latest.rest(&payload, 0));
        assert_eq!((second.len(), third.len()), (990, 1000));
        assert_eq!(second.as_ptr(), third[10..].as_ptr());
        assert_eq!(latest.copy.strong_count(), 2);
        drop((second, third));
        assert_eq!(latest.copy.strong_count(), 0);
        assert_eq!(latest.whole(&payload), payload);
    }

    #[test]
    fn gives_each_what_was_there_when_it_was_sent() {
        let mut latest = LatestPayload::default();
        let mut payload = vec![1; 1000];
        let first = latest.whole(&payload);
        payload[999] = 2;
        let second = latest.whole(&payload);
        payload[999] = 3;
        let third = latest.rest(&payload, 999);
        assert_eq!((first[999], second[999], third[0]), (1, 2, 3));
        // Another payload of the same length.
        assert_eq!(latest.rest(&[9; 1000], 998), [9, 9][..]);
    }
}
