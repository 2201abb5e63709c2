// SPDX-License-Identifier: GPL-2.0

//! Directories: the table of their operations, each of which has its file, and what a change of ours does to what is known
//! of one.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::aref::ARef, //
};
use rnfs4_proto::{
    attrs::Attrs,
    status::Status,
    types::ChangeInfo, //
};

use super::{
    atomic_open,
    create,
    lookup,
    namei,
    readdir::{
        self,
        DirCursor, //
    }, //
};
use crate::{
    client::IoEvent,
    fs::{
        access,
        inode::{
            refresh,
            stat, //
        },
        setattr,
        ChildDentry,
        Dentry,
        Inode,
        InodeInfo,
        Origin,
        Rnfs4Fs,
        Stamp, //
    },
    sys::fs::{
        Access,
        DirContext,
        DirOperations,
        FileFlags,
        Iattr,
        InodeOperations,
        KStat,
        LookupFlags,
        OpeningFile, //
    },
};

/// Operations on directories.
pub(in crate::fs) struct Dir;

#[vtable]
impl InodeOperations for Dir {
    type Fs = Rnfs4Fs;

    fn lookup(
        dir: &Inode,
        dentry: &ChildDentry,
        flags: LookupFlags,
    ) -> Result<Option<ARef<Dentry>>> {
        dir.server().io().event(IoEvent::VfsLookup);
        lookup::lookup(dir, dentry, flags)
    }

    fn atomic_open(
        dir: &Inode,
        dentry: &ChildDentry,
        file: OpeningFile<'_, Rnfs4Fs>,
        mode: u16,
    ) -> Result {
        dir.server().io().event(IoEvent::VfsOpen);
        atomic_open::atomic_open(dir, dentry, file, mode)
    }

    fn create(dir: &Inode, dentry: &ChildDentry, mode: u16) -> Result {
        atomic_open::create(dir, dentry, mode)
    }

    fn mkdir(dir: &Inode, dentry: &ChildDentry, mode: u16) -> Result<Option<ARef<Dentry>>> {
        create::mkdir(dir, dentry, mode)
    }

    fn symlink(dir: &Inode, dentry: &ChildDentry, target: &CStr) -> Result {
        create::symlink(dir, dentry, target)
    }

    fn mknod(dir: &Inode, dentry: &ChildDentry, mode: u16, major: u32, minor: u32) -> Result {
        create::mknod(dir, dentry, mode, major, minor)
    }

    fn link(old: &Dentry, dir: &Inode, dentry: &ChildDentry) -> Result {
        namei::link(old, dir, dentry)
    }

    fn unlink(dir: &Inode, dentry: &ChildDentry) -> Result {
        namei::unlink(dir, dentry)
    }

    fn rmdir(dir: &Inode, dentry: &ChildDentry) -> Result {
        namei::rmdir(dir, dentry)
    }

    fn rename(
        old_dir: &Inode,
        old: &ChildDentry,
        new_dir: &Inode,
        new: &ChildDentry,
        flags: u32,
    ) -> Result {
        namei::rename(old_dir, old, new_dir, new, flags)
    }

    fn setattr(inode: &Inode, attr: Iattr<'_, Rnfs4Fs>) -> Result {
        setattr::setattr(inode, attr)
    }

    fn getattr(inode: &Inode, st: KStat<'_>, request_mask: u32, flags: u32) -> Result {
        stat(inode, st, request_mask, flags)
    }

    fn permission(inode: &Inode, wanted: Access) -> Result {
        access::permission(inode, wanted)
    }

    fn permission_rcu(info: &InodeInfo, wanted: Access) -> Option<Result> {
        access::permission_rcu(info, wanted)
    }

    fn fileattr_get(inode: &Inode) -> FileFlags {
        inode.server().file_flags()
    }
}

impl DirOperations for Dir {
    type Fs = Rnfs4Fs;

    fn open(_dir: &Inode, cred: &Credential) -> Result<Pin<KBox<DirCursor>>> {
        DirCursor::new(cred)
    }

    fn iterate_shared(
        dir: &Inode,
        cursor: Pin<&DirCursor>,
        ctx: DirContext<'_, Rnfs4Fs>,
    ) -> Result {
        dir.server().io().event(IoEvent::VfsGetdents);
        readdir::iterate_shared(dir, &cursor, ctx)
    }
}

/// Takes note of a change of ours to a directory: what the operation said of its change attribute, and the attributes that
/// came behind it.
pub(super) fn changed(dir: &Inode, info: &ChangeInfo, attrs: core::result::Result<Attrs, Status>) {
    let sent = Stamp::now();
    dir.info()
        .attrs
        .lock()
        .own_dir_change(info.atomic, info.before, info.after);
    if let Ok(attrs) = attrs {
        let origin = if attrs.change == info.after {
            Origin::OwnChange
        } else {
            // Somebody else was quick.
            Origin::Fetched(sent.max(Stamp::now()))
        };
        // An error would be that the directory is another one: it is marked stale then, and whoever comes next sees it.
        let _ = refresh(dir, &attrs, origin);
    }
}
