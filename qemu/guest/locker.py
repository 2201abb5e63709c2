#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""A process that locks, reads and writes files as it is told, one command from stdin at a time, with one line for an answer: "ok", what
was asked for, or the name of the error (EAGAIN).

    open NAME PATH [FLAG...]                FLAG as in O_WRONLY, without the O_; RDWR CREAT if there is none
    dup NAME FROM                           another descriptor of the same open file
    close NAME
    lock NAME r|w|u START LEN [wait]        fcntl(F_SETLK or F_SETLKW); LEN 0 is to the end
    ofd NAME r|w|u START LEN [wait]         the same with F_OFD_SETLK
    get NAME r|w START LEN                  F_GETLK: "free", or "r|w START LEN PID"
    flock NAME sh|ex|un [wait]
    many NAME r|w START COUNT STEP          F_SETLK of COUNT single bytes, STEP apart
    read NAME START LEN
    write NAME START TEXT
    fsync NAME
    fork                                    a child that has all descriptors and sleeps; says its number
"""

import errno
import fcntl
import os
import struct
import sys
import time

KINDS = {"r": fcntl.F_RDLCK, "w": fcntl.F_WRLCK, "u": fcntl.F_UNLCK}
OFD_SETLK, OFD_SETLKW = 37, 38
FLOCKS = {"sh": fcntl.LOCK_SH, "ex": fcntl.LOCK_EX, "un": fcntl.LOCK_UN}
FLOCK = "hhqqi4x"


def setlk(fd, command, kind, start, length):
    fcntl.fcntl(fd, command, struct.pack(FLOCK, KINDS[kind], os.SEEK_SET, start, length, 0))


def do(files, command, *args):
    if command == "fork":
        child = os.fork()
        if child == 0:
            time.sleep(1000)
        return str(child)
    name, *args = args
    if command == "open":
        path, *flags = args
        files[name] = os.open(path, sum(getattr(os, "O_" + flag) for flag in flags or ["RDWR", "CREAT"]), 0o644)
        return "ok"
    if command == "dup":
        files[name] = os.dup(files[args[0]])
        return "ok"
    fd = files[name]
    if command == "close":
        del files[name]
        os.close(fd)
    elif command in ("lock", "ofd"):
        kind, start, length, *wait = args
        now, later = (fcntl.F_SETLK, fcntl.F_SETLKW) if command == "lock" else (OFD_SETLK, OFD_SETLKW)
        setlk(fd, later if wait else now, kind, int(start), int(length))
    elif command == "get":
        kind, start, length = args
        asked = struct.pack(FLOCK, KINDS[kind], os.SEEK_SET, int(start), int(length), 0)
        kind, _, start, length, pid = struct.unpack(FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
        if kind == fcntl.F_UNLCK:
            return "free"
        return f"{'w' if kind == fcntl.F_WRLCK else 'r'} {start} {length} {pid}"
    elif command == "flock":
        how, *wait = args
        fcntl.flock(fd, FLOCKS[how] | (0 if wait else fcntl.LOCK_NB))
    elif command == "many":
        kind, start, count, step = args
        for i in range(int(count)):
            setlk(fd, fcntl.F_SETLK, kind, int(start) + i * int(step), 1)
    elif command == "read":
        return os.pread(fd, int(args[1]), int(args[0])).decode().replace("\n", " ").strip() or "nothing"
    elif command == "write":
        os.pwrite(fd, args[1].encode(), int(args[0]))
    elif command == "fsync":
        os.fsync(fd)
    else:
        return f"{command}?"
    return "ok"


def main():
    files = {}
    for line in sys.stdin:
        try:
            answer = do(files, *line.split())
        except OSError as error:
            answer = errno.errorcode[error.errno]
        print(answer, flush=True)


main()
