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

use super::{
    exchange::Body,
    open_state::OpenState,
    server::Server, //
};
use crate::sys::mm::PageVec;

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

    /// Data sent (WRITE) or received (READ).
    fn pages(&self) -> Option<&PageVec>;

    /// Makes the operations, with a fresh stateid, before each request that is new to the server; an error gives up with it.
    /// Must not block.
    fn build(&mut self) -> Result<Self::Ops>;

    /// Takes the outcome, exactly once, also when the call could not be started. Must not block: it runs in rpciod.
    fn finish(&mut self, res: Result<<Self::Ops as Ops>::Res>);
}

struct AsyncBody<C> {
    call: C,
    sent: Stateid,
}

impl<C: AsyncOps> AsyncBody<C> {
    fn build(&mut self) -> Result<C::Ops> {
        if let Some(state) = self.call.state() {
            // Taken first: if it changes now, the call is at worst sent once more.
            self.sent = state.stateid()?;
        }
        self.call.build()
    }
}

impl<C: AsyncOps> Body for AsyncBody<C> {
    type Ops = C::Ops;

    fn class(&self) -> OpClass {
        C::CLASS
    }

    fn state(&self) -> Option<(&Arc<OpenState>, Stateid)> {
        self.call.state().map(|state| (state, self.sent))
    }

    fn pages(&self) -> Option<&PageVec> {
        self.call.pages()
    }

    fn refresh(&mut self, ops: &mut C::Ops) -> Result {
        *ops = self.build()?;
        Ok(())
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
            sent: Stateid::ANONYMOUS,
        };
        match body.build() {
            // If it cannot be started, the exchange is dropped and finishes the call.
            Ok(ops) => drop(self.client().start(self.how(&cred), ops, body)),
            Err(err) => body.call.finish(Err(err)),
        }
    }
}
