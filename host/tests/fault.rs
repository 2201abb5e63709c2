// SPDX-License-Identifier: GPL-2.0

//! Faults on demand: the rules as text, when they strike, and what a COMPOUND that was cut short sends and brings.

#![allow(missing_docs)]

mod common;

use common::{head, VecSink, Watched, X};
use proptest::prelude::*;
use rnfs4_proto::{
    compound::{Cut, Ops},
    fault::{Fault, Faults, LineError, MAX_RULES},
    ops::{
        attr::Access,
        fh::{Getfh, Lookup, Putrootfh},
    },
    recovery::table::OpClass,
    status::{Errno, Status},
    xdr::{Sink, XdrError, XdrResult},
};

const OPEN: u32 = 18;
const LOCK: u32 = 12;
const SEQUENCE: u32 = 53;
const WRITE: u32 = 38;

fn rules(text: &str) -> Faults {
    let mut faults = Faults::new();
    faults.command(text.as_bytes()).expect(text);
    faults
}

/// Which of `n` calls of `op` fail.
fn strikes(faults: &mut Faults, class: OpClass, op: u32, n: u32) -> Vec<u32> {
    (0..n)
        .filter(|_| faults.strike(class, op, 0).is_some())
        .collect()
}

#[test]
fn a_rule_strikes_after_so_many_and_so_often() {
    let mut faults = rules("write error=NFS4ERR_NOSPC after=3 times=2");
    assert!(faults.is_armed());
    assert_eq!(strikes(&mut faults, OpClass::Io, WRITE, 10), [3, 4]);
    assert!(!faults.is_armed());
    assert_eq!(
        faults.to_string(),
        "write error=NFS4ERR_NOSPC after=3 times=2 probability=100 seen=5 hits=2\n"
    );
}

#[test]
fn once_is_the_default_and_minus_one_has_no_end() {
    let mut faults = rules("commit error=IO");
    assert_eq!(strikes(&mut faults, OpClass::Commit, 5, 9), [0]);
    let mut faults = rules("commit error=IO times=-1 after=1");
    assert_eq!(strikes(&mut faults, OpClass::Commit, 5, 4), [1, 2, 3]);
    assert!(faults.is_armed());
    let mut faults = rules("commit error=IO times=0");
    assert!(!faults.is_armed());
    assert_eq!(strikes(&mut faults, OpClass::Commit, 5, 4), [0u32; 0]);
}

#[test]
fn the_dice_are_the_callers() {
    let mut faults = rules("read error=DELAY times=-1 probability=30");
    let hits = (0..100).filter(|n| faults.strike(OpClass::Io, 25, *n).is_some());
    assert_eq!(hits.count(), 30);
    let mut faults = rules("read error=DELAY times=-1 probability=0");
    assert_eq!(faults.strike(OpClass::Io, 25, 0), None);
}

#[test]
fn reclaims_and_programs_are_told_apart() {
    for (name, op, class) in [
        ("open", OPEN, OpClass::Open),
        ("open-reclaim", OPEN, OpClass::OpenReclaim),
        ("open-reopen", OPEN, OpClass::OpenExpired),
        ("lock", LOCK, OpClass::Lock),
        ("lock-reclaim", LOCK, OpClass::LockReclaim),
        ("lock-retake", LOCK, OpClass::LockExpired),
        ("sequence-alone", SEQUENCE, OpClass::Sequence),
    ] {
        for other in OpClass::ALL {
            let mut faults = rules(&format!("{name} error=EXPIRED"));
            let expected = match name {
                "open" | "lock" => !other.is_reclaim(),
                _ => other == class,
            };
            let struck = faults.strike(other, op, 0).is_some();
            assert_eq!(struck, expected, "{name} in {other:?}");
        }
    }
    let mut faults = rules("sequence error=BADSLOT times=-1");
    for class in OpClass::ALL {
        assert!(faults.strike(class, SEQUENCE, 0).is_some());
        assert!(faults.strike(class, OPEN, 0).is_none());
    }
}

