# SPDX-License-Identifier: GPL-2.0
"""Kinds of operation that a client sends: how a program brings each about, and what the client is to do about an error of it."""

import errno
import fcntl
import mmap
import os
import struct

from scripted import until

# What shows that the state manager has done what was needed.
NEEDS = {
    "Lease": "SEQUENCE/lone",
    "Session": "CREATE_SESSION",
    "BindConn": "BIND_CONN_TO_SESSION",
    "NewClient": "EXCHANGE_ID",
    "Expired": "EXCHANGE_ID",
    "Purge": "EXCHANGE_ID",
}
AGAIN = ("Retry", "Delay", "DelayThenFail", "Refresh")


class Kind:
    """A kind of operation: how it comes about, and how its end shows."""

    op = None
    table = None
    state = "None"
    held = True
    # What there was of trouble would slow down the next row, or what was learnt make it pointless.
    fresh = False
    # Only one for each action.
    some = False

    def __init__(self, server, mount):
        self.server, self.mount = server, mount
        self.fd = None

    def path(self, name="held"):
        return self.mount.path(name)

    def prepare(self):
        if self.held and self.fd is None:
            self.fd = os.open(self.path(), os.O_RDWR | os.O_SYNC)

    def rule(self, what, times):
        """Has the server do this."""
        self.server(f"rule {self.op} times={times} {what}")

    def act(self):
        raise NotImplementedError

    def write(self):
        os.pwrite(self.fd, b"x" * 10, 0)

    def done(self):
        """Gives back what the row has made."""

    def close(self):
        if self.fd is not None:
            fd, self.fd = self.fd, None
            os.close(fd)

    def wanted(self, row):
        """What a program gets, and the least number of operations of each name; an exact number has a tuple. With a > before the
        name, those count that came after the error."""
        action, need = row.action, row.need
        if action == "Fail":
            return row.errno, {}
        if action == "Done":
            return 0, {self.op: (1,)}
        if action in AGAIN:
            return 0, {self.op: 2}
        if action == "Recover":
            return 0, {self.op: 2, f">{NEEDS[need]}": 1}
        if action == "State":
            return 0, {self.op: 2, ">TEST_STATEID": 1}
        if action == "Reopen":
            return 0, {self.op: 2, ">OPEN/fh": 1}
        raise RuntimeError(f"{row}: no such action here")

    def times(self, row):
        """What is refused for good is refused for ever; once is enough otherwise."""
        return "ever" if row.action == "Fail" else 1


class Plain(Kind):
    op, table = "GETATTR", "Plain"

    def act(self):
        os.fstat(self.fd)


class Lookup(Plain):
    """The others without a state: only what is decided differently, for most."""

    op, held, some, fresh = "LOOKUP", False, True, True

    def act(self):
        os.stat(self.path("dir/inside"))


class Access(Lookup):
    op = "ACCESS"

    def act(self):
        os.access(self.path("dir"), os.R_OK | os.W_OK)

    def wanted(self, row):
        got, ops = super().wanted(row)
        # access(2) in Python has no errno; a failure shows in the count.
        return (0, {self.op: 1}) if got else (0, ops)


class Readdir(Lookup):
    op = "READDIR"

    def act(self):
        os.listdir(self.path("dir"))

    def wanted(self, row):
        got, ops = super().wanted(row)
        # The C library takes it for the end of a directory that was removed.
        return (0, {self.op: 1}) if got == errno.ENOENT else (got, ops)


class Readlink(Lookup):
    op = "READLINK"

    def act(self):
        os.readlink(self.path("link"))


class Remove(Lookup):
    op = "REMOVE"

    def prepare(self):
        self.server("put gone text")

    def act(self):
        os.unlink(self.path("gone"))


class Rename(Lookup):
    op = "RENAME"

    def prepare(self):
        self.server("put gone text")

    def act(self):
        os.rename(self.path("gone"), self.path("gone2"))


class Create(Lookup):
    op = "CREATE"

    def act(self):
        os.mkdir(self.path("made"))

    def done(self):
        if os.path.exists(self.path("made")):
            os.rmdir(self.path("made"))


