// SPDX-License-Identifier: GPL-2.0

//! What the page cache asks of us: reads for what it lacks, and what becomes of a write to a folio.

use core::ops::Range;

use kernel::{
    prelude::*,
    sync::Arc, //
};

use super::{
    lock::lock_for_io,
    read,
    write::{
        self,
        Writer, //
    },
    Inode,
    Rnfs4Fs, //
};
use crate::{
    client::{
        IoEvent,
        OpenContext, //
    },
    sys::{
        fs::{
            AddressSpaceOperations,
            MkWrite,
            RegularFile,
            Release, //
        },
        mm::{
            Locked,
            Readahead,
            WritebackControl, //
        },
    },
};

/// The open context of a file.
pub(super) fn context(file: &RegularFile<Rnfs4Fs>) -> Arc<OpenContext> {
    Arc::from(file.info())
}

/// By whose right the calling process writes, and reads past the page cache.
pub(super) fn writer(file: &RegularFile<Rnfs4Fs>) -> Writer {
    let ctx = context(file);
    let lock = lock_for_io(file, &ctx);
    Writer { ctx, lock }
}

impl AddressSpaceOperations for Rnfs4Fs {
    fn read_folio(file: Option<&RegularFile<Self>>, inode: &Inode, folio: Locked<Self>) -> Result {
        inode.server().io().event(IoEvent::VfsReadPage);
        // Without a file nobody says by whose right we read.
        read::read_folio(file.ok_or(EBADF)?, folio)
    }

    fn readahead(file: Option<&RegularFile<Self>>, inode: &Inode, run: Readahead<'_, Self>) {
        inode.server().io().event(IoEvent::VfsReadPages);
        if let Some(file) = file {
            read::readahead(file, run);
        }
    }

    fn writepages(inode: &Inode, wbc: &mut WritebackControl<'_>) -> Result {
        inode.server().io().event(IoEvent::VfsWritePages);
        write::writepages(inode, wbc)
    }

    fn write_begin(
        file: &RegularFile<Self>,
        pos: u64,
        len: usize,
        mut folio: impl FnMut() -> Result<Locked<Self>>,
    ) -> Result<Locked<Self>> {
        let (inode, by) = (file.inode(), writer(file));
        by.ctx.check()?;
        zero_old_tail(inode, pos)?;
        let mut tried = false;
        loop {
            let folio = folio()?;
            let range = range_in(&folio, pos, len);
            write::resolve_conflict(inode, &folio, &by, &range)?;
            let valid = folio.length_within(inode.i_size());
            let whole = range.start == 0 && range.end >= valid;
            if folio.is_uptodate() || folio.has_private() || whole || valid == 0 {
                return Ok(folio);
            }
            // What is read now need not be written out and read back later, when somebody reads the folio. Who may not
            // read the file keeps the folio with just his bytes in it.
            if tried || !file.can_read() {
                return Ok(folio);
            }
            tried = true;
            read::read_folio(file, folio)?;
        }
    }

    fn write_end(
        file: &RegularFile<Self>,
        pos: u64,
        _len: usize,
        copied: usize,
        folio: Locked<Self>,
    ) -> Result<usize> {
        let (inode, by) = (file.inode(), writer(file));
        if copied == 0 {
            return Ok(0);
        }
        inode.server().io().event(IoEvent::VfsUpdatePage);
        let range = range_in(&folio, pos, copied);
        complete(&folio, &range, folio.length_within(inode.i_size()));
        let res = by
            .ctx
            .check()
            .and_then(|()| inode.info().write.dirty(inode, &folio, &by, range));
        if let Err(e) = res {
            // The folio holds what the file never will.
            write::invalidate_data(inode);
            return Err(e);
        }
        // Before the folio is unlocked: writeback leaves alone what lies beyond the end.
        let end = inode.i_size();
        grow(inode, pos + copied as u64);
        drop(folio);
        if pos > end {
            reopen_old_tail(inode, end);
        }
        Ok(copied)
    }

    fn invalidate_folio(inode: &Inode, folio: &Locked<Self>, range: Range<usize>) {
        inode.info().write.invalidate(inode, folio, range);
    }

