// SPDX-License-Identifier: GPL-2.0

//! A client and a server in one clock: the recovery machine, and what the module's state manager and its
//! passes (`rust/client/{state_manager,reclaim,exchange,open_state}.rs`) do at its word.

#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod server;

use rnfs4_proto::{
    recovery::{
        backoff::Backoff,
        bits::Bits,
        machine::{Event, Failure, Machine, Mark, Step},
        table::{
            decide, decide_malformed, decide_no_reply, tested, Action, Need, OpClass, StateKind,
            Tested,
        },
    },
    status::Status,
};
use server::{Lapse, Server, FILES, GRACE_MS, LEASE_MS};
use std::collections::VecDeque;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The server answers with this and does nothing.
    Status(Status),
    /// The call is lost.
    Lost,
    /// The call is run, its reply is lost (or garbled).
    RunButLost(bool),
}

/// What happens to the server, its files, or beside.
#[derive(Clone, Copy, Debug)]
pub enum Blow {
    Restart,
    Forget,
    SessionLost,
    Unbound,
    Revoke(usize, Status),
    RevokeAll(Status),
    Removed(usize),
    Lapse(Lapse),
    /// A call of a program, in the middle of whatever goes on, was told that this file's state is gone.
    Met(usize),
}

/// One thing of a storm.
#[derive(Clone, Copy, Debug)]
pub enum Storm {
    /// The state manager takes so many steps.
    Turns(u8),
    Blow(Blow),
    /// The same, after so many calls more.
    Later(u8, Blow),
    Fault(Fault),
    /// A program reads.
    Io(usize),
    /// Nothing, for so many milliseconds; without renewals.
    Time(u16),
    Lapsed,
    /// Somebody else has doubts.
    Saw(Need),
}

/// The mark of a state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Recovery {
    None,
    Reboot,
    Test,
    Reopen,
    Failed,
}

#[derive(Clone, Copy, Debug)]
pub struct Open {
    pub stateid: u32,
    pub recovery: Recovery,
}

/// How often a call is repeated that is not to be repeated for ever.
const MAX_TRIES: u32 = 18;

pub struct World {
    pub machine: Machine,
    pub server: Server,
    verifier: u32,
    id: u32,
    session: u32,
    pub opens: [Option<Open>; FILES],
    faults: VecDeque<Fault>,
    blows: Vec<(u8, Blow)>,
    pub steps: u32,
    pub calls: u32,
}

impl World {
    /// Three files open, all well. `strict`: the faults will be such that nothing may be lost or done
    /// twice.
    pub fn new(strict: bool) -> Self {
        let mut world = Self {
            machine: Machine::new(false),
            server: Server::new(strict),
            verifier: 1,
            id: 0,
            session: 0,
            opens: [None; FILES],
            faults: VecDeque::new(),
            blows: Vec::new(),
            steps: 0,
            calls: 0,
        };
        world.settle();
        world
    }

    fn event(&mut self, event: Event) {
        let now = self.server.now;
        match self.machine.event(now, event) {
            Mark::None => (),
            Mark::Reboot => self.mark_all(Recovery::Reboot),
            Mark::Nograce => self.mark_all(match event {
                Event::SequenceFlags(_) => Recovery::Test,
                _ => Recovery::Reopen,
            }),
            Mark::EndReboot => {
                let mut any = false;
                for open in self.opens.iter_mut().flatten() {
                    if open.recovery == Recovery::Reboot {
                        any |= mark(open, Recovery::Reopen);
                    }
                }
                if any {
                    self.event(Event::MarkedNograce);
                }
            }
        }
    }

    fn mark_all(&mut self, recovery: Recovery) {
        for open in self.opens.iter_mut().flatten() {
            mark(open, recovery);
        }
    }

    fn mark(&mut self, file: usize, recovery: Recovery) {
        if self.opens[file].as_mut().is_some_and(|o| mark(o, recovery)) {
            self.event(Event::MarkedNograce);
        }
    }

    fn blow(&mut self, blow: Blow) {
        let server = &mut self.server;
        match blow {
            Blow::Restart => server.restart(),
            Blow::Forget => server.forget(),
            Blow::SessionLost => server.lose_session(),
            Blow::Unbound => server.unbind(),
            Blow::Revoke(file, why) => server.revoke(file % FILES, why),
            Blow::RevokeAll(why) => server.revoke_all(why),
            Blow::Removed(file) => server.gone[file % FILES] = true,
            Blow::Lapse(lapse) => server.lapse = lapse,
            Blow::Met(file) => self.mark(file % FILES, Recovery::Test),
        }
    }

