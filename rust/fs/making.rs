// SPDX-License-Identifier: GPL-2.0

//! A file that is being made: what is set on it waits, like its data, for its end.
//!
//! tar, cp -p and install make a file, write to it, set its times, its owner and its mode, and close it. Each of these may be a call of
//! its own, or all may go along with the WRITE and the CLOSE. So from the OPEN that makes a file to its first close, what its maker sets
//! is put off where nobody can tell ([`Made`] says what that is): until the file is closed or synced, or somebody looks at it here,
//! writes to it, or opens it. Whoever comes from elsewhere sees it with the data, as close-to-open consistency has it. Like data it is
//! kept until the server has it, over restarts of the server too, and an error is told by close() and fsync().

use kernel::{
    cred::Credential,
    new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    },
};
use rnfs4_proto::{
    setattrs::SetAttrs,
    together::Made, //
};

use super::{
    setattr,
    write,
    Inode, //
};
use crate::{
    client::{
        LookupCache,
        OpenContext, //
    },
    sys::{
        cred::{
            cred_fscmp,
            current_cred,
            fsuid, //
        },
        mm::NofsScope,
        wait::{
            current_was_killed,
            WaitQueue, //
        },
    },
};

/// Who makes a file, and what he has set.
struct Maker {
    cred: ARef<Credential>,
    /// He has changed the owner or the group: the server lets him do that to a file that is not his.
    mighty: bool,
    /// What was put off.
    waiting: SetAttrs,
}

#[derive(Default)]
struct State {
    maker: Option<KBox<Maker>>,
    /// Somebody is setting what was put off.
    settling: bool,
}

/// What an inode knows of its being made.
#[pin_data]
pub(super) struct Making {
    /// There is a maker. Read without the lock by those for whom that changes nothing which they did not do themselves.
    on: Atomic<bool>,
    #[pin]
    state: SpinLock<State>,
    #[pin]
    settled: WaitQueue,
}

impl Making {
    /// Nobody makes it.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            on: Atomic::new(false),
            state <- new_spinlock!(State::default(), "rnfs4_making"),
            settled <- WaitQueue::new(),
        })
    }
}

/// What was put off, in the hands of somebody who sets it. If he lets go of it before it is done, it waits on.
pub(super) struct Waiting<'a> {
    inode: &'a Inode,
    cred: ARef<Credential>,
    set: SetAttrs,
}

impl Waiting<'_> {
    /// It is set, or refused for good.
    pub(super) fn done(mut self) {
        self.set = SetAttrs::default();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let making = &self.inode.info().making;
        let mut state = making.state.lock();
        state.settling = false;
        if let Some(maker) = &mut state.maker {
            maker.waiting = self.set;
        }
        drop(state);
        making.settled.wake_all();
        if !self.set.is_empty() {
            self.inode.mark_dirty_datasync();
        }
    }
}

/// An OPEN of the calling task has made the file, and writes to it. May sleep to allocate; without memory nothing is put off.
pub(super) fn begin(inode: &Inode) {
    let params = inode.server().params();
    // These want each name and attribute as the server has it, at once.
    let strict = params.noac || params.lookupcache == LookupCache::None;
    if strict || inode.sb().is_synchronous() {
        return;
    }
    let maker = Maker {
        cred: current_cred(),
        mighty: false,
        waiting: SetAttrs::default(),
    };
    if let Ok(maker) = KBox::new(maker, GFP_KERNEL) {
        let making = &inode.info().making;
        let mut state = making.state.lock();
        // A new file has no maker. If it has, it is not as new as it seemed.
        if state.maker.is_none() {
            state.maker = Some(maker);
            making.on.store(true, Relaxed);
        }
    }
}

/// Puts off what `cred` wants to set, if that may wait. The inode is locked. Does not sleep.
pub(super) fn put_off(inode: &Inode, cred: &Credential, set: &SetAttrs) -> bool {
    let making = &inode.info().making;
    if !making.on.load(Relaxed) {
        return false;
    }
    let mut state = making.state.lock();
    let settling = state.settling;
    let Some(maker) = state.maker.as_mut().filter(|_| !settling) else {
        return false;
    };
    let made = Made {
        mode: u32::from(inode.mode()),
        uid: inode.uid(),
        gid: inode.gid(),
        mighty: maker.mighty,
    };
    if cred_fscmp(&maker.cred, cred).is_ne() || !made.may_wait(set, fsuid(cred)) {
        return false;
    }
    let Some(both) = maker.waiting.then(set) else {
        return false;
    };
    maker.waiting = both;
    drop(state);
    inode.mark_dirty_datasync();
    true
}

