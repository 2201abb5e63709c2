# SPDX-License-Identifier: GPL-2.0
"""4 KiB at a time, anywhere in a file of 64 MiB: fio, past the cache and through it, one or 16 at a time.

What is written through the cache is synced at the end, and the time for that counts.
"""

import json
import os

from bench import do

SIZE = 64 << 20
DEPTHS = (1, 16)
WORKLOADS = [f"{kind}-{what}-{depth}" for kind in ("direct", "random") for what in ("read", "write") for depth in DEPTHS]


def fio(path, what, direct, depth, count):
    """Seconds that the I/O itself took."""
    engine = "libaio" if direct else "psync" if depth == 1 else "io_uring"
    out = do(
        "fio",
        "--name=random",
        f"--filename={path}",
        f"--rw=rand{what}",
        "--bs=4k",
        f"--size={SIZE}",
        f"--io_size={count * 4096}",
        f"--ioengine={engine}",
        f"--iodepth={depth}",
        f"--direct={int(direct)}",
        "--thread",
        "--allow_file_create=0",
        "--fallocate=none",
        "--clocksource=clock_gettime",
        f"--end_fsync={int(what == 'write')}",
        "--output-format=json",
    )
    job = json.loads(out[out.index("{") :])["jobs"][0]
    assert job["error"] == 0, f"fio: error {job['error']}"
    done = job[what]
    assert done["total_ios"] == count, f"fio: {done['total_ios']} of {count}"
    return done["runtime"] / 1000


def direct_refused(path):
    """Why the file cannot be opened with O_DIRECT, or None."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_DIRECT))
    except OSError as error:
        return f"open(O_DIRECT): {error.strerror}"
    return None


def fio_alone(bench, depth):
    """What fio itself costs before and after the I/O: instructions."""

    def once(path):
        with open(path, "wb") as file:
            file.truncate(SIZE)
        return bench.spent(lambda: fio(path, "read", False, depth, 1))

    return bench.keep(f"fio-{depth}", once)[1]


def run(bench):
    """All eight."""
    with open(bench.served("work", "random"), "wb") as file:
        for _ in range(SIZE >> 20):
            file.write(os.urandom(4096) * 256)
    path = f"{bench.mount()}/random"
    refused = direct_refused(path)
    for workload in WORKLOADS:
        kind, what, depth = workload.split("-")
        direct, depth = kind == "direct", int(depth)
        if direct and refused:
            bench.cannot(workload, "I/O", refused)
            continue
        count = bench.sizes.count(8000, 1, 2.5 if depth == 1 else 2, depth)
        without = fio_alone(bench, depth) if bench.busy else 0
        with bench.measured(workload, count, "I/O") as taken:
            taken.seconds = fio(path, what, direct, depth, count)
            taken.without = without
