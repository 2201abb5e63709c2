// SPDX-License-Identifier: GPL-2.0

//! Listing directories.
//!
//! The position in an open directory is the server's cookie of the last entry that was handed out, so that it can be told,
//! sought and gone on from at any time. What a READDIR brought is kept with the open directory, and served from there as
//! long as the position is one in it; and a whole directory that is not too large is kept with its inode, for the next who lists it, until
//! it changes.
//!
//! A READDIR may bring the attributes and the handle of each entry along, which make its dentry and inode: then `ls -l` has nothing left
//! to ask ([`Listing`] says when that is worth it).

use kernel::{
    cred::Credential,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
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
    listing::{
        Listing,
        Page,
        Whole, //
    },
    lookup::Primed, //
};
use crate::{
    client::{
        status_error,
        LookupCache, //
    },
    fs::{
        inode::{
            note_error,
            refresh, //
        },
        Dentry,
        Inode,
        Origin,
        Rnfs4Fs,
        Stamp, //
    },
    sys::{
        fs::{
            dt,
            DirContext, //
        },
        mm::PageVec, //
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

struct Inner {
    /// The page that was handed out last, if there is more of it.
    page: Option<Arc<Page>>,
    verifier: Verifier,
    size: u32,
    /// The last entry of the page before, by its cookie and name.
    last: (u64, KVec<u8>),
    /// What the inode has kept, from which this listing is served.
    kept: Option<Arc<Whole>>,
    /// What it is to keep, as long as nothing is missing.
    gathered: Option<Whole>,
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
                    page: None,
                    verifier: Verifier::default(),
                    size: FIRST_SIZE,
                    last: (0, KVec::new()),
                    kept: None,
                    gathered: None,
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
    let many = dir.info().listing.take_many();
    let first = ctx.pos() == POS_FIRST;
    if first {
        // From the start: as the directory is now.
        inner.rewind(dir);
    }
    let plus = (first || many) && remembers_names(dir);
    loop {
        let (page, at) = match inner.turn_to(ctx.pos()) {
            Some(found) => found,
            None => {
                let page = inner.fetch(Want {
                    dir,
                    cred: &cursor.cred,
                    pos: ctx.pos(),
                    plus: plus.then(|| ctx.dentry()),
                })?;
                (page, 0)
            }
        };
        for entry in page.entries.iter().skip(at) {
            if !ctx.emit(page.name(entry)?, entry.ino, entry.d_type) {
                return Ok(());
            }
            ctx.set_pos(entry.cookie);
        }
        if page.eof {
            return Ok(());
        }
        // Neither entries nor the end: the server does not get on.
        let last = page.entries.last().ok_or(EIO)?;
        inner.leave_page(last.cookie, page.name(last)?)?;
        if first && plus && inner.kept.is_none() {
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
    /// Begins anew: with what was kept of the directory if it is known not to have changed since.
    fn rewind(&mut self, dir: &Inode) {
        self.kept = match remembers_names(dir) {
            true => Listing::kept(dir),
            false => None,
        };
        dir.info().listing.begin(self.kept.is_none());
        self.gathered = None;
        self.page = None;
        self.verifier = Verifier::default();
    }

    /// The page that has the entry behind a position, and that entry's index, if there is one.
    fn turn_to(&mut self, pos: u64) -> Option<(Arc<Page>, usize)> {
        if let Some(kept) = &self.kept {
            self.page = kept.find(pos).cloned();
            if self.page.is_none() {
                // The program goes where it has been before, in another listing.
                self.kept = None;
            }
        }
        let page = self.page.as_ref()?;
        let at = page.find(pos)?;
        Some((page.clone(), at))
    }

    /// The position is that of a page's last entry: goes on behind it.
    fn leave_page(&mut self, cookie: u64, name: &[u8]) -> Result {
        self.page = None;
        self.last.0 = cookie;
        self.last.1.clear();
        Ok(self.last.1.extend_from_slice(name, GFP_KERNEL)?)
    }

    /// Takes a page that was read, and keeps it for others if it is one of a whole directory, which had that change attribute.
    fn take_page(&mut self, dir: &Inode, page: Page, change: Option<u64>) -> Result<Arc<Page>> {
        if page.pos == POS_FIRST {
            self.gathered = change.map(Whole::begin);
        }
        let page = Arc::new(page, GFP_KERNEL)?;
        let whole = self.gathered.take();
        self.gathered = whole.and_then(|whole| whole.with(&page, change));
        if page.eof {
            // What there is no memory to keep is listed all the same.
            let whole = self.gathered.take().map(|it| Arc::new(it, GFP_KERNEL));
            if let Some(Ok(whole)) = whole {
                dir.info().listing.keep(whole);
            }
        }
        self.page = Some(page.clone());
        Ok(page)
    }

    /// Reads the entries behind a position. May sleep; killable.
    fn fetch(&mut self, mut want: Want<'_>) -> Result<Arc<Page>> {
        let (dir, pos) = (want.dir, want.pos);
        let mut cookie = if pos == POS_FIRST { 0 } else { pos };
        let (mut losses, mut lost) = (0, false);
        loop {
            match self.try_fetch(&want, cookie)? {
                Ok((page, change)) if !lost => return self.take_page(dir, page, change),
                // From the start again, to where we are.
                Ok((mut page, _)) => match (self.go_on_behind(&mut page, pos), page.entries.last())
                {
                    (Some(found), None) if !page.eof => (cookie, lost) = (found, false),
                    (Some(_), _) => return self.take_page(dir, page, None),
                    (None, Some(entry)) if !page.eof => cookie = entry.cookie,
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
                Err(Status::TOOSMALL) if self.size < dir.server().dtsize() => {
                    self.size = dir.server().dtsize();
                }
                Err(Status::TOOSMALL) if want.plus.is_some() => want.plus = None,
                Err(status) => {
                    let e = status_error(status);
                    note_error(dir, e);
                    return Err(e);
                }
            }
        }
    }

    /// Leaves of a page what is behind the entry that was handed out last and has that position; what its cookie was does not count
    /// any more, unless nothing else is known of it. Returns the cookie that it has now, `None` when it is not there.
    fn go_on_behind(&self, page: &mut Page, pos: u64) -> Option<u64> {
        let (cookie, last) = &self.last;
        let at = page.entries.iter().position(|entry| match *cookie == pos {
            true => page.name(entry).is_ok_and(|name| name == &last[..]),
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

    /// Asks for them once. Returns them with the change attribute that the directory had, if that is still what is known of it.
    fn try_fetch(
        &mut self,
        want: &Want<'_>,
        cookie: u64,
    ) -> Result<core::result::Result<(Page, Option<u64>), Status>> {
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
        let (mut names, mut change) = (None, None);
        if let Ok(attrs) = dir_attrs {
            refresh(dir, &attrs, Origin::Fetched(sent))?;
            names = dir.info().attrs.names_at(attrs.change);
            change = names.map(|_| attrs.change);
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
        let page = decode(entries, dir, want.pos, cookie, primed)?;
        self.verifier = verifier;
        self.size = (self.size * 2).min(dir.server().dtsize());
        Ok(Ok((page, change)))
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
    let mut page = Page::at(pos);
    while let Some(entry) = entries.next_entry().map_err(|_| EIO)? {
        // Positions 0 to 2 are ours; an entry that leads back to where we are would never end.
        if entry.cookie <= POS_FIRST || entry.cookie == cookie {
            return Err(EIO);
        }
        let ino = dir.info().attrs.ino(ino(&entry.attrs, entry.cookie));
        page.push(entry.name, entry.cookie, ino, d_type(&entry.attrs))?;
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
