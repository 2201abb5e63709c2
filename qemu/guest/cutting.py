#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""cutting.py FILE SERVED TIMES: cuts a file again and again while another process stores to all of it through a mapping, and a third has it
written back. It must stay as long as it was cut, here and where the server has it. Prints how many times it did."""

import mmap
import os
import sys
import time

SIZE = 1 << 18
PAGE = 4096


def store(fd):
    """Until SIGBUS."""
    os.lseek(fd, 0, os.SEEK_SET)
    with mmap.mmap(fd, SIZE) as pages:
        while True:
            for at in range(0, SIZE, PAGE):
                pages[at] = (pages[at] + 1) % 256


def child(act, *args):
    pid = os.fork()
    if pid == 0:
        act(*args)
        os._exit(1)
    return pid


def write_back(fd):
    while True:
        os.fdatasync(fd)


def main():
    path, served, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    good = 0
    for n in range(times):
        os.ftruncate(fd, SIZE)
        flusher, storer = child(write_back, fd), child(store, fd)
        time.sleep(0.02 + 0.013 * (n % 7))
        size = n * 3001 % (SIZE - PAGE)
        os.ftruncate(fd, size)
        _, status = os.waitpid(storer, 0)
        os.kill(flusher, 9)
        os.waitpid(flusher, 0)
        os.fsync(fd)
        found = os.fstat(fd).st_size, os.stat(served).st_size
        if os.WIFSIGNALED(status) and found == (size, size):
            good += 1
        else:
            print(f"cut to {size}: here {found[0]}, there {found[1]}; the other ended with {status:#x}", file=sys.stderr)
    print(good)


main()
