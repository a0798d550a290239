#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CDN links under measurement: a delay is found, one direction of a link is cut in the middle of a transfer and trees
leave it within three seconds, it heals and comes back after its hold without a packet astray, and loss degrades it."""

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


def cut_and_heal(lab, faults):
    transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), 60_000_000), lab.peers)
    transfer.start()
    transfer.until("a tenth of the file", lambda: transfer.progress() > 0.1)
    trees = wait_for("all trees", lambda: whole(lab, transfer), 10)
    edge = (trees[0]["edges"][0]["from"], trees[0]["edges"][0]["to"])
    address = {pop.name: pop.address for pop in lab.pops}
    faults.cut(address[edge[0]], address[edge[1]])
    seconds = took("trees beside the cut", lambda: (t := whole(lab, transfer)) and not uses(t, edge), 10)
    print(f"{edge[0]}→{edge[1]} cut: trees avoid it after {seconds:.2f} s")
    assert seconds <= 3, f"{seconds:.2f} s"
    assert state(lab, *edge) == "down" and state(lab, edge[1], edge[0]) == "up", "one direction only"
    time.sleep(1)
    faults.heal()
    before = astray(lab)
    seconds = took("the link back", lambda: state(lab, *edge) == "up", 30)
    print(f"healed: up again after {seconds:.2f} s")
    assert seconds >= HOLD_S, f"{seconds:.2f} s is before its hold is over"
    transfer.wait()
    assert not transfer.wrong(), transfer.wrong()
    wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)
    wait_for("every packet at the router or lost in the cut",
             lambda: dataplane_links(lab, lab.counters()) == router_links(lab) + faults.lost(), 10)
    assert astray(lab) == before, f"{before}, then {astray(lab)}"
    print(f"all files exact after {transfer.seconds():.1f} s (floor {transfer.floor():.1f} s); {router_links(lab)} packets on "
          f"CDN links, {faults.lost()} lost in the cut, none astray since it healed")


def degrade(lab, faults):
    a, b = lab.pops[1], lab.pops[2]
    wait_for("the link as it should be", lambda: state(lab, a.name, b.name) == "up", 60)
    faults.lose(a.address, b.address, 10)
    seconds = took("a degraded link", lambda: state(lab, a.name, b.name) == "degraded", 30)
    found = measured(lab, a.name, b.name)
    print(f"one packet in ten lost: {found['state']} at {found['capacity_percent']} % after {seconds:.1f} s, "
          f"loss {100 * found['loss']:.1f} %")
    assert state(lab, b.name, a.name) == "up", "one direction only"
    faults.heal()


def main():
    with Lab(3) as lab:
        faults = Faults(lab.network, BLOCK_PORT)
        for index, pop in enumerate(lab.pops):
            for number in (1, 2):
                lab.peer(pop, number, seed=index == 0)
        pairs = [(a.name, b.name) for a in lab.pops for b in lab.pops if a != b]
        wait_for("all links measured", lambda: all(state(lab, *pair) == "up" for pair in pairs), 20)
        find_delay(lab)
        cut_and_heal(lab, faults)
        degrade(lab, faults)


if __name__ == "__main__":
    sys.exit(main())
