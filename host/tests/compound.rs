// SPDX-License-Identifier: GPL-2.0

//! COMPOUND: sequences of operations, and replies that have their structure or are refused.

#![allow(missing_docs)]

mod common;

use common::{head, reply, VecSink, Watched, X};
use proptest::prelude::*;
use rnfs4_proto::{
    attrs::fattr4,
    compound::{Batch, BatchItem, Ops},
    ops::{
        attr::{Access, AccessRes, Getattr, Setattr},
        dir::Remove,
        fh::{Getfh, Lookup, Putfh, Putrootfh},
        io::{Read, Write},
        readdir::Readdir,
        session::Sequence,
        state::FreeStateid,
    },
    setattrs::SetAttrs,
    status::Status,
    types::{Bitmap, Fh, SessionId, SlotId, StableHow, Stateid, Verifier},
    xdr::XdrError,
};

fn fh() -> Fh {
    Fh::new(b"fh01").unwrap()
}

/// The result of an operation without body.
fn op(num: u32, status: Status) -> X {
    X::new().u32(num).u32(status.0)
}

fn access_res() -> X {
    op(3, Status::OK).u32(1).u32(1)
}

#[test]
fn a_compound_in_bytes() {
    let ops = (
        Putfh(fh()),
        Some(Lookup(b"name")),
        None::<Access>,
        Access(1),
    );
    let mut s = VecSink::default();
    ops.encode(2, &mut s).unwrap();
    let expected = X::new()
        .opaque(b"")
        .u32(2)
        .u32(3)
        .u32(22)
        .opaque(b"fh01")
        .u32(15)
        .opaque(b"name")
        .u32(3)
        .u32(1);
    assert_eq!(X(s.0), expected);
    assert_eq!(ops.count(), 3);
    assert!(expected.0.len() <= ops.args_max());
}

#[test]
fn sequences_nest_without_a_trace() {
    let flat = (Putrootfh, Getfh, Access(3));
    let nested = (Putrootfh, ((Getfh,), Some((Access(3), ()))));
    let bytes = |o: &dyn Fn(&mut VecSink)| {
        let mut s = VecSink::default();
        o(&mut s);
        s.0
    };
    let (a, b) = (
        bytes(&|s| flat.encode(1, s).unwrap()),
        bytes(&|s| nested.encode(1, s).unwrap()),
    );
    assert_eq!(a, b);
    assert_eq!(
        (flat.args_max(), flat.res_max()),
        (nested.args_max(), nested.res_max())
    );
}

#[test]
fn a_reply_is_a_tuple_of_results() {
    let fh = fh();
    let mut ops = (Putfh(&fh), None::<Getfh>, Some(Getfh), Access(1));
    let x = head(Status::OK, 3)
        .with(op(22, Status::OK))
        .with(op(10, Status::OK).opaque(b"fh02"))
        .with(access_res());
    let (put, absent, get, access) = reply(&mut ops, x).unwrap();
    assert_eq!(put, Ok(()));
    assert_eq!(absent, None);
    assert_eq!(get, Some(Ok(Fh::new(b"fh02").unwrap())));
    assert_eq!(
        access,
        Ok(AccessRes {
            supported: 1,
            access: 1
        })
    );
}

#[test]
fn what_comes_behind_a_failure_has_its_status() {
    let mut ops = (Putrootfh, Lookup(b"x"), Getfh, Some(Access(1)));
    let x = head(Status::NOENT, 2)
        .with(op(24, Status::OK))
        .with(op(15, Status::NOENT));
    let (root, lookup, getfh, access) = reply(&mut ops, x).unwrap();
    assert_eq!(root, Ok(()));
    assert_eq!(lookup, Err(Status::NOENT));
    assert_eq!(getfh, Err(Status::NOENT));
    assert_eq!(access, Some(Err(Status::NOENT)));
}

#[test]
fn a_request_may_be_refused_as_a_whole() {
    let mut ops = (Putrootfh, Getfh);
    let res = reply(&mut ops, head(Status::MINOR_VERS_MISMATCH, 0)).unwrap();
    assert_eq!(
        res,
        (
            Err(Status::MINOR_VERS_MISMATCH),
            Err(Status::MINOR_VERS_MISMATCH)
        )
    );
}

#[test]
fn an_unknown_operation_is_answered_as_illegal() {
    let mut ops = (Putrootfh, FreeStateid(Stateid::ANONYMOUS));
    let x = head(Status::OP_ILLEGAL, 2)
        .with(op(24, Status::OK))
        .with(op(10044, Status::OP_ILLEGAL));
    assert_eq!(
        reply(&mut ops, x).unwrap(),
        (Ok(()), Err(Status::OP_ILLEGAL))
    );
    let x = head(Status::NOTSUPP, 2)
        .with(op(24, Status::OK))
        .with(op(10044, Status::NOTSUPP));
    assert_eq!(reply(&mut ops, x), Err(XdrError::Invalid));
}