/// Takes what was put off, to be set along with what `cred` sets; returns both as one beside it. `None` if nothing was put off, or what
/// was cannot go along with that, and so has been set. May sleep; killable.
pub(super) fn take<'a>(
    inode: &'a Inode,
    cred: &Credential,
    set: &SetAttrs,
) -> Result<Option<(Waiting<'a>, SetAttrs)>> {
    let Some(waiting) = take_any(inode)? else {
        return Ok(None);
    };
    match waiting.set.then(set) {
        Some(both) if cred_fscmp(&waiting.cred, cred).is_eq() => Ok(Some((waiting, both))),
        _ => set_now(waiting, None).map(|()| None),
    }
}

fn take_any(inode: &Inode) -> Result<Option<Waiting<'_>>> {
    let making = &inode.info().making;
    if !making.on.load(Relaxed) {
        return Ok(None);
    }
    loop {
        let mut state = making.state.lock();
        if !state.settling {
            let maker = state.maker.as_mut().filter(|it| !it.waiting.is_empty());
            let waiting = maker.map(|maker| Waiting {
                inode,
                cred: maker.cred.clone(),
                set: maker.waiting,
            });
            state.settling = waiting.is_some();
            return Ok(waiting);
        }
        drop(state);
        making
            .settled
            .wait_killable(|| !making.state.lock().settling)?;
    }
}

/// Takes note of what `cred` has set at once. Does not sleep.
pub(super) fn note_set(inode: &Inode, cred: &Credential, set: &SetAttrs) {
    let making = &inode.info().making;
    if making.on.load(Relaxed) && (set.uid.is_some() || set.gid.is_some()) {
        if let Some(maker) = &mut making.state.lock().maker {
            maker.mighty |= cred_fscmp(&maker.cred, cred).is_eq();
        }
    }
}

/// Sees to it that the server has what was put off, for who wants to look at the file or to change it. What the server refuses is told by
/// close() and fsync(). May sleep; killable: `ERESTARTSYS`, and it waits on. A task that has been killed already leaves it to writeback.
pub(super) fn settle(inode: &Inode) -> Result {
    if !inode.info().making.on.load(Relaxed) || current_was_killed() {
        return Ok(());
    }
    match take_any(inode)? {
        Some(waiting) => set_now(waiting, None),
        None => Ok(()),
    }
}

/// Whether anything may be put off still. Does not sleep.
pub(super) fn is_on(inode: &Inode) -> bool {
    inode.info().making.on.load(Relaxed)
}

/// The same as [`settle`], and nothing more is put off: the file is read, mapped or opened, and so in use before it is closed.
pub(super) fn in_use(inode: &Inode) -> Result {
    if is_on(inode) {
        settle(inode)?;
        end(inode);
    }
    Ok(())
}

/// A descriptor of the file is closed: writes all dirty data and what was put off, as [`write::flush`]. Where it can be, the server is
/// told along with that of the end of the open `closing`.
pub(super) fn close(inode: &Inode, closing: Option<&Arc<OpenContext>>) -> Result {
    if current_was_killed() {
        return write::flush(inode);
    }
    let res = match take_any(inode)? {
        Some(waiting) => set_now(waiting, closing),
        None => write::flush_and_close(inode, closing),
    };
    if res.is_ok() {
        end(inode);
    }
    res
}

fn end(inode: &Inode) {
    let making = &inode.info().making;
    if !making.on.load(Relaxed) {
        return;
    }
    let mut state = making.state.lock();
    // Somebody may be at it still, or may have set something else.
    let busy = state.settling;
    let ended = state
        .maker
        .take_if(|maker| !busy && maker.waiting.is_empty());
    if ended.is_some() {
        making.on.store(false, Relaxed);
    }
    drop(state);
    drop(ended);
}

fn set_now(waiting: Waiting<'_>, closing: Option<&Arc<OpenContext>>) -> Result {
    let inode = waiting.inode;
    // Writeback comes this way.
    let _nofs = NofsScope::enter();
    let res = match write::flush_and_set(inode, &waiting.cred, &waiting.set, closing)? {
        Some(attrs) => setattr::changed(inode, &waiting.set, attrs),
        None => setattr::send(inode, &waiting.cred, None, &waiting.set),
    };
    match res {
        // The task is being killed.
        Err(e) if e == ERESTARTSYS || e == EINTR => return Err(e),
        Err(e) => {
            inode.mapping().set_error(e);
            inode.info().attrs.expire();
        }
        Ok(()) => {}
    }
    waiting.done();
    Ok(())
}
