// SPDX-License-Identifier: GPL-2.0

//! O_DIRECT: data that goes between a program's memory and the server, past the page cache and without a copy.
//!
//! A read() or write() is a [`Transfer`] in parts of at most `rsize` or `wsize`, which are all sent at once. It has come as far as all of
//! its parts from the first on have, and fails with the error of the first that has come nowhere, whichever ended first in time.
//! A program's memory is let go of when the RPC task is gone, so that an answer that comes when the program has been killed, or the call
//! ended by force, meets the pages that it was asked for.
//!
//! Beside buffered I/O: what is cached of the range is written to the server before, and dropped before a write and after it. A write
//! has the inode locked together with other direct ones while it begins, and is counted ([`DirectWrites`]) until it has ended; a
//! buffered write or a truncation, which locks it alone, waits for those. So a page never mixes what is older than a direct write with
//! what is newer. (Stores through a mapping have no such order, as in the C client.) Reads need no lock: what they could bring into
//! the page cache beside a direct write is dropped when that ends.

mod read;
mod write;

use core::ops::RangeInclusive;

use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};

use super::{
    write as buffered,
    write::Writer,
    Inode,
    Rnfs4Fs, //
};
use crate::{
    client::IoBytes,
    sys::{
        fs::{
            Inflight,
            Iocb,
            QueuedIocb, //
        },
        wait::WaitQueue, //
    },
};

pub(super) use self::{
    read::read,
    write::{
        suits as suits_write,
        write, //
    }, //
};

/// How many direct writes of an inode have begun and not ended.
#[pin_data]
pub(crate) struct DirectWrites {
    #[pin]
    count: SpinLock<usize>,
    #[pin]
    none: WaitQueue,
}

impl DirectWrites {
    /// None.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            count <- new_spinlock!(0, "rnfs4_direct_writes"),
            none <- WaitQueue::new(),
        })
    }

    /// The inode is locked, if only together with others.
    fn begin(&self) {
        *self.count.lock() += 1;
    }

    fn end(&self) {
        let mut count = self.count.lock();
        *count -= 1;
        if *count == 0 {
            self.none.wake_all();
        }
    }

    /// Waits until all have ended. None begins as long as the caller has the inode locked alone. `ERESTARTSYS` when the task is
    /// being killed.
    pub(super) fn wait(&self) -> Result {
        self.none.wait_killable(|| *self.count.lock() == 0)
    }
}

/// How far a transfer has come.
struct Tally {
    /// Parts under way, and one for whoever is still sending.
    pending: usize,
    /// Up to where in the file everything has gone well, as far as is known.
    end: u64,
    /// Why not further, unless the file ends there.
    error: Option<Error>,
    /// Who wants to be told of the end.
    queued: Option<QueuedIocb<Rnfs4Fs>>,
    over: bool,
}

/// A direct read() or write().
#[pin_data]
struct Transfer {
    io: Inflight<Rnfs4Fs>,
    by: Writer,
    start: u64,
    #[pin]
    tally: SpinLock<Tally>,
    #[pin]
    over: WaitQueue,
}

impl Transfer {
    /// One of `len` bytes at `start`, none of which is sent yet.
    fn new(inode: &Inode, by: Writer, start: u64, len: usize) -> impl PinInit<Self> {
        let (io, end) = (Inflight::new(inode), start + len as u64);
        pin_init!(Self {
            io,
            by,
            start,
            tally <- new_spinlock!(Tally {
                pending: 1,
                end,
                error: None,
                queued: None,
                over: false,
            }, "rnfs4_direct"),
            over <- WaitQueue::new(),
        })
    }

    fn inode(&self) -> &Inode {
        self.io.inode()
    }

    /// A part is about to be sent.
    fn part_begins(&self) {
        self.tally.lock().pending += 1;
    }

    /// Nothing from `offset` on was transferred: for an error, or because the file ends there.
    fn stop_at(&self, offset: u64, error: Option<Error>) {
        // The call was ended by force (`umount -f`): the program sees an error that read() and write() may give.
        let error = error.map(|e| if e == ERESTARTSYS { EIO } else { e });
        let mut tally = self.tally.lock();
        if offset < tally.end {
            tally.end = offset;
            tally.error = error;
        }
    }

    /// A part has ended, or everything was sent. Tells whether it was the last.
    fn part_ends(&self) -> bool {
        let mut tally = self.tally.lock();
        tally.pending -= 1;
        tally.pending == 0
    }

    /// Up to where in the file everything has gone well.
    fn end(&self) -> u64 {
        self.tally.lock().end
    }

    fn result(&self) -> Result<usize> {
        let tally = self.tally.lock();
        match ((tally.end - self.start) as usize, tally.error) {
            (0, Some(e)) => Err(e),
            (n, _) => Ok(n),
        }
    }

    /// All is done: tells the caller. `what` are the bytes counted as. Does not sleep.
    fn finish(&self, what: IoBytes) {
        let result = self.result();
        let n = result.unwrap_or(0) as u64;
        self.by.ctx.server().io().add(what, n);
        let mut tally = self.tally.lock();
        tally.over = true;
        let queued = tally.queued.take();
        drop(tally);
        match queued {
            Some(queued) => queued.complete(result),
            None => self.over.wake_all(),
        }
    }

    /// Leaves it to [`Transfer::finish`] to end an asynchronous call. Everything was sent, and the sender's part has not ended.
    fn queue(&self, iocb: Iocb<'_, Rnfs4Fs>) {
        let queued = iocb.queue();
        self.tally.lock().queued = queued;
    }

    /// Waits for the end. `ERESTARTSYS` when the task is being killed; the transfer goes on.
    fn wait(&self) -> Result<usize> {
        self.over.wait_killable(|| self.tally.lock().over)?;
        self.result()
    }
}

/// Writes what the page cache has of a range to the server. Its errors are for those who have written it. `EINTR` when the task is
/// being killed. Sleeps.
fn write_out(inode: &Inode, range: RangeInclusive<u64>) -> Result {
    if inode.mapping_empty() {
        return Ok(());
    }
    buffered::flush_range(inode, range)
}

/// Drops what the page cache has of a range. Sleeps.
fn drop_cached(inode: &Inode, start: u64, len: usize) {
    if inode.mapping_empty() || len == 0 {
        return;
    }
    let range = start..=start + (len as u64 - 1);
    if inode.mapping().invalidate_pages2_range(range).is_err() {
        // Somebody uses a page: whoever reads the file next drops it.
        buffered::invalidate_data(inode);
    }
}
