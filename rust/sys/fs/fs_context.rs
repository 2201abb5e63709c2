// SPDX-License-Identifier: GPL-2.0

//! Mounting: the context that collects the parameters of a mount and makes its superblock.
//!
//! C header: [`include/linux/fs_context.h`](srctree/include/linux/fs_context.h).

use core::{
    marker::PhantomData,
    mem,
    ptr,
    slice, //
};

use kernel::{
    bindings as kb,
    error::from_err_ptr,
    ffi,
    fmt,
    prelude::*,
    sync::aref::ARef, //
};

use rnfs4_bindings as bindings;

use super::{
    check,
    d_obtain_root,
    super_block::NewSuperBlock,
    Dentry,
    FileSystem,
    INode,
    Registration,
    SuperBlock,
    SuperOperations, //
};
use crate::sys::net::NetNs;

/// Flags of a superblock that whoever mounts gets as he asked for them: one that has others is not shared with him.
pub(super) const SHARED_FLAGS: u32 = bindings::SB_RDONLY | bindings::SB_SYNCHRONOUS;

/// A mount or remount in the making.
///
/// # Invariants
///
/// `fc` is valid, of the file system `T`, and this task alone uses it.
pub(crate) struct FsContext<T: FileSystem> {
    fc: *mut bindings::fs_context,
    _fs: PhantomData<T>,
}

/// The value of a mount parameter.
#[derive(Clone, Copy)]
pub(crate) enum ParamValue<'a> {
    /// `key` alone.
    Flag,
    /// `key=value`.
    Str(&'a CStr),
    /// Something that is no text: a file, a blob.
    Other,
}

impl<T: FileSystem> FsContext<T> {
    /// Tells the user what is wrong: through the context's log where there is one (`fsopen()`), else in the kernel's log.
    /// The name of the file system is put in front.
    pub(crate) fn error(&self, args: fmt::Arguments<'_>) {
        self.log(b'e', args);
    }

    /// Tells the user of something that he might not expect, in the same way.
    pub(crate) fn warn(&self, args: fmt::Arguments<'_>) {
        self.log(b'w', args);
    }

    fn log(&self, level: u8, args: fmt::Arguments<'_>) {
        // SAFETY: The context is valid; `%pA` takes a pointer to `fmt::Arguments`.
        unsafe {
            bindings::logfc(
                (*self.fc).log.log,
                T::NAME.as_char_ptr(),
                level as ffi::c_char,
                c"%pA".as_char_ptr(),
                ptr::from_ref(&args).cast::<ffi::c_void>(),
            );
        }
    }

    /// Returns the source given so far.
    pub(crate) fn source(&self) -> Option<&CStr> {
        // SAFETY: `source` is null or a string that the context owns, and that changes only through `&mut self`.
        unsafe {
            let source = (*self.fc).source;
            (!source.is_null()).then(|| CStr::from_char_ptr(source))
        }
    }

    /// Sets the source, which `/proc/mounts` shows as the device.
    pub(crate) fn set_source(&mut self, source: &CStr) -> Result {
        // SAFETY: The context is valid, and owns its `source`, which is allocated by `kmalloc()`.
        unsafe {
            let copy = bindings::kstrdup(source.as_char_ptr(), kb::GFP_KERNEL);
            if copy.is_null() {
                return Err(ENOMEM);
            }
            bindings::kfree((*self.fc).source.cast());
            (*self.fc).source = copy;
        }
        Ok(())
    }

    /// Returns the network namespace of the mount.
    pub(crate) fn net_ns(&self) -> &NetNs {
        // SAFETY: The context is valid and holds a reference to its namespace.
        unsafe { NetNs::from_raw((*self.fc).net_ns.cast()) }
    }

    /// Returns what the file system was registered with.
    pub(crate) fn global(&self) -> &T::Global {
        // SAFETY: The context is of our type, whose registration lives as long as the module, which the context pins.
        unsafe { &Registration::<T>::from_fs_type((*self.fc).fs_type).global }
    }

