// SPDX-License-Identifier: GPL-2.0

//! Late CLOSE: an open for reading outlives its last context for some seconds. The next open of the same user and file makes do with it, at
//! the price of asking for the attributes; what nobody comes back to is closed with others in one call.
//!
//! It is open state like any other meanwhile, but no context needs it: after a restart it is not reclaimed, and if it is lost, nobody
//! minds ([`OpenState::modes`] is all `None`). How long and how many: [`rnfs4_proto::late_close`].
//!
//! The server keeps what is open, even where it has lost its last name: by a name that somebody else has given to another file meanwhile, we
//! might come to the old one. So what is removed here is closed first, and what has no name any more is stale unless somebody uses
//! it ([`Server::is_ghost`]).

use kernel::{
    cred::Credential,
    new_spinlock,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        SpinLock, //
    },
    time::msecs_to_jiffies,
    workqueue::WorkItem, //
};
use rnfs4_proto::{
    attrs::{
        request,
        Attrs, //
    },
    compound::{
        Batch,
        BatchItem, //
    },
    late_close::{
        keep_ms,
        ripe_ms,
        Late, //
    },
    ops::{
        attr::{
            Access as AccessOp,
            Getattr, //
        },
        fh::Putfh,
        state::Close, //
    },
    recovery::{
        batch::{
            Packer,
            Size, //
        },
        table::OpClass,
    },
    status::Status,
    types::{
        Fh,
        Stateid, //
    },
};

use super::{
    open::FILE_ACCESS,
    open_context::{
        ContextReservation,
        OpenContext, //
    },
    open_state::{
        Access,
        OpenState,
        Reduction, //
    },
};
use crate::{
    client::{
        call::exchange::Body,
        observe::stats::Counter,
        params::MountParams,
        server::Server, //
    },
    sys::{
        cred::cred_fscmp,
        time::now_ms, //
    },
};

/// How many opens a mount keeps at most.
const ROOM: usize = 512;
/// Most that are closed in a call.
const MOST: usize = 128;

/// Room for them, each with the time since when it waits.
type Places = KVec<Option<(u64, Arc<OpenState>)>>;

/// The opens that a mount keeps. Each is a user of its state, and counts as one of the mount's contexts.
#[pin_data]
pub(in crate::client) struct LateCloses {
    #[pin]
    waiting: SpinLock<Late<Places>>,
}

impl LateCloses {
    /// None yet, and on mounts with `noac` never any. May sleep.
    pub(in crate::client) fn new(params: &MountParams) -> Result<impl PinInit<Self>> {
        let room = if params.noac { 0 } else { ROOM };
        let mut places = KVec::with_capacity(room, GFP_KERNEL)?;
        for _ in 0..room {
            places.push(None, GFP_KERNEL)?;
        }
        Ok(pin_init!(Self {
            waiting <- new_spinlock!(Late::new(places), "rnfs4_late"),
        }))
    }
}

/// One of those that are closed in a call.
struct CloseItem {
    state: Arc<OpenState>,
    /// What is to be closed, if it still is.
    stateid: Option<Stateid>,
    closed: bool,
}

impl BatchItem for CloseItem {
    type Ops<'a> = Option<(Putfh<&'a Fh>, Close)>;
    type Res = Option<(
        core::result::Result<(), Status>,
        core::result::Result<(), Status>,
    )>;

    fn ops(&self) -> Self::Ops<'_> {
        self.stateid
            .map(|stateid| (Putfh(self.state.fh()), Close(stateid)))
    }

    fn done(&mut self, res: Self::Res) {
        self.closed = matches!(res, Some((Ok(()), Ok(()))));
    }
}

/// CLOSE of many. What does not go well is done once more by itself, which waits for what there is to wait for.
struct CloseMany;

impl Body for CloseMany {
    type Ops = (Batch<KVec<CloseItem>>,);

    fn class(&self) -> OpClass {
        OpClass::Close
    }

    fn is_batch(&self) -> bool {
        true
    }

