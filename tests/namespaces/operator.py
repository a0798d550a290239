#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""copse during a transfer over the shipped programs: what it shows of links, trees and peers is what happens, and why
names the limit that holds: the seeds' uplinks, then a budget that an operator sets below them."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts/lab"))
from lab import Lab, wait_for  # noqa: E402
from transfer import Transfer, random_file  # noqa: E402


def copse(pop, *words):
    done = subprocess.run(pop.copse(*words), capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def why(pop, what):
    return json.loads(copse(pop, "why", what, "--json"))


def only_the_named_certificate_is_trusted(lab):
    """Not even one that the system trusts."""
    pop, other = lab.pops[:2]
    system, token = os.path.join(lab.directory, "authorities"), os.path.join(lab.directory, "operator.token")
    os.mkdir(system)
    os.link(pop.certificate, os.path.join(system, "pop.pem"))
    peer = [os.path.join(lab.build, "tools/peer/copse-peer"), "get", "0" * 32, "--pop", pop.url, "--token-file", token, "--ca",
            other.certificate, "--address", pop.address, "--up", "10M", "--down", "10M"]
    copse = pop.copse("status")
    copse[copse.index(pop.certificate)] = other.certificate
    for command in (copse, ["ip", "netns", "exec", pop.namespace, *peer]):
        with subprocess.Popen(["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/ssl/certs && exec "$@"', system, *command],
                              stderr=subprocess.PIPE, text=True) as process:
            said = process.stderr.readline()
            process.kill()
        assert "certificate" in said, said


def main():
    with Lab(3, scale=50) as lab:
        only_the_named_certificate_is_trusted(lab)
        for index, pop in enumerate(lab.pops):
            for number in (1, 2):
                lab.peer(pop, number, seed=number == 1 and index == 0)
        pop = lab.pops[1]
        assert json.loads(copse(pop, "status", "--json"))["healthy"]
        transfer = Transfer(lab, random_file(os.path.join(lab.directory, "content"), 40_000_000), lab.peers)
        transfer.start()
        transfer.until("a tenth of the file", lambda: transfer.progress() > 0.1)

        def uplink():
            view = json.loads(copse(pop, "top", "--json"))
            tree = next((t for t in view["trees"] if t["root"] == "N1" and t["status"] == "ok"), None)
            peer = next((p for p in view["peers"] if p["pop"] == "N3" and not p["done"]), None)
            if not tree or not peer:
                return None
            verdicts = why(pop, tree["id"]), why(pop, peer["member"])
            print(*(verdict["text"] for verdict in verdicts), sep="\n")
            return tree["bps"] > 0 and all(v["verdict"] == "uplink" for v in verdicts) and (tree, peer, view)
        tree, peer, view = wait_for("the seed's uplink as the verdict", uplink, 15, 0.5)
        assert 0.8 * lab.up < tree["bps"] <= lab.up and tree["bps"] <= tree["rate_bps"], tree
        assert 0 < peer["have"] < peer["blocks"] and peer["out_bps"] > 0.5 * lab.up, peer
        used = {(link["from"], link["to"]): link for link in view["links"] if link["bps"] > 0}
        assert {(edge["from"], edge["to"]) for edge in tree["edges"]} <= set(used), (tree["edges"], used.keys())
        assert all(link.get("loss", 0) < 0.02 for link in used.values()), used

        edge = tree["edges"][0]
        print(copse(pop, "links", "set", edge["from"], edge["to"], f"{int(lab.up / 2)}"), end="")

        def held():
            trees = json.loads(copse(pop, "trees", "--json"))["trees"]
            now = next((t for t in trees if t["root"] == "N1"), None)
            return now and edge not in now["edges"]  # half the seed's uplink is below the least the tree may carry
        wait_for("a tree that respects the new budget", held, 15, 0.5)
        copse(pop, "links", "reset", edge["from"], edge["to"])
        print(copse(pop, "top", "--once"))
        transfer.wait()
        assert not transfer.wrong(), transfer.wrong()
        wait_for("conservation", lambda: all(c.conserved() for c in lab.counters().values()), 10)


if __name__ == "__main__":
    sys.exit(main())
