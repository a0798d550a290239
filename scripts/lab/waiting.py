# SPDX-License-Identifier: Apache-2.0
"""Waiting for what a program does, always bounded in time."""

import time


class LabError(RuntimeError):
    """What went wrong in a lab, in a sentence."""


def wait_for(what, condition, seconds, step=0.05):
    """Polls until the condition returns something true; that is returned."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {seconds:g} s")
        time.sleep(step)