#[test]
fn errors_come_in_many_forms() {
    for (text, fault, shown) in [
        (
            "NFS4ERR_DELAY",
            Fault::Status(Status::DELAY),
            "NFS4ERR_DELAY",
        ),
        ("DELAY", Fault::Status(Status::DELAY), "NFS4ERR_DELAY"),
        ("10008", Fault::Status(Status::DELAY), "NFS4ERR_DELAY"),
        ("-EIO", Fault::Errno(Errno(5)), "-EIO"),
        ("-110", Fault::Errno(Errno(110)), "-ETIMEDOUT"),
        ("-77", Fault::Errno(Errno(77)), "-77"),
        ("garbage", Fault::Garbage, "garbage"),
    ] {
        let mut faults = rules(&format!("CREATE_SESSION error={text}"));
        let line = faults.to_string();
        assert!(
            line.starts_with(&format!("create-session error={shown} ")),
            "{line}"
        );
        assert_eq!(faults.strike(OpClass::Plain, 43, 0), Some(fault));
    }
}

#[test]
fn the_first_rule_that_strikes_has_its_way() {
    let mut faults = rules("write error=NOSPC after=1\nwrite error=DELAY times=2\n");
    let got: Vec<_> = (0..4)
        .map(|_| faults.strike(OpClass::Io, WRITE, 0))
        .collect();
    assert_eq!(
        got,
        [
            Some(Fault::Status(Status::DELAY)),
            Some(Fault::Status(Status::NOSPC)),
            Some(Fault::Status(Status::DELAY)),
            None
        ]
    );
}

#[test]
fn a_mistake_changes_nothing() {
    let mut faults = rules("write error=NOSPC");
    let before = faults.to_string();
    for bad in [
        "write",
        "write error=",
        "write error=OK",
        "write error=NFS4ERR_OK",
        "write error=0",
        "write error=-0",
        "write error=-134",
        "write error=-2147483649",
        "write error=11000",
        "write error=4294967296",
        "write error=NFS4ERR_NOSUCH",
        "write error=NFS4ERR_NFS4ERR_IO",
        "wrote error=IO",
        "error=IO write",
        "write error=IO times=-2",
        "write error=IO times=4294967296",
        "write error=IO after=-1",
        "write error=IO after=",
        "write error=IO probability=101",
        "write error=IO probability=1000",
        "write error=IO colour=red",
        "write error=IO times",
        "Clear",
        "clear everything",
        "write error=IO\nnonsense",
        "clear\nnonsense",
        "write error=\u{fc}",
    ] {
        assert_eq!(
            faults.command(bad.as_bytes()),
            Err(LineError::Invalid),
            "{bad}"
        );
        assert_eq!(faults.to_string(), before, "{bad}");
    }
    assert_eq!(faults.command(b"write error=\xff"), Err(LineError::Invalid));
    assert_eq!(faults.command(b"\n# a remark\n\0  \n"), Ok(()));
    assert_eq!(faults.to_string(), before);
    assert_eq!(faults.command(b" clear \n"), Ok(()));
    assert_eq!(faults.to_string(), "");
    assert!(!faults.is_armed());
}

#[test]
fn there_is_an_end_to_rules_but_spent_ones_make_room() {
    let mut faults = Faults::new();
    for _ in 0..MAX_RULES {
        faults.command(b"close error=IO").unwrap();
    }
    assert_eq!(faults.command(b"open error=IO"), Err(LineError::Full));
    assert!(faults.strike(OpClass::Close, 4, 0).is_some());
    assert_eq!(faults.command(b"open error=IO"), Ok(()));
    assert!(faults.strike(OpClass::Open, OPEN, 0).is_some());
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut faults = rules("write error=NOSPC");
        let before = faults.to_string();
        if faults.command(&text).is_err() {
            prop_assert_eq!(faults.to_string(), before);
        }
    }

    #[test]
    fn what_is_shown_can_be_given(
        op in "(open|open-reclaim|write|test-stateid|renewal|exchange_id)",
        error in "(NFS4ERR_[A-Z_]{2,12}|DELAY|GRACE|-E[A-Z]{2,5}|-?[0-9]{1,5}|garbage)",
        after in any::<u32>(),
        times in -1i64..5_000_000_000,
        percent in 0u32..120,
    ) {
        let line = format!("{op} error={error} after={after} times={times} probability={percent}");
        let mut faults = Faults::new();
        if faults.command(line.as_bytes()).is_ok() {
            let shown = faults.to_string();
            let (given, _) = shown.split_once(" seen=").unwrap();
            let mut again = Faults::new();
            prop_assert_eq!(again.command(given.as_bytes()), Ok(()));
            prop_assert_eq!(again.to_string(), shown);
        } else {
            prop_assert_eq!(faults.to_string(), "");
        }
    }
}

/// A sink that takes so many operations.
struct Few {
    bytes: VecSink,
    most: u32,
    left: u32,
}

impl Sink for Few {
    fn reserve(&mut self, n: usize) -> XdrResult<&mut [u8]> {
        self.bytes.reserve(n)
    }

