# SPDX-License-Identifier: GPL-2.0
"""Byte-range locks. One process takes locks on parts of a file and holds them to the end, when the server is asked whether they are
still set; two others count: each takes a lock, reads a number, writes the next one, and drops the lock. No number may come twice.

A server that has forgotten its clients lets nobody have his locks again. The holder must be told then: EIO to what he does with the file."""

import fcntl
import os
import signal

RANGES = 12
# The holder has the even ones of these.
RANGE = 100


def held(number):
    return number * RANGE, RANGE


def open_file(journal, name):
    return os.open(f"{journal.dir}/{name}", os.O_RDWR | os.O_CREAT, 0o644)


def count(journal, fd):
    """One increment. What a lock is good for: the number that is read is the last that was written."""
    call = "lock"
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX, 16, 0)
        call = "write"
        number = int(os.pread(fd, 16, 0) or b"0") + 1
        journal.attempt("count", number)
        os.pwrite(fd, b"%15d\n" % number, 0)
        call = "fsync"
        os.fsync(fd)
        journal.ack("count", number)
    except OSError as error:
        journal.error(call, error, "count")
    finally:
        try:
            fcntl.lockf(fd, fcntl.LOCK_UN, 16, 0)
        except OSError as error:
            journal.error("unlock", error, "count")


def counter(journal):
    """A process of its own, that opens the file itself."""
    child = os.fork()
    if child:
        return child
    try:
        fd = open_file(journal, "counter")
        while journal.going_on():
            count(journal, fd)
        os.close(fd)
        os._exit(0)
    except OSError as error:
        journal.error("open", error, "counter")
    finally:
        os._exit(1)


def run(journal):
    children = [counter(journal) for _ in range(2)]
    fd = open_file(journal, "held")
    os.pwrite(fd, bytes(RANGES * RANGE), 0)
    for number in range(0, RANGES, 2):
        start, length = held(number)
        fcntl.lockf(fd, fcntl.LOCK_EX, length, start)
        journal.ack("hold", number)
    while journal.going_on():
        pass
    try:
        os.pwrite(fd, b"still mine", 0)
        os.fsync(fd)
        journal.ack("write")
    except OSError as error:
        journal.error("write", error, "held")
    try:
        os.close(fd)
    except OSError as error:
        journal.error("close", error, "held")
    for child in children:
        os.kill(child, signal.SIGTERM)
    for child in children:
        if os.waitpid(child, 0)[1]:
            journal.line("error", "wait", child, "a counter has failed")


def free(directory):
    """Asked on the server's side while the holder lives: which ranges anybody could lock."""
    ranges = []
    with open(f"{directory}/held", "r+b") as file:
        for number in range(RANGES):
            start, length = held(number)
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
            except OSError:
                continue
            fcntl.lockf(file, fcntl.LOCK_UN, length, start)
            ranges.append(number)
    return ranges


def check(record, directory, wrong):
    numbers = [int(what[1]) for word, what in record.lines if word == "ack" and what[0] == "count"]
    tries = [int(what[1]) for word, what in record.lines if word == "try"]
    for number in sorted({number for number in numbers if numbers.count(number) > 1}):
        wrong(f"counter: {number} was counted twice")
    with open(f"{directory}/counter", "rb") as file:
        content = file.read()
    if not max(numbers, default=0) <= int(content or b"0") <= max(tries, default=0):
        wrong(f"counter: {content!r}, when {max(numbers, default=0)} was acknowledged and {max(tries, default=0)} tried")
