# SPDX-License-Identifier: Apache-2.0
"""Rows of the simulator's studies as the tables of docs/study.md."""

import itertools
import json
import os
import re

# What a study varies: its name on an axis, over a column, and how much of that a value is.
VARIED = {
    "budget_bps": ("budget of a CDN link, Mbit/s", "Mbit/s", 1e-6), "seeds": ("seeds", "seeds", 1),
    "loss": ("loss on an access link, %", "loss, %", 100), "core": ("rates inside the network", "network ×", 1),
    "pops": ("PoPs", "PoPs", 1), "growth": ("growth factor C", "C", 1), "slow": ("slow receivers", "slow", 1)}
# The files of config/studies that make a study, if it is not the one of its name.
PARTS = {"paper": ("paper", "paper-large"), "loss": ("loss", "loss-repair"), "nine": ("nine", "nine-repair"),
         "crowd": ("crowd", "crowd-1000", "crowd-large")}
WITHOUT_PARITY = "-repair"  # so end the names of parts whose trees carry none
STUDIES = ("paper", "budget", "seeds", "nine", "loss", "growth", "slow", "leave", "pops", "areas", "crowd")
ORDER = ("packet", "flow", "flash", "poisson", "p2p", "cdn", "cdn, no parity")
MARKED = re.compile(r"(<!-- table: ([\w-]+) -->\n\n).*?(\n<!-- end of table -->)", re.DOTALL)


def parts_of(study):
    return PARTS.get(study, (study,))


def varied(rows):
    """The quantity a study varies, null if it has none."""
    return next((key for key in VARIED if key in rows[0]), None)


def scenario(row):
    """All that rows with and without the CDN have in common."""
    return (*(row.get(key, 0) for key in VARIED), row["size_mb"], row["peers"], ORDER.index(row["level"]), ORDER.index(row["arrivals"]))


def read_rows(study, directory):
    """The rows of a study's parts, in order, with the speed-up of each that has a CDN; FileNotFoundError: it was not run."""
    rows = []
    for part in parts_of(study):
        with open(os.path.join(directory, f"{part}.json"), encoding="utf-8") as file:
            more = json.load(file)
        for row in more if part.endswith(WITHOUT_PARITY) else []:
            row["mode"] += ", no parity"
        rows += more
    alone = {scenario(row): row["max_s"] for row in rows if row["mode"] == "p2p"}
    for row in rows:
        if row["mode"] != "p2p" and scenario(row) in alone:
            row["speedup"] = alone[scenario(row)] / row["max_s"]
    return sorted(rows, key=lambda row: (*scenario(row), ORDER.index(row["mode"])))


def columns_of(study, rows):
    """Titles, and what a row shows in each; nothing that is the same everywhere but for arrivals and modes."""
    key = varied(rows)
    differs = lambda name: len({row[name] for row in rows}) > 1
    columns = []
    if key:
        _, heading, scale = VARIED[key]
        columns.append((heading, lambda row: f"{row[key] * scale:g}"))
    columns += [("peers", lambda row: row["peers"])] * differs("peers")
    columns += [("MB", lambda row: f"{row['size_mb']:.0f}")] * differs("size_mb")
    columns += [("arrivals", lambda row: row["arrivals"])] * differs("arrivals")
    columns += [("mode", lambda row: row["mode"])]
    columns += [("level", lambda row: row["level"])] * differs("level")
    digits = 0 if min(row["max_s"] for row in rows) >= 500 else 1
    columns += [("mean", lambda row: f"{row['mean_s']:.{digits}f}"), ("last", lambda row: f"{row['max_s']:.{digits}f}"),
                ("std. err.", lambda row: f"{row['stderr_s']:.{digits}f}" if row["runs"] > 1 else ""),
                ("× floor", lambda row: f"{row['ratio_to_floor']:.3f}"), ("× bound", lambda row: f"{row['ratio_to_bound']:.3f}"),
                ("seed files", lambda row: f"{row['seed_amplification']:.2f}")]
    columns += [("CDN MB", lambda row: f"{row['cdn_bytes'] / 1e6:.0f}")] * (key == "pops")
    columns += [("speed-up", lambda row: f"{row['speedup']:.2f}" if "speedup" in row else "")] * any("speedup" in row for row in rows)
    columns += [("last slow", lambda row: f"{row['slow_max_s']:.0f}" if "slow_max_s" in row else "")] * (key == "slow")
    return columns


def markdown(titles, lines):
    head, *rest = ("".join(f"| {cell} " if cell != "" else "| " for cell in line) + "|\n" for line in (titles, *lines))
    return head + "|" + "---|" * len(titles) + "\n" + "".join(rest)


def table(study, rows):
    columns = columns_of(study, rows)
    return markdown([title for title, _ in columns], [[text(row) for _, text in columns] for row in rows])


def levels(rows):
    """Flows beside packets: the ratios of their times."""
    times = {(row["core"], row["peers"], row["level"], row["arrivals"], row["mode"]): (row["mean_s"], row["max_s"]) for row in rows}
    cases = list(itertools.product(("flash", "poisson"), ("p2p", "cdn")))
    titles = [VARIED["core"][1], "peers", *(f"{arrivals} {mode}: {which}" for arrivals, mode in cases for which in ("mean", "last"))]
    lines = []
    for core, peers in sorted({(core, peers) for core, peers, level, _, _ in times if level == "packet"}):
        both = [(times[core, peers, "flow", *case], times[core, peers, "packet", *case]) for case in cases]
        lines.append([f"{core:g}", peers, *(f"{flow / packet:.2f}" for pair in both for flow, packet in zip(*pair))])
    return markdown(titles, lines)


def tables(study, rows):
    """{name: table} of a study."""
    return {study: table(study, rows)} | ({"levels": levels(rows)} if study == "crowd" else {})


def rewrite(path, directory):
    """Puts each table between its marks in a page, `<!-- table: NAME -->` and `<!-- end of table -->`. What was not run
    stays as it is; the names of those."""
    made, missing = {}, []
    for study in STUDIES:
        try:
            made |= tables(study, read_rows(study, directory))
        except FileNotFoundError:
            missing.append(study)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(MARKED.sub(lambda found: found[1] + made[found[2]] + found[3] if found[2] in made else found[0], text))
    return missing
