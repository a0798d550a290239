# SPDX-License-Identifier: Apache-2.0
"""The shipped programs on the paper's network: PoPs with dataplane and control plane, and peers. Everything is started
by pid, waited for by event, and removed when the context is left."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from counters import Counters
from etcd import Etcd
from network import Network, release_hugepages, reserve_hugepages, used_hugepages
from waiting import LabError, wait_for

BLOCK_PORT = 7117
API_PORT = 7118
HUGEPAGES_PER_POP = 48


class Pop:
    def __init__(self, lab, index):
        self.lab, self.name = lab, f"N{index}"
        self.namespace, self.address = lab.network.pop(index)
        self.directory = os.path.join(lab.directory, self.name)
        os.mkdir(self.directory, 0o700)
        self.dataplane = self.controlplane = None
        self.api = os.path.join(self.directory, "dataplane.sock")
        self.url = f"https://{self.address}:{API_PORT}"
        self.certificate = os.path.join(self.directory, "cert.pem")

    def write_configuration(self):
        with open(os.path.join(self.directory, "dataplane.cfg"), "w") as handle:
            handle.write(self.lab.dataplane_configuration(self))
        with open(os.path.join(self.directory, "controlplane.cfg"), "w") as handle:
            handle.write(self.lab.controlplane_configuration(self))

    def start_dataplane(self):
        self.dataplane = self.lab.start(self.namespace, f"{self.name}-dataplane", "dataplane/copse-dataplane", "--config",
                                        os.path.join(self.directory, "dataplane.cfg"))

    def start_controlplane(self):
        self.controlplane = self.lab.start(self.namespace, f"{self.name}-controlplane", "controlplane/copse-controlplane",
                                           "--config", os.path.join(self.directory, "controlplane.cfg"))

    def healthy(self):
        self.lab.check_alive()
        try:
            return self.request("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def copse(self, *words):
        """The command that runs copse as this PoP's operator."""
        return ["ip", "netns", "exec", self.namespace, os.path.join(self.lab.build, "tools/copse/copse"), *words, "--endpoint",
                self.url, "--token-file", os.path.join(self.lab.directory, "operator.token"), "--ca", self.certificate]

    def request(self, method, path, body=None, token=None, more=None):
        """(status, parsed JSON or text) of one HTTPS request, made from inside the PoP's namespace."""
        context = ssl.create_default_context(cafile=self.certificate)
        raw = self.lab.network.inside(self.namespace, lambda: socket.create_connection((self.address, API_PORT), 5))
        with context.wrap_socket(raw, server_hostname=self.address) as tls:
            connection = http.client.HTTPSConnection(self.address, API_PORT)
            connection.sock = tls
            headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **(more or {})}
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            text = response.read().decode()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, text


class Peer:
    """One copse-peer; its --json lines are read as they come. `down`: its downlink, bit/s, if not that of the lab; `then`: the
    PoPs it knows beside its own."""

    def __init__(self, lab, pop, index, seed, down=None):
        self.lab, self.pop, self.seed, self.down = lab, pop, seed, down or lab.down
        self.name = f"P{pop.name[1:]}.{index}"
        self.namespace, self.address = lab.network.peer(int(pop.name[1:]), index, lab.up, self.down)
        self.token = lab.account(self.name, lab.sharing(pop))
        self.output = os.path.join(lab.directory, f"{self.name}.out")
        self.process, self.then = None, []
        self.reset()

    def reset(self):
        """Forgets what an earlier transfer left, on disk too."""
        self.status, self.session, self.finished = {}, None, None
        for path in (self.output, self.output + ".part", self.output + ".part.have"):
            if os.path.exists(path):
                os.unlink(path)

    def start(self, *arguments):
        """Runs copse-peer."""
        pops = [word for pop in (self.pop, *self.then) for word in ("--pop", pop.url)]
        common = [*pops, "--token-file", self.token, "--ca", self.authorities(), "--address", self.address,
                  "--up", str(int(self.lab.up)), "--down", str(int(self.down)), "--json"]
        self.run("tools/peer/copse-peer", *arguments, *common)

    def authorities(self):
        """A file with the certificates of all its PoPs."""
        if not self.then:
            return self.pop.certificate
        path = os.path.join(self.lab.directory, f"{self.name}.pem")
        with open(path, "w") as bundle:
            for pop in (self.pop, *self.then):
                with open(pop.certificate) as certificate:
                    bundle.write(certificate.read())
        return path

    def run(self, program, *arguments):
        self.process = self.lab.start(self.namespace, self.name, program, *arguments, pipe=True)
        threading.Thread(target=self.read, args=(self.process,), daemon=True).start()

    def share(self, path, session=None, *more):
        self.start("share", path, *(["--session", session] if session else []), *more)

    def get(self, session, *more):
        self.start("get", session, "-o", self.output, *more)

    def read(self, process):
        for line in process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            self.session = event.get("session", self.session)
            self.status.update(event)
            if event.get("done"):
                self.finished = self.finished or time.monotonic()


