// SPDX-License-Identifier: GPL-2.0

//! LOCK, LOCKU, LOCKT: byte-range locks at the server.
//!
//! LOCK and LOCKU are asynchronous calls that own the lock owner's [`Turn`]. A caller who is killed while he waits leaves nothing
//! behind: LOCKU runs on by itself, and a lock that nobody took is given back. What the server has granted is noted in the call itself,
//! before its slot is given back, so that recovery misses no lock (see [`super::open`]).

use core::ops::RangeInclusive;

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        SpinLock, //
    },
    time::Jiffies,
};
use rnfs4_proto::{
    attrs::{
        request,
        Attrs, //
    },
    compound::Ops,
    ops::{
        attr::Getattr,
        fh::Putfh,
        lock::{
            Denied,
            Lock,
            Locker,
            Lockt,
            Locku, //
        },
        state::FreeStateid, //
    },
    recovery::table::{
        decide,
        Action,
        OpClass,
        StateKind, //
    },
    status::Status,
    types::{
        Fh,
        LockType,
        Stateid, //
    },
};

use super::{
    lock_state::{
        wire_lock_owner,
        wire_range,
        wire_type,
        FileLocks,
        LockState,
        Turn, //
    },
    open_context::OpenContext,
    open_state::OpenState,
};
use crate::{
    client::call::{
        errno::{
            status_error,
            StatusExt, //
        },
        exchange::{
            insist,
            Body, //
        },
    },
    sys::{
        fs::{
            HeldRange,
            LockKey,
            LockMode, //
            ALL_BYTES,
        },
        wait::{
            WaitQueue,
            Waited, //
        },
    },
};

/// A lock on its way from the server into the VFS's lists: dropped before it has arrived there, it is given back.
pub(crate) struct Grant {
    turn: Option<Turn>,
    held: HeldRange,
    given: bool,
    /// The file's attributes, read while it was locked.
    attrs: Option<Attrs>,
}

impl Grant {
    /// The VFS lists the lock. Returns the file's attributes, if the server told.
    pub(crate) fn keep(mut self) -> Option<Attrs> {
        self.given = false;
        self.attrs.take()
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take_if(|_| self.given) {
            turn.undo(&self.held.range);
        }
    }
}

type LockOps = (Putfh<Fh>, Lock<'static>, Getattr);

/// A LOCK in flight.
struct LockBody {
    lock: Arc<LockState>,
    grant: Option<Grant>,
    /// The stateid in the arguments, and whether it is the lock's own.
    sent: (Stateid, bool),
    res: Result,
}

impl LockBody {
    fn granted(&mut self, res: <LockOps as Ops>::Res) -> Result {
        let (putfh, lock, attrs) = res;
        putfh.errno()?;
        self.lock.update(lock.errno()?);
        if let Some(grant) = &mut self.grant {
            grant.given = true;
            grant.attrs = attrs.ok();
            if let Some(turn) = &grant.turn {
                turn.set_granted(Some(grant.held.clone()));
            }
        }
        Ok(())
    }
}

impl Body for LockBody {
    type Ops = LockOps;

    fn class(&self) -> OpClass {
        OpClass::Lock
    }

    fn state(&self) -> Option<(&Arc<OpenState>, Stateid)> {
        Some((self.lock.state(), self.sent.0))
    }

    fn lock(&self) -> Option<&Arc<LockState>> {
        self.sent.1.then_some(&self.lock)
    }

    fn refresh(&mut self, ops: &mut LockOps) -> Result {
        ops.1.locker = self.lock.locker()?;
        self.sent = match &ops.1.locker {
            Locker::New { open, .. } => (*open, false),
            Locker::Known(stateid) => (*stateid, true),
        };
        Ok(())
    }

    fn finish(&mut self, res: Result<<LockOps as Ops>::Res>) {
        // Without an answer it may have been granted. A lock by a stateid can be given back; an owner's first one is the server's
        // secret until CLOSE.
        if let (Err(_), true, Some(grant)) = (&res, self.sent.1, &mut self.grant) {
            grant.given = true;
        }
        self.res = res.and_then(|res| self.granted(res));
    }
}

/// How an unlock has ended, for the one who waits for it.
#[pin_data]
pub(crate) struct Unlocked {
    #[pin]
    result: SpinLock<Option<Result>>,
    #[pin]
    queue: WaitQueue,
}

impl Unlocked {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                result <- new_spinlock!(None, "rnfs4_unlocked"),
                queue <- WaitQueue::new(),
            }),
            GFP_KERNEL,
        )
    }

    fn set(&self, result: Result) {
        self.result.lock().get_or_insert(result);
        self.queue.wake_all();
    }

    /// Waits for the end of the unlock, at most `patience` jiffies: `ETIMEDOUT`, or `ERESTARTSYS` when the task is being killed; it
    /// goes on by itself then.
    pub(crate) fn wait(&self, patience: Jiffies) -> Result {
        let done = || self.result.lock().is_some();
        if self.queue.wait_killable_timeout(patience, done)? == Waited::TimedOut {
            return Err(ETIMEDOUT);
        }
        (*self.result.lock()).unwrap_or(Err(EIO))
    }
}

