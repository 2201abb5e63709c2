// SPDX-License-Identifier: GPL-2.0

//! The session: the slot table of the fore channel behind its lock, and the tasks that wait for a slot.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock,
    time::Jiffies, //
};
use rnfs4_proto::{
    ops::session::{
        Sequence,
        SequenceRes, //
    },
    session::{
        SeqAction,
        SeqOutcome,
        SlotGrant,
        SlotTable, //
    },
    types::SessionId,
};

use crate::sys::{
    sunrpc::{
        RpcWaitQueue,
        Task, //
    },
    wait::WaitQueue,
};

/// Most slots asked for, as `max_session_slots` of the C client.
pub(crate) use rnfs4_proto::session::MAX_SLOTS;

/// A slot in use, and the session it belongs to.
pub(crate) struct Slot {
    grant: SlotGrant,
    session: SessionId,
    /// The table has been told the outcome; only the call's own work is left.
    told: bool,
    /// Its connection broke: the call waits for another.
    parked: bool,
}

impl Slot {
    /// The SEQUENCE that a compound on this slot begins with.
    pub(crate) fn sequence(&self, cache_this: bool) -> Sequence {
        Sequence {
            sessionid: self.session,
            seqid: self.grant.seqid,
            slot: self.grant.slot,
            highest_slot: self.grant.highest_slot,
            cache_this,
        }
    }
}

/// What a call that wants a slot gets.
pub(crate) enum Acquired {
    /// A slot.
    Slot(Slot),
    /// A slot whose last call got no reply: a lone SEQUENCE is to be sent on it before anybody uses it.
    InDoubt(Slot),
    /// Nothing yet: the task sleeps until there may be one.
    Sleeping,
    /// The same, and the task is recovery's, which the calls wait for that have the slots: they are to go on, if there is a connection,
    /// or recovery is to see to one first.
    Blocked,
}

/// What becomes of a parked call ([`Session::unpark`]).
pub(crate) enum Unparked {
    /// It is sent again as it was.
    GoOn,
    /// It sleeps on.
    Sleeping,
    /// Its session is gone: it is to be sent as a new call, on another slot.
    Gone,
}

/// What limits the size of a compound: the fore channel's attributes as negotiated.
#[derive(Clone, Copy, Default)]
pub(crate) struct Limits {
    /// Largest request in bytes, RPC header included.
    pub(crate) max_request: u32,
    /// Largest reply in bytes, RPC header included.
    pub(crate) max_response: u32,
    /// Most operations in a compound, SEQUENCE included.
    pub(crate) max_ops: u32,
}

/// A session at one moment, for who wants to see.
pub(in crate::client) struct Look {
    pub(in crate::client) id: SessionId,
    pub(in crate::client) limits: Limits,
    /// Calls in flight.
    pub(in crate::client) in_use: u32,
    /// How many there may be.
    pub(in crate::client) target: u32,
    /// Only recovery gets slots.
    pub(in crate::client) draining: bool,
}

struct Inner {
    id: SessionId,
    limits: Limits,
    table: SlotTable,
    /// Calls whose slot is free again but whose reply is still being acted on.
    finishing: u32,
    /// Why no call gets through any more.
    closed: Option<Error>,
}

impl Inner {
    fn is_drained(&self) -> bool {
        self.table.is_drained() && self.finishing == 0
    }
}

/// A client's session (`struct nfs4_session`). The lock is a spinlock, held for a few instructions; sunrpc's queue lock nests
/// inside it.
#[pin_data]
pub(crate) struct Session {
    #[pin]
    inner: SpinLock<Inner>,
    /// Tasks without a slot.
    #[pin]
    slot_queue: RpcWaitQueue,
    /// Whoever waits for the table to be drained.
    #[pin]
    drained: WaitQueue,
}

