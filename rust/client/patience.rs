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

use crate::sys::{
    sunrpc::Flags,
    time::now_ms, //
};

/// The patience of one call.
pub(super) struct Patience {
    flags: Flags,
    major_ms: u64,
    /// When it is exhausted.
    until_ms: u64,
}

impl Patience {
    /// That of a call that begins now; `major_ms` is the major timeout of a soft one.
    pub(super) fn new(flags: Flags, major_ms: u64) -> Self {
        let mut this = Self {
            flags,
            major_ms,
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
    pub(super) fn renew(&mut self) {
        if self.error().is_some() {
            self.until_ms = now_ms().saturating_add(self.major_ms);
        }
    }

    /// Whether another connection is waited for when this one breaks.
    pub(super) fn outlives_connection(&self) -> bool {
        match self.flags {
            Flags::Hard => true,
            Flags::Soft | Flags::SoftErr => self.exhausted().is_none(),
            Flags::Once | Flags::Mount => false,
        }
    }

    /// The error for the caller, once it is exhausted.
    pub(super) fn exhausted(&self) -> Option<Error> {
        self.error().filter(|_| now_ms() >= self.until_ms)
    }

    /// How long the call may sleep; `None` for ever.
    pub(super) fn left(&self) -> Option<Jiffies> {
        self.error()?;
        let ms = self.until_ms.saturating_sub(now_ms());
        Some(msecs_to_jiffies(ms.min(u64::from(u32::MAX)) as u32).max(1))
    }
}
