#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What clients do to the API by malice or in crowds: thousands of idle connections, huge bodies, headers a byte at a
time, a thousand joins at once, nonsense. It goes on answering, in bounded time and memory."""

import http.client
import json
import os
import random
import resource
import socket
import ssl
import sys
import threading
import time

from serving import Server


def memory(server):
    """Resident bytes of the server."""
    with open(f"/proc/{server.process.pid}/statm") as handle:
        return int(handle.read().split()[1]) * resource.getpagesize()


def cpu_seconds(server):
    """Of the server, so far."""
    with open(f"/proc/{server.process.pid}/stat") as handle:
        fields = handle.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def healthy_within(server, seconds, rounds=5):
    """The slowest of some questions, each on a new connection."""
    slowest = 0
    for _ in range(rounds):
        start = time.monotonic()
        server.must(200, "GET", "/healthz", token=None)
        slowest = max(slowest, time.monotonic() - start)
    assert slowest < seconds, f"an answer took {slowest:.2f} s"
    return slowest


def plain(server, source):
    """A TCP connection from an address of loopback's own."""
    connection = socket.socket()
    connection.settimeout(10)
    connection.bind((source, 0))
    connection.connect(("127.0.0.1", server.port()))
    return connection


def idle_crowd(count=10000):
    """As many connections as one may want to hold: whoever has something to ask gets a place."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 500, max(count + 500, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    with Server() as server:
        before = memory(server)
        crowd = [plain(server, f"127.0.{1 + number // 250 // 50}.{1 + number // 50 % 250}") for number in range(count)]
        slowest = healthy_within(server, 3)
        grown = memory(server) - before
        assert grown < 200 << 20, grown
        for connection in crowd:
            connection.close()
        healthy_within(server, 3)
    print(f"{count} idle connections: slowest answer {1000 * slowest:.0f} ms, {grown >> 20} MiB")


def secure(server):
    raw = socket.create_connection(("127.0.0.1", server.port()), 20)
    return server.context.wrap_socket(raw, server_hostname="127.0.0.1")


def put_body(server, session, answers):
    try:
        answers.append(server.ask("PUT", f"/v1/sessions/{session}/leaves", bytes(10 << 20)).status)
    except OSError:
        answers.append("closed")


def huge_bodies():
    """10 MB where JSON is expected is refused from its length alone; where leaves are, many at once are bounded."""
    with Server() as server:
        session = server.session()
        for path in ("/v1/sessions", "/v1/accounts", f"/v1/sessions/{session}/members"):
            with secure(server) as tls:
                tls.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
                            f"Content-Length: {10 << 20}\r\n\r\n".encode())
                start = time.monotonic()
                assert tls.recv(4096).startswith(b"HTTP/1.1 413 "), path
                assert time.monotonic() - start < 3
        before, answers = memory(server), []
        threads = [threading.Thread(target=put_body, args=(server, session, answers)) for _ in range(24)]
        for thread in threads:
            thread.start()
        peak = 0
        while any(thread.is_alive() for thread in threads):
            server.must(404, "POST", f"/v1/sessions/{32 * '0'}/members/{16 * '0'}/sync", {"have": 0})  # small ones have room
            peak = max(peak, memory(server))
            time.sleep(0.02)
        assert set(answers) <= {400, 503, "closed"} and 400 in answers, answers
        assert peak - before < 200 << 20, peak - before
        healthy_within(server, 3)
    print(f"24 bodies of 10 MB at once: {answers.count(400)} read, {len(answers) - answers.count(400)} put off, "
          f"{(peak - before) >> 20} MiB")


def slow_headers(clients=40):
    """A byte a second is not fast enough, however many do it; others do not notice."""
    with Server("idle_s = 3;") as server:
        start = time.monotonic()
        slow = [secure(server) for _ in range(clients)]
        lines = b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"x" * 20
        ended = {}
        slowest = 0
        for turn, byte in enumerate(lines[:9]):
            slowest = max(slowest, healthy_within(server, 3, 2))
            for number, tls in enumerate(slow):
                if number in ended:
                    continue
                try:
                    tls.sendall(bytes([byte]))
                    tls.settimeout(0.001)
                    if tls.recv(1) == b"":
                        ended[number] = turn
                except (TimeoutError, ssl.SSLWantReadError):
                    pass
                except OSError:
                    ended[number] = turn
            if len(ended) == clients:
                break
            time.sleep(max(0, start + turn + 1 - time.monotonic()))
        assert len(ended) == clients, f"{clients - len(ended)} of {clients} are still there after {turn} s"
    print(f"{clients} clients with a byte a second: gone after {turn} s; slowest answer meanwhile {1000 * slowest:.0f} ms")


class Joiner(threading.Thread):
    """Joins its share of peers, each on a connection of its own as peers do, at its times within the second."""

    def __init__(self, server, session, token, numbers, start):
        super().__init__()
        self.server, self.session, self.token, self.numbers, self.begin = server, session, token, numbers, start
        self.seconds, self.failed = [], []

    def run(self):
        for number, at in self.numbers:
            time.sleep(max(0, self.begin + at - time.monotonic()))
            connection = http.client.HTTPSConnection("127.0.0.1", self.server.port(), timeout=20, context=self.server.context)
            body = json.dumps({"address": f"198.18.1.{number % 250 + 1}", "port": 40000 + number // 250, "http_port": 40001,
                               "uplink_bps": 20e6, "downlink_bps": 70e6})
            try:
                connection.request("POST", f"/v1/sessions/{self.session}/members", body, {"Authorization": f"Bearer {self.token}"})
                response = connection.getresponse()
                text = response.read()
                if response.status == 201:
                    self.seconds.append(time.monotonic() - (self.begin + at))
                else:
                    self.failed.append((response.status, text))
            except OSError as error:
                self.failed.append(error)
            finally:
                connection.close()


def crowd_of_joins(count=1000):
    """A thousand peers join within one second; time counts from when each wanted to. None may wait for what a later one
    changes: behind the last of them nothing changes any more until its long poll would be over."""
    with Server("address_connections = 2000; connections = 2000;", events_ms=25000) as server:
        token = server.account("alice")
        session = server.session(token)
        server.join(session, token, number=2000, seed=True)
        start, used = time.monotonic() + 0.3, cpu_seconds(server)
        joiners = [Joiner(server, session, token, [(n, n / count) for n in range(share, count, 64)], start) for share in range(64)]
        for joiner in joiners:
            joiner.start()
        for joiner in joiners:
            joiner.join()
        seconds = sorted(second for joiner in joiners for second in joiner.seconds)
        failed = [what for joiner in joiners for what in joiner.failed]
        total, used = time.monotonic() - start, cpu_seconds(server) - used
        assert not failed, failed[:3]
        members = 0
        path = f"/v1/sessions/{session}/members?limit=1000"
        while path:
            answer = server.ask("GET", path)
            members += len(answer.json["members"])
            link = answer.headers.get("Link")
            path = link[1:link.index(">")] if link else None
        assert members == count + 1, members
    p50, p99, last = seconds[count // 2], seconds[count * 99 // 100], seconds[-1]
    print(f"{count} joins wanted within 1 s: all done after {total:.2f} s; p50 {1000 * p50:.0f} ms, p99 {1000 * p99:.0f} ms, "
          f"slowest {1000 * last:.0f} ms; {1000 * used / count:.2f} ms of the server's CPU each")
    assert last < 15, last


def mutate(chance, text):
    """Some bytes of a request exchanged, removed, repeated."""
    data = bytearray(text)
    for _ in range(chance.randrange(1, 8)):
        at = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            del data[at:at + chance.randrange(1, 10)]
        elif kind == 2:
            data[at:at] = data[at:at + chance.randrange(1, 200)] * chance.randrange(1, 20)
        else:
            data[at:at] = chance.choice([b"\0", b"\r\n", b"%00", b"%2e%2e/", b"\xff\xfe", b"999999999999999999999", b"-1", b"\""])
        data = data or bytearray(b"x")
    return bytes(data)


def malformed(requests=400):
    """Nonsense, from garbage instead of TLS to requests that are nearly right; nothing is changed by it."""
    chance = random.Random(7)
    good = [b"GET /v1/pops?limit=3&cursor=N1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\n\r\n",
            b"PUT /v1/links/N1/N2/budget HTTP/1.1\r\nHost: x\r\nIf-Match: \"1\", W/\"2\"\r\nAuthorization: Bearer TOKEN\r\n"
            b"Content-Length: 22\r\n\r\n{\"bandwidth_bps\":5e77}",
            b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\nContent-Length: 60\r\nAuthorization: Bearer TOKEN\r\n\r\n"
            b"{\"name\":\"f\",\"size\":-5,\"block_bytes\":16384,\"root\":\"00112233\"}",
            b"GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: 18446744073709551616\r\n"
            b"Authorization: Bearer TOKEN\r\n\r\n"]
    with Server("idle_s = 2;") as server:
        links = server.must(200, "GET", "/v1/links")["links"]
        statuses = {}
        for number in range(requests):
            text = chance.choice(good).replace(b"TOKEN", server.token.encode())
            with secure(server) as tls:
                tls.settimeout(0.3)
                try:
                    tls.sendall(mutate(chance, text))
                    answer = tls.recv(4096)
                except (TimeoutError, ssl.SSLError, OSError):
                    answer = b""
            status = answer[9:12].decode(errors="replace") if answer.startswith(b"HTTP/1.1 ") else "none"
            statuses[status] = statuses.get(status, 0) + 1
            assert not status.startswith("5"), (text, answer)
            if number % 20 == 0:
                with socket.create_connection(("127.0.0.1", server.port()), 5) as raw:
                    raw.sendall(chance.randbytes(chance.randrange(1, 2000)))
        healthy_within(server, 3)
        now = server.must(200, "GET", "/v1/links")["links"]
        assert [(l["bandwidth_bps"], l["overridden"]) for l in now] == [(l["bandwidth_bps"], l["overridden"]) for l in links]
        assert server.must(200, "GET", "/v1/sessions")["sessions"] == []
    print(f"{requests} malformed requests: {dict(sorted(statuses.items()))}")


def main():
    chosen = sys.argv[1:]
    for fault in (idle_crowd, huge_bodies, slow_headers, crowd_of_joins, malformed):
        if not chosen or fault.__name__ in chosen:
            fault()


if __name__ == "__main__":
    main()
