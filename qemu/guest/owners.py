#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""Users who open and close files, for the selftest of the same name.

    make DIR USERS FILES    makes the files that the others open: on the server's side, where that is quick
    users DIR USERS FILES   each of so many users opens so many files of his own, all at once, and closes them
    hold DIR COMMAND        runs the command while one file is open; exits with its status
    races DIR SECONDS       processes of three users open, dup, fork, close and reopen the same few files as fast as they can
"""

import os
import random
import resource
import sys
import time


def become(user):
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def child(work):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return pid


def wait(pids):
    # A child that was killed on purpose is no failure.
    return all(os.waitpid(pid, 0)[1] in (0, 9) for pid in pids)


def make(directory, count, files):
    for path in [f"{user}.{n}" for user in range(count) for n in range(files)] + RACE + ["held"]:
        os.close(os.open(f"{directory}/{path}", os.O_CREAT, 0o666))
    return True


def users(directory, count, files):
    def open_all(user):
        become(20000 + user)
        paths = [f"{directory}/{user}.{n}" for n in range(files)]
        for fd in [os.open(path, os.O_RDWR) for path in paths]:
            os.close(fd)

    return wait([child(lambda user=user: open_all(user)) for user in range(count)])


def hold(directory, command):
    fd = os.open(f"{directory}/held", os.O_RDWR)
    status = os.system(command)
    os.close(fd)
    return status == 0


RACE = [f"race.{n}" for n in range(4)]
FLAGS = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR]


def race(directory, user, seed, until):
    become(20000 + user)
    rng = random.Random(seed)
    fds = []
    children = []
    while time.monotonic() < until:
        what = rng.randrange(10)
        if what < 5 and len(fds) < 12:
            fds.append(os.open(f"{directory}/{rng.choice(RACE)}", rng.choice(FLAGS)))
        elif what < 6 and fds:
            fds.append(os.dup(rng.choice(fds)))
        elif what < 7 and len(children) < 4:
            # A child that closes what it has got in its own time, or is killed with it.
            pid = child(lambda: time.sleep(rng.random() / 20))
            if rng.randrange(2):
                os.kill(pid, 9)
            children.append(pid)
        elif what < 8 and children:
            os.waitpid(children.pop(), 0)
        elif fds:
            os.close(fds.pop(rng.randrange(len(fds))))
    for fd in fds:
        os.close(fd)
    wait(children)


def races(directory, seconds):
    until = time.monotonic() + seconds
    return wait([child(lambda n=n: race(directory, n % 3, n, until)) for n in range(9)])


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    os.umask(0)
    what, directory, *args = sys.argv[1:]
    if what == "make":
        return make(directory, int(args[0]), int(args[1]))
    if what == "users":
        return users(directory, int(args[0]), int(args[1]))
    if what == "hold":
        return hold(directory, args[0])
    return races(directory, int(args[0]))


sys.exit(not main())
