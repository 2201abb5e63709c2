// SPDX-License-Identifier: GPL-2.0

//! Inodes of a known file system: [`INode`], and [`NewINode`] while one is being set up.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h).

use core::{
    marker::PhantomData,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};

use kernel::{
    bindings as kb,
    container_of,
    ffi,
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    }, //
};

use rnfs4_bindings as bindings;

use super::{
    AddressSpaceOps,
    FileOps,
    FileSystem,
    InodeOps,
    SuperBlock,
    VfsInode, //
};

/// What the inode cache allocates: our data and the VFS's inode.
#[repr(C)]
pub(super) struct INodeAlloc<T: FileSystem> {
    info: MaybeUninit<T::InodeInfo>,
    inode: kb::inode,
}

/// An inode of the file system `T`.
///
/// # Invariants
///
/// The `struct inode` is part of an `INodeAlloc<T>` whose `info` is initialised, and is referenced for as long as the
/// value is borrowed.
#[repr(transparent)]
pub(crate) struct INode<T: FileSystem>(VfsInode, PhantomData<T>);

// SAFETY: `ihold()` and `iput()` count references.
unsafe impl<T: FileSystem> AlwaysRefCounted for INode<T> {
    #[inline]
    fn inc_ref(&self) {
        self.0.inc_ref();
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference. `INode` is transparent over `VfsInode`.
        unsafe { VfsInode::dec_ref(obj.cast()) };
    }
}

impl<T: FileSystem> Deref for INode<T> {
    type Target = VfsInode;

    #[inline]
    fn deref(&self) -> &VfsInode {
        &self.0
    }
}

impl<T: FileSystem> INode<T> {
    /// Borrows a C inode.
    ///
    /// # Safety
    ///
    /// `inode` must be an inode of the file system `T`, valid and referenced for all of `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(inode: *mut kb::inode) -> &'a Self {
        // SAFETY: `INode` is transparent over `inode`; the rest is the caller's promise.
        unsafe { &*inode.cast() }
    }

    /// Returns our own data.
    #[inline]
    pub(crate) fn info(&self) -> &T::InodeInfo {
        // SAFETY: By the type invariants the inode is the field of an `INodeAlloc<T>` with its `info` initialised.
        unsafe {
            let alloc = container_of!(self.as_ptr(), INodeAlloc<T>, inode);
            (*alloc).info.assume_init_ref()
        }
    }

    /// Returns the superblock.
    #[inline]
    pub(crate) fn sb(&self) -> &SuperBlock<T> {
        // SAFETY: An inode's superblock is of its file system and lives longer.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).i_sb) }
    }

    /// Forgets the type, to keep a reference that needs none.
    pub(crate) fn as_vfs(&self) -> ARef<VfsInode> {
        ARef::from(&self.0)
    }
}

/// What an inode is looked up by.
pub(crate) trait INodeKey<T: FileSystem> {
    /// Hash of the identity.
    fn hash(&self) -> u64;

    /// Tells whether the inode with this data and type (`S_IFMT` bits, 0 while it is being set up) is the one sought.
    /// Called under a spinlock, after [`INodeKey::set`] was done for it.
    fn test(&self, info: &T::InodeInfo, file_type: u16) -> bool;

    /// Gives a fresh inode its identity. Called under a spinlock.
    fn set(&self, info: &T::InodeInfo);
}

/// # Safety
///
/// To be called by the VFS only, as given to `iget5_locked()` or `ilookup5()` with a `K` for a superblock of `T`.
unsafe extern "C" fn test_thunk<T: FileSystem, K: INodeKey<T>>(
    inode: *mut kb::inode,
    key: *mut ffi::c_void,
) -> ffi::c_int {
    // SAFETY: The VFS calls this for inodes of the superblock given to `iget5_locked()`, which is `T`'s, under the lock
    // that keeps them from being freed, though not all are referenced; `key` is the one that was passed along.
    let (inode, key) = unsafe { (INode::<T>::from_raw(inode), &*key.cast::<K>()) };
    key.test(inode.info(), inode.file_type()).into()
}

/// # Safety
///
/// As for [`test_thunk`], for an inode that was just allocated.
unsafe extern "C" fn set_thunk<T: FileSystem, K: INodeKey<T>>(
    inode: *mut kb::inode,
    key: *mut ffi::c_void,
) -> ffi::c_int {
    // SAFETY: As in `test_thunk`; the inode has just been made by `alloc_inode`.
    let (inode, key) = unsafe { (INode::<T>::from_raw(inode), &*key.cast::<K>()) };
    key.set(inode.info());
    0
}

/// What [`SuperBlock::iget5_locked`] found.
pub(crate) enum IGet<T: FileSystem> {
    /// An inode that is in use already.
    Cached(ARef<INode<T>>),
    /// A new one, to be set up by the caller.
    New(NewINode<T>),
}

