#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""Appends checksummed records to files, and compares what was acknowledged with what is there.

    writer.py append [--user UID] [--records N] [--interval S] [--keep-going] LOG FILE...
    writer.py check LOG FILE...

"append" opens all FILEs, and then by turns gives each a record by one write() and one fsync(), until N rounds are done or SIGTERM comes.
A record counts as acknowledged when its fsync() has returned; then it is put down in LOG, which should be on a local file system:

    ack NAME NUMBER CRC BEGAN DONE          times in seconds since the epoch
    error NAME NUMBER CALL ERRNO TIME       CALL is open, write, fsync or close
    end ROUNDS TIME

NAME is the last part of the file's name. Without --keep-going the first error ends the program. No process is forked while files are
open. Ends with 1 if there was an error.

"check" reads the FILEs, which may be the same ones in another place (the server's side), and fails unless each of them consists of
records that are whole, in order and none twice, with all acknowledged ones among them, and with others only after the last
acknowledged one or where LOG has an error.
"""

import argparse
import errno
import os
import signal
import sys
import time
import zlib


def record(name, number):
    """One line: who and which, a filling that differs in content and length from record to record, and the checksum of all that."""
    seed = zlib.crc32(b"%s %d" % (name.encode(), number))
    head = b"%s %d " % (name.encode(), number)
    body = head + (b"%08x" % seed) * (seed % 300 + 1)
    return b"%s %08x\n" % (body, zlib.crc32(body))


class Log:
    def __init__(self, path):
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self.errors = 0

    def line(self, *fields):
        os.write(self.fd, (" ".join(map(str, fields)) + "\n").encode())

    def error(self, name, number, call, error):
        self.errors += 1
        self.line("error", name, number, call, errno.errorcode.get(error.errno, error.errno), f"{time.time():.3f}")


def append_record(fd, data):
    """Returns None, or the call that failed with its error."""
    try:
        while data:
            data = data[os.write(fd, data):]
    except OSError as error:
        return "write", error
    try:
        os.fsync(fd)
    except OSError as error:
        return "fsync", error
    return None


def append(args):
    log = Log(args.log)
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    if args.user is not None:
        os.setgroups([])
        os.setgid(args.user)
        os.setuid(args.user)
    files = []
    for path in args.files:
        name = os.path.basename(path)
        try:
            files.append((name, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)))
        except OSError as error:
            log.error(name, 0, "open", error)

    rounds = 0
    while not stop and rounds != args.records and (args.keep_going or not log.errors):
        rounds += 1
        for name, fd in files:
            data = record(name, rounds)
            began = time.time()
            failed = append_record(fd, data)
            if failed:
                log.error(name, rounds, *failed)
                if not args.keep_going:
                    break
            else:
                log.line("ack", name, rounds, data[-9:-1].decode(), f"{began:.3f}", f"{time.time():.3f}")
        time.sleep(args.interval)

    for name, fd in files:
        try:
            os.close(fd)
        except OSError as error:
            log.error(name, rounds, "close", error)
    log.line("end", rounds, f"{time.time():.3f}")
    return log.errors == 0


def check_file(path, acknowledged, excused):
    """What is wrong with the file, in a list."""
    name = os.path.basename(path)
    wrong = []
    seen = {}
    last = 0
    with open(path, "rb") as file:
        content = file.read()
    for at, line in enumerate(content.split(b"\n")[:-1], 1):
        body, _, crc = line.rpartition(b" ")
        fields = body.split(b" ")
        if crc != b"%08x" % zlib.crc32(body) or len(fields) != 3 or fields[0] != name.encode():
            wrong.append(f"line {at} is no record of {name}")
            continue
        number = int(fields[1])
        if number <= last:
            wrong.append(f"record {number} comes after {last}")
        last = number
        seen[number] = crc.decode()
    if content and not content.endswith(b"\n"):
        wrong.append(f"the last record, after {last}, is torn")
    latest = max(acknowledged, default=0)
    wrong += [f"record {n} was acknowledged and is not there" for n, crc in acknowledged.items() if seen.get(n) != crc]
    wrong += [f"record {n} was never acknowledged" for n in seen if n not in acknowledged and n not in excused and n <= latest]
    return wrong


def check(args):
    acknowledged = {}
    excused = {}
    with open(args.log, encoding="ascii") as log:
        for line in log:
            kind, name, number, *rest = line.split()
            if kind == "ack":
                acknowledged.setdefault(name, {})[int(number)] = rest[0]
            elif kind == "error":
                excused.setdefault(name, set()).add(int(number))
    total = bad = 0
    for path in args.files:
        name = os.path.basename(path)
        mine = acknowledged.pop(name, {})
        total += len(mine)
        for what in check_file(path, mine, excused.get(name, set())):
            bad += 1
            print(f"{path}: {what}")
    for name in acknowledged:
        bad += 1
        print(f"{name}: has acknowledged records, and was not compared")
    print(f"{total} records acknowledged, {'all there' if not bad else f'{bad} faults'}")
    return not bad and total > 0


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("append")
    command.set_defaults(run=append)
    command.add_argument("--user", type=int)
    command.add_argument("--records", type=int, default=-1)
    command.add_argument("--interval", type=float, default=0)
    command.add_argument("--keep-going", action="store_true")
    command.add_argument("log")
    command.add_argument("files", nargs="+")
    command = commands.add_parser("check")
    command.set_defaults(run=check)
    command.add_argument("log")
    command.add_argument("files", nargs="+")
    args = parser.parse_args()
    sys.exit(0 if args.run(args) else 1)


main()
