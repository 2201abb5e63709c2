// SPDX-License-Identifier: GPL-2.0

//! The connection: who notices that it broke, who makes it again, who waits for that.
//!
//! sunrpc connects when a call is to be sent, and sleeps for seconds when it is refused; a client that has nothing to send notices
//! nothing at all (W5: the C client sleeps through a restart). Here an RPC task that is never sent, the [`Watch`], sleeps where a
//! disconnect wakes it. The state manager then tries to connect until the server answers ([`Client::probe`]) and checks the lease;
//! calls whose connection broke sleep meanwhile, with their slots, and are sent again after that. A connection whose other end has
//! died without a word is found out by TCP's keepalive.
//!
//! With `nconnect=` there are more connections. All of that is about the first; the others are there for the mounts' calls, which take
//! them in turn. They are connected, and bound to the session, by a [`Dial`]; a call that finds its connection broken takes the first.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    },
    time::{
        msecs_to_jiffies,
        Jiffies, //
    },
};
use rnfs4_proto::{
    compound::Ops,
    ops::session::{
        BindConnToSession,
        BindDir, //
    },
    recovery::machine::{
        Event,
        Failure,
        Step, //
    },
    xdr::XdrResult, //
};

use super::session::{
    Slot,
    Unparked, //
};
use crate::{
    client::nfs_client::Client,
    sys::{
        sunrpc::{
            program::Proc,
            Connection,
            Decoder,
            Encoder,
            Flags,
            Message,
            Room,
            RpcCall,
            RpcClnt,
            RpcWaitQueue,
            Task,
            Timeout, //
        },
        time::now_ms,
    },
};

/// How long a ping waits for an answer, in milliseconds.
const PING_MS: u32 = 1000;
/// Bounds of the time that an answer is waited for without which nothing goes on, in milliseconds. Then the connection is taken for
/// bad: a lost answer never comes, nor does any on a connection on which half a message came, and nobody else sends anything that
/// would show it. A third of the lease, so that what is to be reclaimed is while there is time.
const ANSWER_MS: (u32, u32) = (10_000, 30_000);
/// How long the server is gone before the administrator is told, in milliseconds.
const TELL_MS: u64 = 10_000;
/// Bounds of the time that TCP is given to get through to the server, in milliseconds: what is dead longer than this is connected
/// anew. sunrpc knows nothing below three seconds.
const DEAD_MS: (u32, u32) = (3000, 10_000);

/// What the client knows of its connection.
#[pin_data]
pub(crate) struct Link {
    /// For pings: on the same connection, with little patience.
    pings: RpcClnt,
    /// For single calls of the client's own: with more patience, but not for ever.
    own: RpcClnt,
    /// The connection that is watched.
    #[pin]
    watched: SpinLock<Option<Connection>>,
    /// Calls whose connection broke.
    #[pin]
    lost: RpcWaitQueue,
    /// When the connection was lost, in milliseconds since boot; 0 while it stands. Only the state manager's thread uses this
    /// and the next.
    lost_ms: Atomic<u64>,
    /// The administrator knows.
    told: Atomic<bool>,
}

impl Link {
    /// The connection of `rpc`, which need not be there yet. May sleep.
    pub(in crate::client) fn new(rpc: &RpcClnt) -> Result<impl PinInit<Self>> {
        let pings = rpc.impatient(msecs_to_jiffies(PING_MS))?;
        let own = rpc.impatient(msecs_to_jiffies(ANSWER_MS.1))?;
        Ok(pin_init!(Self {
            pings,
            own,
            watched <- new_spinlock!(None),
            lost <- RpcWaitQueue::new(c"rnfs4 connection"),
            lost_ms: Atomic::new(0),
            told: Atomic::new(false),
        }))
    }
}

/// An RPC task that sleeps until the connection breaks.
struct Watch {
    client: Arc<Client>,
    connection: Connection,
}

impl RpcCall for Watch {
    fn prepare(&mut self, task: &Task) {
        if self.client.is_leaving() || !task.sleep_while_connected(self.connection) {
            task.exit(ENOTCONN);
        }
    }

