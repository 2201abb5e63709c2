// SPDX-License-Identifier: GPL-2.0

//! Late CLOSE: what is open for reading and no longer needed stays open for a moment.
//!
//! Who reads a file mostly reads it again, or many others: so an open that nobody needs is used by the next open() of its user, which then
//! costs a GETATTR, and those that are not are closed many in a call. Pure: the caller holds a lock around each method, and brings
//! the memory.

use core::ops::DerefMut;

/// The longest that an open is kept, in milliseconds.
const KEEP_MS: u64 = 10_000;

/// How long an open that nobody needs is kept, in milliseconds, where the lease is `lease_ms`: long enough to be of use, and no longer than it
/// would take the server to notice that its client has gone.
pub const fn keep_ms(lease_ms: u64) -> u64 {
    let third = lease_ms / 3;
    if third < KEEP_MS {
        third
    } else {
        KEEP_MS
    }
}

/// How old what goes along with the oldest that is due, in milliseconds, has to be: calls are few if each takes what would be due soon.
pub const fn ripe_ms(keep_ms: u64) -> u64 {
    keep_ms / 4 * 3
}

/// What waits to be closed, the oldest first: a ring in memory that does not grow.
pub struct Late<V> {
    places: V,
    first: usize,
    len: usize,
    /// Nothing more is taken in.
    closed: bool,
}

impl<T, V> Late<V>
where
    V: DerefMut<Target = [Option<(u64, T)>]>,
{
    /// Nothing waits. There is room for as many as there are places, which are all `None`.
    pub fn new(places: V) -> Self {
        Self {
            places,
            first: 0,
            len: 0,
            closed: false,
        }
    }

    /// Takes one in, at `now_ms`, unless there is no room or no time for it.
    pub fn push(&mut self, now_ms: u64, item: T) -> Result<(), T> {
        let room = self.places.len();
        if self.closed || self.len >= room {
            return Err(item);
        }
        match self.places.get_mut((self.first + self.len) % room) {
            Some(place) => *place = Some((now_ms, item)),
            None => return Err(item),
        }
        self.len += 1;
        Ok(())
    }

    /// From now on all that waits is due, and nothing more is taken in.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether all that waits is due.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether one more would be taken in.
    pub fn has_room(&self) -> bool {
        !self.closed && self.len < self.places.len()
    }

    /// Whether the oldest are to go before their time.
    pub fn is_crowded(&self) -> bool {
        self.len > self.places.len() / 4 * 3
    }

    /// When the oldest is due; `None` if nothing waits.
    pub fn due_ms(&self, keep_ms: u64) -> Option<u64> {
        let (since, _) = self.places.get(self.first)?.as_ref()?;
        Some(if self.closed { 0 } else { since + keep_ms })
    }

    /// Takes out the oldest if it is due at `now_ms`, or if more than half of the places are taken and there is a `crowd`.
    pub fn pop(&mut self, now_ms: u64, keep_ms: u64, crowd: bool) -> Option<T> {
        let crowded = crowd && self.len > self.places.len() / 2;
        if !crowded && self.due_ms(keep_ms)? > now_ms {
            return None;
        }
        let (_, item) = self.places.get_mut(self.first)?.take()?;
        self.first = (self.first + 1) % self.places.len();
        self.len -= 1;
        Some(item)
    }
}
