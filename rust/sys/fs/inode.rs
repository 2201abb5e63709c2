// SPDX-License-Identifier: GPL-2.0

//! Inodes: [`VfsInode`] for any, [`INode`] for one of a known file system, [`NewINode`] while one is being set up.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h).

use core::{
    marker::PhantomData,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ops::{
        Deref,
        Range, //
    },
    ptr::{
        self,
        NonNull, //
    },
};

use kernel::{
    bindings as kb,
    container_of,
    error::to_result,
    ffi,
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::Opaque, //
};

use rnfs4_bindings as bindings;

use super::{
    AddressSpaceOps,
    FileOps,
    FileSystem,
    InodeOps,
    SuperBlock, //
};

/// Seconds and nanoseconds since the epoch, as `struct timespec64`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timespec {
    /// Seconds, negative before the epoch.
    pub(crate) sec: i64,
    /// Nanoseconds, less than 10^9.
    pub(crate) nsec: u32,
}

impl Timespec {
    pub(super) fn from_raw(ts: &kb::timespec64) -> Self {
        Self {
            sec: ts.tv_sec,
            nsec: ts.tv_nsec as u32,
        }
    }

    pub(super) fn to_raw(self) -> kb::timespec64 {
        kb::timespec64 {
            tv_sec: self.sec,
            tv_nsec: self.nsec as ffi::c_long,
        }
    }
}

/// A `struct inode` of any file system.
///
/// # Invariants
///
/// The inode has a reference for as long as the value is borrowed.
#[repr(transparent)]
pub(crate) struct VfsInode(Opaque<kb::inode>);

// SAFETY: The reference count is atomic and `iput()` may be called from any thread.
unsafe impl Send for VfsInode {}
// SAFETY: All methods on shared references read single words or take the inode's own locks.
unsafe impl Sync for VfsInode {}

// SAFETY: `ihold()` and `iput()` count references.
unsafe impl AlwaysRefCounted for VfsInode {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: By the type invariants there is a reference already.
        unsafe { kb::ihold(self.as_ptr()) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference. `VfsInode` is transparent.
        unsafe { kb::iput(obj.as_ptr().cast()) };
    }
}

