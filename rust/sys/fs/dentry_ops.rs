// SPDX-License-Identifier: GPL-2.0

//! What the VFS asks of a file system about its dentries.
//!
//! C header: [`include/linux/dcache.h`](srctree/include/linux/dcache.h).

use core::{
    marker::PhantomData,
    ptr::NonNull,
    slice, //
};

use kernel::{
    bindings as kb,
    error::VTABLE_DEFAULT_ERROR,
    ffi,
    prelude::*,
    sync::aref::ARef, //
};

use rnfs4_bindings as bindings;

use super::{
    automount::d_automount,
    Dentry,
    DentryOps,
    FsContextOperations,
    INode, //
};

/// What a dentry operation is told about the walk (`LOOKUP_*`).
#[derive(Clone, Copy)]
pub(crate) struct LookupFlags(u32);

impl LookupFlags {
    pub(super) fn new(flags: u32) -> Self {
        Self(flags)
    }

    /// No wish in particular.
    pub(crate) fn none() -> Self {
        Self(0)
    }

    /// The last component is to be opened.
    pub(crate) fn is_open(self) -> bool {
        self.0 & bindings::LOOKUP_OPEN != 0
    }

    /// The last component is to be created.
    pub(crate) fn is_create(self) -> bool {
        self.0 & bindings::LOOKUP_CREATE != 0
    }

    /// The name must not exist yet.
    pub(crate) fn is_excl(self) -> bool {
        self.0 & bindings::LOOKUP_EXCL != 0
    }

    /// The last component is the target of a rename.
    pub(crate) fn is_rename_target(self) -> bool {
        self.0 & bindings::LOOKUP_RENAME_TARGET != 0
    }

    /// The walk is being done again after `ESTALE`: trust no cache.
    pub(crate) fn is_reval(self) -> bool {
        self.0 & bindings::LOOKUP_REVAL != 0
    }
}

