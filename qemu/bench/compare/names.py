# SPDX-License-Identifier: GPL-2.0
"""Many files: a tree of sources that is unpacked, listed, searched and removed, and small files that are made, read and deleted."""

import os

from bench import do, syncfs

KIB4 = bytes(range(256)) * 16


def archive(bench, files):
    """An archive of so many files, and how many names it has."""

    def make(path):
        do(bench.tree, "make", "--files", str(files), "--max", "100000", f"{path}.d/tree")
        do("tar", "-C", f"{path}.d", "-cf", path, "tree")
        entries = len(do("find", f"{path}.d/tree").splitlines())
        do("rm", "-r", f"{path}.d")
        return entries

    return bench.keep(f"tree-{files}.tar", make)


def untar(path, at):
    """Until it is on the server's disk."""
    do("tar", "-x", "-f", path, "-C", at)
    syncfs(at)


def entries_of(listing):
    """How many entries ls has told of."""
    return sum(line[:1] in tuple("-dlpscb") and len(line.split()) > 8 for line in listing.splitlines())


def find(at, entries):
    """Asks for the size of each entry."""
    found = len(do("find", f"{at}/tree", "-size", "-1000000").splitlines())
    assert found == entries, f"find has found {found} of {entries}"


def tree(bench):
    """Whoever unpacks without delegations needs the most calls for it."""
    files = bench.sizes.count(5000, 7.3, 12)
    path, entries = archive(bench, files)
    at = bench.mount()
    with bench.measured("untar", files, "file"):
        untar(path, at)
    at = bench.mount()
    with bench.measured("ls-cold", entries, "entry"):
        listing = do("ls", "-lR", f"{at}/tree")
    seen = entries_of(listing)
    assert seen == entries - 1, f"ls has seen {seen} of {entries - 1} entries"
    # A warm one is soon over.
    with bench.measured("find-warm", 5 * entries, "entry"):
        for _ in range(5):
            find(at, entries)
    at = bench.mount()
    with bench.measured("find-cold", entries, "entry"):
        find(at, entries)
    with bench.measured("rm", entries, "entry"):
        do("rm", "-r", f"{at}/tree")


def create(directory, count):
    """So many files of 4 KiB, until they are on the server's disk."""
    for number in range(count):
        fd = os.open(f"{directory}/{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(fd, KIB4)
        os.close(fd)
    syncfs(directory)


def read(directory, count):
    """All of them."""
    for number in range(count):
        fd = os.open(f"{directory}/{number}", os.O_RDONLY)
        data = os.read(fd, 8192)
        os.close(fd)
        assert data == KIB4, f"file {number} has other data"


def small(bench):
    """In directories of at most a thousand."""
    count = bench.sizes.count(5000, 3, 3)
    where = [(f"small{first}", min(1000, count - first)) for first in range(0, count, 1000)]
    at = bench.mount()
    with bench.measured("create", count, "file"):
        for name, files in where:
            os.mkdir(f"{at}/{name}")
            create(f"{at}/{name}", files)
    at = bench.mount()
    with bench.measured("open-read", count, "file"):
        for name, files in where:
            read(f"{at}/{name}", files)
    with bench.measured("delete", count, "file"):
        for name, files in where:
            for number in range(files):
                os.unlink(f"{at}/{name}/{number}")
    for name, _ in where:
        left = os.listdir(bench.served("work", name))
        assert not left, f"{len(left)} files are left"
