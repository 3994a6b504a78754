"""workbench sweep as its users call it: the same answers whatever happens on the way, and one clear
line for whatever they get wrong."""
import csv
import itertools
import json
import os
import subprocess
import unittest

from support import ROOT, WORKBENCH, WorkbenchTest, signal_after

SPACE = ("--hw", "gap8", "--set", "l1=4k..32k:x2", "--set", "cores=1,2,4,8")


class Sweep(WorkbenchTest):
    def sweep(self, *arguments):
        return self.succeed("sweep", *arguments).stdout

    def table(self, name):
        with open(self.folder / name, newline="") as file:
            return list(csv.DictReader(file))

    def test_every_point_is_there_in_study_order(self):
        self.sweep(*SPACE, "zoo:tiny_mobile", "zoo:tiny_cnn", "--csv", "all.csv")
        rows = self.table("all.csv")
        asked = itertools.product(["zoo:tiny_mobile", "zoo:tiny_cnn"], ["4k", "8k", "16k", "32k"],
                                  ["1", "2", "4", "8"])
        self.assertEqual([(row["network"], row["l1"], row["cores"]) for row in rows], list(asked))
        self.assertEqual({row["tier"] for row in rows}, {"analytic"})
        self.assertEqual(len({row["key"] for row in rows}), len(rows))

    def test_networks_of_the_zoo_are_spelled_as_run_takes_them(self):
        self.assertIn("1 ok", self.sweep("--hw", "gap8", "zoo:TinyCNN"))

    def test_a_simulated_point_is_what_run_says(self):
        self.sweep("--hw", "gap8", "--set", "l1=8k", "--set", "cores=4", "--tier", "transaction",
                   "zoo:tiny_mobile", "--csv", "one.csv")
        self.succeed("run", "--hw", "gap8", "--l1", "8k", "--cores", "4", "zoo:tiny_mobile",
                     "--json", "run.json")
        (row,) = self.table("one.csv")
        report = json.loads((self.folder / "run.json").read_text())
        self.assertEqual(int(row["cycles"]), report["totals"]["cycles"]["value"]
                         if isinstance(report["totals"]["cycles"], dict)
                         else report["totals"]["cycles"])
        self.assertEqual(row["bit_exact"], "true")

    def test_again_nothing_is_computed_and_the_answers_are_the_same(self):
        first = self.sweep(*SPACE, "zoo:tiny_mobile", "--refine", "--csv", "first.csv")
        self.assertRegex(first, r"16 analytic, \d+ transaction")
        self.assertIn("verdict  bit-exact: ", first)
        self.assertIn("Kendall tau", first)
        again = self.sweep(*SPACE, "zoo:tiny_mobile", "--refine", "--csv", "again.csv")
        self.assertIn(" 0 computed", again)
        self.assertEqual((self.folder / "first.csv").read_bytes(),
                         (self.folder / "again.csv").read_bytes())
        # A larger space: only what is new.
        more = self.sweep("--hw", "gap8", "--set", "l1=4k..64k:x2", "--set", "cores=1,2,4,8",
                          "zoo:tiny_mobile")
        self.assertIn(" 4 computed, 16 from the store", more)

    def test_in_pieces_and_on_one_process_the_answers_are_the_same(self):
        whole = ("zoo:tiny_mobile", "--refine", "--sample", "3")
        self.sweep(*SPACE, *whole, "--store", "whole.db", "--csv", "whole.csv")
        text = self.sweep(*SPACE, *whole, "-j", "1", "--limit", "5", "--csv", "pieces.csv")
        self.assertIn("missing  11 points; the same command goes on", text)
        self.assertEqual(len(self.table("pieces.csv")), 5)
        for _ in range(5):
            self.sweep(*SPACE, *whole, "-j", "1", "--limit", "5", "--csv", "pieces.csv")
        self.assertEqual((self.folder / "whole.csv").read_bytes(),
                         (self.folder / "pieces.csv").read_bytes())

    def test_two_at_once_on_one_store(self):
        command = [WORKBENCH, "sweep", *SPACE, "zoo:tiny_mobile", "--csv"]
        both = [subprocess.Popen([*command, name], cwd=self.folder, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) for name in ["a.csv", "b.csv"]]
        for process in both:
            out, error = process.communicate(timeout=300)
            self.assertEqual(process.returncode, 0, out + error)
        self.assertEqual((self.folder / "a.csv").read_bytes(),
                         (self.folder / "b.csv").read_bytes())

    def test_ctrl_c_says_how_to_go_on(self):
        space = ("--hw", "v3_96", "--set", "dsp=16..256:16", "--set", "bandwidth=1..40", "-j", "2")
        stopped = self.workbench("sweep", *space, "zoo:tiny_residual", "--csv", "c.csv",
                                 environment=signal_after(3, "INT"))
        self.assertEqual(stopped.returncode, 130, stopped.stdout + stopped.stderr)
        self.assertIn("interrupted; the same command goes on", stopped.stdout)
        points = len(self.table("c.csv"))
        self.assertGreaterEqual(points, 3)
        self.assertLess(points, 16 * 40)

    def test_a_plan_to_interrupt_that_is_none_is_one_clear_line(self):
        done = self.workbench("sweep", "--hw", "gap8", "zoo:tiny_cnn",
                              environment=signal_after(3, "STOPP"))
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr, "workbench: WORKBENCH_SIGNAL_AFTER: expected COUNT:SIGNAL or "
                         "COUNT:SIGNAL:group with a count from 1 and INT, KILL, STOP or TERM, found "
                         "'3:STOPP'\n")

    def test_infeasible_points_are_results_with_their_reason(self):
        text = self.sweep("--hw", "gap8", "--set", "l2=1k,320k", "--set", "cores=8,99",
                          "zoo:tiny_cnn", "--csv", "i.csv")
        self.assertIn("1 ok, 3 infeasible", text)
        self.assertIn("960 are there", text)
        reasons = {(row["l2"], row["cores"]): row["reason"] for row in self.table("i.csv")}
        self.assertIn("does not fit L2", reasons["1k", "8"])
        self.assertIn("between 1 and 16", reasons["320k", "99"])
        self.assertEqual(reasons["320k", "8"], "")

    def test_a_search_is_reproducible_and_finds_the_front(self):
        space = ("--hw", "gap8", "--set", "l1=4k..36k:1k", "--set", "cores=1..16", "--objective",
                 "cycles", "--objective", "l1_bytes", "--where", "l1*cores <= 256k")
        self.sweep(*space, "zoo:tiny_cnn", "--csv", "all.csv", "--store", "all.db")
        search = ("--search", "--population", "16", "--generations", "6", "--seed", "5")
        first = self.sweep(*space, *search, "zoo:tiny_cnn", "--csv", "a.csv", "--store", "a.db")
        self.assertIn("searched by NSGA-II", first)
        self.sweep(*space, *search, "zoo:tiny_cnn", "--csv", "b.csv", "--store", "all.db")
        self.assertEqual((self.folder / "a.csv").read_bytes(), (self.folder / "b.csv").read_bytes())
        points = self.table("a.csv")
        everything = {row["key"]: row for row in self.table("all.csv")}
        self.assertLess(len(points), len(everything) / 2)
        for row in points:
            self.assertEqual(row, everything[row["key"]])
        fastest = min(int(row["cycles"]) for row in everything.values())
        self.assertLess(min(int(row["cycles"]) for row in points), fastest * 1.05)

    def test_parameters_are_objectives(self):
        text = self.sweep("--hw", "gap8", "--set", "cores=1,2,4", "--set", "l1=16k,32k",
                          "--objective", "min cores", "--objective", "min l1", "--objective",
                          "cycles", "--refine", "zoo:tiny_cnn", "--json", "s.json", "--html",
                          "s.html")
        report = json.loads((self.folder / "s.json").read_text())
        points = [point for point in report["points"] if point["tier"] == "analytic"]
        for point in points:
            self.assertEqual(point["metrics"]["cores"], int(point["settings"]["cores"]))
        cost = {index: [point["metrics"][name] for name in ("cores", "l1", "cycles")]
                for index, point in enumerate(points)}
        best = {index for index, mine in cost.items()
                if not any(other != mine and all(a <= b for a, b in zip(other, mine))
                           for other in cost.values())}
        self.assertEqual({index for index, point in enumerate(points) if point["front"]}, best)
        self.assertGreater(len(best), 2)
        self.assertEqual([one["metric"] for one in report["agreement"]], ["cycles"])
        self.assertIn("cycles (analytic)", text)

    def test_a_dry_run_writes_nothing(self):
        text = self.sweep(*SPACE, "--where", "l1 * cores <= 64k", "zoo:tiny_mobile", "--dry-run")
        self.assertIn("points   13: 13 to compute", text)
        self.assertIn("3 left out by conditions", text)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_shipped_studies_can_be_read(self):
        for study in sorted((ROOT / "configs" / "studies").iterdir()):
            self.assertIn("to compute", self.sweep(study, "--dry-run"))

    def test_what_is_best_by_default(self):
        one = self.sweep("--hw", "v3_96", "zoo:tiny_cnn")
        self.assertIn("best, analytic tier: min cycles (1 of 1 point)", one)
        several = self.sweep("--hw", "v3_96", "--hw", "gap8", "zoo:tiny_cnn")
        self.assertIn("best, analytic tier: min latency_ms (2 of 2 points)", several)
        engines = self.sweep("--hw", "v3_96", "--set", "engines=1,2", "zoo:tiny_cnn")
        self.assertIn("best, analytic tier: max images_per_second (2 of 2 points)", engines)

    def test_reports_agree(self):
        self.sweep(*SPACE, "zoo:tiny_mobile", "--refine", "--csv", "r.csv", "--json", "r.json",
                   "--html", "r.html")
        rows = self.table("r.csv")
        report = json.loads((self.folder / "r.json").read_text())
        self.assertEqual([row["key"] for row in rows], [row["key"] for row in report["points"]])
        self.assertIn(rows[0]["key"], (self.folder / "r.html").read_text())

    def test_a_study_file_and_options_that_go_over_it(self):
        (self.folder / "s.yaml").write_text(
            "networks: zoo:tiny_mobile\nmachines: gap8\nparameters: {l1: 8k, cores: '1..4'}\n"
            "options: {tiler: dory}\nconditions: cores != 3\nconstraints: cycles <= 1M\n")
        self.assertIn("points   3: ", self.sweep("s.yaml", "--dry-run"))
        self.assertIn("points   6: ", self.sweep("s.yaml", "--set", "l1=8k,9k", "--dry-run"))
        self.assertIn("points   6: ", self.sweep("s.yaml", "--set", "tiler=dory,optimal",
                                                 "--dry-run"))
        self.assertIn("points   2: ", self.sweep("s.yaml", "--where", "cores > 1", "--dry-run"))
        text = self.sweep("s.yaml", "zoo:tiny_cnn", "--name", "mine")
        self.assertIn("sweep    mine\n", text)
        self.assertIn("cycles <= 1048576", text)


