#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A receiver that comes when all others have the file, and nothing is sent any more, gets it from all of them: through trees and
from peers."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from lab import Lab, wait_for  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402

SIZE, LATE_S = 8_000_000, 5


def main():
    with Lab(3, more="finish_ms = 60000;") as lab:
        for index, pop in enumerate(lab.pops):
            for number in (1, 2):
                lab.peer(pop, number, seed=number == 1 and index < 2)
        transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), SIZE), lab.peers,
                            {lab.peers[-1]: LATE_S})
        transfer.start()
        transfer.wait()
        *early, late = (peer.finished - transfer.start_time for peer in transfer.receivers)
        status = transfer.receivers[-1].status
        print(f"{len(early)} files after {max(early):.1f} s; who came after {LATE_S} s took {late - LATE_S:.1f} s, {status}")
        assert max(early) < LATE_S < late - SIZE * 8 / lab.down, (early, late)
        assert status["cdn_bytes"] > 0 and status["direct_bytes"] > 0, status
        assert not transfer.wrong(), transfer.wrong()
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)


if __name__ == "__main__":
    sys.exit(main())