    fn release_folio(inode: &Inode, folio: &Locked<Self>, may: Release) -> bool {
        if folio.has_private() && !folio.is_dirty() {
            match may {
                Release::Nothing => {}
                Release::Start => write::start_commit(inode),
                // A task that is being killed does not wait, and the folio stays.
                Release::Wait => drop(write::commit(inode)),
            }
        }
        !folio.has_private()
    }

    fn launder_folio(inode: &Inode, folio: &Locked<Self>) -> Result {
        write::clean_folio(inode, folio)
    }
}

/// The file has become longer, if it ends before `end`. The inode is locked.
fn grow(inode: &Inode, end: u64) {
    if end > inode.i_size() {
        inode.server().io().event(IoEvent::ExtendWrite);
        inode.lock_attrs().i_size_write(end);
    }
}

/// The bytes of a folio that a write of `len` bytes at `pos`, which begins in it, covers.
fn range_in(folio: &Locked<Rnfs4Fs>, pos: u64, len: usize) -> Range<usize> {
    let start = (pos - folio.pos()) as usize;
    start..(start + len).min(folio.size())
}

/// After bytes were put into a folio that was not up to date: fills what lies beyond the end of the file with zeroes,
/// and finds out whether the folio is up to date now. `valid` of its bytes were the file's before.
fn complete(folio: &Locked<Rnfs4Fs>, range: &Range<usize>, valid: usize) {
    if folio.is_uptodate() {
        return;
    }
    if valid == 0 {
        folio.zero(0..range.start);
        folio.zero(range.end..folio.size());
        folio.mark_uptodate();
    } else if range.end >= valid {
        folio.zero(range.end..folio.size());
        // Between the old end and the new bytes there is a hole.
        folio.zero(valid..range.start);
        if range.start == 0 {
            folio.mark_uptodate();
        }
    } else {
        folio.zero(valid..folio.size());
    }
}

/// Before the file is made longer, by a write at `pos` beyond its end or by truncate(): a mapping may have left something behind the old
/// end in its last folio, which must not show up in the file. Sleeps; `EINTR` when the task is being killed.
pub(super) fn zero_old_tail(inode: &Inode, pos: u64) -> Result {
    let size = inode.i_size();
    if pos <= size || size == 0 {
        return Ok(());
    }
    let Some(folio) = inode.mapping().lock_folio(size)? else {
        return Ok(());
    };
    folio.mkclean();
    if folio.is_uptodate() {
        let start = (size - folio.pos()) as usize;
        let end = (pos - folio.pos()).min(folio.size() as u64) as usize;
        folio.zero(start..end);
    }
    Ok(())
}

/// After that: whoever could write to the old last folio through a mapping could do so up to the old end `end` only; from now on he is to
/// ask again, which makes the rest of it dirty as well. Sleeps; a task that is being killed may leave it undone.
pub(super) fn reopen_old_tail(inode: &Inode, end: u64) {
    if end == 0 {
        return;
    }
    let Ok(Some(folio)) = inode.mapping().lock_folio(end) else {
        return;
    };
    if folio.mkclean() {
        // Somebody may have done so since the file is longer.
        inode.info().write.widen(inode, &folio);
    }
}

/// A page of a shared mapping is about to be written: all of its folio that belongs to the file becomes dirty.
pub(super) fn page_mkwrite(
    file: &RegularFile<Rnfs4Fs>,
    folio: &Locked<Rnfs4Fs>,
) -> Result<MkWrite> {
    let (inode, by) = (file.inode(), writer(file));
    by.ctx.check()?;
    let len = folio.length_within(inode.i_size());
    if len == 0 {
        return Ok(MkWrite::Gone);
    }
    write::resolve_conflict(inode, folio, &by, &(0..len))?;
    match inode.info().write.dirty(inode, folio, &by, 0..len) {
        // Where the file is being cut it may end before this folio soon.
        Err(e) if e == EAGAIN => Ok(MkWrite::Later),
        res => res.map(|()| MkWrite::Writable),
    }
}
