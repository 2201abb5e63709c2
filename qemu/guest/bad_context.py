#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""What each system call gives on a file whose open state was lost for good (NFS_CONTEXT_BAD).

    bad_context.py list
    bad_context.py make DIR [--user UID]
    bad_context.py run DIR [--user UID]

"list" prints the names of the cases. "make" makes a file in DIR for each. "run" opens them, does to each what the case wants done before, prints "ready", and waits for a
line on stdin: meanwhile the server is restarted and refuses to give the files back. Then it prints for each case

    NAME OUTCOME...         what each call has given: "ok", the name of an error (EIO) or of a signal (SIGBUS), "data" for the
                            bytes that the file had, "other" for others, "hangs" after some seconds

Each case is a process and a file of its own, so that each error belongs to one call; a process is forked before it has anything open.
"""

import argparse
import ctypes
import errno
import fcntl
import mmap
import os
import select
import signal
import sys

PAGE = 4096
SIZE = 16 * PAGE
PATIENCE = 20
CASES = {}

libc = ctypes.CDLL(None, use_errno=True)


def content(name):
    return (name.encode() + b" ") * (SIZE // (len(name) + 1) + 1)


def case(function):
    CASES[function.__name__.replace("_", "-")] = function
    return function


class File:
    """One open of the file of a case."""

    def __init__(self, path, flags=os.O_RDWR):
        self.path = path
        self.want = content(os.path.basename(path))[:SIZE]
        self.fd = os.open(path, flags)
        # So that nothing is in the cache but what was read.
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_RANDOM)

    def dirty(self, page=2):
        os.pwrite(self.fd, b"d" * PAGE, page * PAGE)
        return self

    def written(self):
        """Sent to the server, and not committed."""
        self.dirty()
        # SYNC_FILE_RANGE_WRITE, and until that has ended.
        for flags in 2, 1 | 2 | 4:
            if libc.sync_file_range(self.fd, ctypes.c_int64(0), ctypes.c_int64(0), flags):
                raise OSError(ctypes.get_errno(), "sync_file_range")
        return self

    def cache(self):
        self.read()
        return self

    def map(self, prot=mmap.PROT_READ | mmap.PROT_WRITE):
        self.memory = mmap.mmap(self.fd, SIZE, prot=prot)
        return self

    def same(self, data):
        return "data" if data == self.want[:len(data)] and data else "other"

    def read(self):
        return self.same(os.pread(self.fd, PAGE, 0))

    def load(self):
        return self.same(self.memory[:PAGE])

    def store(self, page):
        self.memory[page * PAGE:page * PAGE + 5] = b"store"

    def msync(self):
        self.memory.flush()

    def write(self):
        os.write(self.fd, b"w" * PAGE)

    def fsync(self):
        os.fsync(self.fd)

    def close(self):
        os.close(self.fd)


def outcome(call):
    try:
        return call() or "ok"
    except OSError as error:
        return errno.errorcode[error.errno]


def again(path):
    file = File(path)
    file.write()
    file.fsync()


# Writing

@case
def write(path):
    file = File(path)
    yield
    yield file.write


@case
def pwrite(path):
    file = File(path)
    yield
    yield lambda: os.pwrite(file.fd, b"p", 7) and None


@case
def append(path):
    file = File(path, os.O_WRONLY | os.O_APPEND)
    yield
    yield file.write


@case
def write_sync(path):
    file = File(path, os.O_RDWR | os.O_SYNC)
    yield
    yield file.write


@case
def write_after_fsync(path):
    file = File(path).dirty()
    yield
    yield file.fsync
    yield file.write
    yield file.write


# fsync() and close()

@case
def fsync_dirty(path):
    file = File(path).dirty()
    yield
    yield file.fsync
    yield file.fsync


@case
def fsync_uncommitted(path):
    file = File(path).written()
    yield
    yield file.fsync
    yield file.fsync


@case
def fsync_clean(path):
    file = File(path)
    yield
    yield file.fsync
    yield file.fsync


@case
def fsync_two_opens(path):
    first, second = File(path).dirty(), File(path)
    yield
    yield first.fsync
    yield second.fsync
    yield first.fsync


@case
def fsync_reader(path):
    file = File(path, os.O_RDONLY)
    yield
    yield file.fsync


@case
def close_dirty(path):
    file = File(path).dirty()
    yield
    yield file.close


@case
def close_clean(path):
    file = File(path)
    yield
    yield file.close


@case
def close_dup(path):
    file = File(path).dirty()
    second = os.dup(file.fd)
    yield
    yield lambda: os.close(second)
    yield file.close


@case
def close_after_fsync(path):
    file = File(path).dirty()
    yield
    yield file.fsync
    yield file.close


@case
def close_reader(path):
    file = File(path, os.O_RDONLY).cache()
    yield
    yield file.close


# Reading

@case
def read_cached(path):
    file = File(path).cache()
    yield
    yield file.read


@case
def read_cached_reader(path):
    file = File(path, os.O_RDONLY).cache()
    yield
    yield file.read


@case
def read_not_cached(path):
    file = File(path)
    yield
    yield file.read


@case
def read_not_cached_reader(path):
    file = File(path, os.O_RDONLY)
    # An open for reading may bring the beginning of the file.
    os.posix_fadvise(file.fd, 0, 0, os.POSIX_FADV_DONTNEED)
    yield
    yield file.read


@case
def read_of_lost_data(path):
    file = File(path).dirty(0)
    yield
    yield file.fsync
    yield file.read


# Mappings

@case
def mmap_bad(path):
    file = File(path)
    yield
    yield lambda: file.map() and None


@case
def mmap_load_cached(path):
    file = File(path).map()
    file.load()
    yield
    yield file.load


@case
def mmap_load_not_cached(path):
    file = File(path).map()
    yield
    yield file.load


@case
def mmap_store_clean(path):
    file = File(path).cache().map()
    file.load()
    yield
    yield lambda: file.store(0)


@case
def mmap_store_dirty(path):
    file = File(path).map()
    file.store(0)
    yield
    yield lambda: file.store(0)
    yield file.msync
    yield file.msync
    yield lambda: file.store(0)


# Size and attributes

@case
def ftruncate(path):
    file = File(path)
    yield
    yield lambda: os.ftruncate(file.fd, PAGE)


@case
def truncate_by_name(path):
    file = File(path)
    yield
    yield lambda: os.truncate(path, PAGE)
    yield file.write


@case
def fallocate(path):
    file = File(path)
    yield

    def call():
        if libc.fallocate(file.fd, 0, ctypes.c_int64(SIZE), ctypes.c_int64(PAGE)):
            raise OSError(ctypes.get_errno(), "fallocate")
    yield call


@case
def fstat(path):
    file = File(path)
    yield
    yield lambda: os.fstat(file.fd) and None


# From one descriptor to another

@case
def sendfile_from_cached(path):
    file = File(path).cache()
    r, w = os.pipe()
    yield
    yield lambda: os.sendfile(w, file.fd, 0, PAGE) and file.same(os.read(r, PAGE))


@case
def sendfile_from_not_cached(path):
    file = File(path)
    r, w = os.pipe()
    yield
    yield lambda: os.sendfile(w, file.fd, 0, PAGE) and file.same(os.read(r, PAGE))


@case
def sendfile_to(path):
    file = File(path)
    source = os.open("/bin/sh", os.O_RDONLY)
    yield
    yield lambda: os.sendfile(file.fd, source, 0, PAGE) and None


@case
def splice_to(path):
    file = File(path)
    r, w = os.pipe()
    os.write(w, b"s" * PAGE)
    yield
    yield lambda: os.splice(r, file.fd, PAGE) and None


@case
def copy_file_range_to(path):
    # A file of the same mount that nothing happens to.
    file, source = File(path), os.open(os.path.join(os.path.dirname(path), "../source"), os.O_RDONLY)
    yield
    yield lambda: os.copy_file_range(source, file.fd, PAGE, 0, 0) and None


@case
def direct_write(path):
    file = File(path, os.O_RDWR | os.O_DIRECT)
    yield
    yield file.write


@case
def direct_read(path):
    file = File(path, os.O_RDWR | os.O_DIRECT)
    yield
    yield file.read


# Locks

@case
def lock(path):
    file = File(path)
    yield
    yield lambda: fcntl.lockf(file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    yield lambda: fcntl.lockf(file.fd, fcntl.LOCK_UN)


@case
def flock(path):
    file = File(path)
    yield
    yield lambda: fcntl.flock(file.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    yield lambda: fcntl.flock(file.fd, fcntl.LOCK_UN)


# Opening it anew

@case
def open_again(path):
    file = File(path).dirty()
    yield
    yield file.fsync
    yield lambda: again(path)
    yield file.write


@case
def open_descriptor(path):
    file = File(path)
    yield
    yield file.fsync
    yield lambda: os.close(os.open(f"/proc/self/fd/{file.fd}", os.O_RDWR))


def child(function, path, ready, go, results):
    """One case. What is reported is reported at once, so that it is known which call has killed or holds the process."""
    steps = function(path)
    try:
        next(steps)
        os.write(ready, b"r")
        os.read(go, 1)
        for call in steps:
            os.write(results, outcome(call).encode() + b" ")
    except BaseException as error:
        os.write(results, f"({type(error).__name__}: {error}) ".encode())
    # Whatever else is open is closed here, and says nothing.
    os._exit(0)


class Case:
    def __init__(self, name, path):
        self.name = name
        ready, their_ready = os.pipe()
        their_go, self.go = os.pipe()
        self.results, theirs = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            for fd in ready, self.go, self.results:
                os.close(fd)
            child(CASES[name], path, their_ready, their_go, theirs)
        for fd in their_ready, their_go, theirs:
            os.close(fd)
        self.is_ready = os.read(ready, 1) == b"r"
        os.close(ready)

    def run(self):
        """Lets it go, and returns what its calls gave."""
        got = b""
        if self.is_ready:
            os.write(self.go, b"g")
        while select.select([self.results], [], [], PATIENCE)[0]:
            more = os.read(self.results, 4096)
            if not more:
                _, status = os.waitpid(self.pid, 0)
                if os.WIFSIGNALED(status):
                    got += signal.Signals(os.WTERMSIG(status)).name.encode()
                return got.decode().strip()
            got += more
        os.kill(self.pid, signal.SIGKILL)
        return (got + b"hangs").decode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["list", "make", "run"])
    parser.add_argument("dir", nargs="?", default="")
    parser.add_argument("--user", type=int, default=1000)
    args = parser.parse_args()
    paths = {name: os.path.join(args.dir, name) for name in CASES}
    if args.command == "list":
        return print(*CASES, sep="\n")
    if args.command == "make":
        for name, path in paths.items():
            with open(path, "wb") as file:
                file.write(content(name)[:SIZE])
            os.chown(path, args.user, args.user)
        return None
    os.setgroups([])
    os.setgid(args.user)
    os.setuid(args.user)
    cases = [Case(name, path) for name, path in paths.items()]
    print("ready", flush=True)
    sys.stdin.readline()
    for each in cases:
        print(each.name, each.run(), flush=True)


main()
