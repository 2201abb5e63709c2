#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tortures a client: random works in its machine, random faults in the server's, and after each of them the question whether all that was
acknowledged is there. Run by qemu/torture/run, which says what it does and what it leaves.

All that is random comes from the seed: which works and which fault meet in a cycle, what the works do, when the fault comes and how
long it takes, what a power cut leaves of the disk. The machines themselves are as fast as they are, so that the moment in which a
fault strikes is about the same in each run of a seed, and not quite."""

import argparse
import os
import random
import signal
import sys
import time

sys.dont_write_bytecode = True

from disk import Disk  # noqa: E402
from faults import FAULTS  # noqa: E402
from machine import Broken, Machine  # noqa: E402
from timeline import Timeline  # noqa: E402
from work.locks import RANGES as LOCK_RANGES  # noqa: E402

WORKS = ("append", "pwrite", "dsync", "mmap", "locks", "names", "unpack")
MOUNT = "/mnt/t"
# In the client's machine: where the works keep their journals; and in each machine, what the host sees of it.
JOURNALS = "/tmp/torture"
SHARED = "/vm/logs"
# So many cycles back, the works are looked at again: what was right once must stay right, whatever happens to the disk.
KEPT = 4


class Cycle:
    """What will happen in one cycle: nothing but a matter of the seed and the number."""

    def __init__(self, seed, number):
        dice = random.Random(f"{seed} {number}")
        # Each fault comes once in each round, in an order of its own.
        turn, place = divmod(number - 1, len(FAULTS))
        deck = list(FAULTS)
        random.Random(f"{seed} round {turn}").shuffle(deck)
        self.number = number
        self.name = f"c{number:03}"
        self.fault = deck[place]
        self.works = sorted(dice.sample(WORKS, dice.randint(2, 3)))
        self.seeds = {work: dice.randrange(1 << 30) for work in self.works}
        self.before = dice.uniform(0.3, 2.5)
        self.after = dice.uniform(0.2, 1)
        self.dice = dice


class Torture:
    def __init__(self, args):
        self.args = args
        self.out = args.out
        self.patience = 120 * args.slow
        self.began = time.monotonic()
        self.events = open(f"{self.out}/events.log", "w", encoding="utf-8", buffering=1)
        self.disk = Disk(f"{self.out}/disk.img", f"{args.sockets}/disk", args.seed)
        if args.lying_disk:
            self.disk.flush = lambda: None
        self.server = self.machine("server", 1, ["-drive", f"if=virtio,format=raw,cache=writeback,file=nbd+unix:///?socket={args.sockets}/disk"], {
            "NFS_STATE": "/disk/nfs",
        })
        self.client = self.machine("client", 2, [], {})
        self.timeline = Timeline(args.client, f"Torture with seed {args.seed}")
        self.current = None
        self.older = []
        self.acknowledged = self.repeated = 0

    def machine(self, name, number, more, environment):
        other = "server" if name == "client" else "client"
        sockets = self.args.sockets
        qemu = self.args.qemu + more + [
            "-name", f"rnfs4-{name}",
            "-netdev", f"dgram,id=net,local.type=unix,local.path={sockets}/net-{name},remote.type=unix,remote.path={sockets}/net-{other}",
            "-device", f"virtio-net-pci,netdev=net,mac=52:54:00:00:00:0{number}",
        ]
        shares = {"host": self.args.scripts, "vm": f"{self.out}/{name}", "module": self.args.module if name == "client" else f"{self.out}/none"}
        for tag, directory in shares.items():
            os.makedirs(directory, exist_ok=True)
            qemu += ["-virtfs", f"local,mount_tag={tag},path={directory},security_model=none,multidevs=remap"]
        environment = {"VM_ROLE": name, "VM_CONFIG": self.args.config, **environment}
        return Machine(name, qemu, f"{self.out}/{name}", sockets, environment, self.patience)

    def at(self, event):
        """Puts down when something happened, for whoever draws it."""
        self.events.write(f"{time.time():.3f} {self.current.name if self.current else '-'} {event}\n")
        if event in ("up", "down"):
            self.timeline.event(f"server {event}")

    def setup(self):
        self.server.boot()
        self.client.boot()
        self.timeline.begin(self.client)
        self.client.do(f"mkdir -p {JOURNALS} {SHARED}")
        self.client.do(
            f"/guest/tree.py make --files 40 --max 60000 --seed {self.args.seed} {JOURNALS}/tree && cd {JOURNALS}"
            f" && tar -cf tree.tar tree && /guest/tree.py list tree > tree.list && rm -r tree && cp tree.list {SHARED}"
        )
        self.client.do(f"mount_{self.args.client} {MOUNT}")

    def counts(self, cycle):
        """What each work has got done by now."""
        output = self.client.do(f"cd {JOURNALS}/{cycle.name} && grep -c ' ack \\| step ' *.log; true")
        return {line.split(".")[0]: int(line.split(":")[1]) for line in output.splitlines()} if len(cycle.works) > 1 else {cycle.works[0]: int(output)}

    def run_cycle(self, cycle):
        """Returns what is wrong."""
        self.current = cycle
        self.at("cycle " + "+".join(cycle.works) + " " + cycle.fault.name)
        client = self.client
        client.do(f"mkdir {JOURNALS}/{cycle.name} {MOUNT}/{cycle.name}")
        pids = {}
        for work in cycle.works:
            pids[work] = int(client.do(
                f"cd {JOURNALS}/{cycle.name}; setsid /host/workload.py run {work} --seed {cycle.seeds[work]} --mount {MOUNT}"
                f" --below {cycle.name}/{work} --journal $PWD/{work}.log > {work}.out 2>&1 < /dev/null & echo $!"
            ))
        self.until(lambda: self.started(cycle), "the works do not start")
        time.sleep(cycle.before)
        self.at("fault")
        cycle.fault.play(self, cycle.dice)
        self.at("over")
        over = time.monotonic()
        # Once each of them has got something done, all is well.
        then = self.counts(cycle)
        hung = self.until_hung(cycle, pids, lambda: all(n > then[work] or self.ended(pids[work]) for work, n in self.counts(cycle).items()))
        self.stall = time.monotonic() - over
        self.at("going")
        wrong = []
        if not hung:
            time.sleep(cycle.after)
            if "locks" in cycle.works:
                wrong = self.ask_for_locks(cycle)
            client.do(f"kill {' '.join(map(str, pids.values()))}; true")
            hung = self.until_hung(cycle, pids, lambda: all(map(self.ended, pids.values())))
        self.at("done")
        if hung:
            self.look_at_hung(cycle, [pids[work] for work in hung])
            return [f"hung: {', '.join(hung)}"]
        return wrong + self.judge(cycle)

    def ask_for_locks(self, cycle):
        """Whether the server still keeps what the holder of locks has locked, and nothing else."""
        free = set(map(int, self.server.do(f"/host/workload.py free --export $EXPORT --below {cycle.name}/locks").split()))
        wanted = set(range(1, LOCK_RANGES, 2))
        if free == wanted or (cycle.fault.forgets and wanted <= free):
            return []
        return [f"locks: the server has those free: {sorted(free)}"]

    def started(self, cycle):
        return self.exists(cycle) and all(self.counts(cycle).values())

    def exists(self, cycle):
        return self.client.ask(f"cd {JOURNALS}/{cycle.name} && ls {' '.join(w + '.log' for w in cycle.works)}")[0] == 0

    def ended(self, pid):
        return self.client.ask(f"kill -0 {pid}")[0] != 0

    def until(self, condition, otherwise):
        """Waits until something is the case, or ends the run with what OTHERWISE says."""
        end = time.monotonic() + self.patience
        while not condition():
            if time.monotonic() > end:
                raise Broken(otherwise)
            time.sleep(0.2)

    def until_hung(self, cycle, pids, condition):
        """Waits until something is the case, however slow the machines are. Returns the works that got nothing done for too long."""
        latest = dict.fromkeys(pids, (-1, 0.0))
        while not condition():
            now = time.monotonic()
            for work, count in self.counts(cycle).items():
                if count != latest[work][0]:
                    latest[work] = count, now
            hung = [work for work, (_, since) in latest.items() if now - since > self.patience and not self.ended(pids[work])]
            if hung:
                return hung
            time.sleep(0.2)
        return []

    def look_at_hung(self, cycle, pids):
        """All there is to know of a client in which something hangs."""
        self.client.ask(
            f"mkdir -p {SHARED}/{cycle.name}; cp -r {JOURNALS}/{cycle.name}/. {SHARED}/{cycle.name}; echo w > /proc/sysrq-trigger;"
            f" for p in {' '.join(map(str, pids))}; do cat /proc/$p/comm /proc/$p/stack; done > {SHARED}/{cycle.name}/stacks 2>&1;"
            f" for f in /sys/kernel/debug/rnfs4/*/*; do echo \"== $f\"; cat $f; done > {SHARED}/{cycle.name}/debugfs 2>&1; dmesg > {SHARED}/{cycle.name}/dmesg"
        )

    def judge(self, cycle):
        """Compares what the works were told with what the server has, of this cycle and of some before."""
        self.client.do(f"cp -r {JOURNALS}/{cycle.name} {SHARED}/ && rm -r {JOURNALS}/{cycle.name}")
        os.rename(f"{self.out}/client/logs/{cycle.name}", f"{self.out}/server/logs/{cycle.name}")
        if not os.path.exists(f"{self.out}/server/logs/tree.list"):
            os.rename(f"{self.out}/client/logs/tree.list", f"{self.out}/server/logs/tree.list")
        for work in cycle.works:
            self.timeline.journal(f"{self.out}/server/logs/{cycle.name}/{work}.log")
        self.timeline.manager(self.client.ask("cat /sys/kernel/debug/rnfs4/*/timeline 2> /dev/null")[1])
        wrong = self.check([cycle], cycle.fault.excuses(), count=True)
        if cycle.fault.cuts and self.older:
            wrong += [f"after the power cut, {what}" for what in self.check(self.older, "--reboots --errors")]
        self.older.append(cycle)
        if len(self.older) > KEPT:
            old = self.older.pop(0)
            self.client.do(f"rm -rf {MOUNT}/{old.name}")
        return wrong

    def check(self, cycles, options, count=False):
        journals = " ".join(f"{SHARED}/{cycle.name}/{work}.log" for cycle in cycles for work in cycle.works)
        status, output = self.server.ask(f"/host/workload.py check --export $EXPORT {options} {journals}")
        *wrong, last = output.splitlines() or [""]
        numbers = last.split()
        if status not in (0, 1) or len(numbers) != 3 or bool(wrong) != bool(status):
            return [f"the check fails: {output}"]
        if count:
            self.acked, self.again = int(numbers[0]), int(numbers[1])
            self.acknowledged += self.acked
            self.repeated += self.again
            if not self.acked:
                wrong.append("nothing was acknowledged")
        return wrong

    def tell(self, cycle, wrong):
        self.say(
            f"cycle {cycle.number:3}  {cycle.fault.name:16} {'+'.join(cycle.works):22} {self.acked:5} acknowledged, {self.again} run twice,"
            f" going after {self.stall:4.1f} s   {'ok' if not wrong else 'FAILED'}"
        )
        for what in wrong[:20]:
            self.say(f"    {what}")

    def say(self, text):
        print(f"[{time.monotonic() - self.began:5.0f}s] {text}", flush=True)

    def run(self):
        failed, done = [], 0
        numbers = [self.args.only] if self.args.only else range(1, self.args.cycles + 1)
        try:
            self.setup()
            for number in numbers:
                cycle = Cycle(self.args.seed, number)
                self.acked = self.again = 0
                self.stall = 0.0
                wrong = self.run_cycle(cycle)
                done += 1
                self.tell(cycle, wrong)
                if wrong:
                    failed.append(number)
                    if wrong[0].startswith("hung"):
                        break
                    # Its journals are kept, and it is not asked for again.
                    self.older = [old for old in self.older if old is not cycle]
            self.current = None
            if not failed:
                self.finish()
        except Broken as error:
            self.say(f"broken: {error}")
            failed.append(self.current.number if self.current else 0)
        finally:
            self.client.kill()
            self.server.kill()
            self.timeline.write(f"{self.out}/timeline.events")
        self.say(
            f"seed {self.args.seed}, {self.args.client}: {done} cycles, {self.server.boots - 1} power cuts with {self.disk.lost} of {self.disk.doubtful}"
            f" pages in doubt lost; {self.acknowledged} acknowledgements, {self.repeated} calls run twice; "
            + (f"FAILED in {len(failed)}: {' '.join(map(str, failed))}" if failed else "nothing lost, nothing hung")
        )
        return 1 if failed else 0

    def finish(self):
        """Everything ends in order, and once more all of what is left must be right."""
        self.client.do(f"umount {MOUNT}")
        self.client.do("rmmod rnfs4 2>&1 || ! grep -q rnfs4 /proc/modules")
        wrong = self.check(self.older, "--reboots --errors") if self.older else []
        if wrong:
            raise Broken(f"in the end, {wrong[0]}")
        self.client.switch_off()
        self.server.do("server_stop; sync")
        self.server.switch_off()


def main():
    # Whoever ends us ends the machines, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--only", type=int, default=0, help="one cycle with this number")
    parser.add_argument("--client", choices=("rnfs4", "nfs4"), required=True)
    parser.add_argument("--config", required=True)
    parser.add_argument("--slow", type=int, required=True, help="how many times as long everything may take")
    parser.add_argument("--lying-disk", action="store_true", help="flushes are answered, and not done: the run has to fail")
    parser.add_argument("--scripts", required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--sockets", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("qemu", nargs="+")
    sys.exit(Torture(parser.parse_args()).run())


main()
