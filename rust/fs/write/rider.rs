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
    pub(super) fn new(
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

    /// What [`Rider::arrived`] was told, if it was.
    pub(super) fn take_done(&self) -> Option<Option<Attrs>> {
        self.done.lock().take()
    }
}
