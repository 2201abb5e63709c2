// SPDX-License-Identifier: GPL-2.0

//! Waiting for a condition, killably: what `wait_event_killable()` is in C.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use kernel::{
    bindings as kb,
    ffi,
    prelude::*,
    time::Jiffies,
    types::Opaque, //
};
use rnfs4_bindings as bindings;

/// A queue of tasks that wait for a condition to become true.
#[pin_data]
pub(crate) struct WaitQueue {
    #[pin]
    head: Opaque<kb::wait_queue_head>,
}

// SAFETY: A wait queue head has a lock of its own and belongs to no thread.
unsafe impl Send for WaitQueue {}
// SAFETY: As above.
unsafe impl Sync for WaitQueue {}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// The condition holds.
    True,
    /// The time is over.
    TimedOut,
}

impl WaitQueue {
    /// An empty queue.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The helper initialises the memory it is given.
            head <- Opaque::ffi_init(|p| unsafe { bindings::init_waitqueue_head(p) }),
        })
    }

    /// Wakes everyone, who then looks at his condition again. Any context.
    pub(crate) fn wake_all(&self) {
        // SAFETY: The head is initialised; the call orders memory as `wake_up_all()` does.
        unsafe { kb::__wake_up(self.head.get(), kb::TASK_NORMAL, 0, core::ptr::null_mut()) };
    }

    /// Sleeps until `cond` holds. `ERESTARTSYS` when the task is being killed. `cond` runs before each sleep with
    /// the task already marked as sleeping: it must not sleep itself.
    pub(crate) fn wait_killable(&self, cond: impl FnMut() -> bool) -> Result {
        self.wait(kb::TASK_KILLABLE, Jiffies::MAX >> 1, cond)
            .map(|_| ())
    }

    /// The same for at most `timeout` jiffies.
    pub(crate) fn wait_killable_timeout(
        &self,
        timeout: Jiffies,
        cond: impl FnMut() -> bool,
    ) -> Result<Waited> {
        self.wait(kb::TASK_KILLABLE, timeout, cond)
    }

    /// The same, but any signal ends it with `ERESTARTSYS`.
    pub(crate) fn wait_interruptible_timeout(
        &self,
        timeout: Jiffies,
        cond: impl FnMut() -> bool,
    ) -> Result<Waited> {
        self.wait(kb::TASK_INTERRUPTIBLE, timeout, cond)
    }

    /// For kernel threads, which get no signals: sleeps at most `timeout` jiffies without counting as blocked.
    pub(crate) fn wait_idle_timeout(&self, timeout: Jiffies, cond: impl FnMut() -> bool) -> Waited {
        self.wait(kb::TASK_IDLE, timeout, cond)
            .unwrap_or(Waited::TimedOut)
    }

    /// For kernel threads: sleeps until `cond` holds.
    pub(crate) fn wait_idle_until(&self, mut cond: impl FnMut() -> bool) {
        while self.wait_idle_timeout(Jiffies::MAX >> 1, &mut cond) != Waited::True {}
    }

    fn wait(&self, state: u32, timeout: Jiffies, mut cond: impl FnMut() -> bool) -> Result<Waited> {
        if cond() {
            return Ok(Waited::True);
        }
        let entry = core::pin::pin!(Opaque::<kb::wait_queue_entry>::uninit());
        let mut left = timeout.min(Jiffies::MAX >> 1) as ffi::c_long;
        // SAFETY: The entry stays where it is until `finish_wait()` has taken it off the queue.
        unsafe { kb::init_wait_entry(entry.get(), 0) };
        let res = loop {
            // SAFETY: The head outlives this call, the entry as above.
            let killed = unsafe {
                kb::prepare_to_wait_event(self.head.get(), entry.get(), state as ffi::c_int)
            };
            if cond() {
                break Ok(Waited::True);
            }
            if killed != 0 {
                break Err(ERESTARTSYS);
            }
            if left == 0 {
                break Ok(Waited::TimedOut);
            }
            // SAFETY: Called with the task state set by `prepare_to_wait_event()`.
            left = unsafe { kb::schedule_timeout(left) };
        };
        // SAFETY: The entry was initialised and queued, if at all, on this head.
        unsafe { kb::finish_wait(self.head.get(), entry.get()) };
        res
    }
}

/// Sleeps for `ms` milliseconds or until the task is killed (`ERESTARTSYS`).
pub(crate) fn msleep_killable(ms: u32) -> Result {
    pin_init::stack_pin_init!(let queue = WaitQueue::new());
    queue
        .wait_killable_timeout(kernel::time::msecs_to_jiffies(ms).max(1), || false)
        .map(|_| ())
}

/// Tells whether the calling task is on its way out (`PF_EXITING`): no signal reaches it any more, so that it must not wait for
/// long.
pub(crate) fn current_is_exiting() -> bool {
    // SAFETY: The helper looks at the current task only.
    unsafe { bindings::current_is_exiting() }
}

/// Tells whether the calling task is on its way out because of a signal: what it has open is closed for it, and it must not wait for
/// anybody. SIGKILL is no longer pending then, so that killable waits are not.
pub(crate) fn current_was_killed() -> bool {
    // SAFETY: The helper looks at the current task only.
    unsafe { bindings::current_was_killed() }
}
