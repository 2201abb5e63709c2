// SPDX-License-Identifier: GPL-2.0

//! Silly rename: a file that is unlinked while it is open goes on under a hidden name (`.nfs...`) until its last user has
//! gone, since the protocol has no file without a name.

use kernel::{
    cred::Credential,
    impl_has_work, new_work,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    workqueue::{
        Work,
        WorkItem, //
    },
};
use rnfs4_proto::{
    attrs::request,
    ops::{
        attr::Getattr,
        dir::Remove,
        fh::Putfh, //
    },
    types::{
        ChangeInfo,
        Fh, //
    },
};

use super::{
    dir::changed,
    lookup::mark,
    namei::{
        link_to,
        lost_name,
        rename_to, //
    },
};
use crate::{
    client::{
        IoEvent,
        Server,
        StatusExt, //
    },
    fs::{
        inode::find_dir,
        ChildDentry,
        Inode, //
    },
    sys::cred::current_cred, //
};

/// Tells apart the hidden names of one file.
static COUNTER: Atomic<u32> = Atomic::new(0);

/// A hidden name that is to be removed when its file is no longer used. It hangs on the file's dentry.
#[pin_data]
pub(crate) struct SillyUnlink {
    server: Arc<Server>,
    cred: ARef<Credential>,
    dir: Fh,
    name: CString,
    #[pin]
    work: Work<SillyUnlink>,
}

impl_has_work! {
    impl HasWork<Self> for SillyUnlink { self.work }
}

impl WorkItem for SillyUnlink {
    type Pointer = Pin<KBox<Self>>;

    fn run(this: Pin<KBox<Self>>) {
        // Should this fail the name stays, as after a crash of the client.
        let _ = this.remove();
    }
}

impl SillyUnlink {
    fn remove(
        &self,
    ) -> Result<(
        ChangeInfo,
        core::result::Result<rnfs4_proto::attrs::Attrs, rnfs4_proto::status::Status>,
    )> {
        let ops = (
            Putfh(&self.dir),
            Remove(self.name.to_bytes()),
            Getattr(request::CHANGED),
        );
        let (putfh, remove, attrs) = self.server.call(&self.cred, ops)?;
        Ok((putfh.and(remove).errno()?, attrs))
    }

    /// The last user of the file has gone. The name is removed before this returns, so that a directory can be removed right
    /// after; unless the task is being killed: then a worker does it. May sleep.
    pub(super) fn complete(this: Pin<KBox<Self>>, inode: &Inode) {
        match this.remove() {
            Ok((change, attrs)) => {
                if let Some(dir) = find_dir(inode.sb(), &this.dir) {
                    changed(&dir, &change, attrs);
                }
                lost_name(inode);
            }
            Err(e) if e == ERESTARTSYS || e == EINTR => {
                let queue = this.server.client().registry().clone();
                queue.patient().enqueue(this);
            }
            // As when the worker fails.
            Err(_) => (),
        }
    }
}

/// Gives a file that is in use a hidden name in place of that of `dentry`, which moves there. The directory is locked. May
/// sleep; killable.
pub(super) fn rename(dir: &Inode, dentry: &ChildDentry) -> Result {
    if dentry.is_renamed() {
        return Err(EBUSY);
    }
    let inode = dentry.inode().ok_or(ENOENT)?;
    dir.server().io().event(IoEvent::SillyRename);
    let (name, hidden) = loop {
        let count = COUNTER.fetch_add(1, Relaxed);
        let name = CString::try_from_fmt(fmt!(".nfs{:016x}{:08x}", inode.ino(), count))?;
        let hidden = dentry.lookup_sibling(name.to_bytes())?;
        if hidden.inode().is_none() {
            break (name, hidden);
        }
        // A name of an earlier life of this client: the next one.
    };
    let unlink = KBox::pin_init(
        pin_init!(SillyUnlink {
            server: dir.server().clone(),
            cred: current_cred(),
            dir: *dir.fh(),
            name,
            work <- new_work!("rnfs4_silly"),
        }),
        GFP_KERNEL,
    )?;
    rename_to(dir, dentry.name(), dir, unlink.name.to_bytes(), inode).inspect_err(|_| {
        // Which of the two names it has nobody knows.
        hidden.d_drop();
    })?;
    // There was nothing on the dentry, and only who holds the directory's lock puts something there.
    dentry.set_renamed(unlink)?;
    dentry.d_move(&hidden);
    mark(dir, dentry, true, None);
    Ok(())
}

/// Gives a file its name back that [`rename`] has hidden, since what it was hidden for has failed. `original` has that name and
/// the place of `dentry` from before. The directory is locked. May sleep; killable.
///
/// By a link, which replaces nothing: who has failed for want of an answer may have been heard, and the name is another file's.
/// Then, or should this fail, too, the file stays hidden until its last user has gone.
pub(super) fn undo(dir: &Inode, dentry: &ChildDentry, original: &ChildDentry) {
    let Some(inode) = dentry.inode() else {
        return;
    };
    if link_to(inode, dir, original).is_err() {
        return;
    }
    let hidden = dentry.take_renamed();
    dentry.d_move(original);
    mark(dir, dentry, true, None);
    if let Some(hidden) = hidden {
        SillyUnlink::complete(hidden, inode);
    }
}
