// SPDX-License-Identifier: GPL-2.0

//! Open state: one file opened by one owner, with the stateid that the server gave for it.
//!
//! It answers to the C client's `nfs4_state`. All its open contexts share what becomes of it: when it cannot be recovered they
//! are all marked bad (`NFS_CONTEXT_BAD`), and a later open of the file makes a state of its own.

use core::mem::MaybeUninit;

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        SetOnce,
        SpinLock,
        UniqueArc, //
    },
};
use rnfs4_proto::types::{
    Fh,
    Stateid, //
};

use super::{
    lock_state::FileLocks,
    owner::OwnerRef, //
};
use crate::sys::fs::VfsInode;

/// How a file is opened, OPEN4_SHARE_ACCESS_*.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Access(pub(crate) u32);

impl Access {
    /// Not open.
    pub(crate) const NONE: Self = Self(0);
    /// For reading.
    pub(crate) const READ: Self = Self(1);
    /// For writing.
    pub(crate) const WRITE: Self = Self(2);
    /// For both.
    pub(crate) const BOTH: Self = Self(3);

    /// The access that a descriptor with these rights needs.
    pub(crate) fn new(read: bool, write: bool) -> Self {
        Self(u32::from(read) | u32::from(write) << 1)
    }

    /// Whether data may be written.
    pub(crate) fn can_write(self) -> bool {
        self.0 & 2 != 0
    }

    fn index(self) -> usize {
        (self.0 as usize).wrapping_sub(1) % 3
    }
}

/// What has to be done to a state before it can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Recovery {
    /// Nothing.
    None,
    /// Reclaim it from a server that has restarted (CLAIM_PREVIOUS, in the grace period).
    Reboot,
    /// Ask whether the server still knows it; if not, open it anew.
    Test,
    /// Open it anew (CLAIM_FH).
    Reopen,
    /// Nothing can be done: NFS_STATE_RECOVERY_FAILED.
    Failed,
}

/// What CLOSE or OPEN_DOWNGRADE has to tell the server after a context went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// Nothing: the others need all that is open, or the server does not know the state any more.
    None,
    /// OPEN_DOWNGRADE to what is still needed.
    Downgrade(Stateid, Access),
    /// CLOSE.
    Close(Stateid),
}

/// An open state at one moment, for who wants to see.
pub(in crate::client) struct Look {
    pub(in crate::client) stateid: Stateid,
    /// What the server has open for us.
    pub(in crate::client) granted: Access,
    /// What the contexts need.
    pub(in crate::client) needed: Access,
    /// How many contexts there are.
    pub(in crate::client) contexts: u32,
    pub(in crate::client) recovery: Recovery,
    /// The file's number; 0 while no context is bound.
    pub(in crate::client) fileid: u64,
}

struct Inner {
    /// As the server gave it last; its zero value means that the server knows of no open.
    stateid: Stateid,
    /// What the server has open for us.
    granted: Access,
    /// Open contexts by access: read, write, both.
    opens: [u32; 3],
    /// Contexts and others that hold the state in its owner's tree.
    users: u32,
    recovery: Recovery,
    /// A further context may make do with what is open: no CLOSE or OPEN_DOWNGRADE is on its way.
    shareable: bool,
    /// Since when it is kept though no context needs it, in milliseconds.
    resting: Option<u64>,
    /// The inode, while there are contexts.
    inode: Option<ARef<VfsInode>>,
}

impl Inner {
    fn needed(&self) -> Access {
        let [read, write, both] = self.opens;
        Access::new(read + both > 0, write + both > 0)
    }
}

/// The open state of one owner and file (`struct nfs4_state`).
#[pin_data]
pub(crate) struct OpenState {
    owner: OwnerRef,
    fh: Fh,
    /// The file's locks, once something was locked through this open.
    locks: SetOnce<Arc<FileLocks>>,
    #[pin]
    inner: SpinLock<Inner>,
}

/// Memory for an open state, so that a reply to OPEN can be acted on without allocating.
pub(in crate::client) struct StateReservation(UniqueArc<MaybeUninit<OpenState>>);