impl<T: FileSystem> SuperBlock<T> {
    /// Finds the inode of `key` or makes one. May sleep: it waits for an inode that another task is setting up.
    pub(crate) fn iget5_locked<K: INodeKey<T>>(&self, key: &K) -> Result<IGet<T>> {
        // SAFETY: The superblock is valid, the thunks are for the types of `T` and `K`, and `key` outlives the call.
        let inode = unsafe {
            kb::iget5_locked(
                self.as_ptr(),
                key.hash(),
                Some(test_thunk::<T, K>),
                Some(set_thunk::<T, K>),
                ptr::from_ref(key).cast_mut().cast(),
            )
        };
        let inode = NonNull::new(inode).ok_or(ENOMEM)?;
        // SAFETY: `iget5_locked()` returned a reference to an inode of this superblock, which the `ARef` owns.
        let inode: ARef<INode<T>> = unsafe { ARef::from_raw(inode.cast()) };
        if inode.is_new() {
            // INVARIANT: The inode is new, and this task is the one to set it up.
            Ok(IGet::New(NewINode(ManuallyDrop::new(inode))))
        } else {
            Ok(IGet::Cached(inode))
        }
    }

    /// Finds the inode of `key` if it is cached. May sleep.
    pub(crate) fn ilookup5<K: INodeKey<T>>(&self, key: &K) -> Option<ARef<INode<T>>> {
        // SAFETY: As in `iget5_locked`.
        let inode = unsafe {
            kb::ilookup5(
                self.as_ptr(),
                key.hash(),
                Some(test_thunk::<T, K>),
                ptr::from_ref(key).cast_mut().cast(),
            )
        };
        // SAFETY: `ilookup5()` returned a reference to an inode of this superblock, which the `ARef` owns.
        NonNull::new(inode).map(|inode| unsafe { ARef::from_raw(inode.cast()) })
    }
}

/// An inode that this task is setting up, locked against all who look for it. Dropped unfinished it fails: those who
/// wait for it look again.
///
/// # Invariants
///
/// The inode is new (`I_NEW`), and this value owns the reference and the right to set it up.
pub(crate) struct NewINode<T: FileSystem>(ManuallyDrop<ARef<INode<T>>>);

impl<T: FileSystem> Deref for NewINode<T> {
    type Target = INode<T>;

    fn deref(&self) -> &INode<T> {
        &self.0
    }
}

impl<T: FileSystem> NewINode<T> {
    fn raw(&mut self) -> &mut kb::inode {
        // SAFETY: By the type invariants nobody else uses the inode before it is unlocked, except for its identity and
        // hash chain, which the callers of this leave alone.
        unsafe { &mut *self.0.as_ptr() }
    }

    /// Sets the inode number.
    pub(crate) fn set_ino(&mut self, ino: u64) {
        self.raw().i_ino = ino;
    }

    /// Sets type and permission bits.
    pub(crate) fn set_mode(&mut self, mode: u16) {
        self.raw().i_mode = mode;
    }

    /// Keeps the VFS from updating the times on its own (`S_NOATIME | S_NOCMTIME`): they are the server's.
    pub(crate) fn set_server_times(&mut self) {
        self.raw().i_flags |= bindings::S_NOATIME | bindings::S_NOCMTIME;
    }

    /// Has the VFS mount what belongs on this directory as soon as a walk goes on below it (`S_AUTOMOUNT`); it has no operations on
    /// names and files. See [`FsContextOperations::submount`].
    ///
    /// [`FsContextOperations::submount`]: super::FsContextOperations::submount
    pub(crate) fn set_automount(&mut self) {
        self.raw().i_flags |= bindings::S_AUTOMOUNT;
    }

    /// Sets the inode operations.
    pub(crate) fn set_inode_ops(&mut self, ops: &'static InodeOps<T>) {
        self.raw().i_op = ops.as_ptr();
    }

    /// Sets the file operations.
    pub(crate) fn set_file_ops(&mut self, ops: &'static FileOps<T>) {
        self.raw().__bindgen_anon_3.i_fop = ops.as_ptr();
    }

    /// Sets the address space operations. The page cache may use folios of up to so many bytes, at least of a page.
    pub(crate) fn set_mapping_ops(&mut self, ops: &'static AddressSpaceOps<T>, folio_max: usize) {
        let mapping = self.raw().i_mapping;
        let order = (folio_max / PAGE_SIZE).checked_ilog2().unwrap_or(0);
        // SAFETY: The mapping belongs to this inode, which nobody else uses yet: this is the time when its folios' order may be set.
        unsafe {
            (*mapping).a_ops = ops.as_ptr();
            bindings::mapping_set_folio_order_range(mapping, 0, order);
        }
    }

