// SPDX-License-Identifier: GPL-2.0

//! How a call goes again, and what it waits for: another connection, its state, the end of the server's grace period.

use kernel::{
    prelude::*,
    time::msecs_to_jiffies, //
};
use rnfs4_proto::{
    recovery::{
        backoff::jitter,
        table::OpClass, //
    },
    status::Status,
    types::Stateid, //
};

use super::{
    Body,
    Exchange,
    Reply, //
};
use crate::{
    client::{
        call::session::Unparked,
        fault::Plan,
        state::open_state::{
            OpenState,
            Recovery, //
        },
    },
    sys::{
        sunrpc::Task,
        time::random_u64, //
    },
};

impl<B: Body> Exchange<B> {
    /// Sends again as a new request, after `delay_ms`; ends the call if it is being killed.
    pub(super) fn again(&mut self, task: &Task, delay_ms: u32) {
        self.release_slot();
        self.plan = Plan::Undecided;
        self.resend(task, delay_ms);
    }

    pub(super) fn resend(&mut self, task: &Task, delay_ms: u32) {
        self.reply = None;
        self.plan = self.plan.again();
        self.malformed = false;
        task.clear_sent();
        if !task.restart_prepare() {
            self.finish(Err(ERESTARTSYS));
        } else if delay_ms > 0 {
            task.delay(msecs_to_jiffies(delay_ms).max(1));
        }
    }

    /// How long to wait after one more failure, in milliseconds: not as long as all others who failed.
    pub(super) fn back_off(&mut self) -> u32 {
        jitter(self.backoff.failed(), random_u64() as u32)
    }

    /// The server is in its grace period: again after a while, or as soon as somebody gets through.
    pub(super) fn wait_for_grace(&mut self, task: &Task) {
        self.saw_grace = true;
        let mut at_most = msecs_to_jiffies(self.back_off()).max(1);
        if let Some(left) = self.patience.left() {
            at_most = at_most.min(left);
        }
        self.again(task, 0);
        if !self.finished {
            self.client.manager.sleep_in_grace(task, at_most);
        }
    }

    /// Who has waited for the end of the grace period and gets another answer tells the others.
    pub(super) fn grace_may_be_over(&mut self) {
        let graced = |r: &Reply<_>| r.status == Status::GRACE;
        if self.saw_grace && self.reply.as_ref().is_some_and(|r| !graced(r)) {
            self.saw_grace = false;
            self.client.manager.grace_over();
        }
    }

    /// The server does not know the stateid (any more): has the state recovered, unless it has been already.
    pub(super) fn recover_state(
        &mut self,
        task: &Task,
        state: &OpenState,
        sent: &Stateid,
        how: Recovery,
    ) {
        let moved_on = match self.body.lock() {
            Some(lock) => lock.has_moved_on(sent),
            None => state.has_moved_on(sent),
        };
        let delay = self.back_off();
        if moved_on {
            // At once, but not for ever: the server may refuse the new one as well.
            let delay = if self.backoff.tries() > 1 { delay } else { 0 };
            return self.again(task, delay);
        }
        let at_most = self.patience.left();
        self.client.recover_state(state, how);
        self.again(task, 0);
        if !self.finished && !self.client.sleep_until_recovered(task, state, at_most) {
            // Recovered already, and refused again.
            task.delay(msecs_to_jiffies(delay).max(1));
        }
    }

    /// Whether the call waits for another connection.
    pub(super) fn outlives_connection(&self) -> bool {
        !self.privileged && self.held.is_some() && self.patience.outlives_connection()
    }

    /// Has the call wait for another connection. It keeps slot and sequence id: what is sent then is the same request, which the
    /// server, should it have run it already, answers from its cache.
    pub(super) fn wait_for_connection(&mut self, task: &Task) {
        if let Some(slot) = self.held.as_mut() {
            self.client.session().park(slot);
        }
        self.plan = self.plan.again();
        if !task.restart_prepare() {
            return self.finish(Err(ERESTARTSYS));
        }
        let delay = self.back_off();
        let at_most = self.patience.left();
        if !self.client.sleep_until_connected(task, at_most) {
            // It is there already, but may break as soon again.
            task.delay(msecs_to_jiffies(delay).max(1));
        }
        self.client.session().has_parked();
    }

    /// Recovery's own call waits for a slot, and they are all kept by calls that wait for recovery. These find out themselves what has
    /// become of server and session; but it takes a connection, without which this call ends.
    pub(super) fn unblock(&self, task: &Task) {
        match self.client.rpc().connection() {
            Some(_) => self.client.wake_lost(),
            None => task.exit(ENOTCONN),
        }
    }

    /// Before the call gets a slot: whether it has to wait for recovery, and sleeps.
    pub(super) fn is_unfit(&self, task: &Task) -> bool {
        let makes = matches!(
            self.body.class(),
            OpClass::Open | OpClass::Lock | OpClass::Lockt
        );
        let state = self.body.needs();
        !self.privileged
            && (makes || state.is_some())
            && self
                .client
                .sleep_until_fit(task, state.map(|s| &**s), makes, self.patience.left())
    }

    /// Before a parked call is sent again. False when it is not, or not yet.
    pub(super) fn unpark(&mut self, task: &Task) -> bool {
        let Some(slot) = self.held.as_mut() else {
            return true;
        };
        match self.client.unpark(slot, task, self.patience.left()) {
            Unparked::GoOn => true,
            Unparked::Sleeping => false,
            Unparked::Gone => {
                self.body.may_have_run();
                self.release_slot();
                task.clear_sent();
                true
            }
        }
    }
}
