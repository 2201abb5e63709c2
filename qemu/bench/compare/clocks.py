# SPDX-License-Identifier: GPL-2.0
"""The time for which all tasks together have run, in nanoseconds: instructions, where QEMU counts these as the guest's clock.

Tasks only: time in which the processor waits for a disk is not of interest, and does not repeat. The scheduler's own sums are exact,
where /proc/stat is a sample with each tick.
"""

import os
import resource
import time


class Busy:
    """Tasks by their process ids, and which of them are the server's; what those that have ended have left to us."""

    def __init__(self, tasks, server, ended):
        self.tasks, self.server, self.ended = tasks, server, ended

    def __sub__(self, before):
        ran = {pid: n - before.tasks.get(pid, 0) for pid, n in self.tasks.items()}
        return sum(ran.values()) + self.ended - before.ended, sum(n for pid, n in ran.items() if pid in self.server)


def clock(pid):
    """The number of the clock of a process: the complement of its id, and a 2 for what the scheduler has measured."""
    return (~pid << 3) | 2


def busy():
    """All that are there now."""
    tasks, server = {}, set()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        pid = int(name)
        try:
            with open(f"/proc/{name}/comm", encoding="utf-8", errors="replace") as comm:
                is_server = comm.read().strip() == "nfsd"
            tasks[pid] = time.clock_gettime_ns(clock(pid))
        except OSError:
            # It has ended meanwhile.
            continue
        if is_server:
            server.add(pid)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Busy(tasks, server, round((ended.ru_utime + ended.ru_stime) * 1e9))