    /// Has the superblock write synchronously (`-o sync`), whatever the user says.
    pub(crate) fn set_synchronous(&mut self) {
        // SAFETY: The context is valid.
        unsafe {
            (*self.fc).sb_flags |= bindings::SB_SYNCHRONOUS;
            (*self.fc).sb_flags_mask |= bindings::SB_SYNCHRONOUS;
        }
    }
}

/// How a file system is mounted.
pub(crate) trait FsContextOperations: SuperOperations {
    /// What the parameters are collected in.
    type Params: Send;

    /// Begins a mount, or a remount of `sb`.
    fn init_fs_context(sb: Option<&SuperBlock<Self>>) -> Result<KBox<Self::Params>>;

    /// Takes one parameter in. What is wrong with it has been told by [`FsContext::error`] when this fails.
    fn parse_param(
        fc: &mut FsContext<Self>,
        params: &mut Self::Params,
        key: &CStr,
        value: ParamValue<'_>,
    ) -> Result;

    /// All parameters are there: makes the superblock, by [`FsContext::get_tree`]. May sleep.
    fn get_tree(fc: &mut FsContext<Self>, params: &mut Self::Params) -> Result;

    /// The parameters of a remount of `sb` are there, and what is dirty has been written: a superblock that turns read-only is
    /// never looked at for that again. May sleep.
    fn reconfigure(
        fc: &mut FsContext<Self>,
        params: &mut Self::Params,
        sb: &SuperBlock<Self>,
    ) -> Result;

    /// Tells whether a mount that would make a superblock with `new` may use the one that has `old`. Called under a
    /// spinlock.
    fn same_super(old: &Self::SuperInfo, new: &Self::SuperInfo) -> bool;

    /// Sets up a new superblock.
    fn fill_super(sb: &mut NewSuperBlock<'_, Self>) -> Result;

    /// Prepares the mount of what belongs on `point`, the dentry of an inode that [`NewINode::set_automount`] was called for: fills
    /// in the parameters, which are as new, and the source. The flags are those of the superblock that `point` lies in. May sleep.
    ///
    /// [`NewINode::set_automount`]: super::NewINode::set_automount
    fn submount(
        fc: &mut FsContext<Self>,
        params: &mut Self::Params,
        point: &Dentry<Self>,
    ) -> Result;

    /// How many seconds it takes until submounts that nobody uses are looked at, and again until they go; 0: they stay. Asked once.
    fn submount_expiry() -> u32;
}

impl<T: FsContextOperations> FsContext<T> {
    /// Finds the superblock to share or makes one with `info`, and mounts the tree that begins at the inode that `root`
    /// gives. May sleep.
    pub(crate) fn get_tree(
        &mut self,
        info: KBox<T::SuperInfo>,
        share: bool,
        root: impl FnOnce(&SuperBlock<T>) -> Result<ARef<INode<T>>>,
    ) -> Result {
        /// # Safety
        ///
        /// To be called by `sget_fc()` only, as given to it below.
        unsafe extern "C" fn test<T: FsContextOperations>(
            sb: *mut kb::super_block,
            fc: *mut kb::fs_context,
        ) -> ffi::c_int {
            // SAFETY: `sget_fc()` calls this for the superblocks of our type that are not dead, whose `s_fs_info` was
            // set when they were made, and for the context in which `get_tree` below has put the proposed one.
            let (old, new, flags) = unsafe {
                let fc = fc.cast::<bindings::fs_context>();
                (
                    &*(*sb).s_fs_info.cast::<T::SuperInfo>(),
                    &*(*fc).s_fs_info.cast::<T::SuperInfo>(),
                    (*sb).s_flags as u32 ^ (*fc).sb_flags,
                )
            };
            (flags & SHARED_FLAGS == 0 && T::same_super(old, new)).into()
        }

        let fc = self.fc;
        // SAFETY: The context is valid. `sget_fc()` either leaves `s_fs_info` alone or takes it over and clears it, so
        // that the box is in one place at each time.
        let (sb, left) = unsafe {
            (*fc).s_fs_info = KBox::into_raw(info).cast();
            let sb = kb::sget_fc(
                fc.cast(),
                if share { Some(test::<T>) } else { None },
                Some(set_anon_super_fc),
            );
            let left = mem::replace(&mut (*fc).s_fs_info, ptr::null_mut());
            let left = (!left.is_null()).then(|| KBox::from_raw(left.cast::<T::SuperInfo>()));
            (from_err_ptr(sb), left)
        };
        let sb = match sb {
            Ok(sb) => sb,
            Err(e) => {
                if let Some(left) = left {
                    T::kill_super(left);
                }
                return Err(e);
            }
        };

        // SAFETY: `sb` is an active superblock of ours with `s_umount` held.
        let res = unsafe { self.fill(sb, root) };
        if res.is_err() {
            // SAFETY: As above; this gives both the lock and the reference back.
            unsafe { kb::deactivate_locked_super(sb) };
        }
        if let Some(left) = left {
            T::kill_super(left);
        }
        res
    }

