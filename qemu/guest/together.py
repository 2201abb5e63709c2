#!/usr/bin/python3 -S
# SPDX-License-Identifier: GPL-2.0
"""What goes along with a WRITE or an OPEN meets errors of a scripted server: together.py MOUNT prints a line for each case, with what the
program got and what the server was asked. With a NAME behind that it only writes such a file."""

import errno
import os
import subprocess
import sys

CONTROL = "/run/scripted"
DATA = b"0123456789" * 100
# Modes that a new file of 0600 may be given: one takes a right from it, and is set at once; the other waits for the end.
TAKES, GIVES = 0o440, 0o640


def ctl(*words):
    return subprocess.run(["scripted", "ctl", CONTROL, *words], check=True, capture_output=True, text=True).stdout


def asked():
    """The operations that came, without those that every call has; several of one call are joined."""
    calls = []
    for line in ctl("log").splitlines():
        op = line.split()[0].partition("/")[0] if not line.startswith("OPEN/fh") else "OPEN/fh"
        if op == "SEQUENCE":
            calls.append([])
        elif op in ("OPEN", "OPEN/fh", "READ", "WRITE", "SETATTR", "CLOSE", "COMMIT") and calls:
            calls[-1].append(op)
    return " ".join("+".join(call) for call in calls if call)


def error(call, *args):
    try:
        call(*args)
        return "ok"
    except OSError as e:
        return errno.errorcode[e.errno]


def writes(path, mode=None):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    got = [error(os.write, fd, DATA)]
    if mode is not None:
        got.append(error(os.fchmod, fd, mode))
    return got + [error(os.close, fd)]


def held(path):
    """Whether the server has the data, and nothing open."""
    name = os.path.basename(path)
    whole = ctl("get", name).strip().encode() == DATA
    opens = sum(line.startswith("file=") and " open " in line for line in ctl("state").splitlines())
    return f"{'whole' if whole else 'not whole'} {opens} open"


def case(mount, name, rules, mode=None):
    path = os.path.join(mount, name)
    ctl("mark")
    for rule in rules:
        ctl("rule", *rule.split())
    got = writes(path, mode)
    os.sync()
    ops = asked()
    ctl("clear")
    print(f"{name}: {' '.join(got)} | {ops} | {held(path)}", flush=True)


def reads(mount, name, rules):
    ctl("put", name, DATA.decode())
    ctl("mark")
    for rule in rules:
        ctl("rule", *rule.split())
    with open(os.path.join(mount, name), "rb") as file:
        got = "whole" if file.read() == DATA else "not whole"
    ops = asked()
    ctl("clear")
    print(f"{name}: {got} | {ops}", flush=True)


def main():
    mount = sys.argv[1]
    if len(sys.argv) > 2:
        return writes(os.path.join(mount, sys.argv[2]))
    case(mount, "plain", [])
    case(mount, "full", ["WRITE status=NFS4ERR_NOSPC"])
    case(mount, "later", ["CLOSE status=NFS4ERR_DELAY"])
    case(mount, "unclosed", ["CLOSE status=NFS4ERR_BAD_STATEID"])
    case(mount, "short", ["WRITE set=0:100"])
    case(mount, "reset", ["WRITE reset"])
    case(mount, "restart", ["CLOSE restart reset"])
    case(mount, "mode", [], mode=TAKES)
    case(mount, "mode-refused", ["SETATTR status=NFS4ERR_PERM times=2"], mode=TAKES)
    case(mount, "mode-later", ["SETATTR status=NFS4ERR_DELAY"], mode=TAKES)
    case(mount, "mode-full", ["WRITE status=NFS4ERR_NOSPC"], mode=TAKES)
    case(mount, "mode-short", ["WRITE set=0:100"], mode=TAKES)
    case(mount, "end", [], mode=GIVES)
    case(mount, "end-refused", ["SETATTR status=NFS4ERR_PERM times=2"], mode=GIVES)
    case(mount, "end-later", ["SETATTR status=NFS4ERR_DELAY"], mode=GIVES)
    case(mount, "end-full", ["WRITE status=NFS4ERR_NOSPC"], mode=GIVES)
    case(mount, "end-short", ["WRITE set=0:100"], mode=GIVES)
    case(mount, "end-unclosed", ["CLOSE status=NFS4ERR_DELAY"], mode=GIVES)
    case(mount, "end-reset", ["WRITE reset"], mode=GIVES)
    case(mount, "end-restart", ["CLOSE restart reset"], mode=GIVES)
    reads(mount, "read", [])
    reads(mount, "unread", ["READ status=NFS4ERR_IO"])
    reads(mount, "read-later", ["READ status=NFS4ERR_DELAY"])
    reads(mount, "read-reset", ["READ reset"])


if __name__ == "__main__":
    main()
