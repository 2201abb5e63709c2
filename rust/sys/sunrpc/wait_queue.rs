// SPDX-License-Identifier: GPL-2.0

//! Queues on which RPC tasks sleep without blocking a thread.
//!
//! C header: [`include/linux/sunrpc/sched.h`](srctree/include/linux/sunrpc/sched.h)

use kernel::{
    ffi,
    prelude::*,
    time::Jiffies,
    types::Opaque, //
};
use rnfs4_bindings as bindings;

use super::Task;
use crate::sys::time::jiffies;

/// A priority queue of sleeping RPC tasks (`struct rpc_wait_queue`).
#[pin_data(PinnedDrop)]
pub(crate) struct RpcWaitQueue {
    #[pin]
    inner: Opaque<bindings::rpc_wait_queue>,
}

// SAFETY: The queue has a lock of its own and belongs to no thread.
unsafe impl Send for RpcWaitQueue {}
// SAFETY: As above.
unsafe impl Sync for RpcWaitQueue {}

impl RpcWaitQueue {
    /// An empty queue; `name` shows up in sunrpc's debugging output.
    pub(crate) fn new(name: &'static CStr) -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Opaque::ffi_init(|p| {
                // SAFETY: Initialises the memory it is given; the name is static.
                unsafe { bindings::rpc_init_priority_wait_queue(p, name.as_char_ptr()) }
            }),
        })
    }

    /// Puts the task, whose callback is running, to sleep here. It goes on with its `prepare` (or where it was told
    /// to restart) once woken, or after `at_most`. May be called under a spinlock.
    pub(crate) fn sleep(&self, task: &Task, privileged: bool, at_most: Option<Jiffies>) {
        let priority = if privileged {
            bindings::RPC_PRIORITY_PRIVILEGED
        } else {
            bindings::RPC_PRIORITY_NORMAL
        };
        let priority = priority as ffi::c_int;
        let (queue, task) = (self.inner.get(), task.as_ptr());
        // SAFETY: The task is in one of its callbacks, hence running and not queued elsewhere.
        unsafe {
            match at_most {
                None => bindings::rpc_sleep_on_priority(queue, task, priority),
                Some(time) => bindings::rpc_sleep_on_priority_timeout(
                    queue,
                    task,
                    jiffies().wrapping_add(time.clamp(1, Jiffies::MAX >> 1)),
                    priority,
                ),
            }
        };
    }

    /// Wakes the first task, the most privileged one. Any context.
    pub(crate) fn wake_next(&self) {
        // SAFETY: The queue is alive.
        unsafe { bindings::rpc_wake_up_next(self.inner.get()) };
    }

    /// Wakes all. Any context.
    pub(crate) fn wake_all(&self) {
        // SAFETY: The queue is alive.
        unsafe { bindings::rpc_wake_up(self.inner.get()) };
    }
}

#[pinned_drop]
impl PinnedDrop for RpcWaitQueue {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Tasks that sleep here hold a reference to what owns the queue, so it is empty; this stops its timer.
        unsafe { bindings::rpc_destroy_wait_queue(self.inner.get()) };
    }
}
