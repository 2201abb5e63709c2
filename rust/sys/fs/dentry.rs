// SPDX-License-Identifier: GPL-2.0

//! Dentries: [`Dentry`], [`ChildDentry`] where its name holds still, [`FreshDentry`] and [`InLookup`] while they are made.
//!
//! C header: [`include/linux/dcache.h`](srctree/include/linux/dcache.h).

use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
    slice, //
};

use kernel::{
    bindings as kb,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi,
    page::PAGE_SIZE,
    prelude::*,
    str::CString,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    },
};

use rnfs4_bindings as bindings;

use super::{
    FileSystem,
    INode,
    SuperBlock, //
};

/// A `struct dentry` of the file system `T`.
///
/// # Invariants
///
/// The dentry is of a superblock of `T` and referenced for as long as the value is borrowed. `d_fsdata` is null or an
/// owned `T::DentryInfo`, changed under `d_lock`.
#[repr(transparent)]
pub(crate) struct Dentry<T: FileSystem>(Opaque<kb::dentry>, PhantomData<T>);

// SAFETY: The reference count has its own lock and `dput()` may be called from any thread.
unsafe impl<T: FileSystem> Send for Dentry<T> {}
// SAFETY: All methods on shared references read single words or go through the dcache's own locks.
unsafe impl<T: FileSystem> Sync for Dentry<T> {}

