#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""Holds files open and does to them what it is told, one command from stdin at a time, with one line for an answer: "ok", what was
read, or the name of the error (EIO). Nothing is forked and nothing else is done, so each error belongs to one call.

    open NAME PATH [FLAG...]    FLAG as in O_WRONLY, without the O_; RDWR if there is none
    write NAME TEXT             appends TEXT and a line feed, by one write()
    fill NAME BYTES             appends so many bytes, by one write()
    read NAME                   reads from the beginning, all of it
    fsync NAME
    close NAME
    ranges NAME COUNT           locks so many single bytes of it, every other one
    openmany NAME PATH COUNT    opens PATH/0, PATH/1, ... for reading and writing
    lockmany NAME               locks each of them as a whole
    writemany NAME STEP         writes a byte to each STEPth, and fsync()
    closemany NAME
    user UID                    from here on as that user
"""

import errno
import fcntl
import os
import resource
import sys


def do_many(files, command, name, *args):
    if command == "openmany":
        path, count = args
        limit = int(count) + 1000
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        files[name] = [os.open(f"{path}/{n}", os.O_RDWR) for n in range(int(count))]
        return "ok"
    if command == "writemany":
        for fd in files[name][:: int(args[0])]:
            os.write(fd, b"x")
            os.fsync(fd)
        return "ok"
    each = {"lockmany": lambda fd: fcntl.lockf(fd, fcntl.LOCK_EX), "closemany": os.close}[command]
    for fd in files[name]:
        each(fd)
    return "ok"


def do(files, command, *args):
    if command == "user":
        os.setgroups([])
        os.setgid(int(args[0]))
        os.setuid(int(args[0]))
        return "ok"
    if command.endswith("many"):
        return do_many(files, command, *args)
    name, *args = args
    if command == "open":
        path, *flags = args
        files[name] = os.open(path, sum(getattr(os, "O_" + flag) for flag in flags or ["RDWR"]), 0o644)
        return "ok"
    fd = files[name]
    if command == "write":
        os.write(fd, (" ".join(args) + "\n").encode())
    elif command == "fill":
        os.write(fd, b"x" * int(args[0]))
    elif command == "read":
        return os.pread(fd, 1 << 20, 0).decode().replace("\n", " ").strip()
    elif command == "fsync":
        os.fsync(fd)
    elif command == "ranges":
        for n in range(int(args[0])):
            fcntl.lockf(fd, fcntl.LOCK_EX, 1, 2 * n)
    elif command == "close":
        del files[name]
        os.close(fd)
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
