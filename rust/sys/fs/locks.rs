// SPDX-License-Identifier: GPL-2.0

//! Byte-range locks and flock(): what the VFS asks for, and its own lists of what is held.
//!
//! The VFS keeps the locks that a client holds, splits and merges them, finds conflicts and deadlocks between local processes,
//! and unlocks what a process leaves behind. A file system has to see to the server, and to change the lists by these calls.
//!
//! C header: [`include/linux/filelock.h`](srctree/include/linux/filelock.h)

use core::{
    marker::PhantomData,
    ops::RangeInclusive,
    ptr::NonNull, //
};

use kernel::{
    bindings as kb,
    container_of,
    error::to_result,
    ffi,
    prelude::*, //
};
use rnfs4_bindings as bindings;

use super::{
    FileSystem,
    RegularFile,
    VfsInode, //
};

/// The last byte that a file can have: a lock that ends there has no end.
const OFFSET_MAX: u64 = i64::MAX as u64;

/// All bytes of a file.
pub(crate) const ALL_BYTES: RangeInclusive<u64> = 0..=OFFSET_MAX;

/// Tells whether two ranges of bytes have one in common.
fn overlap(a: &RangeInclusive<u64>, b: &RangeInclusive<u64>) -> bool {
    a.start() <= b.end() && b.start() <= a.end()
}

/// Who holds or wants a lock, as the VFS tells owners apart: a process (`struct files_struct`) for POSIX locks, an open file
/// for those of flock() and the "open file description" locks of fcntl().
///
/// The addresses are compared, never followed: an owner may be gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct LockKey {
    owner: usize,
    flock: bool,
}

/// What a lock is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LockMode {
    /// `F_RDLCK`, `LOCK_SH`.
    Shared,
    /// `F_WRLCK`, `LOCK_EX`.
    Exclusive,
}

/// A lock that is held.
#[derive(Clone, Debug)]
pub(crate) struct HeldRange {
    /// By whom.
    pub(crate) key: LockKey,
    /// How.
    pub(crate) mode: LockMode,
    /// Which bytes.
    pub(crate) range: RangeInclusive<u64>,
    /// The process that took it, for messages.
    pub(crate) pid: i32,
}

/// What a call wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockCall {
    /// `F_GETLK`: to know whether a lock could be had.
    Get,
    /// `F_SETLK`, `F_SETLKW`, flock(): to have it.
    Set(LockMode),
    /// The same: to give it up.
    Unlock,
}

/// A `struct file_lock` that the VFS has made for one call.
///
/// # Invariants
///
/// The lock is valid and ours to change for `'a`, it is in no list, and its file is an open regular file of `T`.
pub(crate) struct LockRequest<'a, T: FileSystem> {
    fl: NonNull<bindings::file_lock>,
    _file: PhantomData<&'a RegularFile<T>>,
}

