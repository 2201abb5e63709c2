# SPDX-License-Identifier: GPL-2.0
"""Has tar unpack an archive again and again, each time in a directory of its own. When tar has ended well, all that it has unpacked must
be there, as it was: close() is what brings a file to the server's disk."""

import os
import subprocess

ARCHIVE = "/tmp/torture/tree.tar"


def run(journal):
    turn = 0
    while journal.going_on():
        turn += 1
        os.mkdir(f"{journal.dir}/t{turn}")
        journal.attempt(turn)
        tar = subprocess.Popen(
            ["tar", "-C", f"{journal.dir}/t{turn}", "-xpvf", ARCHIVE], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace"
        )
        said = []
        for line in tar.stdout:
            journal.line("step", turn)
            said = said[-4:] + [line.strip()]
        if tar.wait():
            journal.line("error", "tar", tar.returncode, turn, "; ".join(said))
            return
        journal.ack(turn)


def check(record, directory, wrong):
    # Beside the directories of the journals.
    with open(os.path.join(os.path.dirname(record.path), "../tree.list"), encoding="utf-8", errors="surrogateescape") as file:
        wanted = file.read()
    for word, what in record.lines:
        if word != "ack":
            continue
        found = subprocess.run(
            ["/guest/tree.py", "list", f"{directory}/t{what[0]}/tree"], capture_output=True, encoding="utf-8", errors="surrogateescape", check=False
        )
        if found.returncode:
            wrong(f"t{what[0]}: {found.stderr.strip().splitlines()[-1]}")
        elif found.stdout != wanted:
            differ = set(found.stdout.splitlines()) ^ set(wanted.splitlines())
            wrong(f"t{what[0]}: {len(differ)} lines differ, for one: {ascii(sorted(differ)[0])}")
