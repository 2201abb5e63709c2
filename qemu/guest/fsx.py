#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""Does to files what programs do, at random, and compares all that it reads with a model in memory.

    fsx.py [--seed N] [--seconds S] [--ops N] [--files N] [--size BYTES] [--restarts N] [--other DIR] [--server DIR]
           [--replay FILE] [--keep FILE] [--verbose] DIR

The seed is printed, and the same seed gives the same operations. They go on for S seconds or until N are done. DIR is where the
files are made. --other is the same directory in another client's mount: a file is used there while it is closed here, and both must
see what the other one has written (close-to-open). --server is the directory on the server: after an fsync() here, what it has is
compared as well. --restarts says how many operations lie between two restarts of the server (0: none); the guest's command
server_restart does it. O_DIRECT is used where the file system has it.

When something differs, or a call fails, operations are left out of the list as long as what remains still fails in the same way. The
shortest list is printed, one operation to a line, and kept in --keep; --replay plays such a list.

Ends with 0 if all was well, with 1 if not.
"""

import argparse
import ctypes
import errno
import mmap
import os
import random
import subprocess
import sys
import time

PAGE = 4096
NOISE = random.Random(7).randbytes(1 << 20)

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.msync.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
MS_ASYNC, MS_SYNC = 1, 4


class Wrong(Exception):
    """What is not as it must be."""


def check_errno(result, what):
    if result in (-1, ctypes.c_void_p(-1).value):
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def noise(key, length):
    """The bytes that operation `key` writes."""
    start = key * 4099 % (len(NOISE) - length) if length < len(NOISE) else 0
    return NOISE[start : start + length]


def compare(got, wanted, where, at=0):
    if got == wanted:
        return
    if len(got) != len(wanted):
        raise Wrong(f"{where}: {len(got)} bytes at {at}, not {len(wanted)}")
    first = next(n for n, (a, b) in enumerate(zip(got, wanted)) if a != b)
    count = sum(a != b for a, b in zip(got, wanted))
    zeroes = " (all of them zeroes)" if not any(g for g, w in zip(got, wanted) if g != w) else ""
    raise Wrong(f"{where}: {count} bytes differ, the first at {at + first}, page {(at + first) // PAGE}{zeroes}")


class Model:
    """A file, what it must hold, and what we have open of it."""

    def __init__(self, world, number):
        self.world = world
        self.number = number
        self.serial = 0
        self.fresh()

    def fresh(self):
        self.serial += 1
        self.name = f"{self.world.tag}-{self.number}-{self.serial}"
        self.data = bytearray()
        self.files = []
        self.map = None
        self.beyond = False
        self.unlinked = False
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644))

    @property
    def path(self):
        return os.path.join(self.world.dir, self.name)

    def fd(self, turn, other=os.O_WRONLY, flags=0):
        """A descriptor for reading and writing or, if that is enough, of this other kind; a new one where there is none that will do."""
        fits = [
            fd
            for fd, has in self.files
            if has & os.O_ACCMODE in (os.O_RDWR, other)
            and has & flags == flags
            and has & os.O_DIRECT == flags & os.O_DIRECT
        ]
        if not fits:
            if self.unlinked:
                return None
            return self.open(os.O_RDWR | flags)
        return fits[turn % len(fits)]

    def open(self, flags):
        fd = os.open(self.path, flags)
        self.files.append((fd, flags))
        if flags & os.O_TRUNC:
            self.data.clear()
        return fd

    def close(self, which):
        fd, _ = self.files.pop(which % len(self.files))
        os.close(fd)

    def close_all(self):
        self.unmap()
        while self.files:
            self.close(0)

    def unmap(self):
        if self.map is not None:
            check_errno(libc.munmap(self.map, self.world.room), "munmap")
            self.map = None

    def mapped(self):
        if self.map is None:
            fd = self.fd(0, other=os.O_RDWR)
            if fd is None:
                return None
            protection = mmap.PROT_READ | mmap.PROT_WRITE
            self.map = check_errno(libc.mmap(None, self.world.room, protection, mmap.MAP_SHARED, fd, 0), "mmap")
        return self.map

    def write(self, at, data):
        if at > len(self.data):
            self.data.extend(bytes(at - len(self.data)))
        self.data[at : at + len(data)] = data

    def resize(self, size):
        if size < len(self.data):
            del self.data[size:]
        else:
            self.data.extend(bytes(size - len(self.data)))


class World:
    """All files of a run."""

    def __init__(self, args, tag):
        self.dir = args.dir
        self.other = args.other
        self.server = args.server
        self.size = args.size
        self.room = (args.size + (1 << 17) + PAGE - 1) // PAGE * PAGE
        self.tag = tag
        self.direct = self.has_direct()
        self.models = [Model(self, n) for n in range(args.files)]
        self.shell = None

    def has_direct(self):
        path = os.path.join(self.dir, f"{self.tag}-direct")
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        try:
            os.close(os.open(path, os.O_RDWR | os.O_DIRECT))
            return True
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return False
        finally:
            os.unlink(path)

    def run(self, command):
        """Runs a command in a process that has none of the files open."""
        answer = subprocess.run(["/bin/bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if answer.returncode != 0:
            raise Wrong(f"{command}: {answer.stdout.decode()}")

    def end(self):
        for model in self.models:
            try:
                model.close_all()
                if not model.unlinked:
                    os.unlink(model.path)
            except OSError:
                # What matters has been told already.
                pass

    # What follows are the operations. All numbers are the list's, so that each may be left out of it.

    def place(self, model, at):
        """An offset: counted from the end where it is a pair."""
        if isinstance(at, tuple):
            at = len(model.data) + at[1]
        return max(0, min(at, self.size))

    def op_write(self, model, key, turn, at, length):
        fd = model.fd(turn)
        if fd is None:
            return
        at, data = self.place(model, at), noise(key, length)
        flags = dict(model.files)[fd]
        if flags & os.O_APPEND:
            at = len(model.data)
            if at + length > self.size + (1 << 16):
                return
        written = os.pwrite(fd, data, at)
        if written != length:
            raise Wrong(f"write of {length} wrote {written}")
        model.write(at, data)

    def op_append(self, model, key, turn, length):
        fd = model.fd(turn, flags=os.O_APPEND)
        if fd is None or len(model.data) + length > self.size + (1 << 16):
            return
        data = noise(key, length)
        os.write(fd, data)
        model.write(len(model.data), data)

    def op_read(self, model, key, turn, at, length):
        fd = model.fd(turn, other=os.O_RDONLY)
        if fd is None:
            return
        at = self.place(model, at)
        compare(os.pread(fd, length, at), bytes(model.data[at : at + length]), "read", at)

    def op_direct(self, model, key, turn, at, length, write):
        if not self.direct:
            return
        fd = model.fd(turn, other=os.O_RDWR, flags=os.O_DIRECT)
        if fd is None:
            return
        at = self.place(model, at) // PAGE * PAGE
        length = max(PAGE, length // PAGE * PAGE)
        if write and model.beyond and at + length > len(model.data):
            # Local file systems do not agree on what becomes of it then.
            return
        with mmap.mmap(-1, length) as buffer:
            if write:
                data = noise(key, length)
                buffer[:] = data
                written = os.pwritev(fd, [buffer], at)
                if written != length:
                    raise Wrong(f"direct write of {length} wrote {written}")
                model.write(at, data)
            else:
                got = os.preadv(fd, [buffer], at)
                compare(buffer[:got], bytes(model.data[at : at + length]), "direct read", at)

    def op_truncate(self, model, key, turn, size, by_path):
        size = self.place(model, size)
        if by_path and not model.unlinked:
            os.truncate(model.path, size)
        else:
            fd = model.fd(turn)
            if fd is None:
                return
            os.ftruncate(fd, size)
        model.resize(size)

    def op_stat(self, model, key, turn):
        fd = model.fd(turn, other=os.O_RDONLY)
        if fd is not None and (size := os.fstat(fd).st_size) != len(model.data):
            raise Wrong(f"fstat: size {size}, not {len(model.data)}")

    def op_map_write(self, model, key, at, length):
        address = model.mapped()
        at = self.place(model, at)
        length = min(length, len(model.data) - at)
        if address is None or length <= 0:
            return
        data = noise(key, length)
        ctypes.memmove(address + at, data, length)
        model.write(at, data)

    def op_map_beyond(self, model, key):
        """Writes behind the end of the last page, which must never be seen in the file."""
        address, size = model.mapped(), len(model.data)
        room = -size % PAGE
        if address is None or room == 0:
            return
        model.beyond = True
        ctypes.memmove(address + size, noise(key, room), room)

    def op_map_read(self, model, key, at, length):
        address = model.mapped()
        at = self.place(model, at)
        length = min(length, len(model.data) - at)
        if address is None or length <= 0:
            return
        compare(ctypes.string_at(address + at, length), bytes(model.data[at : at + length]), "mapping", at)

    def op_msync(self, model, key, wait):
        if model.map is not None:
            check_errno(libc.msync(model.map, self.room, MS_SYNC if wait else MS_ASYNC), "msync")

    def op_unmap(self, model, key):
        model.unmap()

    def op_fsync(self, model, key, turn, data_only):
        fd = model.fd(turn)
        if fd is not None:
            (os.fdatasync if data_only else os.fsync)(fd)

    def op_seek(self, model, key, turn, at, hole):
        fd = model.fd(turn, other=os.O_RDONLY)
        if fd is None:
            return
        at, size = self.place(model, at), len(model.data)
        try:
            found = os.lseek(fd, at, os.SEEK_HOLE if hole else os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if at < size and (hole or any(model.data[at:])):
                raise Wrong(f"no {'hole' if hole else 'data'} behind {at}") from error
            return
        if not at <= found <= size:
            raise Wrong(f"lseek: {found} from {at}, the size is {size}")
        if not hole and any(model.data[at:found]):
            raise Wrong(f"data between {at} and {found}")

    def op_open(self, model, key, flags):
        if not model.unlinked and len(model.files) < 6:
            model.open(flags)

    def op_close(self, model, key, which):
        if model.files and not (model.unlinked and len(model.files) == 1):
            model.close(which)

    def op_reopen(self, model, key):
        if not model.unlinked:
            model.close_all()

    def op_rename(self, model, key):
        if model.unlinked:
            return
        model.serial += 1
        old, model.name = model.path, f"{self.tag}-{model.number}-{model.serial}"
        os.rename(old, model.path)

    def op_unlink(self, model, key):
        if not model.unlinked and model.fd(0) is not None:
            os.unlink(model.path)
            model.unlinked = True

    def op_cut(self, model, key):
        """An open with O_TRUNC by a name that this client does not know yet, while data written by the other one is on its way."""
        if model.unlinked:
            return
        link = model.path + "-link"
        os.link(model.path, link)
        self.op_drop(model, key, 2)
        fd = os.open(link, os.O_RDWR | os.O_TRUNC)
        model.data.clear()
        os.unlink(link)
        os.close(fd)

    def op_fresh(self, model, key):
        """Ends with a file that has lost its name, and begins another one."""
        if model.unlinked:
            model.close_all()
            model.fresh()

    def op_drop(self, model, key, what):
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as control:
            control.write(str(what))

    def op_sync(self, model, key):
        os.sync()

    def op_restart(self, model, key):
        self.run("server_restart")

    def op_verify(self, model, key):
        """What the server has."""
        fd = model.fd(0)
        if fd is None:
            return
        os.fsync(fd)
        if self.server is None or model.unlinked:
            return
        with open(os.path.join(self.server, model.name), "rb") as there:
            compare(there.read(), bytes(model.data), "on the server")

    def op_other(self, model, key, how, at, length):
        """The other client's turn: it reads the file and writes to it, which is closed here meanwhile."""
        if self.other is None or model.unlinked:
            return
        model.close_all()
        fd = os.open(os.path.join(self.other, model.name), os.O_RDWR | (os.O_APPEND if how == "append" else 0))
        try:
            compare(os.pread(fd, self.room, 0), bytes(model.data), "read by the other client")
            data = noise(key, length)
            if how == "truncate":
                at = self.place(model, at)
                os.ftruncate(fd, at)
                model.resize(at)
            elif how == "append" and len(model.data) + length <= self.size + (1 << 16):
                os.write(fd, data)
                model.write(len(model.data), data)
            elif how == "write":
                at = self.place(model, at)
                os.pwrite(fd, data, at)
                model.write(at, data)
        finally:
            os.close(fd)

    def do(self, op):
        name, number, key, *args = op
        getattr(self, "op_" + name)(self.models[number % len(self.models)], key, *args)


