# SPDX-License-Identifier: Apache-2.0
"""Reads a dataplane's counters as any client does: HELLO on its API socket, the descriptor of the shared memory, mmap.
The layout is that of dataplane/include/copse/api.h; names of drops come from drops.h."""

import array
import mmap
import os
import re
import socket
import struct

HEADERS = os.path.join(os.path.dirname(__file__), "../../dataplane/include/copse")
API_VERSION, API_HELLO = 2, 1
LINE = 64


def drop_names():
    """(names of packet drops, names of copy drops) in the order of their enums."""
    with open(os.path.join(HEADERS, "drops.h")) as handle:
        text = handle.read().replace("\\\n", " ")
    lists = re.findall(r"#define COPSE_(PACKET|COPY)_DROPS\(X\)(.*)", text)
    return [re.findall(r'X\(\w+, "(\w+)"', body) for _, body in lists]


PACKET_DROPS, COPY_DROPS = drop_names()
SHM = struct.Struct("=4Q6I2Q10Q")
WORKER = ["applied_generation", "rx_packets", "rx_bytes", "tx_packets", "tx_bytes", "handshakes", "admitted", "copies_due",
          "copies_sent", "polls", "busy_polls", "busy_cycles", "sleeps"]
TREE = ["packets", "bytes", "green", "yellow", "copies_due", "copies_sent"] + [f"drop {name}" for name in COPY_DROPS]
LINK = ["packets", "bytes", "drops", "yellow_drops"]
MEMBER = ["rx_packets", "rx_bytes", "tx_packets", "tx_bytes"]


def padded(words):
    return (words * 8 + LINE - 1) // LINE * LINE


class Counters:
    def __init__(self, path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as api:
            api.settimeout(5)
            api.connect(path)
            api.sendall(struct.pack("=IHHQ", 16, API_VERSION, API_HELLO, 1))
            descriptors = array.array("i")
            reply, ancillary, _, _ = api.recvmsg(4096, socket.CMSG_SPACE(4))
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    descriptors.frombytes(data[:4])
            if len(reply) < 40 or not descriptors:
                raise RuntimeError(f"{path}: the dataplane refused HELLO")
            self.instance, _, size = struct.unpack_from("=QQQ", reply, 16)
            self.memory = mmap.mmap(descriptors[0], size, prot=mmap.PROT_READ)
            os.close(descriptors[0])
        fields = SHM.unpack_from(self.memory, 0)
        (self.labels, self.trees, self.members, self.links, self.fan_out, self.workers) = fields[4:10]
        (self.worker_at, self.worker_stride, self.tree_at, self.tree_stride, self.link_at, self.link_stride, self.member_at,
         self.member_stride, self.tree_state_at, self.member_state_at) = fields[12:22]

    def words(self, offset, count):
        return struct.unpack_from(f"={count}Q", self.memory, offset)

    def worker(self, number):
        """One worker's counters in their order: WORKER, PACKET_DROPS, COPY_DROPS."""
        return self.words(self.worker_at + number * self.worker_stride, len(WORKER) + len(PACKET_DROPS) + len(COPY_DROPS))

    def totals(self):
        """Sums over workers, by name; drops as two dictionaries."""
        sums = [sum(column) for column in zip(*map(self.worker, range(self.workers)))]
        out = dict(zip(WORKER, sums))
        out["packet_drops"] = dict(zip(PACKET_DROPS, sums[len(WORKER):]))
        out["copy_drops"] = dict(zip(COPY_DROPS, sums[len(WORKER) + len(PACKET_DROPS):]))
        return out

    def link(self, slot):
        rows = [self.words(self.link_at + w * self.link_stride + slot * padded(len(LINK)), len(LINK))
                for w in range(self.workers)]
        return dict(zip(LINK, (sum(column) for column in zip(*rows))))

    def sent_to_members(self, slots=64):
        """{member id: layer-3 bytes of copies sent to it} of the members in the first slots."""
        states = self.words(self.member_state_at, 2 * min(slots, self.members))
        return {identity: sum(self.words(self.member_at + w * self.member_stride + slot * padded(len(MEMBER)), len(MEMBER))[3]
                              for w in range(self.workers))
                for slot, identity in enumerate(states[::2]) if identity}

    def charges(self, slots=64):
        """(tree id, bytes charged) of the first slots. Of a tree that is gone, id 0, the charge stays until another has the slot."""
        words = self.words(self.tree_state_at, 4 * min(slots, self.trees))
        return [(words[i], words[i + 1]) for i in range(0, len(words), 4)]

    def tree_block(self, count):
        """The first `count` trees as they are at this moment, for tree_slots."""
        size = count * padded(len(TREE))
        return [self.memory[at:at + size] for at in (self.tree_at + w * self.tree_stride for w in range(self.workers))]

    @staticmethod
    def tree_slots(blocks):
        """Each tree's counters by name, sums over workers."""
        size = padded(len(TREE))
        slots = zip(*([struct.unpack_from(f"={len(TREE)}Q", block, at) for at in range(0, len(block), size)] for block in blocks))
        return [dict(zip(TREE, (sum(column) for column in zip(*slot)))) for slot in slots]

    def tree_counters(self, slots=64):
        """{tree id: counters} of the trees in the first slots."""
        identities = self.words(self.tree_state_at, 4 * min(slots, self.trees))[::4]
        counted = self.tree_slots(self.tree_block(len(identities)))
        return {identity: one for identity, one in zip(identities, counted) if identity}

    def conserved(self):
        """What came in is what was admitted, answered or dropped by name; copies owed are copies sent or dropped."""
        t = self.totals()
        packets = t["rx_packets"] - t["admitted"] - t["handshakes"] - sum(t["packet_drops"].values())
        copies = t["copies_due"] - t["copies_sent"] - sum(t["copy_drops"].values())
        return packets == 0 and copies == 0
