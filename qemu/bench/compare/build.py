# SPDX-License-Identifier: GPL-2.0
"""What make and a compiler ask of a file system, without the compiling.

For each source: its headers, looked for in some directories where they are not, then read; the source; the object under another name,
renamed when it is whole. Then all objects are read and a program is written; at last make looks at every time, and there is nothing to do.
"""

import os
import random

from bench import syncfs

MISSES = ("gen", "arch", "local")
HEADERS, INCLUDED = 60, 12
OBJECT = 20_000


def sources(directory, units):
    """Writes the sources, where the server has them."""
    dice = random.Random(1)
    noise = dice.randbytes(100_000)
    for name in (*MISSES, "include", "src", "obj"):
        os.mkdir(f"{directory}/{name}")
    for name, count in (("include/h", HEADERS), ("src/c", units)):
        for number in range(count):
            size = int(40_000 ** dice.uniform(0.6, 1))
            with open(f"{directory}/{name}{number}", "wb") as file:
                file.write(noise[number : number + size])


def slurp(path):
    """As a compiler reads."""
    fd = os.open(path, os.O_RDONLY)
    size, data = os.fstat(fd).st_size, b""
    while part := os.read(fd, size + 1 - len(data)):
        data += part
    os.close(fd)
    assert len(data) == size, f"{path}: {len(data)} of {size} bytes"
    return data


def spit(path, data):
    """As an assembler writes."""
    with open(path, "wb", buffering=4096) as file:
        for at in range(0, len(data), 4096):
            file.write(data[at : at + 4096])


def compiled(directory, number):
    """One source."""
    dice = random.Random(number)
    for header in dice.sample(range(HEADERS), INCLUDED):
        for place in MISSES:
            try:
                os.stat(f"{directory}/{place}/h{header}")
            except FileNotFoundError:
                continue
            raise AssertionError(f"{place} has a header")
        slurp(f"{directory}/include/h{header}")
    source = slurp(f"{directory}/src/c{number}")
    spit(f"{directory}/obj/o{number}.tmp", (source * (OBJECT // len(source) + 1))[:OBJECT])
    os.rename(f"{directory}/obj/o{number}.tmp", f"{directory}/obj/o{number}")


def built(directory, units):
    """All of it."""
    for number in range(units):
        compiled(directory, number)
    spit(f"{directory}/program.tmp", b"".join(slurp(f"{directory}/obj/o{number}") for number in range(units)))
    os.chmod(f"{directory}/program.tmp", 0o755)
    os.rename(f"{directory}/program.tmp", f"{directory}/program")
    newest = os.stat(f"{directory}/program").st_mtime
    for name, count in (("include/h", HEADERS), ("src/c", units), ("obj/o", units)):
        for number in range(count):
            assert os.stat(f"{directory}/{name}{number}").st_mtime <= newest, f"{name}{number} is younger"
    syncfs(directory)


def run(bench):
    """In a directory of its own."""
    units = bench.sizes.count(300, 35, 4)
    os.mkdir(bench.served("work", "build"))
    sources(bench.served("work", "build"), units)
    at = bench.mount()
    with bench.measured("build", units, "source"):
        built(f"{at}/build", units)
    assert os.path.getsize(bench.served("work", "build", "program")) == units * OBJECT, "the program is not whole"
