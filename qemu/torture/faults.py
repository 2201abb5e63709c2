# SPDX-License-Identifier: GPL-2.0
"""What befalls the server, its disk and the network. Each fault is a function of the two machines and of dice, and returns when all is well
again on the server's side, as far as the server can say. What happens is told to at(), for the time line."""

import time

# Longer than this without a word, and the client has lost its lease.
LEASE = 10

NFT_RESET = (
    "ip netns exec server nft 'add table inet torture; "
    "add chain inet torture in { type filter hook input priority 0; }; "
    "add chain inet torture out { type filter hook output priority 0; }; "
    "add rule inet torture in tcp dport 2049 reject with tcp reset; "
    "add rule inet torture out tcp sport 2049 reject with tcp reset'"
)
NFT_END = "ip netns exec server nft delete table inet torture"


# Faults of single operations, as docs/observing.md has them: no program may see any of them. The first are of the daily work...
DAILY = (
    "sequence error=BADSESSION", "sequence error=DELAY", "sequence error=SEQ_MISORDERED", "sequence error=-ECONNRESET",
    "open error=DELAY", "open error=-ECONNRESET", "close error=-ETIMEDOUT", "getattr error=DELAY",
    "write error=DELAY", "write error=BAD_STATEID", "write error=OLD_STATEID", "write error=EXPIRED", "write error=-ECONNRESET",
    "commit error=DELAY", "commit error=-EPIPE", "setattr error=DELAY", "setattr error=-ECONNRESET",
    "rename error=DELAY", "rename error=-ECONNRESET", "remove error=-ECONNRESET", "link error=-ETIMEDOUT", "create error=-ECONNRESET",
)
# ... and these of recovery.
RECOVERING = (
    "exchange-id error=DELAY", "exchange-id error=-ECONNRESET", "create-session error=DELAY", "create-session error=STALE_CLIENTID",
    "open-reclaim error=DELAY", "open-reclaim error=DEADSESSION", "open-reclaim error=-ECONNRESET", "open-reclaim error=RESOURCE",
    "reclaim-complete error=DELAY", "reclaim-complete error=-ECONNRESET", "sequence-alone error=DELAY",
)
# What is refused is opened anew; its locks are gone, and whoever held them must be told.
REFUSED = ("open-reclaim error=NO_GRACE", "open-reclaim error=RECLAIM_BAD")


class Fault:
    """REBOOTS: the server's memory is lost, and with it what it could tell about calls that it has done before. CUTS: its disk's, too.
    FORGETS: it does not even know who its clients were."""

    def __init__(self, name, play, reboots=False, cuts=False, forgets=False):
        self.name = name
        self.play = play
        self.reboots = reboots or cuts or forgets
        self.cuts = cuts
        self.forgets = forgets

    def excuses(self):
        """Options for the check of what works have met."""
        return ("--reboots " if self.reboots else "") + ("--forgets" if self.forgets else "")


def restart(world, dice):
    away = dice.uniform(0, 1)
    world.server.do("server_stop")
    world.at("down")
    time.sleep(away)
    world.server.do("server_start")
    world.at("up")


def forget(world, dice):
    away = dice.uniform(0, 1)
    world.server.do("server_stop")
    world.at("down")
    time.sleep(away)
    world.server.do("server_forget && server_start")
    world.at("up")


def expire(world, _dice):
    """The server goes on, but drops the client with all that it had, and with its session."""
    world.server.do("server_expire")
    world.at("expired")


def power_cut(world, dice):
    """At any moment, or in the midst of a flush with some pages in doubt, if there is one soon."""
    away, anyhow, pages = dice.uniform(0, 1), dice.random() < 0.4, dice.randint(1, 16)
    if not anyhow:
        world.disk.ambush(pages).wait(2)
    world.server.kill()
    world.at("down")
    time.sleep(away)
    world.server.boot()
    world.at("up")