impl StateReservation {
    /// Allocates; may sleep.
    pub(in crate::client) fn new() -> Result<Self> {
        Ok(Self(UniqueArc::new_uninit(GFP_KERNEL)?))
    }

    /// A state that the server does not know yet. Does not sleep.
    pub(in crate::client) fn state(self, owner: OwnerRef, fh: Fh) -> Result<Arc<OpenState>> {
        let state = self.0.pin_init_with(pin_init!(OpenState {
            owner,
            fh,
            locks: SetOnce::new(),
            inner <- new_spinlock!(Inner {
                stateid: Stateid::ANONYMOUS,
                granted: Access::NONE,
                opens: [0; 3],
                users: 0,
                recovery: Recovery::None,
                shareable: false,
                resting: None,
                inode: None,
            }),
        }));
        match state {
            Ok(state) => Ok(state.into()),
            Err(err) => match err {},
        }
    }
}

impl OpenState {
    /// The owner.
    pub(crate) fn owner(&self) -> &OwnerRef {
        &self.owner
    }

    /// The file.
    pub(crate) fn fh(&self) -> &Fh {
        &self.fh
    }

    /// What there is now.
    pub(in crate::client) fn look(&self) -> Look {
        let inner = self.inner.lock();
        Look {
            stateid: inner.stateid,
            granted: inner.granted,
            needed: inner.needed(),
            contexts: inner.opens.iter().sum(),
            recovery: inner.recovery,
            fileid: inner.inode.as_ref().map_or(0, |inode| inode.ino()),
        }
    }

    /// Whether recovery has failed for good (NFS_STATE_RECOVERY_FAILED).
    pub(crate) fn is_bad(&self) -> bool {
        self.inner.lock().recovery == Recovery::Failed
    }

    /// What recovery there is to do.
    pub(crate) fn recovery(&self) -> Recovery {
        self.inner.lock().recovery
    }

    /// The stateid to use now; `EIO` on a state gone bad.
    pub(crate) fn stateid(&self) -> Result<Stateid> {
        let inner = self.inner.lock();
        match inner.recovery {
            Recovery::Failed => Err(EIO),
            _ => Ok(inner.stateid),
        }
    }

    /// Whether `used`, which the server refused, is no longer the stateid in use.
    pub(crate) fn has_moved_on(&self, used: &Stateid) -> bool {
        !self.inner.lock().stateid.same_other(used)
    }

    pub(in crate::client) fn add_user(&self) {
        self.inner.lock().users += 1;
    }

    /// True when it was the last.
    pub(in crate::client) fn drop_user(&self) -> bool {
        let mut inner = self.inner.lock();
        inner.users = inner.users.saturating_sub(1);
        inner.users == 0
    }

    /// Takes in what OPEN returned for `access`, and counts the context that it was for. In the order of replies, which may
    /// not be that of the server: only a newer seqid counts, or that of a new incarnation.
    pub(in crate::client) fn opened(&self, stateid: Stateid, access: Access) {
        let mut inner = self.inner.lock();
        if !inner.stateid.same_other(&stateid) {
            inner.granted = Access::NONE;
            inner.stateid = stateid;
        } else if stateid.is_newer(&inner.stateid) {
            inner.stateid = stateid;
        }
        inner.granted = Access(inner.granted.0 | access.0);
        // A CLOSE that is on its way is refused for its older seqid, or was of another incarnation.
        inner.shareable = true;
        inner.opens[access.index()] += 1;
    }

    /// Counts a context with `access` that makes do with what is open (`can_open_cached()`). False where it cannot.
    pub(in crate::client) fn share(&self, access: Access) -> bool {
        let mut inner = self.inner.lock();
        let open = inner.granted.0 & access.0 == access.0;
        if !open || !inner.shareable || inner.recovery != Recovery::None {
            return false;
        }
        inner.opens[access.index()] += 1;
        true
    }

    /// Uncounts a context that read, if it is the last, and nothing stands against keeping the open. Whether it was kept before, with
    /// an entry in the list of such.
    pub(in crate::client) fn rest(&self, now_ms: u64) -> Option<bool> {
        if self.locks.as_ref().is_some() {
            return None;
        }
        let mut inner = self.inner.lock();
        let last = inner.opens == [1, 0, 0];
        let open = inner.granted == Access::READ && inner.recovery == Recovery::None;
        if !last || !open || !inner.shareable {
            return None;
        }
        inner.opens = [0; 3];
        let inode = inner.inode.take();
        let before = inner.resting.replace(now_ms);
        drop(inner);
        // May be the last reference: not under the lock.
        drop(inode);
        Some(before.is_some())
    }