    /// Runs a call, or what the next fault makes of it. `file`: which one it is about.
    fn call<T>(
        &mut self,
        file: Option<usize>,
        run: impl FnOnce(&mut Server) -> Result<T, Status>,
    ) -> Result<T, Failure> {
        self.server.tick(1);
        self.calls += 1;
        for i in (0..self.blows.len()).rev() {
            match self.blows[i].0 {
                0 => {
                    let (_, blow) = self.blows.remove(i);
                    self.blow(blow);
                }
                n => self.blows[i].0 = n - 1,
            }
        }
        match self.faults.pop_front() {
            None => run(&mut self.server).map_err(Failure::Status),
            Some(Fault::Status(status)) => Err(Failure::Status(status)),
            Some(Fault::Lost) => Err(Failure::NoReply),
            Some(Fault::RunButLost(garbled)) => {
                let _ = run(&mut self.server);
                if let Some(file) = file {
                    self.server.excused[file] = true;
                }
                Err(match garbled {
                    true => Failure::Malformed,
                    false => Failure::NoReply,
                })
            }
        }
    }

    /// A call of recovery about one state: repeated as an exchange repeats it, then its meaning.
    fn recovery_call<T>(
        &mut self,
        class: OpClass,
        file: usize,
        run: impl Fn(&mut Server) -> Result<T, Status>,
    ) -> Result<T, Action> {
        let mut backoff = Backoff::default();
        loop {
            let failure = match self.call(Some(file), &run) {
                Ok(res) => return Ok(res),
                Err(failure) => failure,
            };
            let action = match failure {
                Failure::Status(status) => decide(status, class, StateKind::Open),
                Failure::NoReply => decide_no_reply(class),
                Failure::Malformed => decide_malformed(class),
            };
            match (action, failure) {
                (Action::Retry | Action::Delay, Failure::Status(_)) => (),
                (Action::DelayThenFail, Failure::Status(_)) if backoff.tries() < MAX_TRIES => (),
                _ => return Err(action),
            }
            self.server.tick(backoff.failed().into());
        }
    }

    /// `Client::pass()`.
    fn pass(&mut self, step: Step) {
        for file in 0..FILES {
            let Some(open) = self.opens[file] else {
                continue;
            };
            let due = match step {
                Step::ReclaimReboot => open.recovery == Recovery::Reboot,
                _ => matches!(open.recovery, Recovery::Test | Recovery::Reopen),
            };
            if !due {
                continue;
            }
            match self.recover(step, file, open) {
                Action::Done => {
                    if let Some(now) = self.opens[file].as_mut() {
                        if now.recovery == open.recovery {
                            now.recovery = Recovery::None;
                        }
                    }
                }
                Action::Nograce => self.mark(file, Recovery::Reopen),
                Action::EndReboot => break,
                Action::Recover(need) => return self.event(Event::Saw(need)),
                action => self.give_up(file, action),
            }
        }
        self.event(Event::Done(step));
    }

    fn recover(&mut self, step: Step, file: usize, open: Open) -> Action {
        let session = self.session;
        let class = step.class();
        if open.recovery == Recovery::Test {
            let res = self.recovery_call(OpClass::TestStateid, file, |s| {
                s.test(session, open.stateid)
            });
            match res.map(tested) {
                Ok(Tested::Good) => return Action::Done,
                Ok(Tested::Gone) => (),
                Ok(Tested::Revoked) => {
                    let _ = self.recovery_call(OpClass::FreeStateid, file, |s| {
                        s.free(session, open.stateid)
                    });
                }
                Err(Action::Recover(need)) => return Action::Recover(need),
                Err(_) => self.server.excused[file] = true,
            }
        }
        let res = self.recovery_call(class, file, |s| match class {
            OpClass::OpenReclaim => s.reclaim(session, file),
            _ => s.open(session, file, true),
        });
        match res {
            Ok(stateid) => {
                if let Some(open) = self.opens[file].as_mut() {
                    open.stateid = stateid;
                }
                Action::Done
            }
            Err(action) => action,
        }
    }

