# SPDX-License-Identifier: GPL-2.0
"""A large file, written in one go and read again: in calls of 1 MiB, each block with a number of its own."""

import os

from bench import syncfs

MIB = 1 << 20


def write(path, blocks):
    """Until it is safe."""
    noise = bytearray(os.urandom(4096) * (MIB // 4096))
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        for number in range(blocks):
            noise[:8] = number.to_bytes(8, "big")
            done = os.write(fd, noise)
            assert done == MIB, f"write: {done} bytes"
        os.fsync(fd)
    finally:
        os.close(fd)


def read(path, blocks):
    """And looks at what it reads."""
    block = bytearray(MIB)
    with open(path, "rb", buffering=0) as file:
        for number in range(blocks):
            done = file.readinto(block)
            assert done == MIB, f"read: {done} bytes"
            assert block[:8] == number.to_bytes(8, "big"), f"block {number} has other data"
        assert not file.read(1), "the file is longer than it was"


def run(bench):
    """Both."""
    blocks = 64 if bench.sizes.slow else 256
    at = bench.mount()
    with bench.measured("write", blocks, "MiB"):
        write(f"{at}/big", blocks)
    syncfs(at)
    at = bench.mount()
    with bench.measured("read", blocks, "MiB"):
        read(f"{at}/big", blocks)
