// SPDX-License-Identifier: GPL-2.0

//! fcntl() and flock() locks.
//!
//! All of them, but those that `local_lock=` keeps here, are byte-range locks at the server; flock() locks the whole file. A local owner that is in the way is found, and
//! waited for, in the VFS's lists before the server is asked. Locks are where programs of several clients hand data to each
//! other: what was written goes to the server before anything is locked or unlocked, and what is cached is checked against the file's
//! attributes as they were when the lock was had.

use kernel::{
    prelude::*,
    sync::Arc,
    time::{
        msecs_to_jiffies,
        Jiffies, //
    },
};
use rnfs4_proto::{
    attrs::Attrs,
    recovery::backoff::{
        exponential,
        jitter, //
    },
};

use super::{
    address_space::context,
    inode::drop_stale_data,
    refresh,
    write,
    Inode,
    Origin,
    Rnfs4Fs,
    Stamp, //
};
use crate::{
    client::{
        test_lock,
        FileLocks,
        Grant,
        LockState,
        OpenContext, //
    },
    sys::{
        fs::{
            LockCall,
            LockMode,
            LockRequest,
            RegularFile, //
        },
        time::random_u64,
        wait::current_is_exiting, //
    },
};

type Request<'a> = LockRequest<'a, Rnfs4Fs>;

/// Between two tries for a lock that another client holds there are at most so many milliseconds, and half of that by chance.
const RETRY_MAX_MS: u32 = 1000;

/// How long a process that ends waits for the server to know of an unlock, in milliseconds, if the server is there at all. It goes
/// on without it.
const EXIT_MS: u32 = 1000;

/// Answers `->lock()` and `->flock()`.
pub(super) fn lock(file: &RegularFile<Rnfs4Fs>, call: LockCall, mut req: Request<'_>) -> Result {
    if req.is_reclaim() {
        return Err(ENOGRACE);
    }
    let kinds = file.inode().server().params().local_lock;
    if if req.is_flock() {
        kinds.flock
    } else {
        kinds.posix
    } {
        return local(call, &mut req);
    }
    match call {
        LockCall::Get => get(file, &mut req),
        LockCall::Set(mode) => set(file, mode, &mut req),
        LockCall::Unlock => unlock(file, &mut req),
    }
}

/// A lock that only this host knows of (`local_lock=`): what the server has, and what is cached, has nothing to do with it.
fn local(call: LockCall, req: &mut Request<'_>) -> Result {
    match call {
        LockCall::Get => {
            if !req.find_local() {
                req.set_free();
            }
            Ok(())
        }
        LockCall::Set(_) | LockCall::Unlock => req.apply_local(),
    }
}

/// The locks of a file; made when the first is wanted.
fn file_locks(inode: &Inode) -> Result<Arc<FileLocks>> {
    let place = &inode.info().locks;
    if let Some(locks) = place.as_ref() {
        return Ok(locks.clone());
    }
    let fresh = FileLocks::new()?;
    // Another may be first, and not be done with it: under the lock it is there when we look.
    let guard = inode.lock_attrs();
    place.populate(fresh.clone());
    drop(guard);
    Ok(place.as_ref().cloned().unwrap_or(fresh))
}

/// The lock state by which a call of this process through `file` reads or writes, if the process has locks.
pub(super) fn lock_for_io(
    file: &RegularFile<Rnfs4Fs>,
    ctx: &OpenContext,
) -> Option<Arc<LockState>> {
    let locks = file.inode().info().locks.as_ref()?;
    locks.for_io(&file.lock_keys(), ctx.state())
}

/// `EIO` for a process that has lost a lock of the file: what it reads or writes may not be what it believes.
pub(super) fn check_locks(file: &RegularFile<Rnfs4Fs>) -> Result {
    match lock_for_io(file, &context(file)) {
        Some(lock) if lock.is_lost() => Err(EIO),
        _ => Ok(()),
    }
}

/// F_GETLK.
fn get(file: &RegularFile<Rnfs4Fs>, req: &mut Request<'_>) -> Result {
    if req.find_local() {
        return Ok(());
    }
    let Some(mode) = req.mode() else {
        // Which locks of its own the caller has: there are none.
        return Ok(());
    };
    let locks = file.inode().info().locks.as_ref();
    let ctx = context(file);
    match test_lock(locks.map(|l| &**l), &ctx, req.key(), mode, &req.range())? {
        Some(other) => req.set_denied(other.mode, other.range),
        None => req.set_free(),
    }
    Ok(())
}

