# SPDX-License-Identifier: Apache-2.0
"""The rows of a bench as PNGs: copies a second over fan-out, one picture for each frame size."""

import os
import subprocess

HEAD = """set terminal pngcairo size 900,560
set output {output}
set title "{frame} B frames, one worker, one tree: median, min and max"
set xlabel "fan-out"
set ylabel "copies a second, millions"
set logscale x 2
set yrange [0:*]
set key outside right
set grid
"""


def plot(rows, directory):
    """Writes replicate-FRAME.png for every frame size there are rows of."""
    os.makedirs(directory, exist_ok=True)
    rows = [row for row in rows if row["bench"] == "replicate" and row["trees"] == 1]
    for frame in sorted({row["frame"] for row in rows}):
        here = [row for row in rows if row["frame"] == frame]
        output = os.path.join(directory, f"replicate-{frame}.png")
        subprocess.run(["gnuplot"], input=script(here, frame, output), text=True, check=True)


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def script(rows, frame, output):
    text, lines = HEAD.format(output=quoted(output), frame=frame), []
    for index, peer in enumerate(dict.fromkeys(row["peer"] for row in rows)):
        points = sorted((row["fanout"], row["copies_per_s"], row["min"], row["max"]) for row in rows if row["peer"] == peer)
        text += f"$peer{index} << end\n"
        text += "".join(" ".join([str(point[0]), *(f"{value / 1e6:.3f}" for value in point[1:])]) + "\n"
                        for point in points)
        text += "end\n"
        lines.append(f"$peer{index} using 1:2:3:4 with yerrorlines title {quoted(peer)}")
    return text + "plot " + ", ".join(lines) + "\n"
