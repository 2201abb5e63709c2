// SPDX-License-Identifier: GPL-2.0

//! Many items in few calls: what goes into a call, and what becomes of each item.
//!
//! A pass of the state manager has a list of items (opens, locks, stateids) each of which is to be sent
//! and to end once. They go out as COMPOUNDs of many, several at a time; the server works on a
//! COMPOUND up to the first item that fails. [`Packer`] says how much fits into one, [`Schedule`] what
//! is next, [`meaning`] what a reply says of an item.
//!
//! The C client sends one operation at a time and waits for it.
//!
//! Pure: the caller owns the items and knows them by their index; the schedule keeps a few words for
//! each. All of it is linear in the number of items.

use core::ops::DerefMut;

use super::{
    backoff::Backoff,
    table::{
        decide,
        decide_malformed,
        decide_no_reply,
        Action,
        Need,
        OpClass,
        StateKind, //
    },
};
use crate::{
    compound::Ops,
    status::Status, //
};

/// How long an item is tried again that is not to be tried for ever, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// What a call may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Room {
    /// Operations.
    pub ops: u32,
    /// Bytes of arguments.
    pub args: usize,
    /// Bytes of results.
    pub res: usize,
}

/// What an item needs in a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Size {
    /// Operations.
    pub ops: u32,
    /// Bytes of arguments, at most.
    pub args: usize,
    /// Bytes of results as they usually are, at most.
    pub res: usize,
    /// Bytes by which the last of a call's results may be larger.
    pub more: usize,
}

impl Size {
    /// That of an item with these operations of its own.
    pub fn of<O: Ops>(item: &O) -> Self {
        let res = item.batch_len();
        Self {
            ops: item.count(),
            args: item.args_len(),
            res,
            more: item.res_len().saturating_sub(res),
        }
    }
}

/// Fills one call.
#[derive(Clone, Copy, Debug)]
pub struct Packer {
    left: Room,
    /// Room kept for the one result that is larger than usual.
    more: usize,
    items: usize,
    most: usize,
}

impl Packer {
    /// An empty call with `room` for at most `most` items.
    pub const fn new(room: Room, most: usize) -> Self {
        Self {
            left: room,
            more: 0,
            items: 0,
            most,
        }
    }

    /// Adds one item. False if there is no room for it; a call's first item is always taken, as it could
    /// not be sent otherwise.
    pub fn add(&mut self, item: Size) -> bool {
        let more = self.more.max(item.more);
        let fits = self.items < self.most
            && self.left.ops >= item.ops
            && self.left.args >= item.args
            && self.left.res >= item.res + more;
        if self.items > 0 && !fits {
            return false;
        }
        self.items += 1;
        self.left.ops = self.left.ops.saturating_sub(item.ops);
        self.left.args = self.left.args.saturating_sub(item.args);
        self.left.res = self.left.res.saturating_sub(item.res);
        self.more = more;
        true
    }

    /// How many items are in.
    pub fn items(&self) -> usize {
        self.items
    }
}

/// Why a call did not do all of its items.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// An operation of an item failed.
    Item(Status),
    /// The call was refused before its first item.
    Call(Status),
    /// A reply came that could not be understood.
    Malformed,
    /// No reply came.
    NoReply,
}

/// What `trouble` in a call of `class` with `items` items means for the item it is about.
pub fn meaning(trouble: Trouble, class: OpClass, state: StateKind, items: usize) -> Action {
    let alone = items <= 1;
    match trouble {
        // Out of breath in the middle of many operations.
        Trouble::Item(Status::RESOURCE) | Trouble::Call(Status::RESOURCE) if !alone => {
            Action::Split
        }
        Trouble::Item(status) => decide(status, class, state),
        // It was SEQUENCE that failed: nothing is said of any item.
        Trouble::Call(status) => match decide(status, class, state) {
            Action::Split if !alone => Action::Split,
            action @ (Action::Recover(_) | Action::Delay | Action::Retry) => action,
            _ => decide(status, OpClass::Sequence, StateKind::None),
        },
        // One of them is to blame.
        Trouble::Malformed if !alone => Action::Split,
        Trouble::Malformed => decide_malformed(class),
        Trouble::NoReply => decide_no_reply(class),
    }
}

/// What becomes of an item that was not done. It is the schedule's no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It counts as done.
    Done,
    /// It cannot be reclaimed, but perhaps had anew.
    Nograce,
    /// It is lost.
    GiveUp,
}

