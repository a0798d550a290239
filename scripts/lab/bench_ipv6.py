# SPDX-License-Identifier: Apache-2.0
"""the same in IPv6, where every copy has a UDP checksum of its own; beside those peers that can"""

from peers import Bare, Copse, Testpmd
from replication import replicate
from results import Results
from session import Cell

FRAMES = (512, 1400)  # Ethernet, IPv6, UDP and block headers are 94 bytes


def run(context):
    cells = [Cell(frame, fanout) for frame in context.frames or FRAMES for fanout in context.fanouts or (1, 8, 32)]
    results = Results("replicate-ipv6", context.peers(Testpmd, Bare, Copse))
    return replicate(context, context.setup(ipv6=True).with_cells(cells), results, cells)
