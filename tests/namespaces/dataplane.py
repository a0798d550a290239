#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the shipped copse-dataplane forwards on AF_XDP, what it refuses, and what it leaves to the kernel."""

import os
import socket
import struct
import subprocess
import sys
import time

from dataplane_client import (ACCEPT, CHALLENGE, DATA, MEMBER, P_HELLO, RESPONSE, Client, Packet, member, packet, tree)
from dataplane_lab import BLOCK_PORT, POP4, POP6, eventually, main
from dataplane_traffic import (AREA_KEY, CHILD_LABEL, CLAIMED_KEY, CLAIMED_LABEL, OWN_CHILD_LABEL, OWN_TREE_KEY,
                               PARENT_LABEL, PAYLOAD, PEER_KEY, PEER_LABEL, PEER_PORT, TREE_KEY, TREE_MEMBER_LABEL,
                               Traffic, address, conserved, drain, push, receive)


def forwarding(lab, check):
    lab.start(lab.configure())
    client = push(lab)
    traffic = Traffic(lab)
    counters = lab.counters()
    check("HELLO tells the limits and hands out the counters",
          client.limits == (1024, 64, 256, 256, 1024, 1) and client.counters is not None)
    check("the downstream PoP gets copies once its neighbour is known", traffic.reaches_down())
    drain(traffic.down)

    check("no peer has received anything before it proved its address",
          not drain(traffic.peer, 0.1) and not drain(traffic.claimed, 0.1))
    challenge, accept = traffic.prove()
    check("HELLO is answered by a CHALLENGE no larger than it",
          challenge.type == CHALLENGE and challenge.bytes <= 64 and challenge.authentic(PEER_KEY))
    check("the cookie is answered by ACCEPT with 60 s", accept.type == ACCEPT and accept.authentic(PEER_KEY)
          and int.from_bytes(accept.payload, "big") == 60)

    for block in range(200):
        traffic.from_up(block=block, symbol=block % 13)
    down, peer = drain(traffic.down), drain(traffic.peer)
    check("200 packets make 200 copies downstream and 200 to the peer", (len(down), len(peer)) == (200, 200))
    check("copies downstream carry the child's label, the tree's tag, a hop less",
          all(p.label == CHILD_LABEL and p.authentic(TREE_KEY) and p.hop_limit == 15 for p in down))
    check("copies to the peer carry the announced label and the area's tag",
          all(p.label == TREE_MEMBER_LABEL and p.authentic(AREA_KEY) for p in peer))
    check("blocks, symbols and payloads are what was sent",
          all((p.block, p.symbol, p.payload) == (b, b % 13, PAYLOAD)
              for copies in (down, peer) for b, p in enumerate(copies)))
    for block in range(50):
        traffic.peer.send(packet(DATA, PEER_LABEL, traffic.next(), PAYLOAD, PEER_KEY, block))
    down = drain(traffic.down)
    check("what the proven peer sends enters its tree, with the tree's tag",
          len(down) == 50 and all(p.label == OWN_CHILD_LABEL and p.authentic(OWN_TREE_KEY) for p in down))
    check("the claimed address has received nothing at all", not drain(traffic.claimed))
    check("every packet and copy is accounted for", conserved(counters))
    client.close()


