#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two sessions at the same time from one PoP, over links with room for a tree of one of them: both arrive exact, trees never hold
more of a link than there is, and no link carries more than its budget."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from books import oversold  # noqa: E402
from lab import Lab, wait_for  # noqa: E402
from report import links  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402

SIZE = 8_000_000


class NarrowLab(Lab):
    """The seeds of the two sessions together send more than a link may carry."""

    def __init__(self, pops):
        super().__init__(pops)
        self.link = 1.5 * self.up


def main():
    with NarrowLab(3) as lab:
        first, second = [], []
        for index, pop in enumerate(lab.pops):
            first += [lab.peer(pop, 1, seed=index == 0), lab.peer(pop, 2)]
            second += [lab.peer(pop, 3, seed=index == 0), lab.peer(pop, 4)]
        transfers = [Transfer(lab, random_file(os.path.join(lab.directory, name), SIZE), peers)
                     for name, peers in (("first", first), ("second", second))]
        sold = []
        for transfer in transfers:
            transfer.start()
        for transfer in transfers:
            transfer.wait(lambda: sold.extend(oversold(lab)))
            assert not transfer.wrong(), transfer.wrong()
        assert transfers[0].session != transfers[1].session
        assert not sold, sold
        rows = [row for transfer in transfers for row in links(lab, transfer.samples)]
        over = [row for row in rows if row["peak_bps"] > row["budget_bps"]]
        assert not over, over
        assert max(row["peak_bps"] for row in rows) > lab.up / 2, "no link carried a tree"
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)
        print("both sessions exact after " + ", ".join(f"{t.seconds():.1f} s (floor {t.floor():.1f} s)" for t in transfers)
              + f"; at most {max(row['peak_bps'] for row in rows) / 1e6:.1f} of {lab.link / 1e6:.0f} Mbit/s on a link")


if __name__ == "__main__":
    sys.exit(main())
