# SPDX-License-Identifier: Apache-2.0
"""copse-dataplane beside its peers, on a virtio-user device with no NIC: copies a second of one core, interleaved."""

import argparse
import fcntl
import json
import os
import statistics
import sys
import tempfile
import time

from goals import FRAMES, judge
from network import release_hugepages, reserve_hugepages, stolen_ticks, used_hugepages
from ovs import OpenVSwitch
from peers import GENERATOR_CPU, SAMPLE_S, START_S, Bare, BenchError, Copse, Process, Testpmd
from relay import GsoRelay, MmsgRelay

PEERS = [Testpmd, Bare, OpenVSwitch, MmsgRelay, GsoRelay, Copse]
DEVICES = {peer.name: peer.device for peer in PEERS}
ABSENT = {"xdp-broadcast": "not part of this bench yet"}
HUGEPAGES = 448
ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "../.."))
CHECK_RATE = 200000  # copies a second that are verified
CHECK_ATTEMPTS = 10


class Bench:
    """What all samples have in common: a directory, the device, sizes."""

    def __init__(self, arguments, directory):
        self.directory, self.build = directory, os.path.join(ROOT, arguments.build)
        self.descriptors = arguments.descriptors
        self.milliseconds = arguments.ms
        self.trees = max(cell[2] for cell in arguments.cells)
        self.members = max([cell[1] for cell in arguments.cells if cell[4] == "member"], default=0)

    def path(self, name):
        return os.path.join(self.directory, name)

    def device(self):
        return f"net_virtio_user0,path={self.path('vhost.sock')},queues=1,queue_size={self.descriptors}"


