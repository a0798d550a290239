# SPDX-License-Identifier: Apache-2.0
"""A peer that has everything and serves rubbish."""

import http.server
import threading


class Liar:
    def __init__(self, session, size):
        self.session, self.size, self.requests = session, size, 0
        liar = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                blocks = -(-size // 16384)
                if self.path.endswith("/have"):
                    return self.answer(200, b"\xff" * -(-blocks // 8))
                liar.requests += 1
                first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
                self.answer(206, b"\x5a" * (last - first + 1))

            def answer(self, status, data):
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass

            def log_message(self, format, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def view(self):
        return {"member": "00000000000000aa", "pop": "F1", "near": True, "have": 1 << 20, "done": True,
                "url": f"http://127.0.0.1:{self.server.server_address[1]}"}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
