#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""Files that are being made: what is set on them before they are closed, and what the server has of it, for the selftest of the same name.

    making.py MOUNT EXPORT CASE    says nothing and succeeds, or fails and says what it saw
"""

import mmap
import os
import signal
import subprocess
import sys

DATA = b"what a file holds\n" * 300
# Nanoseconds: of access, and of change.
TIMES = (1_000_000_000_123_456_789, 1_100_000_000_987_654_321)
WRITING = os.O_RDWR | os.O_CREAT | os.O_EXCL
NOBODY = 65534


class Case:
    """A file of the case's name, as the program has it and as the server does."""

    def __init__(self, mount, export, name):
        self.path, self.served = os.path.join(mount, name), os.path.join(export, name)
        self.mount = mount
        os.umask(0)

    def make(self, mode=0o600, owner=(0, 0), becomes=0o644):
        """As tar does it, but for the close()."""
        fd = os.open(self.path, WRITING, mode)
        os.write(fd, DATA)
        self.set(fd, owner, becomes)
        return fd

    @staticmethod
    def set(fd, owner=(0, 0), becomes=0o644):
        os.utime(fd, ns=TIMES)
        os.fchown(fd, *owner)
        os.fchmod(fd, becomes)

    def mode(self):
        return oct(os.stat(self.served).st_mode & 0o7777)

    def has(self, mode=0o644, times=TIMES, owner=(0, 0), data=DATA, st=None):
        """What the server has is that, or what was seen."""
        if st is None:
            with open(self.served, "rb") as file:
                same(file.read(), data)
        st = st or os.stat(self.served)
        same(oct(st.st_mode & 0o7777), oct(mode))
        same((st.st_uid, st.st_gid), owner)
        same(st.st_mtime_ns, times[1])
        # The server's side has just read it.
        if data is not DATA or st.st_atime_ns < TIMES[1]:
            same(st.st_atime_ns, times[0])

    def waits(self):
        """The server has nothing of it yet. What is to come must be something that waits."""
        same(self.mode(), oct(0o600))


def same(got, wanted):
    if got != wanted:
        sys.exit(f"got {str(got)[:200]}, wanted {str(wanted)[:200]}")


def error(call, *args):
    try:
        call(*args)
        return "none"
    except OSError as e:
        return os.strerror(e.errno)


def child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except OSError as e:
            print(e, flush=True)
        os._exit(1)
    return os.waitpid(pid, 0)[1]


def become(user):
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def closed(it):
    fd = it.make()
    it.waits()
    os.close(fd)
    st = os.stat(it.path)
    it.has(st=st)
    it.has()


def seen(it):
    fd = it.make()
    before = os.stat(it.served).st_ctime_ns
    st = os.fstat(fd)
    it.has(st=st)
    it.has(data=DATA)
    assert st.st_ctime_ns > before, "the time of change stands still"
    os.close(fd)
    it.has(data=DATA)


def opened(it):
    fd = it.make()

    def read():
        become(NOBODY)
        with open(it.path, "rb") as file:
            same(file.read(), DATA)

    same(child(read), 0)
    os.close(fd)
    same(it.mode(), oct(0o644))


def asked(it):
    fd = it.make()

    def ask():
        become(NOBODY)
        assert os.access(it.path, os.R_OK, effective_ids=True), "may not read"

    same(child(ask), 0)
    os.close(fd)


def written(it):
    fd = it.make()
    os.write(fd, DATA)
    os.close(fd)
    st = os.stat(it.served)
    assert st.st_mtime_ns > TIMES[1] * 1.1, "the write does not show in the time of change"
    same(st.st_size, 2 * len(DATA))
    same(it.mode(), oct(0o644))


def cut(it):
    fd = it.make()
    os.ftruncate(fd, 100)
    os.close(fd)
    assert os.stat(it.served).st_mtime_ns > TIMES[1] * 1.1, "the cut does not show in the time of change"
    same(it.mode(), oct(0o644))


def mapped(it):
    fd = it.make()
    with mmap.mmap(fd, len(DATA)) as pages:
        same(it.mode(), oct(0o644))
        os.utime(fd, ns=TIMES)
        same(os.stat(it.served).st_mtime_ns, TIMES[1])
        pages[:4] = b"mmap"
        pages.flush()
    os.close(fd)
    assert os.stat(it.served).st_mtime_ns > TIMES[1] * 1.1, "the mapping does not show in the time of change"


