# SPDX-License-Identifier: Apache-2.0
"""The paper's study in the simulator, with its figures, its TCP beside ns-2's, and the same on the real plane.
usage: scripts/study sim [STUDY ...] [--runs N] [--out DIRECTORY] | publish | validate | real [...]"""

import argparse
import collections
import concurrent.futures
import csv
import glob
import json
import os
import re
import shutil
import subprocess
import sys

import real
from figures import draw, draw_times
from lab import LabError
from paper import read_config
from tables import STUDIES, parts_of, read_rows, rewrite, tables

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BUILD = os.path.join(ROOT, "build", "tools", "sim")
CONFIG = os.path.join(ROOT, "config", "studies")
STUDY = os.path.join(CONFIG, "paper.cfg")

# Seconds, bit/s, packets in the queue, ms of the bottleneck, loss; access delays of one of the runs, in ms. Two
# deterministic simulators lock into different phases on one case: means over many are compared.
CASES = {
    "one flow": ((100, 1500000, 20, 10, 0), lambda k: [1 + k / 4]),
    "five flows": ((300, 10000000, 50, 10, 0), lambda k: [1 + 0.0937 * k, 2 + 0.0751 * k, 3 + 0.0503 * k, 4 + 0.0253 * k, 5]),
    "two round trip times": ((300, 10000000, 50, 10, 0), lambda k: [1 + 0.0937 * k, 40 + 0.331 * k]),
    "three round trip times": ((300, 10000000, 50, 10, 0), lambda k: [1 + 0.0937 * k, 20 + 0.193 * k, 40 + 0.331 * k]),
    "2 % loss": ((300, 10000000, 500, 10, 0.02), lambda k: [1 + k / 4]),
}
RUNS = 40


def simulate(arguments):
    """Bit/s of each flow in ns-2 and in ours."""
    theirs = subprocess.run(["ns", os.path.join(ROOT, "scripts", "lab", "ns2.tcl"), *arguments], capture_output=True, text=True,
                            check=True, timeout=120).stdout.split()
    ours = subprocess.run([os.path.join(BUILD, "copse-sim-check"), *arguments], capture_output=True, text=True, check=True,
                          timeout=120).stdout
    return [float(rate) for rate in theirs], [float(rate) for rate in json.loads(ours)["flows_bps"]]


def validate():
    """Prints the table; 1 when a flow, or the sum over all flows of a case, is more than 5 % away."""
    failed = False
    print("| case | flow | ns-2 kbit/s | copse-sim kbit/s | ratio |\n|---|---|---|---|---|")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, (fixed, access) in CASES.items():
            runs = list(pool.map(simulate, [[*map(str, fixed), str(k + 1), *(f"{ms:.3f}" for ms in access(k))]
                                            for k in range(RUNS)]))
            theirs, ours = ([sum(column) / RUNS / 1000 for column in zip(*side)] for side in zip(*runs))
            for flow, (them, us) in enumerate(zip(theirs, ours)):
                failed |= abs(us / them - 1) > 0.05
                print(f"| {name} | {flow + 1} | {them:.0f} | {us:.0f} | {us / them:.3f} |")
            ratio = sum(ours) / sum(theirs)
            failed |= abs(ratio - 1) > 0.05
            print(f"| {name} | sum | {sum(theirs):.0f} | {sum(ours):.0f} | {ratio:.3f} |", flush=True)
    return int(failed)


def variant(path, changes):
    """A copy of the paper's study with these keys' values."""
    text = read_config(STUDY)
    for key, value in changes.items():
        text, count = re.subn(rf"(?m)^{key} = [^;]*;", f"{key} = {value};", text)
        if count != 1:
            raise SystemExit(f"scripts/study: {STUDY}: '{key}' is there {count} times")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def simulate_part(part, arguments):
    """Runs the cases of a file of config/studies: JSON and CSV into the directory."""
    more = ["--runs", str(arguments.runs)] if arguments.runs else []
    result = subprocess.run([os.path.join(BUILD, "copse-sim"), os.path.join(CONFIG, f"{part}.cfg"), "--json",
                             "--csv", os.path.join(arguments.out, f"{part}.csv"), *more], stdout=subprocess.PIPE, check=True)
    with open(os.path.join(arguments.out, f"{part}.json"), "wb") as file:
        file.write(result.stdout)


