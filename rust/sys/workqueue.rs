// SPDX-License-Identifier: GPL-2.0

//! Work queues of our own, and cancelling delayed work: what [`kernel::workqueue`] lacks.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use core::{
    ops::Deref,
    ptr::NonNull, //
};

use kernel::{
    bindings as kb, container_of, ffi,
    prelude::*,
    sync::Arc,
    time::Jiffies,
    workqueue::{
        HasDelayedWork,
        Queue,
        Work,
        WorkItem, //
    },
};
use rnfs4_bindings as bindings;

/// An unbound work queue that may be used under memory pressure; dropping it waits for what is queued.
pub(crate) struct OwnedQueue(NonNull<kb::workqueue_struct>);

// SAFETY: Work queues may be used and destroyed from any thread.
unsafe impl Send for OwnedQueue {}
// SAFETY: As above.
unsafe impl Sync for OwnedQueue {}

impl OwnedQueue {
    /// Allocates a queue. May sleep.
    pub(crate) fn new(name: &CStr) -> Result<Self> {
        // SAFETY: The name is copied.
        let ptr = unsafe { bindings::alloc_workqueue(name.as_char_ptr()) };
        NonNull::new(ptr.cast()).map(Self).ok_or(ENOMEM)
    }

    /// Waits until everything queued so far has run. May sleep; not from a work item of this queue.
    pub(crate) fn flush(&self) {
        // SAFETY: The queue is alive.
        unsafe { bindings::flush_workqueue(self.0.as_ptr().cast()) };
    }

    /// Has delayed work run after `delay` from now, whenever it was armed for before. Any context.
    pub(crate) fn enqueue_after<T, const ID: u64>(&self, this: Arc<T>, delay: Jiffies)
    where
        T: HasDelayedWork<T, ID> + WorkItem<ID, Pointer = Arc<T>>,
    {
        let ptr = Arc::into_raw(this).cast_mut();
        // SAFETY: `ptr` points at a live `T`, whose work field is part of a `delayed_work`, and which comes with a reference, as
        // `Arc::run()` expects it. The queue is alive.
        let pending = unsafe {
            let work = Work::raw_get(T::raw_get_work(ptr));
            kb::mod_delayed_work_on(
                kb::wq_misc_consts_WORK_CPU_UNBOUND as ffi::c_int,
                self.0.as_ptr(),
                container_of!(work, kb::delayed_work, work),
                delay,
            )
        };
        if pending {
            // SAFETY: It was pending, and keeps the reference that it was armed with: this one is ours.
            drop(unsafe { Arc::from_raw(ptr.cast_const()) });
        }
    }

    /// For `rpc_task_setup.workqueue`.
    pub(in crate::sys) fn as_ptr(&self) -> *mut kb::workqueue_struct {
        self.0.as_ptr()
    }
}

impl Deref for OwnedQueue {
    type Target = Queue;

    fn deref(&self) -> &Queue {
        // SAFETY: The queue lives as long as `self`.
        unsafe { Queue::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for OwnedQueue {
    fn drop(&mut self) {
        // SAFETY: We own the queue.
        unsafe { kb::destroy_workqueue(self.0.as_ptr()) };
    }
}

/// Takes back delayed work that an [`Arc`] was armed with, and waits for it if it is running. Returns whether it had
/// been pending. The work must not arm itself again. May sleep.
pub(crate) fn cancel_delayed_work_sync<T, const ID: u64>(this: &Arc<T>) -> bool
where
    T: HasDelayedWork<T, ID> + WorkItem<ID, Pointer = Arc<T>>,
{
    let ptr = Arc::as_ptr(this).cast_mut();
    // SAFETY: `ptr` points at a live `T`, whose work field is part of a `delayed_work`.
    let pending = unsafe {
        let work = Work::raw_get(T::raw_get_work(ptr));
        bindings::cancel_delayed_work_sync(container_of!(work, kb::delayed_work, work))
    };
    if pending {
        // SAFETY: The work was pending, so it held the reference it was armed with, and no longer uses it.
        drop(unsafe { Arc::from_raw(ptr.cast_const()) });
    }
    pending
}
