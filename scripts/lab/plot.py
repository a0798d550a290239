# SPDX-License-Identifier: Apache-2.0
"""Rows of the benches as PNGs, made by gnuplot: copies a second over fan-out, what copse makes of bare, loss over load,
latency at half load."""

import os
import subprocess

from goals import FRAMES

LOOKS = {  # gnuplot's colour and point type, the same in every picture
    "copse": ('"#c0392b"', 7), "bare": ('"#2c3e50"', 5), "testpmd-io": ('"#7f8c8d"', 9), "ovs-dpdk": ('"#2980b9"', 11),
    "xdp-broadcast": ('"#8e44ad"', 13), "gso-relay": ('"#27ae60"', 4), "mmsg-relay": ('"#d68910"', 6),
}
HEAD = """set terminal pngcairo size 900,520 font "sans,11"
set output {output}
set title {title}
set xlabel {x}
set ylabel {y}
set grid lt 1 lw 0.5 lc rgb "#cccccc"
set border 3 lc rgb "#555555"
set tics nomirror
set key outside right top Left reverse samplen 2
{more}
"""
FANOUT_MAX = 64
SHARES = {"min": 0, "p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def picture(path, title, x, y, series, more="", style="linespoints"):
    """`series`: [(name, look, [point])], a point being x, y and what else the style takes."""
    text = HEAD.format(output=quoted(path), title=quoted(title), x=quoted(x), y=quoted(y), more=more)
    lines = []
    for index, (name, (colour, point), points) in enumerate(series):
        text += f"$data{index} << end\n" + "".join(" ".join(f"{value:.6g}" for value in row) + "\n" for row in points) + "end\n"
        columns = ":".join(str(column + 1) for column in range(len(points[0])))
        lines.append(f"$data{index} using {columns} with {style} lc rgb {colour} pt {point} lw {3 if name == 'copse' else 1.5} "
                     f"title {quoted(name)}")
    if lines:
        subprocess.run(["gnuplot"], input=text + "plot " + ", ".join(lines) + "\n", text=True, check=True)


def by_peer(rows, point):
    """One series for each peer in the order of LOOKS."""
    return [(name, look, sorted(point(row) for row in rows if row["peer"] == name)) for name, look in LOOKS.items()
            if any(row["peer"] == name for row in rows)]


def plot_replication(rows, directory):
    rows = [row for row in rows if row["bench"] == "replicate" and row["trees"] == 1 and
            row["peer"] != "testpmd-io" and row["min"] and row["fanout"] <= FANOUT_MAX]
    for frame in sorted({row["frame"] for row in rows}):
        series = by_peer([row for row in rows if row["frame"] == frame], lambda row: (
            row["fanout"], row["copies_per_s"] / 1e6, row["min"] / 1e6, row["max"] / 1e6))
        picture(os.path.join(directory, f"replicate-{frame}.png"), f"Replication of {frame} B frames by one core", "fan-out",
                "million copies a second: median, min, max", series,
                "set logscale x 2\nset logscale y\nset yrange [0.3:60]\nset ytics (0.5, 1, 2, 5, 10, 20, 50)", "yerrorlines")


def plot_ratio(rows, directory):
    rows = [row for row in rows if row["bench"] == "replicate" and row["peer"] == "copse" and row["trees"] == 1 and
            "bare" in row["ratio"]]
    looks = [('"#c0392b"', 7), ('"#2980b9"', 5), ('"#27ae60"', 9)]
    series = [(f"{frame} B", look, sorted((row["fanout"], row["ratio"]["bare"]) for row in rows if row["frame"] == frame))
              for frame, look in zip(FRAMES, looks) if any(row["frame"] == frame for row in rows)]
    picture(os.path.join(directory, "ratio.png"), "copse to a replicator without features (bare), same run", "fan-out",
            "copies a second, of those of bare", series, "set logscale x 2\nset yrange [0:1.4]\nset xrange [1:64]\n"
            'set arrow from 8,0.85 to 32,0.85 nohead dt 2 lc rgb "#555555"\nset label "goal 0.85" at 8,0.80 tc rgb "#555555"')


def plot_load(rows, directory):
    rows = [row for row in rows if row["bench"] == "load"]
    for frame in sorted({row["frame"] for row in rows}):
        here = [row for row in rows if row["frame"] == frame]
        what = f"{frame} B frames, fan-out 8 (testpmd-io: 1)"
        picture(os.path.join(directory, f"loss-{frame}.png"), f"Loss over load: {what}", "offered, % of what this peer takes at most",
                "copies lost, %", by_peer(here, lambda row: (row["load"], 100 * row["loss"])), "set yrange [-1:*]")
        half = {row["peer"]: row["latency_ns"] for row in here if row["load"] == 50}
        series = [(name, look, [(1 / (1 - share), half[name][quantile] / 1000) for quantile, share in SHARES.items()])
                  for name, look in LOOKS.items() if name in half]
        picture(os.path.join(directory, f"latency-{frame}.png"), f"Latency at half load: {what}", "quantile", "microseconds", series,
                'set logscale xy\nset yrange [0.1:10000]\nset xtics ("min" 1, "p50" 2, "p90" 10, "p99" 100, "p99.9" 1000, "p99.99" 10000)')


def plot(rows, directory):
    """Writes the pictures there are rows for."""
    os.makedirs(directory, exist_ok=True)
    for draw in (plot_replication, plot_ratio, plot_load):
        draw(rows, directory)
