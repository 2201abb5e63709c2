# SPDX-License-Identifier: GPL-2.0
"""What befalls the server, its disk and the network. Each fault is a function of the two machines and of dice, and returns when all is well
again on the server's side, as far as the server can say. It says with whose word it counts the time: at("down"), at("up")."""

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
]
