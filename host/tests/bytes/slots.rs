// SPDX-License-Identifier: GPL-2.0

//! The slot table with an honest server behind a dishonest network, driven by bytes: calls that are held
//! up, lost on the way there or back, delivered after the client has given them up; slots that the
//! server takes away; sessions that end; recovery that drains.
//!
//! Whatever happens: a slot is given to one at a time, no call is run twice or taken for run that was
//! not, client and server never get out of step, and nothing is left behind.

use rnfs4_proto::{
    ops::session::SequenceRes,
    session::{SeqAction, SeqOutcome, SlotGrant, SlotTable, MAX_SLOTS},
    status::Status,
    types::SlotId,
};
use std::collections::HashSet;

#[derive(Clone, Copy, Default)]
struct ServerSlot {
    seqid: u32,
    /// The call that had this sequence id.
    last: Option<u64>,
    /// It is being worked on.
    busy: bool,
}

/// What the server keeps of one session.
struct Server {
    session: u32,
    slots: Vec<ServerSlot>,
    /// How many slots it likes to see used.
    target: u32,
    run: HashSet<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    session: u32,
    slot: u32,
    seqid: u32,
    id: u64,
}

enum Answer {
    Ok,
    Err(Status),
    /// The cached reply to another call.
    Replay,
}

impl Server {
    /// `honest`: how the server tells a repeated call from another with the same sequence id.
    fn take(&mut self, r: Request, slow: bool, honest: u8) -> Answer {
        if r.session != self.session {
            return Answer::Err(Status::BADSESSION);
        }
        let Some(slot) = self.slots.get_mut(r.slot as usize) else {
            return Answer::Err(Status::BADSLOT);
        };
        if r.seqid == slot.seqid && slot.last.is_some() {
            return match honest % 3 {
                _ if slot.busy => Answer::Err(Status::DELAY),
                _ if slot.last == Some(r.id) => Answer::Ok,
                0 => Answer::Err(Status::SEQ_FALSE_RETRY),
                1 => Answer::Err(Status::RETRY_UNCACHED_REP),
                _ => Answer::Replay,
            };
        }
        if slot.busy || r.seqid != slot.seqid.wrapping_add(1) {
            return Answer::Err(Status::SEQ_MISORDERED);
        }
        assert!(self.run.insert(r.id), "call {} was run twice", r.id);
        *slot = ServerSlot {
            seqid: r.seqid,
            last: Some(r.id),
            busy: slow,
        };
        Answer::Ok
    }

    fn limits(&self) -> SequenceRes {
        SequenceRes {
            highest_slot: SlotId(self.slots.len() as u32 - 1),
            target_highest_slot: SlotId(self.target - 1),
            status_flags: 0,
        }
    }
}

/// A call that has a slot.
struct Call {
    grant: SlotGrant,
    request: Request,
    privileged: bool,
    /// Nothing but SEQUENCE is sent.
    lone: bool,
    /// Its connection broke, and it waits for another.
    parked: bool,
    /// It has been sent since the server refused it last (`Task::was_sent()`).
    sent: bool,
}

struct World {
    table: SlotTable,
    server: Server,
    calls: Vec<Call>,
    /// Requests that the client has given up and that are still under way.
    ghosts: Vec<Request>,
    next: u64,
}

impl World {
    fn new(slots: u32) -> Self {
        let mut world = Self {
            table: SlotTable::new(),
            server: Server {
                session: 0,
                slots: Vec::new(),
                target: 1,
                run: HashSet::new(),
            },
            calls: Vec::new(),
            ghosts: Vec::new(),
            next: 0,
        };
        world.new_session(slots);
        world.table.end_drain();
        world
    }

    fn new_session(&mut self, slots: u32) {
        self.server.session += 1;
        self.server.slots = vec![ServerSlot::default(); slots as usize];
        self.server.target = slots;
        self.table.reset(slots);
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn of_session(&self) -> impl Iterator<Item = &Call> + '_ {
        let session = self.server.session;
        self.calls
            .iter()
            .filter(move |call| call.request.session == session)
    }

