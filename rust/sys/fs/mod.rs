// SPDX-License-Identifier: GPL-2.0

//! The VFS: registration of a file system and the types that tie one together.
//!
//! A file system implements [`FileSystem`], which names the data that it keeps in each superblock, inode and open
//! file, and the traits of the operation tables that it has ([`SuperOperations`], [`FsContextOperations`],
//! [`InodeOperations`], ...). The VFS owns superblocks, inodes and dentries; the wrappers here borrow them, and our own
//! data lives inside.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h), [`include/linux/dcache.h`](srctree/include/linux/dcache.h).

mod address_space;
mod automount;
mod consts;
mod dentry;
mod dentry_ops;
mod dir;
mod file;
mod fs_context;
mod iattr;
mod inode;
mod inode_ops;
mod iocb;
mod locks;
mod opening_file;
mod super_block;
mod vfs_inode;

use core::{
    marker::PhantomData,
    ptr, //
};

use kernel::{
    bindings as kb,
    container_of,
    error::to_result,
    prelude::*,
    sync::Arc,
    types::{
        ForeignOwnable,
        Opaque, //
    },
    ThisModule, //
};

pub(crate) use self::{
    address_space::*,
    consts::*,
    dentry::*,
    dentry_ops::*,
    dir::*,
    file::*,
    fs_context::*,
    iattr::*,
    inode::*,
    inode_ops::*,
    iocb::*,
    locks::*,
    opening_file::*,
    super_block::*,
    vfs_inode::*, //
};

/// A file system: the types of the data it keeps in the objects of the VFS.
pub(crate) trait FileSystem: Sized + Send + Sync + 'static {
    /// Name of the type, as in `mount -t NAME`.
    const NAME: &'static CStr;

    /// `FS_*` flags of `struct file_system_type`.
    const FLAGS: i32;

    /// Data that all superblocks of the type share.
    type Global: Send + Sync;

    /// Data of a superblock (`s_fs_info`).
    type SuperInfo: Send + Sync;

    /// Data of an inode, in one allocation with the `struct inode`.
    ///
    /// It is dropped by an RCU callback, in softirq context: dropping it must not sleep. What needs that is to be
    /// given up in [`SuperOperations::evict_inode`].
    type InodeInfo: Send + Sync;

    /// Data of an open regular file (`private_data`).
    type FileInfo: ForeignOwnable + Send + Sync;

    /// Data of a silly-renamed dentry (`d_fsdata`).
    type DentryInfo: ForeignOwnable + Send;

    /// Data of an open directory (`private_data`).
    type DirInfo: ForeignOwnable + Send + Sync;

    /// Makes the data of an inode that the VFS allocates; whose it is follows in [`INodeKey::set`].
    fn new_inode_info() -> impl PinInit<Self::InodeInfo, Error>;
}

/// A C table of operations that expect objects of the file system `T`.
#[repr(transparent)]
pub(crate) struct OpsTable<T, O> {
    raw: O,
    _fs: PhantomData<T>,
}

impl<T, O> OpsTable<T, O> {
    /// Wraps a table.
    ///
    /// # Safety
    ///
    /// Every function in `raw` must be good for any object of the file system `T`.
    pub(crate) const unsafe fn new(raw: O) -> Self {
        Self {
            raw,
            _fs: PhantomData,
        }
    }

    /// Returns the C table.
    pub(crate) const fn as_ptr(&self) -> *const O {
        &raw const self.raw
    }
}

/// Inode operations for `T`.
pub(crate) type InodeOps<T> = OpsTable<T, kb::inode_operations>;
/// File operations for `T`.
pub(crate) type FileOps<T> = OpsTable<T, kb::file_operations>;
/// Address space operations for `T`.
pub(crate) type AddressSpaceOps<T> = OpsTable<T, kb::address_space_operations>;
/// Dentry operations for `T`.
pub(crate) type DentryOps<T> = OpsTable<T, kb::dentry_operations>;

/// A registered file system.
///
/// It must live in static memory (a pinned field of the module), since the lock classes of the file system are in it.
///
/// # Invariants
///
/// `fs` is registered and `inode_cache` is the cache of `INodeAlloc<T>` objects of all its inodes.
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: FileSystem> {
    #[pin]
    fs: Opaque<kb::file_system_type>,
    inode_cache: InodeCache<T>,
    expiry: Arc<automount::Expiry>,
    global: T::Global,
}

// SAFETY: The C side locks its own data; unregistering may happen from any thread.
unsafe impl<T: FileSystem> Send for Registration<T> {}
// SAFETY: `Registration` has no method that takes `&self`.
unsafe impl<T: FileSystem> Sync for Registration<T> {}

impl<T: SuperOperations + FsContextOperations> Registration<T> {
    /// Registers the file system. May sleep.
    pub(crate) fn new(module: &'static ThisModule, global: T::Global) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            inode_cache: InodeCache::new()?,
            expiry: automount::Expiry::new(T::submount_expiry())?,
            global,
            fs <- Opaque::try_ffi_init(|slot: *mut kb::file_system_type| {
                // SAFETY: `slot` is valid for writing; all zeroes is a valid `file_system_type`.
                unsafe { ptr::write_bytes(slot, 0, 1) };
                // SAFETY: `slot` was initialised above and nobody else knows it yet.
                let fs = unsafe { &mut *slot };
                fs.name = T::NAME.as_char_ptr();
                fs.fs_flags = T::FLAGS;
                fs.init_fs_context = Some(fs_context::init_fs_context::<T>());
                fs.kill_sb = Some(super_block::kill_sb::<T>);
                fs.owner = module.as_ptr();
                // SAFETY: `fs` is set up, and stays at its place until the drop of `Self` unregisters it.
                to_result(unsafe { kb::register_filesystem(slot) })
            }),
        })
    }
}

impl<T: FileSystem> Registration<T> {
    /// Returns the registration that a superblock's type is part of.
    ///
    /// # Safety
    ///
    /// `fs` must be the `file_system_type` of a live `Registration<T>`.
    unsafe fn from_fs_type<'a>(fs: *mut kb::file_system_type) -> &'a Self {
        let fs = Opaque::cast_from(fs).cast_mut();
        // SAFETY: By the contract `fs` is the field `fs` of a live `Registration<T>`.
        unsafe { &*container_of!(fs, Self, fs) }
    }

    /// The submounts of this type.
    fn expiry(&self) -> &Arc<automount::Expiry> {
        &self.expiry
    }
}

#[pinned_drop]
impl<T: FileSystem> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants `fs` is registered. The module owns this value and cannot go away while there
        // is a superblock, so nobody uses the type any more. The inode cache is destroyed after this.
        unsafe { kb::unregister_filesystem(self.fs.get()) };
        self.expiry.end();
    }
}
