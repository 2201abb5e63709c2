// SPDX-License-Identifier: GPL-2.0

//! What goes along with the last WRITE of a flush: the CLOSE or the SETATTR that the file's data was written for.
//!
//! It means what it would mean alone. The server does it after the WRITE has put the data on stable storage, and does not get to it where
//! the WRITE failed. If it did not go along, or did not go well, who wanted it does it by itself, and hears of its errors then.

use kernel::{
    cred::Credential,
    new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        SpinLock, //
    },
};
use rnfs4_proto::{
    attrs::Attrs,
    ops::attr::Setattr,
    setattrs::SetAttrs,
    together::LastWrite,
    types::Stateid, //
};

use super::{
    address_space::context,
    write,
    Inode,
    Rnfs4Fs, //
};
use crate::{
    client::OpenContext,
    sys::{
        cred::cred_fscmp,
        fs::RegularFile, //
    },
};

/// What is wanted.
enum Errand {
    /// To close this context, which its file has no more use for.
    Close(Arc<OpenContext>),
    /// To set these attributes, for this caller.
    Set(ARef<Credential>, SetAttrs),
}

/// Something that waits for a file's data, and may go along with it.
#[pin_data]
pub(super) struct Rider {
    errand: Errand,
    /// Once it is done: the file's attributes behind that, if the server told them.
    #[pin]
    done: SpinLock<Option<Option<Attrs>>>,
}

impl Rider {
    /// May sleep to allocate.
    fn new(errand: Errand) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                errand,
                done <- new_spinlock!(None, "rnfs4_rider"),
            }),
            GFP_KERNEL,
        )
    }

    /// Whether it may go along with this WRITE through `ctx`.
    pub(super) fn may_go(&self, last: &LastWrite, ctx: &Arc<OpenContext>) -> bool {
        match &self.errand {
            Errand::Close(closing) => last.takes_close() && Arc::ptr_eq(closing, ctx),
            // The server takes all of a compound as one caller's.
            Errand::Set(cred, _) => last.takes_setattr() && cred_fscmp(cred, ctx.cred()).is_eq(),
        }
    }

    /// The stateid to close, if that is wanted and the time for it.
    pub(super) fn closing(&self) -> Option<Stateid> {
        match &self.errand {
            Errand::Close(ctx) => ctx.early_close(),
            Errand::Set(..) => None,
        }
    }

    /// The attributes to set, if that is wanted.
    pub(super) fn setattr(&self) -> Option<Setattr> {
        match &self.errand {
            Errand::Close(_) => None,
            Errand::Set(_, attrs) => Some(Setattr {
                stateid: Stateid::ANONYMOUS,
                attrs: *attrs,
            }),
        }
    }

    /// It is done. To be called before the folios' writeback ends, for which its owner waits. Does not sleep.
    pub(super) fn arrived(&self, attrs: Option<Attrs>) {
        *self.done.lock() = Some(attrs);
    }
}

/// Writes all dirty data of a file that a descriptor of is being closed, and makes it safe, as [`write::flush`]. Where the file has no
/// other descriptor, the server is told of the end of the open along with that.
pub(super) fn flush_and_close(file: &RegularFile<Rnfs4Fs>) -> Result {
    if !file.is_last() || !file.inode().info().write.has_writes() {
        return write::flush(file.inode());
    }
    match Rider::new(Errand::Close(context(file))) {
        Ok(rider) => write::flush_with(file.inode(), &rider),
        Err(_) => write::flush(file.inode()),
    }
}

/// Writes all dirty data of a file before attributes of it are set, and makes it safe. The attributes, among which is no size, are set
/// along with that where it can be; then returns the file's attributes behind that, if the server told them.
///
/// What fails is not said here: errors of the data are for those who have the file open.
pub(super) fn flush_and_set(
    inode: &Inode,
    cred: &Credential,
    attrs: &SetAttrs,
) -> Option<Option<Attrs>> {
    if attrs.size.is_none() && inode.info().write.has_writes() {
        if let Ok(rider) = Rider::new(Errand::Set(ARef::from(cred), *attrs)) {
            let _ = write::flush_with(inode, &rider);
            return rider.done.lock().take();
        }
    }
    let _ = write::flush(inode);
    None
}
