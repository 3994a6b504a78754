"""search-bits from a network to recipe files, and run on what it wrote."""
import json
import unittest
from pathlib import Path

from support import WorkbenchTest

SEARCH = ("search-bits", "zoo:tiny_mobile", "--hw", "gap8", "--effort", "fast", "--points", "3")


class SearchBits(WorkbenchTest):
    def found(self, *options):
        self.succeed(*SEARCH, *options, "--json", "bits.json", "-o", "recipes")
        return json.loads((Path(self.folder) / "bits.json").read_text())

    def test_every_point_is_bit_exact_and_a_recipe_that_repeats_it(self):
        (Path(self.folder) / "pages").mkdir()
        report = self.found("--objective", "accuracy", "--objective", "weight_bytes", "--html",
                            "pages/bits.html")
        for point in report["points"]:
            self.assertEqual(point["run_page"], f"../recipes/{point['name'].replace(' ', '_')}.html")
            page = (Path(self.folder) / "pages" / point["run_page"]).read_text()
            self.assertIn("gap8", page)
        self.assertTrue(all(point["bit_exact"] for point in report["points"]))
        searched = [point for point in report["points"] if point["kind"] == "searched"]
        self.assertLess(searched[-1]["weight_bytes"], searched[0]["weight_bytes"])
        last = searched[-1]
        path = "recipes/" + last["name"].replace(" ", "_") + ".yaml"
        self.succeed("run", "--hw", "gap8", "zoo:tiny_mobile", "--effort", "fast", "--scheme", path,
                     "--json", "run.json")
        run = json.loads((Path(self.folder) / "run.json").read_text())
        self.assertEqual(run["totals"]["cycles"], last["metrics"]["cycles"])

    def test_xdnn_has_one_width_for_all_layers(self):
        done = self.workbench("search-bits", "zoo:tiny_mobile", "--hw", "v3_96")
        self.assertEqual(done.returncode, 2)
        self.assertIn("expected a PULP machine, whose kernels have codes of 8, 4 and 2 bits, found v3_96",
                      done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_a_constraint_is_kept_to(self):
        everything = self.found("--objective", "weight_bytes")
        most = min(point["weight_bytes"] for point in everything["points"]) + 100
        report = self.found("--objective", "cycles", "--constraint", f"weight_bytes <= {most}")
        searched = [point for point in report["points"] if point["kind"] == "searched"]
        self.assertTrue(all(point["weight_bytes"] <= most for point in searched), searched)
        self.assertTrue(all(point["meets"] for point in searched))

    def test_what_cannot_be_met_or_is_no_choice_is_refused(self):
        for options, message in [
                (("--constraint", "weight_bytes <= 10"),
                 "no choice of widths meets weight_bytes <= 10"),
                (("--objective", "accuracy", "--objective", "area_mm2"),
                 "--objective: expected accuracy, energy, cycles"),
                (("--constraint", "cycles"), "--constraint: expected METRIC <= NUMBER"),
                (("--scheme", "nemo"), "expected --scheme default or a recipe, found 'nemo'")]:
            done = self.workbench(*SEARCH, *options)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(message, done.stderr)


if __name__ == "__main__":
    unittest.main()
