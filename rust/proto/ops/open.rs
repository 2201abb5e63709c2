// SPDX-License-Identifier: GPL-2.0

//! OPEN (RFC 18.16).

use crate::{
    op::Op,
    setattrs::SetAttrs,
    types::{
        Bitmap,
        ChangeInfo,
        ClientId,
        Opaque,
        ShareAccess,
        Stateid,
        Verifier,
        NAME_MAX,
        OPAQUE_MAX, //
    },
    xdr::{
        opaque_max,
        Decode,
        Encode,
        Sink,
        Source,
        XdrError,
        XdrResult, //
    },
};

/// Bits of `rflags` in the result.
pub mod open4_result {
    /// Locks are as POSIX has them.
    pub const LOCKTYPE_POSIX: u32 = 0x04;
    /// The file lives on after its last name is removed, for as long as it is open.
    pub const PRESERVE_UNLINKED: u32 = 0x08;
    /// The server may tell when a lock becomes free.
    pub const MAY_NOTIFY_LOCK: u32 = 0x20;
}

/// An open-owner or lock-owner: all opens (locks) of one are one to the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    /// The client.
    pub clientid: ClientId,
    /// The owner's name, unique within the client.
    pub name: Opaque<OWNER_MAX>,
}

/// The most bytes of an owner's name; the protocol allows more, but we make them.
pub const OWNER_MAX: usize = 32;

impl Owner {
    pub(crate) const XDR_MAX: usize = 8 + opaque_max(OWNER_MAX);

    pub(crate) fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u64(self.clientid.0)?;
        s.put_opaque(self.name.as_slice(), OWNER_MAX)
    }
}

/// Whether the file is made, `openflag4`.
#[derive(Clone, Copy, Debug)]
pub enum OpenHow {
    /// It must be there.
    NoCreate,
    /// Made if it is not there; one that is there gets `size` alone set.
    Unchecked(SetAttrs),
    /// Made; it must not be there.
    Guarded(SetAttrs),
    /// Made; it must not be there unless an earlier try of the same OPEN made it.
    ///
    /// The server may keep the verifier in attributes: those that the result's `attrset` does not
    /// have are to be set afterwards.
    Exclusive41(Verifier, SetAttrs),
}

impl OpenHow {
    const fn xdr_max(&self) -> usize {
        match self {
            Self::NoCreate => 4,
            _ => 8 + Verifier::XDR + SetAttrs::XDR_MAX,
        }
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u32(u32::from(!matches!(self, Self::NoCreate)))?;
        match self {
            Self::NoCreate => Ok(()),
            Self::Unchecked(attrs) => {
                s.put_u32(0)?;
                attrs.encode(s)
            }
            Self::Guarded(attrs) => {
                s.put_u32(1)?;
                attrs.encode(s)
            }
            Self::Exclusive41(verifier, attrs) => {
                s.put_u32(3)?;
                verifier.encode(s)?;
                attrs.encode(s)
            }
        }
    }
}

/// A kind of delegation, `open_delegation_type4`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum DelegationType {
    /// None.
    None = 0,
    /// Reads may be cached.
    Read = 1,
    /// Reads and writes may be cached.
    Write = 2,
}

/// What gives the right to this open, and which file it is, `open_claim4`.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most opens are by name; nothing here may allocate"
)]
pub enum OpenClaim {
    /// A new open of this name in the current directory.
    Null(Opaque<NAME_MAX>),
    /// Reclaims, after a restart of the server, an open of the current file and its delegation.
    Previous(DelegationType),
    /// A new open of the current file.
    Fh,
    /// An open of the current file made locally under this delegation.
    DelegCurFh(Stateid),
}

impl OpenClaim {
    fn xdr_max(&self) -> usize {
        4 + match self {
            Self::Null(name) => opaque_max(name.as_slice().len()),
            Self::Previous(_) => 4,
            Self::Fh => 0,
            Self::DelegCurFh(_) => Stateid::XDR,
        }
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        match self {
            Self::Null(name) => {
                s.put_u32(0)?;
                s.put_opaque(name.as_slice(), NAME_MAX)
            }
            Self::Previous(delegation) => {
                s.put_u32(1)?;
                s.put_u32(*delegation as u32)
            }
            Self::Fh => s.put_u32(4),
            Self::DelegCurFh(stateid) => {
                s.put_u32(5)?;
                stateid.encode(s)
            }
        }
    }
}

/// OPEN. The current file handle becomes the file's.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// What the open is for, with wishes about a delegation.
    pub access: ShareAccess,
    /// What is denied to others: 0 on behalf of POSIX programs.
    pub deny: u32,
    /// On whose behalf.
    pub owner: Owner,
    /// Whether the file is made.
    pub how: OpenHow,
    /// Which file, and by what right.
    pub claim: OpenClaim,
}

