//! Whether the host of a reactor comes when it is woken, and what it is still busy with.
//!
//! While its thread is held up, pings are answered in its place (RFC 6455, section 5.5.2: as soon
//! as is practical). Not those of a connection of which it has
//! something that it may be about to answer: that answer would have come first.

use std::time::{Duration, Instant};

use super::super::event::{ConnectionId, NO_CONNECTION};

/// How long a ping waits for the host: longer than a turn of the host takes, shorter than peers
/// wait.
pub(crate) const GRACE: Duration = Duration::from_millis(50);

/// How long it waits while the host has something to send: that would have come before the answer.
pub(crate) const SENDING_GRACE: Duration = Duration::from_secs(1);

/// What is known of the host.
#[derive(Debug, Default)]
pub(crate) struct PingTimer {
    /// It has something to send that it hasn't handed over.
    pub(crate) is_sending: bool,
    /// Since when a ping waits for it.
    since: Option<Instant>,
    /// A bit for each connection of which it has taken something, and not said that it is done.
    taken: Vec<u64>,
}

impl PingTimer {
    /// Notes that a ping waits.
    pub(crate) fn start(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    /// Notes that it has come.
    pub(crate) const fn stop(&mut self) {
        self.since = None;
    }

    /// When the pings that wait are to be answered without it.
    pub(crate) fn due(&self) -> Option<Instant> {
        let grace = if self.is_sending { SENDING_GRACE } else { GRACE };
        self.since.map(|since| since + grace)
    }

    /// Whether that is now.
    pub(crate) fn is_due(&self) -> bool {
        self.due().is_some_and(|due| due <= Instant::now())
    }

    /// Notes that it has taken something of a connection.
    pub(crate) fn note_taken(&mut self, id: ConnectionId) {
        if id == NO_CONNECTION {
            return;
        }
        let word = id as usize / 64;
        if self.taken.len() <= word {
            self.taken.resize(word + 1, 0);
        }
        self.taken[word] |= 1 << (id % 64);
    }

    /// Whether it may be about to answer something of a connection.
    pub(crate) fn is_taken(&self, id: ConnectionId) -> bool {
        let word = self.taken.get(id as usize / 64);
        word.is_some_and(|word| word & (1 << (id % 64)) != 0)
    }

    /// Notes that it is done with all that it has taken.
    pub(crate) fn settle(&mut self) {
        self.taken.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_the_owner_once_a_ping_has_waited() {
        let mut ping_timer = PingTimer::default();
        assert!(!ping_timer.is_due());
        ping_timer.start();
        let due = ping_timer.due();
        ping_timer.start();
        assert_eq!(ping_timer.due(), due);
        assert!(!ping_timer.is_due());
        std::thread::sleep(GRACE);
        assert!(ping_timer.is_due());
        ping_timer.stop();
        assert!(!ping_timer.is_due() && ping_timer.due().is_none());
    }

    #[test]
    fn waits_longer_for_an_owner_who_sends() {
        let mut ping_timer = PingTimer::default();
        ping_timer.start();
        let due = ping_timer.due().unwrap();
        ping_timer.is_sending = true;
        assert_eq!(ping_timer.due(), Some(due - GRACE + SENDING_GRACE));
        ping_timer.is_sending = false;
        assert_eq!(ping_timer.due(), Some(due));
    }

    #[test]
    fn knows_whose_answer_may_be_on_its_way() {
        let mut ping_timer = PingTimer::default();
        for id in [0, 63, 64, 1000] {
            assert!(!ping_timer.is_taken(id));
            ping_timer.note_taken(id);
            assert!(ping_timer.is_taken(id) && !ping_timer.is_taken(id + 1));
        }
        ping_timer.note_taken(NO_CONNECTION);
        assert!(ping_timer.taken.len() <= 16);
        ping_timer.settle();
        assert!([0, 63, 64, 1000].iter().all(|id| !ping_timer.is_taken(*id)));
    }
}
