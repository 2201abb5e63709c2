#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""Lets the module's allocations fail, each in its turn, and looks at what becomes of the call and of the file. For the selftest of the
same name; wants a kernel with CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC and CONFIG_FAULT_INJECTION_STACKTRACE_FILTER.

    nomem.py list                           prints the names of the operations
    nomem.py each MOUNT EXPORT OP STEP      does OP again and again, and each time lets another allocation fail: the first, then the
                                            one STEP further on, until there is none. The call succeeds all the same or says ENOMEM; done
                                            once more with enough memory it succeeds, and the server has what it should have.
    nomem.py random PERCENT                 from now on every allocation may fail, in whatever thread; 0 ends it
    nomem.py pour MOUNT EXPORT NAME SECONDS writes and reads a file with other operations in between, and does again what failed

What it did is its last line. Ends with 0 if all was well, with 1 and what was wrong if not.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import random
import sys
import time

DATA = random.Random(5).randbytes(20000)
LARGE = random.Random(6).randbytes(1 << 20)
FAULTS = "/sys/kernel/debug/"
SERVER = "10.11.12.1"

libc = ctypes.CDLL(None, use_errno=True)


class Wrong(Exception):
    """What is not as it must be."""


def check(good, what):
    if not good:
        raise Wrong(what)


def control(kind, name, value):
    with open(os.path.join(FAULTS, kind, name), "w", encoding="ascii") as file:
        file.write(str(value))


def only_ours():
    """Nothing fails but memory that the module asks for, whether or not it could wait for it."""
    with open("/proc/kallsyms", encoding="ascii") as symbols:
        text = [int(line.split()[0], 16) for line in symbols if line.endswith("\t[rnfs4]\n") and line.split()[1] in "tT"]
    for kind in ("failslab", "fail_page_alloc"):
        control(kind, "ignore-gfp-wait", "N")
        control(kind, "stacktrace-depth", 32)
        control(kind, "require-start", hex(min(text)))
        control(kind, "require-end", hex(max(text) + 4096))
        control(kind, "verbose", 0)
        control(kind, "interval", 1)
        control(kind, "times", -1)
        control(kind, "probability", 0)
    for name in ("client", "server"):
        control("fail_sunrpc", f"ignore-{name}-disconnect", "Y")
    control("fail_page_alloc", "min-order", 0)
    control("fail_page_alloc", "ignore-gfp-highmem", "N")


class Failing:
    """Lets one allocation of this thread fail."""

    def __init__(self):
        self.file = os.open("/proc/thread-self/fail-nth", os.O_RDWR)

    def attempt(self, nth, act):
        """Does it; returns the error, None for none, and whether anything failed."""
        error = None
        os.pwrite(self.file, b"%d" % nth, 0)
        try:
            act()
        except OSError as e:
            error = e.errno
        left = int(os.pread(self.file, 20, 0))
        os.pwrite(self.file, b"0", 0)
        return error, left == 0


class Case:
    """What an operation works on: a name of its own, here and on the server, and what it has open."""

    def __init__(self, mount, export, name):
        self.path, self.served = os.path.join(mount, name), os.path.join(export, name)
        self.fd = None
        self.map = None

    def __str__(self):
        return self.path

    def make(self, data=DATA):
        with open(self.path, "wb") as file:
            file.write(data)

    def make_there(self, data=DATA):
        """A file that the client does not know of."""
        with open(self.served, "wb") as file:
            file.write(data)

    def open(self, flags=os.O_RDWR):
        if self.fd is None:
            self.fd = os.open(self.path, flags, 0o644)

    def close(self):
        if self.map is not None:
            self.map.close()
            self.map = None
        if self.fd is not None:
            fd, self.fd = self.fd, None
            os.close(fd)

    def has(self, data=DATA):
        with open(self.served, "rb") as file:
            got = file.read()
        check(got == data, f"{self.served}: the server has {len(got)} bytes, not the {len(data)}" if len(got) != len(data) else f"{self.served}: other bytes")

    def is_gone(self):
        check(not os.path.lexists(self.served), f"{self.served} is there still")