def twice(world, dice):
    """The second time while the client is about to recover from the first."""
    power_cut(world, dice)
    time.sleep(dice.uniform(0, 2))
    power_cut(world, dice)


def restarts(world, dice):
    """The same with restarts, one after the other."""
    for _ in range(3):
        restart(world, dice)
        time.sleep(dice.uniform(0, 1))


def part(world, seconds):
    world.server.do("net_cut")
    world.at("parted")
    time.sleep(seconds)
    world.server.do("net_heal")
    world.at("healed")


def short_partition(world, dice):
    part(world, dice.uniform(1, LEASE / 2))


def long_partition(world, dice):
    part(world, LEASE + dice.uniform(2, 5))


def parted_restart(world, dice):
    """The client hears nothing of the restart until later."""
    world.server.do("net_cut")
    world.at("parted")
    restart(world, dice)
    time.sleep(dice.uniform(0, 3))
    world.server.do("net_heal")
    world.at("healed")


def reset(world, dice):
    """Each segment between the two is answered by a reset, in both directions."""
    for _ in range(dice.randint(1, 4)):
        world.server.do(NFT_RESET)
        world.at("reset")
        time.sleep(dice.uniform(0.05, 0.4))
        world.server.do(NFT_END)
        world.at("healed")
        time.sleep(dice.uniform(0.2, 0.8))


def loss(world, dice):
    world.server.do(f"tc -n server qdisc replace dev eth0 root netem limit 100000 delay 2ms loss {dice.randint(10, 35)}%")
    world.at("lossy")
    time.sleep(dice.uniform(2, 4))
    world.server.do("tc -n server qdisc del dev eth0 root")
    world.at("healed")


def arm(world, dice, rules):
    """Only our own client can be told to fail."""
    if world.args.client == "rnfs4":
        lines = [f"{rule} after={dice.randint(0, 4)} times={dice.randint(1, 4)} probability={dice.choice((50, 100))}" for rule in rules]
        for line in lines:
            world.at("armed " + line)
            world.client.do(f"for f in /sys/kernel/debug/rnfs4/*/fault; do echo '{line}' > $f; done")


def disarm(world):
    if world.args.client == "rnfs4":
        world.client.do("for f in /sys/kernel/debug/rnfs4/*/fault; do echo clear > $f; done")


def loses_reply(rule):
    return "error=-" in rule


def injected(world, dice):
    """Some operations fail. Replies are lost, or sessions and slots, not both: then calls run twice, as they do where a server restarts."""
    if dice.random() < 0.5:
        rules = [rule for rule in DAILY if not loses_reply(rule)]
    else:
        rules = [rule for rule in DAILY if loses_reply(rule) or not rule.startswith("sequence")]
    arm(world, dice, dice.sample(rules, 5))
    time.sleep(dice.uniform(2, 3))
    disarm(world)


def injected_restart(world, dice):
    """Some operations fail where they hurt most."""
    arm(world, dice, dice.sample(RECOVERING, 3) + dice.sample(DAILY, 1))
    restart(world, dice)
    time.sleep(2)
    disarm(world)


def refused_restart(world, dice):
    """The server does not let the client have back what it had, or not all of it."""
    arm(world, dice, [dice.choice(REFUSED), dice.choice(RECOVERING)])
    restart(world, dice)
    time.sleep(2)
    disarm(world)


FAULTS = [
    Fault("power-cut", power_cut, cuts=True),
    Fault("restart", restart, reboots=True),
    Fault("forgotten", forget, forgets=True),
    Fault("expired", expire, forgets=True),
    Fault("partition", short_partition),
    Fault("long-partition", long_partition),
    Fault("reset", reset),
    Fault("loss", loss),
    Fault("two-power-cuts", twice, cuts=True),
    Fault("three-restarts", restarts, reboots=True),
    Fault("parted-restart", parted_restart, reboots=True),
    Fault("injected", injected),
    Fault("injected-restart", injected_restart, reboots=True),
    Fault("refused-restart", refused_restart, forgets=True),
]
