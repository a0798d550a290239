# SPDX-License-Identifier: Apache-2.0
"""Peers that bring a generator of their own, in a network namespace that ends with them: relays on ordinary sockets,
whose copies go to an ifb device, which frees them; and the kernel's XDP, whose copies go through as many veth devices,
the other ends of which discard them."""

import json
import shutil

from peers import SAMPLE_S, START_S, Peer

HOPS = 64
IFB = """set -e
ip link set lo up
ip link add ifb0 type ifb
ethtool -K ifb0 tx-udp-segmentation off
ip address add 198.19.255.254/16 dev ifb0
ip link set ifb0 up
tc qdisc replace dev ifb0 root noqueue
exec "$@"
"""
VETH = f"""set -e
hop=0
while [ $hop -lt {HOPS} ]; do
  printf 'link add hop%d type veth peer name sink%d\\nlink set hop%d up\\nlink set sink%d up\\n' $hop $hop $hop $hop
  hop=$((hop + 1))
done | ip -batch -
exec "$@"
"""


class Alone(Peer):
    alone = True
    quick_fanouts = (8,)
    namespace = program = argument = None

    @classmethod
    def missing(cls):
        return None if shutil.which("ethtool") and shutil.which("ip") else "ip or ethtool is not installed"

    @staticmethod
    def equivalent(cell):
        return cell.plain() if cell.fanout <= HOPS else None

    def command(self):
        return ["unshare", "-n", "sh", "-c", self.namespace, "sh", self.setup.program(self.program), self.argument]

    def start(self):
        super().start()
        self.process.hear(START_S)

    def sample(self, cell):
        self.process.say(f"frame={cell.frame} fanout={cell.fanout} ms={self.setup.milliseconds}")
        return json.loads(self.process.hear(SAMPLE_S))


class MmsgRelay(Alone):
    name, device, namespace, program, argument = "mmsg-relay", "ifb", IFB, "tools/gen/copse-relay", "mmsg"


class GsoRelay(Alone):
    name, device, namespace, program, argument = "gso-relay", "ifb", IFB, "tools/gen/copse-relay", "gso"


class XdpBroadcast(Alone):
    name, device, namespace, program = "xdp-broadcast", "veth", VETH, "tools/gen/copse-broadcast"

    @property
    def argument(self):
        return self.setup.program("tools/gen/broadcast.bpf.o")