/// How a pass ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Every item has ended.
    Over,
    /// Nothing can be reclaimed any more; what has not ended is left as it was.
    End,
    /// Something else comes first; what has not ended is left as it was.
    BrokenOff(Need),
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Send a call.
    Send,
    /// Wait for a reply.
    Receive,
    /// Wait so many milliseconds; nothing is in flight.
    Sleep(u32),
    /// Nothing: the pass is over, and nothing is in flight.
    Finish(Outcome),
}

const NIL: u32 = u32::MAX;

/// What the schedule keeps for an item.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The next item in the same list.
    next: u32,
    /// Since when the item is told to wait; 0 if it never was.
    refused_ms: u64,
}

impl Entry {
    /// An item that nothing has happened to.
    pub const NEW: Self = Self {
        next: NIL,
        refused_ms: 0,
    };
}

/// A list of items, linked through their entries.
#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

impl List {
    const EMPTY: Self = Self {
        first: NIL,
        last: NIL,
    };

    fn is_empty(&self) -> bool {
        self.first == NIL
    }
}

/// The order in which the items of a pass are sent.
///
/// A pass goes in rounds. In a round each item is sent once, in order, but for those that the server has
/// told to wait: these come in the next round, after a back-off that grows as long as no round gets
/// anywhere. Who waits holds up nobody else.
#[derive(Debug)]
pub struct Schedule<E> {
    entries: E,
    /// To be sent in this round.
    ready: List,
    /// To be sent in the next round.
    later: List,
    /// Calls without a reply.
    in_flight: usize,
    /// Most items in a call.
    most: usize,
    /// This round sends no more.
    paused: bool,
    /// An item has ended in this round.
    progress: bool,
    fruitless: Backoff,
    not_before_ms: u64,
    stop: Option<Outcome>,
}

impl<E: DerefMut<Target = [Entry]>> Schedule<E> {
    /// All items are to be sent, in the order of their indices, at most `most` in a call.
    pub fn new(mut entries: E, most: usize) -> Self {
        let len = entries.len().min(NIL as usize) as u32;
        for (i, entry) in (1..).zip(entries.iter_mut()) {
            *entry = Entry {
                next: if i < len { i } else { NIL },
                ..Entry::NEW
            };
        }
        let ready = match len.checked_sub(1) {
            Some(last) => List { first: 0, last },
            None => List::EMPTY,
        };
        Self {
            entries,
            ready,
            later: List::EMPTY,
            in_flight: 0,
            most: most.max(1),
            paused: false,
            progress: false,
            fruitless: Backoff::default(),
            not_before_ms: 0,
            stop: None,
        }
    }

    /// What is to be done at time `now_ms`, if `window` calls may be in flight.
    pub fn next(&mut self, now_ms: u64, window: usize) -> Next {
        if let (Some(outcome), 0) = (self.stop, self.in_flight) {
            return Next::Finish(outcome);
        }
        let may_send = self.stop.is_none() && !self.paused && !self.ready.is_empty();
        if may_send && self.in_flight < window.max(1) {
            return match self.not_before_ms.saturating_sub(now_ms) {
                0 => Next::Send,
                ms => Next::Sleep(u32::try_from(ms).unwrap_or(u32::MAX)),
            };
        }
        if self.in_flight > 0 {
            return Next::Receive;
        }
        if self.ready.is_empty() && self.later.is_empty() {
            return Next::Finish(Outcome::Over);
        }
        self.begin_round(now_ms)
    }

    fn begin_round(&mut self, now_ms: u64) -> Next {
        let later = core::mem::replace(&mut self.later, List::EMPTY);
        self.append(true, later);
        if core::mem::take(&mut self.progress) {
            self.fruitless.reset();
        }
        self.paused = false;
        let wait = self.fruitless.failed();
        self.not_before_ms = now_ms.saturating_add(wait.into());
        Next::Sleep(wait)
    }

    /// The item to be sent next.
    pub fn peek(&self) -> Option<u32> {
        (self.ready.first != NIL).then_some(self.ready.first)
    }

    /// Takes that item out: it goes into the call that is being made, or has [ended](Self::ended).
    pub fn take(&mut self) -> Option<u32> {
        let index = self.peek()?;
        self.ready.first = self.entry(index)?.next;
        if self.ready.first == NIL {
            self.ready.last = NIL;
        }
        Some(index)
    }

    /// Most items of a call.
    pub fn most(&self) -> usize {
        self.most
    }

    /// A call with items that were taken is in flight.
    pub fn sent(&mut self) {
        self.in_flight += 1;
    }

    /// The item that was taken last ended without being sent.
    pub fn ended(&mut self) {
        self.progress = true;
    }

