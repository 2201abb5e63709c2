// SPDX-License-Identifier: GPL-2.0

//! The state manager: a thread for each client that does what [`Machine`] says.
//!
//! Calls tell it what they saw ([`Client::tell`]); it drains the session where that is needed, takes the steps, and lets everybody
//! go on. It never decides anything itself. Answers to `nfs4_run_state_manager()`.

use kernel::{
    new_mutex, new_spinlock,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        SpinLock, //
    },
    time::{
        msecs_to_jiffies,
        Jiffies, //
    },
};
use rnfs4_proto::{
    recovery::{
        backoff,
        machine::{
            Event,
            Failure,
            Machine,
            Mark,
            Step, //
        },
        table::{
            decide,
            Action,
            Need,
            OpClass,
            StateKind, //
        },
    },
    status::Status, //
};

use super::lease::Answer;
use crate::{
    client::{
        call::errno::status_error,
        nfs_client::Client,
        state::open_state::{
            OpenState,
            Recovery, //
        },
    },
    sys::{
        kthread::{
            should_stop,
            KThread, //
        },
        mm::NofsScope,
        sunrpc::{
            connection_lost,
            Flags,
            RpcWaitQueue,
            Task, //
        },
        time::{
            now_ms,
            random_u64, //
        },
        wait::{
            WaitQueue,
            Waited, //
        },
    },
};

/// Whether the session is to carry callbacks.
pub(in crate::client) const CALLBACKS: bool = false;
/// How long the thread sleeps at most when there is nothing to do, in milliseconds.
const NAP_MS: u32 = 60_000;
/// How long the server is given for our farewell, in milliseconds.
const FAREWELL_MS: u32 = 5000;

/// The state manager's thread and mind.
#[pin_data]
pub(crate) struct Manager {
    #[pin]
    machine: SpinLock<Machine>,
    /// The thread, when it has nothing to do.
    #[pin]
    news: WaitQueue,
    /// Calls that wait for one state to be recovered.
    #[pin]
    recovered: RpcWaitQueue,
    /// Calls that wait for the end of the server's grace period.
    #[pin]
    grace: RpcWaitQueue,
    #[pin]
    thread: Mutex<Option<KThread>>,
    /// What [`Machine::is_uneasy`] said last, for those who do not hold the lock.
    uneasy: Atomic<bool>,
    /// There was a session once: from now on nothing is given up.
    established: Atomic<bool>,
    /// The last user has gone.
    leaving: Atomic<bool>,
    /// The thread has said its last word.
    stopped: Atomic<bool>,
    #[pin]
    farewell: WaitQueue,
}

impl Manager {
    /// A manager whose thread does not run yet.
    pub(in crate::client) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            machine <- new_spinlock!(Machine::new(CALLBACKS)),
            news <- WaitQueue::new(),
            recovered <- RpcWaitQueue::new(c"rnfs4 recovery"),
            grace <- RpcWaitQueue::new(c"rnfs4 grace"),
            thread <- new_mutex!(None),
            uneasy: Atomic::new(false),
            established: Atomic::new(false),
            leaving: Atomic::new(false),
            stopped: Atomic::new(false),
            farewell <- WaitQueue::new(),
        })
    }

    /// The success of a call is of interest to the machine, even if the server had nothing to tell. Any context.
    pub(in crate::client) fn is_uneasy(&self) -> bool {
        self.uneasy.load(Relaxed)
    }

    fn step(&self) -> Step {
        self.machine.lock().step(now_ms())
    }

    /// A copy of the machine, for who wants to see.
    pub(in crate::client) fn machine(&self) -> Machine {
        self.machine.lock().clone()
    }

    /// Puts a call that the server's grace period keeps out to sleep for that long, or until somebody got through.
    pub(in crate::client) fn sleep_in_grace(&self, task: &Task, at_most: Jiffies) {
        self.grace.sleep(task, false, Some(at_most));
    }

    /// Somebody got through.
    pub(in crate::client) fn grace_over(&self) {
        self.grace.wake_all();
    }

    /// See [`Machine::connects_anew`].
    pub(in crate::client) fn connects_anew(&self) -> bool {
        self.machine.lock().connects_anew()
    }

    /// Calls `f` under the machine's lock unless calls may be sent again. Whether it did.
    pub(in crate::client) fn unless_fit_to_resend(&self, f: impl FnOnce()) -> bool {
        let machine = self.machine.lock();
        let unfit = !machine.may_resend();
        if unfit {
            f();
        }
        unfit
    }
}

