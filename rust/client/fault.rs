// SPDX-License-Identifier: GPL-2.0

//! Faults on demand: a client's rules ([`rnfs4_proto::fault`]) and what they do to its requests.
//!
//! Where no rule is armed, a request costs one look at a flag.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        SpinLock, //
    }, //
};
use rnfs4_proto::{
    compound::{
        Cut,
        Ops, //
    },
    fault::{
        Fault,
        Faults,
        LineError, //
    },
    recovery::table::OpClass,
    status::Errno,
};

use crate::sys::time::random_u64;

/// What is to go wrong with one request.
#[derive(Clone, Copy)]
pub(super) enum Plan {
    /// Nobody has looked yet.
    Undecided,
    /// Nothing.
    None,
    /// It is sent in part; with nothing left to send, not at all.
    Cut(Cut),
    /// It is sent, and its reply is lost, with this error.
    Lost(Error),
    /// It is sent, and its reply makes no sense.
    Garbage,
}

impl Plan {
    /// The part that is sent.
    pub(super) fn cut(self) -> Option<Cut> {
        match self {
            Self::Cut(cut) => Some(cut),
            _ => None,
        }
    }

    /// The same, if nothing is sent.
    pub(super) fn unsent(self) -> Option<Cut> {
        self.cut().filter(|cut| cut.at == 0)
    }

    /// The plan for the same request when it is sent again with the same sequence id: what the server may have seen of it must
    /// not change, and its reply is lost once only.
    pub(super) fn again(self) -> Self {
        match self {
            Self::Cut(cut) if cut.at > 0 => self,
            Self::Cut(_) | Self::Undecided => Self::Undecided,
            Self::None | Self::Lost(_) | Self::Garbage => Self::None,
        }
    }
}

/// A client's rules.
#[pin_data]
pub(super) struct FaultPoint {
    /// Some rule may strike.
    armed: Atomic<bool>,
    /// Innermost, as those of the observer.
    #[pin]
    rules: SpinLock<Faults>,
}

impl FaultPoint {
    /// No rules.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            armed: Atomic::new(false),
            rules <- new_spinlock!(Faults::new()),
        })
    }

    /// A copy of the rules, for who wants to see.
    pub(super) fn look(&self) -> Faults {
        self.rules.lock().clone()
    }

    /// Takes lines of text. `EINVAL` for what is no rule, `ENOSPC` when there are too many.
    pub(super) fn command(&self, text: &[u8]) -> Result {
        let mut rules = self.rules.lock();
        let res = rules.command(text);
        self.armed.store(rules.is_armed(), Relaxed);
        res.map_err(|err| match err {
            LineError::Invalid => EINVAL,
            LineError::Full => ENOSPC,
        })
    }

    /// What is to go wrong with the request `ops`. Any context.
    pub(super) fn plan<O: Ops>(&self, class: OpClass, ops: &O) -> Plan {
        if self.armed.load(Relaxed) {
            self.strike(class, ops)
        } else {
            Plan::None
        }
    }

    #[cold]
    fn strike<O: Ops>(&self, class: OpClass, ops: &O) -> Plan {
        let mut rules = self.rules.lock();
        let mut at = 0;
        let mut fault = None;
        ops.each_op(&mut |op| {
            fault = rules.strike(class, op, random_u64() as u32);
            at += u32::from(fault.is_none());
            fault.is_none()
        });
        self.armed.store(rules.is_armed(), Relaxed);
        match fault {
            None => Plan::None,
            Some(Fault::Status(status)) => Plan::Cut(Cut { at, status }),
            Some(Fault::Errno(Errno(errno))) => Plan::Lost(Error::from_errno(-errno)),
            Some(Fault::Garbage) => Plan::Garbage,
        }
    }
}
