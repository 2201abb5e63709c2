// SPDX-License-Identifier: GPL-2.0

//! The attribute cache: how long what the server said of a file is believed (nfs(5), "DATA AND METADATA COHERENCE"), and
//! how replies that overtook each other are told apart.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        SpinLock, SpinLockGuard,
    },
    time::{
        msecs_to_jiffies,
        Jiffies, //
    },
};

use rnfs4_proto::types::Fsid;

use crate::{
    client::MountParams,
    sys::{
        fs::Timespec,
        time::jiffies, //
    },
};

/// For how long after an answer an older change attribute is taken for a reply that was overtaken, not for a file that was
/// put back: in milliseconds, below the least time that attributes are usually believed.
const OVERTAKEN_MS: u32 = 2_000;

/// Counts the points in time that matter for which of two replies is the newer one.
static CLOCK: Atomic<u64> = Atomic::new(1);

/// A point in time before a request was sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// To be taken before the request is sent.
    pub(crate) fn now() -> Self {
        Self(CLOCK.load(Relaxed))
    }

    /// All stamps taken before this call are older than the value.
    fn advance() -> Self {
        Self(CLOCK.fetch_add(1, Relaxed) + 1)
    }
}

/// Where attributes come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// They were asked for by a request that was sent after this stamp was taken.
    Fetched(Stamp),
    /// They came with a WRITE or COMMIT of ours: that they differ is our own doing.
    OwnWrite,
    /// They came with another change of ours.
    OwnChange,
}

/// How much of what is cached is believed until it expires.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trust {
    /// Nothing.
    None,
    /// The change attribute alone: what else there is has been changed by ourselves, and is not known exactly.
    Change,
    /// Everything.
    All,
}

/// What is known of an inode beyond its `struct inode`.
pub(super) struct Known {
    /// The change attribute.
    pub(super) change: u64,
    /// Time of creation, if the server has it.
    pub(super) btime: Option<Timespec>,
    /// What `d_ino` shows: the number of a mount point in the file system that it covers.
    pub(super) mounted_on_fileid: u64,
    /// How often it has been found that what is in the page cache may be older than the file.
    pub(super) data_stale: u64,
    /// Up to which of these times it has been dropped since.
    pub(super) data_dropped: u64,
    /// `change` has moved by changes of ours: what others did at the same time may hide in that. The page cache is not
    /// checked for it but where somebody locks the file.
    pub(super) blurred: bool,
    /// For directories: changes when names may have changed in a way that we do not know. Never 0.
    pub(super) names: u64,
    /// Whose the object is was not to be known when the server told: it is to be asked again.
    pub(super) unnamed: bool,
    trust: Trust,
    /// When the server last spoke of the inode.
    checked: Jiffies,
    /// Until when it is believed after that.
    timeo: Jiffies,
    /// When `timeo` was last thought over.
    timeo_start: Jiffies,
    /// Requests sent before this know less than we.
    barrier: Stamp,
}

/// The attribute cache of an inode. Taken with nothing below the page cache's locks held; inside it comes `i_lock`.
#[pin_data]
pub(crate) struct AttrCache {
    #[pin]
    known: SpinLock<Known>,
    /// The object is gone from the server. Read without the lock.
    stale: Atomic<bool>,
    /// What file ids are xored with to make inode numbers; see [`AttrCache::set_fsid`]. Read without the lock.
    mix: Atomic<u64>,
}

/// Bounds of the time that attributes are believed.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    min: Jiffies,
    max: Jiffies,
}

impl Bounds {
    /// Those of a mount for directories or for everything else.
    pub(super) fn of(params: &MountParams, dir: bool) -> Self {
        let (min, max) = match (params.noac, dir) {
            (true, _) => (0, 0),
            (false, true) => (params.acdirmin, params.acdirmax),
            (false, false) => (params.acregmin, params.acregmax),
        };
        let jiffies = |s: u32| msecs_to_jiffies(s.saturating_mul(1000));
        Self {
            min: jiffies(min),
            max: jiffies(max.max(min)),
        }
    }
}

