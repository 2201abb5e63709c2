// SPDX-License-Identifier: GPL-2.0

//! Who holds byte-range locks of a file, and by which stateids.
//!
//! What is held is in the VFS's lists; here is what the server calls it. A [`LockOwner`] is a process or an open file, as the VFS
//! tells owners apart, with a name on the wire that is never used again. A [`LockState`] is its lock stateid under one open
//! (`struct nfs4_lock_state`). [`FileLocks`] are all owners of one file.
//!
//! One operation of an owner is under way at a time: who has the [`Turn`] may ask the server and change the VFS's lists, so that both
//! agree on the order. When a turn ends and the owner holds nothing, it is forgotten.
//!
//! Locks: the tree of owners, then an owner, then a lock state, then the VFS's `flc_lock`; all are spinlocks.

use kernel::{
    new_spinlock,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        SpinLock, //
    },
    time::{
        msecs_to_jiffies,
        Jiffies, //
    },
};
use rnfs4_proto::{
    ops::{
        lock::{
            Locker,
            Range, //
        },
        open::Owner, //
    },
    types::{
        ClientId,
        LockType,
        Opaque,
        Stateid, //
    },
};

use super::{
    open_context::OpenContext,
    open_state::OpenState, //
};
use crate::{
    client::server::Server,
    sys::{
        fs::{
            HeldRange,
            LockKey,
            LockMode,
            VfsInode, //
            ALL_BYTES,
        },
        wait::{
            WaitQueue,
            Waited, //
        },
    },
};

/// A range as the protocol has it.
pub(in crate::client) fn wire_range(range: &core::ops::RangeInclusive<u64>) -> Range {
    Range {
        offset: *range.start(),
        len: if range.end() == ALL_BYTES.end() {
            u64::MAX
        } else {
            range.end() - range.start() + 1
        },
    }
}

/// How a lock is asked for.
pub(in crate::client) fn wire_type(mode: LockMode, wait: bool) -> LockType {
    match (mode, wait) {
        (LockMode::Shared, false) => LockType::Read,
        (LockMode::Shared, true) => LockType::ReadW,
        (LockMode::Exclusive, false) => LockType::Write,
        (LockMode::Exclusive, true) => LockType::WriteW,
    }
}

/// A lock owner's name as the protocol writes it.
pub(in crate::client) fn wire_lock_owner(id: u64) -> Result<Owner> {
    let mut name = *b"rnfs4 lk........";
    if let Some(place) = name.last_chunk_mut::<8>() {
        *place = id.to_be_bytes();
    }
    Ok(Owner {
        clientid: ClientId(0),
        name: Opaque::new(&name).ok_or(EINVAL)?,
    })
}

struct Known {
    /// The lock stateid; none before the first lock, and after the server has lost it.
    stateid: Option<Stateid>,
    /// A lock could not be recovered (`NFS_LOCK_LOST`).
    lost: bool,
    /// Of what the VFS lists, the server has only a part by this stateid: recovery broke off.
    partial: bool,
}

/// The locks of an owner under one open (`struct nfs4_lock_state`).
#[pin_data]
pub(crate) struct LockState {
    owner_id: u64,
    key: LockKey,
    state: Arc<OpenState>,
    server: Arc<Server>,
    #[pin]
    known: SpinLock<Known>,
}

