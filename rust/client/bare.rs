// SPDX-License-Identifier: GPL-2.0

//! Compounds outside of a session: those that make and unmake client ids and sessions.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::{
    compound::Ops,
    status::Status,
    xdr::XdrResult, //
};

use super::nfs_client::Client;
use crate::sys::sunrpc::{
    program::Proc,
    task,
    Decoder,
    Encoder,
    Flags,
    Message,
    RpcCall,
    Task, //
};

/// A compound without SEQUENCE.
struct Bare<'a, O: Ops> {
    client: &'a Client,
    ops: O,
    reply: Option<(Status, O::Res)>,
}

impl<O: Ops> RpcCall for Bare<'_, O> {
    fn prepare(&mut self, task: &Task) {
        task.start();
    }

    fn encode(&mut self, xdr: &mut Encoder<'_>) -> XdrResult {
        self.client.encode(&self.ops, None, xdr)
    }

    fn decode(&mut self, xdr: &mut Decoder<'_>) -> Result {
        self.reply = Some(self.ops.decode_status(xdr).map_err(|_| EBADMSG)?);
        Ok(())
    }

    fn done(&mut self, _task: &Task) {}
}

impl Client {
    /// Sends `ops`, which begin with an operation that needs no session, and waits for the answer. The error is the
    /// transport's, `EBADMSG` for an answer that makes no sense. May sleep; killable.
    pub(super) fn call_bare<O: Ops>(self: &Arc<Self>, flags: Flags, ops: O) -> Result<O::Res> {
        let msg = Message {
            cred: self.cred(),
            proc: Proc::of(ops.main_op()),
            args_max: Ops::args_max(&ops),
            res_max: Ops::res_max(&ops),
            flags,
        };
        let (res, call) = task::run_sync(
            self.rpc(),
            &msg,
            Bare {
                client: self,
                ops,
                reply: None,
            },
        );
        res?;
        call.reply.map(|(_, res)| res).ok_or(EIO)
    }
}