impl VfsInode {
    /// Returns the C inode.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut kb::inode {
        self.0.get()
    }

    /// Returns the inode number.
    pub(crate) fn ino(&self) -> u64 {
        // SAFETY: The inode is valid by the type invariants; `i_ino` does not change once it is set up.
        unsafe { (*self.as_ptr()).i_ino }
    }

    /// Returns type and permission bits.
    pub(crate) fn mode(&self) -> u16 {
        // SAFETY: The inode is valid by the type invariants; a racing writer replaces the aligned word at once.
        unsafe { (&raw const (*self.as_ptr()).i_mode).read_volatile() }
    }

    /// Returns the type bits of the mode (`S_IFMT`).
    pub(crate) fn file_type(&self) -> u16 {
        self.mode() & kb::S_IFMT as u16
    }

    /// Tells whether this is a directory.
    pub(crate) fn is_dir(&self) -> bool {
        self.file_type() == kb::S_IFDIR as u16
    }

    /// Tells whether this is a directory that something is to be mounted on; see [`NewINode::set_automount`].
    pub(crate) fn is_automount(&self) -> bool {
        // SAFETY: The inode is valid by the type invariants; the word is read at once.
        let flags = unsafe { (&raw const (*self.as_ptr()).i_flags).read_volatile() };
        flags & bindings::S_AUTOMOUNT != 0
    }

    /// Tells whether this is a regular file.
    pub(crate) fn is_reg(&self) -> bool {
        self.file_type() == kb::S_IFREG as u16
    }

    /// Returns the size in bytes.
    pub(crate) fn i_size(&self) -> u64 {
        // SAFETY: The inode is valid by the type invariants.
        unsafe { bindings::i_size_read(self.as_ptr()) as u64 }
    }

    /// Returns the number of links.
    pub(crate) fn nlink(&self) -> u32 {
        // SAFETY: The inode is valid by the type invariants; a racing writer replaces the aligned word at once.
        unsafe { (&raw const (*self.as_ptr()).__bindgen_anon_1.i_nlink).read_volatile() }
    }

    /// Returns the owner as an id of the initial user namespace.
    pub(crate) fn uid(&self) -> u32 {
        // SAFETY: The inode is valid by the type invariants; a racing writer replaces the aligned word at once.
        unsafe { (&raw const (*self.as_ptr()).i_uid.val).read_volatile() }
    }

    /// Returns the group as an id of the initial user namespace.
    pub(crate) fn gid(&self) -> u32 {
        // SAFETY: The inode is valid by the type invariants; a racing writer replaces the aligned word at once.
        unsafe { (&raw const (*self.as_ptr()).i_gid.val).read_volatile() }
    }

    /// Returns the address space of the inode's data.
    pub(crate) fn mapping_ptr(&self) -> *mut kb::address_space {
        // SAFETY: The inode is valid by the type invariants; `i_mapping` does not change once it is set up.
        unsafe { (*self.as_ptr()).i_mapping }
    }

    /// Tells whether the page cache holds no page of this inode.
    pub(crate) fn mapping_empty(&self) -> bool {
        // SAFETY: The mapping belongs to the inode; `nrpages` is a word that may be read at any time.
        unsafe { (&raw const (*self.mapping_ptr()).nrpages).read_volatile() == 0 }
    }

    /// Records an error of the mapping, to be reported once to each open file by `fsync()` and `close()`. Does not
    /// sleep.
    pub(crate) fn set_mapping_error(&self, error: Error) {
        // SAFETY: The mapping belongs to the inode and lives as long.
        unsafe { bindings::mapping_set_error(self.mapping_ptr(), error.to_errno()) };
    }

    /// Takes `i_lock`, under which the attributes are changed. Do not sleep while it is held.
    pub(crate) fn lock_attrs(&self) -> AttrsGuard<'_> {
        // SAFETY: The inode is valid by the type invariants.
        unsafe { bindings::inode_spin_lock(self.as_ptr()) };
        AttrsGuard(self, PhantomData)
    }

    /// Sets the size and drops the pages beyond it. May sleep. The inode is locked, or its size is under the file
    /// system's own control otherwise.
    pub(crate) fn truncate_setsize(&self, size: u64) {
        // SAFETY: The inode is valid by the type invariants.
        unsafe { kb::truncate_setsize(self.as_ptr(), size as kb::loff_t) };
    }

    /// Drops what is cached of a part, and makes zeros of it where a folio has other parts, too. May sleep. The inode is locked.
    pub(crate) fn truncate_pagecache_range(&self, part: Range<u64>) {
        if !part.is_empty() {
            let (start, last) = (part.start as kb::loff_t, (part.end - 1) as kb::loff_t);
            // SAFETY: The inode is valid by the type invariants.
            unsafe { kb::truncate_pagecache_range(self.as_ptr(), start, last) };
        }
    }

    /// The same, unless the task is being killed: `EINTR`.
    pub(crate) fn inode_lock_killable(&self) -> Result<InodeLockGuard<'_>> {
        // SAFETY: The inode is valid by the type invariants.
        to_result(unsafe { bindings::inode_lock_killable(self.as_ptr()) })?;
        Ok(InodeLockGuard(self, PhantomData))
    }

    /// Locks the inode together with others who do so, but not with whom [`VfsInode::inode_lock_killable`] lets in. `EINTR` when
    /// the task is being killed.
    pub(crate) fn inode_lock_shared_killable(&self) -> Result<SharedLockGuard<'_>> {
        // SAFETY: The inode is valid by the type invariants.
        to_result(unsafe { bindings::inode_lock_shared_killable(self.as_ptr()) })?;
        Ok(SharedLockGuard(self, PhantomData))
    }

    /// Has the VFS call `->write_inode()` by and by: there is data to be committed. Does not sleep.
    pub(crate) fn mark_dirty_datasync(&self) {
        // SAFETY: The inode is valid by the type invariants.
        unsafe {
            kb::__mark_inode_dirty(
                self.as_ptr(),
                kb::inode_state_flags_enum_I_DIRTY_DATASYNC as ffi::c_int,
            )
        };
    }

    /// Tells whether the inode has just been allocated by `iget5_locked()` and is not set up yet.
    pub(crate) fn is_new(&self) -> bool {
        // SAFETY: The inode is valid by the type invariants.
        unsafe { bindings::inode_is_new(self.as_ptr()) }
    }
}

