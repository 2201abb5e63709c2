#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""twousers.py FILE SERVED: two users who have a file open write by turns into one page of it, each in a half of his own. Prints what they are
told, and whether the server has what both have written last."""

import errno
import os
import sys

HALF = 2048


class User:
    """A process that writes what it is told to."""

    def __init__(self, uid, path):
        (mine, self.out), (self.back, theirs) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(mine)
            os.close(theirs)
            self.tell("open")
            return
        os.close(self.out)
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        fd = None
        while word := os.read(mine, 1):
            try:
                if word == b"o":
                    fd = os.open(path, os.O_RDWR)
                elif word == b"f":
                    os.fsync(fd)
                else:
                    os.pwrite(fd, word * HALF, HALF * (uid % 2))
                os.write(theirs, b"ok\n")
            except OSError as error:
                os.write(theirs, errno.errorcode[error.errno].encode() + b"\n")
        os._exit(0)

    def tell(self, word):
        """The first letter of "open" or "fsync", or one to fill a half of the page with."""
        os.write(self.out, word[:1].encode())
        return os.read(self.back, 100).decode().strip()


def main():
    path, served = sys.argv[1:]
    with open(path, "wb") as file:
        file.write(b"-" * 2 * HALF)
    os.chmod(path, 0o666)
    users = User(1000, path), User(1001, path)
    told = [user.tell(letter) for letter in "abcdABCD" for user in users]
    told += [user.tell("fsync") for user in users]
    with open(served, "rb") as file:
        both = file.read() == b"D" * 2 * HALF
    print("all ok" if set(told) == {"ok"} else told, both)


main()
