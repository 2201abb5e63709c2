// SPDX-License-Identifier: GPL-2.0

//! One compound on its way through a session: slot, SEQUENCE, reply, and what an error leads to.
//!
//! Synchronous and asynchronous calls are the same here. An [`Exchange`] waits for a slot, sends, and looks at the reply; what
//! the reply means is decided by [`rnfs4_proto::session`] (SEQUENCE) and [`rnfs4_proto::recovery`] (everything else). Where
//! recovery is needed, the exchange tells the state manager, sleeps as an RPC task, not as a thread, and sends again. So the file
//! system above sees an answer or an error that is final.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::Arc,
    time::msecs_to_jiffies, //
};
use rnfs4_proto::{
    compound::{
        Answer,
        Ops, //
    },
    ops::session::{
        Sequence,
        SequenceRes, //
    },
    recovery::{
        backoff::Backoff,
        machine::Event,
        table::{
            decide,
            Action,
            OpClass,
            StateKind, //
        },
    },
    session::{
        has_changed_names,
        must_keep_reply,
        SeqAction, //
    },
    status::Status,
    types::{
        SessionId,
        SlotId,
        Stateid, //
    },
    xdr::XdrResult, //
};

use super::{
    patience::Patience,
    session::{
        outcome,
        Acquired,
        Slot, //
    },
};
use crate::{
    client::{
        fault::Plan,
        nfs_client::Client,
        observe::stats::Counter,
        state::{
            lock_state::LockState,
            open_state::{
                OpenState,
                Recovery, //
            },
        },
    },
    sys::{
        mm::PageVec,
        sunrpc::{
            connection_lost,
            program::Proc,
            Decoder,
            Encoder,
            Flags,
            Message,
            RpcCall,
            Task, //
        },
        time::now_ms,
        trace,
    },
};

mod calls;
mod counted;
mod waits;

pub(crate) use calls::{
    insist,
    How, //
};
use counted::Counted;

/// What a particular call adds to an exchange.
pub(crate) trait Body {
    /// The operations behind SEQUENCE.
    type Ops: Ops;

    /// Which errors may come, and what they mean.
    fn class(&self) -> OpClass;

    /// The open state whose stateid is sent, with that stateid.
    fn state(&self) -> Option<(&Arc<OpenState>, Stateid)> {
        None
    }

    /// The owner of locks under that state whose stateid is sent instead.
    fn lock(&self) -> Option<&Arc<LockState>> {
        None
    }

    /// The open state without which the call is not to be sent: while that is lost, the call waits.
    fn needs(&self) -> Option<&Arc<OpenState>> {
        self.state().map(|(state, _)| state)
    }

    /// Bulk data sent or received.
    fn pages(&self) -> Option<&PageVec> {
        None
    }

    /// Brings the arguments up to date before they are sent as a new request; an error ends the call. Must not block.
    fn refresh(&mut self, _ops: &mut Self::Ops) -> Result {
        Ok(())
    }

    /// The call is to be sent again, and the server may have run it already: the answer, if there was one, went with the session. Must not
    /// block.
    fn may_have_run(&mut self) {}

    /// Many states' recovery in one call: what an error means is decided state by state, by who made the call. It may be run
    /// twice, so the server need not keep its reply.
    fn is_batch(&self) -> bool {
        false
    }

    /// Whether a reply with an error is one all the same: what failed came along with the operation that the call is for, and is
    /// seen to by other means. Asked before the error is acted on. Where a name has been changed it is one in any case.
    fn is_answered(&self, _res: &<Self::Ops as Ops>::Res) -> bool {
        false
    }

    /// SEQUENCE failed with this, in a call of recovery; the others have not run. `finish` comes next.
    fn sequence_failed(&mut self, _status: Status) {}

    /// Takes the reply, or the reason why there is none. Called exactly once, before the slot is given back. Must not block
    /// in an asynchronous call.
    fn finish(&mut self, res: Result<<Self::Ops as Ops>::Res>);
}

impl<B: Body> Body for &mut B {
    type Ops = B::Ops;

    fn class(&self) -> OpClass {
        (**self).class()
    }

    fn state(&self) -> Option<(&Arc<OpenState>, Stateid)> {
        (**self).state()
    }

