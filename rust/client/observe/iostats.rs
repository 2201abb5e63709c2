// SPDX-License-Identifier: GPL-2.0

//! What programs asked of a mount, and how many bytes that was: the events and bytes of /proc/self/mountstats.
//!
//! The order of both is that of `include/linux/nfs_iostat.h`, which tools know.

use core::array;

use kernel::{
    seq_file::SeqFile,
    seq_print,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Something that programs did, or that came of it. What is never counted here is shown as 0.
#[derive(Clone, Copy)]
pub(crate) enum IoEvent {
    /// Attributes were looked at, if still to be believed.
    InodeRevalidate = 0,
    /// A name was looked at.
    DentryRevalidate = 1,
    /// Cached data was dropped, being older than the file.
    DataInvalidate = 2,
    /// open().
    VfsOpen = 4,
    /// A name that was not cached.
    VfsLookup = 5,
    /// The right to something was looked at.
    VfsAccess = 6,
    /// A page was written to.
    VfsUpdatePage = 7,
    /// One folio was read.
    VfsReadPage = 8,
    /// A run of folios was read.
    VfsReadPages = 9,
    /// Writeback of a file.
    VfsWritePages = 11,
    /// getdents().
    VfsGetdents = 12,
    /// Attributes were set.
    VfsSetattr = 13,
    /// close().
    VfsFlush = 14,
    /// fsync().
    VfsFsync = 15,
    /// A lock was asked for or given up.
    VfsLock = 16,
    /// The last close().
    VfsRelease = 17,
    /// A file was cut.
    SetattrTrunc = 19,
    /// A write made a file longer.
    ExtendWrite = 20,
    /// An open file was renamed instead of removed.
    SillyRename = 21,
    /// The server read less than was asked.
    ShortRead = 22,
    /// The server wrote less than was asked.
    ShortWrite = 23,
}

/// How many events the format has.
const EVENTS: usize = 27;
/// Which of them is NFS4ERR_DELAY.
const DELAY: usize = 24;

/// Bytes or pages that went somewhere.
#[derive(Clone, Copy)]
pub(crate) enum IoBytes {
    /// Read by programs.
    NormalRead = 0,
    /// Written by programs.
    NormalWritten = 1,
    /// Read by programs past the page cache.
    DirectRead = 2,
    /// Written by programs past the page cache.
    DirectWritten = 3,
    /// Read from the server.
    ServerRead = 4,
    /// Written to the server.
    ServerWritten = 5,
    /// Pages read from the server.
    ReadPages = 6,
    /// Pages written to the server.
    WritePages = 7,
}

/// How many of these the format has.
const BYTES: usize = 8;

/// A mount's counts.
pub(crate) struct IoStats {
    events: [Atomic<u64>; EVENTS],
    bytes: [Atomic<u64>; BYTES],
}

impl IoStats {
    /// All zero.
    pub(in crate::client) fn new() -> Self {
        Self {
            events: array::from_fn(|_| Atomic::new(0)),
            bytes: array::from_fn(|_| Atomic::new(0)),
        }
    }

    /// Counts an event. Any context.
    pub(crate) fn event(&self, event: IoEvent) {
        if let Some(count) = self.events.get(event as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Counts `n` bytes, or pages. Any context.
    pub(crate) fn add(&self, bytes: IoBytes, n: u64) {
        if let Some(count) = self.bytes.get(bytes as usize) {
            count.fetch_add(n, Relaxed);
        }
    }

    /// Prints them as the C client does, with the client's count of NFS4ERR_DELAY.
    pub(crate) fn show(&self, m: &SeqFile, delays: u64) {
        seq_print!(m, "\n\tevents:\t");
        for (at, count) in self.events.iter().enumerate() {
            let count = if at == DELAY {
                delays
            } else {
                count.load(Relaxed)
            };
            seq_print!(m, "{} ", count);
        }
        seq_print!(m, "\n\tbytes:\t");
        for count in &self.bytes {
            seq_print!(m, "{} ", count.load(Relaxed));
        }
        seq_print!(m, "\n");
    }
}
