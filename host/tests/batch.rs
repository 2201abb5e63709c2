// SPDX-License-Identifier: GPL-2.0

//! Batches of a pass: what fits into a call, and that each item ends exactly once whatever the server answers.

use proptest::prelude::*;
use rnfs4_proto::{
    compound::{Batch, BatchItem, Ops},
    ops::{
        fh::Putfh,
        lock::{Lock, Locker, Range},
        open::{DelegationType, Open, OpenClaim, OpenHow, Owner},
    },
    recovery::{
        batch::{meaning, Entry, Fate, Next, Outcome, Packer, Room, Schedule, Size, Trouble},
        table::{Action, Need, OpClass, StateKind},
    },
    status::Status,
    types::{ClientId, Fh, LockType, Opaque, ShareAccess, Stateid},
};
use std::collections::VecDeque;

fn owner() -> Owner {
    Owner {
        clientid: ClientId(0),
        name: Opaque::new(b"rnfs4 op01234567").unwrap(),
    }
}

fn fh(len: usize) -> Fh {
    Fh::new(&[7; 128][..len]).unwrap()
}

struct Item(Fh, u32);

impl BatchItem for Item {
    type Ops<'a> = (Putfh<Fh>, Open);
    type Res = (
        Result<(), Status>,
        Result<rnfs4_proto::ops::open::OpenRes, Status>,
    );

    fn ops(&self) -> Self::Ops<'_> {
        (
            Putfh(self.0),
            Open {
                access: ShareAccess(self.1).with(ShareAccess::WANT_NO_DELEG),
                deny: 0,
                owner: owner(),
                how: OpenHow::NoCreate,
                claim: OpenClaim::Previous(DelegationType::None),
            },
        )
    }

    fn done(&mut self, _res: Self::Res) {}
}

const ROOM: Room = Room {
    ops: 199,
    args: 30_000,
    res: 30_000,
};

fn packed(room: Room, most: usize, len: usize) -> Vec<Item> {
    let mut packer = Packer::new(room, most);
    let mut items = Vec::new();
    loop {
        let item = Item(fh(len), 3);
        if !packer.add(Size::of(&item.ops())) {
            assert_eq!(packer.items(), items.len());
            return items;
        }
        items.push(item);
    }
}

#[test]
fn a_call_is_filled_to_its_limits_and_not_over() {
    // Two operations each: limited by their number.
    assert_eq!(packed(ROOM, 1000, 28).len(), 99);
    assert_eq!(packed(ROOM, 10, 28).len(), 10);
    // By bytes of arguments, of results.
    for room in [Room { args: 3000, ..ROOM }, Room { res: 3000, ..ROOM }] {
        let mut items = packed(room, 1000, 128);
        assert!((5..40).contains(&items.len()), "{}", items.len());
        let batch = Batch(&mut items[..]);
        assert!(batch.args_len() <= room.args && batch.res_len() <= room.res);
    }
    // What is too large for any call is sent alone.
    let tiny = Room {
        ops: 1,
        args: 10,
        res: 10,
    };
    assert_eq!(packed(tiny, 1000, 28).len(), 1);
}

#[test]
fn one_denied_lock_ends_a_call_so_one_has_room() {
    let lock = Lock {
        kind: LockType::Write,
        reclaim: true,
        range: Range { offset: 0, len: 1 },
        locker: Locker::New {
            open: Stateid::ANONYMOUS,
            owner: owner(),
        },
        denied: None,
    };
    let one = (Putfh(fh(28)), &lock);
    let (putfh, lock) = one;
    let ops = || {
        (
            putfh,
            Lock {
                denied: None,
                ..*lock
            },
        )
    };
    let mut packer = Packer::new(ROOM, 1000);
    while packer.add(Size::of(&ops())) {}
    assert_eq!(packer.items(), 99);
    assert!(99 * ops().batch_len() + ops().res_len() < ROOM.res);
}

