// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers over the kernel's RPC client.
//!
//! C headers: [`include/linux/sunrpc/`](srctree/include/linux/sunrpc/)

pub(crate) mod addr;
pub(crate) mod clnt;
pub(crate) mod program;
pub(crate) mod task;
pub(crate) mod wait_queue;
pub(crate) mod xdr;

pub(crate) use {
    addr::SockAddr,
    clnt::{
        Connection,
        RpcClnt,
        Timeout, //
    },
    task::{
        connection_lost,
        AsyncCall,
        Flags,
        Message,
        Room,
        RpcCall,
        Started,
        SyncCall,
        Task, //
    },
    wait_queue::RpcWaitQueue,
    xdr::{
        Decoder,
        Encoder,
        PagedReply, //
    },
};
