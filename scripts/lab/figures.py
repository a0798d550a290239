# SPDX-License-Identifier: Apache-2.0
"""Figures of docs/study.md: completion times as the paper draws them, and ratios by what a study varies, mean of the
seeds of chance with the least and the most of them."""

import os

from plot import picture
from tables import VARIED, varied

LOOKS = {("p2p", "flash"): ('"#2980b9"', 5), ("p2p", "poisson"): ('"#8e44ad"', 9),
         ("cdn", "flash"): ('"#c0392b"', 7), ("cdn", "poisson"): ('"#d68910"', 11),
         ("cdn, no parity", "flash"): ('"#27ae60"', 4), ("cdn, no parity", "poisson"): ('"#7f8c8d"', 6)}
CROWD_COLOURS = {"p2p": ('"#2980b9"', '"#8e44ad"', '"#16a085"'), "cdn": ('"#c0392b"', '"#d68910"', '"#7f8c8d"')}
AXES = {"budget_bps": "set logscale x", "pops": "set logscale xy\nset xrange [5:250]\nset xtics (6, 12, 25, 50, 100, 200)"}


def draw_times(peers, directory):
    """CDFs of the completion time like the paper's Figures 3 to 6: all peers of all runs, rows of the CSV."""
    for count, size in sorted({(int(peer["peers"]), float(peer["size_mb"])) for peer in peers}):
        series = []
        for (mode, arrivals), look in LOOKS.items():
            times = sorted(float(peer["finish_s"]) for peer in peers if int(peer["peers"]) == count and
                           float(peer["size_mb"]) == size and peer["mode"] == mode and peer["arrivals"] == arrivals)
            step = max(1, len(times) // 100)
            points = [(time / 60, (index + 1) / len(times)) for index, time in enumerate(times)]
            if times:
                series.append((f"{mode}, {arrivals}", look, points[::step] + points[-1:]))
        picture(os.path.join(directory, f"study-{count}-{size:.0f}.png"), f"{count} peers, {size:.0f} MB: completion",
                "minutes since the beginning", "share of peers", series, "set yrange [0:1.02]\nset xrange [0:*]", "linespoints pointinterval 25")


def draw_varied(name, rows, directory):
    """Last peer over the floor (flash crowds), mean peer over its bound (Poisson)."""
    key = varied(rows)
    title, _, scale = VARIED[key]
    series = []
    for (mode, arrivals), look in LOOKS.items():
        which = "floor" if arrivals == "flash" else "bound"
        points = [(row[key] * scale, row[f"ratio_to_{which}"], *row[f"{which}_ratios"]) for row in rows
                  if (row["mode"], row["arrivals"]) == (mode, arrivals)]
        if points:
            series.append((f"{mode}, {arrivals}", look, points))
    peers = " to ".join(str(count) for count in sorted({min(row["peers"] for row in rows), max(row["peers"] for row in rows)}))
    picture(os.path.join(directory, f"study-{name}.png"), f"{peers} peers, {rows[0]['size_mb']:.0f} MB",
            title, "flash: last peer / floor, Poisson: mean / bound", series,
            "set yrange [1:*]\n" + AXES.get(key, ""), "yerrorlines")


def draw_crowd(rows, directory):
    """Last peer of a flash crowd over the floor, by the number of peers. Flows: hollow points."""
    series = []
    for mode, colours in CROWD_COLOURS.items():
        for core, colour in zip(sorted({row["core"] for row in rows}), colours):
            for level, point in (("packet", 7), ("flow", 6)):
                points = [(row["peers"], row["ratio_to_floor"], *row["floor_ratios"]) for row in rows if (
                    row["mode"], row["arrivals"], row["core"], row["level"]) == (mode, "flash", core, level)]
                if points:
                    series.append((f"{mode}, network x {core:g}, {level}s", (colour, point), points))
    picture(os.path.join(directory, "study-crowd.png"), f"Flash crowds, {rows[0]['size_mb']:.0f} MB", "peers",
            "last peer / floor", series, "set logscale xy\nset yrange [1:*]", "yerrorlines")


def draw(study, rows, directory):
    """The figure of a study's rows, if it has one; the paper's are draw_times'."""
    if study == "crowd":
        draw_crowd(rows, directory)
    elif varied(rows):
        draw_varied(study, rows, directory)
