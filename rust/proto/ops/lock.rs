// SPDX-License-Identifier: GPL-2.0

//! Byte-range locks: LOCK, LOCKT, LOCKU.

use crate::{
    op::Op,
    ops::open::Owner,
    status::Status,
    types::{
        ClientId,
        LockType,
        Opaque,
        Stateid,
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

/// A range of bytes of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Range {
    /// From where.
    pub offset: u64,
    /// How many; [`u64::MAX`] for all to the end, 0 is not allowed.
    pub len: u64,
}

impl Range {
    const XDR: usize = 16;

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u64(self.offset)?;
        s.put_u64(self.len)
    }
}

/// Another owner's lock that is in the way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Denied {
    /// The bytes locked.
    pub range: Range,
    /// How they are locked.
    pub kind: LockType,
    /// The client that holds the lock.
    pub clientid: ClientId,
    /// The start of its owner's name.
    pub owner: Opaque<64>,
}

impl Denied {
    const XDR_MAX: usize = Range::XDR + 4 + 8 + opaque_max(OPAQUE_MAX);

    fn decode<S: Source>(s: &mut S) -> XdrResult<Self> {
        let range = Range {
            offset: s.get_u64()?,
            len: s.get_u64()?,
        };
        // Half-open, as F_GETLK will be told: must not pass the end of what can be numbered.
        if range.len == 0
            || (range.len != u64::MAX && range.offset.checked_add(range.len).is_none())
        {
            return Err(XdrError::Invalid);
        }
        let (kind, clientid) = (LockType::decode(s)?, ClientId(s.get_u64()?));
        let mut owner = Opaque::empty();
        owner.set(s.get_opaque(OPAQUE_MAX)?);
        Ok(Self {
            range,
            kind,
            clientid,
            owner,
        })
    }
}

/// Reads the body of a result that says [`Status::DENIED`].
fn decode_denied<S: Source>(
    status: Status,
    place: &mut Option<&mut Option<Denied>>,
    s: &mut S,
) -> XdrResult {
    if status == Status::DENIED {
        let denied = Denied::decode(s)?;
        if let Some(place) = place {
            **place = Some(denied);
        }
    }
    Ok(())
}

/// Who locks, `locker4`.
#[derive(Clone, Copy, Debug)]
pub enum Locker {
    /// An owner that has no lock in this file yet.
    New {
        /// The open by whose right.
        open: Stateid,
        /// The owner.
        owner: Owner,
    },
    /// An owner that has locks in this file.
    Known(Stateid),
}

/// LOCK (RFC 18.10). Needs the file as current file handle. The result is the locks' stateid.
#[derive(Debug)]
pub struct Lock<'a> {
    /// How to lock.
    pub kind: LockType,
    /// A lock held before the server's restart.
    pub reclaim: bool,
    /// What to lock.
    pub range: Range,
    /// On whose behalf.
    pub locker: Locker,
    /// Where to tell about the lock that is in the way, if [`Status::DENIED`].
    pub denied: Option<&'a mut Option<Denied>>,
}

impl Op for Lock<'_> {
    const NUM: u32 = 12;
    type Res = Stateid;

    fn args_max(&self) -> usize {
        8 + Range::XDR + 4 + 4 + Stateid::XDR + 4 + Owner::XDR_MAX
    }

    fn res_max(&self) -> usize {
        Denied::XDR_MAX
    }

    fn res_usual(&self) -> usize {
        Stateid::XDR
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u32(self.kind as u32)?;
        s.put_bool(self.reclaim)?;
        self.range.encode(s)?;
        // Sequence ids of owners have no meaning since sessions order calls.
        match &self.locker {
            Locker::New { open, owner } => {
                s.put_bool(true)?;
                s.put_u32(0)?;
                open.encode(s)?;
                s.put_u32(0)?;
                owner.encode(s)
            }
            Locker::Known(stateid) => {
                s.put_bool(false)?;
                stateid.encode(s)?;
                s.put_u32(0)
            }
        }
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<Stateid> {
        Stateid::decode(s)
    }

    fn decode_err<S: Source>(&mut self, status: Status, s: &mut S) -> XdrResult {
        decode_denied(status, &mut self.denied, s)
    }
}

/// LOCKT (RFC 18.11): whether this lock could be had. Needs the file as current file handle.
#[derive(Debug)]
pub struct Lockt<'a> {
    /// How to lock.
    pub kind: LockType,
    /// What to lock.
    pub range: Range,
    /// On whose behalf.
    pub owner: Owner,
    /// Where to tell about the lock that is in the way, if [`Status::DENIED`].
    pub denied: Option<&'a mut Option<Denied>>,
}

impl Op for Lockt<'_> {
    const NUM: u32 = 13;
    type Res = ();

    fn args_max(&self) -> usize {
        4 + Range::XDR + Owner::XDR_MAX
    }

    fn res_max(&self) -> usize {
        Denied::XDR_MAX
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u32(self.kind as u32)?;
        self.range.encode(s)?;
        self.owner.encode(s)
    }

    fn decode<S: Source>(&mut self, _s: &mut S) -> XdrResult {
        Ok(())
    }

    fn decode_err<S: Source>(&mut self, status: Status, s: &mut S) -> XdrResult {
        decode_denied(status, &mut self.denied, s)
    }
}

/// LOCKU (RFC 18.12). Needs the file as current file handle. The result is the locks' stateid.
#[derive(Clone, Copy, Debug)]
pub struct Locku {
    /// What to unlock.
    pub range: Range,
    /// The owner's locks in this file.
    pub stateid: Stateid,
}

impl Op for Locku {
    const NUM: u32 = 14;
    type Res = Stateid;

    fn args_max(&self) -> usize {
        8 + Stateid::XDR + Range::XDR
    }

    fn res_max(&self) -> usize {
        Stateid::XDR
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        // The type of the lock, which the server may ignore, and the owner's sequence id.
        s.put_u32(LockType::Write as u32)?;
        s.put_u32(0)?;
        self.stateid.encode(s)?;
        self.range.encode(s)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<Stateid> {
        Stateid::decode(s)
    }
}
