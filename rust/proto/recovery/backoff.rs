// SPDX-License-Identifier: GPL-2.0

//! How long to wait before something is tried again.

/// The time before try number `n` + 1 (from 0), in milliseconds: 1 ms, doubled each time, at most
/// `cap_ms`.
pub const fn exponential(n: u32, cap_ms: u32) -> u32 {
    if n >= 31 || (1 << n) > cap_ms {
        cap_ms
    } else {
        1 << n
    }
}

/// `ms` plus up to a half of it, so that those who were refused together do not come back together.
/// `random` is any number.
pub const fn jitter(ms: u32, random: u32) -> u32 {
    ms.saturating_add(random % (ms / 2 + 1))
}

/// The tries of one call: each failure waits twice as long as the one before.
///
/// For DELAY and GRACE. The cap is low: when a grace period ends, nobody should sleep on for long.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    tries: u32,
    cap_ms: u32,
}

impl Backoff {
    /// The cap for calls of programs, in milliseconds.
    pub const CALL_CAP_MS: u32 = 1000;

    /// No try has failed yet. Waits are at most `cap_ms`.
    pub const fn new(cap_ms: u32) -> Self {
        Self { tries: 0, cap_ms }
    }

    /// A try has failed: how long to wait before the next, in milliseconds.
    pub fn failed(&mut self) -> u32 {
        let ms = exponential(self.tries, self.cap_ms);
        self.tries = self.tries.saturating_add(1);
        ms
    }

    /// How many tries have failed.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// A try was successful.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Self::CALL_CAP_MS)
    }
}
