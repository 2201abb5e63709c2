// SPDX-License-Identifier: GPL-2.0

//! Every decoder of a result against bytes of every kind: it ends, takes no more than there is, keeps
//! to the rules of [`Source`], and never panics. The same function serves a fuzzer.

#![allow(missing_docs)]

mod common;

use common::Watched;
use proptest::prelude::*;
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
        readdir::{DirEntries, Readdir},
        secinfo::SecinfoNoName,
        session::{
            BindConnToSession, BindDir, CallbackSec, ChannelAttrs, CreateSession, DestroyClientid,
            DestroySession, ExchangeId, ReclaimComplete, Sequence, ServerInfo,
        },
        state::{Close, Delegreturn, FreeStateid, OpenDowngrade, TestStateid},
    },
    setattrs::SetAttrs,
    status::Status,
    types::{
        Bitmap, ClientId, Fh, LockType, Opaque, SessionId, ShareAccess, SlotId, StableHow, Stateid,
        Verifier,
    },
    xdr::Source,
};

const ID: Stateid = Stateid {
    seqid: 1,
    other: [1; 12],
};
const RANGE: Range = Range { offset: 0, len: 1 };

/// One operation as one result of a COMPOUND that has nothing but it, and its body alone.
fn one<O: Op>(mut op: O, bytes: &[u8]) {
    let mut s = Watched::new(bytes);
    let _ = Op::decode(&mut op, &mut s);
    assert!(
        s.takes <= bytes.len() / 4 + 16,
        "{} goes round without end",
        O::NUM
    );
    for status in [Status::DENIED, Status::IO, Status(99_999)] {
        let _ = Op::decode_err(&mut op, status, &mut Watched::new(bytes));
    }
    let mut framed = Vec::new();
    for word in [0, 0, 1, O::NUM, 0] {
        framed.extend(word.to_be_bytes());
    }
    framed.extend(bytes);
    let mut s = Watched::new(&framed);
    let res = Ops::decode(&mut op, &mut s);
    assert!(res.is_err() || s.remaining() == 0);
}

/// Every operation there is.
fn all(bytes: &[u8]) {
    let owner = Owner {
        clientid: ClientId(1),
        name: Opaque::empty(),
    };
    let attrs = SetAttrs {
        size: Some(1),
        mode: Some(2),
        ..Default::default()
    };
    let mut server = ServerInfo::empty();
    let mut denied = None::<Denied>;
    let mut statuses = [Status::OK; 3];
    one(Putfh(Fh::empty()), bytes);
    one(Putrootfh, bytes);
    one(Savefh, bytes);
    one(Restorefh, bytes);
    one(Lookupp, bytes);
    one(Getfh, bytes);
    one(Lookup(b"x"), bytes);
    for map in [
        request::INODE,
        request::DIRENT,
        request::CHANGED,
        Bitmap([u32::MAX; 3]),
    ] {
        one(Getattr(map), bytes);
    }
    for map in [request::FSINFO, request::STATFS, Bitmap([u32::MAX; 3])] {
        one(GetFsattr(map), bytes);
    }
    one(Setattr { stateid: ID, attrs }, bytes);
    one(Access(0x3f), bytes);
    one(SecinfoNoName { parent: false }, bytes);
    one(
        Read {
            stateid: ID,
            offset: 0,
            count: 4096,
        },
        bytes,
    );
    one(
        Write {
            stateid: ID,
            offset: 0,
            stable: StableHow::Unstable,
            len: u32::MAX,
        },
        bytes,
    );
    one(
        Commit {
            offset: 0,
            count: 0,
        },
        bytes,
    );
    one(
        Create {
            kind: CreateType::Dir,
            name: b"x",
            attrs,
        },
        bytes,
    );
    one(Remove(b"x"), bytes);
    one(Link(b"x"), bytes);
    one(
        Rename {
            old: b"x",
            new: b"y",
        },
        bytes,
    );
    one(Readlink, bytes);
    let verifier = Verifier([0; 8]);
    one(
        Readdir {
            cookie: 0,
            verifier,
            dircount: 0,
            maxcount: 0,
            attrs: request::DIRENT,
        },
        bytes,
    );
    let access = ShareAccess::BOTH.with(ShareAccess::WANT_DELEG_TIMESTAMPS);
    one(
        Open {
            access,
            deny: 0,
            owner,
            how: OpenHow::NoCreate,
            claim: OpenClaim::Fh,
        },
        bytes,
    );
    one(Close(ID), bytes);
    one(
        OpenDowngrade {
            stateid: ID,
            access: ShareAccess::READ,
            deny: 0,
        },
        bytes,
    );
    one(
        TestStateid {
            stateids: &[ID; 3],
            statuses: &mut statuses,
        },
        bytes,
    );
    one(FreeStateid(ID), bytes);
    one(Delegreturn(ID), bytes);
    let kind = LockType::Write;
    let locker = Locker::Known(ID);
    one(
        Lock {
            kind,
            reclaim: false,
            range: RANGE,
            locker,
            denied: Some(&mut denied),
        },
        bytes,
    );
    one(
        Lockt {
            kind,
            range: RANGE,
            owner,
            denied: Some(&mut denied),
        },
        bytes,
    );
    one(
        Locku {
            range: RANGE,
            stateid: ID,
        },
        bytes,
    );
    one(
        ExchangeId {
            verifier,
            owner: b"o",
            flags: 0,
            impl_id: None,
            server: &mut server,
        },
        bytes,
    );
    one(
        CreateSession {
            clientid: ClientId(1),
            seqid: 0,
            flags: 0,
            fore: ChannelAttrs::default(),
            back: ChannelAttrs::default(),
            cb_program: 0,
            cb_sec: CallbackSec::None,
        },
        bytes,
    );
    let sessionid = SessionId([0; 16]);
    let (slot, highest_slot) = (SlotId(0), SlotId(0));
    one(
        Sequence {
            sessionid,
            seqid: 0,
            slot,
            highest_slot,
            cache_this: false,
        },
        bytes,
    );
    one(
        BindConnToSession {
            sessionid,
            dir: BindDir::ForeOrBoth,
        },
        bytes,
    );
    one(DestroySession(sessionid), bytes);
    one(DestroyClientid(ClientId(1)), bytes);
    one(ReclaimComplete { one_fs: false }, bytes);
    let mut entries = DirEntries::new(Watched::new(bytes), request::DIRENT);
    let mut n = 0;
    while let Ok(Some(_)) = entries.next_entry() {
        n += 1;
        assert!(n <= bytes.len());
    }
}

/// Bytes as a server might send them: mostly small numbers, some bits, some of anything.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        6 => 0u32..4,
        3 => 0u32..64,
        2 => (0u32..32).prop_map(|b| 1 << b),
        1 => any::<u32>(),
        1 => Just(u32::MAX),
    ];
    proptest::collection::vec(word, 0..120)
        .prop_map(|words| words.iter().flat_map(|w| w.to_be_bytes()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        all(&bytes);
    }

    #[test]
    fn likely_words(bytes in words()) {
        all(&bytes);
    }
}

#[test]
fn the_extremes() {
    for byte in [0, 1, 0x7f, 0x80, 0xff] {
        for len in [0, 1, 3, 4, 12, 100, 5000] {
            all(&vec![byte; len]);
        }
    }
}
