# SPDX-License-Identifier: Apache-2.0
"""The paper's study in the simulator, with its figures, its TCP beside ns-2's, and the same on the real plane.
usage: scripts/study sim [STUDY ...] [--runs N] [--out DIRECTORY] | validate | real [...]"""

import argparse
import collections
import concurrent.futures
import csv
import itertools
import json
import os
import re
import subprocess
import sys

import real
from lab import LabError
from paper import read_config
from plot import picture

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BUILD = os.path.join(ROOT, "build", "tools", "sim")
STUDIES = os.path.join(ROOT, "config", "studies")
STUDY = os.path.join(STUDIES, "paper.cfg")
VARIED = {  # what a study varies: how to show it, its unit, how much of that a value is
    "budget_bps": ("budget of a CDN link", "Mbit/s", 1e-6), "seeds": ("seeds", "", 1), "loss": ("loss on an access link", "%", 100),
    "core": ("rates inside the network", "", 1),
    "pops": ("PoPs", "", 1), "growth": ("growth factor C", "", 1), "slow": ("slow receivers", "", 1)}
LOOKS = {("p2p", "flash"): ('"#2980b9"', 5), ("p2p", "poisson"): ('"#8e44ad"', 9),
         ("cdn", "flash"): ('"#c0392b"', 7), ("cdn", "poisson"): ('"#d68910"', 11)}
# Run after another study and drawn with it: its name, its CDN, the looks of that.
BESIDE = {name: (f"{name}-repair", "cdn without parity", {"flash": ('"#27ae60"', 4), "poisson": ('"#7f8c8d"', 6)})
          for name in ("loss", "nine")}

# Seconds, bit/s, packets in the queue, ms of the bottleneck, loss; access delays of one of ten runs, in ms. Two
# deterministic simulators lock into different phases on one case: the mean over ten is compared.
CASES = {
    "one flow": ((100, 1500000, 20, 10, 0), lambda k: [1 + k]),
    "five flows": ((300, 10000000, 50, 10, 0), lambda k: [1 + 0.37 * k, 2 + 0.3 * k, 3 + 0.2 * k, 4 + 0.1 * k, 5]),
    "two round trip times": ((300, 10000000, 50, 10, 0), lambda k: [1 + 0.37 * k, 40 + 1.31 * k]),
    "three round trip times": ((300, 10000000, 50, 10, 0), lambda k: [1 + 0.37 * k, 20 + 0.77 * k, 40 + 1.31 * k]),
    "2 % loss": ((300, 10000000, 500, 10, 0.02), lambda k: [1 + k]),
}
CROWD_COLOURS = {"p2p": ('"#2980b9"', '"#8e44ad"', '"#16a085"'), "cdn": ('"#c0392b"', '"#d68910"', '"#7f8c8d"')}
LARGE = {"crowd": ["crowd", "crowd-1000", "crowd-large", "crowd-10000"]}  # what a study's name stands for, if it is more than one file
RUNS = 10
PAPER = ("paper", "paper-large")


def simulate(arguments):
    """Bit/s of each flow in ns-2 and in ours."""
    theirs = subprocess.run(["ns", os.path.join(ROOT, "scripts", "lab", "ns2.tcl"), *arguments], capture_output=True, text=True,
                            check=True, timeout=120).stdout.split()
    ours = subprocess.run([os.path.join(BUILD, "copse-sim-check"), *arguments], capture_output=True, text=True, check=True,
                          timeout=120).stdout
    return [float(rate) for rate in theirs], [float(rate) for rate in json.loads(ours)["flows_bps"]]


def validate():
    """Prints the table; 1 when the sum over all flows of a case is more than 5 % away, or one flow more than 15 %."""
    failed = False
    print("| case | flow | ns-2 kbit/s | copse-sim kbit/s | ratio |\n|---|---|---|---|---|")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, (fixed, access) in CASES.items():
            runs = list(pool.map(simulate, [[*map(str, fixed), str(k + 1), *(f"{ms:.3f}" for ms in access(k))]
                                            for k in range(RUNS)]))
            theirs, ours = ([sum(column) / RUNS / 1000 for column in zip(*side)] for side in zip(*runs))
            for flow, (them, us) in enumerate(zip(theirs, ours)):
                failed |= abs(us / them - 1) > 0.15
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