impl LockState {
    fn new(owner: &LockOwner, ctx: &OpenContext) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                owner_id: owner.id,
                key: owner.key,
                state: ctx.state().clone(),
                server: ctx.server().clone(),
                known <- new_spinlock!(Known {
                    stateid: None,
                    lost: false,
                    partial: false,
                }),
            }),
            GFP_KERNEL,
        )
    }

    /// Whose locks they are.
    pub(in crate::client) fn key(&self) -> LockKey {
        self.key
    }

    /// The number in its owner's name on the wire.
    pub(in crate::client) fn owner_id_on_wire(&self) -> u64 {
        self.owner_id
    }

    /// The open.
    pub(in crate::client) fn state(&self) -> &Arc<OpenState> {
        &self.state
    }

    /// The mount.
    pub(in crate::client) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// A lock of this owner could not be recovered: until it unlocks, what it reads and writes fails with `EIO`.
    pub(crate) fn is_lost(&self) -> bool {
        self.known.lock().lost
    }

    /// The lock stateid, in its present version.
    pub(in crate::client) fn stateid(&self) -> Option<Stateid> {
        self.known.lock().stateid.map(Stateid::of_any_seqid)
    }

    /// The stateid for READ and WRITE: `None` if only the open has one. `EIO` when a lock was lost.
    pub(in crate::client) fn io_stateid(&self) -> Result<Option<Stateid>> {
        let known = self.known.lock();
        if known.lost {
            return Err(EIO);
        }
        Ok(known.stateid.map(Stateid::of_any_seqid))
    }

    /// Whether the server lacks locks that the VFS lists, and that are not lost yet.
    pub(in crate::client) fn wants_locks(&self) -> bool {
        let known = self.known.lock();
        !known.lost && (known.stateid.is_none() || known.partial)
    }

    /// Notes whether recovery has left some of the locks behind.
    pub(in crate::client) fn set_partial(&self, partial: bool) {
        self.known.lock().partial = partial;
    }

    /// Whether `used`, which the server refused, is no longer what would be sent.
    pub(in crate::client) fn has_moved_on(&self, used: &Stateid) -> bool {
        let known = self.known.lock();
        known.lost || !known.stateid.is_some_and(|now| now.same_other(used))
    }

    /// By what right the next LOCK is sent; `EIO` when a lock was lost, `EBADF` when the open was.
    pub(in crate::client) fn locker(&self) -> Result<Locker> {
        if let Some(stateid) = self.io_stateid()? {
            return Ok(Locker::Known(stateid));
        }
        Ok(Locker::New {
            open: self.state.stateid().map_err(|_| EBADF)?,
            owner: wire_lock_owner(self.owner_id)?,
        })
    }

    /// Takes in the stateid that LOCK or LOCKU returned.
    pub(in crate::client) fn update(&self, got: Stateid) {
        let mut known = self.known.lock();
        match &known.stateid {
            Some(old) if old.same_other(&got) && !got.is_newer(old) => {}
            _ => known.stateid = Some(got),
        }
    }

    /// The server has not got `stateid` any more.
    pub(in crate::client) fn forget(&self, stateid: &Stateid) {
        let mut known = self.known.lock();
        if known.stateid.is_some_and(|now| now.same_other(stateid)) {
            known.stateid = None;
        }
    }

    /// The server has forgotten the stateid.
    pub(in crate::client) fn reset(&self) {
        self.known.lock().stateid = None;
    }

    /// A lock that the VFS lists could not be recovered. One line in the log, however many there are.
    pub(in crate::client) fn lose(&self, pid: i32) {
        let first = !core::mem::replace(&mut self.known.lock().lost, true);
        if first {
            let fileid = self.state.inode().map_or(0, |inode| inode.ino());
            self.server.client().lock_lost(fileid, pid);
        }
    }
}

struct OwnerInner {
    /// Somebody has the turn.
    busy: bool,
    /// What the server has given and the VFS does not list yet.
    granted: Option<HeldRange>,
    /// The VFS has given up everything while another had the turn; the context keeps the file open until the server knows.
    closing: Option<Arc<OpenContext>>,
    /// One for each open through which locks were taken. Only who has the turn changes it.
    states: KVec<Arc<LockState>>,
}

/// An owner of locks of one file.
#[pin_data]
pub(crate) struct LockOwner {
    id: u64,
    key: LockKey,
    #[pin]
    inner: SpinLock<OwnerInner>,
    /// Who waits for his turn.
    #[pin]
    turn: WaitQueue,
}

impl LockOwner {
    fn new(id: u64, key: LockKey) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                id,
                key,
                inner <- new_spinlock!(OwnerInner {
                    busy: false,
                    granted: None,
                    closing: None,
                    states: KVec::new(),
                }),
                turn <- WaitQueue::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Takes the turn, if nobody has it.
    fn begin(&self) -> bool {
        !core::mem::replace(&mut self.inner.lock().busy, true)
    }

