// SPDX-License-Identifier: GPL-2.0

//! Permission: the server decides (ACCESS), and what it said is remembered for a while.

use kernel::{
    cred::Credential,
    new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        SpinLock, //
    },
    time::{
        msecs_to_jiffies,
        Jiffies, //
    },
};
use rnfs4_proto::{
    attrs::request,
    ops::{
        attr::{
            Access as AccessOp,
            Getattr, //
        },
        fh::Putfh, //
    },
    types::access,
};

use super::{
    inode::{
        note_error,
        refresh, //
    },
    making,
    Inode,
    InodeInfo,
    Origin,
    Stamp, //
};
use crate::{
    client::{
        IoEvent,
        StatusExt, //
    },
    sys::{
        cred::{
            cred_fscmp,
            current_cred, //
        },
        fs::{
            mode,
            Access, //
        },
        time::jiffies, //
    },
};

/// For how long an answer is believed, in milliseconds. It is dropped before that when the inode's attributes change.
const VALID_MS: u32 = 60_000;

struct Entry {
    cred: ARef<Credential>,
    /// `ACCESS4_*` that were granted.
    granted: u32,
    since: Jiffies,
}

/// How many users' answers are kept for one inode beside the last one's. Then the oldest makes room.
const OTHERS: usize = 15;

/// What ACCESS has said.
#[derive(Default)]
struct Answers {
    /// To whom asked last. Mostly a file has one user, and needs no more memory than this.
    last: Option<Entry>,
    others: KVec<Entry>,
}

impl Answers {
    /// The place of an answer to somebody whom the server sees as it sees `cred`.
    fn find(&self, cred: &Credential) -> Option<&Entry> {
        let mut all = Iterator::chain(self.last.iter(), &self.others);
        all.find(|entry| cred_fscmp(&entry.cred, cred).is_eq())
    }

    /// Adds an answer; hands back the one that has made room for it. There is room for one more in `others`.
    fn add(&mut self, entry: Entry) -> Option<Entry> {
        let same = |old: &&mut Entry| cred_fscmp(&old.cred, &entry.cred).is_eq();
        let mut all = Iterator::chain(self.last.iter_mut(), &mut self.others);
        if let Some(old) = all.find(same) {
            return Some(core::mem::replace(old, entry));
        }
        let last = self.last.replace(entry)?;
        if self.others.len() < OTHERS {
            // There is room, or it is forgotten.
            return self.others.push_within_capacity(last).err().map(|e| e.0);
        }
        let now = jiffies();
        let oldest = self
            .others
            .iter_mut()
            .max_by_key(|old| now.wrapping_sub(old.since))?;
        Some(core::mem::replace(oldest, last))
    }
}

/// What ACCESS has said, and to whom. So many users are remembered at most that it needs no shrinker of its own: it goes with
/// the inode, and all of it when the inode's attributes change.
#[pin_data]
pub(super) struct AccessCache {
    #[pin]
    answers: SpinLock<Answers>,
}

impl AccessCache {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            answers <- new_spinlock!(Answers::default(), "rnfs4_access"),
        })
    }

    /// What was granted to somebody whom the server sees as it sees `cred`.
    pub(super) fn get(&self, cred: &Credential) -> Option<u32> {
        let answers = self.answers.lock();
        let entry = answers.find(cred)?;
        let fresh = jiffies().wrapping_sub(entry.since) < msecs_to_jiffies(VALID_MS);
        fresh.then_some(entry.granted)
    }

    /// Remembers an answer, if there is memory for it. May sleep.
    pub(super) fn set(&self, cred: &Credential, granted: u32) {
        let entry = Entry {
            cred: ARef::from(cred),
            granted,
            since: jiffies(),
        };
        let mut answers = self.answers.lock();
        let others = answers.others.len();
        let full = others == answers.others.capacity() && others < OTHERS;
        let grows = full && answers.last.is_some() && answers.find(cred).is_none();
        if grows {
            drop(answers);
            let mut room = KVec::new();
            // One after the other, mostly: a few users are not many.
            let res = room.reserve((2 * others + 1).min(OTHERS), GFP_KERNEL);
            answers = self.answers.lock();
            if res.is_ok() && room.capacity() > answers.others.capacity() {
                for entry in answers.others.drain_all() {
                    // There is more room than there was.
                    let _ = room.push_within_capacity(entry);
                }
                core::mem::swap(&mut answers.others, &mut room);
            }
            let old = answers.add(entry);
            drop(answers);
            drop((old, room));
            return;
        }
        let old = answers.add(entry);
        drop(answers);
        drop(old);
    }

    /// Forgets all of them.
    pub(super) fn forget(&self) {
        let old = core::mem::take(&mut *self.answers.lock());
        drop(old);
    }
}

