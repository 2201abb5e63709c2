// SPDX-License-Identifier: GPL-2.0

//! What the state manager has in mind, as bits: the C client's `NFS4CLNT_*`, and some of our own.

use core::fmt;

/// What is wrong with the client, or still to be done: a set of bits.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Bits(u16);

/// All bits with their names, in the order in which they are looked after.
const BITS: [(Bits, &str); 12] = [
    (Bits::CONN_LOST, "CONN_LOST"),
    (Bits::PURGE_STATE, "PURGE_STATE"),
    (Bits::LEASE_EXPIRED, "LEASE_EXPIRED"),
    (Bits::LEASE_CONFIRM, "LEASE_CONFIRM"),
    (Bits::SESSION_RESET, "SESSION_RESET"),
    (Bits::BIND_CONN_TO_SESSION, "BIND_CONN_TO_SESSION"),
    (Bits::CHECK_LEASE, "CHECK_LEASE"),
    (Bits::RECLAIM_REBOOT, "RECLAIM_REBOOT"),
    (Bits::RECLAIM_COMPLETE, "RECLAIM_COMPLETE"),
    (Bits::RECLAIM_NOGRACE, "RECLAIM_NOGRACE"),
    (Bits::HAS_SESSION, "HAS_SESSION"),
    (Bits::NO_RECLAIM, "NO_RECLAIM"),
];

impl Bits {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// A new instance of the client is wanted; the server is to drop what it knows of the old one.
    pub const PURGE_STATE: Self = Self(1 << 0);
    /// There is no client id, or the server has forgotten it.
    pub const LEASE_EXPIRED: Self = Self(1 << 1);
    /// EXCHANGE_ID has given a client id, CREATE_SESSION has not confirmed it yet.
    pub const LEASE_CONFIRM: Self = Self(1 << 2);
    /// There is no good session.
    pub const SESSION_RESET: Self = Self(1 << 3);
    /// The connection is not bound to the session, or not for callbacks.
    pub const BIND_CONN_TO_SESSION: Self = Self(1 << 4);
    /// Somebody has doubts about lease or session.
    pub const CHECK_LEASE: Self = Self(1 << 5);
    /// There is state to be reclaimed.
    pub const RECLAIM_REBOOT: Self = Self(1 << 6);
    /// The server waits for RECLAIM_COMPLETE, and refuses new opens until then.
    pub const RECLAIM_COMPLETE: Self = Self(1 << 7);
    /// There is state to be tested and opened anew.
    pub const RECLAIM_NOGRACE: Self = Self(1 << 8);
    /// There is a session to be destroyed before another is made.
    pub const HAS_SESSION: Self = Self(1 << 9);
    /// With a new client id nothing can be reclaimed: the server did not lose the state, it gave it up,
    /// or it is another server.
    pub const NO_RECLAIM: Self = Self(1 << 10);

    /// There is no connection: nothing can be done before there is one.
    pub const CONN_LOST: Self = Self(1 << 11);

    /// All bits of `o` are set.
    pub const fn has(self, o: Self) -> bool {
        self.0 & o.0 == o.0
    }

    /// Some of the bits of `o` are set.
    pub const fn any(self, o: Self) -> bool {
        self.0 & o.0 != 0
    }

    /// Both sets.
    pub const fn or(self, o: Self) -> Self {
        Self(self.0 | o.0)
    }

    /// The bits as a number.
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// The bits that `o` has not.
    pub const fn minus(self, o: Self) -> Self {
        Self(self.0 & !o.0)
    }

    pub(super) fn set(&mut self, o: Self) {
        self.0 |= o.0;
    }

    pub(super) fn clear(&mut self, o: Self) {
        self.0 &= !o.0;
    }
}

/// Shown as the names, separated by blanks.
impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = BITS.iter().filter(|(bit, _)| self.has(*bit));
        if let Some((_, first)) = names.next() {
            f.write_str(first)?;
        }
        names.try_for_each(|(_, name)| write!(f, " {name}"))
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}
