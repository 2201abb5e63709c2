// SPDX-License-Identifier: GPL-2.0

//! Opening by name: lookup, creation and OPEN in one go.

use kernel::{
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};
use rnfs4_proto::types::ChangeInfo;

use super::{
    create::with_mode,
    dir::changed,
    lookup::{
        lookup,
        mark,
        splice, //
    },
    namei::check_name, //
};
use crate::{
    client::{
        Create,
        OpenContext,
        OpenRequest,
        OpenTarget, //
    },
    fs::{
        beginning::Beginning,
        file::{
            reads_only,
            Mode, //
        },
        inode::fhget_with,
        making,
        refresh,
        ChildDentry,
        Dentry,
        Inode,
        Origin,
        Rnfs4Fs,
        Stamp, //
    },
    sys::{
        cred::current_cred,
        fs::{
            open_flags,
            LookupFlags,
            OpeningFile, //
        },
    },
};

/// Opens a file by name at the server and takes note of what that says of the directory and the file. Returns the inode, the
/// context, and whether the file was made by this.
fn open(
    dir: &Inode,
    name: &[u8],
    flags: u32,
    mode: u16,
) -> Result<(ARef<Inode>, Arc<OpenContext>, bool)> {
    let has = |bit| flags & bit != 0;
    let wanted = Mode::from_flags(flags);
    let Mode { read, write, .. } = wanted;
    let exclusive = has(open_flags::CREAT) && has(open_flags::EXCL);
    // Cutting a file takes the right to write to it; the VFS does it otherwise.
    let truncate = has(open_flags::TRUNC) && write && !exclusive;
    let create = has(open_flags::CREAT).then(|| Create {
        exclusive,
        attrs: rnfs4_proto::setattrs::SetAttrs {
            size: truncate.then_some(0),
            ..with_mode(dir, mode)
        },
    });
    let creates = create.is_some();
    // The file is not known by this name; most likely, not at all.
    let reads = reads_only(flags);
    let beginning = match reads {
        true => Beginning::fresh(dir.server()),
        false => None,
    };
    let cred = current_cred();
    let sent = Stamp::now();
    let request = OpenRequest {
        target: OpenTarget::Name {
            dir: dir.fh(),
            name,
        },
        read,
        write,
        create,
        truncate,
        cred: cred.clone(),
    };
    let mut opened = dir.server().open(request, beginning)?;
    let created = exclusive || (creates && made_it(opened.dir_change.as_ref()));
    let dir_attrs = opened.dir_attrs.take();
    match (created, &opened.dir_change, dir_attrs) {
        (true, Some(change), Some(dir_attrs)) => changed(dir, change, dir_attrs),
        // If it is another one by now, it is marked stale, and whoever comes next sees it.
        (false, _, Some(Ok(dir_attrs))) => drop(refresh(dir, &dir_attrs, Origin::Fetched(sent))),
        _ => {}
    }
    let ctx = opened.ctx.clone();
    if reads {
        ctx.set_unread();
        dir.server().learn_size(opened.attrs.size);
    }
    let beginning = opened.beginning.take();
    let (fh, attrs) = (&opened.fh, &opened.attrs);
    let inode = fhget_with(dir.sb(), fh, attrs, Origin::Fetched(sent), beginning)?;
    if let Some(access) = opened.access {
        inode.info().access.set(&cred, access);
    }
    // Data that was written before, by another name, is on its way perhaps, and behind this on the server: then it is for the VFS to cut
    // the file, once that is written.
    if truncate && inode.i_size() != 0 && !inode.info().write.has_writes() {
        inode.truncate_setsize(0);
    }
    ctx.bind(inode.as_vfs());
    if !created {
        wanted.check(opened.access)?;
    }
    Ok((inode, ctx, created))
}

/// An open that may create has created if the directory has changed.
fn made_it(change: Option<&ChangeInfo>) -> bool {
    change.is_some_and(|change| change.before != change.after)
}

