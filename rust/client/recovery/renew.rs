// SPDX-License-Identifier: GPL-2.0

//! Keeping the lease: a SEQUENCE at two thirds of the lease period when nothing else was said.
//!
//! As in the C client the work is delayed work that starts an asynchronous SEQUENCE, and the release of that call arms the work
//! again. Answers to `nfs4renewd.c` and `nfs41_proc_async_sequence()`.

use kernel::{
    prelude::*,
    sync::Arc,
    time::msecs_to_jiffies,
    workqueue::WorkItem, //
};
use rnfs4_proto::recovery::{
    machine::Machine,
    table::OpClass, //
};

use crate::{
    client::{
        call::exchange::{
            Body,
            How, //
        },
        nfs_client::Client,
        observe::stats::Counter,
        recovery::state_manager::CALLBACKS, //
    },
    sys::{
        time::now_ms,
        workqueue::cancel_delayed_work_sync, //
    },
};

impl WorkItem for Client {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let lease_ms = this.lease_ms();
        this.for_each_server(|server| server.owners().collect(lease_ms));
        this.dial(false);
        if this.lease.lock().is_due(now_ms()) {
            this.renew();
        } else {
            this.schedule_renewal();
        }
    }
}

/// A renewal. Its release, whatever came of it, arms the next one.
struct Renewal {
    client: Arc<Client>,
}

impl Body for Renewal {
    type Ops = ();

    fn class(&self) -> OpClass {
        OpClass::Sequence
    }

    fn finish(&mut self, res: Result<()>) {
        if res.is_err() {
            self.client.lease_in_doubt();
        }
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.client.schedule_renewal();
    }
}

impl Client {
    /// Arms the renewal for when it is due. Any context.
    pub(in crate::client) fn schedule_renewal(self: &Arc<Self>) {
        if self.is_leaving() {
            return;
        }
        let delay = self.lease.lock().next_check_ms(now_ms());
        let delay = msecs_to_jiffies(delay.min(u64::from(u32::MAX)) as u32);
        // Already armed is as good.
        let _ = self.registry().queue().enqueue_delayed(self.clone(), delay);
    }

    /// The lease period in milliseconds. Any context.
    pub(in crate::client) fn lease_ms(&self) -> u64 {
        self.lease.lock().period_ms()
    }

    /// Disarms it for good; [`is_leaving`](Self::is_leaving) is set. May sleep.
    pub(in crate::client) fn stop_renewal(self: &Arc<Self>) {
        cancel_delayed_work_sync(self);
    }

    fn renew(self: &Arc<Self>) {
        self.count(Counter::Renewals);
        let how = How {
            privileged: false,
            ..self.how_own()
        };
        // If it cannot be started, dropping it arms the next one.
        let _ = self.start(
            how,
            (),
            Renewal {
                client: self.clone(),
            },
        );
    }

    /// A SEQUENCE that was sent at `sent_ms` succeeded: the lease holds, and the server may have something to tell.
    pub(in crate::client) fn renewed(self: &Arc<Self>, sent_ms: u64, flags: u32, privileged: bool) {
        self.lease.lock().renewed(sent_ms);
        let flags = Machine::heeded(flags, CALLBACKS);
        if flags != 0 || self.manager.is_uneasy() {
            self.sequence_flags(flags, privileged);
        }
    }

    /// The server's lease period in seconds, as told at mount.
    pub(in crate::client) fn lease_time(self: &Arc<Self>, seconds: u32) {
        self.lease.lock().set_period(seconds);
        self.set_dead_timeout(seconds);
        self.set_answer_timeout(seconds);
        self.schedule_renewal();
    }
}