#[test]
fn the_status_of_the_whole_is_told() {
    let mut ops = (Putrootfh,);
    let x = head(Status::DELAY, 1).with(op(24, Status::DELAY));
    let answer = ops.decode_answer(&mut Watched::new(&x.0)).unwrap();
    assert_eq!((answer.status, answer.succeeded), (Status::DELAY, 0));
    let mut ops = (Putrootfh, Some(Getfh), Putrootfh);
    let x = head(Status::DELAY, 3)
        .with(op(24, Status::OK))
        .with(op(10, Status::OK).opaque(b"fh"))
        .with(op(24, Status::DELAY));
    let answer = ops.decode_answer(&mut Watched::new(&x.0)).unwrap();
    assert_eq!((answer.status, answer.succeeded), (Status::DELAY, 2));
}

#[test]
fn replies_that_are_none() {
    let bad = [
        (
            "another operation",
            head(Status::OK, 2)
                .with(op(24, Status::OK))
                .with(op(9, Status::OK)),
        ),
        (
            "fewer than sent",
            head(Status::OK, 1).with(op(24, Status::OK)),
        ),
        ("none, and all well", head(Status::OK, 0)),
        (
            "more than sent",
            head(Status::OK, 3)
                .with(op(24, Status::OK))
                .with(access_res())
                .with(access_res()),
        ),
        (
            "an error in the middle",
            head(Status::IO, 2)
                .with(op(24, Status::IO))
                .with(op(3, Status::IO)),
        ),
        (
            "another status than the last",
            head(Status::IO, 2)
                .with(op(24, Status::OK))
                .with(op(3, Status::ACCESS)),
        ),
        (
            "an error without one",
            head(Status::OK, 2)
                .with(op(24, Status::OK))
                .with(op(3, Status::ACCESS)),
        ),
        (
            "a success behind an error",
            head(Status::IO, 1).with(op(24, Status::OK)),
        ),
        (
            "a success at the end",
            head(Status::IO, 2)
                .with(op(24, Status::OK))
                .with(access_res()),
        ),
        (
            "bytes behind it",
            head(Status::OK, 2)
                .with(op(24, Status::OK))
                .with(access_res())
                .u32(0),
        ),
    ];
    for (why, x) in bad {
        assert_eq!(
            reply(&mut (Putrootfh, Access(1)), x).err(),
            Some(XdrError::Invalid),
            "{why}"
        );
    }
    let good = head(Status::OK, 2)
        .with(op(24, Status::OK))
        .with(access_res());
    for n in (0..good.0.len()).step_by(4) {
        let cut = X(good.0[..n].to_vec());
        assert_eq!(
            reply(&mut (Putrootfh, Access(1)), cut).err(),
            Some(XdrError::Short),
            "cut at {n}"
        );
    }
    assert!(reply(&mut (Putrootfh, Access(1)), good).is_ok());
    let tag = X::new()
        .u32(0)
        .opaque(&[b't'; 1025])
        .u32(2)
        .with(op(24, Status::OK))
        .with(access_res());
    assert_eq!(
        reply(&mut (Putrootfh, Access(1)), tag).err(),
        Some(XdrError::Invalid),
        "a tag too long"
    );
    let tag = X::new()
        .u32(0)
        .opaque(b"odd")
        .u32(2)
        .with(op(24, Status::OK))
        .with(access_res());
    assert!(
        reply(&mut (Putrootfh, Access(1)), tag).is_ok(),
        "a tag of the server's own"
    );
}

#[test]
fn a_failed_setattr_has_a_body() {
    let mut ops = (
        Setattr {
            stateid: Stateid::ANONYMOUS,
            attrs: SetAttrs {
                size: Some(1),
                ..Default::default()
            },
        },
        Getfh,
    );
    let x = head(Status::NOSPC, 1).with(op(34, Status::NOSPC).u32(1).u32(1 << fattr4::SIZE));
    assert_eq!(
        reply(&mut ops, x).unwrap(),
        (Err(Status::NOSPC), Err(Status::NOSPC))
    );
    let x = head(Status::NOSPC, 1).with(op(34, Status::NOSPC));
    assert_eq!(reply(&mut ops, x), Err(XdrError::Short));
}

/// One stateid to be freed, and what the server said.
struct Item(u32, Option<Result<(), Status>>);

impl BatchItem for Item {
    type Ops<'a> = (FreeStateid,);
    type Res = (Result<(), Status>,);

    fn ops(&self) -> Self::Ops<'_> {
        (FreeStateid(Stateid {
            seqid: self.0,
            other: [1; 12],
        }),)
    }

    fn done(&mut self, (res,): Self::Res) {
        assert!(self.1.is_none(), "told twice");
        self.1 = Some(res);
    }
}

fn items(n: u32) -> Vec<Item> {
    (0..n).map(|i| Item(i, None)).collect()
}

