#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A receiver with a tenth of the others' downlink takes next to nothing of the seeds' uplinks, though nobody but one of them is
near it and it misses most of what trees bring: its PoP sends it no more than its downlink takes. Both seeds leave as soon as every
block is out: who lost some of them on its access link, and the slow one, get the rest from those who have it."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from faults import Faults  # noqa: E402
from lab import BLOCK_PORT, Lab  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402

SIZE = 8_000_000
SENT_MOST = 1.25  # times the file, on the wire: headers are 6 %, and parity for those with lossy links 8


def sent_bytes(lab, peer):
    """What has left its interface."""
    return int(lab.network.exec(peer.namespace, "cat", "/sys/class/net/eth0/statistics/tx_bytes"))


def main():
    with Lab(2) as lab:
        near, far = lab.pops
        seeds = [lab.peer(pop, 1, seed=True) for pop in lab.pops]
        slow = lab.peer(near, 2, down=lab.down / 10)
        whole, *lossy = [lab.peer(far, number) for number in (2, 3, 4)]
        faults = Faults(lab.network, BLOCK_PORT)
        for peer in lossy:
            faults.lose(far.address, peer.address, 50)
        transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), SIZE), lab.peers)
        transfer.start()
        transfer.until("every block out", lambda: whole.finished)
        sent = sum(sent_bytes(lab, seed) for seed in seeds)
        behind = {peer.name: peer.status.get("have", 0) for peer in (slow, *lossy) if not peer.finished}
        for seed in seeds:
            lab.kill(seed.process, signal.SIGINT)
        print(f"seeds left after {whole.finished - transfer.start_time:.1f} s and {sent / SIZE:.2f} files; of "
              f"{whole.status['blocks']} blocks have {behind}", flush=True)
        assert sent < SENT_MOST * SIZE, sent
        assert lab.counters()[near.name].totals()["copy_drops"]["member_rate"] > 1000, "more was sent to it than its downlink takes"
        assert slow.name in behind, "a slow receiver that is not slow"
        transfer.wait()
        assert not transfer.wrong(), transfer.wrong()
        print(f"all exact after {transfer.seconds():.1f} s")


if __name__ == "__main__":
    sys.exit(main())
