#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""A middleman between a client and its server that breaks connections in the middle of replies.

    cutter.py DIR LISTEN SERVER

passes on what comes to port 2049 of the address LISTEN. The file DIR/arm says which replies are cut: a number is that of an operation (the
first of its replies is cut, and the file removed), "every N" means one reply in N, until the file goes. Of a reply that is cut the client gets
half, and then a reset; so the server has run the call, and the client cannot know. "calls N" means that no COMPOUND gets through, and that
with the Nth of a connection this is reset, until the file goes. DIR/log has a line for each COMPOUND that was asked for, "call OPERATION SLOT
SEQUENCEID", where the operation is the one that it is for, and "cut OPERATION" for each reply or call that a connection was reset with.
"""

import asyncio
import os
import socket
import struct
import sys

DIR, LISTEN, SERVER = sys.argv[1:]
ARM = f"{DIR}/arm"
LOG = open(f"{DIR}/log", "a", buffering=1, encoding="ascii")
CALL, REPLY = 0, 1
GETATTR, GETFH, PUTFH, PUTROOTFH, SAVEFH, SEQUENCE = 9, 10, 22, 24, 32, 53


class Xdr:
    def __init__(self, data):
        self.data, self.at = data, 0

    def word(self):
        self.at += 4
        return struct.unpack_from(">I", self.data, self.at - 4)[0]

    def skip(self, length):
        self.at += (length + 3) & ~3


def describe(data):
    """What a COMPOUND is for: the operation behind those that only say where, its slot and sequence id; None for other calls."""
    xdr = Xdr(data)
    xdr.at = 20
    if xdr.word() != 1:
        return None
    for _ in "cred", "verf":
        xdr.word()
        xdr.skip(xdr.word())
    # Tag and minor version.
    xdr.skip(xdr.word())
    xdr.word()
    op, slot, seqid = 0, 0, 0
    for _ in range(xdr.word()):
        op = xdr.word()
        if op == SEQUENCE:
            xdr.skip(16)
            seqid, slot = xdr.word(), xdr.word()
            xdr.skip(8)
        elif op == PUTFH:
            xdr.skip(xdr.word())
        elif op == GETATTR:
            xdr.skip(4 * xdr.word())
        elif op not in (SAVEFH, PUTROOTFH, GETFH):
            break
    return op, slot, seqid


class Cutter:
    def __init__(self):
        self.replies = 0

    @staticmethod
    def armed():
        """The words of the order."""
        try:
            with open(ARM, encoding="ascii") as file:
                word, _, count = file.read().strip().partition(" ")
        except OSError:
            return "", ""
        return word, count

    def swallows(self):
        """How many calls of a connection are swallowed before it is reset; 0 if they are passed on."""
        word, count = self.armed()
        return int(count) if word == "calls" else 0

    def wants(self, op):
        """Whether the reply that has just come, to a call for this operation, is to be cut."""
        word, count = self.armed()
        if word == "every":
            self.replies += 1
            return self.replies % int(count) == 0
        if word != str(op):
            return False
        os.unlink(ARM)
        return True


async def record(reader):
    """A record of RPC, with its mark."""
    whole = b""
    while True:
        mark = await reader.readexactly(4)
        word = struct.unpack(">I", mark)[0]
        whole += mark + await reader.readexactly(word & 0x7FFFFFFF)
        if word >> 31:
            return whole


async def serve(cutter, client_in, client_out):
    try:
        server_in, server_out = await asyncio.open_connection(SERVER, 2049)
    except OSError:
        client_out.close()
        return
    calls, swallowed = {}, 0

    async def tell_swallowed():
        """Nobody answers what was swallowed: once calls are passed on again this connection is no good any more."""
        while not swallowed or cutter.swallows():
            await asyncio.sleep(0.1)

    async def pass_calls():
        nonlocal swallowed
        while True:
            whole = await record(client_in)
            xid, kind = struct.unpack_from(">II", whole, 4)
            what = describe(whole[4:]) if kind == CALL else None
            if what:
                calls[xid] = what
                print("call", *what, file=LOG)
                if limit := cutter.swallows():
                    swallowed += 1
                    if swallowed < limit:
                        continue
                    print("cut", what[0], file=LOG)
                    return
            server_out.write(whole)
            await server_out.drain()

    async def pass_replies():
        while True:
            whole = await record(server_in)
            xid, kind = struct.unpack_from(">II", whole, 4)
            what = calls.pop(xid, None) if kind == REPLY else None
            if what and cutter.wants(what[0]):
                print("cut", what[0], file=LOG)
                client_out.write(whole[: len(whole) // 2])
                await client_out.drain()
                return
            client_out.write(whole)
            await client_out.drain()

    ways = [asyncio.create_task(pass_calls()), asyncio.create_task(pass_replies()), asyncio.create_task(tell_swallowed())]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)
    for writer in client_out, server_out:
        # Closed like this, a connection is reset.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


async def main():
    cutter = Cutter()
    server = await asyncio.start_server(lambda i, o: serve(cutter, i, o), LISTEN, 2049, limit=1 << 21)
    open(f"{DIR}/ready", "w", encoding="ascii").close()
    async with server:
        await server.serve_forever()


asyncio.run(main())