// SAFETY: `dget()` and `dput()` count references.
unsafe impl<T: FileSystem> AlwaysRefCounted for Dentry<T> {
    fn inc_ref(&self) {
        // SAFETY: By the type invariants there is a reference already.
        unsafe { bindings::dget(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference. `Dentry` is transparent.
        unsafe { kb::dput(obj.as_ptr().cast()) };
    }
}

impl<T: FileSystem> Dentry<T> {
    /// Borrows a C dentry.
    ///
    /// # Safety
    ///
    /// `dentry` must be of a superblock of `T`, valid and referenced for all of `'a`.
    pub(crate) unsafe fn from_raw<'a>(dentry: *mut kb::dentry) -> &'a Self {
        // SAFETY: `Dentry` is transparent; the rest is the caller's promise.
        unsafe { &*dentry.cast() }
    }

    /// Returns the C dentry.
    pub(crate) fn as_ptr(&self) -> *mut kb::dentry {
        self.0.get()
    }

    fn flags(&self) -> ffi::c_uint {
        // SAFETY: The dentry is valid; the word may be read without the lock.
        unsafe { (&raw const (*self.as_ptr()).d_flags).read_volatile() }
    }

    /// Returns the inode, or `None` for a negative dentry.
    pub(crate) fn inode(&self) -> Option<&INode<T>> {
        // SAFETY: The dentry is valid.
        let inode = unsafe { (&raw const (*self.as_ptr()).d_inode).read_volatile() };
        // SAFETY: A positive dentry keeps its inode for as long as it is referenced.
        (!inode.is_null()).then(|| unsafe { INode::from_raw(inode) })
    }

    /// Returns the superblock.
    pub(crate) fn sb(&self) -> &SuperBlock<T> {
        // SAFETY: The dentry is valid and its superblock lives longer.
        unsafe { SuperBlock::from_raw((*self.as_ptr()).d_sb) }
    }

    /// Tells whether this is the root of a tree, with or without a name to come.
    pub(crate) fn is_root(&self) -> bool {
        // SAFETY: The dentry is valid; the word may be read without the lock.
        let parent = unsafe { (&raw const (*self.as_ptr()).d_parent).read_volatile() };
        ptr::eq(parent, self.as_ptr())
    }

    /// Returns `d_time`, which is the file system's to use.
    pub(crate) fn time(&self) -> u64 {
        // SAFETY: The dentry is valid; the word is read at once.
        unsafe { (&raw const (*self.as_ptr()).d_time).read_volatile() as u64 }
    }

    /// Sets `d_time`.
    pub(crate) fn set_time(&self, time: u64) {
        // SAFETY: The dentry is valid; the word is written at once.
        unsafe { (&raw mut (*self.as_ptr()).d_time).write_volatile(time as ffi::c_ulong) };
    }

    /// Returns the root of the tree that the dentry is in now, and the way from there: it begins with a slash. `ENAMETOOLONG` where
    /// it has more bytes than a page. May sleep.
    pub(crate) fn path_from_root(&self) -> Result<(ARef<Self>, CString)> {
        let mut root = ARef::from(self);
        while !root.is_root() {
            // SAFETY: The dentry is valid; the call returns a reference to its parent, which is never null.
            root = unsafe {
                let parent = kb::dget_parent(root.as_ptr());
                ARef::from_raw(NonNull::new_unchecked(parent).cast())
            };
        }
        let mut buf = KVec::<u8>::from_elem(0, PAGE_SIZE, GFP_KERNEL)?;
        // SAFETY: The dentry is valid, and so is the buffer for as many bytes.
        let path = from_err_ptr(unsafe {
            bindings::dentry_path_raw(
                self.as_ptr(),
                buf.as_mut_ptr().cast(),
                PAGE_SIZE as ffi::c_int,
            )
        })?;
        // SAFETY: The path is a string in the buffer.
        let path = unsafe { CStr::from_char_ptr(path) }.to_cstring()?;
        Ok((root, path))
    }

    /// Tells whether the dentry is not in the hash that lookups go through.
    pub(crate) fn is_unhashed(&self) -> bool {
        // SAFETY: The dentry is valid.
        unsafe { bindings::d_unhashed(self.as_ptr()) }
    }

    /// Tells whether some task is just looking this name up.
    pub(crate) fn is_in_lookup(&self) -> bool {
        self.flags() & kb::dentry_flags_DCACHE_PAR_LOOKUP != 0
    }

    /// Returns the number of references.
    pub(crate) fn count(&self) -> u32 {
        // SAFETY: The dentry is valid.
        unsafe { bindings::d_count(self.as_ptr()) }
    }

    /// Takes the dentry out of the hash: the next lookup asks the file system.
    pub(crate) fn d_drop(&self) {
        // SAFETY: The dentry is valid.
        unsafe { kb::d_drop(self.as_ptr()) };
    }

    /// Takes the dentry, which stands for something else than it did, out of the tree, with what is mounted below. May sleep.
    pub(crate) fn d_invalidate(&self) {
        // SAFETY: The dentry is valid.
        unsafe { kb::d_invalidate(self.as_ptr()) };
    }

    /// Finds the dentry of a name in this directory, which is locked, if only shared, as long as the value lives; or makes one to
    /// be looked up (`d_alloc_parallel`). Waits for another task that looks the same name up.
    pub(crate) fn begin_child(&self, name: &[u8]) -> Result<InLookup<T>> {
        let len = u32::try_from(name.len()).map_err(|_| ENAMETOOLONG)?;
        // SAFETY: The dentry is valid and its directory locked; the helper only reads the name.
        let dentry = from_err_ptr(unsafe {
            bindings::d_begin_child(self.as_ptr(), name.as_ptr().cast(), len)
        })?;
        // SAFETY: The pointer is a reference that is ours.
        Ok(InLookup(unsafe {
            ARef::from_raw(NonNull::new_unchecked(dentry).cast())
        }))
    }

    /// Tells whether the dentry is one that [`Dentry::set_renamed`] has marked.
    pub(crate) fn is_renamed(&self) -> bool {
        self.flags() & kb::dentry_flags_DCACHE_NFSFS_RENAMED != 0
    }

    /// Gives the dentry data of ours and marks it as silly-renamed (`DCACHE_NFSFS_RENAMED`): the VFS then leaves it
    /// alone in rename and unlink. Returns `EBUSY` where there is some already.
    pub(crate) fn set_renamed(&self, info: T::DentryInfo) -> Result {
        let info = info.into_foreign();
        // SAFETY: The dentry is valid and `info` is ours to give away.
        if unsafe { bindings::d_set_renamed(self.as_ptr(), info) } {
            return Ok(());
        }
        // SAFETY: The call above did not take `info`.
        drop(unsafe { T::DentryInfo::from_foreign(info) });
        Err(EBUSY)
    }

    /// Takes back what [`Dentry::set_renamed`] has set, if any, and clears the mark.
    pub(crate) fn take_renamed(&self) -> Option<T::DentryInfo> {
        // SAFETY: By the type invariants `d_fsdata` is null or an owned `T::DentryInfo`, and the helper takes it out
        // under the lock.
        unsafe { T::DentryInfo::try_from_foreign(bindings::d_take_renamed(self.as_ptr())) }
    }
}

/// A dentry whose name and parent hold still: the parent directory is locked or the dentry is being looked up.
///
/// # Invariants
///
/// As said, for as long as the value is borrowed.
#[repr(transparent)]
pub(crate) struct ChildDentry<T: FileSystem>(Dentry<T>);

impl<T: FileSystem> Deref for ChildDentry<T> {
    type Target = Dentry<T>;

    fn deref(&self) -> &Dentry<T> {
        &self.0
    }
}

/// Turns a returned dentry, owned or null, into its Rust form.
///
/// # Safety
///
/// `dentry` must be null, an error pointer, or a reference to a dentry of `T` that the caller owns.
unsafe fn owned<T: FileSystem>(dentry: *mut kb::dentry) -> Result<Option<ARef<Dentry<T>>>> {
    let dentry = NonNull::new(from_err_ptr(dentry)?);
    // SAFETY: By the contract.
    Ok(dentry.map(|dentry| unsafe { ARef::from_raw(dentry.cast()) }))
}

impl<T: FileSystem> ChildDentry<T> {
    /// Borrows a C dentry.
    ///
    /// # Safety
    ///
    /// As for [`Dentry::from_raw`], and the name and parent must not change during `'a`.
    pub(crate) unsafe fn from_raw<'a>(dentry: *mut kb::dentry) -> &'a Self {
        // SAFETY: `ChildDentry` is transparent; the rest is the caller's promise.
        unsafe { &*dentry.cast() }
    }

    /// Returns the name.
    pub(crate) fn name(&self) -> &[u8] {
        // SAFETY: By the type invariants the name does not change while `self` is borrowed.
        unsafe {
            let name = &(*self.as_ptr()).__bindgen_anon_1.d_name;
            slice::from_raw_parts(
                name.name,
                name.__bindgen_anon_1.__bindgen_anon_1.len as usize,
            )
        }
    }

    /// Ties a dentry that was looked up to its inode (`None`: there is no such name). Returns another dentry where the
    /// inode is a directory that had one.
    pub(crate) fn d_splice_alias(
        &self,
        inode: Option<ARef<INode<T>>>,
    ) -> Result<Option<ARef<Dentry<T>>>> {
        if self.inode().is_some() {
            return Err(EEXIST);
        }
        if !self.is_unhashed() {
            self.d_drop();
        }
        let inode = inode.map_or(ptr::null_mut(), |inode| {
            ARef::into_raw(inode).as_ptr().cast()
        });
        // SAFETY: The dentry is negative and unhashed, and its parent is locked or it is in lookup; the call consumes
        // the inode's reference. What it returns belongs to us.
        unsafe { owned(kb::d_splice_alias(inode, self.as_ptr())) }
    }

    /// Puts the dentry into the hash, where it is not.
    pub(crate) fn d_rehash(&self) {
        if self.is_unhashed() && !self.is_in_lookup() {
            // SAFETY: The dentry is valid and unhashed.
            unsafe { kb::d_rehash(self.as_ptr()) };
        }
    }

    /// Gives this dentry the place of `target` in the tree. The file system calls this where its type says
    /// `FS_RENAME_DOES_D_MOVE`, and for a silly rename.
    pub(crate) fn d_move(&self, target: &Dentry<T>) {
        // SAFETY: Both are valid dentries of one superblock, whose parents the VFS has locked for the operation.
        unsafe { kb::d_move(self.as_ptr(), target.as_ptr()) };
    }

    /// Looks the name `name` up beside this dentry, from the cache or the file system; the parent must be locked.
    pub(crate) fn lookup_sibling(&self, name: &[u8]) -> Result<ARef<Dentry<T>>> {
        let len = u32::try_from(name.len()).map_err(|_| ENAMETOOLONG)?;
        // SAFETY: The parent does not change while `self` is borrowed, and is locked by the VFS for the operation at
        // hand; the helper only reads the name. It returns a reference or an error pointer.
        let dentry = from_err_ptr(unsafe {
            bindings::lookup_sibling(self.as_ptr(), name.as_ptr().cast(), len)
        })?;
        // SAFETY: As above; the pointer is no error, and not null.
        Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(dentry).cast()) })
    }

    /// Makes another dentry of the same name and parent, negative and unhashed. May sleep.
    pub(crate) fn d_alloc_again(&self) -> Result<FreshDentry<T>> {
        // SAFETY: The dentry is valid and its parent and name hold still.
        let dentry = unsafe {
            let raw = self.as_ptr();
            kb::d_alloc((*raw).d_parent, &raw const (*raw).__bindgen_anon_1.d_name)
        };
        let dentry = NonNull::new(dentry).ok_or(ENOMEM)?;
        // SAFETY: The reference is ours.
        Ok(FreshDentry(unsafe { ARef::from_raw(dentry.cast()) }))
    }

    /// Begins a lookup of the same name of its own (`d_alloc_parallel`), for a dentry that has become stale while a
    /// program opens it. Waits for another task that looks the same name up.
    pub(crate) fn d_alloc_parallel(&self) -> Result<InLookup<T>> {
        // SAFETY: The dentry is valid and its parent and name hold still.
        let dentry = from_err_ptr(unsafe { bindings::d_alloc_parallel_again(self.as_ptr()) })?;
        // SAFETY: The pointer is a reference that is ours.
        Ok(InLookup(unsafe {
            ARef::from_raw(NonNull::new_unchecked(dentry).cast())
        }))
    }
}

