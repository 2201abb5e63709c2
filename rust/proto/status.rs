// SPDX-License-Identifier: GPL-2.0

//! Status codes (RFC section 15, RFC 7862 section 11, RFC 8276) and what a program sees of them.

use core::fmt;

/// An errno as Linux numbers it, positive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Errno(pub i32);

impl Errno {
    /// Operation not permitted.
    pub const PERM: Self = Self(1);
    /// No such file or directory.
    pub const NOENT: Self = Self(2);
    /// I/O error.
    pub const IO: Self = Self(5);
    /// No such device or address.
    pub const NXIO: Self = Self(6);
    /// `E2BIG`: argument list too long.
    pub const TOOBIG: Self = Self(7);
    /// Bad file number.
    pub const BADF: Self = Self(9);
    /// Try again.
    pub const AGAIN: Self = Self(11);
    /// Out of memory.
    pub const NOMEM: Self = Self(12);
    /// Permission denied.
    pub const ACCES: Self = Self(13);
    /// Device or resource busy.
    pub const BUSY: Self = Self(16);
    /// File exists.
    pub const EXIST: Self = Self(17);
    /// Cross-device link.
    pub const XDEV: Self = Self(18);
    /// Not a directory.
    pub const NOTDIR: Self = Self(20);
    /// Is a directory.
    pub const ISDIR: Self = Self(21);
    /// Invalid argument.
    pub const INVAL: Self = Self(22);
    /// File too large.
    pub const FBIG: Self = Self(27);
    /// No space left on device.
    pub const NOSPC: Self = Self(28);
    /// Read-only file system.
    pub const ROFS: Self = Self(30);
    /// Too many links.
    pub const MLINK: Self = Self(31);
    /// Resource deadlock would occur.
    pub const DEADLK: Self = Self(35);
    /// File name too long.
    pub const NAMETOOLONG: Self = Self(36);
    /// No record locks available.
    pub const NOLCK: Self = Self(37);
    /// Directory not empty.
    pub const NOTEMPTY: Self = Self(39);
    /// Too many symbolic links encountered.
    pub const LOOP: Self = Self(40);
    /// No data available.
    pub const NODATA: Self = Self(61);
    /// Protocol not supported.
    pub const PROTONOSUPPORT: Self = Self(93);
    /// Operation not supported.
    pub const OPNOTSUPP: Self = Self(95);
    /// Connection timed out.
    pub const TIMEDOUT: Self = Self(110);
    /// Stale file handle.
    pub const STALE: Self = Self(116);
    /// Remote I/O error.
    pub const REMOTEIO: Self = Self(121);
    /// Quota exceeded.
    pub const DQUOT: Self = Self(122);
}

/// An `nfsstat4`. A number that we do not know is kept as it is.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Status(pub u32);

macro_rules! statuses {
    ($($name:ident = $num:literal => $errno:ident, $doc:literal;)*) => {
        impl Status {
            /// The operation did what it was asked.
            pub const OK: Self = Self(0);
            $(
                #[doc = $doc]
                pub const $name: Self = Self($num);
            )*

            /// Every error that has a number, in the order of the numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name without its `NFS4ERR_`, if the number has one.
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    Self::OK => Some("OK"),
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// What a program gets to see when recovery has nothing (more) to offer. Answers to the C
            /// client's `nfs4_map_errors()` and its table of errnos; no number that is private to the
            /// kernel (521-530) is among them.
            pub const fn errno(self) -> Errno {
                match self {
                    $(Self::$name => Errno::$errno,)*
                    _ => Errno::IO,
                }
            }
        }
    };
}

