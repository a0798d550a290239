# SPDX-License-Identifier: Apache-2.0
"""The paper's study on the real forwarding plane, and libtorrent on the same links, beside the simulator.

A run is one mode with so many peers on a network of its own; its row is added to runs.json, of which the table is made."""

import itertools
import json
import os
import signal
import statistics
import subprocess

from network import stolen_ticks
from paper import PaperLab, Study
from pauses import Pauses
from transfer import Transfer, random_file

MODES = ("cdn", "p2p", "libtorrent")
DEBIAN_PYTHON = "/usr/bin/python3"  # that has python3-libtorrent
RATE_SLACK = 0.95


class Direct(Transfer):
    """copse-peer without the CDN."""

    more = ("--direct",)


class Torrent(Transfer):
    """libtorrent in the place of copse-peer: every peer is loaded before, knows all others, and begins at a signal."""

    def share(self):
        self.torrent = os.path.join(self.lab.directory, "content.torrent")
        subprocess.run([DEBIAN_PYTHON, "-c", """
import libtorrent, os, sys
path, out = sys.argv[1:]
files = libtorrent.file_storage()
libtorrent.add_files(files, path)
torrent = libtorrent.create_torrent(files, flags=libtorrent.create_torrent.v1_only)
libtorrent.set_piece_hashes(torrent, os.path.dirname(path))
open(out, "wb").write(libtorrent.bencode(torrent.generate()))
""", self.path, self.torrent], check=True)
        peers = self.seeds + self.receivers
        for peer in peers:
            folder = os.path.dirname(self.path)
            if not peer.seed:
                folder = os.path.join(self.lab.directory, f"{peer.name}.torrent")
                os.mkdir(folder)
                peer.output = os.path.join(folder, os.path.basename(self.path))
            partners = [other.address for other in peers if other is not peer]
            peer.run(DEBIAN_PYTHON, os.path.join(os.path.dirname(os.path.abspath(__file__)), "torrent_peer.py"), self.torrent,
                     folder, peer.address, "seed" if peer.seed else "get", *partners)
        self.until("all of libtorrent", lambda: all(peer.status.get("ready") for peer in peers))
        for seed in self.seeds:
            seed.process.send_signal(signal.SIGUSR1)

    def begin(self, peer):
        peer.process.send_signal(signal.SIGUSR1)


TRANSFERS = {"cdn": Transfer, "p2p": Direct, "libtorrent": Torrent}


def ideal(study, peers, size):
    """(no scheme is faster, no P2P scheme is faster), seconds."""
    bits, seeds = size * 8, len(study.seeds)
    floor = bits / min(study.down, seeds * study.up)
    return floor, bits / min(study.down, seeds * study.up, peers * study.up / (peers - seeds))


def measures(study, size, times):
    """What a run shows; `times`: (arrival, completion) of each receiver, seconds."""
    floor, p2p = ideal(study, len(times) + len(study.seeds), size)
    finished = [done for _, done in times]
    over_bound = [done / max(floor, arrival + size * 8 / study.down) for arrival, done in times]
    return {"mean_s": round(statistics.mean(finished), 2), "max_s": round(max(finished), 2), "floor_s": round(floor, 2),
            "ideal_p2p_s": round(p2p, 2), "ratio_to_floor": round(max(finished) / floor, 3),
            "ratio_to_ideal_p2p": round(max(finished) / p2p, 3), "ratio_to_bound": round(statistics.mean(over_bound), 3)}


def run(study, mode, peers, size, simulated):
    """One run, in which receivers arrive when they did in the simulator: its row."""
    with PaperLab(study, peers) as lab:
        lab.add_peers()
        path = random_file(os.path.join(lab.directory, "content"), size)
        if mode == "libtorrent":
            lab.stop_pops()
        rates = lab.rates()
        print(f"{mode}, {peers} peers: " + ", ".join(f"{name} {seen / 1e6:.2f} of {shaped / 1e6:.1f} Mbit/s"
                                                     for name, shaped, seen, _ in rates), flush=True)
        for name, shaped, seen, most in rates:
            if not RATE_SLACK <= seen / most <= 1.1:
                raise RuntimeError(f"the link {name} is shaped to {shaped / 1e6:.1f} Mbit/s, iperf3 sees {seen / 1e6:.2f}: "
                                   f"this machine is too busy for a run")
        arrivals = {lab.peers[number - 1]: arrival for number, (arrival, _) in simulated.items()}
        transfer = TRANSFERS[mode](lab, path, lab.peers, arrivals)
        before = stolen_ticks()
        with Pauses() as pauses:
            transfer.start()
            transfer.wait()
        after = stolen_ticks()
        wrong = transfer.wrong()
        if wrong:
            raise RuntimeError(f"{mode}, {peers} peers: not exact: {', '.join(wrong)}")
        conserved = mode == "libtorrent" or all(counters.conserved() for counters in lab.counters().values())
        times = [(arrivals[peer], peer.finished - transfer.start_time) for peer in transfer.receivers]
        return {**measures(study, size, times), "conserved": conserved,
                "steal": round((after[0] - before[0]) / max(1, after[1] - before[1]), 3), "paused_s": round(pauses.total, 2),
                "rates_mbps": {name: round(seen / 1e6, 2) for name, _, seen, _ in rates}}


