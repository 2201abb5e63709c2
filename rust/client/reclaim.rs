// SPDX-License-Identifier: GPL-2.0

//! Getting opens back: CLAIM_PREVIOUS after the server's restart, CLAIM_FH where that is refused or too late.
//!
//! Runs in the state manager. Answers to `nfs4_do_reclaim()` and below; what an error means for a state is
//! [`rnfs4_proto::recovery`]'s to say.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::{
    ops::{
        fh::Putfh,
        open::{
            DelegationType,
            Open,
            OpenClaim,
            OpenHow,
            OpenRes, //
        },
        state::{
            FreeStateid,
            TestStateid, //
        },
    },
    recovery::{
        machine::{
            Event,
            Failure,
            Step, //
        },
        table::{
            self,
            decide,
            decide_malformed,
            decide_no_reply,
            tested,
            Action,
            Need,
            OpClass,
            StateKind, //
        },
    },
    status::Status,
    types::ShareAccess, //
};

use super::{
    exchange::How,
    lease::Answer,
    nfs_client::Client,
    open::wire_owner,
    open_state::{
        Access,
        OpenState,
        Recovery, //
    },
    server::Server,
    stats::Counter, //
};

/// What TEST_STATEID brought.
enum Tested {
    /// The server has the state.
    Good,
    /// It has not, or cannot tell.
    Gone,
    /// Something else comes first.
    Later(Need),
}

/// What an answer to a call of recovery means.
fn meaning(answer: &Answer, class: OpClass) -> Action {
    match answer {
        Ok(Ok(())) => Action::Done,
        Ok(Err(status)) => decide(*status, class, StateKind::Open),
        Err(err) if *err == EBADMSG => decide_malformed(class),
        Err(_) => decide_no_reply(class),
    }
}

/// What becomes of a pass after one state.
enum Outcome {
    /// On to the next.
    Next,
    /// No state can be reclaimed any more.
    End,
    /// Something else comes first; the marks that are left stay.
    BrokenOff(Event),
}

impl Client {
    /// Every open state of every mount. May sleep.
    fn all_states(&self) -> Result<KVec<Arc<OpenState>>> {
        let mut states = KVec::new();
        for server in &self.servers()? {
            server.collect_states(&mut states)?;
        }
        Ok(states)
    }

    /// Marks every open state for recovery.
    pub(super) fn mark_all(&self, recovery: Recovery) {
        self.for_each_state(|state| {
            state.mark(recovery);
        });
    }

    /// What was not reclaimed is to be opened anew (`nfs4_state_end_reclaim_reboot()`). Whether there is any such.
    pub(super) fn end_reboot(&self) -> bool {
        let mut any = false;
        self.for_each_state(|state| {
            if state.recovery() == Recovery::Reboot {
                any |= state.mark(Recovery::Reopen);
            }
        });
        any
    }

    fn for_each_state(&self, mut f: impl FnMut(&Arc<OpenState>)) {
        self.for_each_server(|server| {
            server
                .owners()
                .for_each(|owner| owner.for_each_state(&mut f));
        });
    }

    /// The pass after the server's restart: CLAIM_PREVIOUS for each open.
    pub(super) fn reclaim_reboot(self: &Arc<Self>) {
        self.pass(Step::ReclaimReboot, |state| {
            state.recovery() == Recovery::Reboot
        });
    }

    /// The pass over what is lost on the server: tested, and opened anew where it is gone.
    pub(super) fn reclaim_nograce(self: &Arc<Self>) {
        self.pass(Step::ReclaimNograce, |state| {
            matches!(state.recovery(), Recovery::Test | Recovery::Reopen)
        });
    }

    fn pass(self: &Arc<Self>, step: Step, due: impl Fn(&OpenState) -> bool) {
        let Ok(states) = self.all_states() else {
            return self.tell(Event::Failed(step, Failure::NoReply));
        };
        for state in states.iter().filter(|state| due(state)) {
            if self.is_leaving() {
                return;
            }
            match self.recover(state, step.class()) {
                Outcome::Next => {}
                Outcome::End => break,
                Outcome::BrokenOff(event) => return self.tell(event),
            }
        }
        self.tell(Event::Done(step));
        self.wake_recovered();
    }

