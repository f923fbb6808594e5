//! Which of the two endpoints of a connection this is.

/// The side of the connection on which a state machine works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Asked for the connection; masks what it sends.
    Client,
    /// Accepted the connection; receives masked frames only.
    Server,
}

impl Role {
    /// The role of the other endpoint.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// Whether the frames that this endpoint sends are masked.
    ///
    /// RFC 6455, section 5.1: a client masks every frame, a server none.
    #[must_use]
    pub const fn masks(self) -> bool {
        matches!(self, Self::Client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_peer() {
        assert_eq!(Role::Client.peer(), Role::Server);
        assert_eq!(Role::Server.peer(), Role::Client);
    }

    #[test]
    fn masks_as_client_only() {
        assert!(Role::Client.masks());
        assert!(!Role::Server.masks());
    }
}
