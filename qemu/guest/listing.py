#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""A large directory that changes while it is listed.

    listing.py make DIR COUNT
    listing.py churn DIR OTHER

"make" makes COUNT empty files, of which every tenth may go. "churn" lists DIR, and changes it meanwhile, itself and through OTHER, which
is the same directory seen in another way: files go, others come, names change. Every name that was there from the first to the last must
be listed once, and no name twice.
"""

import os
import sys

STEP = 2000


def make(path, count):
    os.makedirs(path)
    for n in range(count):
        kind = "gone" if n % 10 == 0 else "kept"
        os.close(os.open(f"{path}/{kind}-{n:06}", os.O_CREAT | os.O_WRONLY, 0o644))


def churn(path, other):
    kept = {name for name in os.listdir(other) if name.startswith("kept")}
    gone = sorted(name for name in os.listdir(other) if name.startswith("gone"))
    seen = []
    with os.scandir(path) as entries:
        for n, entry in enumerate(entries):
            seen.append(entry.name)
            if n % STEP:
                continue
            for place in path, other:
                for _ in range(10):
                    if gone:
                        os.unlink(f"{place}/{gone.pop()}")
                    if gone:
                        name = gone.pop()
                        os.rename(f"{place}/{name}", f"{place}/moved-{name}")
                os.close(os.open(f"{place}/new-{n}-{len(place)}", os.O_CREAT | os.O_WRONLY, 0o644))
    twice = len(seen) - len(set(seen))
    lost = kept - set(seen)
    print(f"{len(seen)} entries, {twice} twice, {len(lost)} lost: {sorted(lost)[:5]}")
    sys.exit(bool(twice or lost))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]))
    else:
        churn(sys.argv[2], sys.argv[3])
