#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.json against the server: every operation is called, its answers have a documented status, content type
and body; so have its errors; every route of the server is documented, and nothing else."""

import json
import os
import re
import sys
import time

import jsonschema

from serving import Server

SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))


class Checked(Server):
    """Checks every answer against the document before it is handed on."""

    def open(self, document):
        self.document, self.seen = document, set()
        return self

    def operation(self, method, path):
        """(template, operation) of a request; None when there is none."""
        path = path.split("?")[0]
        for template, item in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path) and method.lower() in item:
                return template, item[method.lower()]
        return None

    def resolve(self, thing):
        while "$ref" in thing:
            found = self.document
            for part in thing["$ref"].lstrip("#/").split("/"):
                found = found[part]
            thing = found
        return thing

    def validate(self, schema, value):
        jsonschema.Draft202012Validator({**schema, "components": self.document["components"]}).validate(value)

    def ask(self, method, path, body=None, token="", headers=None, pop=0):
        answer = super().ask(method, path, body, token, headers, pop)
        found = self.operation(method, path)
        if found is None:
            assert answer.status in (404, 405), (method, path, answer.status)
            return answer
        template, operation = found
        what = (method, path, answer.status)
        assert str(answer.status) in operation["responses"], f"{what}: not documented: {answer.body}"
        response = self.resolve(operation["responses"][str(answer.status)])
        content = response.get("content", {})
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        assert (kind in content) if content else not answer.body, f"{what}: {kind!r} with {answer.body}"
        if kind.endswith("json"):
            self.validate(content[kind]["schema"], answer.json)
        for header in ("ETag",):
            if header in response.get("headers", {}):
                self.validate(self.resolve(response["headers"][header])["schema"], answer.headers[header])
        self.seen.add((template, method.lower(), answer.status))
        return answer


def check_document(document):
    """What the document promises about itself: references lead somewhere, ids are unique, parameters of paths are there."""
    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                found = document
                for part in node["$ref"].lstrip("#/").split("/"):
                    found = found[part]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)
    walk(document)
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))
    for template, item in document["paths"].items():
        for operation in item.values():
            named = {p["name"] for p in operation.get("parameters", []) if p.get("in") == "path"}
            assert named == set(re.findall(r"{(\w+)}", template)), template


def routes_of_source():
    """(path, method, role) as the router has them."""
    with open(os.path.join(SOURCE, "controlplane/http/routes.c")) as handle:
        text = handle.read()
    routes = {(path, "get", role) for path, role in re.findall(r'(?:SHOW|LIST)\("([^"]+)", (\w+)', text)}
    routes |= {(path, method.lower(), role) for method, path, role in re.findall(r'DO\("(\w+)", "([^"]+)", (\w+)', text)}
    routes |= {(path, method.lower(), role)
               for method, path, role in re.findall(r'\.method = "(\w+)", \.path = "([^"]+)", \.role = (\w+)', text)}
    return routes


def check_routes(document):
    roles = {"anybody": "NOBODY", "operator": "OPERATOR", "account": "ACCOUNT", "owner": "ACCOUNT", "creator": "ACCOUNT"}
    documented = {(path, method, roles[operation["x-role"]])
                  for path, item in document["paths"].items() for method, operation in item.items()}
    routes = routes_of_source()
    assert len(routes) > 20
    assert routes == documented, routes ^ documented


def use_everything(server):
    server.must(200, "GET", "/healthz", token=None)
    assert server.must(200, "GET", "/v1/openapi.json", token=None) == server.document
    assert b"copse_store_up 1" in server.ask("GET", "/metrics").body
    alice = server.account("alice")
    server.must(200, "GET", "/v1/accounts/alice", token=alice)
    server.must(200, "POST", "/v1/accounts/alice/credit", {"bytes": 1e9, "key": "chunk-7", "source": "earned"})
    assert len(server.must(200, "GET", "/v1/accounts/alice/journal", token=alice)["entries"]) == 2
    session = server.session(alice)
    server.must(404, "GET", f"/v1/sessions/{session}/leaves", token=alice)
    leaf = b"leafleafleafleafleafleafleafleaf"  # the only one is the root
    small = server.must(201, "POST", "/v1/sessions", {"name": "s", "size": 5, "block_bytes": 16384, "root": leaf.hex()}, alice)
    assert server.ask("PUT", f"/v1/sessions/{small['session']}/leaves", leaf, alice).status == 204
    assert server.ask("GET", f"/v1/sessions/{small['session']}/leaves", token=alice).body == leaf
    joined = [server.join(session, alice, pop, seed=pop < 2) for pop in range(3)]
    for pop, member in enumerate(joined):
        assert member["permission_s"] == 45, "as the dataplane says"
        server.sync(session, member["member"], alice, pop, have=1000 if pop < 2 else 3, want=pop < 2)
    tree = wait(lambda: next((t for t in server.must(200, "GET", "/v1/trees")["trees"] if t["installed"]), None))
    assert server.must(421, "POST", f"/v1/sessions/{session}/members/{joined[1]['member']}/sync", {"have": 1}, alice)
    for path in ("pops", "links", "drops", "trees", "peers", "accounts", "sessions"):
        assert server.must(200, "GET", f"/v1/{path}")[path], path
    ledger = wait(lambda: (server.must(200, "GET", "/v1/accounts/alice/ledger")["grants"] or None))
    assert sum(g["bytes"] for g in ledger) > 0
    server.must(200, "GET", f"/v1/why/{tree['id']}")
    server.must(200, "GET", f"/v1/why/{joined[2]['member']}")
    server.must(404, "GET", "/v1/why/" + 16 * "0")
    for part in ("", "/trees", "/members"):
        assert "address" not in str(server.must(200, "GET", f"/v1/sessions/{session}{part}", token=alice))
        server.must(404, "GET", f"/v1/sessions/{32 * '0'}{part}", token=alice)
    link = server.ask("GET", "/v1/links/N1/N2")
    tag = {"If-Match": link.headers["ETag"]}
    server.must(428, "PUT", "/v1/links/N1/N2/budget", {"bandwidth_bps": 5e7})
    server.must(200, "PUT", "/v1/links/N1/N2/budget", {"bandwidth_bps": 5e7}, headers=tag)
    server.must(412, "DELETE", "/v1/links/N1/N2/budget", headers=tag)
    link = wait(lambda: (lambda x: x if x["overridden"] else None)(server.must(200, "GET", "/v1/links/N1/N2", pop=2)))
    assert (link["bandwidth_bps"], link["configured_bps"]) == (50000000, 100000000)
    server.must(200, "DELETE", "/v1/links/N1/N2/budget", headers={"If-Match": "*"})
    server.must(409, "DELETE", "/v1/pops/N1")
    assert server.must(200, "DELETE", "/v1/pops/N9")["trees"] == 0
    revision = server.must(200, "GET", "/v1/events")["revision"]
    server.must(200, "GET", f"/v1/events?after={revision}")
    server.must(204, "DELETE", f"/v1/sessions/{session}/members/{joined[2]['member']}", token=alice, pop=2)
    server.must(204, "DELETE", f"/v1/sessions/{session}", token=alice)
    server.must(409, "POST", f"/v1/sessions/{session}/members", {"address": "198.18.1.9", "port": 1, "http_port": 1,
                                                                 "uplink_bps": 1e6, "downlink_bps": 1e6}, alice)


def be_refused(server):
    """Every operation without a token, with a wrong one, with nonsense for a body, with an argument it does not take."""
    examples = {"session": 32 * "0", "member": 16 * "0", "id": 16 * "0", "account": "nobody", "from": "N8", "to": "N9",
                "pop": "N9"}
    bob = server.account("bob")
    for template, item in server.document["paths"].items():
        path = template.format(**examples)
        for method, operation in item.items():
            if operation["security"]:
                server.must(401, method.upper(), path, token=None)
                server.must(401, method.upper(), path, token="0123456789abcdef")
            if operation["x-role"] == "operator":
                server.must(403, method.upper(), path, token=bob)
            if "requestBody" in operation:
                assert server.ask(method.upper(), path, b"nonsense").status in (400, 404), path
                assert server.ask(method.upper(), path, b"{}").status in (400, 404, 428), path
            assert server.ask(method.upper(), path + "?nonsense=1").status == 400, path
        server.must(405, "PATCH", path)


def turn_pages(server):
    """Pages one by one are the list, in order, whatever the limit."""
    session = server.session()
    for number in range(5):
        server.account(f"page{number}")
        server.join(session, pop=number % 3, number=20 + number)
    for path, item in (("pops", "pops"), ("links", "links"), ("accounts", "accounts"), ("sessions", "sessions"),
                       ("peers", "peers"), ("trees", "trees"), (f"sessions/{session}/members", "members")):
        whole = server.must(200, "GET", f"/v1/{path}?limit=1000")
        assert "next" not in whole
        for limit in (1, 2, 3):
            found, address = [], f"/v1/{path}?limit={limit}"
            while address:
                answer = server.ask("GET", address)
                assert len(answer.json[item]) <= limit
                found += answer.json[item]
                link = re.fullmatch(r'<(.*)>; rel="next"', answer.headers.get("Link", ""))
                assert bool(link) == ("next" in answer.json)
                address = link and link[1]
            keys = [k for k in ("name", "account", "session", "member", "id", "from", "to", "root") if k in found[0]]
            assert [[i[k] for k in keys] for i in found] == [[i[k] for k in keys] for i in whole[item]], path


def wait(condition):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain")


def check_coverage(server):
    """Each operation has answered as it should, and as it may."""
    for template, item in server.document["paths"].items():
        for method, operation in item.items():
            statuses = {status for path, used, status in server.seen if (path, used) == (template, method)}
            good = {int(status) for status in operation["responses"] if status < "300"}
            assert good & statuses, f"{method} {template} has never succeeded: {statuses}"


def main():
    with open(os.path.join(SOURCE, "docs/openapi.json")) as handle:
        document = json.load(handle)
    check_document(document)
    check_routes(document)
    with Checked() as server:
        server.open(document)
        use_everything(server)
        be_refused(server)
        turn_pages(server)
        check_coverage(server)
        print(f"{len(server.seen)} pairs of operation and status as documented")


if __name__ == "__main__":
    main()
