// SPDX-License-Identifier: GPL-2.0

//! The waves of locks: what was locked through opens that have just been had again is set again, too.
//!
//! A lock owner's first lock makes its lock stateid, which the others need. So there are two waves: the first lock of each owner, and
//! then the rest, all in as few calls as will do. Answers to `nfs4_reclaim_locks()`.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::{
    compound::{
        Batch,
        BatchItem, //
    },
    ops::{
        fh::Putfh,
        lock::Lock, //
    },
    recovery::{
        batch::{
            Fate,
            Outcome,
            Size, //
        },
        table::{
            OpClass,
            StateKind, //
        },
    },
    status::Status,
    types::{
        Fh,
        Stateid, //
    },
};

use super::wave::{
    Tried,
    Wave, //
};
use crate::client::{
    nfs_client::Client,
    observe::stats::Counter,
    recovery::lock_reclaim::{
        may_set_again,
        HeldLock, //
    },
    state::open_state::{
        OpenState,
        Recovery, //
    },
};

/// A lock on its way.
pub(super) struct LockItem {
    fh: Fh,
    lock: Lock<'static>,
    res: Option<core::result::Result<Stateid, Status>>,
}

impl BatchItem for LockItem {
    type Ops<'a> = (Putfh<&'a Fh>, Lock<'static>);
    type Res = (
        core::result::Result<(), Status>,
        core::result::Result<Stateid, Status>,
    );

    fn ops(&self) -> Self::Ops<'_> {
        let lock = Lock {
            denied: None,
            ..self.lock
        };
        (Putfh(&self.fh), lock)
    }

    fn done(&mut self, (putfh, lock): Self::Res) {
        self.res = Some(putfh.and(lock));
    }
}

impl Tried for LockItem {
    fn failed(&self) -> Option<Status> {
        self.res.and_then(core::result::Result::err)
    }
}

/// An open that is usable when its locks are set.
struct Pending {
    state: Arc<OpenState>,
    /// Locks not set yet.
    left: usize,
}

/// A lock to be set, of the pending open with this index.
struct Due {
    lock: HeldLock,
    pending: usize,
}

/// Locks to be set again.
pub(super) struct Locks {
    pending: KVVec<Pending>,
    due: KVVec<Due>,
    /// Those that wait for the first of their owner.
    rest: KVVec<Due>,
    mark: Recovery,
    class: OpClass,
    /// Some opens turn out to be unknown to the server.
    pub(super) nograce: bool,
}

impl Locks {
    /// Those of `states`, which have been opened again as they are marked. What may not be set again is lost at once. May sleep.
    pub(super) fn new(states: KVVec<Arc<OpenState>>, mark: Recovery) -> Result<Self> {
        let mut this = Self {
            pending: KVVec::with_capacity(states.len(), GFP_KERNEL)?,
            due: KVVec::new(),
            rest: KVVec::new(),
            mark,
            class: if mark == Recovery::Reboot {
                OpClass::LockReclaim
            } else {
                OpClass::LockExpired
            },
            nograce: false,
        };
        for state in states {
            let mut held = KVVec::new();
            state.collect_locks(&mut held)?;
            if mark != Recovery::Reboot && !may_set_again() {
                held.drain_all().for_each(|lock| lock.lost());
            }
            this.add(state, held)?;
        }
        Ok(this)
    }

    fn add(&mut self, state: Arc<OpenState>, held: KVVec<HeldLock>) -> Result {
        if held.is_empty() {
            state.recovered(self.mark);
            return Ok(());
        }
        let pending = self.pending.len();
        let left = held.len();
        let first = self.due.len();
        for lock in held {
            let of_file = self.due.get(first..).unwrap_or(&[]);
            // The owners of one file under one open.
            let known = of_file
                .iter()
                .any(|due| due.lock.owner_key() == lock.owner_key());
            let due = Due { lock, pending };
            if known || !due.lock.is_new() {
                self.rest.push(due, GFP_KERNEL)?;
            } else {
                self.due.push(due, GFP_KERNEL)?;
            }
        }
        self.pending.push(Pending { state, left }, GFP_KERNEL)?;
        Ok(())
    }

    fn due(&self, index: u32) -> Option<(&HeldLock, &Arc<OpenState>)> {
        let due = self.due.get(index as usize)?;
        Some((&due.lock, &self.pending.get(due.pending)?.state))
    }

    /// One lock less; the last one makes its open usable.
    fn settled(&mut self, index: u32) {
        let Some(due) = self.due.get(index as usize) else {
            return;
        };
        if let Some(pending) = self.pending.get_mut(due.pending) {
            pending.left = pending.left.saturating_sub(1);
            if pending.left == 0 {
                pending.state.recovered(self.mark);
            }
        }
    }
}

impl Client {
    /// Sets locks again. May sleep.
    pub(super) fn restore_locks(self: &Arc<Self>, locks: &mut Locks) -> Result<Outcome> {
        match self.run_wave(locks)? {
            Outcome::Over => {
                locks.due = core::mem::take(&mut locks.rest);
                self.run_wave(locks)
            }
            outcome => Ok(outcome),
        }
    }
}

impl Wave for Locks {
    type Item = LockItem;
    type Ops = (Batch<KVec<LockItem>>,);
    const KIND: StateKind = StateKind::Lock;

    fn class(&self) -> OpClass {
        self.class
    }

    fn len(&self) -> usize {
        self.due.len()
    }

    fn cred<'a>(&'a self, client: &'a Client, index: u32) -> &'a Credential {
        self.due(index)
            .map_or(client.cred(), |(_, state)| state.owner().cred())
    }

    fn item(&mut self, _client: &Client, index: u32) -> Option<LockItem> {
        let (lock, state) = self.due(index)?;
        if state.recovery() != self.mark {
            return None;
        }
        Some(LockItem {
            fh: *state.fh(),
            lock: lock.args(self.mark == Recovery::Reboot).ok()?,
            res: None,
        })
    }

    fn size(item: &LockItem) -> Size {
        Size::of(&item.ops())
    }

    fn done(&mut self, client: &Arc<Client>, index: u32, item: &LockItem) {
        if let (Some((lock, _)), Some(Ok(stateid))) = (self.due(index), item.res) {
            lock.done(stateid);
            client.count(match self.mark {
                Recovery::Reboot => Counter::LocksReclaimed,
                _ => Counter::LocksRetaken,
            });
        }
        self.settled(index);
    }

    fn failed(&mut self, _client: &Arc<Client>, index: u32, fate: Fate, _status: Status) {
        let Some((lock, state)) = self.due(index) else {
            return;
        };
        match fate {
            // It was unlocked meanwhile; or the whole open is lost, and with it what is held through it.
            Fate::Done if state.recovery() == self.mark => lock.settle(),
            Fate::Done => {}
            Fate::Nograce => {
                let new = state.mark(Recovery::Reopen);
                self.nograce |= new;
            }
            Fate::GiveUp => lock.lost(),
        }
        self.settled(index);
    }
}
