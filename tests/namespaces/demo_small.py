#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo itself, small: three PoPs, an odd number of bytes, JSON as promised, nothing left behind."""

import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
sys.path.insert(0, os.path.join(ROOT, "scripts/lab"))
from lab import wait_for  # noqa: E402

KEYS = {"pops", "peers", "delivered", "sha256_ok", "seconds", "floor_seconds", "ratio_to_floor", "trees", "links", "drops",
        "conservation_ok"}


def namespaces(pid):
    """Those of the lab of this process."""
    return [name for name in subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout.split()
            if name.startswith(f"copse{pid}-")]


def run_demo(path):
    """(exit status, standard output, standard error, namespaces it had, those it left behind)"""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        demo = subprocess.Popen([os.path.join(ROOT, "scripts/demo"), "--json", "--pops", "3", "--file", path], stdout=out,
                                stderr=err)
        try:
            wait_for("the demo's network", lambda: len(namespaces(demo.pid)) > 1 or demo.poll() is not None, 120)
            made = namespaces(demo.pid)
            demo.wait(240)
        finally:
            demo.terminate()
        out.seek(0), err.seek(0)
        return demo.returncode, out.read(), err.read(), made, namespaces(demo.pid)


def main():
    with tempfile.NamedTemporaryFile() as handle:
        handle.write(os.urandom(9_999_991))
        handle.flush()
        status, out, err, made, left = run_demo(handle.name)
    print(err)
    assert status == 0
    result = json.loads(out.splitlines()[-1])
    print(json.dumps(result, indent=1))
    assert KEYS <= result.keys()
    assert (result["pops"], result["peers"], result["delivered"]) == (3, 6, 4)
    assert result["sha256_ok"] and result["conservation_ok"]
    assert 1.0 <= result["ratio_to_floor"] < 3.0, result["ratio_to_floor"]
    carrying = [tree for tree in result["trees"] if tree["status"] == "ok"]
    assert len(carrying) >= 2 and all(tree["min_bps"] <= tree["rate_bps"] <= tree["max_bps"] for tree in carrying)
    assert all(link["peak_bps"] <= link["budget_bps"] for link in result["links"])
    assert sum(link["bytes"] for link in result["links"]) > 9_999_991, "the CDN carried the file"
    assert made and not left, left


if __name__ == "__main__":
    sys.exit(main())
