// SPDX-License-Identifier: GPL-2.0

//! The protocol's small types (RFC section 3), each with its own encoding.

use crate::xdr::{
    Decode,
    Encode,
    Sink,
    Source,
    XdrError,
    XdrResult, //
};
use core::fmt;

/// The most bytes of a file handle, `NFS4_FHSIZE`.
pub const FH_MAX: usize = 128;
/// The most bytes of an opaque that has no limit of its own, `NFS4_OPAQUE_LIMIT`.
pub const OPAQUE_MAX: usize = 1024;
/// The most bytes of a name in a directory, as the VFS has it.
pub const NAME_MAX: usize = 255;
/// The most bytes of the text of a symbolic link: `PATH_MAX` without its NUL.
pub const LINK_MAX: usize = 4095;

/// The handle of a file-system object; opaque, at most [`FH_MAX`] bytes.
#[derive(Clone, Copy)]
pub struct Fh {
    len: u8,
    data: [u8; FH_MAX],
}

impl Fh {
    /// The most bytes of a handle on the wire, with its length word.
    pub const XDR_MAX: usize = 4 + FH_MAX;

    /// The handle of no object.
    #[inline]
    pub const fn empty() -> Self {
        Self {
            len: 0,
            data: [0; FH_MAX],
        }
    }

    /// A handle of these bytes; `None` if there are too many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut fh = Self::empty();
        fh.data.get_mut(..bytes.len())?.copy_from_slice(bytes);
        fh.len = u8::try_from(bytes.len()).ok()?;
        Some(fh)
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        self.data.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// A hash of the bytes (FNV-1a), for a table of inodes.
    pub fn hash(&self) -> u32 {
        self.as_slice().iter().fold(0x811c_9dc5, |h: u32, &b| {
            (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
        })
    }

    /// Writes the handle.
    pub fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_opaque(self.as_slice(), FH_MAX)
    }

    /// Reads a handle; an empty one is refused.
    pub fn decode<S: Source>(s: &mut S) -> XdrResult<Self> {
        let fh = Self::new(s.get_opaque(FH_MAX)?).ok_or(XdrError::Invalid)?;
        if fh.len == 0 {
            return Err(XdrError::Invalid);
        }
        Ok(fh)
    }
}

impl PartialEq for Fh {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Fh {}

impl fmt::Debug for Fh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fh:")?;
        self.as_slice()
            .iter()
            .try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// An opaque of at most `N` bytes, kept.
#[derive(Clone, Copy)]
pub struct Opaque<const N: usize> {
    len: usize,
    data: [u8; N],
}

impl<const N: usize> Opaque<N> {
    /// No bytes.
    pub const fn empty() -> Self {
        Self {
            len: 0,
            data: [0; N],
        }
    }

    /// These bytes; `None` if they are too many.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut opaque = Self::empty();
        opaque.set(bytes);
        (opaque.len == bytes.len()).then_some(opaque)
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.data.get(..self.len).unwrap_or(&[])
    }

    /// Keeps as many of `bytes` as there is room for.
    pub fn set(&mut self, bytes: &[u8]) {
        self.len = 0;
        for (place, byte) in self.data.iter_mut().zip(bytes) {
            *place = *byte;
            self.len += 1;
        }
    }
}

impl<const N: usize> PartialEq for Opaque<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<const N: usize> Eq for Opaque<N> {}

impl<const N: usize> fmt::Debug for Opaque<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_slice().escape_ascii())
    }
}

/// A reference to state on the server (RFC 8.2).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Stateid {
    /// Counts the changes of this state.
    pub seqid: u32,
    /// Names the state.
    pub other: [u8; 12],
}

impl Stateid {
    /// Bytes on the wire.
    pub const XDR: usize = 16;
    /// I/O without an open (RFC 8.2.3).
    pub const ANONYMOUS: Self = Self {
        seqid: 0,
        other: [0; 12],
    };
    /// READ that passes by share and lock conflicts.
    pub const READ_BYPASS: Self = Self {
        seqid: u32::MAX,
        other: [0xff; 12],
    };
    /// The stateid that an operation before this one in the same compound returned.
    pub const CURRENT: Self = Self {
        seqid: 1,
        other: [0; 12],
    };
    /// No state at all: what a server stores where it has nothing to say.
    pub const INVALID: Self = Self {
        seqid: u32::MAX,
        other: [0; 12],
    };

    /// One of the reserved values of RFC 8.2.3, which name no particular state.
    #[inline]
    pub fn is_special(&self) -> bool {
        self.other == [0; 12] || self.other == [0xff; 12]
    }

    /// The same state in whatever version the server has (RFC 8.2.2): for who does not mind that others change it meanwhile.
    #[inline]
    pub const fn of_any_seqid(self) -> Self {
        Self { seqid: 0, ..self }
    }

    /// Both name the same state, whatever its age.
    #[inline]
    pub fn same_other(&self, other: &Self) -> bool {
        self.other == other.other
    }

    /// This one is a later version of the same state than `other`. Sequence numbers wrap (RFC 8.2.2).
    #[inline]
    pub fn is_newer(&self, other: &Self) -> bool {
        self.same_other(other) && (self.seqid.wrapping_sub(other.seqid) as i32) > 0
    }

