#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""O_DIRECT from a program's point of view.

    direct.py scramble FILE MODEL [--seed N] [--steps N] [--mixed]
    direct.py append FILE ID COUNT
    direct.py records FILE IDS COUNT
    direct.py edges FILE
    direct.py hold read|write FILE

"scramble" does the same at random to FILE, past the page cache, and to MODEL, which is a local file, and compares what it reads; where
and how long, in the file and in memory, is odd on purpose. With --mixed some of it goes through the page cache, or a mapping, and the file
is cut off at times. "append" appends COUNT records; "records" checks that those of the IDS are all there, whole, and nothing else.
"edges" prints what comes of calls at the limits, a line for each. "hold" begins one call of 1 MiB, having said "ready".
"""

import argparse
import ctypes
import errno
import fcntl
import mmap
import os
import random
import sys

PAGE = 4096
RECORD = 1000
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
for function in libc.pread, libc.pwrite:
    function.restype = ctypes.c_ssize_t
    function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_long]


def memory(rng, length):
    """A piece of memory that begins anywhere in a page, or at one."""
    at = rng.choice([0, 0, rng.randrange(PAGE)])
    whole = mmap.mmap(-1, at + length)
    return memoryview(whole)[at:at + length]


def pieces(rng, length):
    """The same in some pieces, as readv() and writev() have it."""
    lengths = []
    while length:
        lengths.append(min(length, rng.choice([1, 511, PAGE, 3 * PAGE, rng.randrange(1, 100000)])))
        length -= lengths[-1]
    return [memory(rng, n) for n in lengths[:1000]]


class Scrambler:
    LIMIT = 3_000_000

    def __init__(self, path, model, seed, mixed):
        self.rng = random.Random(seed)
        self.direct = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o644)
        self.buffered = os.open(path, os.O_RDWR)
        self.model = os.open(model, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        self.ops = [self.write, self.write, self.writev, self.read, self.readv, self.sync_write]
        if mixed:
            self.ops += [self.write_cached, self.write_cached, self.read_cached, self.store, self.load, self.cut, self.sync]

    def place(self):
        rng = self.rng
        at = rng.randrange(self.LIMIT)
        length = rng.choice([1, 100, PAGE, rng.randrange(1, 10000), rng.randrange(1, 200000)])
        if rng.random() < 0.5:
            at -= at % PAGE
        return at, length

    def noise(self, length):
        return self.rng.randbytes(length)

    def wrote(self, at, data, n):
        assert n == len(data), f"wrote {n} of {len(data)} bytes"
        os.pwrite(self.model, data, at)

    def compare(self, at, length, got):
        want = os.pread(self.model, length, at)
        if got != want:
            off = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
            raise AssertionError(f"at {at}: {len(got)} bytes for {len(want)}, other from {at + off} on")

    def write(self):
        at, length = self.place()
        data, buf = self.noise(length), memory(self.rng, length)
        buf[:] = data
        self.wrote(at, data, os.pwrite(self.direct, buf, at))

    def sync_write(self):
        at, length = self.place()
        data = self.noise(length)
        flag = self.rng.choice([os.RWF_SYNC, os.RWF_DSYNC])
        self.wrote(at, data, os.pwritev(self.direct, [data], at, flag))

    def writev(self):
        at, length = self.place()
        bufs = pieces(self.rng, length)
        data = b""
        for buf in bufs:
            buf[:] = self.noise(len(buf))
            data += buf
        self.wrote(at, data, os.pwritev(self.direct, bufs, at))

    def read(self):
        at, length = self.place()
        buf = memory(self.rng, length)
        n = os.preadv(self.direct, [buf], at)
        self.compare(at, length, bytes(buf[:n]))

    def readv(self):
        at, length = self.place()
        bufs = pieces(self.rng, length)
        n = os.preadv(self.direct, bufs, at)
        self.compare(at, sum(map(len, bufs)), b"".join(map(bytes, bufs))[:n])

    def write_cached(self):
        at, length = self.place()
        data = self.noise(length)
        self.wrote(at, data, os.pwrite(self.buffered, data, at))

    def read_cached(self):
        at, length = self.place()
        self.compare(at, length, os.pread(self.buffered, length, at))

    def mapped(self):
        size = os.fstat(self.buffered).st_size
        if not size:
            return None, 0, 0
        at, length = self.place()
        at %= size
        return mmap.mmap(self.buffered, size), at, min(length, size - at)

    def store(self):
        mapping, at, length = self.mapped()
        if mapping:
            data = self.noise(length)
            mapping[at:at + length] = data
            os.pwrite(self.model, data, at)
            if self.rng.random() < 0.5:
                mapping.flush()
            mapping.close()

    def load(self):
        mapping, at, length = self.mapped()
        if mapping:
            self.compare(at, length, mapping[at:at + length])
            mapping.close()

    def cut(self):
        at, _ = self.place()
        os.ftruncate(self.buffered, at)
        os.ftruncate(self.model, at)

    def sync(self):
        os.fsync(self.buffered)

    def run(self, steps):
        for step in range(steps):
            op = self.rng.choice(self.ops)
            try:
                op()
                sizes = os.fstat(self.direct).st_size, os.fstat(self.model).st_size
                assert sizes[0] == sizes[1], f"size {sizes[0]} for {sizes[1]}"
            except (AssertionError, OSError) as error:
                sys.exit(f"step {step}, {op.__name__}: {error}")


def record(number, n):
    return (f"{number} {n} ".encode() * RECORD)[:RECORD]


def append(args):
    fd = os.open(args.file, os.O_WRONLY | os.O_APPEND | os.O_DIRECT | os.O_CREAT, 0o644)
    for n in range(args.count):
        assert os.write(fd, record(args.id, n)) == RECORD


def records(args):
    with open(args.file, "rb") as file:
        data = file.read()
    found = sorted(data[at:at + RECORD] for at in range(0, len(data), RECORD))
    wanted = sorted(record(number, n) for number in args.ids.split(",") for n in range(args.count))
    if found != wanted:
        sys.exit(f"{len(found)} records for {len(wanted)}, {len(set(found) & set(wanted))} of them right")


def outcome(call):
    """What a call gives: a number, or the name of the error."""
    try:
        n = call()
    except OSError as error:
        return errno.errorcode[error.errno]
    return errno.errorcode[ctypes.get_errno()] if n == -1 else n


def edges(args):
    fd = os.open(args.file, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_DIRECT, 0o644)
    big = 5 << 30

    def say(what, *got):
        print(what, *got)

    say("write", outcome(lambda: os.pwrite(fd, b"x" * 10001, 0)), os.fstat(fd).st_size)
    say("write-nothing", outcome(lambda: os.pwrite(fd, b"", 5)))
    say("read-at-end", outcome(lambda: len(os.pread(fd, 100, 10001))))
    say("read-over-end", outcome(lambda: len(os.pread(fd, 100000, 9001))))
    say("read-beyond", outcome(lambda: len(os.pread(fd, 100, 1 << 40))))
    say("write-beyond", outcome(lambda: os.pwrite(fd, b"y" * 10, big)), os.fstat(fd).st_size == big + 10)
    say("read-hole", outcome(lambda: os.pread(fd, PAGE, 1 << 30).count(0)))
    say("read-far", outcome(lambda: os.pread(fd, 100, big).decode()))
    os.lseek(fd, 100, os.SEEK_SET)
    say("position", outcome(lambda: os.write(fd, b"z" * 50)), os.lseek(fd, 0, os.SEEK_CUR),
        outcome(lambda: len(os.read(fd, 70))), os.lseek(fd, 0, os.SEEK_CUR))
    # A buffer that ends in the middle: two pages, then nothing.
    area = libc.mmap(None, 4 * PAGE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    libc.mprotect(area + 2 * PAGE, PAGE, 0)
    say("read-fault", outcome(lambda: libc.pread(fd, area + 2 * PAGE, 100, 0)))
    say("write-fault", outcome(lambda: libc.pwrite(fd, area + 2 * PAGE, 100, 0)))
    say("read-half-fault", outcome(lambda: libc.pread(fd, area + PAGE, 2 * PAGE, 0)))
    say("write-half-fault", outcome(lambda: libc.pwrite(fd, area + PAGE, 2 * PAGE, 0)))
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    say("cached", outcome(lambda: os.pwrite(fd, b"c" * 5, 3)))
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_DIRECT)
    say("direct-again", outcome(lambda: os.pread(fd, 7, 2).decode("latin-1").replace("\0", "0")))
    reader = os.open(args.file, os.O_RDONLY | os.O_DIRECT)
    say("write-to-reader", outcome(lambda: os.write(reader, b"x")))


def hold(args):
    size = 1 << 20
    fd = os.open(args.file, os.O_RDWR | os.O_DIRECT)
    buf = mmap.mmap(-1, size)
    print("ready", flush=True)
    sys.stdin.readline()
    print(outcome(lambda: os.preadv(fd, [buf], 0) if args.what == "read" else os.pwrite(fd, buf, 0)), flush=True)


def main():
    parser = argparse.ArgumentParser()
    sub = parser.add_subparsers(dest="command", required=True)
    p = sub.add_parser("scramble")
    p.add_argument("file")
    p.add_argument("model")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--steps", type=int, default=200)
    p.add_argument("--mixed", action="store_true")
    p = sub.add_parser("append")
    p.add_argument("file")
    p.add_argument("id")
    p.add_argument("count", type=int)
    p = sub.add_parser("records")
    p.add_argument("file")
    p.add_argument("ids")
    p.add_argument("count", type=int)
    p = sub.add_parser("edges")
    p.add_argument("file")
    p = sub.add_parser("hold")
    p.add_argument("what", choices=["read", "write"])
    p.add_argument("file")
    args = parser.parse_args()
    if args.command == "scramble":
        Scrambler(args.file, args.model, args.seed, args.mixed).run(args.steps)
    else:
        {"append": append, "records": records, "edges": edges, "hold": hold}[args.command](args)


main()
