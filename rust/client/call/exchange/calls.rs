// SPDX-License-Identifier: GPL-2.0

//! How a call is made: one that its caller waits for, one that nobody does, and the probe of a slot.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::Arc,
    time::{
        delay::fsleep,
        Delta, //
    },
};
use rnfs4_proto::{
    compound::Ops,
    recovery::{
        backoff::exponential,
        table::OpClass, //
    },
};

use super::{
    message,
    Body,
    Exchange,
    UNSENT, //
};
use crate::{
    client::{
        call::{
            force::Force,
            session::Slot, //
        },
        fault::Plan,
        nfs_client::Client,
        observe::stats::Counter,
    },
    sys::{
        mm::PageVec,
        sunrpc::{
            AsyncCall,
            Flags,
            Room,
            RpcClnt,
            Started,
            SyncCall, //
        },
    },
};

/// What a call is that is sent for this operation and knows of no state.
const fn class_of(op: u32) -> OpClass {
    match op {
        34 => OpClass::Setattr,
        45 => OpClass::FreeStateid,
        53 => OpClass::Sequence,
        55 => OpClass::TestStateid,
        58 => OpClass::ReclaimComplete,
        _ => OpClass::Plain,
    }
}

/// How often memory is asked for by who must have it, each time after twice as long: two seconds in all.
const MEMORY_TRIES: u32 = 11;

/// Gets memory for what is half done and must not be left so. May sleep, for two seconds at most.
pub(crate) fn insist<T>(mut get: impl FnMut() -> Result<T>) -> Result<T> {
    for tries in 0..MEMORY_TRIES {
        match get() {
            Err(e) if e == ENOMEM => fsleep(Delta::from_millis(exponential(tries, 1000).into())),
            res => return res,
        }
    }
    get()
}

/// The body of a synchronous call with arguments that never change.
struct Plain<'a, O: Ops> {
    class: OpClass,
    pages: Option<&'a PageVec>,
    twice: bool,
    res: Result<O::Res>,
}

impl<O: Ops> Body for Plain<'_, O> {
    type Ops = O;

    fn class(&self) -> OpClass {
        self.class
    }

    fn pages(&self) -> Option<&PageVec> {
        self.pages
    }

    fn may_have_run(&mut self) {
        self.twice = true;
    }

    fn finish(&mut self, res: Result<O::Res>) {
        self.res = res;
    }
}

/// How a synchronous call is made.
#[derive(Clone, Copy)]
pub(crate) struct How<'a> {
    /// Who calls.
    pub(crate) cred: &'a Credential,
    /// Part of recovery.
    pub(crate) privileged: bool,
    /// Patience with a silent server.
    pub(crate) flags: Flags,
    /// How much of it a soft call has, in milliseconds: the major timeout.
    pub(crate) patience_ms: u64,
    /// Where bulk data goes.
    pub(crate) pages: Option<&'a PageVec>,
    /// Whose tasks the call's is one of.
    pub(crate) rpc: &'a RpcClnt,
    /// The mount's orders, where it is a mount's call.
    pub(crate) force: Option<&'a Arc<Force>>,
}

impl Client {
    /// What is to go wrong with a request.
    pub(in crate::client) fn plan<O: Ops>(&self, class: OpClass, ops: &O) -> Plan {
        let plan = self.faults.plan(class, ops);
        if !matches!(plan, Plan::None) {
            self.count(Counter::Faults);
        }
        plan
    }

    /// Sends `ops` and waits for the answer; see [`Exchange`]. An error of an operation is in its result. May sleep; killable.
    pub(crate) fn call<O: Ops>(self: &Arc<Self>, how: How<'_>, ops: O) -> Result<O::Res> {
        let class = class_of(ops.main_op());
        self.call_as(how, class, ops)
    }

    /// The same, and whether an earlier request of it may have been run whose answer went with its session.
    pub(crate) fn call_once<O: Ops>(
        self: &Arc<Self>,
        how: How<'_>,
        ops: O,
    ) -> Result<(O::Res, bool)> {
        let class = class_of(ops.main_op());
        self.call_plain(how, class, ops)
    }

    /// The same, where the operations alone do not tell which errors may come.
    pub(crate) fn call_as<O: Ops>(
        self: &Arc<Self>,
        how: How<'_>,
        class: OpClass,
        ops: O,
    ) -> Result<O::Res> {
        self.call_plain(how, class, ops).map(|(res, _)| res)
    }

