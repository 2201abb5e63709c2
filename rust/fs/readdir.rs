// SPDX-License-Identifier: GPL-2.0

//! Listing directories.
//!
//! The position in an open directory is the server's cookie of the last entry that was handed out, so that it can be told,
//! sought and gone on from at any time. What a READDIR brought is kept with the open directory, and served from there as
//! long as the position is one in it.
//!
//! A READDIR may bring the attributes and the handle of each entry along, which make its dentry and inode: then `ls -l` has nothing left
//! to ask ([`Listing`] says when that is worth it).

use kernel::{
    cred::Credential,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
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
    lookup::Primed,
    Dentry,
    Inode,
    Origin,
    Rnfs4Fs,
    Stamp, //
};
use crate::{
    client::{
        status_error,
        LookupCache, //
    },
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

/// What the first READDIR of an open directory asks for, in bytes; more each time. With their attributes that is some 60 entries.
const FIRST_SIZE: u32 = 16 << 10;

/// How many names of a directory must have been used since the program was given entries, for it to be likely that it uses each.
const USED_MANY: u32 = 8;

/// How the names of a directory are used while it is listed.
///
/// The first entries come with their attributes, and the program gets those first. If it then looks at more than a few names of the
/// directory before it wants more entries, those come with their attributes as well (`nfs_use_readdirplus`).
pub(crate) struct Listing {
    used: Atomic<u32>,
}

impl Listing {
    /// No name was used.
    pub(super) fn new() -> Self {
        Self {
            used: Atomic::new(0),
        }
    }

    /// A name of the directory was looked at. Any context.
    pub(super) fn name_used(&self) {
        // Mostly nobody lists it: no more is written to it than is of interest.
        if self.used.load(Relaxed) <= USED_MANY {
            self.used.fetch_add(1, Relaxed);
        }
    }

    /// Whether many were used since this was asked last.
    fn take_many(&self) -> bool {
        let many = self.used.load(Relaxed) > USED_MANY;
        self.used.store(0, Relaxed);
        many
    }
}

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
    /// The last entry of the page before, by its cookie and name.
    last: (u64, KVec<u8>),
}

/// What a READDIR is made for.
struct Want<'a> {
    dir: &'a Inode,
    cred: &'a Credential,
    /// Behind which position.
    pos: u64,
    /// The dentry under which entries that come with their attributes are put.
    plus: Option<ARef<Dentry>>,
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
                    last: (0, KVec::new()),
                }, "rnfs4_readdir"),
            }),
            GFP_KERNEL,
        )
    }
}