# How often each is done, and how its arguments are found.
WEIGHTS = {
    "write": 20,
    "append": 4,
    "read": 18,
    "direct": 6,
    "truncate": 6,
    "stat": 3,
    "map_write": 8,
    "map_beyond": 3,
    "map_read": 6,
    "msync": 2,
    "unmap": 2,
    "fsync": 3,
    "seek": 2,
    "open": 4,
    "close": 5,
    "reopen": 3,
    "rename": 1,
    "unlink": 0.5,
    "fresh": 1,
    "cut": 0.3,
    "drop": 0.5,
    "sync": 0.3,
    "verify": 2,
    "other": 3,
}


def operations(seed, size, restarts):
    """The operations of a seed, without end."""
    dice = random.Random(seed)
    names, weights = list(WEIGHTS), list(WEIGHTS.values())

    def at():
        kind = dice.random()
        if kind < 0.25:
            return ("end", dice.choice((0, 0, 1, -1, PAGE, -PAGE, dice.randrange(-70000, 70000))))
        if kind < 0.45:
            return dice.randrange(size // PAGE + 1) * PAGE + dice.choice((0, 0, -1, 1))
        if kind < 0.7:
            return dice.randrange(min(size, 3 * PAGE))
        return dice.randrange(size)

    def length():
        return dice.choice((1, 100, PAGE, dice.randrange(1, 300), dice.randrange(1, 9000), dice.randrange(1, 65536)))

    def coin():
        return dice.random() < 0.5

    def flags():
        extra = dice.choice((0, 0, 0, 0, os.O_APPEND, os.O_DSYNC, os.O_SYNC, os.O_TRUNC))
        access = dice.choice((os.O_RDWR, os.O_RDWR, os.O_WRONLY, os.O_RDONLY))
        return access | (extra if access != os.O_RDONLY else 0)

    def turn():
        return dice.randrange(8)

    arguments = {
        "write": (turn, at, length),
        "append": (turn, length),
        "read": (turn, at, length),
        "direct": (turn, at, length, coin),
        "truncate": (turn, at, coin),
        "stat": (turn,),
        "map_write": (at, length),
        "map_read": (at, length),
        "msync": (coin,),
        "fsync": (turn, coin),
        "seek": (turn, at, coin),
        "open": (flags,),
        "close": (turn,),
        "drop": (lambda: dice.choice((1, 1, 2, 3)),),
        "other": (lambda: dice.choice(("read", "write", "write", "append", "truncate")), at, length),
    }
    key = 0
    while True:
        key += 1
        if restarts and key % restarts == 0:
            yield ("restart", 0, key)
            continue
        name = dice.choices(names, weights)[0]
        yield (name, dice.randrange(64), key, *(find() for find in arguments.get(name, ())))


def play(args, ops, tag, until=None):
    """Does them; returns those that were done, and what was wrong at the last of them."""
    done = []
    world = World(args, tag)
    try:
        for op in ops:
            if until is not None and time.monotonic() >= until:
                break
            done.append(op)
            if args.verbose:
                print(op, flush=True)
            world.do(op)
        for number in range(len(world.models)):
            done.append(("verify", number, 0))
            world.do(done[-1])
            done.append(("read", number, 0, 0, 0, world.room))
            world.do(done[-1])
            done.append(("other", number, 0, "read", 0, 1))
            world.do(done[-1])
    except (Wrong, OSError) as error:
        return done, error
    finally:
        world.end()
    return done, None


def kind(error):
    """Of two failures with the same text up to here, one stands for the other."""
    return str(error).split(":", maxsplit=1)[0]


def shrink(args, ops, error, patience):
    """Leaves out what is not needed for the failure, for so many seconds."""
    until = time.monotonic() + patience
    step, tries = len(ops) // 2, 0
    while step > 0 and time.monotonic() < until:
        start = 0
        while start < len(ops) and time.monotonic() < until:
            fewer = ops[:start] + ops[start + step :]
            tries += 1
            done, again = play(args, fewer, f"shrink{tries}-{os.getpid()}")
            if again is not None and kind(again) == kind(error):
                ops, error = done, again
            else:
                start += step
        step //= 2
    return ops, error


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--ops", type=int)
    parser.add_argument("--files", type=int, default=3)
    parser.add_argument("--size", type=int, default=400000)
    parser.add_argument("--restarts", type=int, default=0)
    parser.add_argument("--shrink", type=float, default=60)
    parser.add_argument("--other")
    parser.add_argument("--server")
    parser.add_argument("--replay")
    parser.add_argument("--keep")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("dir")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    if args.replay:
        with open(args.replay, encoding="ascii") as lines:
            ops = [eval(line, {"__builtins__": {}}) for line in lines if line.startswith("(")]
        until = None
    else:
        ops = operations(seed, args.size, args.restarts)
        until = time.monotonic() + args.seconds
        if args.ops is not None:
            ops = [next(ops) for _ in range(args.ops)]
    done, error = play(args, ops, f"fsx-{os.getpid()}", until)
    counts = {}
    for op in done:
        counts[op[0]] = counts.get(op[0], 0) + 1
    print(f"{len(done)} operations: " + " ".join(f"{count} {name}" for name, count in sorted(counts.items())), flush=True)
    if error is None:
        return 0
    print(f"operation {len(done)}, {done[-1]}: {error}", flush=True)
    done, error = shrink(args, done, error, args.shrink)
    print(f"{len(done)} operations are enough: {error}")
    text = "".join(f"{op}\n" for op in done)
    print(text, end="")
    if args.keep:
        with open(args.keep, "w", encoding="ascii") as keep:
            keep.write(text)
    return 1


sys.exit(main())
