#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two sessions at the same time over the same PoPs and links: both arrive exact, no link carries more than its budget."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from lab import Lab, wait_for  # noqa: E402
from report import links  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402


def main():
    with Lab(3) as lab:
        first, second = [], []
        for index, pop in enumerate(lab.pops):
            first += [lab.peer(pop, 1, seed=index == 0), lab.peer(pop, 2)]
            second += [lab.peer(pop, 3, seed=index == 2), lab.peer(pop, 4)]
        transfers = [Transfer(lab, random_file(os.path.join(lab.directory, name), 8_000_000), peers)
                     for name, peers in (("first", first), ("second", second))]
        for transfer in transfers:
            transfer.start()
        for transfer in transfers:
            transfer.wait()
            assert not transfer.wrong(), transfer.wrong()
        assert transfers[0].session != transfers[1].session
        over = [row for transfer in transfers for row in links(lab, transfer.samples) if row["peak_bps"] > row["budget_bps"]]
        assert not over, over
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)
        print("both sessions exact after " + ", ".join(f"{t.seconds():.1f} s (floor {t.floor():.1f} s)" for t in transfers))


if __name__ == "__main__":
    sys.exit(main())
