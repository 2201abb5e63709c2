// SPDX-License-Identifier: GPL-2.0

//! Changes to names. Each is one compound, with the directory's attributes behind the change, and those of what was made:
//! so that what is cached of both stays good.

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
        attr::Getattr,
        dir::{
            Link,
            Rename, //
        },
        fh::{
            Putfh,
            Restorefh,
            Savefh, //
        },
    },
    status::Status,
    types::Fh, //
};

use super::{
    dir::changed,
    lookup::{
        ask,
        mark,
        splice, //
    },
    silly, //
};
use crate::{
    client::StatusExt,
    fs::{
        inode::{
            note_error,
            refresh, //
        },
        making,
        ChildDentry,
        Dentry,
        Inode,
        Origin,
        Stamp, //
    },
    sys::cred::current_cred, //
};

/// Fails where the server would refuse the name for its length.
pub(super) fn check_name(dir: &Inode, dentry: &ChildDentry) -> Result {
    if dentry.name().len() > dir.server().name_max() as usize {
        return Err(ENAMETOOLONG);
    }
    Ok(())
}

/// Takes note of a failed change to a name: what was believed of it may be wrong.
pub(super) fn failed(dir: &Inode, dentry: &Dentry, e: Error) {
    note_error(dir, e);
    if e == ENOENT || e == EEXIST || e == ESTALE {
        dir.info().attrs.expire();
        dentry.set_time(0);
    }
}

/// Answers `->link()`.
pub(super) fn link(old: &Dentry, dir: &Inode, dentry: &ChildDentry) -> Result {
    check_name(dir, dentry)?;
    let inode = old.inode().ok_or(ENOENT)?;
    making::settle(inode)?;
    link_to(inode, dir, dentry)?;
    splice(dir, dentry, ARef::from(inode), None).map(drop)
}

/// Gives the inode a further name at the server, that of `dentry`, and takes note of it for both.
pub(super) fn link_to(inode: &Inode, dir: &Inode, dentry: &ChildDentry) -> Result {
    let ops = (
        Putfh(inode.fh()),
        Getattr(request::CHANGED),
        Savefh,
        Putfh(dir.fh()),
        Link(dentry.name()),
        Getattr(request::CHANGED),
        Restorefh,
        Getattr(request::INODE),
    );
    let sent = Stamp::now();
    let (putfh, before, _, put_dir, link, dir_attrs, _, attrs) =
        dir.server().call(&current_cred(), ops)?;
    let before = putfh
        .and(before)
        .errno()
        .inspect_err(|e| note_error(inode, *e))?;
    // What others have written must not pass for a change of ours.
    refresh(inode, &before, Origin::Fetched(sent))?;
    let link = put_dir
        .and(link)
        .errno()
        .inspect_err(|e| failed(dir, dentry, *e))?;
    changed(dir, &link, dir_attrs);
    match attrs {
        // Another name is no reason to drop cached data.
        Ok(attrs) => refresh(inode, &attrs, Origin::OwnChange)?,
        Err(_) => inode.info().attrs.barrier(),
    }
    Ok(())
}

/// Removes a name at the server.
fn remove(dir: &Inode, dentry: &ChildDentry) -> Result {
    let file = dentry.inode().filter(|inode| inode.is_reg());
    let (remove, dir_attrs) = dir
        .server()
        .remove(
            &current_cred(),
            dir.fh(),
            dentry.name(),
            file.map(|inode| inode.fh()),
        )
        .inspect_err(|e| failed(dir, dentry, *e))?;
    changed(dir, &remove, dir_attrs);
    if let Some(inode) = dentry.inode() {
        lost_name(inode);
    }
    Ok(())
}

/// Takes note that the inode has lost a name.
pub(super) fn lost_name(inode: &Inode) {
    inode.info().attrs.barrier();
    let mut attrs = inode.lock_attrs();
    // A directory's name is its only one.
    let left = if attrs.is_dir() {
        0
    } else {
        attrs.nlink().saturating_sub(1)
    };
    attrs.set_nlink(left);
}

/// Answers `->unlink()`. A file that is in use keeps living under a hidden name until it is not.
pub(super) fn unlink(dir: &Inode, dentry: &ChildDentry) -> Result {
    // Out of the hash nobody can come to it but through the directory, which is locked: who has it now has it.
    dentry.d_drop();
    let res = if dentry.count() > 1 {
        silly::rename(dir, dentry)
    } else {
        remove(dir, dentry)
    };
    if res.is_err() {
        dentry.d_rehash();
    }
    res
}

/// Answers `->rmdir()`.
pub(super) fn rmdir(dir: &Inode, dentry: &ChildDentry) -> Result {
    remove(dir, dentry)
}

/// Whether this name is that of `inode`, as the server has it now.
fn is_name_of(dir: &Inode, name: &[u8], inode: &Inode) -> bool {
    matches!(ask(dir, name), Ok(Some(found)) if found.fh == *inode.fh())
}

/// What RENAME says of what is renamed, as it was before and as it is after that.
type Moved = Option<(
    core::result::Result<(), Status>,
    core::result::Result<Attrs, Status>,
)>;