/// Whether no call may be in flight when a step begins.
///
/// Opening anew what one file lost is nobody else's business: others go on meanwhile.
fn needs_drain(step: Step) -> bool {
    !matches!(
        step,
        Step::Idle
            | Step::Wait(_)
            | Step::Probe
            | Step::CheckLease
            | Step::ReclaimComplete
            | Step::ReclaimNograce
    )
}

/// Whether others may talk to the server during a step: in the passes over the states they may, for
/// [what is not in question](Client::sleep_until_fit).
fn is_shared(step: Step) -> bool {
    step == Step::ReclaimReboot || !needs_drain(step)
}

/// Whether it is not yet known what comes of the session: a drain goes on, and calls whose connection broke wait.
fn is_in_doubt(step: Step) -> bool {
    matches!(step, Step::Probe | Step::CheckLease)
}

impl Client {
    /// Starts the state manager, which introduces the client to the server. May sleep.
    pub(in crate::client) fn run_manager(self: &Arc<Self>) -> Result {
        let client = self.clone();
        let name = CString::try_from_fmt(fmt!("rnfs4-{}", self.name()))?;
        let thread = KThread::run(&name, move || {
            client.manage();
            client.manager.stopped.store(true, Relaxed);
            client.manager.farewell.wake_all();
            // The thread may only end when it is asked to.
            client.manager.news.wait_idle_until(should_stop);
        })?;
        *self.manager.thread.lock() = Some(thread);
        Ok(())
    }

    /// Whether there has been a session.
    pub(in crate::client) fn is_established(&self) -> bool {
        self.manager.established.load(Relaxed)
    }

    /// Whether the last user of the client has gone.
    pub(in crate::client) fn is_leaving(&self) -> bool {
        self.manager.leaving.load(Relaxed)
    }

    /// Tells the state manager what happened. Any context that may take a spinlock.
    pub(in crate::client) fn tell(&self, event: Event) {
        let may_open = {
            let mut machine = self.manager.machine.lock();
            let (was, was_idle) = (machine.bits(), machine.is_idle());
            let might_open = machine.may_open();
            let mark = machine.event(now_ms(), event);
            // Before the lock goes: no pass over the states may begin, or end, between the decision and the marks.
            if self.apply(mark, event) {
                machine.event(now_ms(), Event::MarkedNograce);
            }
            self.manager.uneasy.store(machine.is_uneasy(), Relaxed);
            self.observe(event, was, was_idle, &machine);
            if !is_shared(machine.todo()) {
                // At once: whoever sent now would only learn the same. And under the lock: after it the manager may long be through
                // with all there was to do, and would not end the drain again.
                self.session().begin_drain();
            }
            machine.may_open() && !might_open
        };
        if may_open {
            self.manager.recovered.wake_all();
        }
        self.manager.news.wake_all();
    }

    /// Marks states. Whether some are now to be opened anew that were not before.
    fn apply(&self, mark: Mark, event: Event) -> bool {
        match mark {
            Mark::None => {}
            Mark::Reboot => self.mark_all(Recovery::Reboot),
            // A client id that is gone took the states with it; otherwise the server can tell which are good.
            Mark::Nograce => self.mark_all(match event {
                Event::SequenceFlags(_) => Recovery::Test,
                _ => Recovery::Reopen,
            }),
            Mark::EndReboot => return self.end_reboot(),
        }
        false
    }

    /// The connection broke.
    pub(in crate::client) fn disconnected(&self) {
        // Before there is a session, whoever calls sees it himself.
        if self.manager.established.load(Relaxed) && !self.is_leaving() {
            self.tell(Event::Disconnected);
        }
    }