def draw(rows, directory):
    """CDFs of the completion time like the paper's Figures 3 to 6: all peers of all runs."""
    for peers, size in sorted({(int(row["peers"]), float(row["size_mb"])) for row in rows}):
        series = []
        for (mode, arrivals), look in LOOKS.items():
            times = sorted(float(row["finish_s"]) for row in rows if int(row["peers"]) == peers and
                           float(row["size_mb"]) == size and row["mode"] == mode and row["arrivals"] == arrivals)
            step = max(1, len(times) // 100)
            points = [(time / 60, (index + 1) / len(times)) for index, time in enumerate(times)]
            if times:
                series.append((f"{mode}, {arrivals}", look, points[::step] + points[-1:]))
        picture(os.path.join(directory, f"study-{peers}-{size:.0f}.png"), f"{peers} peers, {size:.0f} MB: completion",
                "minutes since the beginning", "share of peers", series, "set yrange [0:1.02]\nset xrange [0:*]", "linespoints pointinterval 25")


def ratios(key, rows, mode, arrivals):
    """Last peer over floor (flash crowd) or mean peer over bound (Poisson), by value of what the study varies."""
    ratio = "ratio_to_floor" if arrivals == "flash" else "ratio_to_bound"
    return [(row[key] * VARIED[key][2], row[ratio]) for row in rows if (row["mode"], row["arrivals"]) == (mode, arrivals)]


def draw_varied(name, key, rows, beside, directory):
    """`beside`: rows of the study that is drawn with this one, if there is one."""
    title, unit, _ = VARIED[key]
    series = [(f"{mode}, {arrivals}", look, ratios(key, rows, mode, arrivals)) for (mode, arrivals), look in LOOKS.items()]
    if beside:
        series += [(f"{BESIDE[name][1]}, {arrivals}", look, ratios(key, beside, "cdn", arrivals))
                   for arrivals, look in BESIDE[name][2].items()]
    peers = " to ".join(str(count) for count in sorted({min(row["peers"] for row in rows), max(row["peers"] for row in rows)}))
    picture(os.path.join(directory, f"study-{name}.png"), f"{peers} peers, {rows[0]['size_mb']:.0f} MB",
            title + (f", {unit}" if unit else ""), "flash: last peer / floor, Poisson: mean / bound",
            [one for one in series if one[2]],
            "set yrange [1:*]\n" + {"budget_bps": "set logscale x", "pops": "set logscale xy\nset xrange [5:250]\nset xtics (6, 12, 25, 50, 100, 200)"}.get(key, ""))


def draw_crowd(rows, directory):
    """Last peer of a flash crowd over the floor, by the number of peers. Flows: hollow points."""
    series = []
    cores = sorted({row["core"] for row in rows})
    for mode in ("p2p", "cdn"):
        for core, colour in zip(cores, CROWD_COLOURS[mode]):
            for level, point in (("packet", 7), ("flow", 6)):
                points = [(row["peers"], row["ratio_to_floor"]) for row in rows if (
                    row["mode"], row["arrivals"], row["core"], row["level"]) == (mode, "flash", core, level)]
                if points:
                    series.append((f"{mode}, network x {core:g}, {level}s", (colour, point), points))
    picture(os.path.join(directory, "study-crowd.png"), f"Flash crowds, {rows[0]['size_mb']:.0f} MB", "peers",
            "last peer / floor", series, "set logscale xy\nset yrange [1:*]")


def print_levels(rows):
    """Flows beside packets: the ratios of their times."""
    times = {(row["core"], row["peers"], row["level"], row["arrivals"], row["mode"]): (row["mean_s"], row["max_s"]) for row in rows}
    cases = list(itertools.product(("flash", "poisson"), ("p2p", "cdn")))
    print("\n| network x | peers | " + " | ".join(f"{arrivals} {mode}: mean | last" for arrivals, mode in cases) + " |\n|" + "---|" * 10)
    for core, peers in sorted({(core, peers) for core, peers, level, _, _ in times if level == "packet"}):
        both = [(times[core, peers, "flow", *case], times[core, peers, "packet", *case]) for case in cases]
        print(f"| {core:g} | {peers} | " + " | ".join(f"{flow / packet:.2f}" for pair in both for flow, packet in zip(*pair)) + " |",
              flush=True)


def simulate_study(name, arguments):
    """Runs a study: JSON and CSV into the directory, its table printed. Its rows, and those of all peers."""
    table = os.path.join(arguments.out, f"{name}.csv")
    more = ["--runs", str(arguments.runs)] if arguments.runs else []
    result = subprocess.run([os.path.join(BUILD, "copse-sim"), os.path.join(STUDIES, f"{name}.cfg"), "--json", "--csv", table,
                             *more], stdout=subprocess.PIPE, check=True)
    with open(os.path.join(arguments.out, f"{name}.json"), "wb") as file:
        file.write(result.stdout)
    rows = json.loads(result.stdout)
    levels = any(row["level"] == "flow" for row in rows)
    for row in rows:
        key = next((key for key in VARIED if key in row), None)
        print((f"| {row[key] * VARIED[key][2]:g} " if key else "") +
              "| {peers} | {size_mb:.0f} | {arrivals} | {mode} | ".format(**row) + (f"{row['level']} | " if levels else "") +
              "{mean_s:.0f} | {max_s:.0f} | {stderr_s:.0f} | "
              "{ratio_to_floor:.3f} | {ratio_to_bound:.3f} | {seed_amplification:.2f} | ".format(**row) +
              (f"{row['speedup']:.2f} |" if "speedup" in row else "|") +
              (f" {row.get('slow_max_s', 0):.0f} |" if key == "slow" else ""), flush=True)
    with open(table, encoding="utf-8") as file:
        return rows, list(csv.DictReader(file))


def run_sim(arguments):
    """The studies asked for: JSON, CSV and figures into the directory, tables printed."""
    os.makedirs(arguments.out, exist_ok=True)
    papers = []
    for name in arguments.study:
        rows, peers = [], []
        for part in LARGE.get(name, [name]):
            more, each = simulate_study(part, arguments)
            rows += more
            peers += each
        beside, _ = simulate_study(BESIDE[name][0], arguments) if name in BESIDE else (None, None)
        key = next((key for key in VARIED if key in rows[0]), None)
        if name == "crowd":
            draw_crowd(rows, arguments.out)
            print_levels(rows)
        elif key:
            draw_varied(name, key, rows, beside, arguments.out)
        elif name in PAPER:
            papers += peers
    if papers:
        draw(papers, arguments.out)
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
    sim.add_argument("study", nargs="*", default=list(PAPER), help="files of config/studies (default: the paper's, of both sizes)")
    sim.add_argument("--runs", type=int, help="seeds of chance (default: what the study says)")
    sim.add_argument("--out", default=os.path.join(ROOT, "build", "study"), help="directory of the results")
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
    return {"validate": lambda _: validate(), "sim": run_sim, "real": run_real}[arguments.command](arguments)


sys.exit(main())
