// SPDX-License-Identifier: GPL-2.0

//! Compounds outside of a session: those that make and unmake client ids and sessions.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::{
    compound::{
        Answer,
        Ops, //
    },
    recovery::table::OpClass,
    xdr::XdrResult, //
};

use crate::{
    client::{
        fault::Plan,
        nfs_client::Client,
        observe::stats::Counter, //
    },
    sys::sunrpc::{
        program::Proc,
        Decoder,
        Encoder,
        Flags,
        Message,
        Room,
        RpcCall,
        Task, //
    },
};

/// A compound without SEQUENCE.
struct Bare<'a, O: Ops> {
    client: &'a Client,
    ops: O,
    /// What goes wrong on purpose.
    plan: Plan,
    reply: Option<Answer<O::Res>>,
}

impl<O: Ops> Bare<'_, O> {
    fn take_reply(&mut self, xdr: &mut Decoder<'_>) -> XdrResult {
        self.reply = Some(self.ops.decode_cut(self.plan.cut(), xdr)?);
        Ok(())
    }
}

impl<O: Ops> RpcCall for Bare<'_, O> {
    fn prepare(&mut self, task: &Task) {
        if self.plan.unsent().is_some() && Decoder::with_nothing(|xdr| self.take_reply(xdr)).is_ok()
        {
            task.finish();
        } else {
            task.start();
        }
    }

    fn encode(&mut self, xdr: &mut Encoder<'_>) -> XdrResult {
        if let Some(cut) = self.plan.cut() {
            xdr.limit_ops(cut.at);
        }
        self.client.encode(&self.ops, None, xdr)
    }

    fn decode(&mut self, xdr: &mut Decoder<'_>) -> Result {
        match self.plan {
            Plan::Lost(err) => return Err(err),
            Plan::Garbage => {}
            _ => {
                if self.take_reply(xdr).is_ok() {
                    return Ok(());
                }
            }
        }
        self.client.count(Counter::Malformed);
        Err(EBADMSG)
    }

    fn done(&mut self, _task: &Task) {}
}

impl Client {
    /// Sends `ops`, which begin with an operation that needs no session, and waits for the answer. The error is the
    /// transport's, `EBADMSG` for an answer that makes no sense. May sleep; killable.
    pub(in crate::client) fn call_bare<O: Ops>(
        self: &Arc<Self>,
        flags: Flags,
        ops: O,
    ) -> Result<O::Res> {
        let msg = Message {
            cred: self.cred(),
            proc: Proc::of(ops.main_op()),
            args_max: Ops::args_max(&ops),
            res_max: Ops::res_max(&ops),
            flags,
        };
        let mut call = Room::new()?.sync(
            &msg,
            Bare {
                client: self,
                plan: self.plan(OpClass::Plain, &ops),
                ops,
                reply: None,
            },
        );
        let rpc = match flags {
            Flags::Once => self.own_rpc(),
            _ => self.rpc(),
        };
        call.run(rpc, &msg).inspect_err(|&err| self.gave_up(err))?;
        call.reply.take().map(|answer| answer.res).ok_or(EIO)
    }
}