    fn begin(&mut self, privileged: bool, lone: bool) {
        let draining = self.table.is_draining();
        let Some(grant) = self.table.alloc(privileged, lone) else {
            let full = self.table.in_use() >= self.table.limit();
            let some_above = self
                .of_session()
                .any(|c| c.grant.slot.0 >= self.table.limit());
            assert!(
                full || some_above || (draining && !privileged),
                "no slot given"
            );
            return;
        };
        assert!(privileged || !draining, "given while it drains");
        assert!(grant.slot.0 < self.table.limit() && grant.slot <= grant.highest_slot);
        assert!(
            self.of_session().all(|c| c.grant.slot != grant.slot),
            "given twice"
        );
        let id = self.id();
        self.calls.push(Call {
            grant,
            request: Request {
                session: self.server.session,
                slot: grant.slot.0,
                seqid: grant.seqid,
                id,
            },
            privileged,
            lone: lone || grant.probe,
            parked: false,
            sent: false,
        });
    }

    /// The call's request reaches the server, and the answer the client.
    fn answer(&mut self, at: usize, slow: bool, honest: u8) {
        let call = &self.calls[at];
        let request = call.request;
        let current = request.session == self.server.session;
        let said = self.server.take(request, slow, honest);
        let limits = self.server.limits();
        match said {
            Answer::Ok => {
                assert!(self.server.run.contains(&request.id), "taken for run");
                self.over(at, SeqOutcome::Replied(Ok(&limits)));
            }
            // A lone SEQUENCE's reply looks like any other such; another's is longer.
            Answer::Replay if call.lone && honest & 4 != 0 => {
                self.over(at, SeqOutcome::Replied(Ok(&limits)));
            }
            Answer::Replay => {
                assert!(call.grant.probe, "another call's reply was played back");
                self.over(at, SeqOutcome::Malformed);
            }
            Answer::Err(status) => {
                let out_of_step = status == Status::SEQ_MISORDERED
                    || (matches!(status, Status::SEQ_FALSE_RETRY | Status::RETRY_UNCACHED_REP)
                        && !call.grant.probe);
                assert!(!(current && out_of_step), "{status}: out of step");
                self.over(at, SeqOutcome::Replied(Err(status)));
            }
        }
    }

    /// The client's call is over, one way or another.
    fn over(&mut self, at: usize, outcome: SeqOutcome<'_>) {
        let (grant, request) = (self.calls[at].grant, self.calls[at].request);
        let current = request.session == self.server.session;
        let before = (self.table.in_use(), self.table.limit());
        let action = self.table.done(grant, outcome);
        if !current {
            assert_eq!(
                before,
                (self.table.in_use(), self.table.limit()),
                "not this session's"
            );
        }
        match action {
            SeqAction::RetrySameSlot { after_ms } => {
                assert!(current && after_ms > 0);
                self.calls[at].sent = false;
                return;
            }
            SeqAction::RetryNewSlot {
                executed: false, ..
            } => assert!(
                !self.server.run.contains(&request.id) || self.calls[at].lone || !current,
                "what was run is run again"
            ),
            SeqAction::ResetSession => assert!(
                matches!(outcome, SeqOutcome::Replied(Err(Status::BADSLOT))),
                "a session is given up for nothing"
            ),
            SeqAction::RetryNewSlot { .. } | SeqAction::Done => (),
            SeqAction::BindConn | SeqAction::Fail(_) => panic!("{action:?}"),
        }
        self.calls.swap_remove(at);
    }

    fn lose(&mut self, at: usize, sent: bool) {
        if sent {
            self.ghosts.push(self.calls[at].request);
        }
        let was_sent = sent || self.calls[at].sent;
        self.over(at, SeqOutcome::NoReply { was_sent });
    }

    /// The connection breaks under a call, whose request may still arrive.
    fn park(&mut self, at: usize, sent: bool) {
        let call = &mut self.calls[at];
        if sent {
            self.ghosts.push(call.request);
            call.sent = true;
        }
        call.parked = true;
        self.table.park(call.grant);
    }

    /// There is another connection: the same request is sent again, if its session is still there.
    fn unpark(&mut self, at: usize) {
        let call = &mut self.calls[at];
        let current = call.request.session == self.server.session;
        call.parked = false;
        assert_eq!(self.table.unpark(call.grant), current);
        if !current {
            self.calls.swap_remove(at);
        }
    }

