# SPDX-License-Identifier: GPL-2.0
"""What happened when, for "scripts/plot timeline" (host/plot/events.rs says how it wants to be told): on the clock of the client's machine,
in seconds since its boot, as the host, the works and the client's state manager have put it down."""

import time


class Timeline:
    def __init__(self, client, title):
        self.client = client
        self.lines = []
        self.title = title
        # What has to be taken off the host's time, and off the time of the works.
        self.host = self.works = 0.0
        # The latest entry of the state manager's that has been taken.
        self.latest = 0.0

    def begin(self, machine):
        uptime, now = map(float, machine.do("cut -d ' ' -f 1 /proc/uptime; date +%s.%N").split())
        self.host = time.time() - uptime
        self.works = now - uptime
        self.event("server up")

    def event(self, what):
        """Something that the host did, just now."""
        self.lines.append((time.time() - self.host, what))

    def journal(self, path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                at, word, *rest = line.split()
                if word == "ack":
                    self.lines.append((float(at) - self.works, f"{self.client} ack"))
                elif word == "error":
                    self.lines.append((float(at) - self.works, f"{self.client} error {rest[1]}"))

    def manager(self, text):
        """What is new in a client's debugfs: milliseconds, what, and how."""
        for line in text.splitlines():
            at, what, *rest = line.split()
            at = float(at) / 1000
            if at <= self.latest:
                continue
            numbers = dict(word.split("=", 1) for word in rest if "=" in word)
            if what in ("begin", "end"):
                self.lines.append((at, f"{self.client} {what} {rest[0]}"))
            elif what == "recovered":
                self.lines.append((at, f"{self.client} reclaimed {numbers.get('opens', 0)}"))
            elif what == "context-bad":
                self.lines.append((at, f"{self.client} bad {numbers.get('count', 1)}"))
        if text.strip():
            self.latest = float(text.splitlines()[-1].split()[0]) / 1000

    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            print(f"# {self.title}", file=file)
            for at, what in sorted(self.lines):
                print(f"{at:.3f} {what}", file=file)
