# SPDX-License-Identifier: Apache-2.0
"""One device under test and copse-gen, its far side, from start to end."""

import json
import os
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from peers import GENERATOR_CPU, SAMPLE_S, START_S, BenchError, Process

CHECK_RATE = 200000  # copies a second that are verified
CHECK_ATTEMPTS = 10


class Cell(NamedTuple):
    """What is offered: frames of so many bytes, each to so many next hops, over so many trees."""
    frame: int
    fanout: int
    trees: int = 1
    zipf: int = 0
    kind: str = "link"

    def plain(self, **changes):
        """The same for who knows no trees, and one kind of next hop."""
        return Cell(self.frame, self.fanout)._replace(**changes)


@dataclass
class Setup:
    """What the peers of a bench are started with; `keys` and `port_keys` are more of copse-dataplane's configuration."""
    directory: str
    build: str
    descriptors: int = 1024
    milliseconds: int = 300
    trees: int = 1
    members: int = 0
    workers: int = 1
    ipv6: bool = False
    port: str = ""  # device string, if it is not a virtio-user device
    server: bool = False  # the virtio-user device listens, so that copse-gen may go and come back
    inside: tuple = ()  # what comes before a command, to run it in a namespace
    keys: dict = field(default_factory=dict)
    port_keys: dict = field(default_factory=dict)

    def path(self, name):
        return os.path.join(self.directory, name)

    def program(self, name):
        return os.path.join(self.build, name)

    def device(self):
        server = ",server=1" if self.server else ""
        return self.port or (f"net_virtio_user0,path={self.path('vhost.sock')},queues={self.workers},"
                             f"queue_size={self.descriptors}{server}")

    def with_cells(self, cells):
        """Room for all trees and members of these cells."""
        return replace(self, trees=max(cell.trees for cell in cells),
                       members=max([cell.fanout for cell in cells if cell.kind == "member"], default=0))


class Session:
    """`with Session(setup, Copse) as session: session.sample(cell)`. A peer that is `alone` has no copse-gen."""

    def __init__(self, setup, peer_class):
        self.setup, self.peer, self.generator = setup, peer_class(setup), None
        if not self.peer.alone:
            self.start_generator()

    def start_generator(self):
        """To be heard once before it takes orders."""
        setup = self.setup
        command = [setup.program("tools/gen/copse-gen"), "--socket", setup.path("vhost.sock"), "--cpu", str(GENERATOR_CPU),
                   "--trees", str(setup.trees), "--queues", str(setup.workers), *(["--ipv6"] if setup.ipv6 else []),
                   *(["--client"] if setup.server else []), *(["--api", setup.path("api.sock")] if self.peer.api else [])]
        self.generator = Process("copse-gen", command, setup.path("copse-gen.log"))

    def __enter__(self):
        try:
            if self.generator:
                self.generator.hear(START_S)
            self.peer.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.generator:
            self.generator.stop()
        self.peer.stop()

    def replace_generator(self):
        """Kills copse-gen, whatever it is doing, and starts another, which finds the device as it was left."""
        self.generator.child.kill()
        self.generator.stop()
        self.start_generator()
        self.generator.hear(START_S)

    def order(self, cell, **words):
        """One line to copse-gen, which answers with one; tools/gen/sample.h says which words there are."""
        words = {**cell._asdict(), "ms": self.setup.milliseconds, "expect": self.peer.expect, **words}
        self.peer.set_copies(cell.fanout)
        self.generator.say(" ".join(f"{name}={value}" for name, value in words.items()))

    def sample(self, cell, **words):
        """What becomes of a cell, with the null sink as fast as it can unless `words` say otherwise."""
        if self.peer.alone:
            return self.peer.sample(cell)
        self.order(cell, **words)
        result = json.loads(self.generator.hear(SAMPLE_S))
        if result.get("conserved") is False:
            raise BenchError(f"{self.peer.name} {cell}: what came in is not what went out and the named drops: {result}")
        return result

    def check(self, cell):
        """A rate the check can follow: every copy must be right, and none missing. A pause of either core, which
        overflows a ring, gives another chance to all being there, never to one being wrong."""
        overflows = cell.fanout > self.setup.descriptors  # of one packet alone: what is missing must be named
        for _ in range(CHECK_ATTEMPTS):
            result = self.sample(cell, sink="check", rate=max(CHECK_RATE // cell.fanout, 1), ms=60)
            if result["faulty"]:
                raise BenchError(f"{self.peer.name} {cell}: wrong copies: {result}")
            complete = result["received"] == result["generated"] * cell.fanout or (overflows and result.get("conserved", True))
            if result["received"] and complete:
                return result["received"]
        raise BenchError(f"{self.peer.name} {cell}: copies are missing: {result}")