/// Compares what is wanted with what was granted.
fn check(granted: u32, wanted: Access, dir: bool) -> Result {
    let has = |bits: u32| granted & bits == bits;
    let write = access::MODIFY | access::EXTEND | if dir { access::DELETE } else { 0 };
    let exec = if dir { access::LOOKUP } else { access::EXECUTE };
    let ok = (!wanted.read() || has(access::READ))
        && (!wanted.write() || has(write))
        && (!wanted.exec() || has(exec));
    if ok {
        Ok(())
    } else {
        Err(EACCES)
    }
}

/// Tells what needs no asking: what the server checks itself when it is done, and what nobody may.
fn shortcut(file_type: u16, wanted: Access) -> Option<Result> {
    if !(wanted.read() || wanted.write() || wanted.exec()) {
        return Some(Ok(()));
    }
    if wanted.asked() {
        return None;
    }
    match file_type {
        mode::S_IFLNK => Some(Ok(())),
        // OPEN tells.
        mode::S_IFREG if wanted.open() && !wanted.exec() => Some(Ok(())),
        // The change tells, if it comes to one.
        mode::S_IFDIR if wanted.write() && !wanted.read() && !wanted.exec() => Some(Ok(())),
        _ => None,
    }
}

/// Nobody, not even root, executes a file without any `x` bit.
fn execute_ok(inode: &Inode, wanted: Access) -> Result {
    if wanted.exec() && inode.is_reg() && inode.mode() & 0o111 == 0 {
        return Err(EACCES);
    }
    Ok(())
}

/// Answers `->permission()`. May sleep; killable.
pub(super) fn permission(inode: &Inode, wanted: Access) -> Result {
    if let Some(res) = shortcut(inode.file_type(), wanted) {
        return res;
    }
    inode.server().io().event(IoEvent::VfsAccess);
    making::settle(inode)?;
    let cred = current_cred();
    let granted = match inode.info().access.get(&cred) {
        Some(granted) => granted,
        None => ask(inode, &cred)?,
    };
    check(granted, wanted, inode.is_dir())?;
    execute_ok(inode, wanted)
}

/// The same in an RCU walk, which is about directories: passing through one that the user passed before.
pub(super) fn permission_rcu(info: &InodeInfo, wanted: Access) -> Option<Result> {
    let granted = info.access.get(&current_cred())?;
    check(granted, wanted, true).is_ok().then_some(Ok(()))
}

/// What may be asked about a directory.
pub(super) const DIR_ACCESS: u32 =
    access::READ | access::MODIFY | access::EXTEND | access::LOOKUP | access::DELETE;
/// What may be asked about anything else.
const FILE_ACCESS: u32 = access::READ | access::MODIFY | access::EXTEND | access::EXECUTE;

fn ask(inode: &Inode, cred: &Credential) -> Result<u32> {
    let bits = if inode.is_dir() {
        DIR_ACCESS
    } else {
        FILE_ACCESS
    };
    let sent = Stamp::now();
    let ops = (Putfh(inode.fh()), AccessOp(bits), Getattr(request::INODE));
    let (putfh, access, getattr) = inode.server().call(cred, ops)?;
    let access = putfh
        .errno()
        .and_then(|()| access.errno())
        .inspect_err(|e| note_error(inode, *e))?;
    if let Ok(attrs) = getattr {
        refresh(inode, &attrs, Origin::Fetched(sent))?;
    }
    inode.info().access.set(cred, access.access);
    Ok(access.access)
}
