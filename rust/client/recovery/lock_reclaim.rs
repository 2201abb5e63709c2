// SPDX-License-Identifier: GPL-2.0

//! Byte-range locks in recovery: which there are to be set again, and what becomes of them.
//!
//! What is held is read from the VFS's lists; sending is [`super::reclaim`]'s. After the server's restart, or where it has lost
//! the open, all lock stateids of the open are gone. Where it has taken away some, only what was locked by these is lost: the C client
//! gives up every lock it has. Answers to `nfs4_reclaim_locks()` and `nfs41_lock_expired()`.

use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use rnfs4_proto::{
    ops::lock::Lock,
    types::Stateid, //
};

use crate::{
    client::state::{
        lock::give_back,
        lock_state::{
            wire_range,
            wire_type,
            LockState, //
        },
        open_state::OpenState,
    },
    sys::fs::HeldRange,
};

/// Whether a lock that was lost may be set again, although others may have changed the data meanwhile: the module parameter
/// `recover_lost_locks`, as nfs4.ko has it.
pub(in crate::client) fn may_set_again() -> bool {
    crate::module_parameters::recover_lost_locks.value()
}

/// A lock of an open state that recovery has to set again.
///
/// One that is dropped before it is known what has become of it is remembered by its owner: the next pass begins with all that this one
/// holds, though the server has a part of it.
pub(in crate::client) struct HeldLock {
    lock: Arc<LockState>,
    held: HeldRange,
    /// When it was found, see `FileLocks::quiet_since()`.
    since: Option<u64>,
    settled: Atomic<bool>,
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        if !self.settled.load(Relaxed) {
            self.lock.set_partial(true);
        }
    }
}

impl HeldLock {
    /// Tells apart what has a lock stateid of its own.
    pub(in crate::client) fn owner_key(&self) -> u64 {
        Arc::as_ptr(&self.lock).addr() as u64
    }

    /// The owner has no lock stateid yet: one LOCK of its has to succeed before others can be sent.
    pub(in crate::client) fn is_new(&self) -> bool {
        self.lock.stateid().is_none()
    }

    /// The LOCK that sets it again. `ENOENT` if it has been unlocked meanwhile, or the owner has lost another.
    pub(in crate::client) fn args(&self, reclaim: bool) -> Result<Lock<'static>> {
        if !self.is_held() {
            return Err(ENOENT);
        }
        Ok(Lock {
            kind: wire_type(self.held.mode, false),
            reclaim,
            range: wire_range(&self.held.range),
            locker: self.lock.locker().map_err(|_| ENOENT)?,
            denied: None,
        })
    }

    /// Nothing more is to be done about it.
    pub(in crate::client) fn settle(&self) {
        self.settled.store(true, Relaxed);
    }

    /// The server has it again. If it was unlocked meanwhile it is given back. May sleep to allocate.
    pub(in crate::client) fn done(&self, stateid: Stateid) {
        self.settle();
        self.lock.update(stateid);
        if !self.is_held() {
            give_back(&self.lock, &self.held.range);
        }
    }

    /// Whether the VFS lists it, or is about to.
    fn is_held(&self) -> bool {
        let mut held = false;
        if let Some(locks) = self.lock.state().locks() {
            if self.since.is_some() && locks.quiet_since() == self.since {
                return true;
            }
            locks.for_each(self.lock.state(), |lock, granted| {
                held |= Arc::ptr_eq(lock, &self.lock) && granted.is_some();
            });
        }
        let inode = self.lock.state().inode();
        held || inode.is_some_and(|inode| inode.holds_lock(self.held.key, &self.held.range))
    }

    /// It could not be recovered.
    pub(in crate::client) fn lost(&self) {
        self.settle();
        self.lock.lose(self.held.pid);
    }
}

/// A lock stateid that recovery has to ask the server about.
pub(in crate::client) struct LockStateid {
    lock: Arc<LockState>,
    stateid: Stateid,
}

impl LockStateid {
    /// The stateid.
    pub(in crate::client) fn stateid(&self) -> Stateid {
        self.stateid
    }