/// Answers `->atomic_open()`.
pub(super) fn atomic_open(
    dir: &Inode,
    dentry: &ChildDentry,
    file: OpeningFile<'_, Rnfs4Fs>,
    mode: u16,
) -> Result {
    let flags = file.flags();
    check_name(dir, dentry)?;
    if flags & open_flags::DIRECTORY != 0 {
        if !dentry.is_in_lookup() {
            // A name that was just found not to be there.
            return Err(ENOENT);
        }
        return no_open(dir, dentry, file);
    }
    if flags & open_flags::CREAT == 0 && !dentry.is_in_lookup() {
        // A name that was taken for not there, and that may be there now: look it up afresh, as the only one.
        dentry.d_drop();
        let again = dentry.d_alloc_parallel()?;
        if !again.is_in_lookup() {
            return file.finish_no_open(Some(again.dentry()));
        }
        return open_and_finish(dir, &again, file, mode, Some(again.dentry()));
    }
    open_and_finish(dir, dentry, file, mode, None)
}

/// Opens and finishes the file's set-up. `switched` is the dentry that stands in for the VFS's, if there is one.
fn open_and_finish(
    dir: &Inode,
    dentry: &ChildDentry,
    mut file: OpeningFile<'_, Rnfs4Fs>,
    mode: u16,
    switched: Option<ARef<Dentry>>,
) -> Result {
    let flags = file.flags();
    let before = dir.info().attrs.names_if_fresh();
    match open(dir, dentry.name(), flags, mode) {
        Ok((inode, ctx, created)) => {
            if created {
                file.set_created();
                if ctx.can_write() {
                    making::begin(&inode);
                }
            } else {
                making::in_use(&inode)?;
            }
            let other = splice(dir, dentry, inode, before.filter(|_| !created))?;
            file.finish_open(other.as_deref().unwrap_or(dentry), ctx)
        }
        Err(e) if e == ENOENT => {
            mark(dir, dentry, false, before);
            dentry.d_splice_alias(None)?;
            Err(e)
        }
        // No regular file: the VFS knows what to do with it when it sees it.
        Err(e)
            if e == EISDIR
                || e == ENOTDIR
                || e == EINVAL
                || (e == ELOOP && flags & open_flags::NOFOLLOW == 0) =>
        {
            dentry.d_drop();
            match lookup(dir, dentry, LookupFlags::none()) {
                // Or there is nothing, and that was not what the open was refused for.
                Ok(None) if dentry.inode().is_none_or(|inode| inode.is_reg()) => Err(e),
                Ok(None) => file.finish_no_open(switched),
                Ok(other) => file.finish_no_open(other),
                Err(lookup_error) => Err(lookup_error),
            }
        }
        Err(e) => {
            dentry.d_drop();
            Err(e)
        }
    }
}

/// Looks the name up and leaves the rest to the VFS.
fn no_open(dir: &Inode, dentry: &ChildDentry, file: OpeningFile<'_, Rnfs4Fs>) -> Result {
    let other = lookup(dir, dentry, LookupFlags::none())?;
    let inode = other.as_deref().map_or(dentry.inode(), |d| d.inode());
    if inode.is_some_and(|inode| inode.is_reg()) {
        return Err(ENOTDIR);
    }
    file.finish_no_open(other)
}

/// Answers `->create()`: makes a regular file that nobody opens here.
pub(super) fn create(dir: &Inode, dentry: &ChildDentry, mode: u16) -> Result {
    check_name(dir, dentry)?;
    let flags = open_flags::CREAT | open_flags::EXCL | open_flags::WRONLY;
    let (inode, ctx, _) = open(dir, dentry.name(), flags, mode)?;
    if let Some(attrs) = OpenContext::close(ctx) {
        refresh(&inode, &attrs, Origin::OwnChange)?;
    }
    splice(dir, dentry, inode, None).map(drop)
}
