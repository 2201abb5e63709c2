// SPDX-License-Identifier: GPL-2.0

//! State owners: one per credential and server, under which files are opened.
//!
//! An owner is what the protocol calls an open-owner and the C client `nfs4_state_owner`. Its open states are found by file
//! handle. Lock order: the server's owner tree, then an owner's state tree, then an open state's own lock; all are spinlocks
//! under which nothing is allocated or sent.
//!
//! Whoever uses an owner, an open state or an OPEN on its way, holds an [`OwnerRef`]. An owner that nobody uses is kept for a
//! lease period, for the next open of the same user; then later opens, or the renewal of the lease, collect it.

use core::{
    cmp::Ordering,
    ops::Deref, //
};

use kernel::{
    cred::Credential,
    new_spinlock,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::{
        aref::ARef,
        Arc,
        SpinLock, //
    },
};
use rnfs4_proto::{
    recovery::usage::{
        is_stale,
        Usage, //
    },
    types::Fh, //
};

use super::open_state::OpenState;
use crate::sys::{
    cred::cred_fscmp,
    time::now_ms, //
};

/// Length of an owner's name on the wire.
pub(crate) const OWNER_NAME: usize = 16;

/// A credential as a key: equal if a server cannot tell the two apart.
struct CredKey(ARef<Credential>);

impl Ord for CredKey {
    fn cmp(&self, other: &Self) -> Ordering {
        cred_fscmp(&self.0, &other.0)
    }
}

impl PartialOrd for CredKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for CredKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for CredKey {}

/// A file handle as a key.
#[derive(PartialEq, Eq)]
struct FhKey(Fh);

impl Ord for FhKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.as_slice().cmp(other.0.as_slice())
    }
}

impl PartialOrd for FhKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// An open-owner (`struct nfs4_state_owner`).
#[pin_data]
pub(crate) struct OpenOwner {
    id: u64,
    cred: ARef<Credential>,
    #[pin]
    states: SpinLock<RBTree<FhKey, Arc<OpenState>>>,
}

/// Memory for one more state in an owner's tree, so that a reply can be acted on without allocating.
pub(crate) struct NodeReservation(RBTreeNodeReservation<FhKey, Arc<OpenState>>);

impl NodeReservation {
    /// Allocates; may sleep.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(RBTreeNodeReservation::new(GFP_KERNEL)?))
    }
}

impl OpenOwner {
    fn new(id: u64, cred: &Credential) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                id,
                cred: ARef::from(cred),
                states <- new_spinlock!(RBTree::new()),
            }),
            GFP_KERNEL,
        )
    }

    fn key(&self) -> CredKey {
        CredKey(self.cred.clone())
    }

    /// The owner's credential.
    pub(crate) fn cred(&self) -> &ARef<Credential> {
        &self.cred
    }

    /// The number in its name.
    pub(in crate::client) fn id(&self) -> u64 {
        self.id
    }

    /// The owner's name on the wire; unique in its client.
    pub(crate) fn name(&self) -> [u8; OWNER_NAME] {
        let mut name = *b"rnfs4 op........";
        if let Some(id) = name.last_chunk_mut::<8>() {
            *id = self.id.to_be_bytes();
        }
        name
    }

    /// The state of the file `fresh.fh`: the one there is (not one gone bad), or `fresh`, which is then the file's. Counts one more
    /// user of it. Does not sleep.
    pub(crate) fn get_state(&self, fresh: Arc<OpenState>, room: NodeReservation) -> Arc<OpenState> {
        let mut states = self.states.lock();
        let key = FhKey(*fresh.fh());
        if let Some(state) = states.get(&key) {
            if !state.is_bad() {
                state.add_user();
                return state.clone();
            }
        }
        fresh.add_user();
        let old = states.insert(room.0.into_node(key, fresh.clone()));
        drop(states);
        // A state gone bad lives on in its open contexts only.
        drop(old);
        fresh
    }

    /// The file's state, if it is open under this owner.
    pub(crate) fn peek_state(&self, fh: &Fh) -> Option<Arc<OpenState>> {
        self.states.lock().get(&FhKey(*fh)).cloned()
    }

    /// What `look` says of the file's state, if it is open under this owner. Under the tree's spinlock.
    pub(crate) fn look_at<R>(&self, fh: &Fh, look: impl FnOnce(&OpenState) -> R) -> Option<R> {
        let states = self.states.lock();
        states.get(&FhKey(*fh)).map(|state| look(state))
    }

    /// The file's state, if it is open under this owner and `wanted` says so, with one more user. Does not sleep.
    pub(crate) fn use_state(
        &self,
        fh: &Fh,
        wanted: impl FnOnce(&OpenState) -> bool,
    ) -> Option<Arc<OpenState>> {
        let states = self.states.lock();
        let state = states.get(&FhKey(*fh)).filter(|state| wanted(state))?;
        state.add_user();
        Some(state.clone())
    }

    /// Drops one user; without any left, the state is forgotten.
    pub(crate) fn put_state(&self, state: &Arc<OpenState>) {
        let mut states = self.states.lock();
        if state.drop_user() {
            let key = FhKey(*state.fh());
            if states.get(&key).is_some_and(|s| Arc::ptr_eq(s, state)) {
                let node = states.remove_node(&key);
                drop(states);
                drop(node);
            }
        }
    }

    /// Calls `f` for each open state, under the tree's spinlock.
    pub(crate) fn for_each_state(&self, mut f: impl FnMut(&Arc<OpenState>)) {
        for (_, state) in self.states.lock().iter() {
            f(state);
        }
    }
}