    /// The session or its connection is not what it should be.
    pub(in crate::client) fn session_lost(&self, unbound: bool) {
        self.tell(Event::Saw(if unbound {
            Need::BindConn
        } else {
            Need::Session
        }));
    }

    /// No renewal got through.
    pub(in crate::client) fn lease_in_doubt(&self) {
        self.tell(Event::Saw(Need::Lease));
    }

    /// A SEQUENCE was successful, with these flags; those that recovery's own calls see are about what it is doing already.
    pub(in crate::client) fn sequence_flags(&self, flags: u32, privileged: bool) {
        if !privileged {
            self.tell(Event::SequenceFlags(flags));
        }
    }

    /// Has one state tested or opened anew.
    pub(in crate::client) fn recover_state(&self, state: &OpenState, how: Recovery) {
        if state.mark(how) {
            self.tell(Event::MarkedNograce);
        }
    }

    /// Puts a call whose callback is running to sleep until `state` is recovered, or lost. False if it is already.
    pub(in crate::client) fn sleep_until_recovered(
        &self,
        task: &Task,
        state: &OpenState,
        at_most: Option<Jiffies>,
    ) -> bool {
        // The waker changes the state first and then takes this lock: he cannot come in between.
        let _machine = self.manager.machine.lock();
        let wait = state.needs_recovery();
        if wait {
            self.manager.recovered.sleep(task, false, at_most);
        }
        wait
    }

    /// Puts a call that is about to be sent to sleep if it would be refused now: its `state` is lost and not yet back, or it
    /// `makes` new state while the server waits for old one to be reclaimed. Whether it sleeps; it then comes again.
    pub(in crate::client) fn sleep_until_fit(
        &self,
        task: &Task,
        state: Option<&OpenState>,
        makes: bool,
        at_most: Option<Jiffies>,
    ) -> bool {
        let machine = self.manager.machine.lock();
        // What is only to be tested may well be good.
        let lost = state
            .is_some_and(|state| matches!(state.recovery(), Recovery::Reboot | Recovery::Reopen));
        let wait = lost || (makes && !machine.may_open());
        if wait {
            self.manager.recovered.sleep(task, false, at_most);
        }
        wait
    }

    /// Lets calls look whether their state is recovered.
    pub(in crate::client) fn wake_recovered(&self) {
        drop(self.manager.machine.lock());
        self.manager.recovered.wake_all();
    }

    fn manage(self: &Arc<Self>) {
        let _nofs = NofsScope::enter();
        while !self.is_leaving() {
            match self.manager.step() {
                Step::Idle => {
                    self.session().end_drain();
                    self.wake_lost();
                    self.wake_recovered();
                    self.nap(NAP_MS, |step| step != Step::Idle);
                }
                Step::Wait(ms) => self.nap(ms, |step| !matches!(step, Step::Wait(_))),
                step => {
                    if needs_drain(step) {
                        self.session().begin_drain();
                        self.session().wait_drained(|| self.is_leaving());
                    }
                    if is_shared(step) && !is_in_doubt(step) {
                        self.session().end_drain();
                        self.wake_lost();
                    }
                    if !self.is_leaving() {
                        if step != Step::Probe {
                            self.step_begun(step);
                        }
                        self.take(step);
                    }
                }
            }
        }
        self.say_farewell();
    }

    /// Sleeps until `news` holds of the next step, at most some more than `ms` milliseconds: not all clients come at once.
    pub(in crate::client) fn nap(&self, ms: u32, mut news: impl FnMut(Step) -> bool) {
        let ms = backoff::jitter(ms, random_u64() as u32);
        self.manager
            .news
            .wait_idle_timeout(msecs_to_jiffies(ms).max(1), || {
                self.is_leaving() || news(self.manager.step())
            });
    }

