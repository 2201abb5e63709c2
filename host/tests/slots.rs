// SPDX-License-Identifier: GPL-2.0

//! The slot table against a model of a server's slots, as RFC 8881 2.10.6 has them.

#![allow(missing_docs)]

use proptest::prelude::*;
use rnfs4_proto::{
    ops::session::SequenceRes,
    session::{SeqAction, SeqOutcome, SlotGrant, SlotTable, MAX_SLOTS},
    status::Status,
    types::SlotId,
};
use std::collections::HashSet;

fn limits(highest: u32, target: u32) -> SequenceRes {
    SequenceRes {
        highest_slot: SlotId(highest),
        target_highest_slot: SlotId(target),
        status_flags: 0,
    }
}

fn table(slots: u32) -> SlotTable {
    let mut t = SlotTable::new();
    t.reset(slots);
    t.end_drain();
    t
}

fn ok(t: &mut SlotTable, g: SlotGrant) -> SeqAction {
    let n = t.limit() - 1;
    t.done(g, SeqOutcome::Replied(Ok(&limits(n, n))))
}

fn fails(t: &mut SlotTable, g: SlotGrant, status: Status) -> SeqAction {
    t.done(g, SeqOutcome::Replied(Err(status)))
}

fn key(g: SlotGrant) -> (u32, u32) {
    (g.slot.0, g.seqid)
}

#[test]
fn the_lowest_slot_first_and_each_with_its_own_count() {
    let mut t = table(3);
    let (a, b, c) = (
        t.alloc(false, false).unwrap(),
        t.alloc(false, false).unwrap(),
        t.alloc(false, false).unwrap(),
    );
    assert_eq!([key(a), key(b), key(c)], [(0, 1), (1, 1), (2, 1)]);
    assert_eq!(
        [a.highest_slot.0, b.highest_slot.0, c.highest_slot.0],
        [0, 1, 2]
    );
    assert!(t.alloc(false, false).is_none());
    assert_eq!(t.in_use(), 3);
    assert_eq!(ok(&mut t, b), SeqAction::Done);
    let b = t.alloc(false, false).unwrap();
    assert_eq!((key(b), b.highest_slot), ((1, 2), SlotId(2)));
    ok(&mut t, a);
    assert_eq!(key(t.alloc(false, false).unwrap()), (0, 2));
}

#[test]
fn no_more_slots_than_the_server_has() {
    assert_eq!(table(0).limit(), 1);
    assert_eq!(table(1000).limit(), MAX_SLOTS);
    let mut t = table(MAX_SLOTS);
    let g: Vec<_> = (0..MAX_SLOTS)
        .map(|_| t.alloc(false, false).unwrap())
        .collect();
    assert!(t.alloc(true, true).is_none());
    assert_eq!(g[63].highest_slot.0, 63);
    // The target shrinks: slots above it run out, and come back with it.
    assert_eq!(
        t.done(g[0], SeqOutcome::Replied(Ok(&limits(63, 1)))),
        SeqAction::Done
    );
    assert_eq!(t.limit(), 2);
    assert_eq!(key(t.alloc(false, false).unwrap()), (0, 2));
    assert!(t.alloc(false, false).is_none());
    assert_eq!(
        t.done(g[5], SeqOutcome::Replied(Ok(&limits(3, 63)))),
        SeqAction::Done
    );
    assert_eq!(t.limit(), 4, "never above what the server takes");
    t.done(g[6], SeqOutcome::Replied(Ok(&limits(u32::MAX, u32::MAX))));
    assert_eq!(t.limit(), MAX_SLOTS);
    assert_eq!(
        key(t.alloc(false, false).unwrap()),
        (5, 2),
        "the count outlives the target"
    );
}

#[test]
fn draining_lets_recovery_pass() {
    let mut t = table(4);
    let g = t.alloc(false, false).unwrap();
    t.begin_drain();
    assert!(t.alloc(false, false).is_none());
    assert!(!t.is_drained() && t.is_draining());
    ok(&mut t, g);
    assert!(t.is_drained());
    let g = t.alloc(true, false).unwrap();
    assert!(!t.is_drained());
    ok(&mut t, g);
    t.end_drain();
    assert!(t.alloc(false, false).is_some());
    assert!(
        SlotTable::new().alloc(false, false).is_none(),
        "no session, no calls"
    );
    assert!(SlotTable::default().alloc(true, false).is_some());
}

