// SPDX-License-Identifier: GPL-2.0

//! Flushes: all dirty data of a file, or of a range, is written and made safe, and what was to follow it goes along.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::{
    attrs::Attrs,
    setattrs::SetAttrs, //
};

use super::{
    commit,
    rider::Rider,
    writeback::{
        back_off,
        Sender, //
    },
};
use crate::{
    client::OpenContext,
    fs::{
        making,
        Inode, //
    },
    sys::{
        mm::{
            NofsScope,
            WritebackControl,
            LLONG_MAX, //
        },
        wait::current_was_killed, //
    },
};

/// Writes all dirty data of the file and makes it safe. Errors of the writes are the mapping's; an error here means that
/// the flush did not come to its end: `ERESTARTSYS` or `EINTR` when the task is being killed. A task that has been killed already
/// does not wait at all: writeback does the rest. Sleeps.
pub(in crate::fs) fn flush(inode: &Inode) -> Result {
    if current_was_killed() {
        return inode.mapping().flush();
    }
    flush_range(inode, 0..=LLONG_MAX)
}

/// The same; what is to follow goes along where it can, which `rider` knows afterwards.
fn flush_with(inode: &Inode, rider: &Arc<Rider>) -> Result {
    if !current_was_killed() {
        let _nofs = NofsScope::enter();
        let mut sender = Sender::new(inode);
        // What could not be sent for want of memory is dirty still, and tried again below.
        let _ = WritebackControl::with_all(|wbc| {
            wbc.for_each_folio(inode.mapping(), |_, folio| sender.add(&folio))
        });
        sender.finish(true, Some(rider));
    }
    flush(inode)
}

/// The same for the folios that hold bytes of `range`.
pub(in crate::fs) fn flush_range(inode: &Inode, range: core::ops::RangeInclusive<u64>) -> Result {
    let write = &inode.info().write;
    let mut rounds = 0;
    loop {
        let before = write.redirtied();
        inode.mapping().fdatawrite_range(range.clone())?;
        inode.mapping().wait_writeback_killable(range.clone())?;
        commit::commit(inode)?;
        if write.redirtied() == before {
            return Ok(());
        }
        back_off(&mut rounds, true)?;
    }
}

/// Writes all dirty data of a file and makes it safe, as [`flush`]. Where it can be, the server is told along with that of the end
/// of the open `closing`.
pub(in crate::fs) fn flush_and_close(inode: &Inode, closing: Option<&Arc<OpenContext>>) -> Result {
    if closing.is_some() && inode.info().write.has_writes() {
        if let Ok(rider) = Rider::new(closing, None) {
            return flush_with(inode, &rider);
        }
    }
    flush(inode)
}

/// Writes all dirty data of a file before attributes of it are set, and makes it safe. The attributes, among which is no size, are set
/// along with that where it can be, and then the open `closing` is ended; then returns the file's attributes behind that, if the server
/// told them.
///
/// Errors of the data are for those who have the file open. An error here means that the flush did not come to its end, as with
/// [`flush`], and that nothing was set.
pub(in crate::fs) fn flush_and_set(
    inode: &Inode,
    cred: &Credential,
    attrs: &SetAttrs,
    closing: Option<&Arc<OpenContext>>,
) -> Result<Option<Option<Attrs>>> {
    if attrs.size.is_none() && inode.info().write.has_writes() {
        if let Ok(rider) = Rider::new(closing, Some((cred, attrs))) {
            let res = flush_with(inode, &rider);
            let done = rider.take_done();
            return match done {
                None => res.map(|()| None),
                done => Ok(done),
            };
        }
    }
    flush(inode).map(|()| None)
}

/// Answers `->write_inode()`: after its pages were written, an inode still has to be committed, and is dirty until it is. The VFS takes
/// it for clean when it calls this, so it is told otherwise: whatever was under way may come to nothing, and a sync(2) or umount that
/// found the inode clean would not wait for it.
pub(in crate::fs) fn write_inode(inode: &Inode, sync: bool) -> Result {
    making::settle(inode)?;
    let res = if sync {
        flush(inode)
    } else {
        // In the background a COMMIT waits until no WRITE is under way.
        if !inode.mapping().has_writeback() {
            commit::start(inode);
        }
        Ok(())
    };
    if inode.info().write.is_uncommitted() {
        inode.mark_dirty_datasync();
    }
    res
}
