// SPDX-License-Identifier: GPL-2.0

//! Asynchronous calls of the file system: READ, WRITE, COMMIT.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use rnfs4_proto::{
    compound::Ops,
    recovery::table::OpClass,
    types::Stateid, //
};

use super::exchange::Body;
use crate::{
    client::{
        server::Server,
        state::{
            lock_state::LockState,
            open_state::OpenState, //
        },
    },
    sys::mm::PageVec,
};

/// An asynchronous compound, as the file system writes it.
pub(crate) trait AsyncOps: Send + 'static {
    /// The operations behind SEQUENCE.
    type Ops: Ops + Send;
    /// Which errors may come, and what they mean.
    const CLASS: OpClass;

    /// On whose behalf.
    fn cred(&self) -> &Credential;

    /// Whose stateid is used: is recovered when the server refuses it.
    fn state(&self) -> Option<&Arc<OpenState>>;

    /// The lock owner by whose right data is moved; its stateid goes before the open's.
    fn lock(&self) -> Option<&Arc<LockState>> {
        None
    }

    /// Data sent (WRITE) or received (READ).
    fn pages(&self) -> Option<&PageVec>;

    /// Makes the operations, with this stateid, before each request that is new to the server; an error gives up with it.
    /// Must not block.
    fn build(&mut self, stateid: Stateid) -> Result<Self::Ops>;

    /// See [`Body::is_answered`].
    fn is_answered(&self, _res: &<Self::Ops as Ops>::Res) -> bool {
        false
    }

    /// Takes the outcome, exactly once, also when the call could not be started. Must not block: it runs in rpciod.
    fn finish(&mut self, res: Result<<Self::Ops as Ops>::Res>);
}

/// The stateid by which data is read or written, as `nfs4_select_rw_stateid()`: the lock's, then the open's; and whether it is the
/// lock's. If it changes now, the call is at worst sent once more. Of either the version is left open, for others may open, close and lock
/// the file while data is on its way.
pub(in crate::client) fn io_stateid(
    open: &Arc<OpenState>,
    lock: Option<&Arc<LockState>>,
) -> Result<(Stateid, bool)> {
    let stateid = open.stateid()?.of_any_seqid();
    let lock = lock.map(|lock| lock.io_stateid());
    Ok(match lock.transpose()?.flatten() {
        Some(lock) => (lock, true),
        None => (stateid, false),
    })
}

struct AsyncBody<C> {
    call: C,
    /// The stateid that was sent, and whether it is that of the call's lock owner.
    sent: (Stateid, bool),
}

impl<C: AsyncOps> AsyncBody<C> {
    fn build(&mut self) -> Result<C::Ops> {
        if let Some(state) = self.call.state() {
            self.sent = io_stateid(state, self.call.lock())?;
        }
        self.call.build(self.sent.0)
    }
}

impl<C: AsyncOps> Body for AsyncBody<C> {
    type Ops = C::Ops;

    fn class(&self) -> OpClass {
        C::CLASS
    }

    fn state(&self) -> Option<(&Arc<OpenState>, Stateid)> {
        self.call.state().map(|state| (state, self.sent.0))
    }

    fn lock(&self) -> Option<&Arc<LockState>> {
        self.call.lock().filter(|_| self.sent.1)
    }

    fn pages(&self) -> Option<&PageVec> {
        self.call.pages()
    }

    fn refresh(&mut self, ops: &mut C::Ops) -> Result {
        *ops = self.build()?;
        Ok(())
    }

    fn is_answered(&self, res: &<C::Ops as Ops>::Res) -> bool {
        self.call.is_answered(res)
    }

    fn finish(&mut self, res: Result<<C::Ops as Ops>::Res>) {
        self.call.finish(res);
    }
}

impl Server {
    /// Starts an asynchronous compound. Its `finish` is called exactly once, whatever happens. May sleep to allocate.
    pub(crate) fn start<C: AsyncOps>(self: &Arc<Self>, call: C)
    where
        <C::Ops as Ops>::Res: Send,
    {
        let cred = ARef::from(call.cred());
        let mut body = AsyncBody {
            call,
            sent: (Stateid::ANONYMOUS, false),
        };
        match body.build() {
            // If it cannot be started, the exchange is dropped and finishes the call.
            Ok(ops) => drop(self.client().start(self.how(&cred), ops, body)),
            Err(err) => body.call.finish(Err(err)),
        }
    }
}