impl<T: FileSystem> LockRequest<'_, T> {
    /// Wraps what `->lock()` or `->flock()` was given.
    ///
    /// # Safety
    ///
    /// `fl` must fulfil the type invariants.
    pub(super) unsafe fn from_raw(fl: *mut kb::file_lock) -> Self {
        Self {
            // SAFETY: The caller's promise.
            fl: unsafe { NonNull::new_unchecked(fl.cast()) },
            _file: PhantomData,
        }
    }

    fn get(&self) -> &bindings::file_lock {
        // SAFETY: By the type invariants the lock is valid, and nobody else looks at it while no function of the VFS has it.
        unsafe { self.fl.as_ref() }
    }

    fn get_mut(&mut self) -> &mut bindings::file_lock {
        // SAFETY: As above.
        unsafe { self.fl.as_mut() }
    }

    fn has(&self, flag: u32) -> bool {
        self.get().c.flc_flags & flag != 0
    }

    /// Who asks.
    pub(crate) fn key(&self) -> LockKey {
        key_of(&self.get().c)
    }

    /// For what; `None` for no lock (`F_UNLCK`, `LOCK_UN`).
    pub(crate) fn mode(&self) -> Option<LockMode> {
        mode_of(&self.get().c)
    }

    /// Which bytes.
    pub(crate) fn range(&self) -> RangeInclusive<u64> {
        range_of(self.get())
    }

    /// The lock that is wanted as one that is held.
    pub(crate) fn wanted(&self, mode: LockMode) -> HeldRange {
        HeldRange {
            key: self.key(),
            mode,
            range: self.range(),
            pid: self.get().c.flc_pid,
        }
    }

    /// Tells whether the caller waits until the lock can be had.
    pub(crate) fn sleeps(&self) -> bool {
        self.has(bindings::FL_SLEEP)
    }

    /// Tells whether this is the VFS giving up all that an owner holds, since a descriptor is being closed.
    pub(crate) fn is_close(&self) -> bool {
        self.has(bindings::FL_CLOSE)
    }

    /// Tells whether the lock is flock()'s.
    pub(crate) fn is_flock(&self) -> bool {
        self.has(bindings::FL_FLOCK)
    }

    /// Tells whether a server that exports this file system anew passes on a reclaim (`FL_RECLAIM`).
    pub(crate) fn is_reclaim(&self) -> bool {
        self.has(bindings::FL_RECLAIM)
    }

    /// Changes the VFS's lists, or waits, as the request says with `flags` instead of its own. May sleep, interruptibly.
    fn apply(&mut self, flags: u32) -> Result {
        let saved = core::mem::replace(&mut self.get_mut().c.flc_flags, flags);
        let fl = self.fl.as_ptr();
        // SAFETY: By the type invariants the lock and its file are valid, and so is the file's inode.
        let ret = unsafe { bindings::locks_lock_inode_wait((*(*fl).c.flc_file).f_inode, fl) };
        self.get_mut().c.flc_flags = saved;
        to_result(ret)
    }

    /// Does all of it with the VFS's lists alone, where no server is to know: takes, waits for or gives up the lock. Errors as
    /// below. May sleep.
    pub(crate) fn apply_local(&mut self) -> Result {
        self.apply(self.get().c.flc_flags)
    }

    /// Waits until no local owner is in the way; if the caller does not wait, `EAGAIN` when one is. `EDEADLK` when that one
    /// waits for the caller, `ERESTARTSYS` on a signal. May sleep.
    pub(crate) fn wait_local(&mut self) -> Result {
        let flags = self.get().c.flc_flags;
        self.apply(flags | bindings::FL_ACCESS)
    }

    /// Puts the lock into the VFS's lists. The range may be that of a larger lock afterwards. May sleep.
    pub(crate) fn insert(&mut self) -> Result {
        let flags = self.get().c.flc_flags;
        self.apply(flags & !(bindings::FL_ACCESS | bindings::FL_SLEEP))
    }

    /// Takes what the caller holds of the range out of the VFS's lists. False if that is nothing. May sleep.
    pub(crate) fn remove(&mut self) -> Result<bool> {
        let flags = self.get().c.flc_flags;
        match self.apply(flags | bindings::FL_EXISTS) {
            Ok(()) => Ok(true),
            Err(e) if e == ENOENT => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// For `F_GETLK`: puts a local lock that is in the way in the place of what was asked. False if there is none. Does not
    /// sleep.
    pub(crate) fn find_local(&mut self) -> bool {
        let asked = self.get().c.flc_type;
        let fl = self.fl.as_ptr();
        // SAFETY: By the type invariants the lock and its file are valid.
        unsafe { bindings::posix_test_lock((*fl).c.flc_file, fl) };
        if u32::from(self.get().c.flc_type) != bindings::F_UNLCK {
            return true;
        }
        self.get_mut().c.flc_type = asked;
        false
    }

    /// For `F_GETLK`: answers that the lock could be had.
    pub(crate) fn set_free(&mut self) {
        self.get_mut().c.flc_type = bindings::F_UNLCK as u8;
    }

    /// For `F_GETLK`: answers with the lock of somebody else's that is in the way. What process holds it is not known.
    pub(crate) fn set_denied(&mut self, mode: LockMode, range: RangeInclusive<u64>) {
        let fl = self.get_mut();
        fl.c.flc_type = match mode {
            LockMode::Shared => bindings::F_RDLCK as u8,
            LockMode::Exclusive => bindings::F_WRLCK as u8,
        };
        fl.c.flc_pid = 0;
        fl.fl_start = *range.start() as kb::loff_t;
        fl.fl_end = (*range.end()).min(OFFSET_MAX) as kb::loff_t;
    }
}

fn key_of(c: &bindings::file_lock_core) -> LockKey {
    LockKey {
        owner: c.flc_owner.addr(),
        flock: c.flc_flags & bindings::FL_FLOCK != 0,
    }
}

fn mode_of(c: &bindings::file_lock_core) -> Option<LockMode> {
    match u32::from(c.flc_type) {
        bindings::F_RDLCK => Some(LockMode::Shared),
        bindings::F_WRLCK => Some(LockMode::Exclusive),
        _ => None,
    }
}

fn range_of(fl: &bindings::file_lock) -> RangeInclusive<u64> {
    fl.fl_start as u64..=fl.fl_end as u64
}

/// Takes apart what `->lock()` and `->flock()` are given as a command. `EINVAL` for what is lock managers' alone.
pub(super) fn lock_call(cmd: ffi::c_int, mode: Option<LockMode>) -> Result<LockCall> {
    match (cmd as u32, mode) {
        (bindings::F_GETLK, _) => Ok(LockCall::Get),
        (bindings::F_SETLK | bindings::F_SETLKW, Some(mode)) => Ok(LockCall::Set(mode)),
        (bindings::F_SETLK | bindings::F_SETLKW, None) => Ok(LockCall::Unlock),
        _ => Err(EINVAL),
    }
}

impl<T: FileSystem> RegularFile<T> {
    /// Who the calling process is as an owner of locks, when it reads or writes through this file: by POSIX locks, by those of
    /// the open file, and by flock().
    pub(crate) fn lock_keys(&self) -> [LockKey; 3] {
        let key = |owner, flock| LockKey { owner, flock };
        // SAFETY: The helper looks at the current task only.
        let files = unsafe { bindings::current_files() }.addr();
        let file = self.as_ptr().addr();
        [key(files, false), key(file, false), key(file, true)]
    }
}

impl VfsInode {
    /// Calls `f` for each lock that is held of the file, under the lists' spinlock, until it returns false.
    fn each_lock(&self, mut f: impl FnMut(&bindings::file_lock) -> bool) {
        // SAFETY: The inode is valid; its lock context, once made, stays as long as it does.
        unsafe {
            let ctx = bindings::locks_inode_context(self.as_ptr());
            if ctx.is_null() {
                return;
            }
            bindings::flctx_spin_lock(ctx);
            'all: for head in [bindings::flctx_posix(ctx), bindings::flctx_flock(ctx)] {
                let mut pos = (*head).next;
                while pos != head {
                    // The entries of these two lists are the first field of a `struct file_lock`, and stay there while the
                    // spinlock is held.
                    let core = container_of!(pos, bindings::file_lock_core, flc_list);
                    if !f(&*container_of!(core, bindings::file_lock, c)) {
                        break 'all;
                    }
                    pos = (*pos).next;
                }
            }
            bindings::flctx_spin_unlock(ctx);
        }
    }

    /// Tells whether `key` holds a lock that covers bytes of `range`. Does not sleep.
    pub(crate) fn holds_lock(&self, key: LockKey, range: &RangeInclusive<u64>) -> bool {
        let mut found = false;
        self.each_lock(|fl| {
            found = key_of(&fl.c) == key && overlap(&range_of(fl), range);
            !found
        });
        found
    }

    /// Adds all locks that are held of the file to `out`. May sleep to allocate.
    pub(crate) fn held_locks(&self, out: &mut KVVec<HeldRange>) -> Result {
        let start = out.len();
        loop {
            let mut missing = 0;
            self.each_lock(|fl| {
                let Some(mode) = mode_of(&fl.c) else {
                    return true;
                };
                let held = HeldRange {
                    key: key_of(&fl.c),
                    mode,
                    range: range_of(fl),
                    pid: fl.c.flc_pid,
                };
                missing += usize::from(out.push_within_capacity(held).is_err());
                true
            });
            if missing == 0 {
                return Ok(());
            }
            out.truncate(start);
            out.reserve(missing + missing / 2 + 4, GFP_KERNEL)?;
        }
    }
}
