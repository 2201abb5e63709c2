// SPDX-License-Identifier: GPL-2.0

//! RPC tasks: one call from its preparation to its release.
//!
//! A call is any [`RpcCall`]. Each carries the `rpc_procinfo` it runs under, sized from what it is about to send, so
//! that a compound of any length gets buffers that fit. sunrpc runs the callbacks of one task one after the other,
//! never two at once; that is why they get `&mut self`.
//!
//! C header: [`include/linux/sunrpc/sched.h`](srctree/include/linux/sunrpc/sched.h)

use core::{
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull,
};

use kernel::{
    bindings as kb,
    cred::Credential,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi,
    prelude::*,
    time::Jiffies,
    types::Opaque, //
};
use rnfs4_bindings as bindings;
use rnfs4_proto::xdr::XdrResult;

use super::{
    clnt::{
        Connection,
        Transport, //
    },
    program::{
        self,
        Proc, //
    },
    xdr::{
        Decoder,
        Encoder,
        SCRATCH, //
    },
    RpcClnt,
};
use crate::sys::workqueue::OwnedQueue;

/// How a call behaves while the server does not answer.
///
/// sunrpc itself waits only for the answer to what it has sent. A task whose connection breaks ends with an error at once
/// ([`connection_lost`]): whoever made it decides what to wait for. (sunrpc would sleep three seconds after each refusal.)
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Flags {
    /// Waits for ever.
    #[default]
    Hard,
    /// Gives up with `EIO` after the major timeout.
    Soft,
    /// Gives up with `ETIMEDOUT` after the major timeout.
    SoftErr,
    /// Gives up when the connection breaks; with an [impatient](RpcClnt::impatient) client, also after its patience. The connection
    /// is the client's first one, as the state manager's calls want it.
    Once,
    /// The same, and makes the connection itself; gives up when there is none to be had, or after the major timeout.
    Mount,
}

impl Flags {
    fn bits(self) -> u32 {
        match self {
            Flags::Hard | Flags::Soft | Flags::SoftErr => {
                bindings::RPC_TASK_SOFTCONN | bindings::RPC_TASK_NOCONNECT
            }
            Flags::Once => {
                bindings::RPC_TASK_TIMEOUT | bindings::RPC_TASK_NO_ROUND_ROBIN | Flags::Hard.bits()
            }
            Flags::Mount => {
                bindings::RPC_TASK_TIMEOUT
                    | bindings::RPC_TASK_SOFTCONN
                    | bindings::RPC_TASK_NO_ROUND_ROBIN
            }
        }
    }
}

/// Whether a task that ended with `err` and without a reply lost its connection, or never had one.
pub(crate) fn connection_lost(err: Error) -> bool {
    matches!(
        err.to_errno().unsigned_abs(),
        kb::ENOTCONN
            | kb::ECONNREFUSED
            | kb::ECONNRESET
            | kb::ECONNABORTED
            | kb::EPIPE
            | kb::EPROTO
            | kb::EADDRINUSE
            | kb::EHOSTDOWN
            | kb::EHOSTUNREACH
            | kb::ENETDOWN
            | kb::ENETUNREACH
            | kb::ETIMEDOUT
    )
}

/// What sunrpc wants to know of a call before it runs.
pub(crate) struct Message<'a> {
    /// Who calls.
    pub(crate) cred: &'a Credential,
    /// What it counts as.
    pub(crate) proc: Proc,
    /// Upper bound of the arguments in bytes, without bulk data.
    pub(crate) args_max: usize,
    /// Upper bound of the reply in bytes, without bulk data.
    pub(crate) res_max: usize,
    /// Patience.
    pub(crate) flags: Flags,
}