/// `i_lock` is held; released by drop.
pub(crate) struct AttrsGuard<'a>(&'a VfsInode, PhantomData<*mut ()>);

impl AttrsGuard<'_> {
    fn inode(&mut self) -> &mut kb::inode {
        // SAFETY: `i_lock` is held, under which alone the fields that the methods below name are written. The reference
        // ends with each of those methods.
        unsafe { &mut *self.0.as_ptr() }
    }

    /// Sets type and permission bits.
    pub(crate) fn set_mode(&mut self, mode: u16) {
        self.inode().i_mode = mode;
    }

    /// Sets the number of links.
    pub(crate) fn set_nlink(&mut self, nlink: u32) {
        // SAFETY: The inode is valid.
        unsafe { kb::set_nlink(self.0.as_ptr(), nlink) };
    }

    /// Sets the owner, an id of the initial user namespace.
    pub(crate) fn set_uid(&mut self, uid: u32) {
        self.inode().i_uid.val = uid;
    }

    /// Sets the group, an id of the initial user namespace.
    pub(crate) fn set_gid(&mut self, gid: u32) {
        self.inode().i_gid.val = gid;
    }

    /// Sets the size in bytes; leaves the page cache alone.
    pub(crate) fn i_size_write(&mut self, size: u64) {
        // SAFETY: The inode is valid, and `i_lock` keeps writers apart.
        unsafe { bindings::i_size_write(self.0.as_ptr(), size as kb::loff_t) };
    }

    /// Sets the number of 512-byte blocks.
    pub(crate) fn set_blocks(&mut self, blocks: u64) {
        self.inode().i_blocks = blocks;
    }

    /// Sets the access time.
    pub(crate) fn set_atime(&mut self, t: Timespec) {
        let inode = self.inode();
        inode.i_atime_sec = t.sec;
        inode.i_atime_nsec = t.nsec;
    }

    /// Sets the modification time.
    pub(crate) fn set_mtime(&mut self, t: Timespec) {
        let inode = self.inode();
        inode.i_mtime_sec = t.sec;
        inode.i_mtime_nsec = t.nsec;
    }

    /// Sets the time of the last status change.
    pub(crate) fn set_ctime(&mut self, t: Timespec) {
        let inode = self.inode();
        inode.i_ctime_sec = t.sec;
        inode.i_ctime_nsec = t.nsec;
    }
}

impl Deref for AttrsGuard<'_> {
    type Target = VfsInode;

    fn deref(&self) -> &VfsInode {
        self.0
    }
}

impl Drop for AttrsGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: The existence of the guard means that the lock is held.
        unsafe { bindings::inode_spin_unlock(self.0.as_ptr()) };
    }
}

/// `i_rwsem` is held for writing; released by drop.
pub(crate) struct InodeLockGuard<'a>(&'a VfsInode, PhantomData<*mut ()>);

impl Drop for InodeLockGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: The existence of the guard means that the lock is held by this task.
        unsafe { bindings::inode_unlock(self.0.as_ptr()) };
    }
}

/// `i_rwsem` is held for reading; released by drop.
pub(crate) struct SharedLockGuard<'a>(&'a VfsInode, PhantomData<*mut ()>);

impl Drop for SharedLockGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: The existence of the guard means that the lock is held by this task.
        unsafe { bindings::inode_unlock_shared(self.0.as_ptr()) };
    }
}

/// Proof that `i_rwsem` is held for reading or for writing.
pub(crate) trait InodeLocked {}

impl InodeLocked for InodeLockGuard<'_> {}
impl InodeLocked for SharedLockGuard<'_> {}

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
