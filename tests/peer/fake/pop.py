# SPDX-License-Identifier: Apache-2.0
"""A PoP's dataplane in Python: handshake, and DATA of one tree copied to all members but the sender, with losses and
in disorder. A second implementation of docs/protocol.md, from the page alone."""

import random
import secrets
import socket
import struct
import threading
import time

HEADER = struct.Struct(">BBBBIIHHQ8s")
DATA, HELLO, CHALLENGE, RESPONSE, ACCEPT = 1, 4, 5, 6, 7
MASK = (1 << 64) - 1


def siphash(key, data):
    """SipHash-2-4; the 8 bytes as they are."""
    k0, k1 = struct.unpack("<QQ", key)
    v0, v1, v2, v3 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def rotate(x, n):
        return ((x << n) | (x >> (64 - n))) & MASK

    def rounds(count, v0, v1, v2, v3):
        for _ in range(count):
            v0 = (v0 + v1) & MASK
            v1 = rotate(v1, 13) ^ v0
            v0 = rotate(v0, 32)
            v2 = (v2 + v3) & MASK
            v3 = rotate(v3, 16) ^ v2
            v0 = (v0 + v3) & MASK
            v3 = rotate(v3, 21) ^ v0
            v2 = (v2 + v1) & MASK
            v1 = rotate(v1, 17) ^ v2
            v2 = rotate(v2, 32)
        return v0, v1, v2, v3

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 255])
    for (word,) in struct.iter_unpack("<Q", padded):
        v3 ^= word
        v0, v1, v2, v3 = rounds(2, v0, v1, v2, v3)
        v0 ^= word
    v0, v1, v2, v3 = rounds(4, v0, v1, v2 ^ 255, v3)
    return struct.pack("<Q", v0 ^ v1 ^ v2 ^ v3)


def packet(type, label, block, symbol, sequence, payload, key, hops=15):
    head = HEADER.pack(1, type, 0, hops, label, block, symbol, len(payload), sequence, bytes(8))
    return head[:24] + siphash(key, head[:4] + head[8:24]) + payload


class Pop:
    """`loss` is the part of copies that is dropped, `disorder` the part that is late by up to 60 packets."""

    def __init__(self, loss=0.0, disorder=0.0, seed=1):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.address, self.loss, self.disorder, self.random = self.socket.getsockname(), loss, disorder, random.Random(seed)
        self.members, self.permitted, self.cookies, self.sequences = {}, {}, {}, {}
        self.sequence, self.held, self.running, self.counts = 1000, [], True, {"forged": 0, "data": 0, "copies": 0, "lost": 0}
        self.forge = self.deaf = False  # carries rubbish; answers nothing and carries nothing
        self.children = []  # PoPs that get a copy of everything
        self.data_times = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def stop(self):
        self.running = False
        self.thread.join()
        self.socket.close()

    def add(self, member):
        self.members[member.label] = member

    def run(self):
        while self.running:
            try:
                data, source = self.socket.recvfrom(2048)
            except socket.timeout:
                self.release(all=True)
                continue
            if not self.deaf:
                self.take(data, source)

    def take(self, data, source):
        version, type, _, hops, label, block, symbol, length, sequence, tag = HEADER.unpack_from(data)
        member, payload = self.members.get(label), data[32:]
        if (version != 1 or not member or length != len(payload) or source[1] != member.request["port"] or
                tag != siphash(member.key, data[:4] + data[8:24]) or sequence <= self.sequences.get(label, 0)):
            self.counts["forged"] += 1
            return
        self.sequences[label] = sequence
        if type == HELLO and payload == bytes(32):
            self.cookies[label] = secrets.token_bytes(16)
            self.socket.sendto(packet(CHALLENGE, label, 0, 0, sequence, self.cookies[label], member.key), source)
        elif type == RESPONSE and payload == self.cookies.get(label):
            self.permitted[label] = source
            self.socket.sendto(packet(ACCEPT, label, 0, 0, sequence, struct.pack(">I", 60), member.key), source)
        elif type == DATA and label in self.permitted and hops == 16:
            self.counts["data"] += 1
            self.data_times.append((time.monotonic(), len(data) + 28))
            self.replicate(label, block, symbol, payload)
        else:
            self.counts["forged"] += 1

    def replicate(self, sender, block, symbol, payload):
        self.sequence += 1
        if self.forge:
            payload = secrets.token_bytes(len(payload))
        key = self.members[sender].session.area_key
        copy = packet(DATA, 7777, block, symbol, self.sequence, payload, key)
        self.deliver(copy, sender)
        for child in self.children:
            child.deliver(copy)

    def deliver(self, copy, sender=None):
        for label, address in list(self.permitted.items()):
            if label == sender or self.deaf:
                continue
            if self.random.random() < self.loss:
                self.counts["lost"] += 1
            elif self.random.random() < self.disorder:
                self.held.append([self.random.randrange(1, 60), copy, address])
            else:
                self.send(copy, address)
        self.release()

    def release(self, all=False):
        for late in self.held:
            late[0] -= 1
        for late in [late for late in self.held if all or late[0] <= 0]:
            self.held.remove(late)
            self.send(late[1], late[2])

    def send(self, copy, address):
        self.counts["copies"] += 1
        self.socket.sendto(copy, address)