#[test]
fn troubles() {
    let open = |trouble, items| meaning(trouble, OpClass::OpenReclaim, StateKind::Open, items);
    for status in [
        Status::REQ_TOO_BIG,
        Status::TOO_MANY_OPS,
        Status::REP_TOO_BIG,
        Status::RESOURCE,
    ] {
        assert_eq!(open(Trouble::Call(status), 2), Action::Split, "{status:?}");
        assert_eq!(open(Trouble::Item(status), 2), Action::Split, "{status:?}");
    }
    assert_eq!(open(Trouble::Malformed, 2), Action::Split);
    assert_eq!(open(Trouble::Malformed, 1), Action::DelayThenFail);
    assert_eq!(open(Trouble::NoReply, 5), Action::Recover(Need::Lease));
    // What SEQUENCE says is no verdict on an item.
    for status in Status::ALL.iter().filter(|s| !s.is_ok()) {
        for items in [1, 2] {
            let action = open(Trouble::Call(*status), items);
            assert!(
                matches!(
                    action,
                    Action::Split | Action::Delay | Action::Retry | Action::Recover(_)
                ) && (action != Action::Split || items > 1),
                "{status:?}: {action:?}"
            );
        }
    }
    assert_eq!(
        open(Trouble::Call(Status::DEADSESSION), 9),
        Action::Recover(Need::Session)
    );
    assert_eq!(open(Trouble::Item(Status::NO_GRACE), 9), Action::EndReboot);
    assert_eq!(open(Trouble::Item(Status::STALE), 9), Action::BadContext);
}

/// A pass, with a server that answers each time it sees an item as the item's script says.
struct Pass {
    plan: Schedule<Vec<Entry>>,
    scripts: Vec<VecDeque<Action>>,
    /// How each item ended.
    ends: Vec<Option<Option<Fate>>>,
    /// When each item was first sent, in the order of sending.
    first: Vec<u32>,
    seen: Vec<u32>,
    flying: VecDeque<Vec<u32>>,
    calls: usize,
    sent: usize,
    now: u64,
}

impl Pass {
    fn new(scripts: Vec<Vec<Action>>, most: usize) -> Self {
        let n = scripts.len();
        Self {
            plan: Schedule::new(vec![Entry::NEW; n], most),
            scripts: scripts.into_iter().map(VecDeque::from).collect(),
            ends: vec![None; n],
            first: Vec::new(),
            seen: vec![0; n],
            flying: VecDeque::new(),
            calls: 0,
            sent: 0,
            now: 1000,
        }
    }

    fn end(&mut self, item: u32, fate: Option<Fate>) {
        let end = &mut self.ends[item as usize];
        assert_eq!(*end, None, "item {item} ended twice");
        *end = Some(fate);
    }

    fn send(&mut self) {
        let mut items = Vec::new();
        while items.len() < self.plan.most() {
            let Some(next) = self.plan.peek() else { break };
            assert_eq!(self.plan.take(), Some(next));
            if self.seen[next as usize] == 0 {
                self.first.push(next);
            }
            self.seen[next as usize] += 1;
            items.push(next);
        }
        assert!(!items.is_empty());
        self.calls += 1;
        self.sent += items.len();
        self.plan.sent();
        self.flying.push_back(items);
    }

    fn receive(&mut self, which: usize) {
        let items = self.flying.remove(which % self.flying.len()).unwrap();
        let mut done = 0;
        let mut action = Action::Done;
        for &item in &items {
            match self.scripts[item as usize].pop_front() {
                None => done += 1,
                Some(bad) => {
                    action = bad;
                    break;
                }
            }
        }
        let hit = usize::from(done < items.len());
        let fate = self
            .plan
            .replied(&items, done, hit, action, false, self.now);
        for &item in &items[..done] {
            self.end(item, None);
        }
        if let Some(fate) = fate {
            self.end(items[done], Some(fate));
        }
    }

    fn run(&mut self, window: usize, mut random: impl FnMut() -> usize) -> Outcome {
        for _ in 0..1_000_000 {
            match self.plan.next(self.now, window) {
                Next::Send => self.send(),
                Next::Receive => self.receive(random()),
                Next::Sleep(ms) => {
                    assert!(self.flying.is_empty() || ms > 0);
                    self.now += u64::from(ms);
                }
                Next::Finish(outcome) => {
                    assert!(self.flying.is_empty());
                    return outcome;
                }
            }
            assert!(self.flying.len() <= window);
        }
        panic!("no end");
    }
}

fn answer() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => Just(Action::Delay),
        2 => Just(Action::Retry),
        2 => Just(Action::DelayThenFail),
        1 => Just(Action::Split),
        1 => Just(Action::Nograce),
        1 => Just(Action::BadContext),
        1 => Just(Action::LostLock),
        1 => Just(Action::Refresh),
    ]
}

fn scripts() -> impl Strategy<Value = Vec<Vec<Action>>> {
    let script = prop_oneof![5 => Just(vec![]), 1 => prop::collection::vec(answer(), 1..5)];
    prop::collection::vec(script, 0..300)
}

