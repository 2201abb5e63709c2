# SPDX-License-Identifier: GPL-2.0
"""A disk with a volatile write cache, for a machine that may lose its power: an NBD server (the protocol is in the NBD project's
doc/proto.md) that keeps what is written in memory until a flush, and then brings it to a file.

If the machine goes without a word, as it does when it is killed, whatever was not flushed is in doubt: some pages of it get to the
file, in no order, the others are gone. Which ones is a matter of the seed."""

import os
import random
import socket
import struct
import threading

PAGE = 4096

# Of the handshake.
NBD_MAGIC = 0x4E42444D41474943
OPTION_MAGIC = 0x49484156454F5054
REPLY_MAGIC = 0x3E889045565A9
FIXED_NEWSTYLE, NO_ZEROES = 1, 2
OPT_EXPORT_NAME, OPT_ABORT, OPT_GO = 1, 2, 7
REP_ACK, REP_INFO, REP_ERR_UNSUP = 1, 3, 0x80000001
INFO_EXPORT = 0
HAS_FLAGS, SEND_FLUSH, SEND_FUA = 1, 4, 8

# Of the requests.
REQUEST_MAGIC = 0x25609513
SIMPLE_REPLY_MAGIC = 0x67446698
CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH = 0, 1, 2, 3
CMD_FLAG_FUA = 1
EINVAL = 22
REQUEST = struct.Struct(">IHHQQI")

# How much of what is in doubt survives, chosen anew at each power cut.
SURVIVAL = (0.0, 0.5, 0.9)


class Gone(Exception):
    """The machine is no longer there."""


class Disk:
    """Serves the file at PATH on a Unix socket; one machine at a time."""

    def __init__(self, path, address, seed):
        self.fd = os.open(path, os.O_RDWR)
        self.size = os.fstat(self.fd).st_size
        self.dice = random.Random(seed)
        # What has been written and not been flushed: page number -> content.
        self.cache = {}
        # What the power cuts have met: pages in doubt, and those of them that were lost.
        self.doubtful = self.lost = 0
        # Held while a machine is served; free again when the disk knows that the machine has gone.
        self.busy = threading.Lock()
        # How many pages must be in doubt at a flush for the machine to be caught in it, and that it has been.
        self.ambush_at = None
        self.caught = threading.Event()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(address)
        listener.listen()
        threading.Thread(target=self.serve, args=(listener,), daemon=True).start()

    def serve(self, listener):
        while True:
            machine, _ = listener.accept()
            with self.busy, machine:
                try:
                    if self.handshake(machine):
                        while self.request(machine):
                            pass
                    # A machine that was switched off in order has flushed; what it has not lies in a cache that still has power.
                    self.flush()
                except (Gone, OSError):
                    self.power_cut()

    def ambush(self, pages):
        """The next flush that finds so many pages in doubt gets no answer, but sets the event that is returned: the worst moment there is
        for a power cut."""
        self.caught.clear()
        self.ambush_at = pages
        return self.caught

    def power_cut(self):
        self.ambush_at = None
        survives = self.dice.choice(SURVIVAL)
        self.doubtful += len(self.cache)
        for page in sorted(self.cache):
            if self.dice.random() < survives:
                os.pwrite(self.fd, self.cache[page], page * PAGE)
            else:
                self.lost += 1
        self.cache.clear()

    def flush(self):
        for page, content in self.cache.items():
            os.pwrite(self.fd, content, page * PAGE)
        self.cache.clear()

    def load(self, page):
        return self.cache.get(page) or os.pread(self.fd, PAGE, page * PAGE)

    def read(self, at, length):
        first = at // PAGE
        pages = range(first, (at + length + PAGE - 1) // PAGE)
        if not any(page in self.cache for page in pages):
            return os.pread(self.fd, length, at)
        skip = at - first * PAGE
        return b"".join(map(self.load, pages))[skip : skip + length]

    def write(self, at, data):
        done = 0
        while done < len(data):
            page, skip = divmod(at + done, PAGE)
            piece = data[done : done + PAGE - skip]
            if len(piece) != PAGE:
                old = self.load(page)
                piece = old[:skip] + piece + old[skip + len(piece) :]
            self.cache[page] = piece
            done += PAGE - skip

    def handshake(self, machine):
        machine.sendall(struct.pack(">QQH", NBD_MAGIC, OPTION_MAGIC, FIXED_NEWSTYLE | NO_ZEROES))
        (wants,) = struct.unpack(">I", take(machine, 4))
        flags = HAS_FLAGS | SEND_FLUSH | SEND_FUA
        while True:
            magic, option, length = struct.unpack(">QII", take(machine, 16))
            if magic != OPTION_MAGIC or length > 4096:
                raise Gone
            take(machine, length)
            if option == OPT_EXPORT_NAME:
                machine.sendall(struct.pack(">QH", self.size, flags) + bytes(0 if wants & NO_ZEROES else 124))
                return True
            if option == OPT_GO:
                option_reply(machine, option, REP_INFO, struct.pack(">HQH", INFO_EXPORT, self.size, flags))
                option_reply(machine, option, REP_ACK)
                return True
            if option == OPT_ABORT:
                option_reply(machine, option, REP_ACK)
                return False
            option_reply(machine, option, REP_ERR_UNSUP)

    def request(self, machine):
        """One of them; False after the last."""
        magic, flags, command, cookie, at, length = REQUEST.unpack(take(machine, REQUEST.size))
        if magic != REQUEST_MAGIC:
            raise Gone
        error, answer = 0, b""
        if command == CMD_DISC:
            return False
        data = take(machine, length) if command == CMD_WRITE else b""
        if command == CMD_FLUSH:
            if self.ambush_at is not None and len(self.cache) >= self.ambush_at:
                self.caught.set()
                while machine.recv(1 << 20):
                    pass
                raise Gone
            self.flush()
        elif command not in (CMD_READ, CMD_WRITE) or at + length > self.size:
            error = EINVAL
        elif command == CMD_READ:
            answer = self.read(at, length)
        else:
            self.write(at, data)
            if flags & CMD_FLAG_FUA:
                self.flush()
        machine.sendall(struct.pack(">IIQ", SIMPLE_REPLY_MAGIC, error, cookie) + answer)
        return True


def option_reply(machine, option, kind, data=b""):
    machine.sendall(struct.pack(">QIII", REPLY_MAGIC, option, kind, len(data)) + data)


def take(machine, length):
    """So many bytes from the machine."""
    data = bytearray()
    while len(data) < length:
        piece = machine.recv(min(length - len(data), 1 << 20))
        if not piece:
            raise Gone
        data += piece
    return bytes(data)
