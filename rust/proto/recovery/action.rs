// SPDX-License-Identifier: GPL-2.0

//! The words of the [table](super::table): kinds of operation and of state, and what can be done.

/// The kinds of operation that differ in what an error means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum OpClass {
    /// A lone SEQUENCE: renewal of the lease, check of the lease, probe of a slot.
    Sequence,
    /// Operations without a stateid: names, attributes, handles.
    Plain,
    /// OPEN on behalf of a program.
    Open,
    /// OPEN with CLAIM_PREVIOUS, by the state manager after the server's restart.
    OpenReclaim,
    /// OPEN with CLAIM_FH, by the state manager, of what is lost on the server.
    OpenExpired,
    /// CLOSE and OPEN_DOWNGRADE.
    Close,
    /// READ and WRITE, and others that transfer or move data by the right of a stateid.
    Io,
    /// COMMIT.
    Commit,
    /// SETATTR with a stateid.
    Setattr,
    /// LOCK on behalf of a program.
    Lock,
    /// LOCK with `reclaim`, by the state manager after the server's restart.
    LockReclaim,
    /// LOCK by the state manager, of what is lost on the server.
    LockExpired,
    /// LOCKT.
    Lockt,
    /// LOCKU.
    Locku,
    /// TEST_STATEID as a whole; for what it says of each stateid see [`Tested`].
    TestStateid,
    /// FREE_STATEID.
    FreeStateid,
    /// DELEGRETURN.
    Delegreturn,
    /// EXCHANGE_ID.
    ExchangeId,
    /// CREATE_SESSION.
    CreateSession,
    /// DESTROY_SESSION.
    DestroySession,
    /// DESTROY_CLIENTID.
    DestroyClientid,
    /// BIND_CONN_TO_SESSION.
    BindConn,
    /// RECLAIM_COMPLETE.
    ReclaimComplete,
}

impl OpClass {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::Sequence,
        Self::Plain,
        Self::Open,
        Self::OpenReclaim,
        Self::OpenExpired,
        Self::Close,
        Self::Io,
        Self::Commit,
        Self::Setattr,
        Self::Lock,
        Self::LockReclaim,
        Self::LockExpired,
        Self::Lockt,
        Self::Locku,
        Self::TestStateid,
        Self::FreeStateid,
        Self::Delegreturn,
        Self::ExchangeId,
        Self::CreateSession,
        Self::DestroySession,
        Self::DestroyClientid,
        Self::BindConn,
        Self::ReclaimComplete,
    ];

    pub(super) const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The name, for who wants to see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sequence => "sequence",
            Self::Plain => "plain",
            Self::Open => "open",
            Self::OpenReclaim => "open-reclaim",
            Self::OpenExpired => "open-reopen",
            Self::Close => "close",
            Self::Io => "io",
            Self::Commit => "commit",
            Self::Setattr => "setattr",
            Self::Lock => "lock",
            Self::LockReclaim => "lock-reclaim",
            Self::LockExpired => "lock-retake",
            Self::Lockt => "lockt",
            Self::Locku => "locku",
            Self::TestStateid => "test-stateid",
            Self::FreeStateid => "free-stateid",
            Self::Delegreturn => "delegreturn",
            Self::ExchangeId => "exchange-id",
            Self::CreateSession => "create-session",
            Self::DestroySession => "destroy-session",
            Self::DestroyClientid => "destroy-clientid",
            Self::BindConn => "bind-conn-to-session",
            Self::ReclaimComplete => "reclaim-complete",
        }
    }

    /// Sent by the state manager about one state, which has a mark that stays until it is dealt with.
    pub const fn is_reclaim(self) -> bool {
        matches!(
            self,
            Self::OpenReclaim | Self::OpenExpired | Self::LockReclaim | Self::LockExpired
        )
    }
}

/// Whose stateid the operation used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum StateKind {
    /// Nobody's: none, or a special one.
    None,
    /// An open's.
    Open,
    /// A lock owner's.
    Lock,
    /// A delegation's.
    Delegation,
}

impl StateKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Open, Self::Lock, Self::Delegation];

    pub(super) const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What the state manager is needed for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Need {
    /// Look whether the lease and the session are alive.
    Lease,
    /// A new session for this client id.
    Session,
    /// This connection bound to the session.
    BindConn,
    /// A new client id: the server has forgotten this one, most likely in a restart. All state is to be
    /// reclaimed.
    NewClient,
    /// A new client id: the server has given up this one's lease. All state is to be tested and
    /// opened anew where it is gone.
    Expired,
    /// A new client id of a new instance of this client, because nothing else helps.
    Purge,
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Counts as success: the aim is reached.
    Done,
    /// The caller gets [`Status::errno`](crate::status::Status::errno). From a step of the state manager: there is no point in
    /// hurrying; a mount fails with this, later the step is tried again with the longest back-off.
    Fail,
    /// Again, at once the first time.
    Retry,
    /// Back off, then again.
    Delay,
    /// As [`Action::Delay`], but not for ever (some seconds); then [`Action::Fail`], for a reclaim
    /// [`Action::BadContext`] or [`Action::LostLock`].
    DelayThenFail,
    /// Let the state manager do this. A program's call waits for it, then goes again; a pass over the
    /// states is broken off and taken up again, and all marks stay as they are.
    Recover(Need),
    /// The stateid is out of date: again with the present one.
    Refresh,
    /// If the state has another stateid by now: again with that. Otherwise mark the state to be tested and
    /// opened anew where it is gone, wait for the state manager, then again.
    State,
    /// As [`Action::State`], but testing would not show it: open anew at once.
    Reopen,
    /// The state is gone and its stateid is to be freed by FREE_STATEID; counts as success.
    Free,
    /// Reclaim: this state cannot be reclaimed; it is to be opened anew. Go on with the next.
    Nograce,
    /// Reclaim: nothing can be reclaimed any more. All that is not yet is to be opened anew; the pass
    /// is over.
    EndReboot,
    /// Reclaim: this open is lost for good; its contexts get `NFS_CONTEXT_BAD`. Go on with the next.
    BadContext,
    /// Reclaim: this lock is lost. Go on with the next.
    LostLock,
    /// Reclaim: send fewer in one COMPOUND; one alone: as [`Action::Fail`] for its kind.
    Split,
}

/// What TEST_STATEID says of one stateid.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tested {
    /// The server has the state: nothing to do.
    Good,
    /// The server has no such state, or a later version of it: open anew.
    Gone,
    /// The server has taken the state away, and keeps that in mind until FREE_STATEID: send that, and
    /// open anew.
    Revoked,
}
