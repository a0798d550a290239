# SPDX-License-Identifier: Apache-2.0
"""BuildTrees at 10 to 1000 PoPs: from nothing, one area more or less, the paper's pseudo code, the distance to the bound"""

import json
import os
import subprocess

from peers import BenchError

LITERAL = {10: 10, 100: 100, 300: 40, 1000: 3}  # trees of the pseudo code, O(k^3) each, that are waited for
CHANGES = ("join_last", "leave_last", "join_any", "leave_any")
NETWORKS = ("random", "equal", "contended")
GAPS = [(6, "equal", 100, 1), (6, "random", 100, 101), (6, "random", 60, 101), (30, "random", 100, 21), (30, "random", 30, 21),
        (100, "random", 100, 5), (100, "random", 10, 5)]


def measured(context, *words):
    command = [os.path.join(context.build, "tests/trees/trees-bench"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return json.loads(done.stdout)


def timed(context, pops, network):
    row = measured(context, "time", pops, network, 101, LITERAL[pops])
    # One of its trees against one of ours; where links are contended it finds none, as it knows no second tier.
    row["ratio"] = None
    if row["literal_edges"]:
        row["ratio"] = round(row["literal_ms"] / row["literal_trees"] / (row["full_ms"] / pops), 1)
    return row


def print_timed(row):
    literal = f"{row['literal_ms']:9.2f} for {row['literal_trees']:>3} trees  x{row['ratio']:.0f} a tree" if row["ratio"] else "finds no tree"
    changes = "".join(f"{row[change + '_ms']:7.2f} /{row[change + '_max_ms']:6.2f}" for change in CHANGES)
    print(f"{row['pops']:>5} {row['network']:<10} {row['full_ms']:8.2f} {changes} {row['improve_ms']:8.2f}  {literal}", flush=True)


def run(context):
    rows = []
    print("milliseconds of CPU, medians / worst; a full mesh, one tree per PoP; an area joins last and leaves, any joins, any leaves\n"
          " pops network        full      join last     leave last       join any      leave any  improve  the paper's pseudo code")
    for pops in (10, 100, 300, 1000):
        for network in NETWORKS:
            rows.append(timed(context, pops, network))
            print_timed(rows[-1])
    print("the largest rate at which every area gets a tree, as a share of what no plan can exceed (max-flow)\n"
          " pops network  density  networks  median     p10   worst  optimal")
    for gap in GAPS[:5] if context.quick else GAPS:
        row = measured(context, "gap", *gap)
        rows.append(row)
        print(f"{row['pops']:>5} {row['network']:<8} {row['density']:>6} % {row['networks']:>9} {row['median']:>7.3f} "
              f"{row['p10']:>7.3f} {row['worst']:>7.3f} {row['optimal']:>8}", flush=True)
    return rows
