#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The ledger against what dataplanes counted and what crossed the links, whoever is killed: charges are exact to the byte,
and nothing is carried that was not granted."""

import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from books import Meter, books  # noqa: E402
from dataplane_client import ACCEPT, DATA, P_HELLO, RESPONSE, Packet, packet  # noqa: E402
from lab import BLOCK_PORT, Lab, wait_for  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402

FLOOD_CREDIT = 3_000_000
MANIFEST = {"name": "flood", "size": 16384 * 64, "block_bytes": 16384, "root": "00" * 32}


def carried(lab):
    """Layer 3 bytes that have crossed CDN links, counted at the router."""
    return sum(count for _, count in lab.network.link_counters().values())


def nothing_leased(lab):
    return books(lab)["leased"] == 0


def transfer_with_crashes(lab, meter):
    """kill -9 of a dataplane, later of a control plane, in the middle of a transfer."""
    transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), 12_000_000), lab.peers[:6])
    before = carried(lab)
    transfer.start()
    transfer.until("a quarter of the file", lambda: transfer.progress() > 0.25)
    lab.kill(lab.pops[0].dataplane)
    lab.pops[0].start_dataplane()
    wait_for("N1's dataplane", lambda: lab.check_alive() or lab.pops[0].healthy(), 20)
    meter.look()
    transfer.until("half of the file", lambda: transfer.progress() > 0.5)
    lab.kill(lab.pops[1].controlplane)
    lab.pops[1].start_controlplane()
    transfer.wait()
    assert not transfer.wrong(), transfer.wrong()
    wait_for("the end of all leases", lambda: nothing_leased(lab), 20)
    found, crossed = books(lab), carried(lab) - before
    print(f"transfer: {found['charged']} bytes charged, {meter.total()} counted by dataplanes in {len(meter.lives)} lives, "
          f"{crossed} crossed the links")
    assert found["charged"] == meter.total() > 0, (found, meter.total())
    assert found["lost"] == 0 and crossed <= found["charged"] <= found["granted"], (found, crossed)
    for peer in lab.peers[:6]:
        lab.kill(peer.process)


class Flooder:
    """A member that sends what it likes, at N1, and one at N2 that wants everything."""

    def __init__(self, lab):
        self.lab, self.peer, self.sequence = lab, lab.peers[6], time.time_ns()
        self.token = self.account("flooder", FLOOD_CREDIT)
        status, body = self.ask("POST", "/v1/sessions", MANIFEST)
        assert status == 201, (status, body)
        self.session = body["session"]
        self.member = self.join(self.peer, self.token, True)
        self.join(lab.peers[7], self.account("receiver", 0), False)
        self.socket = lab.network.inside(self.peer.namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.socket.bind((self.peer.address, 40000))
        self.socket.settimeout(1)
        self.prove()

    def account(self, name, credit):
        status, body = self.lab.pops[0].request("POST", "/v1/accounts", {"name": name, "credit_bytes": credit}, self.lab.operator)
        assert status == 201, (status, body)
        return body["token"]

    def ask(self, method, path, body):
        return self.lab.pops[0].request(method, path, body, self.token)

    def join(self, peer, token, seed):
        status, body = peer.pop.request("POST", f"/v1/sessions/{self.session}/members", {
            "address": peer.address, "port": 40000, "http_port": 40001, "uplink_bps": 20000000, "downlink_bps": 70000000,
            "seed": seed}, token)
        assert status == 201, (status, body)
        return body

    def packet(self, kind, payload):
        self.sequence += 1
        self.socket.sendto(packet(kind, self.member["label"], self.sequence, payload, bytes.fromhex(self.member["key"]),
                                  block=self.sequence % 64), (self.lab.pops[0].address, BLOCK_PORT))

    def prove(self):
        """The handshake, after which its packets are admitted for a while."""
        def once():
            try:
                self.packet(P_HELLO, bytes(32))
                self.packet(RESPONSE, Packet(self.socket.recv(2048)).payload)
                return Packet(self.socket.recv(2048)).type == ACCEPT
            except TimeoutError:
                return False
        wait_for("the handshake", once, 20)

    def send(self, count):
        """Packets of 1 300 bytes, as fast as its uplink takes them."""
        for _ in range(count):
            self.packet(DATA, bytes(1240))


def drops(lab):
    return lab.counters()["N1"].totals()["copy_drops"]["no_allowance"]


def flood_without_control(lab, meter):
    """The control plane is dead while a sender floods: the dataplane stops at what was granted."""
    others, crossed, charged = books(lab), carried(lab), meter.total()
    flooder = Flooder(lab)
    wait_for("an allowance", lambda: books(lab)["leased"] > FLOOD_CREDIT * 0.9, 10)
    lab.kill(lab.pops[0].controlplane)
    wait_for("the allowance's end", lambda: flooder.send(500) or drops(lab) > 500, 60)
    leased = books(lab)["leased"]
    crossed, charged = carried(lab) - crossed, meter.total() - charged
    print(f"flood: {FLOOD_CREDIT} bytes granted, {leased} leased, {charged} charged by the dataplane, {crossed} crossed the "
          f"links, {drops(lab)} packets refused")
    assert 0.9 * leased < crossed <= charged <= leased <= FLOOD_CREDIT
    lab.pops[0].start_controlplane()
    wait_for("the charge", lambda: books(lab)["charged"] - others["charged"] == charged, 20)
    assert books(lab)["lost"] == 0
    return flooder


def both_die(lab, meter, flooder):
    """Control plane and dataplane are killed while bytes flow: what was leased is lost, and no more was carried."""
    before = books(lab)
    wait_for("credit", lambda: flooder.lab.pops[0].request(
        "POST", "/v1/accounts/flooder/credit", {"bytes": FLOOD_CREDIT, "key": "again"}, lab.operator)[0] == 200, 20)
    wait_for("an allowance", lambda: books(lab)["leased"] > FLOOD_CREDIT * 0.5, 20)
    crossed = carried(lab)
    flooder.prove()
    flooder.send(400)
    lab.kill(lab.pops[0].controlplane)
    leased = books(lab)["leased"]
    flooder.send(400)
    lab.kill(lab.pops[0].dataplane)
    charged = meter.total() - before["charged"]
    lab.pops[0].start_dataplane()
    lab.pops[0].start_controlplane()
    wait_for("N1", lab.pops[0].healthy, 20)
    meter.look()
    wait_for("the loss", lambda: books(lab)["lost"] > 0, 20)
    found, crossed = books(lab), carried(lab) - crossed
    print(f"both die: {leased} leased, {found['lost']} lost, {found['charged'] - before['charged']} charged before, "
          f"{charged} had been counted, {crossed} crossed the links")
    assert found["lost"] == leased and crossed <= charged <= found["lost"] + found["charged"] - before["charged"]
    assert found["charged"] + found["lost"] + found["credit"] + found["leased"] == found["granted"]


def main():
    with Lab(3) as lab:
        for index, pop in enumerate(lab.pops):
            for number in (1, 2):
                lab.peer(pop, number, seed=number == 1 and index < 2)
        lab.peer(lab.pops[0], 3, seed=True)
        lab.peer(lab.pops[1], 3)
        meter = Meter(lab)
        transfer_with_crashes(lab, meter)
        both_die(lab, meter, flood_without_control(lab, meter))
        meter.close()
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)
        status, text = lab.pops[0].request("GET", "/metrics", token=lab.operator)
        assert status == 200 and 'residual_bytes{of="books"} 0\n' in text and 'residual_bytes{of="leases"} 0\n' in text


if __name__ == "__main__":
    sys.exit(main())
