// SPDX-License-Identifier: GPL-2.0

//! Open contexts: one per open file description (`struct nfs_open_context`).
//!
//! A context is made by every open, first or later, and lives until the file is closed and the last request made through
//! it is done. It is bad (NFS_CONTEXT_BAD) once its open state could not be recovered: writes through it are refused with
//! EBADF, and only a fresh open of the name helps.

use core::mem::MaybeUninit;

use kernel::{
    cred::Credential,
    impl_has_work, new_work,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        UniqueArc, //
    },
    workqueue::{
        Work,
        WorkItem, //
    },
};
use rnfs4_proto::{
    attrs::Attrs,
    types::{
        Fh,
        Stateid, //
    },
};

use super::open_state::{
    Access,
    OpenState,
    Recovery, //
};
use crate::{
    client::server::Server,
    sys::{
        fs::VfsInode,
        wait::current_was_killed, //
    },
};

/// What has to be closed when a context goes. It is a work item of its own, made with the context, so that the last
/// request may drop it where nothing can be allocated or waited for.
#[pin_data]
struct Closing {
    server: Arc<Server>,
    state: Arc<OpenState>,
    access: Access,
    /// The server has been told already.
    told: Atomic<bool>,
    #[pin]
    work: Work<Closing>,
}

impl Closing {
    /// What is still to be uncounted.
    fn counted(&self) -> Option<Access> {
        (!self.told.load(Relaxed)).then_some(self.access)
    }
}

impl_has_work! {
    impl HasWork<Self> for Closing { self.work }
}

impl WorkItem for Closing {
    type Pointer = Pin<KBox<Self>>;

    fn run(this: Pin<KBox<Self>>) {
        this.server.close(&this.state, this.counted());
    }
}

/// An open file description's hold on its file (`struct nfs_open_context`).
pub(crate) struct OpenContext {
    access: Access,
    cred: ARef<Credential>,
    state: Arc<OpenState>,
    server: Arc<Server>,
    /// It was opened for reading when nothing was known of the file, and has not been read.
    unread: Atomic<bool>,
    /// The same, and it has been read.
    read: Atomic<bool>,
    /// Data that was written through it was lost, and no write() has waited for the server and succeeded since.
    failing: Atomic<bool>,
    closing: Option<Pin<KBox<Closing>>>,
}

/// Memory for a context, so that a reply to OPEN can be acted on without allocating.
pub(in crate::client) struct ContextReservation {
    context: UniqueArc<MaybeUninit<OpenContext>>,
    closing: KBox<MaybeUninit<Closing>>,
}

impl ContextReservation {
    /// Allocates; may sleep.
    pub(in crate::client) fn new() -> Result<Self> {
        Ok(Self {
            context: UniqueArc::new_uninit(GFP_KERNEL)?,
            closing: KBox::new_uninit(GFP_KERNEL)?,
        })
    }

    /// The context of a state that has been counted for it. Does not sleep.
    pub(in crate::client) fn context(
        self,
        server: &Arc<Server>,
        state: Arc<OpenState>,
        access: Access,
        cred: ARef<Credential>,
    ) -> Result<Arc<OpenContext>> {
        server.context_begin();
        let (their_server, their_state) = (server.clone(), state.clone());
        let closing = self.closing.write_pin_init(pin_init!(Closing {
            server: their_server,
            state: their_state,
            access,
            told: Atomic::new(false),
            work <- new_work!("rnfs4_close"),
        }))?;
        Ok(self
            .context
            .write(OpenContext {
                access,
                cred,
                state,
                server: server.clone(),
                unread: Atomic::new(false),
                read: Atomic::new(false),
                failing: Atomic::new(false),
                closing: Some(closing),
            })
            .into())
    }
}

impl OpenContext {
    /// Tells the context's state which inode it is about, so that a state lost for good raises the inode's error.
    pub(crate) fn bind(&self, inode: ARef<VfsInode>) {
        self.state.bind(inode);
    }

