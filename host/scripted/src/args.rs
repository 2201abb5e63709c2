// SPDX-License-Identifier: GPL-2.0

//! The arguments of operations as a server reads them: the other direction of the protocol crate's
//! `Op::encode`.

use crate::wire::{get_data, SetAttrs};
use rnfs4_proto::{
    ops::session::ChannelAttrs,
    types::{Bitmap, ClientId, SessionId, ShareAccess, Stateid, Verifier},
    xdr::{Decode, SliceSource, XdrError, XdrResult},
};

/// A name, a file handle, an owner: whatever is short.
type Bytes = Vec<u8>;

/// The longest short thing.
const SHORT: usize = 4096;
/// The most data of one WRITE.
const DATA: usize = 4 << 20;

/// What a file is opened by.
#[derive(Clone, Debug)]
pub enum Claim {
    /// Its name.
    Null(Bytes),
    /// An open from before the restart.
    Previous,
    /// Its handle.
    Fh,
    /// Its handle, under a delegation.
    DelegCurFh(Stateid),
    /// Some other way.
    Other,
}

/// Whether a file is made.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// No.
    NoCreate,
    /// If it is not there.
    Unchecked(SetAttrs),
    /// It must not be there.
    Guarded(SetAttrs),
    /// It must not be there unless it was made with this verifier.
    Exclusive(Verifier, SetAttrs),
}

/// Who locks.
#[derive(Clone, Debug)]
pub enum Locker {
    /// A new lock owner, by the right of this open.
    New(Stateid, Bytes),
    /// One that has a stateid.
    Known(Stateid),
}

/// An operation with its arguments.
#[derive(Clone, Debug)]
pub enum Args {
    Access(u32),
    Close(Stateid),
    Commit {
        offset: u64,
        count: u32,
    },
    Create {
        kind: u32,
        link: Bytes,
        dev: (u32, u32),
        name: Bytes,
        attrs: SetAttrs,
    },
    Delegreturn(Stateid),
    Getattr(Bitmap),
    Getfh,
    Link(Bytes),
    Lock {
        exclusive: bool,
        reclaim: bool,
        offset: u64,
        len: u64,
        locker: Locker,
    },
    Lockt {
        exclusive: bool,
        offset: u64,
        len: u64,
        owner: Bytes,
    },
    Locku {
        stateid: Stateid,
        offset: u64,
        len: u64,
    },
    Lookup(Bytes),
    Lookupp,
    Open {
        access: ShareAccess,
        owner: Bytes,
        how: How,
        claim: Claim,
    },
    OpenDowngrade {
        stateid: Stateid,
        access: ShareAccess,
    },
    Putfh(Bytes),
    Putrootfh,
    Read {
        stateid: Stateid,
        offset: u64,
        count: u32,
    },
    Readdir {
        cookie: u64,
        verifier: Verifier,
        maxcount: u32,
        attrs: Bitmap,
    },
    Readlink,
    Remove(Bytes),
    Rename(Bytes, Bytes),
    Restorefh,
    Savefh,
    Setattr {
        stateid: Stateid,
        attrs: SetAttrs,
    },
    Write {
        stateid: Stateid,
        offset: u64,
        stable: u32,
        data: Bytes,
    },
    BindConn {
        sessionid: SessionId,
        dir: u32,
    },
    ExchangeId {
        verifier: Verifier,
        owner: Bytes,
        flags: u32,
        protect: u32,
    },
    CreateSession {
        clientid: ClientId,
        seqid: u32,
        flags: u32,
        fore: ChannelAttrs,
        back: ChannelAttrs,
    },
    DestroySession(SessionId),
    FreeStateid(Stateid),
    SecinfoNoName,
    Sequence {
        sessionid: SessionId,
        seqid: u32,
        slot: u32,
        highest: u32,
        cache: bool,
    },
    TestStateid(Vec<Stateid>),
    DestroyClientid(ClientId),
    ReclaimComplete(bool),
    /// One that this server does not know.
    Unknown(u32),
}

/// The name of an operation.
pub fn name(num: u32) -> &'static str {
    NAMES
        .iter()
        .find(|(n, _)| *n == num)
        .map_or("UNKNOWN", |(_, name)| name)
}

/// The number of the operation of this name.
pub fn number(name: &str) -> Option<u32> {
    NAMES.iter().find(|(_, n)| *n == name).map(|(num, _)| *num)
}