def write_all(fd, data, at=None):
    """A write that ends early, as one may where memory is short, goes on where it ended."""
    done = 0
    while done < len(data):
        done += os.write(fd, data[done:]) if at is None else os.pwrite(fd, data[done:], at + done)


class Op:
    """An operation. What it says where there is no memory is in `says`, and what it says when it is done again, since it was done before,
    in `may`."""

    says = (errno.ENOMEM,)
    may = ()

    def prepare(self, c):
        pass

    def act(self, c):
        raise NotImplementedError

    def again(self, c):
        try:
            self.act(c)
        except OSError as e:
            if e.errno not in self.may:
                raise

    def verify(self, c):
        pass


class Create(Op):
    """open() of what is not there."""

    def act(self, c):
        c.open(os.O_RDWR | os.O_CREAT)

    def verify(self, c):
        c.has(b"")


class Exclusive(Create):
    """The same with O_EXCL, whose second try may find the first one's file."""

    may = (errno.EEXIST,)

    def act(self, c):
        c.open(os.O_RDWR | os.O_CREAT | os.O_EXCL)


class Make(Op):
    """A small file, made, written, changed and closed in one go, as tar does it."""

    def act(self, c):
        fd = os.open(c.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            write_all(fd, DATA, 0)
            os.utime(fd, ns=(10**18, 10**18))
            os.fchmod(fd, 0o640)
        finally:
            os.close(fd)

    def verify(self, c):
        c.has()
        check(os.stat(c.served).st_mode & 0o777 == 0o640, "another mode")


class Open(Op):
    """open() and read() of a file that the client has never seen."""

    def prepare(self, c):
        c.make_there()

    def act(self, c):
        c.open(os.O_RDONLY)
        check(os.pread(c.fd, 1 << 16, 0) == DATA, "other bytes were read")


class Truncating(Op):
    """open() with O_TRUNC."""

    def prepare(self, c):
        c.make()

    def act(self, c):
        c.open(os.O_RDWR | os.O_TRUNC)

    def verify(self, c):
        c.has(b"")


class Stat(Op):
    """stat() of a file that the client has never seen."""

    def prepare(self, c):
        c.make_there()

    def act(self, c):
        check(os.stat(c.path).st_size == len(DATA), "another size")


class Missing(Op):
    """stat() of what is not there."""

    def act(self, c):
        try:
            os.stat(c.path)
        except FileNotFoundError:
            return
        raise Wrong("something is there")


class List(Op):
    """A directory, with what stat() says of its entries."""

    def prepare(self, c):
        os.mkdir(c.served)
        for n in range(1, 61):
            os.symlink("x" * n, os.path.join(c.served, f"entry{n}"))

    def act(self, c):
        with os.scandir(c.path) as entries:
            names = {entry.name: entry.stat(follow_symlinks=False).st_size for entry in entries}
        check(names == {f"entry{n}": n for n in range(1, 61)}, f"{len(names)} entries")

    def verify(self, c):
        for n in range(1, 61):
            os.unlink(os.path.join(c.served, f"entry{n}"))


class Mkdir(Op):
    may = (errno.EEXIST,)

    def act(self, c):
        os.mkdir(c.path)

    def verify(self, c):
        check(os.path.isdir(c.served), "no directory")


class Symlink(Op):
    may = (errno.EEXIST,)

    def act(self, c):
        os.symlink("to" * 500, c.path)

    def verify(self, c):
        check(os.readlink(c.served) == "to" * 500, "another link")


class Readlink(Op):
    def prepare(self, c):
        os.symlink("to" * 500, c.served)

    def act(self, c):
        check(os.readlink(c.path) == "to" * 500, "another link")


class Mknod(Op):
    may = (errno.EEXIST,)

    def act(self, c):
        os.mkfifo(c.path)

    def verify(self, c):
        check(os.path.exists(c.served), "nothing is there")


class Link(Op):
    may = (errno.EEXIST,)

    def prepare(self, c):
        c.make()

    def act(self, c):
        os.link(c.path, c.path + "-link")

    def verify(self, c):
        check(os.stat(c.served).st_nlink == 2, "no second link")
        os.unlink(c.path + "-link")


class Unlink(Op):
    may = (errno.ENOENT,)

    def prepare(self, c):
        c.make()

    def act(self, c):
        os.unlink(c.path)

    def verify(self, c):
        c.is_gone()


class Silly(Op):
    """unlink() of an open file, which can be read all the same."""

    may = (errno.ENOENT,)

    def prepare(self, c):
        c.make()
        c.open()

    def act(self, c):
        os.unlink(c.path)

    def verify(self, c):
        c.is_gone()
        check(os.pread(c.fd, 1 << 16, 0) == DATA, "other bytes were read")


class Rename(Op):
    may = (errno.ENOENT,)

    def prepare(self, c):
        c.make()

    def act(self, c):
        os.rename(c.path, c.path + "-new")

    def verify(self, c):
        c.is_gone()
        os.rename(c.served + "-new", c.served)
        c.has()


class Replace(Rename):
    """rename() over an open file."""

    def prepare(self, c):
        c.make()
        self.old = os.open(c.path + "-new", os.O_RDWR | os.O_CREAT)
        os.write(self.old, b"old")

    def verify(self, c):
        try:
            check(os.pread(self.old, 10, 0) == b"old", "the replaced file has other bytes")
        finally:
            os.close(self.old)
        super().verify(c)


class Attributes(Op):
    def prepare(self, c):
        c.make()

    def act(self, c):
        os.chmod(c.path, 0o604)
        os.chown(c.path, 7, 8)
        os.utime(c.path, ns=(10**18, 10**18))

    def verify(self, c):
        st = os.stat(c.served)
        check((st.st_mode & 0o777, st.st_uid, st.st_gid, st.st_mtime_ns) == (0o604, 7, 8, 10**18), "other attributes")


class Truncate(Op):
    def prepare(self, c):
        c.make()

    def act(self, c):
        os.truncate(c.path, 7000)

    def verify(self, c):
        c.has(DATA[:7000])


class Write(Op):
    """write() to an open file; what is behind it on the way to the server is another operation."""

    def prepare(self, c):
        c.make(b"")
        c.open()

    def act(self, c):
        write_all(c.fd, DATA, 0)

    def verify(self, c):
        os.fsync(c.fd)
        c.has()


class Fsync(Write):
    def prepare(self, c):
        super().prepare(c)
        super().act(c)

    def act(self, c):
        os.fsync(c.fd)

    def verify(self, c):
        c.has()


class Close(Write):
    """close() behind write()."""

    def prepare(self, c):
        super().prepare(c)
        super().act(c)

    def act(self, c):
        c.close()

    def again(self, c):
        # The descriptor is gone; what it could not send is sent all the same.
        os.sync()

    def verify(self, c):
        c.has()


class Appending(Write):
    """What is written synchronously, to the end."""

    def prepare(self, c):
        c.make(b"")
        c.open(os.O_RDWR | os.O_APPEND | os.O_SYNC)

    def act(self, c):
        # What failed may be there all the same.
        os.ftruncate(c.fd, 0)
        write_all(c.fd, DATA)


class Large(Write):
    """A MiB, and nothing waits for it before fsync()."""

    def act(self, c):
        write_all(c.fd, LARGE, 0)
        os.fsync(c.fd)

    def verify(self, c):
        c.has(LARGE)


class Reading(Op):
    """A MiB, read ahead."""

    def prepare(self, c):
        c.make_there(LARGE)
        c.open()

    def act(self, c):
        got = bytearray()
        while len(got) < len(LARGE):
            part = os.pread(c.fd, 100000, len(got))
            check(part, "the end comes too early")
            got += part
        check(got == LARGE, "other bytes were read")


class Sendfile(Op):
    def prepare(self, c):
        c.make_there()
        c.open()

    def act(self, c):
        to = os.open("/tmp/sent", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            at = 0
            while at < len(DATA):
                at += os.sendfile(to, c.fd, at, len(DATA) - at)
            check(os.pread(to, 1 << 16, 0) == DATA, "other bytes were sent")
        finally:
            os.close(to)


class Mapped(Op):
    """Stores into a mapping; a page that cannot be had would be SIGBUS, so what fails here is the msync()."""

    def prepare(self, c):
        c.make()
        c.open()
        c.map = mmap.mmap(c.fd, len(DATA))
        c.map[:] = DATA[::-1]

    def act(self, c):
        c.map.flush()

    def verify(self, c):
        c.has(DATA[::-1])


class Direct(Op):
    """O_DIRECT, both ways."""

    def prepare(self, c):
        c.make(b"")
        c.open(os.O_RDWR | os.O_DIRECT)
        self.buffer = mmap.mmap(-1, 1 << 17)

    def act(self, c):
        self.buffer[:] = LARGE[: 1 << 17]
        check(os.pwritev(c.fd, [self.buffer], 0) == 1 << 17, "a short write")
        self.buffer[:] = bytes(1 << 17)
        check(os.preadv(c.fd, [self.buffer], 0) == 1 << 17, "a short read")
        check(self.buffer[:] == LARGE[: 1 << 17], "other bytes were read")

    def verify(self, c):
        c.has(LARGE[: 1 << 17])


class Lock(Op):
    """Locks, and their end. Where the VFS has no memory for one it says ENOLCK."""

    says = (errno.ENOMEM, errno.ENOLCK)

    def prepare(self, c):
        c.make()
        c.open()

    def act(self, c):
        fcntl.lockf(c.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 100, 5)
        fcntl.lockf(c.fd, fcntl.LOCK_SH | fcntl.LOCK_NB, 50, 20)
        fcntl.lockf(c.fd, fcntl.LOCK_UN, 100, 5)

    def verify(self, c):
        with open("/proc/locks", encoding="ascii") as locks:
            inode = f":{os.fstat(c.fd).st_ino} "
            check(not any(inode in line for line in locks), "a lock is left")


class Flock(Op):
    def prepare(self, c):
        c.make()
        c.open()

    def act(self, c):
        fcntl.flock(c.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(c.fd, fcntl.LOCK_UN)


class Allocate(Op):
    """fallocate(), and a hole again."""

    def prepare(self, c):
        c.make()
        c.open()

    def act(self, c):
        os.posix_fallocate(c.fd, 0, 50000)
        check(os.lseek(c.fd, 0, os.SEEK_DATA) == 0, "no data")

    def verify(self, c):
        c.has(DATA + bytes(30000))


class Statfs(Op):
    def prepare(self, c):
        c.make()

    def act(self, c):
        check(os.statvfs(c.path).f_blocks > 0, "no blocks")
        os.access(c.path, os.R_OK)


class Mount(Op):
    """A mount of its own, and its end."""

    def prepare(self, c):
        os.makedirs("/mnt/nomem2", exist_ok=True)
        c.make_there()

    def act(self, c):
        options = f"addr={SERVER},vers=4.2,nosharecache".encode()
        if libc.mount(f"{SERVER}:/".encode(), b"/mnt/nomem2", b"rnfs4", 0, options):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        name = os.path.join("/mnt/nomem2", os.path.basename(c.path))
        try:
            check(os.stat(name).st_size == len(DATA), "another size")
        finally:
            check(libc.umount(b"/mnt/nomem2") == 0, "umount fails")


class Looking(Op):
    """What there is to see of a client."""

    def act(self, c):
        for path in ["/proc/self/mountstats", "/proc/self/mountinfo"]:
            with open(path, "rb") as file:
                check(b"rnfs4" in file.read(), f"{path} says nothing of it")
        for top, _, names in os.walk("/sys/kernel/debug/rnfs4"):
            for name in names:
                path = os.path.join(top, name)
                if os.stat(path).st_mode & 0o400:
                    with open(path, "rb") as file:
                        file.read()


OPS = {kind.__name__.lower(): kind for kind in Op.__subclasses__()}
OPS |= {kind.__name__.lower(): kind for parent in list(OPS.values()) for kind in parent.__subclasses__()}


def each(mount, export, name, step):
    only_ours()
    failing = Failing()
    op = OPS[name]()
    nth, said, refused = 1, 0, 0
    while True:
        c = Case(mount, export, f"{name}-{nth}")
        try:
            op.prepare(c)
            error, failed = failing.attempt(nth, lambda: op.act(c))
            said += failed
            if error is not None:
                check(failed, f"{errno.errorcode[error]}, and no allocation had failed")
                check(error in op.says, f"{errno.errorcode[error]}")
                refused += 1
                op.again(c)
            op.verify(c)
            c.close()
            if os.path.isdir(c.served):
                os.rmdir(c.path)
            elif os.path.lexists(c.served):
                os.unlink(c.path)
        except (Wrong, OSError) as e:
            raise Wrong(f"{name}, when allocation {nth} failed: {e}") from e
        if not failed:
            break
        nth += step
    check(said, "no allocation has failed")
    print(f"{name}: {said} allocations failed, {refused} calls with them")


def at_random(percent):
    only_ours()
    for kind in ("failslab", "fail_page_alloc"):
        control(kind, "probability", percent)


def pour(mount, export, name, seconds):
    """One that goes on whatever fails, and must end with what it has written."""
    dice = random.Random(name)
    wanted = bytearray(1 << 20)
    end = time.monotonic() + seconds
    tries = failures = 0
    path, served = os.path.join(mount, name), os.path.join(export, name)

    def persist(act):
        """Until it is done: memory was all that was missing."""
        nonlocal tries, failures
        for _ in range(1000):
            tries += 1
            try:
                return act()
            except OSError as e:
                if e.errno != errno.ENOMEM:
                    raise
                failures += 1
        raise Wrong("a thousand tries were not enough")

    fd = persist(lambda: os.open(path, os.O_RDWR | os.O_CREAT, 0o644))
    persist(lambda: os.ftruncate(fd, len(wanted)))
    while time.monotonic() < end:
        at, length = dice.randrange(len(wanted) - 70000), dice.randrange(1, 70000)
        data = LARGE[at : at + length]
        persist(lambda: write_all(fd, data, at))
        wanted[at : at + length] = data
        what = dice.random()
        if what < 0.2:
            persist(lambda: os.fsync(fd))
        elif what < 0.4:
            at = dice.randrange(len(wanted))
            got = persist(lambda: os.pread(fd, 50000, at))
            check(got and got == wanted[at : at + len(got)], "other bytes were read")
        elif what < 0.5:
            persist(lambda: os.fsync(fd))
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        elif what < 0.6:
            persist(lambda: os.stat(path))
            persist(lambda: os.listdir(mount))
        elif what < 0.7:
            os.close(persist(lambda: os.open(path, os.O_RDWR)))
    persist(lambda: os.fsync(fd))
    os.close(fd)
    with open(served, "rb") as file:
        check(file.read() == wanted, "the server has other bytes")
    print(f"{name}: {tries} calls, {failures} of them in want of memory")


def main(what, *args):
    if what == "list":
        print(" ".join(OPS))
    elif what == "each":
        each(args[0], args[1], args[2], int(args[3]))
    elif what == "random":
        at_random(int(args[0]))
    elif what == "pour":
        pour(args[0], args[1], args[2], float(args[3]))
    else:
        sys.exit(f"nomem.py: no {what}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Wrong, OSError) as wrong:
        print(f"wrong: {wrong}")
        sys.exit(1)