def attacks(lab, check):
    lab.start(lab.configure())
    push(lab).close()
    traffic, counters = Traffic(lab), lab.counters()
    check("the tree works", traffic.reaches_down())
    traffic.prove()
    drain(traffic.down), drain(traffic.peer)

    before = counters.totals()
    for label, sender in ((PARENT_LABEL, traffic.up), (PEER_LABEL, traffic.peer), (CLAIMED_LABEL, traffic.claimed)):
        for i in range(100):
            sender.send(packet(DATA, label, traffic.next(), PAYLOAD, block=i))
    check("300 packets with every field right and no key: all are counted as bad_tag",
          eventually(lambda: counters.totals()["packet_drops"]["bad_tag"] - before["packet_drops"]["bad_tag"] == 300))
    check("not one copy of them was made or sent", counters.totals()["copies_due"] == before["copies_due"]
          and not drain(traffic.down) and not drain(traffic.peer))

    before = counters.totals()["packet_drops"]
    replayed = packet(DATA, PARENT_LABEL, traffic.next(), PAYLOAD, TREE_KEY)
    for _ in range(10):
        traffic.up.send(replayed)
    traffic.down.send(packet(DATA, PARENT_LABEL, traffic.next(), PAYLOAD, TREE_KEY))
    traffic.up.send(packet(DATA, 999 << 8, traffic.next(), PAYLOAD, TREE_KEY))
    traffic.up.send(packet(DATA, PARENT_LABEL + 1, traffic.next(), PAYLOAD, TREE_KEY))
    traffic.up.send(b"x" * 20)

    def grown():
        now = counters.totals()["packet_drops"]
        return {name: now[name] - before[name] for name in now if now[name] != before[name]}
    expected = {"replay": 9, "bad_upstream": 1, "unknown_label": 1, "stale_label": 1, "truncated": 1}
    eventually(lambda: sum(grown().values()) == sum(expected.values()))
    short = grown()
    short["truncated"] = short.pop("bad_length", 0) + short.get("truncated", 0)
    check(f"replayed, misdirected, unlabelled and cut packets are dropped by name: {short}", short == expected)
    check("of ten equal packets one was copied", len(drain(traffic.down)) == 1)
    traffic.up.send(replayed)
    check("nor is one copied that comes later than they did", eventually(lambda: grown().get("replay") == 10)
          and not drain(traffic.down))

    drain(traffic.claimed)
    traffic.hello(traffic.claimed, CLAIMED_LABEL, CLAIMED_KEY)
    challenge = receive(traffic.claimed)
    traffic.from_up()
    check("an address that was challenged and did not answer gets the challenge alone",
          challenge.type == CHALLENGE and challenge.bytes <= 64 and not drain(traffic.claimed))
    before = counters.totals()
    traffic.claimed.send(packet(RESPONSE, CLAIMED_LABEL, traffic.next(), bytes(16), CLAIMED_KEY))
    check("a guessed cookie is refused, without an answer",
          eventually(lambda: counters.totals()["packet_drops"]["bad_cookie"] == before["packet_drops"]["bad_cookie"] + 1)
          and not drain(traffic.claimed))
    drain(traffic.peer)
    traffic.claimed.send(packet(P_HELLO, PEER_LABEL, traffic.next(), bytes(32), PEER_KEY))
    check("another address cannot speak for the peer", not drain(traffic.claimed) and not drain(traffic.peer, 0.05))
    check("every packet and copy is accounted for", conserved(counters))


def beside_the_kernel(lab, check):
    lab.start(lab.configure())
    push(lab).close()
    traffic = Traffic(lab)
    check("the tree works", traffic.reaches_down())

    for target in (POP4, POP6, "198.18.1.1"):
        done = subprocess.run(["ip", "netns", "exec", lab.neighbours[1], "ping", "-qn", "-c", "3", "-i", "0.2", "-W", "2",
                               target], capture_output=True, text=True)
        check(f"ping {target} through an interface the dataplane uses", done.returncode == 0)

    listener = lab.socket(lab.pop, socket.SOCK_STREAM)
    listener.bind((POP4, 7117))
    listener.listen(1)
    stream = lab.socket(lab.neighbours[1], socket.SOCK_STREAM)
    stream.connect((POP4, 7117))
    served, _ = listener.accept()
    served.settimeout(3)
    sent = os.urandom(100000)
    stream.sendall(sent)
    received = b""
    while len(received) < len(sent):
        received += served.recv(65536)
    served.close()
    check("TCP to the number of the block port is the kernel's", received == sent)

    other = lab.socket(lab.pop, socket.SOCK_DGRAM)
    other.bind((POP4, 7118))
    traffic.up.sendto(b"another port", (POP4, 7118))
    other.settimeout(3)
    check("UDP to another port is the kernel's", other.recv(100) == b"another port")
    passing = lab.socket(lab.pop, socket.SOCK_DGRAM)
    passing.bind(("198.18.1.1", BLOCK_PORT))
    passing.settimeout(3)
    traffic.up.sendto(b"another address", ("198.18.1.1", BLOCK_PORT))
    check("UDP to the block port of another address is the kernel's", passing.recv(100) == b"another address")

    sums = lab.xdp_counters(1)
    check("bpftool reads the program's counters",
          sums.get("redirected_ipv4", 0) > 0 and sums.get("passed_ipv4", 0) > 0 and sums.get("passed_ipv6", 0) > 0)


def ipv6(lab, check):
    lab.start(lab.configure())
    push(lab, 6).close()
    traffic, counters = Traffic(lab, 6), lab.counters()
    check("IPv6: the downstream PoP gets copies", traffic.reaches_down())
    _, accept = traffic.prove()
    check("IPv6: the handshake succeeds", accept.type == ACCEPT)
    drain(traffic.down), drain(traffic.peer)
    for block in range(100):
        traffic.from_up(block=block)
    check("IPv6: copies pass the receivers' UDP checksum, downstream and at the peer",
          (len(drain(traffic.down)), len(drain(traffic.peer))) == (100, 100))
    check("IPv6: the claimed address has received nothing", not drain(traffic.claimed))
    check("IPv6: every packet and copy is accounted for", conserved(counters))