class BadInput(WorkbenchTest):
    def refused(self, *arguments, says):
        before = sorted(path.name for path in self.folder.iterdir())
        done = self.workbench("sweep", *arguments)
        self.assertEqual(done.returncode, 2, f"{arguments}\n{done.stdout}{done.stderr}")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(before, sorted(path.name for path in self.folder.iterdir()))

    def test_broken_ranges(self):
        for text, says in [
                ("l1=64k..16k:x2", ["--set l1", "reversed"]), ("l1=16k..100k:x2", "arrives at 100k"),
                ("cores=", "expected a value, found none"), ("cores=1..4,3..6", "3 twice"),
                ("l1=16k,16384", "which are the same"), ("l1=1..9:0", "a step above 0"),
                ("cores", "NAME=VALUES"), ("cores=1..9999999", "at most 1000000 values")]:
            self.refused("--hw", "gap8", "--set", text, "zoo:tiny_cnn", says=says)
        self.refused("--hw", "gap8", "--set", "l1=4k", "--set", "l1=8k", "zoo:tiny_cnn",
                     says="--set l1: expected once, found twice")

    def test_unknown_parameters_get_the_nearest(self):
        for text, says in [("core=1,2", "cores"), ("l1.bank=4", "l1.banks"),
                           ("dsp=96", "found one of xDNN machines"), ("name=x", "no such name")]:
            self.refused("--hw", "gap8", "--set", text, "zoo:tiny_cnn", says=["parameter", says])
        self.refused("--hw", "gap8", "--set", "cores=many", "zoo:tiny_cnn", says="whole number")
        self.refused("--hw", "gap8", "--set", "l1=many", "zoo:tiny_cnn", says=["l1=many", "bytes"])
        self.refused("--hw", "gap8", "--set", "l1.banks=many", "zoo:tiny_cnn", says="whole number")
        self.refused("--hw", "gap8", "--set", "tiler=best", "zoo:tiny_cnn", says="optimal, dory")

    def test_unknown_networks_machines_metrics(self):
        space = ("--set", "cores=1,2")
        self.refused("--hw", "gap8", *space, "zoo:tiny_cn", says="zoo:tiny_cnn")
        self.refused("--hw", "gap8", *space, "absent.onnx", says="absent.onnx")
        self.refused("--hw", "gap9", *space, "zoo:tiny_cnn", says=["gap9", "gap8"])
        self.refused(*space, "zoo:tiny_cnn", says="--hw")
        self.refused("--hw", "gap8", *space, says="network")
        self.refused("--hw", "gap8", *space, "zoo:tiny_cnn", "--objective", "min cycle",
                     says=["--objective", "cycles"])
        self.refused("--hw", "gap8", *space, "zoo:tiny_cnn", "--constraint", "cycles <",
                     says="--constraint")

    def test_conditions(self):
        space = ("--hw", "gap8", "--set", "cores=1,2", "zoo:tiny_cnn", "--where")
        self.refused(*space, "core < 2", says=["nearest is cores", "core"])
        self.refused("--hw", "gap8", "zoo:tiny_cnn", "--where", "cores < 2",
                     says=["cores", "sets none"])
        self.refused(*space, "cores < ", says="expected an expression")
        self.refused(*space, "cores = 1", says="expected ==")
        self.refused(*space, "cores > 2", says="leave none of 2")

    def test_studies(self):
        for text, says in [("networks: [", "s.yaml:"), ("network: a\n", ["s.yaml:1", "networks"]),
                           ("machines: gap8\nparameters:\n  l1: 9..1\n", ["s.yaml:3", "reversed"])]:
            (self.folder / "s.yaml").write_text(text)
            self.refused("s.yaml", says=says)
        self.refused("absent.yaml", says="absent.yaml: cannot read")
        self.refused("s.yaml", "s.yaml", says="expected")

    def test_too_many_points(self):
        self.refused("--hw", "gap8", "--set", "l1=1..2000", "--set", "l2=1..2000", "zoo:tiny_cnn",
                     says=["at most 1000000 points", "4e+06", "search"])
        self.refused("--hw", "gap8", "--set", "cores=1,2", "zoo:tiny_cnn", "--search",
                     "--population", "10", says="multiple of 4")

    def test_stores_that_cannot_be_used(self):
        one = ("--hw", "gap8", "--set", "cores=1", "zoo:tiny_cnn", "--store")
        self.refused(*one, "no/such/folder.db", says="no/such/folder.db: cannot write")
        (self.folder / "text.db").write_text("hello " * 1000)
        self.refused(*one, "text.db", says="text.db")
        self.refused("--hw", "gap8", "--set", "cores=1", "zoo:tiny_cnn", "--csv", "no/file.csv",
                     says="no/file.csv: cannot write")
        self.refused(*one, "", says="--store: expected a value")
        self.refused("--hw", "gap8", "zoo:tiny_cnn", "--csv", "-", says="workbench results")

    def test_counts_that_are_none(self):
        for option in ["--limit=-1", "--jobs=0", "--neighbours=-1", "--sample=-3"]:
            self.refused("--hw", "gap8", "zoo:tiny_cnn", option,
                         says=[option.split("=")[0] + ": expected a whole number from ",
                               f"found '{option.split('=')[1]}'"])
        self.refused("--hw", "gap8", "zoo:tiny_cnn", "--limit=1.5", says="found '1.5'")
        self.refused("--hw", "gap8", "zoo:tiny_cnn", "--tier=slow",
                     says="--tier: expected analytic or transaction, found 'slow'")


if __name__ == "__main__":
    unittest.main()
