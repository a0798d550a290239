# SPDX-License-Identifier: Apache-2.0
"""What copse-dataplane is to reach: ratios to peers of the same run, by frame size."""

FRAMES = (96, 512, 1400)
# peer, fan-outs, the least ratio for each of FRAMES
GOALS = [
    ("bare", (8, 16, 32), (0.85, 0.85, 0.85)),
    ("ovs-dpdk", (8,), (8, 9, 12)),
    ("testpmd-io", (8,), (1.5, 1.6, 2.3)),
    ("mmsg-relay", (8,), (14, 14, 14)),
    ("gso-relay", (8,), (6, 6, 7)),
    ("xdp-broadcast", (8,), (3, 3.5, 3.5)),
    ("testpmd-io", (1,), (0.5, 0.6, 0.8)),
]


def judge(rows):
    """A line for each goal there are rows for."""
    ratios = {(row["frame"], row["fanout"]): row["ratio"] for row in rows
              if row["bench"] == "replicate" and row["device"] == "virtio_user" and row["peer"] == "copse" and row["trees"] == 1}
    lines = []
    for peer, fanouts, least in GOALS:
        for fanout in fanouts:
            found = [(goal, ratios[frame, fanout][peer]) for frame, goal in zip(FRAMES, least)
                     if peer in ratios.get((frame, fanout), {})]
            if found:
                reached = " ".join(f"{ratio:.2f}/{goal:g}{' ' if ratio >= goal else '!'}" for goal, ratio in found)
                lines.append(f"goal: fan-out {fanout:>2} x {peer:<13} {reached}")
    return lines