#[test]
fn a_call_whose_connection_broke_keeps_its_slot_and_holds_nobody_up() {
    let mut t = table(2);
    let a = t.alloc(false, false).unwrap();
    let b = t.alloc(false, false).unwrap();
    assert!(!t.is_drained() && !t.is_blocked());
    t.park(a);
    assert!(!t.is_drained(), "the other one is on its way");
    assert!(t.is_blocked(), "nobody gets a slot, though");
    assert_eq!(ok(&mut t, b), SeqAction::Done);
    assert!(t.is_drained() && !t.is_blocked());

    // The same request again, on the same slot with the same number.
    let c = t.alloc(false, false).unwrap();
    assert_ne!(c.slot, a.slot, "the slot is still his");
    assert!(t.unpark(a));
    assert!(!t.is_drained());
    assert_eq!(ok(&mut t, a), SeqAction::Done);
    assert_eq!(ok(&mut t, c), SeqAction::Done);
    let next = t.alloc(false, false).unwrap();
    assert_eq!(key(next), (a.slot.0, a.seqid + 1));
}

#[test]
fn a_parked_call_does_not_outlive_its_session() {
    let mut t = table(2);
    let a = t.alloc(false, false).unwrap();
    t.park(a);
    t.reset(2);
    assert!(!t.unpark(a));
    t.park(a);
    assert!(t.is_drained() && !t.is_blocked(), "nothing of the new one");
    let sent = SeqOutcome::NoReply { was_sent: true };
    assert_eq!(t.done(a, sent), SeqAction::Done);
    assert!(
        !t.alloc(false, false).unwrap().probe,
        "no doubt about the new session's slot"
    );
}

#[test]
fn a_parked_call_that_is_given_up_leaves_its_slot_in_doubt() {
    let mut t = table(1);
    let a = t.alloc(false, false).unwrap();
    t.park(a);
    let sent = SeqOutcome::NoReply { was_sent: true };
    assert_eq!(t.done(a, sent), SeqAction::Done);
    assert!(!t.is_blocked());
    assert!(t.alloc(false, false).unwrap().probe);
}

