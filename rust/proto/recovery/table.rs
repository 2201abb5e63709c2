// SPDX-License-Identifier: GPL-2.0

//! What an error means: status x operation x state -> [`Action`], as data.
//!
//! [`ROWS`] has each status of the protocol exactly once. The C client has this knowledge in the
//! switches of `nfs4_do_handle_exception()`, `nfs4_reclaim_open_state()`, `nfs4_reclaim_locks()`,
//! `nfs4_recovery_handle_error()`, `nfs4_handle_reclaim_lease_error()` and of each operation's done
//! function. Where the table differs from them on purpose, a comment at the row says why.
//!
//! An action never means "again at once, for ever": who repeats a call for [`Action::Retry`],
//! [`Action::Refresh`] or after any recovery waits before the second time on, ever longer
//! ([`Backoff`](super::backoff::Backoff)).

pub use super::action::{
    Action,
    Need,
    OpClass,
    StateKind,
    Tested, //
};
use crate::status::Status;

/// One line of a row: what holds for these operations with these states.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    classes: u32,
    states: u32,
    action: Action,
}

const fn on(classes: u32, action: Action) -> Rule {
    on_state(classes, u32::MAX, action)
}

const fn on_state(classes: u32, states: u32, action: Action) -> Rule {
    Rule {
        classes,
        states,
        action,
    }
}

const fn otherwise(action: Action) -> Rule {
    on(u32::MAX, action)
}

/// Statuses that mean the same everywhere. The first rule that fits, of `first` and then of `then`.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The statuses.
    pub statuses: &'static [Status],
    first: &'static [Rule],
    then: &'static [Rule],
}

const SEQUENCE: u32 = OpClass::Sequence.bit();
const OPEN: u32 = OpClass::Open.bit();
const OPEN_RECLAIM: u32 = OpClass::OpenReclaim.bit();
const OPEN_EXPIRED: u32 = OpClass::OpenExpired.bit();
const IO: u32 = OpClass::Io.bit();
const SETATTR: u32 = OpClass::Setattr.bit();
const LOCK: u32 = OpClass::Lock.bit();
const LOCK_RECLAIM: u32 = OpClass::LockReclaim.bit();
const LOCK_EXPIRED: u32 = OpClass::LockExpired.bit();
const TEST_STATEID: u32 = OpClass::TestStateid.bit();
const FREE_STATEID: u32 = OpClass::FreeStateid.bit();
const EXCHANGE_ID: u32 = OpClass::ExchangeId.bit();
const CREATE_SESSION: u32 = OpClass::CreateSession.bit();
const DESTROY_SESSION: u32 = OpClass::DestroySession.bit();
const DESTROY_CLIENTID: u32 = OpClass::DestroyClientid.bit();
const BIND_CONN: u32 = OpClass::BindConn.bit();
const RECLAIM_COMPLETE: u32 = OpClass::ReclaimComplete.bit();

/// Operations that give state back.
const GIVE_BACK: u32 = OpClass::Close.bit() | OpClass::Locku.bit() | OpClass::Delegreturn.bit();
/// Operations of programs that use state.
const USE_STATE: u32 = OPEN | IO | SETATTR | LOCK;
/// Reclaims of one state each.
const RECLAIM: u32 = OPEN_RECLAIM | OPEN_EXPIRED | LOCK_RECLAIM | LOCK_EXPIRED;
/// Operations that make what all the others need.
const ESTABLISH: u32 = EXCHANGE_ID | CREATE_SESSION;
/// Operations that unmake it.
const DESTROY: u32 = DESTROY_SESSION | DESTROY_CLIENTID;

/// Some state is behind the call.
const ANY_STATE: u32 = StateKind::Open.bit() | StateKind::Lock.bit() | StateKind::Delegation.bit();
const DELEGATION: u32 = StateKind::Delegation.bit();

