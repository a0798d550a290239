# SPDX-License-Identifier: Apache-2.0
"""A table for the lab's PoP and packets of its neighbours: 1 is the upstream PoP, 2 the downstream PoP, 3 a peer that proves
its address, 4 a peer whose address was only claimed."""

import time

from dataplane_client import DATA, LINK, MEMBER, P_HELLO, RESPONSE, Client, Packet, link, member, packet, tree
from dataplane_lab import BLOCK_PORT, eventually

TREE_KEY, AREA_KEY, OWN_TREE_KEY = b"tree key 16 byte", b"area key 16 byte", b"own tree key 16b"
PEER_KEY, CLAIMED_KEY = b"peer key 16 byte", b"claimed key 16 b"
PARENT_LABEL, CHILD_LABEL, OWN_CHILD_LABEL, TREE_MEMBER_LABEL = 5 << 8, 77 << 8, 78 << 8, 900 << 8
PEER_LABEL, CLAIMED_LABEL = 6 << 8, 7 << 8
PEER_PORT = 40000
PAYLOAD = bytes(range(256)) * 4


def address(i, version):
    return f"198.18.{i}.2" if version == 4 else f"2001:db8:{i}::2"


def push(lab, version=4):
    """A tree from the upstream PoP to the downstream one and both peers, and one that the peer feeds."""
    client = Client(lab.api)
    hops = [(LINK, 0, CHILD_LABEL), (MEMBER, 0, TREE_MEMBER_LABEL), (MEMBER, 1, TREE_MEMBER_LABEL)]
    client.batch(link(0, address(2, version), BLOCK_PORT, "down"),
                 tree(0, 1001, PARENT_LABEL, (address(1, version), BLOCK_PORT), TREE_KEY, AREA_KEY, []),
                 tree(1, 1002, 0xFFFFFFFF, None, OWN_TREE_KEY, AREA_KEY, [(LINK, 0, OWN_CHILD_LABEL)]),
                 member(0, 1, PEER_LABEL, address(3, version), PEER_PORT, PEER_KEY, send_tree=1),
                 member(1, 2, CLAIMED_LABEL, address(4, version), PEER_PORT, CLAIMED_KEY),
                 tree(0, 1001, PARENT_LABEL, (address(1, version), BLOCK_PORT), TREE_KEY, AREA_KEY, hops))
    return client


class Traffic:
    """Sockets at the four neighbours, and sequence numbers that grow."""

    def __init__(self, lab, version=4):
        self.up, self.down = lab.udp(1, BLOCK_PORT, version), lab.udp(2, BLOCK_PORT, version)
        self.peer, self.claimed = lab.udp(3, PEER_PORT, version), lab.udp(4, PEER_PORT, version)
        self.sequence = time.time_ns()

    def next(self):
        self.sequence += 1
        return self.sequence

    def from_up(self, block=0, **changes):
        arguments = dict(kind=DATA, label=PARENT_LABEL, sequence=self.next(), payload=PAYLOAD, key=TREE_KEY, block=block)
        self.up.send(packet(**{**arguments, **changes}))

    def hello(self, sender, label, key):
        self.sequence = self.next()
        sender.send(packet(P_HELLO, label, self.sequence, bytes(32), key))

    def prove(self):
        """The peer's handshake; returns CHALLENGE and ACCEPT."""
        self.hello(self.peer, PEER_LABEL, PEER_KEY)
        challenge = Packet(self.peer.recv(2048))
        self.peer.send(packet(RESPONSE, PEER_LABEL, self.next(), challenge.payload, PEER_KEY))
        return challenge, Packet(self.peer.recv(2048))

    def reaches_down(self, seconds=5.0):
        """Sends from upstream until a copy arrives downstream: neighbours have to be resolved first."""
        def once():
            self.from_up()
            return receive(self.down, 0.05)
        return eventually(once, seconds)


def receive(sock, seconds=3.0):
    sock.settimeout(seconds)
    try:
        return Packet(sock.recv(2048))
    except TimeoutError:
        return None


def drain(sock, seconds=0.2):
    out = []
    while True:
        got = receive(sock, seconds)
        if got is None:
            return out
        out.append(got)


def conserved(counters):
    return bool(eventually(counters.conserved, 2.0))
