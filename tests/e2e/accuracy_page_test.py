"""The page of `workbench accuracy --html` in a headless Chromium, on laptop and phone."""
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from browser import Browser, BrowserTest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = os.environ.get("ACCURACY_PAGE_SAMPLE",
                        str(ROOT / "build" / "release" / "tests" / "accuracy_page_sample"))
OPEN = "return document.querySelector('dialog[open] h2')?.textContent"
ESCAPE = "\ue00c"
RIGHT = "\ue014"


def decibels(value):
    return "exact" if value is None else f"{value:.1f}"


class AccuracyPage(BrowserTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        subprocess.run([SAMPLE, folder.name], check=True)
        cls.page = Path(folder.name) / "accuracy.html"
        cls.brief = Path(folder.name) / "brief.html"
        cls.report = json.loads((Path(folder.name) / "accuracy.json").read_text())
        cls.layers = cls.report["layers"]

    def setUp(self):
        self.browser.console()
        self.open()

    def open(self, anchor=""):
        self.browser.open(self.page, anchor)
        self.browser.wait("return document.querySelectorAll('.card svg').length >= 6")

    def texts(self, selector):
        return self.browser.run("return [...document.querySelectorAll(arguments[0])]"
                                ".map(node => node.textContent)", selector)

    def test_a_page_opens_without_complaints_and_asks_the_network_for_nothing(self):
        self.browser.open(self.brief)
        self.assertEqual(self.texts("section > h2"), ["Float and integer network", "Notes"])
        self.open()
        self.assertEqual(self.browser.console(), [])
        self.assertEqual(self.browser.run(
            "return performance.getEntriesByType('resource').map(entry => entry.name)"), [])

    def test_the_scores_are_those_of_the_report(self):
        report = self.report
        figures = {key: self.texts(f"#{key} .figure")[0]
                   for key in ["top1", "top5", "agreement", "difference", "golden"]}
        self.assertEqual(figures, {
            "top1": f"{100 * report['int8']['top1']:.1f} %",
            "top5": f"{100 * report['int8']['top5']:.1f} %",
            "agreement": f"{100 * report['agreement']:.1f} %",
            "difference": f"−{-100 * report['difference']['top1']:.1f} points",
            "golden": "bit-exact"})
        low, high = (100 * bound for bound in report["int8"]["top1_interval"])
        self.assertIn(f"{low:.1f} to {high:.1f}; float {100 * report['float']['top1']:.1f} %",
                      self.texts("#top1")[0])
        self.assertIn("9 images right only in float, 6 only in integers",
                      self.texts("#difference")[0])
        self.assertIn("Warning: 2 images were skipped", self.texts("main > .warning"))

    def test_the_table_has_every_layer_with_its_numbers(self):
        rows = self.browser.run(
            "return [...document.querySelectorAll('#layers tbody tr')]"
            ".map(row => [...row.children].map(cell => cell.textContent))")
        self.assertEqual(len(rows), len(self.layers))
        for cells, layer in zip(rows, self.layers):
            self.assertEqual(cells[:4], [layer["name"]] + [
                decibels(layer[key]) for key in ["sqnr_db", "own_sqnr_db", "inherited_sqnr_db"]])
            self.assertEqual(cells[4], f"{100 * layer['clipped']:.2f} %" if layer["clipped"] else "–")
            self.assertTrue(cells[8].startswith(f"{layer['accumulator_bits_used']}/24"), cells)
            self.assertEqual(cells[11], layer["format"])
        self.assertEqual(rows[4][8], "26/24 !")
        self.assertEqual(rows[5][7], "dead")

    def test_a_name_that_looks_like_markup_is_text(self):
        self.assertEqual(self.texts("#injected"), [])
        self.assertIn(self.layers[2]["name"], self.texts("#layers tbody th"))

    def test_a_click_on_a_head_sorts(self):
        names = lambda: self.texts("#layers tbody th")
        finite = sorted((layer for layer in self.layers if layer["own_sqnr_db"] is not None),
                        key=lambda layer: layer["own_sqnr_db"])
        exact = [layer["name"] for layer in self.layers if layer["own_sqnr_db"] is None]
        ascending = [layer["name"] for layer in finite]
        self.browser.click("#layers thead th:nth-child(3) button")
        self.assertEqual(names(), ascending + exact)
        self.browser.click("#layers thead th:nth-child(3) button")
        self.assertEqual(names(), ascending[::-1] + exact)

    def test_bars_are_as_long_as_the_layers_own_ratio_and_can_be_ordered(self):
        widths = self.browser.run("return [...document.querySelectorAll('#noise .own path')]"
                                  ".map(bar => bar.getBoundingClientRect().width)")
        self.assertEqual(len(widths), len(self.layers))
        values = [layer["own_sqnr_db"] for layer in self.layers]
        scale = widths[0] / values[0]
        for width, value in zip(widths, values):
            if value is not None:
                self.assertAlmostEqual(width / scale, value, delta=0.1)
        self.browser.click("#noise .switch button:nth-child(2)")
        rows = self.browser.run("""
            const rows = [...document.querySelectorAll('#noise .role-axis-label text')];
            const top = (node) => node.getBoundingClientRect().top;
            return rows.sort((a, b) => top(a) - top(b)).map((node) => node.textContent);""")
        worst = sorted((layer for layer in self.layers if layer["own_sqnr_db"] is not None),
                       key=lambda layer: layer["own_sqnr_db"])
        labels = [row for row in rows if "/convolution" in row]
        self.assertEqual(labels[:9], [layer["name"] for layer in worst[:9]])

    def test_a_click_opens_a_layer(self):
        openers = {"#layers tbody tr:nth-child(10) button": 9,
                   "#layers tbody tr:nth-child(13) td:nth-child(5)": 12,
                   "#noise .own path:nth-child(8)": 7}
        for selector, index in openers.items():
            self.browser.click(selector)
            self.assertEqual(self.browser.wait(OPEN), self.layers[index]["name"])
            self.browser.key(RIGHT)
            self.browser.wait(f"return location.hash === '#layer-{index + 1}'")
            self.assertEqual(self.browser.run(OPEN), self.layers[index + 1]["name"])
            self.browser.click("dialog button[aria-label=previous]")
            self.browser.wait(f"return location.hash === '#layer-{index}'")
            self.assertEqual(self.browser.run(OPEN), self.layers[index]["name"])
            self.browser.key(ESCAPE)
            self.browser.wait("return !document.querySelector('dialog[open]') && !location.hash")
        self.browser.click(".card button")
        worst = min(self.layers, key=lambda layer: layer["own_sqnr_db"] or 1e9)
        self.assertEqual(self.browser.wait(OPEN), worst["name"])
        self.assertIn(worst["advice"][0]["cause"], self.texts("dialog .advice")[0])
        self.assertEqual(self.browser.console(), [])

    def test_the_threshold_is_drawn_where_it_is(self):
        for index in [9, 7]:  # below and beyond the largest value
            self.open(f"#layer-{index}")
            self.browser.wait("return document.querySelector('dialog .threshold line')")
            # The axis itself says which pixel is which value.
            ticks, line = self.browser.run("""
                const middle = (node) => { const box = node.getBoundingClientRect();
                                           return box.left + box.width / 2; };
                const axis = document.querySelectorAll('dialog .role-axis .role-axis-label')[0];
                return [[...axis.querySelectorAll('text')].map(
                            (text) => [Number(text.textContent), middle(text)]),
                        middle(document.querySelector('dialog .threshold line'))];""")
            (first, left), (last, right) = ticks[0], ticks[-1]
            value = first + (line - left) / (right - left) * (last - first)
            self.assertAlmostEqual(value, self.layers[index]["threshold"],
                                   delta=0.01 * (last - first))

    def test_a_layer_without_a_histogram_says_so(self):
        self.open("#layer-6")
        self.assertIn("No histogram of this layer.", self.texts("dialog p"))

    def test_light_dark_and_paper_are_readable(self):
        lightness = lambda: self.browser.run("""
            const style = getComputedStyle(document.body);
            const of = (colour) => colour.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0);
            return [of(style.backgroundColor), of(style.color),
                    of(getComputedStyle(document.querySelector('#noise .own path')).fill)];""")
        for scheme in ["light", "dark"]:
            self.browser.scheme(scheme)
            paper, ink, bar = lightness()
            self.assertEqual(paper > ink, scheme == "light")
            self.assertGreater(abs(paper - ink), 450)
            self.assertGreater(abs(paper - bar), 200)
            self.keep(f"laptop_{scheme}.png", self.browser.screenshot(whole=True))
        self.browser.devtools("Emulation.setEmulatedMedia", media="print",
                              features=[{"name": "prefers-color-scheme", "value": "dark"}])
        self.assertEqual(lightness()[0], 3 * 255)
        self.browser.devtools("Emulation.setEmulatedMedia", media="", features=[])
        sheet = self.browser.pdf()
        self.assertTrue(sheet.startswith(b"%PDF"))
        self.keep("accuracy.pdf", sheet)

    def test_a_phone_scrolls_in_one_direction(self):
        phone = Browser(390, 844, phone=True)
        self.addCleanup(phone.close)
        for scheme in ["light", "dark"]:
            phone.scheme(scheme)
            phone.open(self.page)
            phone.wait("return document.querySelectorAll('.card svg').length >= 6")
            self.assertEqual(phone.run("return document.documentElement.scrollWidth"), 390)
            self.keep(f"phone_{scheme}.png", phone.screenshot(whole=True))
            phone.click(".card button")
            phone.wait("return document.querySelector('dialog svg')")
            self.assertLessEqual(
                phone.run("return document.querySelector('dialog svg').getBoundingClientRect().right"),
                390)
            self.keep(f"phone_{scheme}_layer.png", phone.screenshot())
        self.assertEqual(phone.console(), [])


if __name__ == "__main__":
    unittest.main()
