# SPDX-License-Identifier: Apache-2.0
"""How long this machine has stood still: what a virtual machine loses to its neighbours, no test may count."""

import threading
import time

NAP_S, SHORT_S = 0.01, 0.03


class Pauses:
    """Sums up the naps that took more than 30 ms too long while the context is open."""

    def __init__(self):
        self.total, self.ending = 0.0, threading.Event()
        self.thread = threading.Thread(target=self.nap, daemon=True)

    def nap(self):
        while not self.ending.is_set():
            before = time.monotonic()
            time.sleep(NAP_S)
            late = time.monotonic() - before - NAP_S
            self.total += late if late > SHORT_S else 0

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()
