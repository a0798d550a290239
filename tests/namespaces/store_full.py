#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The disk under the store is full in the middle of a transfer: control planes say so and answer so, dataplanes go on, the store
stays whole, and once there is room again everything goes on by itself and no byte is lost from the books."""

import errno
import os
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from books import Meter, books  # noqa: E402
from lab import Lab, wait_for  # noqa: E402
from network import private_mounts  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402

DISK_BYTES = 32 << 20
FULL_S = 3


class SmallDisk(Lab):
    """The store is on a file system of its own, which nobody outside this process sees."""

    def start_pops(self):
        self.disk = os.path.join(self.directory, "disk")
        os.mkdir(self.disk, 0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "copse-store", self.disk], check=True)
        self.database = os.path.join(self.disk, "store.db")
        super().start_pops()

    def close(self):
        subprocess.run(["umount", "--lazy", os.path.join(self.directory, "disk")], stderr=subprocess.DEVNULL)
        super().close()

    def fill(self, path):
        """Takes what is left, to the last block."""
        with open(path, "wb", buffering=0) as handle:
            for size in (65536, 4096):
                try:
                    while handle.write(bytes(size)) == size:
                        pass
                except OSError as error:
                    assert error.errno == errno.ENOSPC, error

    def said(self, text):
        """Control planes that have said so."""
        found = []
        for pop in self.pops:
            with open(os.path.join(self.directory, f"{pop.name}-controlplane.log"), errors="replace") as handle:
                if any(text in line for line in handle):
                    found.append(pop.name)
        return found

    def integrity(self):
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as store:
            return store.execute("PRAGMA integrity_check").fetchone()[0]

    def copies(self):
        return sum(counters.totals()["copies_sent"] for counters in self.counters().values())


def main():
    private_mounts()
    with SmallDisk(3) as lab:
        for index, pop in enumerate(lab.pops):
            for number in (1, 2):
                lab.peer(pop, number, seed=number == 1 and index < 2)
        meter = Meter(lab)
        transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), 24_000_000), lab.peers)
        transfer.start()
        transfer.until("a tenth of the file", lambda: transfer.progress() > 0.1)
        ballast = os.path.join(lab.disk, "ballast")
        lab.fill(ballast)
        wait_for("who says that the disk is full",
                 lambda: lab.check_alive() or lab.said("is not written: the store: database or disk is full"), 60)
        full, sent = time.monotonic(), lab.copies()
        status, body = lab.pops[0].request("POST", "/v1/accounts", {"name": "late", "credit_bytes": 1}, lab.operator)
        assert status == 503 and body["detail"] == "the store cannot do this now: No space left on device", (status, body)
        time.sleep(FULL_S)
        forwarded = lab.copies() - sent
        assert forwarded > 0, "nothing was forwarded while the disk was full"
        assert lab.integrity() == "ok", lab.integrity()
        books(lab)
        lab.check_alive()
        os.unlink(ballast)
        freed = time.monotonic()
        status, body = lab.pops[0].request("POST", "/v1/accounts", {"name": "late", "credit_bytes": 1}, lab.operator)
        assert status == 201, (status, body)
        wait_for("who says that there is room again", lambda: lab.said("the store can be written again"), 30)
        transfer.wait()
        assert not transfer.wrong(), transfer.wrong()
        for peer in lab.peers:
            lab.kill(peer.process)
        wait_for("the end of all leases", lambda: books(lab)["leased"] == 0, 90)
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)
        found, counted = books(lab), meter.total()
        meter.close()
        assert lab.integrity() == "ok", lab.integrity()
        assert found["charged"] == counted > 0 and found["lost"] == 0, (found, counted)
        print(f"disk full for {freed - full:.1f} s: {forwarded} copies sent meanwhile, all files exact after {transfer.seconds():.1f} s "
              f"(floor {transfer.floor():.1f} s), {counted} bytes counted and charged, the store is whole")


if __name__ == "__main__":
    sys.exit(main())
