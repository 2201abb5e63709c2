#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""Writes much data that is known beforehand, or takes memory away.

    pour.py write [--mmap] [--fsync] [--part K/N] FILE MIB SEED     writes the file; with --part, each Nth MiB from the Kth on
    pour.py check FILE MIB SEED                                     fails if the file holds anything else than that, and says where
    pour.py hog MIB|all [--keep SECONDS]                            takes so much memory and uses it; killed first when there is none

"write" says how long the longest call took: "longest MS".
"""

import argparse
import mmap
import os
import random
import sys
import time

MIB = 1 << 20


class Source:
    """Where the data comes from."""

    def __init__(self, seed):
        self.noise = random.Random(seed).randbytes(2 * MIB)

    def block(self, number):
        """The MiB of that number: none is like another."""
        turn = number * 4099 % MIB
        return number.to_bytes(8, "big") + self.noise[turn + 8 : turn + MIB]


def write(args):
    source = Source(args.seed)
    part, parts = (int(n) for n in args.part.split("/"))
    longest = 0.0

    def timed(call, *args):
        nonlocal longest
        before = time.monotonic()
        call(*args)
        longest = max(longest, time.monotonic() - before)

    fd = os.open(args.file, os.O_RDWR | os.O_CREAT, 0o644)
    if args.mmap:
        os.ftruncate(fd, args.mib * MIB)
        with mmap.mmap(fd, args.mib * MIB) as area:
            for number in range(part, args.mib, parts):
                timed(area.__setitem__, slice(number * MIB, (number + 1) * MIB), source.block(number))
            timed(area.flush)
    else:
        for number in range(part, args.mib, parts):
            timed(os.pwrite, fd, source.block(number), number * MIB)
    print(f"longest {longest * 1000:.0f}", flush=True)
    if args.fsync:
        os.fsync(fd)
    os.close(fd)


def check(args):
    source = Source(args.seed)
    with open(args.file, "rb", buffering=0) as file:
        for number in range(args.mib):
            if file.read(MIB) != source.block(number):
                sys.exit(f"{args.file}: MiB {number} is not what was written")
        if file.read(1):
            sys.exit(f"{args.file} is longer than {args.mib} MiB")


def hog(args):
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as adjust:
        adjust.write("1000")
    taken = []
    while args.mib == "all" or len(taken) < int(args.mib):
        taken.append(bytearray(os.urandom(4096) * (MIB // 4096)))
    until = time.monotonic() + args.keep
    while time.monotonic() < until:
        for area in taken:
            area[:: 4096] = bytes(MIB // 4096)
        time.sleep(0.1)


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("write")
    command.add_argument("--mmap", action="store_true")
    command.add_argument("--fsync", action="store_true")
    command.add_argument("--part", default="0/1")
    command.add_argument("file")
    command.add_argument("mib", type=int)
    command.add_argument("seed", type=int)
    command.set_defaults(run=write)
    command = commands.add_parser("check")
    command.add_argument("file")
    command.add_argument("mib", type=int)
    command.add_argument("seed", type=int)
    command.set_defaults(run=check)
    command = commands.add_parser("hog")
    command.add_argument("--keep", type=float, default=1e9)
    command.add_argument("mib")
    command.set_defaults(run=hog)
    args = parser.parse_args()
    args.run(args)


main()