/// Errors that speak of the object, the arguments, the rights: no recovery helps.
///
/// The C client marks an open bad when the reclaim after a restart meets one of these. We give it a
/// second chance, the reopen: what a server refuses to reclaim it may well open.
const HARD: &[Rule] = &[
    on(OPEN_RECLAIM, Action::Nograce),
    on(OPEN_EXPIRED, Action::BadContext),
    on(LOCK_RECLAIM | LOCK_EXPIRED, Action::LostLock),
    // Nothing that is lost by not having been destroyed: its lease will run out.
    on(DESTROY | FREE_STATEID, Action::Done),
    // CREATE_SESSION makes a good session and binds the connection, too.
    on(SEQUENCE | BIND_CONN, Action::Recover(Need::Session)),
    otherwise(Action::Fail),
];

/// The session is not what we believe.
///
/// In the C client DEADSESSION, SEQ_FALSE_RETRY and SEQ_MISORDERED in the middle of a reclaim are
/// "unhandled" and mark the file bad; DEADSESSION and BADSESSION make it forget RECLAIM_COMPLETE.
const SESSION: &[Rule] = &[
    on(DESTROY, Action::Done),
    // These know no session: nonsense, but not the end of the mount.
    on(ESTABLISH, Action::Delay),
    otherwise(Action::Recover(Need::Session)),
];

/// The server has trouble of its own. A program is told; what is to be reclaimed is worth some tries.
const TROUBLE: &[Rule] = &[
    on(RECLAIM | TEST_STATEID, Action::DelayThenFail),
    on(
        ESTABLISH | RECLAIM_COMPLETE | SEQUENCE | BIND_CONN,
        Action::Delay,
    ),
    on(DESTROY | FREE_STATEID, Action::Done),
    otherwise(Action::Fail),
];

/// The server does not know this stateid (any more).
///
/// In the C client STALE_STATEID checks the lease, and where that is sound the call goes again at once
/// and for ever; and a reopen that meets one of these goes again at once, too. With sessions the
/// server's restart shows in the session: here it is this one state that is stale.
const UNKNOWN_STATEID: &[Rule] = &[
    on(GIVE_BACK | FREE_STATEID, Action::Done),
    on(OPEN_RECLAIM | LOCK_RECLAIM, Action::Nograce),
    on_state(USE_STATE, ANY_STATE, Action::State),
];

/// The server has taken this state away and remembers that it did.
const REVOKED: &[Rule] = &[
    on(GIVE_BACK, Action::Free),
    on(OPEN_RECLAIM | LOCK_RECLAIM, Action::Nograce),
    on_state(USE_STATE, ANY_STATE, Action::State),
];

const NONE: &[Rule] = &[];

