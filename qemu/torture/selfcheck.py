#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Would torture notice? The disk loses what it may lose and nothing else, and each judge finds what is wrong with a work's files: played on
a local file system, without any machine. Ends with 1 if something goes unnoticed."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from disk import CMD_DISC, CMD_FLUSH, CMD_READ, CMD_WRITE, OPT_GO, OPTION_MAGIC, PAGE, REQUEST, REQUEST_MAGIC, Disk, take  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


class Computer:
    """The disk's other side."""

    def __init__(self, address):
        self.link = socket.socket(socket.AF_UNIX)
        self.link.connect(address)
        take(self.link, 18)
        self.link.sendall(struct.pack(">IQII", 1, OPTION_MAGIC, OPT_GO, 6) + bytes(6))
        # Two replies: the size and the flags, and the end of them.
        self.size = struct.unpack(">HQH", take(self.link, 20 + 12)[20:])[1]
        take(self.link, 20)

    def ask(self, command, at=0, length=0, data=b""):
        self.link.sendall(REQUEST.pack(REQUEST_MAGIC, 0, command, 7, at, length or len(data)) + data)

    def answer(self, length=0):
        error, cookie = struct.unpack(">IQ", take(self.link, 16)[4:])
        assert (error, cookie) == (0, 7)
        return take(self.link, length)

    def do(self, command, at=0, length=0, data=b""):
        self.ask(command, at, length, data)
        return self.answer(length)

    def kill(self):
        self.link.close()


def page(number, letter):
    return b"%03d" % number + letter * (PAGE - 3)


def try_disk(directory):
    image = f"{directory}/image"
    with open(image, "wb") as file:
        file.truncate(64 * PAGE)
    fates = set()
    for seed in range(12):
        address = f"{directory}/disk{seed}"
        disk = Disk(image, address, seed)
        computer = Computer(address)
        assert computer.size == 64 * PAGE
        for number in range(8):
            computer.do(CMD_WRITE, number * PAGE, data=page(number, b"a"))
        computer.do(CMD_FLUSH)
        for number in range(8):
            computer.do(CMD_WRITE, number * PAGE, data=page(number, b"b"))
        assert computer.do(CMD_READ, 100, PAGE) == (page(0, b"b") + page(1, b"b"))[100 : 100 + PAGE], "what was written is not read"
        computer.kill()
        # The next one is served when the disk has noticed.
        computer = Computer(address)
        for number in range(8):
            found = computer.do(CMD_READ, number * PAGE, PAGE)
            assert found in (page(number, b"a"), page(number, b"b")), "a page is neither the old one nor the new one"
            fates.add(found[3:4])
        # A part of a page, and an end in order.
        computer.do(CMD_WRITE, 9 * PAGE - 5, data=b"0123456789")
        computer.ask(CMD_DISC)
        computer.kill()
        computer = Computer(address)
        assert computer.do(CMD_READ, 9 * PAGE - 5, 10) == b"0123456789", "lost without a power cut"
        caught = disk.ambush(1)
        computer.do(CMD_WRITE, 0, data=page(0, b"c"))
        computer.ask(CMD_FLUSH)
        assert caught.wait(5), "no ambush"
        computer.kill()
    assert fates == {b"a", b"b"}, f"power cuts always end in {fates}"


def judge(directory, journal):
    return subprocess.run(
        [f"{HERE}/workload.py", "check", "--export", directory, journal], stdout=subprocess.PIPE, text=True, check=False
    )


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def shorten(path):
    os.truncate(path, os.path.getsize(path) - 1)


def swap_blocks(path):
    with open(path, "r+b") as file:
        content = file.read()
        file.seek(0)
        file.write(content[len(content) // 2 :])


def some_name(directory):
    return next(f"{directory}/{d}/{name}" for d in ("d0", "d1", "d2") for name in sorted(os.listdir(f"{directory}/{d}")))


# What can be done to the files of a work, that its judge must see.
SPOILS = {
    "append": [
        lambda d: flip(f"{d}/append0", 100),
        lambda d: shorten(f"{d}/append1-dsync"),
        lambda d: os.unlink(f"{d}/append2"),
        lambda d: open(f"{d}/append3-dsync", "ab").write(b"more"),
    ],
    "pwrite": [lambda d: flip(f"{d}/blocks", 1234), lambda d: shorten(f"{d}/blocks"), lambda d: swap_blocks(f"{d}/blocks")],
    "dsync": [lambda d: flip(f"{d}/blocks", 0)],
    "locks": [lambda d: open(f"{d}/counter", "wb").write(b"1")],
    "names": [
        lambda d: os.unlink(some_name(d)),
        lambda d: os.rename(some_name(d), f"{d}/d2/other"),
        lambda d: open(f"{d}/d1/.nfs0001", "wb").close(),
        lambda d: open(some_name(d), "ab").write(b"more"),
    ],
}


def try_work(directory, kind, spoil, number):
    below = f"{kind}{number}"
    journal = f"{directory}/{below}.log"
    work = subprocess.Popen(
        [f"{HERE}/workload.py", "run", kind, "--seed", str(number), "--mount", directory, "--below", below, "--journal", journal]
    )
    time.sleep(1)
    work.send_signal(signal.SIGTERM)
    assert work.wait(20) == 0, f"{kind} fails"
    first = judge(directory, journal)
    assert first.returncode == 0, f"{kind}: found wrong what is right: {first.stdout}"
    spoil(f"{directory}/{below}")
    second = judge(directory, journal)
    assert second.returncode == 1 and len(second.stdout.splitlines()) > 1, f"{kind}: spoil {number} goes unnoticed: {second.stdout}"


def main():
    directory = sys.argv[1]
    try_disk(directory)
    for kind, spoils in SPOILS.items():
        for number, spoil in enumerate(spoils):
            try_work(directory, kind, spoil, number)
    print(f"the disk, and {sum(map(len, SPOILS.values()))} spoilt works: all noticed")


try:
    main()
except AssertionError as error:
    sys.exit(f"selfcheck: {error}")
