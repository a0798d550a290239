# SPDX-License-Identifier: Apache-2.0
"""copies a second of one core, beside all peers: frame sizes, fan-outs, trees, local peers"""

from goals import FRAMES
from replication import replicate
from results import Results
from session import Cell


def matrix(context):
    if context.fanouts:
        cells = [Cell(frame, fanout) for frame in FRAMES for fanout in context.fanouts]
    elif context.quick:
        cells = [Cell(frame, fanout) for frame in FRAMES for fanout in (1, 8, 16, 32)]
    else:
        cells = [Cell(frame, fanout) for frame in FRAMES for fanout in (1, 2, 4, 8, 16, 32, 64)]
        cells += [Cell(frame, 8, trees, zipf) for frame in FRAMES for trees in (1000, 100000) for zipf in (0, 1)]
        cells += [Cell(frame, fanout, kind="member") for frame in FRAMES for fanout in (8, 1000)]
    if context.frames:
        cells = [cell._replace(frame=frame) for frame in context.frames for cell in cells if cell.frame == FRAMES[0]]
    return cells


def variant(cell):
    return ("-zipf" if cell.zipf else "") + ("-peers" if cell.kind == "member" else "")


def run(context):
    cells = matrix(context)
    return replicate(context, context.setup().with_cells(cells), Results("replicate", context.peers(), variant), cells)