/// All of it. A status is in exactly one row.
pub static ROWS: &[Row] = &[
    Row {
        statuses: &[
            Status::BADSESSION,
            Status::DEADSESSION,
            Status::BADSLOT,
            Status::BAD_HIGH_SLOT,
            Status::SEQ_FALSE_RETRY,
        ],
        first: NONE,
        then: SESSION,
    },
    Row {
        statuses: &[Status::SEQ_MISORDERED],
        // Server and client have lost count of this client id's sessions.
        first: &[on(CREATE_SESSION, Action::Recover(Need::Purge))],
        then: SESSION,
    },
    Row {
        statuses: &[Status::CONN_NOT_BOUND_TO_SESSION],
        first: &[
            on(DESTROY, Action::Done),
            on(ESTABLISH, Action::Delay),
            // To be told so in answer to a binding: only another session helps.
            on(BIND_CONN, Action::Recover(Need::Session)),
        ],
        then: &[otherwise(Action::Recover(Need::BindConn))],
    },
    Row {
        statuses: &[Status::RETRY_UNCACHED_REP],
        first: &[on(DESTROY, Action::Done)],
        then: &[otherwise(Action::Retry)],
    },
    Row {
        // During our own reclaim GRACE can only mean somebody else's.
        statuses: &[
            Status::DELAY,
            Status::GRACE,
            Status::LAYOUTTRYLATER,
            Status::RECALLCONFLICT,
            Status::RETURNCONFLICT,
        ],
        first: NONE,
        then: &[otherwise(Action::Delay)],
    },
    Row {
        statuses: &[Status::FILE_OPEN],
        first: &[
            on(DESTROY, Action::Done),
            on(
                ESTABLISH | SEQUENCE | BIND_CONN | RECLAIM_COMPLETE,
                Action::Delay,
            ),
        ],
        then: &[otherwise(Action::DelayThenFail)],
    },
    Row {
        statuses: &[Status::SERVERFAULT, Status::IO, Status::RESOURCE],
        first: NONE,
        then: TROUBLE,
    },
    Row {
        statuses: &[Status::STALE_CLIENTID],
        first: &[
            on(DESTROY, Action::Done),
            on(EXCHANGE_ID, Action::Delay),
            // Whoever is the manager's own knows that the session was good a moment ago.
            on(
                CREATE_SESSION | RECLAIM | RECLAIM_COMPLETE | SEQUENCE | BIND_CONN,
                Action::Recover(Need::NewClient),
            ),
        ],
        then: &[otherwise(Action::Recover(Need::Lease))],
    },
    Row {
        statuses: &[Status::STALE_STATEID, Status::BAD_STATEID],
        first: UNKNOWN_STATEID,
        then: HARD,
    },
    Row {
        statuses: &[Status::ADMIN_REVOKED, Status::DELEG_REVOKED],
        first: REVOKED,
        then: HARD,
    },
    Row {
        statuses: &[Status::EXPIRED],
        first: &[
            on(GIVE_BACK, Action::Free),
            on(DESTROY | FREE_STATEID, Action::Done),
            on(OPEN_RECLAIM | LOCK_RECLAIM, Action::Nograce),
            // A fresh open needs a lease and nothing else. Where a checked lease is still called
            // expired, a new instance of the client ends the matter; the C client goes round.
            on(OPEN_EXPIRED | LOCK_EXPIRED, Action::Recover(Need::Purge)),
            on(SEQUENCE | CREATE_SESSION, Action::Recover(Need::Expired)),
            on(EXCHANGE_ID, Action::Delay),
            on_state(USE_STATE, ANY_STATE, Action::State),
        ],
        then: &[otherwise(Action::Recover(Need::Lease))],
    },
    Row {
        statuses: &[Status::OLD_STATEID],
        first: &[
            on(
                GIVE_BACK | FREE_STATEID | LOCK_RECLAIM | LOCK_EXPIRED,
                Action::Refresh,
            ),
            on_state(USE_STATE, ANY_STATE, Action::Refresh),
        ],
        then: HARD,
    },
    Row {
        statuses: &[Status::OPENMODE],
        first: &[
            on_state(IO, DELEGATION, Action::State),
            on_state(IO, ANY_STATE, Action::Reopen),
        ],
        then: HARD,
    },
    Row {
        statuses: &[Status::NO_GRACE],
        first: &[on(OPEN_RECLAIM | LOCK_RECLAIM, Action::EndReboot)],
        then: HARD,
    },
    Row {
        // Of the opens the reopen takes care; a lock that another may have held since is lost.
        statuses: &[Status::RECLAIM_BAD, Status::RECLAIM_CONFLICT],
        first: NONE,
        then: HARD,
    },
    Row {
        statuses: &[Status::COMPLETE_ALREADY],
        first: &[on(RECLAIM_COMPLETE, Action::Done)],
        then: HARD,
    },
    Row {
        // RECLAIM_COMPLETE by another principal: that will be so each time.
        statuses: &[Status::WRONG_CRED],
        first: &[on(RECLAIM_COMPLETE, Action::Done)],
        then: HARD,
    },
    Row {
        // A server without RECLAIM_COMPLETE does not wait for it.
        statuses: &[Status::NOTSUPP, Status::OP_ILLEGAL],
        first: &[on(RECLAIM_COMPLETE, Action::Done)],
        then: HARD,
    },
    Row {
        statuses: &[Status::BACK_CHAN_BUSY],
        first: &[on(DESTROY_SESSION, Action::Delay)],
        then: HARD,
    },
    Row {
        statuses: &[Status::CLIENTID_BUSY],
        first: &[on(DESTROY_CLIENTID, Action::Delay)],
        then: HARD,
    },
    Row {
        // No room for one more session says nothing about the file system.
        statuses: &[Status::NOSPC, Status::DQUOT],
        first: &[on(ESTABLISH, Action::Delay)],
        then: HARD,
    },
    Row {
        // The handle's object is gone: a reopen by handle need not be tried.
        statuses: &[Status::STALE, Status::BADHANDLE, Status::FHEXPIRED],
        first: &[on(OPEN_RECLAIM, Action::BadContext)],
        then: HARD,
    },
    Row {
        // A batch was too large for this session. No file is bad because of that.
        statuses: &[
            Status::REQ_TOO_BIG,
            Status::REP_TOO_BIG,
            Status::REP_TOO_BIG_TO_CACHE,
            Status::TOO_MANY_OPS,
        ],
        first: &[on(RECLAIM | TEST_STATEID | FREE_STATEID, Action::Split)],
        then: HARD,
    },
    Row {
        // A server that has come back as another program: wait for the right one, and keep the files.
        statuses: &[Status::MINOR_VERS_MISMATCH],
        first: &[on(RECLAIM | TEST_STATEID, Action::Recover(Need::Lease))],
        then: HARD,
    },
    Row {
        // Names, rights, arguments.
        statuses: &[
            Status::PERM,
            Status::NOENT,
            Status::NXIO,
            Status::ACCESS,
            Status::EXIST,
            Status::XDEV,
            Status::NOTDIR,
            Status::ISDIR,
            Status::INVAL,
            Status::FBIG,
            Status::ROFS,
            Status::MLINK,
            Status::NAMETOOLONG,
            Status::NOTEMPTY,
            Status::BAD_COOKIE,
            Status::TOOSMALL,
            Status::BADTYPE,
            Status::SAME,
            Status::NOT_SAME,
            Status::SYMLINK,
            Status::ATTRNOTSUPP,
            Status::BADOWNER,
            Status::BADCHAR,
            Status::BADNAME,
            Status::BAD_RANGE,
            Status::WRONG_TYPE,
            Status::NOXATTR,
            Status::XATTR2BIG,
            Status::WRONG_LFS,
            Status::BADLABEL,
            Status::UNION_NOTSUPP,
        ],
        first: NONE,
        then: HARD,
    },
    Row {
        // Other clients' state, and locks.
        statuses: &[
            Status::DENIED,
            Status::LOCKED,
            Status::SHARE_DENIED,
            Status::LOCK_RANGE,
            Status::LOCK_NOTSUPP,
            Status::LOCKS_HELD,
            Status::DEADLOCK,
        ],
        first: NONE,
        then: HARD,
    },
    Row {
        // Security, and file systems that have moved: issues of their own.
        statuses: &[
            Status::WRONGSEC,
            Status::CLID_INUSE,
            Status::MOVED,
            Status::LEASE_MOVED,
        ],
        first: NONE,
        then: HARD,
    },
    Row {
        // What the server says is wrong with the request itself. Nothing that a repetition cures.
        statuses: &[
            Status::NOFILEHANDLE,
            Status::RESTOREFH,
            Status::BADXDR,
            Status::BAD_SEQID,
            Status::CB_PATH_DOWN,
            Status::SEQUENCE_POS,
            Status::UNSAFE_COMPOUND,
            Status::OP_NOT_IN_SESSION,
            Status::NOT_ONLY_OP,
            Status::BAD_SESSION_DIGEST,
            Status::HASH_ALG_UNSUPP,
            Status::ENCR_ALG_UNSUPP,
            Status::DELEG_ALREADY_WANTED,
            Status::DIRDELEG_UNAVAIL,
            Status::REJECT_DELEG,
        ],
        first: NONE,
        then: HARD,
    },
    Row {
        // Layouts and inter-server copies, which we do not ask for.
        statuses: &[
            Status::BADIOMODE,
            Status::BADLAYOUT,
            Status::LAYOUTUNAVAILABLE,
            Status::NOMATCHING_LAYOUT,
            Status::UNKNOWN_LAYOUTTYPE,
            Status::PNFS_IO_HOLE,
            Status::PNFS_NO_LAYOUT,
            Status::PARTNER_NOTSUPP,
            Status::PARTNER_NO_AUTH,
            Status::OFFLOAD_DENIED,
            Status::OFFLOAD_NO_REQS,
        ],
        first: NONE,
        then: HARD,
    },
];

