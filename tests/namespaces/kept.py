# SPDX-License-Identifier: Apache-2.0
"""Whether a dataplane keeps its trees, whatever happens above it."""


class Kept:
    """The trees that a PoP has now, and how many packets each has had."""

    def __init__(self, lab, pop):
        self.lab, self.pop = lab, pop
        self.before = self.now()
        assert self.before, f"{pop.name} has no tree"

    def now(self):
        return {tree: row["packets"] for tree, row in self.lab.counters()[self.pop.name].tree_counters().items()}

    def check(self):
        """They are there, and none was removed and set again: its packets would begin at zero."""
        now = self.now()
        lost = [f"{tree:016x}" for tree, packets in self.before.items() if now.get(tree, -1) < packets]
        assert not lost, f"{self.pop.name} has not kept {lost}: {self.before}, then {now}"
