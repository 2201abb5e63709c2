# SPDX-License-Identifier: GPL-2.0
"""Appends records to files that stay open: some records by a write() each, and then an fsync() for all of them; to some of the files
with O_DSYNC instead, where each write() is an acknowledgement. The content follows from the seed, so that each byte can be judged."""

import os
import random
import zlib

FILES = 4


def record(seed, name, number):
    """One line, different from all others in content and length."""
    dice = random.Random(f"{seed} {name} {number}")
    body = f"{name} {number} ".encode() + dice.randbytes(dice.choice((20, 150, 1000, 5000))).hex().encode()
    return b"%s %08x\n" % (body, zlib.crc32(body))


def names():
    return [f"append{n}" + ("-dsync" if n % 2 else "") for n in range(FILES)]


def run(journal):
    files = []
    for name in names():
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_DSYNC if name.endswith("-dsync") else 0)
        files.append((name, os.open(f"{journal.dir}/{name}", flags, 0o644)))
    number = dict.fromkeys(names(), 0)
    while journal.going_on():
        for name, fd in files:
            try:
                call = "write"
                for _ in range(journal.dice.randint(1, 5)):
                    number[name] += 1
                    data = record(journal.seed, name, number[name])
                    journal.attempt(name, number[name])
                    while data:
                        data = data[os.write(fd, data) :]
                    if name.endswith("-dsync"):
                        journal.ack(name, number[name])
                if not name.endswith("-dsync"):
                    call = "fsync"
                    os.fsync(fd)
                    journal.ack(name, number[name])
            except OSError as error:
                journal.error(call, error, name, number[name])
                return
    for name, fd in files:
        try:
            os.close(fd)
        except OSError as error:
            journal.error("close", error, name)


def check(record_of_work, directory, wrong):
    tried, acknowledged = {}, {}
    for word, what in record_of_work.lines:
        if word == "try":
            tried[what[0]] = int(what[1])
        elif word == "ack":
            acknowledged[what[0]] = int(what[1])
    for name in names():
        with open(f"{directory}/{name}", "rb") as file:
            content = file.read()
        at = number = 0
        while number < tried.get(name, 0):
            number += 1
            expected = record(record_of_work.seed, name, number)
            if content[at : at + len(expected)] != expected:
                break
            at += len(expected)
        else:
            number += 1
        # The record with this number is the first that is not there as a whole.
        if number <= acknowledged.get(name, 0):
            wrong(f"{name}: record {number} at byte {at} is not there; {acknowledged[name]} were acknowledged, the file has {len(content)} bytes")
        elif at != len(content):
            # What was not acknowledged may be there in part, and where a part is missing there is nothing, or a hole.
            rest = b"".join(record(record_of_work.seed, name, n) for n in range(number, tried.get(name, 0) + 1))
            if any(byte not in (0, rest[n] if n < len(rest) else -1) for n, byte in enumerate(content[at:])):
                wrong(f"{name}: after byte {at} (record {number}) is something that was never written there")
