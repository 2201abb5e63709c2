#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""How data flows between a program and the server, for the selftest of the same name.

    flow.py MOUNT EXPORT CASE [MS]    prints what it saw; fails, and says why, where that is not right

MS are the milliseconds of a round trip, for those cases that look at how many calls are under way at once: N calls one after the other
take N of them. With MEASURED in the environment they are measured only.
"""

import ctypes
import errno
import mmap
import os
import random
import re
import sys
import time

PAGE = 4096
MIB = 1 << 20
DATA = random.Random(11).randbytes(8 * MIB)
RWF_DSYNC, RWF_SYNC, RWF_NOWAIT, RWF_APPEND = 2, 4, 8, 16
MEASURED = "MEASURED" in os.environ
# /proc/kpageflags
COMPOUND_TAIL = 1 << 16


def check(good, what):
    if not good:
        sys.exit(f"wrong: {what}")


def calls(p, *names):
    """How many calls of these names the mount has made. (Not to ask another program: to begin one closes files, which flushes them.)"""
    with open("/proc/self/mountstats", encoding="ascii") as file:
        mine = file.read().split(f" mounted on {p.mount} ")[1].split("\ndevice ")[0]
    return sum(int(found) for name in names for found in re.findall(rf"^\s*{name}: (\d+)", mine, re.MULTILINE))


class Place:
    """A file of the case's name, here and on the server."""

    def __init__(self, mount, export, name):
        self.mount, self.path, self.served = mount, os.path.join(mount, name), os.path.join(export, name)

    def serve(self, data=DATA):
        with open(self.served, "wb") as file:
            file.write(data)

    def has(self, data=DATA):
        with open(self.served, "rb") as file:
            check(file.read() == data, f"the server has other bytes in {self.served}")

    def open(self, flags=os.O_RDWR | os.O_CREAT):
        return os.open(self.path, flags, 0o644)


READS, WRITES = ("READ", "READ_PLUS"), ("WRITE",)


def overlapping(p, what, names, ms, at_least, act, before=lambda: None):
    """Does it; the calls of these names must have been under way by so many at a time, taken over all of it. TCP has to learn how much it
    may have under way itself, so that it is done again where it was not enough. In the C client, which is a yardstick, nothing must."""
    best = 0
    for _ in range(2 if MEASURED else 5):
        before()
        had = calls(p, *names)
        began = time.monotonic()
        act()
        took = time.monotonic() - began
        number = calls(p, *names) - had
        check(number >= 8, f"{what}: only {number} calls")
        at_once = number * ms / 1000 / took
        if at_once > best:
            best = at_once
            said = f"{what}: {number} calls in {took:.2f} s, {at_once:.1f} at once"
        if best >= at_least:
            break
    check(best >= at_least or MEASURED, said)
    print(said)


def uncached(fd):
    return lambda: os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def read_all(fd, size=MIB):
    os.lseek(fd, 0, os.SEEK_SET)
    got = bytearray()
    while part := os.read(fd, size):
        got += part
    check(got == DATA, "other bytes were read")


def read(p, ms):
    """Readahead."""
    p.serve()
    fd = p.open(os.O_RDONLY)
    overlapping(p, "read", READS, ms, 2.5, lambda: read_all(fd), uncached(fd))
    os.close(fd)


def mapped(p, ms):
    """The same through a mapping."""
    p.serve()
    fd = p.open(os.O_RDONLY)

    def look():
        with mmap.mmap(fd, len(DATA), prot=mmap.PROT_READ) as m:
            check(m[:] == DATA, "other bytes were read")

    overlapping(p, "read of a mapping", READS, ms, 2.5, look, uncached(fd))
    os.close(fd)


def write(p, ms):
    """Writeback of one file."""
    fd = p.open()

    def fill():
        check(os.pwrite(fd, DATA, 0) == len(DATA), "a short write")

    overlapping(p, "fsync", WRITES, ms, 4, lambda: os.fsync(fd), fill)
    os.close(fd)
    p.has()


def files(p, ms):
    """Writeback of many files."""
    names = [f"{p.path}{n}" for n in range(40)]
    fds = [os.open(name, os.O_RDWR | os.O_CREAT, 0o644) for name in names]

    def fill():
        for n, fd in enumerate(fds):
            os.pwrite(fd, DATA[n * PAGE : (n + 3) * PAGE], 0)

    overlapping(p, "sync of many files", WRITES, ms, 4, os.sync, fill)
    for n, fd in enumerate(fds):
        os.close(fd)
        with open(f"{p.served}{n}", "rb") as file:
            check(file.read() == DATA[n * PAGE : (n + 3) * PAGE], f"the server has other bytes in file {n}")


def direct(p, ms):
    """One call with O_DIRECT, each way."""
    fd = p.open(os.O_RDWR | os.O_CREAT | os.O_DIRECT)
    with mmap.mmap(-1, len(DATA)) as buffer:
        buffer[:] = DATA

        def out():
            check(os.pwritev(fd, [buffer], 0) == len(DATA), "a short write")

        def back():
            check(os.preadv(fd, [buffer], 0) == len(DATA), "a short read")

        overlapping(p, "direct write", WRITES, ms, 4, out)
        p.has()
        buffer[:] = bytes(len(DATA))
        overlapping(p, "direct read", READS, ms, 4, back)
        check(buffer[:] == DATA, "other bytes were read")
    os.close(fd)