class Tagged:
    """A peer behind neighbour 2's interface whose frames carry VLAN 30, frame by frame: not every kernel has 8021q."""
    SOL_PACKET, PACKET_AUXDATA, ADDRESS = 263, 8, "198.18.102.2"

    def __init__(self, lab):
        self.raw = lab.socket(lab.neighbours[2], socket.SOCK_RAW, socket.AF_PACKET)
        self.raw.setsockopt(self.SOL_PACKET, self.PACKET_AUXDATA, 1)
        self.raw.bind(("eth0", 3))
        self.mac = self.raw.getsockname()[4]
        self.pop_mac = bytes.fromhex(lab.mac(lab.pop, "p2").replace(":", ""))

    def send(self, payload):
        udp = struct.pack("!HHHH", PEER_PORT, BLOCK_PORT, 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton(self.ADDRESS),
                         socket.inet_aton(POP4))
        total = sum(struct.unpack("!10H", ip))
        total = (total & 0xFFFF) + (total >> 16)
        ip = ip[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + ip[12:]
        self.raw.send(self.pop_mac + self.mac + struct.pack("!HHH", 0x8100, 30, 0x0800) + ip + udp)

    def receive(self, seconds=3.0):
        """The next block packet that came in a tagged frame; the tag has been moved to the auxiliary data."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.raw.settimeout(max(0.01, end - time.monotonic()))
            try:
                frame, ancillary, _, _ = self.raw.recvmsg(2048, socket.CMSG_SPACE(20))
            except TimeoutError:
                return None
            tags = [struct.unpack_from("=H", data, 16)[0] for _, kind, data in ancillary if kind == self.PACKET_AUXDATA]
            if frame[23:24] == b"\x11" and frame[34:36] == struct.pack("!H", BLOCK_PORT) and tags == [30]:
                return Packet(frame[42:])
        return None


def vlan(lab, check):
    static = f'neighbours = ( {{ address = "{Tagged.ADDRESS}"; mac = "{lab.mac(lab.neighbours[2], "eth0")}"; port = 1; }} );'
    lab.start(lab.configure(keys={2: "vlan = 30;"}, extra=static))
    client = Client(lab.api)
    client.batch(member(0, 1, PEER_LABEL, Tagged.ADDRESS, PEER_PORT, PEER_KEY),
                 tree(0, 1001, PARENT_LABEL, (address(1, 4), BLOCK_PORT), TREE_KEY, AREA_KEY,
                      [(MEMBER, 0, TREE_MEMBER_LABEL)]))
    client.close()
    traffic, tagged = Traffic(lab), Tagged(lab)

    def challenge():
        tagged.send(packet(P_HELLO, PEER_LABEL, traffic.next(), bytes(32), PEER_KEY))
        return tagged.receive(0.2)
    challenged = eventually(challenge)
    check("VLAN: a tagged HELLO is answered by a tagged CHALLENGE, through a static neighbour",
          challenged and challenged.type == CHALLENGE)
    tagged.send(packet(RESPONSE, PEER_LABEL, traffic.next(), challenged.payload, PEER_KEY))
    check("VLAN: the handshake succeeds", tagged.receive().type == ACCEPT)

    def copied():
        traffic.from_up()
        return tagged.receive(0.1)
    check("VLAN: copies go out tagged", eventually(copied))
    for block in range(50):
        traffic.from_up(block=block)
    copies = [tagged.receive(0.5) for _ in range(50)]
    check("VLAN: and whole",
          [p and (p.block, p.payload) for p in copies] == [(block, PAYLOAD) for block in range(50)])
    check("VLAN: every packet and copy is accounted for", conserved(lab.counters()))


def links(lab, check):
    lab.start(lab.configure())
    push(lab).close()
    traffic, counters = Traffic(lab), lab.counters()
    traffic.reaches_down()
    traffic.prove()

    lab.ip(lab.neighbours[2], "link", "set", "eth0", "down")

    def suspended():
        traffic.from_up()
        drops = counters.totals()["copy_drops"]
        return drops["no_neighbour"] > 0
    check("a link that goes down suspends its hop, counted as no_neighbour", eventually(suspended))
    drain(traffic.peer)
    for _ in range(50):
        traffic.from_up()
    check("the other hops go on", len(drain(traffic.peer)) == 50)
    lab.ip(lab.neighbours[2], "link", "set", "eth0", "up")
    check("a link that comes back is used again", traffic.reaches_down())
    lab.ip(lab.pop, "link", "set", "p2", "down")
    time.sleep(0.1)
    lab.ip(lab.pop, "link", "set", "p2", "up")
    check("so is one whose own interface was down", traffic.reaches_down())
    check("every packet and copy is accounted for", conserved(counters))


if __name__ == "__main__":
    sys.exit(main(forwarding, attacks, beside_the_kernel, ipv6, vlan, links))
