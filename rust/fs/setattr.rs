// SPDX-License-Identifier: GPL-2.0

//! Changing attributes, and the inode operations of what is no directory.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};
use rnfs4_proto::{
    attrs::Attrs,
    setattrs::{
        SetAttrs,
        SetTime as WireTime, //
    },
    types::NfsTime,
};

use super::{
    access,
    address_space::{
        reopen_old_tail,
        zero_old_tail, //
    },
    inode::{
        note_error,
        refresh,
        stat, //
    },
    making,
    write::{
        self,
        invalidate_data, //
    },
    Inode,
    InodeInfo,
    Origin,
    Rnfs4Fs,
    Stamp, //
};
use crate::{
    client::{
        IoEvent,
        OpenContext,
        OpenState, //
    },
    sys::{
        cred::current_cred,
        fs::{
            Access,
            FileFlags,
            Iattr,
            InodeOperations,
            KStat,
            SetTime, //
        },
    }, //
};

/// Operations on regular files, devices, FIFOs and sockets.
pub(super) struct FileInode;

#[vtable]
impl InodeOperations for FileInode {
    type Fs = Rnfs4Fs;

    fn setattr(inode: &Inode, attr: Iattr<'_, Rnfs4Fs>) -> Result {
        setattr(inode, attr)
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

/// A time as the protocol sets it.
fn wire_time(t: SetTime) -> Option<WireTime> {
    match t {
        SetTime::Keep => None,
        SetTime::Now => Some(WireTime::Server),
        SetTime::To(t) => Some(WireTime::Client(NfsTime {
            sec: t.sec,
            nsec: t.nsec,
        })),
    }
}

/// Answers `->setattr()`: the server does it and says what came of it. May sleep; killable. The inode is locked.
pub(super) fn setattr(inode: &Inode, mut attr: Iattr<'_, Rnfs4Fs>) -> Result {
    inode.server().io().event(IoEvent::VfsSetattr);
    attr.drop_kill_bits();
    if let Some(size) = attr.size() {
        if !inode.is_reg() {
            return Err(EINVAL);
        }
        inode.server().io().event(IoEvent::SetattrTrunc);
        inode.info().direct.wait()?;
        Iattr::newsize_ok(inode, size)?;
        // OPEN has just cut it, and has told so; but a mapping may show still what there was.
        if attr.is_open_truncate() && size == inode.i_size() {
            attr.drop_size();
            inode.truncate_setsize(size);
        }
    }
    let open_truncate = attr.is_open_truncate();
    let set = SetAttrs {
        size: attr.size(),
        mode: attr.mode(),
        umask: None,
        uid: attr.uid(),
        gid: attr.gid(),
        atime: wire_time(attr.atime()),
        // The server sets it when it cuts the file.
        mtime: if open_truncate {
            None
        } else {
            wire_time(attr.mtime())
        },
    };
    if set.is_empty() {
        return Ok(());
    }
    let cred = current_cred();
    if !inode.is_reg() {
        return send(inode, &cred, None, &set);
    }
    if making::put_off(inode, &cred, &set) {
        return Ok(());
    }
    // What was put off, and what was written before this, was before this.
    if set.size.is_none() {
        set_behind_data(inode, &cred, &set)?;
    } else {
        let _cut = set.size.map(|size| inode.info().write.cut(size));
        making::settle(inode)?;
        let _ = write::flush(inode);
        let state = right_to_cut(inode, &cred, attr.file())?;
        send(inode, &cred, state.as_ref(), &set)?;
    }
    making::note_set(inode, &cred, &set);
    Ok(())
}

/// By what right a file's size is set: that of the open file by which it was asked for, or any that there is.
fn right_to_cut(
    inode: &Inode,
    cred: &Credential,
    ctx: Option<ArcBorrow<'_, OpenContext>>,
) -> Result<Option<Arc<OpenState>>> {
    match ctx.filter(|ctx| ctx.can_write()) {
        Some(ctx) => ctx.check().map(|()| Some(ctx.state().clone())),
        None => Ok(inode
            .server()
            .find_write_state(inode.fh(), cred)
            .filter(|state| !state.is_bad())),
    }
}

/// Sets attributes other than the size behind what is to be written, along with what was put off.
fn set_behind_data(inode: &Inode, cred: &Credential, set: &SetAttrs) -> Result {
    let Some((waiting, both)) = making::take(inode, cred, set)? else {
        return match write::flush_and_set(inode, cred, set, None) {
            Ok(Some(attrs)) => changed(inode, set, attrs),
            _ => send(inode, cred, None, set),
        };
    };
    let res = match write::flush_and_set(inode, cred, &both, None)? {
        Some(attrs) => changed(inode, &both, attrs),
        None => send(inode, cred, None, &both),
    };
    if res.is_ok() {
        waiting.done();
        return Ok(());
    }
    // Whose fault it was shows when each is done alone.
    drop(waiting);
    making::settle(inode)?;
    send(inode, cred, None, set)
}

/// Asks the server for it, and takes note of the answer. May sleep; killable.
pub(super) fn send(
    inode: &Inode,
    cred: &Credential,
    state: Option<&Arc<OpenState>>,
    set: &SetAttrs,
) -> Result {
    let sent = Stamp::now();
    let (before, attrs) = inode
        .server()
        .setattr(cred, inode.fh(), state, *set)
        .inspect_err(|e| note_error(inode, *e))?;
    // What others have written must not pass for a change of ours.
    refresh(inode, &before, Origin::Fetched(sent))?;
    changed(inode, set, attrs)
}

/// Takes note of what was set, and of the attributes behind that.
pub(super) fn changed(inode: &Inode, set: &SetAttrs, attrs: Option<Attrs>) -> Result {
    inode.info().attrs.barrier();
    if let Some(size) = set.size {
        let end = inode.i_size();
        // The server has done it, so a task that is being killed does the rest, too: as well as it can.
        if zero_old_tail(inode, size).is_err() {
            invalidate_data(inode);
        }
        inode.truncate_setsize(size);
        if size > end {
            reopen_old_tail(inode, end);
        }
    }
    if set.mode.is_some() || set.uid.is_some() || set.gid.is_some() {
        inode.info().forget_access();
    }
    match attrs {
        Some(attrs) => refresh(inode, &attrs, Origin::OwnChange),
        None => {
            inode.info().attrs.expire();
            Ok(())
        }
    }
}