/// The callbacks of a call (`struct rpc_call_ops`, `p_encode`, `p_decode`). None may block, except in the calling
/// thread of a [`SyncCall`]; all may run again when the call is restarted.
pub(crate) trait RpcCall {
    /// Gets what the call needs before it is sent (a session slot), then [`Task::start`]s it, or puts it to sleep on a
    /// queue: once woken, it comes here again. Or ends it with [`Task::exit`].
    fn prepare(&mut self, task: &Task);
    /// Writes the arguments. Runs again, with the same outcome, when the request is sent again.
    fn encode(&mut self, xdr: &mut Encoder<'_>) -> XdrResult;
    /// Reads the reply; an error becomes the task's status.
    fn decode(&mut self, xdr: &mut Decoder<'_>) -> Result;
    /// The call has ended one way or another ([`Task::status`]); it may be restarted from here.
    fn done(&mut self, task: &Task);
}

/// A running task (`struct rpc_task`), as its callbacks see it.
#[repr(transparent)]
pub(crate) struct Task(Opaque<bindings::rpc_task>);

impl Task {
    /// # Safety
    ///
    /// `ptr` is the task whose callback is running.
    unsafe fn from_raw<'a>(ptr: *mut bindings::rpc_task) -> &'a Self {
        // SAFETY: The type is transparent.
        unsafe { &*ptr.cast() }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::rpc_task {
        self.0.get()
    }

    /// Lets a prepared task go on (`rpc_call_start()`), by the first connection where its own is broken.
    pub(crate) fn start(&self) {
        // SAFETY: The task's `prepare` is running.
        unsafe {
            bindings::rpc_prefer_connected(self.as_ptr());
            bindings::rpc_call_start(self.as_ptr());
        }
    }

    /// The same on the transport that it was made for, connected or not.
    pub(crate) fn start_here(&self) {
        // SAFETY: The task's `prepare` is running.
        unsafe { bindings::rpc_call_start(self.as_ptr()) };
    }

    /// Ends the task with `err` (`rpc_exit()`); `done` comes next.
    pub(crate) fn exit(&self, err: Error) {
        // SAFETY: The task's callback is running.
        unsafe { bindings::rpc_exit(self.as_ptr(), err.to_errno()) };
    }

    /// Ends the task without an error; `done` comes next. For a call whose reply is there before it was sent.
    pub(crate) fn finish(&self) {
        // SAFETY: The task's callback is running.
        unsafe { bindings::rpc_exit(self.as_ptr(), 0) };
    }

    /// The task's status so far: of the transport or of `decode`.
    pub(crate) fn status(&self) -> Result {
        // SAFETY: Only the task's own callbacks, of which this is one, change the status now.
        to_result(unsafe { (*self.as_ptr()).tk_status })
    }

    /// Runs the call again from `prepare` (`rpc_restart_call_prepare()`). False when the task has been killed.
    pub(crate) fn restart_prepare(&self) -> bool {
        // SAFETY: The task's `done` is running. Others set the error, once, to kill the task, which a restart would forget.
        unsafe {
            match to_result((&raw const (*self.as_ptr()).tk_rpc_status).read_volatile()) {
                Err(err) if !connection_lost(err) => false,
                _ => bindings::rpc_restart_call_prepare(self.as_ptr()) != 0,
            }
        }
    }

    /// Puts the task to sleep until `connection` breaks: then it comes to its `prepare` again. False if it has broken.
    pub(crate) fn sleep_while_connected(&self, connection: Connection) -> bool {
        // SAFETY: The task's `prepare` is running.
        unsafe { bindings::rpc_sleep_while_connected(self.as_ptr(), connection.0) }
    }

    /// Lets the (restarted) task sleep first (`rpc_delay()`).
    pub(crate) fn delay(&self, delay: Jiffies) {
        // SAFETY: The task's callback is running.
        unsafe { bindings::rpc_delay(self.as_ptr(), delay) };
    }

    /// Whether the request has gone out at least once, so that the server may have acted on it.
    pub(crate) fn was_sent(&self) -> bool {
        // SAFETY: Only the task's own context changes the flags.
        u32::from(unsafe { (*self.as_ptr()).tk_flags }) & bindings::RPC_TASK_SENT != 0
    }

    /// Forgets that the request went out: the next transmission is a new request.
    pub(crate) fn clear_sent(&self) {
        // SAFETY: As above.
        unsafe { (*self.as_ptr()).tk_flags &= !(bindings::RPC_TASK_SENT as u16) };
    }
}

/// What the callbacks find: the procedure a call runs under, and the call. On the heap always: a call is large, and the callbacks
/// of a synchronous one run on its caller's stack.
struct Frame<C> {
    proc: bindings::rpc_procinfo,
    call: C,
    /// For the reply's decoder.
    scratch: Opaque<[u8; SCRATCH]>,
}

impl<C: RpcCall> Frame<C> {
    fn procinfo(msg: &Message<'_>) -> bindings::rpc_procinfo {
        bindings::rpc_procinfo {
            p_proc: program::COMPOUND,
            p_encode: Some(Self::encode),
            p_decode: Some(Self::decode),
            p_arglen: msg.args_max.div_ceil(4) as u32,
            p_replen: msg.res_max.div_ceil(4) as u32,
            p_timer: 0,
            p_statidx: msg.proc as u32,
            p_name: program::name(msg.proc),
        }
    }

    /// # Safety
    ///
    /// For sunrpc only: `data` is a `Frame<C>` that this task alone uses now.
    unsafe extern "C" fn prepare(task: *mut bindings::rpc_task, data: *mut ffi::c_void) {
        // SAFETY: As promised by the caller.
        let (task, frame) = unsafe { (Task::from_raw(task), &mut *data.cast::<Self>()) };
        frame.call.prepare(task);
    }

    /// # Safety
    ///
    /// As for `prepare`.
    unsafe extern "C" fn done(task: *mut bindings::rpc_task, data: *mut ffi::c_void) {
        // SAFETY: As promised by the caller.
        let (task, frame) = unsafe { (Task::from_raw(task), &mut *data.cast::<Self>()) };
        frame.call.done(task);
    }

    /// # Safety
    ///
    /// For sunrpc only: `obj` is a `Frame<C>` that its task alone uses now.
    unsafe extern "C" fn encode(
        rqst: *mut bindings::rpc_rqst,
        xdr: *mut bindings::xdr_stream,
        obj: *const ffi::c_void,
    ) {
        // SAFETY: As promised by the caller; sunrpc gives valid streams.
        unsafe {
            let frame = &mut *obj.cast_mut().cast::<Self>();
            let start = bindings::xdr_stream_pos(xdr);
            let (rqst, stream) = (NonNull::new_unchecked(rqst), NonNull::new_unchecked(xdr));
            if frame.call.encode(&mut Encoder::new(rqst, stream)).is_err() {
                // Cannot happen with true upper bounds. Then the server must not run half a compound: without arguments it
                // answers that they are garbage, which ends the call.
                bindings::xdr_truncate_encode(xdr, start as usize);
            }
        }
    }

    /// # Safety
    ///
    /// As for `encode`.
    unsafe extern "C" fn decode(
        _rqst: *mut bindings::rpc_rqst,
        xdr: *mut bindings::xdr_stream,
        obj: *mut ffi::c_void,
    ) -> ffi::c_int {
        // SAFETY: As promised by the caller; the scratch buffer is taken away again before it goes.
        unsafe {
            let frame = &mut *obj.cast::<Self>();
            bindings::xdr_set_scratch_buffer(xdr, frame.scratch.get().cast(), SCRATCH);
            let res = frame
                .call
                .decode(&mut Decoder::new(NonNull::new_unchecked(xdr)));
            bindings::xdr_set_scratch_buffer(xdr, core::ptr::null_mut(), 0);
            kernel::error::from_result(|| res.map(|()| 0))
        }
    }

    /// # Safety
    ///
    /// For sunrpc only: `data` is the boxed `Frame<C>` of an asynchronous task that has ended.
    unsafe extern "C" fn release(data: *mut ffi::c_void) {
        // SAFETY: As promised by the caller.
        drop(unsafe { KBox::from_raw(data.cast::<Self>()) });
    }

    const SYNC_OPS: bindings::rpc_call_ops = bindings::rpc_call_ops {
        rpc_call_prepare: Some(Self::prepare),
        rpc_call_done: Some(Self::done),
        rpc_count_stats: None,
        rpc_release: None,
    };

    const ASYNC_OPS: bindings::rpc_call_ops = bindings::rpc_call_ops {
        rpc_release: Some(Self::release),
        ..Self::SYNC_OPS
    };

    /// # Safety
    ///
    /// `frame` stays valid until the task has been released.
    unsafe fn run(
        clnt: &RpcClnt,
        transport: Option<&Transport>,
        msg: &Message<'_>,
        frame: *mut Self,
        ops: &'static bindings::rpc_call_ops,
        flags: u32,
        workqueue: *mut kernel::bindings::workqueue_struct,
    ) -> Result<NonNull<bindings::rpc_task>> {
        // SAFETY: `frame` is valid.
        let rpc_proc = unsafe { &raw const (*frame).proc };
        let message = bindings::rpc_message {
            rpc_proc,
            rpc_argp: frame.cast(),
            rpc_resp: frame.cast(),
            rpc_cred: msg.cred.as_ptr(),
        };
        let setup = bindings::rpc_task_setup {
            rpc_client: clnt.as_ptr(),
            rpc_xprt: transport.map_or(core::ptr::null_mut(), Transport::as_ptr),
            rpc_message: &raw const message,
            callback_ops: ops,
            callback_data: frame.cast(),
            workqueue: workqueue.cast(),
            flags: (flags | msg.flags.bits()) as u16,
            ..pin_init::zeroed()
        };
        // SAFETY: The setup and message are only read during the call; the rest lives as long as the task. An
        // asynchronous task takes its own reference to the credential.
        let task = from_err_ptr(unsafe { bindings::rpc_run_task(&raw const setup) })?;
        NonNull::new(task).ok_or(ENOMEM)
    }
}

/// Memory for a call, to be had before the call is made: where memory is asked for, the stack should be nearly empty.
pub(crate) struct Room<C: RpcCall>(KBox<MaybeUninit<Frame<C>>>);

impl<C: RpcCall> Room<C> {
    /// May sleep to allocate.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(KBox::new_uninit(GFP_KERNEL)?))
    }

    /// A call is large: it is made where it is to be.
    #[inline]
    fn fill(self, msg: &Message<'_>, call: impl Init<C>) -> KBox<Frame<C>> {
        let frame = init!(Frame {
            proc: Frame::<C>::procinfo(msg),
            call <- call,
            scratch: Opaque::uninit(),
        });
        match self.0.write_init(frame) {
            Ok(frame) => frame,
        }
    }

    /// `call`, to be run in this thread with the same message.
    #[inline]
    pub(crate) fn sync(self, msg: &Message<'_>, call: impl Init<C>) -> SyncCall<C> {
        SyncCall(self.fill(msg, call))
    }
}

/// A call that is to run in the thread that makes it.
pub(crate) struct SyncCall<C: RpcCall>(KBox<Frame<C>>);

impl<C: RpcCall> SyncCall<C> {
    /// Runs the call until it has ended; it then holds what its callbacks left there. The error is the task's. May sleep;
    /// killable.
    pub(crate) fn run(&mut self, clnt: &RpcClnt, msg: &Message<'_>) -> Result {
        // SAFETY: A synchronous task has ended, and nothing refers to it but the reference we put, when `rpc_run_task()`
        // returns; so the frame, which is borrowed until then, outlives it.
        unsafe {
            let task = Frame::run(
                clnt,
                None,
                msg,
                &raw mut *self.0,
                &Frame::<C>::SYNC_OPS,
                0,
                core::ptr::null_mut(),
            )?;
            let status = (*task.as_ptr()).tk_status;
            bindings::rpc_put_task(task.as_ptr());
            to_result(status)
        }
    }
}

impl<C: RpcCall> Deref for SyncCall<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0.call
    }
}