    fn find(&self, state: &OpenState) -> Option<Arc<LockState>> {
        let inner = self.inner.lock();
        let mine = |lock: &&Arc<LockState>| core::ptr::eq(&*lock.state, state);
        inner.states.iter().find(mine).cloned()
    }
}

/// An owner in the tree.
struct Entry {
    owner: Arc<LockOwner>,
    /// Those who have the turn or wait for it.
    users: u32,
}

/// The lock owners of one file.
#[pin_data]
pub(crate) struct FileLocks {
    #[pin]
    owners: SpinLock<RBTree<LockKey, Entry>>,
    /// Turns that were begun, and turns that have ended.
    begun: Atomic<u64>,
    ended: Atomic<u64>,
    /// LOCKUs under way.
    unlocking: Atomic<u32>,
    /// Unlocks that the server has confirmed.
    unlocks: Atomic<u64>,
    /// Those who wait for one.
    #[pin]
    unlocked: WaitQueue,
}

impl FileLocks {
    /// None yet. May sleep.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                owners <- new_spinlock!(RBTree::new(), "rnfs4_lock_owners"),
                begun: Atomic::new(0),
                ended: Atomic::new(0),
                unlocking: Atomic::new(0),
                unlocks: Atomic::new(0),
                unlocked <- WaitQueue::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// A point in time from which on, as long as this returns the same, nobody has changed what the VFS lists; `None` while somebody
    /// may be about to.
    pub(in crate::client) fn quiet_since(&self) -> Option<u64> {
        // In this order: a turn that begins in between is seen.
        let ended = self.ended.load(Acquire);
        (self.begun.load(Acquire) == ended).then_some(ended)
    }

    /// How often something of the file was unlocked, for [`FileLocks::wait_unlock`].
    pub(crate) fn unlocks(&self) -> u64 {
        self.unlocks.load(Relaxed)
    }

    /// Whether something of the file is being unlocked: the server may refuse a lock that nobody has any more.
    pub(crate) fn is_unlocking(&self) -> bool {
        self.unlocking.load(Relaxed) != 0
    }

    /// Something is about to be unlocked on the server.
    pub(in crate::client) fn begin_unlock(&self) {
        self.unlocking.fetch_add(1, Relaxed);
    }

    /// Something was unlocked on the server: what was refused may be had now.
    pub(in crate::client) fn end_unlock(&self) {
        self.unlocking.fetch_sub(1, Relaxed);
        self.unlocks.fetch_add(1, Relaxed);
        self.unlocked.wake_all();
    }

    /// Sleeps until a process of this client unlocks something that was locked when `unlocks` were seen, at most `ms`
    /// milliseconds. `ERESTARTSYS` on a signal.
    pub(crate) fn wait_unlock(&self, seen: u64, ms: u32) -> Result {
        self.unlocked
            .wait_interruptible_timeout(msecs_to_jiffies(ms).max(1), || self.unlocks() != seen)
            .map(|_| ())
    }

    /// The owner `key`, counted as in use. `None` if it is not known and nothing is `fresh`. Does not sleep.
    fn enter(
        &self,
        key: LockKey,
        fresh: Option<(Arc<LockOwner>, RBTreeNodeReservation<LockKey, Entry>)>,
    ) -> Option<Arc<LockOwner>> {
        let mut owners = self.owners.lock();
        if let Some(entry) = owners.get_mut(&key) {
            entry.users += 1;
            let owner = entry.owner.clone();
            drop(owners);
            drop(fresh);
            return Some(owner);
        }
        let (owner, room) = fresh?;
        owners.insert(room.into_node(
            key,
            Entry {
                owner: owner.clone(),
                users: 1,
            },
        ));
        Some(owner)
    }

