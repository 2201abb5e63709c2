// SPDX-License-Identifier: GPL-2.0

//! Socket addresses as text and as the transport wants them.
//!
//! C header: [`include/linux/sunrpc/addr.h`](srctree/include/linux/sunrpc/addr.h)

use kernel::{
    bindings as kb,
    prelude::*,
    str::CString, //
};
use rnfs4_bindings as bindings;

use crate::sys::net::NetNs;

/// Longest text form: an IPv6 address with a scope id.
const TEXT_MAX: usize = 64;

/// An IPv4 or IPv6 address with its port.
#[derive(Clone, Copy)]
pub(crate) struct SockAddr {
    storage: kb::__kernel_sockaddr_storage,
    len: usize,
}

// SAFETY: A socket address is plain data; the pointer that bindgen sees in it only sets the alignment.
unsafe impl Send for SockAddr {}
// SAFETY: As above.
unsafe impl Sync for SockAddr {}

impl SockAddr {
    /// Reads a numeric address (no brackets), as `rpc_pton()` does; the scope id of a link-local address is looked
    /// up in `net`. `EINVAL` when it is none.
    pub(crate) fn parse(net: &NetNs, text: &[u8], port: u16) -> Result<Self> {
        let mut storage: kb::__kernel_sockaddr_storage = pin_init::zeroed();
        // SAFETY: `text` and `storage` are valid for their lengths; `rpc_pton()` keeps neither.
        let len = unsafe {
            bindings::rpc_pton(
                net.as_ptr(),
                text.as_ptr().cast(),
                text.len(),
                (&raw mut storage).cast(),
                size_of_val(&storage),
            )
        };
        if len == 0 {
            return Err(EINVAL);
        }
        let mut addr = Self { storage, len };
        // SAFETY: The storage holds the address that `rpc_pton()` wrote.
        unsafe { bindings::rpc_set_port((&raw mut addr.storage).cast(), port) };
        Ok(addr)
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        // SAFETY: The storage holds a valid address of its family.
        unsafe { bindings::rpc_get_port(self.as_ptr().cast()) }
    }

    /// Whether this is an IPv6 address.
    pub(crate) fn is_ipv6(&self) -> bool {
        u32::from(self.family()) == bindings::AF_INET6
    }

    fn family(&self) -> u16 {
        // SAFETY: Every socket address begins with its family.
        unsafe { (*self.as_ptr().cast::<kb::sockaddr>()).sa_family }
    }

    /// The text form, without brackets or port.
    pub(crate) fn to_text(self) -> Result<CString> {
        let mut buf = [0u8; TEXT_MAX];
        // SAFETY: The buffer is valid for its length and the address valid for its family.
        let n =
            unsafe { bindings::rpc_ntop(self.as_ptr().cast(), buf.as_mut_ptr().cast(), buf.len()) };
        let text = core::str::from_utf8(buf.get(..n).ok_or(EINVAL)?).map_err(|_| EINVAL)?;
        CString::try_from_fmt(fmt!("{text}"))
    }

    pub(super) fn as_ptr(&self) -> *const kb::__kernel_sockaddr_storage {
        &raw const self.storage
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

impl PartialEq for SockAddr {
    fn eq(&self, other: &Self) -> bool {
        // SAFETY: Both hold valid addresses.
        unsafe { bindings::rpc_cmp_addr_port(self.as_ptr().cast(), other.as_ptr().cast()) }
    }
}
