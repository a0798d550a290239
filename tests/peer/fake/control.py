# SPDX-License-Identifier: Apache-2.0
"""A small control plane that answers docs/api.md as far as a peer asks."""

import base64
import http.server
import json
import secrets
import socket
import ssl
import subprocess
import threading
import time

ORDER_BLOCKS = 16


def certificate(directory):
    """A self-signed certificate for 127.0.0.1; returns the paths of certificate and key."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    if not cert.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=fake", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                       check=True, capture_output=True)
    return cert, key


class Member:
    def __init__(self, pop, session, request, label):
        self.pop, self.session, self.request, self.label = pop, session, request, label
        self.id, self.key = secrets.token_hex(8), secrets.token_bytes(16)
        self.status, self.bitmap, self.seen = {"have": 0, "done": False}, b"", time.monotonic()

    def view(self):
        return {"member": self.id, "pop": self.pop, "near": True, "done": self.status["done"] or self.request["seed"],
                "have": self.status["have"], "url": f"http://{self.request['address']}:{self.request['http_port']}"}


class Session:
    def __init__(self, manifest):
        self.id, self.manifest, self.leaves, self.state = secrets.token_hex(16), manifest, None, "open"
        self.blocks = -(-manifest["size"] // 16384)
        self.members, self.joined, self.area_key = {}, 0, secrets.token_bytes(16)
        self.next_order, self.injected, self.open = 0, [], {}

    def orders(self, member):
        """One order at a time: the next blocks, or the one that is not reported yet."""
        if member.id not in self.open and self.next_order < self.blocks:
            count = min(ORDER_BLOCKS, self.blocks - self.next_order)
            self.open[member.id] = [self.next_order, count]
            self.next_order += count
        return [self.open[member.id]] if member.id in self.open else []

    def sent(self, member, ranges):
        order = self.open.get(member.id)
        for first, count in ranges:
            self.injected.append([first, count])
            if order and first <= order[0] < first + count:
                step = min(first + count - order[0], order[1])
                order[0], order[1] = order[0] + step, order[1] - step
        if order and order[1] <= 0:
            del self.open[member.id]


class Control:
    """`pop` is the fake dataplane; without one every session is direct. Trees are fed once `receivers` may receive. `beside` is
    another PoP's control plane, on the same store."""

    def __init__(self, directory, pop=None, rate_bps=20e6, sync_ms=100, beside=None):
        self.name, self.token, self.pop, self.rate_bps, self.sync_ms = "F1", "secret", pop, rate_bps, sync_ms
        self.sessions, self.lock, self.requests, self.extra_peers = {}, threading.Lock(), [], []
        self.created, self.lose_answers = {}, 0  # answers by Idempotency-Key; so many answers never leave
        if beside:
            self.name, self.sessions, self.lock = beside.name + "a", beside.sessions, beside.lock
        self.certificate, key = certificate(directory)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.port, self.server, self.connections, self.receivers = 0, None, set(), 0
        self.start()

    def start(self):
        control = self

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request, client_address):
                request.settimeout(10)
                with control.context.wrap_socket(request, server_side=True) as tls:
                    control.connections.add(tls)
                    super().finish_request(tls, client_address)
                    control.connections.discard(tls)

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", self.port), type("Handler", (Handler,), {"control": self}))
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def member(self, session, member):
        return self.sessions[session].members[member]

    # ---- requests ----

    def create(self, body, key):
        session = Session(json.loads(body))
        answer = self.created.setdefault(key or session.id, (201, {"session": session.id}))
        self.sessions.setdefault(answer[1]["session"], session)
        return answer

    def join(self, session, body):
        label = session.joined << 8 | 1
        session.joined += 1
        member = Member(self.name, session, json.loads(body), label)
        for former in [one for one in session.members.values() if one.request["port"] == member.request["port"]]:
            del session.members[former.id]
        session.members[member.id] = member
        if self.pop:
            self.pop.add(member)
        address = self.pop.address if self.pop else ("127.0.0.1", 9)
        return 201, {"member": member.id, "label": label, "key": member.key.hex(), "block_address": address[0],
                     "block_port": address[1], "area_key": session.area_key.hex(), "permission_s": 60, "sync_ms": self.sync_ms}

    def sync(self, session, member, body):
        request = json.loads(body)
        member.status, member.seen = {**member.status, **request}, time.monotonic()
        member.bitmap = base64.b64decode(request.get("bitmap", "")) or member.bitmap
        session.sent(member, request.get("sent", []))
        seeds = self.pop and member.request["seed"] and len(self.pop.permitted) > self.receivers
        return 200, {"state": session.state, "mode": "cdn" if self.pop else "direct", "blocks": session.blocks,
                     "send": {"rate_bps": self.rate_bps if seeds else 0, "orders": session.orders(member) if seeds else []},
                     "injected": session.injected, "trees": [],
                     "peers": [m.view() for m in session.members.values() if m is not member] + self.extra_peers}

    def handle(self, method, path, body, key):
        """Returns status and a JSON object or bytes."""
        words = path.strip("/").split("/")
        if words[:2] != ["v1", "sessions"]:
            return 404, {"detail": "no such path"}
        if len(words) == 2:
            return self.create(body, key)
        session = self.sessions.get(words[2])
        if not session:
            return 404, {"detail": "no such session"}
        if words[3:] == []:
            return 200, {"session": session.id, "state": session.state, **session.manifest}
        if words[3:] == ["leaves"] and method == "PUT":
            session.leaves = body
            return 204, b""
        if words[3:] == ["leaves"]:
            return (200, session.leaves) if session.leaves else (404, {"detail": "no leaves yet"})
        if words[3:] == ["members"]:
            return self.join(session, body)
        member = session.members.get(words[4])
        if not member:
            return 404, {"detail": "no such member"}
        if member.pop != self.name:
            return 421, {"detail": f"the member joined at {member.pop}"}
        if method == "DELETE":
            del session.members[member.id]
            return 204, b""
        return self.sync(session, member, body)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    control = None

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Bearer {self.control.token}":
            status, reply = 401, {"detail": "who are you?"}
        else:
            with self.control.lock:
                self.control.requests.append((self.command, self.path))
                status, reply = self.control.handle(self.command, self.path, body, self.headers.get("Idempotency-Key"))
        if self.control.lose_answers > 0:
            self.control.lose_answers -= 1
            self.close_connection = True
            return
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, format, *arguments):
        pass
