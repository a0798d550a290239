#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of control planes at random moments, while transfers run: no file is lost, no link is oversold and the ledger adds up
at any moment, and in the end what is charged is what dataplanes counted. usage: killed_often.py [KILLS [SEED]]"""

import json
import os
import random
import sqlite3
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from books import Meter, books, oversold  # noqa: E402
from lab import Lab, LabError, wait_for  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402


def describe(lab):
    """What the store says of sessions that are open and what everybody said last, for when a transfer does not end."""
    with sqlite3.connect(f"file:{lab.database}?mode=ro", uri=True) as store:
        rows = dict(store.execute("SELECT key, value FROM kv WHERE key LIKE '/sessions/%'"))
    lines = []
    for key, value in rows.items():
        if key.count("/") == 2 and json.loads(value)["state"] == "open":
            lines.append(f"{key}: owner {rows.get(key + '/owner')}, orders {rows.get(key + '/orders', 'none')[:200]}")
            lines += [f"  {name.removeprefix(key)} {row[:160]}" for name, row in rows.items()
                      if name.startswith((f"{key}/members/", f"{key}/progress/"))]
    lines += [f"{peer.name}: {peer.session} {peer.status}" for peer in lab.peers]
    for name in sorted({process.name for process in lab.processes}):
        with open(os.path.join(lab.directory, f"{name}.log"), errors="replace") as handle:
            lines += [f"{name}: {line.rstrip()}" for line in handle.readlines()[-12:]]
    return "\n".join(lines)


class Killer(threading.Thread):
    """Kills and starts control planes again until it has done so often enough; `error` is what was found wrong."""

    def __init__(self, lab, kills, seed):
        super().__init__(daemon=True)
        self.lab, self.left, self.random, self.error, self.running = lab, kills, random.Random(seed), None, threading.Event()

    def run(self):
        try:
            while self.left > 0:
                self.running.wait()
                time.sleep(self.random.uniform(0.02, 0.8))
                pop = self.random.choice(self.lab.pops)
                self.lab.kill(pop.controlplane)
                assert not oversold(self.lab), oversold(self.lab)
                books(self.lab)
                time.sleep(self.random.choice((0, 0, 0.1, 1.0)))
                pop.start_controlplane()
                self.left -= 1
        except Exception as error:
            self.error = error
            self.left = 0


def main():
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    with Lab(3) as lab:
        for index, pop in enumerate(lab.pops):
            for number in (1, 2):
                lab.peer(pop, number, seed=number == 1 and index < 2)
        meter, killer = Meter(lab), Killer(lab, kills, seed)
        killer.start()
        times = []
        while killer.left > 0:
            for peer in lab.peers:
                peer.reset()
            transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), 8_000_000), lab.peers)
            transfer.share()
            killer.running.set()
            transfer.fetch()
            try:
                transfer.wait()
            except LabError:
                print(describe(lab))
                raise
            assert not transfer.wrong(), transfer.wrong()
            times.append(transfer.seconds())
            killer.running.clear()
            for peer in lab.peers:
                lab.kill(peer.process)
            print(f"{kills - killer.left} of {kills} kills, {len(times)} transfers, the last {times[-1]:.1f} s", flush=True)
            if killer.error:
                raise killer.error
        killer.running.set()
        killer.join()
        for pop in lab.pops:
            wait_for(f"{pop.name}", pop.healthy, 20)
        wait_for("the end of all leases", lambda: books(lab)["leased"] == 0, 60)
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)
        found, counted = books(lab), meter.total()
        meter.close()
        print(f"seed {seed}: {kills} kills, {len(times)} files exact for all in {min(times):.1f} to {max(times):.1f} s "
              f"(floor {transfer.floor():.1f} s); {found['charged']} bytes charged, {counted} counted, {found['lost']} lost")
        assert found["charged"] == counted > 0 and found["lost"] == 0 and not oversold(lab), (found, counted)


if __name__ == "__main__":
    sys.exit(main())
