#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Do the workloads of a benchmark do what they say, and would they notice if they were given other data? On a local file system, without
any machine. Ends with 1 if something is not as it should be.

    selfcheck.py DIRECTORY
"""

import os
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f"{HERE}/compare")

import bench  # noqa: E402
import build  # noqa: E402
import bulk  # noqa: E402
import main  # noqa: E402
import names  # noqa: E402
import rand  # noqa: E402
import sizes  # noqa: E402

STATS = """device proc mounted on /proc with fstype proc
device 10.11.12.1:/ mounted on /mnt/other with fstype nfs4 statvers=1.1
	per-op statistics
	        NULL: 1 1 0 44 24 0 0 0 0
	        READ: 7 7 0 700 7000 0 0 0 0
device 10.11.12.1:/ mounted on /mnt/bench with fstype rnfs4 statvers=1.1
	opts:	rw
	bytes:	1 2 3 4 5 6 7 8
	xprt:	tcp 0 0 1
	per-op statistics
	        NULL: 0 0 0 0 0 0 0 0 0
	        READ: 3 4 0 600 6000 0 0 0 0
	       WRITE: 2 2 0 30 4 0 0 0 0 1

"""


class Local(bench.Bench):
    """No mount: the work is where the server would have it."""

    def __init__(self, export):
        super().__init__(export, False)
        self.client = "nfs4"
        self.tree = f"{HERE}/../guest/tree.py"
        self.records = []
        self.note = self.records.append
        # As small as can be.
        self.sizes = sizes.Sizes("tcg", 10, 0.001)

    def keep(self, name, make):
        path = self.served(name)
        if name not in self.kept:
            self.kept[name] = make(path)
        return path, self.kept[name]

    def begin(self, _client, _note):
        os.mkdir(self.served("work"))

    def mount(self):
        return self.served("work")

    def stats(self):
        return {}, 0


def try_stats():
    assert bench.mountstats(STATS, "/mnt/bench") == ({"READ": 3, "WRITE": 2}, 6634)
    assert bench.mountstats(STATS, "/mnt/none") == ({}, 0)


def try_sizes():
    assert [sizes.rounded(n) for n in (20, 99.5, 123, 4567, 8000)] == [20, 99, 120, 4500, 8000]
    emulated = {delay: sizes.Sizes("tcg", delay, 1) for delay in (0, 2, 10)}
    files = [emulated[delay].count(5000, 7.3, 12) for delay in (0, 2, 10)]
    assert files == sorted(files, reverse=True) and files[-1] >= 100, files
    # Sixteen at a time is more in the same time, and not sixteen times as much where a processor is what they wait for.
    one, many = (emulated[0].count(10**9, 1, 1, depth) for depth in (1, 16))
    assert one < many < 16 * one
    assert sizes.Sizes("kvm", 0, 5).count(5000, 7.3, 12) == 5000


def try_workloads(local):
    """Each chain gives the records that it promises, and leaves nothing."""
    for chain, workloads in main.CHAINS.items():
        if chain is rand.run and not any(os.access(f"{place}/fio", os.X_OK) for place in os.get_exec_path()):
            print("# there is no fio", flush=True)
            continue
        local.records.clear()
        local.begin("nfs4", None)
        chain(local)
        local.end()
        assert [record["workload"] for record in local.records] == list(workloads), local.records
        for record in local.records:
            assert "failed" not in record, record
            assert "skipped" in record or (record["count"] > 0 and record["seconds"] > 0), record
    assert not os.path.exists(local.served("work"))


def try_failure(local):
    """What goes wrong in the midst is told of with the workload that it happened to."""

    def chain(at):
        with at.measured("untar", 1, "file"):
            raise OSError(5, "Input/output error")

    told = []
    local.note = told.append
    turned = main.turn
    main.emit, emitted = told.append, main.emit
    local.begin = lambda _client, note: (os.mkdir(local.served("work")), setattr(local, "note", note))
    try:
        assert not turned(local, chain, "nfs4", {"untar"})
        assert turned(local, lambda at: None, "nfs4", {"untar"})
    finally:
        main.emit = emitted
    assert [record["failed"] for record in told] == ["[Errno 5] Input/output error"], told


def notices(what, act, *args):
    """Wrong data must not pass."""
    try:
        act(*args)
    except (AssertionError, OSError):
        return
    raise SystemExit(f"nobody noticed {what}")


def try_judges(directory):
    path = f"{directory}/big"
    bulk.write(path, 3)
    bulk.read(path, 3)
    notices("a file that is too short", bulk.read, path, 4)
    notices("a file that is too long", bulk.read, path, 2)
    with open(path, "r+b") as file:
        file.seek(bulk.MIB)
        file.write(bytes(8))
    notices("a block that was lost", bulk.read, path, 3)
    os.mkdir(f"{directory}/small")
    names.create(f"{directory}/small", 3)
    names.read(f"{directory}/small", 3)
    os.truncate(f"{directory}/small/1", 4095)
    notices("a file that was cut", names.read, f"{directory}/small", 3)
    os.mkdir(f"{directory}/build")
    build.sources(f"{directory}/build", 2)
    build.built(f"{directory}/build", 2)
    with open(f"{directory}/build/gen/h5", "wb"), open(f"{directory}/build/arch/h6", "wb"):
        os.unlink(f"{directory}/build/src/c1")
    notices("a source that is gone", build.built, f"{directory}/build", 2)


def check(directory):
    directory = os.path.join(directory, "bench")
    os.makedirs(f"{directory}/export")
    try_stats()
    try_sizes()
    local = Local(f"{directory}/export")
    try_workloads(local)
    try_failure(local)
    try_judges(directory)
    print("the workloads are what they say")


if __name__ == "__main__":
    try:
        check(sys.argv[1])
    except (AssertionError, subprocess.SubprocessError) as error:
        raise SystemExit(f"selfcheck: {type(error).__name__}: {error}") from error
