// SPDX-License-Identifier: GPL-2.0

//! Operations on client ids, sessions, opens and locks against the XDR of RFC 5662.

#![allow(missing_docs)]

mod common;

use common::{all_short, args, err, res, X};
use rnfs4_proto::{
    attrs::fattr4,
    op::Op,
    ops::{
        lock::{Denied, Lock, Locker, Lockt, Locku, Range},
        open::{Delegation, DelegationType, Open, OpenClaim, OpenHow, OpenRes, Owner},
        session::{
            BindConnToSession, BindDir, CallbackSec, ChannelAttrs, ConnDir, CreateSession,
            DestroyClientid, DestroySession, ExchangeId, ImplId, ReclaimComplete, Sequence,
            SequenceRes, ServerInfo,
        },
        state::{Close, Delegreturn, FreeStateid, OpenDowngrade, TestStateid, TestedStateid},
    },
    setattrs::SetAttrs,
    status::Status,
    types::{
        Bitmap, ChangeInfo, ClientId, LockType, NfsTime, Opaque, SessionId, ShareAccess, SlotId,
        Stateid, Verifier,
    },
    xdr::XdrError,
};

const ID: Stateid = Stateid {
    seqid: 3,
    other: [7; 12],
};
const SESSION: SessionId = SessionId(*b"0123456789abcdef");

fn opaque<const N: usize>(bytes: &[u8]) -> Opaque<N> {
    let mut o = Opaque::empty();
    o.set(bytes);
    o
}

fn owner() -> Owner {
    Owner {
        clientid: ClientId(5),
        name: opaque(b"me"),
    }
}

