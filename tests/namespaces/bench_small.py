#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/bench measures, checks every copy, and writes rows as they are documented: one cell, copse beside bare."""

import json
import os
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "scripts/lab"))
from two_cpus import on_two_cpus  # noqa: E402

FIELDS = {"bench": "replicate", "device": "virtio_user", "frame": 96, "fanout": 8, "trees": 1, "workers": 1}


def bench(path):
    return subprocess.run([sys.executable, os.path.join(ROOT, "scripts/lab/bench.py"), "replicate", "--quick", "--peers",
                           "bare,copse", "--frames", "96", "--fanouts", "8", "--rounds", "1", "--ms", "100", "--json", path],
                          capture_output=True, text=True, timeout=120)


def run(directory):
    path = os.path.join(directory, "rows.json")
    done = bench(path)
    assert done.returncode == 0, done.stderr
    assert "checked: copse," in done.stdout and "checked: bare," in done.stdout, done.stdout
    with open(path) as handle:
        rows = {row["peer"]: row for row in json.load(handle)}
    assert set(rows) == {"bare", "copse"}, rows
    for row in rows.values():
        assert FIELDS.items() <= row.items(), row
        assert 0 < row["min"] <= row["copies_per_s"] <= row["max"], row
    ratio = rows["copse"]["ratio"]["bare"]
    assert abs(ratio - rows["copse"]["copies_per_s"] / rows["bare"]["copies_per_s"]) < 0.001, rows
    print(f"copse makes {rows['copse']['copies_per_s'] / 1e6:.1f} M copies/s, {ratio:.2f} of bare")


if __name__ == "__main__":
    sys.exit(on_two_cpus(run))