    fn event(&mut self, what: u8, arg: u8) {
        let some_call = |n: usize| (n > 0).then(|| arg as usize % n.max(1));
        let mut call = some_call(self.calls.len());
        if let Some(at) = call.filter(|at| self.calls[*at].parked) {
            // It may only wait, go on, or be killed.
            match what % 16 {
                4..=7 => self.unpark(at),
                8 => self.over(at, SeqOutcome::NoReply { was_sent: true }),
                _ => (),
            }
            call = None;
        }
        match (what % 16, call) {
            (0..=3, _) => self.begin(what & 1 != 0 && arg & 1 != 0, arg & 2 != 0),
            (4 | 5, Some(at)) => self.answer(at, false, what >> 4),
            // The server has begun, the client gives up.
            (6, Some(at)) => {
                let request = self.calls[at].request;
                let _ = self.server.take(request, true, 0);
                self.lose(at, true);
            }
            // The reply is lost, or unreadable.
            (7, Some(at)) => {
                let request = self.calls[at].request;
                let _ = self.server.take(request, false, 0);
                self.lose(at, true);
            }
            (8, Some(at)) => self.lose(at, true),
            (9, Some(at)) => self.lose(at, false),
            (10, Some(at)) => self.over(at, SeqOutcome::Replied(Err(Status::DELAY))),
            // The server has finished what it was at.
            (11, _) => {
                let n = self.server.slots.len();
                self.server.slots[arg as usize % n].busy = false;
            }
            (12, _) if !self.ghosts.is_empty() => {
                let ghost = self.ghosts.swap_remove(arg as usize % self.ghosts.len());
                let _ = self.server.take(ghost, what & 16 != 0, 0);
            }
            (13, _) => self.server.target = 1 + u32::from(arg) % self.server.slots.len() as u32,
            // Recovery: no program's call may be in flight when the session is made anew.
            (14, _) => match self.table.is_draining() {
                false => self.table.begin_drain(),
                true if arg & 1 == 0 => self.table.end_drain(),
                true => self.new_session(1 + u32::from(arg / 2) % MAX_SLOTS),
            },
            (15, Some(at)) if arg & 7 != 0 => self.park(at, what & 16 != 0),
            (15, _) if arg & 7 == 0 => self.new_session(1 + u32::from(arg / 8) % MAX_SLOTS),
            _ => (),
        }
    }

    fn check(&self) {
        let held = self.of_session().count();
        assert_eq!(self.table.in_use() as usize, held, "the books are wrong");
        let moving = self.of_session().filter(|call| !call.parked).count();
        assert_eq!(self.table.is_drained(), moving == 0);
        assert!((1..=MAX_SLOTS).contains(&self.table.limit()));
    }

    /// All calls end, and each slot carries a call again: at once, but for one probe.
    fn settle(&mut self) {
        self.server
            .slots
            .iter_mut()
            .for_each(|slot| slot.busy = false);
        while let Some(first) = self.calls.first() {
            match first.parked {
                true => self.unpark(0),
                false => self.answer(0, false, 0),
            }
            self.check();
        }
        self.server.target = self.server.slots.len() as u32;
        self.table.end_drain();
        for round in 0..4 {
            let n = self.server.slots.len();
            for _ in 0..n {
                self.begin(false, false);
            }
            assert!(!self.calls.is_empty(), "no slot is left");
            if round == 3 {
                assert!(self.calls.iter().all(|c| !c.grant.probe), "still in doubt");
                assert_eq!(self.calls.len(), n, "a slot was lost");
            }
            while !self.calls.is_empty() {
                self.answer(0, false, 0);
            }
            self.check();
        }
    }
}

pub fn run(bytes: &[u8]) {
    let Some((slots, events)) = bytes.split_first() else {
        return;
    };
    let mut world = World::new(1 + u32::from(*slots) % MAX_SLOTS);
    for event in events.chunks_exact(2) {
        world.event(event[0], event[1]);
        world.check();
    }
    world.settle();
}
