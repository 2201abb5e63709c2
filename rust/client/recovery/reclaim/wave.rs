// SPDX-License-Identifier: GPL-2.0

//! A wave: the same thing done to many states, with many of them in a call and many calls in flight.
//!
//! What goes next and what becomes of each is [`rnfs4_proto::recovery::batch`]'s to say. Here calls are sent and replies
//! waited for, by the state manager's thread alone: it fills all slots and takes the replies in the order of the calls.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use rnfs4_proto::{
    compound::{
        Batch,
        BatchItem,
        Ops, //
    },
    recovery::{
        batch::{
            meaning,
            Entry,
            Fate,
            Next,
            Outcome,
            Packer,
            Room,
            Schedule,
            Size,
            Trouble, //
        },
        table::{
            Action,
            OpClass,
            StateKind, //
        },
    },
    status::Status, //
};

use crate::{
    client::{
        call::exchange::{
            Body,
            Exchange,
            How, //
        },
        nfs_client::Client,
    },
    sys::{
        sunrpc::Started,
        time::now_ms, //
    },
};

/// Most bytes of arguments, or of results, of one call: sunrpc keeps both in one piece of contiguous memory.
const MAX_BYTES: usize = 12 << 10;
/// Room left in a message for headers, credential and SEQUENCE, in bytes.
const OVERHEAD: usize = 1024;
/// How often, in milliseconds, those that sleep for their state's recovery are let look while a wave goes on. Each time all of
/// them look.
const WAKE_MS: u64 = 20;

/// What is to be done to many states: items known by their index.
pub(super) trait Wave {
    /// One item on its way.
    type Item: Send + 'static;
    /// The operations for some of them.
    type Ops: Pack<Self::Item> + Ops<Res: Send> + Send + 'static;
    /// Whose stateids are at stake.
    const KIND: StateKind;

    /// Which errors may come, and what they mean.
    fn class(&self) -> OpClass;

    /// How many items there are.
    fn len(&self) -> usize;

    /// Most items in a call.
    fn most(&self) -> usize {
        usize::MAX
    }

    /// On whose behalf an item is sent.
    fn cred<'a>(&'a self, client: &'a Client, index: u32) -> &'a Credential;

    /// Makes an item ready to be sent, as things are now; `None` if there is nothing to be done (any more).
    fn item(&mut self, client: &Client, index: u32) -> Option<Self::Item>;

    /// What an item needs in a call.
    fn size(item: &Self::Item) -> Size;

    /// An item is done.
    fn done(&mut self, client: &Arc<Client>, index: u32, item: &Self::Item);

    /// An item has ended otherwise. [`Fate::Done`] with [`Status::OK`] is that of one that needed no call.
    fn failed(&mut self, client: &Arc<Client>, index: u32, fate: Fate, status: Status);
}

/// The operations for several items, in one call.
pub(super) trait Pack<I>: Ops {
    /// Makes them.
    fn pack(items: KVec<I>) -> Self;

    /// The items again.
    fn unpack(&mut self) -> KVec<I>;

    /// How many of `items` the server has done, and the status of the one that failed.
    fn reply(res: Self::Res, items: &[I]) -> (usize, Option<Status>);

    /// How many of `items` a status speaks of.
    fn hit(_items: usize) -> usize {
        1
    }
}

/// An item of a [`Batch`], which knows how it went.
pub(super) trait Tried: BatchItem {
    /// Why the server did not do it.
    fn failed(&self) -> Option<Status>;
}

impl<I: Tried> Pack<I> for (Batch<KVec<I>>,) {
    fn pack(items: KVec<I>) -> Self {
        (Batch(items),)
    }

    fn unpack(&mut self) -> KVec<I> {
        core::mem::take(&mut self.0 .0)
    }

    fn reply((begun,): Self::Res, items: &[I]) -> (usize, Option<Status>) {
        let last = begun.checked_sub(1).and_then(|last| items.get(last));
        match last.and_then(Tried::failed) {
            Some(status) => (begun - 1, Some(status)),
            None => (begun, None),
        }
    }
}

