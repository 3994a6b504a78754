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


def luminance(colour):
    """Of #rrggbb, relative (WCAG 2.1)."""
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
                        for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


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
            self.assertEqual(charts, {"xdnn": 8, "pulp": 11}[name])  # PULP: two roofs, L1 and L2

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

    def test_the_network_is_drawn_and_a_box_opens_its_layer(self):
        for name in CASES:
            report = self.open(name)
            boxes = self.browser.run("""
                return [...document.querySelectorAll('#graph .vertex[role=button]')].map((node) => {
                  const box = node.querySelector('rect').getBoundingClientRect();
                  return [node.getAttribute('aria-label'), box.left, box.top, box.right, box.bottom]; });""")
            named = {label.split(": ")[0] for label, *_ in boxes}
            computed = {layer["name"] for layer in report["layers"] if layer["nodes"]}
            self.assertEqual(named, computed)
            for i, (_, left, top, right, bottom) in enumerate(boxes):  # none over another
                for _, x0, y0, x1, y1 in boxes[i + 1:]:
                    self.assertTrue(right <= x0 or x1 <= left or bottom <= y0 or y1 <= top)
            fills = lambda: self.browser.run("return [...document.querySelectorAll('#graph .bar')]"
                                             ".map((bar) => bar.style.fill)")
            by_cause = fills()
            self.browser.click("#graph .switch button:nth-child(2)")
            self.assertNotEqual(fills(), by_cause)
            self.browser.click("#graph .vertex[role=button]")
            self.assertEqual(self.browser.wait(OPEN), boxes[0][0].split(": ")[0])
            self.browser.key(ESCAPE)
            self.assertEqual(self.browser.console(), [])

    def test_a_layer_shows_its_instructions_with_every_field(self):
        for name, arguments in CASES.items():
            report = self.open(name, "#layer-1")
            self.browser.wait("return document.querySelector('dialog details') !== null")
            heads = self.texts("dialog details h3")
            program = self.folder / f"{name}.program"
            subprocess.run([WORKBENCH, "compile", "--calibration-cache", "none", *arguments, "-o",
                            program], check=True, capture_output=True)
            text = subprocess.run([WORKBENCH, "disasm", program, "--explain"], check=True,
                                  capture_output=True, text=True).stdout
            for head in heads:
                self.assertIn(f"{head}\n", text)
            rows = self.browser.run("return [...document.querySelectorAll('dialog details tr')]"
                                    ".map((row) => [...row.children].map((cell) => cell.textContent))")
            self.assertGreater(len(rows), 5)
            for field, value, meaning in rows:
                self.assertRegex(text, rf"(?m)^    {field} +{value} .*")
                self.assertNotEqual(meaning, "")

    def test_letters_stand_out(self):
        """Contrast of 4.5 at least (WCAG 2.1), in light and dark."""
        pairs = [(ink, paper) for ink in ("ink", "muted", "first", "second", "warning", "good")
                 for paper in ("paper", "raised")]
        pairs += [("paper", "first"), ("ink", "line")] + [(f"on{i}", f"cause{i}") for i in range(8)]
        for scheme in "light", "dark":
            self.browser.scheme(scheme)
            self.open("xdnn")
            colours = self.browser.run("""
                const style = getComputedStyle(document.documentElement);
                return Object.fromEntries(arguments[0].map((name) =>
                  [name, style.getPropertyValue(`--${name}`).trim()]));""",
                sorted({name for pair in pairs for name in pair}))
            for pair in pairs:
                light, dark = sorted((luminance(colours[name]) for name in pair), reverse=True)
                self.assertGreaterEqual((light + 0.05) / (dark + 0.05), 4.5, (scheme, pair))
        self.browser.scheme("light")

    def test_axes_have_the_shortest_names_that_tell_apart(self):
        self.open("xdnn")
        short = self.browser.run("return [...page.shortNames(arguments[0])]",
                                 ["a/b/conv", "a/c/conv", "pool", "a/pool", "net/fc", "x/net/fc"])
        self.assertEqual(dict(short), {"a/b/conv": "b/conv", "a/c/conv": "c/conv", "pool": "pool",
                                       "a/pool": "a/pool", "net/fc": "net/fc",
                                       "x/net/fc": "x/net/fc"})

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
            names = [text for text in self.texts("#occupancy figure:not([hidden]) .volume_names text")
                     if text]
            if name == "pulp":  # the xDNN network fills a thousandth of its memory
                self.assertGreater(len(names), 1)

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


class ComparePage(BrowserTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.page = Path(folder.name) / "compare.html"
        subprocess.run([WORKBENCH, "compare", "v3_96 zoo:tiny_cnn", "gap8 zoo:tiny_cnn", "--html",
                        cls.page, "--json", cls.page.with_suffix(".json")], check=True,
                       capture_output=True)
        cls.runs = json.loads(cls.page.with_suffix(".json").read_text())["runs"]

    def open(self, browser=None):
        browser = browser or self.browser
        browser.open(self.page)
        browser.wait("return document.querySelectorAll('#waterfall svg').length === 1")

    def widths(self):
        return self.browser.run("return [...document.querySelectorAll('.parts_of_runs path')]"
                                ".map((bar) => bar.getBoundingClientRect().width)")

    def test_bars_are_shares_and_times_of_the_runs(self):
        self.open()
        steps = [[run["waterfall"][step] for step in STEPS] for run in self.runs]
        shares = [cycles / sum(run) for run in steps for cycles in run]
        times = [cycles * run["microseconds_per_cycle"] for run, own in zip(self.runs, steps)
                 for cycles in own]
        for expected, button in (shares, 1), (times, 2):
            self.browser.click(f"#waterfall .switch button:nth-child({button})")
            widths = self.widths()
            self.assertEqual(len(widths), len(expected))
            scale = max(widths) / max(expected)
            for width, value in zip(widths, expected):
                self.assertAlmostEqual(width, scale * value, delta=1.2)
        self.assertEqual(self.browser.console(), [])

    def test_light_and_dark_are_readable_on_laptop_and_phone(self):
        self.look("compare", lambda browser: self.open(browser))


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