/// A LOCKU in flight, with a FREE_STATEID if it is the last of its stateid.
struct UnlockBody {
    lock: Arc<LockState>,
    locks: Arc<FileLocks>,
    turn: Option<Turn>,
    sent: Stateid,
    /// The server has revoked the stateid, and keeps that in mind until it is freed.
    revoked: bool,
    done: Arc<Unlocked>,
}

type UnlockOps = (Putfh<Fh>, Locku, Option<FreeStateid>);

impl UnlockBody {
    fn unlocked(&mut self, res: <UnlockOps as Ops>::Res) -> Result {
        let (putfh, unlock, free) = res;
        putfh.errno()?;
        match unlock {
            Ok(stateid) => self.lock.update(stateid),
            Err(status) => match decide(status, OpClass::Locku, StateKind::Lock) {
                Action::Done => {}
                Action::Free => self.revoked = true,
                _ => return Err(status_error(status)),
            },
        }
        if matches!(free, Some(Ok(()))) {
            self.lock.forget(&self.sent);
        }
        Ok(())
    }
}

impl Body for UnlockBody {
    type Ops = UnlockOps;

    fn class(&self) -> OpClass {
        OpClass::Locku
    }

    fn state(&self) -> Option<(&Arc<OpenState>, Stateid)> {
        Some((self.lock.state(), self.sent))
    }

    fn lock(&self) -> Option<&Arc<LockState>> {
        Some(&self.lock)
    }

    fn refresh(&mut self, ops: &mut UnlockOps) -> Result {
        // None after recovery: it has not set again what the VFS does not list.
        self.sent = self.lock.stateid().ok_or(ENOENT)?;
        ops.1.stateid = self.sent;
        if let Some(free) = &mut ops.2 {
            free.0 = self.sent;
        }
        Ok(())
    }

    fn finish(&mut self, res: Result<<UnlockOps as Ops>::Res>) {
        let res = match res {
            Err(e) if e == ENOENT => Ok(()),
            res => res.and_then(|res| self.unlocked(res)),
        };
        self.locks.end_unlock();
        // To pass it on may sleep; then it goes with the call.
        drop(self.turn.take_if(|turn| !turn.has_word()));
        self.done.set(res);
    }
}

impl Drop for UnlockBody {
    fn drop(&mut self) {
        if self.revoked {
            let server = self.lock.server();
            let how = server.how(self.lock.state().owner().cred());
            // If that fails, the lease will end it.
            let _ = server
                .client()
                .start(how, (FreeStateid(self.sent),), FreeBody);
        }
    }
}

/// A FREE_STATEID. Whatever comes of it: the lease would end the stateid, too.
pub(in crate::client) struct FreeBody;

impl Body for FreeBody {
    type Ops = (FreeStateid,);

    fn class(&self) -> OpClass {
        OpClass::FreeStateid
    }

    fn finish(&mut self, _res: Result<<Self::Ops as Ops>::Res>) {}
}

/// Sends a LOCKU; the last one of a stateid frees it. May sleep to allocate.
fn send_unlock(
    lock: Arc<LockState>,
    locks: &Arc<FileLocks>,
    turn: Option<Turn>,
    range: &RangeInclusive<u64>,
    last: bool,
    done: &Arc<Unlocked>,
) -> Result {
    let stateid = lock.stateid().unwrap_or(Stateid::ANONYMOUS);
    let ops = (
        Putfh(*lock.state().fh()),
        Locku {
            range: wire_range(range),
            stateid,
        },
        last.then_some(FreeStateid(stateid)),
    );
    let server = lock.server().clone();
    let cred = ARef::from(&**lock.state().owner().cred());
    locks.begin_unlock();
    let body = UnlockBody {
        lock,
        locks: locks.clone(),
        turn,
        sent: stateid,
        revoked: false,
        done: done.clone(),
    };
    server
        .client()
        .start_surely(server.how(&cred), ops, body)
        .map(drop)
}

/// Gives back a lock that recovery has set again, and that its owner has unlocked meanwhile. Does not wait for it; may sleep to
/// allocate.
pub(in crate::client) fn give_back(lock: &Arc<LockState>, range: &RangeInclusive<u64>) {
    if let (Some(locks), Ok(done)) = (lock.state().locks(), Unlocked::new()) {
        // If that fails, CLOSE will end it.
        let _ = send_unlock(lock.clone(), locks, None, range, false, &done);
    }
}