/// A dentry that nobody else knows yet.
pub(crate) struct FreshDentry<T: FileSystem>(ARef<Dentry<T>>);

impl<T: FileSystem> Deref for FreshDentry<T> {
    type Target = ChildDentry<T>;

    fn deref(&self) -> &ChildDentry<T> {
        // SAFETY: Nobody else can move the dentry: it is in no hash, and its parent is locked by the operation in which it
        // was made, and that it does not leave.
        unsafe { ChildDentry::from_raw(self.0.as_ptr()) }
    }
}

/// A dentry got by [`ChildDentry::d_alloc_parallel`] or [`Dentry::begin_child`]; the lookup, if it is ours, ends when this is dropped.
pub(crate) struct InLookup<T: FileSystem>(ARef<Dentry<T>>);

impl<T: FileSystem> Deref for InLookup<T> {
    type Target = ChildDentry<T>;

    fn deref(&self) -> &ChildDentry<T> {
        // SAFETY: The parent is locked by the operation in which the value was made, and that it does not leave.
        unsafe { ChildDentry::from_raw(self.0.as_ptr()) }
    }
}

impl<T: FileSystem> InLookup<T> {
    /// Returns a reference to the dentry.
    pub(crate) fn dentry(&self) -> ARef<Dentry<T>> {
        self.0.clone()
    }
}

impl<T: FileSystem> Drop for InLookup<T> {
    fn drop(&mut self) {
        // SAFETY: The dentry is valid; nothing happens unless it is in lookup, by us.
        unsafe { bindings::d_lookup_done(self.0.as_ptr()) };
    }
}

/// Allocates the root dentry of a tree for `inode` or finds the one that it has (`d_obtain_root`). May sleep.
pub(crate) fn d_obtain_root<T: FileSystem>(inode: ARef<INode<T>>) -> Result<ARef<Dentry<T>>> {
    // SAFETY: The call consumes the reference to the inode and returns one to a dentry, or an error pointer.
    let dentry = unsafe { owned(kb::d_obtain_root(ARef::into_raw(inode).as_ptr().cast())) }?;
    dentry.ok_or(ENOMEM)
}

/// Makes sure that the result of a C call is fine; see [`to_result`].
pub(super) fn check(err: ffi::c_int) -> Result {
    to_result(err)
}
