#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Access links that lose one packet in twenty, both ways: seeds send parity, most of the file still comes by trees, of what is
lost there parity brings a part, every file is exact, and what the dataplanes took is what they sent and named drops."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from faults import TABLE, Faults  # noqa: E402
from lab import BLOCK_PORT, Lab, wait_for  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402

SIZE = 8_000_000
ONE_IN = 20
LOST = 1 - (1 - 1 / ONE_IN) ** 2  # on the way from a seed to its dataplane, and from one to a peer
PARITY_LEAST = 100  # packets; a symbol for each block would be 489
PARITY = "0x0102"   # version 1, type 2


class Links(Faults):
    """Access links that lose packets; those of parity that leave peers are counted."""

    def __init__(self, lab):
        super().__init__(lab.network, BLOCK_PORT)
        self.nft("add", "counter", "ip", TABLE, "parity")
        for peer in lab.peers:
            self.nft("add", "rule", "ip", TABLE, "forward", "ip", "saddr", peer.address, "udp", "dport", str(BLOCK_PORT),
                     "@th,64,16", PARITY, "counter", "name", "parity")
        for peer in lab.peers:
            for match in (("ip", "saddr"), ("ip", "daddr")):
                self.nft("add", "rule", "ip", TABLE, "forward", *match, peer.address, "numgen", "random", "mod", str(ONE_IN),
                         "0", "jump", "lose")

    def parity(self):
        return int(self.nft("list", "counter", "ip", TABLE, "parity").split("packets")[1].split()[0])


def main():
    with Lab(2, scale=50) as lab:
        for pop in lab.pops:
            for number in (1, 2, 3):
                lab.peer(pop, number, seed=number == 1)
        links = Links(lab)
        transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), SIZE), lab.peers)
        transfer.start()
        transfer.wait()
        assert not transfer.wrong(), transfer.wrong()
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)
        from_trees = {peer.name: round(peer.status["cdn_bytes"] / SIZE, 3) for peer in transfer.receivers}
        direct = {peer.name: round(peer.status["direct_bytes"] / SIZE, 3) for peer in transfer.receivers}
        print(f"exact after {transfer.seconds():.1f} s, with {links.parity()} packets of parity; from trees: {from_trees}, "
              f"from peers: {direct}")
        assert links.parity() > PARITY_LEAST, links.parity()
        assert all(part > 0.5 for part in from_trees.values()), from_trees
        # Without parity it is more than what is lost: the range that holds what is missing of a block.
        assert min(direct.values()) < 1.1 * LOST, f"parity brings nothing: {direct}"


if __name__ == "__main__":
    sys.exit(main())
