#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The other end of the shipped dataplane's virtio-user port is killed under load and comes back, and so is the dataplane:
copies are counted by name, the port's state is told, and nothing is lost that a check could miss."""

import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "scripts/lab"))
from bench_pressure import FANOUT, FRAME, other_end_dies  # noqa: E402
from peers import START_S, Copse  # noqa: E402
from session import Cell, Session, Setup  # noqa: E402
from two_cpus import on_two_cpus  # noqa: E402

DEATHS = 4


def run(directory):
    setup = Setup(directory, os.path.join(ROOT, "build"), server=True, keys={"log_level": '"info"'})
    with Session(setup, Copse) as session:
        session.check(Cell(FRAME, FANOUT))
        row = other_end_dies(session, DEATHS)
        assert row["kept"], row
        print(f"ok: the other end of a port was killed {DEATHS} times: {row['due']} copies due, {row['sent']} sent, "
              f"dropped {row['drops']}, and every one of a check is right and there")

        session.peer.process.child.kill()  # its sockets stay behind
        session.generator.stop()
        session.start_generator()
        session.generator.hear(START_S)
        session.peer.start()
        session.check(Cell(FRAME, FANOUT))
        print("ok: a dataplane that was killed starts again at the same sockets")


if __name__ == "__main__":
    sys.exit(on_two_cpus(run))
