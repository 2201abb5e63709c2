// SPDX-License-Identifier: GPL-2.0

//! The result of each operation. The first byte is the operation's number, the second tells apart
//! several ways to ask, the others are the body.

use crate::common::Watched;
use rnfs4_proto::{
    attrs::request,
    compound::Ops,
    op::Op,
    ops::{
        attr::{Access, GetFsattr, Getattr, Setattr},
        dir::{Create, CreateType, Link, Readlink, Remove, Rename},
        fh::{Getfh, Lookup, Lookupp, Putfh, Putrootfh, Restorefh, Savefh},
        io::{Commit, Read, Write},
        lock::{Denied, Lock, Locker, Lockt, Locku, Range},
        open::{Open, OpenClaim, OpenHow, Owner},
        readdir::Readdir,
        secinfo::SecinfoNoName,
        session::{
            BindConnToSession, BindDir, CallbackSec, ChannelAttrs, CreateSession, DestroyClientid,
            DestroySession, ExchangeId, ReclaimComplete, Sequence, ServerInfo,
        },
        space::{Allocate, Deallocate, Part, Seek},
        state::{Close, Delegreturn, FreeStateid, OpenDowngrade, TestStateid, TestedStateid},
    },
    setattrs::SetAttrs,
    status::Status,
    types::{
        Bitmap, ClientId, Fh, LockType, Opaque, SessionId, ShareAccess, SlotId, StableHow, Stateid,
        Verifier,
    },
    xdr::Source,
};

pub const ID: Stateid = Stateid {
    seqid: 1,
    other: [1; 12],
};
const RANGE: Range = Range { offset: 0, len: 1 };
const VERIFIER: Verifier = Verifier([0; 8]);
const SESSION: SessionId = SessionId([0; 16]);

/// The highest number of an operation, and how many variants there are of any.
const LAST: u8 = 72;
const VARIANTS: u8 = 7;

/// One operation as one result of a COMPOUND that has nothing but it, and its body alone.
fn one<O: Op>(mut op: O, bytes: &[u8]) {
    let mut s = Watched::new(bytes);
    let alone = Op::decode(&mut op, &mut s).is_ok() && s.remaining() == 0;
    assert!(
        s.takes <= bytes.len() / 4 + 16,
        "{} goes round without end",
        O::NUM
    );
    for status in [Status::DENIED, Status::IO, Status(99_999)] {
        let _ = Op::decode_err(&mut op, status, &mut Watched::new(bytes));
    }
    let mut framed = Vec::with_capacity(20 + bytes.len());
    for word in [0, 0, 1, O::NUM, 0] {
        framed.extend(word.to_be_bytes());
    }
    framed.extend(bytes);
    let mut s = Watched::new(&framed);
    let res = Ops::decode(&mut op, &mut s);
    assert!(res.is_err() || s.remaining() == 0);
    assert_eq!(res.is_ok(), alone, "{} is another in a frame", O::NUM);
}

pub fn owner() -> Owner {
    Owner {
        clientid: ClientId(1),
        name: Opaque::empty(),
    }
}

pub fn open(claim: OpenClaim, access: ShareAccess) -> Open {
    Open {
        access,
        deny: 0,
        owner: owner(),
        how: OpenHow::NoCreate,
        claim,
    }
}

/// The attributes that the client asks for, and all there are.
pub fn attr_map(variant: u8) -> Bitmap {
    match variant {
        0 => request::INODE,
        1 => request::DIRENT,
        2 => request::CHANGED,
        3 => request::FSINFO,
        4 => request::STATFS,
        _ => Bitmap([u32::MAX; 3]),
    }
}