    /// # Safety
    ///
    /// `sb` must come from `sget_fc()` just now.
    unsafe fn fill(
        &mut self,
        sb: *mut kb::super_block,
        root: impl FnOnce(&SuperBlock<T>) -> Result<ARef<INode<T>>>,
    ) -> Result {
        // SAFETY: By the contract.
        let fresh = unsafe { (*sb).s_root.is_null() };
        if fresh {
            // SAFETY: The superblock is new.
            check(unsafe { kb::super_setup_bdi(sb) })?;
            // SAFETY: The superblock is new, has no root, and `s_umount` is held.
            T::fill_super(&mut unsafe { NewSuperBlock::<T>::new(sb) })?;
        }
        // SAFETY: `s_fs_info` was set when the superblock was made.
        let root = d_obtain_root(root(unsafe { SuperBlock::from_raw(sb) })?)?;
        // SAFETY: `s_umount` is held for writing. The superblock and the context each take a reference to the root.
        unsafe {
            if fresh {
                (*sb).s_root = ARef::into_raw(root.clone()).as_ptr().cast();
            }
            (*self.fc).root = ARef::into_raw(root).as_ptr().cast();
            (*sb).s_flags |= bindings::SB_ACTIVE as ffi::c_ulong;
        }
        Ok(())
    }
}

/// `set_anon_super_fc()` with the signature that `sget_fc()` has in the kernel crate's bindings.
///
/// # Safety
///
/// To be called by `sget_fc()` only.
unsafe extern "C" fn set_anon_super_fc(
    sb: *mut kb::super_block,
    fc: *mut kb::fs_context,
) -> ffi::c_int {
    // SAFETY: `sget_fc()` calls this with what the C function expects.
    unsafe { bindings::set_anon_super_fc(sb, fc.cast()) }
}

/// The C table of a file system's context operations.
pub(super) struct FsContextVTable<T>(PhantomData<T>);

impl<T: FsContextOperations> FsContextVTable<T> {
    /// # Safety
    ///
    /// To be called by the VFS only, for a context of `T`.
    unsafe extern "C" fn init_fs_context(fc: *mut kb::fs_context) -> ffi::c_int {
        let fc = fc.cast::<bindings::fs_context>();
        // SAFETY: The VFS gives a valid context; in a remount `root` is set, a dentry of a superblock of ours.
        let sb = unsafe {
            let root = (*fc).root;
            (!root.is_null()).then(|| SuperBlock::from_raw((*root).d_sb))
        };
        match T::init_fs_context(sb) {
            Ok(params) => {
                // SAFETY: The context is valid; `free` takes the parameters back.
                unsafe {
                    (*fc).fs_private = KBox::into_raw(params).cast();
                    (*fc).ops = &Self::VTABLE;
                }
                0
            }
            Err(e) => e.to_errno(),
        }
    }

