// SPDX-License-Identifier: GPL-2.0

//! Mappings: when the cached data that they show is compared with the server's.
//!
//! mmap() has locked the memory of its process, and whoever looks at that process waits for the lock: ps, pidof, the script that is to
//! start the server again. So mmap() does not wait for the server, unlike the C client's. What it would ask, the first fault asks, which
//! can let go of the lock.

use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
};

use super::{
    inode::revalidate_mapping,
    lock::check_locks,
    making,
    Inode,
    Rnfs4Fs, //
};
use crate::sys::fs::RegularFile;

/// Which mappings of an inode are still to be looked at.
pub(super) struct Mapped {
    /// How many times it was mapped with something left to do.
    due: Atomic<u32>,
    /// Up to which of these that is done.
    done: Atomic<u32>,
}

impl Mapped {
    pub(super) const fn new() -> Self {
        Self {
            due: Atomic::new(0),
            done: Atomic::new(0),
        }
    }
}

/// Answers `->mmap_prepare()`. Does not wait.
pub(super) fn map(file: &RegularFile<Rnfs4Fs>) -> Result {
    file.info().set_read();
    check_locks(file)?;
    let info = file.inode().info();
    if info.attrs.is_stale() {
        return Err(ESTALE);
    }
    if making::is_on(file.inode()) || info.attrs.expired() || info.attrs.lock().has_stale_data() {
        info.mapped.due.fetch_add(1, Release);
    }
    Ok(())
}

/// Whether a mapping is to be [looked at](look) before a page of it is shown. Does not sleep.
pub(super) fn is_due(inode: &Inode) -> bool {
    let mapped = &inode.info().mapped;
    mapped.done.load(Relaxed) != mapped.due.load(Relaxed)
}

/// Brings the cached data up to date for those mappings that were made so far. May sleep; killable. Where that fails what is cached is
/// shown, and what is not cached tells of it.
pub(super) fn look(file: &RegularFile<Rnfs4Fs>) {
    let inode = file.inode();
    let mapped = &inode.info().mapped;
    let due = mapped.due.load(Acquire);
    match making::in_use(inode).and_then(|()| revalidate_mapping(inode)) {
        Err(e) if e == ERESTARTSYS => {}
        _ => mapped.done.store(due, Release),
    }
}