class Session:
    """One peer and copse-gen, from start to end."""

    def __init__(self, bench, peer_class):
        self.bench, self.peer, self.generator = bench, peer_class(bench), None
        if self.peer.alone:
            return
        command = [os.path.join(bench.build, "tools/gen/copse-gen"), "--socket", bench.path("vhost.sock"), "--cpu",
                   str(GENERATOR_CPU), "--trees", str(bench.trees)]
        if self.peer.api:
            command += ["--api", bench.path("api.sock")]
        self.generator = Process("copse-gen", command, bench.path("copse-gen.log"))

    def __enter__(self):
        try:
            if self.generator:
                self.generator.hear(START_S)
            self.peer.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.generator:
            self.generator.stop()
        self.peer.stop()

    def sample(self, cell, sink="null", rate=0, milliseconds=None):
        if self.peer.alone:
            return self.peer.sample(cell)
        frame, fanout, trees, zipf, kind = cell
        self.peer.set_copies(fanout)
        self.generator.say(f"frame={frame} fanout={fanout} trees={trees} zipf={zipf} kind={kind} sink={sink} rate={rate} "
                           f"ms={milliseconds or self.bench.milliseconds} expect={self.peer.expect}")
        result = json.loads(self.generator.hear(SAMPLE_S))
        if result.get("conserved") is False:
            raise BenchError(f"{self.peer.name} {cell}: what came in is not what went out and the named drops: {result}")
        return result

    def check(self, cell):
        """A rate the check can follow: every copy must be right, and none missing. A pause of either core, which
        overflows a ring, gives another chance to all being there, never to one being wrong."""
        fanout = cell[1]
        overflows = fanout > self.bench.descriptors  # the copies of one packet alone: what is missing must be named
        for _ in range(CHECK_ATTEMPTS):
            result = self.sample(cell, sink="check", rate=max(CHECK_RATE // fanout, 1), milliseconds=60)
            if result["faulty"]:
                raise BenchError(f"{self.peer.name} {cell}: wrong copies: {result}")
            complete = result["received"] == result["generated"] * fanout or (overflows and result.get("conserved", True))
            if result["received"] and complete:
                return result["received"]
        raise BenchError(f"{self.peer.name} {cell}: copies are missing: {result}")


class Results:
    def __init__(self):
        self.samples = {}  # (peer, cell) -> [result of copse-gen]
        self.checked, self.steal, self.failed = {}, [], {}  # failed: peer -> why

    def add(self, peer, cell, result):
        self.samples.setdefault((peer, cell), []).append(result)

    def median(self, peer, cell):
        found = self.samples.get((peer, cell))
        return statistics.median(sample["copies_per_s"] for sample in found) if found else None

    def row(self, peer, cell):
        found = self.samples[peer, cell]
        rates = [sample["copies_per_s"] for sample in found]
        rate = statistics.median(rates)
        ratio = {}
        for other in PEERS:
            against = self.median(other.name, other.equivalent(cell))
            if other.name != peer and against:
                ratio[other.name] = round(rate / against, 3)
        return {"bench": name_of(cell), "device": DEVICES[peer], "peer": peer, "frame": cell[0], "fanout": cell[1],
                "trees": cell[2], "workers": 1, "copies_per_s": round(rate), "min": round(min(rates)),
                "max": round(max(rates)), "cycles_per_copy": round(found[0]["tsc_hz"] / rate, 1) if rate else None,
                "ratio": ratio}

    def rows(self):
        return [self.row(peer, cell) for peer, cell in self.samples]

    def loading(self):
        """Seconds that copse-dataplane took for many trees, where they were new to it."""
        found = {}
        for (_, cell), samples in self.samples.items():
            seconds = [sample.get("table_s", 0) for sample in samples]
            if cell[2] >= 1000 and min(seconds) > 0:
                found[cell] = statistics.median(seconds)
        return found

    def full(self, peer, cell):
        return statistics.median(sample["full"] for sample in self.samples[peer, cell])


def name_of(cell):
    """Of the bench a row belongs to: what the row's other fields do not say."""
    return "replicate" + ("-zipf" if cell[3] else "") + ("-peers" if cell[4] == "member" else "")


def cells_of(peer, arguments):
    fewer = peer.quick_fanouts if arguments.quick else None
    cells = dict.fromkeys(peer.equivalent(cell) for cell in arguments.cells)
    return [cell for cell in cells if cell and (not fewer or cell[1] in fewer)]


def run_peer(bench, peer, number, arguments, results):
    with Session(bench, peer) as session:
        for cell in cells_of(peer, arguments):
            results.add(peer.name, cell, session.sample(cell))
            if number == 0 and peer.expect in ("bare", "copse") and (peer.api or cell[1] <= bench.descriptors):
                results.checked[peer.name] = results.checked.get(peer.name, 0) + session.check(cell)


def round_trip(bench):
    """Nanoseconds a cache line takes between the two CPUs and back."""
    line = Process("copse-line", [os.path.join(bench.build, "tools/gen/copse-line")], bench.path("copse-line.log"))
    try:
        return float(line.hear(START_S))
    finally:
        line.stop()


def run(bench, peers, arguments, results):
    """A peer that fails is named and left out from there on; copse-dataplane must not."""
    for number in range(arguments.rounds):
        for peer in [peer for peer in peers if peer.name not in results.failed]:
            reserve()
            trip, before = round_trip(bench), stolen_ticks()
            try:
                run_peer(bench, peer, number, arguments, results)
            except BenchError as error:
                if peer is Copse:
                    raise
                results.failed[peer.name] = str(error)
            after = stolen_ticks()
            steal = 100 * (after[0] - before[0]) / max(1, after[1] - before[1])
            results.steal.append((number, peer.name, steal, os.getloadavg()[0], trip))
            print(f"round {number + 1}/{arguments.rounds} {peer.name}: steal {steal:.1f} %, line {trip:.0f} ns", file=sys.stderr)


def matrix(quick):
    fanouts = (1, 8, 16, 32) if quick else (1, 2, 4, 8, 16, 32, 64)
    cells = [(frame, fanout, 1, 0, "link") for frame in FRAMES for fanout in fanouts]
    if not quick:
        cells += [(frame, 8, trees, zipf, "link") for frame in FRAMES for trees, zipf in
                  ((1000, 0), (1000, 1), (100000, 0), (100000, 1))]
        cells += [(frame, fanout, 1, 0, "member") for frame in FRAMES for fanout in (8, 1000)]
    return cells


def describe(cell):
    frame, fanout, trees, zipf, kind = cell
    return f"{frame:>5} {fanout:>6} {trees:>7}{'z' if zipf else ' '} {kind}"


def print_table(results, peers):
    print("copies/s in millions (median [min-max] of the p90 of 20 ms slices), ratios to the same run; "
          "* the generator was the limit")
    print("frame fanout   trees  next hop  peer        Mcopies/s                cycles/copy  ratio")
    for (peer, cell) in sorted(results.samples, key=lambda key: (key[1][4], key[1][2], key[1][3], key[1][0], key[1][1])):
        row = results.row(peer, cell)
        ratio = "  ".join(f"{name} x{value:.2f}" for name, value in row["ratio"].items())
        limit = "*" if results.full(peer, cell) < 0.5 else " "
        span = f"{row['copies_per_s'] / 1e6:6.2f}{limit} [{row['min'] / 1e6:.2f}-{row['max'] / 1e6:.2f}]"
        print(f"{describe(cell):<30} {peer:<11} {span:<24} {row['cycles_per_copy'] or 0:>8}     {ratio}")
    for name, count in results.checked.items():
        print(f"checked: {name}, {count} copies, each right, none missing that is not counted")
    for cell, seconds in results.loading().items():
        print(f"table: {cell[2]} trees of {cell[1]} next hops loaded over the socket in {seconds:.2f} s (median)")
    for number, name, steal, load, trip in results.steal:
        print(f"steal: round {number + 1} {name} {steal:.1f} %, load {load:.1f}, cache line there and back {trip:.0f} ns")
    trips = [trip for *_, trip in results.steal]
    if trips and max(trips) > 2 * min(trips):
        print("note: the host moved the CPUs apart or together during this run: do not compare figures across it")
    for line in judge(results.rows()):
        print(line)
    for reason in results.failed.values():
        print(f"failed: {reason}")
    for name, reason in absent(peers):
        print(f"skipped: {name}: {reason}")


def absent(peers):
    missing = {peer.name: peer.missing() or "not asked for" for peer in PEERS if peer not in peers}
    return list({**missing, **ABSENT}.items())


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one tree, fan-outs 1, 8, 16, 32, in less than a minute")
    parser.add_argument("--json", metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--plot", metavar="DIR", help="write PNGs, made by gnuplot")
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, help="samples of each cell, at least 3 (default 3)")
    parser.add_argument("--ms", type=int, help="milliseconds of a sample (default 160 with --quick, else 500)")
    parser.add_argument("--descriptors", type=int, default=1024, help="of each ring, for every peer (default 1024)")
    parser.add_argument("--peers", help="only these, as in bare,copse")
    parser.add_argument("--frames", help="only these frame sizes, as in 96,512")
    parser.add_argument("--fanouts", help="only these, one tree, as in 8,16")
    arguments = parser.parse_args()
    arguments.ms = arguments.ms or (160 if arguments.quick else 500)
    arguments.cells = matrix(arguments.quick)
    if arguments.fanouts:
        arguments.cells = [(frame, int(fanout), 1, 0, "link") for frame in FRAMES for fanout in arguments.fanouts.split(",")]
    if arguments.frames:
        frames = [int(frame) for frame in arguments.frames.split(",")]
        arguments.cells = [(frame, *rest) for frame in frames for _, *rest in
                           [cell for cell in arguments.cells if cell[0] == arguments.cells[0][0]]]
    return arguments


def reserve():
    """Hugepages beside those that others have; again before each peer, as others give theirs back."""
    before = reserve_hugepages(used_hugepages() + HUGEPAGES)
    if before is None:
        sys.exit(f"scripts/bench: {HUGEPAGES} hugepages of 2 MB are needed and cannot be had")
    return before


def measure(arguments):
    wanted = arguments.peers.split(",") if arguments.peers else [peer.name for peer in PEERS]
    peers = [peer for peer in PEERS if peer.name in wanted and not peer.missing()]
    results = Results()
    with tempfile.TemporaryDirectory(prefix="copse-bench-") as directory:
        try:
            run(Bench(arguments, directory), peers, arguments, results)
        finally:
            print_table(results, peers)
    return results


def main():
    arguments = parse()
    before = reserve()
    try:
        with open("/run/lock/copse-bench.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # nobody else measures on this machine at the same time
            start = time.monotonic()
            results = measure(arguments)
    except BenchError as error:
        sys.exit(f"scripts/bench: {error}")
    finally:
        release_hugepages(before)
    print(f"{time.monotonic() - start:.0f} s")
    if arguments.json:
        with open(arguments.json, "w") as handle:
            json.dump(results.rows(), handle, indent=1)
    if arguments.plot:
        from plot import plot
        plot(results.rows(), arguments.plot)


if __name__ == "__main__":
    main()