#[test]
fn a_batch_repeats_its_operations() {
    let mut list = items(3);
    let ops = (Putrootfh, Batch(&mut list[..]));
    assert_eq!(ops.count(), 4);
    let mut s = VecSink::default();
    ops.encode(1, &mut s).unwrap();
    let x = X::new().opaque(b"").u32(1).u32(4).u32(24);
    let x = (0..3).fold(x, |x, i| x.u32(45).stateid(i, 1));
    assert_eq!(s.0, x.0);
    assert!(s.0.len() <= ops.args_max());
}

#[test]
fn a_batch_tells_who_is_done_and_who_was_not_begun() {
    let free = |status| op(45, status);
    let mut list = items(4);
    let x = head(Status::LOCKS_HELD, 3)
        .with(free(Status::OK))
        .with(free(Status::OK))
        .with(free(Status::LOCKS_HELD));
    let (begun,) = reply(&mut (Batch(&mut list[..]),), x).unwrap();
    assert_eq!(begun, 3);
    let said: Vec<_> = list.iter().map(|i| i.1).collect();
    assert_eq!(
        said,
        [
            Some(Ok(())),
            Some(Ok(())),
            Some(Err(Status::LOCKS_HELD)),
            None
        ]
    );

    let mut list = items(2);
    let x = head(Status::BADSESSION, 1).with(op(24, Status::BADSESSION));
    let (root, begun) = reply(&mut (Putrootfh, Batch(&mut list[..])), x).unwrap();
    assert_eq!((root, begun), (Err(Status::BADSESSION), 0));
    assert!(list.iter().all(|i| i.1.is_none()));

    let mut none = items(0);
    assert_eq!(
        reply(&mut (Batch(&mut none[..]),), head(Status::OK, 0)).unwrap(),
        (0,)
    );
}

#[test]
fn the_transport_is_told_where_data_begins() {
    let sequence = Sequence {
        sessionid: SessionId([0; 16]),
        seqid: 1,
        slot: SlotId(0),
        highest_slot: SlotId(0),
        cache_this: false,
    };
    let read = Read {
        stateid: Stateid::ANONYMOUS,
        offset: 0,
        count: 8,
    };
    let mut ops = (
        sequence,
        (Putfh(fh()), read, Getattr(Bitmap::of(&[fattr4::SIZE]))),
    );
    assert_eq!(ops.main_op(), 25);
    let x = head(Status::OK, 4)
        .with(
            op(53, Status::OK)
                .fixed(&[0; 16])
                .u32(1)
                .u32(0)
                .u32(9)
                .u32(9)
                .u32(0),
        )
        .with(op(22, Status::OK))
        .with(op(25, Status::OK).u32(1).u32(8));
    assert_eq!(ops.data_offset(), Some(x.0.len()));
    let x = x.fixed(b"contents").with(
        op(9, Status::OK)
            .u32(1)
            .u32(1 << fattr4::SIZE)
            .u32(8)
            .u64(8),
    );
    let (seq, (_, read, attrs)) = reply(&mut ops, x).unwrap();
    assert_eq!(seq.unwrap().highest_slot, SlotId(9));
    assert_eq!(read.unwrap().count, 8);
    assert_eq!(attrs.unwrap().size, 8);

    let readdir = Readdir {
        cookie: 0,
        verifier: Verifier([0; 8]),
        dircount: 1,
        maxcount: 1,
        attrs: Bitmap::EMPTY,
    };
    let ops = (sequence, (Putfh(fh()), readdir));
    // Result head, SEQUENCE, PUTFH, READDIR's own head and verifier.
    assert_eq!(ops.data_offset(), Some(12 + 8 + 36 + 8 + 8 + 8));
    assert_eq!((sequence, (Putfh(fh()), Remove(b"x"))).data_offset(), None);
    let write = Write {
        stateid: Stateid::ANONYMOUS,
        offset: 0,
        stable: StableHow::Unstable,
        len: 4,
    };
    assert_eq!(
        (Putfh(fh()), write, Access(1), Getattr(Bitmap::EMPTY)).main_op(),
        38
    );
}

proptest! {
    /// Any bytes as a reply: an end is found, nothing is read twice, no panic.
    #[test]
    fn any_bytes_as_a_reply(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut list = items(3);
        let mut ops = (Putrootfh, Lookup(b"x"), Getfh, Access(1), Batch(&mut list[..]));
        prop_assert!(ops.decode(&mut Watched::new(&bytes)).is_err() || bytes.len() >= 12);
    }

    /// A good reply with one word changed is understood or refused; if it is understood, the results
    /// keep the order: nothing succeeds behind a failure.
    #[test]
    fn one_word_changed(at in 0usize..20, word: u32) {
        let good = head(Status::OK, 3)
            .with(op(24, Status::OK))
            .with(op(10, Status::OK).opaque(b"fh02"))
            .with(access_res());
        let mut bytes = good.0;
        let at = at * 4 % bytes.len();
        bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
        if let Ok((a, b, c)) = (Putrootfh, Getfh, Access(1)).decode(&mut Watched::new(&bytes)) {
            prop_assert!(a.is_ok() || b.is_err());
            prop_assert!(b.is_ok() || c.is_err());
        }
    }
}
