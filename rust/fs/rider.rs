// SPDX-License-Identifier: GPL-2.0

//! What goes along with the last WRITE of a flush: the SETATTR and the CLOSE that the file's data was written for.
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
    write,
    Inode, //
};
use crate::{
    client::OpenContext,
    sys::cred::cred_fscmp, //
};

/// Something that waits for a file's data, and may go along with it: all of it, or none.
#[pin_data]
pub(super) struct Rider {
    /// The context to close, which its file has no more use for.
    closing: Option<Arc<OpenContext>>,
    /// The attributes to set, for this caller.
    set: Option<(ARef<Credential>, SetAttrs)>,
    /// Once they are set: the file's attributes behind that, if the server told them.
    #[pin]
    done: SpinLock<Option<Option<Attrs>>>,
}

impl Rider {
    /// May sleep to allocate.
    fn new(
        closing: Option<&Arc<OpenContext>>,
        set: Option<(&Credential, &SetAttrs)>,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                closing: closing.cloned(),
                set: set.map(|(cred, attrs)| (ARef::from(cred), *attrs)),
                done <- new_spinlock!(None, "rnfs4_rider"),
            }),
            GFP_KERNEL,
        )
    }

    /// Whether it may go along with this WRITE through `ctx`.
    pub(super) fn may_go(&self, last: &LastWrite, ctx: &Arc<OpenContext>) -> bool {
        let closing = self.closing.as_ref();
        let may_close = closing.is_none_or(|it| last.takes_close() && Arc::ptr_eq(it, ctx));
        // The server takes all of a compound as one caller's.
        let may_set = self.set.as_ref().is_none_or(|(cred, set)| {
            let numbers = ctx.server().takes_numbers() || (set.uid.is_none() && set.gid.is_none());
            numbers && last.takes_setattr() && cred_fscmp(cred, ctx.cred()).is_eq()
        });
        may_close && may_set
    }

    /// The stateid to close, if that is wanted and the time for it.
    pub(super) fn closing(&self) -> Option<Stateid> {
        self.closing.as_ref()?.early_close()
    }

    /// The attributes to set, if that is wanted.
    pub(super) fn setattr(&self) -> Option<Setattr> {
        self.set.as_ref().map(|(_, attrs)| Setattr {
            stateid: Stateid::ANONYMOUS,
            attrs: *attrs,
        })
    }

    /// The attributes are set. To be called before the folios' writeback ends, for which its owner waits. Does not sleep.
    pub(super) fn arrived(&self, attrs: Option<Attrs>) {
        *self.done.lock() = Some(attrs);
    }
}

/// Writes all dirty data of a file and makes it safe, as [`write::flush`]. Where it can be, the server is told along with that of the end
/// of the open `closing`.
pub(super) fn flush_and_close(inode: &Inode, closing: Option<&Arc<OpenContext>>) -> Result {
    if closing.is_some() && inode.info().write.has_writes() {
        if let Ok(rider) = Rider::new(closing, None) {
            return write::flush_with(inode, &rider);
        }
    }
    write::flush(inode)
}

/// Writes all dirty data of a file before attributes of it are set, and makes it safe. The attributes, among which is no size, are set
/// along with that where it can be, and then the open `closing` is ended; then returns the file's attributes behind that, if the server
/// told them.
///
/// Errors of the data are for those who have the file open. An error here means that the flush did not come to its end, as with
/// [`write::flush`], and that nothing was set.
pub(super) fn flush_and_set(
    inode: &Inode,
    cred: &Credential,
    attrs: &SetAttrs,
    closing: Option<&Arc<OpenContext>>,
) -> Result<Option<Option<Attrs>>> {
    if attrs.size.is_none() && inode.info().write.has_writes() {
        if let Ok(rider) = Rider::new(closing, Some((cred, attrs))) {
            let res = write::flush_with(inode, &rider);
            let done = rider.done.lock().take();
            return match done {
                None => res.map(|()| None),
                done => Ok(done),
            };
        }
    }
    write::flush(inode).map(|()| None)
}
