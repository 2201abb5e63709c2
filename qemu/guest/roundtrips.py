#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""Counts the calls that everyday operations cost, by /proc/self/mountstats.

    roundtrips.py MOUNT warm|cold

does each operation to each of some files in the mount, and prints its name and the calls for one file. Cold follows warm, when the
file system has been mounted afresh. With VERBOSE=1 in the environment it says on stderr what the calls were.
"""

import os
import subprocess
import sys
import time

FILES = 12
ARCHIVE, ARCHIVED = "/tmp/archive.tar", 100
KIB4 = bytes(range(256)) * 16
LONG_AGO = 1000000000


def calls(mount):
    """How many calls of each kind there have been."""
    counts, here = {}, False
    with open("/proc/self/mountstats") as stats:
        for line in stats:
            words = line.split()
            if words[:1] == ["device"]:
                here, ops = words[4] == mount, False
            elif here and words[:1] == ["per-op"]:
                ops = True
            elif here and ops and len(words) > 2 and words[0].endswith(":"):
                counts[words[0][:-1]] = int(words[1])
    return counts


def create(name):
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(fd, KIB4)
    os.close(fd)


def listed(name):
    os.close(os.open(name + ".l", os.O_WRONLY | os.O_CREAT, 0o644))
    names_of(name)[1]()


def exclusive(name):
    fd = os.open(name + ".x", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, KIB4)
    os.utime(fd, (LONG_AGO, LONG_AGO))
    os.close(fd)
    assert os.stat(name + ".x").st_mtime == LONG_AGO


def chmod(name):
    fd = os.open(name + ".m", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, KIB4)
    os.fchmod(fd, 0o440)
    assert os.fstat(fd).st_mode & 0o7777 == 0o440
    os.close(fd)


def read(name):
    fd = os.open(name, os.O_RDONLY)
    assert os.read(fd, 8192) == KIB4
    os.close(fd)


def stat_and_read(name):
    name += ".x"
    assert os.stat(name).st_size == 4096
    read(name)


def write(name):
    fd = os.open(name, os.O_WRONLY)
    os.write(fd, KIB4)
    os.close(fd)


def look(name):
    os.close(os.open(name + ".m", os.O_RDONLY))


def stat(name):
    assert os.stat(name).st_size == 4096


def names_of(name):
    """Both directories are known exactly after each change."""
    there = os.path.join(os.path.dirname(name), "other", os.path.basename(name))
    return there, lambda: (os.stat(os.path.dirname(name)), os.stat(os.path.dirname(there)))


def rename(name):
    os.rename(name, name + ".new")
    names_of(name)[1]()


def across(name):
    there, look_at = names_of(name)
    os.rename(name + ".new", there)
    look_at()


def back(name):
    there, look_at = names_of(name)
    os.rename(there, name)
    look_at()


def link(name):
    os.link(name, name + ".link")
    names_of(name)[1]()


def unlink(name):
    os.unlink(name + ".link")
    names_of(name)[1]()


def mkdir(name):
    os.mkdir(name + ".dir")
    names_of(name)[1]()


def rmdir(name):
    os.rmdir(name + ".dir")
    names_of(name)[1]()


WARM = [create, listed, exclusive, chmod, read, write, rename, across, back, link, unlink, mkdir, rmdir]
COLD = [read, stat_and_read, stat, look]


def measure(mount, what, count, run):
    before = calls(mount)
    run()
    # A CLOSE may come a moment later.
    time.sleep(0.3)
    after = calls(mount)
    diff = {op: n - before.get(op, 0) for op, n in after.items() if n != before.get(op, 0)}
    print(f"{what} {sum(diff.values()) / count:.2f}", flush=True)
    if os.environ.get("VERBOSE"):
        print(f"# {what}", diff, file=sys.stderr, flush=True)


def untar(mount, *options):
    target = os.path.join(mount, "t" + "".join(options))
    os.mkdir(target)
    subprocess.run(["tar", "-x", "-C", target, "-f", ARCHIVE, *options], check=True)


def main():
    mount, phase = sys.argv[1:]
    where = os.path.join(mount, "d")
    if phase == "warm":
        os.makedirs(os.path.join(where, "other"))
    # What the walk there costs.
    os.stat(os.path.join(where, "other"))
    for operation in WARM if phase == "warm" else COLD:
        names = [os.path.join(where, f"f{n}") for n in range(FILES)]
        if (phase, operation) == ("cold", stat):
            # Files that nobody has read yet.
            names = [name + ".m" for name in names]
        measure(mount, operation.__name__, FILES, lambda: [operation(name) for name in names])
    if phase == "warm":
        measure(mount, "tar", ARCHIVED, lambda: untar(mount))
        measure(mount, "tar_no_same_owner", ARCHIVED, lambda: untar(mount, "--no-same-owner"))


if __name__ == "__main__":
    main()