/// The body of a call: keeps what came, for the thread.
struct BatchBody<O: Ops> {
    class: OpClass,
    res: Option<Result<O::Res>>,
    refused: Option<Status>,
}

impl<O: Ops> Body for BatchBody<O> {
    type Ops = O;

    fn class(&self) -> OpClass {
        self.class
    }

    fn is_batch(&self) -> bool {
        true
    }

    fn sequence_failed(&mut self, status: Status) {
        self.refused = Some(status);
    }

    fn finish(&mut self, res: Result<O::Res>) {
        self.res = Some(res);
    }
}

/// A call in flight, with the indices of its items.
struct Call<W: Wave> {
    started: Started<Exchange<BatchBody<W::Ops>>>,
    items: KVec<u32>,
}

/// A reply: how many items are done, and why the next one is not.
struct Reply<I> {
    items: KVec<I>,
    done: usize,
    trouble: Option<Trouble>,
}

impl<W: Wave> Call<W> {
    /// Waits for the reply. May sleep.
    fn reply(self) -> (KVec<u32>, Reply<W::Item>) {
        let none = Reply {
            items: KVec::new(),
            done: 0,
            trouble: Some(Trouble::NoReply),
        };
        let Ok(mut ended) = self.started.wait() else {
            return (self.items, none);
        };
        let (ops, body) = ended.parts_mut();
        let items = ops.unpack();
        let (done, trouble) = match (body.res.take(), body.refused) {
            (_, Some(status)) => (0, Some(Trouble::Call(status))),
            (Some(Ok(res)), None) => {
                let (done, status) = W::Ops::reply(res, &items);
                (done, status.map(Trouble::Item))
            }
            (Some(Err(err)), None) if err == EBADMSG => (0, Some(Trouble::Malformed)),
            _ => (0, Some(Trouble::NoReply)),
        };
        let reply = Reply {
            items,
            done,
            trouble,
        };
        (self.items, reply)
    }
}

/// The calls in flight, in their order: a ring.
struct Flight<W: Wave> {
    ring: KVec<Option<Call<W>>>,
    oldest: usize,
    len: usize,
}

impl<W: Wave> Flight<W> {
    fn new(window: usize) -> Result<Self> {
        let mut ring = KVec::with_capacity(window, GFP_KERNEL)?;
        for _ in 0..window {
            ring.push(None, GFP_KERNEL)?;
        }
        Ok(Self {
            ring,
            oldest: 0,
            len: 0,
        })
    }

    /// There must be room: the schedule keeps to the window.
    fn push(&mut self, call: Call<W>) {
        let at = (self.oldest + self.len) % self.ring.len().max(1);
        if let Some(place) = self.ring.get_mut(at) {
            *place = Some(call);
            self.len += 1;
        }
    }

    fn pop(&mut self) -> Option<Call<W>> {
        let call = self.ring.get_mut(self.oldest)?.take()?;
        self.oldest = (self.oldest + 1) % self.ring.len();
        self.len -= 1;
        Some(call)
    }
}

impl Client {
    /// Does to all items of `wave` what it is about. The error is that of a lack of memory, or `ESHUTDOWN` when the client is
    /// leaving; calls in flight then run on by themselves. May sleep.
    pub(super) fn run_wave<W: Wave>(self: &Arc<Self>, wave: &mut W) -> Result<Outcome> {
        if wave.len() == 0 {
            return Ok(Outcome::Over);
        }
        let entries = KVVec::from_elem(Entry::NEW, wave.len(), GFP_KERNEL)?;
        let mut plan = Schedule::new(entries, wave.most());
        let window = self.session().slots() as usize;
        let mut flight = Flight::new(window)?;
        let mut woken_ms = now_ms();
        loop {
            if self.is_leaving() {
                return Err(ESHUTDOWN);
            }
            match plan.next(now_ms(), window) {
                Next::Send => self.send_batch(wave, &mut plan, &mut flight),
                Next::Receive => {
                    let Some(call) = flight.pop() else {
                        return Err(EIO);
                    };
                    self.receive(wave, &mut plan, call);
                }
                Next::Sleep(ms) => self.nap(ms, |_| false),
                Next::Finish(outcome) => return Ok(outcome),
            }
            if now_ms().saturating_sub(woken_ms) >= WAKE_MS {
                self.wake_recovered();
                woken_ms = now_ms();
            }
        }
    }

