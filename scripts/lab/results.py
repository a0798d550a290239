# SPDX-License-Identifier: Apache-2.0
"""Samples of peers, taken in turn, and the rows they make: medians, spans, ratios to the other peers of the same run."""

import os
import statistics
import sys

from network import stolen_ticks
from peers import START_S, BenchError, Copse, Process


class Results:
    """`bench` names the rows; `variant(cell)` is what of a cell its row's other fields do not say, as in "-zipf"."""

    def __init__(self, bench, peers, variant=lambda cell: ""):
        self.bench, self.peers, self.variant = bench, peers, variant
        self.samples = {}  # (peer's name, cell) -> [what copse-gen said]
        self.states, self.failed = [], {}  # (round, peer, steal %, load, ns there and back); peer: why

    def add(self, peer, cell, result):
        self.samples.setdefault((peer, cell), []).append(result)

    def median(self, peer, cell, name="copies_per_s"):
        found = self.samples.get((peer, cell))
        return statistics.median(sample[name] for sample in found) if found else None

    def row(self, peer, cell):
        found = self.samples[peer.name, cell]
        rates = [sample["copies_per_s"] for sample in found]
        rate = statistics.median(rates)
        ratio = {}
        for other in self.peers:
            equivalent = other.equivalent(cell)
            against = equivalent and self.median(other.name, equivalent)
            if other is not peer and against:
                ratio[other.name] = round(rate / against, 3)
        return {"bench": self.bench + self.variant(cell), "device": peer.device, "peer": peer.name, "frame": cell.frame,
                "fanout": cell.fanout, "trees": cell.trees, "workers": 1, "copies_per_s": round(rate),
                "min": round(min(rates)), "max": round(max(rates)),
                "cycles_per_copy": round(found[0]["tsc_hz"] / rate, 1) if rate else None, "ratio": ratio}

    def rows(self):
        by_name = {peer.name: peer for peer in self.peers}
        return [self.row(by_name[name], cell) for name, cell in self.samples]


def round_trip(setup):
    """Nanoseconds a cache line takes between the two CPUs and back."""
    line = Process("copse-line", [setup.program("tools/gen/copse-line")], setup.path("copse-line.log"))
    try:
        return float(line.hear(START_S))
    finally:
        line.stop()


def interleave(context, setup, results, take):
    """`take(peer, number)` for every peer, in turn, as often as there are rounds. A peer that fails is named and left out
    from there on; copse-dataplane must not."""
    for number in range(context.rounds):
        for peer in [peer for peer in results.peers if peer.name not in results.failed]:
            context.reserve()
            trip, before = round_trip(setup), stolen_ticks()
            try:
                take(peer, number)
            except BenchError as error:
                if peer is Copse:
                    raise
                results.failed[peer.name] = str(error)
            after = stolen_ticks()
            steal = 100 * (after[0] - before[0]) / max(1, after[1] - before[1])
            results.states.append((number, peer.name, steal, os.getloadavg()[0], trip))
            print(f"{results.bench} {number + 1}/{context.rounds} {peer.name}: steal {steal:.1f} %, line {trip:.0f} ns",
                  file=sys.stderr)


def print_state(results):
    """What the machine did meanwhile, and who did not finish."""
    trips = [trip for *_, trip in results.states]
    if not trips:
        return
    print(f"machine: steal at most {max(steal for _, _, steal, _, _ in results.states):.1f} %, load "
          f"{max(load for _, _, _, load, _ in results.states):.1f}, cache line there and back {min(trips):.0f} to {max(trips):.0f} ns")
    if max(trips) > 2 * min(trips):
        print("note: the host moved the CPUs apart or together during this run: do not compare figures across it")
        for number, name, _, _, trip in results.states:
            print(f"      round {number + 1} {name}: {trip:.0f} ns")
    for reason in results.failed.values():
        print(f"failed: {reason}")
