# SPDX-License-Identifier: Apache-2.0
"""Whether a dataplane keeps its trees, whatever happens above it."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from report import trees_of  # noqa: E402


class Kept:
    """The trees of a session that a PoP has now, and how many packets each has had."""

    def __init__(self, lab, pop, session):
        self.lab, self.pop = lab, pop
        planned = {int(tree["id"], 16) for tree in trees_of(lab, session) if tree["status"] == "ok"}
        self.before = {tree: packets for tree, packets in self.now().items() if tree in planned}
        assert self.before, f"{pop.name} has no tree"

    def now(self):
        return {tree: row["packets"] for tree, row in self.lab.counters()[self.pop.name].tree_counters().items()}

    def check(self):
        """They are there, and none was removed and set again: its packets would begin at zero."""
        now = self.now()
        lost = [f"{tree:016x}" for tree, packets in self.before.items() if now.get(tree, -1) < packets]
        assert not lost, f"{self.pop.name} has not kept {lost}: {self.before}, then {now}"
