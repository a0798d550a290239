# SPDX-License-Identifier: Apache-2.0
"""loss and latency from a tenth of what a peer can to half as much again"""

import statistics

from ovs import OpenVSwitch
from peers import Bare, Copse, Testpmd
from results import Results, interleave, print_state
from session import Cell, Session

LOADS = (10, 25, 50, 75, 90, 100, 120, 150)  # percent of the packets a second that the peer takes when it may
QUICK = (10, 50, 90, 150)
FRAMES = (96, 1400)
FANOUT = 8
QUANTILES = ("min", "p10", "p25", "p50", "p75", "p90", "p99", "p99.9", "p99.99", "max")


def lost(sample, fanout):
    """Of the copies that were due: of packets for which there was no buffer, and of those received. What the generator was
    too late for was not offered."""
    due = (sample["generated"] + sample["missed"]) * fanout
    return 1 - sample["received"] / due if due else 0


def row(results, peer, cell, load):
    found = results.of(peer.name, (cell, load))
    rates = [sample["copies_per_s"] for sample in found]
    drops = {}
    for sample in found:
        for name, count in {**sample.get("drops", {}), "rx_missed": sample["missed"] * cell.fanout}.items():
            drops[name] = drops.get(name, 0) + count
    return {"bench": "load", "device": peer.device, "peer": peer.name, "frame": cell.frame, "fanout": cell.fanout,
            "trees": 1, "workers": 1, "load": load, "copies_per_s": round(statistics.median(rates)), "min": round(min(rates)),
            "max": round(max(rates)), "offered_per_s": round(statistics.median(
                [sample["offered_per_s"] * cell.fanout for sample in found])),
            "loss": round(statistics.median(lost(sample, cell.fanout) for sample in found), 6), "drops": drops,
            "latency_ns": {name: statistics.median(sample["latency_ns"][name] for sample in found) for name in QUANTILES},
            "ratio": {}, "cpus": results.placed()}


def rows_of(results):
    by_name = {peer.name: peer for peer in results.peers}
    rows = [row(results, by_name[name], *key) for name, key in results.samples]
    latency = {(row["peer"], row["frame"], row["load"]): row["latency_ns"]["p50"] for row in rows}
    for one in rows:
        one["ratio"] = {peer.name: round(one["latency_ns"]["p50"] / latency[peer.name, one["frame"], one["load"]], 3)
                        for peer in results.peers if peer.name != one["peer"] and
                        latency.get((peer.name, one["frame"], one["load"]))}
    return sorted(rows, key=lambda one: (one["frame"], one["peer"], one["load"]))


def print_table(rows):
    print("load: percent of what this peer took at most; latency: from writing a packet to finding a copy, us")
    print("frame fanout  peer         load  Mcopies/s   loss       p50     p99    p99.9      max   copies lost to")
    for one in rows:
        times = "".join(f"{one['latency_ns'][name] / 1000:9.1f}" for name in ("p50", "p99", "p99.9", "max"))
        drops = " ".join(f"{name} {count}" for name, count in one["drops"].items() if count)
        print(f"{one['frame']:>5} {one['fanout']:>6}  {one['peer']:<11} {one['load']:>4} %  {one['copies_per_s'] / 1e6:>8.2f}  "
              f"{100 * one['loss']:>7.3f} % {times}  {drops}")


def run(context):
    peers = context.peers(Testpmd, Bare, OpenVSwitch, Copse)
    setup, results = context.setup(milliseconds=min(context.milliseconds, 300)), Results("load", peers)

    def take(peer):
        with Session(setup, peer) as session:
            for frame in context.frames or ((1400,) if context.quick else FRAMES):
                cell = peer.equivalent(Cell(frame, FANOUT))
                most = session.sample(cell, sink="time")["mean_per_s"] / cell.fanout
                for load in QUICK if context.quick else LOADS:
                    results.add(peer, (cell, load), session.sample(cell, sink="time", rate=round(most * load / 100)))

    rows = []
    try:
        interleave(context, setup, results, take)
        rows = rows_of(results)
    finally:
        print_table(rows)
        print_state(results)
    return rows
