# SPDX-License-Identifier: Apache-2.0
"""The devices under test: each a process on CPU 1 whose virtio-user device connects to copse-gen on CPU 0. All get the
same device, the same descriptors and the same memory, and are told how many copies to make."""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import time

from waiting import LabError

GENERATOR_CPU, WORKER_CPU = 0, 1
PR_SET_PDEATHSIG = 1
START_S, SAMPLE_S, STOP_S = 20, 60, 10
END_OF_INPUT_S = 0.1  # who has not ended by then is told to


class BenchError(LabError):
    pass


def prefer():
    """In the child: it goes before whatever else this machine does, and ends with its parent."""
    os.setsid()
    os.nice(-20)
    try:
        with open("/proc/self/autogroup", "w") as handle:  # without it, nice counts only within a session
            handle.write("-20")
    except OSError:
        pass
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A child with a name, a log and lines in both directions; it is ended by its pid."""

    def __init__(self, name, command, log, environment=None):
        self.name, self.log = name, log
        with open(log, "ab") as handle:
            self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=handle,
                                          preexec_fn=prefer, env=environment)
        self.buffer = b""

    def say(self, line):
        try:
            self.child.stdin.write(line.encode() + b"\n")
            self.child.stdin.flush()
        except OSError as error:
            raise self.failure("is gone") from error

    def hear(self, seconds):
        """The next line of its standard output."""
        end = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.child.stdout], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise self.failure(f"says nothing for {seconds} s")
            data = os.read(self.child.stdout.fileno(), 65536)
            if not data:
                raise self.failure("ended")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def failure(self, what):
        with open(self.log, errors="replace") as handle:
            tail = handle.read()[-2000:].strip()
        return BenchError(f"{self.name} {what}\n{tail}")

    def stop(self):
        try:
            self.child.stdin.close()
        except OSError:
            pass
        for end in (None, self.child.terminate, self.child.kill):
            if end:
                end()
            try:
                self.child.wait(STOP_S if end else END_OF_INPUT_S)
                break
            except subprocess.TimeoutExpired:
                continue
        self.child.stdout.close()


def eal(setup, name):
    """Arguments of the EAL that make a peer's device and memory those of copse-dataplane."""
    return ["--in-memory", "--single-file-segments", "-m", "256", "--no-pci", "--no-telemetry", "--log-level=error",
            "--lcores", f"0@{GENERATOR_CPU},1@{WORKER_CPU}", f"--file-prefix=copse-bench-{name}", "--vdev",
            setup.device()]


class Peer:
    """A device under test. `expect` is what copse-gen is to expect of its frames; `api`: it is configured by copse-gen;
    `alone`: it has a generator of its own, and gives samples itself."""
    name = expect = None
    device = "virtio_user"
    api = alone = False
    quick_fanouts = None  # where --quick is content with fewer

    def __init__(self, setup):
        self.setup, self.process = setup, None

    @classmethod
    def missing(cls):
        """Why it cannot run here, or None."""
        return None

    @staticmethod
    def equivalent(cell):
        """What it does in the place of a cell, or None: it knows no trees, and one kind of next hop."""
        return cell.plain()

    def command(self):
        raise NotImplementedError

    def start(self):
        self.process = Process(self.name, [*self.setup.inside, *self.command()], self.setup.path(f"{self.name}.log"))

    def set_copies(self, fanout):
        pass

    def stop(self):
        if self.process:
            self.process.stop()


class Testpmd(Peer):
    name, expect = "testpmd-io", "io"

    @classmethod
    def missing(cls):
        return None if shutil.which("dpdk-testpmd") else "dpdk-testpmd is not installed"

    @staticmethod
    def equivalent(cell):
        return cell.plain(fanout=1)

    def command(self):
        return ["dpdk-testpmd", *eal(self.setup, self.name), "--", "--forward-mode=io", "--port-topology=loop",
                "--auto-start", "--nb-cores=1", "--no-lsc-interrupt", "--total-num-mbufs=8192", f"--rxd={self.setup.descriptors}",
                f"--txd={self.setup.descriptors}"]


class Bare(Peer):
    name, expect = "bare", "bare"

    def command(self):
        return [self.setup.program("tools/gen/copse-bare"), *eal(self.setup, self.name), "--",
                str(self.setup.descriptors), *(["ipv6"] if self.setup.ipv6 else [])]

    def set_copies(self, fanout):
        self.process.say(str(fanout))


class Copse(Peer):
    name, expect, api = "copse", "copse", True

    @staticmethod
    def equivalent(cell):
        return cell

    def command(self):
        path = self.setup.path("dataplane.cfg")
        with open(path, "w") as handle:
            handle.write(self.configuration())
        return [self.setup.program("dataplane/copse-dataplane"), "--config", path]

    def configuration(self):
        """What copse-gen expects, see tools/gen/traffic.h."""
        setup, prefix = self.setup, "2001:db8::" if self.setup.ipv6 else ""
        neighbours = ",\n  ".join(
            f'{{ address = "{prefix}198.{18 + kind}.{(n + 1) >> 8}.{(n + 1) & 255}"; '
            f'mac = "02:00:00:{kind:02x}:{(n + 1) >> 8:02x}:{(n + 1) & 255:02x}"; port = 0; }}'
            for kind, count in ((1, 64), (2, setup.members)) for n in range(count))
        cpus = ",".join(str(cpu) for cpu in (WORKER_CPU, GENERATOR_CPU)[:setup.workers])
        keys = {"name": '"bench"', "log_level": '"warning"', "api_socket": f'"{setup.path("api.sock")}"',
                f"address{6 if setup.ipv6 else 4}": f'"{prefix}198.18.0.1"', "workers": setup.workers, "worker_cpus": f'"{cpus}"',
                "main_cpus": f'"{GENERATOR_CPU}"', "idle": '"poll"', "permission_s": 3600, "hugepages": '"on"',
                "limits": f"{{ labels = {setup.trees + setup.members + 1}; trees = {setup.trees}; "
                          f"members = {setup.members + 1}; }}",
                **setup.keys}
        port = {"device": f'"{setup.device()}"', "rx_descriptors": setup.descriptors, "tx_descriptors": setup.descriptors,
                **setup.port_keys}
        lines = [f"{name} = {value};" for name, value in keys.items()]
        lines.append("ports = ( { " + " ".join(f"{name} = {value};" for name, value in port.items()) + " } );")
        return "\n".join(lines) + f"\nneighbours = (\n  {neighbours} );\n"
