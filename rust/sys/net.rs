// SPDX-License-Identifier: GPL-2.0

//! Network namespaces and the names they give to this host.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)

use core::ptr::NonNull;

use kernel::{
    bindings as kb, prelude::*, str::CString, sync::aref::AlwaysRefCounted, types::Opaque,
};
use rnfs4_bindings as bindings;

/// A network namespace (`struct net`).
///
/// # Invariants
///
/// Instances are reference-counted by `get_net()`/`put_net()`.
#[repr(transparent)]
pub(crate) struct NetNs(Opaque<kb::net>);

// SAFETY: `put_net()` may be called from any thread, and a namespace does not belong to one.
unsafe impl Send for NetNs {}
// SAFETY: What is read here is constant or synchronised by the C side.
unsafe impl Sync for NetNs {}

impl NetNs {
    /// The namespace behind a raw pointer.
    ///
    /// # Safety
    ///
    /// `ptr` is valid and stays so for `'a`.
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut kb::net) -> &'a Self {
        // SAFETY: As promised by the caller; the type is transparent.
        unsafe { &*ptr.cast() }
    }

    /// The namespace's inode number, by which user space tells namespaces apart.
    pub(crate) fn inum(&self) -> u32 {
        // SAFETY: The namespace is alive, and its number never changes.
        unsafe { bindings::net_inum(self.as_ptr()) }
    }

    /// Raw pointer for the C side.
    pub(crate) fn as_ptr(&self) -> *mut kb::net {
        self.0.get()
    }
}

impl PartialEq for NetNs {
    fn eq(&self, other: &Self) -> bool {
        self.as_ptr() == other.as_ptr()
    }
}

// SAFETY: `get_net()`/`put_net()` count the references.
unsafe impl AlwaysRefCounted for NetNs {
    fn inc_ref(&self) {
        // SAFETY: A shared reference means a positive count.
        unsafe { bindings::get_net(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller owns one reference.
        unsafe { bindings::put_net(obj.cast().as_ptr()) };
    }
}

/// The host's name as the calling process sees it (`utsname()->nodename`).
pub(crate) fn nodename() -> Result<CString> {
    let mut buf = [0u8; 65];
    // SAFETY: The helper writes at most `buf.len()` bytes and terminates the string.
    unsafe { bindings::nodename(buf.as_mut_ptr().cast(), buf.len()) };
    let name = CStr::from_bytes_until_nul(&buf).map_err(|_| EINVAL)?;
    Ok(name.to_cstring()?)
}
