// SPDX-License-Identifier: GPL-2.0

//! When the lease is to be renewed. Answers to the C client's `nfs4renewd.c`.

/// The shortest time between two renewals, in milliseconds.
const MIN_RENEWAL_MS: u64 = 1000;
/// What a lease is taken for until the server has told, and if it tells nonsense, in seconds.
const DEFAULT_LEASE_S: u32 = 60;
/// The longest lease that is believed, in seconds: an hour, as in the C client's time-outs.
const MAX_LEASE_S: u32 = 3600;

/// The lease of one client on one server. Times are milliseconds of any clock that does not jump.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    period_ms: u64,
    renewed_ms: u64,
}

impl Lease {
    /// A lease that was given at `now_ms`.
    pub const fn new(now_ms: u64) -> Self {
        Self {
            period_ms: DEFAULT_LEASE_S as u64 * 1000,
            renewed_ms: now_ms,
        }
    }

    /// The server tells its lease period, in seconds.
    pub fn set_period(&mut self, seconds: u32) {
        let seconds = match seconds {
            0 => DEFAULT_LEASE_S,
            s => s.min(MAX_LEASE_S),
        };
        self.period_ms = u64::from(seconds) * 1000;
    }

    /// The lease period in milliseconds.
    pub fn period_ms(&self) -> u64 {
        self.period_ms
    }

    /// A call whose SEQUENCE succeeded was sent at `sent_ms`: the server may have counted from then.
    pub fn renewed(&mut self, sent_ms: u64) {
        self.renewed_ms = self.renewed_ms.max(sent_ms);
    }

    /// How long to wait before the next renewal is to be looked at, in milliseconds: two thirds of
    /// the period from the last renewal.
    pub fn next_check_ms(&self, now_ms: u64) -> u64 {
        let due = self.renewed_ms + self.period_ms / 3 * 2;
        due.saturating_sub(now_ms).max(MIN_RENEWAL_MS)
    }

    /// A renewal is due: nothing has renewed the lease for two thirds of its period. (The C client
    /// wakes as often, but sends only after a third more may have passed.)
    pub fn is_due(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.renewed_ms) + MIN_RENEWAL_MS / 2 >= self.period_ms / 3 * 2
    }

    /// The lease has run out, as far as the client can tell.
    pub fn has_lapsed(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.renewed_ms) > self.period_ms
    }

    /// How long ago the lease was renewed, in milliseconds.
    pub fn age_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.renewed_ms)
    }
}