const NAMES: &[(u32, &str)] = &[
    (3, "ACCESS"),
    (4, "CLOSE"),
    (5, "COMMIT"),
    (6, "CREATE"),
    (8, "DELEGRETURN"),
    (9, "GETATTR"),
    (10, "GETFH"),
    (11, "LINK"),
    (12, "LOCK"),
    (13, "LOCKT"),
    (14, "LOCKU"),
    (15, "LOOKUP"),
    (16, "LOOKUPP"),
    (18, "OPEN"),
    (21, "OPEN_DOWNGRADE"),
    (22, "PUTFH"),
    (24, "PUTROOTFH"),
    (25, "READ"),
    (26, "READDIR"),
    (27, "READLINK"),
    (28, "REMOVE"),
    (29, "RENAME"),
    (31, "RESTOREFH"),
    (32, "SAVEFH"),
    (34, "SETATTR"),
    (38, "WRITE"),
    (41, "BIND_CONN_TO_SESSION"),
    (42, "EXCHANGE_ID"),
    (43, "CREATE_SESSION"),
    (44, "DESTROY_SESSION"),
    (45, "FREE_STATEID"),
    (52, "SECINFO_NO_NAME"),
    (53, "SEQUENCE"),
    (55, "TEST_STATEID"),
    (57, "DESTROY_CLIENTID"),
    (58, "RECLAIM_COMPLETE"),
];

type In<'a> = SliceSource<'a>;

fn lock_type(s: &mut In<'_>) -> XdrResult<bool> {
    match s.get_u32()? {
        1 | 3 => Ok(false),
        2 | 4 => Ok(true),
        _ => Err(XdrError::Invalid),
    }
}

fn owner(s: &mut In<'_>) -> XdrResult<Bytes> {
    // The client id in it has no meaning since sessions tell the client.
    s.get_u64()?;
    get_data(s, SHORT)
}

fn how(s: &mut In<'_>) -> XdrResult<How> {
    if s.get_u32()? == 0 {
        return Ok(How::NoCreate);
    }
    Ok(match s.get_u32()? {
        0 => How::Unchecked(SetAttrs::decode(s)?),
        1 => How::Guarded(SetAttrs::decode(s)?),
        2 => How::Exclusive(Verifier::decode(s)?, SetAttrs::default()),
        3 => How::Exclusive(Verifier::decode(s)?, SetAttrs::decode(s)?),
        _ => return Err(XdrError::Invalid),
    })
}

fn channel(s: &mut In<'_>) -> XdrResult<ChannelAttrs> {
    s.get_u32()?;
    let attrs = ChannelAttrs {
        max_request_size: s.get_u32()?,
        max_response_size: s.get_u32()?,
        max_response_size_cached: s.get_u32()?,
        max_ops: s.get_u32()?,
        max_reqs: s.get_u32()?,
    };
    for _ in 0..s.get_count(1)? {
        s.get_u32()?;
    }
    Ok(attrs)
}

fn create_session(s: &mut In<'_>) -> XdrResult<Args> {
    let (clientid, seqid, flags) = (ClientId(s.get_u64()?), s.get_u32()?, s.get_u32()?);
    let (fore, back) = (channel(s)?, channel(s)?);
    s.get_u32()?;
    for _ in 0..s.get_count(8)? {
        match s.get_u32()? {
            0 => (),
            1 => {
                s.get_u32()?;
                get_data(s, 255)?;
                s.get_u64()?;
                for _ in 0..s.get_count(16)? {
                    s.get_u32()?;
                }
            }
            6 => {
                s.get_u32()?;
                get_data(s, SHORT)?;
                get_data(s, SHORT)?;
            }
            _ => return Err(XdrError::Invalid),
        }
    }
    Ok(Args::CreateSession {
        clientid,
        seqid,
        flags,
        fore,
        back,
    })
}

fn exchange_id(s: &mut In<'_>) -> XdrResult<Args> {
    let (verifier, owner) = (Verifier::decode(s)?, get_data(s, 1024)?);
    let (flags, protect) = (s.get_u32()?, s.get_u32()?);
    // What protection needs is not read: nothing behind EXCHANGE_ID is.
    if protect == 0 && s.get_count(1)? == 1 {
        get_data(s, SHORT)?;
        get_data(s, SHORT)?;
        s.get_u64()?;
        s.get_u32()?;
    }
    Ok(Args::ExchangeId {
        verifier,
        owner,
        flags,
        protect,
    })
}

fn create(s: &mut In<'_>) -> XdrResult<Args> {
    let (kind, mut link, mut dev) = (s.get_u32()?, Bytes::new(), (0, 0));
    match kind {
        3 | 4 => dev = (s.get_u32()?, s.get_u32()?),
        5 => link = get_data(s, SHORT)?,
        _ => (),
    }
    Ok(Args::Create {
        kind,
        link,
        dev,
        name: get_data(s, SHORT)?,
        attrs: SetAttrs::decode(s)?,
    })
}

fn lock(s: &mut In<'_>) -> XdrResult<Args> {
    let (exclusive, reclaim) = (lock_type(s)?, s.get_bool()?);
    let (offset, len) = (s.get_u64()?, s.get_u64()?);
    let locker = if s.get_bool()? {
        s.get_u32()?;
        let open = Stateid::decode(s)?;
        s.get_u32()?;
        Locker::New(open, owner(s)?)
    } else {
        let stateid = Stateid::decode(s)?;
        s.get_u32()?;
        Locker::Known(stateid)
    };
    Ok(Args::Lock {
        exclusive,
        reclaim,
        offset,
        len,
        locker,
    })
}

