// SPDX-License-Identifier: GPL-2.0

//! Listing directories.
//!
//! The position in an open directory is the server's cookie of the last entry that was handed out, so that it can be told,
//! sought and gone on from at any time. What a READDIR brought is kept with the open directory, and served from there as
//! long as the position is one in it.

use kernel::{
    cred::Credential,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Mutex, //
    },
};
use rnfs4_proto::{
    attrs::{
        fattr4,
        request,
        Attrs, //
    },
    ops::{
        attr::Getattr,
        fh::Putfh,
        readdir::{
            DirEntries,
            Readdir,
            ReaddirRes, //
        },
    },
    status::Status,
    types::{
        NfsType,
        Verifier, //
    },
};

use super::{
    inode::{
        note_error,
        refresh, //
    },
    Inode,
    Origin,
    Stamp, //
};
use crate::{
    client::status_error,
    sys::{
        fs::{
            dt,
            DirContext, //
        },
        mm::PageVec,
    },
};

/// Position of `.`.
const POS_DOT: u64 = 0;
/// Position of `..`.
const POS_DOTDOT: u64 = 1;
/// Position behind both: the first entry of the server, whose cookies begin at 3.
const POS_FIRST: u64 = 2;

/// What the first READDIR of an open directory asks for, in bytes; more each time.
const FIRST_SIZE: u32 = 8 << 10;

/// An entry as it is handed out.
struct Entry {
    cookie: u64,
    ino: u64,
    d_type: u8,
    name: core::ops::Range<usize>,
}

/// What one READDIR brought.
#[derive(Default)]
struct Page {
    /// The position that it begins at.
    pos: u64,
    entries: KVec<Entry>,
    names: KVec<u8>,
    eof: bool,
}

impl Page {
    /// The index of the entry behind the position, if that is here.
    fn find(&self, pos: u64) -> Option<usize> {
        if self.entries.is_empty() && !self.eof {
            return None;
        }
        if pos == self.pos {
            return Some(0);
        }
        self.entries
            .iter()
            .position(|entry| entry.cookie == pos)
            .map(|at| at + 1)
    }
}

struct Inner {
    page: Page,
    verifier: Verifier,
    size: u32,
}

/// An open directory.
#[pin_data]
pub(crate) struct DirCursor {
    cred: ARef<Credential>,
    #[pin]
    inner: Mutex<Inner>,
}

impl DirCursor {
    /// One at the beginning, for `cred`.
    pub(super) fn new(cred: &Credential) -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(
            pin_init!(Self {
                cred: ARef::from(cred),
                inner <- new_mutex!(Inner {
                    page: Page::default(),
                    verifier: Verifier::default(),
                    size: FIRST_SIZE,
                }, "rnfs4_readdir"),
            }),
            GFP_KERNEL,
        )
    }
}

/// Hands entries out from the context's position on.
pub(super) fn iterate_shared(dir: &Inode, cursor: &DirCursor, mut ctx: DirContext<'_>) -> Result {
    if ctx.pos() == POS_DOT {
        if !ctx.emit(b".", dir.ino(), dt::DIR) {
            return Ok(());
        }
        ctx.set_pos(POS_DOTDOT);
    }
    if ctx.pos() == POS_DOTDOT {
        if !ctx.emit(b"..", ctx.parent_ino(), dt::DIR) {
            return Ok(());
        }
        ctx.set_pos(POS_FIRST);
    }
    let mut inner = cursor.inner.lock();
    if ctx.pos() == POS_FIRST {
        // From the start: as the directory is now.
        inner.page = Page::default();
        inner.verifier = Verifier::default();
    }
    loop {
        let mut at = match inner.page.find(ctx.pos()) {
            Some(at) => at,
            None => {
                inner.fetch(dir, &cursor.cred, ctx.pos())?;
                0
            }
        };
        let page = &inner.page;
        while let Some(entry) = page.entries.get(at) {
            let name = page.names.get(entry.name.clone()).ok_or(EIO)?;
            if !ctx.emit(name, entry.ino, entry.d_type) {
                return Ok(());
            }
            ctx.set_pos(entry.cookie);
            at += 1;
        }
        if page.eof {
            return Ok(());
        }
        if page.entries.is_empty() {
            // Neither entries nor the end: the server does not get on.
            return Err(EIO);
        }
        // The position is that of the last entry: go on behind it.
        inner.page.pos = u64::MAX;
        inner.page.entries.clear();
    }
}

