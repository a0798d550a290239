#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A PoP joins a session in the middle of a transfer and another leaves it: trees are rebuilt make before break. Every copy that
a PoP has sent to another was taken there, through all changes, on every tree; trees that took the place of others brought every
packet to every PoP; no tree that gave way to another was sent a packet it could not carry; all files are exact."""

import json
import os
import signal
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from books import Meter  # noqa: E402
from lab import Lab, wait_for  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402

HARMLESS = ("not_wanted", "own_packet", "unproven")


def plans(lab, session):
    """All plans the session has had, as the store's log has them."""
    with sqlite3.connect(f"file:{lab.database}?mode=ro", uri=True) as store:
        return [json.loads(value) for value, in store.execute("SELECT value FROM changes WHERE key = ? ORDER BY 1", (
            f"/sessions/{session}/plan",)) if value]


def areas(lab, session):
    """V' of the last plan in which all trees are there."""
    latest = max(plans(lab, session), key=lambda plan: plan["epoch"], default={"trees": []})
    return {tree["root"] for tree in latest["trees"]}


def last_trees(lab, session):
    """Trees that ended with the session: their senders may still be sending what late members had missed."""
    latest = max((plan for plan in plans(lab, session) if plan["trees"]), key=lambda plan: plan["epoch"])
    return {int(tree["id"], 16) for tree in latest["trees"] if tree["id"]}


def copies_between_pops(lab, meter, session):
    """(sent on links, taken by trees below their roots)"""
    roots = {int(tree["id"], 16): tree["root"] for plan in plans(lab, session) for tree in plan["trees"] if tree["id"]}
    meter.sample()
    sent = sum(counters.link(slot)["packets"] for counters in lab.counters().values() for slot in range(8))
    taken = sum(row["packets"] for (name, _, tree), row in meter.trees.items() if roots[tree] != name)
    return sent, taken


def uneven(lab, meter, session):
    """Most by which PoPs of a tree over all four areas differ in what they took; N3, which leaves, wants nothing in the end."""
    trees = {int(tree["id"], 16): tree for plan in plans(lab, session) if len(plan["trees"]) == 4
             for tree in plan["trees"] if tree["id"]}
    taken = {}
    for (name, _, tree), row in meter.trees.items():
        if tree in trees and name not in ("N3", trees[tree]["root"]):
            taken.setdefault(tree, []).append(row["packets"])
    assert any(max(counts) > 0 for counts in taken.values()), "no tree over all four areas carried anything"
    return max(max(counts) - min(counts) for counts in taken.values())


def main():
    with Lab(4) as lab:
        for index, pop in enumerate(lab.pops):
            for number in (1, 2):
                lab.peer(pop, number, seed=number == 1 and index < 2)
        meter = Meter(lab)
        late = [peer for peer in lab.peers if peer.pop.name == "N4"]
        transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), 24_000_000),
                            [peer for peer in lab.peers if peer not in late])
        transfer.start()
        transfer.until("a fifth of the file", lambda: transfer.progress() > 0.2)
        for peer in late:
            peer.get(transfer.session)
        transfer.until("trees for N4", lambda: areas(lab, transfer.session) == {"N1", "N2", "N3", "N4"})
        transfer.until("half of the file", lambda: transfer.progress() > 0.5)
        leaving = [peer for peer in transfer.receivers if peer.pop.name == "N3"]
        for peer in leaving:
            lab.kill(peer.process, signal.SIGINT)
        transfer.receivers = [peer for peer in transfer.receivers if peer not in leaving] + late
        transfer.until("trees without N3", lambda: areas(lab, transfer.session) == {"N1", "N2", "N4"})
        transfer.wait()
        assert not transfer.wrong(), transfer.wrong()
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)
        wait_for("the last copy", lambda: len(set(copies_between_pops(lab, meter, transfer.session))) == 1, 5)
        sent, taken = copies_between_pops(lab, meter, transfer.session)
        meter.close()
        trees = len({tree for _, _, tree in meter.trees})
        last, lost = last_trees(lab, transfer.session), {}
        for (_, _, tree), row in meter.trees.items():
            for name, count in row.items():
                if name.startswith("drop ") and name[5:] not in HARMLESS and count:
                    key = name[5:] + (" at the end" if name == "drop no_allowance" and tree in last else "")
                    lost[key] = lost.get(key, 0) + count
        print(f"{trees} trees in {max(plan['epoch'] for plan in plans(lab, transfer.session))} plans: {sent} copies sent from PoP "
              f"to PoP, {taken} taken; other drops: {lost or 'none'}; files exact after {transfer.seconds():.1f} s")
        assert sent == taken > 0 and "no_allowance" not in lost and "no_neighbour" not in lost
        missed = uneven(lab, meter, transfer.session)
        assert missed <= lost.get("tx_full", 0) + lost.get("no_buffer", 0), f"{missed} packets of a tree did not reach all its PoPs"


if __name__ == "__main__":
    sys.exit(main())
