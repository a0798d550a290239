# SPDX-License-Identifier: Apache-2.0
"""cycles of a packet and of a copy in process, without a device, beside bare replication"""

from process import run_program


def row(one):
    choice = "-zipf" if one["choice"] == "zipf" else ""
    return {"bench": "cycles" + choice, "device": "net_ring", "peer": "copse", "workers": 1,
            **{name: value for name, value in one.items() if name not in ("bench", "choice")}}


def run(context):
    quick = ["--quick"] if context.quick else []
    return [row(one) for one in run_program(context, "tests/bench/pipeline-bench", *quick)]
