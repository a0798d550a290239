# SPDX-License-Identifier: Apache-2.0
"""two workers beside one, in process on two CPUs with nothing else on them; and that two make right copies on virtio-user"""

from peers import Copse
from process import run_program
from session import Cell, Session

SPREADS = {"hot": "workers-hot", "mixed": "workers", "apart": "workers-apart"}
FANOUT = 8


def rows_of(found):
    rows = []
    for one in found:
        for workers, (least, rate, most) in ((1, one["one"]), (2, one["two"])):
            rows.append({"bench": SPREADS[one["spread"]], "device": "net_null", "peer": "copse", "frame": one["frame"],
                         "fanout": one["fanout"], "trees": one["trees"], "workers": workers, "copies_per_s": rate,
                         "min": least, "max": most, "cycles_per_copy": round(workers * one["tsc_hz"] / rate, 1),
                         "ratio": {"one worker": one["ratio"]} if workers == 2 else {}})
    return rows


def check(context):
    """The packets of a tree come to both workers by turns; the generator and a worker share a CPU, so nothing is timed."""
    if Copse not in context.peers():
        return
    context.reserve()
    cells = [Cell(frame, FANOUT, trees) for frame in (96, 1400) for trees in (1, 1000)]
    with Session(context.setup(workers=2).with_cells(cells), Copse) as session:
        count = sum(session.check(cell) for cell in cells)
    print(f"checked: copse with two workers on virtio-user, {count} copies, each right, none missing, in order by worker")


def run(context):
    rows = rows_of(run_program(context, "tests/bench/workers-bench"))
    check(context)
    return rows