#[test]
fn exchange_id() {
    let mut server = ServerInfo::empty();
    let date = NfsTime { sec: 1, nsec: 2 };
    let mut op = ExchangeId {
        verifier: Verifier(*b"verifier"),
        owner: b"owner",
        flags: 0x101,
        impl_id: Some(ImplId {
            domain: b"d.org",
            name: b"rnfs4",
            date,
        }),
        server: &mut server,
    };
    assert_eq!(<ExchangeId<'_> as Op>::NUM, 42);
    let head = || {
        X::new()
            .fixed(b"verifier")
            .opaque(b"owner")
            .u32(0x101)
            .u32(0)
    };
    let x = head()
        .u32(1)
        .opaque(b"d.org")
        .opaque(b"rnfs4")
        .u64(1)
        .u32(2);
    assert_eq!(args(&op), x);
    let head_res = |flags, protect| X::new().u64(77).u32(4).u32(flags).u32(protect);
    let names = |x: X| x.u64(6).opaque(b"major").opaque(b"scope");
    let body = names(head_res(0x8001_0000, 0))
        .u32(1)
        .opaque(b"k.org")
        .opaque(b"knfsd")
        .u64(8)
        .u32(9);
    all_short(&mut op, &body);
    let r = res(&mut op, body).unwrap();
    assert_eq!(
        (r.clientid, r.seqid, r.confirmed()),
        (ClientId(77), 4, true)
    );
    for bad in [
        names(head_res(0x2000_0000, 0)).u32(0),
        names(head_res(0, 1)).u32(0),
        names(head_res(0, 0)).u32(2),
    ] {
        assert_eq!(res(&mut op, bad), Err(XdrError::Invalid));
    }
    op.impl_id = None;
    assert_eq!(args(&op), head().u32(0));
    let r = res(&mut op, names(head_res(0x1_0000, 0)).u32(0)).unwrap();
    assert!(!r.confirmed());
    let most = head_res(0, 0)
        .u64(6)
        .opaque(&[b'm'; 1024])
        .opaque(&[b's'; 1024])
        .u32(1);
    let most = most
        .opaque(&[b'd'; 1024])
        .opaque(&[b'n'; 1024])
        .u64(0)
        .u32(u32::MAX);
    assert!(most.0.len() <= Op::res_max(&op));
    res(&mut op, most).unwrap();
    let over = head_res(0, 0).u64(6).opaque(&[b'm'; 1025]);
    assert_eq!(res(&mut op, over), Err(XdrError::Invalid));
    assert_eq!(server.major_id.as_slice(), [b'm'; 1024]);
    assert_eq!(server.scope.as_slice(), [b's'; 1024]);
    assert_eq!(
        (server.minor_id, server.impl_name.as_slice().len()),
        (6, 128)
    );
}

const FORE: ChannelAttrs = ChannelAttrs {
    max_request_size: 1_049_620,
    max_response_size: 1_049_480,
    max_response_size_cached: 4096,
    max_ops: 64,
    max_reqs: 32,
};
const BACK: ChannelAttrs = ChannelAttrs {
    max_request_size: 4096,
    max_response_size: 4096,
    max_response_size_cached: 0,
    max_ops: 2,
    max_reqs: 16,
};

fn channel(x: X, a: &ChannelAttrs, rdma: bool) -> X {
    let x = x.u32(0).u32(a.max_request_size).u32(a.max_response_size);
    let x = x
        .u32(a.max_response_size_cached)
        .u32(a.max_ops)
        .u32(a.max_reqs);
    if rdma {
        x.u32(1).u32(99)
    } else {
        x.u32(0)
    }
}

#[test]
fn create_session() {
    let mut op = CreateSession {
        clientid: ClientId(77),
        seqid: 4,
        flags: 2,
        fore: FORE,
        back: BACK,
        cb_program: 0x4000_0000,
        cb_sec: CallbackSec::Sys {
            stamp: 1,
            machine: b"host",
        },
    };
    assert_eq!(<CreateSession<'_> as Op>::NUM, 43);
    let head = || {
        channel(
            channel(X::new().u64(77).u32(4).u32(2), &FORE, false),
            &BACK,
            false,
        )
        .u32(0x4000_0000)
    };
    assert_eq!(
        args(&op),
        head()
            .u32(1)
            .u32(1)
            .u32(1)
            .opaque(b"host")
            .u32(0)
            .u32(0)
            .u32(0)
    );
    let body = |seqid, flags| X::new().fixed(&SESSION.0).u32(seqid).u32(flags);
    let good = channel(channel(body(4, 2), &FORE, true), &BACK, false);
    all_short(&mut op, &good);
    let r = res(&mut op, good).unwrap();
    assert_eq!(
        (r.sessionid, r.flags, r.fore, r.back),
        (SESSION, 2, FORE, BACK)
    );
    let both = |x: X| channel(channel(x, &FORE, false), &BACK, false);
    assert!(res(&mut op, both(body(4, 0))).is_ok());
    assert_eq!(
        res(&mut op, both(body(5, 2))),
        Err(XdrError::Invalid),
        "another request's"
    );
    assert_eq!(
        res(&mut op, both(body(4, 3))),
        Err(XdrError::Invalid),
        "a flag not asked for"
    );
    op.cb_sec = CallbackSec::None;
    assert_eq!(args(&op), head().u32(1).u32(0));
}

#[test]
fn limits_that_can_be_lived_with() {
    assert!(FORE.acceptable(&FORE, 16));
    let less = ChannelAttrs {
        max_request_size: 8192,
        max_response_size: 8192,
        max_ops: 16,
        max_reqs: 1,
        ..FORE
    };
    assert!(less.acceptable(&FORE, 16));
    for bad in [
        ChannelAttrs {
            max_response_size: FORE.max_response_size + 1,
            ..FORE
        },
        ChannelAttrs {
            max_reqs: 0,
            ..FORE
        },
        ChannelAttrs {
            max_ops: 15,
            ..FORE
        },
        ChannelAttrs {
            max_request_size: 4095,
            ..FORE
        },
        ChannelAttrs {
            max_response_size: 0,
            ..FORE
        },
    ] {
        assert!(!bad.acceptable(&FORE, 16), "{bad:?}");
    }
}

#[test]
fn sequence() {
    let mut op = Sequence {
        sessionid: SESSION,
        seqid: 9,
        slot: SlotId(2),
        highest_slot: SlotId(5),
        cache_this: true,
    };
    assert_eq!(<Sequence as Op>::NUM, 53);
    assert_eq!(
        args(&op),
        X::new().fixed(&SESSION.0).u32(9).u32(2).u32(5).u32(1)
    );
    let body = |id: &[u8; 16], seqid, slot| {
        X::new()
            .fixed(id)
            .u32(seqid)
            .u32(slot)
            .u32(30)
            .u32(20)
            .u32(0x101)
    };
    let good = body(&SESSION.0, 9, 2);
    assert_eq!(
        good.0.len(),
        Op::res_max(&op),
        "the place of data behind it is told by this"
    );
    all_short(&mut op, &good);
    let r = SequenceRes {
        highest_slot: SlotId(30),
        target_highest_slot: SlotId(20),
        status_flags: 0x101,
    };
    assert_eq!(res(&mut op, good), Ok(r));
    for bad in [
        body(&[0; 16], 9, 2),
        body(&SESSION.0, 8, 2),
        body(&SESSION.0, 9, 3),
    ] {
        assert_eq!(
            res(&mut op, bad),
            Err(XdrError::Invalid),
            "the echo of another call"
        );
    }
}

#[test]
fn bind_conn_to_session() {
    let mut op = BindConnToSession {
        sessionid: SESSION,
        dir: BindDir::ForeOrBoth,
    };
    assert_eq!(<BindConnToSession as Op>::NUM, 41);
    assert_eq!(args(&op), X::new().fixed(&SESSION.0).u32(3).u32(0));
    let body = |dir, rdma| X::new().fixed(&SESSION.0).u32(dir).u32(rdma);
    all_short(&mut op, &body(3, 0));
    assert_eq!(res(&mut op, body(3, 0)), Ok(ConnDir::Both));
    assert_eq!(res(&mut op, body(1, 0)), Ok(ConnDir::Fore));
    for bad in [
        body(2, 0),
        body(0, 0),
        body(4, 0),
        body(3, 1),
        X::new().fixed(&[0; 16]).u32(3).u32(0),
    ] {
        assert_eq!(res(&mut op, bad), Err(XdrError::Invalid));
    }
    let mut back = BindConnToSession {
        sessionid: SESSION,
        dir: BindDir::BackOrBoth,
    };
    assert_eq!(args(&back), X::new().fixed(&SESSION.0).u32(7).u32(0));
    assert_eq!(res(&mut back, body(2, 0)), Ok(ConnDir::Back));
    assert_eq!(res(&mut back, body(1, 0)), Err(XdrError::Invalid));
}

#[test]
fn what_ends_sessions_and_grace() {
    assert_eq!(<DestroySession as Op>::NUM, 44);
    assert_eq!(args(&DestroySession(SESSION)), X::new().fixed(&SESSION.0));
    assert_eq!(<DestroyClientid as Op>::NUM, 57);
    assert_eq!(args(&DestroyClientid(ClientId(7))), X::new().u64(7));
    assert_eq!(<ReclaimComplete as Op>::NUM, 58);
    assert_eq!(args(&ReclaimComplete { one_fs: false }), X::new().u32(0));
    assert_eq!(args(&ReclaimComplete { one_fs: true }), X::new().u32(1));
    assert_eq!(res(&mut DestroySession(SESSION), X::new()), Ok(()));
}

fn open(how: OpenHow, claim: OpenClaim) -> Open {
    Open {
        access: ShareAccess::BOTH,
        deny: 0,
        owner: owner(),
        how,
        claim,
    }
}

#[test]
fn open_by_claim_and_by_how() {
    assert_eq!(<Open as Op>::NUM, 18);
    let head = || X::new().u32(0).u32(3).u32(0).u64(5).opaque(b"me");
    let mode = SetAttrs {
        mode: Some(0o600),
        ..Default::default()
    };
    let attrs = || X::new().u32(2).u32(0).u32(2).u32(4).u32(0o600);
    let name = || OpenClaim::Null(opaque(b"file"));
    let named = |x: X| x.u32(0).opaque(b"file");
    let no_create = || head().u32(0);
    let cases = [
        (open(OpenHow::NoCreate, name()), named(no_create())),
        (
            open(OpenHow::Unchecked(mode), name()),
            named(head().u32(1).u32(0).with(attrs())),
        ),
        (
            open(OpenHow::Guarded(mode), name()),
            named(head().u32(1).u32(1).with(attrs())),
        ),
        (
            open(OpenHow::Exclusive41(Verifier(*b"verifier"), mode), name()),
            named(head().u32(1).u32(3).fixed(b"verifier").with(attrs())),
        ),
        (
            open(OpenHow::NoCreate, OpenClaim::Previous(DelegationType::None)),
            no_create().u32(1).u32(0),
        ),
        (
            open(
                OpenHow::NoCreate,
                OpenClaim::Previous(DelegationType::Write),
            ),
            no_create().u32(1).u32(2),
        ),
        (open(OpenHow::NoCreate, OpenClaim::Fh), no_create().u32(4)),
        (
            open(OpenHow::NoCreate, OpenClaim::DelegCurFh(ID)),
            no_create().u32(5).stateid(3, 7),
        ),
    ];
    for (op, x) in cases {
        assert_eq!(args(&op), x, "{op:?}");
    }
}

#[test]
fn open_gives_a_stateid_and_perhaps_a_delegation() {
    let mut op = open(OpenHow::NoCreate, OpenClaim::Fh);
    let head = || {
        X::new()
            .stateid(1, 9)
            .u32(0)
            .u64(0)
            .u64(0)
            .u32(4)
            .u32(1)
            .u32(1 << 4)
    };
    let ace = |x: X| x.u32(0).u32(0).u32(0).opaque(b"EVERYONE@");
    let given = |write, timestamps, recall, limit| Delegation::Given {
        write,
        timestamps,
        stateid: ID,
        recall,
        limit,
    };
    let none = Delegation::None;
    let good = [
        (head().u32(0), none(None)),
        (head().u32(3).u32(0), none(Some(0))),
        (head().u32(3).u32(1).u32(1), none(Some(1))),
        (head().u32(3).u32(2).u32(0), none(Some(2))),
        (head().u32(3).u32(8), none(Some(8))),
        (
            ace(head().u32(1).stateid(3, 7).u32(0)),
            given(false, false, false, u64::MAX),
        ),
        (
            ace(head().u32(2).stateid(3, 7).u32(1).u32(1).u64(4096)),
            given(true, false, true, 4096),
        ),
        (
            ace(head().u32(2).stateid(3, 7).u32(0).u32(2).u32(3).u32(512)),
            given(true, false, false, 1536),
        ),
    ];
    for (body, delegation) in good {
        all_short(&mut op, &body);
        let r = OpenRes {
            stateid: Stateid {
                seqid: 1,
                other: [9; 12],
            },
            change: ChangeInfo::default(),
            rflags: 4,
            attrset: Bitmap::of(&[fattr4::SIZE]),
            delegation,
        };
        assert!(body.0.len() <= Op::res_max(&op));
        assert_eq!(res(&mut op, body), Ok(r));
    }
    let timestamps = || ace(head().u32(5).stateid(3, 7).u32(0).u32(1).u64(1));
    for bad in [
        head().u32(6),
        head().u32(3).u32(1).u32(2),
        head().u32(2).stateid(3, 7).u32(0).u32(3).u64(1),
        timestamps(),
    ] {
        assert_eq!(res(&mut op, bad), Err(XdrError::Invalid));
    }
    op.access = op.access.with(ShareAccess::WANT_DELEG_TIMESTAMPS);
    assert_eq!(
        res(&mut op, timestamps()).unwrap().delegation,
        given(true, true, false, 1)
    );
}

#[test]
fn what_happens_to_an_open() {
    assert_eq!(<Close as Op>::NUM, 4);
    assert_eq!(args(&Close(ID)), X::new().u32(0).stateid(3, 7));
    all_short(&mut Close(ID), &X::new().stateid(4, 7));
    assert_eq!(res(&mut Close(ID), X::new().stateid(4, 7)), Ok(()));
    let mut op = OpenDowngrade {
        stateid: ID,
        access: ShareAccess::READ,
        deny: 0,
    };
    assert_eq!(<OpenDowngrade as Op>::NUM, 21);
    assert_eq!(args(&op), X::new().stateid(3, 7).u32(0).u32(1).u32(0));
    assert_eq!(
        res(&mut op, X::new().stateid(4, 7)),
        Ok(Stateid { seqid: 4, ..ID })
    );
    assert_eq!(<FreeStateid as Op>::NUM, 45);
    assert_eq!(args(&FreeStateid(ID)), X::new().stateid(3, 7));
    assert_eq!(<Delegreturn as Op>::NUM, 8);
    assert_eq!(args(&Delegreturn(ID)), X::new().stateid(3, 7));
}

#[test]
fn test_stateid() {
    let asked = |stateid| TestedStateid {
        stateid,
        status: Status::IO,
    };
    let mut tests = [
        asked(ID),
        asked(Stateid {
            seqid: 1,
            other: [2; 12],
        }),
    ];
    let mut op = TestStateid(&mut tests[..]);
    assert_eq!(<TestStateid<&mut [TestedStateid]> as Op>::NUM, 55);
    assert_eq!(args(&op), X::new().u32(2).stateid(3, 7).stateid(1, 2));
    let body = X::new().u32(2).u32(0).u32(Status::ADMIN_REVOKED.0);
    all_short(&mut op, &body);
    assert_eq!(res(&mut op, body), Ok(()));
    assert_eq!(res(&mut op, X::new().u32(1).u32(0)), Err(XdrError::Invalid));
    assert_eq!(
        res(&mut op, X::new().u32(3).u32(0).u32(0).u32(0)),
        Err(XdrError::Invalid)
    );
    assert_eq!(
        tests.map(|test| test.status),
        [Status::OK, Status::ADMIN_REVOKED]
    );
}

const RANGE: Range = Range {
    offset: 10,
    len: 20,
};

fn denied(offset: u64, len: u64) -> X {
    X::new()
        .u64(offset)
        .u64(len)
        .u32(2)
        .u64(55)
        .opaque(b"somebody")
}

#[test]
fn lock() {
    let mut place = None;
    let mut op = Lock {
        kind: LockType::WriteW,
        reclaim: false,
        range: RANGE,
        locker: Locker::New {
            open: ID,
            owner: owner(),
        },
        denied: Some(&mut place),
    };
    assert_eq!(<Lock<'_> as Op>::NUM, 12);
    let head = X::new().u32(4).u32(0).u64(10).u64(20);
    assert_eq!(
        args(&op),
        head.u32(1).u32(0).stateid(3, 7).u32(0).u64(5).opaque(b"me")
    );
    all_short(&mut op, &X::new().stateid(1, 8));
    assert_eq!(
        res(&mut op, X::new().stateid(1, 8)),
        Ok(Stateid {
            seqid: 1,
            other: [8; 12]
        })
    );
    assert_eq!(
        err(&mut op, Status::GRACE, X::new()),
        Ok(()),
        "only DENIED has a body"
    );
    assert_eq!(err(&mut op, Status::DENIED, denied(0, u64::MAX)), Ok(()));
    assert_eq!(err(&mut op, Status::DENIED, X::new()), Err(XdrError::Short));
    assert_eq!(
        err(&mut op, Status::DENIED, denied(0, 0)),
        Err(XdrError::Invalid)
    );
    assert_eq!(
        err(&mut op, Status::DENIED, denied(u64::MAX, 2)),
        Err(XdrError::Invalid)
    );
    let who = Denied {
        range: Range {
            offset: 0,
            len: u64::MAX,
        },
        kind: LockType::Write,
        clientid: ClientId(55),
        owner: opaque(b"somebody"),
    };
    assert_eq!(place, Some(who));

    let mut known = Lock {
        kind: LockType::Read,
        reclaim: true,
        range: RANGE,
        locker: Locker::Known(ID),
        denied: None,
    };
    let x = X::new()
        .u32(1)
        .u32(1)
        .u64(10)
        .u64(20)
        .u32(0)
        .stateid(3, 7)
        .u32(0);
    assert_eq!(args(&known), x);
    assert_eq!(
        err(&mut known, Status::DENIED, denied(1, 2)),
        Ok(()),
        "read though not wanted"
    );
    let long = X::new().u64(1).u64(2).u32(1).u64(3).opaque(&[b'o'; 1024]);
    assert!(long.0.len() <= Op::res_max(&known));
    assert_eq!(err(&mut known, Status::DENIED, long), Ok(()));
}

#[test]
fn lockt_and_locku() {
    let mut place = None;
    let mut op = Lockt {
        kind: LockType::Read,
        range: RANGE,
        owner: owner(),
        denied: Some(&mut place),
    };
    assert_eq!(<Lockt<'_> as Op>::NUM, 13);
    assert_eq!(
        args(&op),
        X::new().u32(1).u64(10).u64(20).u64(5).opaque(b"me")
    );
    assert_eq!(res(&mut op, X::new()), Ok(()));
    assert_eq!(err(&mut op, Status::DENIED, denied(3, 4)), Ok(()));
    assert_eq!(
        place.map(|d: Denied| d.range),
        Some(Range { offset: 3, len: 4 })
    );
    let mut op = Locku {
        range: RANGE,
        stateid: ID,
    };
    assert_eq!(<Locku as Op>::NUM, 14);
    assert_eq!(
        args(&op),
        X::new().u32(2).u32(0).stateid(3, 7).u64(10).u64(20)
    );
    all_short(&mut op, &X::new().stateid(4, 7));
    assert_eq!(
        res(&mut op, X::new().stateid(4, 7)),
        Ok(Stateid { seqid: 4, ..ID })
    );
}