/// A number that the protocol does not have (yet): as other errors that no recovery helps against.
static UNKNOWN: Row = Row {
    statuses: NO_STATUS,
    first: NONE,
    then: HARD,
};
const NO_STATUS: &[Status] = &[];

impl Rule {
    /// The rule holds for operations of `class` with a stateid of `state`.
    pub const fn fits(&self, class: OpClass, state: StateKind) -> bool {
        self.classes & class.bit() != 0 && self.states & state.bit() != 0
    }
}

impl Row {
    /// The rules in their order: the first that fits holds.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        self.first.iter().chain(self.then)
    }

    fn action(&self, class: OpClass, state: StateKind) -> Option<Action> {
        self.rules()
            .find(|rule| rule.fits(class, state))
            .map(|rule| rule.action)
    }
}

/// What to do about `status` of an operation of `class` that used a stateid of `state`. `OK` is
/// [`Action::Done`].
pub fn decide(status: Status, class: OpClass, state: StateKind) -> Action {
    if status.is_ok() {
        return Action::Done;
    }
    ROWS.iter()
        .find(|row| row.statuses.contains(&status))
        .unwrap_or(&UNKNOWN)
        .action(class, state)
        // Each row ends in a rule for all the rest.
        .unwrap_or(Action::Fail)
}