    fn encode(&mut self, _xdr: &mut Encoder<'_>) -> XdrResult {
        // It is never sent.
        Ok(())
    }

    fn decode(&mut self, _xdr: &mut Decoder<'_>) -> Result {
        Err(EIO)
    }

    fn done(&mut self, _task: &Task) {
        self.client.watch_ended(self.connection);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.client.call_end();
    }
}

/// BIND_CONN_TO_SESSION on a connection other than the first, which it makes. What comes of it shows in the connection itself, and in
/// what the server says of calls that use it.
struct Dial {
    client: Arc<Client>,
    ops: (BindConnToSession,),
}

impl RpcCall for Dial {
    fn prepare(&mut self, task: &Task) {
        if self.client.is_leaving() {
            task.exit(ENOTCONN);
        } else {
            task.start_here();
        }
    }

    fn encode(&mut self, xdr: &mut Encoder<'_>) -> XdrResult {
        self.client.encode(&self.ops, None, xdr)
    }

    fn decode(&mut self, _xdr: &mut Decoder<'_>) -> Result {
        Ok(())
    }

    fn done(&mut self, _task: &Task) {}
}

impl Drop for Dial {
    fn drop(&mut self) {
        self.client.call_end();
    }
}

impl Client {
    /// What the client's own calls are made with where all waits for their answer. Those that it makes many of at a time, and that
    /// a server may be long about, are not such.
    pub(in crate::client) fn own_rpc(&self) -> &RpcClnt {
        &self.link.own
    }

    /// What a mount makes its calls with; the statistics of the client's own are part of its own. May sleep.
    pub(in crate::client) fn mount_rpc(&self, timeout: Timeout) -> Result<RpcClnt> {
        self.link.own.on_same_connection(timeout)
    }

    /// Ends the client's own calls, as a signal does.
    pub(in crate::client) fn kill_own_calls(&self) {
        self.rpc().killall_tasks();
        self.link.own.killall_tasks();
    }

    /// A call ended with `err` and without an answer: where that was because of the time, the connection is given up. Any context.
    pub(in crate::client) fn gave_up(&self, err: Error) {
        if err == ETIMEDOUT {
            self.rpc().disconnect();
        }
    }

    /// Connects the other connections where they do not stand, and has the session know them; with `all`, also those that stand. Does not
    /// wait for that. May sleep to allocate.
    pub(in crate::client) fn dial(self: &Arc<Self>, all: bool) {
        if self.nconnect() < 2 || self.is_leaving() {
            return;
        }
        let sessionid = self.session().id();
        self.rpc().for_each_other_transport(|transport| {
            if !all && transport.is_connected() {
                return;
            }
            let dir = BindDir::Fore;
            let ops = (BindConnToSession { sessionid, dir },);
            let msg = Message {
                cred: self.cred(),
                proc: Proc::of(ops.main_op()),
                args_max: Ops::args_max(&ops),
                res_max: Ops::res_max(&ops),
                flags: Flags::Mount,
            };
            // What cannot be started now is tried with the next renewal.
            let _ = Room::new().and_then(|room| {
                self.call_begin();
                let dial = Dial {
                    client: self.clone(),
                    ops,
                };
                room.detached(&msg, dial).start_on(
                    &self.link.pings,
                    Some(transport),
                    &msg,
                    self.registry().queue(),
                )
            });
        });
    }

    /// Watches the connection that there is now. May sleep to allocate.
    pub(in crate::client) fn watch_connection(self: &Arc<Self>) {
        let Some(connection) = self.rpc().connection() else {
            return self.disconnected();
        };
        if self.link.watched.lock().replace(connection) == Some(connection) {
            return;
        }
        let msg = Message {
            cred: self.cred(),
            proc: Proc::Sequence,
            args_max: 0,
            res_max: 0,
            flags: Flags::Once,
        };
        let started = Room::new().and_then(|room| {
            self.call_begin();
            let watch = Watch {
                client: self.clone(),
                connection,
            };
            room.detached(&msg, watch)
                .start(self.rpc(), &msg, self.registry().queue())
        });
        if started.is_err() {
            // Then the next call finds out, at the latest the next renewal.
            *self.link.watched.lock() = None;
        }
    }

