#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the workloads with each client in turn, and prints a line of JSON for each measurement.

    main.py [--instructions]

In the environment: DELAY (milliseconds added to each round trip) and WORKLOADS, lists with commas; RUNS; SCALE (how long a workload may
take, as a multiple).
"""

import json
import os
import subprocess
import sys

import bulk
import build
import names
import rand
from bench import CLIENTS, Bench
from sizes import Sizes, machine

# The workloads of a chain are run one after the other, on the same files.
CHAINS = {
    bulk.run: ("write", "read"),
    rand.run: rand.WORKLOADS,
    names.tree: ("untar", "ls-cold", "find-warm", "find-cold", "rm"),
    names.small: ("create", "open-read", "delete"),
    build.run: ("build",),
}


def numbers(name, default):
    return [float(word) for word in os.environ.get(name, default).split(",")]


def chosen():
    """The chains that are needed, and the workloads that are to be told of."""
    known = [workload for workloads in CHAINS.values() for workload in workloads]
    wanted = [word for word in os.environ.get("WORKLOADS", "").split(",") if word] or known
    strange = set(wanted) - set(known)
    if strange:
        sys.exit(f"no workload {', '.join(sorted(strange))}; there are {', '.join(known)}")
    return [chain for chain, workloads in CHAINS.items() if set(workloads) & set(wanted)], set(wanted)


def emit(record):
    print(json.dumps(record), flush=True)


def turn(bench, chain, client, tell):
    """One chain with one client. True if all of it went well."""
    failed = False

    def note(record):
        nonlocal failed
        failed = failed or "failed" in record
        if record["workload"] in tell:
            emit(record)

    try:
        try:
            bench.begin(client, note)
            chain(bench)
        finally:
            bench.end()
    except (OSError, subprocess.SubprocessError, ArithmeticError, ValueError, AssertionError) as error:
        # What was being measured has said so itself.
        print(f"# {client}: {chain.__module__}: {error}", flush=True)
        failed = True
    return not failed


def main():
    instructions = sys.argv[1:] == ["--instructions"]
    chains, tell = chosen()
    runs = int(numbers("RUNS", "2" if instructions else "5")[0])
    scale = numbers("SCALE", "1")[0]
    delays = [0.0] if instructions else numbers("DELAY", "0,2,10")
    good = True
    where = "instructions" if instructions else machine()
    bench = Bench(os.environ.get("EXPORT", "/export"), instructions)
    bench.warm_up()
    for run in range(runs):
        # Each client is the first once in a while.
        order = CLIENTS[run % len(CLIENTS) :] + CLIENTS[: run % len(CLIENTS)]
        for delay in delays:
            print(f"# run {run + 1} of {runs}, {delay:g} ms", flush=True)
            bench.set(run, delay, Sizes(where, delay, scale))
            for chain in chains:
                for client in order:
                    good = turn(bench, chain, client, tell) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
