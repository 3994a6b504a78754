"""Names of layers, tensors and files come from strangers: markup, quotes, formulas, paths and shell
characters stay text wherever they appear, and files are written only where the user said."""
import csv
import html.parser
import json
import os
import shutil
import sqlite3
import subprocess
import unittest

import numpy as np
import onnx
import onnx.numpy_helper
from onnx import helper

from support import WorkbenchTest

PLAIN = "plain"
HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "attribute": "\" onmouseover=\"alert(3)\" x='",
    "closing": "</title></style></script><!--",
    "script text": "`${alert(4)}`\\u0027\\\";//",
    "formula": "=cmd|' /C calc'!A0",
    "formulas": "@SUM(1+1)*cmd",
    "signs": "+1+1",
    "minus": "-2+3|x",
    "comma": 'a,"b",c',
    "up": "../../../outside",
    "absolute": "/outside/absolute",
    "dots": "..",
    "shell": "$(touch outside)`touch outside`;touch outside|touch outside&",
    "options": "--html=outside",
    "sql": "x'); DROP TABLE points;--",
    "sql quote": "' OR '1'='1",
    "percent": "%s%n%x{0}{}",
    "long": "n" * 2000,
    "windows": "CON:\\outside",
}
# Not printable: escaped or refused, never as they are.
INVISIBLE = {"newline": "a\nb", "return": "a\rb", "tab": "a\tb", "escape": "\x1b[31mred\x1b[0m",
             "bidirectional": "abc\u202edcba", "zero width": "a\u200bb", "nul": "a\0b",
             "separator": "a\u2028b"}


class Tags(html.parser.HTMLParser):
    """The elements of a page with the names of their attributes, and nothing of its text."""

    def __init__(self):
        super().__init__()
        self.counts = {}

    def handle_starttag(self, tag, attrs):
        key = (tag, tuple(sorted(name for name, _ in attrs)))
        self.counts[key] = self.counts.get(key, 0) + 1


def tags_of(text):
    parser = Tags()
    parser.feed(text)
    # How long texts are may change what is drawn, not which elements there are.
    return {key: count for key, count in parser.counts.items()}


def network(name):
    """Two convolutions, a sum and a pool whose nodes and tensors have that name."""
    def weights(label):
        values = np.random.default_rng(1).normal(size=(8, 8, 3, 3)).astype(np.float32)
        return onnx.numpy_helper.from_array(values, label)
    same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [helper.make_node("Conv", [name, name + "w1"], [name + "a"], name=name, **same),
             helper.make_node("Conv", [name + "a", name + "w2"], [name + "b"], name=name + "2", **same),
             helper.make_node("Add", [name + "a", name + "b"], [name + "c"], name=name + "3"),
             helper.make_node("MaxPool", [name + "c"], [name + "d"], name=name + "4",
                              kernel_shape=[2, 2], strides=[2, 2])]
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info(name, 1, [1, 8, 8, 8])],
        [helper.make_tensor_value_info(name + "d", 1, None)], [weights(name + "w1"), weights(name + "w2")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])


