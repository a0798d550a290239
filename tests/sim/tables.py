# SPDX-License-Identifier: Apache-2.0
"""Tables of docs/study.md from the JSON of studies. usage: tables.py, run by meson with COPSE_LAB, the folder of the scripts."""

import json
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.environ["COPSE_LAB"])
import tables


def row(mode, last, runs=3, **more):
    return {"peers": 24, "size_mb": 50.0, "arrivals": "flash", "mode": mode, "level": "packet", "mean_s": last - 10, "max_s": last,
            "stderr_s": 4, "ratio_to_floor": last / 1000, "ratio_to_bound": last / 1000, "seed_amplification": 1.5, "cdn_bytes": 0.0,
            "runs": runs} | more


class Tables(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, part, rows):
        with open(os.path.join(self.folder.name, f"{part}.json"), "w", encoding="utf-8") as file:
            json.dump(rows, file)

    def test_parts_are_one_table_and_speed_ups_are_over_p2p(self):
        self.write("loss", [row("p2p", 2000, loss=0.01), row("cdn", 1000, loss=0.01)])
        self.write("loss-repair", [row("cdn", 1600, loss=0.01)])
        lines = tables.table("loss", tables.read_rows("loss", self.folder.name)).splitlines()
        self.assertEqual(lines[0], "| loss, % | mode | mean | last | std. err. | × floor | × bound | seed files | speed-up |")
        self.assertEqual(lines[2:], ["| 1 | p2p | 1990 | 2000 | 4 | 2.000 | 2.000 | 1.50 | |",
                                     "| 1 | cdn | 990 | 1000 | 4 | 1.000 | 1.000 | 1.50 | 2.00 |",
                                     "| 1 | cdn, no parity | 1590 | 1600 | 4 | 1.600 | 1.600 | 1.50 | 1.25 |"])

    def test_one_run_has_no_error(self):
        self.assertIn("| 1000 | | 1.000 |", tables.table("leave", [row("cdn", 1000, runs=1)]))

    def test_what_was_run_is_put_between_its_marks_and_nothing_else_changes(self):
        page = os.path.join(self.folder.name, "page.md")
        text = "a\n<!-- table: {0} -->\n\n{1}\n<!-- end of table -->\nb\n<!-- table: seeds -->\n\nold\n\n<!-- end of table -->\n"
        with open(page, "w", encoding="utf-8") as file:
            file.write(text.format("growth", "old\n"))
        self.write("growth", [row("cdn", 1000, growth=1.5)])
        missing = tables.rewrite(page, self.folder.name)
        with open(page, encoding="utf-8") as file:
            self.assertEqual(file.read(), text.format("growth", tables.table("growth", [row("cdn", 1000, growth=1.5)])))
        self.assertIn("seeds", missing)
        self.assertNotIn("growth", missing)


unittest.main()