    fn lock(&self) -> Option<&Arc<LockState>> {
        (**self).lock()
    }

    fn needs(&self) -> Option<&Arc<OpenState>> {
        (**self).needs()
    }

    fn pages(&self) -> Option<&PageVec> {
        (**self).pages()
    }

    fn refresh(&mut self, ops: &mut Self::Ops) -> Result {
        (**self).refresh(ops)
    }

    fn may_have_run(&mut self) {
        (**self).may_have_run();
    }

    fn is_batch(&self) -> bool {
        (**self).is_batch()
    }

    fn is_answered(&self, res: &<Self::Ops as Ops>::Res) -> bool {
        (**self).is_answered(res)
    }

    fn sequence_failed(&mut self, status: Status) {
        (**self).sequence_failed(status);
    }

    fn finish(&mut self, res: Result<<Self::Ops as Ops>::Res>) {
        (**self).finish(res);
    }
}

/// A reply as decoded: SEQUENCE's result and the others'.
type Reply<R> = Answer<(core::result::Result<SequenceRes, Status>, R)>;

/// A call through the client's session (`struct nfs4_call_sync_data` and its asynchronous kin).
pub(crate) struct Exchange<B: Body> {
    /// Part of recovery: is served while the table drains, and gets its errors itself.
    privileged: bool,
    /// The slot that it has.
    held: Option<Slot>,
    ops: (Sequence, B::Ops),
    reply: Option<Reply<<B::Ops as Ops>::Res>>,
    malformed: bool,
    /// What goes wrong on purpose.
    plan: Plan,
    backoff: Backoff,
    patience: Patience,
    /// The server was in its grace period when it was asked last.
    saw_grace: bool,
    /// When the request was made, for the lease.
    sent_ms: u64,
    finished: bool,
    body: B,
    /// The last to go.
    client: Counted,
}

/// SEQUENCE before there is a slot.
const UNSENT: Sequence = Sequence {
    sessionid: SessionId([0; 16]),
    seqid: 0,
    slot: SlotId(0),
    highest_slot: SlotId(0),
    cache_this: false,
};

/// How sunrpc is to send these operations.
fn message<'a, O: Ops>(ops: &(Sequence, O), cred: &'a Credential, flags: Flags) -> Message<'a> {
    Message {
        cred,
        proc: Proc::of(ops.1.main_op()),
        args_max: Ops::args_max(ops),
        res_max: Ops::res_max(ops),
        flags,
    }
}

/// How long a call waits for memory, in milliseconds.
const NO_MEMORY_MS: u32 = 100;

/// How often a call is repeated that is not to be repeated for ever: about ten seconds.
const MAX_TRIES: u32 = 18;

/// How often a call whose stateid is out of date waits for the newer one, which another call's reply is to bring: about a second.
const MAX_REFRESHES: u32 = 10;