    fn pages(&mut self, len: u32) -> XdrResult {
        self.bytes.pages(len)
    }

    fn max_ops(&self) -> u32 {
        self.most
    }

    fn begin_op(&mut self) -> bool {
        let room = self.left > 0;
        self.left = self.left.saturating_sub(1);
        room
    }
}

fn sent(ops: &impl Ops, most: u32) -> Vec<u8> {
    let mut sink = Few {
        bytes: VecSink::default(),
        most,
        left: most,
    };
    ops.encode(2, &mut sink).unwrap();
    sink.bytes.0
}

fn whole(ops: &impl Ops) -> Vec<u8> {
    let mut sink = VecSink::default();
    ops.encode(2, &mut sink).unwrap();
    sink.0
}

fn at(at: u32) -> Option<Cut> {
    Some(Cut {
        at,
        status: Status::EXPIRED,
    })
}

#[test]
fn the_server_sees_the_operations_before_the_fault() {
    let ops = (Putrootfh, Some(Lookup(b"x")), (Getfh, Access(1)));
    assert_eq!(sent(&ops, 0), whole(&()));
    assert_eq!(sent(&ops, 1), whole(&Putrootfh));
    assert_eq!(sent(&ops, 2), whole(&(Putrootfh, Lookup(b"x"))));
    assert_eq!(sent(&ops, 3), whole(&(Putrootfh, Lookup(b"x"), Getfh)));
    assert_eq!(sent(&ops, 4), whole(&ops));
    assert_eq!(sent(&ops, u32::MAX), whole(&ops));
}

#[test]
fn operations_are_told_in_turn() {
    let ops = (
        Putrootfh,
        None::<Getfh>,
        Some((Lookup(b"x"), ())),
        Access(1),
    );
    let mut seen = Vec::new();
    assert!(ops.each_op(&mut |op| {
        seen.push(op);
        true
    }));
    assert_eq!(seen, [24, 15, 3]);
    seen.clear();
    assert!(!ops.each_op(&mut |op| {
        seen.push(op);
        op != 15
    }));
    assert_eq!(seen, [24, 15]);
}

#[test]
fn the_reply_is_as_if_the_server_had_refused() {
    let mut ops = (Putrootfh, Lookup(b"x"), Getfh);
    let x = head(Status::OK, 1).u32(24).u32(0);
    let answer = ops.decode_cut(at(1), &mut Watched::new(&x.0)).unwrap();
    let (status, (root, lookup, getfh)) = (answer.status, answer.res);
    assert_eq!(answer.succeeded, 1);
    assert_eq!(status, Status::EXPIRED);
    assert_eq!(root, Ok(()));
    assert_eq!(lookup, Err(Status::EXPIRED));
    assert_eq!(getfh, Err(Status::EXPIRED));
}

#[test]
fn what_the_server_refuses_itself_comes_first() {
    let mut ops = (Putrootfh, Lookup(b"x"), Getfh);
    let x = head(Status::NOENT, 2)
        .u32(24)
        .u32(0)
        .u32(15)
        .u32(Status::NOENT.0);
    let answer = ops.decode_cut(at(2), &mut Watched::new(&x.0)).unwrap();
    let (status, (root, lookup, getfh)) = (answer.status, answer.res);
    assert_eq!(answer.succeeded, 1);
    assert_eq!(status, Status::NOENT);
    assert_eq!(root, Ok(()));
    assert_eq!(lookup, Err(Status::NOENT));
    assert_eq!(getfh, Err(Status::NOENT));
}

#[test]
fn nothing_sent_is_nothing_read() {
    let mut ops = (Putrootfh, Getfh);
    let answer = ops.decode_cut(at(0), &mut Watched::new(&[])).unwrap();
    let (status, (root, getfh)) = (answer.status, answer.res);
    assert_eq!(answer.succeeded, 0);
    assert_eq!(status, Status::EXPIRED);
    assert_eq!(root, Err(Status::EXPIRED));
    assert_eq!(getfh, Err(Status::EXPIRED));
}

#[test]
fn a_reply_to_more_than_was_sent_is_refused() {
    let mut ops = (Putrootfh, Getfh);
    let x = head(Status::OK, 2)
        .u32(24)
        .u32(0)
        .with(X::new().u32(10).u32(0).opaque(b"fh"));
    let res = ops.decode_cut(at(1), &mut Watched::new(&x.0));
    assert_eq!(res.err(), Some(XdrError::Invalid));
}
