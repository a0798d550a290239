# SPDX-License-Identifier: Apache-2.0
"""The store's sums from outside: what accounts add up to beside what dataplanes counted in all their lives, and what trees hold
of links."""

import json
import sqlite3
import threading

SOURCES, PLACES = ("granted", "earned"), ("credit", "leased", "charged", "lost")


def books(lab):
    """Sums over all accounts, by book. Raises when an account or the leases do not add up."""
    with sqlite3.connect(f"file:{lab.database}?mode=ro", uri=True) as store:
        rows = {key: json.loads(value) for key, value in store.execute(
            "SELECT key, value FROM kv WHERE key LIKE '/accounts/%' OR key LIKE '/sessions/%/trees/%'")}
    accounts = {key: row for key, row in rows.items() if key.startswith("/accounts/")}
    for key, row in accounts.items():
        assert sum(row[f"{b}_bytes"] for b in SOURCES) == sum(row[f"{b}_bytes"] for b in PLACES), (key, row)
    sums = {book: sum(row[f"{book}_bytes"] for row in accounts.values()) for book in SOURCES + PLACES}
    grants = sum(grant["bytes"] for key, row in rows.items() if key not in accounts for grant in row["grants"])
    assert grants == sums["leased"], (grants, sums)
    return sums


def oversold(lab):
    """Links on which trees hold more than there is."""
    with sqlite3.connect(f"file:{lab.database}?mode=ro", uri=True) as store:
        rows = {key: json.loads(value) for key, value in store.execute(
            "SELECT key, value FROM kv WHERE key LIKE '/links/%' OR key LIKE '/reserved/%'")}
    budgets = {key.removeprefix("/links/"): row["bandwidth_bps"] for key, row in rows.items() if key.startswith("/links/")}
    held = {}
    for key, row in rows.items():
        if key.startswith("/reserved/"):
            for share in row.values():
                for to, bps in share["links"].items():
                    link = f"{key.removeprefix('/reserved/')}/{to}"
                    held[link] = held.get(link, 0) + bps
    return [link for link, bps in held.items() if bps > budgets[link]]


class Meter:
    """Reads what dataplanes charge, every few milliseconds, in every life they have: a mapping outlives its dataplane."""

    def __init__(self, lab):
        self.lab, self.lives, self.tenants, self.charged, self.trees = lab, {}, {}, {}, {}
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.look()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def look(self):
        """Maps the counters of lives that are new; call it after each start of a dataplane."""
        for name, counters in self.lab.counters().items():
            with self.lock:
                self.lives.setdefault((name, counters.instance), counters)

    def sample(self):
        with self.lock:
            for (name, instance), counters in self.lives.items():
                for slot, (tree, charged) in enumerate(counters.charges()):
                    tree = self.tenants[instance, slot] = tree or self.tenants.get((instance, slot), 0)
                    self.charged[instance, tree] = max(charged, self.charged.get((instance, tree), 0))
                for tree, row in counters.tree_counters().items():
                    self.trees[name, instance, tree] = row

    def run(self):
        while not self.stop.wait(0.005):
            self.sample()

    def total(self):
        """Bytes charged by all trees in all lives so far."""
        self.sample()
        return sum(self.charged.values())

    def close(self):
        self.stop.set()
        self.thread.join()
