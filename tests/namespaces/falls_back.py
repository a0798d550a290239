#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whenever no tree is to be had, peers go on by themselves: without credit, without bandwidth for a tree, without the CDN
from the start, with a PoP that is out of reach or dead in the middle of a transfer. The switch takes less than three
seconds, not counting those in which this machine stood still, and nothing is lost or fetched twice."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from faults import Faults  # noqa: E402
from lab import BLOCK_PORT, Lab, wait_for  # noqa: E402
from pauses import Pauses  # noqa: E402
from report import trees_of  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402

SIZE = 8_000_000
SWITCH_S = 3
SWITCHED_BYTES = 200_000  # more than handshakes, reports and lists are
TWICE_BYTES = 40 * 16384  # what was on its way from two sides at the moment of the switch


class Direct(Transfer):
    more = ("--direct",)


def area(lab, first, growth):
    """At N1 a seed and a receiver, at N2 two receivers, with the credit for so much growth."""
    lab.growth = growth
    return [lab.peer(pop, first + number, seed=index + number == 0) for index, pop in enumerate(lab.pops)
            for number in (0, 1)]


def finish(lab, name, transfer):
    transfer.wait()
    assert not transfer.wrong(), transfer.wrong()
    got = {peer.name: (peer.status["cdn_bytes"], peer.status["direct_bytes"]) for peer in transfer.receivers}
    print(f"{name}: exact after {transfer.seconds():.1f} s; bytes from trees, from peers: {got}", flush=True)
    assert all(cdn + direct < SIZE + TWICE_BYTES for cdn, direct in got.values()), "fetched twice"
    for peer in transfer.seeds + transfer.receivers:
        lab.kill(peer.process)
        peer.reset()
    return got


def expect_direct(got):
    assert all(cdn == 0 and direct >= SIZE for cdn, direct in got.values()), got


def statuses(lab, transfer):
    return {tree["status"] for tree in trees_of(lab, transfer.session)}


def without(lab, name, transfer, status):
    """A whole transfer of a session that has no tree, for the reason `status` says."""
    transfer.share()
    transfer.fetch()
    if status:
        wait_for(f"trees {status}", lambda: statuses(lab, transfer) == {status}, 20)
    expect_direct(finish(lab, name, transfer))


def set_budget(lab, bps):
    for a, b in (("N1", "N2"), ("N2", "N1")):
        status, body = lab.pops[0].request("PUT", f"/v1/links/{a}/{b}/budget", {"bandwidth_bps": bps}, lab.operator,
                                           {"If-Match": "*"})
        assert status == 200, (status, body)


def received(lab, peer):
    return int(lab.network.exec(peer.namespace, "cat", "/sys/class/net/eth0/statistics/rx_bytes"))


def switch(lab, name, transfer, receivers, strike):
    """Ends the CDN for these receivers in the middle of a transfer."""
    transfer.start()
    transfer.until("a third of the file", lambda: transfer.progress() > 0.33)
    with Pauses() as pauses:
        strike()
        start = time.monotonic()
        before = {peer: received(lab, peer) for peer in receivers}
        wait_for(f"{name}: all go on", lambda: all(received(lab, peer) > before[peer] + SWITCHED_BYTES for peer in receivers), 20)
        seconds = time.monotonic() - start
    print(f"{name}: the last of {len(receivers)} went on after {seconds:.2f} s, pauses {pauses.total:.2f} s", flush=True)
    assert seconds < SWITCH_S + pauses.total, f"{seconds:.2f} s"
    got = finish(lab, name, transfer)
    assert all(cdn > SIZE / 5 for cdn, _ in got.values()), "what trees had brought is kept"
    assert all(got[peer.name][1] > SIZE / 5 for peer in receivers), "the rest came from peers"


def main():
    with Lab(2) as lab:
        path = random_file(os.path.join(lab.directory, "content"), SIZE)
        faults = Faults(lab.network, BLOCK_PORT)
        without(lab, "no credit", Transfer(lab, path, area(lab, 1, 1.0)), "no_sender")
        peers = area(lab, 3, 1.5)
        set_budget(lab, 1_000_000)
        without(lab, "no bandwidth", Transfer(lab, path, peers), "infeasible")
        set_budget(lab, int(lab.link))
        without(lab, "--direct", Direct(lab, path, peers), None)
        n2 = lab.pops[1]
        beyond = [peer for peer in peers if peer.pop is n2]
        switch(lab, "out of reach", Transfer(lab, path, peers), beyond,
               lambda: [faults.drop(*pair) for peer in beyond
                        for pair in ((n2.address, peer.address), (peer.address, n2.address))])
        faults.heal()
        n1 = lab.pops[0]
        switch(lab, "dead", Transfer(lab, path, peers), [peer for peer in peers if not peer.seed],
               lambda: [lab.kill(process) for process in (n1.dataplane, n1.controlplane)])


if __name__ == "__main__":
    sys.exit(main())
