#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Has a scripted server answer garbage: garbage.py NUMBER SEED COUNT SHARE|all KIND...

For each kind of operation (see kinds.py) some garbage of each sort, SHARE of it, and for one of each way that a reply takes through the
client four times as much, or with FULL in the environment all there is; then COUNT times something random. What a program gets is an error
or, where the client tries again, no error, and in time; afterwards the client is well, and what it reads is what the server has. Lines
as in rows.py."""

import errno
import os
import random
import sys
import threading
import time

from kinds import KINDS
from scripted import begin, end, ill, until

# What garbage may come to for a program, beside no error at all.
FAIR = {"EIO", "EREMOTEIO", "EBADF", "EACCES", "EPROTONOSUPPORT", "EOPNOTSUPP", "EPROTO", "ESTALE", "ETIMEDOUT", "ENOLCK", "EINVAL", "EPFNOSUPPORT",
        "ENOTSUP", "EAGAIN"}

MESSAGES = (
    # Cut in the RPC header, behind it, in the COMPOUND; too long; noise; another's.
    "truncate=4", "truncate=12", "truncate=24", "truncate=28", "truncate=36", "truncate=44", "truncate=80", "trail=4", "trail=4096",
    "junk=0", "junk=4", "junk=64", "junk=2000", "xid", "mark", "close", "reset",
    "rpc-noreply", "rpc-version", "rpc-auth=1", "rpc-auth=5", "rpc-accept=1", "rpc-accept=2", "rpc-accept=3", "rpc-accept=4",
    "rpc-accept=5", "rpc-accept=77",
)
COMPOUNDS = (
    # Counts, status, tag.
    "count=0", "count=1", "count=99", "count=4294967295", "whole=IO", "whole=77777", "tag=4", "tag=4096", "tag=4294967295",
    "status=IO whole=OK", "status=77777", "status=0x80000000",
)
OPERATIONS = (
    # Its number, its body's length, absurd numbers in each place.
    "opnum=0", "opnum=9999", "opnum=53", "opnum=10044", "cut=0", "cut=4", "cut=8", "cut=20", "pad=4", "pad=1000",
    *(f"set={word}:{value}" for word in range(10) for value in ("0xffffffff", "0x7fffffff", "0")),
)

# A call that is waited for, one that is not, one with bulk data, one outside of a session, one of many states.
THOROUGH = ("Plain", "Lock", "Write", "ExchangeId", "OpenReclaim")
# What these meet in any case: half a message, after which no other is understood, and a stateid whose version was overtaken.
ALWAYS = ("truncate=4", "set=0:0xffffffff")


def garbage(name, share, rng):
    """What is tried with this kind."""
    sorts = (MESSAGES, COMPOUNDS, OPERATIONS)
    thorough = name in THOROUGH
    if share == "all" or (thorough and os.environ.get("FULL")):
        return [what for sort in sorts for what in sort]
    some = [what for sort in sorts for what in rng.sample(sort, min(int(share) * (4 if thorough else 1), len(sort)))]
    return [what for what in ALWAYS if thorough and what not in some] + some


def once(kind, what, times, dog, fair):
    """One operation that is answered like that; what was wrong."""
    server = kind.server
    dog.begin(f"{kind.__class__.__name__} {what}")
    wrong = None
    try:
        kind.prepare()
        server("clear")
        server("mark")
        kind.rule(what, times)
        kind.act()
        got = "0"
    except OSError as e:
        got = errno.errorcode.get(e.errno, str(e.errno))
        if fair and got not in FAIR:
            wrong = f"{got}: {e}"
    log = server("log")
    # What nobody waits for may take a moment.
    if fair and not until(lambda: server.hits() > 0, 2):
        wrong = "it did not come about"
    server("clear")
    try:
        kind.done()
    except OSError as e:
        # What cannot be given back through a bad context.
        got += f", then {e}"
    wrong = wrong or sick(kind)
    took = dog.end()
    if wrong:
        print(f"BAD {kind.__class__.__name__}: {what}: {wrong} ({took:.2f} s)")
        print("".join(f"    {line}\n" for line in log.splitlines()[-25:]), end="")
    return wrong, took, got


def misread(mount):
    """Whether a file that nobody changes reads otherwise than the server has it."""
    try:
        with open(mount.path("same"), "rb") as same:
            os.posix_fadvise(same.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            data = same.read()
    except OSError as e:
        return f"not read: {e}"
    return None if data == b"always the same" else f"read {data}"


def sick(kind):
    """What is wrong with the client afterwards."""
    wrong = ill(kind.server, kind.mount) or misread(kind.mount)
    if wrong and os.strerror(errno.EACCES) in wrong:
        # Garbage may well say that a user has no access, and that is believed until the directory changes. A new mount asks.
        kind.close()
        kind.mount.fresh()
        wrong = ill(kind.server, kind.mount) or misread(kind.mount)
    return wrong


def hot(kind, what, dog):
    """The server says the same for ever, and it is no progress: the client may give up, or go on ever slower. What was wrong."""
    server = kind.server
    dog.begin(f"{kind.__class__.__name__} {what} for ever")
    kind.prepare()
    server("mark")
    kind.rule(what, "ever")

    def act():
        try:
            kind.act()
        except OSError:
            pass

    thread = threading.Thread(target=act)
    thread.start()
    thread.join(2)
    came = server.counts().get(kind.op, 0)
    server("clear")
    thread.join()
    kind.done()
    kind.close()
    kind.mount.fresh()
    dog.end()
    return f"{what}: {came} calls in 2 s" if came > 100 else ill(server, kind.mount)


def odd_names(server, mount):
    """A directory with names that there cannot be; what was wrong."""
    odd = [b"a/b", b"a\0b", b"/", b"", b".", b"..", b"x" * 256, b"y" * 1000, b"../../etc/passwd"]
    for name in odd:
        server(f"puthex {name.hex()}")
        try:
            listed = os.listdir(mount.dir.encode())
        except OSError as e:
            listed = []
            if e.errno != errno.EIO:
                return f"{name}: {e}"
        # What is listed can be looked at.
        for entry in listed:
            os.lstat(os.path.join(mount.dir.encode(), entry))
        if any(b"/" in entry or len(entry) > 255 for entry in listed):
            return f"listed {listed}"
        server(f"unlinkhex {name.hex()}")
    return None if b"well" in os.listdir(mount.dir.encode()) else "the others are not listed"


def special(name, kind, dog):
    """What is tried besides with this kind; how many, and what was wrong."""
    cases = {
        # Nothing written; nothing read, and not at the end; no entries, and not at the end.
        "Write": ("set=0:0",),
        "Read": ("body=0000000000000000",),
        "Readdir": ("body=636f6f6b6965732e0000000000000000",),
        "Commit": ("set=0:77",),
    }.get(name, ())
    wrong = [hot(kind, what, dog) for what in cases]
    if name == "Readdir":
        dog.begin("odd names")
        wrong.append(odd_names(kind.server, kind.mount))
        dog.end()
    for why in filter(None, wrong):
        print(f"BAD {name}: {why}")
    return len(wrong), sum(map(bool, wrong))


def run(kind, cases, dog, fair):
    """All cases of one kind; how many were bad."""
    bad, seen, slow = 0, {}, []
    kind.mount.fresh()
    for what, times in cases:
        wrong, took, got = once(kind, what, times, dog, fair)
        bad += wrong is not None
        seen[got] = seen.get(got, 0) + 1
        slow.append((took, what))
        if kind.fresh or wrong or got != "0" or took > 0.5 or kind.op.startswith("LOCK"):
            # A file that is gone bad, a handle that was called stale, a client that slows down, a lock by a name that was not told.
            dog.begin(f"umount after {kind.__class__.__name__} {what}")
            kind.close()
            kind.mount.fresh()
            dog.end()
    kind.close()
    slowest = ", ".join(f"{took:.1f} s: {what}" for took, what in sorted(slow, reverse=True)[:3])
    return len(cases), bad, seen, slowest


def main():
    number, seed, count, share, *names = sys.argv[1:]
    rng = random.Random(int(seed))
    # A reply of which not even the head comes to an end is missed when the lease is renewed.
    server, mount, dog = begin(number, lease=15)
    server("put same always the same")
    server(f"seed {seed}")
    for name in names:
        began = time.monotonic()
        rows, bad, seen, slowest = run(KINDS[name](server, mount), [(what, 1) for what in garbage(name, share, rng)], dog, True)
        more, worse = special(name, KINDS[name](server, mount), dog)
        rows, bad = rows + more, bad + worse
        print(f"RESULT {name} {rows} {bad} in {time.monotonic() - began:.0f} s: {seen}, slowest {slowest}")
    rows, bad = 0, 0
    for _ in range(int(count)):
        kind = KINDS[rng.choice(names)](server, mount)
        cases = [(rng.choice(("fuzz=1", "fuzz=3", "fuzz=20", "noise=1", "noise=3", "noise=50", f"junk={rng.randrange(400)}",
                              f"truncate={rng.randrange(200)}", f"cut={rng.randrange(60)} fuzz=2")), rng.randrange(1, 4))
                 for _ in range(4)]
        more, worse, _, _ = run(kind, cases, dog, False)
        rows, bad = rows + more, bad + worse
    print(f"RESULT random {rows} {bad}")
    # What the server has given by names that it did not tell goes with the old instance of the client.
    mount.fresh()
    end(server, mount, dog)


main()
