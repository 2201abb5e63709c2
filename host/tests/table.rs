// SPDX-License-Identifier: GPL-2.0

//! The error table row by row, and what must hold of it as a whole.

#![allow(missing_docs)]

use rnfs4_proto::{
    recovery::table::{
        decide, decide_malformed, decide_no_reply, tested, Action, Need, OpClass, StateKind,
        Tested, ROWS,
    },
    status::{Errno, Status},
};
use std::collections::HashSet;

/// What no recovery helps against.
const HARD: &str =
    "OpenReclaim=Nograce; OpenExpired=BadContext; LockReclaim LockExpired=LostLock; \
    DestroySession DestroyClientid FreeStateid=Done; Sequence BindConn=Recover(Session); *=Fail";
/// What the server says of its session.
const SESSION: &str =
    "DestroySession DestroyClientid=Done; ExchangeId CreateSession=Delay; *=Recover(Session)";
/// Operations of programs with a stateid behind them are to have it tested.
const TEST_IT: &str = "Open/state Io/state Setattr/state Lock/state=State; ";

/// Status, then for each class (with any state, or `/state`, `/Open`, ...) the action; the first that
/// fits holds.
fn spec() -> Vec<(&'static str, String)> {
    let hard = |first: &str| format!("{first}{HARD}");
    vec![
        ("BADSESSION DEADSESSION BADSLOT BAD_HIGH_SLOT SEQ_FALSE_RETRY", SESSION.into()),
        ("SEQ_MISORDERED", format!("CreateSession=Recover(Purge); {SESSION}")),
        (
            "CONN_NOT_BOUND_TO_SESSION",
            "DestroySession DestroyClientid=Done; ExchangeId CreateSession=Delay; BindConn=Recover(Session); *=Recover(BindConn)".into(),
        ),
        ("RETRY_UNCACHED_REP", "DestroySession DestroyClientid=Done; *=Retry".into()),
        ("DELAY GRACE LAYOUTTRYLATER RECALLCONFLICT RETURNCONFLICT", "*=Delay".into()),
        (
            "FILE_OPEN",
            "DestroySession DestroyClientid=Done; ExchangeId CreateSession Sequence BindConn ReclaimComplete=Delay; *=DelayThenFail".into(),
        ),
        (
            "SERVERFAULT IO RESOURCE",
            "OpenReclaim OpenExpired LockReclaim LockExpired TestStateid=DelayThenFail; \
             ExchangeId CreateSession ReclaimComplete Sequence BindConn=Delay; \
             DestroySession DestroyClientid FreeStateid=Done; *=Fail"
                .into(),
        ),
        (
            "STALE_CLIENTID",
            "DestroySession DestroyClientid=Done; ExchangeId=Delay; \
             CreateSession OpenReclaim OpenExpired LockReclaim LockExpired ReclaimComplete Sequence BindConn=Recover(NewClient); \
             *=Recover(Lease)"
                .into(),
        ),
        (
            "STALE_STATEID BAD_STATEID",
            hard(&format!(
                "Close Locku Delegreturn FreeStateid=Done; OpenReclaim LockReclaim=Nograce; {TEST_IT}"
            )),
        ),
        (
            "ADMIN_REVOKED DELEG_REVOKED",
            hard(&format!("Close Locku Delegreturn=Free; OpenReclaim LockReclaim=Nograce; {TEST_IT}")),
        ),
        (
            "EXPIRED",
            format!(
                "Close Locku Delegreturn=Free; DestroySession DestroyClientid FreeStateid=Done; \
                 OpenReclaim LockReclaim=Nograce; OpenExpired LockExpired=Recover(Purge); \
                 Sequence CreateSession=Recover(Expired); ExchangeId=Delay; {TEST_IT}*=Recover(Lease)"
            ),
        ),
        (
            "OLD_STATEID",
            hard(
                "Close Locku Delegreturn FreeStateid LockReclaim LockExpired=Refresh; \
                 Open/state Io/state Setattr/state Lock/state=Refresh; ",
            ),
        ),
        ("OPENMODE", hard("Io/Delegation=State; Io/Open Io/Lock=Reopen; ")),
        ("NO_GRACE", hard("OpenReclaim LockReclaim=EndReboot; ")),
        ("RECLAIM_BAD RECLAIM_CONFLICT", hard("")),
        ("COMPLETE_ALREADY WRONG_CRED NOTSUPP OP_ILLEGAL", hard("ReclaimComplete=Done; ")),
        ("BACK_CHAN_BUSY", hard("DestroySession=Delay; ")),
        ("CLIENTID_BUSY", hard("DestroyClientid=Delay; ")),
        ("NOSPC DQUOT", hard("ExchangeId CreateSession=Delay; ")),
        ("STALE BADHANDLE FHEXPIRED", hard("OpenReclaim=BadContext; ")),
        (
            "REQ_TOO_BIG REP_TOO_BIG REP_TOO_BIG_TO_CACHE TOO_MANY_OPS",
            hard("OpenReclaim OpenExpired LockReclaim LockExpired TestStateid FreeStateid=Split; "),
        ),
        (
            "MINOR_VERS_MISMATCH",
            hard("OpenReclaim OpenExpired LockReclaim LockExpired TestStateid=Recover(Lease); "),
        ),
        (
            "PERM NOENT NXIO ACCESS EXIST XDEV NOTDIR ISDIR INVAL FBIG ROFS MLINK NAMETOOLONG NOTEMPTY \
             BAD_COOKIE TOOSMALL BADTYPE SAME NOT_SAME SYMLINK ATTRNOTSUPP BADOWNER BADCHAR BADNAME \
             BAD_RANGE WRONG_TYPE NOXATTR XATTR2BIG WRONG_LFS BADLABEL UNION_NOTSUPP",
            hard(""),
        ),
        ("DENIED LOCKED SHARE_DENIED LOCK_RANGE LOCK_NOTSUPP LOCKS_HELD DEADLOCK", hard("")),
        ("WRONGSEC CLID_INUSE MOVED LEASE_MOVED", hard("")),
        (
            "NOFILEHANDLE RESTOREFH BADXDR BAD_SEQID CB_PATH_DOWN SEQUENCE_POS UNSAFE_COMPOUND \
             OP_NOT_IN_SESSION NOT_ONLY_OP BAD_SESSION_DIGEST HASH_ALG_UNSUPP ENCR_ALG_UNSUPP \
             DELEG_ALREADY_WANTED DIRDELEG_UNAVAIL REJECT_DELEG",
            hard(""),
        ),
        (
            "BADIOMODE BADLAYOUT LAYOUTUNAVAILABLE NOMATCHING_LAYOUT UNKNOWN_LAYOUTTYPE PNFS_IO_HOLE \
             PNFS_NO_LAYOUT PARTNER_NOTSUPP PARTNER_NO_AUTH OFFLOAD_DENIED OFFLOAD_NO_REQS",
            hard(""),
        ),
    ]
}

