#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A receiver says goodbye, another and a seed are killed, in the middle of a transfer: the others end with exact files."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from lab import Lab, wait_for  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402


def main():
    with Lab(3) as lab:
        for index, pop in enumerate(lab.pops):
            for number in (1, 2, 3):
                lab.peer(pop, number, seed=number == 1 and index < 2)
        transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), 16_000_000), lab.peers)
        transfer.start()
        transfer.until("a fifth of the file", lambda: transfer.progress() > 0.2)
        polite, killed, *staying = transfer.receivers
        lab.kill(polite.process, signal.SIGINT)
        lab.kill(killed.process, signal.SIGKILL)
        lab.kill(transfer.seeds[1].process, signal.SIGKILL)
        assert not os.path.exists(polite.output) and not os.path.exists(killed.output), "a final name before the file is whole"
        transfer.receivers = staying
        transfer.wait()
        assert not transfer.wrong(), transfer.wrong()
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)
        print(f"{len(staying)} files exact after {transfer.seconds():.1f} s, with one of two seeds from a fifth on")


if __name__ == "__main__":
    sys.exit(main())