impl AttrCache {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            known <- new_spinlock!(Known {
                change: 0,
                btime: None,
                mounted_on_fileid: 0,
                data_stale: 0,
                data_dropped: 0,
                blurred: false,
                // No dentry that outlived another inode may take its mark for one of this inode's.
                names: Stamp::advance().0,
                unnamed: false,
                trust: Trust::None,
                checked: jiffies(),
                timeo: 0,
                timeo_start: jiffies(),
                barrier: Stamp(0),
            }, "rnfs4_attrs"),
            stale: Atomic::new(false),
            mix: Atomic::new(0),
        })
    }

    /// Notes, for a new inode, that the object is of this file system where the mount is of another: a file that something is
    /// mounted on at the server. (A directory becomes a mount point here.) Its number must not be that of another file.
    pub(super) fn set_fsid(&self, object: Fsid, mount: Fsid) {
        self.mix.store(mix(object, mount), Relaxed);
    }

    /// Tells whether the object is of this file system, where the mount is of that one.
    pub(super) fn is_of(&self, fsid: Fsid, mount: Fsid) -> bool {
        self.mix.load(Relaxed) == mix(fsid, mount)
    }

    /// The inode number for a file id of the object's file system.
    pub(super) fn ino(&self, fileid: u64) -> u64 {
        fileid ^ self.mix.load(Relaxed)
    }

    /// Takes the lock. Do not sleep while it is held.
    pub(super) fn lock(&self) -> SpinLockGuard<'_, Known> {
        self.known.lock()
    }

    /// The object is gone from the server (`NFS4ERR_STALE`).
    pub(crate) fn is_stale(&self) -> bool {
        self.stale.load(Relaxed)
    }

    /// Notes that the object is gone.
    pub(crate) fn set_stale(&self) {
        self.stale.store(true, Relaxed);
        self.expire();
    }

    /// Nothing that is known is to be believed any more.
    pub(crate) fn expire(&self) {
        self.lock().trust = Trust::None;
    }

    /// Tells whether the attributes are too old to be believed.
    pub(super) fn expired(&self) -> bool {
        self.lock().expired(Trust::All)
    }

    /// For directories: the mark of the names as they are known, if that is still believed.
    pub(super) fn names_if_fresh(&self) -> Option<u64> {
        let known = self.lock();
        (!known.expired(Trust::Change)).then_some(known.names)
    }

    /// The same if what is known is what the directory was with this change attribute.
    pub(super) fn names_at(&self, change: u64) -> Option<u64> {
        let known = self.lock();
        (known.change == change && !known.expired(Trust::Change)).then_some(known.names)
    }

    /// The change attribute, if it is still believed.
    pub(super) fn change_if_fresh(&self) -> Option<u64> {
        let known = self.lock();
        (!known.expired(Trust::Change)).then_some(known.change)
    }

    /// Notes that we have changed the object by something whose reply has no attributes: replies to requests sent before
    /// this are worth nothing.
    pub(crate) fn barrier(&self) {
        let mut known = self.lock();
        known.barrier = Stamp::advance();
        known.doubt();
    }
}

/// What the file ids of an object's file system are told apart by from those of the mount's.
fn mix(object: Fsid, mount: Fsid) -> u64 {
    if object == mount {
        return 0;
    }
    let mix = object.major.rotate_left(32) ^ object.minor;
    // The upper half, which small file systems do not use.
    mix.wrapping_mul(0x9e37_79b9_7f4a_7c15) & !0xffff_ffff
}

/// What to make of attributes that came.
pub(super) enum Verdict {
    /// They are older than what is known.
    Overtaken,
    /// Nothing has changed.
    Same,
    /// The object has changed, by us.
    Ours,
    /// The object has changed, by others.
    Moved,
}

impl Known {
    fn expired(&self, needed: Trust) -> bool {
        self.trust < needed
            || (self.unnamed && needed == Trust::All)
            || jiffies().wrapping_sub(self.checked) >= self.timeo
    }

    /// Weighs a reply that has the change attribute `change`, if any, and takes note of its time and of that.
    ///
    /// `full` says that the reply has all attributes, not only those that every change of data or names shows in.
    pub(super) fn weigh(
        &mut self,
        change: Option<u64>,
        full: bool,
        origin: Origin,
        bounds: Bounds,
    ) -> Verdict {
        let now = jiffies();
        let known = self.trust != Trust::None;
        if let Origin::Fetched(sent) = origin {
            if sent < self.barrier {
                return Verdict::Overtaken;
            }
        }
        if let Some(change) = change {
            let older = (change.wrapping_sub(self.change) as i64) < 0;
            let fresh = now.wrapping_sub(self.checked) < msecs_to_jiffies(OVERTAKEN_MS);
            if known && older && fresh {
                return Verdict::Overtaken;
            }
        }
        match origin {
            Origin::Fetched(sent) => self.barrier = self.barrier.max(sent),
            Origin::OwnWrite | Origin::OwnChange => self.barrier = Stamp::advance(),
        }
        self.checked = now;
        self.unnamed &= !full;
        let Some(change) = change else {
            // A server without change attribute has no better sign than the times, which come with each answer.
            self.trust = Trust::All;
            self.timeo = bounds.min;
            return Verdict::Same;
        };
        let moved = change != self.change;
        self.change = change;
        // What others have changed may be any attribute.
        self.trust = if full || !moved || !matches!(origin, Origin::Fetched(_)) {
            Trust::All
        } else {
            Trust::Change
        };
        if moved || self.timeo < bounds.min {
            self.timeo = bounds.min;
            self.timeo_start = now;
        } else if now.wrapping_sub(self.timeo_start) >= self.timeo {
            self.timeo = self.timeo.saturating_mul(2).min(bounds.max);
            self.timeo_start = now;
        }
        match (moved, origin) {
            (false, _) => Verdict::Same,
            (true, Origin::Fetched(_)) => Verdict::Moved,
            (true, _) => Verdict::Ours,
        }
    }

    /// What is cached of the data, the link or the names is older than the attributes.
    pub(super) fn has_stale_data(&self) -> bool {
        self.data_stale != self.data_dropped
    }

    /// What is cached of the data is not to be believed any more.
    pub(super) fn doubt_data(&mut self) {
        self.data_stale += 1;
    }

    /// There is more that we have changed than was told.
    pub(super) fn doubt(&mut self) {
        self.trust = self.trust.min(Trust::Change);
    }

    /// Takes note of a directory's change attribute after a change of ours that began at `before`: names change their
    /// mark unless that was all that happened.
    pub(super) fn own_dir_change(&mut self, atomic: bool, before: u64, after: u64) {
        if !(atomic && before == self.change) {
            self.forget_names();
        }
        self.change = after;
        self.barrier = Stamp::advance();
        self.doubt();
    }

    /// Every name of the directory is to be looked up again.
    pub(super) fn forget_names(&mut self) {
        self.names = Stamp::advance().0;
    }
}
