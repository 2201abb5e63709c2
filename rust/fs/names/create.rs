// SPDX-License-Identifier: GPL-2.0

//! CREATE: directories and everything else that is no regular file.
//!
//! If a session is lost together with the answer, the call runs twice, and finds the name taken the second time. So what is made is
//! marked, as with an exclusive OPEN: it gets a time of access that nobody else's has.

use kernel::{
    prelude::*,
    sync::aref::ARef, //
};
use rnfs4_proto::{
    attrs::{
        request,
        Attrs, //
    },
    ops::{
        attr::{
            Access as AccessOp,
            AccessRes,
            Getattr, //
        },
        dir::{
            Create,
            CreateRes,
            CreateType, //
        },
        fh::{
            Getfh,
            Putfh,
            Restorefh,
            Savefh, //
        },
    },
    setattrs::{
        SetAttrs,
        SetTime, //
    },
    status::Status,
    types::{
        Fh,
        LINK_MAX, //
    },
};

use super::{
    dir::changed,
    lookup::{
        ask,
        splice,
        Found, //
    },
    namei::{
        check_name,
        failed, //
    },
};
use crate::{
    client::{
        mark,
        status_error, //
    },
    fs::{
        access::DIR_ACCESS,
        inode::fhget,
        ChildDentry,
        Dentry,
        Inode,
        Origin,
        Stamp, //
    },
    sys::{
        cred::{
            current_cred,
            current_umask, //
        },
        fs::mode, //
    },
};

/// The attributes of something new in `dir` with these mode bits, which the VFS has not taken the umask off: it has no say where
/// `dir` has a default ACL, which is the server's to know.
pub(super) fn with_mode(dir: &Inode, mode: u16) -> SetAttrs {
    let (mode, umask) = (u32::from(mode) & 0o7777, current_umask());
    if dir.server().knows_umask() {
        return SetAttrs {
            mode: Some(mode),
            umask: Some(umask),
            ..SetAttrs::default()
        };
    }
    SetAttrs {
        mode: Some(mode & !umask),
        ..SetAttrs::default()
    }
}

/// What the server says of an operation.
type Said<T> = core::result::Result<T, Status>;

/// What has been made, as far as the server told, and its directory behind that.
struct Made {
    create: CreateRes,
    fh: Said<Fh>,
    attrs: Said<Attrs>,
    access: Option<Said<AccessRes>>,
    dir_attrs: Said<Attrs>,
}

/// Makes anything but a regular file.
fn create(
    dir: &Inode,
    dentry: &ChildDentry,
    kind: CreateType<'_>,
    attrs: SetAttrs,
) -> Result<Option<ARef<Dentry>>> {
    check_name(dir, dentry)?;
    let mark = mark();
    let marked = SetAttrs {
        atime: Some(SetTime::Client(mark)),
        ..attrs
    };
    let sent = Stamp::now();
    let (mut made, twice) = send_create(dir, dentry, kind, marked)?;
    let mut mine = match made {
        Err(Status::EXIST) if twice => find(dir, dentry).filter(|it| it.attrs.atime == mark),
        _ => None,
    };
    if let Err(Status::PERM) = made {
        // Where files are not their makers', these may set no time but the present, and find that out when the name is there: if it
        // is there now, and is what was to be made, it was not there before.
        made = send_create(dir, dentry, kind, attrs)?.0;
        if let Err(Status::EXIST) = made {
            mine = find(dir, dentry).filter(|it| it.attrs.typ == kind.nfs_type());
        }
    }
    let found = match (made, mine) {
        (Ok(made), _) => {
            changed(dir, &made.create.change, made.dir_attrs);
            if let (Ok(fh), Ok(attrs)) = (made.fh, made.attrs) {
                Found {
                    fh,
                    attrs,
                    // Who makes a directory goes on into it.
                    access: made.access.and_then(Said::ok).map(|it| it.access),
                    sent,
                }
            } else {
                // What it is the server did not tell along with that.
                ask(dir, dentry.name())
                    .and_then(|found| found.ok_or(ENOENT))
                    .inspect_err(|_| dentry.d_drop())?
            }
        }
        (Err(_), Some(found)) => {
            dir.info().attrs.expire();
            found
        }
        (Err(status), None) => {
            let e = status_error(status);
            failed(dir, dentry, e);
            return Err(e);
        }
    };
    let inode = fhget(
        dir.sb(),
        &found.fh,
        &found.attrs,
        Origin::Fetched(found.sent),
    )?;
    found.set_access(&inode);
    splice(dir, dentry, inode, None)
}

/// What goes by the name, if that can be told.
fn find(dir: &Inode, dentry: &ChildDentry) -> Option<Found> {
    ask(dir, dentry.name()).ok().flatten()
}

/// Sends a CREATE. Returns what came of it, and whether it may have been run before that.
fn send_create(
    dir: &Inode,
    dentry: &ChildDentry,
    kind: CreateType<'_>,
    attrs: SetAttrs,
) -> Result<(Said<Made>, bool)> {
    let is_dir = matches!(kind, CreateType::Dir);
    let ops = (
        Putfh(dir.fh()),
        Savefh,
        Create {
            kind,
            name: dentry.name(),
            attrs,
        },
        Getfh,
        Getattr(request::INODE),
        is_dir.then_some(AccessOp(DIR_ACCESS)),
        Restorefh,
        Getattr(request::CHANGED),
    );
    let ((putfh, _, create, fh, attrs, access, _, dir_attrs), twice) =
        dir.server().call_once(&current_cred(), ops)?;
    let made = putfh.and(create).map(|create| Made {
        create,
        fh,
        attrs,
        access,
        dir_attrs,
    });
    Ok((made, twice))
}

/// Answers `->mkdir()`.
pub(super) fn mkdir(dir: &Inode, dentry: &ChildDentry, mode: u16) -> Result<Option<ARef<Dentry>>> {
    create(dir, dentry, CreateType::Dir, with_mode(dir, mode))
}

/// Answers `->symlink()`.
pub(super) fn symlink(dir: &Inode, dentry: &ChildDentry, target: &CStr) -> Result {
    let target = target.to_bytes();
    if target.len() > LINK_MAX {
        return Err(ENAMETOOLONG);
    }
    let attrs = SetAttrs {
        mode: Some(0o777),
        ..SetAttrs::default()
    };
    create(dir, dentry, CreateType::Link(target), attrs).map(drop)
}

/// Answers `->mknod()`; `mode` has the type.
pub(super) fn mknod(
    dir: &Inode,
    dentry: &ChildDentry,
    mode_bits: u16,
    major: u32,
    minor: u32,
) -> Result {
    let kind = match mode_bits & mode::S_IFMT {
        mode::S_IFBLK => CreateType::Blk(major, minor),
        mode::S_IFCHR => CreateType::Chr(major, minor),
        mode::S_IFIFO => CreateType::Fifo,
        mode::S_IFSOCK => CreateType::Sock,
        mode::S_IFREG | 0 => return super::atomic_open::create(dir, dentry, mode_bits),
        _ => return Err(EINVAL),
    };
    create(dir, dentry, kind, with_mode(dir, mode_bits)).map(drop)
}