impl Session {
    /// No session yet: every task waits.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- new_spinlock!(Inner {
                id: SessionId([0; 16]),
                limits: Limits::default(),
                table: SlotTable::new(),
                finishing: 0,
                closed: None,
            }),
            slot_queue <- RpcWaitQueue::new(c"rnfs4 slot"),
            drained <- WaitQueue::new(),
        })
    }

    /// A slot for the task whose `prepare` is running. `privileged` calls are those of recovery itself, which go on while the
    /// table drains; a `lone` call is nothing but SEQUENCE. An error once the session is closed for good.
    ///
    /// A task that is put to sleep comes back after `at_most`.
    pub(crate) fn acquire(
        &self,
        task: &Task,
        privileged: bool,
        lone: bool,
        at_most: Option<Jiffies>,
    ) -> Result<Acquired> {
        let mut inner = self.inner.lock();
        match inner.closed {
            Some(err) if !privileged => return Err(err),
            _ => {}
        }
        let Some(grant) = inner.table.alloc(privileged, lone) else {
            // Under the lock: who frees a slot, or parks, takes it before he wakes the queue.
            self.slot_queue.sleep(task, privileged, at_most);
            if privileged && inner.table.is_blocked() {
                inner.table.end_drain();
                return Ok(Acquired::Blocked);
            }
            return Ok(Acquired::Sleeping);
        };
        let slot = Slot {
            grant,
            session: inner.id,
            told: false,
            parked: false,
        };
        Ok(if grant.probe && !lone {
            Acquired::InDoubt(slot)
        } else {
            Acquired::Slot(slot)
        })
    }

    /// Tells the table how the SEQUENCE on `slot` went. Unless the same call is to be sent again, the slot is free for others
    /// from now on; but recovery does not begin before the caller has acted on the reply and [`release`](Self::release)d it.
    pub(crate) fn done(&self, slot: &mut Slot, outcome: SeqOutcome<'_>) -> SeqAction {
        let (action, more) = {
            let mut inner = self.inner.lock();
            let limit = inner.table.limit();
            let action = inner.table.done(slot.grant, outcome);
            if matches!(action, SeqAction::RetrySameSlot { .. }) {
                return action;
            }
            if matches!(action, SeqAction::ResetSession | SeqAction::BindConn) {
                // Nobody else needs to try.
                inner.table.begin_drain();
            }
            inner.finishing += 1;
            slot.told = true;
            (action, inner.table.limit() > limit)
        };
        if more {
            // The server allows more slots than before: there are some for others, too.
            self.slot_queue.wake_all();
        } else {
            self.slot_queue.wake_next();
        }
        action
    }

    /// The connection broke under the call on `slot`, which keeps the slot and waits for another connection; recovery does not
    /// wait for it.
    pub(crate) fn park(&self, slot: &mut Slot) {
        let drained = {
            let mut inner = self.inner.lock();
            inner.table.park(slot.grant);
            slot.parked = true;
            inner.is_drained()
        };
        if drained {
            self.drained.wake_all();
        }
    }

    /// A call that was parked sleeps now. Recovery may wait for a slot already, and not know yet that there will be none.
    pub(crate) fn has_parked(&self) {
        if self.inner.lock().table.is_blocked() {
            self.slot_queue.wake_next();
        }
    }

    /// What becomes of a parked call: the task goes on with its slot, or sleeps on `queue` while the table drains, or needs
    /// another slot.
    pub(crate) fn unpark(
        &self,
        slot: &mut Slot,
        task: &Task,
        queue: &RpcWaitQueue,
        at_most: Option<Jiffies>,
    ) -> Unparked {
        let mut inner = self.inner.lock();
        if !slot.parked {
            return Unparked::GoOn;
        }
        if inner.table.is_draining() {
            // Under the lock: the drain ends before the queue is woken.
            queue.sleep(task, false, at_most);
            return Unparked::Sleeping;
        }
        slot.parked = false;
        match inner.table.unpark(slot.grant) {
            true => Unparked::GoOn,
            false => Unparked::Gone,
        }
    }

    /// Ends the use of a slot.
    pub(crate) fn release(&self, slot: Slot) {
        let drained = {
            let mut inner = self.inner.lock();
            if slot.told {
                inner.finishing -= 1;
            } else {
                // Only parked calls may have gone out.
                let was_sent = slot.parked;
                let _ = inner
                    .table
                    .done(slot.grant, SeqOutcome::NoReply { was_sent });
            }
            inner.is_drained()
        };
        if drained {
            self.drained.wake_all();
        }
        if !slot.told {
            self.slot_queue.wake_next();
        }
    }

    /// A call without a slot ends, or waits for something else. It may have been woken for one: somebody else can have that.
    pub(crate) fn pass_on(&self) {
        self.slot_queue.wake_next();
    }

    /// Has every task without a slot look whether it still wants one. Any context.
    pub(crate) fn wake_waiting(&self) {
        self.slot_queue.wake_all();
    }

    /// Whether only recovery gets slots.
    pub(crate) fn is_draining(&self) -> bool {
        self.inner.lock().table.is_draining()
    }

    /// From now on only privileged calls get slots.
    pub(crate) fn begin_drain(&self) {
        self.inner.lock().table.begin_drain();
    }

    /// Waits until no call is in flight. Killable, and given up when `stop` says so.
    pub(crate) fn wait_drained(&self, mut stop: impl FnMut() -> bool) {
        loop {
            let wait = self
                .drained
                .wait_idle_timeout(kernel::time::msecs_to_jiffies(1000), || {
                    self.inner.lock().is_drained() || stop()
                });
            if wait == crate::sys::wait::Waited::True {
                return;
            }
        }
    }

    /// Lets everybody go on.
    pub(crate) fn end_drain(&self) {
        self.inner.lock().table.end_drain();
        self.slot_queue.wake_all();
    }

    /// Installs a new session. The table must be drained.
    pub(crate) fn establish(&self, id: SessionId, slots: u32, limits: Limits) {
        let mut inner = self.inner.lock();
        inner.id = id;
        inner.limits = limits;
        inner.table.reset(slots);
    }

    /// The session's id.
    pub(crate) fn id(&self) -> SessionId {
        self.inner.lock().id
    }

    /// What there is now.
    pub(in crate::client) fn look(&self) -> Look {
        let inner = self.inner.lock();
        Look {
            id: inner.id,
            limits: inner.limits,
            in_use: inner.table.in_use(),
            target: inner.table.limit(),
            draining: inner.table.is_draining(),
        }
    }

    /// The negotiated limits.
    pub(crate) fn limits(&self) -> Limits {
        self.inner.lock().limits
    }

    /// How many calls may be in flight; at least one.
    pub(crate) fn slots(&self) -> u32 {
        self.inner.lock().table.limit()
    }

    /// No call but recovery's gets a slot any more; those that wait end with `err`.
    pub(crate) fn close(&self, err: Error) {
        self.inner.lock().closed = Some(err);
        self.slot_queue.wake_all();
    }
}

/// A reply to SEQUENCE as the slot table wants to hear of it.
pub(crate) fn outcome<'a>(
    reply: Option<&'a core::result::Result<SequenceRes, rnfs4_proto::status::Status>>,
    malformed: bool,
    was_sent: bool,
) -> SeqOutcome<'a> {
    match reply {
        _ if malformed => SeqOutcome::Malformed,
        Some(res) => SeqOutcome::Replied(res.as_ref().map_err(|s| *s)),
        None => SeqOutcome::NoReply { was_sent },
    }
}