fn open(s: &mut In<'_>) -> XdrResult<Args> {
    s.get_u32()?;
    let access = ShareAccess(s.get_u32()?);
    s.get_u32()?;
    let (owner, how) = (owner(s)?, how(s)?);
    let claim = match s.get_u32()? {
        0 => Claim::Null(get_data(s, SHORT)?),
        1 => {
            // The kind of delegation that came with it.
            s.get_u32()?;
            Claim::Previous
        }
        4 => Claim::Fh,
        5 => Claim::DelegCurFh(Stateid::decode(s)?),
        _ => Claim::Other,
    };
    Ok(Args::Open {
        access,
        owner,
        how,
        claim,
    })
}

impl Args {
    /// Reads the arguments of operation `num`.
    pub fn decode(num: u32, s: &mut In<'_>) -> XdrResult<Self> {
        Ok(match num {
            3 => Self::Access(s.get_u32()?),
            4 => {
                s.get_u32()?;
                Self::Close(Stateid::decode(s)?)
            }
            5 => Self::Commit {
                offset: s.get_u64()?,
                count: s.get_u32()?,
            },
            6 => create(s)?,
            8 => Self::Delegreturn(Stateid::decode(s)?),
            9 => Self::Getattr(Bitmap::decode(s)?),
            10 => Self::Getfh,
            11 => Self::Link(get_data(s, SHORT)?),
            12 => lock(s)?,
            13 => Self::Lockt {
                exclusive: lock_type(s)?,
                offset: s.get_u64()?,
                len: s.get_u64()?,
                owner: owner(s)?,
            },
            14 => {
                s.get_u64()?;
                let stateid = Stateid::decode(s)?;
                Self::Locku {
                    stateid,
                    offset: s.get_u64()?,
                    len: s.get_u64()?,
                }
            }
            15 => Self::Lookup(get_data(s, SHORT)?),
            16 => Self::Lookupp,
            18 => open(s)?,
            21 => {
                let stateid = Stateid::decode(s)?;
                s.get_u32()?;
                let access = ShareAccess(s.get_u32()?);
                s.get_u32()?;
                Self::OpenDowngrade { stateid, access }
            }
            22 => Self::Putfh(get_data(s, 128)?),
            24 => Self::Putrootfh,
            25 => Self::Read {
                stateid: Stateid::decode(s)?,
                offset: s.get_u64()?,
                count: s.get_u32()?,
            },
            26 => {
                let (cookie, verifier) = (s.get_u64()?, Verifier::decode(s)?);
                s.get_u32()?;
                Self::Readdir {
                    cookie,
                    verifier,
                    maxcount: s.get_u32()?,
                    attrs: Bitmap::decode(s)?,
                }
            }
            27 => Self::Readlink,
            28 => Self::Remove(get_data(s, SHORT)?),
            29 => Self::Rename(get_data(s, SHORT)?, get_data(s, SHORT)?),
            31 => Self::Restorefh,
            32 => Self::Savefh,
            34 => Self::Setattr {
                stateid: Stateid::decode(s)?,
                attrs: SetAttrs::decode(s)?,
            },
            38 => Self::Write {
                stateid: Stateid::decode(s)?,
                offset: s.get_u64()?,
                stable: s.get_u32()?,
                data: get_data(s, DATA)?,
            },
            41 => {
                let (sessionid, dir) = (SessionId::decode(s)?, s.get_u32()?);
                s.get_bool()?;
                Self::BindConn { sessionid, dir }
            }
            42 => exchange_id(s)?,
            43 => create_session(s)?,
            44 => Self::DestroySession(SessionId::decode(s)?),
            45 => Self::FreeStateid(Stateid::decode(s)?),
            52 => {
                s.get_u32()?;
                Self::SecinfoNoName
            }
            53 => Self::Sequence {
                sessionid: SessionId::decode(s)?,
                seqid: s.get_u32()?,
                slot: s.get_u32()?,
                highest: s.get_u32()?,
                cache: s.get_bool()?,
            },
            55 => {
                let n = s.get_count(1 << 16)?;
                Self::TestStateid(
                    (0..n)
                        .map(|_| Stateid::decode(s))
                        .collect::<XdrResult<_>>()?,
                )
            }
            57 => Self::DestroyClientid(ClientId(s.get_u64()?)),
            58 => Self::ReclaimComplete(s.get_bool()?),
            num => Self::Unknown(num),
        })
    }

    /// What a rule may name besides the operation: how an OPEN or LOCK is meant.
    pub fn qualifier(&self) -> &'static str {
        match self {
            Self::Open {
                claim: Claim::Null(_),
                ..
            } => "null",
            Self::Open {
                claim: Claim::Previous,
                ..
            } => "previous",
            Self::Open {
                claim: Claim::Fh, ..
            } => "fh",
            Self::Lock { reclaim: true, .. } => "reclaim",
            Self::Lock {
                locker: Locker::New(..),
                ..
            } => "new",
            Self::Lock { .. } => "known",
            Self::Setattr { attrs, .. } if attrs.size.is_some() => "size",
            _ => "",
        }
    }
}
