// SPDX-License-Identifier: GPL-2.0

//! State owners: one per credential and server, under which files are opened.
//!
//! An owner is what the protocol calls an open-owner and the C client `nfs4_state_owner`. Its open states are found by file
//! handle. Lock order: the server's owner tree, then an owner's state tree, then an open state's own lock; all are spinlocks
//! under which nothing is allocated or sent.

use core::cmp::Ordering;

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
use rnfs4_proto::types::Fh;

use super::open_state::OpenState;
use crate::sys::cred::cred_fscmp;

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

    /// The owner's credential.
    pub(crate) fn cred(&self) -> &ARef<Credential> {
        &self.cred
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

/// The owners of one server.
#[pin_data]
pub(crate) struct Owners {
    #[pin]
    tree: SpinLock<RBTree<CredKey, Arc<OpenOwner>>>,
}

impl Owners {
    /// None yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self { tree <- new_spinlock!(RBTree::new()) })
    }

    /// The owner for `cred`; `next_id` makes a name for a new one. May sleep.
    pub(crate) fn get(
        &self,
        cred: &Credential,
        next_id: impl FnOnce() -> u64,
    ) -> Result<Arc<OpenOwner>> {
        let key = CredKey(ARef::from(cred));
        if let Some(owner) = self.tree.lock().get(&key) {
            return Ok(owner.clone());
        }
        let fresh = OpenOwner::new(next_id(), cred)?;
        let room = RBTreeNodeReservation::new(GFP_KERNEL)?;
        let mut tree = self.tree.lock();
        if let Some(owner) = tree.get(&key) {
            let owner = owner.clone();
            drop(tree);
            return Ok(owner);
        }
        tree.insert(room.into_node(key, fresh.clone()));
        Ok(fresh)
    }

    /// The owner for `cred`, if there is one.
    pub(crate) fn find(&self, cred: &Credential) -> Option<Arc<OpenOwner>> {
        self.tree.lock().get(&CredKey(ARef::from(cred))).cloned()
    }

    /// Calls `f` for each owner, under the tree's spinlock.
    pub(crate) fn for_each(&self, mut f: impl FnMut(&Arc<OpenOwner>)) {
        for (_, owner) in self.tree.lock().iter() {
            f(owner);
        }
    }
}
