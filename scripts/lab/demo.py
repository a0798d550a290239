# SPDX-License-Identifier: Apache-2.0
"""scripts/demo: one file, from two peers to all others, through bandwidth-bounded trees of six PoPs."""

import argparse
import hashlib
import json
import os
import signal
import sys
import time

from lab import Lab, LabError, wait_for
from network import stolen_ticks
from report import Screen, summary

SEEDS = 2


def options():
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Shares a file through the paper's CDN, in network "
                                     "namespaces of this machine: real dataplanes on AF_XDP, real control planes, real peers.")
    parser.add_argument("--file", help="share this file (default: 50 MB of random bytes)")
    parser.add_argument("--size", type=float, default=50, metavar="MB", help="size of the random file (default: 50)")
    parser.add_argument("--pops", type=int, default=6, choices=range(2, 7), metavar="N", help="PoPs, 2 to 6 (default: 6)")
    parser.add_argument("--peers-per-pop", type=int, default=2, metavar="N", help="peers behind each PoP (default: 2)")
    parser.add_argument("--scale", type=float, default=100, metavar="X",
                        help="times the paper's 0.2 up, 0.7 down, 1.0 Mbit/s per CDN link (default: 100)")
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


def content(lab, chosen):
    """(path, bytes, SHA-256) of what is shared."""
    path = os.path.abspath(chosen.file) if chosen.file else os.path.join(lab.directory, "content")
    digest, size = hashlib.sha256(), 0
    if not chosen.file:
        with open(path, "wb") as handle:
            for _ in range(int(chosen.size * 1e6) // 1000000 or 1):
                handle.write(os.urandom(1000000))
    with open(path, "rb") as handle:
        while chunk := handle.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    if size == 0:
        raise LabError(f"{path} is empty: nothing to share")
    return path, size, digest.hexdigest()


def file_hash(path):
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as handle:
            while chunk := handle.read(1 << 20):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()


def transfer(lab, path, size, screen):
    """Shares, fetches, waits for the last peer. Returns (session, seconds, link samples)."""
    seeds = [peer for peer in lab.peers if peer.seed]
    seeds[0].share(path)
    session = wait_for("the first seed's session", lambda: lab.check_alive() or seeds[0].session, 60)
    for seed in seeds[1:]:
        seed.share(path, session)
    for seed in seeds:
        wait_for(f"seed {seed.name}", lambda: lab.check_alive() or seed.status.get("joined"), 60)
    receivers = [peer for peer in lab.peers if not peer.seed]
    start = time.monotonic()
    for peer in receivers:
        peer.get(session)
    limit = start + 120 + 20 * size * 8 / (lab.up * len(seeds))
    samples = [(start, lab.network.link_counters())]
    while any(peer.finished is None for peer in receivers):
        lab.check_alive()
        if time.monotonic() > limit:
            raise LabError("the transfer takes far too long")
        time.sleep(0.2)
        if time.monotonic() - samples[-1][0] >= 1:
            samples.append((time.monotonic(), lab.network.link_counters()))
            screen.show(lab, session, size, time.monotonic() - start)
    samples.append((time.monotonic(), lab.network.link_counters()))
    screen.show(lab, session, size, time.monotonic() - start)
    return session, start, samples


def quiet(lab):
    """Waits until no dataplane receives anything more, so that counters can be compared."""
    def still():
        before = [c.totals()["rx_packets"] for c in lab.counters().values()]
        time.sleep(0.5)
        return before == [c.totals()["rx_packets"] for c in lab.counters().values()]
    wait_for("the network", still, 20)


def keep_running(lab, session, chosen):
    pop = lab.pops[0]
    print(f"""
Kept running; Ctrl-C ends and removes it. To look at it:
  ip netns exec {pop.namespace} curl -s --cacert {pop.certificate} \\
    -H "Authorization: Bearer $(cat {lab.directory}/operator.token)" {pop.url}/v1/sessions/{session}
  ip netns exec {pop.namespace} curl -s --cacert {pop.certificate} \\
    -H "Authorization: Bearer $(cat {lab.directory}/operator.token)" {pop.url}/metrics
  logs and configurations: {lab.directory}""", file=sys.stderr if chosen.json else sys.stdout, flush=True)
    while True:
        time.sleep(1)
        lab.check_alive()


def main():
    chosen = options()
    out = sys.stderr if chosen.json else sys.stdout
    stolen = stolen_ticks()
    with Lab(chosen.pops, chosen.scale) as lab:
        path, size, digest = content(lab, chosen)
        for pop_index, pop in enumerate(lab.pops):
            for index in range(1, chosen.peers_per_pop + 1):
                seed = index == 1 and pop_index in (0, chosen.pops // 2)
                lab.peer(pop, index, seed)
        screen = Screen(out)
        session, start, samples = transfer(lab, path, size, screen)
        before, after = stolen, stolen_ticks()
        steal = (after[0] - before[0]) / max(1, after[1] - before[1])
        wrong = [peer.name for peer in lab.peers if not peer.seed and file_hash(peer.output) != digest]
        quiet(lab)
        result = summary(lab, session, size, start, samples, wrong, steal, out)
        if chosen.keep:
            keep_running(lab, session, chosen)
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
