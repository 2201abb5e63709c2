# SPDX-License-Identifier: GPL-2.0
"""A scripted server on an address of its own, and the mount of it: what the tests that use one share."""

import ctypes
import os
import socket
import subprocess
import sys
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)


class Server:
    """The server on 127.0.0.NUMBER, from its start to the end of this process."""

    def __init__(self, number, lease=60):
        self.address = f"127.0.0.{number}"
        self.path = f"/run/scripted.{number}"
        self.process = subprocess.Popen(
            ["scripted", "serve", "--listen", f"{self.address}:2049", "--control", self.path, "--lease", str(lease)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.socket = None
        for _ in range(500):
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(self.path)
                break
            except OSError:
                time.sleep(0.02)
        self.lines = self.socket.makefile("r")

    def __call__(self, command):
        """Sends a command; what it says, or an exception if that is an error."""
        self.socket.sendall(command.encode() + b"\n")
        text = ""
        for line in self.lines:
            if line == ".\n":
                break
            text += line
        if text.startswith("error:"):
            raise RuntimeError(f"{command}: {text.strip()}")
        return text

    def counts(self):
        """How often each operation came since the last mark."""
        pairs = (line.rsplit("=", 1) for line in self("count").splitlines())
        return {name: int(n) for name, n in pairs}

    def hits(self):
        """How often the rules have fired together."""
        return sum(int(line.split()[1].partition("=")[2]) for line in self("rules").splitlines())

    def stop(self):
        self.process.kill()
        self.process.wait()


class Mount:
    """A mount of a scripted server, made anew as often as is wanted."""

    def __init__(self, server, options):
        self.server = server
        self.options = options
        self.dir = f"/mnt/scripted.{server.address}"
        self.up = False
        os.makedirs(self.dir, exist_ok=True)

    def mount(self):
        """The errno of mount(2), by which everything is done that mount(8) would do, and quickly."""
        source = f"{self.server.address}:/"
        failed = LIBC.mount(source.encode(), self.dir.encode(), b"rnfs4", 0, self.options.encode())
        self.up = failed == 0
        return ctypes.get_errno() if failed else 0

    def umount(self):
        if self.up:
            if LIBC.umount2(self.dir.encode(), 0) != 0:
                raise OSError(ctypes.get_errno(), "umount")
            self.up = False

    def fresh(self):
        """A new mount, and so a client that has met no trouble yet."""
        self.umount()
        failed = self.mount()
        if failed:
            raise OSError(failed, "mount")

    def path(self, name):
        return f"{self.dir}/{name}"


class Watchdog:
    """Ends the process, with what it did and what the server saw, when one thing lasts too long: no signal reaches who waits for a
    server in the kernel."""

    def __init__(self, server, limit):
        self.server, self.limit = server, limit
        self.what, self.since = None, 0
        threading.Thread(target=self.watch, daemon=True).start()

    def begin(self, what):
        self.what, self.since = what, time.monotonic()

    def end(self):
        self.what = None
        return time.monotonic() - self.since

    def watch(self):
        while True:
            time.sleep(0.5)
            what = self.what
            if what and time.monotonic() - self.since > self.limit:
                print(f"HUNG {what}")
                # The driver's own connection may be in use.
                said = subprocess.run(["scripted", "ctl", self.server.path, "log"], stdout=subprocess.PIPE, check=False).stdout
                print("\n".join(said.decode().splitlines()[-40:]))
                with open(f"/proc/{os.getpid()}/stack", encoding="ascii") as stack:
                    print(stack.read())
                sys.stdout.flush()
                self.server.process.kill()
                os._exit(1)


def until(condition, seconds=10):
    """Waits for a condition; what it came to."""
    end = time.monotonic() + seconds
    nap = 0.005
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        # Others wait as well, and whom they wait for wants the processor.
        time.sleep(nap)
        nap = min(2 * nap, 0.1)


def begin(number, lease=60):
    """A server with some files, the mount of it, and a watchdog."""
    sys.stdout.reconfigure(line_buffering=True)
    server = Server(number, lease)
    # Nothing from the attribute cache; small writes, so that there are several; a lost reply is missed soon.
    mount = Mount(server, "noac,wsize=4096,noresvport,timeo=20,retrans=2")
    for name in ("held", "large", "well"):
        server(f"put {name} 0123456789")
    mount.fresh()
    os.mkdir(mount.path("dir"))
    with open(mount.path("dir/inside"), "w", encoding="ascii"):
        pass
    os.symlink("target", mount.path("link"))
    return server, mount, Watchdog(server, 60)


def ill(server, mount):
    """What is wrong with the client: a file can be opened anew and written, and the server has what was written."""
    mark = f"mark.{time.monotonic_ns()}"
    try:
        with open(mount.path("well"), "w", encoding="ascii") as well:
            well.write(mark)
            well.flush()
            os.fsync(well.fileno())
    except OSError as e:
        return f"not well: {e}"
    return None if server("get well").strip() == mark else "what was written then is not on the server"


def end(server, mount, dog):
    """Unmounts; nothing may be left on the server, which then ends. (Where something went wrong it goes on: who exits closes files.)"""
    dog.begin("the end")
    mount.umount()
    left = until(lambda: server("state").startswith("clients=0 sessions=0 opens=0 locks=0"), 10)
    print(f"END {'nothing left' if left else server('state').strip()}")
    dog.end()
    server.stop()
