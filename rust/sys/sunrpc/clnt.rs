// SPDX-License-Identifier: GPL-2.0

//! RPC clients: a program on a transport.
//!
//! C header: [`include/linux/sunrpc/clnt.h`](srctree/include/linux/sunrpc/clnt.h)

use core::ptr::NonNull;

use kernel::{
    bindings as kb,
    cred::Credential,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi,
    prelude::*,
    seq_file::SeqFile,
    time::Jiffies, //
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
    /// How long a request waits for an answer.
    pub(crate) timeout: Timeout,
    /// Connect from an unprivileged port.
    pub(crate) noresvport: bool,
    /// How many connections to make.
    pub(crate) nconnect: u32,
}

/// One of the transports of a client (`struct rpc_xprt`).
///
/// # Invariants
///
/// It is valid for as long as the value is borrowed.
pub(crate) struct Transport(NonNull<bindings::rpc_xprt>);

impl Transport {
    /// Whether its connection stands. Any context.
    pub(crate) fn is_connected(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::xprt_connected(self.as_ptr()) }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::rpc_xprt {
        self.0.as_ptr()
    }
}

/// One connection among those that a transport makes one after the other (`xprt->connect_cookie`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection(pub(super) u32);

/// Patience with a request (`struct rpc_timeout`): linear, as nfs(5) has it for TCP.
#[derive(Clone, Copy)]
pub(crate) struct Timeout {
    /// Time before a request without an answer is a minor timeout, in jiffies.
    pub(crate) timeo: Jiffies,
    /// How many minor timeouts before it is a major one.
    pub(crate) retrans: u32,
}

impl Timeout {
    fn to_c(self) -> bindings::rpc_timeout {
        bindings::rpc_timeout {
            to_initval: self.timeo,
            to_maxval: self.timeo.saturating_mul(self.retrans as usize + 1),
            to_increment: self.timeo,
            to_retries: self.retrans,
            to_exponential: 0,
        }
    }
}

/// A TCP connection to one server with the NFSv4 program on it (`struct rpc_clnt`). Dropping it kills what is still
/// in flight and waits up to a second for its tasks; their release callbacks may still come after.
pub(crate) struct RpcClnt(NonNull<bindings::rpc_clnt>);

// SAFETY: An rpc_clnt may be used from any thread.
unsafe impl Send for RpcClnt {}
// SAFETY: As above.
unsafe impl Sync for RpcClnt {}