    fn refresh(&mut self, (Batch(items),): &mut Self::Ops) -> Result {
        for item in items.iter_mut() {
            item.closed = false;
            item.stateid = match item.state.reduction() {
                Reduction::Close(stateid) if !item.state.needs_recovery() => Some(stateid),
                _ => None,
            };
        }
        match items.iter().any(|item| item.stateid.is_some()) {
            true => Ok(()),
            false => Err(EAGAIN),
        }
    }

    fn finish(&mut self, _res: Result<(usize,)>) {}
}

impl Server {
    /// The last context of `state` goes, which was for reading: keeps the open, if nothing stands against that. The context is uncounted
    /// then, as in [`closed`](Self::closed). May sleep.
    pub(super) fn keep(self: &Arc<Self>, state: &Arc<OpenState>) -> bool {
        if !self.late.waiting.lock().has_room() {
            return false;
        }
        let now = now_ms();
        let Some(known) = state.rest(now) else {
            return false;
        };
        if known {
            self.closed(state);
            return true;
        }
        let (full, first, crowded) = {
            let mut waiting = self.late.waiting.lock();
            let full = waiting.push(now, state.clone()).is_err();
            (full, waiting.len() == 1, waiting.is_crowded())
        };
        if full {
            // By now there is no room any more.
            state.rests_on(u64::MAX);
            self.reduce(state);
            self.closed(state);
        } else if crowded {
            self.close_late_in(0);
        } else if first {
            self.close_late_in(self.keep_ms());
        }
        true
    }

    fn keep_ms(&self) -> u64 {
        keep_ms(self.client().lease_ms())
    }

    fn close_late_in(self: &Arc<Self>, ms: u64) {
        let delay = msecs_to_jiffies(ms.min(u64::from(u32::MAX)) as u32);
        let registry = self.client().registry();
        registry.patient().enqueue_after(self.clone(), delay);
    }

    /// The superblock is about to be killed: closes all that is kept, and keeps nothing any more. Any context.
    pub(in crate::client) fn close_kept(self: &Arc<Self>) {
        self.late.waiting.lock().close();
        self.close_late_in(0);
    }

    /// Whether a file that has no name any more is only there because we keep it open: beside `ours` contexts of it there are no others. Does
    /// not sleep.
    pub(crate) fn is_ghost(&self, fh: &Fh, ours: u32) -> bool {
        let (mut contexts, mut kept) = (0, false);
        self.owners().for_each(|owner| {
            // Without a reference, for the last one must not go under this lock.
            if let Some((some, is_kept)) = owner.look_at(fh, OpenState::usage) {
                contexts += some;
                kept |= is_kept;
            }
        });
        kept && contexts <= ours
    }

    /// What `cred` has kept open of a file, and nobody uses; with one more user, so that it is put when it is closed.
    pub(super) fn kept_open(&self, fh: &Fh, cred: &Credential) -> Option<Arc<OpenState>> {
        if self.late.waiting.lock().is_empty() {
            return None;
        }
        let owner = self.owners().find(cred)?;
        owner.use_state(fh, OpenState::is_resting)
    }

    /// The file is about to be replaced, and nobody uses it: closes what `cred` has kept open of it. May sleep; killable.
    pub(crate) fn close_kept_file(self: &Arc<Self>, fh: &Fh, cred: &Credential) {
        if let Some(state) = self.kept_open(fh, cred) {
            self.reduce(&state);
            state.owner().put_state(&state);
        }
    }

    /// Opens a file by an open of `cred`'s that there is already. Returns the file's attributes, too, and, if that is to be `asked`, the
    /// ACCESS4_* that the caller has: whether they are enough is for him to see. `None` where the file has to be opened, and errors are told.
    /// May sleep; killable.
    pub(crate) fn share_open(
        self: &Arc<Self>,
        fh: &Fh,
        read: bool,
        write: bool,
        cred: &ARef<Credential>,
        asked: bool,
    ) -> Option<(Arc<OpenContext>, Attrs, Option<u32>)> {
        let wanted = Access::new(read, write);
        let owner = self.owners().find(cred)?;
        owner.peek_state(fh)?;
        let room = ContextReservation::new().ok()?;
        let state = owner.use_state(fh, |state| state.share(wanted))?;
        // From here on an error closes it again.
        let ctx = room.context(self, state, wanted, cred.clone()).ok()?;
        let ops = (
            Putfh(fh),
            asked.then_some(AccessOp(FILE_ACCESS)),
            // What has changed is opened in any case.
            Getattr(match asked {
                true => request::INODE,
                false => request::REVALIDATED,
            }),
        );
        let (_, access, attrs) = self.call(cred, ops).ok()?;
        let access = access.transpose().ok()?.map(|it| it.access);
        let attrs = attrs.ok()?;
        if ctx.is_bad() {
            return None;
        }
        self.client().count(Counter::OpensShared);
        Some((ctx, attrs, access))
    }

