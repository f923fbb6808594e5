//! How much of each connection is on the way to the host: one that sends faster than it is taken
//! stops being read, and leaves room for the others.

use std::mem;

use super::super::event::ConnectionId;
use super::super::threads::sync::bound;

/// What may be on the way of one connection. One read more can come.
const MAX_SHARE: usize = bound(512 * 1024, 160);

/// A connection that has stopped is read again when this much is left.
const RESTART: usize = MAX_SHARE / 2;

/// What is on the way of one connection.
#[derive(Clone, Debug, Default)]
struct Share {
    weight: usize,
    is_exhausted: bool,
}

/// The shares of all connections.
#[derive(Debug, Default)]
pub(crate) struct Credits {
    /// By the number of the connection.
    shares: Vec<Share>,
    /// Connections that are to stop, or to be read again, in this order.
    changes: Vec<(ConnectionId, bool)>,
}

impl Credits {
    /// Something of a connection is on its way.
    pub(crate) fn charge(&mut self, id: ConnectionId, weight: usize) {
        let index = id as usize;
        if index >= self.shares.len() {
            self.shares.resize(index + 1, Share::default());
        }
        let share = &mut self.shares[index];
        share.weight += weight;
        if share.weight > MAX_SHARE && !mem::replace(&mut share.is_exhausted, true) {
            self.changes.push((id, true));
        }
    }

    /// Something of a connection has been taken.
    pub(crate) fn refund(&mut self, id: ConnectionId, weight: usize) {
        let Some(share) = self.shares.get_mut(id as usize) else { return };
        share.weight = share.weight.saturating_sub(weight);
        if share.is_exhausted && share.weight <= RESTART {
            share.is_exhausted = false;
            self.changes.push((id, false));
        }
    }

    /// A connection is closed, and nothing of it is on its way any more.
    pub(crate) fn forget(&mut self, id: ConnectionId) {
        if let Some(share) = self.shares.get_mut(id as usize) {
            *share = Share::default();
            self.changes.retain(|(of, _)| *of != id);
        }
    }

    /// Resumes reading of every connection.
    pub(crate) fn restore_all(&mut self) {
        for (id, share) in self.shares.iter_mut().enumerate() {
            if mem::take(&mut share.is_exhausted) {
                self.changes.push((id as ConnectionId, false));
            }
        }
    }

    /// Whether a connection is to be read again.
    pub(crate) fn has_restored(&self) -> bool {
        self.changes.iter().any(|(_, is_exhausted)| !is_exhausted)
    }

    /// The connections that are to stop, and those that are to be read again, in order.
    pub(crate) fn take_changes(&mut self) -> Vec<(ConnectionId, bool)> {
        mem::take(&mut self.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_a_connection_that_has_much_on_the_way_until_half_is_taken() {
        let mut credits = Credits::default();
        credits.charge(3, MAX_SHARE);
        credits.charge(4, 1);
        assert_eq!(credits.take_changes(), []);
        credits.charge(3, 1);
        credits.charge(3, 1);
        assert!(!credits.has_restored());
        assert_eq!(credits.take_changes(), [(3, true)]);
        credits.refund(3, RESTART);
        assert_eq!(credits.take_changes(), []);
        credits.refund(3, 2);
        assert!(credits.has_restored());
        assert_eq!(credits.take_changes(), [(3, false)]);
    }

    #[test]
    fn knows_nothing_of_a_closed_connection() {
        let mut credits = Credits::default();
        credits.charge(0, 2 * MAX_SHARE);
        credits.forget(0);
        credits.forget(7);
        assert_eq!(credits.take_changes(), []);
        credits.charge(0, MAX_SHARE);
        assert_eq!(credits.take_changes(), []);
    }

    #[test]
    fn reads_everyone_again_who_has_stopped() {
        let mut credits = Credits::default();
        credits.charge(1, 2 * MAX_SHARE);
        credits.charge(2, 1);
        credits.restore_all();
        assert_eq!(credits.take_changes(), [(1, true), (1, false)]);
        credits.refund(1, 2 * MAX_SHARE);
        assert_eq!(credits.take_changes(), []);
    }
}
