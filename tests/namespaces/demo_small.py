#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo itself, small: three PoPs, an odd number of bytes, JSON as promised, nothing left behind."""

import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
KEYS = {"pops", "peers", "delivered", "sha256_ok", "seconds", "floor_seconds", "ratio_to_floor", "trees", "links", "drops",
        "conservation_ok"}


def left_behind():
    return [name for name in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout.split()
            if name.startswith("copse")]


def main():
    before = left_behind()
    with tempfile.NamedTemporaryFile() as handle:
        handle.write(os.urandom(9_999_991))
        handle.flush()
        done = subprocess.run([os.path.join(ROOT, "scripts/demo"), "--json", "--pops", "3", "--file", handle.name],
                              capture_output=True, text=True, timeout=240)
    print(done.stderr)
    result = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(result, indent=1))
    assert done.returncode == 0
    assert KEYS <= result.keys()
    assert (result["pops"], result["peers"], result["delivered"]) == (3, 6, 4)
    assert result["sha256_ok"] and result["conservation_ok"]
    assert 1.0 <= result["ratio_to_floor"] < 3.0, result["ratio_to_floor"]
    carrying = [tree for tree in result["trees"] if tree["status"] == "ok"]
    assert len(carrying) >= 2 and all(tree["min_bps"] <= tree["rate_bps"] <= tree["max_bps"] for tree in carrying)
    assert all(link["peak_bps"] <= link["budget_bps"] for link in result["links"])
    assert sum(link["bytes"] for link in result["links"]) > 9_999_991, "the CDN carried the file"
    assert left_behind() == before


if __name__ == "__main__":
    sys.exit(main())
