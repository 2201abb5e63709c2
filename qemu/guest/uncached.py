#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""uncached.py write|read FILE [SOURCE]: writes the content of SOURCE to FILE, or reads FILE to its end, with RWF_DONTCACHE in pieces of
256 KiB; what was written is synced. Prints how many pages of FILE are cached then, out of how many."""

import ctypes
import mmap
import os
import sys
import time

RWF_DONTCACHE = 0x80
PIECE = 256 << 10


def cached(fd):
    """How many pages are, by mincore(), which is asked before any of them is touched."""
    libc, size = ctypes.CDLL(None, use_errno=True), os.fstat(fd).st_size
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    there = ctypes.create_string_buffer(size // mmap.PAGESIZE)
    at = libc.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0)
    if libc.mincore(at, size, there):
        raise OSError(ctypes.get_errno(), "mincore")
    libc.munmap(at, size)
    return sum(page & 1 for page in there.raw)


what, name, *source = sys.argv[1:]
fd = os.open(name, os.O_RDWR | os.O_CREAT)
if what == "write":
    with open(source[0], "rb") as file:
        data = file.read()
    for at in range(0, len(data), PIECE):
        assert os.pwritev(fd, [data[at : at + PIECE]], at, RWF_DONTCACHE) == len(data[at : at + PIECE])
    os.fsync(fd)
else:
    at, piece = 0, bytearray(PIECE)
    while got := os.preadv(fd, [piece], at, RWF_DONTCACHE):
        at += got
# Writeback and what drops the pages behind it may be a moment later than fsync().
for _ in range(20):
    if not (left := cached(fd)):
        break
    time.sleep(0.1)
print(left, "of", os.fstat(fd).st_size // mmap.PAGESIZE)
