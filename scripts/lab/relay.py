# SPDX-License-Identifier: Apache-2.0
"""Relays on ordinary sockets as devices under test: a program with its own generator, in a network namespace that ends
with it; copies go to an ifb device, which frees them."""

import json
import os
import shutil

from peers import SAMPLE_S, START_S, Peer, Process

NAMESPACE = """set -e
ip link set lo up
ip link add ifb0 type ifb
ethtool -K ifb0 tx-udp-segmentation off
ip address add 198.19.255.254/16 dev ifb0
ip link set ifb0 up
tc qdisc replace dev ifb0 root noqueue
exec "$@"
"""


class Relay(Peer):
    device, alone, mode = "ifb", True, None
    quick_fanouts = (8,)

    @classmethod
    def missing(cls):
        return None if shutil.which("ethtool") and shutil.which("ip") else "ip or ethtool is not installed"

    @staticmethod
    def equivalent(cell):
        return cell.plain() if cell.fanout <= 64 else None

    def start(self):
        program = self.setup.program("tools/gen/copse-relay")
        self.process = Process(self.name, ["unshare", "-n", "sh", "-c", NAMESPACE, "sh", program, self.mode],
                               self.setup.path(f"{self.name}.log"))
        self.process.hear(START_S)

    def sample(self, cell):
        self.process.say(f"frame={cell.frame} fanout={cell.fanout} ms={self.setup.milliseconds}")
        return json.loads(self.process.hear(SAMPLE_S))


class MmsgRelay(Relay):
    name, mode = "mmsg-relay", "mmsg"


class GsoRelay(Relay):
    name, mode = "gso-relay", "gso"