    /// Whether no context needs it, and the server has it open.
    pub(in crate::client) fn is_resting(&self) -> bool {
        let inner = self.inner.lock();
        inner.resting.is_some() && inner.needed() == Access::NONE && inner.granted != Access::NONE
    }

    /// How many contexts there are, and whether it is kept, or was and is in use again.
    pub(in crate::client) fn usage(&self) -> (u32, bool) {
        let inner = self.inner.lock();
        (inner.opens.iter().sum(), inner.resting.is_some())
    }

    /// If it is to be kept for longer: since when no context needs it, which is after `since_ms`. If not, it is no longer kept.
    pub(in crate::client) fn rests_on(&self, since_ms: u64) -> Option<u64> {
        let mut inner = self.inner.lock();
        let idle = inner.needed() == Access::NONE;
        let resting = inner.resting.filter(|ms| idle && *ms > since_ms);
        inner.resting = resting;
        resting
    }

    /// Takes in the result of a reclaim or reopen with `access`.
    pub(in crate::client) fn reopened(&self, stateid: Stateid, access: Access, first: bool) {
        let mut inner = self.inner.lock();
        // A server that has restarted counts anew. One that has not may have heard a program's OPEN meanwhile: then that is the newer one.
        if inner.recovery == Recovery::Reboot || !inner.stateid.same_other(&stateid) {
            if first {
                inner.granted = Access::NONE;
            }
            inner.stateid = stateid;
        } else if stateid.is_newer(&inner.stateid) {
            inner.stateid = stateid;
        }
        inner.granted = Access(inner.granted.0 | access.0);
    }

    /// Takes in the stateid that another operation (OPEN_DOWNGRADE, CLOSE) returned for `sent`.
    pub(in crate::client) fn reduced(&self, sent: &Stateid, got: Stateid, granted: Access) {
        let mut inner = self.inner.lock();
        if inner.stateid.same_other(sent) {
            if granted == Access::NONE {
                inner.stateid = Stateid::ANONYMOUS;
            } else if got.is_newer(&inner.stateid) {
                inner.stateid = got;
            }
            inner.granted = granted;
        }
    }

    /// The stateid to close, if a context with `access` is the only one, and nothing is locked or lost: then the server may be told
    /// before the context goes.
    pub(in crate::client) fn close_of_last(&self, access: Access) -> Option<Stateid> {
        if self.locks.as_ref().is_some() {
            return None;
        }
        let mut inner = self.inner.lock();
        let last = inner.opens.iter().sum::<u32>() == 1 && inner.opens[access.index()] == 1;
        let open = inner.granted != Access::NONE && inner.recovery == Recovery::None;
        if !last || !open {
            return None;
        }
        inner.shareable = false;
        Some(inner.stateid)
    }

    /// A context has been closed on the server before it goes. The inode stays for that; see [`OpenState::uncount`].
    pub(in crate::client) fn closed_early(&self, access: Access) {
        let mut inner = self.inner.lock();
        let n = &mut inner.opens[access.index()];
        *n = n.saturating_sub(1);
    }

    /// Uncounts a context, unless it was closed early.
    pub(in crate::client) fn uncount(&self, access: Option<Access>) {
        let inode = {
            let mut inner = self.inner.lock();
            if let Some(access) = access {
                let n = &mut inner.opens[access.index()];
                *n = n.saturating_sub(1);
            }
            if inner.needed() == Access::NONE {
                inner.inode.take()
            } else {
                None
            }
        };
        // May be the last reference: not under the lock.
        drop(inode);
    }