def tails(fd, length):
    """How many pages of the file's cache are not the first, or only, one of their folio."""
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    address = libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
    check(address != ctypes.c_void_p(-1).value, "mmap")
    # Looked at, so that it is mapped.
    for at in range(0, length, PAGE):
        ctypes.string_at(address + at, 1)
    found = 0
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap, open("/proc/kpageflags", "rb", buffering=0) as flags:
        for n in range(length // PAGE):
            entry = int.from_bytes(os.pread(pagemap.fileno(), 8, (address // PAGE + n) * 8), sys.byteorder)
            frame = entry & ((1 << 55) - 1)
            check(frame, "the page is not there")
            found += bool(int.from_bytes(os.pread(flags.fileno(), 8, frame * 8), sys.byteorder) & COMPOUND_TAIL)
    libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(length))
    return found


def large(p):
    """Large folios, by read() and by write()."""
    p.serve()
    fd = p.open(os.O_RDONLY)
    read_all(fd)
    by_read = tails(fd, len(DATA))
    os.close(fd)
    fd = os.open(p.path + "-written", os.O_RDWR | os.O_CREAT, 0o644)
    for at in range(0, len(DATA), MIB):
        os.pwrite(fd, DATA[at : at + MIB], at)
    by_write = tails(fd, len(DATA))
    os.fsync(fd)
    # One byte in the middle of such a folio is all that is sent of it then.
    before = calls(p, "WRITE")
    os.pwrite(fd, b"!", 5 * MIB + 5000)
    os.fsync(fd)
    check(calls(p, "WRITE") == before + 1, f"{calls(p, 'WRITE') - before} WRITEs for one byte")
    os.close(fd)
    with open(p.served + "-written", "rb") as file:
        check(file.read() == DATA[: 5 * MIB + 5000] + b"!" + DATA[5 * MIB + 5001 :], "the server has other bytes")
    pages = len(DATA) // PAGE
    for how, number in (("read()", by_read), ("write()", by_write)):
        check(number > pages // 2, f"{how}: {number} of {pages} pages are tails")
    print(f"of {pages} pages {by_read} are tails of large folios by read(), {by_write} by write()")


def sendfile(p):
    """From file to file inside the kernel, and through a pipe."""
    data = DATA[: MIB + 77]
    p.serve(data)
    source = p.open(os.O_RDONLY)
    ways = {
        "sendfile": lambda to, at: os.sendfile(to, source, at, len(data) - at),
        "copy_file_range": lambda to, at: os.copy_file_range(source, to, len(data) - at, at),
    }
    r, w = os.pipe()

    def spliced(to, at):
        got = os.splice(source, w, 60000, offset_src=at)
        left = got
        while left:
            left -= os.splice(r, to, left)
        return got

    ways["splice"] = spliced
    for how, way in ways.items():
        for warm in (False, True):
            if not warm:
                os.posix_fadvise(source, 0, 0, os.POSIX_FADV_DONTNEED)
            to = os.open(f"{p.path}-{how}-{warm}", os.O_RDWR | os.O_CREAT, 0o644)
            at = 0
            while at < len(data):
                at += way(to, at)
            os.close(to)
            with open(f"{p.served}-{how}-{warm}", "rb") as file:
                check(file.read() == data, f"{how}: the server has other bytes")
    print(", ".join(ways))


def flags(p):
    """RWF_* of pwritev2() and preadv2(), buffered and with O_DIRECT."""
    p.serve(b"")
    fd = p.open()
    for flag in (0, RWF_DSYNC, RWF_SYNC):
        data = b"%d" % flag * 5000
        check(os.pwritev(fd, [data], 0, flag) == len(data), "a short write")
        with open(p.served, "rb") as file:
            there = file.read() == data
        # Nothing sends it so soon that did not have to.
        check(there == bool(flag), f"flag {flag}: the server has {'' if there else 'not '}got it")
    size = os.fstat(fd).st_size
    check(os.pwritev(fd, [b"end"], 0, RWF_APPEND) == 3, "a short write")
    check(os.pread(fd, 10, size) == b"end", "RWF_APPEND does not append")
    os.fsync(fd)
    said = None
    try:
        os.preadv(fd, [bytearray(100)], 0, RWF_NOWAIT)
    except OSError as e:
        said = e.errno
    # Whoever may not wait is not told that he has to, as the client does not know before.
    check(said == errno.EOPNOTSUPP, f"RWF_NOWAIT: {said}")
    os.close(fd)
    fd = p.open(os.O_RDWR | os.O_DIRECT)
    with mmap.mmap(-1, PAGE) as buffer:
        for flag in (0, RWF_DSYNC, RWF_SYNC, RWF_APPEND):
            buffer[:] = bytes([65 + flag]) * PAGE
            size = os.fstat(fd).st_size
            check(os.pwritev(fd, [buffer], 0, flag) == PAGE, "a short write")
            with open(p.served, "rb") as file:
                got = file.read()
            at = size if flag == RWF_APPEND else 0
            check(got[at : at + PAGE] == buffer[:], f"O_DIRECT with flag {flag}: the server has other bytes")
    os.close(fd)
    print("RWF_DSYNC, RWF_SYNC, RWF_APPEND, RWF_NOWAIT")


def main(mount, export, case, ms=None):
    act = globals()[case]
    place = Place(mount, export, f"flow-{case}")
    act(place, *([] if ms is None else [float(ms)]))


main(*sys.argv[1:])
