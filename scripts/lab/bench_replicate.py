# SPDX-License-Identifier: Apache-2.0
"""copies a second of one core, beside all peers: frame sizes, fan-outs, trees, local peers"""

import statistics

from goals import FRAMES
from results import Results, interleave, print_state
from session import Cell, Session


def matrix(context):
    if context.fanouts:
        cells = [Cell(frame, fanout) for frame in FRAMES for fanout in context.fanouts]
    elif context.quick:
        cells = [Cell(frame, fanout) for frame in FRAMES for fanout in (1, 8, 16, 32)]
    else:
        cells = [Cell(frame, fanout) for frame in FRAMES for fanout in (1, 2, 4, 8, 16, 32, 64)]
        cells += [Cell(frame, 8, trees, zipf) for frame in FRAMES for trees in (1000, 100000) for zipf in (0, 1)]
        cells += [Cell(frame, fanout, kind="member") for frame in FRAMES for fanout in (8, 1000)]
    if context.frames:
        cells = [cell._replace(frame=frame) for frame in context.frames for cell in cells if cell.frame == FRAMES[0]]
    return cells


def variant(cell):
    return ("-zipf" if cell.zipf else "") + ("-peers" if cell.kind == "member" else "")


def cells_of(peer, cells, quick):
    fewer = peer.quick_fanouts if quick else None
    mine = dict.fromkeys(peer.equivalent(cell) for cell in cells)
    return [cell for cell in mine if cell and (not fewer or cell.fanout in fewer)]


def loading(results):
    """Seconds that copse-dataplane took for many trees, where they were new to it."""
    found = {}
    for (_, cell), samples in results.samples.items():
        seconds = [sample.get("table_s", 0) for sample in samples]
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


def run(context):
    cells, checked = matrix(context), {}
    setup = context.setup().with_cells(cells)
    results = Results("replicate", context.peers(), variant)

    def take(peer, number):
        with Session(setup, peer) as session:
            for cell in cells_of(peer, cells, context.quick):
                results.add(peer.name, cell, session.sample(cell))
                if number == 0 and peer.expect in ("bare", "copse") and (peer.api or cell.fanout <= setup.descriptors):
                    checked[peer.name] = checked.get(peer.name, 0) + session.check(cell)

    try:
        interleave(context, setup, results, take)
    finally:
        print_table(results, checked)
    return results.rows()
