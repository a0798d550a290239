# SPDX-License-Identifier: Apache-2.0
"""scripts/demo: one file, from two peers to all others, through bandwidth-bounded trees of six PoPs."""

import argparse
import json
import os
import shlex
import signal
import sys
import time

from lab import Lab, LabError, wait_for
from network import stolen_ticks
from report import Screen, summary
from transfer import Transfer, random_file


def options():
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Shares a file through the paper's CDN, in network "
                                     "namespaces of this machine: real dataplanes on AF_XDP, real control planes, real peers.")
    parser.add_argument("--file", help="share this file (default: 50 MB of random bytes)")
    parser.add_argument("--size", type=float, default=50, metavar="MB", help="size of the random file (default: 50)")
    parser.add_argument("--pops", type=int, default=6, choices=range(2, 7), metavar="N", help="PoPs, 2 to 6 (default: 6)")
    parser.add_argument("--peers-per-pop", type=int, default=2, metavar="N", help="peers behind each PoP (default: 2)")
    parser.add_argument("--scale", type=float, default=100, metavar="X",
                        help="times the paper's 0.2 up, 0.7 down, 1.0 Mbit/s per CDN link (default: 100)")
    parser.add_argument("--store", choices=("sqlite", "etcd"), default="sqlite",
                        help="what control planes share: a file, or etcd on a machine of its own (default: sqlite)")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object, as the last line")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end, until Ctrl-C")
    chosen = parser.parse_args()
    if not 1 <= chosen.peers_per_pop <= 60:
        parser.error("--peers-per-pop: 1 to 60")
    if not 0.1 <= chosen.scale <= 10000:
        parser.error("--scale: 0.1 to 10000")
    if chosen.file and not os.path.isfile(chosen.file):
        parser.error(f"--file: {chosen.file} is not a file")
    return chosen


def quiet(lab):
    """Waits until no dataplane receives anything more, so that counters can be compared."""
    def still():
        before = [c.totals()["rx_packets"] for c in lab.counters().values()]
        time.sleep(0.5)
        return before == [c.totals()["rx_packets"] for c in lab.counters().values()]
    wait_for("the network", still, 20)


def keep_running(lab, chosen):
    pop = lab.pops[0]
    print(f"""
Kept running; Ctrl-C ends and removes it. To look at it:
  {shlex.join(pop.copse("top"))}
  instead of top: status, links, trees, peers, credit, drops, why PEER …; --help lists them
  logs and configurations: {lab.directory}""", file=sys.stderr if chosen.json else sys.stdout, flush=True)
    while True:
        time.sleep(1)
        lab.check_alive()


def main():
    chosen = options()
    out = sys.stderr if chosen.json else sys.stdout
    stolen = stolen_ticks()
    with Lab(chosen.pops, chosen.scale, chosen.peers_per_pop, chosen.store) as lab:
        path = chosen.file or random_file(os.path.join(lab.directory, "content"), int(chosen.size * 1e6))
        seeds = (0, chosen.pops // 2) if chosen.pops * chosen.peers_per_pop > 2 else (0,)
        for index, pop in enumerate(lab.pops):
            for number in range(1, chosen.peers_per_pop + 1):
                lab.peer(pop, number, seed=number == 1 and index in seeds)
        screen = Screen(out)
        transfer = Transfer(lab, os.path.abspath(path), lab.peers)
        transfer.start()
        show = lambda: screen.show(lab, transfer, time.monotonic() - transfer.start_time)
        transfer.wait(show)
        show()
        before, after = stolen, stolen_ticks()
        quiet(lab)
        result = summary(lab, transfer, (after[0] - before[0]) / max(1, after[1] - before[1]), out)
        if chosen.keep:
            keep_running(lab, chosen)
    if chosen.json:
        print(json.dumps(result), flush=True)
    return 0 if result["sha256_ok"] and result["conservation_ok"] and result["links_ok"] else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\nstopped; everything has been removed", file=sys.stderr)
        sys.exit(130)
    except (LabError, RuntimeError, OSError) as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        sys.exit(1)
