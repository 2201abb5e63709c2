// SPDX-License-Identifier: GPL-2.0

//! RPC clients: a program on a transport.
//!
//! C header: [`include/linux/sunrpc/clnt.h`](srctree/include/linux/sunrpc/clnt.h)

use core::ptr::NonNull;

use kernel::{
    bindings as kb,
    cred::Credential,
    error::from_err_ptr,
    ffi,
    prelude::*, //
};
use rnfs4_bindings as bindings;

use super::{
    program,
    SockAddr, //
};
use crate::sys::net::NetNs;

/// What a transport to a server is made from.
pub(crate) struct CreateArgs<'a> {
    /// Namespace the socket lives in.
    pub(crate) net: &'a NetNs,
    /// The server.
    pub(crate) addr: &'a SockAddr,
    /// Its name for messages.
    pub(crate) servername: &'a CStr,
    /// Whose user namespace uids are sent in.
    pub(crate) cred: &'a Credential,
    /// Time before a request without an answer is taken up again, in jiffies.
    pub(crate) timeo: usize,
    /// How often, before it counts as a major timeout.
    pub(crate) retrans: u32,
    /// Connect from an unprivileged port.
    pub(crate) noresvport: bool,
}

/// A TCP connection to one server with the NFSv4 program on it (`struct rpc_clnt`). Dropping it kills what is still
/// in flight and waits up to a second for its tasks; their release callbacks may still come after.
pub(crate) struct RpcClnt(NonNull<bindings::rpc_clnt>);

// SAFETY: An rpc_clnt may be used from any thread.
unsafe impl Send for RpcClnt {}
// SAFETY: As above.
unsafe impl Sync for RpcClnt {}

impl RpcClnt {
    /// Makes a client; no connection is made before the first call. May sleep.
    pub(crate) fn create(args: &CreateArgs<'_>) -> Result<Self> {
        let timeout = bindings::rpc_timeout {
            to_initval: args.timeo,
            to_maxval: args.timeo,
            to_increment: args.timeo,
            to_retries: args.retrans,
            to_exponential: 0,
        };
        let mut flags = bindings::RPC_CLNT_CREATE_HARDRTRY
            | bindings::RPC_CLNT_CREATE_NOPING
            | bindings::RPC_CLNT_CREATE_DISCRTRY
            | bindings::RPC_CLNT_CREATE_INFINITE_SLOTS
            | bindings::RPC_CLNT_CREATE_NO_IDLE_TIMEOUT
            | bindings::RPC_CLNT_CREATE_NO_RETRANS_TIMEOUT;
        if args.noresvport {
            flags |= bindings::RPC_CLNT_CREATE_NONPRIVPORT;
        }
        let mut create = bindings::rpc_create_args {
            net: args.net.as_ptr(),
            protocol: kb::IPPROTO_TCP as ffi::c_int,
            // The C side copies the address and does not write to it.
            address: args.addr.as_ptr().cast_mut().cast(),
            addrsize: args.addr.len(),
            timeout: &raw const timeout,
            servername: args.servername.as_char_ptr(),
            program: program::program(),
            stats: program::stats(),
            version: program::VERSION,
            authflavor: bindings::rpc_auth_flavors_RPC_AUTH_UNIX,
            nconnect: 1,
            flags: flags as usize,
            cred: args.cred.as_ptr(),
            ..pin_init::zeroed()
        };
        // SAFETY: All pointers are valid during the call; what is kept is copied or counted.
        let clnt = from_err_ptr(unsafe { bindings::rpc_create(&raw mut create) })?;
        NonNull::new(clnt).map(Self).ok_or(ENOMEM)
    }

    /// Ends every task with an error, as `umount -f` wants.
    pub(crate) fn killall_tasks(&self) {
        // SAFETY: The client is alive.
        unsafe { bindings::rpc_killall_tasks(self.0.as_ptr()) };
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::rpc_clnt {
        self.0.as_ptr()
    }
}

impl Drop for RpcClnt {
    fn drop(&mut self) {
        // SAFETY: We own the reference that `rpc_create()` gave.
        unsafe { bindings::rpc_shutdown_client(self.0.as_ptr()) };
    }
}
