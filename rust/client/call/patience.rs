// SPDX-License-Identifier: GPL-2.0

//! How long a call waits for a server that cannot be reached: `hard`, `soft` and `softerr` of nfs(5).
//!
//! sunrpc waits for the answers to what it has sent; all other waits are ours, and this is their clock. It runs from the last thing
//! that was heard of the server.

use kernel::{
    prelude::*,
    time::{
        msecs_to_jiffies,
        Jiffies, //
    },
};

use super::{
    exchange::How,
    force::Orders, //
};
use crate::sys::{
    sunrpc::Flags,
    time::now_ms, //
};

/// How long a call of a doomed mount sleeps at most before it looks around, in milliseconds.
const HURRY_MS: u64 = 100;

/// The patience of one call.
pub(in crate::client) struct Patience {
    flags: Flags,
    orders: Option<Orders>,
    major_ms: u64,
    /// When it is exhausted.
    until_ms: u64,
}

impl Patience {
    /// That of a call that begins now.
    pub(in crate::client) fn new(how: &How<'_>) -> Self {
        let mut this = Self {
            flags: how.flags,
            orders: how.force.map(Orders::new),
            major_ms: how.patience_ms,
            until_ms: u64::MAX,
        };
        this.renew();
        this
    }

    fn error(&self) -> Option<Error> {
        match self.flags {
            Flags::Soft => Some(EIO),
            Flags::SoftErr => Some(ETIMEDOUT),
            Flags::Hard | Flags::Once | Flags::Mount => None,
        }
    }

    /// The server has said something.
    pub(in crate::client) fn renew(&mut self) {
        if self.error().is_some() {
            self.until_ms = now_ms().saturating_add(self.major_ms);
        }
    }

    /// Whether another connection is waited for when this one breaks.
    pub(in crate::client) fn outlives_connection(&self) -> bool {
        matches!(self.flags, Flags::Hard | Flags::Soft | Flags::SoftErr)
    }

    /// The error for the caller, once it is exhausted. `put_off`: the server answers, but wants the call to come again later.
    pub(in crate::client) fn exhausted(&mut self, put_off: bool) -> Option<Error> {
        if self.orders.as_mut().is_some_and(|o| o.end(put_off)) {
            return Some(EIO);
        }
        self.error().filter(|_| now_ms() >= self.until_ms)
    }

    /// How long the call may sleep; `None` for ever.
    pub(in crate::client) fn left(&self) -> Option<Jiffies> {
        let mut ms = u64::MAX;
        if self.error().is_some() {
            ms = self.until_ms.saturating_sub(now_ms());
        }
        if self.orders.as_ref().is_some_and(Orders::hurry) {
            ms = ms.min(HURRY_MS);
        }
        if ms == u64::MAX {
            return None;
        }
        Some(msecs_to_jiffies(ms.min(u64::from(u32::MAX)) as u32).max(1))
    }
}
