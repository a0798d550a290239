# SPDX-License-Identifier: Apache-2.0
"""the table: 100 000 trees loaded over the socket, memory, and a thousand commits a second beside a full load"""

import statistics

from counters import Counters
from peers import BenchError, Copse
from session import Cell, Session

FRAME, FANOUT, TREES, SPARE = 1400, 8, 100000, 64
COMMITS = 1000
DESCRIPTORS = 16384  # of each ring, so that they hold what comes while a hypervisor has a core: some milliseconds
SHARES = (0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)  # of what the dataplane takes at most
ATTEMPTS = 4
GOAL_LOAD_S = 1.0


def memory(pid):
    """Bytes that are resident, but for hugepages."""
    with open(f"/proc/{pid}/status") as handle:
        return 1024 * sum(int(line.split()[1]) for line in handle if line.startswith(("RssAnon:", "RssShmem:")))


def load(context, trees, fanout):
    """Seconds from the first byte of the trees until the worker uses the last of them, and the bytes they take."""
    context.reserve()
    with Session(context.setup(trees=TREES), Copse) as session:
        session.sample(Cell(FRAME, FANOUT, 1), rate=1000, ms=20)
        before = memory(session.peer.process.child.pid)
        sample = session.sample(Cell(FRAME, fanout, trees), rate=1000, ms=20)
        return sample["table_s"], memory(session.peer.process.child.pid) - before


def loading(context):
    found = [load(context, TREES, FANOUT) for _ in range(1 if context.quick else max(3, context.rounds))]
    seconds = [one[0] for one in found]
    _, slim = load(context, TREES, 1)
    hop = (statistics.median(one[1] for one in found) - slim) / (TREES * (FANOUT - 1))
    row = {"bench": "table", "device": "virtio_user", "peer": "copse", "frame": FRAME, "fanout": FANOUT, "trees": TREES,
           "workers": 1, "seconds": statistics.median(seconds), "min": min(seconds), "max": max(seconds),
           "bytes_per_hop": round(hop, 1), "bytes_per_tree": round(slim / TREES - hop, 1), "ratio": {}}
    row["kept"] = row["seconds"] < GOAL_LOAD_S
    print(f"{TREES} trees of {FANOUT} next hops over the socket, until the worker uses the last: {row['seconds']:.3f} s "
          f"[{row['min']:.3f}-{row['max']:.3f}] (goal: {GOAL_LOAD_S:g} s){'' if row['kept'] else '  NOT KEPT'}")
    print(f"resident memory: {row['bytes_per_tree']:.0f} bytes a tree, {row['bytes_per_hop']:.0f} a next hop", flush=True)
    return row


def lossless(sample):
    """Every packet that was due was taken, and every copy arrived."""
    return sample["missed"] == 0 and not sample["drops"] and sample["received"] == sample["due"]


def find_load(session, cell):
    """Packets a second, the most of those tried that alone loses nothing, and that as a share of the most there is."""
    most = session.sample(cell, ms=300)["mean_per_s"] / cell.fanout
    for share in SHARES:
        if all(lossless(session.sample(cell, rate=round(most * share), ms=1000)) for _ in range(3)):
            return round(most * share), share
    raise BenchError("there is no load that alone loses nothing: the machine does not keep still")


def links(counters):
    return [counters.link(slot)["packets"] for slot in range(FANOUT + 1)]


def beside_commits(session, counters, cell, rate, milliseconds):
    before = links(counters)
    alone = session.sample(cell, rate=rate, ms=milliseconds)
    middle = links(counters)
    sample = session.sample(cell, rate=rate, ms=milliseconds, commits=COMMITS)
    sent = [now - then for then, now in zip(middle, links(counters))]
    sample["every_hop"] = all(packets == sample["generated"] for packets in sent[:FANOUT]) and 0 < sent[FANOUT]
    sample["alone"] = lossless(alone) and all(now - then == alone["generated"] for then, now in zip(before, middle[:FANOUT]))
    return sample


def commits(context):
    """Several attempts where the load alone is not lossless for so long: then nothing can be said of commits."""
    cell, milliseconds = Cell(FRAME, FANOUT, 1), 2000 if context.quick else 10000
    context.reserve()
    with Session(context.setup(trees=1 + SPARE, descriptors=DESCRIPTORS), Copse) as session:
        rate, share = find_load(session, cell)
        counters = Counters(session.setup.path("api.sock"))
        for _ in range(ATTEMPTS):
            sample = beside_commits(session, counters, cell, rate, milliseconds)
            if sample["alone"] and lossless(sample) and sample["every_hop"]:
                break
            rate, share = round(rate * 0.7), share * 0.7
    times = sample["commit_ns"]
    row = {"bench": "commits", "device": "virtio_user", "peer": "copse", "frame": FRAME, "fanout": FANOUT, "trees": 1,
           "workers": 1, "copies_per_s": round(sample["mean_per_s"]), "load": round(share, 3), "seconds": milliseconds / 1000,
           "commits": times["samples"], "commit_ns": {name: times[name] for name in ("p50", "p99", "max")},
           "packets": sample["generated"], "missed": sample["missed"], "drops": sample["drops"],
           "lossless_alone": sample["alone"], "lossless": lossless(sample) and sample["every_hop"], "ratio": {}}
    row["kept"] = row["lossless"] and row["commits"] >= COMMITS * row["seconds"] * 0.99
    print(f"{row['commits']} commits in {row['seconds']:g} s (p50 {times['p50'] / 1000:.0f} us, p99 {times['p99'] / 1000:.0f} us, "
          f"max {times['max'] / 1000:.0f} us) beside {row['copies_per_s'] / 1e6:.1f} M copies/s, {100 * share:.0f} % of the most: "
          f"{row['packets']} packets, missed {row['missed']}, drops {row['drops'] or 'none'}, alone "
          f"{'none lost' if row['lossless_alone'] else 'some lost'}{'' if row['kept'] else '  NOT KEPT'}")
    return row


def run(context):
    if Copse not in context.peers():
        return []
    return [loading(context), commits(context)]
