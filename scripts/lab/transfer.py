# SPDX-License-Identifier: Apache-2.0
"""One session on the lab: who shares, who fetches, when it is over, whether the files are exact."""

import hashlib
import http.client
import os
import time

from lab import LabError, wait_for


def random_file(path, size):
    with open(path, "wb") as handle:
        while size > 0:
            handle.write(os.urandom(min(size, 1 << 20)))
            size -= min(size, 1 << 20)
    return path


def file_hash(path):
    """SHA-256 in hex and size; (None, 0) when there is no such file."""
    digest, size = hashlib.sha256(), 0
    try:
        with open(path, "rb") as handle:
            while chunk := handle.read(1 << 20):
                digest.update(chunk)
                size += len(chunk)
    except OSError:
        return None, 0
    return digest.hexdigest(), size


class Transfer:
    more = ()  # options of every copse-peer

    def __init__(self, lab, path, peers, arrivals=None):
        """`arrivals`: {receiver: seconds after the beginning}; who is not in it comes at once."""
        self.lab, self.path, self.arrivals = lab, path, arrivals or {}
        self.seeds = [peer for peer in peers if peer.seed]
        self.receivers = [peer for peer in peers if not peer.seed]
        self.digest, self.size = file_hash(path)
        if not self.size:
            raise LabError(f"{path} is empty: nothing to share")
        self.session = self.start_time = None
        self.samples = []

    def start(self):
        """Seeds join, then the receivers, each at its arrival; time counts from there."""
        self.share()
        self.fetch()

    def share(self):
        self.seeds[0].share(self.path, None, *self.more)
        self.session = self.until("the first seed's session", lambda: self.seeds[0].session)
        for seed in self.seeds[1:]:
            seed.share(self.path, self.session, *self.more)
        self.until("all seeds in the session", lambda: self.members_that("seed") == len(self.seeds))

    def fetch(self):
        self.start_time = time.monotonic()
        arrival = lambda peer: self.arrivals.get(peer, 0)
        for peer in sorted(self.receivers, key=arrival):
            time.sleep(max(0, self.start_time + arrival(peer) - time.monotonic()))
            self.lab.check_alive()
            self.begin(peer)
        self.samples = [(self.start_time, self.lab.network.link_counters())]

    def begin(self, peer):
        peer.get(self.session, *self.more)

    def members_that(self, have):
        """How many members of the session have a property, by their PoPs' word; none when their control plane is away."""
        try:
            status, body = self.seeds[0].pop.request("GET", f"/v1/sessions/{self.session}", token=self.lab.operator)
        except (OSError, http.client.HTTPException):
            return 0
        return sum(bool(member[have]) for member in body["members"]) if status == 200 else 0

    def until(self, what, condition):
        return wait_for(what, lambda: self.lab.check_alive() or condition(), 60)

    def progress(self):
        """Mean share of the file that the receivers have."""
        shares = [peer.status.get("have", 0) / max(1, peer.status.get("blocks", 1)) for peer in self.receivers]
        return sum(shares) / max(1, len(shares))

    def finished(self):
        return all(peer.finished is not None for peer in self.receivers)

    def wait(self, each_second=lambda: None):
        """Until every receiver is done; link counters are sampled each second."""
        limit = self.start_time + 60 + 20 * self.size * 8 / (self.lab.up * len(self.seeds))
        while not self.finished():
            self.lab.check_alive()
            if time.monotonic() > limit:
                late = ", ".join(peer.name for peer in self.receivers if peer.finished is None)
                raise LabError(f"the transfer takes far too long; not done: {late}")
            time.sleep(0.1)
            if time.monotonic() - self.samples[-1][0] >= 1:
                self.samples.append((time.monotonic(), self.lab.network.link_counters()))
                each_second()
        self.samples.append((time.monotonic(), self.lab.network.link_counters()))

    def seconds(self):
        return max(peer.finished for peer in self.receivers) - self.start_time

    def floor(self):
        """No scheme is faster: every byte must leave a seed once, and enter a peer."""
        return self.size * 8 / min(self.lab.down, self.lab.up * len(self.seeds))

    def wrong(self):
        """Names of receivers whose file is not exact."""
        return [peer.name for peer in self.receivers if file_hash(peer.output)[0] != self.digest]