proptest! {
    #[test]
    fn each_item_ends_once(
        scripts in scripts(), most in 1_usize..40, window in 1_usize..10, seed in any::<u64>()
    ) {
        let bad: usize = scripts.iter().map(Vec::len).sum();
        let items = scripts.len();
        let mut pass = Pass::new(scripts.clone(), most);
        let mut x = seed | 1;
        let outcome = pass.run(window, || {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (x >> 33) as usize
        });
        prop_assert_eq!(outcome, Outcome::Over);
        for (i, end) in pass.ends.iter().enumerate() {
            let fatal = scripts[i].iter().find(|a| {
                matches!(a, Action::Nograce | Action::BadContext | Action::LostLock)
                    || (**a == Action::Split && end.is_some_and(|e| e == Some(Fate::GiveUp)))
            });
            match end {
                None => prop_assert!(false, "item {} never ended", i),
                Some(None) => prop_assert!(!scripts[i].iter().any(|a| matches!(a,
                    Action::Nograce | Action::BadContext | Action::LostLock))),
                Some(Some(Fate::Nograce)) => prop_assert!(scripts[i].contains(&Action::Nograce)),
                Some(Some(_)) => prop_assert!(fatal.is_some()),
            }
        }
        // Whoever met no trouble was sent in the order of the list.
        prop_assert!(pass.first.windows(2).all(|w| w[0] < w[1] || bad > 0));
        // Work is linear: each trouble costs a call or two, and resends what was in one call.
        let full = items.div_ceil(most);
        prop_assert!(bad > 0 || pass.calls == full);
        prop_assert!(pass.sent <= items + 2 * bad * most, "{} sent", pass.sent);
    }

    #[test]
    fn what_breaks_a_pass_off_loses_nothing(
        mut scripts in scripts(), at in any::<prop::sample::Index>(), end in any::<bool>(),
        most in 1_usize..40, window in 1_usize..10
    ) {
        prop_assume!(!scripts.is_empty());
        let (action, outcome) = match end {
            true => (Action::EndReboot, Outcome::End),
            false => (Action::Recover(Need::Session), Outcome::BrokenOff(Need::Session)),
        };
        let at = at.index(scripts.len());
        scripts[at] = vec![action];
        let mut pass = Pass::new(scripts.clone(), most);
        prop_assert_eq!(pass.run(window, || 0), outcome);
        prop_assert_eq!(pass.ends[at], None);
        for (i, end) in pass.ends.iter().enumerate() {
            if *end == Some(None) {
                prop_assert!(!scripts[i].contains(&action));
            }
        }
    }
}

#[test]
fn to_break_off_beats_the_end() {
    for order in [[0, 0], [1, 0]] {
        let scripts = vec![
            vec![Action::EndReboot],
            vec![Action::Recover(Need::Session)],
        ];
        let mut pass = Pass::new(scripts, 1);
        let mut order = order.into_iter();
        let outcome = pass.run(2, || order.next().unwrap());
        assert_eq!(outcome, Outcome::BrokenOff(Need::Session));
        assert_eq!(pass.ends, [None, None]);
    }
}

#[test]
fn without_trouble_calls_are_full() {
    let mut pass = Pass::new(vec![vec![]; 20_000], 99);
    assert_eq!(pass.run(64, || 0), Outcome::Over);
    assert_eq!((pass.calls, pass.sent, pass.now), (203, 20_000, 1000));
}

#[test]
fn an_item_that_waits_holds_up_nobody() {
    // Two of 1,000 wait for three seconds: the others have ended long before.
    let mut scripts = vec![vec![]; 1000];
    scripts[0] = vec![Action::Delay; 13];
    scripts[500] = vec![Action::Delay; 13];
    let mut pass = Pass::new(scripts, 100);
    loop {
        match pass.plan.next(pass.now, 4) {
            Next::Send => pass.send(),
            Next::Receive => pass.receive(0),
            Next::Sleep(ms) => pass.now += u64::from(ms),
            Next::Finish(outcome) => break assert_eq!(outcome, Outcome::Over),
        }
        let waiting = pass.ends.iter().filter(|end| end.is_none()).count();
        assert!(
            pass.now < 1010 || waiting <= 2,
            "{} ms: {waiting}",
            pass.now
        );
    }
    assert!(pass.now > 3000 && pass.calls < 60, "{} calls", pass.calls);
}

#[test]
fn a_server_that_delays_everything_is_asked_in_full_calls() {
    // Each round asks with one item of each call, not with each item.
    let mut pass = Pass::new(vec![vec![Action::Delay]; 1000], 100);
    assert_eq!(pass.run(64, || 0), Outcome::Over);
    assert!(pass.now < 1300, "{} ms", pass.now);
    let mut slow = Pass::new(vec![vec![Action::Delay; 50]; 1000], 100);
    for _ in 0..10 {
        while slow.plan.next(slow.now, 64) == Next::Send {
            slow.send();
        }
        let before = slow.calls;
        while !slow.flying.is_empty() {
            slow.receive(0);
        }
        assert_eq!(slow.calls, before);
        match slow.plan.next(slow.now, 64) {
            Next::Sleep(ms) => slow.now += u64::from(ms),
            next => panic!("{next:?}"),
        }
    }
    assert_eq!(slow.calls, 100);
}

