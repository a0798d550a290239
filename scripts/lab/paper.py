# SPDX-License-Identifier: Apache-2.0
"""The network of a study (config/studies/*.cfg) in namespaces: its routers and links, a core to which the CDN's nodes
are tied, peers behind routers. Every link is shaped in both directions; there is no delay."""

import itertools
import json
import os
import re
import subprocess

from lab import Lab, wait_for
from network import Network

PROBE_S = 2
# Of a shaped rate, in frames with headers, what iperf3 can count: its payload.
TCP_PAYLOAD = 1448 / 1514


def read_config(path):
    """The text of a file with what it includes."""
    with open(path, encoding="utf-8") as handle:
        return re.sub(r'(?m)^@include "([^"]*)"$', lambda found: read_config(os.path.join(os.path.dirname(path), found[1])),
                      handle.read())


class Study:
    """What the lab needs of the file; rates in bit/s, `scale` times what is written."""

    def __init__(self, path, scale):
        text = re.sub(r"\s+", " ", re.sub(r"#.*", "", read_config(path)))
        number = lambda name: float(re.search(rf"\b{name} = ([0-9.e]+);", text)[1])
        self.routers = re.findall(r'\{ name = "(\w+)"; city', text)
        self.links = [(a, b, float(ms)) for a, b, ms in
                      re.findall(r'\{ from = "(\w+)"; to = "(\w+)"; delay_ms = ([0-9.]+); \}', text)]
        self.pops = [(router, re.findall(r"\w+", area)) for router, area in
                     re.findall(r'\{ name = "\w+"; router = "(\w+)"; area = \(([^)]*)\); \}', text)]
        self.up, self.down = number("uplink_bps") * scale, number("downlink_bps") * scale
        self.up_queue, self.down_queue = int(number("uplink_queue_bytes")), int(number("downlink_queue_bytes"))
        self.backbone, self.queue = number(r"backbone = \{ bandwidth_bps") * scale, int(number("queue_bytes"))
        self.access, self.budget = number("access_bps") * scale, number("budget_bps") * scale
        self.growth = number("growth")
        self.seeds = [int(word) for word in re.search(r"\bseeds = \(([^)]*)\)", text)[1].split(",")]

    def router_of(self, peer):
        """Peer i is behind router (i - 1) mod 12 + 1; both count from one."""
        return (peer - 1) % len(self.routers) + 1

    def pop_of(self, peer):
        """The index of the peer's CDN node."""
        router = self.routers[self.router_of(peer) - 1]
        return next(index for index, (_, area) in enumerate(self.pops) if router in area)

    def next_hops(self):
        """{(router, destination): neighbour} on the fastest paths (Floyd and Warshall)."""
        infinite = float("inf")
        distance = {pair: infinite for pair in itertools.product(self.routers, repeat=2)}
        following = {}
        for a, b, delay in self.links:
            for pair in ((a, b), (b, a)):
                distance[pair], following[pair] = delay, pair[1]
        for k, i, j in itertools.product(self.routers, repeat=3):
            if i != j and distance[i, k] + distance[k, j] < distance[i, j]:
                distance[i, j], following[i, j] = distance[i, k] + distance[k, j], following[i, k]
        return following