impl<B: Body> Exchange<B> {
    /// One that sends `ops`.
    #[inline]
    fn new<'a>(
        client: &'a Arc<Client>,
        how: &'a How<'a>,
        ops: (Sequence, B::Ops),
        body: B,
    ) -> impl Init<Self> + use<'a, B> {
        init!(Self {
            privileged: how.privileged,
            held: None,
            ops,
            reply: None,
            malformed: false,
            plan: Plan::Undecided,
            backoff: Backoff::default(),
            patience: Patience::new(how),
            saw_grace: false,
            sent_ms: 0,
            finished: false,
            body,
            client: Counted::new(client),
        })
    }

    /// What the call adds; its `finish()` has been called when the task has ended.
    pub(crate) fn body_mut(&mut self) -> &mut B {
        &mut self.body
    }

    /// The same, with the operations and what the reply has left in them.
    pub(crate) fn parts_mut(&mut self) -> (&mut B::Ops, &mut B) {
        (&mut self.ops.1, &mut self.body)
    }

    fn message<'a>(&self, cred: &'a Credential, flags: Flags) -> Message<'a> {
        message(&self.ops, cred, flags)
    }

    /// Reads the reply; that to a call which was not sent is made up.
    fn take_reply(&mut self, xdr: Option<&mut Decoder<'_>>) -> XdrResult {
        let cut = self.plan.cut();
        self.reply = Some(match xdr {
            Some(xdr) => {
                let names = &**self.client.registry().idmap();
                self.ops.decode_cut(cut, &mut xdr.with_names(names))
            }
            None => Decoder::with_nothing(|xdr| self.ops.decode_cut(cut, xdr)),
        }?);
        Ok(())
    }

    /// Whether a reply with an error is one all the same.
    fn is_answered(&self, reply: &Reply<<B::Ops as Ops>::Res>) -> bool {
        has_changed_names(&self.ops, reply.succeeded) || self.body.is_answered(&reply.res.1)
    }

    fn finish(&mut self, res: Result<<B::Ops as Ops>::Res>) {
        if !self.finished {
            self.finished = true;
            self.body.finish(res);
            if self.held.is_none() {
                self.client.session().pass_on();
            }
        }
        self.release_slot();
    }

    fn trace(&self, status: i32) {
        if !trace::call_enabled() {
            return;
        }
        trace::call(
            self.client.name(),
            self.body.class().name(),
            self.ops.1.main_op(),
            self.ops.0.slot.0,
            self.ops.0.seqid,
            status,
        );
    }

    fn release_slot(&mut self) {
        if let Some(slot) = self.held.take() {
            self.client.session().release(slot);
        }
    }

    /// What the SEQUENCE at the head of the compound says. True when the reply behind it is to be looked at.
    fn sequence_done(&mut self, task: &Task) -> bool {
        let Some(slot) = self.held.as_mut() else {
            return true;
        };
        let reply = self.reply.as_ref().map(|reply| &reply.res.0);
        if let Some(Err(status)) = reply {
            self.client.sequence_status(*status);
        }
        let action = self
            .client
            .session()
            .done(slot, outcome(reply, self.malformed, task.was_sent()));
        if let Some(Ok(res)) = reply {
            self.client
                .renewed(self.sent_ms, res.status_flags, self.privileged);
        }
        match action {
            SeqAction::Done | SeqAction::Fail(_) => return true,
            SeqAction::RetrySameSlot { after_ms } => self.resend(task, after_ms),
            SeqAction::RetryNewSlot { after_ms, .. } => {
                if reply.is_none() {
                    self.body.may_have_run();
                }
                self.again(task, after_ms);
            }
            SeqAction::ResetSession | SeqAction::BindConn => {
                self.client.session_lost(action == SeqAction::BindConn);
                if self.privileged {
                    return true;
                }
                self.body.may_have_run();
                self.again(task, 0);
            }
        }
        false
    }

    /// What an operation's error leads to. True when it is the caller's to see.
    fn operation_failed(&mut self, task: &Task, status: Status) -> bool {
        self.client.operation_status(status);
        if self.body.is_batch() {
            return true;
        }
        let state = self.body.state().map(|(state, sent)| (state.clone(), sent));
        let kind = match (&state, self.body.lock()) {
            (None, _) => StateKind::None,
            (Some(_), None) => StateKind::Open,
            (Some(_), Some(_)) => StateKind::Lock,
        };
        match (decide(status, self.body.class(), kind), state) {
            (Action::Delay, _) if status == Status::GRACE && !self.privileged => {
                self.wait_for_grace(task);
            }
            (Action::Retry | Action::Delay, _) => {
                let delay = self.back_off();
                self.again(task, delay);
            }
            (Action::DelayThenFail, _) if self.backoff.tries() < MAX_TRIES => {
                let delay = self.back_off();
                self.again(task, delay);
            }
            // Recovery's own calls bring such news to the state manager, which made them.
            (Action::Recover(need), _) if !self.privileged => {
                self.client.tell(Event::Saw(need));
                let delay = self.back_off();
                self.again(task, delay);
            }
            (Action::Refresh, Some(_)) if self.backoff.tries() < MAX_REFRESHES => {
                let delay = self.back_off();
                self.again(task, delay);
            }
            (Action::State, Some((state, sent))) => {
                self.recover_state(task, &state, &sent, Recovery::Test);
            }
            // A newer stateid that never comes: an open brings the present one.
            (Action::Reopen | Action::Refresh, Some((state, sent))) => {
                self.recover_state(task, &state, &sent, Recovery::Reopen);
            }
            _ => return true,
        }
        false
    }
}