impl<C: RpcCall> DerefMut for SyncCall<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.0.call
    }
}

impl<C: RpcCall> Deref for AsyncCall<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0.call
    }
}

impl<C: RpcCall> DerefMut for AsyncCall<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.0.call
    }
}

/// An asynchronous call that was started. Dropping it lets it run on by itself.
pub(crate) struct Started<C: RpcCall> {
    task: NonNull<bindings::rpc_task>,
    frame: NonNull<Frame<C>>,
}

/// A call that is to run by itself.
pub(crate) struct AsyncCall<C: RpcCall>(KBox<Frame<C>>);

impl<C: RpcCall + Send + 'static> Room<C> {
    /// `call`, to be started with the same message.
    #[inline]
    pub(crate) fn detached(self, msg: &Message<'_>, call: impl Init<C>) -> AsyncCall<C> {
        AsyncCall(self.fill(msg, call))
    }
}

impl<C: RpcCall + Send + 'static> AsyncCall<C> {
    /// Starts the call; it is dropped when its task is released, which happens exactly once, also when this fails: on `queue`, so
    /// that flushing it waits for releases. May sleep to allocate.
    pub(crate) fn start(
        self,
        clnt: &RpcClnt,
        msg: &Message<'_>,
        queue: &OwnedQueue,
    ) -> Result<Started<C>> {
        self.start_on(clnt, None, msg, queue)
    }

    /// The same by one of the client's transports.
    pub(crate) fn start_on(
        self,
        clnt: &RpcClnt,
        transport: Option<&Transport>,
        msg: &Message<'_>,
        queue: &OwnedQueue,
    ) -> Result<Started<C>> {
        let frame = KBox::into_raw(self.0);
        // SAFETY: The frame is released by `Frame::release`, which sunrpc calls when the task goes, or at once if it could not be
        // made.
        let task = unsafe {
            Frame::run(
                clnt,
                transport,
                msg,
                frame,
                &Frame::<C>::ASYNC_OPS,
                bindings::RPC_TASK_ASYNC,
                queue.as_ptr(),
            )?
        };
        // SAFETY: Boxes are not null.
        let frame = unsafe { NonNull::new_unchecked(frame) };
        Ok(Started { task, frame })
    }
}

