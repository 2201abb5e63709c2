// SPDX-License-Identifier: GPL-2.0

//! The file system: what the VFS asks for, in terms of what the client offers.
//!
//! [`mount`] makes a superblock, [`inode`] and [`attrs`] keep what is known of a file, [`setattr`] changes it, [`access`] is what its users
//! may do. [`names`] has what directories hold, [`mod@symlink`] what links do. [`file`] opens and closes; [`address_space`] is what the page
//! cache asks for, which [`read`] and [`beginning`] bring, and [`mod@write`] takes away; [`mapped`] looks after mappings, [`making`] after
//! files that are just being made; [`direct`] goes past the page cache. [`lock`] is about locks, [`space`] about holes.
//!
//! Lock order: a directory's or file's `i_rwsem`, then folio locks, then the spinlocks: [`write::InodeWrite`], in it
//! [`attrs::AttrCache`], and in that `i_lock`.

mod access;
mod address_space;
mod attrs;
mod beginning;
mod direct;
mod file;
mod inode;
mod lock;
mod making;
mod mapped;
mod mount;
mod names;
mod read;
mod setattr;
mod space;
mod symlink;
mod write;

use kernel::{
    prelude::*,
    sync::{
        Arc,
        SetOnce, //
    },
};
use rnfs4_proto::types::Fh;

use crate::{
    client::{
        FileLocks,
        OpenContext,
        Registry,
        Server, //
    },
    sys::fs::{
        FileSystem,
        INode, //
    },
};

pub(crate) use self::{
    attrs::{
        Origin,
        Stamp, //
    },
    inode::{
        refresh,
        revalidate, //
    },
};

/// The file system type `rnfs4`.
pub(crate) struct Rnfs4Fs;

/// One of our inodes.
pub(crate) type Inode = INode<Rnfs4Fs>;
/// One of our dentries.
pub(crate) type Dentry = crate::sys::fs::Dentry<Rnfs4Fs>;
/// One of our dentries, in a directory that is locked.
pub(crate) type ChildDentry = crate::sys::fs::ChildDentry<Rnfs4Fs>;
/// One of our superblocks.
pub(crate) type SuperBlock = crate::sys::fs::SuperBlock<Rnfs4Fs>;

/// What a superblock holds.
pub(crate) struct SuperInfo {
    /// The server, as this mount sees it.
    pub(crate) server: Arc<Server>,
}

/// What we keep of an inode, each part under its own lock.
#[pin_data]
pub(crate) struct InodeInfo {
    /// The file handle, set once when the inode gets its identity.
    fh: SetOnce<Fh>,
    /// Attributes beyond the VFS's, and how long all are believed.
    #[pin]
    pub(crate) attrs: attrs::AttrCache,
    /// What a user may do with it.
    #[pin]
    access: access::AccessCache,
    /// For directories: what it lists, and how the names are used.
    #[pin]
    listing: names::Listing,
    /// Who has locked it; set with the first lock.
    locks: SetOnce<Arc<FileLocks>>,
    /// Target of a symbolic link.
    #[pin]
    link: symlink::LinkCache,
    /// What is to be written to the server.
    #[pin]
    pub(crate) write: write::InodeWrite,
    /// What is set on it while it is being made.
    #[pin]
    making: making::Making,
    /// Which mappings are to be looked at.
    mapped: mapped::Mapped,
    /// What is being written past the page cache.
    #[pin]
    direct: direct::DirectWrites,
}

impl InodeInfo {
    /// The file handle.
    pub(crate) fn fh(&self) -> &Fh {
        const NONE: Fh = Fh::empty();
        // Every inode that is found in the cache has one.
        self.fh.as_ref().unwrap_or(&NONE)
    }
}

impl InodeInfo {
    /// Forgets what users may do.
    fn forget_access(&self) {
        self.access.forget();
    }
}

impl FileSystem for Rnfs4Fs {
    const NAME: &'static CStr = c"rnfs4";
    const FLAGS: i32 = crate::sys::fs::FS_RENAME_DOES_D_MOVE;

    type Global = Arc<Registry>;
    type SuperInfo = SuperInfo;
    type InodeInfo = InodeInfo;
    type FileInfo = Arc<OpenContext>;
    type DentryInfo = Pin<KBox<names::SillyUnlink>>;
    type DirInfo = Pin<KBox<names::DirCursor>>;

    fn new_inode_info() -> impl PinInit<InodeInfo, Error> {
        try_pin_init!(InodeInfo {
            fh: SetOnce::new(),
            attrs <- attrs::AttrCache::new(),
            access <- access::AccessCache::new(),
            listing <- names::Listing::new(),
            locks: SetOnce::new(),
            link <- symlink::LinkCache::new(),
            write <- write::InodeWrite::new(),
            making <- making::Making::new(),
            mapped: mapped::Mapped::new(),
            direct <- direct::DirectWrites::new(),
        })
    }
}