fn status(name: &str) -> Status {
    *Status::ALL
        .iter()
        .find(|s| s.name() == Some(name))
        .unwrap_or_else(|| panic!("{name}?"))
}

fn expected(rules: &str, class: OpClass, state: StateKind) -> String {
    for rule in rules.split(';') {
        let (who, action) = rule.trim().split_once('=').unwrap();
        for who in who.split_whitespace() {
            let (name, kind) = who.split_once('/').unwrap_or((who, "any"));
            let class_fits = name == "*" || name == format!("{class:?}");
            let state_fits = match kind {
                "any" => true,
                "state" => state != StateKind::None,
                kind => kind == format!("{state:?}"),
            };
            if class_fits && state_fits {
                return action.into();
            }
        }
    }
    panic!("{rules} has nothing for {class:?} {state:?}");
}

#[test]
fn row_by_row() {
    let mut seen = HashSet::new();
    for (names, rules) in spec() {
        for name in names.split_whitespace() {
            let status = status(name);
            assert!(seen.insert(status), "{name} is specified twice");
            for class in OpClass::ALL {
                for state in StateKind::ALL {
                    let action = format!("{:?}", decide(status, class, state));
                    assert_eq!(
                        action,
                        expected(&rules, class, state),
                        "{name} {class:?} {state:?}"
                    );
                }
            }
        }
    }
    assert_eq!(seen.len(), Status::ALL.len(), "a status is not specified");
}