def read_peers(part, directory):
    with open(os.path.join(directory, f"{part}.csv"), encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run_sim(arguments):
    """The studies asked for: JSON, CSV and figures into the directory, tables printed."""
    os.makedirs(arguments.out, exist_ok=True)
    for study in STUDIES if "all" in arguments.study else arguments.study:
        used = os.times()
        for part in parts_of(study):
            simulate_part(part, arguments)
        rows, now = read_rows(study, arguments.out), os.times()
        print(f"{study}: {now.elapsed - used.elapsed:.0f} s, {now.children_user - used.children_user:.0f} s of a processor\n")
        for table in tables(study, rows).values():
            print(table, flush=True)
        if study == "paper":
            draw_times([peer for part in parts_of(study) for peer in read_peers(part, arguments.out)], arguments.out)
        else:
            draw(study, rows, arguments.out)
    return 0


def publish(arguments):
    """Tables and figures of the page anew, from what was run."""
    for study in rewrite(os.path.join(ROOT, "docs", "study.md"), arguments.out):
        print(f"scripts/study: {study} was not run: its table is as it was", file=sys.stderr)
    for figure in glob.glob(os.path.join(ROOT, "docs", "study", "*.png")):
        made = os.path.join(arguments.out, os.path.basename(figure))
        if os.path.exists(made):
            shutil.copy(made, figure)
    return 0


def simulate_real(arguments, runs):
    """The real plane's cases in the simulator: {(peers, mode): {run: {peer: (arrival, completion)}}}, seconds."""
    table = os.path.join(arguments.out, "paper-real.csv")
    study = variant(os.path.join(arguments.out, "paper-real.cfg"),
                    {"peers": f"({', '.join(map(str, arguments.peers))})", "arrivals": f'("{arguments.arrivals}")',
                     "sizes_bytes": f"({int(arguments.size * 1e6)})", "runs": f"{runs}; scale = {arguments.scale:.1f}"})
    subprocess.run([os.path.join(BUILD, "copse-sim"), study, "--csv", table], stdout=subprocess.DEVNULL, check=True)
    found = collections.defaultdict(lambda: collections.defaultdict(dict))
    with open(table, encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found[int(row["peers"]), row["mode"]][int(row["run"])][int(row["peer"])] = (float(row["arrival_s"]),
                                                                                        float(row["finish_s"]))
    return found


def run_real(arguments):
    os.makedirs(arguments.out, exist_ok=True)
    try:
        return real.study(STUDY, arguments, lambda runs: simulate_real(arguments, runs))
    except (LabError, RuntimeError) as error:
        print(f"scripts/study: {error}", file=sys.stderr)
        return 1


def numbers(text):
    return [int(word) for word in text.split(",")]


def modes(text):
    chosen = text.split(",")
    if not set(chosen) <= set(real.MODES):
        raise argparse.ArgumentTypeError("some of " + ", ".join(real.MODES))
    return chosen


def main():
    parser = argparse.ArgumentParser(prog="scripts/study", description=__doc__.split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    sim = commands.add_parser("sim", help="studies in the simulator: tables, CSV, JSON, figures")
    sim.add_argument("study", nargs="*", default=["paper"], metavar="STUDY",
                     help=", ".join(STUDIES) + ", another file of config/studies, or all (default: paper)")
    sim.add_argument("--runs", type=int, help="seeds of chance (default: what the study says)")
    sim.add_argument("--out", default=os.path.join(ROOT, "build", "study"), help="directory of the results")
    page = commands.add_parser("publish", help="tables and figures of docs/study.md anew, from the studies that were run")
    page.add_argument("--out", default=os.path.join(ROOT, "build", "study"), help="directory of the results")
    commands.add_parser("validate", help="TCP and queues beside ns-2")
    plane = commands.add_parser("real", help="in network namespaces, and libtorrent on the same links")
    plane.add_argument("--peers", type=numbers, default=[12, 24, 36], metavar="N,...", help="how many (default: 12,24,36)")
    plane.add_argument("--modes", type=modes, default=list(real.MODES), metavar="MODE,...", help="some of " + ", ".join(real.MODES))
    plane.add_argument("--arrivals", choices=("flash", "poisson"), default="flash", help="of receivers (default: flash)")
    plane.add_argument("--runs", type=int, default=3, help="of each mode and number of peers; 0: only the table (default: 3)")
    plane.add_argument("--size", type=float, default=50, metavar="MB", help="of the file (default: 50)")
    plane.add_argument("--scale", type=float, default=50, metavar="X", help="times the paper's rates (default: 50)")
    plane.add_argument("--out", default=os.path.join(ROOT, "build", "study"), help="directory of the results, which add up")
    arguments = parser.parse_args()
    return {"validate": lambda _: validate(), "sim": run_sim, "publish": publish, "real": run_real}[arguments.command](arguments)


sys.exit(main())