/// Renames `moved` at the server, and takes note of it for the directories and for itself: that its change attribute moves with its name is
/// no reason to drop what is cached.
///
/// Where a session is lost together with an answer, the call runs twice, and finds no old name the second time. If the new name
/// is that of the file, what was asked for is so.
pub(super) fn rename_to(
    old_dir: &Inode,
    old: &[u8],
    new_dir: &Inode,
    new: &[u8],
    moved: &Inode,
) -> Result {
    let (sent, look) = (Stamp::now(), || {
        (Putfh(moved.fh()), Getattr(request::CHANGED))
    });
    let names = (old_dir, old, new_dir, new);
    let (before, after) = match send_rename(names, Some(look()), Some(look()))? {
        // What goes by that name here may be another file by now.
        (Some((putfh, before)), _, _) if putfh.and(before.map(drop)).is_err() => {
            let (_, rename, _) = send_rename(names, None, None)?;
            (None, rename.map(|()| None))
        }
        (before, rename, after) => (before, rename.map(|()| after)),
    };
    if let Some((_, Ok(before))) = &before {
        // What others have written must not pass for a change of ours.
        let _ = refresh(moved, before, Origin::Fetched(sent));
    }
    match after {
        Err(e) if e == ENOENT && is_name_of(new_dir, new, moved) => {
            old_dir.info().attrs.expire();
            new_dir.info().attrs.expire();
            moved.info().attrs.barrier();
            Ok(())
        }
        Err(e) => Err(e),
        Ok(Some((Ok(()), Ok(after)))) if before.is_some() => {
            let _ = refresh(moved, &after, Origin::OwnChange);
            Ok(())
        }
        Ok(_) => {
            moved.info().attrs.barrier();
            Ok(())
        }
    }
}

/// Sends a RENAME, with a look at what is renamed `before` and `after` that. What comes of it for the directories is taken note of.
fn send_rename(
    (old_dir, old, new_dir, new): (&Inode, &[u8], &Inode, &[u8]),
    before: Option<(Putfh<&Fh>, Getattr)>,
    after: Option<(Putfh<&Fh>, Getattr)>,
) -> Result<(Moved, Result, Moved)> {
    let across = !core::ptr::eq(old_dir, new_dir);
    let ops = (
        before,
        Putfh(old_dir.fh()),
        Savefh,
        Putfh(new_dir.fh()),
        Rename { old, new },
        Getattr(request::CHANGED),
        across.then_some((Restorefh, Getattr(request::CHANGED))),
        after,
    );
    let (before, put_old, _, put_new, rename, new_attrs, old_attrs, after) =
        old_dir.server().call(&current_cred(), ops)?;
    if matches!(&before, Some((putfh, attrs)) if putfh.is_err() || attrs.is_err()) {
        return Ok((before, Ok(()), None));
    }
    put_old.errno().inspect_err(|e| note_error(old_dir, *e))?;
    put_new.errno().inspect_err(|e| note_error(new_dir, *e))?;
    let rename = match rename.errno() {
        Ok(rename) => rename,
        Err(e) => return Ok((before, Err(e), None)),
    };
    changed(new_dir, &rename.target, new_attrs);
    if let Some((restorefh, old_attrs)) = old_attrs {
        changed(old_dir, &rename.source, restorefh.and(old_attrs));
    }
    Ok((before, Ok(()), after))
}

/// Answers `->rename()`.
pub(super) fn rename(
    old_dir: &Inode,
    old: &ChildDentry,
    new_dir: &Inode,
    new: &ChildDentry,
    flags: u32,
) -> Result {
    if flags != 0 {
        return Err(EINVAL);
    }
    check_name(new_dir, new)?;
    let moved = old.inode().ok_or(ENOENT)?;
    // By its new name it is found by those who look for a whole file.
    making::settle(moved)?;
    // A file that is replaced while it is in use goes on under a hidden name. One reference to its dentry is the walk's,
    // one the VFS's.
    let mut stand_in = None;
    let mut dropped = false;
    if new.inode().is_some_and(|inode| !inode.is_dir()) {
        new.d_drop();
        dropped = true;
        if new.count() > 2 {
            let other = new.d_alloc_again()?;
            silly::rename(new_dir, new).inspect_err(|_| new.d_rehash())?;
            stand_in = Some(other);
        }
    }
    // Where there is a stand-in the name of `new` is the hidden one now.
    let target = stand_in.as_deref().unwrap_or(new);
    if let (None, Some(replaced)) = (&stand_in, new.inode().filter(|inode| inode.is_reg())) {
        let server = new_dir.server();
        server.close_kept_file(replaced.fh(), &current_cred());
    }
    if let Err(e) = rename_to(old_dir, old.name(), new_dir, target.name(), moved) {
        match &stand_in {
            Some(original) => silly::undo(new_dir, new, original),
            None if dropped => new.d_rehash(),
            // A name that was not looked up must not come into the hash.
            None => (),
        }
        failed(old_dir, old, e);
        failed(new_dir, new, e);
        return Err(e);
    }
    if stand_in.is_none() {
        if let Some(replaced) = new.inode() {
            lost_name(replaced);
        }
    }
    old.d_move(target);
    mark(new_dir, old, true, None);
    Ok(())
}
