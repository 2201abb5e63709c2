// SPDX-License-Identifier: GPL-2.0

//! Accounting of what is in flight, so that nothing is freed under it.
//!
//! The rule that nfsd learned with `cl_cb_inflight`: who starts something counts it, it stops counting
//! when the last thing that touches the owner is over (for a callback: when the reply has been sent),
//! and the owner goes only after new ones are refused and the count is zero. Stopping the transport
//! is not enough: tasks outlive it.
//!
//! Pure: the caller holds a lock around each method, and sleeps until [`InFlight::is_drained`].

/// How many are in flight, and whether more may start.
#[derive(Debug, Default)]
pub struct InFlight {
    count: usize,
    closed: bool,
}

impl InFlight {
    /// Nothing in flight, open.
    pub const fn new() -> Self {
        Self {
            count: 0,
            closed: false,
        }
    }

    /// One more starts. `false`: it must not, the owner is going.
    #[must_use = "what was not allowed to begin must not end"]
    pub fn begin(&mut self) -> bool {
        if self.closed {
            return false;
        }
        self.count += 1;
        true
    }

    /// One is over. `true`: it was the last, and who waits in [`close`](Self::close) is to be woken.
    /// The owner must not be touched after the lock has been dropped.
    pub fn end(&mut self) -> bool {
        self.count = self.count.saturating_sub(1);
        self.is_drained()
    }

    /// Lets no more start. `true`: nothing is in flight, no need to wait.
    pub fn close(&mut self) -> bool {
        self.closed = true;
        self.count == 0
    }

    /// Closed and empty: the owner may go.
    pub fn is_drained(&self) -> bool {
        self.closed && self.count == 0
    }

    /// How many are in flight.
    pub fn count(&self) -> usize {
        self.count
    }
}