    /// Not inlined, as everything on the way of a synchronous call: its callbacks run on the same stack, on which there is no room
    /// for what was only needed to make it.
    #[inline(never)]
    fn call_plain<O: Ops>(
        self: &Arc<Self>,
        how: How<'_>,
        class: OpClass,
        ops: O,
    ) -> Result<(O::Res, bool)> {
        let body = Plain {
            class,
            pages: how.pages,
            twice: false,
            res: Err(EIO),
        };
        let mut call = self.prepare_call(Room::new()?, &how, ops, body);
        self.run_call(&how, &mut call);
        let res = core::mem::replace(&mut call.body.res, Err(EIO))?;
        Ok((res, call.body.twice))
    }

    /// The same with a body that knows more than the operations; its `finish()` has been called on return.
    #[inline(never)]
    pub(crate) fn call_body<B: Body>(self: &Arc<Self>, how: How<'_>, ops: B::Ops, body: &mut B) {
        match Room::new() {
            Ok(room) => self.run_call(&how, &mut self.prepare_call(room, &how, ops, body)),
            Err(err) => body.finish(Err(err)),
        }
    }

    #[inline(never)]
    fn prepare_call<B: Body>(
        self: &Arc<Self>,
        room: Room<Exchange<B>>,
        how: &How<'_>,
        ops: B::Ops,
        body: B,
    ) -> SyncCall<Exchange<B>> {
        let ops = (UNSENT, ops);
        let msg = message(&ops, how.cred, how.flags);
        room.sync(&msg, Exchange::new(self, how, ops, body))
    }

    fn run_call<B: Body>(&self, how: &How<'_>, call: &mut SyncCall<Exchange<B>>) {
        let msg = call.message(how.cred, how.flags);
        let res = call.run(how.rpc, &msg);
        call.finish(Err(res.err().unwrap_or(EIO)));
    }

    /// Starts `ops` asynchronously. `body.finish()` is called once, whatever happens. May sleep to allocate.
    pub(crate) fn start<B: Body + Send + 'static>(
        self: &Arc<Self>,
        how: How<'_>,
        ops: B::Ops,
        body: B,
    ) -> Result<Started<Exchange<B>>>
    where
        B::Ops: Send,
        <B::Ops as Ops>::Res: Send,
    {
        self.start_in(Room::new(), &how, ops, body)
    }

    /// The same for what is half done: see [`insist`].
    pub(crate) fn start_surely<B: Body + Send + 'static>(
        self: &Arc<Self>,
        how: How<'_>,
        ops: B::Ops,
        body: B,
    ) -> Result<Started<Exchange<B>>>
    where
        B::Ops: Send,
        <B::Ops as Ops>::Res: Send,
    {
        self.start_in(insist(Room::new), &how, ops, body)
    }

    fn start_in<B: Body + Send + 'static>(
        self: &Arc<Self>,
        room: Result<Room<Exchange<B>>>,
        how: &How<'_>,
        ops: B::Ops,
        body: B,
    ) -> Result<Started<Exchange<B>>>
    where
        B::Ops: Send,
        <B::Ops as Ops>::Res: Send,
    {
        let call = self.prepare_start(room, how, ops, body)?;
        let msg = call.message(how.cred, how.flags);
        call.start(how.rpc, &msg, self.registry().queue())
    }

    #[inline(never)]
    fn prepare_start<B: Body + Send + 'static>(
        self: &Arc<Self>,
        room: Result<Room<Exchange<B>>>,
        how: &How<'_>,
        ops: B::Ops,
        mut body: B,
    ) -> Result<AsyncCall<Exchange<B>>>
    where
        B::Ops: Send,
        <B::Ops as Ops>::Res: Send,
    {
        let room = match room {
            Ok(room) => room,
            Err(err) => {
                body.finish(Err(err));
                return Err(err);
            }
        };
        let ops = (UNSENT, ops);
        let msg = message(&ops, how.cred, how.flags);
        Ok(room.detached(&msg, Exchange::new(self, how, ops, body)))
    }

    /// Settles with a lone SEQUENCE whether the server has seen the call that left a slot in doubt.
    pub(super) fn probe_slot(self: &Arc<Self>, slot: Slot) -> Result {
        self.count(Counter::SlotProbes);
        let how = self.how_own();
        let Ok(room) = Room::new() else {
            self.session().release(slot);
            return Err(ENOMEM);
        };
        let ops = (slot.sequence(false), ());
        let msg = message(&ops, how.cred, how.flags);
        let mut call = room.detached(&msg, Exchange::new(self, &how, ops, Probe));
        call.held = Some(slot);
        // If it cannot be started, the slot is given back with the call, still in doubt.
        call.start(how.rpc, &msg, self.registry().queue()).map(drop)
    }
}

/// The body of a probe: nothing but SEQUENCE, whose result the slot table looks at.
struct Probe;

impl Body for Probe {
    type Ops = ();

    fn class(&self) -> OpClass {
        OpClass::Sequence
    }

    fn finish(&mut self, _res: Result<()>) {}
}
