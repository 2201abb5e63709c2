# SPDX-License-Identifier: GPL-2.0
"""What a work has done, put down in a file that no fault reaches, line by line:

    TIME job KIND SEED DIR          the first line: all that is needed to judge the work; DIR is below the mount
    TIME try WHAT...                now this is asked of the file system
    TIME ack WHAT...                it has said that this is done, and done for good
    TIME step WHAT...               it is at work
    TIME again CALL ERRNO WHAT...   it has said that it cannot be done, because it had been done before: a call was run twice
    TIME error CALL ERRNO WHAT...   it has said no
    TIME end                        the last line: the work has come to its end

What a try and an ack say is the work's own affair."""

import errno
import random
import signal
import time


class Journal:
    """The writer's side, and all that a work is given."""

    def __init__(self, path, kind, seed, directory, below):
        with open(path, "x", encoding="utf-8"):
            pass
        # Several processes may write to it, each line in one piece.
        self.file = open(path, "a", encoding="utf-8", buffering=1)
        self.dice = random.Random(seed)
        self.seed = seed
        self.dir = directory
        self.stop = False
        self.line("job", kind, seed, below)
        signal.signal(signal.SIGTERM, self.terminate)

    def terminate(self, *_):
        self.stop = True

    def going_on(self):
        """Asked before each round: a moment of rest, so that a fast machine does not fill the disk, and whether there is another."""
        time.sleep(0.01)
        return not self.stop

    def line(self, *words):
        self.file.write(f"{time.time():.3f} {' '.join(map(str, words))}\n")

    def attempt(self, *what):
        self.line("try", *what)

    def ack(self, *what):
        self.line("ack", *what)

    def error(self, call, error, *what):
        self.line("error", call, name_of(error), *what)

    def again(self, call, error, *what):
        self.line("again", call, name_of(error), *what)


def name_of(error):
    return errno.errorcode.get(error.errno, str(error.errno))


class Record:
    """The reader's side: the lines but for the first and the last as (word, [word...]), in order."""

    def __init__(self, path):
        self.path = path
        self.kind = self.dir = ""
        self.seed = 0
        self.ended = False
        self.lines = []
        with open(path, encoding="utf-8") as file:
            for line in file:
                _, word, *rest = line.split()
                if word == "job":
                    self.kind, self.seed, self.dir = rest[0], int(rest[1]), rest[2]
                elif word == "end":
                    self.ended = True
                else:
                    self.lines.append((word, rest))

    def count(self, wanted):
        return sum(word == wanted for word, _ in self.lines)
