// SPDX-License-Identifier: GPL-2.0

//! How a mount that waits for a silent server is got rid of: `umount -f`, and SIGKILL to umount.
//!
//! `umount -f` ends what waits now. If the superblock is then killed, what is still dirty would wait again; so from there on, and also
//! when the process that unmounts is killed, the mount is *doomed*: its calls no longer wait for a connection, for recovery, or for
//! the end of a grace period. While the server answers, a doomed mount's data is written like any other.

use kernel::{
    impl_has_delayed_work, new_delayed_work, new_spinlock,
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
    task::Task,
    time::msecs_to_jiffies,
    workqueue::{
        DelayedWork,
        WorkItem, //
    },
};

use crate::{
    client::nfs_client::Client,
    sys::{
        kthread::is_being_killed,
        sunrpc::RpcClnt,
        time::now_ms,
        workqueue::cancel_delayed_work_sync, //
    },
};

/// How soon after `umount -f` a superblock is killed that this was meant for, in milliseconds. (It may have found the mount busy.)
const FORCED_MS: u64 = 5000;
/// How often the process that unmounts is looked at, in milliseconds.
const LOOK_MS: u32 = 100;
/// How long a doomed call goes on when the server puts it off, in milliseconds.
const DOOMED_MS: u64 = 1000;

/// A mount's orders to its calls.
#[pin_data]
pub(crate) struct Force {
    client: Arc<Client>,
    /// The mount that it is a submount of.
    above: Option<Arc<Force>>,
    /// The mount's tasks.
    rpc: RpcClnt,
    /// How many times everything was to end.
    rounds: Atomic<u32>,
    /// When that was last, in milliseconds since boot.
    forced_ms: Atomic<u64>,
    doomed: Atomic<bool>,
    /// Who unmounts.
    #[pin]
    watched: SpinLock<Option<ARef<Task>>>,
    #[pin]
    watch: DelayedWork<Force>,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Force> for Force { self.watch }
}

impl WorkItem for Force {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let doomed = match &*this.watched.lock() {
            Some(task) => this.is_doomed() || is_being_killed(task),
            None => return,
        };
        if doomed {
            // Once more, each time: the connection may break later, under calls that went to sleep before.
            this.doom();
        }
        this.look_later();
    }
}

impl Force {
    /// For the mount whose tasks `rpc` has, which may be a submount of the one `above`. May sleep.
    pub(in crate::client) fn new(
        client: &Arc<Client>,
        rpc: RpcClnt,
        above: Option<&Arc<Force>>,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                client: client.clone(),
                above: above.cloned(),
                rpc,
                rounds: Atomic::new(0),
                forced_ms: Atomic::new(0),
                doomed: Atomic::new(false),
                watched <- new_spinlock!(None),
                watch <- new_delayed_work!("rnfs4_force"),
            }),
            GFP_KERNEL,
        )
    }

    /// Whose tasks the mount's calls are.
    pub(in crate::client) fn rpc(&self) -> &RpcClnt {
        &self.rpc
    }

    /// `umount -f`: every call of the mount ends with `EIO`. Any context.
    pub(in crate::client) fn end_calls(&self) {
        self.forced_ms.store(now_ms(), Relaxed);
        self.rounds.fetch_add(1, Relaxed);
        self.rpc.cancel_tasks();
        // sunrpc does not know yet of those without a slot.
        self.client.session().wake_waiting();
    }

    /// No call waits any longer.
    pub(in crate::client) fn doom(&self) {
        self.doomed.store(true, Relaxed);
        if !self.client.is_fit() {
            self.end_calls();
        }
    }

    /// Whether [`doom`](Self::doom) was called.
    pub(in crate::client) fn is_doomed(&self) -> bool {
        self.doomed.load(Relaxed)
    }

    /// Whether it was for this mount, or one that it lies in and that goes with it, that somebody said `umount -f` just now.
    fn was_forced(&self) -> bool {
        let mut at = Some(self);
        while let Some(force) = at {
            let forced = force.forced_ms.load(Relaxed);
            if forced != 0 && now_ms().saturating_sub(forced) < FORCED_MS {
                return true;
            }
            at = force.above.as_deref();
        }
        false
    }

    /// The superblock is about to be killed by this process. May sleep.
    pub(in crate::client) fn kill_begin(self: &Arc<Self>) {
        if self.was_forced() {
            self.doom();
        }
        *self.watched.lock() = Some(ARef::from(&**kernel::current!()));
        self.look_later();
    }

    /// The superblock is dead. May sleep.
    pub(in crate::client) fn kill_end(self: &Arc<Self>) {
        let task = self.watched.lock().take();
        drop(task);
        cancel_delayed_work_sync(self);
    }

    fn look_later(self: &Arc<Self>) {
        // Already armed is as good.
        let _ = self
            .client
            .registry()
            .queue()
            .enqueue_delayed(self.clone(), msecs_to_jiffies(LOOK_MS));
    }
}

/// What one call knows of its mount's orders.
pub(in crate::client) struct Orders {
    force: Arc<Force>,
    round: u32,
    /// When a doomed call that is put off is over; 0: it was not yet.
    until_ms: u64,
}

impl Orders {
    /// Those of a call that begins now.
    pub(in crate::client) fn new(force: &Arc<Force>) -> Self {
        Self {
            force: force.clone(),
            round: force.rounds.load(Relaxed),
            until_ms: 0,
        }
    }

    /// Whether the call has to end. `put_off`: the server answers, but wants it to come again later.
    pub(in crate::client) fn end(&mut self, put_off: bool) -> bool {
        if self.force.rounds.load(Relaxed) != self.round {
            return true;
        }
        if !self.force.is_doomed() {
            return false;
        }
        if !self.force.client.is_fit() {
            return true;
        }
        if put_off && self.until_ms == 0 {
            self.until_ms = now_ms() + DOOMED_MS;
        }
        self.until_ms != 0 && now_ms() >= self.until_ms
    }

    /// Whether the call is not to sleep for long.
    pub(in crate::client) fn hurry(&self) -> bool {
        self.force.is_doomed()
    }
}
