# SPDX-License-Identifier: Apache-2.0
"""Samples of peers, taken in turn, and the rows they make: medians, spans, ratios to the other peers of the same run."""

import os
import statistics
import sys
import time
from collections import Counter

from network import stolen_ticks
from peers import START_S, BenchError, Copse, Process

FAR_NS = 250  # a cache line there and back: the host has placed the two CPUs near each other, or far


class Results:
    """`bench` names the rows; `variant(cell)` is what of a cell its row's other fields do not say, as in "-zipf". Samples
    count that were taken while the CPUs were as they were most of the time."""

    def __init__(self, bench, peers, variant=lambda cell: "", workers=1):
        self.bench, self.peers, self.variant, self.workers = bench, peers, variant, workers
        self.samples = {}  # (peer's name, cell) -> [(how the CPUs were, what copse-gen said)]
        self.turns = []  # (peer's name, how the CPUs were, steal %, load, ns there and back)
        self.failed = {}  # peer: why
        self.current = []

    def add(self, peer, cell, result):
        self.current.append(((peer.name, cell), result))

    def end_turn(self, name, placed, steal, trip):
        for key, result in self.current:
            self.samples.setdefault(key, []).append((placed, result))
        self.current = []
        self.turns.append((name, placed, steal, os.getloadavg()[0], trip))

    def placed(self):
        """How the CPUs were most of the time."""
        counts = Counter(placed for _, placed, *_ in self.turns)
        return max(("near", "far"), key=lambda placed: counts[placed])

    def turns_of(self, name):
        return sum(1 for peer, placed, *_ in self.turns if peer == name and placed == self.placed())

    def of(self, name, cell):
        """The samples that count; all of them if none does."""
        found, placed = self.samples.get((name, cell), []), self.placed()
        return [sample for at, sample in found if at == placed] or [sample for _, sample in found]

    def median(self, name, cell, field="copies_per_s"):
        found = self.of(name, cell)
        return statistics.median(sample[field] for sample in found) if found else None

    def row(self, peer, cell):
        found = self.of(peer.name, cell)
        rates = [sample["copies_per_s"] for sample in found]
        rate = statistics.median(rates)
        ratio = {}
        for other in self.peers:
            equivalent = other.equivalent(cell)
            against = equivalent and self.median(other.name, equivalent)
            if other is not peer and against:
                ratio[other.name] = round(rate / against, 3)
        return {"bench": self.bench + self.variant(cell), "device": peer.device, "peer": peer.name, "frame": cell.frame,
                "fanout": cell.fanout, "trees": cell.trees, "workers": self.workers, "copies_per_s": round(rate),
                "min": round(min(rates)), "max": round(max(rates)),
                "cycles_per_copy": round(self.workers * found[0]["tsc_hz"] / rate, 1) if rate else None, "ratio": ratio,
                "cpus": self.placed()}

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


def take_turn(context, setup, results, peer, take):
    """A peer that fails is named and left out from there on; copse-dataplane must not."""
    context.reserve()
    trips, before = [round_trip(setup)], stolen_ticks()
    try:
        take(peer)
    except BenchError as error:
        if peer is Copse:
            raise
        results.failed[peer.name] = str(error)
    after = stolen_ticks()
    trips.append(round_trip(setup))
    steal = 100 * (after[0] - before[0]) / max(1, after[1] - before[1])
    far = [trip > FAR_NS for trip in trips]
    placed = "moved" if far[0] != far[1] else "far" if far[0] else "near"
    results.end_turn(peer.name, placed, steal, max(trips))
    print(f"{results.bench} {peer.name}: steal {steal:.1f} %, line {trips[0]:.0f}, {trips[1]:.0f} ns", file=sys.stderr)


def interleave(context, setup, results, take):
    """`take(peer)` for every peer, in turn, as often as there are rounds; then again for those whose turns were not all
    with the CPUs as they were most of the time, as long as there is time."""
    end = time.monotonic() + context.more_until_s
    for number in range(2 * context.rounds):
        for peer in results.peers:
            again = results.turns_of(peer.name) < context.rounds and time.monotonic() < end
            if peer.name not in results.failed and (number < context.rounds or again):
                take_turn(context, setup, results, peer, take)


def print_state(results):
    """What the machine did meanwhile, and who did not finish."""
    if not results.turns:
        return
    trips = [trip for _, placed, _, _, trip in results.turns if placed == results.placed()] or [0]
    others = sum(1 for _, placed, *_ in results.turns if placed != results.placed())
    print(f"machine: steal at most {max(turn[2] for turn in results.turns):.1f} %, load at most "
          f"{max(turn[3] for turn in results.turns):.1f}, CPUs {results.placed()}: a cache line there and back "
          f"{min(trips):.0f} to {max(trips):.0f} ns" +
          (f"; not counted: {others} of {len(results.turns)} turns in which they were otherwise or moved" if others else ""))
    for peer in results.peers:
        if peer.name not in results.failed and results.turns_of(peer.name) == 0:
            print(f"note: {peer.name} had no turn with the CPUs like that: its ratios are of different machines")
    for reason in results.failed.values():
        print(f"failed: {reason}")
