# SPDX-License-Identifier: Apache-2.0
"""a port that is too slow, one that stops and goes on, one with too small an MTU, one whose other end is killed and
comes back: copies counted by name, none leaked"""

from counters import Counters
from peers import Copse
from session import Cell, Session
from waiting import wait_for

FRAME, FANOUT = 1400, 16
SLOW = 1000000  # frames a second the port takes
RATE = 200000   # packets a second offered: three times as many copies
UNEVEN = 0.05
STOPS = 10      # of the port, each of a sample in which it takes nothing
STOP_MS = 200
DEATHS = 10     # of the other end, each under full load
DEATH_COPIES, DEATH_MS, WAIT_S, STEP_S = 100000, 10000, 20, 0.005


def links(session):
    counters = Counters(session.setup.path("api.sock"))
    return [counters.link(slot)["packets"] for slot in range(FANOUT)]


def row(case, sample, kept, **more):
    return {"bench": "pressure", "device": "virtio_user", "peer": "copse", "case": case, "frame": FRAME, "fanout": FANOUT,
            "trees": 1, "workers": 1, "packets": sample["generated"], "due": sample["due"], "sent": sample["sent"],
            "drops": sample["drops"], **more, "kept": kept, "ratio": {}}


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
    return row("tx_full", sample, set(sample["drops"]) == {"tx_full"} and uneven < UNEVEN, uneven=round(uneven, 4))


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
    return row("stopped", total, all(set(sample["drops"]) == {"tx_full"} for sample in samples) and
               dropped == total["due"] - total["sent"])


def small_mtu(session):
    sample = session.sample(Cell(FRAME, FANOUT), rate=1000, ms=200)
    fits = session.sample(Cell(512, FANOUT), rate=1000, ms=200)
    return row("too_big", sample, sample["drops"] == {"too_big": sample["due"]} and not fits["drops"] and fits["sent"] > 0)


def said(session, what):
    """How often the dataplane's log says this of its port."""
    with open(session.peer.process.log) as handle:
        return handle.read().count(f": net_virtio_user0 is {what}\n")


def kill_other_end(session, counters):
    """In the middle of its work; the next one finds every copy of a check right and there."""
    cell, due = Cell(FRAME, FANOUT), counters.totals()["copies_due"]
    down, up = said(session, "down"), said(session, "up")
    session.order(cell, ms=DEATH_MS)
    wait_for("work", lambda: counters.totals()["copies_due"] > due + DEATH_COPIES, WAIT_S, STEP_S)
    session.replace_generator()
    wait_for("the dataplane's word that its port was down and is up",
             lambda: said(session, "down") > down and said(session, "up") > up, WAIT_S, STEP_S)
    session.check(cell)


def other_end_dies(session, deaths):
    counters = Counters(session.setup.path("api.sock"))
    before = counters.totals()
    for _ in range(deaths):
        kill_other_end(session, counters)
    after = counters.totals()
    sample = {"generated": after["rx_packets"] - before["rx_packets"], "due": after["copies_due"] - before["copies_due"],
              "sent": after["copies_sent"] - before["copies_sent"],
              "drops": {name: count - before["copy_drops"][name] for name, count in after["copy_drops"].items()
                        if count != before["copy_drops"][name]}}
    return row("other end dies", sample, counters.conserved() and set(sample["drops"]) <= {"tx_full"})


def measure(context):
    context.reserve()
    with Session(context.setup(), Copse) as session:
        yield slow_port(session, 1000 if context.quick else 10000)
        yield stopped_port(session)
    context.reserve()
    with Session(context.setup(port_keys={"mtu": 1000}), Copse) as session:
        yield small_mtu(session)
    context.reserve()
    with Session(context.setup(server=True, keys={"log_level": '"info"'}), Copse) as session:
        session.sample(Cell(FRAME, FANOUT), rate=1000, ms=20)
        yield other_end_dies(session, 2 if context.quick else DEATHS)


def run(context):
    if Copse not in context.peers():
        return
    for one in measure(context):
        uneven = f", next hops at most {100 * one['uneven']:.1f} % from their mean" if "uneven" in one else ""
        print(f"{one['case']:<14} {one['due']} copies due, {one['sent']} sent, dropped {one['drops']}{uneven}"
              f"{'' if one['kept'] else '  NOT KEPT'}", flush=True)
        yield one
