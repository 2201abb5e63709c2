// SPDX-License-Identifier: GPL-2.0

//! Owners and groups as a server calls them (RFC 5.9): by number, or by a name that somebody else has to make a number of.
//!
//! Attributes lie on the kernel's stack, several at a time, and are read where nobody may sleep: no room for names, and nobody to ask.
//! So a name is put into a [`Table`] as it is read, and goes by its token from there on, until somebody who may sleep wants the number.

use core::ops::{
    Deref,
    DerefMut, //
};

/// Whose name it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// An owner.
    User,
    /// A group.
    Group,
}

/// An owner or group as the server names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owner {
    /// A number, as AUTH_SYS has them.
    Id(u32),
    /// A name, usually `user@domain`, by its token; 0 is one that was not kept.
    Name(u32),
}

impl Default for Owner {
    fn default() -> Self {
        Self::Name(0)
    }
}

impl Owner {
    /// What an owner string says if it is a number.
    pub fn numeric(text: &[u8]) -> Option<Self> {
        parse_id(text).map(Self::Id)
    }
}

/// A decimal number without sign or leading zeroes (RFC 5.9). The largest one means "no id" in
/// Linux, so it is none.
pub fn parse_id(text: &[u8]) -> Option<u32> {
    if text.is_empty() || (text.len() > 1 && text[0] == b'0') {
        return None;
    }
    let id = text.iter().try_fold(0u32, |id, &c| {
        let digit = c.is_ascii_digit().then(|| u32::from(c - b'0'))?;
        id.checked_mul(10)?.checked_add(digit)
    })?;
    (id != u32::MAX).then_some(id)
}

/// Where names go that are read.
pub trait Names {
    /// The token of a name; 0 if it cannot be kept. Must not block.
    fn token(&self, kind: Kind, name: &[u8]) -> u32;
}

/// How many places a name may have in a [`Table`].
const WAYS: usize = 4;

/// A name.
#[derive(Debug)]
pub struct Entry<N> {
    token: u32,
    kind: Kind,
    name: N,
    /// When it was last of use.
    used: u32,
    /// Its number, and until when that is believed, in milliseconds.
    known: Option<(u32, u64)>,
}

/// The names that were read last. There is an end to them: what a server may put in here are names without number.
#[derive(Debug)]
pub struct Table<V> {
    places: V,
    /// The bits of a token, and of a name's hash, that tell where its places are.
    mask: u32,
    serial: u32,
    clock: u32,
}

impl<V, N: 'static> Table<V>
where
    V: DerefMut<Target = [Option<Entry<N>>]>,
    N: Deref<Target = [u8]>,
{
    /// A table of these places: a power of two, at least four.
    pub fn new(places: V) -> Self {
        let sets = (places.len() / WAYS) as u32;
        Self {
            places,
            mask: sets.saturating_sub(1),
            serial: 0,
            clock: 0,
        }
    }

    fn set(&mut self, set: u32) -> &mut [Option<Entry<N>>] {
        let start = set as usize * WAYS;
        self.places.get_mut(start..start + WAYS).unwrap_or_default()
    }

    fn entry(&mut self, token: u32) -> Option<&mut Entry<N>> {
        let set = token & self.mask;
        self.set(set)
            .iter_mut()
            .flatten()
            .find(|entry| entry.token == token)
    }

    /// The token of a name, of which a new one is made by `keep`; 0 if that fails.
    pub fn token(&mut self, kind: Kind, name: &[u8], keep: impl FnOnce() -> Option<N>) -> u32 {
        let set = hash(kind, name) & self.mask;
        self.clock = self.clock.wrapping_add(1);
        let clock = self.clock;
        let known = self
            .set(set)
            .iter_mut()
            .flatten()
            .find(|entry| entry.kind == kind && *entry.name == *name);
        if let Some(entry) = known {
            entry.used = clock;
            return entry.token;
        }
        self.serial = self.serial.wrapping_add(1);
        let token = match self.serial.wrapping_mul(self.mask + 1) | set {
            // The serial number has come round.
            0 => self.mask + 1,
            token => token,
        };
        let place = self.set(set).iter_mut().max_by_key(|place| {
            place
                .as_ref()
                .map_or(u32::MAX, |entry| clock.wrapping_sub(entry.used))
        });
        let (Some(place), Some(name)) = (place, keep()) else {
            return 0;
        };
        *place = Some(Entry {
            token,
            kind,
            name,
            used: clock,
            known: None,
        });
        token
    }

    /// The number of a name, if that is known at `now_ms`.
    pub fn known(&mut self, token: u32, now_ms: u64) -> Option<u32> {
        let (id, until_ms) = self.entry(token)?.known?;
        (now_ms < until_ms).then_some(id)
    }

    /// The name itself, unless it had to make room for others.
    pub fn name(&mut self, token: u32) -> Option<(Kind, &[u8])> {
        let entry = self.entry(token)?;
        Some((entry.kind, &*entry.name))
    }

    /// Takes the number of a name, which is believed until `until_ms`.
    pub fn learn(&mut self, token: u32, id: u32, until_ms: u64) {
        if let Some(entry) = self.entry(token) {
            entry.known = Some((id, until_ms));
        }
    }
}

/// FNV-1a. Who knows names that fall together can make room for no others among them: that is all there is to gain.
fn hash(kind: Kind, name: &[u8]) -> u32 {
    let seed = 0x811c_9dc5 ^ kind as u32;
    name.iter().fold(seed, |hash, &c| {
        (hash ^ u32::from(c)).wrapping_mul(0x0100_0193)
    })
}
