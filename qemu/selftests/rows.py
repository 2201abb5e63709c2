#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Drives rows of the table of errors through the module: rows.py NUMBER SEED|all KIND...

For each kind of operation, and each status, a scripted server answers with that status, a program does something, and what it gets and
what the client does then must be what the table (scripted table) says. NUMBER makes the server's address; SEED
chooses among rows that only differ in the status. For each kind there is a line
"RESULT kind rows bad" and before it a line "BAD ..." for each row that was not as it should be."""

import errno
import random
import subprocess
import sys
import time

from kinds import KINDS
from scripted import begin, end, ill, until


class Row:
    """A line of the table."""

    def __init__(self, line):
        self.status, number, number_errno, self.table, self.state, action = line.split(None, 5)
        self.number, self.errno = int(number), int(number_errno)
        self.action, _, rest = action.partition("(")
        self.action = self.action.split()[0]
        self.need = rest.rstrip(")\n")

    def __str__(self):
        return f"{self.table} {self.state} {self.status}: {self.action} {self.need}".rstrip()


def rows_of(kind, table, rng):
    """The rows that such an operation can meet: one of the statuses that the table has the same rules for, unless there is no `rng` to
    choose by; where the operation is one of many of its class, one for each action."""
    rows = [row for row in table if row.table == kind.table and row.state in (kind.state, "-") and row.number]
    if kind.table == "Slot":
        plain = {row.status: row for row in table if row.table == "Plain"}
        rows = [plain[row.status] if row.action == "Fail" else row for row in rows]
    if rng is None:
        return rows
    rules = {}
    for row in (row for row in table if row.table != "Slot"):
        rules.setdefault(row.status, []).append((row.action, row.need))
    alike = {}
    for row in rows:
        alike.setdefault((row.action, row.need) if kind.some else (row.action, row.need, *rules[row.status]), []).append(row)
    return [rng.choice(rows) for rows in alike.values()]


def after(kind, log, name):
    """How often an operation came after the first one of this kind that was answered with an error on purpose."""
    came = None
    for line in log.splitlines():
        op = line.split()[0]
        if came is not None:
            came += op == name or op.startswith(name + "/")
        elif "!Status" in line and (op == kind.op or op.startswith(kind.op + "/")):
            came = 0
    return came or 0


def check(kind, row, got):
    """What is wrong with the outcome, or nothing."""
    want, ops = kind.wanted(row)
    if got != want:
        return f"errno {got}, not {want}"
    counts, log = kind.server.counts(), None
    for name, n in ops.items():
        if name.startswith(">"):
            log = log or kind.server("log")
            came = after(kind, log, name[1:])
        else:
            came = counts.get(name, 0)
        if (came not in n) if isinstance(n, tuple) else (came < n):
            return f"{came} times {name}, not {n}"
    return None


def run_row(kind, row, dog):
    """Runs one row; what was wrong."""
    server = kind.server
    dog.begin(row)
    kind.prepare()
    server("clear")
    server("mark")
    kind.rule(f"status={row.number}", kind.times(row))
    got = 0
    try:
        kind.act()
    except OSError as e:
        got = e.errno
    # What goes on behind the program's back may take a moment, also what must not.
    if until(lambda: check(kind, row, got) is None, 3):
        time.sleep(0.01)
    wrong = check(kind, row, got)
    if wrong is None and server.hits() == 0:
        wrong = "it did not come about"
    log = server("log")
    server("clear")
    kind.done()
    wrong = wrong or ill(server, kind.mount)
    took = dog.end()
    if wrong:
        print(f"BAD {kind.__class__.__name__}: {row}: {wrong} ({took:.2f} s)")
        print("".join(f"    {line}\n" for line in log.splitlines()[-25:]), end="")
    return wrong, took


def run_kind(kind, rows, dog):
    bad, slowest, began = 0, (0, None), time.monotonic()
    kind.mount.fresh()
    for row in rows:
        wrong, took = run_row(kind, row, dog)
        bad += wrong is not None
        slowest = max(slowest, (took, str(row)))
        # A handle that was called stale stays so for who holds it.
        if kind.fresh or wrong or took > 1 or row.errno == errno.ESTALE:
            dog.begin(f"umount after {row}")
            kind.close()
            kind.mount.fresh()
            dog.end()
    kind.close()
    print(f"RESULT {kind.__class__.__name__} {len(rows)} {bad} in {time.monotonic() - began:.0f} s, slowest {slowest[0]:.1f} s: {slowest[1]}")


def main():
    sys.stdout.reconfigure(line_buffering=True)
    number, seed, *names = sys.argv[1:]
    rng = None if seed == "all" else random.Random(int(seed))
    said = subprocess.run(["scripted", "table"], stdout=subprocess.PIPE, check=True).stdout.decode()
    table = [Row(line) for line in said.splitlines()]
    server, mount, dog = begin(number)
    for name in names:
        kind = KINDS[name](server, mount)
        run_kind(kind, rows_of(kind, table, rng), dog)
    end(server, mount, dog)


main()