    /// Notes that it was opened for reading when nothing was known of the file.
    pub(crate) fn set_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    /// Notes that the file is read.
    pub(crate) fn set_read(&self) {
        if self.unread.load(Relaxed) {
            self.read.store(true, Relaxed);
            self.unread.store(false, Relaxed);
        }
    }

    /// Notes that data written through it was lost, or that this is about to be put to the test.
    pub(crate) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Relaxed);
    }

    /// Whether writes had better wait for the server: what was written before was lost (`nfs_need_check_write()` of older kernels).
    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Relaxed)
    }

    /// NFS_CONTEXT_BAD.
    pub(crate) fn is_bad(&self) -> bool {
        self.state.is_bad()
    }

    /// `EBADF` on a context gone bad: what write() is refused with.
    pub(crate) fn check(&self) -> Result {
        if self.is_bad() {
            return Err(EBADF);
        }
        Ok(())
    }

    /// What the program is told of data written through this context that did not become safe for `error`. Where the open was
    /// lost that is EIO: how the server refused the one request that found out (ESTALE, EACCES) says nothing of use.
    pub(crate) fn write_error(&self, error: Error) -> Error {
        if self.is_bad() {
            EIO
        } else {
            error
        }
    }

    /// The open state.
    pub(crate) fn state(&self) -> &Arc<OpenState> {
        &self.state
    }

    /// Who opened the file; I/O goes out under this credential, whoever's page it is.
    pub(crate) fn cred(&self) -> &Credential {
        &self.cred
    }

    /// The server.
    pub(crate) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The file.
    pub(crate) fn fh(&self) -> &Fh {
        self.state.fh()
    }

    /// Whether it was opened for writing.
    pub(crate) fn can_write(&self) -> bool {
        self.access.can_write()
    }

    /// The stateid of a CLOSE that may go along with the last WRITE through this context, before the context goes.
    pub(crate) fn early_close(&self) -> Option<Stateid> {
        if !self.is_counted() {
            return None;
        }
        self.state.close_of_last(self.access)
    }

    /// Whether the server has not been told yet that the context goes.
    fn is_counted(&self) -> bool {
        self.closing
            .as_ref()
            .is_some_and(|closing| !closing.told.load(Relaxed))
    }

    /// Such a CLOSE has gone well. Does not sleep.
    pub(crate) fn closed_early(&self, sent: &Stateid) {
        self.state.reduced(sent, Stateid::ANONYMOUS, Access::NONE);
        if let Some(closing) = self.closing.as_ref().filter(|_| self.is_counted()) {
            closing.told.store(true, Relaxed);
            self.state.closed_early(self.access);
        }
    }

    /// Such a CLOSE has gone well, but its WRITE did not write all: has the file opened anew for the rest. Does not sleep.
    pub(crate) fn closed_too_early(&self, sent: &Stateid) {
        self.state.reduced(sent, Stateid::ANONYMOUS, Access::NONE);
        self.server
            .client()
            .recover_state(&self.state, Recovery::Reopen);
    }

    /// Gives up a file's hold on the context. If no request uses it any more the file is closed at once, and the attributes that
    /// came with that are returned; else it is closed when the last request is done. May sleep.
    pub(crate) fn close(this: Arc<Self>) -> Option<Attrs> {
        let (read, unread) = (this.read.load(Relaxed), this.unread.load(Relaxed));
        if read || unread {
            this.server.learn_foresight(read);
        }
        if current_was_killed() {
            // Dropping it leaves the rest to the queue.
            return None;
        }
        let mut this = Arc::into_unique_or_drop(this)?;
        // Fields of a context are not pinned.
        let closing = this.as_mut().get_mut().closing.take()?;
        closing.server.close(&closing.state, closing.counted())
    }
}

impl Drop for OpenContext {
    fn drop(&mut self) {
        if let Some(closing) = self.closing.take() {
            self.server.client().registry().patient().enqueue(closing);
        }
    }
}
