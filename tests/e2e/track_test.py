"""workbench track: record, compare, report, what they write and refuse."""
import json
import os
import subprocess
import unittest
import xml.etree.ElementTree
from pathlib import Path

from support import WORKBENCH, WorkbenchTest

SUITE = """name: small
cases:
  - name: v3
    network: zoo:tiny_residual
    machine: v3_96
  - name: gap8
    network: zoo:tiny_residual
    machine: gap8
    settings: {tiler: dory}
"""


class Track(WorkbenchTest):
    def setUp(self):
        super().setUp()
        self.write("suite.yaml", SUITE)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def text(self, name):
        return (self.folder / name).read_text()

    def record(self, *arguments, baseline="base.json"):
        return self.succeed("track", "record", "suite.yaml", "--baseline", baseline, *arguments)

    def compare(self, *arguments, code=0, baseline="base.json"):
        done = self.workbench("track", "compare", baseline, *arguments)
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def refused(self, *arguments):
        done = self.workbench("track", *arguments)
        self.assertEqual(done.returncode, 2, f"{done.stdout}\n{done.stderr}")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        return done.stderr

    def test_an_unchanged_tree_is_silent_again_and_again(self):
        self.record()
        for _ in range(int(os.environ.get("TRACK_REPEATS", "3"))):
            text = self.compare("suite.yaml", "--strict", "--per-layer")
            self.assertEqual(text.splitlines(), ["small: 2 cases beside the baseline: 2 same"])

    def test_two_recordings_are_the_same_bytes(self):
        self.record()
        self.record("--case", "v3", "--case", "gap8", baseline="again.json")
        self.assertEqual(self.text("base.json"), self.text("again.json"))

    def test_one_engine_one_percent_slower_fails_and_its_layers_are_named(self):
        self.record()
        for engine in ["ddr.efficiency=0.7029", "l3.megabytes_per_second=64.35"]:
            text = self.compare("--set", engine, "--json", "changes.json", code=1)
            self.assertIn(engine.split("=")[0], text)
            changes = json.loads(self.text("changes.json"))
            self.assertTrue(changes["failed"])
            worse = [case for case in changes["cases"] if case["kind"] == "worse"]
            self.assertEqual(len(worse), 1, engine)
            kinds = {cause["kind"] for cause in worse[0]["causes"]}
            self.assertIn("machine constants", kinds)
            self.assertGreater(len(worse[0]["layers"]), 0)
            for layer in worse[0]["layers"]:
                self.assertIn(layer["name"], text + str(worse[0]["layers"][10:]))
                self.assertGreater(len(layer["steps"]), 0)

    def test_constants_and_a_simulator_that_changed_too_are_told_apart(self):
        self.record("--case", "v3")
        baseline = self.text("base.json")
        cycles = json.loads(baseline)["cases"][0]["figures"]["cycles"]
        # What a simulator would have said that was 7 cycles faster.
        baseline = baseline.replace(f'"cycles": {cycles}', f'"cycles": {cycles - 7}')
        self.write("base.json", baseline)
        text = self.compare("--set", "ddr.efficiency=0.7029", code=1)
        self.assertIn("by machine constants, +7 by the rest", text)
        self.assertIn("  simulator's model", text)
        self.assertIn("  machine constants: ddr.efficiency 0.71 -> 0.7029", text)

    def test_the_threshold_decides(self):
        self.record()
        slower = ("--set", "ddr.efficiency=0.7029")
        self.compare(*slower, "--threshold", 5)
        self.compare(*slower, "--threshold", 0.001, code=1)

    def test_improvements_are_shown_and_fail_strictly_alone(self):
        self.record()
        faster = ("--set", "ddr.efficiency=0.75")
        self.assertIn("better v3", self.compare(*faster))
        self.compare(*faster, "--strict", code=1)

    def test_junit_and_annotations_are_what_build_servers_read(self):
        self.record()
        text = self.compare("suite.yaml", "--set", "ddr.efficiency=0.7029", "--junit", "junit.xml",
                            "--github", code=1)
        suite = xml.etree.ElementTree.parse(self.folder / "junit.xml").getroot().find("testsuite")
        self.assertEqual(suite.get("tests"), "2")
        self.assertEqual(suite.get("failures"), "1")
        failed = [case.get("name") for case in suite if case.find("failure") is not None]
        self.assertEqual(failed, ["v3"])
        self.assertEqual(sum(line.startswith("::error file=suite.yaml,line=3,title=track%3A v3::")
                             for line in text.splitlines()), 1)

    def test_a_store_keeps_recordings_and_compares_with_the_newest(self):
        self.record("--store", "w.db", "--revision", "r1", "--date", "2026-01-01T00:00:00Z")
        self.write("suite.yaml", SUITE.replace("tiler: dory", "tiler: optimal"))
        self.record("--store", "w.db", "--revision", "r2", "--date", "2026-01-02T00:00:00Z",
                    baseline="second.json")
        self.compare("suite.yaml", "--store", "w.db", baseline="small")
        text = self.succeed("track", "report", "--store", "w.db", "--json", "history.json").stdout
        self.assertIn("at r2 (2026-01-02), after r1 (2026-01-01)", text)
        history = json.loads(self.text("history.json"))
        self.assertEqual([run["revision"] for run in history["runs"]], ["r1", "r2"])
        steps = {case["name"]: case["steps"] for case in history["cases"]}
        self.assertEqual(steps["v3"], [])
        self.assertEqual([step["run"] for step in steps["gap8"]], [1])
        self.assertIn("tiles", {cause["kind"] for cause in steps["gap8"][0]["causes"]})

    def test_a_folder_of_baselines_is_a_history(self):
        self.write("h/notes.txt", "no baseline")
        self.record("--revision", "a1", "--date", "2026-01-02T00:00:00Z", baseline="h/one.json")
        self.record("--revision", "b2", "--date", "2026-01-01T00:00:00Z", baseline="h/two.json")
        text = self.succeed("track", "report", "h", "--html", "history.html").stdout
        self.assertIn("History of figures", self.text("history.html"))
        self.assertEqual(text.splitlines()[0], "2 runs, b2 (2026-01-01) to a1 (2026-01-02)")

    def test_paths_in_a_baseline_are_relative_to_it(self):
        self.write("nets/.keep", "")
        self.succeed("workload", "tiny_cnn", "-o", "nets/tiny.onnx")
        self.write("sub/suite.yaml", "name: files\ncases:\n  - name: a\n"
                                     "    network: ../nets/tiny.onnx\n    machine: gap8\n")
        self.write("out/.keep", "")
        self.succeed("track", "record", "sub/suite.yaml", "--baseline", "out/base.json")
        self.assertIn('"network": "../nets/tiny.onnx"', self.text("out/base.json"))
        self.compare("--strict", baseline="out/base.json")
        self.compare("sub/suite.yaml", "--strict", baseline="out/base.json")

    def test_the_revision_is_gits(self):
        def git(*arguments):
            subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
                           cwd=self.folder, check=True, capture_output=True)
        git("init", "-q")
        git("add", "suite.yaml")
        git("commit", "-qm", "one")
        self.record()
        clean = json.loads(self.text("base.json"))["revision"]
        self.assertRegex(clean, "^[0-9a-f]{40}$")
        git("add", "base.json")
        git("commit", "-qm", "two")
        self.record()  # the baseline itself differs from HEAD now, and does not count
        self.record()
        self.assertRegex(json.loads(self.text("base.json"))["revision"], "^[0-9a-f]{40}$")
        self.write("suite.yaml", SUITE + "# edited\n")
        self.record()
        self.assertRegex(json.loads(self.text("base.json"))["revision"], "^[0-9a-f]{40}-dirty$")

    def test_a_case_that_cannot_be_compiled_any_more_fails(self):
        self.record()
        text = self.compare("--case", "gap8", "--set", "l1=300", code=1)
        self.assertIn("broken gap8", text)

    def test_wall_times_are_pairs_and_do_not_fail_by_themselves(self):
        self.record("--wall", 2)
        self.assertEqual(len(json.loads(self.text("base.json"))["cases"][0]["wall_seconds"]), 2)
        text = self.compare("--wall", 2, "--against", WORKBENCH, "--case", "v3")
        self.assertIn("of 2 pairs", text)
        self.assertIn("the baseline had", self.compare("--wall", 1, "--case", "v3"))

    def test_being_slower_than_another_executable_is_found_in_pairs(self):
        # The same simulator, whose report says next to no time.
        fast = self.write("fast", f"""#!/usr/bin/python3
import json, subprocess, sys
done = subprocess.run(["{WORKBENCH}", *sys.argv[1:]])
path = sys.argv[sys.argv.index("--json") + 1]
report = json.load(open(path))
report["wall"]["simulate_seconds"] = 1e-6
json.dump(report, open(path, "w"))
sys.exit(done.returncode)
""")
        fast.chmod(0o755)
        self.record()
        paired = ("--case", "v3", "--wall", 9, "--against", fast)
        self.compare(*paired, "--wall-threshold", 1e12)
        self.assertIn("pairs: FAILED", self.compare(*paired, "--wall-threshold", 5, code=1))

    def test_what_is_wrong_is_one_line(self):
        self.record()
        self.assertIn("expected --baseline FILE or --store FILE",
                      self.refused("record", "suite.yaml"))
        self.assertIn("no.yaml: cannot read", self.refused("record", "no.yaml", "-o", "x.json"))
        self.assertIn("no.json: cannot read", self.refused("compare", "no.json"))
        self.assertIn("--case v4: expected a case of suite.yaml, e.g. 'v3'",
                      self.refused("compare", "base.json", "suite.yaml", "--case", "v4"))
        self.assertIn("parameter l5", self.refused("compare", "base.json", "--set", "l5=1"))
        self.write("more.yaml", SUITE + "  - {name: new, network: zoo:tiny_cnn, machine: gap8}\n")
        self.assertIn("base.json: expected a case 'new', found none",
                      self.refused("compare", "base.json", "more.yaml"))
        self.write("broken.json", self.text("base.json")[:500])
        self.assertIn("broken.json:", self.refused("compare", "broken.json"))
        self.write("bad.yaml", SUITE.replace("tiler: dory", "tilre: dory"))
        self.assertIn("parameter tilre", self.refused("record", "bad.yaml", "-o", "x.json"))
        self.write("bad.yaml", SUITE.replace("tiny_residual", "tiny_residul"))
        self.assertIn("case 'v3'", self.refused("record", "bad.yaml", "-o", "x.json"))
        self.assertIn("expected a date as 2026-11-22T19:30:00Z, found 'today'",
                      self.refused("record", "suite.yaml", "-o", "x.json", "--revision", "r",
                                   "--date", "today"))
        self.assertIn("expected baseline files", self.refused("report"))
        self.write("empty/note.txt", "")
        self.assertIn("expected baselines (*.json), found none", self.refused("report", "empty"))
        self.assertIn("cannot run", self.refused("compare", "base.json", "--wall", 1, "--against",
                                                 self.folder / "nothing"))
        self.assertIn("/bin/true: expected a workbench",
                      self.refused("compare", "base.json", "--wall", 1, "--against", "/bin/true"))
        self.assertIn("--wall: expected a whole number from 1 to 1000, found '0'",
                      self.refused("compare", "base.json", "--wall", 0))
        for threshold in ["nan", "-1"]:  # nothing is worse by more than no number
            self.assertIn("expected a number from 0 on", self.refused(
                "compare", "base.json", "--threshold", threshold))
        self.assertFalse((self.folder / "x.json").exists())


if __name__ == "__main__":
    unittest.main()
