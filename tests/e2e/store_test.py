"""The results store as its users meet it: docs/store.md, exports, and files that are none.

`store_test.py --rebase` writes what the commands print into docs/store.md.
"""
import csv
import io
import json
import os
import re
import shutil
import sys
import tempfile
import unittest

import pages_test
from support import ROOT, WorkbenchTest

PAGE = ROOT / "docs" / "store.md"


def python_blocks(text):
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


class Page(unittest.TestCase):
    @unittest.skipUnless(shutil.which("sqlite3"), "no sqlite3 command")
    def test_every_example_does_what_the_page_says(self):
        with tempfile.TemporaryDirectory() as folder:
            for block in pages_test.blocks(PAGE.read_text()):
                for command, shown in block.commands:
                    with self.subTest(command):
                        real = pages_test.run(command, folder)
                        self.assertEqual(shown, pages_test.shown_part(shown, real))
            before = os.getcwd()
            os.chdir(folder)
            try:
                for block in python_blocks(PAGE.read_text()):
                    if "pandas" in block and not has_pandas():
                        self.skipTest("no pandas")
                    exec(compile(block, str(PAGE), "exec"), {})
            finally:
                os.chdir(before)


def has_pandas():
    try:
        import pandas  # noqa: F401
    except ImportError:
        return False
    return True


class Results(WorkbenchTest):
    def setUp(self):
        super().setUp()
        self.succeed("sweep", "--hw", "gap8", "--set", "l1=1k,16k,64k", "--set", "cores=1,8",
                     "--set", "tiler=dory", "zoo:tiny_cnn", "--csv", "sweep.csv")

    def rows(self, *arguments):
        return list(csv.DictReader(io.StringIO(self.succeed("results", *arguments,
                                                            "--csv", "-").stdout)))

    def refuse(self, *arguments):
        done = self.workbench("results", *arguments)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1)
        return done.stderr.removeprefix("workbench: ").rstrip("\n")

    def test_csv_of_a_run_is_that_of_the_sweep(self):
        self.succeed("results", "1", "--csv", "results.csv")
        self.assertEqual((self.folder / "results.csv").read_bytes(),
                         (self.folder / "sweep.csv").read_bytes())

    def test_json_has_the_rows_of_csv_with_numbers(self):
        table = json.loads(self.succeed("results", "last", "--json", "-").stdout)
        rows = self.rows("last")
        self.assertEqual(len(table["rows"]), 6)
        for row, cells in zip(table["rows"], rows):
            self.assertEqual(row["key"], cells["key"])
            if row["cycles"] is not None:
                self.assertEqual(row["cycles"], float(cells["cycles"]))

    def test_filters_choose_and_infeasible_points_have_reasons(self):
        infeasible = self.rows("--status", "infeasible")
        self.assertEqual([row["l1"] for row in infeasible], ["1k", "1k"])
        self.assertTrue(all(row["reason"] and not row["cycles"] for row in infeasible))
        self.assertEqual(len(self.rows("--where", "l1 > 16k", "--where", "cores=8")), 1)
        self.assertEqual(self.rows("--machine", "v3_96"), [])
        self.assertEqual(len(self.rows("--machine", "gap8", "--network", "zoo:tiny_cnn")), 6)
        self.assertEqual(len(self.rows("--all")), 6)

    def test_layers_add_up_to_the_point(self):
        point = self.rows("last", "--where", "l1=64k", "--where", "cores=8")[0]
        layers = [row for row in self.rows("last", "--layers") if row["key"] == point["key"]]
        self.assertGreater(len(layers), 3)
        self.assertEqual(sum(float(row["cycles"]) for row in layers), float(point["cycles"]))
        text = self.succeed("results", "--point", point["key"][:12]).stdout
        self.assertIn(f"point {point['key']}\n", text)
        self.assertIn(f"{int(point['cycles']):,} cycles\n", text)

    def test_a_finished_sweep_is_in_one_file(self):
        self.assertEqual([path.name for path in self.folder.glob("workbench.db*")],
                         ["workbench.db"])

    def test_bad_input_is_one_line(self):
        self.assertEqual(self.refuse("7"),
                         "results 7: expected the number of a run ('results' lists them) or last, "
                         "found '7'")
        self.assertEqual(self.refuse("--point", "xyz"),
                         "--point xyz: expected the beginning of one key, found 0 points with it")
        self.assertEqual(self.refuse("last", "--where", "cores8"),
                         "--where 'cores8': expected NAME=VALUE, NAME<VALUE or the like")
        self.assertEqual(self.refuse("--store", "none.db"),
                         "none.db: expected a results store, found no such file")
        (self.folder / "notes.txt").write_text("no store\n")
        self.assertEqual(self.refuse("--store", "notes.txt"),
                         "notes.txt: expected a results store, found a file that is no SQLite "
                         "database")
        self.assertEqual(self.refuse("--salvage", "sweep.csv"),
                         "--salvage sweep.csv: expected a new file, found an existing one")

    def test_what_a_damaged_store_has_left_is_kept(self):
        store = self.folder / "workbench.db"
        whole = store.read_bytes()
        store.write_bytes(whole[:-8192] + bytes(8192))
        done = self.workbench("results", "--salvage", "new.db")
        self.assertEqual(done.returncode, 1, done.stderr)
        kept = self.rows("--store", "new.db", "--all")
        expected = {row["key"]: row for row in csv.DictReader(
            io.StringIO((self.folder / "sweep.csv").read_text()))}
        self.assertLess(len(kept), 6)
        self.assertEqual(len(kept) + done.stdout.count("lost: point"), 6)
        for row in kept:
            self.assertEqual(row["cycles"], expected[row["key"]]["cycles"])


if __name__ == "__main__":
    if sys.argv[1:] == ["--rebase"]:
        pages_test.rebase("docs/store.md")
    else:
        unittest.main()
