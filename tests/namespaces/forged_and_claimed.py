#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole system against two liars. One knows every address, port and label, but no key: nothing it sends is copied.
The other joins with somebody else's address: that address receives nothing, and at most a challenge no larger than the request."""

import json
import os
import socket
import sqlite3
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from dataplane_client import CHALLENGE, DATA, P_HELLO, packet  # noqa: E402
from lab import BLOCK_PORT, Lab, wait_for  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402

PER_FLOW = 200
VICTIM_PORT = 5000


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip_packet(source, source_port, destination, payload):
    """IPv4 and UDP headers with a source of our choice; UDP checksum zero."""
    udp = struct.pack("!4H", source_port, BLOCK_PORT, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, socket.inet_aton(source),
                       socket.inet_aton(destination))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def flows(lab, session):
    """(source, port, destination, label) of all that is accepted somewhere: from members, and from parents in trees."""
    store = sqlite3.connect(f"file:{lab.database}?mode=ro", uri=True)
    rows = {key: json.loads(value) for key, value in store.execute("SELECT key, value FROM kv WHERE key LIKE ?",
                                                                    (f"/sessions/{session}/%",)) if value}
    address = {pop.name: pop.address for pop in lab.pops}
    found = [(row["address"], row["port"], address[row["pop"]], row["label"]) for key, row in rows.items() if "/members/" in key]
    plan = rows[f"/sessions/{session}/plan"]
    for tree in plan["trees"]:
        names = [plan["pops"][number] for number in tree["edges"]]
        for parent, child in zip(names[::2], names[1::2]):
            label = rows[f"/sessions/{session}/labels/{tree['id']}/{child}"]
            found.append((address[parent], BLOCK_PORT, address[child], label["label"] if isinstance(label, dict) else label))
    return found


def totals(lab, *names):
    sums = [c.totals() for c in lab.counters().values()]
    return [sum(t["packet_drops"][n] if n in t["packet_drops"] else t[n] for t in sums) for n in names]


def forge(lab, session):
    raw = lab.network.inside(lab.network.core, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
    known = flows(lab, session)
    before = totals(lab, "copies_sent", "tx_packets", "admitted", "rx_packets", "bad_tag")
    for number in range(PER_FLOW):
        for source, port, destination, label in known:
            forged = packet(DATA, label, time.time_ns(), os.urandom(1261), block=number)
            raw.sendto(ip_packet(source, port, destination, forged), (destination, 0))
        time.sleep(0.002)
    count = PER_FLOW * len(known)
    wait_for("the forged packets", lambda: totals(lab, "rx_packets")[0] - before[3] >= count, 10)
    after = totals(lab, "copies_sent", "tx_packets", "admitted", "rx_packets", "bad_tag")
    assert after[0:3] == before[0:3], (before, after)
    assert after[4] - before[4] == count, (before, after, count)
    print(f"{count} packets forged over {len(known)} flows: 0 copied, all dropped as bad_tag")


def received(capture, victim):
    """UDP payloads that reached the victim from block ports."""
    payloads = []
    while True:
        try:
            frame = capture.recv(2048)
        except BlockingIOError:
            return payloads
        if frame[12:14] == b"\x08\x00" and frame[23] == 17 and frame[30:34] == socket.inet_aton(victim):
            payloads.append(frame[42:])


def main():
    with Lab(2) as lab:
        seed, getter = lab.peer(lab.pops[0], 1, seed=True), lab.peer(lab.pops[1], 1)
        victim_namespace, victim = lab.network.peer(2, 9, lab.up, lab.down)
        capture = lab.network.inside(victim_namespace, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
        capture.setblocking(False)
        with open(lab.account("liar")) as handle:
            liar = handle.read().strip()
        transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), 5_000_000), [seed, getter])
        join = {"address": victim, "port": VICTIM_PORT, "http_port": 5001, "uplink_bps": 20000000, "downlink_bps": 70000000}
        transfer.share()
        status, member = lab.pops[1].request("POST", f"/v1/sessions/{transfer.session}/members", join, liar)
        assert status == 201, (status, member)
        transfer.fetch()
        transfer.wait()
        assert not transfer.wrong()
        assert received(capture, victim) == [], "a claimed address received something"
        unproven = sum(c.totals()["copy_drops"]["unproven"] for c in lab.counters().values())
        assert unproven > 3000, unproven
        print(f"an address only claimed: {unproven} copies withheld, 0 packets received")

        forge(lab, transfer.session)

        raw = lab.network.inside(lab.network.core, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
        hello = packet(P_HELLO, member["label"], time.time_ns(), bytes(32), bytes.fromhex(member["key"]))
        raw.sendto(ip_packet(victim, VICTIM_PORT, lab.pops[1].address, hello), (lab.pops[1].address, 0))
        answers = wait_for("the challenge", lambda: received(capture, victim), 5)
        time.sleep(1)
        answers += received(capture, victim)
        assert len(answers) == 1 and answers[0][1] == CHALLENGE and len(answers[0]) <= len(hello), answers
        print(f"asked in its name: one challenge of {len(answers[0])} bytes for {len(hello)}, nothing else")
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)


if __name__ == "__main__":
    sys.exit(main())
