# SPDX-License-Identifier: GPL-2.0
"""One of the two machines, as the host sees it: it can be booted, told to run commands, and killed."""

import base64
import os
import signal
import socket
import subprocess
import threading


class Broken(Exception):
    """A machine does not do what it must: the run cannot go on."""


class Machine:
    """QEMU is started with the arguments QEMU, which are the same at each boot; DIR is where its logs and what it shares are kept, and
    ENVIRONMENT (a dict) is for what runs in it."""

    def __init__(self, name, qemu, directory, sockets, environment, patience):
        self.name = name
        self.directory = directory
        self.patience = patience
        self.boots = 0
        self.process = None
        os.makedirs(f"{directory}/logs", exist_ok=True)
        with open(f"{directory}/environment", "w", encoding="utf-8") as file:
            file.write("VM_SCRIPT=agent.sh\nVM_ARGS=()\n")
            file.writelines(f"{key}='{value}'\n" for key, value in environment.items())
        self.control = f"{sockets}/{name}-control"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.control)
        self.listener.listen()
        self.qemu = qemu
        self.link = None
        self.answers = {}
        self.told = 0
        self.news = threading.Condition()

    def boot(self):
        """Returns when it takes commands. Under emulation QEMU dies or hangs now and then while a machine boots (qemu/run says more), so
        it is tried twice. What the kernel complained of in the first try still counts."""
        try:
            self.switch_on()
        except Broken:
            self.kill()
            self.switch_on()

    def switch_on(self):
        self.boots += 1
        log = f"{self.directory}/{self.boots:03}"
        self.process = subprocess.Popen(
            self.qemu
            + ["-serial", f"file:{log}.dmesg.log", "-device", "virtio-serial-pci"]
            + ["-chardev", f"file,id=out,path={log}.out.log", "-device", "virtserialport,chardev=out,name=output"]
            + ["-chardev", f"socket,id=control,path={self.control}", "-device", "virtserialport,chardev=control,name=control"],
            stdin=subprocess.DEVNULL,
        )
        self.listener.settimeout(self.patience)
        try:
            self.link, _ = self.listener.accept()
        except TimeoutError as error:
            raise Broken(f"{self.name} does not start") from error
        with self.news:
            self.answers = {}
        threading.Thread(target=self.listen, args=(self.link, self.answers), daemon=True).start()
        self.wait_answer("ready", self.patience)

    def listen(self, link, answers):
        """Takes what the machine answers until it is gone."""
        with link.makefile("r", encoding="ascii", errors="replace") as lines:
            try:
                for line in lines:
                    word, *rest = line.split()
                    with self.news:
                        answers[word] = rest
                        self.news.notify_all()
            except OSError:
                pass
        with self.news:
            answers["gone"] = []
            self.news.notify_all()

    def wait_answer(self, word, patience):
        with self.news:
            answers = self.answers
            if not self.news.wait_for(lambda: word in answers or "gone" in answers, patience):
                raise Broken(f"{self.name} gives no answer within {patience:.0f} s")
            if word not in answers:
                raise Broken(f"{self.name} has ended")
            return answers.pop(word)

    def tell(self, command):
        """Has a command run, and does not wait for it. Returns what answer() wants."""
        self.told += 1
        self.link.sendall(f"{self.told} {command}\n".encode())
        return str(self.told)

    def answer(self, ticket, patience=None):
        """The status and the output of a command."""
        status, *output = self.wait_answer(ticket, patience or self.patience)
        return int(status), base64.b64decode("".join(output)).decode(errors="replace").rstrip("\n")

    def ask(self, command, patience=None):
        return self.answer(self.tell(command), patience)

    def do(self, command, patience=None):
        """Runs a command that has to succeed, and returns its output."""
        status, output = self.ask(command, patience)
        if status:
            raise Broken(f"{self.name}: {command}: status {status}: {output}")
        return output

    def kill(self):
        """The power is gone, at once."""
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None
            if self.link:
                self.link.close()
                self.link = None

    def switch_off(self):
        """In order: what it has written gets to the disk."""
        self.tell("quit")
        try:
            self.process.wait(self.patience)
        except subprocess.TimeoutExpired as error:
            raise Broken(f"{self.name} does not switch itself off") from error
        self.process = None
