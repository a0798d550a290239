# SPDX-License-Identifier: Apache-2.0
"""AF_XDP on a veth device in a namespace, as on a machine whose NIC stays the kernel's, beside peers that run there"""

import contextlib
import json
import os

from alone import MmsgRelay
from goals import FRAMES
from network import run as command
from peers import SAMPLE_S, START_S, Copse, Process, Testpmd
from replication import cells_of, print_table
from results import Results, interleave
from session import Cell

FANOUT, HOPS, ATTEMPTS = 8, 64, 30
SETTLE_MS = 400  # a relay works before and after the sample


class Wired:
    """A peer on pop0, one end of a veth pair; copse-wire is at the other, far0."""
    device = "af_xdp"


class WiredCopse(Wired, Copse):
    pass


class WiredTestpmd(Wired, Testpmd):
    pass


class WiredRelay(MmsgRelay):
    device = "veth"
    equivalent = staticmethod(Copse.equivalent)

    def command(self):
        return [self.setup.program("tools/gen/copse-relay"), "mmsg", "wire"]


PEERS = {Testpmd: WiredTestpmd, MmsgRelay: WiredRelay, Copse: WiredCopse}


@contextlib.contextmanager
def namespace():
    """One with the pair, addresses as tools/gen/traffic.h has them, and neighbours that are known."""
    name = f"copse-bench-{os.getpid()}"
    command("ip", "netns", "add", name)
    try:
        quiet = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"  # nobody but the peer sends
        command("ip", "netns", "exec", name, "sh", "-c", quiet)
        batch = ["link set lo up", "link add pop0 address 02:00:00:00:00:01 type veth peer name far0 address 02:00:00:00:00:02",
                 "address add 198.18.0.1/32 dev pop0", "link set pop0 up", "link set far0 up", "route add 198.18.0.2 dev pop0",
                 "route add 198.19.0.0/16 dev pop0"]
        batch += [f"neighbour add 198.19.0.{hop + 1} lladdr 02:00:00:01:00:{hop + 1:02x} dev pop0" for hop in range(HOPS)]
        for line in batch:
            command("ip", "-n", name, *line.split())
        for device in ("pop0", "far0"):
            command("ip", "netns", "exec", name, "ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        yield name
    finally:
        command("ip", "netns", "del", name, check=False)


@contextlib.contextmanager
def session(setup, peer_class):
    """A peer that has started, and copse-wire."""
    peer = peer_class(setup)
    wire = [*setup.inside, setup.program("tools/gen/copse-wire"), setup.program("tools/gen/broadcast.bpf.o")]
    far = None
    try:
        peer.start()
        far = Process("copse-wire", [*wire, *([setup.path("api.sock")] if peer.api else [])], setup.path("copse-wire.log"))
        far.hear(START_S)
        for _ in range(ATTEMPTS):  # it may have to start yet
            if sample(peer, far, peer.equivalent(Cell(FRAMES[0], FANOUT)), 100)["copies_per_s"]:
                break
        yield peer, far
    finally:
        if far:
            far.stop()
        peer.stop()


def sample(peer, far, cell, milliseconds):
    if peer.alone:
        peer.process.say(f"frame={cell.frame} fanout={cell.fanout} ms={milliseconds + SETTLE_MS}")
    far.say(f"frame={cell.frame} fanout={cell.fanout} ms={milliseconds}")
    result = json.loads(far.hear(SAMPLE_S))
    if peer.alone:
        peer.process.hear(SAMPLE_S)
    return result


def run(context):
    cells = [Cell(frame, FANOUT) for frame in context.frames or FRAMES]
    results = Results("replicate-af_xdp", [PEERS[peer] for peer in context.peers(*PEERS)])
    with namespace() as name:
        setup = context.setup(port="net_af_xdp0,iface=pop0", inside=("ip", "netns", "exec", name))

        def take(peer):
            with session(setup, peer) as (started, far):
                for cell in cells_of(peer, cells, False):
                    results.add(peer, cell, sample(started, far, cell, context.milliseconds))

        try:
            interleave(context, setup, results, take)
        finally:
            print_table(results, {})
    return results.rows()
