#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real copse-peer processes on loopback, against a fake control plane and a fake PoP. usage: end_to_end.py COPSE-PEER [Direct|Trees|Pops]"""

import hashlib
import http.client
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

from fake.control import Control, Session
from fake.liar import Liar
from fake.pop import Pop, siphash

PROGRAM = None
DEADLINE = 15


def wait_for(what, condition, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Peer:
    """One copse-peer process; its JSON lines and its words are collected. `then` are the PoPs after the first."""

    def __init__(self, control, *arguments, up="50M", down="200M", then=()):
        pops = [word for pop in (control, *then) for word in ("--pop", pop.url)]
        command = [PROGRAM, *arguments, *pops, "--token", control.token, "--ca", str(control.certificate),
                   "--address", "127.0.0.1", "--up", up, "--down", down, "--json"]
        command = [PROGRAM, *command[len(arguments) + 1:], *arguments]  # what a test says comes last and wins
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


class Case(unittest.TestCase):
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

    def pop(self, **options):
        pop = Pop(**options)
        self.addCleanup(pop.stop)
        return pop

    def finish(self, control, session, *peers):
        control.sessions[session].state = "finished"
        self.assertEqual([peer.wait() for peer in peers], [0] * len(peers), [peer.words for peer in peers])
        self.assertEqual(control.sessions[session].members, {}, "all have left")


class Direct(Case):
    """Peers among themselves."""

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
        self.finish(control, session, seed, *peers)
        self.assertIsNone(seed.value("done"), "a seed gets nothing")

    def test_liar_is_banned(self):
        """A peer that serves wrong bytes is asked a bounded number of times, and the file is right all the same."""
        control, path, output = self.control(), self.file(2_000_000), self.directory / "out"
        seed = self.peer(control, "share", path)
        session = seed.session()
        liar = Liar(session, control.sessions[session].manifest["size"])
        self.addCleanup(liar.stop)
        control.extra_peers.append(liar.view())
        getter = self.peer(control, "get", session, "-o", output)
        wait_for("the file", lambda: getter.value("done"))
        self.same(path, output)
        self.assertTrue(1 <= liar.requests <= 2, f"{liar.requests} requests to the liar")
        self.assertTrue(any("does not verify" in line for line in getter.words), getter.words)
        self.finish(control, session, seed, getter)

    def test_kill_and_resume(self):
        """kill -9 in the middle; what was there is verified and kept, a damaged block is fetched again."""
        control, path, output = self.control(), self.file(2_500_000), self.directory / "out"
        part = output.with_name("out.part")
        seed = self.peer(control, "share", path, up="14M")
        session = seed.session()
        getter = self.peer(control, "get", session, "-o", output)
        wait_for("a part", lambda: (getter.value("have") or 0) > 60 or getter.value("done"))
        self.assertIsNone(getter.value("done"))
        time.sleep(0.3)
        getter.process.send_signal(signal.SIGKILL)
        getter.wait()
        with control.lock:
            del control.sessions[session].members[list(control.sessions[session].members)[1]]
        self.assertFalse(output.exists(), "nothing has the final name yet")
        claims = part.with_name("out.part.have").read_bytes()[56:]
        claimed = [i for i in range(153) if claims[i // 8] >> i % 8 & 1]
        self.assertGreater(len(claimed), 20)
        with open(part, "r+b") as file:
            file.seek(claimed[3] * 16384 + 100)
            file.write(b"damage")
        again = self.peer(control, "get", session, "-o", output)
        wait_for("the file", lambda: again.value("done"))
        self.same(path, output)
        fetched = again.value("direct_bytes")
        self.finish(control, session, seed, again)
        missing = 2_500_000 - (len(claimed) - 1) * 16384
        self.assertLess(again.value("direct_bytes") or fetched or 0, missing + 400_000, "resumed, not begun again")
        third = self.peer(control, "get", session, "-o", output, "--leave")
        self.assertEqual(third.wait(), 0, "a complete file is accepted as it is")
        self.assertTrue(third.value("done"))

    def test_control_plane_away(self):
        """The control plane dies in the middle: the transfer goes on; it comes back: the session ends in order."""
        control, path, output = self.control(), self.file(2_000_000), self.directory / "out"
        seed = self.peer(control, "share", path, up="10M")
        session = seed.session()
        getter = self.peer(control, "get", session, "-o", output)
        wait_for("a beginning", lambda: (getter.value("have") or 0) > 5)
        control.stop()
        wait_for("the file", lambda: getter.value("done"))
        self.same(path, output)
        wait_for("words", lambda: any("cannot reach" in line and "trying again" in line for line in getter.words))
        control.start()
        wait_for("done reported", lambda: all(m.status["done"] for m in control.sessions[session].members.values()))
        self.finish(control, session, seed, getter)

    def test_control_plane_away_from_the_start(self):
        """Nobody answers when a peer starts: it says so once, and begins when somebody does."""
        control, path, output = self.control(), self.file(1_000_000), self.directory / "out"
        seed = self.peer(control, "share", path)
        session = seed.session()
        control.stop()
        getter = self.peer(control, "get", session, "-o", output, "--direct", "--leave")
        wait_for("words", lambda: any("cannot reach" in line and "trying again" in line for line in getter.words))
        self.assertIsNone(getter.process.poll())
        control.start()
        self.assertEqual(getter.wait(), 0)
        self.same(path, output)
        self.assertEqual(sum("cannot reach" in line for line in getter.words), 1, getter.words)

    def test_forgotten_member_joins_again(self):
        control, path, output = self.control(), self.file(2_000_000), self.directory / "out"
        seed = self.peer(control, "share", path, up="10M")
        session = seed.session()
        getter = self.peer(control, "get", session, "-o", output, "--leave")
        wait_for("a beginning", lambda: (getter.value("have") or 0) > 5)
        with control.lock:
            control.sessions[session].members.clear()
        self.assertEqual(getter.wait(), 0)
        self.same(path, output)
        wait_for("the seed is back", lambda: control.sessions[session].members)
        seed.process.send_signal(signal.SIGINT)
        self.assertEqual(seed.wait(), 0)
        self.assertEqual(control.sessions[session].members, {}, "an interrupted seed leaves")

    def test_leaves_that_never_come(self):
        """Who shares goes before the leaf hashes are there, and the session with it: nobody waits for them any more."""
        control = self.control()
        session = Session({"name": "x", "size": 100000, "block_bytes": 16384, "root": "0" * 64})
        control.sessions[session.id] = session
        getter = self.peer(control, "get", session.id, "-o", self.directory / "out")
        wait_for("words", lambda: any("waiting for the leaf hashes" in line for line in getter.words))
        del control.sessions[session.id]
        self.assertEqual(getter.wait(), 1)
        self.assertTrue(any("knows no session" in line for line in getter.words), getter.words)

    def test_a_renamed_pop(self):
        """Its members joined at a PoP that is no more: they join again."""
        control, path, output = self.control(), self.file(2_000_000), self.directory / "out"
        seed = self.peer(control, "share", path, up="10M")
        session = seed.session()
        getter = self.peer(control, "get", session, "-o", output)
        wait_for("a beginning", lambda: (getter.value("have") or 0) > 5)
        control.name = "renamed"
        wait_for("the file", lambda: getter.value("done"))
        wait_for("both", lambda: [member.pop for member in control.sessions[session].members.values()] == ["renamed"] * 2)
        self.finish(control, session, seed, getter)

    def test_refusals(self):
        """What is wrong is said in a sentence, with the exit status of the manual."""
        control, path = self.control(), self.file(1000)
        other = self.directory / "other"
        other.write_bytes(b"something else")
        control.extra_peers.append({"member": "../../x", "url": "file:///etc/passwd", "near": True, "have": 1, "done": True})
        seed = self.peer(control, "share", path)
        session = seed.session()
        wrong = "0" * 32
        for arguments, code, words in [
                (["get", wrong, "-o", other], 1, "knows no session"),
                (["get", session, "-o", other], 1, "exists and is not the content"),
                (["share", other, "--session", session], 1, "is not of this file"),
                (["share", self.directory / "none"], 1, "No such file"),
                (["get", session, "-o", self.directory / "no" / "such"], 1, "No such file"),
                (["get", session, "--address", "192.0.2.1", "-o", self.directory / "x"], 1, "192.0.2.1"),
                (["get", session, "--token", "guess", "-o", self.directory / "y"], 3, "who are you?"),
                (["get", session, "--up", "fast"], 2, "is not a rate"),
                (["steal", session], 2, "share FILE")]:
            peer = self.peer(control, *arguments)
            self.assertEqual(peer.wait(), code, peer.words)
            self.assertTrue(any(words in line for line in peer.words), (words, peer.words))
        self.assertEqual(other.read_bytes(), b"something else")
        self.finish(control, session, seed)

    def test_serving(self):
        """What a peer answers to other peers: verified ranges, five uploads at a time, and within its uplink."""
        control, path = self.control(), self.file(1_000_000)
        seed = self.peer(control, "share", path, up="4M")
        session = seed.session()
        wait_for("the member", lambda: control.sessions[session].members)
        port = next(iter(control.sessions[session].members.values())).request["http_port"]

        def ask(target, method="GET", **headers):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
            self.addCleanup(connection.close)
            connection.request(method, target, headers=headers)
            return connection.getresponse()

        answer = ask(f"/{session}", Range="bytes=16000-17000")
        self.assertEqual((answer.status, answer.headers["Content-Range"]), (206, "bytes 16000-17000/1000000"))
        self.assertEqual(answer.read(), path.read_bytes()[16000:17001])
        self.assertEqual(ask(f"/{session}/have").read(), b"\xff" * 7 + b"\x3f")
        for target, status, headers in [(f"/{session}", 416, {"Range": "bytes=1000000-"}),
                                        (f"/{session}", 416, {"Range": "bytes=1-2,4-5"}),
                                        (f"/{session}/other", 404, {}), ("/" + "0" * 32, 404, {}), ("/", 404, {})]:
            self.assertEqual(ask(target, **headers).status, status, target)
        self.assertEqual(ask(f"/{session}", "POST").status, 405)

        begin = time.monotonic()
        uploads = [ask(f"/{session}", Range=f"bytes={i * 100000}-{i * 100000 + 99999}") for i in range(5)]
        sixth = ask(f"/{session}", Range="bytes=0-1")
        self.assertEqual((sixth.status, sixth.headers["Retry-After"]), (503, "1"))
        ends = []

        def drain(i):
            self.assertEqual(uploads[i].read(), path.read_bytes()[i * 100000:(i + 1) * 100000])
            ends.append(time.monotonic() - begin)

        readers = [threading.Thread(target=drain, args=(i,)) for i in range(5)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        self.assertEqual(len(ends), 5)
        self.assertGreater(max(ends), 8 * 500_000 / 4e6, "not faster than the uplink")
        self.assertLess(max(ends), 1.6 * 8 * 500_000 / 4e6, "nor much slower")
        self.assertGreater(min(ends), 0.6 * max(ends), "all five advance together")
        self.assertEqual(ask(f"/{session}", Range="bytes=0-1").status, 206, "there is room again")
        self.finish(control, session, seed)


class Trees(Case):
    """Peers at a PoP that carries a tree."""

    def test_tree_with_losses(self):
        """5 % of the copies are lost, 20 % come late: tree and repair together complete the file."""
        pop = self.pop(loss=0.05, disorder=0.2)
        control, path, output = self.control(pop=pop), self.file(1_500_007), self.directory / "out"
        control.receivers = 1
        seed = self.peer(control, "share", path)
        session = seed.session()
        getter = self.peer(control, "get", session, "-o", output)
        wait_for("the file", lambda: getter.value("done"))
        self.same(path, output)
        self.finish(control, session, seed, getter)
        size = path.stat().st_size
        self.assertGreater(getter.value("cdn_bytes"), 0.8 * size, "most of it came through the tree")
        self.assertGreater(getter.value("direct_bytes"), 0, "losses were repaired")
        self.assertLess(getter.value("direct_bytes"), 0.35 * size, "and little else was fetched")
        self.assertEqual(pop.counts["forged"], 0)
        self.assertGreaterEqual(pop.counts["data"], size // 1261)
        self.assertLess(pop.counts["data"], 1.02 * size / 1261 + 13, "each block was injected once")

    def test_pacing_on_the_wire(self):
        """The seed stays below its grant over every interval, but for what one stall of 20 ms may catch up."""
        pop, rate = self.pop(), 4e6
        control, path = self.control(pop=pop, rate_bps=rate), self.file(1_000_000)
        seed = self.peer(control, "share", path)
        session = seed.session()
        wait_for("all sent", lambda: sum(count for _, count in control.sessions[session].injected) == 62)
        times = pop.data_times
        for begin in range(0, len(times), 20):
            sent = 0
            for at, bytes in times[begin:]:
                sent += 8 * bytes
                # Packets wait in the socket's queue as long as this process is not scheduled: 50 ms more.
                self.assertLessEqual(sent, rate * (at - times[begin][0] + 0.02 + 0.05) + 8 * 1400)
        total = sum(8 * bytes for _, bytes in times[1:]) / (times[-1][0] - times[0][0])
        self.assertGreater(total, 0.6 * rate)
        self.finish(control, session, seed)

    def test_damaged_tree(self):
        """A tree that carries rubbish: nothing of it is written, the file comes from peers."""
        pop = self.pop()
        pop.forge = True
        control, path, output = self.control(pop=pop), self.file(400_000), self.directory / "out"
        seed = self.peer(control, "share", path)
        session = seed.session()
        getter = self.peer(control, "get", session, "-o", output)
        wait_for("the file", lambda: getter.value("done"))
        self.same(path, output)
        self.finish(control, session, seed, getter)

    def test_dead_pop(self):
        """The PoP dies in the middle, and the control plane does not notice: within seconds peers go on without it."""
        pop = self.pop()
        control, path, output = self.control(pop=pop, rate_bps=2e6), self.file(1_500_000), self.directory / "out"
        control.receivers = 1
        seed = self.peer(control, "share", path)
        session = seed.session()
        getter = self.peer(control, "get", session, "-o", output)
        wait_for("a beginning", lambda: (getter.value("have") or 0) > 5)
        pop.deaf = True
        begin = time.monotonic()
        wait_for("the file", lambda: getter.value("done"))
        self.assertLess(time.monotonic() - begin, 4)
        self.same(path, output)
        self.finish(control, session, seed, getter)

    def test_siphash(self):
        """The vector of the SipHash paper, appendix A: the fake PoP's tags are not the program's own."""
        self.assertEqual(siphash(bytes(range(16)), bytes(range(15)))[::-1].hex(), "a129ca6149be45e5")


class Pops(Case):
    """Peers that know several PoPs."""

    def two(self, **options):
        """Two PoPs of one CDN; what is sent at the second reaches the first."""
        pops = self.pop(), self.pop()
        pops[1].children.append(pops[0])
        first = self.control(pop=pops[0], **options)
        return first, self.control(pop=pops[1], beside=first, **options)

    def says(self, peer, words):
        return any(words in line for line in peer.words)

    def test_the_first_that_answers(self):
        """Nobody is at the first, the second knows no such session: the third is joined, and nobody else asked again."""
        away, stranger, control = self.control(), self.control(), self.control()
        away.stop()
        path, output = self.file(500_000), self.directory / "out"
        seed = self.peer(control, "share", path)
        session = seed.session()
        getter = self.peer(away, "get", session, "-o", output, then=(stranger, control))
        wait_for("the file", lambda: getter.value("done"))
        self.same(path, output)
        self.assertTrue(self.says(getter, "404 no such session; trying"), getter.words)
        self.assertEqual(len(stranger.requests), 1, "it has refused")
        self.finish(control, session, seed, getter)

    def test_all_refuse(self):
        first, second = self.two()
        getter = self.peer(first, "get", "0" * 32, "-o", self.directory / "out", then=(second,))
        self.assertEqual(getter.wait(), 1)
        self.assertTrue(self.says(getter, f"{second.url} knows no session"), getter.words)

    def test_a_pop_dies(self):
        """Control plane and dataplane of the first are gone in the middle: peers go on directly, then with the second's tree;
        nothing is lost, and nothing fetched twice."""
        first, second = self.two(rate_bps=2e6)
        path, output = self.file(5_000_000), self.directory / "out"
        seed = self.peer(second, "share", path, up="2M")
        session = seed.session()
        getter = self.peer(first, "get", session, "-o", output, then=(second,))
        wait_for("a beginning", lambda: (getter.value("have") or 0) > 20)
        second.receivers = 1  # it feeds its tree again when somebody is there
        first.pop.deaf = True
        first.stop()
        died = time.monotonic()
        wait_for("another PoP", lambda: len(second.pop.permitted) == 2, 20)
        self.assertGreater(time.monotonic() - died, 4, "a PoP is not left for a moment's absence")
        before, direct = getter.value("cdn_bytes"), getter.value("direct_bytes")
        self.assertGreater(direct, 200_000, "peers have gone on meanwhile")
        self.assertLess(before + direct, 4_000_000, "there is something left for this test")
        wait_for("the file", lambda: getter.value("done"), 30)
        self.same(path, output)
        self.assertTrue(self.says(getter, f"going on at {second.url}"), getter.words)
        self.assertEqual(len(second.sessions[session].members), 2)
        self.finish(second, session, seed, getter)
        self.assertGreater(getter.value("cdn_bytes"), before + 200_000, "trees have brought some of the rest")
        self.assertLess(getter.value("cdn_bytes") + getter.value("direct_bytes"), 5_000_000 + 40 * 16384, "fetched twice")

    def test_a_dataplane_dies(self):
        """The control plane answers all the while."""
        first, second = self.two()
        second.receivers = 9
        seed = self.peer(second, "share", self.file(2_000_000), up="100k")
        getter = self.peer(first, "get", seed.session(), "-o", self.directory / "out", then=(second,))
        wait_for("the first PoP", lambda: len(first.pop.permitted) == 1)
        first.pop.deaf = True
        wait_for("the second", lambda: len(second.pop.permitted) == 2, 25)
        self.assertTrue(self.says(getter, f"{first.url} does not serve us; trying {second.url}"), getter.words)

    def test_nobody_else_has_us(self):
        """The control plane is away for long, and the other PoP knows no such session: the peer is a member as before."""
        first, stranger = self.control(), self.control()
        seed = self.peer(first, "share", self.file(2_000_000), up="100k")
        session = seed.session()
        getter = self.peer(first, "get", session, "-o", self.directory / "out", then=(stranger,))
        wait_for("two members", lambda: len(first.sessions[session].members) == 2)
        members = list(first.sessions[session].members)
        first.stop()
        wait_for("a try elsewhere", lambda: self.says(getter, "404 no such session; trying"))
        first.start()
        away = time.monotonic()
        wait_for("both", lambda: all(member.seen > away for member in first.sessions[session].members.values()))
        self.assertEqual(list(first.sessions[session].members), members)

    def test_one_session_though_the_answer_is_lost(self):
        control = self.control()
        control.lose_answers = 1
        seed = self.peer(control, "share", self.file(1000))
        session = seed.session()
        self.assertEqual(list(control.sessions), [session])
        self.finish(control, session, seed)


def main():
    global PROGRAM
    PROGRAM = sys.argv.pop(1)
    result = unittest.main(exit=False, verbosity=2).result
    bad = len(result.failures) + len(result.errors)
    print(f"[====] Synthesis: Tested: {result.testsRun} | Passing: {result.testsRun - bad} | Failing: {bad} | Crashing: 0")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
