"""The page of `workbench sweep --html` in a headless Chromium."""
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from browser import BrowserTest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = os.environ.get("EXPLORE_PAGES_SAMPLE",
                        str(ROOT / "build" / "release" / "tests" / "explore_pages_sample"))
WORKBENCH = os.environ.get("WORKBENCH", str(ROOT / "build" / "release" / "workbench"))
OPEN = "return document.querySelector('dialog[open] h2')?.textContent"
ESCAPE, RIGHT = "\ue00c", "\ue014"


class SweepPage(BrowserTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        subprocess.run([SAMPLE, folder.name], check=True)
        cls.folder = Path(folder.name)
        cls.report = json.loads((cls.folder / "sweep.json").read_text())
        cls.points = cls.report["points"]
        cls.ok = [point for point in cls.points if point["status"] == "ok"]

    def setUp(self):
        self.browser.console()
        self.open()

    def open(self, anchor="", browser=None):
        browser = browser or self.browser
        browser.open(self.folder / "sweep.html", anchor)
        browser.wait("return document.querySelectorAll('main svg').length >= 4")

    def texts(self, selector):
        return self.browser.run("return [...document.querySelectorAll(arguments[0])]"
                                ".map(node => node.textContent)", selector)

    def count(self, selector):
        return self.browser.run("return document.querySelectorAll(arguments[0]).length", selector)

    def filter(self, text):
        self.browser.run("""const input = document.querySelector('#filters input[type=search]');
                            input.value = arguments[0];
                            input.dispatchEvent(new Event('input'));""", text)

    def chosen(self):
        return int(self.texts("#count")[0].split(" of ")[0])

    def select(self, section, label, title):
        self.browser.run("""
            const box = [...document.querySelectorAll(`#${arguments[0]} label`)]
              .find((label) => label.firstChild.textContent === arguments[1]).lastChild;
            box.selectedIndex = [...box.options].findIndex((one) => one.text === arguments[2]);
            box.dispatchEvent(new Event('change'));""", section, label, title)

    def test_pages_open_without_complaints_and_ask_the_network_for_nothing(self):
        self.browser.open(self.folder / "empty_sweep.html")
        self.assertEqual(self.texts("h1"), ["nothing"])
        self.open()
        self.assertEqual(self.browser.console(), [])
        self.assertEqual(self.count("#injected"), 0)
        self.assertEqual(self.browser.run(
            "return performance.getEntriesByType('resource').map(entry => entry.name)"), [])

    def test_the_counts_are_those_of_the_report(self):
        figures = {key: self.texts(f"#{key} .figure")[0]
                   for key in ["points", "on_front", "infeasible", "failed", "exact", "agreement"]}
        self.assertEqual(figures, {
            "points": str(len(self.points)),
            "on_front": str(sum(point["front"] for point in self.points)),
            "infeasible": str(sum(point["status"] == "infeasible" for point in self.points)),
            "failed": "0", "exact": "bit-exact", "agreement": "τ 0.950"})
        self.assertIn("7.1 %", self.texts("#agreement")[0])

    def test_every_point_that_is_ok_is_drawn_and_the_line_is_the_front(self):
        self.assertEqual(self.count("#front .front_points path"), len(self.ok))
        for tier in ["analytic", "transaction"]:  # by brute force
            self.select("filters", "tier", tier)
            pairs = {(point["metrics"]["cycles"], point["metrics"]["area_mm2"])
                     for point in self.ok if point["tier"] == tier}
            best = {a for a in pairs if not any(
                b[0] <= a[0] and b[1] <= a[1] and b != a for b in pairs)}
            (line,) = self.browser.run(
                "return [...document.querySelectorAll('#front .front_line path')]"
                ".map(path => path.getAttribute('d'))")
            corners = [tuple(map(float, pair.split(","))) for pair in line[1:].split("L")]
            # A step to each point but the first: the better figure holds until there.
            self.assertEqual(len(corners), 2 * len(best) - 1, tier)
            for i in range(0, len(corners) - 2, 2):
                self.assertEqual(corners[i][1], corners[i + 1][1])
                self.assertEqual(corners[i + 1][0], corners[i + 2][0])
        self.select("filters", "tier", "both")
        self.assertEqual(self.count("#front .front_line path"), 2)

    def test_axes_can_be_chosen(self):
        self.select("front", "across", "latency_ms [ms]")
        self.select("front", "up", "dsp")
        labels = self.texts("#front .role-axis text")
        self.assertIn("latency_ms [ms]", labels)
        for value in ["16", "32", "64", "96"]:
            self.assertIn(value, labels)
        self.assertEqual(self.count("#front .front_points path"), len(self.ok))
        self.assertEqual(self.browser.console(), [])

    def test_filters_choose_points_everywhere(self):
        self.assertEqual(self.chosen(), len(self.points))
        self.filter("dsp>=64 memory=4M")
        wanted = [point for point in self.points
                  if int(point["settings"]["dsp"]) >= 64 and point["settings"]["memory"] == "4M"]
        self.assertEqual(self.chosen(), len(wanted))
        self.assertEqual(self.count("#table tbody tr"), len(wanted))
        self.assertEqual(self.count("#front .front_points path"), len(wanted))
        self.assertEqual(self.count("#parallel .line_paths path"), len(wanted))
        self.filter("infeasible")
        self.assertEqual(self.chosen(),
                         sum(point["status"] == "infeasible" for point in self.points))
        self.filter("")
        self.browser.click("#only_front")
        self.assertEqual(self.chosen(), sum(point["front"] for point in self.points))
        self.browser.click("#filters button")
        self.assertEqual(self.chosen(), len(self.points))

    def test_a_brush_chooses_a_range_and_a_click_drops_it(self):
        self.browser.run("document.querySelector('#parallel').scrollIntoView()")
        axis = self.browser.run("""
            const rule = document.querySelector('#parallel .mark-rule line')
                                 .getBoundingClientRect();
            return [rule.left + rule.width / 2, rule.top, rule.bottom];""")
        x, top, bottom = axis  # of the first one: dsp, 16 at the bottom
        def press(*places):
            self.browser._of_session("POST", "/actions", {"actions": [{
                "type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
                "actions": [{"type": "pointerMove", "x": round(x), "y": round(places[0])},
                            {"type": "pointerDown", "button": 0}] +
                           [{"type": "pointerMove", "duration": 50, "x": round(x), "y": round(y)}
                            for y in places[1:]] +
                           [{"type": "pointerUp", "button": 0}]}]})
        press(bottom + 2, bottom - 10, bottom - 0.5 * (bottom - top))
        wanted = [point for point in self.ok if int(point["settings"]["dsp"]) <= 32]
        self.assertEqual(self.chosen(), len(wanted))
        self.assertEqual(self.count("#table tbody tr"), len(wanted))
        self.assertEqual(self.count("#parallel .brush_marks path"), 1)
        self.assertEqual(self.count("#parallel .line_paths path"), len(self.ok))
        press(top + 10)
        self.assertEqual(self.chosen(), len(self.points))
        self.assertIsNone(self.browser.run(OPEN))

    def test_a_cell_of_the_heat_map_is_the_best_of_its_points(self):
        self.assertEqual(self.count("#heat .heat_cells path"), 4 * 5)
        cells = self.texts("#heat .mark-text text")
        best = min(point["metrics"]["cycles"] for point in self.ok
                   if point["settings"]["dsp"] == "96" and point["settings"]["memory"] == "12M")
        self.assertIn(f"{best / 1e3:.0f}k", cells)
        self.assertEqual(cells.count("–"), 2)  # 64 and 96 wide with 1 MB

    def test_tiers_are_shown_beside_each_other_with_what_they_swap(self):
        refined = sum(point["tier"] == "transaction" for point in self.points)
        self.assertEqual(self.count("#tiers .tier_points path"), refined)
        self.assertIn("Kendall's τ 0.950, mean absolute error 7.12 %", self.texts("#tiers p")[0])
        self.assertEqual(self.count("#tiers tbody tr"), 2)

    def test_the_table_sorts_by_a_figure(self):
        heads = self.texts("#table thead th")
        column = heads.index("cycles") + 1
        self.browser.click(f"#table thead th:nth-child({column}) button")
        shown = self.texts(f"#table tbody td:nth-child({column})")
        cycles = sorted(int(point["metrics"]["cycles"]) for point in self.ok)
        self.assertEqual(shown[:len(cycles)], [f"{value:,}" for value in cycles])
        self.assertEqual(set(shown[len(cycles):]), {"–"})

    def test_a_click_opens_a_point_from_anywhere(self):
        for selector in ["#table tbody tr:nth-child(3) button", "#front .front_points path",
                         "#heat .heat_cells path:nth-child(4)", "#tiers .tier_points path",
                         "#tiers tbody button", "#reasons tbody button"]:
            self.browser.click(selector)
            self.browser.wait(OPEN)
            index = int(self.browser.run("return location.hash").split("-")[1])
            point = self.points[index]
            settings = ", ".join(f"{name}={value}" for name, value in point["settings"].items())
            self.assertEqual(self.browser.run(OPEN), settings, selector)
            self.assertEqual(self.texts("dialog pre"), [point["run"] + " --html run.html",
                                                        point["command"]])
            if point["status"] == "ok":
                layers = [row[:2] for row in self.browser.run(
                    "return [...document.querySelectorAll('dialog tbody tr')]"
                    ".map(row => [row.children[0].textContent, row.children[3].textContent])")]
                self.assertEqual(layers, [
                    [layer["name"], f"{cycles:,}"] for layer, cycles in zip(
                        self.report["layer_sets"][0], point["layers"]["figures"]["cycles"])])
                self.browser.wait("return document.querySelectorAll('dialog .layer_bars path')"
                                  ".length === 4")
            else:
                self.assertIn(point["reason"], self.texts("dialog .warning")[0])
            self.browser.key(RIGHT)
            self.browser.wait(f"return location.hash !== '#point-{index}'")
            self.browser.key(ESCAPE)
            self.browser.wait("return !document.querySelector('dialog[open]') && !location.hash")
        self.open("#point-5")
        self.assertIn("dsp=16", self.browser.wait(OPEN))
        self.assertEqual(self.browser.console(), [])

    def test_light_and_dark_are_readable_on_laptop_and_phone(self):
        self.look("sweep", lambda browser: self.open(browser=browser))


class TwoNetworks(BrowserTest):
    def test_points_and_fronts_have_the_colour_of_their_network(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "s.html"
            subprocess.run([WORKBENCH, "sweep", "zoo:tiny_cnn", "zoo:tiny_mobile", "--hw", "gap8",
                            "--set", "cores=1,2,4", "--objective", "cycles", "--objective",
                            "l1_bytes", "--store", page.with_suffix(".db"), "--html", page],
                           check=True, capture_output=True)
            self.browser.open(page)
            self.browser.wait("return document.querySelector('#front .front_line path')")
        of_points = self.browser.run("""
            return [...document.querySelectorAll('#front .front_points path')]
              .map(node => [node.__data__.datum.network, getComputedStyle(node).fill]);""")
        of_legend = self.browser.run("""
            return [...document.querySelectorAll('#front .legend > span')].map(node =>
              [node.textContent, getComputedStyle(node.querySelector('.patch')).backgroundColor]);""")
        self.assertEqual(len(of_points), 6)
        self.assertEqual(len(set(colour for _, colour in of_legend)), 2)
        self.assertEqual({(network.removeprefix("zoo:"), colour) for network, colour in of_points},
                         {(name.removeprefix("zoo:"), colour) for name, colour in of_legend})
        of_lines = self.browser.run("""
            return [...document.querySelectorAll('#front .front_line path')]
              .map(node => getComputedStyle(node).stroke);""")
        self.assertEqual(sorted(of_lines), sorted(colour for _, colour in of_legend))
        self.assertEqual(self.browser.console(), [])


if __name__ == "__main__":
    unittest.main()
