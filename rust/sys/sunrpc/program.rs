// SPDX-License-Identifier: GPL-2.0

//! The RPC program "nfs", version 4, as sunrpc registers and counts it.
//!
//! What is encoded is up to each call (see [`super::task`]); the table here only names the procedures for statistics.

use rnfs4_bindings as bindings;

/// NFS_PROGRAM.
const PROGRAM: u32 = 100_003;
/// NFS_V4.
pub(super) const VERSION: u32 = 4;
/// NFSPROC4_COMPOUND.
pub(super) const COMPOUND: u32 = 1;

macro_rules! procs {
    ($($(#[$meta:meta])* $variant:ident = $name:literal,)*) => {
        /// What a compound is counted as in /proc/self/mountstats, with the C client's names.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub(crate) enum Proc {
            $($(#[$meta])* #[doc = $name] $variant,)*
        }

        /// Terminated by NUL.
        const NAMES: &[&str] = &[$(concat!($name, "\0"),)*];
    };
}

procs! {
    Null = "NULL",
    Read = "READ",
    Write = "WRITE",
    Commit = "COMMIT",
    Open = "OPEN",
    OpenDowngrade = "OPEN_DOWNGRADE",
    Close = "CLOSE",
    Setattr = "SETATTR",
    Lock = "LOCK",
    Lockt = "LOCKT",
    Locku = "LOCKU",
    Access = "ACCESS",
    Getattr = "GETATTR",
    Lookup = "LOOKUP",
    LookupRoot = "LOOKUP_ROOT",
    Remove = "REMOVE",
    Rename = "RENAME",
    Link = "LINK",
    Create = "CREATE",
    Readlink = "READLINK",
    Readdir = "READDIR",
    ExchangeId = "EXCHANGE_ID",
    CreateSession = "CREATE_SESSION",
    DestroySession = "DESTROY_SESSION",
    DestroyClientid = "DESTROY_CLIENTID",
    Sequence = "SEQUENCE",
    ReclaimComplete = "RECLAIM_COMPLETE",
    BindConnToSession = "BIND_CONN_TO_SESSION",
    TestStateid = "TEST_STATEID",
    FreeStateid = "FREE_STATEID",
    Seek = "SEEK",
    Allocate = "ALLOCATE",
    Deallocate = "DEALLOCATE",
}

impl Proc {
    /// What a compound counts as that is sent for the operation `op`.
    pub(crate) const fn of(op: u32) -> Self {
        match op {
            3 => Self::Access,
            4 => Self::Close,
            5 => Self::Commit,
            6 => Self::Create,
            9 => Self::Getattr,
            11 => Self::Link,
            12 => Self::Lock,
            13 => Self::Lockt,
            14 => Self::Locku,
            15 | 16 => Self::Lookup,
            18 => Self::Open,
            21 => Self::OpenDowngrade,
            24 | 10 => Self::LookupRoot,
            25 => Self::Read,
            26 => Self::Readdir,
            27 => Self::Readlink,
            28 => Self::Remove,
            29 => Self::Rename,
            34 => Self::Setattr,
            38 => Self::Write,
            41 => Self::BindConnToSession,
            42 => Self::ExchangeId,
            43 => Self::CreateSession,
            44 => Self::DestroySession,
            45 => Self::FreeStateid,
            53 => Self::Sequence,
            55 => Self::TestStateid,
            57 => Self::DestroyClientid,
            58 => Self::ReclaimComplete,
            59 => Self::Allocate,
            62 => Self::Deallocate,
            69 => Self::Seek,
            _ => Self::Null,
        }
    }
}

/// Number of named procedures.
const NR: usize = NAMES.len();

/// A static that sunrpc writes to, or whose pointers it follows, with its own synchronisation.
#[repr(transparent)]
struct Shared<T>(core::cell::UnsafeCell<T>);

// SAFETY: Rust never touches the contents after they were initialised; sunrpc counts in them as it does for any program.
unsafe impl<T> Sync for Shared<T> {}

const fn procinfos() -> [bindings::rpc_procinfo; NR] {
    let mut table = [const { pin_init::zeroed::<bindings::rpc_procinfo>() }; NR];
    let mut i = 0;
    while i < NR {
        table[i].p_proc = COMPOUND;
        table[i].p_statidx = i as u32;
        table[i].p_name = NAMES[i].as_ptr();
        i += 1;
    }
    table
}

static PROCS: Shared<[bindings::rpc_procinfo; NR]> =
    Shared(core::cell::UnsafeCell::new(procinfos()));
static COUNTS: Shared<[u32; NR]> = Shared(core::cell::UnsafeCell::new([0; NR]));

static VERSION4: Shared<bindings::rpc_version> =
    Shared(core::cell::UnsafeCell::new(bindings::rpc_version {
        number: VERSION,
        nrprocs: NR as u32,
        procs: PROCS.0.get().cast_const().cast(),
        counts: COUNTS.0.get().cast(),
    }));

/// Indexed by version number.
static VERSIONS: Shared<[*const bindings::rpc_version; 5]> = Shared(core::cell::UnsafeCell::new([
    core::ptr::null(),
    core::ptr::null(),
    core::ptr::null(),
    core::ptr::null(),
    VERSION4.0.get().cast_const(),
]));

static STATS: Shared<bindings::rpc_stat> = Shared(core::cell::UnsafeCell::new(pin_init::zeroed()));

static PROGRAM4: Shared<bindings::rpc_program> =
    Shared(core::cell::UnsafeCell::new(bindings::rpc_program {
        name: c"rnfs4".to_bytes_with_nul().as_ptr(),
        number: PROGRAM,
        nrvers: 5,
        version: VERSIONS.0.get().cast(),
        stats: STATS.0.get(),
        // No security flavour of ours needs rpc_pipefs yet.
        pipe_dir_name: core::ptr::null(),
    }));

/// The name of a procedure, terminated by NUL.
pub(super) fn name(proc: Proc) -> *const u8 {
    NAMES[proc as usize].as_ptr()
}

/// The program for `rpc_create()`.
pub(super) fn program() -> *const bindings::rpc_program {
    PROGRAM4.0.get()
}

/// Its call statistics.
pub(super) fn stats() -> *mut bindings::rpc_stat {
    STATS.0.get()
}
