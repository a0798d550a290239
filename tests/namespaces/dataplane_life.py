#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How the shipped copse-dataplane starts, ends, and takes what it is told: a second one, a killed one, wrong files."""

import os
import signal
import subprocess
import sys
import time

from dataplane_client import Client
from dataplane_lab import POP4, PROGRAM, ROOT, eventually, main
from dataplane_traffic import Traffic, address, drain, push, receive


def life(lab, check):
    path = lab.configure()
    lab.start(path)
    client = push(lab)
    traffic = Traffic(lab)
    traffic.reaches_down()
    operations, table = client.dump()
    instance = client.instance
    client.close()
    drain(traffic.down)
    check("tables survive the control plane: copies flow without one", traffic.reaches_down())
    again = Client(lab.api)
    check("a control plane that comes back finds the same dataplane and table",
          again.instance == instance and again.dump() == (operations, table) and operations > 0)
    again.close()

    second = lab.launch(path, stderr=subprocess.PIPE)
    check("a second dataplane on the same socket is refused with a sentence",
          second.wait(10) == 1 and b"another dataplane serves" in second.stderr.read())
    second = lab.launch(lab.configure(name="other.cfg", api=lab.api + "2"), stderr=subprocess.PIPE)
    check("so is one on the same interface", second.wait(10) == 1 and b"another dataplane uses p1" in second.stderr.read())
    check("neither harmed the first", traffic.reaches_down() and lab.xdp_programs() == [1, 2, 3, 4])

    pid = lab.process.pid
    before = ticks(pid)
    time.sleep(2)
    used = (ticks(pid) - before) / os.sysconf("SC_CLK_TCK") / 2
    check(f"idle, it uses {100 * used:.1f} % of a core (at most 5 %)", used <= 0.05)

    check("an XDP program is on every port", lab.xdp_programs() == [1, 2, 3, 4])
    lab.stop(signal.SIGKILL)
    check("killed, it leaves its XDP programs", lab.xdp_programs() == [1, 2, 3, 4])
    ping = subprocess.run(["ip", "netns", "exec", lab.neighbours[1], "ping", "-qnc1", "-W2", POP4], capture_output=True)
    check("through which the kernel's traffic still passes", ping.returncode == 0)
    lab.start(path)
    push(lab).close()
    check("and starts again over them", traffic.reaches_down())
    check("SIGTERM ends it with status 0", lab.stop() == 0)
    check("no XDP program stays behind", lab.xdp_programs() == [])
    check("nor a socket or its lock", os.listdir(os.path.dirname(lab.api)) == [])
    lab.start(path)
    check("SIGINT ends it as well", lab.stop(signal.SIGINT) == 0 and lab.xdp_programs() == [])


def ticks(pid):
    with open(f"/proc/{pid}/stat") as handle:
        fields = handle.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def refusals(lab, check):
    def says(path, sentence, status):
        process = lab.launch(path, stderr=subprocess.PIPE)
        text = process.communicate(timeout=20)[1].decode()
        check(f"refused: {sentence}", process.returncode == status and sentence in text)

    says(lab.configure(extra="colour = 1;"), "unknown key 'colour'", 2)
    says(lab.configure(ports=(9,)), "there is no interface p9 here", 1)
    says(lab.configure(extra="workers = 2;"), "p1 has no combined queues", 1)
    lab.ip(lab.pop, "link", "set", "p3", "down")
    says(lab.configure(), "p3 is down", 1)
    lab.ip(lab.pop, "link", "set", "p3", "up")
    says(lab.configure(devices={1: "net_af_xdp1,iface=p1,queue_count=2"}), "'queue_count' of p1 is 2", 1)
    # An XDP program that is not ours stays where it is.
    foreign = os.path.join(lab.directory, "foreign.o")
    subprocess.run(["clang", "-target", "bpf", "-O2", "-x", "c", "-", "-c", "-o", foreign], check=True, text=True,
                   input='__attribute__((section("xdp"), used)) int foreign(void *c) { return 2; }\n'
                         'char terms[] __attribute__((section("license"), used)) = "GPL";\n')
    lab.ip(lab.pop, "link", "set", "dev", "p4", "xdp", "obj", foreign, "sec", "xdp")
    says(lab.configure(), "p4 has another XDP program, foreign", 1)
    check("which stays", lab.xdp_programs() == [4])
    lab.ip(lab.pop, "link", "set", "dev", "p4", "xdp", "off")
    os.mkdir(lab.api)  # where the socket would be, which is made when everything else is there
    process = lab.launch(lab.configure(), stderr=subprocess.PIPE)
    text = process.communicate(timeout=20)[1].decode()
    check("a start may fail after XDP programs have been attached",
          process.returncode == 1 and "port 3: " in text and "cannot make the socket" in text)
    os.rmdir(lab.api)
    check("a start that fails leaves no XDP program, socket or lock",
          lab.xdp_programs() == [] and os.listdir(os.path.dirname(lab.api)) == [])


def reload(lab, check):
    """SIGHUP takes over static neighbours, and nothing at all from a file that is wrong."""
    mac = lab.mac(lab.neighbours[2], "eth0")
    static = f'neighbours = ( {{ address = "{address(2, 4)}"; mac = "{mac}"; port = 1; }} );'
    lab.start(lab.configure(extra=static))
    lab.ip(lab.neighbours[2], "link", "set", "eth0", "arp", "off")  # no other way to find it
    push(lab).close()
    traffic = Traffic(lab)
    check("a static neighbour is used without asking", traffic.reaches_down())

    def reread(extra, sentence):
        lab.configure(extra=extra)
        lab.process.send_signal(signal.SIGHUP)
        return eventually(lambda: sentence in lab.last_words(400))
    lab.ip(lab.pop, "neigh", "flush", "dev", "p2")  # now only the file knows it
    check("a wrong file changes nothing, and says why", reread("neighbours = 1;", "nothing is changed"))
    time.sleep(0.5)
    drain(traffic.down)
    check("the static neighbour is still used", traffic.reaches_down())
    check("a right one is taken over", reread("", "are taken over"))

    def suspended():
        drain(traffic.down, 0.05)
        traffic.from_up()
        return receive(traffic.down, 0.1) is None
    check("the neighbour that is not in it any more is asked of the kernel", eventually(suspended))


def command_line(lab, check):
    def says(*arguments, status=0):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=10)
        return (done.stdout or done.stderr) if done.returncode == status else None
    check("--version", says("--version").startswith("copse-dataplane "))
    check("--help", "--config FILE" in says("--help"))
    check("--keys", "block_port: integer, default 7117, restart." in says("--keys"))
    check("--check", says("--check", lab.configure()).endswith("ok\n"))
    check("--check of the shipped file", says("--check", os.path.join(ROOT, "config/dataplane.cfg")).endswith("ok\n"))
    check("--check with a mistake in line 4", "dataplane.cfg:4: " in says("--check", lab.configure(extra="x = 1;"), status=2))
    check("a wrong option", "usage:" in says("--colour", status=2))
    check("a file that is not there", "missing.cfg" in says("--config", lab.directory + "/missing.cfg", status=2))


if __name__ == "__main__":
    sys.exit(main(life, reload, refusals, command_line))
