#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real copse-peer processes on loopback, against a fake control plane and a fake PoP. usage: end_to_end.py COPSE-PEER"""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from fake.control import Control

PROGRAM = None
DEADLINE = 15


def wait_for(what, condition, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Peer:
    """One copse-peer process; its JSON lines and its words are collected."""

    def __init__(self, control, *arguments, up="50M", down="200M"):
        command = [PROGRAM, *arguments, "--pop", control.url, "--token", control.token, "--ca", str(control.certificate),
                   "--address", "127.0.0.1", "--up", up, "--down", down, "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.words = [], []
        self.readers = [threading.Thread(target=self.read, args=(self.process.stdout, self.lines, json.loads)),
                        threading.Thread(target=self.read, args=(self.process.stderr, self.words, str))]
        for reader in self.readers:
            reader.start()

    @staticmethod
    def read(stream, into, convert):
        for line in stream:
            into.append(convert(line))
        stream.close()

    def value(self, name):
        return next((line[name] for line in reversed(self.lines) if name in line), None)

    def session(self):
        wait_for("a session", lambda: self.value("session") or self.process.poll() is not None)
        return self.value("session")

    def wait(self, seconds=DEADLINE):
        code = self.process.wait(seconds)
        for reader in self.readers:
            reader.join()
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.wait()


class EndToEnd(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="copse-peer-")
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)

    def control(self, **options):
        control = Control(self.directory, **options)
        self.addCleanup(control.stop)
        return control

    def peer(self, control, *arguments, **options):
        peer = Peer(control, *[str(argument) for argument in arguments], **options)
        self.addCleanup(peer.kill)
        return peer

    def file(self, size):
        path = self.directory / "content.bin"
        path.write_bytes(os.urandom(size))
        return path

    def same(self, path, other):
        self.assertEqual(hashlib.sha256(path.read_bytes()).hexdigest(), hashlib.sha256(other.read_bytes()).hexdigest())

    def test_direct_to_two(self):
        """Without any tree: two peers get the file, also from each other, and leave when the session is over."""
        control, path = self.control(), self.file(3_000_001)
        seed = self.peer(control, "share", path)
        session = seed.session()
        outputs = [self.directory / name for name in ("one", "two")]
        peers = [self.peer(control, "get", session, "-o", output) for output in outputs]
        for peer, output in zip(peers, outputs):
            wait_for("the file", lambda: peer.value("done"))
            self.same(path, output)
            self.assertEqual(peer.value("sha256"), hashlib.sha256(path.read_bytes()).hexdigest())
            self.assertFalse(output.with_name(output.name + ".part").exists())
            self.assertFalse(output.with_name(output.name + ".part.have").exists())
        wait_for("done reported", lambda: all(m.status["done"] for m in control.sessions[session].members.values()))
        control.sessions[session].state = "finished"
        self.assertEqual([peer.wait() for peer in [seed, *peers]], [0, 0, 0])
        self.assertEqual(control.sessions[session].members, {}, "all have left")


def main():
    global PROGRAM
    PROGRAM = sys.argv.pop(1)
    result = unittest.main(exit=False, verbosity=2).result
    bad = len(result.failures) + len(result.errors)
    print(f"[====] Synthesis: Tested: {result.testsRun} | Passing: {result.testsRun - bad} | Failing: {bad} | Crashing: 0")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
