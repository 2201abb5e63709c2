// SPDX-License-Identifier: GPL-2.0

//! The waves about stateids: TEST_STATEID, to see what the server still has, and FREE_STATEID of what it has revoked.

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
    ops::state::{
        FreeStateid,
        TestStateid,
        TestedStateid, //
    },
    recovery::{
        batch::{
            Fate,
            Size, //
        },
        table::{
            tested,
            OpClass,
            StateKind,
            Tested, //
        },
    },
    status::Status,
    types::Stateid, //
};

use super::wave::{
    Pack,
    Tried,
    Wave, //
};
use crate::client::{
    nfs_client::Client,
    observe::stats::Counter,
    recovery::lock_reclaim::{
        may_set_again,
        LockStateid, //
    },
    state::open_state::{
        OpenState,
        Recovery, //
    },
};

/// Most stateids that are asked about in a call.
const MOST: usize = 512;

/// States that may be lost on the server.
pub(super) struct Tests {
    states: KVVec<Arc<OpenState>>,
    /// Their locks' stateids, each with the index of its state. These are asked about before the opens: who waits for an open to be
    /// tested is to know of his locks.
    locks: KVVec<(LockStateid, usize)>,
    /// What the server has taken away, and remembers until it knows that we know.
    revoked: KVVec<Stateid>,
}

impl Tests {
    /// May sleep to allocate.
    pub(super) fn new(states: KVVec<Arc<OpenState>>) -> Result<Self> {
        let mut locks = KVVec::new();
        for (i, state) in states.iter().enumerate() {
            let mut found = KVVec::new();
            state.lock_stateids(&mut found)?;
            for lock in found {
                locks.push((lock, i), GFP_KERNEL)?;
            }
        }
        Ok(Self {
            revoked: KVVec::with_capacity(states.len() + locks.len(), GFP_KERNEL)?,
            states,
            locks,
        })
    }

    /// What an index means: a lock stateid, or else an open.
    fn get(&self, index: u32) -> (Option<&LockStateid>, Option<&Arc<OpenState>>) {
        match self.locks.get(index as usize) {
            Some((lock, state)) => (Some(lock), self.states.get(*state)),
            None => (None, self.states.get(index as usize - self.locks.len())),
        }
    }

    /// What is to be freed, once all have been asked about.
    pub(super) fn frees(self) -> Frees {
        Frees {
            stateids: self.revoked,
        }
    }
}

impl Pack<TestedStateid> for (TestStateid<KVec<TestedStateid>>,) {
    fn pack(items: KVec<TestedStateid>) -> Self {
        (TestStateid(items),)
    }

    fn unpack(&mut self) -> KVec<TestedStateid> {
        core::mem::take(&mut self.0 .0)
    }

    fn reply((res,): Self::Res, items: &[TestedStateid]) -> (usize, Option<Status>) {
        match res {
            Ok(()) => (items.len(), None),
            Err(status) => (0, Some(status)),
        }
    }

    fn hit(items: usize) -> usize {
        items
    }
}

impl Wave for Tests {
    type Item = TestedStateid;
    type Ops = (TestStateid<KVec<TestedStateid>>,);
    const KIND: StateKind = StateKind::None;

    fn class(&self) -> OpClass {
        OpClass::TestStateid
    }

    fn len(&self) -> usize {
        self.locks.len() + self.states.len()
    }

    fn most(&self) -> usize {
        MOST
    }

    fn cred<'a>(&'a self, client: &'a Client, _index: u32) -> &'a Credential {
        client.cred()
    }

    fn item(&mut self, _client: &Client, index: u32) -> Option<TestedStateid> {
        let (lock, state) = self.get(index);
        let state = state?;
        if state.recovery() != Recovery::Test {
            return None;
        }
        Some(TestedStateid {
            stateid: match lock {
                Some(lock) => lock.stateid(),
                None => state.stateid().ok()?,
            },
            status: Status::OK,
        })
    }

    fn size(_item: &TestedStateid) -> Size {
        // They share one operation.
        Size {
            ops: 0,
            args: Stateid::XDR,
            res: 4,
            more: 0,
        }
    }

    fn done(&mut self, client: &Arc<Client>, index: u32, item: &TestedStateid) {
        let (lock, Some(state)) = self.get(index) else {
            return;
        };
        client.count(Counter::StateidsTested);
        let tested = tested(item.status);
        match (tested, lock) {
            (Tested::Good, Some(_)) => return,
            (Tested::Good, None) => return state.recovered(Recovery::Test),
            (_, Some(lock)) => {
                lock.gone();
                if may_set_again() {
                    state.mark(Recovery::Reopen);
                }
            }
            (_, None) => {
                state.mark(Recovery::Reopen);
            }
        }
        if tested == Tested::Revoked {
            // There is room for all. What is not freed ends with the lease.
            let _ = self.revoked.push_within_capacity(item.stateid);
        }
    }

    fn failed(&mut self, _client: &Arc<Client>, index: u32, fate: Fate, _status: Status) {
        // A server that cannot tell. To open a good state anew does no harm; of locks that gives a better answer, too.
        if let (None, Some(state), Fate::Nograce | Fate::GiveUp) = {
            let (lock, state) = self.get(index);
            (lock, state, fate)
        } {
            state.mark(Recovery::Reopen);
        }
    }
}

/// FREE_STATEID of one.
pub(super) struct FreeItem {
    stateid: Stateid,
    failed: Option<Status>,
}

impl BatchItem for FreeItem {
    type Ops<'a> = FreeStateid;
    type Res = core::result::Result<(), Status>;

    fn ops(&self) -> FreeStateid {
        FreeStateid(self.stateid)
    }

    fn done(&mut self, res: Self::Res) {
        self.failed = res.err();
    }
}

impl Tried for FreeItem {
    fn failed(&self) -> Option<Status> {
        self.failed
    }
}

/// Stateids to be freed.
pub(super) struct Frees {
    stateids: KVVec<Stateid>,
}

impl Wave for Frees {
    type Item = FreeItem;
    type Ops = (Batch<KVec<FreeItem>>,);
    const KIND: StateKind = StateKind::None;

    fn class(&self) -> OpClass {
        OpClass::FreeStateid
    }

    fn len(&self) -> usize {
        self.stateids.len()
    }

    fn cred<'a>(&'a self, client: &'a Client, _index: u32) -> &'a Credential {
        client.cred()
    }

    fn item(&mut self, _client: &Client, index: u32) -> Option<FreeItem> {
        self.stateids.get(index as usize).map(|&stateid| FreeItem {
            stateid,
            failed: None,
        })
    }

    fn size(item: &FreeItem) -> Size {
        Size::of(&item.ops())
    }

    fn done(&mut self, client: &Arc<Client>, _index: u32, _item: &FreeItem) {
        client.count(Counter::StateidsFreed);
    }

    // If that fails, the lease will end it.
    fn failed(&mut self, _client: &Arc<Client>, _index: u32, _fate: Fate, _status: Status) {}
}
