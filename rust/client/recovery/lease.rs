// SPDX-License-Identifier: GPL-2.0

//! Introducing the client to its server, and taking leave: EXCHANGE_ID, CREATE_SESSION and their counterparts.
//!
//! Each function is one step that the state machine asked for; what an error means is the machine's to say.

use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};
use rnfs4_proto::{
    ops::session::{
        exchgid4,
        BindConnToSession,
        BindDir,
        CallbackSec,
        ChannelAttrs,
        CreateSession,
        DestroyClientid,
        DestroySession,
        ExchangeId,
        ImplId,
        ReclaimComplete, //
    },
    recovery::table::OpClass,
    status::Status,
    types::{
        NfsTime,
        Verifier, //
    },
};

use crate::{
    client::{
        call::{
            exchange::{
                Body,
                How, //
            },
            session::{
                Limits,
                MAX_SLOTS, //
            },
        },
        nfs_client::Client,
        server::{
            IO_OVERHEAD,
            MAX_IO, //
        },
    },
    sys::{
        net::{
            nodename,
            NetNs, //
        },
        sunrpc::{
            Flags,
            SockAddr, //
        },
        time::random_u64,
    },
};

/// Operations in a compound that we ask for; batches use them.
const MAX_OPS: u32 = 256;
/// Operations without which nothing works: those of a rename from one directory to another.
const NEEDED_OPS: u32 = 12;
/// Bytes of a reply that the server is to keep for each slot.
const MAX_CACHED: u32 = 2048;

/// `co_ownerid`: one for each host, network namespace, minor version and address of the server, and different from the C client's.
///
/// A server with two addresses has two clients in us, each with a lease of its own. By one name they would be two instances of one
/// client, and the second would have the server forget what the first has open.
pub(in crate::client) fn owner_name(
    net: &NetNs,
    minorversion: u32,
    addr: &SockAddr,
) -> Result<CString> {
    let (node, server) = (nodename()?, addr.to_text()?);
    let node = node.to_str().map_err(|_| EINVAL)?;
    let server = server.to_str().map_err(|_| EINVAL)?;
    CString::try_from_fmt(fmt!(
        "rnfs4.{minorversion} {node} {} {server} {}",
        net.inum(),
        addr.port()
    ))
}

/// How a step ended: the transport's error (`EBADMSG` for an answer that makes no sense), or the server's answer.
pub(in crate::client) type Answer<T = ()> = Result<core::result::Result<T, Status>>;

/// The body of a call that is nothing but SEQUENCE.
struct Lone {
    res: Result,
    failed: Option<Status>,
}

impl Body for Lone {
    type Ops = ();

    fn class(&self) -> OpClass {
        OpClass::Sequence
    }

    fn sequence_failed(&mut self, status: Status) {
        self.failed = Some(status);
    }

    fn finish(&mut self, res: Result) {
        self.res = res;
    }
}

impl Client {
    /// EXCHANGE_ID. The answer is whether the server remembers this instance of the client (`CONFIRMED_R`), and whether its scope
    /// is another one than before.
    pub(in crate::client) fn exchange_id(self: &Arc<Self>, flags: Flags) -> Answer<(bool, bool)> {
        let mut identity = self.identity.lock();
        let identity = &mut *identity;
        let old_scope = identity.server.scope;
        let ops = (ExchangeId {
            verifier: identity.verifier,
            owner: identity.owner.to_bytes(),
            flags: exchgid4::SUPP_MOVED_REFER,
            impl_id: Some(ImplId {
                domain: b"rnfs4",
                name: b"rnfs4",
                date: NfsTime::default(),
            }),
            server: &mut identity.server,
        },);
        let (res,) = self.call_bare(flags, ops).inspect_err(|_| {
            // What came may have been half an answer.
            identity.server.scope = old_scope;
        })?;
        Ok(res.map(|res| {
            identity.clientid = res.clientid;
            if !res.confirmed() {
                identity.create_seqid = res.seqid;
            }
            let scope = identity.server.scope;
            (
                res.confirmed(),
                !old_scope.as_slice().is_empty() && old_scope != scope,
            )
        }))
    }