#[test]
fn grace_holds_up_the_whole_round() {
    let mut plan = Schedule::new(vec![Entry::NEW; 10], 1);
    let mut wait = 1;
    for _ in 0..5 {
        let first = plan.peek();
        while plan.next(wait, 2) != Next::Receive {
            assert!(plan.take().is_some());
            plan.sent();
        }
        // Two were in flight; both meet GRACE, and nothing more is sent.
        let [a, b] = [first.unwrap(), (first.unwrap() + 1) % 10];
        assert_eq!(plan.replied(&[a], 0, 1, Action::Delay, true, wait), None);
        assert_eq!(plan.replied(&[b], 0, 1, Action::Delay, true, wait), None);
        let Next::Sleep(ms) = plan.next(wait, 2) else {
            panic!("no pause")
        };
        assert!(ms > 0);
        assert_eq!(plan.next(wait, 2), Next::Sleep(ms));
        wait += u64::from(ms);
    }
}

#[test]
fn patience_has_an_end() {
    let mut plan = Schedule::new(vec![Entry::NEW; 1], 9);
    let (mut now, mut tries) = (5, 0);
    let fate = loop {
        match plan.next(now, 1) {
            Next::Send => {
                assert_eq!(plan.take(), Some(0));
                plan.sent();
                tries += 1;
                let fate = plan.replied(&[0], 0, 1, Action::DelayThenFail, false, now);
                if fate.is_some() {
                    break fate;
                }
            }
            Next::Sleep(ms) => now += u64::from(ms),
            next => panic!("{next:?}"),
        }
    };
    assert_eq!(fate, Some(Fate::GiveUp));
    assert!(
        (10_000..12_000).contains(&now) && tries < 25,
        "{now} {tries}"
    );
    assert_eq!(plan.next(now, 1), Next::Finish(Outcome::Over));
}

#[test]
fn a_call_that_is_too_large_is_halved_until_it_fits() {
    // The server takes at most three items in a call.
    let mut plan = Schedule::new(vec![Entry::NEW; 100], 64);
    let (mut ended, mut calls) = (Vec::<u32>::new(), 0);
    loop {
        match plan.next(1, 1) {
            Next::Send => {
                let mut items = Vec::new();
                while items.len() < plan.most() && plan.peek().is_some() {
                    items.extend(plan.take());
                }
                plan.sent();
                calls += 1;
                let fits = items.len() <= 3;
                let done = if fits { items.len() } else { 0 };
                let hit = usize::from(!fits);
                let fate = plan.replied(&items, done, hit, Action::Split, false, 1);
                assert_eq!(fate, None);
                ended.extend(&items[..done]);
            }
            Next::Finish(outcome) => break assert_eq!(outcome, Outcome::Over),
            next => panic!("{next:?}"),
        }
    }
    assert_eq!(ended, (0..100).collect::<Vec<u32>>());
    assert!(calls < 60, "{calls}");
}

#[test]
fn what_could_not_be_sent_comes_again() {
    let mut plan = Schedule::new(vec![Entry::NEW; 4], 2);
    assert_eq!(plan.next(1, 4), Next::Send);
    assert_eq!((plan.take(), plan.take()), (Some(0), Some(1)));
    plan.not_sent(&[0, 1]);
    let Next::Sleep(ms) = plan.next(1, 4) else {
        panic!("no memory is no reason to hurry")
    };
    let now = 1 + u64::from(ms);
    assert_eq!(plan.next(now, 4), Next::Send);
    assert_eq!((plan.take(), plan.take()), (Some(0), Some(1)));
    plan.sent();
    // One that must not overtake what is in flight waits for the next round.
    assert_eq!(plan.take(), Some(2));
    plan.postpone(2);
    assert_eq!(plan.take(), Some(3));
    plan.ended();
    assert_eq!(plan.next(now, 4), Next::Receive);
    assert_eq!(plan.replied(&[0, 1], 2, 0, Action::Done, false, now), None);
    let Next::Sleep(ms) = plan.next(now, 4) else {
        panic!("the round is over")
    };
    assert_eq!(plan.next(now + u64::from(ms), 4), Next::Send);
    assert_eq!((plan.take(), plan.take()), (Some(2), None));
}
