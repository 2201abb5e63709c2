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

/// What one try to tell the server brought: `None` if the state has changed meanwhile, so that one has to look again what there
/// is to tell; else the file's attributes, if they came along.
type Told = Option<Option<Attrs>>;

/// CLOSE, with the attributes that close-to-open consistency wants.
struct CloseBody<'a> {
    state: &'a Arc<OpenState>,
    sent: Stateid,
    told: Told,
    /// The server has revoked the stateid, and keeps that in mind until it is freed.
    revoked: bool,
}

impl Body for CloseBody<'_> {
    type Ops = (Putfh<Fh>, Getattr, Close);

    fn class(&self) -> OpClass {
        OpClass::Close
    }

    fn needs(&self) -> Option<&Arc<OpenState>> {
        Some(self.state)
    }

    fn refresh(&mut self, ops: &mut Self::Ops) -> Result {
        // Recovery may have been here since the arguments were made.
        match self.state.reduction() {
            Reduction::Close(stateid) => {
                self.sent = stateid;
                ops.2 = Close(stateid);
                Ok(())
            }
            _ => Err(EAGAIN),
        }
    }

    fn finish(&mut self, res: Result<<Self::Ops as Ops>::Res>) {
        self.told = match res {
            Err(_) => None,
            // The error of GETATTR stops the compound before CLOSE; whoever may not see attributes may still close.
            Ok((_, _, Err(Status::OLD_STATEID))) => None,
            Ok((_, attrs, close)) => {
                self.revoked = close.is_err_and(|status| {
                    decide(status, OpClass::Close, StateKind::Open) == Action::Free
                });
                self.state
                    .reduced(&self.sent, Stateid::ANONYMOUS, Access::NONE);
                Some(attrs.ok())
            }
        };
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
            Err(_) | Ok((_, Err(Status::OLD_STATEID))) => None,
            Ok((_, Ok(stateid))) => {
                self.state.reduced(&self.sent, stateid, self.access);
                Some(None)
            }
            // The server keeps more open than we need: that does no harm, and CLOSE will come.
            Ok((_, Err(_))) => {
                self.state.reduced(&self.sent, self.sent, self.access);
                Some(None)
            }
        };
    }
}

impl Server {
    /// A context of `state` is gone: closes or downgrades what the server has open. Returns the file's attributes if CLOSE
    /// brought them. `access` is `None` where the server has been told before. Bounded; killable.
    pub(in crate::client) fn close(
        &self,
        state: &Arc<OpenState>,
        access: Option<Access>,
    ) -> Option<Attrs> {
        state.uncount(access);
        let attrs = self.reduce(state);
        state.owner().put_state(state);
        self.context_end();
        attrs
    }

    fn reduce(&self, state: &Arc<OpenState>) -> Option<Attrs> {
        let mut backoff = Backoff::default();
        for _ in 0..MAX_TRIES {
            let told = match state.reduction() {
                Reduction::None => return None,
                Reduction::Close(stateid) => self.send_close(state, stateid),
                Reduction::Downgrade(stateid, access) => {
                    self.send_downgrade(state, stateid, access)
                }
            };
            match told {
                Some(attrs) => return attrs,
                None if self.force().is_doomed() => return None,
                None => msleep_killable(backoff.failed()).ok()?,
            }
        }
        None
    }

    fn send_close(&self, state: &Arc<OpenState>, stateid: Stateid) -> Told {
        let ops = (Putfh(*state.fh()), Getattr(request::INODE), Close(stateid));
        let mut body = CloseBody {
            state,
            sent: stateid,
            told: None,
            revoked: false,
        };
        let how = self.how(state.owner().cred());
        self.client().call_body(how, ops, &mut body);
        if body.revoked {
            // If that fails, the lease will end it.
            let _ = self
                .client()
                .start(how, (FreeStateid(body.sent),), FreeBody);
        }
        body.told
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
            told: None,
        };
        self.client()
            .call_body(self.how(state.owner().cred()), ops, &mut body);
        body.told
    }
}
