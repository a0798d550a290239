# SPDX-License-Identifier: Apache-2.0
"""The paper's network in namespaces: a router in the middle, one namespace per PoP and per peer.

Every name carries the lab's own prefix; leaving the context removes everything it made."""

import ctypes
import json
import os
import subprocess
import threading

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def run(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def private_mounts():
    """From now on, what this thread and what it starts mount is seen by nobody else, and ends with them."""
    if LIBC.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "no mount namespace")
    run("mount", "--make-rslave", "/")


class Network:
    """`up`, `down` in bit/s shape a peer's access link (TBF); PoPs' links are not shaped: their dataplanes
    hold the budget, and AF_XDP transmit would bypass a queueing discipline anyway."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.namespaces = []
        self.core = self.namespace("core")
        self.exec(self.core, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward && echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter")
        self.legs = 0

    def namespace(self, name):
        full = f"{self.prefix}-{name}"
        run("ip", "netns", "add", full)
        self.namespaces.append(full)
        self.exec(full, "ip", "link", "set", "lo", "up")
        return full

    def exec(self, namespace, *command, check=True):
        return run("ip", "netns", "exec", namespace, *command, check=check)

    def leg(self, namespace, device, subnet, router_namespace=None):
        """A link from a namespace to a router, the core unless told: .1 is its own address, .2 the router's."""
        core = router_namespace or self.core
        self.legs += 1
        far = f"leg{self.legs}"
        run("ip", "link", "add", far, "netns", core, "type", "veth", "peer", "name", device, "netns", namespace)
        base, last = subnet.rsplit(".", 1)
        own, router = f"{base}.{int(last) + 1}", f"{base}.{int(last) + 2}"
        for where, dev, address in ((core, far, router), (namespace, device, own)):
            self.exec(where, "ip", "addr", "add", f"{address}/30", "dev", dev)
            self.exec(where, "ip", "link", "set", dev, "up")
            # AF_XDP receives what the kernel sent as it is: checksums must be finished, segments single.
            self.exec(where, "ethtool", "-K", dev, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        self.exec(namespace, "ip", "route", "add", "default", "via", router)
        return own, far

    def pop(self, index):
        namespace = self.namespace(f"N{index}")
        address, far = self.leg(namespace, "eth0", f"198.18.{index}.0")
        return namespace, address

    def peer(self, pop, index, up, down):
        namespace = self.namespace(f"P{pop}.{index}")
        address, far = self.leg(namespace, "eth0", f"198.18.{100 + pop}.{4 * (index - 1)}")
        self.shape(namespace, "eth0", up)
        self.shape(self.core, far, down)
        return namespace, address

    def shape(self, namespace, device, bps, queue=None):
        """TBF, 50 ms deep so that a pause of this machine does not cost rate, and 200 ms of queue unless told in bytes."""
        burst, limit = max(int(bps / 8 * 0.05), 4000), queue or max(int(bps / 8 * 0.2), 30000)
        self.exec(namespace, "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", f"{int(bps)}bit", "burst",
                  str(burst), "limit", str(limit))

    def count_links(self, pops, port):
        """Counts, at the router, what really crosses each CDN link: blocks from PoP to PoP."""
        rules = ["table ip copse {"]
        rules += [f"counter {a}_{b} {{ }}" for a in pops for b in pops if a != b]
        rules += ["chain forward { type filter hook forward priority 0;"]
        rules += [f"ip saddr {pops[a]} ip daddr {pops[b]} udp dport {port} counter name {a}_{b}"
                  for a in pops for b in pops if a != b]
        rules += ["}", "}"]
        subprocess.run(["ip", "netns", "exec", self.core, "nft", "-f", "-"], input="\n".join(rules), text=True, check=True)

    def link_counters(self):
        """{(from, to): (packets, bytes at layer 3)}"""
        text = self.exec(self.core, "nft", "-j", "list", "counters", "table", "ip", "copse")
        counters = [item["counter"] for item in json.loads(text)["nftables"] if "counter" in item]
        return {tuple(c["name"].split("_")): (c["packets"], c["bytes"]) for c in counters}

    def inside(self, namespace, make):
        """What `make` returns when it runs inside a namespace: a socket made there stays there."""
        result = []

        def enter():
            try:
                with open(f"/run/netns/{namespace}") as handle:
                    if LIBC.setns(handle.fileno(), CLONE_NEWNET) != 0:
                        raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
                result.append(make())
            except OSError as error:
                result.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if isinstance(result[0], OSError):
            raise result[0]
        return result[0]

    def close(self):
        for namespace in reversed(self.namespaces):
            run("ip", "netns", "del", namespace, check=False)
        self.namespaces = []


def reserve_hugepages(pages):
    """Asks for 2 MB pages; returns what was there before, or None when there are none to be had."""
    path = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    try:
        with open(path) as handle:
            before = int(handle.read())
        if before < pages:
            with open(path, "w") as handle:
                handle.write(str(pages))
        with open(path) as handle:
            have = int(handle.read())
        if have < pages:
            release_hugepages(before)
            return None
        return before
    except OSError:
        return None


def used_hugepages():
    """2 MB pages that somebody has."""
    directory = "/sys/kernel/mm/hugepages/hugepages-2048kB"
    numbers = []
    for name in ("nr_hugepages", "free_hugepages"):
        with open(os.path.join(directory, name)) as handle:
            numbers.append(int(handle.read()))
    return numbers[0] - numbers[1]


def release_hugepages(before):
    if before is not None:
        with open("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "w") as handle:
            handle.write(str(before))


def stolen_ticks():
    """(stolen, all) CPU ticks since boot."""
    with open("/proc/stat") as handle:
        ticks = [int(word) for word in handle.readline().split()[1:9]]
    return ticks[7], sum(ticks)