    /// One user less; an owner that has none and holds nothing is forgotten. Does not sleep.
    fn leave(&self, key: LockKey, inode: Option<&VfsInode>) {
        let mut owners = self.owners.lock();
        let Some(entry) = owners.get_mut(&key) else {
            return;
        };
        entry.users = entry.users.saturating_sub(1);
        let holds = inode.is_some_and(|inode| inode.holds_lock(key, &ALL_BYTES));
        if entry.users == 0 && !holds {
            let node = owners.remove_node(&key);
            drop(owners);
            drop(node);
        }
    }

    /// Waits for the turn of the owner `key`, which is made known, to lock through `ctx`. `ERESTARTSYS` when the task is being
    /// killed. May sleep.
    pub(crate) fn turn(self: &Arc<Self>, key: LockKey, ctx: &Arc<OpenContext>) -> Result<Turn> {
        // Before anything is locked through the state: recovery finds the locks there.
        ctx.state().set_locks(self);
        let owner = match self.enter(key, None) {
            Some(owner) => owner,
            None => {
                let id = ctx.server().client().next_owner_id();
                let room = RBTreeNodeReservation::new(GFP_KERNEL)?;
                let fresh = (LockOwner::new(id, key)?, room);
                self.enter(key, Some(fresh)).ok_or(ENOLCK)?
            }
        };
        self.wait_turn(owner, ctx, Jiffies::MAX)
    }

    /// The same for an owner that is known, to unlock; `None` if it is not. Waits at most `patience` jiffies (`ETIMEDOUT`).
    pub(crate) fn turn_of_known(
        self: &Arc<Self>,
        key: LockKey,
        ctx: &Arc<OpenContext>,
        patience: Jiffies,
    ) -> Result<Option<Turn>> {
        match self.enter(key, None) {
            Some(owner) => self.wait_turn(owner, ctx, patience).map(Some),
            None => Ok(None),
        }
    }

    fn wait_turn(
        self: &Arc<Self>,
        owner: Arc<LockOwner>,
        ctx: &Arc<OpenContext>,
        patience: Jiffies,
    ) -> Result<Turn> {
        match owner.turn.wait_killable_timeout(patience, || owner.begin()) {
            Ok(Waited::True) => Ok(Turn::new(self, owner, ctx.clone())),
            res => {
                self.leave(owner.key, ctx.state().inode().as_deref());
                Err(res.err().unwrap_or(ETIMEDOUT))
            }
        }
    }

    /// The VFS has given up everything that `key` held while another has the owner's turn: leaves word for him. If he is
    /// through by now, the turn is the caller's. Does not sleep.
    pub(crate) fn close_later(
        self: &Arc<Self>,
        key: LockKey,
        ctx: &Arc<OpenContext>,
    ) -> Option<Turn> {
        let owner = self.enter(key, None)?;
        let mut inner = owner.inner.lock();
        if !core::mem::replace(&mut inner.busy, true) {
            drop(inner);
            return Some(Turn::new(self, owner, ctx.clone()));
        }
        let old = inner.closing.replace(ctx.clone());
        drop(inner);
        drop(old);
        self.leave(key, ctx.state().inode().as_deref());
        None
    }

    /// The lock state that a program with these `keys` reads and writes by, through `state`: the first that has locks there; one
    /// that has lost some goes before all. Does not sleep.
    pub(crate) fn for_io(&self, keys: &[LockKey], state: &OpenState) -> Option<Arc<LockState>> {
        let owners = self.owners.lock();
        if owners.is_empty() {
            return None;
        }
        let mut found = None;
        for key in keys {
            let Some(lock) = owners.get(key).and_then(|entry| entry.owner.find(state)) else {
                continue;
            };
            if lock.is_lost() {
                return Some(lock);
            }
            found.get_or_insert(lock);
        }
        found
    }

    /// The name on the wire of the owner `key`, if it has one.
    pub(in crate::client) fn owner_id(&self, key: LockKey) -> Option<u64> {
        Some(self.owners.lock().get(&key)?.owner.id)
    }

    /// The lock state of `key` under `state`.
    pub(in crate::client) fn find(
        &self,
        key: LockKey,
        state: &OpenState,
    ) -> Option<Arc<LockState>> {
        self.owners.lock().get(&key)?.owner.find(state)
    }

