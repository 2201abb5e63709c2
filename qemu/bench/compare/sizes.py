# SPDX-License-Identifier: GPL-2.0
"""How many operations a workload does.

As many as it is meant to have, unless that takes too long on this machine: emulated, a call takes several times what it takes with
KVM, and with a delay longer still. Nothing is measured for that, so the same machine and delay always give the same numbers.
"""

# What a call takes without a delay, in milliseconds; the clock of a machine that counts instructions is slow for us who wait.
CALL = {"kvm": 0.15, "tcg": 0.9, "instructions": 3.0}
# And what a delay takes besides itself.
TIMERS = {"kvm": 0.2, "tcg": 0.8, "instructions": 0.0}
# However many are under way, a call keeps a processor busy for this share of its time.
BUSY = 0.3


def machine():
    """What the guest runs on."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return "tcg" if "TCG" in info.read() else "kvm"


def rounded(number):
    """Down to two digits."""
    unit = 1
    while number >= 100 * unit:
        unit *= 10
    return int(number // unit * unit)


class Sizes:
    """Sizes for a machine, a delay in milliseconds, and a multiple of the time that is given to each workload."""

    def __init__(self, where, delay, scale):
        self.slow = where == "instructions"
        self.scale = scale
        self.busy = CALL[where] * BUSY
        self.call = CALL[where] + (delay + TIMERS[where] if delay else 0)

    def count(self, most, calls, seconds, depth=1):
        """How many operations, of so many calls each, take the slowest client so many seconds, with `depth` of them at a time: 20 at
        least, `most` at most."""
        each = calls * max(self.call / depth, self.busy)
        return rounded(min(most, max(20, seconds * self.scale * 1000 / each)))
