// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

use core::ptr::NonNull;

use kernel::{
    bindings as kb,
    error::from_err_ptr,
    ffi,
    prelude::*,
    task::Task, //
};
use rnfs4_bindings as bindings;

/// A running kernel thread; dropping it asks it to stop and waits until it has.
pub(crate) struct KThread {
    task: NonNull<kb::task_struct>,
}

// SAFETY: `kthread_stop()` may be called from any thread but the one it stops.
unsafe impl Send for KThread {}
// SAFETY: There is nothing to share but the pointer.
unsafe impl Sync for KThread {}

impl KThread {
    /// Starts `body` in a thread called `name`. `body` ends when it has seen [`should_stop`]; it must not return
    /// before, and it must not drop the last reference to what owns this `KThread`.
    pub(crate) fn run<F: FnOnce() + Send + 'static>(name: &CStr, body: F) -> Result<Self> {
        let arg = KBox::into_raw(KBox::new(body, GFP_KERNEL)?);
        // SAFETY: The thunk takes over `arg`, which fits its type.
        let task = from_err_ptr(unsafe {
            bindings::kthread_run(Some(thunk::<F>), arg.cast(), name.as_char_ptr())
        })
        .inspect_err(|_| {
            // SAFETY: The thread was not created, so `arg` is still ours.
            drop(unsafe { KBox::from_raw(arg) });
        })?;
        // SAFETY: Keeps the task_struct until `Drop`, even if the thread ended by itself; never null here.
        unsafe {
            kb::get_task_struct(task);
            Ok(Self {
                task: NonNull::new_unchecked(task),
            })
        }
    }
}

/// # Safety
///
/// `arg` comes from [`KThread::run`] with the same `F`.
unsafe extern "C" fn thunk<F: FnOnce() + Send + 'static>(arg: *mut ffi::c_void) -> ffi::c_int {
    // SAFETY: As promised by the caller.
    let body = unsafe { KBox::from_raw(arg.cast::<F>()) };
    KBox::into_inner(body)();
    0
}

impl Drop for KThread {
    fn drop(&mut self) {
        // SAFETY: We hold a reference to the task. A thread that was never scheduled is stopped too; its argument
        // then leaks, which cannot happen as `kthread_run()` woke it and nobody stops it before it ran.
        unsafe {
            kb::kthread_stop(self.task.as_ptr());
            kb::put_task_struct(self.task.as_ptr());
        }
    }
}

/// Whether the calling kernel thread has been asked to stop.
pub(crate) fn should_stop() -> bool {
    // SAFETY: Always safe in a kernel thread.
    unsafe { bindings::kthread_should_stop() }
}

/// Whether `task` is being killed: what `fatal_signal_pending()` says.
pub(crate) fn is_being_killed(task: &Task) -> bool {
    // SAFETY: The task_struct is counted; the call looks at its pending signals.
    unsafe { bindings::fatal_signal_pending(task.as_ptr()) }
}
