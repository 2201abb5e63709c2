# SPDX-License-Identifier: GPL-2.0
"""Makes, links, renames, replaces and removes files in a few directories, one call after the other. Whatever has returned must be so,
and in the end there must be exactly the names that the calls say, each with the content of its file.

If the server went down between the call and its answer, it may be done twice, as nothing survives the server that could tell: then
the second time fails, and the work looks whether what it wanted is the case. Where the server did not restart, that is a fault."""

import os
import random

DIRECTORIES = ("d0", "d1", "d2")
MOST = 40


def content(seed, number):
    dice = random.Random(f"{seed} {number}")
    return f"{number} ".encode() + dice.randbytes(dice.choice((0, 10, 3000, 20000)))


class Names:
    """The calls, on a model that says which name has which file (a number)."""

    def __init__(self, journal):
        self.journal = journal
        self.model = {}
        self.number = 0
        self.inodes = {}
        self.open = []

    def path(self, name):
        return f"{self.journal.dir}/{name}"

    def new_name(self):
        self.number += 1
        return f"{self.journal.dice.choice(DIRECTORIES)}/n{self.number}"

    def call(self, what, is_so, function, *args):
        """Does one thing that changes names. Returns whether it has been done."""
        self.journal.attempt(*what)
        try:
            function(*args)
        except OSError as error:
            if error.errno and is_so():
                self.journal.again(what[0], error, *what[1:])
            else:
                self.journal.error(what[0], error, *what[1:])
                return False
        self.journal.ack(*what)
        return True

    def is_file(self, name, number):
        try:
            return os.stat(self.path(name)).st_ino == self.inodes[number]
        except OSError:
            return False

    def is_absent(self, name):
        return not os.path.lexists(self.path(name))

    def create(self, name):
        """A new file with its content, on the disk. What a failed call leaves is told by the name's being there or not."""
        number = self.number
        self.journal.attempt("create", name, number)
        try:
            fd = os.open(self.path(name), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
            try:
                os.write(fd, content(self.journal.seed, number))
                os.fsync(fd)
                self.inodes[number] = os.fstat(fd).st_ino
            finally:
                # Some stay open, and are renamed and removed as open files.
                if len(self.open) < 5 and self.journal.dice.random() < 0.3:
                    self.open.append(fd)
                else:
                    os.close(fd)
        except OSError as error:
            self.journal.error("create", error, name, number)
            return False
        self.journal.ack("create", name, number)
        self.model[name] = number
        return True

    def rename(self, old, new):
        number = self.model[old]
        if self.call(
            ("rename", old, new),
            lambda: self.is_absent(old) and self.is_file(new, number),
            os.rename,
            self.path(old),
            self.path(new),
        ):
            self.model[new] = self.model.pop(old)
            return True
        return False

    def link(self, old, new):
        number = self.model[old]
        if self.call(("link", old, new), lambda: self.is_file(new, number), os.link, self.path(old), self.path(new)):
            self.model[new] = number
            return True
        return False

    def remove(self, name):
        if self.call(("remove", name), lambda: self.is_absent(name), os.unlink, self.path(name)):
            del self.model[name]
            return True
        return False

    def step(self):
        dice = self.journal.dice
        there = sorted(self.model)
        if len(there) < 4:
            return self.create(self.new_name())
        if len(there) > MOST:
            return self.remove(dice.choice(there))
        kind = dice.choice(("create", "replace", "move", "over", "link", "remove"))
        one, other = dice.sample(there, 2)
        if kind == "create":
            return self.create(self.new_name())
        if kind == "replace":
            # As an editor saves.
            name = self.new_name()
            return self.create(name) and self.rename(name, one)
        if kind == "move":
            return self.rename(one, self.new_name())
        if kind == "over":
            # rename() of a file over another name of the same file does nothing.
            return self.model[one] == self.model[other] or self.rename(one, other)
        if kind == "link":
            return self.link(one, self.new_name())
        return self.remove(one)


def run(journal):
    names = Names(journal)
    for directory in DIRECTORIES:
        os.mkdir(f"{journal.dir}/{directory}")
    while journal.going_on() and names.step():
        if names.open and journal.dice.random() < 0.1:
            os.close(names.open.pop(0))
    for fd in names.open:
        try:
            os.close(fd)
        except OSError as error:
            journal.error("close", error)


def check(record, directory, wrong):
    model, doubtful = {}, set()
    for at, (word, what) in enumerate(record.lines):
        if word == "error":
            doubtful |= set(what[2:])
        if word != "ack":
            continue
        call, name, *rest = what
        if call == "create":
            model[name] = int(rest[0])
        elif call == "rename":
            model[rest[0]] = model.pop(name)
        elif call == "link":
            model[rest[0]] = model[name]
        elif call == "remove":
            del model[name]
        else:
            raise ValueError(f"line {at}: no call {call}")
    there = {f"{d}/{name}" for d in DIRECTORIES for name in os.listdir(f"{directory}/{d}")}
    for name in sorted(there - set(model) - doubtful):
        wrong(f"{name} is there, and must not be")
    for name in sorted(set(model) - there - doubtful):
        wrong(f"{name} is missing")
    for name in sorted(there & set(model) - doubtful):
        with open(f"{directory}/{name}", "rb") as file:
            found = file.read()
        if found != content(record.seed, model[name]):
            wrong(f"{name} has not the content of file {model[name]}, but {len(found)} bytes beginning with {found[:12]!r}")
