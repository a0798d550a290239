# SPDX-License-Identifier: Apache-2.0
"""an idle dataplane: its share of a core, and how long the first packet after a silence takes"""

import os
import time

from counters import Counters
from peers import Copse
from session import Cell, Session

FRAME = 1400
GOAL_CPU, GOAL_US = 0.02, 1000


def busy_ns(pid):
    """CPU time of each thread."""
    times = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as handle:
            times[int(thread)] = int(handle.read().split()[0])
    return times


def shares(session, seconds):
    """What part of a core all threads and the main thread take, and how often a second the worker wakes."""
    pid, counters = session.peer.process.child.pid, Counters(session.setup.path("api.sock"))
    begin, before, sleeps = time.monotonic(), busy_ns(pid), counters.totals()["sleeps"]
    time.sleep(seconds)
    passed, after = time.monotonic() - begin, busy_ns(pid)
    took = {thread: (now - before.get(thread, 0)) / 1e9 / passed for thread, now in after.items()}
    return {"cpu": round(sum(took.values()), 4), "main_cpu": round(took[pid], 4),
            "wakes_per_s": round((counters.totals()["sleeps"] - sleeps) / passed)}


def measure(context, trials, seconds):
    context.reserve()
    with Session(context.setup(keys={"idle": '"adaptive"'}), Copse) as session:
        session.sample(Cell(FRAME, 1), rate=1000, ms=100)  # what is done once is done
        share = shares(session, seconds)
        sample = session.sample(Cell(FRAME, 1), first=trials)
    times = sample["latency_ns"]
    return {"bench": "idle", "device": "virtio_user", "peer": "copse", "frame": FRAME, "fanout": 1, "trees": 1, "workers": 1,
            **share, "seconds": seconds, "trials": trials, "answered": times["samples"],
            "first_ns": {name: times[name] for name in ("min", "p50", "p99", "max")}, "ratio": {}}


def kept(one):
    return one["cpu"] < GOAL_CPU and one["answered"] == one["trials"] and one["first_ns"]["p99"] < 1000 * GOAL_US


def run(context):
    if Copse not in context.peers():
        return []
    one = measure(context, 60 if context.quick else 300, 3 if context.quick else 10)
    times = {name: value / 1000 for name, value in one["first_ns"].items()}
    one["kept"] = kept(one)
    print(f"idle, adaptive: {100 * one['cpu']:.2f} % of a core over {one['seconds']} s (goal: less than {100 * GOAL_CPU:.0f} %), "
          f"{100 * one['main_cpu']:.2f} % of it the main thread; the worker wakes {one['wakes_per_s']} times a second, "
          f"{1e6 * (one['cpu'] - one['main_cpu']) / one['wakes_per_s']:.1f} us each")
    print(f"first packet after 50 to 300 ms of silence, {one['answered']} of {one['trials']}: p50 {times['p50']:.0f} us, "
          f"p99 {times['p99']:.0f} us, max {times['max']:.0f} us (goal: p99 less than {GOAL_US} us)"
          f"{'' if one['kept'] else '  NOT KEPT'}")
    return [one]
