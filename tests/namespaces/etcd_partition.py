#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A PoP is cut off from etcd in the middle of a transfer, for longer than its lease: it forwards what it was told, flushes
nothing, announces itself again when the network is back, and every file arrives. COPSE_SOAK_SECONDS: for how long."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from kept import Kept  # noqa: E402
from lab import Lab, wait_for  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402

SECONDS = float(os.environ.get("COPSE_SOAK_SECONDS", 5))
PRESENCE_MS = 2000 if SECONDS < 15 else 10000


def pops_known(lab):
    """The PoPs that N1's control plane holds for alive."""
    status, body = lab.pops[0].request("GET", "/v1/pops", token=lab.operator)
    assert status == 200, body
    return {pop["name"] for pop in body["pops"] if pop["alive"]}


def main():
    with Lab(3, store="etcd", more=f"presence_ms = {PRESENCE_MS};") as lab:
        for index, pop in enumerate(lab.pops):
            for number in (1, 2):
                lab.peer(pop, number, seed=number == 1 and index < 2)
        victim = lab.pops[1]
        transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), int(16e6 + 5e6 * SECONDS)), lab.peers)
        transfer.start()
        transfer.until("a quarter of the file", lambda: transfer.progress() > 0.25)
        assert pops_known(lab) == {"N1", "N2", "N3"}
        sent, kept = lab.counters()[victim.name].totals()["copies_sent"], Kept(lab, victim, transfer.session)
        lab.etcd.cut(victim, True)
        cut = time.monotonic()
        time.sleep(1)
        forwarded = lab.counters()[victim.name].totals()["copies_sent"] - sent
        wait_for("the lease's end", lambda: victim.name not in pops_known(lab), PRESENCE_MS / 1000 + 5)
        assert not victim.healthy(), "it says that its store is away"
        time.sleep(max(0, SECONDS - (time.monotonic() - cut)))
        kept.check()
        assert not transfer.finished(), "the transfer ended before the network was whole again"
        lab.etcd.cut(victim, False)
        healed = time.monotonic()
        wait_for("its return", lambda: victim.healthy() and victim.name in pops_known(lab), 15)
        back = time.monotonic() - healed
        transfer.wait()
        assert not transfer.wrong(), transfer.wrong()
        assert forwarded > 0, f"{victim.name} did not forward without its store"
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)
        print(f"{victim.name} without etcd for {healed - cut:.1f} s: {forwarded} copies sent in the first second, back "
              f"{back:.1f} s after the network was, all files exact after {transfer.seconds():.1f} s (floor {transfer.floor():.1f} s)")


if __name__ == "__main__":
    sys.exit(main())