    /// Writes the stateid.
    pub fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u32(self.seqid)?;
        s.put_fixed(&self.other)
    }

    /// Reads a stateid.
    pub fn decode<S: Source>(s: &mut S) -> XdrResult<Self> {
        Ok(Self {
            seqid: s.get_u32()?,
            other: s.get_fixed()?,
        })
    }
}

/// Eight bytes that change when their maker starts anew: of a client, of a write, of a directory.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Verifier(pub [u8; 8]);

impl Verifier {
    /// Bytes on the wire.
    pub const XDR: usize = 8;

    /// Writes the verifier.
    pub fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_fixed(&self.0)
    }

    /// Reads a verifier.
    pub fn decode<S: Source>(s: &mut S) -> XdrResult<Self> {
        Ok(Self(s.get_fixed()?))
    }
}

/// The name of a session.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// Bytes on the wire.
    pub const XDR: usize = 16;

    /// Writes the session id.
    pub fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_fixed(&self.0)
    }

    /// Reads a session id.
    pub fn decode<S: Source>(s: &mut S) -> XdrResult<Self> {
        Ok(Self(s.get_fixed()?))
    }
}

/// What the server calls this client, for as long as its lease holds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct ClientId(pub u64);

/// The place of a call in the session's slot table.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SlotId(pub u32);

/// A point in time, UTC.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct NfsTime {
    /// Seconds since 1970; may be negative.
    pub sec: i64,
    /// Nanoseconds, below 10^9.
    pub nsec: u32,
}

impl NfsTime {
    /// Bytes on the wire.
    pub const XDR: usize = 12;

    /// Writes the time.
    pub fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_i64(self.sec)?;
        s.put_u32(self.nsec)
    }

    /// Reads a time; a second has no more than 10^9 nanoseconds.
    pub fn decode<S: Source>(s: &mut S) -> XdrResult<Self> {
        let (sec, nsec) = (s.get_i64()?, s.get_u32()?);
        if nsec >= 1_000_000_000 {
            return Err(XdrError::Invalid);
        }
        Ok(Self { sec, nsec })
    }
}

/// The name of a file system on its server.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Fsid {
    /// The upper half.
    pub major: u64,
    /// The lower half.
    pub minor: u64,
}

/// The change attribute of a directory around an operation on it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ChangeInfo {
    /// Nobody else's change lies between the two values.
    pub atomic: bool,
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

impl ChangeInfo {
    /// Bytes on the wire.
    pub const XDR: usize = 20;

    /// Reads the two values.
    pub fn decode<S: Source>(s: &mut S) -> XdrResult<Self> {
        Ok(Self {
            atomic: s.get_bool()?,
            before: s.get_u64()?,
            after: s.get_u64()?,
        })
    }
}

/// A set of attribute numbers below 96.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bitmap(pub [u32; 3]);

impl Bitmap {
    /// The most bytes on the wire.
    pub const XDR_MAX: usize = 16;
    /// Words that a reply may carry: more than the protocol has use for is refused.
    const WORDS_MAX: usize = 8;

    /// The empty set.
    pub const EMPTY: Self = Self([0; 3]);

    /// The set of these numbers, each below 96.
    pub const fn of(bits: &[u32]) -> Self {
        let mut map = [0u32; 3];
        let mut i = 0;
        while i < bits.len() {
            map[(bits[i] / 32) as usize] |= 1 << (bits[i] % 32);
            i += 1;
        }
        Self(map)
    }

    /// Whether `bit` is in the set.
    #[inline]
    pub const fn has(&self, bit: u32) -> bool {
        let word = (bit / 32) as usize;
        word < 3 && self.0[word] & (1 << (bit % 32)) != 0
    }

    /// Puts `bit` in. A number from 96 on has no place and is left out.
    pub fn set(&mut self, bit: u32) {
        if let Some(word) = self.0.get_mut((bit / 32) as usize) {
            *word |= 1 << (bit % 32);
        }
    }

    /// Nothing is in the set.
    #[inline]
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// What is in both.
    pub const fn and(self, o: Self) -> Self {
        Self([self.0[0] & o.0[0], self.0[1] & o.0[1], self.0[2] & o.0[2]])
    }

    /// What is in either.
    #[inline]
    pub const fn or(self, o: Self) -> Self {
        Self([self.0[0] | o.0[0], self.0[1] | o.0[1], self.0[2] | o.0[2]])
    }

    /// What is in this one but not in `o`.
    pub const fn without(self, o: Self) -> Self {
        Self([
            self.0[0] & !o.0[0],
            self.0[1] & !o.0[1],
            self.0[2] & !o.0[2],
        ])
    }

