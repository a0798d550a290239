#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""copse as it is shipped, against a real control plane: what it prints, what it refuses, how it ends."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

import jsonschema

from serving import Server

SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
COPSE = os.environ["COPSE_CLI"]


class Cli:
    def __init__(self, server, home):
        self.server, self.home = server, home
        self.env = {"PATH": os.environ["COPSE_PATH"] + ":" + os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8",
                    "COPSE_ENDPOINT": server.pops[0]["url"], "COPSE_TOKEN_FILE": server.token_file,
                    "COPSE_CA": server.certificate}

    def run(self, *words, env=None, status=0):
        done = subprocess.run([COPSE, *words], env={**self.env, **(env or {})}, capture_output=True, text=True, timeout=30)
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        assert (status == 0) == (done.stderr == ""), (words, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def json(self, *words):
        return json.loads(self.run(*words, "--json"))


def rows(text):
    """A table as dictionaries: cells are where the titles are, or end where they end."""
    lines = text.splitlines()
    return [re.split(r"\s{2,}", line.strip()) for line in lines]


def populate(server):
    """A session with a seed at N1, another at N2, a peer at N3 that has a third; the tree of N1 carries something."""
    alice = server.account("alice")
    session = server.session(alice)
    members = [server.join(session, alice, pop, seed=pop < 2)["member"] for pop in range(3)]
    for pop, member in enumerate(members):
        server.tell(f"permit {pop} member {member}")

    def sync(blocks=1000):
        for pop, member in enumerate(members):
            server.sync(session, member, alice, pop, have=1000 if pop < 2 else blocks)
    sync(300)
    end = time.monotonic() + 10
    while True:
        trees = server.must(200, "GET", "/v1/trees")["trees"]
        if len(trees) == 3 and all(tree["installed"] for tree in trees):
            break
        assert time.monotonic() < end, trees
        time.sleep(0.05)
    tree = next(t for t in trees if t["root"] == "N1")
    return alice, session, members, tree, sync


class Traffic(threading.Thread):
    """The seed of N1 sends at nearly its uplink while the context lasts, whatever the machine does meanwhile."""

    BPS = 19_500_000

    def __init__(self, server, members, tree, sync):
        super().__init__()
        self.server, self.seed, self.tree, self.sync, self.over = server, members[0], tree["id"], sync, threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def run(self):
        start, told, turn = time.monotonic(), 0, 0
        while not self.over.wait(0.05):
            packets = int((time.monotonic() - start) * self.BPS / 8 / 1400) - told
            told += packets
            self.server.tell(f"count 0 tree {self.tree} packets={packets} bytes={packets * 1400}")
            self.server.tell(f"count 0 member {self.seed} rx_packets={packets} rx_bytes={packets * 1400}")
            self.server.tell(f"count 0 link N2 packets={packets} bytes={packets * 1400}")
            self.server.tell(f"count 0 worker - rx_packets={packets} bad_tag=3 not_wanted=5")
            turn += 1
            if turn % 5 == 0:
                self.sync(300)


def check_tables(cli, session, members, tree):
    pops = rows(cli.run("pops"))
    assert pops[0][:3] == ["PoP", "state", "peers"] and [row[0] for row in pops[1:]] == ["N1", "N2", "N3"], pops
    end = time.monotonic() + 30
    while not (links := rows(cli.run("links")))[1][1].endswith("Mb/s"):
        assert time.monotonic() < end, links
        time.sleep(0.2)
    assert links[1][0] == "N1→N2" and links[1][2] == "100 Mb/s", links[1]
    assert "█" in links[1][3] and "·" in links[1][3]
    assert rows(cli.run("links", env={"LC_ALL": "C"}))[1][0] == "N1>N2"
    assert session in cli.run("sessions")
    trees = rows(cli.run("trees"))
    assert 0 < min(t["rate_bps"] for t in cli.json("trees")["trees"]) <= tree["bound_bps"]
    row = next(row for row in trees if row[0] == tree["id"])
    assert row[1:4] == [session[:8], "N1", "ok"] and "N1→" in row[-1], row
    assert [row[0] for row in rows(cli.run("trees", session[:5]))] == [row[0] for row in trees]
    assert len(rows(cli.run("trees", "x"))) == 1
    assert re.search(members[2] + r".*█+·+ +30 %", cli.run("peers"))
    assert re.search(r"N1 +packets +bad_tag +[\d,]+ +the tag is not made", cli.run("drops"))
    assert re.search(r"alice +9\.\d+ GB", cli.run("credit")) and tree["id"] in cli.run("credit", "alice")
    status = cli.run("status")
    assert re.search(r"^N1 +healthy at https://127", status, re.M) and "3 of 3 alive" in status, status
    assert "digraph trees {" in cli.run("trees", "--dot") and '"N1" -> "N' in cli.run("trees", "--dot")
    once = cli.run("top", "--once")
    for wanted in ("PoPs 3/3", "link ", "tree ", "peer ", members[2], tree["id"]):
        assert wanted in once, once


def check_json(cli):
    """--json is the API's objects."""
    with open(os.path.join(SOURCE, "docs/openapi.json")) as handle:
        components = json.load(handle)["components"]
    for command, schema in (("pops", "Pops"), ("links", "Links"), ("sessions", "Sessions"), ("trees", "Trees"),
                            ("peers", "Peers"), ("credit", "Accounts"), ("drops", "DropsList")):
        jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": components}).validate(cli.json(command))
    status = cli.json("status")
    assert status["healthy"] and status["pops"] == {"all": 3, "alive": 3} and status["pop"] == "N1", status
    assert set(cli.json("top")) == {"pops", "sessions", "trees", "links", "peers", "drops"}
    assert cli.json("top")["drops"][0]["packet_drops"]["bad_tag"] > 0
    account = cli.json("credit", "alice")
    assert sum(grant["bytes"] for grant in account["grants"]) == account["leased_bytes"] > 0


def check_why(cli, members, tree):
    end = time.monotonic() + 30
    while not (text := cli.run("why", tree["id"])).startswith(f"tree {tree['id']}: uplink\nthe sender at N1 sends"):
        assert time.monotonic() < end, text
        time.sleep(0.2)
    while not (text := cli.run("why", members[2])).startswith(f"peer {members[2]}: uplink\n"):
        assert time.monotonic() < end, text
    assert re.search(f"\n  tree +{tree['id']}\n", text), text
    assert "no peer and no tree" in cli.run("why", "0" * 16, status=3)
    assert "16 hexadecimal digits" in cli.run("why", "N1", status=2)


def check_changes(cli, server):
    assert "50.000 Mbit/s" in cli.run("links", "set", "N1", "N2", "50M")
    assert server.must(200, "GET", "/v1/links/N1/N2")["bandwidth_bps"] == 50000000
    end = time.monotonic() + 30  # until trees that hold more are elsewhere
    while not re.search(r"N1→N2 .* 50\.0 Mb/s .* set$", cli.run("links"), re.M):
        assert time.monotonic() < end, cli.run("links")
    cli.run("links", "reset", "N1", "N2")
    assert not server.must(200, "GET", "/v1/links/N1/N2")["overridden"]
    assert "no such link" in cli.run("links", "set", "N1", "N9", "1M", status=3)
    assert "is no rate" in cli.run("links", "set", "N1", "N2", "fast", status=2)
    assert "end its control plane" in cli.run("pops", "remove", "N1", status=1)
    assert "0 trees settled" in cli.run("pops", "remove", "N9")
    before = cli.json("credit", "alice")["granted_bytes"]
    cli.run("credit", "add", "alice", "1.5G")
    assert cli.json("credit", "alice")["granted_bytes"] == before + 1500000000
    assert "no such account" in cli.run("credit", "nobody", status=3)
    assert "no name of an account" in cli.run("credit", "../x", status=2)
    assert re.fullmatch(r"[0-9a-f]{64}\n", cli.run("credit", "create", "bob", "2G"))
    assert cli.json("credit", "bob")["granted_bytes"] == 2000000000
    assert "account bob" in cli.run("credit", "create", "bob", status=1)
    assert "no name of an account" in cli.run("credit", "create", "../x", status=2)
    assert "no number of bytes" in cli.run("credit", "create", "carol", "much", status=2)


def check_errors(cli, server, alice):
    assert cli.run("stauts", status=2) == "copse: there is no command 'stauts'; is it status?\n"
    assert "copse --help" in cli.run("frobnicate", status=2)
    assert "copse --help" in cli.run(status=2)
    assert "say pops" in cli.run("pops", "extra", status=2)
    assert "usage: copse pops" in cli.run("pops", "remove", "N1", "N2", status=2)
    assert "usage: copse pops" in cli.run("pops", "--dot", status=2)
    assert "--help lists them" in cli.run("pops", "--frob", status=2)
    assert "--color: must be" in cli.run("pops", "--color", "red", status=2)
    assert "does not answer" in cli.run("pops", "--endpoint", "https://127.0.0.1:1", status=1)
    assert "must be https://" in cli.run("pops", "--endpoint", "http://127.0.0.1:1", status=2)
    assert "certificate is not trusted" in cli.run("pops", env={"COPSE_CA": "/dev/null"}, status=1)
    assert "a bearer token is needed; --token-file" in cli.run("pops", env={"COPSE_TOKEN_FILE": ""}, status=1)
    assert "unknown token" in cli.run("pops", env={"COPSE_TOKEN": "0123456789abcdef"}, status=1)
    assert "only for operators" in cli.run("pops", env={"COPSE_TOKEN": alice}, status=1)
    assert "no token has" in cli.run("pops", env={"COPSE_TOKEN": "a b"}, status=2)
    assert "cannot be read" in cli.run("pops", "--token-file", "/nonexistent", status=2)
    assert "on a terminal" in cli.run("top", status=2)
    full = subprocess.run(f"{COPSE} pops > /dev/full", shell=True, env=cli.env, capture_output=True, text=True)
    assert full.returncode == 1 and "cannot be written" in full.stderr


def check_settings(cli, server):
    """Options over environment over file."""
    bare = {"COPSE_ENDPOINT": "", "COPSE_TOKEN_FILE": "", "COPSE_CA": ""}
    path = os.path.join(cli.home, ".config/copse/copse.cfg")
    os.makedirs(os.path.dirname(path))
    with open(path, "w") as handle:
        handle.write(f'endpoint = "{server.pops[1]["url"]}/";\ntoken_file = "{server.token_file}";\nca = "{server.certificate}";\n')
    assert json.loads(cli.run("status", "--json", env=bare))["pop"] == "N2"
    assert json.loads(cli.run("status", "--json", env={**bare, "COPSE_ENDPOINT": server.pops[2]["url"]}))["pop"] == "N3"
    assert json.loads(cli.run("status", "--json", "--endpoint", server.pops[0]["url"], env={**bare, "COPSE_ENDPOINT": "https://x"}))["pop"] == "N1"
    with open(path, "w") as handle:
        handle.write('endpiont = "https://x";\n')
    assert f"{path}:1: unknown key 'endpiont'" in cli.run("pops", env=bare, status=2)
    os.unlink(path)


def check_config_command(cli):
    for name, program in (("config/controlplane.cfg", "copse-controlplane"), ("config/dataplane.cfg", "copse-dataplane"),
                          ("config/topologies/paper.cfg", "copse-trees")):
        assert f"{program} takes it" in cli.run("config", "check", os.path.join(SOURCE, name)), name
    bad = os.path.join(cli.home, "bad.cfg")
    for text, said in (('pop = "N1";\nnonsense = 1;\n', f"{bad}:2: unknown key"), ("ports = ();\nx", "copse-dataplane refuses"),
                       ('endpoint = "x";\n', "must be https"), ("nothing = 1;\n", "no line begins with")):
        with open(bad, "w") as handle:
            handle.write(text)
        assert said in cli.run("config", "check", bad, status=2), text
    assert "cannot be opened" in cli.run("config", "check", bad + ".not", status=2)


def check_colour(cli):
    assert "\x1b[" not in cli.run("pops") and "\x1b[32m" in cli.run("pops", "--color", "always")
    for env, coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
        text = on_terminal(cli, ["pops"], env)[0]
        assert ("\x1b[" in text) == coloured, (env, text)


def on_terminal(cli, words, env, keys=(), size=(24, 80)):
    """What it draws, and how it ends. `keys`: (text to wait for, what to do then: bytes to type, a new size, or a call)."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", *size, 0, 0))
        os.execve(COPSE, [COPSE, *words], {**cli.env, "TERM": "xterm", **env})
    text, at, keys, end = "", 0, list(keys), time.monotonic() + 15
    while time.monotonic() < end:
        if keys and keys[0][0] in text[at:]:
            at, (_, act) = len(text), keys.pop(0)
            if isinstance(act, bytes):
                os.write(terminal, act)
            elif callable(act):
                act()
            else:
                fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", *act, 0, 0))
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            if not data:
                break
            text += data.decode(errors="replace")
    else:
        os.kill(pid, signal.SIGKILL)
    return text, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def check_top(cli, tree):
    """Fits its screen without cutting columns, says what holds whom and what is dropped, follows its size, ends with q,
    and leaves the terminal as it was."""
    text, status = on_terminal(cli, ["top", "-d", "0.3"], {}, [(tree["id"], (50, 150)), ("direct", b""), ("bad_tag", b"q")], (30, 60))
    assert status == 0 and text.startswith("\x1b[?1049h") and text.rstrip().endswith("\x1b[?1049l"), (status, text[-300:])
    pictures = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", picture) for picture in text.split("\x1b[H")[1:]]
    first = pictures[0].replace("\r", "").split("\n")
    assert len(first) <= 30 and max(map(len, first)) <= 60, first
    assert next(line for line in first if line.startswith("tree ")).endswith("carried"), first
    assert re.search(r" N1 +(uplink|sender|tree_rate) ", pictures[0]), "what holds the tree"
    assert any(re.search(r"bad_tag [\d,]+/s", picture) for picture in pictures), "drops by name"
    assert "direct" in pictures[-1], "the wider screen shows more"


class Door:
    """A port that leads to the server while it is open."""

    def __init__(self, server):
        self.inner, self.port, self.sockets = server.port(), 0, []
        self.open()

    def open(self):
        self.sockets = [socket.create_server(("127.0.0.1", self.port))]
        self.port = self.sockets[0].getsockname()[1]
        threading.Thread(target=self.accept, args=(self.sockets[0],), daemon=True).start()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                pair = listener.accept()[0], socket.create_connection(("127.0.0.1", self.inner))
                self.sockets.extend(pair)
                for one, other in (pair, pair[::-1]):
                    threading.Thread(target=self.carry, args=(one, other), daemon=True).start()

    @staticmethod
    def carry(one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)

    def shut(self):
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def check_top_away(cli, server, tree):
    """While the control plane does not answer the last picture stays, and says so; when it is back it goes on."""
    door = Door(server)
    env = {"COPSE_ENDPOINT": f"https://127.0.0.1:{door.port}"}
    text, status = on_terminal(cli, ["top", "-d", "0.3"], env, [(tree["id"], door.shut), ("does not answer", door.open),
                                                                ("sessions 1", b"q")], (30, 100))
    door.shut()
    away = next(picture for picture in text.split("\x1b[H") if "does not answer" in picture)
    assert status == 0 and tree["id"] in away and "PoPs 3/3" not in away, (status, text[-3000:])


def check_events(cli, server):
    process = subprocess.Popen([COPSE, "events", "--count", "2", "--json"], env=cli.env, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < end:
        server.ask("PUT", "/v1/links/N2/N3/budget", {"bandwidth_bps": 6e7 + time.monotonic() % 1000 // 1}, headers={"If-Match": "*"})
        time.sleep(0.2)
    assert process.wait(5) == 0
    events = [json.loads(line) for line in process.stdout.read().splitlines()]
    assert len(events) == 2 and all(event["type"] in ("put", "delete") for event in events), events
    server.must(200, "DELETE", "/v1/links/N2/N3/budget", headers={"If-Match": "*"})


def check_strangers(cli, server, alice):
    """Nothing that somebody else has named gets control of the terminal."""
    manifest = {"name": "\x1b]0;owned\x07\u009b31m", "size": 5, "block_bytes": 16384, "root": "%064x" % 9}
    answer = server.ask("POST", "/v1/sessions", manifest, alice)
    text = cli.run("sessions")
    assert answer.status == 400 or "owned" in text
    assert "\x1b" not in text and "\u009b" not in text and "\x07" not in text


def check_completeness(cli):
    """Help, completion and manual know every command."""
    listed = re.findall(r"^  ([a-z]+) ", cli.run("--help"), re.M)
    assert len(listed) >= 12
    with open(os.path.join(SOURCE, "tools/copse/copse.bash")) as handle:
        completion = re.search(r"commands='([^']*)'", handle.read())[1].split()
    with open(os.path.join(SOURCE, "tools/copse/copse.1")) as handle:
        manual = set(re.findall(r"^\.It Cm (\w+)", handle.read(), re.M))
    assert listed == completion and set(listed) == manual, (listed, completion, manual)
    for command in listed:
        assert f"usage: copse {command}" in cli.run(command, "--help")
    assert re.fullmatch(r"copse \d+\.\d+\.\d+\n", cli.run("--version"))
    script = f'. {SOURCE}/tools/copse/copse.bash; COMP_WORDS=(copse --json tr); COMP_CWORD=2; _copse; echo "${{COMPREPLY[@]}}"'
    assert subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout == "trees\n"


def main():
    with Server() as server, tempfile.TemporaryDirectory() as home:
        cli = Cli(server, home)
        check_completeness(cli)
        alice, session, members, tree, sync = populate(server)
        with Traffic(server, members, tree, sync):
            check_why(cli, members, tree)
            check_tables(cli, session, members, tree)
            check_json(cli)
            check_colour(cli)
            check_top(cli, tree)
            check_top_away(cli, server, tree)
        check_changes(cli, server)
        check_errors(cli, server, alice)
        check_settings(cli, server)
        check_config_command(cli)
        check_events(cli, server)
        check_strangers(cli, server, alice)


if __name__ == "__main__":
    sys.exit(main())
