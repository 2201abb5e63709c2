// SPDX-License-Identifier: GPL-2.0

//! CLOSE and OPEN_DOWNGRADE: telling the server what is no longer needed.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::{
    attrs::{
        request,
        Attrs, //
    },
    compound::Ops,
    ops::{
        attr::Getattr,
        fh::Putfh,
        state::{
            Close,
            FreeStateid,
            OpenDowngrade, //
        },
    },
    recovery::{
        backoff::Backoff,
        table::{
            decide,
            Action,
            OpClass,
            StateKind, //
        },
    },
    status::Status,
    types::{
        Fh,
        ShareAccess,
        Stateid, //
    },
};

use super::{
    lock::FreeBody,
    open_state::{
        Access,
        OpenState,
        Reduction, //
    },
};
use crate::{
    client::{
        call::exchange::Body,
        server::Server, //
    },
    sys::wait::msleep_killable,
};

/// How often CLOSE is tried with a newer stateid while other opens of the file come and go.
const MAX_TRIES: u32 = 12;

/// What one try to tell the server brought.
enum Told {
    /// The state has changed meanwhile: one has to look again what there is to tell.
    Again,
    /// It has heard, or cannot be told; the file's attributes, if they came along.
    Over(Option<Attrs>),
}

impl Told {
    /// What it means that there is no answer. The arguments may have been out of date; but who has lost patience with the server is not to
    /// wait as long once more.
    fn unanswered(err: Error) -> Self {
        if err == EAGAIN {
            Self::Again
        } else {
            Self::Over(None)
        }
    }
}

/// How a try is made.
#[derive(Clone, Copy)]
struct Try {
    /// Ask for the attributes that close-to-open consistency wants. They come before CLOSE, and whoever may not see them may still close.
    attrs: bool,
    /// Whatever the server's stateid is by now: an OPEN may have gone well whose reply will never come.
    any: bool,
}

/// CLOSE. It goes on by itself if who has closed the file is killed.
struct CloseBody {
    server: Arc<Server>,
    state: Arc<OpenState>,
    how: Try,
    sent: Stateid,
    told: Told,
    attrs_refused: bool,
    /// The server has revoked the stateid, and keeps that in mind until it is freed.
    revoked: bool,
}

type CloseOps = (Putfh<Fh>, Option<Getattr>, Close);

impl Body for CloseBody {
    type Ops = CloseOps;

    fn class(&self) -> OpClass {
        OpClass::Close
    }

    fn needs(&self) -> Option<&Arc<OpenState>> {
        Some(&self.state)
    }

    fn refresh(&mut self, ops: &mut CloseOps) -> Result {
        // Recovery may have been here since the arguments were made.
        match self.state.reduction() {
            Reduction::Close(stateid) => {
                self.sent = stateid;
                ops.2 = Close(match self.how.any {
                    true => stateid.of_any_seqid(),
                    false => stateid,
                });
                Ok(())
            }
            _ => Err(EAGAIN),
        }
    }

    fn finish(&mut self, res: Result<<CloseOps as Ops>::Res>) {
        self.told = match res {
            Err(err) => Told::unanswered(err),
            Ok((Ok(()), Some(Err(_)), _)) => {
                self.attrs_refused = true;
                Told::Again
            }
            Ok((_, _, Err(Status::OLD_STATEID))) => Told::Again,
            Ok((_, attrs, close)) => {
                self.revoked = close.is_err_and(|status| {
                    decide(status, OpClass::Close, StateKind::Open) == Action::Free
                });
                self.state
                    .reduced(&self.sent, Stateid::ANONYMOUS, Access::NONE);
                Told::Over(attrs.and_then(core::result::Result::ok))
            }
        };
    }
}

impl Drop for CloseBody {
    fn drop(&mut self) {
        if self.revoked {
            // Here one may sleep. If that fails, the lease will end it.
            let how = self.server.how(self.state.owner().cred());
            let client = self.server.client();
            let _ = client.start(how, (FreeStateid(self.sent),), FreeBody);
        }
    }
}

/// OPEN_DOWNGRADE.
struct DowngradeBody<'a> {
    state: &'a Arc<OpenState>,
    sent: Stateid,
    access: Access,
    told: Told,
}