    /// Writes the set with no more words than it needs.
    pub fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        let words = 3 - self.0.iter().rev().take_while(|w| **w == 0).count();
        s.put_u32(words as u32)?;
        self.0.iter().take(words).try_for_each(|w| s.put_u32(*w))
    }

    /// Reads a set. Numbers from 96 on are dropped: see [`Bitmap::decode_exact`].
    pub fn decode<S: Source>(s: &mut S) -> XdrResult<Self> {
        Ok(Self::decode_words(s)?.0)
    }

    /// Reads a set in which nothing may be from 96 on.
    pub fn decode_exact<S: Source>(s: &mut S) -> XdrResult<Self> {
        match Self::decode_words(s)? {
            (map, false) => Ok(map),
            (_, true) => Err(XdrError::Invalid),
        }
    }

    fn decode_words<S: Source>(s: &mut S) -> XdrResult<(Self, bool)> {
        let (mut map, mut beyond) = (Self::EMPTY, false);
        for i in 0..s.get_count(Self::WORDS_MAX)? {
            let word = s.get_u32()?;
            match map.0.get_mut(i) {
                Some(place) => *place = word,
                None => beyond |= word != 0,
            }
        }
        Ok((map, beyond))
    }
}

/// What kind of object a handle names, `nfs_ftype4`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(u32)]
pub enum NfsType {
    /// A regular file.
    #[default]
    Reg = 1,
    /// A directory.
    Dir = 2,
    /// A block device.
    Blk = 3,
    /// A character device.
    Chr = 4,
    /// A symbolic link.
    Lnk = 5,
    /// A socket.
    Sock = 6,
    /// A named pipe.
    Fifo = 7,
    /// The directory of an object's named attributes.
    AttrDir = 8,
    /// A named attribute.
    NamedAttr = 9,
}

impl NfsType {
    /// The type of this number.
    #[inline]
    pub fn from_u32(v: u32) -> XdrResult<Self> {
        Ok(match v {
            1 => Self::Reg,
            2 => Self::Dir,
            3 => Self::Blk,
            4 => Self::Chr,
            5 => Self::Lnk,
            6 => Self::Sock,
            7 => Self::Fifo,
            8 => Self::AttrDir,
            9 => Self::NamedAttr,
            _ => return Err(XdrError::Invalid),
        })
    }
}

/// How far the server must have brought written data before it answers, `stable_how4`.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u32)]
pub enum StableHow {
    /// Anywhere; a COMMIT will follow.
    #[default]
    Unstable = 0,
    /// The data and what is needed to find it are on stable storage.
    DataSync = 1,
    /// Data and all metadata are on stable storage.
    FileSync = 2,
}

impl StableHow {
    /// Reads the value.
    pub fn decode<S: Source>(s: &mut S) -> XdrResult<Self> {
        match s.get_u32()? {
            0 => Ok(Self::Unstable),
            1 => Ok(Self::DataSync),
            2 => Ok(Self::FileSync),
            _ => Err(XdrError::Invalid),
        }
    }
}

/// What a byte-range lock is for, `nfs_lock_type4`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum LockType {
    /// Shared.
    Read = 1,
    /// Exclusive.
    Write = 2,
    /// Shared, and the client is willing to wait.
    ReadW = 3,
    /// Exclusive, and the client is willing to wait.
    WriteW = 4,
}

impl LockType {
    /// Reads the value.
    pub fn decode<S: Source>(s: &mut S) -> XdrResult<Self> {
        match s.get_u32()? {
            1 => Ok(Self::Read),
            2 => Ok(Self::Write),
            3 => Ok(Self::ReadW),
            4 => Ok(Self::WriteW),
            _ => Err(XdrError::Invalid),
        }
    }
}

/// What an open is for (RFC 18.16.1): access wanted, and wishes about a delegation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ShareAccess(pub u32);

impl ShareAccess {
    /// Reading.
    pub const READ: Self = Self(1);
    /// Writing.
    pub const WRITE: Self = Self(2);
    /// Both.
    pub const BOTH: Self = Self(3);
    /// Do not give a delegation.
    pub const WANT_NO_DELEG: Self = Self(0x0400);
    /// Delegate the time stamps, too (RFC 9754).
    pub const WANT_DELEG_TIMESTAMPS: Self = Self(0x10_0000);

    /// Access for reading, writing or both.
    pub const fn new(read: bool, write: bool) -> Self {
        Self(read as u32 | ((write as u32) << 1))
    }

    /// This access with a wish added.
    pub const fn with(self, o: Self) -> Self {
        Self(self.0 | o.0)
    }

    /// The access bits alone.
    #[inline]
    pub const fn access(self) -> Self {
        Self(self.0 & 3)
    }

    /// Everything in `o` is in this one, too.
    pub const fn covers(self, o: Self) -> bool {
        self.0 & o.0 == o.0
    }
}

/// Bits of ACCESS (RFC 18.1, RFC 8276).
pub mod access {
    /// Read data, list a directory.
    pub const READ: u32 = 0x01;
    /// Look up a name in a directory.
    pub const LOOKUP: u32 = 0x02;
    /// Rewrite data, change entries of a directory.
    pub const MODIFY: u32 = 0x04;
    /// Write new data, add entries to a directory.
    pub const EXTEND: u32 = 0x08;
    /// Delete an entry of a directory.
    pub const DELETE: u32 = 0x10;
    /// Execute a file.
    pub const EXECUTE: u32 = 0x20;
}