def mean(runs, name):
    return statistics.mean(one[name] for one in runs)


def compare(runs, others):
    """Times of the ones over times of the others: of as many runs as both have, for the n-th have the same arrivals."""
    count = min(len(runs), len(others))
    return {name: round(mean(runs[:count], name) / mean(others[:count], name), 3) for name in ("mean_s", "max_s") if count}


def row_of(runs, simulated, torrent):
    """A case in the table, of its runs: means, and the standard error of the last peer's; beside it the simulator and libtorrent."""
    names = [name for name in runs[0] if name.startswith("ratio_") or name.endswith("_s")]
    error = statistics.stdev(one["max_s"] for one in runs) / len(runs) ** 0.5 if len(runs) > 1 else 0.0
    return {**runs[0], **{name: round(mean(runs, name), 3) for name in names}, "stderr_s": round(error, 2), "runs": len(runs),
            "conserved": all(one["conserved"] for one in runs),
            "simulated": {name: mean(simulated[:len(runs)], name) for name in ("mean_s", "max_s") if simulated},
            "over_simulated": compare(runs, simulated), "speedup": compare(torrent, runs) if torrent is not runs else {}}


def print_table(rows):
    """One line for each mode with so many peers."""
    print("| peers | MB | arrivals | mode | runs | mean | last | × floor | × ideal P2P | × bound | simulated: mean | last | "
          "real / simulated: mean | last | libtorrent / it: mean | last |\n|" + "---|" * 16)
    both = lambda times, digits: " | ".join(f"{times[name]:.{digits}f}" if times else "" for name in ("mean_s", "max_s"))
    for row in rows:
        print(f"| {row['peers']} | {row['size_mb']:g} | {row['arrivals']} | {row['mode']} | {row['runs']} | {both(row, 1)} | "
              f"{row['ratio_to_floor']:.2f} | {row['ratio_to_ideal_p2p']:.2f} | {row['ratio_to_bound']:.3f} | "
              f"{both(row['simulated'], 1)} | {both(row['over_simulated'], 2)} | {both(row['speedup'], 2)} |")


def study(path, arguments, simulate):
    """Makes the runs asked for, adds them to runs.json, and prints the table of all that are there of these cases.
    `simulate(runs)` gives the simulator's peers in so many runs of each."""
    paper, size = Study(path, arguments.scale), int(arguments.size * 1e6)
    cases = {(peers, mode): {"peers": peers, "size_mb": arguments.size, "arrivals": arguments.arrivals, "mode": mode,
                             "scale": arguments.scale} for peers in arguments.peers for mode in MODES}
    kept = os.path.join(arguments.out, "runs.json")
    runs = []
    if os.path.exists(kept):
        with open(kept, encoding="utf-8") as handle:
            runs = json.load(handle)
    found = {key: [one for one in runs if case.items() <= one.items()] for key, case in cases.items()}
    simulated = simulate(max(1, arguments.runs + max(map(len, found.values()))))
    for _ in range(arguments.runs):
        for peers, mode in itertools.product(arguments.peers, arguments.modes):
            done = found[peers, mode]
            done.append({**cases[peers, mode], **run(paper, mode, peers, size, simulated[peers, "cdn"][len(done)])})
            runs.append(done[-1])
            print(json.dumps(done[-1]), flush=True)
            with open(kept, "w", encoding="utf-8") as handle:
                json.dump(runs, handle, indent=1)
    ours = {key: [measures(paper, size, times.values()) for times in peers.values()] for key, peers in simulated.items()}
    rows = [row_of(done, ours.get(key, []), found[key[0], "libtorrent"]) for key, done in found.items() if done]
    with open(os.path.join(arguments.out, "real.json"), "w", encoding="utf-8") as handle:
        json.dump(rows, handle, indent=1)
    print_table(rows)
    return 0
