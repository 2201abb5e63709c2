// SPDX-License-Identifier: GPL-2.0

//! Holes and room: lseek() for data and holes, fallocate().

use core::ops::Range;

use kernel::prelude::*;
use rnfs4_proto::setattrs::SetAttrs;

use super::{
    inode::{
        note_error,
        refresh, //
    },
    lock::{
        check_locks,
        lock_for_io, //
    },
    making,
    setattr,
    write::{
        self,
        invalidate_data, //
    },
    Inode,
    Origin,
    Rnfs4Fs,
    Stamp, //
};
use crate::{
    client::Right,
    sys::fs::{
        Iattr,
        RegularFile, //
    }, //
};

/// Where, from `offset` on, a hole begins, or data; `None` if nobody can tell. Sends what has been written, because where the server
/// has a hole there may be data here. May sleep; killable.
pub(super) fn seek(file: &RegularFile<Rnfs4Fs>, offset: u64, hole: bool) -> Result<Option<u64>> {
    let (inode, ctx) = (file.inode(), file.info());
    if !file.can_read() {
        return Ok(None);
    }
    write::flush_range(inode, offset..=i64::MAX as u64)?;
    let lock = lock_for_io(file, &ctx);
    let right = Right {
        state: ctx.state(),
        lock: lock.as_ref(),
    };
    let found = inode
        .server()
        .seek(ctx.cred(), inode.fh(), right, offset, hole);
    match found {
        Err(e) if e == EOPNOTSUPP => Ok(None),
        Err(e) => Err(e),
        Ok(found) if found.eof && !hole => Err(ENXIO),
        // Who looks for one after the other would never come to the end.
        Ok(found) if found.offset < offset => Err(EIO),
        Ok(found) => Ok(Some(found.offset)),
    }
}

/// Makes a hole of `part` (`hole`), and then room for it (`room`). What was written before goes to the server before. May sleep;
/// killable. (`nfs42_fallocate()`)
pub(super) fn reserve(
    file: &RegularFile<Rnfs4Fs>,
    part: Range<u64>,
    hole: bool,
    room: bool,
) -> Result {
    let (inode, ctx): (&Inode, _) = (file.inode(), file.info());
    let _locked = inode.inode_lock_killable()?;
    Iattr::newsize_ok(inode, part.end)?;
    check_locks(file)?;
    ctx.check()?;
    inode.info().direct.wait()?;
    making::settle(inode)?;
    write::flush(inode)?;
    let lock = lock_for_io(file, &ctx);
    let right = Right {
        state: ctx.state(),
        lock: lock.as_ref(),
    };
    let sent = Stamp::now();
    let (before, attrs) = inode
        .server()
        .reserve(ctx.cred(), inode.fh(), right, part.clone(), (hole, room))
        .inspect_err(|e| {
            note_error(inode, *e);
            // There may be a hole all the same: it was made, and the room for it was not to be had, or the answer was lost.
            if hole {
                invalidate_data(inode);
                inode.info().attrs.expire();
            }
        })?;
    refresh(inode, &before, Origin::Fetched(sent))?;
    if hole {
        inode.truncate_pagecache_range(part.clone());
    }
    let grown = SetAttrs {
        size: (room && part.end > inode.i_size()).then_some(part.end),
        ..SetAttrs::default()
    };
    setattr::changed(inode, &grown, attrs)
}