    /// From now on this is another instance of the client: EXCHANGE_ID will have the server forget what the old one had.
    pub(in crate::client) fn new_instance(&self) {
        self.identity.lock().verifier = Verifier(random_u64().to_be_bytes());
    }

    /// BIND_CONN_TO_SESSION of the first connection, for calls.
    pub(in crate::client) fn bind_conn(self: &Arc<Self>) -> Answer {
        let bind = BindConnToSession {
            sessionid: self.session().id(),
            dir: BindDir::Fore,
        };
        let (res,) = self.call_bare(Flags::Once, (bind,))?;
        Ok(res.map(|_| ()))
    }

    /// CREATE_SESSION, and the slot table for it. Called with the session drained.
    pub(in crate::client) fn create_session(self: &Arc<Self>, flags: Flags) -> Answer {
        let mut identity = self.identity.lock();
        let fore = ChannelAttrs {
            max_request_size: MAX_IO + IO_OVERHEAD,
            max_response_size: MAX_IO + IO_OVERHEAD,
            max_response_size_cached: MAX_CACHED,
            max_ops: MAX_OPS,
            max_reqs: MAX_SLOTS,
        };
        // Until there are callbacks the back channel exists on paper only: no connection is bound to it.
        let back = ChannelAttrs {
            max_request_size: 4096,
            max_response_size: 4096,
            max_response_size_cached: 0,
            max_ops: 2,
            max_reqs: 1,
        };
        let ops = (CreateSession {
            clientid: identity.clientid,
            seqid: identity.create_seqid,
            flags: 0,
            fore,
            back,
            cb_program: 0x4000_0000,
            cb_sec: CallbackSec::None,
        },);
        let (res,) = self.call_bare(flags, ops)?;
        let res = match res {
            Ok(res) => res,
            Err(status) => return Ok(Err(status)),
        };
        identity.create_seqid = identity.create_seqid.wrapping_add(1);
        drop(identity);
        if !res.fore.acceptable(&fore, NEEDED_OPS) {
            pr_warn!(
                "{}: the server's session limits are too small\n",
                self.name()
            );
            let _ = self.call_bare(flags, (DestroySession(res.sessionid),));
            return Err(EINVAL);
        }
        let limits = Limits {
            max_request: res.fore.max_request_size,
            max_response: res.fore.max_response_size,
            max_ops: res.fore.max_ops.min(MAX_OPS),
        };
        self.session()
            .establish(res.sessionid, res.fore.max_reqs, limits);
        Ok(Ok(()))
    }

    /// DESTROY_SESSION.
    pub(in crate::client) fn destroy_session(self: &Arc<Self>, flags: Flags) -> Answer {
        let (res,) = self.call_bare(flags, (DestroySession(self.session().id()),))?;
        Ok(res)
    }

    /// DESTROY_CLIENTID.
    pub(in crate::client) fn destroy_clientid(self: &Arc<Self>, flags: Flags) -> Answer {
        let (res,) = self.call_bare(flags, (DestroyClientid(self.clientid()),))?;
        Ok(res)
    }

    /// A lone SEQUENCE, to see whether session and lease are alive.
    pub(in crate::client) fn check_lease(self: &Arc<Self>) -> Answer {
        let mut body = Lone {
            res: Err(EIO),
            failed: None,
        };
        self.call_body(self.how_own(), (), &mut body);
        body.res.map(|()| body.failed.map_or(Ok(()), Err))
    }

    /// RECLAIM_COMPLETE for everything.
    pub(in crate::client) fn reclaim_complete(self: &Arc<Self>) -> Answer {
        let (res,) = self.call(self.how_own(), (ReclaimComplete { one_fs: false },))?;
        Ok(res)
    }

    /// How recovery calls.
    pub(in crate::client) fn how_privileged(&self) -> How<'_> {
        How {
            cred: self.cred(),
            privileged: true,
            flags: Flags::Once,
            patience_ms: 0,
            pages: None,
            rpc: self.rpc(),
            force: None,
        }
    }

    /// The same for a single call for whose answer all waits: it may be long in coming, but not for ever.
    pub(in crate::client) fn how_own(&self) -> How<'_> {
        How {
            rpc: self.own_rpc(),
            ..self.how_privileged()
        }
    }
}
