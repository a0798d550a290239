# SPDX-License-Identifier: Apache-2.0
"""copse-dataplane measured without a NIC, beside its peers. Each bench is a file bench_NAME.py with a sentence about
itself and `run(context)`, which prints its table and returns its rows."""

import argparse
import fcntl
import glob
import importlib
import json
import os
import sys
import tempfile
import time
import traceback

from alone import GsoRelay, MmsgRelay, XdpBroadcast
from goals import judge
from network import release_hugepages, reserve_hugepages, used_hugepages
from ovs import OpenVSwitch
from peers import Bare, BenchError, Copse, Testpmd
from session import Setup
from waiting import LabError

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, "../.."))
PEERS = [Testpmd, Bare, OpenVSwitch, MmsgRelay, GsoRelay, XdpBroadcast, Copse]
HUGEPAGES = 448
FIRST = "replicate"  # all there is with --quick


class Context:
    """What a bench is asked for, and what all of them share. `rounds` samples of each cell, of `milliseconds` each;
    `frames` and `fanouts` are the only ones wanted, or None."""

    def __init__(self, arguments, directory):
        self.quick, self.rounds = arguments.quick, arguments.rounds
        self.more_until_s = 45 if self.quick else 300  # of a bench: no more turns for those whom the host disturbed
        self.milliseconds = arguments.ms or (160 if arguments.quick else 300)
        self.frames, self.fanouts = arguments.frames, arguments.fanouts
        self.descriptors, self.wanted = arguments.descriptors, arguments.peers
        self.directory, self.build = directory, os.path.join(ROOT, arguments.build)
        self.hugepages = None  # that were there before

    def setup(self, **more):
        return Setup(**{"directory": self.directory, "build": self.build, "descriptors": self.descriptors,
                        "milliseconds": self.milliseconds, **more})

    def peers(self, *among):
        """Those that are here and wanted; of all peers, or among these."""
        return [peer for peer in among or PEERS if (not self.wanted or peer.name in self.wanted) and not peer.missing()]

    def reserve(self):
        """Hugepages beside those that others have; again before each peer, as others give theirs back."""
        before = reserve_hugepages(used_hugepages() + HUGEPAGES)
        if before is None:
            raise BenchError(f"{HUGEPAGES} hugepages of 2 MB are needed and cannot be had")
        if self.hugepages is None:
            self.hugepages = before

    def release(self):
        release_hugepages(self.hugepages)


def benches():
    """{name: the module's sentence}, the first first."""
    names = [os.path.basename(path)[len("bench_"):-len(".py")] for path in glob.glob(os.path.join(HERE, "bench_*.py"))]
    return {name: importlib.import_module(f"bench_{name}") for name in sorted(names, key=lambda name: (name != FIRST, name))}


def about(module):
    return " ".join(module.__doc__.split())


def numbers(text):
    return [int(word) for word in text.split(",")]


def parse(known):
    listed = "\n".join(f"  {name:<12}{about(module)}" for name, module in known.items())
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.split(".")[0] + ".",
                                     formatter_class=argparse.RawDescriptionHelpFormatter, epilog="benches:\n" + listed)
    parser.add_argument("names", nargs="*", metavar="NAME", help="benches to run (default: all, with --quick the first)")
    for name in known:  # --NAME is the same as NAME
        parser.add_argument(f"--{name}", dest="chosen", action="append_const", const=name, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="less of each; without names, less than a minute in all")
    parser.add_argument("--json", metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--plot", metavar="DIR", help="write PNGs, made by gnuplot")
    parser.add_argument("--build", default="build", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, help="samples of each cell, at least 3 (default 3)")
    parser.add_argument("--ms", type=int, help="milliseconds of a sample (default 160 with --quick, else 300)")
    parser.add_argument("--descriptors", type=int, default=1024, help="of each ring, for every peer (default 1024)")
    parser.add_argument("--peers", type=lambda text: text.split(","), help="only these, as in bare,copse")
    parser.add_argument("--frames", type=numbers, help="only these frame sizes, as in 96,512")
    parser.add_argument("--fanouts", type=numbers, help="only these, one tree, as in 8,16")
    arguments = parser.parse_args()
    arguments.names += arguments.chosen or []
    for name in arguments.names:
        if name not in known:
            parser.error(f"there is no bench '{name}'; there are {', '.join(known)}")
    arguments.names = arguments.names or ([FIRST] if arguments.quick else list(known))
    return arguments


def run(context, known, names):
    """Rows of all benches; one that fails does not keep the others from running."""
    rows, failures = [], []
    for name in names:
        print(f"== {name}: {about(known[name])}", flush=True)
        start, first = time.monotonic(), len(rows)
        try:
            for row in known[name].run(context):
                rows.append(row)
        except LabError as error:
            failures.append(f"{name}: {error}")
        except Exception:  # a defect of one bench: what the others measured is not lost
            failures.append(f"{name}: {traceback.format_exc()}")
        kept = [row["kept"] for row in rows[first:] if "kept" in row]
        if kept:
            print(f"{kept.count(True)} of {len(kept)} rows are kept")
        if not all(kept):
            failures.append(f"{name}: {kept.count(False)} of {len(kept)} rows are not kept")
        print(f"{time.monotonic() - start:.0f} s\n", flush=True)
    return rows, failures


def print_end(context, rows, failures):
    for line in judge(rows):
        print(line)
    for peer in PEERS:
        if peer not in context.peers():
            print(f"skipped: {peer.name}: {peer.missing() or 'not asked for'}")
    for failure in failures:
        print(f"scripts/bench: {failure}", file=sys.stderr)


def main():
    known = benches()
    arguments = parse(known)
    with open("/run/lock/copse-bench.lock", "w") as lock, tempfile.TemporaryDirectory(prefix="copse-bench-") as directory:
        fcntl.flock(lock, fcntl.LOCK_EX)  # nobody else measures on this machine at the same time
        context = Context(arguments, directory)
        try:
            rows, failures = run(context, known, arguments.names)
        finally:
            context.release()
    print_end(context, rows, failures)
    if arguments.json:
        with open(arguments.json, "w") as handle:
            json.dump(rows, handle, indent=1)
    if arguments.plot:
        from plot import plot
        plot(rows, arguments.plot)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
