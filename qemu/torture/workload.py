#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Runs a work in the client's machine, and judges works in the server's.

    workload.py run KIND --seed S --mount DIR --below DIR --journal FILE     until SIGTERM; below is the work's directory in the mount
    workload.py free --export DIR --below DIR       in the midst of "locks": prints which ranges are not locked
    workload.py check --export DIR [--reboots] [--forgets] [--errors] JOURNAL...

"check" prints what is wrong, one fault to a line, and then the sum: acknowledgements, calls that were run twice, errors. It
fails if anything is wrong. --reboots: the server has restarted, so that calls may have been run twice. --forgets: it has forgotten its
clients, so that locks may be lost, which is EIO. --errors: errors are no fault in themselves (but nothing that was acknowledged may be
missing even so)."""

import argparse
import os
import sys

sys.dont_write_bytecode = True

from work import append, blocks, journal, locks, names, unpack  # noqa: E402

KINDS = {
    "append": append,
    "pwrite": blocks.Way("pwrite"),
    "dsync": blocks.Way("dsync"),
    "mmap": blocks.Way("mmap"),
    "locks": locks,
    "names": names,
    "unpack": unpack,
}


def run(args):
    directory = f"{args.mount}/{args.below}"
    book = journal.Journal(args.journal, args.kind, args.seed, directory, args.below)
    os.mkdir(directory)
    KINDS[args.kind].run(book)
    book.line("end")
    return 0


def free(args):
    print(*locks.free(f"{args.export}/{args.below}"))
    return 0


def check(args):
    faults = []
    acknowledged = repeated = errors = 0
    for path in args.journals:
        record = journal.Record(path)

        def wrong(what, record=record):
            faults.append(f"{record.dir}: {what}")

        if not record.ended:
            wrong("did not come to its end")
        for word, what in record.lines:
            lock_lost = args.forgets and record.kind == "locks" and what[1:2] == ["EIO"]
            excused = {"error": args.errors or lock_lost, "again": args.reboots}
            if not excused.get(word, True):
                wrong(f"{word} {' '.join(what)}")
        try:
            KINDS[record.kind].check(record, f"{args.export}/{record.dir}", wrong)
        except OSError as error:
            wrong(f"the server has no such thing: {error}")
        acknowledged += record.count("ack")
        repeated += record.count("again")
        errors += record.count("error")
    for fault in faults:
        print(fault)
    print(acknowledged, repeated, errors)
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run")
    command.set_defaults(do=run)
    command.add_argument("kind", choices=KINDS)
    command.add_argument("--seed", type=int, required=True)
    command.add_argument("--mount", required=True)
    command.add_argument("--below", required=True)
    command.add_argument("--journal", required=True)
    command = commands.add_parser("free")
    command.set_defaults(do=free)
    command.add_argument("--export", required=True)
    command.add_argument("--below", required=True)
    command = commands.add_parser("check")
    command.set_defaults(do=check)
    command.add_argument("--export", required=True)
    command.add_argument("--reboots", action="store_true")
    command.add_argument("--forgets", action="store_true")
    command.add_argument("--errors", action="store_true")
    command.add_argument("journals", nargs="+")
    args = parser.parse_args()
    sys.exit(args.do(args))


main()
