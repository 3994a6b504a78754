"""The page of `workbench run --html`, of both families, in a headless Chromium; --png."""
import json
import os
import struct
import subprocess
import tempfile
import unittest
from pathlib import Path

from browser import BrowserTest

ROOT = Path(__file__).resolve().parents[2]
WORKBENCH = os.environ.get("WORKBENCH", str(ROOT / "build" / "release" / "workbench"))
OPEN = "return document.querySelector('dialog[open] h2')?.textContent"
ESCAPE, RIGHT = "\ue00c", "\ue014"
STEPS = ["ideal", "edge_and_padding", "fill_and_drain", "weight_load", "memory_wait", "port_stall",
         "other_engine", "issue"]
CASES = {"xdnn": ["--hw", "v3_96", "zoo:tiny_inception"],
         "pulp": ["--hw", "gap8", "zoo:tiny_mobile"]}


def run(*arguments, **options):
    return subprocess.run([WORKBENCH, "run", "--brief", "--calibration-cache", "none", *arguments],
                          capture_output=True, text=True, **options)


class RunPage(BrowserTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.reports = {}
        for name, arguments in CASES.items():
            run("--html", cls.folder / f"{name}.html", "--json", cls.folder / f"{name}.json",
                *arguments, check=True)
            cls.reports[name] = json.loads((cls.folder / f"{name}.json").read_text())

    def setUp(self):
        self.browser.console()

    def open(self, name, anchor="", browser=None):
        browser = browser or self.browser
        browser.open(self.folder / f"{name}.html", anchor)
        browser.wait("return document.querySelectorAll('#bars svg').length >= 1")
        return self.reports[name]

    def texts(self, selector):
        return self.browser.run("return [...document.querySelectorAll(arguments[0])]"
                                ".map(node => node.textContent)", selector)

    def widths(self, selector):
        return self.browser.run("return [...document.querySelectorAll(arguments[0])]"
                                ".map(bar => bar.getBoundingClientRect().width)", selector)

    def test_pages_open_without_complaints_and_ask_the_network_for_nothing(self):
        for name in CASES:
            self.open(name)
            self.assertEqual(self.browser.console(), [])
            self.assertEqual(self.browser.run(
                "return performance.getEntriesByType('resource').map(entry => entry.name)"), [])
            charts = self.browser.run("return document.querySelectorAll('main svg').length")
            self.assertEqual(charts, {"xdnn": 7, "pulp": 10}[name])  # PULP: two roofs, L1 and L2

    def test_the_figures_are_those_of_the_report(self):
        for name in CASES:
            report = self.open(name)
            totals = report["totals"]
            self.assertIn(f"{totals['cycles']:,} cycles", self.texts("#latency")[0])
            self.assertAlmostEqual(float(self.texts("#pace .figure")[0]),
                                   totals["engine_images_per_second"],
                                   delta=1e-3 * totals["engine_images_per_second"])
            self.assertIn(f"{100 * totals['array_efficiency']:.1f} %", self.texts("#efficiency")[0])
            self.assertEqual(self.texts("#verdict .figure"), ["bit-exact"])
            self.assertIn(f"{report['verdict']['values_compared']:,}", self.texts("#verdict")[0])

    def test_energy_is_what_the_run_prints_with_its_spread(self):
        for name, arguments in CASES.items():
            self.open(name)
            technology = self.texts("#energy_image")[0].split(" in ")[-1]
            printed = run("--technology", technology, *arguments, check=True).stdout
            energy = printed[printed.index("energy     "):].split()
            self.assertAlmostEqual(float(self.texts("#energy_image .figure")[0].split()[0]),
                                   float(energy[1]), delta=0.006 * float(energy[1]))
            self.assertGreater(len(self.widths("#energy .spread_bars path")), 3)

    def test_the_table_has_every_layer_with_its_cycles(self):
        for name in CASES:
            report = self.open(name)
            rows = self.browser.run(
                "return [...document.querySelectorAll('#layers tbody tr')]"
                ".map(row => [...row.children].map(cell => cell.textContent))")
            self.assertEqual([(row[0], row[4]) for row in rows],
                             [(layer["name"], f"{layer['cycles']:,}")
                              for layer in report["layers"]])
            self.browser.click("#layers thead th:nth-child(5) button")
            self.browser.click("#layers thead th:nth-child(5) button")
            slowest = max(report["layers"], key=lambda layer: layer["cycles"])
            self.assertEqual(self.texts("#layers tbody th")[0], slowest["name"])
            self.assertEqual(len(self.texts("#tiles tbody tr")), len(report["layers"]))

    def test_bars_are_as_long_as_their_cycles(self):
        for name in CASES:
            report = self.open(name)
            expected = [layer["waterfall"][step] for layer in report["layers"] for step in STEPS
                        if layer["waterfall"][step] > 0]
            widths = self.widths("#bars .bar_pieces path")
            self.assertEqual(len(widths), len(expected))
            scale = max(widths) / max(expected)
            for width, cycles in zip(widths, expected):
                self.assertAlmostEqual(width, scale * cycles, delta=0.5)
            steps = [report["waterfall"][step] for step in STEPS if report["waterfall"][step] > 0]
            widths = self.widths("#waterfall .steps path")
            self.assertEqual(len(widths), len(steps) + 1)
            for width, cycles in zip(widths, steps + [report["totals"]["cycles"]]):
                self.assertAlmostEqual(width / widths[-1], cycles / report["totals"]["cycles"],
                                       delta=0.002)

    def test_every_layer_is_on_the_roofline_and_none_above_it(self):
        for name in CASES:
            report = self.open(name)
            circles = "#roofline figure:not([hidden]) :is(.layers_in_plot, .layers_below, " \
                      ".layers_right) path"
            self.assertEqual(len(self.widths(circles)), len(report["layers"]))
            # Heights in the plot are those of the layers' rates, on a log scale down from the peak.
            top, centres = self.browser.run("""
                const middle = (node) => { const box = node.getBoundingClientRect();
                                           return box.top + box.height / 2; };
                const figure = document.querySelector('#roofline figure:not([hidden])');
                return [figure.querySelector('.roof_line path').getBoundingClientRect().top,
                        [...figure.querySelectorAll('.layers_in_plot path')].map(middle)];""")
            self.assertTrue(all(centre >= top - 1 for centre in centres), (top, centres))

    def test_a_click_opens_a_layer_from_anywhere(self):
        report = self.open("xdnn")
        names = [layer["name"] for layer in report["layers"]]
        for selector in ["#layers tbody tr:nth-child(2) button", "#tiles tbody tr:nth-child(3) td",
                         "#bars .bar_pieces path:nth-child(1)", "#roofline .layers_in_plot path",
                         "#time .engine_lanes path:nth-child(4)", "#time .layer_lane path"]:
            self.browser.click(selector)
            title = self.browser.wait(OPEN)
            self.assertIn(title, names, selector)
            anchor = self.browser.run("return location.hash")
            index = int(anchor.split("-")[1])
            self.assertEqual(names[index], title)
            self.browser.wait("return document.querySelectorAll('dialog svg').length >= 1")
            self.browser.key(RIGHT)
            self.browser.wait(f"return location.hash === '#layer-{(index + 1) % len(names)}'")
            self.browser.key(ESCAPE)
            self.browser.wait("return !document.querySelector('dialog[open]') && !location.hash")
        self.open("pulp", "#layer-2")
        self.assertEqual(self.browser.wait(OPEN), self.reports["pulp"]["layers"][2]["name"])
        facts = dict(zip(self.texts("dialog dt"), self.texts("dialog dd")))
        self.assertTrue(facts["cycles"].startswith(
            f"{self.reports['pulp']['layers'][2]['cycles']:,} "))
        self.assertEqual(self.browser.console(), [])

    def span(self):
        """First and last tick of the time line, in cycles, and the pixels between them."""
        return self.browser.run("""
            const ticks = [...document.querySelectorAll('#time .role-axis .role-axis-label')[0]
                             .querySelectorAll('text')];
            const cycles = (node) => Number(node.textContent.replace('−', '-').replace('k', 'e3')
                                                .replace('M', 'e6'));
            const at = (node) => node.getBoundingClientRect().left;
            const [first, last] = [ticks[0], ticks[ticks.length - 1]];
            return [cycles(first), cycles(last), at(last) - at(first)];""")

    def test_the_time_line_zooms_and_moves(self):
        self.open("xdnn")
        rate = lambda: (lambda low, high, pixels: (high - low) / pixels)(*self.span())
        whole = rate()
        self.browser.click("#time .tools button[aria-label='zoom in']")
        self.assertAlmostEqual(rate() / whole, 0.5, delta=0.02)
        low = self.span()[0]
        self.browser.run("document.querySelector('#time .time').focus()")
        for _ in range(5):  # further than from one tick to the next
            self.browser.key(RIGHT)
        self.assertGreater(self.span()[0], low)
        self.browser.key("0")
        self.assertAlmostEqual(rate() / whole, 1, delta=0.02)

    def test_memory_holds_no_more_than_there_is(self):
        for name in CASES:
            self.open(name)
            heights = self.browser.run("""
                const shown = document.querySelectorAll('#occupancy figure:not([hidden])');
                return [...shown].map((figure) => [figure.querySelector('.taken path').getBoundingClientRect(),
                   figure.querySelector('.mark-rule line').getBoundingClientRect()]
                  .map((box) => box.top));""")
            self.assertEqual(len(heights), {"xdnn": 1, "pulp": 2}[name])
            for taken, capacity in heights:
                self.assertGreaterEqual(taken, capacity - 1)
            self.browser.click("#occupancy .switch button:nth-child(2)")
            self.assertGreater(len(self.widths("#occupancy figure:not([hidden]) .volumes path")), 5)

    def test_light_and_dark_are_readable_on_laptop_and_phone(self):
        for name in CASES:
            with self.subTest(name):
                self.look(f"run_{name}", lambda browser, name=name: self.open(name, browser=browser))

    def test_png_is_a_picture_of_the_roofline(self):
        path = self.folder / "roofline.png"
        run("--png", path, *CASES["xdnn"], check=True)
        picture = path.read_bytes()
        self.assertEqual(picture[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", picture[16:24]), (2560, 1600))
        self.assertGreater(len(picture), 30000)  # an empty sheet of paper is smaller
        self.keep("run_xdnn.png", picture)


class Refusals(unittest.TestCase):
    def test_png_needs_its_name_and_a_browser(self):
        refused = run("--png", "x.jpg", *CASES["xdnn"])
        self.assertEqual((refused.returncode, refused.stderr),
                         (2, "workbench: --png: expected FILE.png, found 'x.jpg'\n"))
        missing = run("--png", "x.png", *CASES["xdnn"], env={"PATH": "/nowhere"})
        self.assertEqual(missing.returncode, 2)
        self.assertEqual(missing.stderr.count("\n"), 1)
        self.assertIn("Chromium, which is not installed", missing.stderr)


if __name__ == "__main__":
    unittest.main()