#[test]
fn delay_keeps_slot_and_sequence_id_and_waits_ever_longer() {
    let mut t = table(1);
    let g = t.alloc(false, false).unwrap();
    let waits: Vec<_> = (0..13)
        .map(|_| match fails(&mut t, g, Status::DELAY) {
            SeqAction::RetrySameSlot { after_ms } => after_ms,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        waits,
        [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000, 1000]
    );
    assert!(t.alloc(true, true).is_none(), "the slot is still taken");
    assert_eq!(ok(&mut t, g), SeqAction::Done);
    let g = t.alloc(false, false).unwrap();
    assert_eq!(key(g), (0, 2));
    assert_eq!(
        fails(&mut t, g, Status::DELAY),
        SeqAction::RetrySameSlot { after_ms: 1 }
    );
    // Given up while it waited: the server has not taken the sequence id.
    assert_eq!(
        t.done(g, SeqOutcome::NoReply { was_sent: false }),
        SeqAction::Done
    );
    let again = t.alloc(false, false).unwrap();
    assert_eq!((key(again), again.probe), ((0, 2), false));
}

#[test]
fn a_slot_in_doubt_carries_a_lone_sequence_first() {
    for settle in [
        |t: &mut SlotTable, g| ok(t, g),
        |t: &mut SlotTable, g| fails(t, g, Status::SEQ_FALSE_RETRY),
        |t: &mut SlotTable, g| fails(t, g, Status::RETRY_UNCACHED_REP),
        |t: &mut SlotTable, g| t.done(g, SeqOutcome::Malformed),
    ] {
        let mut t = table(2);
        let g = t.alloc(false, false).unwrap();
        assert_eq!(
            t.done(g, SeqOutcome::NoReply { was_sent: true }),
            SeqAction::Done
        );
        // Others are used first.
        let other = t.alloc(false, false).unwrap();
        assert_eq!((key(other), other.probe), ((1, 1), false));
        let probe = t.alloc(false, false).unwrap();
        assert_eq!(
            (key(probe), probe.probe),
            ((0, 1), true),
            "the id in doubt once more"
        );
        let action = settle(&mut t, probe);
        assert!(matches!(
            action,
            SeqAction::Done | SeqAction::RetryNewSlot { after_ms: 0, .. }
        ));
        let g = t.alloc(false, false).unwrap();
        assert_eq!((key(g), g.probe), ((0, 2), false));
    }
}

#[test]
fn a_renewal_repairs_a_slot_in_doubt() {
    let mut t = table(8);
    let g = t.alloc(false, false).unwrap();
    t.done(g, SeqOutcome::NoReply { was_sent: true });
    assert_eq!(key(t.alloc(false, false).unwrap()), (1, 1));
    let renewal = t.alloc(false, true).unwrap();
    assert_eq!((key(renewal), renewal.probe), ((0, 1), true));
    // No answer again: still the same doubt.
    t.done(renewal, SeqOutcome::NoReply { was_sent: true });
    let renewal = t.alloc(false, true).unwrap();
    assert_eq!((key(renewal), renewal.probe), ((0, 1), true));
    ok(&mut t, renewal);
    assert_eq!(key(t.alloc(false, true).unwrap()), (0, 2));
}

#[test]
fn what_was_never_sent_leaves_no_doubt() {
    let mut t = table(1);
    let g = t.alloc(false, false).unwrap();
    assert_eq!(
        t.done(g, SeqOutcome::NoReply { was_sent: false }),
        SeqAction::Done
    );
    let g = t.alloc(false, false).unwrap();
    assert_eq!((key(g), g.probe), ((0, 1), false));
}

#[test]
fn what_each_status_of_sequence_means() {
    let again = |executed| SeqAction::RetryNewSlot {
        after_ms: 0,
        executed,
    };
    let cases = [
        (Status::RETRY_UNCACHED_REP, again(true), 2),
        (Status::SEQ_FALSE_RETRY, again(false), 2),
        (Status::SEQ_MISORDERED, SeqAction::ResetSession, 1),
        (Status::BADSESSION, SeqAction::ResetSession, 1),
        (Status::DEADSESSION, SeqAction::ResetSession, 1),
        (Status::BAD_HIGH_SLOT, SeqAction::ResetSession, 1),
        (Status::BADSLOT, SeqAction::ResetSession, 1),
        (Status::CONN_NOT_BOUND_TO_SESSION, SeqAction::BindConn, 1),
        (
            Status::TOO_MANY_OPS,
            SeqAction::Fail(Status::TOO_MANY_OPS),
            1,
        ),
        (Status(4711), SeqAction::Fail(Status(4711)), 1),
    ];
    for (status, action, next) in cases {
        let mut t = table(1);
        let g = t.alloc(false, false).unwrap();
        assert_eq!(fails(&mut t, g, status), action, "{status}");
        assert_eq!(t.in_use(), 0, "{status} keeps the slot");
        assert_eq!(t.alloc(false, false).unwrap().seqid, next, "{status}");
    }
}

#[test]
fn a_slot_that_the_server_took_away_is_no_reason_for_a_new_session() {
    let mut t = table(8);
    let g: Vec<_> = (0..6).map(|_| t.alloc(false, false).unwrap()).collect();
    let again = SeqAction::RetryNewSlot {
        after_ms: 0,
        executed: false,
    };
    assert_eq!(fails(&mut t, g[5], Status::BADSLOT), again);
    assert_eq!(t.limit(), 5);
    assert_eq!(fails(&mut t, g[3], Status::BADSLOT), again);
    assert_eq!(t.limit(), 3);
    assert!(t.alloc(false, false).is_none());
    ok(&mut t, g[0]);
    assert_eq!(key(t.alloc(false, false).unwrap()), (0, 2));
}

#[test]
fn late_answers_of_a_former_session_touch_nothing() {
    let mut t = table(4);
    let old: Vec<_> = (0..4).map(|_| t.alloc(false, false).unwrap()).collect();
    t.reset(4);
    assert_eq!(t.in_use(), 0);
    let new = t.alloc(false, false).unwrap();
    assert_eq!(key(new), (0, 1));
    let again = SeqAction::RetryNewSlot {
        after_ms: 0,
        executed: false,
    };
    for status in [
        Status::BADSESSION,
        Status::DEADSESSION,
        Status::DELAY,
        Status::SEQ_MISORDERED,
        Status::BADSLOT,
    ] {
        assert_eq!(
            fails(&mut t, old[0], status),
            again,
            "{status}: not the new session's fault"
        );
    }
    assert_eq!(
        fails(&mut t, old[0], Status::INVAL),
        SeqAction::Fail(Status::INVAL)
    );
    assert_eq!(
        t.done(old[1], SeqOutcome::Replied(Ok(&limits(0, 0)))),
        SeqAction::Done
    );
    assert_eq!(
        t.done(old[2], SeqOutcome::NoReply { was_sent: true }),
        SeqAction::Done
    );
    assert_eq!(t.done(old[3], SeqOutcome::Malformed), SeqAction::Done);
    assert_eq!((t.in_use(), t.limit()), (1, 4));
    let next = t.alloc(false, true).unwrap();
    assert_eq!(
        (key(next), next.probe),
        ((1, 1), false),
        "no doubt came over"
    );
}

#[test]
fn a_server_that_refuses_for_ever_is_asked_ever_less_often() {
    let mut t = table(1);
    let mut waited = 0;
    for _ in 0..2000 {
        let g = t.alloc(false, false).unwrap();
        match fails(&mut t, g, Status::SEQ_FALSE_RETRY) {
            SeqAction::RetryNewSlot { after_ms, .. } => waited += after_ms,
            other => panic!("{other:?}"),
        }
    }
    assert!(waited > 1_000_000, "{waited} ms in 2000 tries");
}

/// Found by libFuzzer. A call whose connection broke is sent again, the server is still at it and says
/// DELAY, and then its caller is killed: that does not settle what the slot carries.
#[test]
fn a_call_that_was_parked_stays_in_doubt_until_it_is_answered() {
    let mut t = table(1);
    let g = t.alloc(false, false).unwrap();
    t.park(g);
    assert!(t.unpark(g));
    assert!(matches!(
        fails(&mut t, g, Status::DELAY),
        SeqAction::RetrySameSlot { .. }
    ));
    t.done(g, SeqOutcome::NoReply { was_sent: false });
    let next = t.alloc(false, false).unwrap();
    assert_eq!((key(next), next.probe), ((0, 1), true));
}

/// What a server keeps of a slot: the last sequence id, and which call it was.
#[derive(Clone, Default)]
struct ServerSlot {
    seqid: u32,
    last: Option<u64>,
    in_progress: bool,
}

/// A server by the RFC that counts what it runs.
struct Server {
    slots: Vec<ServerSlot>,
    executed: HashSet<u64>,
}

/// What the network does to a call and its reply.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Fine,
    LostBeforeServer,
    ReplyLost,
    /// The server is still at it when the client gives up.
    Slow,
    NotSent,
    Delay,
}