    /// Calls `f` for each lock state under `state`, with what was granted and is not listed yet. Under spinlocks.
    pub(in crate::client) fn for_each(
        &self,
        state: &OpenState,
        mut f: impl FnMut(&Arc<LockState>, Option<&HeldRange>),
    ) {
        let owners = self.owners.lock();
        for entry in owners.values() {
            let inner = entry.owner.inner.lock();
            for lock in &inner.states {
                if core::ptr::eq(&*lock.state, state) {
                    f(lock, inner.granted.as_ref());
                }
            }
        }
    }
}

/// The right to change what an owner holds, at the server and in the VFS's lists. Others of the same owner wait.
pub(crate) struct Turn {
    pub(in crate::client) locks: Arc<FileLocks>,
    owner: Arc<LockOwner>,
    /// Keeps the file open, and with that the inode.
    pub(in crate::client) ctx: Arc<OpenContext>,
}

impl Turn {
    fn new(locks: &Arc<FileLocks>, owner: Arc<LockOwner>, ctx: Arc<OpenContext>) -> Self {
        locks.begun.fetch_add(1, Relaxed);
        Self {
            locks: locks.clone(),
            owner,
            ctx,
        }
    }

    /// The owner's lock state under the context's open, made if need be. May sleep.
    pub(in crate::client) fn lock_state(&self) -> Result<Arc<LockState>> {
        if let Some(lock) = self.owner.find(self.ctx.state()) {
            return Ok(lock);
        }
        let fresh = LockState::new(&self.owner, &self.ctx)?;
        // Nobody else changes their number.
        let len = self.owner.inner.lock().states.len();
        let mut more = KVec::with_capacity(len + 1, GFP_KERNEL)?;
        let mut inner = self.owner.inner.lock();
        for lock in inner.states.drain_all() {
            let _ = more.push_within_capacity(lock);
        }
        let _ = more.push_within_capacity(fresh.clone());
        let old = core::mem::replace(&mut inner.states, more);
        drop(inner);
        drop(old);
        Ok(fresh)
    }

    /// All lock states of the owner, and the first one that is lost, if any. May sleep to allocate.
    pub(in crate::client) fn lock_states(&self) -> Result<KVec<Arc<LockState>>> {
        let len = self.owner.inner.lock().states.len();
        let mut all = KVec::with_capacity(len, GFP_KERNEL)?;
        for lock in &self.owner.inner.lock().states {
            let _ = all.push_within_capacity(lock.clone());
        }
        Ok(all)
    }

    /// The owner holds nothing any more: its lock states are over. A later lock makes new ones.
    pub(in crate::client) fn take_lock_states(&self) -> KVec<Arc<LockState>> {
        core::mem::take(&mut self.owner.inner.lock().states)
    }

    /// Whether the VFS lists a lock of the owner that has bytes of `range`.
    pub(in crate::client) fn holds(&self, range: &core::ops::RangeInclusive<u64>) -> bool {
        let inode = self.ctx.state().inode();
        inode.is_some_and(|inode| inode.holds_lock(self.owner.key, range))
    }

    /// Notes what the server has granted, until the VFS lists it.
    pub(in crate::client) fn set_granted(&self, held: Option<HeldRange>) {
        self.owner.inner.lock().granted = held;
    }

    /// Whether [`FileLocks::close_later`] has left word.
    pub(in crate::client) fn has_word(&self) -> bool {
        self.owner.inner.lock().closing.is_some()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut inner = self.owner.inner.lock();
        inner.granted = None;
        if let Some(ctx) = inner.closing.take() {
            drop(inner);
            Turn::new(&self.locks, self.owner.clone(), ctx).unlock_all();
            self.locks.ended.fetch_add(1, Release);
            return;
        }
        inner.busy = false;
        drop(inner);
        self.locks.ended.fetch_add(1, Release);
        self.owner.turn.wake_all();
        self.locks
            .leave(self.owner.key, self.ctx.state().inode().as_deref());
    }
}
