# SPDX-License-Identifier: GPL-2.0
"""Overwrites the blocks of a file in no order, each time with another version of that block, and has now and then all of it brought to
the disk. Three ways of writing: pwrite() and fsync(), pwrite() with O_DSYNC, and a shared mapping with msync(), for which xfs_io
is driven, as the guest's Python has no mmap.

A block has to have the version that was acknowledged last, or one that was tried after it, and nothing else."""

import hashlib
import os
import subprocess

BLOCKS = 48
# What is written to a mapping consists of pieces of one repeated byte: xfs_io can do no better.
PIECES = 8


def size(way, seed):
    return 512 if way == "mmap" else (512, 1000, 4096, 5001)[seed % 4]


def version_of(way, seed, block, version):
    """What a version of a block looks like."""
    length = size(way, seed)
    if not version:
        return bytes(length)
    mark = hashlib.sha256(f"{seed} {way} {block} {version}".encode()).digest()
    if way == "mmap":
        return b"".join(mark[n : n + 1] * (length // PIECES) for n in range(PIECES))
    return (f"{way} {block} {version} ".encode() + mark * (length // len(mark) + 1))[:length]


def run_way(journal, way):
    path = f"{journal.dir}/blocks"
    length = size(way, journal.seed)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | (os.O_DSYNC if way == "dsync" else 0), 0o644)
    version = 0
    try:
        os.ftruncate(fd, BLOCKS * length)
        os.fsync(fd)
        while journal.going_on():
            version += 1
            batch = journal.dice.sample(range(BLOCKS), journal.dice.randint(1, 12))
            for block in batch:
                journal.attempt(block, version)
                if way != "mmap":
                    data = version_of(way, journal.seed, block, version)
                    if os.pwrite(fd, data, block * length) != len(data):
                        raise RuntimeError("a short write")
                if way == "dsync":
                    journal.ack(block, version)
            if way == "mmap":
                if not by_mapping(journal, path, batch, version):
                    return
            elif way == "pwrite":
                os.fsync(fd)
            for block in batch:
                journal.ack(block, version)
        os.close(fd)
    except OSError as error:
        journal.error("write", error, version)


def by_mapping(journal, path, batch, version):
    """One mapping, what is stored to it, and msync() of it."""
    length = size("mmap", journal.seed)
    piece = length // PIECES
    commands = [f"mmap -rw 0 {BLOCKS * length}"]
    for block in batch:
        data = version_of("mmap", journal.seed, block, version)
        commands += [f"mwrite -S {data[at]} {block * length + at} {piece}" for at in range(0, length, piece)]
    commands.append(f"msync -s 0 {BLOCKS * length}")
    arguments = [word for command in commands for word in ("-c", command)]
    done = subprocess.run(["xfs_io", *arguments, path], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        journal.line("error", "msync", done.returncode, done.stderr.strip().replace("\n", "; "))
    return not done.returncode and not done.stderr


def check_way(record, directory, wrong, way):
    length = size(way, record.seed)
    candidates = [[0] for _ in range(BLOCKS)]
    for word, what in record.lines:
        if word in ("try", "ack"):
            block, version = map(int, what)
            if word == "ack":
                candidates[block] = [v for v in candidates[block] if v >= version]
            else:
                candidates[block].append(version)
    with open(f"{directory}/blocks", "rb") as file:
        content = file.read()
    if len(content) != BLOCKS * length:
        wrong(f"blocks: {len(content)} bytes instead of {BLOCKS * length}")
    for block, versions in enumerate(candidates):
        found = content[block * length : (block + 1) * length]
        if any(found == version_of(way, record.seed, block, version) for version in versions):
            continue
        older = [v for v in range(versions[0]) if found == version_of(way, record.seed, block, v)]
        wrong(f"blocks: block {block} at byte {block * length} has {f'version {older[0]}' if older else 'what was never written'} and not {versions}")


class Way:
    """The work in one of its ways."""

    def __init__(self, way):
        self.way = way

    def run(self, journal):
        run_way(journal, self.way)

    def check(self, record, directory, wrong):
        check_way(record, directory, wrong, self.way)
