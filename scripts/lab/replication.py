# SPDX-License-Identifier: Apache-2.0
"""How many copies a second of which cells: what the benches of replication share."""

import statistics

from results import interleave, print_state
from session import Session


def cells_of(peer, cells, quick):
    fewer = peer.quick_fanouts if quick else None
    mine = dict.fromkeys(peer.equivalent(cell) for cell in cells)
    return [cell for cell in mine if cell and (not fewer or cell.fanout in fewer)]


def loading(results):
    """Seconds that copse-dataplane took for many trees, where they were new to it."""
    found = {}
    for name, cell in results.samples:
        seconds = [sample.get("table_s", 0) for sample in results.of(name, cell)]
        if cell.trees >= 1000 and min(seconds) > 0:
            found[cell] = statistics.median(seconds)
    return found


def describe(cell):
    return f"{cell.frame:>5} {cell.fanout:>6} {cell.trees:>7}{'z' if cell.zipf else ' '} {cell.kind}"


def print_table(results, checked):
    print("copies/s in millions (median [min-max] of the p90 of 20 ms slices), ratios to the same run; "
          "* the generator was the limit")
    print("frame fanout   trees  next hop  peer           Mcopies/s                cycles/copy  copse x peer")
    by_name = {peer.name: peer for peer in results.peers}
    for (name, cell) in sorted(results.samples, key=lambda key: (key[1].kind, key[1].trees, key[1].zipf, *key[1][:2])):
        row = results.row(by_name[name], cell)
        ratio = "  ".join(f"{other} {value:.2f}" for other, value in row["ratio"].items()) if name == "copse" else ""
        limit = "*" if results.median(name, cell, "full") < 0.5 else " "
        span = f"{row['copies_per_s'] / 1e6:6.2f}{limit} [{row['min'] / 1e6:.2f}-{row['max'] / 1e6:.2f}]"
        print(f"{describe(cell):<30} {name:<14} {span:<24} {row['cycles_per_copy'] or 0:>8}     {ratio}")
    for name, count in checked.items():
        print(f"checked: {name}, {count} copies, each right, none missing that is not counted")
    for cell, seconds in loading(results).items():
        print(f"table: {cell.trees} trees of {cell.fanout} next hops loaded over the socket in {seconds:.2f} s (median)")
    print_state(results)


def replicate(context, setup, results, cells):
    """All cells of all peers; those that can be checked are, once. Returns the rows."""
    checked = {}

    def take(peer):
        first = peer.name not in {name for name, *_ in results.turns}
        with Session(setup, peer) as session:
            for cell in cells_of(peer, cells, context.quick):
                results.add(peer, cell, session.sample(cell))
                if first and peer.expect in ("bare", "copse") and (peer.api or cell.fanout <= setup.descriptors):
                    checked[peer.name] = checked.get(peer.name, 0) + session.check(cell)

    try:
        interleave(context, setup, results, take)
    finally:
        print_table(results, checked)
    return results.rows()
