# SPDX-License-Identifier: Apache-2.0
"""What may happen to CDN links, at the lab's router: packets of one direction are lost, all or some, or come later."""

import fcntl
import heapq
import json
import os
import select
import struct
import threading
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
TABLE = "copse_faults"


class Faults:
    """`port` is that of block packets, which are counted when they are lost."""

    def __init__(self, network, port):
        self.network, self.port = network, port
        self.nft("add", "table", "ip", TABLE)
        self.nft("add", "counter", "ip", TABLE, "lost")
        self.nft("add", "chain", "ip", TABLE, "lose")
        self.nft("add", "rule", "ip", TABLE, "lose", "udp", "dport", str(port), "counter", "name", "lost")
        self.nft("add", "rule", "ip", TABLE, "lose", "drop")
        # Before the counters of network.py: what is dropped here is not seen there.
        self.nft("add", "chain", "ip", TABLE, "forward", "{ type filter hook forward priority -10; }")

    def nft(self, *words):
        return self.network.exec(self.network.core, "nft", *words)

    def drop(self, source, destination, *match):
        self.nft("add", "rule", "ip", TABLE, "forward", "ip", "saddr", source, "ip", "daddr", destination, *match,
                 "jump", "lose")

    def lost(self):
        """Block packets lost in all."""
        text = self.nft("-j", "list", "counter", "ip", TABLE, "lost")
        return sum(item["counter"]["packets"] for item in json.loads(text)["nftables"] if "counter" in item)

    def cut(self, source, destination):
        self.drop(source, destination)

    def lose(self, source, destination, one_in):
        """Loses one packet in so many, at random."""
        self.drop(source, destination, "numgen", "random", "mod", str(one_in), "0")

    def heal(self):
        self.nft("flush", "chain", "ip", TABLE, "forward")


class Delay:
    """Packets of one direction take so many seconds longer: the router sends them to a TUN device, and a thread puts them
    back when it is time."""

    def __init__(self, network, source, destination, seconds):
        self.network, self.seconds, self.ending = network, seconds, threading.Event()
        self.match = ["from", source, "to", destination, "iif"]
        self.tun = network.inside(network.core, self.open)
        run = lambda *command: network.exec(network.core, *command)
        device = run("ip", "-o", "route", "get", source).split(" dev ")[1].split()[0]
        self.match.append(device)
        run("ip", "link", "set", "later", "up")
        run("ip", "route", "add", "default", "dev", "later", "table", "100")
        run("ip", "rule", "add", *self.match, "lookup", "100")
        self.thread = threading.Thread(target=self.carry, daemon=True)
        self.thread.start()

    @staticmethod
    def open():
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"later", IFF_TUN | IFF_NO_PI))
        return tun

    def carry(self):
        waiting, number = [], 0
        while not self.ending.is_set():
            rest = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.1
            ready, _, _ = select.select([self.tun], [], [], min(rest, 0.1))
            if ready:
                number += 1
                heapq.heappush(waiting, (time.monotonic() + self.seconds, number, os.read(self.tun, 65535)))
            while waiting and waiting[0][0] <= time.monotonic():
                os.write(self.tun, heapq.heappop(waiting)[2])

    def close(self):
        self.network.exec(self.network.core, "ip", "rule", "del", *self.match, "lookup", "100")
        self.ending.set()
        self.thread.join(5)
        os.close(self.tun)