class HostileNames(WorkbenchTest):
    def setUp(self):
        super().setUp()
        self.work = self.folder / "a" / "b" / "c" / "work"
        self.work.mkdir(parents=True)
        self.outer, self.folder = self.folder, self.work

    def around(self):
        """Files beside the folder of the runs."""
        return sorted(str(path) for path in self.outer.rglob("*")
                      if path.is_file() and self.work not in path.parents)

    def run_all(self, machine, label):
        """Every output that a run has, in a folder of its own."""
        out = self.work / label
        out.mkdir()
        done = self.workbench("run", "--hw", machine, "net.onnx", "--html", out / "r.html", "--json",
                              out / "r.json", "--csv", out / "r.csv", "--dump-tensors", out / "t",
                              "--dump-passes", out / "p", "--save-program", out / "program",
                              "--save-optimized", out / "o.onnx", "--deterministic",
                              *(("--save-quantizer", out / "q.json") if machine == "v3_96" else ()))
        return done, out

    def check(self, machine, label, plain):
        done, out = self.run_all(machine, label)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.around(), [])
        for text in (done.stdout, done.stderr):
            self.assertTrue(all(c.isprintable() or c == "\n" for c in text), repr(text))
        page = (out / "r.html").read_text()
        self.assertEqual(tags_of(page), plain)
        report = json.loads((out / "r.json").read_text())
        self.assertIn("schema_version", report)
        for row in csv.reader((out / "r.csv").read_text().splitlines()):
            for cell in row:
                self.assertNotIn(cell[:1], tuple("=@+\t\r"), row)
                if cell.startswith("-"):
                    float(cell)
        listed = self.workbench("disasm", out / "program")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertTrue(all(c.isprintable() or c == "\n" for c in listed.stdout))

    def test_reports_dumps_and_programs(self):
        for machine in ("v3_96", "gap8"):
            onnx.save(network(PLAIN), self.work / "net.onnx")
            done, out = self.run_all(machine, f"plain_{machine}")
            self.assertEqual(done.returncode, 0, done.stderr)
            plain = tags_of((out / "r.html").read_text())
            for number, (kind, name) in enumerate(HOSTILE.items()):
                with self.subTest(f"{kind} on {machine}"):
                    onnx.save(network(name), self.work / "net.onnx")
                    self.check(machine, f"{machine}_{number}", plain)

    @unittest.skipUnless(shutil.which("make") and shutil.which("cc"), "no C compiler")
    def test_applications_in_c(self):
        name = HOSTILE["shell"] + HOSTILE["attribute"] + "*/ ??/ \\ %s #include <x> " + HOSTILE["up"]
        onnx.save(network(name), self.work / "net.onnx")
        done = self.workbench("compile", "--hw", "gap8", "net.onnx", "--emit-c", "app")
        self.assertEqual(done.returncode, 0, done.stderr)
        for path in (self.work / "app").rglob("*"):
            self.assertRegex(path.name, r"^[A-Za-z0-9_.-]+$")
        made = subprocess.run(["make", "-s", "-f", "Makefile.host", "CFLAGS=-O0", "main"],
                              cwd=self.work / "app", capture_output=True, text=True, check=False)
        self.assertEqual(made.returncode, 0, made.stderr)
        ran = subprocess.run(["./main"], cwd=self.work / "app", capture_output=True, text=True,
                             check=False)
        self.assertIn("all as expected", ran.stdout)
        self.assertEqual(self.around(), [])

    def test_names_that_cannot_be_seen_are_never_written_as_they_are(self):
        for number, (kind, name) in enumerate(INVISIBLE.items()):
            with self.subTest(kind):
                onnx.save(network(name), self.work / "net.onnx")
                done, out = self.run_all("gap8", str(number))
                self.assertIn(done.returncode, (0, 2))
                texts = [done.stdout, done.stderr]
                for path in out.glob("r.*"):
                    texts.append(path.read_text())
                for text in texts:
                    self.assertNotIn(name, text)

    def test_sweeps_stores_and_jobs(self):
        for number, kind in enumerate(("markup", "formula", "shell", "sql", "sql quote", "comma")):
            name = HOSTILE[kind].replace("/", "_")[:60]
            with self.subTest(kind):
                file = f"{name}.onnx"
                onnx.save(network(PLAIN), self.work / "net.onnx")
                os.replace(self.work / "net.onnx", self.work / file)
                store = f"{number}.db"
                done = self.workbench(
                    "sweep", f"./{file}", "--hw", "gap8", "--set", "cores=1,8", "--tier", "analytic",
                    "--name", name, "--store", store, "--csv", "s.csv", "--html", "s.html", "-j", "1")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("<script>alert", (self.work / "s.html").read_text())
                for row in csv.reader((self.work / "s.csv").read_text().splitlines()):
                    for cell in row:
                        self.assertNotIn(cell[:1], tuple("=@+\t\r"), row)
                with sqlite3.connect(self.work / store) as database:
                    self.assertEqual(database.execute("SELECT count(*) FROM points").fetchone()[0], 2)
                for words in (("--where", f"network={name}"), ("--name", name)):
                    self.assertIn(self.workbench("results", "--store", store, *words).returncode,
                                  (0, 1, 2))
                with sqlite3.connect(self.work / store) as database:
                    self.assertEqual(database.execute("SELECT count(*) FROM points").fetchone()[0], 2)
                self.job(file, name, number)
                self.assertFalse((self.work / "outside").exists())
                self.assertEqual(self.around(), [])

    def job(self, file, name, number):
        """The folder for workers, and the commands that it says to run."""
        folder = f"job {number} {name}"
        done = self.workbench("sweep", f"./{file}", "--hw", "gap8", "--set", "cores=2,4", "--tier",
                              "analytic", "--store", f"j{number}.db", "--job-folder", folder)
        self.assertIn(done.returncode, (0, 3), done.stderr)
        for script in (self.work / folder).rglob("*.sh"):
            self.assertEqual(subprocess.run(["sh", "-n", script], check=False).returncode, 0)
            subprocess.run(["sh", script], cwd=self.work, capture_output=True, check=False, timeout=60,
                           env={"PATH": "/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": "0"})
        job = json.loads(next((self.work / folder).rglob("*.json")).read_text())
        self.assertEqual(len(job["points"]), 2)


if __name__ == "__main__":
    unittest.main()
