# SPDX-License-Identifier: Apache-2.0
"""The store on a machine of its own: one etcd in a namespace, TLS with certificates of both sides."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess

PORT = 2379
SUBNET = "198.18.99.0"
HISTORY = 16384


class Etcd:
    def __init__(self, lab):
        self.lab = lab
        self.program = shutil.which("etcd")
        if not self.program:
            raise RuntimeError("etcd is not installed; run: sudo scripts/setup etcd")
        self.namespace = lab.network.namespace("etcd")
        self.address, self.leg = lab.network.leg(self.namespace, "eth0", SUBNET)
        self.directory = os.path.join(lab.directory, "etcd")
        os.mkdir(self.directory, 0o700)
        self.url = f"https://{self.address}:{PORT}"
        self.certify()
        self.start()

    def path(self, name):
        return os.path.join(self.directory, name)

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *arguments], cwd=self.directory, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.strip()}")

    def certify(self):
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self.openssl("req", "-x509", *new, "-days", "7", "-subj", "/CN=copse lab", "-keyout", "ca.key", "-out", "ca.pem")
        with open(self.path("extensions"), "w") as handle:
            handle.write(f"subjectAltName=IP:{self.address}\nextendedKeyUsage=serverAuth,clientAuth\n")
        for name in ("server", "client"):
            self.openssl("req", "-new", *new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                         "-days", "7", "-extfile", "extensions", "-out", f"{name}.pem")

    def start(self):
        peer = "http://127.0.0.1:2380"
        self.process = self.lab.start(
            self.namespace, "etcd", self.program, f"--data-dir={self.path('data')}", "--name=etcd",
            f"--listen-client-urls={self.url}", f"--advertise-client-urls={self.url}", f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=etcd={peer}", "--client-cert-auth=true",
            f"--trusted-ca-file={self.path('ca.pem')}", f"--cert-file={self.path('server.pem')}",
            f"--key-file={self.path('server.key')}", "--auto-compaction-mode=revision",
            f"--auto-compaction-retention={HISTORY}")

    def healthy(self):
        self.lab.check_alive()
        context = ssl.create_default_context(cafile=self.path("ca.pem"))
        context.load_cert_chain(self.path("client.pem"), self.path("client.key"))
        try:
            raw = self.lab.network.inside(self.namespace, lambda: socket.create_connection((self.address, PORT), 2))
            with context.wrap_socket(raw, server_hostname=self.address) as tls:
                connection = http.client.HTTPSConnection(self.address, PORT)
                connection.sock = tls
                connection.request("GET", "/health")
                return json.loads(connection.getresponse().read())["health"] == "true"
        except (OSError, ValueError, KeyError):
            return False

    def configuration(self):
        """Of a control plane."""
        return f"""store = "etcd";
etcd = {{ endpoints = ( "{self.url}" ); ca = "{self.path('ca.pem')}"; certificate = "{self.path('client.pem')}";
  key = "{self.path('client.key')}"; }};"""

    def cut(self, pop, apart):
        """Between etcd and a PoP nothing goes any more, or all goes again; nobody is told."""
        for namespace, address in ((self.namespace, pop.address), (pop.namespace, self.address)):
            self.lab.network.exec(namespace, "ip", "route", "add" if apart else "del", "blackhole", f"{address}/32")
