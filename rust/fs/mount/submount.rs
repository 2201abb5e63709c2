// SPDX-License-Identifier: GPL-2.0

//! Submounts: a directory where another file system of the server begins becomes a mount point, and gets a superblock of its own
//! as soon as a walk goes on below it (`nfs_d_automount`, `nfs_do_submount`).
//!
//! Until then, or for who says `AT_NO_AUTOMOUNT`, the directory has the attributes of that file system's root, but the number that its
//! place has in the parent. LOOKUP has brought the root's handle, so there is nothing to be looked up once more. Mounts of one
//! file system share a superblock however they were come to, and a submount that nobody uses goes by itself.

use kernel::{
    prelude::*,
    str::CString,
    sync::aref::ARef, //
};
use rnfs4_proto::{
    attrs::{
        fattr4,
        Attrs, //
    },
    types::NfsType,
};

use super::{
    options::MountOptions,
    source::cstring, //
};
use crate::{
    client::{
        Connected,
        Server, //
    },
    fs::{
        access,
        inode::{
            note_error,
            stat, //
        },
        setattr,
        Dentry,
        Inode,
        InodeInfo,
        Rnfs4Fs, //
    },
    sys::fs::{
        Access,
        FileFlags,
        FsContext,
        Iattr,
        InodeOperations,
        KStat, //
    },
};

/// Operations on a directory that is a mount point: on itself alone, nothing in it.
pub(in crate::fs) struct MountPoint;

#[vtable]
impl InodeOperations for MountPoint {
    type Fs = Rnfs4Fs;

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

/// Where a submount belongs: the directory, which has the handle of the root of what is to be mounted.
pub(super) struct Point(ARef<Inode>);

impl Point {
    /// Learns of the file system what a mount has to know. May sleep; killable.
    pub(super) fn connect(&self) -> Result<Connected> {
        // If the handle is not good any more, the walk looks the name up once more.
        let connected = self.0.server().below(self.0.fh());
        let connected = connected.inspect_err(|e| note_error(&self.0, *e))?;
        if connected.root_attrs.typ != NfsType::Dir {
            connected.server.disconnect();
            return Err(ENOTDIR);
        }
        Ok(connected)
    }
}

/// Whether an object with these attributes, seen in `server`'s file system, is where another one begins.
pub(in crate::fs) fn is_point(server: &Server, attrs: &Attrs) -> bool {
    attrs.typ == NfsType::Dir && attrs.has(fattr4::FSID) && attrs.fsid != server.fsid()
}

/// Prepares the mount of what belongs on `point`. May sleep.
pub(super) fn prepare(
    fc: &mut FsContext<Rnfs4Fs>,
    options: &mut MountOptions,
    point: &Dentry,
) -> Result {
    let inode = point.inode().ok_or(ENOENT)?;
    if inode.info().attrs.is_stale() {
        return Err(ESTALE);
    }
    fc.set_source(&source(point)?)?;
    options.point = Some(Point(ARef::from(inode)));
    Ok(())
}

/// `HOST:/PATH` of a mount point: what its mount was mounted from, and the way from there.
fn source(point: &Dentry) -> Result<CString> {
    let (root, path) = point.path_from_root()?;
    let root = root.inode().ok_or(ENOENT)?;
    let base = root.server().root_name(root.fh())?.ok_or(ENOENT)?;
    let base = base.to_bytes();
    let base = base.strip_suffix(b"/").unwrap_or(base);
    let mut source = KVec::with_capacity(base.len() + path.to_bytes().len(), GFP_KERNEL)?;
    source.extend_from_slice(base, GFP_KERNEL)?;
    source.extend_from_slice(path.to_bytes(), GFP_KERNEL)?;
    cstring(&source)
}