    /// Calls `f` with the two halves of a context.
    ///
    /// # Safety
    ///
    /// `fc` must be a context of `T` after `init_fs_context`, used by this task alone.
    pub(super) unsafe fn with(
        fc: *mut bindings::fs_context,
        f: impl FnOnce(&mut FsContext<T>, &mut T::Params) -> Result,
    ) -> ffi::c_int {
        // SAFETY: By the contract `fs_private` is what `init_fs_context` has put there.
        let params = unsafe { &mut *(*fc).fs_private.cast::<T::Params>() };
        // INVARIANT: By the contract.
        let mut fc = FsContext {
            fc,
            _fs: PhantomData,
        };
        match f(&mut fc, params) {
            Ok(()) => 0,
            Err(e) => e.to_errno(),
        }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for a context of `T`.
    unsafe extern "C" fn free(fc: *mut bindings::fs_context) {
        // SAFETY: `fs_private` is null or what `init_fs_context` has put there, and nobody uses it after this.
        unsafe {
            let params = mem::replace(&mut (*fc).fs_private, ptr::null_mut());
            if !params.is_null() {
                drop(KBox::from_raw(params.cast::<T::Params>()));
            }
        }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for a context of `T`.
    unsafe extern "C" fn parse_param(
        fc: *mut bindings::fs_context,
        param: *mut bindings::fs_parameter,
    ) -> ffi::c_int {
        // SAFETY: The VFS gives a valid parameter, its key a string, and its value as its type says. For a string its
        // length is known and a zero byte follows.
        let (key, value) = unsafe {
            let key = CStr::from_char_ptr((*param).key);
            let value = match (*param).type_() {
                bindings::fs_value_is_flag => ParamValue::Flag,
                bindings::fs_value_is_string => {
                    let string = (*param).__bindgen_anon_1.string.cast::<u8>();
                    let bytes = slice::from_raw_parts(string, (*param).size + 1);
                    CStr::from_bytes_until_nul(bytes).map_or(ParamValue::Other, ParamValue::Str)
                }
                _ => ParamValue::Other,
            };
            (key, value)
        };
        // SAFETY: The VFS calls this for contexts of ours, one call at a time.
        unsafe { Self::with(fc, |fc, params| T::parse_param(fc, params, key, value)) }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for a context of `T`.
    unsafe extern "C" fn get_tree(fc: *mut bindings::fs_context) -> ffi::c_int {
        // SAFETY: The VFS calls this for contexts of ours, one call at a time.
        unsafe { Self::with(fc, |fc, params| T::get_tree(fc, params)) }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for a context of `T`.
    unsafe extern "C" fn reconfigure(fc: *mut bindings::fs_context) -> ffi::c_int {
        // SAFETY: In a remount `root` is a dentry of the superblock in question, which is alive.
        let sb = unsafe { SuperBlock::from_raw((*(*fc).root).d_sb) };
        // An error is the files' own, whose next fsync() tells it; an emergency remount must not fail.
        // SAFETY: The VFS holds `s_umount` in a remount.
        let _ = unsafe { kb::sync_filesystem(sb.as_ptr()) };
        // SAFETY: The VFS calls this for contexts of ours, one call at a time.
        unsafe { Self::with(fc, |fc, params| T::reconfigure(fc, params, sb)) }
    }

    const VTABLE: bindings::fs_context_operations = bindings::fs_context_operations {
        free: Some(Self::free),
        dup: None,
        parse_param: Some(Self::parse_param),
        parse_monolithic: None,
        get_tree: Some(Self::get_tree),
        reconfigure: Some(Self::reconfigure),
    };
}

/// Returns what `init_fs_context` of the file system type is set to.
pub(super) const fn init_fs_context<T: FsContextOperations>(
) -> unsafe extern "C" fn(*mut kb::fs_context) -> ffi::c_int {
    FsContextVTable::<T>::init_fs_context
}