/// A user's hold on an owner. When the last one goes, the owner is kept for a lease period.
pub(crate) struct OwnerRef {
    owners: Arc<Owners>,
    owner: Arc<OpenOwner>,
}

impl Deref for OwnerRef {
    type Target = OpenOwner;

    fn deref(&self) -> &OpenOwner {
        &self.owner
    }
}

impl Clone for OwnerRef {
    fn clone(&self) -> Self {
        // It is in use, so it is there.
        self.owners.inner.lock().get(&self.owner.key());
        Self {
            owners: self.owners.clone(),
            owner: self.owner.clone(),
        }
    }
}

impl Drop for OwnerRef {
    fn drop(&mut self) {
        self.owners.put(&self.owner);
    }
}

/// When the last user went, and the owner's number.
type LruKey = (u64, u64);

/// An owner, in its tree.
struct Held {
    owner: Arc<OpenOwner>,
    usage: Usage,
    /// Room on the list of the unused, while the owner is not on it.
    room: Option<RBTreeNodeReservation<LruKey, Arc<OpenOwner>>>,
}

struct Inner {
    tree: RBTree<CredKey, Held>,
    /// Owners that nobody uses, the longest unused first.
    lru: RBTree<LruKey, Arc<OpenOwner>>,
    used: u32,
    unused: u32,
}

impl Inner {
    /// The owner for this credential, with one more user.
    fn get(&mut self, key: &CredKey) -> Option<Arc<OpenOwner>> {
        let held = self.tree.get_mut(key)?;
        if let Some(since) = held.usage.get() {
            let node = self.lru.remove_node(&(since, held.owner.id));
            held.room = node.map(|node| node.into_reservation());
            self.used += 1;
            self.unused -= 1;
        }
        Some(held.owner.clone())
    }

    /// Forgets the longest unused one, if it is stale.
    fn collect_one(&mut self, now_ms: u64, lease_ms: u64) -> bool {
        let Some(oldest) = self.lru.cursor_front_mut() else {
            return false;
        };
        let (&(since, _), _) = oldest.current();
        if !is_stale(since, now_ms, lease_ms) {
            return false;
        }
        let (_, node) = oldest.remove_current();
        let (_, owner) = node.to_key_value();
        self.tree.remove(&owner.key());
        self.unused -= 1;
        true
    }
}

/// The owners of one server.
#[pin_data]
pub(crate) struct Owners {
    #[pin]
    inner: SpinLock<Inner>,
}

/// How many owners are forgotten at most without the lock being let go.
const COLLECT: usize = 64;

impl Owners {
    /// None yet. May sleep.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                inner <- new_spinlock!(Inner {
                    tree: RBTree::new(),
                    lru: RBTree::new(),
                    used: 0,
                    unused: 0,
                }),
            }),
            GFP_KERNEL,
        )
    }

    /// The owner for `cred`, one that was kept or a new one; `next_id` makes a name for that. May sleep.
    pub(crate) fn get(
        self: &Arc<Self>,
        cred: &Credential,
        next_id: impl FnOnce() -> u64,
    ) -> Result<OwnerRef> {
        let key = CredKey(ARef::from(cred));
        if let Some(owner) = self.inner.lock().get(&key) {
            return Ok(self.user(owner));
        }
        let fresh = OpenOwner::new(next_id(), cred)?;
        let room = RBTreeNodeReservation::new(GFP_KERNEL)?;
        let held = Held {
            owner: fresh.clone(),
            usage: Usage::new(),
            room: Some(RBTreeNodeReservation::new(GFP_KERNEL)?),
        };
        let mut inner = self.inner.lock();
        if let Some(owner) = inner.get(&key) {
            drop(inner);
            return Ok(self.user(owner));
        }
        inner.tree.insert(room.into_node(key, held));
        inner.used += 1;
        drop(inner);
        Ok(self.user(fresh))
    }

    /// A hold that has been counted.
    fn user(self: &Arc<Self>, owner: Arc<OpenOwner>) -> OwnerRef {
        OwnerRef {
            owners: self.clone(),
            owner,
        }
    }

    /// A user has gone (`nfs4_put_state_owner()`). Any context that may take a spinlock.
    fn put(&self, owner: &Arc<OpenOwner>) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let Some(held) = inner.tree.get_mut(&owner.key()) else {
            return;
        };
        if let Some(since) = held.usage.put(now_ms()) {
            if let Some(room) = held.room.take() {
                inner
                    .lru
                    .insert(room.into_node((since, owner.id), owner.clone()));
            }
            inner.used -= 1;
            inner.unused += 1;
        }
    }

    /// Forgets what nobody has used for `lease_ms`; 0: for whatever time (`nfs4_gc_state_owners()`,
    /// `nfs4_purge_state_owners()`). Any context that may take a spinlock.
    pub(crate) fn collect(&self, lease_ms: u64) {
        loop {
            let mut inner = self.inner.lock();
            let now = now_ms();
            if !(0..COLLECT).all(|_| inner.collect_one(now, lease_ms)) {
                return;
            }
        }
    }

    /// How many owners there are that are used, and that are kept though nobody uses them.
    pub(crate) fn counts(&self) -> (u32, u32) {
        let inner = self.inner.lock();
        (inner.used, inner.unused)
    }

    /// The owner for `cred`, if there is one.
    pub(crate) fn find(&self, cred: &Credential) -> Option<Arc<OpenOwner>> {
        let inner = self.inner.lock();
        let held = inner.tree.get(&CredKey(ARef::from(cred)))?;
        Some(held.owner.clone())
    }

    /// Calls `f` for each owner, under the tree's spinlock.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Arc<OpenOwner>)) {
        for held in self.inner.lock().tree.values() {
            f(&held.owner);
        }
    }
}