class PaperNetwork(Network):
    def __init__(self, prefix, study):
        super().__init__(prefix)
        self.study, self.routers = study, {}
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def build(self):
        study = self.study
        for name in study.routers:
            self.routers[name] = self.router(name)
        neighbours, own = {}, {}
        for index, (a, b, _) in enumerate(study.links):
            to_a, to_b = self.trunk((self.routers[a], f"to{b}"), (self.routers[b], f"to{a}"), f"198.19.{index}",
                                    study.backbone)
            neighbours[a, b], neighbours[b, a] = to_b, to_a
            own.setdefault(a, to_a)
            own.setdefault(b, to_b)
        self.backbone = own
        cores = {}
        for index, (router, _) in enumerate(study.pops):
            to_core, to_router = self.trunk((self.routers[router], "core"), (self.core, f"to{router}"),
                                            f"198.19.{100 + index}", study.access)
            cores[router] = (to_router, to_core)
        self.add_routes(study.next_hops(), neighbours, cores)

    def router(self, name):
        namespace = self.namespace(name)
        self.exec(namespace, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward; for f in all default; do"
                  " echo 0 > /proc/sys/net/ipv4/conf/$f/rp_filter; done")
        return namespace

    def trunk(self, left, right, subnet, bps):
        """A shaped link between (namespace, device) and (namespace, device); its two addresses."""
        run = self.exec
        run(left[0], "ip", "link", "add", left[1], "type", "veth", "peer", "name", right[1], "netns", right[0])
        for (namespace, device), address in ((left, f"{subnet}.1"), (right, f"{subnet}.2")):
            run(namespace, "ip", "addr", "add", f"{address}/30", "dev", device)
            run(namespace, "ip", "link", "set", device, "up")
            self.shape(namespace, device, bps, self.study.queue)
        return f"{subnet}.1", f"{subnet}.2"

    def add_routes(self, following, neighbours, cores):
        study, number = self.study, {name: index + 1 for index, name in enumerate(self.study.routers)}
        batches = {namespace: [] for namespace in [*self.routers.values(), self.core]}
        towards = lambda at, to: neighbours[at, following[at, to]]
        for at, to in itertools.permutations(study.routers, 2):
            batches[self.routers[at]].append(f"route add 198.18.{100 + number[to]}.0/24 via {towards(at, to)}")
        for index, (home, area) in enumerate(study.pops):
            for at in study.routers:
                via = cores[home][0] if at == home else towards(at, home)
                batches[self.routers[at]].append(f"route add 198.18.{index + 1}.0/30 via {via}")
            for router in area:
                batches[self.core].append(f"route add 198.18.{100 + number[router]}.0/24 via {cores[home][1]}")
        for namespace, lines in batches.items():
            done = subprocess.run(["ip", "-n", namespace, "-batch", "-"], input="\n".join(lines) + "\n", text=True,
                                  capture_output=True, check=False)
            if done.returncode:
                raise RuntimeError(f"routes of {namespace}: {done.stderr.strip()}")

    def peer(self, pop, index, up, down):
        study, number = self.study, self.study.router_of(index)
        namespace = self.namespace(f"P{pop}.{index}")
        subnet = f"198.18.{100 + number}.{4 * ((index - 1) // len(study.routers))}"
        address, far = self.leg(namespace, "eth0", subnet, self.routers[study.routers[number - 1]])
        self.shape(namespace, "eth0", up, study.up_queue)
        self.shape(self.routers[study.routers[number - 1]], far, down, study.down_queue)
        # Four segments at a time save CPU time; the shapers count each with its headers.
        self.exec(namespace, "ethtool", "-K", "eth0", "tx", "on", "tso", "on", "gso", "on")
        self.exec(namespace, "ip", "link", "set", "eth0", "gso_max_segs", "4")
        # One kind of TCP whatever the machine's default, and no memory of earlier connections.
        self.exec(namespace, "sh", "-c", "echo cubic > /proc/sys/net/ipv4/tcp_congestion_control; "
                  "echo 1 > /proc/sys/net/ipv4/tcp_no_metrics_save")
        return namespace, address


class PaperLab(Lab):
    """Lab on a study's network, with so many peers; nobody leaves before the end, whoever is still to come."""

    def __init__(self, study, count):
        super().__init__(len(study.pops), more="finish_ms = 3600000;")
        self.study, self.peer_count = study, count
        self.up, self.down, self.link, self.growth = study.up, study.down, study.budget, study.growth

    def make_network(self, prefix):
        return PaperNetwork(prefix, self.study)

    def sharing(self, pop):
        return sum(self.pops[self.study.pop_of(peer)] is pop for peer in range(1, self.peer_count + 1))

    def add_peers(self):
        for number in range(1, self.peer_count + 1):
            self.peer(self.pops[self.study.pop_of(number)], number, seed=number in self.study.seeds)

    def stop_pops(self):
        for pop in self.pops:
            for process in (pop.controlplane, pop.dataplane):
                if process.poll() is None:
                    self.kill(process)

    def probe(self, server, address, client):
        """Bit/s of TCP payload from one namespace to an address in another."""
        prefix = ["ip", "netns", "exec"]
        with subprocess.Popen([*prefix, server, "iperf3", "-s", "-1", "-B", address, "-p", "5201"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as listening:
            try:
                wait_for("iperf3", lambda: "5201" in self.network.exec(server, "ss", "-Hltn"), 10)
                done = subprocess.run([*prefix, client, "iperf3", "-c", address, "-p", "5201", "-t", str(PROBE_S + 1), "-O",
                                       "1", "-J"], capture_output=True, text=True, timeout=30 + PROBE_S, check=False)
            finally:
                listening.terminate()
        return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]

    def rates(self):
        """[(which link, shaped to, measured by iperf3, most it can count)], bit/s."""
        network, study = self.network, self.study
        peer = self.peers[0]
        router = network.routers[study.routers[study.router_of(1) - 1]]
        a, b, _ = study.links[0]
        measured = (("up", study.up, self.probe(router, self.router_address(peer), peer.namespace)),
                    ("down", study.down, self.probe(peer.namespace, peer.address, router)),
                    ("backbone", study.backbone, self.probe(network.routers[b], network.backbone[b], network.routers[a])))
        return [(name, shaped, seen, shaped * TCP_PAYLOAD) for name, shaped, seen in measured]

    @staticmethod
    def router_address(peer):
        """The router's end of a peer's access link."""
        base, last = peer.address.rsplit(".", 1)
        return f"{base}.{int(last) + 1}"
