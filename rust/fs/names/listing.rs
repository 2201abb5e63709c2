// SPDX-License-Identifier: GPL-2.0

//! What a directory lists, as far as it is kept: the replies of READDIR, and how the names in them are used.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    },
    time::{
        msecs_to_jiffies,
        Jiffies, //
    },
};

use crate::{
    fs::Inode,
    sys::time::jiffies, //
};

/// How many names of a directory must have been used since the program was given entries, for it to be likely that it uses each.
const USED_MANY: u32 = 8;

/// What a directory's listing may take of memory to be kept, in bytes: that of some thousand entries. It goes with the inode.
const KEPT_MAX: usize = 64 << 10;

/// An entry as it is handed out.
pub(super) struct Entry {
    /// The position behind it.
    pub(super) cookie: u64,
    /// What `d_ino` shows.
    pub(super) ino: u64,
    /// A `DT_*`.
    pub(super) d_type: u8,
    name: (u32, u32),
}

/// What one READDIR brought.
#[derive(Default)]
pub(super) struct Page {
    /// The position that it begins at.
    pub(super) pos: u64,
    /// The entries, in the server's order.
    pub(super) entries: KVec<Entry>,
    names: KVec<u8>,
    /// Nothing follows.
    pub(super) eof: bool,
}

impl Page {
    /// One without entries yet, for a position.
    pub(super) fn at(pos: u64) -> Self {
        Self {
            pos,
            ..Self::default()
        }
    }

    /// Adds an entry. May sleep to allocate.
    pub(super) fn push(&mut self, name: &[u8], cookie: u64, ino: u64, d_type: u8) -> Result {
        let at = (self.names.len() as u32, name.len() as u32);
        self.names.extend_from_slice(name, GFP_KERNEL)?;
        let entry = Entry {
            cookie,
            ino,
            d_type,
            name: at,
        };
        Ok(self.entries.push(entry, GFP_KERNEL)?)
    }

    /// The name of one of its entries.
    pub(super) fn name(&self, entry: &Entry) -> Result<&[u8]> {
        let (start, len) = (entry.name.0 as usize, entry.name.1 as usize);
        self.names.get(start..start + len).ok_or(EIO)
    }

    /// The index of the entry behind the position, if that is here.
    pub(super) fn find(&self, pos: u64) -> Option<usize> {
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

    fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.names.capacity()
    }
}

/// A whole directory, or the first part of one that is still being listed.
pub(super) struct Whole {
    /// The directory's change attribute when the server made the entries.
    change: u64,
    /// Since when.
    since: Jiffies,
    memory: usize,
    pages: KVec<Arc<Page>>,
}

impl Whole {
    /// The beginning of one. What comes of it is known when the last page is there.
    pub(super) fn begin(change: u64) -> Self {
        Self {
            change,
            since: jiffies(),
            memory: 0,
            pages: KVec::new(),
        }
    }

    /// Adds what follows, as the directory was with this change attribute. `None` if that does not fit, or is too much to keep. May
    /// sleep to allocate.
    pub(super) fn with(mut self, page: &Arc<Page>, change: Option<u64>) -> Option<Self> {
        let end = |page: &Arc<Page>| page.entries.last().map(|entry| entry.cookie);
        let follows = match self.pages.last() {
            Some(last) => end(last) == Some(page.pos),
            None => true,
        };
        self.memory += page.memory();
        let fits = follows
            && change == Some(self.change)
            && self.memory <= KEPT_MAX
            && self.pages.push(page.clone(), GFP_KERNEL).is_ok();
        fits.then_some(self)
    }

    /// The page that has what is behind a position: an entry, or the end.
    pub(super) fn find(&self, pos: u64) -> Option<&Arc<Page>> {
        self.pages.iter().find(|page| {
            page.find(pos)
                .is_some_and(|at| at < page.entries.len() || page.eof)
        })
    }
}

/// A directory's listing as the inode has it.
#[pin_data]
pub(crate) struct Listing {
    /// Names that were used since it was asked last.
    used: Atomic<u32>,
    /// And before that, since it was listed from the start.
    looked_at: Atomic<u32>,
    /// Some of its names are no longer cached.
    pruned: Atomic<bool>,
    #[pin]
    whole: SpinLock<Option<Arc<Whole>>>,
}

impl Listing {
    /// Nothing is known, and no name was used.
    pub(in crate::fs) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            used: Atomic::new(0),
            looked_at: Atomic::new(0),
            pruned: Atomic::new(false),
            whole <- new_spinlock!(None, "rnfs4_listing"),
        })
    }

    /// A name of the directory was looked at. Any context.
    pub(super) fn name_used(&self) {
        // Mostly nobody lists it: no more is written to it than is of interest.
        if self.used.load(Relaxed) <= USED_MANY {
            self.used.fetch_add(1, Relaxed);
        }
    }

    /// A name of the directory is no longer cached. Any context.
    pub(super) fn name_pruned(&self) {
        if !self.pruned.load(Relaxed) {
            self.pruned.store(true, Relaxed);
        }
    }

    /// It is going to be listed from the start; `read` by READDIR, so that its names come with it.
    pub(super) fn begin(&self, read: bool) {
        self.looked_at.store(0, Relaxed);
        if read {
            self.pruned.store(false, Relaxed);
        }
    }

    /// Whether many names were used since this was asked last (`nfs_use_readdirplus`).
    ///
    /// The first entries come with their attributes, and the program gets those first. If it then looks at more than a few names of the
    /// directory before it wants more entries, those come with their attributes as well.
    pub(super) fn take_many(&self) -> bool {
        let used = self.used.load(Relaxed);
        self.used.store(0, Relaxed);
        let before = self.looked_at.load(Relaxed);
        self.looked_at.store(before.saturating_add(used), Relaxed);
        used > USED_MANY
    }

    /// Keeps a listing. Does not sleep.
    pub(super) fn keep(&self, whole: Arc<Whole>) {
        let old = self.whole.lock().replace(whole);
        drop(old);
    }

    /// The listing that was kept of a directory, if it is what the directory lists: for somebody who begins to list it. Where he who did
    /// so before looked at more than a few names, or most of a few, all should be cached, with fresh attributes; if they are not, one
    /// READDIR brings them. Does not sleep.
    pub(super) fn kept(dir: &Inode) -> Option<Arc<Whole>> {
        let change = dir.info().attrs.change_if_fresh()?;
        let mut kept = dir.info().listing.whole.lock();
        let whole = kept.as_ref()?;
        if whole.change != change {
            let old = kept.take();
            drop(kept);
            drop(old);
            return None;
        }
        let fresh = msecs_to_jiffies(dir.server().params().acregmin.saturating_mul(1000));
        let entries: usize = whole.pages.iter().map(|page| page.entries.len()).sum();
        let few = (entries as u32 / 2).min(USED_MANY);
        let looked_at = dir.info().listing.looked_at.load(Relaxed) > few;
        let cached = !dir.info().listing.pruned.load(Relaxed);
        let young = jiffies().wrapping_sub(whole.since) < fresh;
        (cached && young || !looked_at).then(|| whole.clone())
    }
}