/// Hands entries out from the context's position on.
pub(super) fn iterate_shared(
    dir: &Inode,
    cursor: &DirCursor,
    mut ctx: DirContext<'_, Rnfs4Fs>,
) -> Result {
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
    let first = ctx.pos() == POS_FIRST;
    if first {
        // From the start: as the directory is now.
        inner.page = Page::default();
        inner.verifier = Verifier::default();
    }
    let many = dir.info().listing.take_many();
    let plus = (first || many) && remembers_names(dir);
    loop {
        let mut at = match inner.page.find(ctx.pos()) {
            Some(at) => at,
            None => {
                inner.fetch(Want {
                    dir,
                    cred: &cursor.cred,
                    pos: ctx.pos(),
                    plus: plus.then(|| ctx.dentry()),
                })?;
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
        inner.leave_page()?;
        if first && plus {
            // What the program does with these shows how to go on.
            return Ok(());
        }
    }
}

/// Whether a name that came with a READDIR spares a lookup.
fn remembers_names(dir: &Inode) -> bool {
    let params = dir.server().params();
    !params.noac && params.lookupcache != LookupCache::None
}

impl Inner {
    /// The position is that of the last entry: goes on behind it.
    fn leave_page(&mut self) -> Result {
        let page = &mut self.page;
        if let Some(entry) = page.entries.last() {
            self.last.0 = entry.cookie;
            self.last.1.clear();
            let name = page.names.get(entry.name.clone()).ok_or(EIO)?;
            self.last.1.extend_from_slice(name, GFP_KERNEL)?;
        }
        page.pos = u64::MAX;
        page.entries.clear();
        Ok(())
    }

    /// Reads the entries behind a position. May sleep; killable.
    fn fetch(&mut self, mut want: Want<'_>) -> Result {
        let pos = want.pos;
        let mut cookie = if pos == POS_FIRST { 0 } else { pos };
        let (mut losses, mut lost) = (0, false);
        loop {
            match self.try_fetch(&want, cookie)? {
                Ok(()) if !lost => return Ok(()),
                // From the start again, to where we are.
                Ok(()) => match (self.go_on_behind(pos), self.page.entries.last()) {
                    (Some(found), None) if !self.page.eof => (cookie, lost) = (found, false),
                    (Some(_), _) => return Ok(()),
                    (None, Some(entry)) if !self.page.eof => cookie = entry.cookie,
                    (None, _) => return Err(EIO),
                },
                // The directory is another one for the server than when it gave the cookie. It may know the place all the same,
                // without a verifier; if not, the place is where the last entry is.
                Err(Status::NOT_SAME | Status::BAD_COOKIE) if losses < 2 => {
                    self.verifier = Verifier::default();
                    losses += 1;
                    if losses == 2 {
                        (cookie, lost) = (0, true);
                        want.plus = None;
                    }
                }
                // The answer did not fit: not even one entry.
                Err(Status::TOOSMALL) if self.size < want.dir.server().dtsize() => {
                    self.size = want.dir.server().dtsize();
                }
                Err(Status::TOOSMALL) if want.plus.is_some() => want.plus = None,
                Err(status) => {
                    let e = status_error(status);
                    note_error(want.dir, e);
                    return Err(e);
                }
            }
        }
    }

    /// Leaves of a page what is behind the entry that was handed out last and has that position; what its cookie was does not count
    /// any more, unless nothing else is known of it. Returns the cookie that it has now, `None` when it is not there.
    fn go_on_behind(&mut self, pos: u64) -> Option<u64> {
        let page = &mut self.page;
        let (cookie, last) = &self.last;
        let at = page.entries.iter().position(|entry| match *cookie == pos {
            true => page.names.get(entry.name.clone()) == Some(&last[..]),
            false => entry.cookie == pos,
        })?;
        let found = page.entries.get(at)?.cookie;
        page.pos = pos;
        let mut passed = 0;
        page.entries.retain(|_| {
            passed += 1;
            passed > at + 1
        });
        Some(found)
    }

    fn try_fetch(
        &mut self,
        want: &Want<'_>,
        cookie: u64,
    ) -> Result<core::result::Result<(), Status>> {
        let (dir, plus) = (want.dir, want.plus.as_deref());
        let size = self.size.min(dir.server().dtsize());
        let pages = PageVec::alloc(size as usize)?;
        let sent = Stamp::now();
        let asked = match plus {
            Some(_) => request::DIRENT_PLUS,
            None => request::DIRENT,
        };
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
                attrs: asked,
            },
        );
        let ((putfh, dir_attrs, readdir), data) =
            dir.server().call_pages(want.cred, ops, &pages)?;
        let mut names = None;
        if let Ok(attrs) = dir_attrs {
            refresh(dir, &attrs, Origin::Fetched(sent))?;
            names = dir.info().attrs.names_at(attrs.change);
        }
        let ReaddirRes { verifier, .. } = match putfh.and(readdir) {
            Ok(res) => res,
            Err(status) => return Ok(Err(status)),
        };
        let primed = plus.zip(names).map(|(dentry, names)| Primed {
            dir,
            dentry,
            names,
            sent,
        });
        let entries = DirEntries::new(data, asked);
        self.page = decode(entries, dir, want.pos, cookie, primed)?;
        self.verifier = verifier;
        self.size = (self.size * 2).min(dir.server().dtsize());
        Ok(Ok(()))
    }
}

/// Reads the entries of a reply; those that came with their attributes are put into the cache of names where `primed` says so.
fn decode<S: rnfs4_proto::xdr::Source>(
    mut entries: DirEntries<S>,
    dir: &Inode,
    pos: u64,
    cookie: u64,
    primed: Option<Primed<'_>>,
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
        if let (Some(primed), Some(fh)) = (&primed, entry.fh) {
            // What is mounted on the server is left to its lookup.
            if entry.attrs.has(fattr4::FSID)
                && dir
                    .info()
                    .attrs
                    .is_of(entry.attrs.fsid, dir.server().fsid())
            {
                primed.entry(entry.name, fh, &entry.attrs);
            }
        }
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
