// SPDX-License-Identifier: GPL-2.0

//! Submounts: what a file system mounts by itself where a walk goes on into another one, and what takes that away again when nobody
//! has used it for a while.
//!
//! C header: [`include/linux/mount.h`](srctree/include/linux/mount.h).

use core::ptr::NonNull;

use kernel::{
    bindings as kb,
    error::from_err_ptr,
    impl_has_delayed_work,
    new_delayed_work,
    prelude::*,
    sync::Arc,
    time::msecs_to_jiffies,
    types::Opaque,
    workqueue::{
        self,
        DelayedWork,
        WorkItem, //
    }, //
};

use rnfs4_bindings as bindings;

use super::{
    check,
    fs_context::{
        FsContextVTable,
        SHARED_FLAGS, //
    },
    Dentry,
    FsContextOperations,
    Registration, //
};
use crate::sys::workqueue::cancel_delayed_work_sync;

/// The submounts of a file system type, each of which goes at the second look since it was last used (`nfs_automount_list`).
///
/// # Invariants
///
/// `mounts` is the head of a list that only the functions of the VFS change.
#[pin_data]
pub(super) struct Expiry {
    #[pin]
    mounts: Opaque<kb::list_head>,
    /// From one look to the next; 0: there is none.
    seconds: u32,
    #[pin]
    work: DelayedWork<Expiry>,
}

// SAFETY: The VFS locks the list, and it may be freed by any thread.
unsafe impl Send for Expiry {}
// SAFETY: The VFS locks the list.
unsafe impl Sync for Expiry {}

impl_has_delayed_work! {
    impl HasDelayedWork<Expiry> for Expiry { self.work }
}

impl WorkItem for Expiry {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        // SAFETY: By the type invariants. What goes is unmounted by the VFS's own work item.
        unsafe { bindings::mark_mounts_for_expiry(this.mounts.get()) };
        this.look_later();
    }
}

impl Expiry {
    /// No submounts. May sleep.
    pub(super) fn new(seconds: u32) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                mounts <- Opaque::ffi_init(|head: *mut kb::list_head| {
                    // SAFETY: `head` is valid for writing.
                    unsafe { head.write(kb::list_head { next: head, prev: head }) }
                }),
                seconds,
                work <- new_delayed_work!("rnfs4_expiry"),
            }),
            GFP_KERNEL,
        )
    }

    /// Looks, once the time has passed, at the submounts, if there are any.
    fn look_later(self: &Arc<Self>) {
        // SAFETY: The word may be read at any time.
        let first = unsafe { (&raw const (*self.mounts.get()).next).read_volatile() };
        if self.seconds == 0 || first == self.mounts.get() {
            return;
        }
        let delay = msecs_to_jiffies(self.seconds.saturating_mul(1000));
        // Already armed is as good.
        let _ = workqueue::system_unbound().enqueue_delayed(self.clone(), delay);
    }

    /// Has the mount go when it is not used.
    ///
    /// # Safety
    ///
    /// `mnt` must be a new mount of the type that this is for.
    unsafe fn add(self: &Arc<Self>, mnt: NonNull<kb::vfsmount>) {
        if self.seconds != 0 {
            // SAFETY: By the contract and the type invariants. A mount leaves the list before it is freed, and there is none when
            // the list is.
            unsafe { bindings::mnt_set_expiry(mnt.as_ptr(), self.mounts.get()) };
            self.look_later();
        }
    }

    /// There are no submounts any more, and will be none. May sleep.
    pub(super) fn end(self: &Arc<Self>) {
        cancel_delayed_work_sync(self);
    }
}

/// A context that is ours to give up.
struct OwnedContext(NonNull<bindings::fs_context>);

impl Drop for OwnedContext {
    fn drop(&mut self) {
        // SAFETY: The context is valid, and nobody uses it any more.
        unsafe { bindings::put_fs_context(self.0.as_ptr()) };
    }
}

/// Makes the mount that belongs on `point`, with the flags of the superblock that this lies in.
fn submount<T: FsContextOperations>(point: &Dentry<T>) -> Result<NonNull<kb::vfsmount>> {
    if point.is_root() {
        return Err(ESTALE);
    }
    let sb = point.sb().as_ptr();
    // SAFETY: The superblock is alive, and with it its type, which is part of a `Registration<T>`.
    let registration = unsafe { Registration::<T>::from_fs_type((*sb).s_type) };
    // SAFETY: Type and dentry are valid. What is returned is ours.
    let fc = unsafe { bindings::fs_context_for_submount((*sb).s_type, point.as_ptr()) };
    let fc = from_err_ptr(fc)?;
    let fc = OwnedContext(NonNull::new(fc).ok_or(ENOMEM)?);
    // SAFETY: The context is valid and ours, made by `init_fs_context` of `T`; the superblock is alive.
    let mnt = unsafe {
        let raw = fc.0.as_ptr();
        (*raw).sb_flags |= (*sb).s_flags as u32 & SHARED_FLAGS;
        (*raw).sb_flags_mask |= SHARED_FLAGS;
        check(FsContextVTable::<T>::with(raw, |fc, params| {
            T::submount(fc, params, point)
        }))?;
        from_err_ptr(bindings::fc_mount(raw))?
    };
    let mnt = NonNull::new(mnt).ok_or(ENOMEM)?;
    // SAFETY: The mount is new, and of `T`.
    unsafe { registration.expiry().add(mnt) };
    Ok(mnt)
}

/// Answers `->d_automount()`: a walk goes on below a directory with `S_AUTOMOUNT`, which nothing is mounted on yet.
///
/// # Safety
///
/// To be called by the VFS only, for dentries of `T`, outside of an RCU walk.
pub(super) unsafe extern "C" fn d_automount<T: FsContextOperations>(
    path: *mut kb::path,
) -> *mut kb::vfsmount {
    // SAFETY: The VFS holds references to both halves of the path.
    match submount(unsafe { Dentry::<T>::from_raw((*path).dentry) }) {
        Ok(mnt) => mnt.as_ptr(),
        Err(e) => e.to_ptr(),
    }
}