class Link(Lookup):
    op = "LINK"

    def act(self):
        os.link(self.path("held"), self.path("linked"))

    def done(self):
        if os.path.exists(self.path("linked")):
            os.unlink(self.path("linked"))


class Open(Kind):
    op, table, held = "OPEN", "Open", False

    def act(self):
        self.fd = os.open(self.path(), os.O_RDWR)

    def done(self):
        self.close()


class Create_open(Open):
    """A file that is made: by name."""

    op, some = "OPEN/null", True

    def act(self):
        self.fd = os.open(self.path("made"), os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def done(self):
        super().done()
        if os.path.exists(self.path("made")):
            os.unlink(self.path("made"))


class Write(Kind):
    op, table, state = "WRITE", "Io", "Open"

    def act(self):
        self.write()


class Write_locked(Write):
    """By the right of a lock's stateid."""

    state = "Lock"

    def prepare(self):
        super().prepare()
        fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)


class Read(Kind):
    op, table, state = "READ", "Io", "Open"

    def act(self):
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.pread(self.fd, 10, 0)


class Commit(Kind):
    op, table, held = "COMMIT", "Commit", False

    def prepare(self):
        self.fd = os.open(self.path("large"), os.O_RDWR)
        os.ftruncate(self.fd, 16384)
        # More than one WRITE, so that they need a COMMIT; and what is written through a mapping is not written at once. The
        # mapping stays: it has a descriptor of its own, and to close that writes the data.
        self.pages = mmap.mmap(self.fd, 16384)
        for at in range(0, 16384, 4096):
            self.pages[at] ^= 1

    def act(self):
        os.fsync(self.fd)

    def done(self):
        self.pages.close()
        self.close()


class Setattr(Kind):
    op, table, state = "SETATTR", "Setattr", "Open"
    size = 20

    def act(self):
        self.size += 1
        os.ftruncate(self.fd, self.size)


class Chmod(Kind):
    op, table = "SETATTR", "Plain"

    def act(self):
        os.fchmod(self.fd, 0o600)


class GiveBack(Kind):
    """Nobody is told how it went: done or failed, it is over."""

    def wanted(self, row):
        if row.action in ("Fail", "Done"):
            return 0, {self.op: (1,)}
        if row.action == "Free":
            return 0, {self.op: (1,), ">FREE_STATEID": 1}
        return super().wanted(row)

    def times(self, row):
        return 1


class Close(GiveBack):
    op, table, state = "CLOSE", "Close", "Open"

    def act(self):
        self.close()


class Downgrade(GiveBack):
    op, table, state, held = "OPEN_DOWNGRADE", "Close", "Open", False

    def prepare(self):
        self.fd = os.open(self.path(), os.O_RDONLY)
        self.second = os.open(self.path(), os.O_WRONLY)

    def act(self):
        os.close(self.second)

    def wanted(self, row):
        # The stateid is still there for the CLOSE, which will tell.
        return (0, {self.op: (1,)}) if row.action == "Free" else super().wanted(row)

    def done(self):
        self.close()


class Delegreturn(GiveBack):
    op, table, held = "DELEGRETURN", "Delegreturn", False

    def prepare(self):
        self.server("delegate 1")

    def act(self):
        self.fd = os.open(self.path(), os.O_RDONLY)

    def done(self):
        # What the server was told of in vain goes, too.
        self.server("delegate 0")
        self.close()


class FreeStateid(GiveBack):
    op, table = "FREE_STATEID", "FreeStateid"

    def act(self):
        self.server("revoke held")
        self.write()

    def wanted(self, row):
        if row.action == "Split":
            # It is alone.
            return 0, {self.op: (1,)}
        if row.action == "Recover":
            # What else is wrong is seen to; the lease would end the stateid.
            return 0, {self.op: 1, f">{NEEDS[row.need]}": 1}
        return super().wanted(row)


