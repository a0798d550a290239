# SPDX-License-Identifier: Apache-2.0
"""Programs of tests/bench that measure the pipeline in process: their JSON is read, and their tables are shown where they
fit a screen."""

import json
import subprocess

from peers import BenchError, prefer

TIMEOUT_S = 300


def run_program(context, program, *arguments, show=True):
    """What `program`, a path in the build folder, wrote to its --json FILE."""
    context.reserve()
    setup = context.setup()
    path = setup.path(f"{program.rsplit('/', 1)[-1]}.json")
    done = subprocess.run([setup.program(program), *arguments, "--json", path], capture_output=True, text=True,
                          timeout=TIMEOUT_S, preexec_fn=prefer)
    if show:
        print(done.stdout, end="")
    if done.returncode:
        raise BenchError(f"{program}: {done.stderr.strip()[-500:]}")
    with open(path) as handle:
        return json.load(handle)