#[test]
fn every_status_is_in_one_row_and_every_rule_has_a_use() {
    for status in Status::ALL {
        let rows = ROWS.iter().filter(|r| r.statuses.contains(status)).count();
        assert_eq!(rows, 1, "{status}");
    }
    for row in ROWS {
        let rules: Vec<_> = row.rules().collect();
        let mut used = vec![false; rules.len()];
        for class in OpClass::ALL {
            for state in StateKind::ALL {
                let first = rules.iter().position(|r| r.fits(class, state));
                used[first.expect("the last rule fits everything")] = true;
            }
        }
        // A list that several rows share may have a rule that one of them has no use for.
        let last = used.len() - 1;
        assert!(used[last], "{:?}: the last rule is of no use", row.statuses);
    }
}

fn all() -> impl Iterator<Item = (Status, OpClass, StateKind, Action)> {
    let statuses = Status::ALL
        .iter()
        .copied()
        .chain([Status(4711), Status(u32::MAX)]);
    statuses.flat_map(|status| {
        OpClass::ALL.into_iter().flat_map(move |class| {
            StateKind::ALL
                .into_iter()
                .map(move |state| (status, class, state, decide(status, class, state)))
        })
    })
}

#[test]
fn actions_fit_their_operations() {
    use OpClass::*;
    for (status, class, state, action) in all() {
        let what = format!("{status} {class:?} {state:?}: {action:?}");
        match action {
            Action::BadContext => assert!(matches!(class, OpenReclaim | OpenExpired), "{what}"),
            Action::LostLock => assert!(matches!(class, LockReclaim | LockExpired), "{what}"),
            Action::Nograce | Action::EndReboot => {
                assert!(matches!(class, OpenReclaim | LockReclaim), "{what}")
            }
            Action::Free => assert!(matches!(class, Close | Locku | Delegreturn), "{what}"),
            Action::State | Action::Reopen => {
                assert!(matches!(class, Open | Io | Setattr | Lock), "{what}");
                assert_ne!(state, StateKind::None, "{what}");
            }
            Action::Split => assert!(
                class.is_reclaim() || matches!(class, TestStateid | FreeStateid),
                "{what}"
            ),
            // A reclaim never just fails: either the state has a future, or its end is told.
            Action::Fail | Action::Done => assert!(!class.is_reclaim(), "{what}"),
            _ => (),
        }
    }
}

/// The weaknesses of the C client that the table is to do without.
#[test]
fn nothing_of_the_session_is_held_against_a_file() {
    let session = [
        Status::BADSESSION,
        Status::DEADSESSION,
        Status::BADSLOT,
        Status::BAD_HIGH_SLOT,
        Status::SEQ_FALSE_RETRY,
        Status::SEQ_MISORDERED,
        Status::CONN_NOT_BOUND_TO_SESSION,
        Status::RETRY_UNCACHED_REP,
        Status::DELAY,
        Status::GRACE,
        Status::STALE_CLIENTID,
        Status::TOO_MANY_OPS,
        Status::REP_TOO_BIG,
        Status::MINOR_VERS_MISMATCH,
    ];
    for (status, class, _, action) in all() {
        if session.contains(&status) && class.is_reclaim() {
            assert!(
                matches!(
                    action,
                    Action::Recover(_) | Action::Delay | Action::Retry | Action::Split
                ),
                "{status} {class:?}: {action:?}"
            );
        }
    }
    for class in OpClass::ALL.into_iter().filter(|c| c.is_reclaim()) {
        assert_eq!(decide_no_reply(class), Action::Recover(Need::Lease));
        assert_eq!(decide_malformed(class), Action::DelayThenFail);
    }
}

#[test]
fn reclaim_complete_is_done_only_when_the_server_waits_no_more() {
    let done: Vec<_> = Status::ALL
        .iter()
        .filter(|s| decide(**s, OpClass::ReclaimComplete, StateKind::None) == Action::Done)
        .collect();
    let expected = [
        Status::NOTSUPP,
        Status::OP_ILLEGAL,
        Status::COMPLETE_ALREADY,
        Status::WRONG_CRED,
    ];
    assert_eq!(done, expected.iter().collect::<Vec<_>>());
    assert_eq!(
        decide_no_reply(OpClass::ReclaimComplete),
        Action::Recover(Need::Lease)
    );
    assert_eq!(decide_malformed(OpClass::ReclaimComplete), Action::Delay);
}