impl Body for DowngradeBody<'_> {
    type Ops = (Putfh<Fh>, OpenDowngrade);

    fn class(&self) -> OpClass {
        OpClass::Close
    }

    fn needs(&self) -> Option<&Arc<OpenState>> {
        Some(self.state)
    }

    fn refresh(&mut self, ops: &mut Self::Ops) -> Result {
        match self.state.reduction() {
            Reduction::Downgrade(stateid, access) => {
                self.sent = stateid;
                self.access = access;
                ops.1.stateid = stateid;
                ops.1.access = ShareAccess(access.0);
                Ok(())
            }
            _ => Err(EAGAIN),
        }
    }

    fn finish(&mut self, res: Result<<Self::Ops as Ops>::Res>) {
        self.told = match res {
            Err(err) => Told::unanswered(err),
            Ok((_, Err(Status::OLD_STATEID))) => Told::Again,
            Ok((_, Ok(stateid))) => {
                self.state.reduced(&self.sent, stateid, self.access);
                Told::Over(None)
            }
            // The server keeps more open than we need: that does no harm, and CLOSE will come.
            Ok((_, Err(_))) => {
                self.state.reduced(&self.sent, self.sent, self.access);
                Told::Over(None)
            }
        };
    }
}

impl Server {
    /// A context of `state` is gone: closes or downgrades what the server has open. Returns the file's attributes if CLOSE
    /// brought them. `access` is `None` where the server has been told before. Bounded; killable.
    pub(in crate::client) fn close(
        self: &Arc<Self>,
        state: &Arc<OpenState>,
        access: Option<Access>,
    ) -> Option<Attrs> {
        if access == Some(Access::READ) && self.keep(state) {
            return None;
        }
        state.uncount(access);
        let attrs = self.reduce(state);
        self.closed(state);
        attrs
    }

    /// A context, or what stood for one, has gone.
    pub(super) fn closed(&self, state: &Arc<OpenState>) {
        state.owner().put_state(state);
        self.context_end();
    }

    /// Tells the server what is no longer needed. Bounded; killable.
    pub(super) fn reduce(self: &Arc<Self>, state: &Arc<OpenState>) -> Option<Attrs> {
        let mut backoff = Backoff::default();
        let mut how = Try {
            attrs: true,
            any: false,
        };
        for n in 1..=MAX_TRIES {
            how.any = n == MAX_TRIES;
            let told = match state.reduction() {
                Reduction::None => return None,
                Reduction::Close(stateid) => self.send_close(state, stateid, &mut how),
                Reduction::Downgrade(stateid, access) => {
                    self.send_downgrade(state, stateid, access)
                }
            };
            match told {
                Told::Over(attrs) => return attrs,
                Told::Again if self.force().is_doomed() => return None,
                Told::Again => msleep_killable(backoff.failed()).ok()?,
            }
        }
        None
    }

    fn send_close(
        self: &Arc<Self>,
        state: &Arc<OpenState>,
        stateid: Stateid,
        how: &mut Try,
    ) -> Told {
        let ops = (
            Putfh(*state.fh()),
            how.attrs.then_some(Getattr(request::INODE)),
            Close(stateid),
        );
        let body = CloseBody {
            server: self.clone(),
            state: state.clone(),
            how: *how,
            sent: stateid,
            told: Told::Over(None),
            attrs_refused: false,
            revoked: false,
        };
        let called = self.how(state.owner().cred());
        let Ok(started) = self.client().start(called, ops, body) else {
            // No memory: it has not been sent.
            return Told::Again;
        };
        let Ok(mut ended) = started.wait() else {
            return Told::Over(None);
        };
        let body = ended.body_mut();
        how.attrs &= !body.attrs_refused;
        core::mem::replace(&mut body.told, Told::Over(None))
    }

    fn send_downgrade(&self, state: &Arc<OpenState>, stateid: Stateid, access: Access) -> Told {
        let ops = (
            Putfh(*state.fh()),
            OpenDowngrade {
                stateid,
                access: ShareAccess(access.0),
                deny: 0,
            },
        );
        let mut body = DowngradeBody {
            state,
            sent: stateid,
            access,
            told: Told::Over(None),
        };
        self.client()
            .call_body(self.how(state.owner().cred()), ops, &mut body);
        body.told
    }
}