enum Said {
    Ok,
    Err(Status),
    /// The reply of another call, played back.
    Replay,
}

impl Server {
    fn call(&mut self, g: SlotGrant, id: u64, slow: bool) -> Said {
        let Some(slot) = self.slots.get_mut(g.slot.0 as usize) else {
            return Said::Err(Status::BADSLOT);
        };
        if g.seqid == slot.seqid {
            if slot.in_progress {
                slot.in_progress = false;
                return Said::Err(Status::DELAY);
            }
            return match slot.last == Some(id) {
                true => Said::Ok,
                false if id % 3 == 0 => Said::Err(Status::SEQ_FALSE_RETRY),
                false if id % 3 == 1 => Said::Err(Status::RETRY_UNCACHED_REP),
                false => Said::Replay,
            };
        }
        if slot.in_progress || g.seqid != slot.seqid.wrapping_add(1) {
            return Said::Err(Status::SEQ_MISORDERED);
        }
        assert!(self.executed.insert(id), "call {id} was run twice");
        *slot = ServerSlot {
            seqid: g.seqid,
            last: Some(id),
            in_progress: slow,
        };
        Said::Ok
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Fine),
        1 => Just(Fate::LostBeforeServer),
        1 => Just(Fate::ReplyLost),
        1 => Just(Fate::Slow),
        1 => Just(Fate::NotSent),
        1 => Just(Fate::Delay),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever is lost on the way: no call is run twice, no call is taken for run that was not, no
    /// sequence id is ever out of order, and a sound network brings each call through at once.
    #[test]
    fn the_table_and_the_server_stay_in_step(
        slots in 1u32..5,
        calls in proptest::collection::vec((fate(), any::<bool>(), 1usize..6), 1..60),
    ) {
        let mut server = Server { slots: vec![ServerSlot::default(); slots as usize], executed: HashSet::new() };
        let mut t = table(slots);
        let mut id = 0;
        for (fate, lone, depth) in calls {
            // Some slots are held meanwhile, so that others than the first come into play.
            let held: Vec<_> = (1..depth).map_while(|_| t.alloc(false, false)).collect();
            if let Some(mut g) = t.alloc(false, lone) {
                // A grant for a probe may carry nothing else.
                let mut fate = fate;
                loop {
                    id += 1;
                    let probing = g.probe;
                    let action = match fate {
                        Fate::NotSent => t.done(g, SeqOutcome::NoReply { was_sent: false }),
                        Fate::LostBeforeServer => t.done(g, SeqOutcome::NoReply { was_sent: true }),
                        Fate::Delay => t.done(g, SeqOutcome::Replied(Err(Status::DELAY))),
                        Fate::Fine | Fate::ReplyLost | Fate::Slow => {
                            let slow = matches!(fate, Fate::Slow);
                            let said = server.call(g, id, slow);
                            if matches!(fate, Fate::Fine) {
                                let n = slots - 1;
                                match said {
                                    Said::Ok => {
                                        prop_assert!(server.executed.contains(&id), "taken for run");
                                        t.done(g, SeqOutcome::Replied(Ok(&limits(n, n))))
                                    }
                                    Said::Replay => {
                                        prop_assert!(probing, "another call's reply was played back");
                                        t.done(g, SeqOutcome::Malformed)
                                    }
                                    Said::Err(e) => t.done(g, SeqOutcome::Replied(Err(e))),
                                }
                            } else {
                                t.done(g, SeqOutcome::NoReply { was_sent: true })
                            }
                        }
                    };
                    prop_assert!(action != SeqAction::ResetSession, "out of step");
                    let again = matches!(action, SeqAction::RetryNewSlot { .. } | SeqAction::RetrySameSlot { .. })
                        || (matches!(fate, Fate::Fine) && probing && !lone);
                    if !again {
                        break;
                    }
                    if !matches!(action, SeqAction::RetrySameSlot { .. }) {
                        g = t.alloc(false, lone).unwrap();
                    } else {
                        // The same call again: it is the same to the server.
                        id -= 1;
                    }
                    fate = Fate::Fine;
                }
            }
            for g in held {
                t.done(g, SeqOutcome::NoReply { was_sent: false });
            }
            prop_assert!(t.is_drained(), "a slot was lost");
        }
    }