    /// Makes this the inode of a device, FIFO or socket: its operations are the kernel's own (`init_special_inode`).
    pub(crate) fn init_special(&mut self, mode: u16, major: u32, minor: u32) {
        // SAFETY: The inode is ours to set up.
        unsafe { kb::init_special_inode(self.0.as_ptr(), mode, bindings::make_dev(major, minor)) };
    }

    /// Ends the set-up: from now on all see the inode.
    pub(crate) fn unlock_new_inode(self) -> ARef<INode<T>> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: By the type invariants the inode is new and ours to unlock.
        unsafe { kb::unlock_new_inode(this.0.as_ptr()) };
        // SAFETY: `this` is not used again, nor dropped.
        unsafe { ManuallyDrop::take(&mut this.0) }
    }
}

impl<T: FileSystem> Drop for NewINode<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the inode is new, and `iget_failed()` takes our reference over.
        unsafe { kb::iget_failed(self.0.as_ptr()) };
    }
}

/// The slab cache of a file system's inodes.
///
/// # Invariants
///
/// `cache` is valid, its objects are `INodeAlloc<T>` with `inode` initialised by `inode_init_once()`.
pub(super) struct InodeCache<T: FileSystem> {
    cache: NonNull<kb::kmem_cache>,
    _fs: PhantomData<T>,
}

impl<T: FileSystem> InodeCache<T> {
    pub(super) fn new() -> Result<Self> {
        /// # Safety
        ///
        /// To be called by the slab allocator only, for fresh objects of the cache made below.
        unsafe extern "C" fn init_once<T: FileSystem>(object: *mut ffi::c_void) {
            let alloc = object.cast::<INodeAlloc<T>>();
            // SAFETY: The slab allocator calls this with a fresh object of the cache.
            unsafe { kb::inode_init_once(&raw mut (*alloc).inode) };
        }
        // SAFETY: The name is static, the sizes are those of the type that the constructor expects.
        let cache = unsafe {
            bindings::inode_cache_create(
                T::NAME.as_char_ptr(),
                size_of::<INodeAlloc<T>>() as ffi::c_uint,
                align_of::<INodeAlloc<T>>() as ffi::c_uint,
                Some(init_once::<T>),
            )
        };
        Ok(Self {
            // Both crates know the type by name alone.
            cache: NonNull::new(cache.cast()).ok_or(ENOMEM)?,
            _fs: PhantomData,
        })
    }

    /// Answers `->alloc_inode()`.
    ///
    /// # Safety
    ///
    /// `sb` must be a superblock of `T`.
    pub(super) unsafe fn alloc_inode(&self, sb: *mut kb::super_block) -> *mut kb::inode {
        // SAFETY: `sb` is valid by the contract, the cache by the type invariants.
        let alloc = unsafe {
            bindings::alloc_inode_sb(sb, self.cache.as_ptr().cast(), kb::GFP_KERNEL)
                .cast::<INodeAlloc<T>>()
        };
        if alloc.is_null() {
            return ptr::null_mut();
        }
        // SAFETY: `alloc` is a fresh object of the cache, so `info` is uninitialised memory of its type, and it does not
        // move until `free_inode` drops it.
        let res = unsafe {
            let info = (&raw mut (*alloc).info).cast::<T::InodeInfo>();
            pin_init::raw_try_init(info, T::new_inode_info())
        };
        if res.is_err() {
            // SAFETY: The object came from this cache, and a failed initialisation leaves nothing behind.
            unsafe { kb::kmem_cache_free(self.cache.as_ptr(), alloc.cast()) };
            return ptr::null_mut();
        }
        // SAFETY: `alloc` is valid.
        unsafe { &raw mut (*alloc).inode }
    }
}

/// Answers `->free_inode()`. The superblock, and with it its way to the cache, may be gone by now; `kfree()` finds the
/// cache by the page.
///
/// # Safety
///
/// `inode` must come from [`InodeCache::alloc_inode`] of `T` and be used by nobody.
pub(super) unsafe fn free_inode<T: FileSystem>(inode: *mut kb::inode) {
    // SAFETY: `inode` is part of an object of the inode cache by the contract, with its `info` initialised.
    unsafe {
        let alloc = container_of!(inode, INodeAlloc<T>, inode);
        (*alloc).info.assume_init_drop();
        kb::kfree(alloc.cast());
    }
}

impl<T: FileSystem> Drop for InodeCache<T> {
    fn drop(&mut self) {
        // SAFETY: Inodes are freed after a grace period; after the barrier none is left, and no superblock is there to
        // make new ones.
        unsafe {
            kb::rcu_barrier();
            kb::kmem_cache_destroy(self.cache.as_ptr());
        }
    }
}
