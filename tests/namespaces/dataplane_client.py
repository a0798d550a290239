# SPDX-License-Identifier: Apache-2.0
"""A control plane in a few lines: copse/api.h over the socket; and block packets as peers and PoPs make them."""

import array
import ipaddress
import os
import socket
import struct

VERSION, HELLO, BATCH, DUMP = 2, 1, 2, 3
LINK_SET, MEMBER_SET, TREE_SET = 1, 3, 5
LINK, MEMBER = 1, 2
NONE = 0xFFFFFFFF
ANY_GENERATION = 0xFFFFFFFFFFFFFFFF
DATA, P_HELLO, CHALLENGE, RESPONSE, ACCEPT = 1, 4, 5, 6, 7
HEADER = struct.Struct("!BBBBIIHHQ8s")


def endpoint(address, port):
    ip = ipaddress.ip_address(address)
    packed = b"\0" * 10 + b"\xff\xff" + ip.packed if ip.version == 4 else ip.packed
    return packed + struct.pack("!H6x", port)


def operation(kind, record):
    record += b"\0" * (-len(record) % 8)
    return struct.pack("=HHI", kind, 0, len(record)) + record


def link(slot, address, port, name, budget=0):
    return operation(LINK_SET, struct.pack("=IIQ24s32s", slot, 10000, budget, endpoint(address, port), name.encode()))


def member(slot, identity, label, address, port, key, send_tree=NONE):
    return operation(MEMBER_SET, struct.pack("=QIIIIQ24s16s", identity, slot, label, send_tree, 10000, 0,
                                             endpoint(address, port), key))


def tree(slot, identity, label, upstream, tree_key, area_key, hops):
    """`hops`: (kind, slot, label), links first."""
    body = struct.pack("=QII24s16s16sQQIIII", identity, slot, label, endpoint(*upstream) if upstream else b"", tree_key,
                       area_key, 0, 0, 10000, 0, len(hops), 0)
    return operation(TREE_SET, body + b"".join(struct.pack("=IIII", *hop, 0) for hop in hops))


class Client:
    """One connection to the API socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(5)
        self.socket.connect(path)
        self.request = 0
        self.counters = None
        body = self.call(HELLO)
        self.instance, self.generation, self.shm_bytes = struct.unpack_from("=QQQ", body)
        self.limits = struct.unpack_from("=6I", body, 24)

    def call(self, kind, body=b""):
        self.request += 1
        self.socket.sendall(struct.pack("=IHHQ", 16 + len(body), VERSION, kind, self.request) + body)
        reply = b""
        while len(reply) < 16 or len(reply) < struct.unpack_from("=I", reply)[0]:
            data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(4))
            if not data:
                raise ConnectionError("the dataplane closed the connection")
            reply += data
            for _, _, rights in ancillary:
                descriptors = array.array("i")
                descriptors.frombytes(rights[:4])
                self.counters = descriptors[0]
        if struct.unpack_from("=Q", reply, 8)[0] != self.request:
            raise ConnectionError("an answer to another request")
        return reply[16:]

    def batch(self, *operations):
        """Applies the operations; raises with the dataplane's sentence when it refuses them."""
        body = self.call(BATCH, struct.pack("=QII", ANY_GENERATION, len(operations), 0) + b"".join(operations))
        status, at, self.generation = struct.unpack_from("=iIQ", body)
        if status != 0:
            raise RuntimeError(f"operation {at}: {os.strerror(-status)}: {body[16:].split(bytes(1))[0].decode()}")

    def dump(self):
        """(operations, bytes) of the table."""
        body = self.call(DUMP)
        return struct.unpack_from("=I", body, 8)[0], body

    def close(self):
        self.socket.close()
        if self.counters is not None:
            os.close(self.counters)
            self.counters = None


def siphash(key, data):
    """SipHash-2-4, 8 bytes out."""
    mask = (1 << 64) - 1
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def turn(x, bits):
        return (x << bits | x >> (64 - bits)) & mask

    def rounds(count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) & mask
            v[2] = (v[2] + v[3]) & mask
            v[1] = turn(v[1], 13) ^ v[0]
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = turn(v[0], 32)
            v[2] = (v[2] + v[1]) & mask
            v[0] = (v[0] + v[3]) & mask
            v[1] = turn(v[1], 17) ^ v[2]
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = turn(v[2], 32)

    padded = data + b"\0" * (7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for word in struct.unpack(f"<{len(padded) // 8}Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


def packet(kind, label, sequence, payload, key=None, block=0, symbol=0, hop_limit=16):
    """A block packet; without a key, as somebody makes it who has none."""
    head = HEADER.pack(1, kind, 0, hop_limit, label, block, symbol, len(payload), sequence, bytes(8))
    tag = siphash(key, head[:4] + head[8:24]) if key else os.urandom(8)
    return head[:24] + tag + payload


class Packet:
    """A received one."""

    def __init__(self, data):
        (self.version, self.type, self.flags, self.hop_limit, self.label, self.block, self.symbol, self.length,
         self.sequence, self.tag) = HEADER.unpack_from(data)
        self.tagged = data[:4] + data[8:24]
        self.payload = data[32:]
        self.bytes = len(data)

    def authentic(self, key):
        return siphash(key, self.tagged) == self.tag
