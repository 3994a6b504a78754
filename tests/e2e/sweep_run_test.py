"""A point of a sweep names its run: `workbench run` says the same of it as the sweep did."""
import json
import os
import shlex
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKBENCH = os.environ.get("WORKBENCH", str(ROOT / "build" / "release" / "workbench"))


class PointAndRun(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def sweep(self, *arguments):
        subprocess.run([WORKBENCH, "sweep", "--tier", "transaction", "--store",
                        self.folder / "w.db", "--json", self.folder / "s.json", *arguments],
                       check=True, capture_output=True)
        return json.loads((self.folder / "s.json").read_text())["points"]

    def check(self, points):
        self.assertGreaterEqual(len(points), 2)
        self.assertEqual({point["status"] for point in points}, {"ok"})
        # What is asked makes a difference: else a lost option would not be seen.
        self.assertEqual(len({point["metrics"]["cycles"] for point in points}), len(points))
        for point in points:
            words = shlex.split(point["run"])
            self.assertEqual(words[:2], ["workbench", "run"])
            report = self.folder / "run.json"
            subprocess.run([WORKBENCH, *words[1:], "--brief", "--json", report], check=True,
                           capture_output=True)
            totals = json.loads(report.read_text())["totals"]
            self.assertEqual(totals["cycles"], point["metrics"]["cycles"], point["run"])

    def test_pulp(self):
        self.check(self.sweep("--hw", "gap8", "--set", "l1=8k", "--set", "cores=2,8", "--set",
                              "tiler=dory", "--set", "dma.latency_cycles=7,40", "--set",
                              "clock.cluster=100", "--set", "technology=asic_40nm", "--set",
                              "seed=3", "zoo:tiny_mobile"))

    def test_xdnn(self):
        self.check(self.sweep("--hw", "v3_96", "--set", "dsp=32", "--set", "memory=2", "--set",
                              "bandwidth=2,9", "--set", "ddr.efficiency=0.5", "--set",
                              "schedule=natural", "--set", "without=none", "zoo:tiny_inception"))


if __name__ == "__main__":
    unittest.main()