    /// Takes one step and tells the machine how it went.
    fn take(self: &Arc<Self>, step: Step) {
        let flags = if self.manager.established.load(Relaxed) {
            Flags::Once
        } else {
            Flags::Mount
        };
        match step {
            Step::Idle | Step::Wait(_) => {}
            Step::Probe => self.probe(),
            Step::PurgeState => {
                self.new_instance();
                self.tell(Event::Done(step));
            }
            Step::ExchangeId => match self.exchange_id(flags) {
                Ok(Ok((confirmed, scope_changed))) => {
                    self.tell(Event::ClientId {
                        confirmed,
                        scope_changed,
                    });
                }
                Ok(Err(status)) => self.step_failed(step, Ok(status)),
                Err(err) => self.step_failed(step, Err(err)),
            },
            Step::DestroySession => self.taken(step, self.destroy_session(flags)),
            Step::CreateSession => {
                let res = self.create_session(flags);
                if matches!(res, Ok(Ok(()))) {
                    self.manager.established.store(true, Relaxed);
                    self.lease.lock().renewed(now_ms());
                    self.watch_connection();
                    self.dial(true);
                }
                self.taken(step, res);
            }
            Step::BindConn => {
                self.dial(true);
                self.taken(step, self.bind_conn());
            }
            Step::CheckLease => self.taken(step, self.check_lease()),
            Step::ReclaimReboot => self.reclaim_reboot(),
            Step::ReclaimComplete => {
                self.taken(step, self.reclaim_complete());
                self.manager.grace_over();
            }
            Step::ReclaimNograce => self.reclaim_nograce(),
        }
    }

    fn taken(&self, step: Step, res: Answer) {
        match res {
            Ok(Ok(())) => self.tell(Event::Done(step)),
            Ok(Err(status)) => self.step_failed(step, Ok(status)),
            Err(err) => self.step_failed(step, Err(err)),
        }
    }

    fn step_failed(&self, step: Step, why: Result<Status>) {
        let (failure, err) = match why {
            Ok(status) => (Failure::Status(status), status_error(status)),
            Err(err) if err == EBADMSG => (Failure::Malformed, EIO),
            Err(err) => (Failure::NoReply, err),
        };
        if connection_lost(err) {
            self.disconnected();
        }
        self.tell(Event::Failed(step, failure));
        if self.manager.established.load(Relaxed) || self.is_leaving() {
            return;
        }
        // Nobody relies on the client yet: the mount that waits for it is told.
        let refused = self.manager.machine.lock().refused().is_some();
        if refused || failure == Failure::NoReply {
            self.session().close(err);
        }
    }

    /// Takes leave of the server, which may be unreachable: then nothing is lost but the rest of a lease.
    fn say_farewell(self: &Arc<Self>) {
        if !self.manager.established.load(Relaxed) {
            return;
        }
        let _: Answer = self.destroy_session(Flags::Mount);
        for _ in 0..10 {
            match self.destroy_clientid(Flags::Mount) {
                Ok(Err(status))
                    if decide(status, OpClass::DestroyClientid, StateKind::None)
                        == Action::Delay =>
                {
                    self.manager
                        .news
                        .wait_idle_timeout(msecs_to_jiffies(100), || false);
                }
                _ => return,
            }
        }
    }

    /// Nobody uses the client any more.
    pub(in crate::client) fn leave(&self) {
        self.manager.leaving.store(true, Relaxed);
    }

    /// Ends the state manager, every call and the renewal. Runs on the module's queue.
    pub(in crate::client) fn tear_down(self: &Arc<Self>) {
        self.withdraw();
        self.session().close(ESHUTDOWN);
        self.manager.news.wake_all();
        // There is none if it could not be started.
        let thread = self.manager.thread.lock().take();
        let stopped = || thread.is_none() || self.manager.stopped.load(Relaxed);
        let mut patience = msecs_to_jiffies(FAREWELL_MS);
        while self.manager.farewell.wait_idle_timeout(patience, stopped) != Waited::True {
            self.kill_own_calls();
            patience = msecs_to_jiffies(200);
        }
        drop(thread);
        self.kill_own_calls();
        self.wait_calls_done();
        self.stop_renewal();
        // What it has begun just now.
        self.wait_calls_done();
        self.registry().left();
    }
}