    /// What the server should be told of the contexts that are left. Nobody shares what is about to be given up.
    pub(in crate::client) fn reduction(&self) -> Reduction {
        let mut inner = self.inner.lock();
        let needed = inner.needed();
        if inner.granted == Access::NONE
            || inner.recovery == Recovery::Failed
            || inner.granted == needed
        {
            return Reduction::None;
        }
        inner.shareable = false;
        if needed == Access::NONE {
            Reduction::Close(inner.stateid)
        } else {
            Reduction::Downgrade(inner.stateid, needed)
        }
    }

    /// The accesses to reclaim, each at most once, and what the contexts need at all.
    pub(in crate::client) fn modes(&self) -> [Option<Access>; 3] {
        let inner = self.inner.lock();
        let [read, write, both] = inner.opens;
        [
            (both > 0).then_some(Access::BOTH),
            (write > 0).then_some(Access::WRITE),
            (read > 0).then_some(Access::READ),
        ]
    }

    /// Whether a context writes.
    pub(crate) fn can_write(&self) -> bool {
        self.inner.lock().needed().can_write()
    }

    /// The inode, while there are contexts.
    pub(in crate::client) fn inode(&self) -> Option<ARef<VfsInode>> {
        self.inner.lock().inode.clone()
    }

    /// Remembers the locks of the file.
    pub(in crate::client) fn set_locks(&self, locks: &Arc<FileLocks>) {
        if self.locks.as_ref().is_none() {
            // If somebody else was first, they are the same; and under the lock they are there when we go on.
            let _inner = self.inner.lock();
            self.locks.populate(locks.clone());
        }
    }

    /// The file's locks, if something was locked through this open.
    pub(in crate::client) fn locks(&self) -> Option<&Arc<FileLocks>> {
        self.locks.as_ref()
    }

    /// Remembers the inode of the contexts.
    pub(in crate::client) fn bind(&self, inode: ARef<VfsInode>) {
        let old = self.inner.lock().inode.replace(inode);
        drop(old);
    }

    /// Whether there is something to be done before the stateid is good again.
    pub(crate) fn needs_recovery(&self) -> bool {
        !matches!(self.recovery(), Recovery::None | Recovery::Failed)
    }

    /// Marks what recovery there is to do; the mark that goes further wins. False if nothing is new.
    ///
    /// What is to be opened anew was lost before the server restarted: it is not to be reclaimed.
    pub(in crate::client) fn mark(&self, recovery: Recovery) -> bool {
        let mut inner = self.inner.lock();
        let wins = match (inner.recovery, recovery) {
            (Recovery::None, _) => true,
            (Recovery::Test, new) => matches!(new, Recovery::Reboot | Recovery::Reopen),
            (Recovery::Reboot, new) => new == Recovery::Reopen,
            (Recovery::Reopen | Recovery::Failed, _) => false,
        };
        if wins {
            inner.recovery = recovery;
        }
        wins
    }

    /// What `mark` asked for has been done, unless something new has come meanwhile.
    pub(in crate::client) fn recovered(&self, mark: Recovery) {
        let mut inner = self.inner.lock();
        if inner.recovery == mark {
            inner.recovery = Recovery::None;
        }
    }

    /// There was nothing to be done about `mark`: no context needs the state. The server has forgotten it.
    pub(in crate::client) fn forgotten(&self, mark: Recovery) {
        let mut inner = self.inner.lock();
        if inner.recovery != mark {
            return;
        }
        inner.recovery = Recovery::None;
        if inner.needed() == Access::NONE {
            inner.granted = Access::NONE;
            inner.stateid = Stateid::ANONYMOUS;
        }
    }

    /// Recovery has failed for good (`nfs4_state_mark_recovery_failed()`): every context of this state is bad from now on, and
    /// the error is raised on the file at once, so that fsync() and close() tell even those who write nothing more. Returns the
    /// file's number the first time. May sleep.
    pub(in crate::client) fn mark_failed(&self) -> Option<u64> {
        let (inode, writes) = {
            let mut inner = self.inner.lock();
            if inner.recovery == Recovery::Failed {
                return None;
            }
            inner.recovery = Recovery::Failed;
            inner.granted = Access::NONE;
            (inner.inode.clone(), inner.needed().can_write())
        };
        let Some(inode) = inode else { return Some(0) };
        if writes {
            inode.set_mapping_error(EIO);
        }
        Some(inode.ino())
    }
}
