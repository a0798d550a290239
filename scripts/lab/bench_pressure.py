# SPDX-License-Identifier: Apache-2.0
"""a port that is too slow, one that stops and goes on, one with too small an MTU: copies counted by name, none leaked"""

from counters import Counters
from peers import BenchError, Copse
from session import Cell, Session

FRAME, FANOUT = 1400, 16
SLOW = 1000000  # frames a second the port takes
RATE = 200000   # packets a second offered: three times as many copies
UNEVEN = 0.05
STOPS = 10      # of the port, each of a sample in which it takes nothing
STOP_MS = 200


def links(session):
    counters = Counters(session.setup.path("api.sock"))
    return [counters.link(slot)["packets"] for slot in range(FANOUT)]


def row(case, sample, uneven, kept):
    return {"bench": "pressure", "device": "virtio_user", "peer": "copse", "case": case, "frame": FRAME, "fanout": FANOUT,
            "trees": 1, "workers": 1, "packets": sample["generated"], "due": sample["due"], "sent": sample["sent"],
            "drops": sample["drops"], "uneven": round(uneven, 4), "kept": kept, "ratio": {}}


def slow_port(session, milliseconds):
    """Then every copy of a check must be right and there: buffers that are lost would be missed long before."""
    cell = Cell(FRAME, FANOUT)
    session.sample(cell, rate=1000, ms=20)
    before = links(session)
    sample = session.sample(cell, rate=RATE, take=SLOW, ms=milliseconds)
    got = [now - then for then, now in zip(before, links(session))]
    mean = sum(got) / FANOUT
    uneven = max(abs(one - mean) for one in got) / mean
    session.check(cell)
    return row("tx_full", sample, uneven, set(sample["drops"]) == {"tx_full"} and uneven < UNEVEN)


def stopped_port(session):
    """Its ring is not served, as that of a port that is down. Each time several times what the pools hold is dropped, and
    then every copy of a check must be right and there."""
    cell, samples = Cell(FRAME, FANOUT), []
    for _ in range(STOPS):
        samples.append(session.sample(cell, rate=RATE, take=1, ms=STOP_MS))
        session.check(cell)
    total = {name: sum(sample[name] for sample in samples) for name in ("generated", "due", "sent")}
    dropped = sum(sample["drops"].get("tx_full", 0) for sample in samples)
    total["drops"] = {"tx_full": dropped}
    return row("stopped", total, 0, all(set(sample["drops"]) == {"tx_full"} for sample in samples) and
               dropped == total["due"] - total["sent"])


def small_mtu(session):
    sample = session.sample(Cell(FRAME, FANOUT), rate=1000, ms=200)
    fits = session.sample(Cell(512, FANOUT), rate=1000, ms=200)
    return row("too_big", sample, 0, sample["drops"] == {"too_big": sample["due"]} and not fits["drops"] and fits["sent"] > 0)


def measure(context):
    context.reserve()
    with Session(context.setup(), Copse) as session:
        yield slow_port(session, 1000 if context.quick else 10000)
        yield stopped_port(session)
    context.reserve()
    with Session(context.setup(port_keys={"mtu": 1000}), Copse) as session:
        yield small_mtu(session)


def run(context):
    if Copse not in context.peers():
        return []
    rows = []
    for one in measure(context):
        print(f"{one['case']:<8} {one['due']} copies due, {one['sent']} sent, dropped {one['drops']}, next hops at most "
              f"{100 * one['uneven']:.1f} % from their mean{'' if one['kept'] else '  NOT KEPT'}", flush=True)
        rows.append(one)
    if not all(one["kept"] for one in rows):
        raise BenchError("pressure: what is not sent is not counted or not shared out as it should be")
    return rows
