// SPDX-License-Identifier: GPL-2.0

//! How long what nobody uses is kept: state owners.
//!
//! An owner costs the server an entry, too, and the next open by the same user makes do with the old one.
//! So it is kept for a lease period after its last user has gone; the server forgets owners without
//! state about as soon. Pure: the caller holds a lock around each method, and keeps the list.

/// Who uses something.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    users: u32,
    /// When the last user went, if there is none.
    unused_ms: u64,
}

impl Usage {
    /// In use by whoever made it.
    pub const fn new() -> Self {
        Self {
            users: 1,
            unused_ms: 0,
        }
    }

    /// One more user. If it was on the list of the unused: since when; it is to be taken off.
    #[must_use = "what is in use must not stay on the list"]
    pub fn get(&mut self) -> Option<u64> {
        self.users = self.users.saturating_add(1);
        (self.users == 1).then_some(self.unused_ms)
    }

    /// One user less, at `now_ms`. If it was the last, it is to be put on the list, with this time.
    #[must_use = "what is not on the list is never collected"]
    pub fn put(&mut self, now_ms: u64) -> Option<u64> {
        if self.users != 1 {
            self.users = self.users.saturating_sub(1);
            return None;
        }
        self.users = 0;
        self.unused_ms = now_ms;
        Some(now_ms)
    }

    /// Somebody uses it.
    pub fn is_used(&self) -> bool {
        self.users > 0
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self::new()
    }
}

/// What nobody has used since `unused_ms` is to be forgotten at `now_ms`, if the lease period is
/// `lease_ms`; 0 forgets whatever is unused.
pub const fn is_stale(unused_ms: u64, now_ms: u64, lease_ms: u64) -> bool {
    now_ms.saturating_sub(unused_ms) >= lease_ms
}