/// What OPEN gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OpenRes {
    /// The open.
    pub stateid: Stateid,
    /// The directory's change attribute.
    pub change: ChangeInfo,
    /// Bits of [`open4_result`].
    pub rflags: u32,
    /// The attributes that were set where the file was made.
    pub attrset: Bitmap,
    /// The delegation given with the open.
    pub delegation: Delegation,
}

/// A delegation given with an open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delegation {
    /// None, or none and why (a `why_no_delegation4`).
    None(Option<u32>),
    /// Given.
    Given {
        /// Writes may be cached, too.
        write: bool,
        /// Time stamps are delegated, too (RFC 9754).
        timestamps: bool,
        /// The delegation.
        stateid: Stateid,
        /// It is recalled already and is to be returned at once.
        recall: bool,
        /// Bytes that may be written without asking; [`u64::MAX`] for reading.
        limit: u64,
    },
}

impl Delegation {
    const XDR_MAX: usize = 4 + Stateid::XDR + 4 + 12 + 12 + opaque_max(OPAQUE_MAX);
    /// None, and why.
    const XDR_NONE: usize = 12;

    fn decode<S: Source>(s: &mut S, asked: ShareAccess) -> XdrResult<Self> {
        let kind = s.get_u32()?;
        let timestamps = matches!(kind, 4 | 5);
        if timestamps && !asked.covers(ShareAccess::WANT_DELEG_TIMESTAMPS) {
            return Err(XdrError::Invalid);
        }
        match kind {
            0 => Ok(Self::None(None)),
            1 | 4 => Self::given(s, false, timestamps),
            2 | 5 => Self::given(s, true, timestamps),
            3 => Self::none_ext(s),
            _ => Err(XdrError::Invalid),
        }
    }

    fn none_ext<S: Source>(s: &mut S) -> XdrResult<Self> {
        const WND4_CONTENTION: u32 = 1;
        const WND4_RESOURCE: u32 = 2;

        let why = s.get_u32()?;
        if matches!(why, WND4_CONTENTION | WND4_RESOURCE) {
            // Whether the server will offer it later.
            s.get_bool()?;
        }
        Ok(Self::None(Some(why)))
    }

    fn given<S: Source>(s: &mut S, write: bool, timestamps: bool) -> XdrResult<Self> {
        let stateid = Stateid::decode(s)?;
        let recall = s.get_bool()?;
        let limit = match write {
            true => Self::space_limit(s)?,
            false => u64::MAX,
        };
        // An access control entry for opens that need not ask: type, flags, mask, who. We ask.
        for _ in 0..3 {
            s.get_u32()?;
        }
        s.skip_opaque(OPAQUE_MAX)?;
        Ok(Self::Given {
            write,
            timestamps,
            stateid,
            recall,
            limit,
        })
    }

    fn space_limit<S: Source>(s: &mut S) -> XdrResult<u64> {
        match s.get_u32()? {
            1 => s.get_u64(),
            2 => Ok(u64::from(s.get_u32()?) * u64::from(s.get_u32()?)),
            _ => Err(XdrError::Invalid),
        }
    }
}

impl Op for Open {
    const NUM: u32 = 18;
    type Res = OpenRes;

    fn args_max(&self) -> usize {
        12 + Owner::XDR_MAX + self.how.xdr_max() + self.claim.xdr_max()
    }

    fn res_max(&self) -> usize {
        Stateid::XDR + ChangeInfo::XDR + 4 + Bitmap::XDR_MAX + Delegation::XDR_MAX
    }

    fn res_usual(&self) -> usize {
        // A server that gives a delegation where none is wanted may be cut short in a batch, which is then
        // sent in smaller ones.
        if self.access.covers(ShareAccess::WANT_NO_DELEG) {
            Op::res_max(self) - Delegation::XDR_MAX + Delegation::XDR_NONE
        } else {
            Op::res_max(self)
        }
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        // The owner's sequence id: has no meaning since sessions order calls.
        s.put_u32(0)?;
        s.put_u32(self.access.0)?;
        s.put_u32(self.deny)?;
        self.owner.encode(s)?;
        self.how.encode(s)?;
        self.claim.encode(s)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<OpenRes> {
        Ok(OpenRes {
            stateid: Stateid::decode(s)?,
            change: ChangeInfo::decode(s)?,
            rflags: s.get_u32()?,
            // A server may tell of more than was asked: the attributes that an exclusive create uses.
            attrset: Bitmap::decode(s)?,
            delegation: Delegation::decode(s, self.access)?,
        })
    }
}