    /// What a call may hold.
    pub(in crate::client) fn room(&self) -> Room {
        let limits = self.session().limits();
        let bytes = |most: u32| (most as usize).saturating_sub(OVERHEAD).min(MAX_BYTES);
        Room {
            ops: limits.max_ops.saturating_sub(1),
            args: bytes(limits.max_request),
            res: bytes(limits.max_response),
        }
    }

    /// Sends the next call, if any item needs one.
    fn send_batch<W: Wave>(
        self: &Arc<Self>,
        wave: &mut W,
        plan: &mut Schedule<KVVec<Entry>>,
        flight: &mut Flight<W>,
    ) {
        let Some(first) = plan.peek() else { return };
        let cred: ARef<Credential> = ARef::from(wave.cred(self, first));
        let mut packer = Packer::new(self.room(), plan.most());
        let (mut items, mut indices) = (KVec::new(), KVec::new());
        let mut no_memory = false;
        while let Some(index) = plan.peek() {
            if !core::ptr::eq(wave.cred(self, index), &*cred) {
                break;
            }
            let Some(item) = wave.item(self, index) else {
                plan.take();
                plan.ended();
                wave.failed(self, index, Fate::Done, Status::OK);
                continue;
            };
            if !packer.add(W::size(&item)) {
                break;
            }
            no_memory = indices.push(index, GFP_KERNEL).is_err();
            if no_memory {
                break;
            }
            plan.take();
            no_memory = items.push(item, GFP_KERNEL).is_err();
            if no_memory {
                break;
            }
        }
        if no_memory {
            return plan.not_sent(&indices);
        }
        if indices.is_empty() {
            return;
        }
        let how = How {
            cred: &cred,
            ..self.how_privileged()
        };
        let body = BatchBody {
            class: wave.class(),
            res: None,
            refused: None,
        };
        match self.start(how, W::Ops::pack(items), body) {
            Ok(started) => {
                plan.sent();
                flight.push(Call {
                    started,
                    items: indices,
                });
            }
            Err(_) => plan.not_sent(&indices),
        }
    }

    /// Waits for the reply to `call` and does what it says.
    fn receive<W: Wave>(
        self: &Arc<Self>,
        wave: &mut W,
        plan: &mut Schedule<KVVec<Entry>>,
        call: Call<W>,
    ) {
        let (indices, reply) = call.reply();
        let (action, status) = match reply.trouble {
            None => (Action::Done, Status::OK),
            Some(trouble) => (
                meaning(trouble, wave.class(), W::KIND, indices.len()),
                match trouble {
                    Trouble::Item(status) | Trouble::Call(status) => status,
                    Trouble::Malformed | Trouble::NoReply => Status::IO,
                },
            ),
        };
        let hit = match reply.trouble {
            None => 0,
            Some(_) => W::Ops::hit(indices.len()),
        };
        // Grace is everybody's.
        let global = status == Status::GRACE;
        let fate = plan.replied(&indices, reply.done, hit, action, global, now_ms());
        for (&index, item) in indices.iter().zip(&reply.items).take(reply.done) {
            wave.done(self, index, item);
        }
        if let Some(fate) = fate {
            for &index in indices.iter().skip(reply.done).take(hit) {
                wave.failed(self, index, fate, status);
            }
        }
    }
}