    /// Recovers one state as it is marked, and does with it what the table says of the answer.
    fn recover(self: &Arc<Self>, state: &Arc<OpenState>, class: OpClass) -> Outcome {
        let mark = state.recovery();
        let claim = match mark {
            Recovery::Reboot => OpenClaim::Previous(DelegationType::None),
            Recovery::Test | Recovery::Reopen => OpenClaim::Fh,
            Recovery::None | Recovery::Failed => return Outcome::Next,
        };
        let tested = if mark == Recovery::Test {
            self.test_stateid(state)
        } else {
            Tested::Gone
        };
        let (answer, action) = match tested {
            Tested::Good => (Ok(Ok(())), Action::Done),
            Tested::Later(need) => return Outcome::BrokenOff(Event::Saw(need)),
            Tested::Gone => {
                let answer = self.recover_open(state, class, claim);
                (answer, meaning(&answer, class))
            }
        };
        match action {
            Action::Nograce => {
                state.mark(Recovery::Reopen);
                self.tell(Event::MarkedNograce);
            }
            Action::EndReboot => return Outcome::End,
            Action::Recover(need) => return Outcome::BrokenOff(Event::Saw(need)),
            // What the calls themselves repeat has been tried often enough when it gets here.
            Action::BadContext
            | Action::DelayThenFail
            | Action::Delay
            | Action::Retry
            | Action::Refresh
            | Action::State
            | Action::Reopen
            | Action::Fail
            | Action::Free
            | Action::LostLock
            | Action::Split => self.give_up(state, answer),
            Action::Done => {
                state.recovered(mark);
                self.count(match mark {
                    Recovery::Reboot => Counter::OpensReclaimed,
                    Recovery::Test if matches!(tested, Tested::Good) => Counter::StateidsTested,
                    _ => Counter::OpensReopened,
                });
                self.wake_recovered();
            }
        }
        Outcome::Next
    }

    /// Neither reclaim nor reopen helps: the state's contexts are bad from now on.
    fn give_up(&self, state: &OpenState, answer: Answer) {
        if let Some(fileid) = state.mark_failed() {
            let status = match answer {
                Ok(Err(status)) => status,
                _ => Status::IO,
            };
            self.context_bad(fileid, status);
        }
        self.wake_recovered();
    }

    /// Whether the server still knows the state.
    fn test_stateid(self: &Arc<Self>, state: &OpenState) -> Tested {
        let Ok(stateid) = state.stateid() else {
            return Tested::Gone;
        };
        let mut status = [Status::OK];
        let how = How {
            cred: state.owner().cred(),
            ..self.how_privileged()
        };
        let ops = (TestStateid {
            stateids: &[stateid],
            statuses: &mut status,
        },);
        let answer = self
            .call_as(how, OpClass::TestStateid, ops)
            .map(|(res,)| res);
        let [status] = status;
        match meaning(&answer, OpClass::TestStateid) {
            Action::Recover(need) => return Tested::Later(need),
            Action::Done => {}
            // A server that cannot tell. To open a good state anew does no harm.
            _ => return Tested::Gone,
        }
        match tested(status) {
            table::Tested::Good => Tested::Good,
            table::Tested::Gone => Tested::Gone,
            table::Tested::Revoked => {
                // The server keeps it in mind until it knows that we know. If that fails, the lease will end it.
                let _ = self.call_as(how, OpClass::FreeStateid, (FreeStateid(stateid),));
                Tested::Gone
            }
        }
    }

    /// Opens `state` again, once for each access that its contexts have. The server's answer is that of the first that failed.
    fn recover_open(
        self: &Arc<Self>,
        state: &Arc<OpenState>,
        class: OpClass,
        claim: OpenClaim,
    ) -> Answer {
        let mut first = true;
        for access in state.modes().into_iter().flatten() {
            match self.recover_mode(state, class, claim, access)? {
                Ok(open) => state.reopened(open.stateid, access, first),
                Err(status) => return Ok(Err(status)),
            }
            first = false;
        }
        Ok(Ok(()))
    }

    fn recover_mode(
        self: &Arc<Self>,
        state: &Arc<OpenState>,
        class: OpClass,
        claim: OpenClaim,
        access: Access,
    ) -> Answer<OpenRes> {
        let ops = (
            Putfh(*state.fh()),
            Open {
                access: ShareAccess(access.0).with(ShareAccess::WANT_NO_DELEG),
                deny: 0,
                owner: wire_owner(state.owner())?,
                how: OpenHow::NoCreate,
                claim,
            },
        );
        let how = How {
            cred: state.owner().cred(),
            ..self.how_privileged()
        };
        let (putfh, open) = self.call_as(how, class, ops)?;
        let open = putfh.and(open);
        if let Ok(open) = &open {
            self.decline_delegation(how.cred, state.fh(), open);
        }
        Ok(open)
    }
}

impl Server {
    /// Adds this mount's open states to `states`. May sleep.
    fn collect_states(&self, states: &mut KVec<Arc<OpenState>>) -> Result {
        let start = states.len();
        loop {
            let mut missing = 0;
            self.owners().for_each(|owner| {
                owner.for_each_state(|state| {
                    if states.push_within_capacity(state.clone()).is_err() {
                        missing += 1;
                    }
                });
            });
            if missing == 0 {
                return Ok(());
            }
            states.truncate(start);
            states.reserve(start + missing + missing / 2 + 16, GFP_KERNEL)?;
        }
    }
}
