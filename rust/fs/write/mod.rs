// SPDX-License-Identifier: GPL-2.0

//! Writing through the page cache.
//!
//! From the page to the server's disk, each resting on those before it: what is dirty is a [`request`] on its folio, in the [`books`] of its
//! inode; [`outcome`] tells the file what became of data; [`mod@commit`] makes safe what was written; a [`rider`] goes along with a WRITE;
//! a [`call`] is one WRITE; [`writeback`] collects requests into calls; a [`mod@flush`] does all of that and waits for it.

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