    /// Takes those out whose time has come.
    fn due(&self, crowd: bool) -> Option<Arc<OpenState>> {
        let keep = ripe_ms(self.keep_ms());
        loop {
            let now = now_ms();
            let (state, closing) = {
                let mut waiting = self.late.waiting.lock();
                (waiting.pop(now, keep, crowd)?, waiting.is_closed())
            };
            let since = if closing || crowd {
                u64::MAX
            } else {
                now.saturating_sub(keep)
            };
            // It was used meanwhile, and rests since then.
            let Some(since) = state.rests_on(since) else {
                return Some(state);
            };
            let again = self.late.waiting.lock().push(since, state);
            if let Err(state) = again {
                return Some(state);
            }
        }
    }

    /// Closes these, which are of one user, in one call.
    fn close_many(self: &Arc<Self>, states: &KVec<Arc<OpenState>>) -> Result {
        let Some(first) = states.first() else {
            return Ok(());
        };
        let mut items = KVec::with_capacity(states.len(), GFP_KERNEL)?;
        for state in states {
            let item = CloseItem {
                state: state.clone(),
                stateid: Some(Stateid::ANONYMOUS),
                closed: false,
            };
            items.push(item, GFP_KERNEL)?;
        }
        let how = self.how(first.owner().cred());
        let mut call = self
            .client()
            .start(how, (Batch(items),), CloseMany)?
            .wait()?;
        let ((Batch(items),), _) = call.parts_mut();
        for item in items {
            if let (true, Some(stateid)) = (item.closed, item.stateid) {
                item.state
                    .reduced(&stateid, Stateid::ANONYMOUS, Access::NONE);
                self.client().count(Counter::ClosedLate);
            }
        }
        Ok(())
    }

    /// Closes what is due, as much as goes into a call. False if there was nothing.
    fn close_some(self: &Arc<Self>, crowd: bool, left: &mut Option<Arc<OpenState>>) -> bool {
        let mut packer = Packer::new(self.client().room(), MOST);
        let mut states: KVec<Arc<OpenState>> = KVec::new();
        while let Some(state) = left.take().or_else(|| self.due(crowd)) {
            let ours = states
                .first()
                .is_none_or(|it| cred_fscmp(it.owner().cred(), state.owner().cred()).is_eq());
            let size = Size::of(&(Putfh(state.fh()), Close(Stateid::ANONYMOUS)));
            if !ours || !packer.add(size) {
                *left = Some(state);
                break;
            }
            if let Err(state) = push(&mut states, state) {
                self.reduce(&state);
                self.closed(&state);
                break;
            }
        }
        // What that leaves is closed one by one.
        let _ = self.close_many(&states);
        for state in &states {
            self.reduce(state);
            self.closed(state);
        }
        !states.is_empty()
    }
}

fn push(
    states: &mut KVec<Arc<OpenState>>,
    state: Arc<OpenState>,
) -> core::result::Result<(), Arc<OpenState>> {
    if states.reserve(1, GFP_KERNEL).is_err() {
        return Err(state);
    }
    states.push_within_capacity(state).map_err(|err| err.0)
}

impl WorkItem for Server {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let crowd = this.late.waiting.lock().is_crowded();
        let mut left = None;
        while this.close_some(crowd, &mut left) {}
        let due = this.late.waiting.lock().due_ms(this.keep_ms());
        if let Some(due) = due {
            this.close_late_in(due.saturating_sub(now_ms()));
        }
    }
}
