# SPDX-License-Identifier: GPL-2.0
"""Mounting with the one client and the other, and taking the measure of what is done there."""

import contextlib
import os
import re
import subprocess
import time

# The C client as it comes, with delegations, and without.
CLIENTS = ["rnfs4", "nfs4", "nfs4-nodeleg"]
MOUNT = "/mnt/bench"
LEASES = "/proc/sys/fs/leases-enable"


def do(*words):
    """Runs a command; what it prints."""
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def syncfs(path):
    """What was written below the path is on the server's disk when this returns."""
    do("sync", "-f", path)


def mountstats(text, mount):
    """Of a mount: how many calls of each kind, and the bytes that went both ways."""
    calls, traffic, here, ops = {}, 0, False, False
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["device"]:
            here, ops = words[4] == mount, False
        elif here and words[:1] == ["per-op"]:
            ops = True
        elif here and ops and len(words) > 5 and words[0].endswith(":"):
            # Operations, transmissions, time-outs, bytes sent, bytes received.
            if words[1] != "0":
                calls[words[0][:-1]] = int(words[1])
            traffic += int(words[4]) + int(words[5])
    return calls, traffic


class Taken:
    """What one measurement found; a workload that takes its own time says so in `seconds`."""

    def __init__(self):
        self.seconds = None
        self.without = 0


class Bench:
    """One client after the other, mounted on the same export, where `work` is the directory of whatever is done."""

    def __init__(self, export, instructions):
        self.export = export
        self.busy = None
        self.nothing = 0
        if instructions:
            # It needs more of Python than there is where nothing but the workloads is tried.
            from clocks import busy

            self.busy = busy
        self.client = self.note = self.sizes = None
        self.run = 0
        self.delay = 0.0
        self.mounted = False
        self.kept = {}
        self.tree = "/guest/tree.py"

    def warm_up(self):
        """Loads what the first of all would have to load, and has the host give the machine its memory."""
        if not self.busy:
            # This, too, Python has in the guest only.
            import mmap

            with open("/proc/meminfo", encoding="ascii") as file:
                available = int(re.search(r"MemAvailable: +(\d+) kB", file.read())[1]) << 10
            with mmap.mmap(-1, available * 7 // 8 & -mmap.PAGESIZE) as room:
                for at in range(0, len(room), mmap.PAGESIZE):
                    room[at] = 1
        for client in CLIENTS:
            self.begin(client, None)
            self.mount()
            do("sh", "-c", f"cd {MOUNT} && echo > a && tar -cf b a && tar -xf b && ls -lR . && find . -size +1 && rm -r a b")
            do("sh", "-c", f"cd {MOUNT} && dd if=/dev/zero of=c bs=1M count=48 conv=fsync status=none && rm c")
            self.end()
        if self.busy:
            # What the counting itself takes.
            self.nothing = self.spent(lambda: time.sleep(0.1))

    def set(self, run, delay, sizes):
        """What comes is of that run, with that delay in milliseconds."""
        self.run, self.sizes = run, sizes
        if delay != self.delay:
            self.delay = delay
            do("net_delay", f"{delay:g}")

    def begin(self, client, note):
        """A client's turn; what is measured is handed to `note`."""
        self.client, self.note = client, note
        self.no_clients()
        with open(LEASES, "w", encoding="ascii") as leases:
            leases.write("0" if client == "nfs4-nodeleg" else "1")
        os.mkdir(self.served("work"))

    def end(self):
        """Ends it, and leaves nothing behind."""
        self.unmount()
        do("rm", "-rf", self.served("work"))

    def no_clients(self):
        """Delegations end with the client that has them. One that does not take its leave goes with the server."""
        for _ in range(20):
            if not do("server_sh", "ls /proc/fs/nfsd/clients").strip():
                return
            time.sleep(0.1)
        print("# a client has not taken its leave: the server starts afresh", flush=True)
        do("server_stop")
        do("server_forget")
        do("server_start")

    def served(self, *path):
        """A path as the server has it."""
        return os.path.join(self.export, *path)

    def keep(self, name, make):
        """The path of something outside of the mount that is made once: `make` is called with it."""
        path = f"/tmp/bench/{name}"
        if name not in self.kept:
            os.makedirs("/tmp/bench", exist_ok=True)
            self.kept[name] = make(path)
        return path, self.kept[name]

    def mount(self):
        """Mounts afresh: nothing is cached. Returns the directory of the work."""
        self.unmount()
        do("mount_" + self.client.split("-")[0], MOUNT)
        self.mounted = True
        return os.path.join(MOUNT, "work")

    def unmount(self):
        """Undoes it."""
        if self.mounted:
            do("umount", MOUNT)
            self.mounted = False

    def spent(self, act):
        """The instructions that something takes."""
        before = self.busy()
        act()
        return (self.busy() - before)[0] - self.nothing

    def stats(self):
        """The mount's counters, when they stand still: a CLOSE may come a moment later."""
        seen = None
        for _ in range(25):
            with open("/proc/self/mountstats", encoding="ascii") as stats:
                now = mountstats(stats.read(), MOUNT)
            if now == seen:
                break
            seen = now
            time.sleep(0.04)
        return now

    def record(self, workload, unit, **more):
        """Hands over one measurement."""
        about = {"workload": workload, "unit": unit, "client": self.client, "delay_ms": self.delay, "run": self.run}
        self.note({**about, **more})

    def cannot(self, workload, unit, why):
        """Notes that this client does not do that."""
        self.record(workload, unit, skipped=why)

    @contextlib.contextmanager
    def measured(self, workload, count, unit):
        """Measures what is done under it: so many operations."""
        os.sync()
        taken = Taken()
        calls, traffic = self.stats()
        clocks = self.busy() if self.busy else None
        began = time.monotonic()
        try:
            yield taken
        except BaseException as error:
            self.record(workload, unit, failed=str(error))
            raise
        seconds = time.monotonic() - began
        more = {}
        if clocks is not None:
            # What goes on behind the program's back is part of it.
            time.sleep(0.1)
            total, server = self.busy() - clocks
            more = {"instructions": total - self.nothing - taken.without, "server_instructions": server}
        if taken.seconds is not None:
            seconds = taken.seconds
        calls_after, traffic_after = self.stats()
        ops = {op: n - calls.get(op, 0) for op, n in calls_after.items() if n != calls.get(op, 0)}
        self.record(
            workload,
            unit,
            count=count,
            seconds=round(seconds, 5),
            rpcs=sum(ops.values()),
            bytes=traffic_after - traffic,
            ops=ops,
            **more,
        )
