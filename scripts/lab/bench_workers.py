# SPDX-License-Identifier: Apache-2.0
"""two workers beside one, in process on two CPUs with nothing else on them; on virtio-user, that two make right copies, and
what one costs beside another"""

from counters import WORKER, Counters
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
                         "ratio": {"one worker": one["ratio"]} if workers == 2 else {}, "line_ns": one["line_ns"]})
    return rows


def counted(session, cell):
    """What each worker counts during a sample, by name, without drops."""
    counters = Counters(session.setup.path("api.sock"))
    before = [counters.worker(number) for number in range(counters.workers)]
    session.sample(cell)
    after = [counters.worker(number) for number in range(counters.workers)]
    return [{name: now - then for name, then, now in zip(WORKER, *pair)} for pair in zip(before, after)]


def on_device(context):
    """Cycles of a copy of the worker that has a CPU for itself, alone and beside another. That one shares the generator's
    CPU: nobody takes its copies while it runs, so that they find its ring full, and what it costs cannot be said."""
    cell = Cell(512, FANOUT, 1000)
    for workers in (1, 2):
        context.reserve()
        with Session(context.setup(workers=workers, milliseconds=1000).with_cells([cell]), Copse) as session:
            session.sample(cell, ms=20)
            first, *others = counted(session, cell)
        cycles = round(first["busy_cycles"] / first["copies_due"], 1)
        sent = "".join(f"; the other one sends {one['copies_sent']} of {one['copies_due']} copies" for one in others)
        print(f"virtio-user, {cell.frame} B, {cell.trees} trees, {workers} workers: {cycles} cycles a copy{sent}", flush=True)
        yield {"bench": "workers-device", "device": "virtio_user", "peer": "copse", "frame": cell.frame, "fanout": FANOUT,
               "trees": cell.trees, "workers": workers, "cycles_per_copy": cycles, "ratio": {}}


def check(context):
    """The packets of a tree come to both workers by turns; the generator and a worker share a CPU, so workers that have
    nothing to do sleep."""
    context.reserve()
    cells = [Cell(frame, FANOUT, trees) for frame in (96, 1400) for trees in (1, 1000)]
    with Session(context.setup(workers=2, keys={"idle": '"adaptive"'}).with_cells(cells), Copse) as session:
        count = sum(session.check(cell) for cell in cells)
    print(f"checked: copse with two workers on virtio-user, {count} copies, each right, none missing, in order by worker")


def run(context):
    yield from rows_of(run_program(context, "tests/bench/workers-bench"))
    if Copse in context.peers():
        yield from on_device(context)
        check(context)
