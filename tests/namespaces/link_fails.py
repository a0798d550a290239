#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CDN links under measurement: a delay is found, one direction of a link is cut in the middle of a transfer and trees
leave it within three seconds, it heals and comes back after its hold, another loses a tenth of its packets and trees
leave that too, without a packet astray."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from faults import Delay, Faults  # noqa: E402
from lab import BLOCK_PORT, Lab, wait_for  # noqa: E402
from report import trees_of  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402

HOLD_S = 3
ASTRAY = ("unknown_label", "stale_label", "bad_upstream", "bad_tag", "hop_limit", "not_sender", "no_neighbour")


def measured(lab, a, b):
    """What the store says of the link; {} while it says nothing."""
    status, body = lab.pops[0].request("GET", f"/v1/links/{a}/{b}", token=lab.operator)
    return body.get("measured", {}) if status == 200 else {}


def state(lab, a, b):
    return measured(lab, a, b).get("state")


def took(what, condition, seconds):
    start = time.monotonic()
    wait_for(what, condition, seconds, step=0.02)
    return time.monotonic() - start


def find_delay(lab):
    """Half of the round trip is one way: 30 ms more in one direction are 15 ms more."""
    a, b = lab.pops[0], lab.pops[1]
    before = measured(lab, a.name, b.name)["delay_ms"]
    delay = Delay(lab.network, a.address, b.address, 0.030)
    try:
        near = lambda name_a, name_b: abs(measured(lab, name_a, name_b)["delay_ms"] - before - 15) < 3
        wait_for("the delay in the store", lambda: near(a.name, b.name) and near(b.name, a.name), 30)
        print(f"{before:.3f} ms, with 15 ms more {measured(lab, a.name, b.name)['delay_ms']:.3f} ms")
    finally:
        delay.close()
    wait_for("the delay gone", lambda: measured(lab, a.name, b.name)["delay_ms"] < before + 3, 30)


def uses(trees, edge):
    return any((e["from"], e["to"]) == edge for tree in trees for e in tree["edges"])


def whole(lab, transfer):
    trees = trees_of(lab, transfer.session)
    return trees if trees and all(t["status"] == "ok" and t["installed"] for t in trees) else None


def dataplane_links(lab, counters):
    """Packets sent over CDN links, by all dataplanes."""
    return sum(c.link(slot)["packets"] for c in counters.values() for slot in range(len(lab.pops)))


def router_links(lab):
    return sum(packets for packets, _ in lab.network.link_counters().values())


def astray(lab):
    """Packets that found no tree, or copies that found no neighbour: what a change must not cause. Rates are not its fault."""
    totals = [c.totals() for c in lab.counters().values()]
    return {name: sum(t["packet_drops"].get(name, 0) + t["copy_drops"].get(name, 0) for t in totals) for name in ASTRAY}


def start(lab):
    transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), 60_000_000), lab.peers)
    transfer.start()
    transfer.until("a tenth of the file", lambda: transfer.progress() > 0.1)
    return transfer


def used_edge(lab, transfer):
    trees = wait_for("all trees", lambda: whole(lab, transfer), 10)
    return trees[0]["edges"][0]["from"], trees[0]["edges"][0]["to"]


def leave(lab, transfer, edge, what, limit):
    """Seconds until all trees are whole beside the edge."""
    seconds = took(f"trees beside {what}", lambda: (t := whole(lab, transfer)) and not uses(t, edge), limit + 5)
    print(f"{edge[0]}→{edge[1]} {what}: trees avoid it after {seconds:.2f} s")
    assert seconds <= limit, f"{seconds:.2f} s"


def cut_and_heal(lab, faults, transfer, address):
    edge = used_edge(lab, transfer)
    faults.cut(address[edge[0]], address[edge[1]])
    leave(lab, transfer, edge, "cut", 3)
    assert state(lab, *edge) == "down" and state(lab, edge[1], edge[0]) == "up", "one direction only"
    time.sleep(1)
    faults.heal()
    seconds = took("the link back", lambda: state(lab, *edge) == "up", 30)
    print(f"healed: up again after {seconds:.2f} s")
    assert seconds >= HOLD_S, f"{seconds:.2f} s is before its hold is over"


def degrade(lab, faults, transfer, address):
    """Three seconds are for 999 links of 1000 on a machine that is not busy (tests/stamp/loss.c). This is for all."""
    edge = used_edge(lab, transfer)
    assert not transfer.finished()
    faults.lose(address[edge[0]], address[edge[1]], 10)
    leave(lab, transfer, edge, "loses a tenth", 6)
    found = measured(lab, *edge)
    print(f"{found['state']} at {found['capacity_percent']} %, loss {100 * found['loss']:.1f} %")
    assert found["state"] == "degraded" and state(lab, edge[1], edge[0]) == "up", "one direction only"


def finish(lab, faults, transfer, before):
    transfer.wait()
    assert not transfer.wrong(), transfer.wrong()
    wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)
    wait_for("every packet at the router or lost on its links",
             lambda: dataplane_links(lab, lab.counters()) == router_links(lab) + faults.lost(), 10)
    assert astray(lab) == before, f"{before}, then {astray(lab)}"
    print(f"all files exact after {transfer.seconds():.1f} s (floor {transfer.floor():.1f} s); {router_links(lab)} packets on "
          f"CDN links, {faults.lost()} lost there, none astray since the cut has healed")


def main():
    with Lab(3) as lab:
        faults = Faults(lab.network, BLOCK_PORT)
        for index, pop in enumerate(lab.pops):
            for number in (1, 2):
                lab.peer(pop, number, seed=index == 0)
        pairs = [(a.name, b.name) for a in lab.pops for b in lab.pops if a != b]
        wait_for("all links measured", lambda: all(state(lab, *pair) == "up" for pair in pairs), 20)
        find_delay(lab)
        address = {pop.name: pop.address for pop in lab.pops}
        transfer = start(lab)
        cut_and_heal(lab, faults, transfer, address)
        before = astray(lab)
        degrade(lab, faults, transfer, address)
        finish(lab, faults, transfer, before)


if __name__ == "__main__":
    sys.exit(main())
