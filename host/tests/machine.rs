// SPDX-License-Identifier: GPL-2.0

//! The state machine against a model of a server: whatever happens, once the server stops failing the
//! client has a session, all state is recovered or given up, and RECLAIM_COMPLETE was sent once.

#![allow(missing_docs)]

use proptest::prelude::*;
use rnfs4_proto::{
    ops::session::seq4_status,
    recovery::{
        machine::{Bits, Event, Failure, Machine, Mark, Step},
        table::{decide, Action, Need, OpClass, StateKind},
    },
    status::Status,
};
use std::collections::VecDeque;

/// A client as the server knows it.
#[derive(Clone, Debug)]
struct Record {
    id: u64,
    verifier: u64,
    confirmed: bool,
    /// RECLAIM_COMPLETE has come.
    complete: bool,
}

/// A server as the RFC has it, as far as recovery is concerned.
#[derive(Debug)]
struct Server {
    next: u64,
    record: Option<Record>,
    session: Option<u64>,
    /// Reclaims are taken.
    grace: bool,
    /// How often RECLAIM_COMPLETE was accepted for the present record.
    completes: u32,
}

impl Server {
    fn new() -> Self {
        Self {
            next: 1,
            record: None,
            session: None,
            grace: false,
            completes: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn restart(&mut self) {
        (self.record, self.session, self.grace) = (None, None, true);
    }

    /// The lease ran out, or an administrator threw the client out.
    fn forget(&mut self) {
        (self.record, self.session, self.grace) = (None, None, false);
    }

    fn exchange_id(&mut self, verifier: u64) -> (u64, bool) {
        if let Some(r) = self
            .record
            .as_ref()
            .filter(|r| r.verifier == verifier && r.confirmed)
        {
            return (r.id, true);
        }
        let id = self.number();
        (self.session, self.completes) = (None, 0);
        self.record = Some(Record {
            id,
            verifier,
            confirmed: false,
            complete: false,
        });
        (id, false)
    }

    fn create_session(&mut self, id: u64) -> Result<u64, Status> {
        let number = self.number();
        match self.record.as_mut().filter(|r| r.id == id) {
            Some(r) => {
                r.confirmed = true;
                self.session = Some(number);
                Ok(number)
            }
            None => Err(Status::STALE_CLIENTID),
        }
    }

    fn sequence(&self, session: u64) -> Result<&Record, Status> {
        match (&self.record, self.session) {
            (Some(r), Some(s)) if s == session => Ok(r),
            _ => Err(Status::BADSESSION),
        }
    }

    fn destroy_session(&mut self, session: u64) -> Result<(), Status> {
        self.sequence(session)?;
        self.session = None;
        Ok(())
    }

    fn reclaim(&self, session: u64) -> Result<(), Status> {
        match self.sequence(session)? {
            r if r.complete || !self.grace => Err(Status::NO_GRACE),
            _ => Ok(()),
        }
    }

    fn reclaim_complete(&mut self, session: u64) -> Result<(), Status> {
        if self.sequence(session)?.complete {
            return Err(Status::COMPLETE_ALREADY);
        }
        self.record.as_mut().unwrap().complete = true;
        self.completes += 1;
        Ok(())
    }

    /// An open that is no reclaim.
    fn open(&self, session: u64) -> Result<(), Status> {
        match self.sequence(session)?.complete {
            true => Ok(()),
            false => Err(Status::GRACE),
        }
    }
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The server answers with this and does nothing.
    Status(Status),
    /// The call is lost.
    Lost,
    /// The call is run, its reply is lost or garbled.
    RunButLost(bool),
}

/// The state manager's thread, its states, and a clock.
struct Client {
    machine: Machine,
    server: Server,
    now: u64,
    verifier: u64,
    id: u64,
    session: u64,
    states: [Mark; 3],
    faults: VecDeque<Option<Fault>>,
    steps: u32,
    /// There are open files.
    open: bool,
}

impl Client {
    fn new() -> Self {
        Self {
            machine: Machine::new(true),
            server: Server::new(),
            now: 1000,
            verifier: 1,
            id: 0,
            session: 0,
            states: [Mark::None; 3],
            faults: VecDeque::new(),
            steps: 0,
            open: false,
        }
    }

    fn event(&mut self, event: Event) {
        let mark = self.machine.event(self.now, event);
        match mark {
            _ if !self.open => (),
            Mark::None => (),
            Mark::Reboot => {
                for s in self.states.iter_mut().filter(|s| **s != Mark::Nograce) {
                    *s = Mark::Reboot;
                }
            }
            Mark::Nograce => self.states = [Mark::Nograce; 3],
            Mark::EndReboot => self.end_reboot(),
        }
    }

    fn end_reboot(&mut self) {
        let mut any = false;
        for s in self.states.iter_mut().filter(|s| **s == Mark::Reboot) {
            (*s, any) = (Mark::Nograce, true);
        }
        if any {
            self.event(Event::MarkedNograce);
        }
    }

    fn mark_nograce(&mut self, state: usize) {
        self.states[state] = Mark::Nograce;
        self.event(Event::MarkedNograce);
    }

    /// Runs a call, or what the next fault makes of it.
    fn call<T>(
        &mut self,
        run: impl FnOnce(&mut Server) -> Result<T, Status>,
    ) -> Result<T, Failure> {
        self.now += 1;
        match self.faults.pop_front().flatten() {
            None => run(&mut self.server).map_err(Failure::Status),
            Some(Fault::Status(status)) => Err(Failure::Status(status)),
            Some(Fault::Lost) => Err(Failure::NoReply),
            Some(Fault::RunButLost(garbled)) => {
                let _ = run(&mut self.server);
                Err(if garbled {
                    Failure::Malformed
                } else {
                    Failure::NoReply
                })
            }
        }
    }

    fn simple<T>(&mut self, step: Step, run: impl FnOnce(&mut Server) -> Result<T, Status>) {
        match self.call(run) {
            Ok(_) => self.event(Event::Done(step)),
            Err(failure) => self.event(Event::Failed(step, failure)),
        }
    }

    /// A pass over the states that have `mark`.
    fn pass(&mut self, step: Step, mark: Mark, class: OpClass) {
        for i in 0..self.states.len() {
            if self.states[i] != mark {
                continue;
            }
            let session = self.session;
            let res = self.call(|s| match class {
                OpClass::OpenReclaim => s.reclaim(session),
                _ => {
                    // The server would make every open wait until RECLAIM_COMPLETE.
                    assert_ne!(
                        s.open(session),
                        Err(Status::GRACE),
                        "open before RECLAIM_COMPLETE"
                    );
                    s.open(session)
                }
            });
            let action = match res {
                Ok(()) => Action::Done,
                Err(Failure::Status(status)) => decide(status, class, StateKind::Open),
                Err(Failure::NoReply) => Action::Recover(Need::Lease),
                Err(Failure::Malformed) => Action::DelayThenFail,
            };
            match action {
                Action::Done | Action::BadContext => self.states[i] = Mark::None,
                Action::Nograce => self.mark_nograce(i),
                Action::EndReboot => return self.event(Event::Done(step)),
                Action::Recover(need) => return self.event(Event::Saw(need)),
                // Tried again in the next pass; the shell waits in between.
                Action::Delay | Action::DelayThenFail | Action::Retry | Action::Split => {
                    self.now += 100;
                    return;
                }
                other => panic!("{class:?}: {other:?}"),
            }
        }
        self.event(Event::Done(step));
    }

    /// One turn of the thread; false: nothing to do.
    fn turn(&mut self) -> bool {
        let step = self.machine.step(self.now);
        let (id, session, verifier) = (self.id, self.session, self.verifier);
        self.steps += u32::from(!matches!(step, Step::Idle | Step::Wait(_)));
        match step {
            Step::Idle => return false,
            Step::Wait(ms) => {
                assert!(ms > 0 && ms <= 5000, "{ms}");
                self.now += u64::from(ms);
            }
            Step::PurgeState => {
                self.verifier += 1;
                self.event(Event::Done(step));
            }
            Step::ExchangeId => match self.call(|s| Ok(s.exchange_id(verifier))) {
                Ok((id, confirmed)) => {
                    self.id = id;
                    self.event(Event::ClientId {
                        confirmed,
                        scope_changed: false,
                    });
                }
                Err(failure) => self.event(Event::Failed(step, failure)),
            },
            Step::DestroySession => self.simple(step, |s| s.destroy_session(session)),
            Step::CreateSession => match self.call(|s| s.create_session(id)) {
                Ok(session) => {
                    self.session = session;
                    self.event(Event::Done(step));
                }
                Err(failure) => self.event(Event::Failed(step, failure)),
            },
            Step::BindConn | Step::CheckLease => {
                self.simple(step, |s| s.sequence(session).map(|_| ()))
            }
            Step::ReclaimReboot => self.pass(step, Mark::Reboot, OpClass::OpenReclaim),
            Step::ReclaimComplete => {
                // A server that says this does not wait for RECLAIM_COMPLETE (any more).
                if let Some(Some(Fault::Status(status))) = self.faults.front() {
                    let action = decide(*status, OpClass::ReclaimComplete, StateKind::None);
                    if let (Action::Done, Some(r)) = (action, self.server.record.as_mut()) {
                        self.server.completes += u32::from(!r.complete);
                        r.complete = true;
                    }
                }
                self.simple(step, |s| s.reclaim_complete(session));
            }
            Step::ReclaimNograce => self.pass(step, Mark::Nograce, OpClass::OpenExpired),
        }
        true
    }

    /// A program opens a file. True: it could.
    fn program_opens(&mut self) -> bool {
        assert!(self.machine.may_open());
        let session = self.session;
        match self.server.open(session) {
            Ok(()) => true,
            Err(status) => {
                assert_ne!(status, Status::GRACE, "RECLAIM_COMPLETE was forgotten");
                match decide(status, OpClass::Open, StateKind::None) {
                    Action::Recover(need) => self.event(Event::Saw(need)),
                    other => panic!("{status}: {other:?}"),
                }
                false
            }
        }
    }

    /// Until a program can open a file and nothing is left to do.
    fn settle(&mut self) {
        let (began, steps) = (self.now, self.steps);
        loop {
            while self.turn() {
                assert!(
                    self.now - began < 120_000,
                    "not settled: {:?}",
                    self.machine
                );
                assert!(
                    self.steps - steps < 200,
                    "too many steps: {:?}",
                    self.machine
                );
            }
            if self.program_opens() {
                break;
            }
        }
        self.open = true;
        assert_eq!(self.machine.bits(), Bits::HAS_SESSION);
        assert_eq!(self.states, [Mark::None; 3], "a state was left behind");
        assert_eq!(
            self.server.completes, 1,
            "RECLAIM_COMPLETE exactly once for this client id"
        );
        assert!(self.machine.is_idle() && self.machine.refused().is_none());
    }

    /// The steps until there is nothing to do, with no time passing but for waits.
    fn story(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        loop {
            match self.machine.step(self.now) {
                Step::Wait(ms) => self.now += u64::from(ms),
                Step::Idle => return steps,
                step => {
                    steps.push(step);
                    self.turn();
                }
            }
            assert!(steps.len() < 50, "{steps:?}");
        }
    }
}

fn settled() -> Client {
    let mut c = Client::new();
    c.settle();
    c.now += 100_000;
    c
}

#[test]
fn a_mount() {
    let mut c = Client::new();
    assert_eq!(
        c.story(),
        [
            Step::ExchangeId,
            Step::CreateSession,
            Step::ReclaimReboot,
            Step::ReclaimComplete
        ]
    );
    c.settle();
}

#[test]
fn a_restart_of_the_server_as_the_seed_tells_it() {
    let mut c = settled();
    c.server.restart();
    let began = c.now;
    assert!(!c.program_opens(), "BADSESSION");
    assert_eq!(
        c.story(),
        [
            Step::DestroySession,
            Step::CreateSession,
            Step::ExchangeId,
            Step::CreateSession,
            Step::ReclaimReboot,
            Step::ReclaimComplete,
        ]
    );
    assert!(c.now - began < 20, "{} ms", c.now - began);
    c.settle();
}

#[test]
fn a_server_that_has_forgotten_us_refuses_reclaim_and_files_are_reopened() {
    let mut c = settled();
    c.server.forget();
    assert!(!c.program_opens());
    let story = c.story();
    assert_eq!(
        story[4..],
        [
            Step::ReclaimReboot,
            Step::ReclaimComplete,
            Step::ReclaimNograce
        ],
        "{story:?}"
    );
    c.settle();
}

#[test]
fn a_lost_session_costs_a_session() {
    let mut c = settled();
    c.server.session = None;
    assert!(!c.program_opens());
    assert_eq!(c.story(), [Step::DestroySession, Step::CreateSession]);
    c.settle();
}

#[test]
fn a_new_session_answers_all_doubts() {
    let mut c = settled();
    c.server.session = None;
    for need in [Need::Lease, Need::BindConn, Need::Session] {
        c.event(Event::Saw(need));
    }
    assert_eq!(c.story(), [Step::DestroySession, Step::CreateSession]);
    c.settle();
}

/// Measured with the C client: the session goes while RECLAIM_COMPLETE is under way, and every open
/// waits for ever.
#[test]
fn reclaim_complete_survives_the_loss_of_its_session() {
    for status in [
        Status::BADSESSION,
        Status::DEADSESSION,
        Status::DELAY,
        Status::SERVERFAULT,
        Status::INVAL,
    ] {
        let mut c = settled();
        c.server.restart();
        assert!(!c.program_opens());
        while c.machine.todo() != Step::ReclaimComplete {
            assert!(c.turn());
        }
        c.faults.push_back(Some(Fault::Status(status)));
        if status == Status::BADSESSION {
            c.server.session = None;
        }
        c.settle();
    }
}

#[test]
fn a_second_restart_in_the_middle_of_reclaim() {
    let mut c = settled();
    c.server.restart();
    assert!(!c.program_opens());
    while c.machine.todo() != Step::ReclaimReboot {
        c.turn();
    }
    c.server.restart();
    c.settle();
}

#[test]
fn many_calls_that_meet_the_same_trouble_are_one_trouble() {
    let mut c = settled();
    c.server.session = None;
    let began = c.now;
    for _ in 0..64 {
        c.event(Event::Saw(Need::Session));
    }
    c.settle();
    assert!(c.now - began < 20, "{} ms", c.now - began);
}

#[test]
fn twenty_restarts_in_a_row_are_each_recovered_from_at_once() {
    let mut c = settled();
    for i in 0..20 {
        c.server.restart();
        c.now += 3000;
        let began = c.now;
        assert!(!c.program_opens());
        c.settle();
        assert!(c.now - began < 50, "restart {i} took {} ms", c.now - began);
    }
}

#[test]
fn a_purge_is_one_exchange_id_and_one_session() {
    let mut c = settled();
    c.event(Event::Saw(Need::Purge));
    assert_eq!(
        c.story(),
        [
            Step::PurgeState,
            Step::ExchangeId,
            Step::CreateSession,
            Step::ReclaimComplete,
            Step::ReclaimNograce,
        ]
    );
    c.settle();
}

#[test]
fn another_server_with_the_same_address() {
    let mut c = settled();
    c.server.restart();
    c.event(Event::Saw(Need::NewClient));
    while c.machine.todo() != Step::ExchangeId {
        c.turn();
    }
    c.now += 10_000;
    let (id, confirmed) = c.server.exchange_id(c.verifier);
    c.id = id;
    c.event(Event::ClientId {
        confirmed,
        scope_changed: true,
    });
    assert_eq!(
        c.states,
        [Mark::Nograce; 3],
        "its handles mean nothing here: nothing to reclaim"
    );
    assert_eq!(
        c.story(),
        [
            Step::CreateSession,
            Step::ReclaimComplete,
            Step::ReclaimNograce
        ]
    );
    c.settle();
}

#[test]
fn flags_are_heard_when_they_rise() {
    let mut c = settled();
    let flags = |f| Event::SequenceFlags(f);
    c.event(flags(seq4_status::ADMIN_STATE_REVOKED));
    assert_eq!(c.states, [Mark::Nograce; 3]);
    assert_eq!(c.story(), [Step::ReclaimNograce]);
    c.event(flags(seq4_status::ADMIN_STATE_REVOKED));
    assert!(c.machine.is_idle(), "still up, and dealt with");
    c.event(flags(0));
    c.event(flags(seq4_status::EXPIRED_SOME_STATE_REVOKED));
    assert_eq!(c.story(), [Step::ReclaimNograce]);
    c.event(flags(seq4_status::CB_PATH_DOWN));
    assert_eq!(c.story(), [Step::BindConn]);
    c.event(flags(seq4_status::BACKCHANNEL_FAULT));
    assert_eq!(c.story(), [Step::DestroySession, Step::CreateSession]);
    c.event(flags(seq4_status::BACKCHANNEL_FAULT));
    assert!(!c.machine.is_idle(), "a new session speaks anew");
    c.settle();
    c.event(flags(
        seq4_status::LEASE_MOVED | seq4_status::CB_GSS_CONTEXTS_EXPIRING,
    ));
    assert!(c.machine.is_idle(), "not ours");

    let mut plain = Machine::new(false);
    plain.event(
        0,
        Event::ClientId {
            confirmed: true,
            scope_changed: false,
        },
    );
    plain.event(0, Event::Done(Step::CreateSession));
    plain.event(
        9999,
        flags(seq4_status::CB_PATH_DOWN | seq4_status::BACKCHANNEL_FAULT),
    );
    assert!(plain.is_idle(), "no callbacks wanted, none missed");
}

#[test]
fn a_session_that_outlives_the_server() {
    let mut c = settled();
    (c.server.grace, c.server.completes) = (true, 0);
    c.server.record.as_mut().unwrap().complete = false;
    c.event(Event::SequenceFlags(seq4_status::RESTART_RECLAIM_NEEDED));
    assert_eq!(c.states, [Mark::Reboot; 3]);
    assert!(!c.machine.may_open());
    assert_eq!(c.story(), [Step::ReclaimReboot, Step::ReclaimComplete]);
    c.settle();
}

#[test]
fn a_connection_that_is_back_ends_the_wait() {
    let mut c = settled();
    c.event(Event::LeaseLapsed);
    for _ in 0..14 {
        c.faults.push_back(Some(Fault::Lost));
    }
    while !c.faults.is_empty() {
        c.turn();
    }
    assert!(matches!(c.machine.step(c.now), Step::Wait(ms) if ms > 1000));
    c.event(Event::Reconnected);
    assert_eq!(c.machine.step(c.now), Step::CheckLease);
    c.settle();
}

#[test]
fn what_refuses_a_mount_is_told() {
    for status in [
        Status::MINOR_VERS_MISMATCH,
        Status::CLID_INUSE,
        Status::ACCESS,
    ] {
        let mut c = Client::new();
        c.faults.push_back(Some(Fault::Status(status)));
        c.turn();
        assert_eq!(c.machine.refused(), Some(Failure::Status(status)));
        assert!(
            matches!(c.machine.step(c.now), Step::Wait(ms) if ms >= 1000),
            "no hurry"
        );
        c.settle();
    }
    let mut c = Client::new();
    c.faults.push_back(Some(Fault::Status(Status::DELAY)));
    c.turn();
    assert_eq!(c.machine.refused(), None);
    c.settle();
}

#[test]
fn bits_have_names() {
    let bits = Bits::LEASE_EXPIRED.or(Bits::RECLAIM_COMPLETE);
    assert_eq!(bits.to_string(), "LEASE_EXPIRED RECLAIM_COMPLETE");
    assert_eq!(format!("{:?}", Bits::NONE), "[]");
}

/// Whatever a server answers to one step for ever: the machine tries on, and ever more slowly.
#[test]
fn no_error_makes_the_machine_spin_or_give_up() {
    let steps = [
        Step::ExchangeId,
        Step::DestroySession,
        Step::CreateSession,
        Step::BindConn,
        Step::CheckLease,
        Step::ReclaimComplete,
        Step::ReclaimReboot,
        Step::ReclaimNograce,
    ];
    let failures = Status::ALL.iter().map(|s| Failure::Status(*s));
    for failure in failures.chain([Failure::NoReply, Failure::Malformed]) {
        for step in steps {
            let mut c = settled();
            c.server.restart();
            c.event(Event::Saw(Need::Session));
            c.event(Event::Saw(Need::BindConn));
            c.event(Event::Saw(Need::Lease));
            c.event(Event::MarkedNograce);
            let (began, before) = (c.now, c.steps);
            while c.now - began < 600_000 {
                let here = c.machine.step(c.now) == step;
                let passes = matches!(step, Step::ReclaimReboot | Step::ReclaimNograce);
                if here && passes {
                    c.states = [if step == Step::ReclaimReboot {
                        Mark::Reboot
                    } else {
                        Mark::Nograce
                    }; 3];
                }
                if here {
                    c.faults.push_back(Some(match failure {
                        Failure::Status(s) => Fault::Status(s),
                        Failure::NoReply => Fault::Lost,
                        Failure::Malformed => Fault::RunButLost(true),
                    }));
                }
                if !c.turn() {
                    break;
                }
                c.faults.clear();
            }
            let done = c.steps - before;
            // Ten minutes at five seconds each, and what a round has of steps; a pass that the shell
            // takes up again by itself waits there.
            assert!(done < 6100, "{step:?} {failure:?}: {done} steps");
            if !matches!(step, Step::ReclaimReboot | Step::ReclaimNograce) {
                assert!(done < 1100, "{step:?} {failure:?}: {done} steps");
            }
            c.faults.clear();
            c.settle();
        }
    }
}

/// A server that gives a session and never knows it.
#[test]
fn success_in_between_does_not_make_it_spin() {
    let mut c = settled();
    let (began, before) = (c.now, c.steps);
    while c.now - began < 600_000 {
        c.event(Event::Saw(Need::Session));
        while c.turn() {}
        c.now += 1;
    }
    assert!(c.steps - before < 1100, "{} steps", c.steps - before);
    c.settle();
}

#[derive(Clone, Copy, Debug)]
enum Chaos {
    Turns(u8),
    Restart,
    Forget,
    SessionLost,
    Fault(Fault),
    Saw(Need),
    Flags(u32),
    Marked(usize),
    Lapsed,
    Reconnected,
    Time(u16),
}

fn chaos() -> impl Strategy<Value = Chaos> {
    let status = (0..Status::ALL.len()).prop_map(|i| Fault::Status(Status::ALL[i]));
    let fault = prop_oneof![
        6 => status,
        1 => any::<u32>().prop_map(|n| Fault::Status(Status(n.max(1)))),
        2 => Just(Fault::Lost),
        2 => any::<bool>().prop_map(Fault::RunButLost),
    ];
    let need = prop_oneof![
        Just(Need::Lease),
        Just(Need::Session),
        Just(Need::BindConn),
        Just(Need::NewClient),
        Just(Need::Expired),
        Just(Need::Purge),
    ];
    prop_oneof![
        6 => (1u8..8).prop_map(Chaos::Turns),
        2 => Just(Chaos::Restart),
        1 => Just(Chaos::Forget),
        1 => Just(Chaos::SessionLost),
        4 => fault.prop_map(Chaos::Fault),
        1 => need.prop_map(Chaos::Saw),
        1 => (0u32..0x800).prop_map(|f| Chaos::Flags(f & !seq4_status::RESTART_RECLAIM_NEEDED)),
        1 => (0usize..3).prop_map(Chaos::Marked),
        1 => Just(Chaos::Lapsed),
        1 => Just(Chaos::Reconnected),
        2 => any::<u16>().prop_map(Chaos::Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn after_any_chaos_all_is_well(events in proptest::collection::vec(chaos(), 0..80)) {
        let mut c = Client::new();
        for event in events {
            match event {
                Chaos::Turns(n) => {
                    for _ in 0..n {
                        c.turn();
                    }
                }
                Chaos::Restart => c.server.restart(),
                Chaos::Forget => c.server.forget(),
                Chaos::SessionLost => c.server.session = None,
                Chaos::Fault(fault) => c.faults.push_back(Some(fault)),
                Chaos::Saw(need) => c.event(Event::Saw(need)),
                Chaos::Flags(flags) => c.event(Event::SequenceFlags(flags)),
                Chaos::Marked(state) => c.mark_nograce(state),
                Chaos::Lapsed => c.event(Event::LeaseLapsed),
                Chaos::Reconnected => c.event(Event::Reconnected),
                Chaos::Time(ms) => c.now += u64::from(ms),
            }
        }
        c.faults.clear();
        c.settle();
    }
}