class TestStateid(Kind):
    op, table = "TEST_STATEID", "TestStateid"

    def rule(self, what, times):
        super().rule(what, times)
        self.server("rule WRITE status=BAD_STATEID")

    def act(self):
        self.write()

    def wanted(self, row):
        if row.action in ("Fail", "Done", "Split"):
            # A server that cannot tell: what it may not have is opened anew.
            return 0, {self.op: 1, ">OPEN/fh": 1}
        if row.action == "Recover":
            return 0, {self.op: 1, f">{NEEDS[row.need]}": 1}
        return super().wanted(row)

    def times(self, row):
        return 1


class Step(Kind):
    """What the state manager does: a program that writes waits for it, and its write succeeds."""

    fresh = True

    def act(self):
        self.write()

    def wanted(self, row):
        if row.action == "Fail":
            return 0, {self.op: 2}
        if row.action == "Recover":
            return 0, {self.op: 1, f">{NEEDS[row.need]}": 1}
        return super().wanted(row)

    def times(self, row):
        return 1


class Restart(Step):
    """A step of the recovery from a restart."""

    def rule(self, what, times):
        super().rule(what, times)
        self.server("restart")


class ExchangeId(Restart):
    op, table = "EXCHANGE_ID", "ExchangeId"


class CreateSession(Restart):
    op, table = "CREATE_SESSION", "CreateSession"

    def rule(self, what, times):
        super().rule(what, times)
        # The client asks for a session by its old name first.
        self.server("clear")
        self.server(f"rule {self.op} after=1 times={times} {what}")

    def wanted(self, row):
        got, ops = super().wanted(row)
        return got, {name: n + 1 if isinstance(n, int) and name == self.op else n for name, n in ops.items()}


class ReclaimComplete(Restart):
    op, table = "RECLAIM_COMPLETE", "ReclaimComplete"

    def done(self):
        # Whatever the server said, and whether or not it was true: from now on it takes opens.
        self.server("complete")


class Mounting(Kind):
    """EXCHANGE_ID when there is nothing to lose yet: mount(2) tells."""

    op, table, held, fresh = "EXCHANGE_ID", "ExchangeId", False, True

    def prepare(self):
        self.mount.umount()

    def act(self):
        failed = self.mount.mount()
        if failed:
            raise OSError(failed, "mount")

    def done(self):
        if not self.mount.up:
            self.mount.mount()


class Sequence(Step):
    op, table = "SEQUENCE/lone", "Sequence"

    def rule(self, what, times):
        super().rule(what, times)
        # Somebody doubts the lease.
        self.server("rule GETATTR status=EXPIRED")

    def act(self):
        os.fstat(self.fd)


class BindConn(Step):
    op, table = "BIND_CONN_TO_SESSION", "BindConn"

    def rule(self, what, times):
        super().rule(what, times)
        self.server("rule SEQUENCE status=CONN_NOT_BOUND_TO_SESSION")


class DestroySession(Step):
    op, table = "DESTROY_SESSION", "DestroySession"

    def rule(self, what, times):
        super().rule(what, times)
        self.server("rule SEQUENCE status=BADSESSION")

    def wanted(self, row):
        return 0, {self.op: (1,) if row.action == "Done" else 2, ">CREATE_SESSION": 1}


class DestroyClientid(GiveBack):
    op, table, held = "DESTROY_CLIENTID", "DestroyClientid", False

    def act(self):
        self.mount.umount()
        # The farewell may outlive umount(2).
        until(lambda: "DESTROY_CLIENTID" in self.server("log"), 0.5)

    def done(self):
        self.mount.mount()


class OpenReclaim(Kind):
    op, table, state, fresh = "OPEN/previous", "OpenReclaim", "Open", True

    def rule(self, what, times):
        super().rule(what, times)
        self.server("restart")

    def act(self):
        try:
            self.write()
        except OSError as e:
            if e.errno != errno.EIO:
                raise
            # The data that was on its way is lost; from now on it is said before there is any.
            self.write()

    def wanted(self, row):
        if row.action in ("Nograce", "EndReboot"):
            return 0, {self.op: 1, ">OPEN/fh": 1}
        if row.action in ("BadContext", "Split"):
            return errno.EBADF, {self.op: 1}
        if row.action == "Recover":
            return 0, {self.op: 1, f">{NEEDS[row.need]}": 1}
        return super().wanted(row)

    def times(self, row):
        # Alone in its COMPOUND, what is too large stays so.
        return "ever" if row.action == "Split" else 1

    def done(self):
        # A bad context is done for; the file is not.
        self.server("clear")
        self.close()


