# SPDX-License-Identifier: Apache-2.0
"""Tests that measure: a dataplane on one CPU, what it is measured with on another, both with hugepages."""

import os
import tempfile

from network import release_hugepages, reserve_hugepages, used_hugepages

SKIPPED = 77
PAGES = 448


def on_two_cpus(run):
    """Runs it in a directory of its own, with hugepages; the test's exit status."""
    before = reserve_hugepages(used_hugepages() + PAGES)
    if before is None or len(os.sched_getaffinity(0)) < 2:
        print(f"needs two CPUs and {PAGES} hugepages of 2 MB")
        return SKIPPED
    try:
        with tempfile.TemporaryDirectory(prefix="copse-two-cpus-") as directory:
            run(directory)
    finally:
        release_hugepages(before)
    return 0