/// The operations of a file system on its dentries.
#[vtable]
pub(crate) trait DentryOperations: FsContextOperations {
    /// Tells whether the name still stands for what the dentry says. May sleep. `dir` is the directory in which the
    /// walk met the name.
    fn d_revalidate(
        _dir: &INode<Self>,
        _name: &[u8],
        _dentry: &Dentry<Self>,
        _flags: LookupFlags,
    ) -> Result<bool> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The same in an RCU walk, where nothing is referenced and nothing may sleep: what the data of the directory and
    /// of the object (`None`: negative) and `d_time` tell. `None` means that the walk must go on with references.
    fn d_revalidate_rcu(
        _dir: &Self::InodeInfo,
        _inode: Option<&Self::InodeInfo>,
        _time: u64,
        _flags: LookupFlags,
    ) -> Option<bool> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells whether the object behind a dentry that was reached without a name (`.`, a mount's root, a link of
    /// `/proc`) is still there. May sleep.
    fn d_weak_revalidate(_inode: &INode<Self>) -> Result<bool> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells whether a dentry that nobody uses is not to be kept. `inode` is the data of its inode. Called under a
    /// spinlock.
    fn d_delete(_inode: Option<&Self::InodeInfo>) -> bool {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A name of the directory `dir` is no longer cached, to save memory or because it is gone. Called under a spinlock.
    fn d_prune(_dir: &Self::InodeInfo) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The last user of a dentry that was marked by [`Dentry::set_renamed`] is gone; `info` is what was set. May sleep.
    fn d_iput_renamed(_info: Self::DentryInfo, _inode: &INode<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The C table of a file system's dentry operations.
struct DentryOperationsVTable<T>(PhantomData<T>);

impl<T: DentryOperations> DentryOperationsVTable<T> {
    /// # Safety
    ///
    /// To be called by the VFS only, for dentries of `T`.
    unsafe extern "C" fn d_revalidate(
        dir: *mut kb::inode,
        name: *const kb::qstr,
        dentry: *mut kb::dentry,
        flags: ffi::c_uint,
    ) -> ffi::c_int {
        let lookup = LookupFlags(flags);
        if flags & bindings::LOOKUP_RCU != 0 {
            if !T::HAS_D_REVALIDATE_RCU {
                return ECHILD.to_errno();
            }
            // SAFETY: In an RCU walk dentries and inodes, with our data in them, are not freed before it ends. The
            // dentry's inode is read once.
            let res = unsafe {
                let inode = (&raw const (*dentry).d_inode).read_volatile();
                let info = (!inode.is_null()).then(|| INode::<T>::from_raw(inode).info());
                T::d_revalidate_rcu(
                    INode::<T>::from_raw(dir).info(),
                    info,
                    (&raw const (*dentry).d_time).read_volatile() as u64,
                    lookup,
                )
            };
            return res.map_or(ECHILD.to_errno(), ffi::c_int::from);
        }
        // SAFETY: Outside of an RCU walk the VFS holds references to both, and `name` does not change during the call.
        let (dir, name, dentry) = unsafe {
            let name = &*name;
            (
                INode::from_raw(dir),
                slice::from_raw_parts(
                    name.name,
                    name.__bindgen_anon_1.__bindgen_anon_1.len as usize,
                ),
                Dentry::<T>::from_raw(dentry),
            )
        };
        match T::d_revalidate(dir, name, dentry, lookup) {
            Ok(valid) => valid.into(),
            Err(e) => e.to_errno(),
        }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for dentries of `T`.
    unsafe extern "C" fn d_weak_revalidate(
        dentry: *mut kb::dentry,
        _flags: ffi::c_uint,
    ) -> ffi::c_int {
        // SAFETY: The VFS holds a reference.
        let dentry = unsafe { Dentry::<T>::from_raw(dentry) };
        match dentry.inode().map_or(Ok(true), T::d_weak_revalidate) {
            Ok(valid) => valid.into(),
            Err(e) => e.to_errno(),
        }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for dentries of `T`.
    unsafe extern "C" fn d_delete(dentry: *const kb::dentry) -> ffi::c_int {
        // SAFETY: The VFS holds the dentry's lock, under which it keeps its inode. The inode's data is valid as long.
        let (inode, flags) = unsafe {
            let inode = (*dentry).d_inode;
            let info = (!inode.is_null()).then(|| INode::<T>::from_raw(inode).info());
            (info, (*dentry).d_flags)
        };
        // A name that was made only to keep an open file goes with its last user.
        (flags & kb::dentry_flags_DCACHE_NFSFS_RENAMED != 0 || T::d_delete(inode)).into()
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for dentries of `T`.
    unsafe extern "C" fn d_prune(dentry: *mut kb::dentry) {
        // SAFETY: The VFS holds the dentry's lock, under which it keeps its parent and that its inode, with our data.
        let dir = unsafe { (*(*dentry).d_parent).d_inode };
        if !dir.is_null() {
            // SAFETY: As above.
            T::d_prune(unsafe { INode::<T>::from_raw(dir) }.info());
        }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for dentries of `T`.
    unsafe extern "C" fn d_iput(dentry: *mut kb::dentry, inode: *mut kb::inode) {
        // SAFETY: The VFS gives us the dentry, which nobody else uses for files any more, and a reference to its inode.
        let (dentry, inode) = unsafe {
            (
                Dentry::<T>::from_raw(dentry),
                ARef::<INode<T>>::from_raw(NonNull::new_unchecked(inode).cast()),
            )
        };
        if let Some(info) = dentry.take_renamed() {
            T::d_iput_renamed(info, &inode);
        }
    }

    /// Begins with no time, which the dcache leaves to us.
    ///
    /// # Safety
    ///
    /// To be called by the VFS only, for dentries of `T`.
    unsafe extern "C" fn d_init(dentry: *mut kb::dentry) -> ffi::c_int {
        // SAFETY: The dentry was allocated just now.
        unsafe { (*dentry).d_time = 0 };
        0
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for dentries of `T`.
    unsafe extern "C" fn d_release(dentry: *mut kb::dentry) {
        // SAFETY: The dentry is about to be freed: nobody else uses it.
        drop(unsafe { Dentry::<T>::from_raw(dentry) }.take_renamed());
    }

    const VTABLE: DentryOps<T> = {
        // SAFETY: The functions expect dentries of `T`.
        unsafe {
            DentryOps::new(kb::dentry_operations {
                d_revalidate: if T::HAS_D_REVALIDATE {
                    Some(Self::d_revalidate)
                } else {
                    None
                },
                d_weak_revalidate: if T::HAS_D_WEAK_REVALIDATE {
                    Some(Self::d_weak_revalidate)
                } else {
                    None
                },
                d_delete: if T::HAS_D_DELETE {
                    Some(Self::d_delete)
                } else {
                    None
                },
                d_prune: if T::HAS_D_PRUNE {
                    Some(Self::d_prune)
                } else {
                    None
                },
                d_iput: if T::HAS_D_IPUT_RENAMED {
                    Some(Self::d_iput)
                } else {
                    None
                },
                d_init: Some(Self::d_init),
                d_release: Some(Self::d_release),
                d_automount: Some(d_automount::<T>),
                ..pin_init::zeroed()
            })
        }
    };
}

/// Returns the table of `T`'s dentry operations.
pub(crate) const fn dentry_ops<T: DentryOperations>() -> &'static DentryOps<T> {
    &DentryOperationsVTable::<T>::VTABLE
}
