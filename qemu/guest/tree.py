#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""Trees of files to be packed, unpacked and compared.

    tree.py make [--files N] [--max BYTES] [--seed S] DIR

makes one, always the same for a seed: sizes from nothing to MAX bytes (more small ones than large ones, as in life), nested
directories, symbolic and hard links, modes, times and awkward names.

    tree.py list DIR

prints all there is to say of each name below DIR, in one line, in order: kind, mode, owner, links, size, time, and the sum of its
content. Two trees are equal if their lists are.
"""

import argparse
import hashlib
import os
import random
import stat

# As long ago as nobody would make a file by chance.
OLDEST = 1_000_000_000


def name(dice, number):
    odd = dice.choice(["", "", "", " with blanks", "-ünïcödé", ".tar.gz", "x" * 180])
    return f"f{number}{odd}"


def make(args):
    dice = random.Random(args.seed)
    noise = dice.randbytes(args.max * 2)
    directories = [args.dir]
    os.makedirs(args.dir)
    files = []
    for number in range(args.files):
        if number % 20 == 0:
            above = dice.choice([directories[-1], args.dir, dice.choice(directories)])
            if above.count("/") > args.dir.count("/") + 8:
                above = args.dir
            directories.append(f"{above}/d{number}")
            os.mkdir(directories[-1])
        path = f"{directories[-1]}/{name(dice, number)}"
        kind = dice.random()
        if kind < 0.03 and files:
            os.symlink(os.path.relpath(dice.choice(files), directories[-1]), path)
            continue
        if kind < 0.06 and files:
            os.link(dice.choice(files), path)
            continue
        size = int(args.max ** dice.random()) - 1
        at = dice.randrange(args.max)
        with open(path, "xb") as file:
            file.write(noise[at : at + size])
        os.chmod(path, dice.choice([0o644, 0o644, 0o600, 0o755, 0o440]))
        when = OLDEST + dice.randrange(500_000_000)
        os.utime(path, (when, when))
        files.append(path)
    # From below, as each makes its parent younger.
    for path in reversed(directories):
        when = OLDEST + dice.randrange(500_000_000)
        os.chmod(path, dice.choice([0o755, 0o755, 0o700]))
        os.utime(path, (when, when))


def describe(path):
    status = os.lstat(path)
    links, size, content = status.st_nlink, status.st_size, "-"
    if stat.S_ISDIR(status.st_mode):
        # These two are the file system's own affair.
        links = size = "-"
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            content = hashlib.sha256(file.read()).hexdigest()
    mode = stat.filemode(status.st_mode)
    return f"{mode} {status.st_uid}:{status.st_gid} {links} {size} {int(status.st_mtime)} {content}"


def show(args):
    lines = []
    for directory, names, files in os.walk(args.dir):
        for entry in names + files:
            path = f"{directory}/{entry}"
            lines.append(f"{os.path.relpath(path, args.dir)}: {describe(path)}")
    print("\n".join(sorted(lines)))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("make")
    command.set_defaults(run=make)
    command.add_argument("--files", type=int, default=400)
    command.add_argument("--max", type=int, default=200_000)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("dir")
    command = commands.add_parser("list")
    command.set_defaults(run=show)
    command.add_argument("dir")
    args = parser.parse_args()
    args.run(args)


main()