fn handles_and_data(num: u8, variant: u8, bytes: &[u8]) {
    let attrs = SetAttrs {
        size: Some(1),
        mode: Some(2),
        ..Default::default()
    };
    match num {
        3 => one(Access(0x3f), bytes),
        5 => one(
            Commit {
                offset: 0,
                count: 0,
            },
            bytes,
        ),
        6 => {
            let (kind, name) = (CreateType::Dir, &b"x"[..]);
            one(Create { kind, name, attrs }, bytes);
        }
        9 if variant == 6 => one(GetFsattr(attr_map(variant)), bytes),
        9 if (3..5).contains(&variant) => one(GetFsattr(attr_map(variant)), bytes),
        9 => one(Getattr(attr_map(variant)), bytes),
        10 => one(Getfh, bytes),
        11 => one(Link(b"x"), bytes),
        15 => one(Lookup(b"x"), bytes),
        16 => one(Lookupp, bytes),
        22 => one(Putfh(Fh::empty()), bytes),
        24 => one(Putrootfh, bytes),
        25 => {
            let (stateid, offset, count) = (ID, 0, 4096);
            let read = Read {
                stateid,
                offset,
                count,
            };
            one(read, bytes);
        }
        26 => {
            let readdir = Readdir {
                cookie: 0,
                verifier: VERIFIER,
                dircount: 0,
                maxcount: 0,
                attrs: request::DIRENT,
            };
            one(readdir, bytes);
        }
        27 => one(Readlink, bytes),
        28 => one(Remove(b"x"), bytes),
        29 => {
            let (old, new) = (&b"x"[..], &b"y"[..]);
            one(Rename { old, new }, bytes);
        }
        31 => one(Restorefh, bytes),
        32 => one(Savefh, bytes),
        34 => one(Setattr { stateid: ID, attrs }, bytes),
        38 => {
            let write = Write {
                stateid: ID,
                offset: 0,
                stable: StableHow::Unstable,
                len: u32::MAX,
            };
            one(write, bytes);
        }
        52 => one(SecinfoNoName { parent: false }, bytes),
        59 | 62 => {
            let (stateid, offset, len) = (ID, 0, 1);
            let part = Part {
                stateid,
                offset,
                len,
            };
            match num {
                59 => one(Allocate(part), bytes),
                _ => one(Deallocate(part), bytes),
            }
        }
        69 => {
            let (stateid, offset, hole) = (ID, 0, true);
            let seek = Seek {
                stateid,
                offset,
                hole,
            };
            one(seek, bytes);
        }
        _ => (),
    }
}

fn state(num: u8, variant: u8, bytes: &[u8]) {
    let mut denied = None::<Denied>;
    let (kind, range) = (LockType::Write, RANGE);
    match num {
        4 => one(Close(ID), bytes),
        8 => one(Delegreturn(ID), bytes),
        12 => {
            let lock = Lock {
                kind,
                reclaim: false,
                range,
                locker: Locker::Known(ID),
                denied: (variant == 0).then_some(&mut denied),
            };
            one(lock, bytes);
        }
        13 => {
            let lockt = Lockt {
                kind,
                range,
                owner: owner(),
                denied: (variant == 0).then_some(&mut denied),
            };
            one(lockt, bytes);
        }
        14 => one(Locku { range, stateid: ID }, bytes),
        18 => {
            let access = match variant {
                0 => ShareAccess::BOTH.with(ShareAccess::WANT_DELEG_TIMESTAMPS),
                _ => ShareAccess::READ.with(ShareAccess::WANT_NO_DELEG),
            };
            one(open(OpenClaim::Fh, access), bytes);
        }
        21 => {
            let downgrade = OpenDowngrade {
                stateid: ID,
                access: ShareAccess::READ,
                deny: 0,
            };
            one(downgrade, bytes);
        }
        45 => one(FreeStateid(ID), bytes),
        55 => {
            let mut tests = [TestedStateid {
                stateid: ID,
                status: Status::OK,
            }; 3];
            let test = TestStateid(&mut tests[..]);
            one(test, bytes);
        }
        _ => (),
    }
}

fn session(num: u8, bytes: &[u8]) {
    match num {
        41 => {
            let (sessionid, dir) = (SESSION, BindDir::ForeOrBoth);
            one(BindConnToSession { sessionid, dir }, bytes);
        }
        42 => {
            let mut server = ServerInfo::empty();
            let exchange = ExchangeId {
                verifier: VERIFIER,
                owner: b"o",
                flags: 0,
                impl_id: None,
                server: &mut server,
            };
            one(exchange, bytes);
        }
        43 => {
            let create = CreateSession {
                clientid: ClientId(1),
                seqid: 0,
                flags: 0,
                fore: ChannelAttrs::default(),
                back: ChannelAttrs::default(),
                cb_program: 0,
                cb_sec: CallbackSec::None,
            };
            one(create, bytes);
        }
        44 => one(DestroySession(SESSION), bytes),
        53 => one(sequence(), bytes),
        57 => one(DestroyClientid(ClientId(1)), bytes),
        58 => one(ReclaimComplete { one_fs: false }, bytes),
        _ => (),
    }
}

pub fn sequence() -> Sequence {
    Sequence {
        sessionid: SESSION,
        seqid: 0,
        slot: SlotId(0),
        highest_slot: SlotId(0),
        cache_this: false,
    }
}

/// The result of one operation.
pub fn result(num: u8, variant: u8, bytes: &[u8]) {
    handles_and_data(num, variant, bytes);
    state(num, variant, bytes);
    session(num, bytes);
}

/// The same bytes as the result of every operation, asked in every way.
pub fn all(bytes: &[u8]) {
    for num in 0..=LAST {
        for variant in 0..VARIANTS {
            result(num, variant, bytes);
        }
    }
}

pub fn run(bytes: &[u8]) {
    if let [num, variant, body @ ..] = bytes {
        result(num % (LAST + 1), variant % VARIANTS, body);
    }
}