/// What to do about a call of `class` that got no reply: time-out, connection refused or lost, no
/// memory. No file is bad because of that; nor of a signal to the state manager, as in the C client.
pub fn decide_no_reply(class: OpClass) -> Action {
    match class {
        class if (RECLAIM | TEST_STATEID | RECLAIM_COMPLETE) & class.bit() != 0 => {
            Action::Recover(Need::Lease)
        }
        class if (ESTABLISH | SEQUENCE | BIND_CONN) & class.bit() != 0 => Action::Delay,
        class if (DESTROY | FREE_STATEID) & class.bit() != 0 => Action::Done,
        _ => Action::Fail,
    }
}

/// What to do about a call of `class` whose reply could not be understood.
pub fn decide_malformed(class: OpClass) -> Action {
    match class {
        class if (RECLAIM | TEST_STATEID) & class.bit() != 0 => Action::DelayThenFail,
        class if (ESTABLISH | RECLAIM_COMPLETE) & class.bit() != 0 => Action::Delay,
        class if (SEQUENCE | BIND_CONN) & class.bit() != 0 => Action::Recover(Need::Session),
        class if (DESTROY | FREE_STATEID) & class.bit() != 0 => Action::Done,
        _ => Action::Fail,
    }
}

/// What TEST_STATEID's `status` for one stateid means. Anything unheard of is no proof that the state
/// is good; to open a good one anew does no harm.
pub fn tested(status: Status) -> Tested {
    match status {
        // The state is there; a LOCK or LOCKU that was under way meanwhile has given it a newer stateid.
        Status::OK | Status::OLD_STATEID => Tested::Good,
        Status::EXPIRED | Status::ADMIN_REVOKED | Status::DELEG_REVOKED => Tested::Revoked,
        _ => Tested::Gone,
    }
}
