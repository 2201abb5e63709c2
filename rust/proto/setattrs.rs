// SPDX-License-Identifier: GPL-2.0

//! Attributes to be set, by SETATTR, OPEN and CREATE.

use crate::{
    attrs::fattr4,
    types::{
        Bitmap,
        NfsTime,
        OPAQUE_MAX, //
    },
    xdr::{
        align,
        Encode,
        Sink,
        XdrResult, //
    },
};

/// A time to be set, `settime4`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SetTime {
    /// The server's present time.
    Server,
    /// This time.
    Client(NfsTime),
}

impl SetTime {
    fn len(&self) -> usize {
        match self {
            Self::Server => 4,
            Self::Client(_) => 4 + NfsTime::XDR,
        }
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        match self {
            Self::Server => s.put_u32(0),
            Self::Client(time) => {
                s.put_u32(1)?;
                time.encode(s)
            }
        }
    }
}

/// The attributes to be set: those that are not `None`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SetAttrs {
    /// The size in bytes.
    pub size: Option<u64>,
    /// The twelve permission bits.
    pub mode: Option<u32>,
    /// The umask that a new object's mode is still to be reduced by where no default ACL rules
    /// (RFC 8275). To be given only with `mode`, and to servers that support the attribute.
    pub umask: Option<u32>,
    /// The owner, as a number.
    pub uid: Option<u32>,
    /// The group, as a number.
    pub gid: Option<u32>,
    /// The time of the last access.
    pub atime: Option<SetTime>,
    /// The time of the last change of data.
    pub mtime: Option<SetTime>,
}

impl SetAttrs {
    /// The most bytes on the wire.
    pub const XDR_MAX: usize = Bitmap::XDR_MAX + 4 + 8 + 8 + 2 * (4 + 12) + 2 * (4 + NfsTime::XDR);

    /// Nothing is to be set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These and then `later`, as one; `None` where that would mean something else: a change of owner takes the bits from the mode that
    /// lend the owner's rights, in whatever order they come.
    pub fn then(self, later: &Self) -> Option<Self> {
        const LENDS: u32 = 0o6000;
        let both = Self {
            size: later.size.or(self.size),
            mode: later.mode.or(self.mode),
            umask: match later.mode {
                Some(_) => later.umask,
                None => self.umask,
            },
            uid: later.uid.or(self.uid),
            gid: later.gid.or(self.gid),
            atime: later.atime.or(self.atime),
            mtime: later.mtime.or(self.mtime),
        };
        let owned = both.uid.is_some() || both.gid.is_some();
        let lends = both.mode.is_some_and(|mode| mode & LENDS != 0);
        // Of one of them alone it means what it always means.
        let alone = self.is_empty() || later.is_empty();
        (alone || !(owned && lends)).then_some(both)
    }

    /// Parts them into what an exclusive create can set, by what the server `takes` there
    /// (`suppattr_exclcreat`), and what is to be set right behind that. SETATTR knows no umask: where
    /// the mode comes so late, a default ACL has no say.
    pub fn for_exclusive(self, takes: Bitmap) -> (Self, Self) {
        let takes_mode = takes.has(fattr4::MODE);
        let takes_umask = takes.has(fattr4::MODE_UMASK);
        let fits = match self.umask {
            Some(_) => takes_umask,
            None => takes_mode,
        };
        if fits || self.mode.is_none() {
            return (self, Self::default());
        }
        let mode = self.mode.map(|mode| mode & !self.umask.unwrap_or(0));
        let now = Self {
            mode: mode.filter(|_| takes_mode),
            umask: None,
            ..self
        };
        let behind = Self {
            mode: mode.filter(|_| !takes_mode),
            ..Self::default()
        };
        (now, behind)
    }

    /// Which attributes are to be set, by number.
    pub fn mask(&self) -> Bitmap {
        let mut mask = Bitmap::EMPTY;
        let mut add = |given: bool, attr| {
            if given {
                mask.set(attr);
            }
        };
        add(self.size.is_some(), fattr4::SIZE);
        add(self.plain_mode().is_some(), fattr4::MODE);
        add(self.uid.is_some(), fattr4::OWNER);
        add(self.gid.is_some(), fattr4::OWNER_GROUP);
        add(self.atime.is_some(), fattr4::TIME_ACCESS_SET);
        add(self.mtime.is_some(), fattr4::TIME_MODIFY_SET);
        add(self.mode_umask().is_some(), fattr4::MODE_UMASK);
        mask
    }

    fn plain_mode(&self) -> Option<u32> {
        self.mode.filter(|_| self.umask.is_none())
    }

    fn mode_umask(&self) -> Option<(u32, u32)> {
        self.mode.zip(self.umask)
    }

    /// Bytes of the values.
    fn len(&self, owners: [Option<&[u8]>; 2]) -> usize {
        let text = |text: Option<&[u8]>| text.map_or(0, |text| 4 + align(text.len()));
        let time = |time: &Option<SetTime>| time.as_ref().map_or(0, SetTime::len);
        self.size.map_or(0, |_| 8)
            + self.plain_mode().map_or(0, |_| 4)
            + owners.into_iter().map(text).sum::<usize>()
            + time(&self.atime)
            + time(&self.mtime)
            + self.mode_umask().map_or(0, |_| 8)
    }

    /// Writes the `fattr4`.
    pub fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        let (uid, gid) = (self.uid.map(Decimal::new), self.gid.map(Decimal::new));
        let owners = [&uid, &gid].map(|id| id.as_ref().map(Decimal::as_slice));
        self.encode_with(owners, s)
    }

    /// The same, with other names for the owner and the group: each for the one that is to be set.
    pub fn encode_by_name<S: Sink>(&self, owner: &[u8], group: &[u8], s: &mut S) -> XdrResult {
        let owners = [self.uid.map(|_| owner), self.gid.map(|_| group)];
        self.encode_with(owners, s)
    }

    fn encode_with<S: Sink>(&self, owners: [Option<&[u8]>; 2], s: &mut S) -> XdrResult {
        self.mask().encode(s)?;
        s.put_u32(self.len(owners) as u32)?;
        if let Some(size) = self.size {
            s.put_u64(size)?;
        }
        if let Some(mode) = self.plain_mode() {
            s.put_u32(mode)?;
        }
        for owner in owners.into_iter().flatten() {
            s.put_opaque(owner, OPAQUE_MAX)?;
        }
        for time in [self.atime, self.mtime].into_iter().flatten() {
            time.encode(s)?;
        }
        if let Some((mode, umask)) = self.mode_umask() {
            s.put_u32(mode)?;
            s.put_u32(umask)?;
        }
        Ok(())
    }
}

/// An id in decimal digits, as AUTH_SYS clients name owners (RFC 5.9).
struct Decimal {
    digits: [u8; Self::MAX],
    start: usize,
}

impl Decimal {
    const MAX: usize = 10;

    fn new(mut id: u32) -> Self {
        let mut digits = [b'0'; Self::MAX];
        let mut start = Self::MAX;
        for (i, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (id % 10) as u8;
            start = i;
            id /= 10;
            if id == 0 {
                break;
            }
        }
        Self { digits, start }
    }

    fn as_slice(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or(&[])
    }
}