statuses! {
    PERM = 1 => PERM, "The caller is not the owner.";
    NOENT = 2 => NOENT, "There is no such object.";
    IO = 5 => IO, "A hard error on the server's storage.";
    NXIO = 6 => NXIO, "There is no such device.";
    ACCESS = 13 => ACCES, "The caller may not.";
    EXIST = 17 => EXIST, "The object exists already.";
    XDEV = 18 => XDEV, "The objects are in different file systems.";
    NOTDIR = 20 => NOTDIR, "Not a directory.";
    ISDIR = 21 => ISDIR, "A directory.";
    INVAL = 22 => INVAL, "An argument is not valid.";
    FBIG = 27 => FBIG, "The file would be too large.";
    NOSPC = 28 => NOSPC, "No space left.";
    ROFS = 30 => ROFS, "A file system that is read-only.";
    MLINK = 31 => MLINK, "Too many hard links.";
    NAMETOOLONG = 63 => NAMETOOLONG, "The name is too long.";
    NOTEMPTY = 66 => NOTEMPTY, "The directory is not empty.";
    DQUOT = 69 => DQUOT, "The quota is used up.";
    STALE = 70 => STALE, "The handle's object is gone.";
    BADHANDLE = 10001 => STALE, "Not a handle of this server.";
    BAD_COOKIE = 10003 => IO, "The READDIR cookie is not valid (any more).";
    NOTSUPP = 10004 => OPNOTSUPP, "The operation is not supported.";
    TOOSMALL = 10005 => IO, "The reply has no room for one entry.";
    SERVERFAULT = 10006 => REMOTEIO, "An error that has no number of its own.";
    BADTYPE = 10007 => INVAL, "The server knows no such object type.";
    DELAY = 10008 => AGAIN, "Not now, try again.";
    SAME = 10009 => EXIST, "NVERIFY: the attributes are the same.";
    DENIED = 10010 => AGAIN, "Another lock is in the way.";
    EXPIRED = 10011 => IO, "The lease ran out and state was lost.";
    LOCKED = 10012 => BUSY, "A lock or share reservation is in the way.";
    GRACE = 10013 => AGAIN, "The server is in its grace period.";
    FHEXPIRED = 10014 => STALE, "A volatile handle has expired.";
    SHARE_DENIED = 10015 => ACCES, "A share reservation is in the way.";
    WRONGSEC = 10016 => PERM, "The security flavour is not accepted.";
    CLID_INUSE = 10017 => BUSY, "The client's name is in use by another principal.";
    RESOURCE = 10018 => REMOTEIO, "The server is short of something (not in v4.1).";
    MOVED = 10019 => REMOTEIO, "The file system is on another server.";
    NOFILEHANDLE = 10020 => IO, "There is no current file handle.";
    MINOR_VERS_MISMATCH = 10021 => PROTONOSUPPORT, "The minor version is not supported.";
    STALE_CLIENTID = 10022 => IO, "The server does not know the client id.";
    STALE_STATEID = 10023 => IO, "The stateid is of an earlier life of the server.";
    OLD_STATEID = 10024 => IO, "The stateid was replaced by a newer one.";
    BAD_STATEID = 10025 => IO, "The server does not know the stateid.";
    BAD_SEQID = 10026 => IO, "An open-owner's sequence is wrong (not in v4.1).";
    NOT_SAME = 10027 => IO, "VERIFY or READDIR: not the same any more.";
    LOCK_RANGE = 10028 => INVAL, "The lock range is not supported.";
    SYMLINK = 10029 => LOOP, "A symbolic link.";
    RESTOREFH = 10030 => IO, "There is no saved file handle.";
    LEASE_MOVED = 10031 => REMOTEIO, "A lease moved to another server (not in v4.1).";
    ATTRNOTSUPP = 10032 => OPNOTSUPP, "The attribute is not supported.";
    NO_GRACE = 10033 => IO, "The server is not in its grace period.";
    RECLAIM_BAD = 10034 => IO, "There is nothing to reclaim.";
    RECLAIM_CONFLICT = 10035 => IO, "Another client's state is in the way of the reclaim.";
    BADXDR = 10036 => IO, "The server could not read the request.";
    LOCKS_HELD = 10037 => IO, "State is still in use.";
    OPENMODE = 10038 => BADF, "The open does not allow this.";
    BADOWNER = 10039 => INVAL, "The owner cannot be translated.";
    BADCHAR = 10040 => INVAL, "A character that is not allowed.";
    BADNAME = 10041 => INVAL, "A name that is not allowed.";
    BAD_RANGE = 10042 => INVAL, "The range is not supported.";
    LOCK_NOTSUPP = 10043 => NOLCK, "The change of a lock in place is not supported.";
    OP_ILLEGAL = 10044 => IO, "No such operation.";
    DEADLOCK = 10045 => DEADLK, "Waiting for the lock would never end.";
    FILE_OPEN = 10046 => BUSY, "The file is open.";
    ADMIN_REVOKED = 10047 => IO, "State was revoked by an administrator.";
    CB_PATH_DOWN = 10048 => IO, "The server cannot reach the client (not in v4.1).";
    BADIOMODE = 10049 => IO, "The layout's mode is wrong.";
    BADLAYOUT = 10050 => IO, "The layout is not valid.";
    BAD_SESSION_DIGEST = 10051 => IO, "The SSV digest is wrong.";
    BADSESSION = 10052 => IO, "The server does not know the session.";
    BADSLOT = 10053 => IO, "The slot is out of range.";
    COMPLETE_ALREADY = 10054 => IO, "RECLAIM_COMPLETE was sent before.";
    CONN_NOT_BOUND_TO_SESSION = 10055 => IO, "The connection is not bound to the session.";
    DELEG_ALREADY_WANTED = 10056 => IO, "The wish was made before.";
    BACK_CHAN_BUSY = 10057 => IO, "Callbacks are outstanding.";
    LAYOUTTRYLATER = 10058 => REMOTEIO, "No layout now.";
    LAYOUTUNAVAILABLE = 10059 => IO, "No layout for this file.";
    NOMATCHING_LAYOUT = 10060 => IO, "No such layout.";
    RECALLCONFLICT = 10061 => REMOTEIO, "A recall is in progress.";
    UNKNOWN_LAYOUTTYPE = 10062 => IO, "No such layout type.";
    SEQ_MISORDERED = 10063 => IO, "The slot's sequence id is not the next one.";
    SEQUENCE_POS = 10064 => IO, "SEQUENCE is not the first operation.";
    REQ_TOO_BIG = 10065 => REMOTEIO, "The request is larger than the session allows.";
    REP_TOO_BIG = 10066 => REMOTEIO, "The reply is larger than the session allows.";
    REP_TOO_BIG_TO_CACHE = 10067 => REMOTEIO, "The reply is larger than the slot can keep.";
    RETRY_UNCACHED_REP = 10068 => IO, "The call was run, its reply was not kept.";
    UNSAFE_COMPOUND = 10069 => IO, "The current user may not be used here.";
    TOO_MANY_OPS = 10070 => REMOTEIO, "More operations than the session allows.";
    OP_NOT_IN_SESSION = 10071 => IO, "The operation needs a SEQUENCE before it.";
    HASH_ALG_UNSUPP = 10072 => IO, "No such SSV hash.";
    CLIENTID_BUSY = 10074 => BUSY, "The client id still has state.";
    PNFS_IO_HOLE = 10075 => IO, "A hole at the data server.";
    SEQ_FALSE_RETRY = 10076 => IO, "Not the call that the slot has seen with this sequence id.";
    BAD_HIGH_SLOT = 10077 => IO, "The highest slot is out of range.";
    DEADSESSION = 10078 => IO, "The session is about to go.";
    ENCR_ALG_UNSUPP = 10079 => IO, "No such SSV encryption.";
    PNFS_NO_LAYOUT = 10080 => IO, "I/O without a layout.";
    NOT_ONLY_OP = 10081 => IO, "The operation must be alone.";
    WRONG_CRED = 10082 => PERM, "The principal is not the one that made this state.";
    WRONG_TYPE = 10083 => INVAL, "The object has the wrong type.";
    DIRDELEG_UNAVAIL = 10084 => IO, "No directory delegation.";
    REJECT_DELEG = 10085 => IO, "The callback's delegation is refused.";
    RETURNCONFLICT = 10086 => REMOTEIO, "A return is in progress.";
    DELEG_REVOKED = 10087 => IO, "The delegation was revoked.";
    PARTNER_NOTSUPP = 10088 => IO, "No inter-server copy with this partner.";
    PARTNER_NO_AUTH = 10089 => IO, "The partner does not allow the copy.";
    UNION_NOTSUPP = 10090 => OPNOTSUPP, "This arm of the union is not supported.";
    OFFLOAD_DENIED = 10091 => IO, "The copy is not allowed.";
    WRONG_LFS = 10092 => INVAL, "Not this label format.";
    BADLABEL = 10093 => INVAL, "The label is not valid.";
    OFFLOAD_NO_REQS = 10094 => IO, "The copy's requirements cannot be met.";
    NOXATTR = 10095 => NODATA, "There is no such extended attribute.";
    XATTR2BIG = 10096 => TOOBIG, "The extended attribute is too large.";
}

impl Status {
    /// The operation did what it was asked.
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// `Ok` for [`Status::OK`], the status itself as the error otherwise.
    pub const fn result(self) -> Result<(), Self> {
        if self.is_ok() {
            Ok(())
        } else {
            Err(self)
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some("OK") => f.write_str("NFS4_OK"),
            Some(name) => write!(f, "NFS4ERR_{name}"),
            None => write!(f, "NFS4ERR_{}", self.0),
        }
    }
}