    fn watch_ended(&self, connection: Connection) {
        let news = {
            let mut watched = self.link.watched.lock();
            let news = *watched == Some(connection);
            if news {
                *watched = None;
            }
            news
        };
        if news {
            self.disconnected();
        }
    }

    /// Has the watch look whether it is still wanted. sunrpc does not know of tasks that were never started, so this is how it
    /// ends when the client goes.
    pub(in crate::client) fn wake_watch(&self) {
        self.rpc().wake_pending();
    }

    /// Tries to connect, for a second at most. May sleep.
    pub(in crate::client) fn probe(self: &Arc<Self>) {
        let answer = match self.rpc().connection() {
            Some(_) => Ok(()),
            None => self.link.pings.ping(),
        };
        if self.rpc().connection().is_some() {
            self.watch_connection();
            self.dial(false);
            self.tell_connected();
            return self.tell(Event::Done(Step::Probe));
        }
        // A ping that was refused leaves nothing behind.
        let silent = answer.is_err_and(|err| err == ETIMEDOUT || err == EIO);
        if silent && self.manager.connects_anew() {
            self.rpc().disconnect();
        }
        self.tell_disconnected();
        self.tell(Event::Failed(Step::Probe, Failure::NoReply));
    }

    fn tell_connected(&self) {
        self.link.lost_ms.store(0, Relaxed);
        if self.link.told.load(Relaxed) {
            self.link.told.store(false, Relaxed);
            pr_notice!("server {} OK\n", self.name());
        }
    }

    fn tell_disconnected(&self) {
        let now = now_ms();
        match self.link.lost_ms.load(Relaxed) {
            0 => self.link.lost_ms.store(now, Relaxed),
            since if now.saturating_sub(since) > TELL_MS && !self.link.told.load(Relaxed) => {
                self.link.told.store(true, Relaxed);
                pr_notice!("server {} not responding, still trying\n", self.name());
            }
            _ => {}
        }
    }

    /// How long the client's own calls wait for an answer depends on the lease. Any context.
    pub(in crate::client) fn set_answer_timeout(&self, lease_s: u32) {
        let answer = lease_s
            .saturating_mul(1000 / 3)
            .clamp(ANSWER_MS.0, ANSWER_MS.1);
        self.link.own.set_patience(msecs_to_jiffies(answer));
    }

    /// TCP is to find out soon when the server is dead, but not because of a few lost packets.
    pub(in crate::client) fn set_dead_timeout(&self, lease_s: u32) {
        let dead = lease_s.saturating_mul(1000 / 9).clamp(DEAD_MS.0, DEAD_MS.1);
        self.rpc()
            .set_connect_timeout(msecs_to_jiffies(dead), msecs_to_jiffies(DEAD_MS.0));
    }

    /// Puts a call whose connection broke, and whose callback is running, to sleep until there is another and the server still
    /// knows the session. False if that is so already.
    pub(in crate::client) fn sleep_until_connected(
        &self,
        task: &Task,
        at_most: Option<Jiffies>,
    ) -> bool {
        // The waker changes the machine first, under this lock: he cannot come in between.
        self.manager
            .unless_fit_to_resend(|| self.link.lost.sleep(task, false, at_most))
    }

    /// There is a connection, and the session is not being recovered: a call that is made now gets an answer.
    pub(in crate::client) fn is_fit(&self) -> bool {
        !self.manager.unless_fit_to_resend(|| {}) && !self.session().is_draining()
    }

    /// See [`Session::unpark`](super::session::Session::unpark).
    pub(in crate::client) fn unpark(
        &self,
        slot: &mut Slot,
        task: &Task,
        at_most: Option<Jiffies>,
    ) -> Unparked {
        self.session().unpark(slot, task, &self.link.lost, at_most)
    }

    /// Lets the calls whose connection broke go on.
    pub(in crate::client) fn wake_lost(&self) {
        self.link.lost.wake_all();
    }
}