#[test]
fn what_establishes_the_client_never_counts_as_done_by_an_error() {
    use OpClass::*;
    for (status, class, _, action) in all() {
        if matches!(class, ExchangeId | CreateSession | Sequence | BindConn) {
            assert_ne!(action, Action::Done, "{status} {class:?}");
        }
        if matches!(class, DestroySession | DestroyClientid) {
            assert!(
                matches!(action, Action::Done | Action::Delay),
                "{status} {class:?}: nothing lost"
            );
        }
    }
    for class in [ExchangeId, CreateSession] {
        assert_eq!(decide_no_reply(class), Action::Delay);
        assert_eq!(decide_malformed(class), Action::Delay);
    }
    assert_eq!(decide_no_reply(Io), Action::Fail);
    assert_eq!(decide_malformed(Io), Action::Fail);
    assert_eq!(decide_no_reply(FreeStateid), Action::Done);
    assert_eq!(decide_malformed(Sequence), Action::Recover(Need::Session));
}

#[test]
fn success_and_the_unknown() {
    for class in OpClass::ALL {
        assert_eq!(decide(Status::OK, class, StateKind::Open), Action::Done);
        let unknown = decide(Status(4711), class, StateKind::None);
        assert_eq!(
            format!("{unknown:?}"),
            expected(HARD, class, StateKind::None)
        );
    }
}

#[test]
fn what_test_stateid_says() {
    assert_eq!(tested(Status::OK), Tested::Good);
    assert_eq!(tested(Status::OLD_STATEID), Tested::Good);
    let revoked = [
        Status::EXPIRED,
        Status::ADMIN_REVOKED,
        Status::DELEG_REVOKED,
    ];
    for status in Status::ALL.iter().filter(|s| **s != Status::OLD_STATEID) {
        let expected = if revoked.contains(status) {
            Tested::Revoked
        } else {
            Tested::Gone
        };
        assert_eq!(tested(*status), expected, "{status}");
    }
}

#[test]
fn every_status_has_an_errno_that_a_program_may_see() {
    for status in Status::ALL {
        let Errno(n) = status.errno();
        assert!((1..=133).contains(&n), "{status}: {n}");
    }
    for (status, errno) in [
        (Status::NOENT, Errno(2)),
        (Status::ACCESS, Errno(13)),
        (Status::NAMETOOLONG, Errno(36)),
        (Status::NOTEMPTY, Errno(39)),
        (Status::DQUOT, Errno(122)),
        (Status::STALE, Errno(116)),
        (Status::BADHANDLE, Errno(116)),
        (Status::NOTSUPP, Errno(95)),
        (Status::DENIED, Errno(11)),
        (Status::DEADLOCK, Errno(35)),
        (Status::SYMLINK, Errno(40)),
        (Status::SHARE_DENIED, Errno(13)),
        (Status::FILE_OPEN, Errno(16)),
        (Status::BAD_STATEID, Errno(5)),
        (Status(4711), Errno(5)),
    ] {
        assert_eq!(status.errno(), errno, "{status}");
    }
    assert_eq!(Status::OK.result(), Ok(()));
    assert_eq!(Status::IO.result(), Err(Status::IO));
    assert_eq!(
        format!("{} {:?} {}", Status::OK, Status::BADSESSION, Status(4711)),
        "NFS4_OK NFS4ERR_BADSESSION NFS4ERR_4711"
    );
}

#[test]
fn statuses_are_numbered_as_in_the_rfc() {
    // The numbers form three runs with the gaps that the RFCs have.
    let numbers: Vec<u32> = Status::ALL.iter().map(|s| s.0).collect();
    let mut expected = vec![
        1, 2, 5, 6, 13, 17, 18, 20, 21, 22, 27, 28, 30, 31, 63, 66, 69, 70,
    ];
    expected.extend((10001..=10096).filter(|n| ![10002, 10073].contains(n)));
    assert_eq!(numbers, expected);
}