    /// Any answers at all: the table keeps its books, gives each slot to one at a time, and never runs
    /// dry for good.
    #[test]
    fn any_answers(
        slots in 1u32..70,
        steps in proptest::collection::vec((0u8..9, any::<u32>(), any::<u32>(), any::<bool>()), 1..200),
    ) {
        let mut t = table(slots);
        let mut held: Vec<SlotGrant> = Vec::new();
        for (what, a, b, lone) in steps {
            if what < 3 || held.is_empty() {
                if let Some(g) = t.alloc(what == 0, lone) {
                    prop_assert!(held.iter().all(|h| h.slot != g.slot), "given twice");
                    prop_assert!(g.slot.0 < MAX_SLOTS && g.slot <= g.highest_slot);
                    held.push(g);
                }
                continue;
            }
            let g = held.swap_remove(a as usize % held.len());
            let statuses = Status::ALL;
            let res = limits(a, b);
            let outcome = match what {
                3 => SeqOutcome::Replied(Ok(&res)),
                4 | 5 => SeqOutcome::Replied(Err(statuses[b as usize % statuses.len()])),
                6 => SeqOutcome::NoReply { was_sent: lone },
                7 => SeqOutcome::Malformed,
                _ => SeqOutcome::Replied(Err(Status(b))),
            };
            if let SeqAction::RetrySameSlot { after_ms } = t.done(g, outcome) {
                prop_assert!(after_ms > 0);
                held.push(g);
            }
            prop_assert_eq!(t.in_use() as usize, held.len());
            prop_assert!((1..=MAX_SLOTS).contains(&t.limit()));
        }
        for g in held.drain(..) {
            t.done(g, SeqOutcome::Replied(Ok(&limits(63, 63))));
        }
        prop_assert!(t.is_drained());
        prop_assert!(t.alloc(false, false).is_some());
    }
}
