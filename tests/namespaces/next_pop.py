#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A PoP dies in the middle of a transfer, control plane and dataplane, or its dataplane alone. Its peers know another: they go
on directly, then with that one's trees; nothing is lost, nothing is fetched twice, and the session ends without the dead."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from lab import Lab, wait_for  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402

SIZE = 36_000_000
MOVED_S = 20  # silence noticed, patience, its random part, and the join
TWICE_BYTES = 60 * 16384  # what was on its way from two sides when trees went and came


def members(pop, lab, session):
    """{account: member} as a PoP knows them."""
    _, body = pop.request("GET", f"/v1/sessions/{session}", token=lab.operator)
    return {member["account"]: member for member in body["members"]}


def move(lab, path, peers, strike):
    """A transfer in which the PoP of two peers is struck."""
    n3 = lab.pops[2]
    transfer = Transfer(lab, path, peers)
    moving = [peer for peer in peers if peer.then]
    transfer.start()
    transfer.until("blocks by N2", lambda: all(peer.status.get("cdn_bytes", 0) > SIZE / 40 for peer in moving))
    strike()
    start = time.monotonic()
    known = lambda: members(n3, lab, transfer.session)
    wait_for("all at N3", lambda: all(known()[peer.name]["pop"] == "N3" for peer in moving), MOVED_S)
    print(f"the last of {len(moving)} has joined at N3 after {time.monotonic() - start:.1f} s, with "
          f"{transfer.progress():.2f} of the file", flush=True)
    assert len(known()) == len(peers), "a peer is one member"
    before = {peer.name: peer.status["cdn_bytes"] for peer in moving}
    ids = {peer.name: int(known()[peer.name]["member"], 16) for peer in moving}
    transfer.wait()
    assert not transfer.wrong(), transfer.wrong()
    sent = lab.counters()["N3"].sent_to_members()
    for peer in moving:
        cdn, direct = peer.status["cdn_bytes"], peer.status["direct_bytes"]
        print(f"{peer.name}: {before[peer.name]} bytes of trees before, {cdn} in all, {sent[ids[peer.name]]} sent to it by N3; "
              f"{direct} of peers", flush=True)
        assert cdn - before[peer.name] > SIZE / 10, "trees of N3 have brought some of the rest"
        assert sent[ids[peer.name]] >= cdn - before[peer.name], "and it was N3 that sent it"
        assert direct > SIZE / 20, "peers have gone on meanwhile"
        assert cdn + direct < SIZE + TWICE_BYTES, "fetched twice"
    for peer in peers:
        assert peer.process.wait(30) == 0, "the session ends for all, though one PoP is dead"
        peer.reset()
    assert all(dataplane.conserved() for dataplane in lab.counters().values())


def main():
    with Lab(3, scale=40) as lab:
        path = random_file(os.path.join(lab.directory, "content"), SIZE)
        n1, n2, n3 = lab.pops
        peers = [lab.peer(n1, 1, seed=True), lab.peer(n1, 2), lab.peer(n2, 1), lab.peer(n2, 2), lab.peer(n3, 1)]
        for peer in peers[2:4]:
            peer.then = [n3]
        move(lab, path, peers, lambda: lab.kill(n2.dataplane))
        n2.start_dataplane()
        wait_for("N2", n2.healthy, 20)
        move(lab, path, peers, lambda: [lab.kill(process) for process in (n2.controlplane, n2.dataplane)])


if __name__ == "__main__":
    sys.exit(main())
