#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of each control plane in turn, in the middle of a transfer, and its restart a second later: no file is lost,
forwarding goes on meanwhile, and the trees that the new control plane finds stay."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from kept import Kept  # noqa: E402
from lab import Lab, wait_for  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402


def one(lab, victim):
    for peer in lab.peers:
        peer.reset()
    transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), 24_000_000), lab.peers)
    transfer.start()
    transfer.until("a quarter of the file", lambda: transfer.progress() > 0.25)
    kept = Kept(lab, victim, transfer.session)
    lab.kill(victim.controlplane)
    sent = lab.counters()[victim.name].totals()["copies_sent"]
    time.sleep(1)
    forwarded = lab.counters()[victim.name].totals()["copies_sent"] - sent
    victim.start_controlplane()
    wait_for(f"{victim.name}'s new control plane", victim.healthy, 20)
    time.sleep(0.5)  # it looks at the table several times
    assert not transfer.finished(), "the transfer ended before it could be seen whether trees stay"
    kept.check()
    transfer.wait()
    assert not transfer.wrong(), transfer.wrong()
    assert forwarded > 0, f"{victim.name} did not forward without its control plane"
    print(f"{victim.name}: {forwarded} copies sent while its control plane was away, all files exact after "
          f"{transfer.seconds():.1f} s (floor {transfer.floor():.1f} s)")
    for peer in lab.peers:
        lab.kill(peer.process)


def main():
    with Lab(3) as lab:
        for index, pop in enumerate(lab.pops):
            for number in (1, 2):
                lab.peer(pop, number, seed=number == 1 and index < 2)
        for victim in lab.pops:
            one(lab, victim)
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)


if __name__ == "__main__":
    sys.exit(main())