impl RpcClnt {
    /// Makes a client; no connection is made before the first call. Where memory is short it may have fewer transports than were
    /// asked for. May sleep.
    pub(crate) fn create(args: &CreateArgs<'_>) -> Result<Self> {
        let timeout = args.timeout.to_c();
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
            nconnect: args.nconnect,
            flags: flags as usize,
            cred: args.cred.as_ptr(),
            ..pin_init::zeroed()
        };
        // SAFETY: All pointers are valid during the call; what is kept is copied or counted.
        let clnt = from_err_ptr(unsafe { bindings::rpc_create(&raw mut create) })?;
        NonNull::new(clnt).map(Self).ok_or(ENOMEM)
    }

    /// Another client on the same connection, with a patience, statistics and tasks of its own (`rpc_clone_client()`). Its
    /// statistics are shown with those of this one. May sleep.
    pub(crate) fn on_same_connection(&self, timeout: Timeout) -> Result<Self> {
        // SAFETY: The client is alive.
        let clnt = from_err_ptr(unsafe { bindings::rpc_clone_client(self.0.as_ptr()) })?;
        let clone = NonNull::new(clnt).map(Self).ok_or(ENOMEM)?;
        // SAFETY: Nobody else knows the clone yet. The timeouts lie in it, as the C client has them.
        unsafe {
            let clnt = &mut *clnt;
            clnt.cl_timeout_default = timeout.to_c();
            clnt.cl_timeout = &raw const clnt.cl_timeout_default;
            // Not what an impatient one has.
            clnt.set_cl_chatty(1);
            clnt.set_cl_noretranstimeo(1);
        }
        Ok(clone)
    }

    /// The same for who does not wait for an answer longer than `patience`: its calls end with `ETIMEDOUT`, also while the
    /// connection stands, unless they wait for ever ([`Flags::Hard`](super::Flags::Hard)). It says nothing in the log.
    pub(crate) fn impatient(&self, patience: Jiffies) -> Result<Self> {
        let clone = self.on_same_connection(Timeout {
            timeo: patience,
            retrans: 0,
        })?;
        // SAFETY: Nobody else knows the clone yet.
        unsafe {
            let clnt = &mut *clone.0.as_ptr();
            clnt.set_cl_chatty(0);
            clnt.set_cl_noretranstimeo(0);
        }
        Ok(clone)
    }

    /// Changes the patience of an [impatient](Self::impatient) client, for calls that begin from now on. Any context.
    pub(crate) fn set_patience(&self, patience: Jiffies) {
        let timeout = Timeout {
            timeo: patience,
            retrans: 0,
        }
        .to_c();
        // SAFETY: The client is alive. sunrpc reads these without a lock when a call begins; a mixture of old and new does no harm.
        unsafe {
            let to = &raw mut (*self.0.as_ptr()).cl_timeout_default;
            (&raw mut (*to).to_initval).write_volatile(timeout.to_initval);
            (&raw mut (*to).to_maxval).write_volatile(timeout.to_maxval);
        }
    }

    /// Calls the NULL procedure, which connects if need be. The error is that of the connection, or a timeout. May sleep.
    pub(crate) fn ping(&self) -> Result {
        // SAFETY: The client is alive; the task has ended when the call returns, and its reference is ours.
        unsafe {
            let task = from_err_ptr(bindings::rpc_call_null(
                self.0.as_ptr(),
                core::ptr::null_mut(),
                bindings::RPC_TASK_NO_ROUND_ROBIN as ffi::c_int,
            ))?;
            let status = (*task).tk_status;
            bindings::rpc_put_task(task);
            to_result(status)
        }
    }

    /// What the present connection is known by until it breaks; `None` if there is none. Any context.
    pub(crate) fn connection(&self) -> Option<Connection> {
        let mut cookie = 0;
        // SAFETY: The client is alive, and so is its transport.
        unsafe { bindings::rpc_clnt_connected(self.0.as_ptr(), &raw mut cookie) }
            .then_some(Connection(cookie))
    }

    /// Calls `f` for each transport but the first, which is the one that [`connection`](Self::connection) and all calls of the
    /// client's own are about. May sleep.
    pub(crate) fn for_each_other_transport(&self, mut f: impl FnMut(&Transport)) {
        /// # Safety
        ///
        /// `f` must be an `F` that nobody else uses, and the others valid.
        unsafe extern "C" fn call<F: FnMut(&Transport)>(
            clnt: *mut bindings::rpc_clnt,
            xprt: *mut bindings::rpc_xprt,
            f: *mut ffi::c_void,
        ) -> ffi::c_int {
            // SAFETY: By the contract.
            let (f, first) =
                unsafe { (&mut *f.cast::<F>(), bindings::rpc_is_first_xprt(clnt, xprt)) };
            if let (false, Some(xprt)) = (first, NonNull::new(xprt)) {
                // INVARIANT: The caller holds a reference until this returns.
                f(&Transport(xprt));
            }
            0
        }

        fn callback<F: FnMut(&Transport)>(
            _: &mut F,
        ) -> unsafe extern "C" fn(
            *mut bindings::rpc_clnt,
            *mut bindings::rpc_xprt,
            *mut ffi::c_void,
        ) -> ffi::c_int {
            call::<F>
        }

        let call = callback(&mut f);
        // SAFETY: The client is alive, and `f` is used by nobody else until the function returns.
        unsafe {
            bindings::rpc_clnt_iterate_for_each_xprt(
                self.0.as_ptr(),
                Some(call),
                (&raw mut f).cast(),
            );
        }
    }

    /// Gives up the connection, or the attempt to make one: the next call makes another (`rpc_clnt_disconnect()`).
    pub(crate) fn disconnect(&self) {
        // SAFETY: The client is alive.
        unsafe { bindings::rpc_clnt_disconnect(self.0.as_ptr()) };
    }

    /// How long TCP tries to get through before the connection is taken for dead, and how long sunrpc waits at most before it
    /// connects again. Neither can be raised again.
    pub(crate) fn set_connect_timeout(&self, dead: Jiffies, reconnect: Jiffies) {
        // SAFETY: The client is alive.
        unsafe { bindings::rpc_set_connect_timeout(self.0.as_ptr(), dead, reconnect) };
    }

    /// Has every task that sleeps on the connection look again. Any context.
    pub(crate) fn wake_pending(&self) {
        // SAFETY: The client is alive, and so is its transport.
        unsafe { bindings::rpc_wake_pending(self.0.as_ptr()) };
    }

    /// Ends every task that has been started, as a signal does. Those that still sleep in their `prepare` are not meant.
    pub(crate) fn killall_tasks(&self) {
        // SAFETY: The client is alive.
        unsafe { bindings::rpc_killall_tasks(self.0.as_ptr()) };
    }

    /// The same with `EIO`, as `umount -f` wants.
    pub(crate) fn cancel_tasks(&self) {
        // SAFETY: The client is alive; the function looks at nothing.
        unsafe {
            bindings::rpc_cancel_tasks(
                self.0.as_ptr(),
                EIO.to_errno(),
                Some(any_task),
                core::ptr::null(),
            );
        }
    }

    /// Prints the statistics of the transport and of each procedure (`rpc_clnt_show_stats()`). May sleep.
    pub(crate) fn show_stats(&self, m: &SeqFile) {
        // SAFETY: The client is alive, and the file, to which the type is transparent, is this thread's alone.
        unsafe {
            bindings::rpc_clnt_show_stats(core::ptr::from_ref(m).cast_mut().cast(), self.0.as_ptr())
        };
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::rpc_clnt {
        self.0.as_ptr()
    }
}

/// # Safety
///
/// None: any arguments will do.
unsafe extern "C" fn any_task(_: *const bindings::rpc_task, _: *const ffi::c_void) -> bool {
    true
}

impl Drop for RpcClnt {
    fn drop(&mut self) {
        // SAFETY: We own the reference that `rpc_create()` gave.
        unsafe { bindings::rpc_shutdown_client(self.0.as_ptr()) };
    }
}