impl<B: Body> RpcCall for Exchange<B> {
    fn prepare(&mut self, task: &Task) {
        let put_off = self.backoff.tries() > 0;
        if let Some(err) = self.patience.exhausted(put_off) {
            return task.exit(err);
        }
        if !self.unpark(task) {
            return;
        }
        if self.held.is_none() && self.is_unfit(task) {
            // It may have been woken for a slot that another can use.
            return self.client.session().pass_on();
        }
        while self.held.is_none() {
            let lone = self.ops.1.count() == 0;
            let at_most = self.patience.left();
            match self
                .client
                .session()
                .acquire(task, self.privileged, lone, at_most)
            {
                Ok(Acquired::Slot(slot)) => {
                    let cache = !self.body.is_batch() && must_keep_reply(&self.ops.1);
                    self.ops.0 = slot.sequence(cache);
                    self.held = Some(slot);
                    // Recovery, which waits for calls with a slot, may have begun and ended since the first look.
                    if self.is_unfit(task) {
                        return self.release_slot();
                    }
                    self.sent_ms = now_ms();
                    if let Err(err) = self.body.refresh(&mut self.ops.1) {
                        return task.exit(err);
                    }
                }
                // The probe gives the slot back and wakes whoever waits; we take another, or wait, too.
                Ok(Acquired::InDoubt(slot)) => {
                    if self.client.probe_slot(slot).is_err() {
                        return task.delay(msecs_to_jiffies(NO_MEMORY_MS));
                    }
                }
                Ok(Acquired::Sleeping) => return,
                Ok(Acquired::Blocked) => return self.unblock(task),
                Err(err) => return task.exit(err),
            }
        }
        if let Plan::Undecided = self.plan {
            self.plan = self.client.plan(self.body.class(), &self.ops);
        }
        match self.plan.unsent() {
            Some(_) if self.take_reply(None).is_ok() => task.finish(),
            _ => task.start(),
        }
    }

    fn encode(&mut self, xdr: &mut Encoder<'_>) -> XdrResult {
        if let Some(cut) = self.plan.cut() {
            xdr.limit_ops(cut.at);
        }
        self.client.encode(&self.ops, self.body.pages(), xdr)
    }

    fn decode(&mut self, xdr: &mut Decoder<'_>) -> Result {
        match self.plan {
            Plan::Lost(err) => return Err(err),
            Plan::Garbage => {}
            _ => {
                if self.take_reply(Some(xdr)).is_ok() {
                    return Ok(());
                }
            }
        }
        self.malformed = true;
        self.client.count(Counter::Malformed);
        // Recovery tells a server that talks nonsense from one that is silent.
        Err(if self.privileged { EBADMSG } else { EIO })
    }

    fn done(&mut self, task: &Task) {
        match task.status() {
            Err(err)
                if self.reply.is_none()
                    && connection_lost(err)
                    && self.patience.exhausted(false).is_none() =>
            {
                if !self.patience.outlives_connection() {
                    self.client.gave_up(err);
                }
                self.client.disconnected();
                if self.outlives_connection() {
                    return self.wait_for_connection(task);
                }
            }
            _ => self.patience.renew(),
        }
        if !self.sequence_done(task) {
            return;
        }
        self.grace_may_be_over();
        match &self.reply {
            Some(reply) if !reply.status.is_ok() => {
                let status = reply.status;
                if self.is_answered(reply) {
                    self.client.operation_status(status);
                } else if !self.operation_failed(task, status) {
                    return;
                }
            }
            Some(_) => {}
            None => {
                let err = task.status().err().unwrap_or(EIO);
                self.trace(err.to_errno());
                return self.finish(Err(err));
            }
        }
        if let Some(reply) = self.reply.take() {
            self.trace(reply.status.0 as i32);
            let (sequence, res) = reply.res;
            if let Err(status) = sequence {
                self.body.sequence_failed(status);
            }
            self.finish(Ok(res));
        }
    }
}

impl<B: Body> Drop for Exchange<B> {
    fn drop(&mut self) {
        // A call that could not even be started.
        self.finish(Err(ENOMEM));
    }
}
