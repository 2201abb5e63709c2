// SPDX-License-Identifier: GPL-2.0

//! A server as the RFC has it, as far as recovery is concerned, and a state manager's thread on a
//! simulated clock.

#![allow(missing_docs, unreachable_pub)]

use rnfs4_proto::{
    recovery::{
        bits::Bits,
        machine::{Event, Failure, Machine, Mark, Step},
        table::{decide, Action, Need, OpClass, StateKind},
    },
    status::Status,
};
use std::collections::VecDeque;

/// A client as the server knows it.
#[derive(Clone, Debug)]
pub struct Record {
    pub id: u64,
    pub verifier: u64,
    pub confirmed: bool,
    /// RECLAIM_COMPLETE has come.
    pub complete: bool,
}

/// A server as the RFC has it, as far as recovery is concerned.
#[derive(Debug)]
pub struct Server {
    pub next: u64,
    pub record: Option<Record>,
    pub session: Option<u64>,
    /// Reclaims are taken.
    pub grace: bool,
    /// How often RECLAIM_COMPLETE was accepted for the present record.
    pub completes: u32,
}

impl Server {
    pub fn new() -> Self {
        Self {
            next: 1,
            record: None,
            session: None,
            grace: false,
            completes: 0,
        }
    }

    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub fn restart(&mut self) {
        (self.record, self.session, self.grace) = (None, None, true);
    }

    /// The lease ran out, or an administrator threw the client out.
    pub fn forget(&mut self) {
        (self.record, self.session, self.grace) = (None, None, false);
    }

    pub fn exchange_id(&mut self, verifier: u64) -> (u64, bool) {
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

    pub fn create_session(&mut self, id: u64) -> Result<u64, Status> {
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

    pub fn sequence(&self, session: u64) -> Result<&Record, Status> {
        match (&self.record, self.session) {
            (Some(r), Some(s)) if s == session => Ok(r),
            _ => Err(Status::BADSESSION),
        }
    }

    pub fn destroy_session(&mut self, session: u64) -> Result<(), Status> {
        self.sequence(session)?;
        self.session = None;
        Ok(())
    }

    pub fn reclaim(&self, session: u64) -> Result<(), Status> {
        match self.sequence(session)? {
            r if r.complete || !self.grace => Err(Status::NO_GRACE),
            _ => Ok(()),
        }
    }

    pub fn reclaim_complete(&mut self, session: u64) -> Result<(), Status> {
        if self.sequence(session)?.complete {
            return Err(Status::COMPLETE_ALREADY);
        }
        self.record.as_mut().unwrap().complete = true;
        self.completes += 1;
        Ok(())
    }

    /// An open that is no reclaim.
    pub fn open(&self, session: u64) -> Result<(), Status> {
        match self.sequence(session)?.complete {
            true => Ok(()),
            false => Err(Status::GRACE),
        }
    }
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The server answers with this and does nothing.
    Status(Status),
    /// The call is lost.
    Lost,
    /// The call is run, its reply is lost or garbled.
    RunButLost(bool),
}

/// The state manager's thread, its states, and a clock.
pub struct Client {
    pub machine: Machine,
    pub server: Server,
    pub now: u64,
    pub verifier: u64,
    pub id: u64,
    pub session: u64,
    pub states: [Mark; 3],
    pub faults: VecDeque<Option<Fault>>,
    pub steps: u32,
    /// There is no connection to be had before this time.
    pub down_until: u64,
    /// When there was none.
    pub probes: Vec<u64>,
    /// A program marks this state after so many calls more.
    pub mark_later: Option<(u8, usize)>,
    /// There are open files.
    pub open: bool,
}

impl Client {
    pub fn new() -> Self {
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
            down_until: 0,
            probes: Vec::new(),
            mark_later: None,
            open: false,
        }
    }

    pub fn event(&mut self, event: Event) {
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

    pub fn end_reboot(&mut self) {
        let mut any = false;
        for s in self.states.iter_mut().filter(|s| **s == Mark::Reboot) {
            (*s, any) = (Mark::Nograce, true);
        }
        if any {
            self.event(Event::MarkedNograce);
        }
    }

    pub fn mark_nograce(&mut self, state: usize) {
        self.states[state] = Mark::Nograce;
        self.event(Event::MarkedNograce);
    }

    /// Runs a call, or what the next fault makes of it.
    pub fn call<T>(
        &mut self,
        run: impl FnOnce(&mut Server) -> Result<T, Status>,
    ) -> Result<T, Failure> {
        self.now += 1;
        match self.mark_later {
            Some((0, state)) => {
                self.mark_later = None;
                self.mark_nograce(state);
            }
            Some((n, state)) => self.mark_later = Some((n - 1, state)),
            None => (),
        }
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

    pub fn simple<T>(&mut self, step: Step, run: impl FnOnce(&mut Server) -> Result<T, Status>) {
        match self.call(run) {
            Ok(_) => self.event(Event::Done(step)),
            Err(failure) => self.event(Event::Failed(step, failure)),
        }
    }

    /// A pass over the states that have `mark`.
    pub fn pass(&mut self, step: Step, mark: Mark, class: OpClass) {
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
    pub fn turn(&mut self) -> bool {
        let step = self.machine.step(self.now);
        let (id, session, verifier) = (self.id, self.session, self.verifier);
        self.steps += u32::from(!matches!(step, Step::Idle | Step::Wait(_)));
        match step {
            Step::Idle => return false,
            Step::Wait(ms) => {
                assert!(ms > 0 && ms <= 5000, "{ms}");
                self.now += u64::from(ms);
            }
            Step::Probe => {
                if self.down_until <= self.now {
                    self.event(Event::Done(step));
                } else {
                    self.probes.push(self.now);
                    self.event(Event::Failed(step, Failure::NoReply));
                }
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
    pub fn program_opens(&mut self) -> bool {
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
    pub fn settle(&mut self) {
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
    pub fn story(&mut self) -> Vec<Step> {
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
