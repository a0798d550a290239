# SPDX-License-Identifier: Apache-2.0
"""One PoP in a network namespace with copse-dataplane, and four neighbours in namespaces of their own."""

import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "scripts/lab"))
from counters import Counters  # noqa: E402

BUILD = os.environ.get("COPSE_BUILD", os.path.join(ROOT, "build"))
PROGRAM = os.path.join(BUILD, "dataplane/copse-dataplane")
POP4, POP6, BLOCK_PORT = "198.18.0.1", "2001:db8::1", 7117
LIBC = ctypes.CDLL(None, use_errno=True)
SKIPPED = 77


def run(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def eventually(condition, seconds=5.0):
    """What the condition returns once that is true, or its last value when time is up."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.01)


class Lab:
    """Neighbour i (1 to 4) is .2 of 198.18.i.0/24 and ::2 of 2001:db8:i::/64; the PoP is .1 there and on lo."""

    def __init__(self):
        self.prefix = f"dpouter{os.getpid()}"
        self.namespaces = []
        self.sockets = []
        self.process = None
        self.directory = tempfile.mkdtemp(prefix="copse-dataplane-")
        self.api = os.path.join(self.directory, "run/dataplane.sock")
        self.log = os.path.join(self.directory, "log")

    def __enter__(self):
        try:
            self.pop = self.namespace("pop")
            self.ip(self.pop, "addr", "add", f"{POP4}/32", "dev", "lo")
            self.ip(self.pop, "addr", "add", f"{POP6}/128", "dev", "lo", "nodad")
            self.neighbours = {i: self.neighbour(i) for i in range(1, 5)}
            return self
        except BaseException:
            self.close()
            raise

    def __exit__(self, *reason):
        self.close()

    def namespace(self, name):
        full = f"{self.prefix}-{name}"
        run("ip", "netns", "add", full)
        self.namespaces.append(full)
        self.ip(full, "link", "set", "lo", "up")
        return full

    def ip(self, namespace, *arguments):
        return run("ip", "-n", namespace, *arguments)

    def exec(self, namespace, *command, check=True):
        return run("ip", "netns", "exec", namespace, *command, check=check)

    def neighbour(self, i):
        there = self.namespace(f"n{i}")
        self.ip(self.pop, "link", "add", f"p{i}", "type", "veth", "peer", "name", "eth0", "netns", there)
        for where, device, last in ((self.pop, f"p{i}", 1), (there, "eth0", 2)):
            self.exec(where, "sysctl", "-qw", f"net.ipv6.conf.{device}.accept_dad=0",
                      f"net.ipv4.neigh.{device}.retrans_time_ms=100", f"net.ipv6.neigh.{device}.retrans_time_ms=100")
            self.ip(where, "addr", "add", f"198.18.{i}.{last}/24", "dev", device)
            self.ip(where, "addr", "add", f"2001:db8:{i}::{last}/64", "dev", device, "nodad")
            self.ip(where, "link", "set", device, "up")
            # AF_XDP takes what the sender's kernel sent: checksums must be finished.
            self.exec(where, "ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        self.ip(there, "route", "add", "default", "via", f"198.18.{i}.1")
        self.ip(there, "-6", "route", "add", "default", "via", f"2001:db8:{i}::1")
        return there

    def socket(self, namespace, kind, family=socket.AF_INET):
        """A socket that lives in a namespace: sockets stay where they were made."""
        with open("/proc/self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
            if LIBC.setns(there.fileno(), 0):
                raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
            try:
                made = socket.socket(family, kind)
            finally:
                if LIBC.setns(home.fileno(), 0):
                    os._exit(1)
        made.settimeout(3)
        self.sockets.append(made)
        return made

    def mac(self, namespace, device):
        return json.loads(self.ip(namespace, "-j", "link", "show", "dev", device))[0]["address"]

    def udp(self, i, port, version=4):
        """A neighbour's UDP socket, connected to the PoP's block port."""
        return self.bound(i, (f"198.18.{i}.2" if version == 4 else f"2001:db8:{i}::2", port), version)

    def bound(self, i, address, version=4):
        """The same from another address."""
        made = self.socket(self.neighbours[i], socket.SOCK_DGRAM, socket.AF_INET if version == 4 else socket.AF_INET6)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        made.bind(address)
        made.connect((POP4 if version == 4 else POP6, BLOCK_PORT))
        return made

    def configure(self, ports=(1, 2, 3, 4), extra="", name="dataplane.cfg", api=None, keys={}, devices={}):
        """Writes a configuration; `devices`, `keys`: device strings and more keys of single ports, `extra`: of the whole."""
        path = os.path.join(self.directory, name)
        groups = [f'{{ device = "{devices.get(i, f"net_af_xdp{i},iface=p{i}")}"; {keys.get(i, "")} }}' for i in ports]
        with open(path, "w") as handle:
            handle.write(f'name = "test"; api_socket = "{api or self.api}"; address4 = "{POP4}"; address6 = "{POP6}";\n'
                         f'ports = ( {", ".join(groups)} );\nlimits = {{ labels = 1024; trees = 64; members = 256; }};\n{extra}\n')
        return path

    def launch(self, path, **options):
        return subprocess.Popen(["ip", "netns", "exec", self.pop, PROGRAM, "--config", path], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, **options)

    def start(self, path):
        """Starts the dataplane and waits until it says READY=1, as a service manager does."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, open(self.log, "ab") as log:
            name = os.path.join(self.directory, "notify")
            notify.bind(name)
            try:
                self.process = self.launch(path, stderr=log, env={**os.environ, "NOTIFY_SOCKET": name})
                end = time.monotonic() + 20
                while not select.select([notify], [], [], 0.1)[0]:
                    if self.process.poll() is not None or time.monotonic() > end:
                        raise RuntimeError(f"the dataplane does not start: {self.last_words()}")
                if notify.recv(64) != b"READY=1":
                    raise RuntimeError("not READY=1")
            finally:
                os.unlink(name)

    def stop(self, how=signal.SIGTERM):
        """Ends the dataplane; returns its exit status."""
        self.process.send_signal(how)
        status = self.process.wait(10)
        self.process = None
        return status

    def last_words(self, count=800):
        with open(self.log, errors="replace") as handle:
            return handle.read()[-count:]

    def counters(self):
        return Counters(self.api)

    def xdp_programs(self):
        """Interfaces of the PoP that have an XDP program."""
        return [i for i in self.neighbours if "prog/xdp" in self.ip(self.pop, "link", "show", "dev", f"p{i}")]

    def xdp_counters(self, i):
        """What bpftool reads of the program on port i, summed over CPUs."""
        program = json.loads(self.exec(self.pop, "bpftool", "-j", "net", "show", "dev", f"p{i}"))[0]["xdp"][0]["id"]
        sums = {}
        for identity in json.loads(run("bpftool", "-j", "prog", "show", "id", str(program)))["map_ids"]:
            if json.loads(run("bpftool", "-j", "map", "show", "id", str(identity)))["name"] == "copse_counters":
                entry = json.loads(run("bpftool", "-j", "map", "dump", "id", str(identity)))[0]
                for each in entry["formatted"]["values"]:
                    for name, value in each["value"].items():
                        sums[name] = sums.get(name, 0) + value
        return sums

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for made in self.sockets:
            made.close()
        for namespace in reversed(self.namespaces):
            run("ip", "netns", "del", namespace, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def main(*tests):
    """Runs each test, or those named on the command line, in a lab of its own, one line per check; returns 0, 1, or 77
    where this machine cannot."""
    if os.geteuid() != 0:
        print("needs root")
        return SKIPPED
    if not os.access(PROGRAM, os.X_OK):
        print(f"{PROGRAM} is not built")
        return 1
    failed = []

    def check(what, condition):
        if not condition:
            failed.append(what)
        print(f"{'ok  ' if condition else 'FAIL'}  {what}", flush=True)

    for test in [test for test in tests if test.__name__ in (sys.argv[1:] or [test.__name__])]:
        with Lab() as lab:
            try:
                test(lab, check)
            except Exception as error:  # a test that cannot go on has failed, and the next one runs
                check(f"{test.__name__}: {type(error).__name__}: {error}", False)
            if failed and os.path.exists(lab.log):
                print(lab.last_words(), file=sys.stderr)
    return 1 if failed else 0
