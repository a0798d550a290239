# SPDX-License-Identifier: Apache-2.0
"""Open vSwitch with DPDK as a device under test: its own database and daemons in a directory, its internal port in a
network namespace that ends with it, one PMD thread."""

import os
import subprocess

from peers import GENERATOR_CPU, START_S, WORKER_CPU, BenchError, Peer, Process
from waiting import wait_for

VSWITCHD = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
MEMORY_MB = 512
COMMAND_S = 10


def mac(copy):
    return f"02:00:00:01:{(copy + 1) >> 8:02x}:{(copy + 1) & 255:02x}"


def address(copy):
    return f"198.19.{(copy + 1) >> 8}.{(copy + 1) & 255}"


class OpenVSwitch(Peer):
    name, expect = "ovs-dpdk", "bare"
    quick_fanouts = (8,)

    def __init__(self, setup):
        super().__init__(setup)
        self.copies, self.directory = None, setup.path("ovs")
        self.database = None
        self.environment = {**os.environ, "OVS_RUNDIR": self.directory, "OVS_LOGDIR": self.directory,
                            "OVS_DBDIR": self.directory, "OVS_SYSCONFDIR": self.directory}

    @classmethod
    def missing(cls):
        return None if os.path.exists(VSWITCHD) else "openvswitch-switch-dpdk is not installed"

    @staticmethod
    def equivalent(cell):
        return cell.plain() if cell.fanout <= 64 else None

    def run(self, *command):
        try:
            done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=COMMAND_S)
        except subprocess.TimeoutExpired as error:
            raise (self.process or self.database).failure(f"does not answer {command[0]}") from error
        if done.returncode:
            raise BenchError(f"{' '.join(command[:3])}: {done.stderr.strip()}")
        return done.stdout

    def vsctl(self, *words):
        return self.run("ovs-vsctl", f"--db=unix:{self.directory}/db.sock", f"--timeout={COMMAND_S}", *words)

    def start(self):
        os.makedirs(self.directory, exist_ok=True)
        database = os.path.join(self.directory, "conf.db")
        if os.path.exists(database):
            os.unlink(database)
        self.run("ovsdb-tool", "create", database, SCHEMA)
        self.database = Process("ovsdb-server", ["ovsdb-server", database, f"--remote=punix:{self.directory}/db.sock",
                                                 f"--unixctl={self.directory}/db.ctl"],
                                self.setup.path("ovsdb-server.log"), self.environment)
        self.await_file("db.sock")
        extra = "--in-memory --single-file-segments --no-pci --no-telemetry --file-prefix=copse-bench-ovs"
        self.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true",
                   f"other_config:dpdk-lcore-mask={1 << GENERATOR_CPU:#x}",
                   f"other_config:pmd-cpu-mask={1 << WORKER_CPU:#x}", f"other_config:dpdk-alloc-mem={MEMORY_MB}",
                   f'other_config:dpdk-extra="{extra}"', "other_config:per-port-memory=false")
        self.process = Process(self.name, ["unshare", "-n", VSWITCHD, f"unix:{self.directory}/db.sock",
                                           f"--unixctl={self.directory}/vswitchd.ctl", "-vconsole:warn", "-vsyslog:off"],
                               self.setup.path("ovs-dpdk.log"), self.environment)
        self.await_file("vswitchd.ctl")
        self.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "fail_mode=secure")
        self.vsctl("add-port", "br0", "p0", "--", "set", "Interface", "p0", "type=dpdk",
                   f"options:dpdk-devargs={self.setup.device()}", f"options:n_rxq_desc={self.setup.descriptors}",
                   f"options:n_txq_desc={self.setup.descriptors}")
        error = self.vsctl("get", "Interface", "p0", "error").strip()
        if error != "[]":
            raise BenchError(f"{self.name}: {error}")

    def await_file(self, name):
        wait_for(f"{self.name}: {name}", lambda: os.path.exists(os.path.join(self.directory, name)), START_S)

    def set_copies(self, fanout):
        if fanout == self.copies:
            return
        actions = ",".join(
            f"mod_dl_src:02:00:00:00:00:01,mod_dl_dst:{mac(copy)},mod_nw_dst:{address(copy)},mod_tp_dst:7117,in_port"
            for copy in range(fanout))
        flows = os.path.join(self.directory, "flows")
        with open(flows, "w") as handle:
            handle.write(f"udp,in_port=p0,actions={actions}\n")
        self.run("ovs-ofctl", "replace-flows", f"unix:{self.directory}/br0.mgmt", flows)
        self.run("ovs-appctl", "-t", f"{self.directory}/vswitchd.ctl", "revalidator/purge")
        self.copies = fanout

    def stop(self):
        super().stop()
        if self.database:
            self.database.stop()