/// F_SETLK, F_SETLKW, LOCK_SH, LOCK_EX.
fn set(file: &RegularFile<Rnfs4Fs>, mode: LockMode, req: &mut Request<'_>) -> Result {
    // The VFS sees to that for fcntl() only, and the server wants it for all.
    let may = match mode {
        LockMode::Shared => file.can_read(),
        LockMode::Exclusive => file.can_write(),
    };
    if !may {
        return Err(EBADF);
    }
    let inode = file.inode();
    write::flush(inode)?;
    let sent = Stamp::now();
    let grant = acquire(file, mode, req)?;
    req.insert()?;
    // If the cache cannot be brought up to date now it is known to be old: the lock is there.
    let _ = freshen(inode, grant.keep(), sent);
    Ok(())
}

/// Gets the lock from the server; waits for it, if the caller wants to.
fn acquire(file: &RegularFile<Rnfs4Fs>, mode: LockMode, req: &mut Request<'_>) -> Result<Grant> {
    let (locks, ctx) = (file_locks(file.inode())?, context(file));
    let wanted = req.wanted(mode);
    for tries in 0.. {
        ctx.check()?;
        req.wait_local()?;
        let seen = locks.unlocks();
        let turn = locks.turn(wanted.key, &ctx)?;
        match turn.lock(wanted.clone(), req.sleeps()) {
            // What a process that has ended leaves behind may be on its way still.
            Err(e) if e == EAGAIN && (req.sleeps() || locks.is_unlocking()) => {
                let ms = exponential(tries + 2, RETRY_MAX_MS);
                locks.wait_unlock(seen, jitter(ms, random_u64() as u32))?;
            }
            res => return res,
        }
    }
    Err(EAGAIN)
}

/// Brings the cache up to date with the file as it was when the lock was had: others may have changed it before.
fn freshen(inode: &Inode, attrs: Option<Attrs>, sent: Stamp) -> Result {
    let change = || inode.info().attrs.lock().change;
    let before = change();
    match &attrs {
        Some(attrs) => refresh(inode, attrs, Origin::Fetched(sent))?,
        None => inode.info().attrs.expire(),
    }
    let has_writes = inode.info().write.has_writes();
    let mut known = inode.info().attrs.lock();
    // Where our own writes show in the change attribute, those of others may hide.
    if attrs.is_none() || known.change != before || known.blurred || has_writes {
        known.doubt_data();
    }
    drop(known);
    drop_stale_data(inode)
}

/// F_UNLCK, LOCK_UN, and what the VFS unlocks when a descriptor is closed.
fn unlock(file: &RegularFile<Rnfs4Fs>, req: &mut Request<'_>) -> Result {
    let inode = file.inode();
    // close() has just flushed.
    if !req.is_close() || req.is_flock() {
        let flushed = write::flush(inode);
        if !req.is_close() {
            flushed?;
        }
    }
    let Some(locks) = inode.info().locks.as_ref() else {
        return req.remove().map(|_| ());
    };
    let patience = match req.is_close() && current_is_exiting() {
        true if inode.server().is_connected() => msecs_to_jiffies(EXIT_MS),
        true => 0,
        false => Jiffies::MAX,
    };
    let (ctx, key, range) = (context(file), req.key(), req.range());
    let turn = match locks.turn_of_known(key, &ctx, patience) {
        Ok(Some(turn)) => turn,
        Ok(None) => return req.remove().map(|_| ()),
        Err(e) if !req.is_close() => return Err(e),
        Err(_) => {
            // The descriptor goes, whatever another thread is waiting for.
            req.remove()?;
            if let Some(turn) = locks.close_later(key, &ctx) {
                turn.unlock(&range)?;
            }
            return Ok(());
        }
    };
    drop(ctx);
    if !req.remove()? {
        return Ok(());
    }
    match turn.unlock(&range)?.wait(patience) {
        // It goes on by itself.
        Err(e) if req.is_close() && (e == ETIMEDOUT || e == ERESTARTSYS) => Ok(()),
        res => res,
    }
}
