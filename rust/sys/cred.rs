// SPDX-License-Identifier: GPL-2.0

//! Credentials beyond [`kernel::cred`].
//!
//! C header: [`include/linux/cred.h`](srctree/include/linux/cred.h)

use core::ptr::NonNull;

use kernel::{
    bindings as kb,
    cred::Credential,
    sync::aref::ARef, //
};
use rnfs4_bindings as bindings;

/// The calling task's credentials.
pub(crate) fn current_cred() -> ARef<Credential> {
    // SAFETY: The helper returns a new reference to the current task's credentials, which are never null.
    unsafe {
        let ptr = bindings::get_current_cred();
        ARef::from_raw(NonNull::new_unchecked(ptr.cast_mut().cast()))
    }
}

/// The calling task's umask: the permission bits that what it makes is not to have.
pub(crate) fn current_umask() -> u32 {
    // SAFETY: The function only reads from the current task.
    unsafe { bindings::current_umask() as u32 }
}

/// The credential under which a client talks to its server about itself: root's, as AUTH_SYS knows it.
pub(crate) fn machine_cred() -> ARef<Credential> {
    // SAFETY: `rpc_machine_cred()` returns a static credential.
    ARef::from(unsafe { Credential::from_ptr(bindings::rpc_machine_cred()) })
}

/// The file-system uid, by which a server knows the user, as a number of the initial user namespace.
pub(crate) fn fsuid(cred: &Credential) -> u32 {
    // SAFETY: The credential is valid, and so is the initial namespace.
    unsafe { kb::from_kuid(&raw mut kb::init_user_ns, (*cred.as_ptr()).fsuid) }
}

/// Orders credentials by what a server sees of them (`cred_fscmp()`): file-system uid, gid and groups.
pub(crate) fn cred_fscmp(a: &Credential, b: &Credential) -> core::cmp::Ordering {
    // SAFETY: Both are valid credentials.
    unsafe { bindings::cred_fscmp(a.as_ptr(), b.as_ptr()) }.cmp(&0)
}
