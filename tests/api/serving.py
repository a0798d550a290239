# SPDX-License-Identifier: Apache-2.0
"""test-api-server and a plain client for it."""

import http.client
import json
import os
import ssl
import subprocess
import sys
import urllib.parse

HTTP = "address = \"127.0.0.1\"; port = 0; address_requests_per_s = 1e6; address_request_burst = 1000000;"
S = "%032x" % 7


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Server:
    """Three PoPs; ends when the context is left. `http` and `more` are added to the configuration; a long poll waits for
    `events_ms`."""

    def __init__(self, http="", more="", events_ms=400):
        self.process = subprocess.Popen([os.environ["COPSE_API_SERVER"], f"http = {{ {HTTP} events_ms = {events_ms}; {http} }}; {more}"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=8"})  # memory is measured
        line = self.process.stdout.readline()
        if not line:
            sys.exit("test-api-server has not started")
        self.__dict__.update(json.loads(line))
        self.certificate = os.path.join(self.directory, "cert.pem")
        self.token_file = os.path.join(self.directory, "operator.token")
        with open(self.token_file) as handle:
            self.token = handle.read().strip()
        self.context = ssl.create_default_context(cafile=self.certificate)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(20) == 0, self.process.returncode

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer == "ok", f"{line}: {answer}"

    def port(self, pop=0):
        return urllib.parse.urlsplit(self.pops[pop]["url"]).port

    def ask(self, method, path, body=None, token="", headers=None, pop=0):
        """`token` "": the operator's; None: none. `body`: bytes, or what becomes JSON."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port(pop), timeout=20, context=self.context)
        all_headers = dict(headers or {})
        if token is not None:
            all_headers["Authorization"] = f"Bearer {token or self.token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        try:
            connection.request(method, path, body, all_headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def must(self, status, *arguments, **options):
        answer = self.ask(*arguments, **options)
        assert answer.status == status, (arguments, answer.status, answer.body)
        return answer.json if answer.body else None

    def account(self, name, credit=10 ** 10):
        return self.must(201, "POST", "/v1/accounts", {"name": name, "credit_bytes": credit})["token"]

    def session(self, token="", blocks=1000):
        manifest = {"name": "f", "size": blocks * 16384, "block_bytes": 16384, "root": "%064x" % 7}
        return self.must(201, "POST", "/v1/sessions", manifest, token)["session"]

    def join(self, session, token="", pop=0, number=10, seed=False):
        body = {"address": f"198.18.{pop + 1}.{number % 250 + 1}", "port": 40000 + number // 250, "http_port": 40001,
                "uplink_bps": 20e6, "downlink_bps": 70e6, "seed": seed}
        return self.must(201, "POST", f"/v1/sessions/{session}/members", body, token, pop=pop)

    def sync(self, session, member, token="", pop=0, **report):
        return self.must(200, "POST", f"/v1/sessions/{session}/members/{member}/sync", {"have": 0, **report}, token, pop=pop)