impl<C: RpcCall> Started<C> {
    /// Waits until the call has ended. `ERESTARTSYS` when this thread is being killed; the call then runs on by itself.
    /// May sleep; killable.
    pub(crate) fn wait(self) -> Result<Ended<C>> {
        // SAFETY: We hold a reference to the task.
        to_result(unsafe { bindings::rpc_wait_for_completion_task(self.task.as_ptr()) })?;
        let this = ManuallyDrop::new(self);
        Ok(Ended {
            task: this.task,
            frame: this.frame,
        })
    }
}

impl<C: RpcCall> Drop for Started<C> {
    fn drop(&mut self) {
        // SAFETY: Puts the reference that `rpc_run_task()` gave us.
        unsafe { bindings::rpc_put_task(self.task.as_ptr()) };
    }
}

/// A call that has ended and is not yet released; its callbacks will not run again.
pub(crate) struct Ended<C: RpcCall> {
    task: NonNull<bindings::rpc_task>,
    frame: NonNull<Frame<C>>,
}

impl<C: RpcCall> Deref for Ended<C> {
    type Target = C;

    fn deref(&self) -> &C {
        // SAFETY: The frame is released with the task, to which we hold a reference; the task does not use it any more.
        unsafe { &self.frame.as_ref().call }
    }
}

impl<C: RpcCall> DerefMut for Ended<C> {
    fn deref_mut(&mut self) -> &mut C {
        // SAFETY: As above.
        unsafe { &mut self.frame.as_mut().call }
    }
}

impl<C: RpcCall> Drop for Ended<C> {
    fn drop(&mut self) {
        // SAFETY: Puts the reference that `rpc_run_task()` gave us.
        unsafe { bindings::rpc_put_task(self.task.as_ptr()) };
    }
}
