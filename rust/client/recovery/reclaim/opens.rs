// SPDX-License-Identifier: GPL-2.0

//! The wave of opens: CLAIM_PREVIOUS after the server's restart, CLAIM_FH of what is lost on the server.

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
        open::{
            Delegation,
            DelegationType,
            Open,
            OpenClaim,
            OpenHow,
            OpenRes,
            Owner, //
        },
    },
    recovery::{
        batch::{
            Fate,
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
        ShareAccess,
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
    state::{
        open::wire_owner,
        open_state::{
            Access,
            OpenState,
            Recovery, //
        },
    },
};

type OneRes = core::result::Result<OpenRes, Status>;

/// An open state on its way: one PUTFH, and an OPEN for each access that its contexts have.
pub(super) struct OpenItem {
    state: Arc<OpenState>,
    owner: Owner,
    claim: OpenClaim,
    modes: [Option<Access>; 3],
    /// What the OPENs gave.
    stateids: [Stateid; 3],
    delegation: Delegation,
    failed: Option<Status>,
}

impl OpenItem {
    fn open(&self, access: Option<Access>) -> Option<Open> {
        access.map(|access| Open {
            access: ShareAccess(access.0).with(ShareAccess::WANT_NO_DELEG),
            deny: 0,
            owner: self.owner,
            how: OpenHow::NoCreate,
            claim: self.claim,
        })
    }
}

impl BatchItem for OpenItem {
    type Ops<'a> = (Putfh<&'a Fh>, Option<Open>, Option<Open>, Option<Open>);
    type Res = (
        core::result::Result<(), Status>,
        Option<OneRes>,
        Option<OneRes>,
        Option<OneRes>,
    );

    fn ops(&self) -> Self::Ops<'_> {
        let [a, b, c] = self.modes;
        // OPEN leaves the file as current file handle.
        let fh = Putfh(self.state.fh());
        (fh, self.open(a), self.open(b), self.open(c))
    }

    fn done(&mut self, (putfh, a, b, c): Self::Res) {
        self.failed = putfh.err();
        for (res, stateid) in [a, b, c].into_iter().zip(&mut self.stateids) {
            match res {
                Some(Ok(open)) => {
                    *stateid = open.stateid;
                    if matches!(open.delegation, Delegation::Given { .. }) {
                        self.delegation = open.delegation;
                    }
                }
                Some(Err(status)) => self.failed = Some(status),
                None => {}
            }
        }
    }
}

impl Tried for OpenItem {
    fn failed(&self) -> Option<Status> {
        self.failed
    }
}

/// Opens to be had again.
pub(super) struct Opens {
    states: KVVec<Arc<OpenState>>,
    mark: Recovery,
    class: OpClass,
    claim: OpenClaim,
    /// Opened again, but with locks that are still to be set.
    pub(super) locked: KVVec<Arc<OpenState>>,
    /// Some cannot be reclaimed, but perhaps opened anew.
    pub(super) nograce: bool,
}

impl Opens {
    /// After the server's restart, in its grace period.
    pub(super) fn reclaim(states: KVVec<Arc<OpenState>>) -> Result<Self> {
        Ok(Self {
            locked: KVVec::with_capacity(states.len(), GFP_KERNEL)?,
            states,
            mark: Recovery::Reboot,
            class: OpClass::OpenReclaim,
            claim: OpenClaim::Previous(DelegationType::None),
            nograce: false,
        })
    }

    /// Anew, at any time.
    pub(super) fn reopen(states: KVVec<Arc<OpenState>>) -> Result<Self> {
        Ok(Self {
            locked: KVVec::with_capacity(states.len(), GFP_KERNEL)?,
            states,
            mark: Recovery::Reopen,
            class: OpClass::OpenExpired,
            claim: OpenClaim::Fh,
            nograce: false,
        })
    }

    fn state(&self, index: u32) -> Option<&Arc<OpenState>> {
        self.states.get(index as usize)
    }
}

impl Wave for Opens {
    type Item = OpenItem;
    type Ops = (Batch<KVec<OpenItem>>,);
    const KIND: StateKind = StateKind::Open;

    fn class(&self) -> OpClass {
        self.class
    }

    fn len(&self) -> usize {
        self.states.len()
    }

    fn cred<'a>(&'a self, client: &'a Client, index: u32) -> &'a Credential {
        self.state(index)
            .map_or(client.cred(), |state| state.owner().cred())
    }

    fn item(&mut self, _client: &Client, index: u32) -> Option<OpenItem> {
        let state = self.state(index)?;
        let modes = state.modes();
        if state.recovery() != self.mark || modes.iter().all(Option::is_none) {
            return None;
        }
        Some(OpenItem {
            owner: wire_owner(state.owner()).ok()?,
            state: state.clone(),
            claim: self.claim,
            modes,
            stateids: [Stateid::ANONYMOUS; 3],
            delegation: Delegation::None(None),
            failed: None,
        })
    }

    fn size(item: &OpenItem) -> Size {
        Size::of(&item.ops())
    }

    fn done(&mut self, client: &Arc<Client>, _index: u32, item: &OpenItem) {
        let state = &item.state;
        // The server has had the open all the time, and what was locked through it.
        let keeps_locks = self.mark == Recovery::Reopen
            && state.stateid().is_ok_and(|old| {
                !old.is_special() && item.stateids.iter().any(|new| new.same_other(&old))
            });
        let opened = item.modes.iter().zip(item.stateids);
        let opened = opened.filter_map(|(mode, stateid)| mode.map(|access| (access, stateid)));
        for (n, (access, stateid)) in opened.enumerate() {
            state.reopened(stateid, access, n == 0);
        }
        client.decline_delegation(state.owner().cred(), state.fh(), &item.delegation);
        if !keeps_locks {
            state.locks_gone();
        }
        if state.has_locks() {
            // There is room for all.
            let _ = self.locked.push_within_capacity(state.clone());
        } else {
            state.recovered(self.mark);
        }
        client.count(match self.mark {
            Recovery::Reboot => Counter::OpensReclaimed,
            _ => Counter::OpensReopened,
        });
    }

    fn failed(&mut self, client: &Arc<Client>, index: u32, fate: Fate, status: Status) {
        let Some(state) = self.state(index) else {
            return;
        };
        match fate {
            Fate::Done => state.forgotten(self.mark),
            Fate::Nograce => self.nograce |= state.mark(Recovery::Reopen),
            Fate::GiveUp => client.give_up(state, status),
        }
    }
}