impl Inner {
    /// Reads the entries behind a position. May sleep; killable.
    fn fetch(&mut self, dir: &Inode, cred: &Credential, pos: u64) -> Result {
        let cookie = if pos == POS_FIRST { 0 } else { pos };
        let mut retried = false;
        loop {
            match self.try_fetch(dir, cred, pos, cookie)? {
                Ok(()) => return Ok(()),
                // The directory is another one for the server than when it gave the cookie; it may know the place all the
                // same.
                Err(Status::NOT_SAME | Status::BAD_COOKIE) if !retried => {
                    self.verifier = Verifier::default();
                    retried = true;
                }
                // The answer did not fit: not even one entry.
                Err(Status::TOOSMALL) if self.size < dir.server().dtsize() => {
                    self.size = dir.server().dtsize();
                }
                Err(status) => {
                    let e = status_error(status);
                    note_error(dir, e);
                    return Err(e);
                }
            }
        }
    }

    fn try_fetch(
        &mut self,
        dir: &Inode,
        cred: &Credential,
        pos: u64,
        cookie: u64,
    ) -> Result<core::result::Result<(), Status>> {
        let size = self.size.min(dir.server().dtsize());
        let pages = PageVec::alloc(size as usize)?;
        let sent = Stamp::now();
        let ops = (
            Putfh(dir.fh()),
            Getattr(request::CHANGED),
            Readdir {
                cookie,
                verifier: if cookie == 0 {
                    Verifier::default()
                } else {
                    self.verifier
                },
                dircount: size / 2,
                maxcount: size,
                attrs: request::DIRENT,
            },
        );
        let ((putfh, dir_attrs, readdir), data) = dir.server().call_pages(cred, ops, &pages)?;
        if let Ok(attrs) = dir_attrs {
            refresh(dir, &attrs, Origin::Fetched(sent))?;
        }
        let ReaddirRes { verifier, .. } = match putfh.and(readdir) {
            Ok(res) => res,
            Err(status) => return Ok(Err(status)),
        };
        self.page = decode(DirEntries::new(data, request::DIRENT), dir, pos, cookie)?;
        self.verifier = verifier;
        self.size = (self.size * 2).min(dir.server().dtsize());
        Ok(Ok(()))
    }
}

/// Reads the entries of a reply.
fn decode<S: rnfs4_proto::xdr::Source>(
    mut entries: DirEntries<S>,
    dir: &Inode,
    pos: u64,
    cookie: u64,
) -> Result<Page> {
    let mut page = Page {
        pos,
        ..Page::default()
    };
    while let Some(entry) = entries.next_entry().map_err(|_| EIO)? {
        // Positions 0 to 2 are ours; an entry that leads back to where we are would never end.
        if entry.cookie <= POS_FIRST || entry.cookie == cookie {
            return Err(EIO);
        }
        let start = page.names.len();
        page.names.extend_from_slice(entry.name, GFP_KERNEL)?;
        page.entries.push(
            Entry {
                cookie: entry.cookie,
                ino: dir.info().attrs.ino(ino(&entry.attrs, entry.cookie)),
                d_type: d_type(&entry.attrs),
                name: start..page.names.len(),
            },
            GFP_KERNEL,
        )?;
    }
    page.eof = entries.eof();
    Ok(page)
}

/// What `d_ino` shows: a mount point has there the number of the directory that it covers. An entry whose attributes cannot
/// be had gets a number all the same: 0 would hide it.
fn ino(attrs: &Attrs, cookie: u64) -> u64 {
    if attrs.has(fattr4::MOUNTED_ON_FILEID) {
        attrs.mounted_on_fileid
    } else if attrs.has(fattr4::FILEID) {
        attrs.fileid
    } else {
        cookie
    }
}

fn d_type(attrs: &Attrs) -> u8 {
    if !attrs.has(fattr4::TYPE) {
        return dt::UNKNOWN;
    }
    match attrs.typ {
        NfsType::Reg => dt::REG,
        NfsType::Dir => dt::DIR,
        NfsType::Lnk => dt::LNK,
        NfsType::Blk => dt::BLK,
        NfsType::Chr => dt::CHR,
        NfsType::Fifo => dt::FIFO,
        NfsType::Sock => dt::SOCK,
        NfsType::AttrDir | NfsType::NamedAttr => dt::UNKNOWN,
    }
}