class OpenExpired(OpenReclaim):
    op, table = "OPEN/fh", "OpenExpired"

    def rule(self, what, times):
        Kind.rule(self, what, times)
        self.server("restart forget")


class Slot(Kind):
    """SEQUENCE in front of other operations: first the slots are put right."""

    op, table, fresh = "SEQUENCE", "Slot", True

    def act(self):
        os.fstat(self.fd)

    def wanted(self, row):
        if row.action in ("RetrySameSlot", "RetryNewSlot"):
            return 0, {self.op: 2}
        if row.action == "ResetSession":
            return 0, {self.op: 2, ">CREATE_SESSION": 1}
        if row.action == "BindConn":
            return 0, {self.op: 2, ">BIND_CONN_TO_SESSION": 1}
        return super().wanted(row)

    def times(self, row):
        return 1


class Lock(Kind):
    op, table, state = "LOCK", "Lock", "Open"

    def act(self):
        fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)

    def done(self):
        self.server("clear")
        fcntl.lockf(self.fd, fcntl.LOCK_UN, 10, 0)


class Lock_more(Lock):
    """A lock owner's second lock, by the right of the stateid that the first one brought."""

    op, state = "LOCK/known", "Lock"

    def prepare(self):
        super().prepare()
        fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 100)

    def done(self):
        super().done()
        fcntl.lockf(self.fd, fcntl.LOCK_UN, 10, 100)


class Lockt(Kind):
    op, table = "LOCKT", "Lockt"

    def act(self):
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 10, 0)
        fcntl.fcntl(self.fd, fcntl.F_GETLK, lock)

    def wanted(self, row):
        # That somebody has such a lock is an answer.
        return (0, {self.op: 1}) if row.status in ("DENIED", "NFS4ERR_DENIED") else super().wanted(row)


class Locku(GiveBack):
    op, table, state = "LOCKU", "Locku", "Lock"

    def prepare(self):
        super().prepare()
        fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)

    def act(self):
        fcntl.lockf(self.fd, fcntl.LOCK_UN, 10, 0)

    def done(self):
        # What the server was told of in vain goes, too: the next lock is another owner's.
        self.close()

    def wanted(self, row):
        # Who unlocks is told that the lock may still be there.
        return (row.errno, {}) if row.action == "Fail" else super().wanted(row)


class LockReclaim(OpenReclaim):
    op, table, state = "LOCK/reclaim", "LockReclaim", "Lock"

    def prepare(self):
        super().prepare()
        fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)

    def wanted(self, row):
        if row.action in ("LostLock", "Split", "Nograce", "EndReboot"):
            # Set again it is not: another may have had it meanwhile.
            return errno.EIO, {self.op: 1}
        return super().wanted(row)


class LockExpired(LockReclaim):
    """With recover_lost_locks, after the server has forgotten its clients."""

    op, table = "LOCK/new", "LockExpired"

    def rule(self, what, times):
        Kind.rule(self, what, times)
        self.server("restart forget")


KINDS = {kind.__name__: kind for kind in (
    Plain, Lookup, Access, Readdir, Readlink, Remove, Rename, Create, Link, Open, Create_open, Write, Write_locked, Read, Commit, Setattr, Chmod,
    Close, Downgrade, Delegreturn, FreeStateid, TestStateid, ExchangeId, CreateSession, ReclaimComplete, Mounting, Sequence, BindConn,
    DestroySession, DestroyClientid, OpenReclaim, OpenExpired, Slot, Lock, Lock_more, Lockt, Locku, LockReclaim,
    LockExpired)}
