// SPDX-License-Identifier: GPL-2.0

//! Getting state back: what the state manager does in its two passes over the open states.
//!
//! A pass is a row of [waves](wave): after the server's restart the opens are reclaimed; of what may be lost the server is asked
//! first, and what is gone is opened anew. What an error means for a state is [`rnfs4_proto::recovery`]'s to say. Answers to
//! `nfs4_do_reclaim()` and below, which goes state by state and waits for each reply.

mod locks;
mod opens;
mod stateids;
mod wave;

use kernel::{
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::{
    recovery::{
        batch::Outcome,
        machine::{
            Event,
            Failure,
            Step, //
        },
    },
    status::Status, //
};

use self::{
    locks::Locks,
    opens::Opens,
    stateids::Tests, //
};
use crate::client::{
    nfs_client::Client,
    server::Server,
    state::open_state::{
        OpenState,
        Recovery, //
    },
};

/// How many opens are had again before their locks are seen to: enough to keep all slots busy.
const AT_ONCE: usize = 2048;

impl Client {
    /// Marks every open state for recovery.
    pub(in crate::client) fn mark_all(&self, recovery: Recovery) {
        self.for_each_state(|state| {
            state.mark(recovery);
        });
    }

    /// What was not reclaimed is to be opened anew (`nfs4_state_end_reclaim_reboot()`). Whether there is any such.
    pub(in crate::client) fn end_reboot(&self) -> bool {
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

    /// All open states of every mount. May sleep.
    pub(in crate::client) fn all_states(&self) -> Result<KVVec<Arc<OpenState>>> {
        let mut states = KVVec::new();
        for server in &self.servers()? {
            server.collect_states(|_| true, &mut states)?;
        }
        Ok(states)
    }

    /// The open states of every mount that have this mark, those of one owner in a row. May sleep.
    fn marked(&self, mark: Recovery) -> Result<KVVec<Arc<OpenState>>> {
        let mut states = KVVec::new();
        for server in &self.servers()? {
            // Owners without state are nothing to walk over.
            server.owners().collect(0);
            server.collect_states(|state| state.recovery() == mark, &mut states)?;
        }
        Ok(states)
    }

    /// The pass after the server's restart.
    pub(in crate::client) fn reclaim_reboot(self: &Arc<Self>) {
        let end = self
            .marked(Recovery::Reboot)
            .and_then(|states| self.restore_all(states, Opens::reclaim, Recovery::Reboot));
        self.pass_ended(Step::ReclaimReboot, end);
    }

    /// The pass over what is lost on the server: tested, and opened anew where it is gone.
    pub(in crate::client) fn reclaim_nograce(self: &Arc<Self>) {
        let end = self.test_states().and_then(|outcome| match outcome {
            Outcome::Over => {
                let lost = self.marked(Recovery::Reopen)?;
                self.restore_all(lost, Opens::reopen, Recovery::Reopen)
            }
            outcome => Ok(outcome),
        });
        self.pass_ended(Step::ReclaimNograce, end);
    }

    fn pass_ended(&self, step: Step, end: Result<Outcome>) {
        if self.is_leaving() {
            return;
        }
        self.tell(match end {
            Ok(Outcome::Over | Outcome::End) => Event::Done(step),
            Ok(Outcome::BrokenOff(need)) => Event::Saw(need),
            Err(_) => Event::Failed(step, Failure::NoReply),
        });
        self.wake_recovered();
    }

    /// Gets opens back, and the locks under them: so many, then the next, for who waits for the first is not to wait for the last.
    fn restore_all(
        self: &Arc<Self>,
        states: KVVec<Arc<OpenState>>,
        opens: impl Fn(KVVec<Arc<OpenState>>) -> Result<Opens>,
        mark: Recovery,
    ) -> Result<Outcome> {
        let mut states = states.into_iter().peekable();
        while states.peek().is_some() {
            let mut some = KVVec::new();
            for state in states.by_ref().take(AT_ONCE) {
                some.push(state, GFP_KERNEL)?;
            }
            match self.restore(opens(some)?, mark)? {
                Outcome::Over => {}
                outcome => return Ok(outcome),
            }
        }
        Ok(Outcome::Over)
    }

    /// Gets opens back, and the locks under them.
    fn restore(self: &Arc<Self>, mut opens: Opens, mark: Recovery) -> Result<Outcome> {
        let mut end = self.run_wave(&mut opens);
        let mut nograce = opens.nograce;
        if matches!(end, Ok(Outcome::Over)) {
            let mut locks = Locks::new(core::mem::take(&mut opens.locked), mark)?;
            self.wake_recovered();
            end = self.restore_locks(&mut locks);
            nograce |= locks.nograce;
        }
        if nograce {
            // However the pass has ended: these marks are left.
            self.tell(Event::MarkedNograce);
        }
        end
    }

    /// Asks the server about what may be lost.
    fn test_states(self: &Arc<Self>) -> Result<Outcome> {
        let mut tests = Tests::new(self.marked(Recovery::Test)?)?;
        let tested = self.run_wave(&mut tests)?;
        let freed = self.run_wave(&mut tests.frees())?;
        Ok(match tested {
            Outcome::Over => freed,
            tested => tested,
        })
    }

    /// Neither reclaim nor reopen helps: the state's contexts are bad from now on. `status` is the server's last word.
    fn give_up(&self, state: &OpenState, status: Status) {
        if let Some(fileid) = state.mark_failed() {
            self.context_bad(fileid, status);
        }
    }
}

impl Server {
    /// Adds this mount's open states that are wanted to `states`. May sleep.
    fn collect_states(
        &self,
        wanted: impl Fn(&OpenState) -> bool,
        states: &mut KVVec<Arc<OpenState>>,
    ) -> Result {
        let start = states.len();
        loop {
            let mut missing = 0;
            self.owners().for_each(|owner| {
                owner.for_each_state(|state| {
                    if wanted(state) && states.push_within_capacity(state.clone()).is_err() {
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
