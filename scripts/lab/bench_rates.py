# SPDX-License-Identifier: Apache-2.0
"""trees held to their bounds: real time on the device, in process simulated time and two workers"""

import threading
import time

from counters import Counters
from peers import Copse
from process import run_program
from session import Cell, Session

FRAME, LAYER3 = 1400, 1386
BURST_US = 4000  # the control plane's default
SETTLE_S = 0.5
ATTEMPTS = 3  # a core that is away for longer than a bucket is deep costs rate
# trees, bound of each in bit/s, offered to each as a multiple of it, and to the first instead (0: the same)
CELLS = [(1, 64e3, 2, 0), (1, 1e6, 10, 0), (1, 1e8, 2, 0), (1, 1e9, 2, 0), (1, 1e10, 1.3, 0),
         (10, 64e3, 2, 0), (10, 1e7, 10, 0), (10, 1e8, 0.5, 0), (10, 1e9, 1.2, 0), (10, 1e7, 0.5, 100),
         (1000, 64e3, 2, 0), (1000, 1e6, 2, 0), (1000, 1e7, 0.5, 0), (1000, 1e7, 1.2, 0)]
QUICK = [(1, 1e9, 2, 0), (10, 1e7, 0.5, 100), (1000, 1e6, 2, 0)]


class Watch(threading.Thread):
    """Reads all trees twice, `seconds` apart by the wall clock, while the generator runs."""

    def __init__(self, path, trees, seconds):
        super().__init__()
        self.counters, self.trees, self.seconds = Counters(path), trees, seconds
        self.before = self.after = None

    def read(self):
        begin = time.monotonic()
        block = self.counters.tree_block(self.trees)
        return (begin + time.monotonic()) / 2, block

    def run(self):
        time.sleep(SETTLE_S)
        self.before = self.read()
        time.sleep(self.seconds)
        self.after = self.read()

    def result(self):
        """Seconds, and what each tree counted in them."""
        self.join()
        (begin, before), (end, after) = self.before, self.after
        pairs = zip(self.counters.tree_slots(before), self.counters.tree_slots(after))
        return end - begin, [{name: now[name] - then[name] for name in now} for then, now in pairs]


def measure(session, cell, seconds):
    trees, bps, load, greedy = cell
    turns = round(greedy / load) if greedy else 1
    watch = Watch(session.setup.path("api.sock"), trees, seconds)
    watch.start()
    sample = session.sample(Cell(FRAME, 1, trees), bps=int(bps), burst_us=BURST_US, greedy=turns,
                            rate=round(bps * load * (trees - 1 + turns) / (8 * LAYER3)),
                            ms=round(1000 * (seconds + 2 * SETTLE_S)))
    passed, counted = watch.result()
    return row(cell, passed, counted, sample)


def row(cell, seconds, counted, sample):
    trees, bps, load, greedy = cell
    packet = 8 * LAYER3 / (bps * seconds)  # as a part of the bound
    carried = [(tree["green"] + tree["yellow"]) * packet for tree in counted]
    alike = carried[1:] if greedy else carried
    return {"bench": "rates", "device": "virtio_user", "peer": "copse", "cell": "greedy" if greedy else "grid",
            "time": "real", "workers": 1, "frame": FRAME, "fanout": 1, "trees": trees, "bps": int(bps), "load": load,
            "seconds": round(seconds, 3), "burst_us": BURST_US, "lowest": round(min(alike), 5),
            "highest": round(max(alike), 5), "granularity": round(packet * (1 if bps * BURST_US / 8e6 > LAYER3 else 2), 5),
            "lost": sum(tree["drop red"] for tree in counted[1 if greedy else 0:]), "greedy_load": greedy,
            "greedy": round(carried[0], 5) if greedy else 0, "packets": sample["generated"], "still": still(sample),
            "ratio": {}}


def still(sample):
    """The part of the time in which a hypervisor or another program had a core: what was due and could not be offered."""
    away = sample["late"] + sample["missed"]
    return round(away / (away + sample["generated"]), 5)


def kept(one):
    """From a load of 1 on each tree is within half a percent below its bound, below it nothing is lost; one packet is
    the granularity, two where the bucket is shallower than one. What was not offered is not missed."""
    slack = one["granularity"]
    least = 0.995 - slack - one.get("still", 0)
    greedy = not one["greedy"] or least <= one["greedy"] <= 1 + slack
    if one["load"] < 1:
        return greedy and one["lost"] == 0
    return greedy and least <= one["lowest"] and one["highest"] <= 1 + slack


def percent(part):
    return f"{100 * (part - 1):+9.3f}"


def print_row(one):
    greedy = f"  the greedy one, offered {one['greedy_load']} times its bound: {percent(one['greedy'])}" if one["greedy"] else ""
    print(f"{one['trees']:>5} {one['bps'] / 1e6:>10.3f} {one['load']:>5} {percent(one['lowest'])} {percent(one['highest'])} "
          f"{100 * one['granularity']:>9.3f} {100 * one['still']:>7.3f} {one['lost']:>9}  {'kept' if one['kept'] else 'NOT KEPT'}"
          f"{'' if one['attempts'] == 1 else ', attempt ' + str(one['attempts'])}{greedy}", flush=True)


def real(context, seconds):
    cells = QUICK if context.quick else CELLS
    print("trees     Mbit/s  load  lowest % highest % granul. % still %      lost")
    context.reserve()
    with Session(context.setup(trees=max(cell[0] for cell in cells)), Copse) as session:
        session.sample(Cell(FRAME, 1), rate=1000, ms=20)  # then its socket is there
        for cell in cells:
            for attempt in range(1, ATTEMPTS + 1):
                one = measure(session, cell, seconds)
                one.update(kept=kept(one), attempts=attempt)
                if one["kept"]:
                    break
            print_row(one)
            yield one


def print_in_process(rows):
    for clock, workers in dict.fromkeys((one["time"], one["workers"]) for one in rows):
        group = [one for one in rows if (one["time"], one["workers"]) == (clock, workers)]
        full = [one for one in group if one["load"] >= 1 and one["bps"] >= 1e6]
        print(f"in process, {clock}, {workers} workers: {len(group)} cells; those offered 1 Mbit/s or more, and their bound or more: "
              f"{percent(min(one['lowest'] for one in full)).strip()} to {percent(max(one['highest'] for one in full)).strip()} %")
    for one in rows:
        if not one["kept"]:
            print(f"NOT KEPT: {one}")


def in_process(context):
    rows = []
    for one in run_program(context, "tests/bench/rates-bench", *(["--quick"] if context.quick else []), show=False):
        one = {"bench": "rates", "device": "net_ring", "peer": "copse", "frame": one.pop("packet") + 14, "fanout": 1, **one,
               "ratio": {}}
        rows.append({**one, "kept": kept(one)})
    print_in_process(rows)
    return rows


def run(context):
    if Copse not in context.peers():
        return
    yield from real(context, 2 if context.quick else 10)
    yield from in_process(context)