    /// The server has it no more. What the owner holds by it is lost, or, where [`may_set_again`], among
    /// [`OpenState::collect_locks`] from now on.
    pub(in crate::client) fn gone(&self) {
        self.lock.forget(&self.stateid);
        if may_set_again() {
            return;
        }
        let mut held = KVVec::new();
        // Without memory the process is not named; that something was held is likely.
        let listed = match self.lock.state().inode() {
            Some(inode) => inode.held_locks(&mut held),
            None => Ok(()),
        };
        if let Some(locks) = self.lock.state().locks() {
            // What the VFS is about to list.
            locks.for_each(self.lock.state(), |lock, granted| {
                if let Some(granted) = granted.filter(|_| Arc::ptr_eq(lock, &self.lock)) {
                    self.lock.lose(granted.pid);
                }
            });
        }
        let first = held.iter().find(|held| held.key == self.lock.key());
        match (first, listed) {
            (Some(held), _) => self.lock.lose(held.pid),
            (None, Err(_)) => self.lock.lose(0),
            (None, Ok(())) => {}
        }
    }
}

impl OpenState {
    /// Adds the locks that were taken through this open, by owners of which the server does not have all (any more), and that are not
    /// lost. May sleep to allocate.
    pub(in crate::client) fn collect_locks(&self, out: &mut KVVec<HeldLock>) -> Result {
        let (Some(locks), Some(inode)) = (self.locks(), self.inode()) else {
            return Ok(());
        };
        let since = locks.quiet_since();
        // First those that the VFS does not list yet: they may go over into its lists, never the other way.
        let mut due = KVVec::new();
        collect(&mut due, |push| {
            locks.for_each(self, |lock, granted| {
                if let Some(held) = granted.filter(|held| held.key == lock.key()) {
                    push((lock.clone(), held.clone()));
                }
            });
        })?;
        let mut held = KVVec::new();
        inode.held_locks(&mut held)?;
        for held in held {
            if let Some(lock) = locks.find(held.key, self) {
                due.push((lock, held), GFP_KERNEL)?;
            }
        }
        let start = out.len();
        for (lock, held) in due {
            if lock.wants_locks() {
                let held = HeldLock {
                    lock,
                    held,
                    since,
                    settled: Atomic::new(false),
                };
                out.push(held, GFP_KERNEL)?;
            }
        }
        // From here on each of them answers for itself.
        for held in out.iter().skip(start) {
            held.lock.set_partial(false);
        }
        Ok(())
    }

    /// Adds the lock stateids under this open that the server should have. May sleep to allocate.
    pub(in crate::client) fn lock_stateids(&self, out: &mut KVVec<LockStateid>) -> Result {
        let Some(locks) = self.locks() else {
            return Ok(());
        };
        collect(out, |push| {
            locks.for_each(self, |lock, _| {
                if let Some(stateid) = lock.stateid() {
                    push(LockStateid {
                        lock: lock.clone(),
                        stateid,
                    });
                }
            });
        })
    }

    /// The server has forgotten the open, and with it the lock stateids: all locks are to be set again, or lost.
    pub(in crate::client) fn locks_gone(&self) {
        if let Some(locks) = self.locks() {
            locks.for_each(self, |lock, _| lock.reset());
        }
    }

    /// Whether something may be locked through this open.
    pub(in crate::client) fn has_locks(&self) -> bool {
        let mut any = false;
        if let Some(locks) = self.locks() {
            locks.for_each(self, |_, _| any = true);
        }
        any
    }
}

/// Adds to `out` what `each` pushes, under spinlocks perhaps; runs it again with more room where that was too small.
fn collect<T>(out: &mut KVVec<T>, each: impl Fn(&mut dyn FnMut(T))) -> Result {
    let start = out.len();
    loop {
        let mut missing = 0;
        each(&mut |item| missing += usize::from(out.push_within_capacity(item).is_err()));
        if missing == 0 {
            return Ok(());
        }
        out.truncate(start);
        out.reserve(missing + missing / 2 + 4, GFP_KERNEL)?;
    }
}
