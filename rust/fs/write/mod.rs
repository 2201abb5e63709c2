// SPDX-License-Identifier: GPL-2.0

//! Writing through the page cache.
//!
//! What is dirty is a [`request`] on its folio, in the [`books`] of its inode; [`writeback`] collects requests into a [`call`], [`commit`]
//! makes safe what calls have written, and the file learns the [`outcome`]. A [`flush`] does all of that and waits for it; a [`rider`]
//! is what goes along with its last WRITE. Each knows only those that were named before it, and the books none but requests.

mod books;
mod call;
mod commit;
mod flush;
mod outcome;
mod request;
mod rider;
mod writeback;

pub(crate) use self::books::InodeWrite;
pub(super) use self::{
    commit::{
        commit,
        start as start_commit, //
    },
    flush::{
        flush,
        flush_and_close,
        flush_and_set,
        flush_range,
        write_inode, //
    },
    outcome::{
        invalidate_data,
        wrote, //
    },
    request::Writer,
    writeback::{
        clean_folio,
        resolve_conflict,
        writepages, //
    },
};
