// SPDX-License-Identifier: GPL-2.0

//! Open directories and what is listed from them.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h).

use core::marker::PhantomData;

use kernel::{
    bindings as kb,
    cred::Credential,
    ffi,
    prelude::*,
    sync::aref::ARef,
    types::ForeignOwnable, //
};

use rnfs4_bindings as bindings;

use super::{
    Dentry,
    FileOps,
    FileSystem,
    INode, //
};

/// Where a directory's entries go (`struct dir_context`).
///
/// # Invariants
///
/// `file` is the open directory of `T` that is listed.
pub(crate) struct DirContext<'a, T: FileSystem> {
    ctx: &'a mut kb::dir_context,
    file: *mut kb::file,
    _fs: PhantomData<T>,
}

impl<T: FileSystem> DirContext<'_, T> {
    /// Returns the dentry through which the directory was opened.
    pub(crate) fn dentry(&self) -> ARef<Dentry<T>> {
        // SAFETY: By the type invariants the file is open, and keeps its dentry.
        ARef::from(unsafe { Dentry::from_raw((*self.file).__bindgen_anon_1.f_path.dentry) })
    }

    /// Returns the position that the next entry is wanted from.
    pub(crate) fn pos(&self) -> u64 {
        self.ctx.pos as u64
    }

    /// Sets the position, which the program may come back to.
    pub(crate) fn set_pos(&mut self, pos: u64) {
        self.ctx.pos = pos as kb::loff_t;
    }

    /// Returns the inode number of the directory's parent, by the dentry through which it was opened.
    pub(crate) fn parent_ino(&self) -> u64 {
        // SAFETY: By the type invariants the file is open.
        unsafe { bindings::file_parent_ino(self.file) }
    }

    /// Hands out an entry; `d_type` is a `DT_*`. Returns `false` where the program's buffer is full: then the entry is
    /// wanted again.
    pub(crate) fn emit(&mut self, name: &[u8], ino: u64, d_type: u8) -> bool {
        let Ok(len) = ffi::c_int::try_from(name.len()) else {
            return false;
        };
        // SAFETY: The context is valid and the name is only read.
        unsafe { bindings::dir_emit(self.ctx, name.as_ptr().cast(), len, ino, d_type.into()) }
    }
}

/// The operations of an open directory.
pub(crate) trait DirOperations: Sized + 'static {
    /// The file system.
    type Fs: FileSystem;

    /// Opens a directory for `cred`. May sleep.
    fn open(dir: &INode<Self::Fs>, cred: &Credential) -> Result<<Self::Fs as FileSystem>::DirInfo>;

    /// Hands entries out from the context's position until its buffer is full or there are no more. Called by one task
    /// at a time for an open directory; `dir` is locked, shared. May sleep.
    fn iterate_shared(
        dir: &INode<Self::Fs>,
        info: <<Self::Fs as FileSystem>::DirInfo as ForeignOwnable>::Borrowed<'_>,
        ctx: DirContext<'_, Self::Fs>,
    ) -> Result;
}

/// The C table of a file system's directories.
struct DirOperationsVTable<O>(PhantomData<O>);

impl<O: DirOperations> DirOperationsVTable<O> {
    /// # Safety
    ///
    /// To be called by the VFS only, for a directory of `O::Fs`.
    unsafe extern "C" fn open(inode: *mut kb::inode, file: *mut kb::file) -> ffi::c_int {
        // SAFETY: The VFS holds the inode, and the file is being opened.
        let (dir, cred) = unsafe {
            (
                INode::<O::Fs>::from_raw(inode),
                Credential::from_ptr((*file).f_cred),
            )
        };
        match O::open(dir, cred) {
            Ok(info) => {
                // SAFETY: As above; `release` takes the data back.
                unsafe { (*file).private_data = info.into_foreign() };
                0
            }
            Err(e) => e.to_errno(),
        }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for a directory that `open` has opened.
    unsafe extern "C" fn release(_inode: *mut kb::inode, file: *mut kb::file) -> ffi::c_int {
        // SAFETY: `open` has put the data there, and nobody uses it after this.
        drop(unsafe {
            <<O::Fs as FileSystem>::DirInfo as ForeignOwnable>::from_foreign((*file).private_data)
        });
        0
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for a directory that `open` has opened.
    unsafe extern "C" fn iterate_shared(
        file: *mut kb::file,
        ctx: *mut kb::dir_context,
    ) -> ffi::c_int {
        // SAFETY: The file is open, so `open` has put the data there and `release` has not taken it back; the context
        // is this call's alone.
        let (dir, info, ctx) = unsafe {
            (
                INode::<O::Fs>::from_raw((*file).f_inode),
                <<O::Fs as FileSystem>::DirInfo as ForeignOwnable>::borrow((*file).private_data),
                // INVARIANT: `file` is what is listed.
                DirContext {
                    ctx: &mut *ctx,
                    file,
                    _fs: PhantomData,
                },
            )
        };
        match O::iterate_shared(dir, info, ctx) {
            Ok(()) => 0,
            Err(e) => e.to_errno(),
        }
    }

    /// Positions are cookies of the server: any number may be sought, none is the end.
    ///
    /// # Safety
    ///
    /// To be called by the VFS only, for an open directory.
    unsafe extern "C" fn llseek(
        file: *mut kb::file,
        offset: kb::loff_t,
        whence: ffi::c_int,
    ) -> kb::loff_t {
        // SAFETY: The file is open.
        unsafe { kb::generic_file_llseek_size(file, offset, whence, kb::loff_t::MAX, 0) }
    }

    const VTABLE: FileOps<O::Fs> = {
        // SAFETY: The functions expect directories of `O::Fs`.
        unsafe {
            FileOps::new(kb::file_operations {
                owner: kernel::module::this_module::<crate::LocalModule>().as_ptr(),
                open: Some(Self::open),
                release: Some(Self::release),
                iterate_shared: Some(Self::iterate_shared),
                llseek: Some(Self::llseek),
                read: Some(kb::generic_read_dir),
                fsync: Some(kb::noop_fsync),
                ..pin_init::zeroed()
            })
        }
    };
}

/// Returns the file operations of directories.
pub(crate) const fn dir_ops<O: DirOperations>() -> &'static FileOps<O::Fs> {
    &DirOperationsVTable::<O>::VTABLE
}
