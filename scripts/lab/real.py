# SPDX-License-Identifier: Apache-2.0
"""The paper's flash crowd on the real forwarding plane, and libtorrent on the same links, beside the simulator.

A run is one mode with so many peers on a network of its own; its row is added to real.json, of which the table is made."""

import json
import os
import signal
import statistics
import subprocess
import time

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
    """libtorrent in the place of copse-peer: every peer knows all others, downloads begin at one signal."""

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

    def fetch(self):
        self.start_time = time.monotonic()
        for peer in self.receivers:
            peer.process.send_signal(signal.SIGUSR1)
        self.samples = [(self.start_time, self.lab.network.link_counters())]


TRANSFERS = {"cdn": Transfer, "p2p": Direct, "libtorrent": Torrent}


def ideal(study, peers, size):
    """(no scheme is faster, no P2P scheme is faster), seconds."""
    bits, seeds = size * 8, len(study.seeds)
    floor = bits / min(study.down, seeds * study.up)
    return floor, bits / min(study.down, seeds * study.up, peers * study.up / (peers - seeds))


def run(study, mode, peers, size):
    """One run: its row."""
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
        transfer = TRANSFERS[mode](lab, path, lab.peers)
        before = stolen_ticks()
        with Pauses() as pauses:
            transfer.start()
            transfer.wait()
        after = stolen_ticks()
        times = sorted(peer.finished - transfer.start_time for peer in transfer.receivers)
        wrong = transfer.wrong()
        if wrong:
            raise RuntimeError(f"{mode}, {peers} peers: not exact: {', '.join(wrong)}")
        conserved = mode == "libtorrent" or all(counters.conserved() for counters in lab.counters().values())
        floor, p2p = ideal(study, peers, size)
        return {"peers": peers, "size_mb": size / 1e6, "arrivals": "flash", "mode": mode, "mean_s": round(statistics.mean(times), 2),
                "max_s": round(times[-1], 2), "stderr_s": 0.0, "floor_s": round(floor, 2), "ratio_to_floor": round(times[-1] / floor, 3),
                "ideal_p2p_s": round(p2p, 2), "runs": 1, "conserved": conserved,
                "steal": round((after[0] - before[0]) / max(1, after[1] - before[1]), 3), "paused_s": round(pauses.total, 2),
                "rates_mbps": {name: round(seen / 1e6, 2) for name, _, seen, _ in rates}}


def aggregate(runs):
    """The row of one mode with so many peers, of its runs: means, and the standard error of the mean."""
    mean = lambda name: statistics.mean(one[name] for one in runs)
    error = statistics.stdev(one["mean_s"] for one in runs) / len(runs) ** 0.5 if len(runs) > 1 else 0.0
    return {**{name: runs[0][name] for name in ("peers", "size_mb", "arrivals", "mode", "floor_s", "ideal_p2p_s")},
            "mean_s": round(mean("mean_s"), 2), "max_s": round(mean("max_s"), 2), "stderr_s": round(error, 2),
            "ratio_to_floor": round(mean("max_s") / runs[0]["floor_s"], 3), "runs": len(runs)}


def table(rows, simulated):
    """Prints one line for each number of peers: last peer, seconds."""
    print("| peers | floor | ideal P2P | CDN simulated | CDN real | real / simulated | × floor | P2P simulated | P2P real | "
          "real / simulated | × ideal P2P | libtorrent | × ideal P2P | libtorrent / CDN |\n|" + "---|" * 14)
    find = lambda among, peers, mode: next((row for row in among if (row["peers"], row["mode"]) == (peers, mode)), None)
    cell = lambda row: f"{row['max_s']:.1f}" if row else ""
    ratio = lambda row, of: f"{row['max_s'] / of:.2f}" if row and of else ""
    last = lambda row: row["max_s"] if row else None
    for peers in sorted({row["peers"] for row in rows}):
        cdn, p2p, torrent = (find(rows, peers, mode) for mode in MODES)
        any_row = cdn or p2p or torrent
        ours = [find(simulated, peers, mode) for mode in ("cdn", "p2p")]
        print(f"| {peers} | {any_row['floor_s']:.1f} | {any_row['ideal_p2p_s']:.1f} | {cell(ours[0])} | {cell(cdn)} | "
              f"{ratio(cdn, last(ours[0]))} | {ratio(cdn, any_row['floor_s'])} | {cell(ours[1])} | {cell(p2p)} | "
              f"{ratio(p2p, last(ours[1]))} | {ratio(p2p, any_row['ideal_p2p_s'])} | {cell(torrent)} | "
              f"{ratio(torrent, any_row['ideal_p2p_s'])} | {ratio(torrent, last(cdn))} |")


def study(path, arguments, simulate):
    """Makes the runs asked for, adds them to runs.json, and prints the table of all that are there. `simulate(scale)` gives
    the simulator's rows of the same cases."""
    paper = Study(path, arguments.scale)
    kept = os.path.join(arguments.out, "runs.json")
    runs = []
    if os.path.exists(kept):
        with open(kept, encoding="utf-8") as handle:
            runs = json.load(handle)
    for _ in range(arguments.runs):
        for peers in arguments.peers:
            for mode in arguments.modes:
                runs.append({**run(paper, mode, peers, int(arguments.size * 1e6)), "scale": arguments.scale})
                print(json.dumps(runs[-1]), flush=True)
                with open(kept, "w", encoding="utf-8") as handle:
                    json.dump(runs, handle, indent=1)
    same = [one for one in runs if one["scale"] == arguments.scale and one["size_mb"] == arguments.size]
    rows = [aggregate([one for one in same if (one["peers"], one["mode"]) == key])
            for key in sorted({(one["peers"], one["mode"]) for one in same})]
    for row in rows:
        others = [other["max_s"] for other in rows if other["peers"] == row["peers"] and other["mode"] == "libtorrent"]
        if row["mode"] == "cdn" and others:
            row["speedup"] = round(others[0] / row["max_s"], 2)
    with open(os.path.join(arguments.out, "real.json"), "w", encoding="utf-8") as handle:
        json.dump(rows, handle, indent=1)
    table(rows, simulate(arguments.scale))
    return 0