def tightened(it):
    fd = os.open(it.path, WRITING, 0o666)
    os.write(fd, DATA)
    os.fchmod(fd, 0o600)
    same(it.mode(), oct(0o600))
    os.fchmod(fd, 0o640)
    same(it.mode(), oct(0o600))
    os.fchmod(fd, 0o000)
    same(it.mode(), oct(0o000))
    os.close(fd)
    same(it.mode(), oct(0o000))


def synced(it):
    fd = it.make()
    it.waits()
    os.fsync(fd)
    it.has()
    os.close(fd)


def all_synced(it):
    fd = it.make()
    it.waits()
    os.sync()
    it.has()
    os.close(fd)


def duplicate(it):
    fd = it.make()
    other = os.dup(fd)
    it.waits()
    os.close(other)
    it.has()
    os.utime(fd, ns=(5, 6))
    same(os.stat(it.served).st_mtime_ns, 6)
    os.close(fd)


def big(it):
    fd = os.open(it.path, WRITING, 0o600)
    data = os.urandom(5 << 20)
    os.write(fd, data)
    it.set(fd)
    it.waits()
    os.close(fd)
    it.has(data=data, times=(os.stat(it.served).st_atime_ns, TIMES[1]))


def empty(it):
    fd = os.open(it.path, WRITING, 0o600)
    it.set(fd)
    it.waits()
    os.close(fd)
    it.has(data=b"", times=(os.stat(it.served).st_atime_ns, TIMES[1]))


def given(it):
    fd = it.make(owner=(1000, 1001), becomes=0o600)
    os.fchmod(fd, 0o640)
    same(it.mode(), oct(0o600))
    same(os.stat(it.served).st_uid, 1000)
    os.close(fd)
    it.has(mode=0o640, owner=(1000, 1001))


def special(it):
    fd = it.make(becomes=0o4755)
    same(it.mode(), oct(0o4755))
    os.close(fd)
    it.has(mode=0o4755)


def refused(it):
    """Somebody else's right is missing at once."""
    become(NOBODY)
    fd = os.open(it.path, WRITING, 0o600)
    os.write(fd, DATA)
    same(error(os.fchown, fd, NOBODY, 1), "Operation not permitted")
    same(error(os.fchown, fd, 0, NOBODY), "Operation not permitted")
    os.fchown(fd, NOBODY, NOBODY)
    os.utime(fd, ns=TIMES)
    os.close(fd)
    it.has(mode=0o600, owner=(NOBODY, NOBODY))


def killed(it):
    def work():
        it.make()
        os.kill(os.getpid(), signal.SIGKILL)

    same(child(work), signal.SIGKILL)
    os.sync()
    it.has()


def renamed(it):
    fd = it.make()
    os.rename(it.path, it.path + ".new")
    it.path, it.served = it.path + ".new", it.served + ".new"
    os.close(fd)
    it.has()


def restarted(it):
    fd = it.make()
    it.waits()
    subprocess.run(["server_restart"], check=True)
    os.close(fd)
    it.has()


def lost(it):
    """What the server refuses then is told by close(), and what the file has is what the server has."""
    fd = it.make()
    with open(os.environ["FAULT"], "w", encoding="ascii") as fault:
        fault.write("setattr error=NFS4ERR_ACCESS times=9\n")
    same(error(os.close, fd), "Permission denied")
    with open(os.environ["FAULT"], "w", encoding="ascii") as fault:
        fault.write("clear\n")
    it.waits()
    same(oct(os.stat(it.path).st_mode & 0o7777), oct(0o600))
    with open(it.served, "rb") as file:
        same(file.read(), DATA)


def at_once(it):
    """For mounts whose users want that."""
    fd = it.make()
    same(it.mode(), oct(0o644))
    same(os.stat(it.served).st_mtime_ns, TIMES[1])
    os.close(fd)


def main():
    mount, export, case = sys.argv[1:]
    globals()[case](Case(mount, export, case))


if __name__ == "__main__":
    main()