class Lab:
    """`scale` times the paper's rates: 0.2 up, 0.7 down, 1.0 Mbit/s of each CDN link."""

    def __init__(self, pops, scale=100.0, peers_per_pop=2, store="sqlite", more=""):
        root = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
        self.build = os.path.join(root, "build")
        self.up, self.down, self.link = 0.2e6 * scale, 0.7e6 * scale, 1.0e6 * scale
        self.count, self.peers_per_pop, self.growth = pops, peers_per_pop, 1.5
        self.pops, self.peers, self.processes = [], [], []
        self.reference_s = 3600.0
        self.store, self.etcd = store, None
        self.more = more  # of every control plane's configuration

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        self.directory = tempfile.mkdtemp(prefix="copse-", dir="/tmp")
        os.chmod(self.directory, 0o711)
        self.database = os.path.join(self.directory, "store.db")
        self.hugepages = None
        self.network = None
        try:
            self.hugepages = reserve_hugepages(used_hugepages() + HUGEPAGES_PER_POP * self.count)
            self.network = self.make_network(f"copse{os.getpid()}")
            self.pops = [Pop(self, index + 1) for index in range(self.count)]
            self.network.count_links({pop.name: pop.address for pop in self.pops}, BLOCK_PORT)
            if self.store == "etcd":
                self.etcd = Etcd(self)
                wait_for("etcd", self.etcd.healthy, 20)
            self.start_pops()
        except BaseException:
            self.close()
            raise
        return self

    def make_network(self, prefix):
        return Network(prefix)

    def __exit__(self, *_):
        self.close()

    def start_pops(self):
        for pop in self.pops:
            pop.write_configuration()
            pop.start_dataplane()
        for pop in self.pops:
            wait_for(f"{pop.name}'s dataplane", lambda: self.check_alive() or os.path.exists(pop.api), 30)
            pop.start_controlplane()
        for pop in self.pops:
            wait_for(f"{pop.name}'s control plane", lambda: os.path.exists(pop.certificate) and pop.healthy(), 20)
        with open(os.path.join(self.directory, "operator.token")) as handle:
            self.operator = handle.read().strip()

    def sharing(self, pop):
        """How many peers of an area bring its credit."""
        return self.peers_per_pop

    def account(self, name, sharing=None):
        """An account; so many of an area together have the credit that makes its growth factor. Returns its token's file."""
        credit = (self.growth - 1) * self.up * self.reference_s / 8 / (sharing or self.peers_per_pop)
        status, body = self.pops[0].request("POST", "/v1/accounts", {"name": name, "credit_bytes": int(credit)}, self.operator)
        if status != 201:
            raise LabError(f"account {name}: {status} {body}")
        path = os.path.join(self.directory, f"{name}.token")
        with open(path, "w") as handle:
            handle.write(body["token"])
        return path

    def peer(self, pop, index, seed=False, down=None):
        peer = Peer(self, pop, index, seed, down)
        self.peers.append(peer)
        return peer

    def start(self, namespace, name, program, *arguments, pipe=False):
        path = os.path.join(self.build, program)
        log = open(os.path.join(self.directory, f"{name}.log"), "ab")
        process = subprocess.Popen(["ip", "netns", "exec", namespace, path, *arguments], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE if pipe else log, stderr=log, start_new_session=True)
        process.name, process.expected = name, False
        self.processes.append(process)
        return process

    def check_alive(self):
        """Raises when a daemon has ended without having been told to."""
        for process in self.processes:
            if process.poll() not in (None, 0) and not process.expected:
                raise LabError(f"{process.name} ended with status {process.returncode}: {self.last_words(process.name)}")

    def last_words(self, name):
        with open(os.path.join(self.directory, f"{name}.log"), errors="replace") as handle:
            lines = [line.strip() for line in handle if line.strip()]
        return " / ".join(lines[-3:]) or "it said nothing"

    def kill(self, process, how=signal.SIGKILL):
        process.expected = True
        process.send_signal(how)
        process.wait(10)

    def counters(self):
        return {pop.name: Counters(pop.api) for pop in self.pops if pop.dataplane and pop.dataplane.poll() is None}

    def close(self):
        running = [process for process in self.processes if process.poll() is None]
        for process in running:
            process.expected = True
            process.terminate()
        end = time.monotonic() + 5
        for process in running:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.network:
            self.network.close()
        release_hugepages(self.hugepages)
        shutil.rmtree(self.directory, ignore_errors=True)

    def dataplane_configuration(self, pop):
        return f"""name = "{pop.name}";
api_socket = "{pop.api}";
ports = ( {{ device = "net_af_xdp0,iface=eth0"; }} );
address4 = "{pop.address}";
"""

    def controlplane_configuration(self, pop):
        names = [other.name for other in self.pops]
        links = ",\n  ".join(f'{{ from = "{a}"; to = "{b}"; bandwidth_bps = {self.link:.0f}; delay_ms = 2.0; }}'
                             for a in names for b in names if a != b)
        pops = ", ".join(f'{{ name = "{name}"; }}' for name in names)
        return f"""pop = "{pop.name}";
block_address = "{pop.address}";
{self.etcd.configuration() if self.etcd else f'store = "{self.database}";'}
dataplane = "{pop.api}";
state_dir = "{pop.directory}";
http = {{ port = {API_PORT}; operator_token = "{self.directory}/operator.token"; }};
growth_reference_s = {self.reference_s};
burst_us = 50000;  # a virtual machine may pause for that long
{self.more}
network = {{
  pops = ( {pops} );
  links = ( {links} );
}};
"""


def parse_rate(text):
    """20M, 200k, 20e6 → bit/s"""
    match = re.fullmatch(r"([0-9.]+(?:e[0-9]+)?)([kMG]?)", text)
    if not match:
        raise ValueError(text)
    return float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[match[2]]
