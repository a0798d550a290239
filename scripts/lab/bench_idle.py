# SPDX-License-Identifier: Apache-2.0
"""an idle dataplane: its share of a core, and how long the first packet after a silence takes"""

import os
import time

from peers import Copse
from session import Cell, Session

FRAME = 1400
GOAL_CPU, GOAL_US = 0.02, 1000


def busy_ns(pid):
    """CPU time of all threads."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as handle:
            total += int(handle.read().split()[0])
    return total


def share_of_core(pid, seconds):
    begin, before = time.monotonic(), busy_ns(pid)
    time.sleep(seconds)
    return (busy_ns(pid) - before) / 1e9 / (time.monotonic() - begin)


def measure(context, trials, seconds):
    context.reserve()
    with Session(context.setup(keys={"idle": '"adaptive"'}), Copse) as session:
        session.sample(Cell(FRAME, 1), rate=1000, ms=100)  # what is done once is done
        cpu = share_of_core(session.peer.process.child.pid, seconds)
        sample = session.sample(Cell(FRAME, 1), first=trials)
    times = sample["latency_ns"]
    return {"bench": "idle", "device": "virtio_user", "peer": "copse", "frame": FRAME, "fanout": 1, "trees": 1, "workers": 1,
            "cpu": round(cpu, 4), "seconds": seconds, "trials": trials, "answered": times["samples"],
            "first_ns": {name: times[name] for name in ("min", "p50", "p99", "max")}, "ratio": {}}


def kept(one):
    return one["cpu"] < GOAL_CPU and one["answered"] == one["trials"] and one["first_ns"]["p99"] < 1000 * GOAL_US


def run(context):
    if Copse not in context.peers():
        return []
    one = measure(context, 60 if context.quick else 300, 3 if context.quick else 10)
    times = {name: value / 1000 for name, value in one["first_ns"].items()}
    one["kept"] = kept(one)
    print(f"idle, adaptive: {100 * one['cpu']:.2f} % of a core over {one['seconds']} s (goal: less than {100 * GOAL_CPU:.0f} %)")
    print(f"first packet after 50 to 300 ms of silence, {one['answered']} of {one['trials']}: p50 {times['p50']:.0f} us, "
          f"p99 {times['p99']:.0f} us, max {times['max']:.0f} us (goal: p99 less than {GOAL_US} us)"
          f"{'' if one['kept'] else '  NOT KEPT'}")
    return [one]