    fn give_up(&mut self, file: usize, why: Action) {
        assert!(
            !self.server.strict || self.server.gone[file],
            "file {file} marked bad ({why:?}), and the server would have given it"
        );
        if let Some(open) = self.opens[file].as_mut() {
            open.recovery = Recovery::Failed;
        }
    }

    fn simple<T>(&mut self, step: Step, run: impl FnOnce(&mut Server) -> Result<T, Status>) {
        match self.call(None, run) {
            Ok(_) => self.event(Event::Done(step)),
            Err(failure) => self.event(Event::Failed(step, failure)),
        }
    }

    /// One turn of the state manager; false: nothing to do.
    pub fn turn(&mut self) -> bool {
        let step = self.machine.step(self.server.now);
        let (id, session, verifier) = (self.id, self.session, self.verifier);
        self.steps += u32::from(!matches!(step, Step::Idle | Step::Wait(_)));
        match step {
            Step::Idle => return false,
            Step::Wait(ms) => {
                assert!(ms > 0 && ms <= 5000, "{ms}");
                self.server.tick(ms.into());
            }
            Step::ExchangeId => match self.call(None, |s| s.exchange_id(verifier)) {
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
            Step::CreateSession => match self.call(None, |s| s.create_session(id)) {
                Ok(session) => {
                    self.session = session;
                    self.event(Event::Done(step));
                }
                Err(failure) => self.event(Event::Failed(step, failure)),
            },
            Step::BindConn => self.simple(step, |s| s.bind(session)),
            Step::CheckLease => self.simple(step, |s| s.sequence(session)),
            Step::ReclaimReboot | Step::ReclaimNograce => self.pass(step),
            Step::ReclaimComplete => {
                // A server that says this does not wait for RECLAIM_COMPLETE (any more).
                if let Some(Fault::Status(status)) = self.faults.front() {
                    let action = decide(*status, OpClass::ReclaimComplete, StateKind::None);
                    if let (Action::Done, Some(r)) = (action, self.server.record.as_mut()) {
                        self.server.completes += u32::from(!r.complete);
                        r.complete = true;
                    }
                }
                self.simple(step, |s| s.reclaim_complete(session));
            }
            step => {
                if step == Step::PurgeState {
                    assert!(!self.server.strict, "all state given up");
                    self.verifier += 1;
                }
                self.event(Event::Done(step));
            }
        }
        true
    }

    /// A call of a program went wrong: what its exchange makes of it. True: the program is told.
    fn program_failed(&mut self, class: OpClass, failure: Failure, file: usize, sent: u32) -> bool {
        let kind = match class {
            OpClass::Io => StateKind::Open,
            _ => StateKind::None,
        };
        let Failure::Status(status) = failure else {
            return true;
        };
        match decide(status, class, kind) {
            Action::Retry | Action::Delay | Action::DelayThenFail => self.server.tick(100),
            Action::Recover(need) => self.event(Event::Saw(need)),
            action @ (Action::State | Action::Reopen) => {
                if self.opens[file].is_some_and(|o| o.stateid == sent) {
                    self.mark(
                        file,
                        match action {
                            Action::State => Recovery::Test,
                            _ => Recovery::Reopen,
                        },
                    );
                }
            }
            Action::Refresh => self.server.tick(1),
            _ => return true,
        }
        false
    }

    /// A program reads, once. True: that went well, or no longer can.
    pub fn io(&mut self, file: usize) -> bool {
        let Some(open) = self.opens[file] else {
            return true;
        };
        match open.recovery {
            Recovery::Failed => return true,
            Recovery::None => (),
            // Its call waits for the state manager.
            _ => return false,
        }
        let (session, mut flags) = (self.session, 0);
        let res = self.call(None, |s| {
            let (f, res) = s.io(session, open.stateid);
            flags = f;
            res
        });
        match res {
            Ok(()) => self.event(Event::SequenceFlags(flags)),
            Err(failure) => {
                if self.program_failed(OpClass::Io, failure, file, open.stateid) {
                    return false;
                }
            }
        }
        if res.is_ok() {
            self.server.excused[file] = false;
        }
        res.is_ok()
    }

    /// A program looks up a name.
    fn looks_up(&mut self) -> bool {
        let session = self.session;
        match self.call(None, |s| s.sequence(session)) {
            Ok(flags) => {
                self.event(Event::SequenceFlags(flags));
                true
            }
            Err(failure) => {
                self.program_failed(OpClass::Plain, failure, 0, 0);
                false
            }
        }
    }

    /// A program opens a file anew that it has not, or that is bad.
    fn program_opens(&mut self, file: usize) -> bool {
        if self.server.gone[file] {
            return true;
        }
        if !self.machine.may_open() {
            return false;
        }
        let session = self.session;
        match self.call(None, |s| s.open(session, file, false)) {
            Ok(stateid) => {
                let recovery = Recovery::None;
                self.opens[file] = Some(Open { stateid, recovery });
                true
            }
            Err(failure) => {
                let in_grace = self.server.in_grace();
                assert!(
                    failure != Failure::Status(Status::GRACE) || in_grace,
                    "RECLAIM_COMPLETE was forgotten"
                );
                self.program_failed(OpClass::Open, failure, file, 0);
                false
            }
        }
    }

    pub fn storm(&mut self, storm: Storm) {
        match storm {
            Storm::Turns(n) => (0..n).for_each(|_| {
                self.turn();
            }),
            Storm::Blow(blow) => self.blow(blow),
            Storm::Later(n, blow) => self.blows.push((n, blow)),
            Storm::Fault(fault) => self.faults.push_back(fault),
            Storm::Io(file) => {
                self.io(file % FILES);
            }
            Storm::Time(ms) => self.server.tick(ms.into()),
            Storm::Lapsed => self.event(Event::LeaseLapsed),
            Storm::Saw(need) => self.event(Event::Saw(need)),
        }
    }

    /// The storm is over: within a bounded time and number of calls all files are in use again that are
    /// there, and the server knows just what the client knows.
    pub fn settle(&mut self) {
        self.faults.clear();
        self.blows.clear();
        let (began, calls, steps) = (self.server.now, self.calls, self.steps);
        loop {
            while self.turn() {
                self.bounded(began, calls, steps);
            }
            let mut well = self.looks_up();
            for file in 0..FILES {
                let bad = |o: Open| o.recovery == Recovery::Failed;
                well &= match self.opens[file] {
                    Some(open) if !bad(open) => self.io(file),
                    _ => self.program_opens(file),
                };
            }
            // The flags that the last calls brought are looked after.
            if well && self.machine.is_idle() {
                break;
            }
            self.server.tick(1);
            self.bounded(began, calls, steps);
        }
        assert_eq!(self.machine.bits(), Bits::HAS_SESSION);
        assert!(self.machine.refused().is_none());
        assert_eq!(self.server.completes, 1, "RECLAIM_COMPLETE exactly once");
        let record = self.server.record.as_ref().expect("a client");
        for (file, open) in self.opens.iter().enumerate() {
            let held = record.held[file];
            match open.filter(|open| open.recovery != Recovery::Failed) {
                Some(open) => {
                    assert_eq!(open.recovery, Recovery::None, "a state was left behind");
                    let held = held.expect("what the client uses");
                    assert_eq!((held.stateid, held.revoked), (open.stateid, None));
                }
                None => assert!(self.server.gone[file], "file {file} is still bad"),
            }
        }
        self.server.excused = [false; FILES];
    }

    fn bounded(&self, began: u64, calls: u32, steps: u32) {
        let (ms, calls, steps) = (
            self.server.now - began,
            self.calls - calls,
            self.steps - steps,
        );
        let well = ms < 3 * (GRACE_MS + LEASE_MS) && calls < 400 && steps < 100;
        assert!(
            well,
            "not settled after {ms} ms, {calls} calls, {steps} steps: {:?} {:?}",
            self.machine, self.opens
        );
    }
}

/// `OpenState::mark()`.
fn mark(open: &mut Open, recovery: Recovery) -> bool {
    let wins = match (open.recovery, recovery) {
        (Recovery::None, _) => true,
        (Recovery::Test, new) => matches!(new, Recovery::Reboot | Recovery::Reopen),
        (Recovery::Reboot, new) => new == Recovery::Reopen,
        (Recovery::Reopen | Recovery::Failed, _) => false,
    };
    if wins {
        open.recovery = recovery;
    }
    wins
}