impl Turn {
    /// Asks the server once for the lock `wanted`; `wait` tells it that the caller will come again if it is refused. `EAGAIN`
    /// when another has a lock that is in the way. `EIO` when the owner has lost a lock, `EBADF` when the open was lost. May
    /// sleep; killable.
    pub(crate) fn lock(self, wanted: HeldRange, wait: bool) -> Result<Grant> {
        let ctx = self.ctx.clone();
        let lock = self.lock_state()?;
        let ops = (
            Putfh(*ctx.fh()),
            Lock {
                kind: wire_type(wanted.mode, wait),
                reclaim: false,
                range: wire_range(&wanted.range),
                locker: lock.locker()?,
                denied: None,
            },
            Getattr(request::INODE),
        );
        let body = LockBody {
            lock,
            grant: Some(Grant {
                turn: Some(self),
                held: wanted,
                given: false,
                attrs: None,
            }),
            sent: (Stateid::ANONYMOUS, false),
            res: Err(EIO),
        };
        let server = ctx.server();
        let mut call = server
            .client()
            .start(server.how(ctx.cred()), ops, body)?
            .wait()?;
        let body = call.body_mut();
        core::mem::replace(&mut body.res, Err(EIO))?;
        body.grant.take().ok_or(EIO)
    }

    /// Tells the server that the owner has unlocked `range`, which the VFS does not list any more. Whether it is through is known
    /// later. May sleep to allocate.
    pub(crate) fn unlock(self, range: &RangeInclusive<u64>) -> Result<Arc<Unlocked>> {
        // The VFS has let go of it, and so must the server.
        let done = insist(Unlocked::new)?;
        let last = !self.holds(&ALL_BYTES);
        let (range, mut states) = if last {
            // All, since the server may have more than the VFS has listed: a lock of a caller who was killed.
            (&ALL_BYTES, self.take_lock_states())
        } else {
            (range, insist(|| self.lock_states())?)
        };
        states.retain(|lock| {
            !lock.state().is_bad() && (lock.stateid().is_some() || lock.state().needs_recovery())
        });
        let (locks, mut turn) = (self.locks.clone(), Some(self));
        let count = states.len();
        for (i, lock) in states.into_iter().enumerate() {
            let turn = turn.take_if(|_| i + 1 == count);
            send_unlock(lock, &locks, turn, range, last, &done)?;
        }
        if count == 0 {
            drop(turn);
            done.set(Ok(()));
        }
        Ok(done)
    }

    /// The same for all that the owner held; nobody waits for it.
    pub(in crate::client) fn unlock_all(self) {
        // If it could not be sent, CLOSE will end the locks.
        let _ = self.unlock(&ALL_BYTES);
    }

    /// Gives back what the server has granted and nobody took.
    fn undo(self, range: &RangeInclusive<u64>) {
        self.set_granted(None);
        // Where the owner held some of it before, that must stay: the rest goes when all does.
        if !self.holds(range) {
            let _ = self.unlock(range);
        }
    }
}

/// A lock that is in the way of another.
pub(crate) struct InTheWay {
    /// How it is locked.
    pub(crate) mode: LockMode,
    /// What is locked.
    pub(crate) range: RangeInclusive<u64>,
}

impl From<Denied> for InTheWay {
    fn from(denied: Denied) -> Self {
        let (start, len) = (denied.range.offset, denied.range.len);
        let end = match len {
            u64::MAX => *ALL_BYTES.end(),
            len => start.saturating_add(len - 1).min(*ALL_BYTES.end()),
        };
        Self {
            mode: match denied.kind {
                LockType::Read | LockType::ReadW => LockMode::Shared,
                LockType::Write | LockType::WriteW => LockMode::Exclusive,
            },
            range: start.min(end)..=end,
        }
    }
}

/// Asks whether `key` could have a lock, through `ctx` (LOCKT): `None` if so, else what is in the way. May sleep; killable.
pub(crate) fn test_lock(
    locks: Option<&FileLocks>,
    ctx: &OpenContext,
    key: LockKey,
    mode: LockMode,
    range: &RangeInclusive<u64>,
) -> Result<Option<InTheWay>> {
    let server = ctx.server();
    let id = locks
        .and_then(|locks| locks.owner_id(key))
        .unwrap_or_else(|| server.client().next_owner_id());
    let mut denied = None;
    let ops = (
        Putfh(ctx.fh()),
        Lockt {
            kind: wire_type(mode, false),
            range: wire_range(range),
            owner: wire_lock_owner(id)?,
            denied: Some(&mut denied),
        },
    );
    let how = server.how(ctx.cred());
    let (putfh, test) = server.client().call_as(how, OpClass::Lockt, ops)?;
    match putfh.and(test) {
        Ok(()) => Ok(None),
        Err(Status::DENIED) => denied.map(|d| Some(InTheWay::from(d))).ok_or(EIO),
        Err(status) => Err(status_error(status)),
    }
}