    /// A call with the items `taken` could not be made: they are the next again, but not before what is in
    /// flight has come back.
    pub fn not_sent(&mut self, taken: &[u32]) {
        self.again(taken);
        self.paused = true;
    }

    /// The item that was taken last cannot go out before what is in flight has come back.
    pub fn postpone(&mut self, index: u32) {
        self.chain(false, &[index], 0);
    }

    /// The reply to a call came, or will never come. Of its items `sent` the first `done` are done; of
    /// the `hit` ones behind them `action` says what the reply means; the rest is as if it had not been
    /// sent. `global` is for a delay that would meet every other item as well.
    ///
    /// Returns what becomes of those that were hit, if they end with that.
    pub fn replied(
        &mut self,
        sent: &[u32],
        done: usize,
        hit: usize,
        action: Action,
        global: bool,
        now_ms: u64,
    ) -> Option<Fate> {
        self.in_flight = self.in_flight.saturating_sub(1);
        let (done, rest) = sent.split_at_checked(done).unwrap_or((sent, &[]));
        let (hit, rest) = rest.split_at_checked(hit).unwrap_or((rest, &[]));
        self.progress |= !done.is_empty();
        if hit.is_empty() {
            self.again(rest);
            return None;
        }
        let fate = match action {
            Action::EndReboot => return self.stop(Outcome::End),
            Action::Recover(need) => return self.stop(Outcome::BrokenOff(need)),
            Action::Split if sent.len() > 1 => {
                self.most = self.most.min(sent.len() / 2).max(1);
                self.again(rest);
                self.again(hit);
                return None;
            }
            Action::Delay | Action::Retry => None,
            Action::DelayThenFail | Action::Refresh => {
                let patient = hit.first().is_some_and(|&i| self.is_patient(i, now_ms));
                (!patient).then_some(Fate::GiveUp)
            }
            Action::Done => Some(Fate::Done),
            Action::Nograce => Some(Fate::Nograce),
            Action::BadContext
            | Action::LostLock
            | Action::Split
            | Action::State
            | Action::Reopen
            | Action::Free
            | Action::Fail => Some(Fate::GiveUp),
        };
        match fate {
            Some(_) => {
                self.progress = true;
                self.again(rest);
            }
            None => {
                self.paused |= global;
                // To meet an item that has to wait, once, is to get on with the list.
                let news = hit.iter().any(|&i| self.is_news(i));
                self.progress |= news && !global;
                if done.is_empty() {
                    // The next would most likely meet the same. It goes first next time: if it was only this
                    // one, it holds up nobody more than once.
                    self.chain(false, rest, 0);
                } else {
                    self.again(rest);
                }
                self.chain(false, hit, now_ms.max(1));
            }
        }
        fate
    }

    /// The pass ends when what is in flight has come back.
    fn stop(&mut self, outcome: Outcome) -> Option<Fate> {
        // To break off loses nothing: whatever else was said will be said again.
        if !matches!(self.stop, Some(Outcome::BrokenOff(_))) {
            self.stop = Some(outcome);
        }
        None
    }

    fn is_news(&self, index: u32) -> bool {
        self.entry(index).is_some_and(|entry| entry.refused_ms == 0)
    }

    fn is_patient(&self, index: u32, now_ms: u64) -> bool {
        let since = self.entry(index).map_or(0, |entry| entry.refused_ms);
        since == 0 || now_ms.saturating_sub(since) < PATIENCE_MS
    }

    fn entry(&self, index: u32) -> Option<&Entry> {
        self.entries.get(index as usize)
    }

    /// These are the next to be sent.
    fn again(&mut self, items: &[u32]) {
        let old = core::mem::replace(&mut self.ready, List::EMPTY);
        self.chain(true, items, 0);
        self.append(true, old);
    }

    /// Appends items to a list; `refused_ms` is when they were told to wait, or 0.
    fn chain(&mut self, ready: bool, items: &[u32], refused_ms: u64) {
        for &index in items {
            let Some(entry) = self.entries.get_mut(index as usize) else {
                continue;
            };
            entry.next = NIL;
            if entry.refused_ms == 0 {
                entry.refused_ms = refused_ms;
            }
            let one = List {
                first: index,
                last: index,
            };
            self.append(ready, one);
        }
    }

    fn append(&mut self, ready: bool, more: List) {
        if more.is_empty() {
            return;
        }
        let list = if ready {
            &mut self.ready
        } else {
            &mut self.later
        };
        match self.entries.get_mut(list.last as usize) {
            Some(last) => {
                last.next = more.first;
                list.last = more.last;
            }
            None => *list = more,
        }
    }
}
