"""The page of `workbench track report --html` in a headless Chromium."""
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
OPEN = "return document.querySelector('dialog[open] h2')?.textContent"
ESCAPE, RIGHT = "\ue00c", "\ue014"


class TrackPage(BrowserTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        subprocess.run([SAMPLE, folder.name], check=True)
        cls.folder = Path(folder.name)
        cls.history = json.loads((cls.folder / "track.json").read_text())
        cls.cases = cls.history["cases"]

    def setUp(self):
        self.browser.console()
        self.open()

    def open(self, anchor="", browser=None):
        browser = browser or self.browser
        browser.open(self.folder / "track.html", anchor)
        browser.wait("return document.querySelectorAll('.card svg').length >= 10")

    def texts(self, selector):
        return self.browser.run("return [...document.querySelectorAll(arguments[0])]"
                                ".map(node => node.textContent)", selector)

    def test_pages_open_without_complaints_and_ask_the_network_for_nothing(self):
        self.browser.open(self.folder / "empty_track.html")
        self.assertEqual(self.texts("#cases .figure"), ["0"])
        self.open()
        self.assertEqual(self.browser.console(), [])
        self.assertEqual(self.browser.run(
            "return performance.getEntriesByType('resource').map(entry => entry.name)"), [])

    def test_the_steps_are_marked_where_they_are(self):
        orange = self.browser.run("""
            const steps = [...document.querySelectorAll('#history .runs path')]
              .map((node) => node.getBoundingClientRect()).filter((box) => box.width > 9);
            const ticks = [...document.querySelectorAll('#history .role-axis .role-axis-label')[0]
                             .querySelectorAll('text')];
            const middle = (box) => box.left + box.width / 2;
            const at = ticks.map((node) => [node.textContent,
                                            middle(node.getBoundingClientRect())]);
            return steps.map((box) => at.reduce((a, b) =>
              Math.abs(b[1] - middle(box)) < Math.abs(a[1] - middle(box)) ? b : a)[0]);""")
        runs = self.history["runs"]
        expected = [runs[step["run"]]["revision"] for one in self.cases for step in one["steps"]]
        # The axis names every second run: the nearest is the run itself, or one beside it.
        self.assertEqual(len(orange), len(expected))
        revisions = [run["revision"][:10] for run in runs]
        for shown, revision in zip(orange, expected):
            self.assertLessEqual(abs(revisions.index(shown) - revisions.index(revision[:10])), 1)

    def test_figures_and_changes_are_those_of_the_history(self):
        self.assertEqual(self.texts("#cases .figure"), [str(len(self.cases))])
        self.assertEqual(self.texts("#moved .figure"), ["2"])
        rows = self.browser.run(
            "return [...document.querySelectorAll('#compare tbody tr')]"
            ".map(row => [...row.children].map(cell => cell.textContent))")
        self.assertEqual([row[0] for row in rows], [one["name"] for one in self.cases])
        self.assertEqual(rows[2][3:], ["3,000,000", "3,030,000", "+1.00 %", "1"])
        self.assertEqual(rows[4][5], "−7.00 %")
        self.assertEqual(rows[6][3:], ["7,000,000", "7,000,000", "same", "0"])
        steps = self.texts("#steps tbody tr")
        self.assertEqual(len(steps), 2)
        self.assertIn("ddr.efficiency: 0.71 -> 0.7029", steps[0])
        self.assertEqual(len(self.texts("#compare .warning")), 1)  # worse
        self.assertEqual(len(self.texts("#compare .good")), 1)

    def test_another_figure_can_be_shown(self):
        self.browser.run("""
            const box = document.querySelector('#history select');
            box.selectedIndex = [...box.options].findIndex((one) => one.text === 'program_bytes');
            box.dispatchEvent(new Event('change'));""")
        self.assertIn("50,000 bytes", self.texts(".card")[0])
        self.assertEqual(self.browser.console(), [])

    def test_a_click_opens_a_case_with_its_layers(self):
        for selector, index in {".card:nth-child(3) button": 2, "#steps tbody tr:nth-child(2)": 4,
                                "#compare tbody tr:nth-child(7) button": 6}.items():
            self.browser.click(selector)
            self.assertEqual(self.browser.wait(OPEN), self.cases[index]["name"], selector)
            self.browser.key(RIGHT)
            self.browser.wait(f"return location.hash === '#case-{index + 1}'")
            self.browser.key(ESCAPE)
            self.browser.wait("return !document.querySelector('dialog[open]') && !location.hash")
        self.browser.click("#history .runs path:last-child")
        self.assertIn(self.browser.wait(OPEN), [one["name"] for one in self.cases])
        self.open("#case-2")
        self.browser.wait("return document.querySelectorAll('dialog svg').length === 2")
        layers = self.browser.run("return [...document.querySelectorAll('dialog tbody tr')]"
                                  ".map(row => [...row.children].map(cell => cell.textContent))")
        self.assertEqual(layers[0][:4], [self.cases[2]["steps"][0]["layers"][0]["name"], "750,000",
                                         "780,000", "+4.00 %"])
        self.assertEqual(layers[1][:4], ["conv9", "–", "120", "new"])
        self.assertEqual(self.texts("#injected"), [])
        self.assertEqual(self.browser.console(), [])

    def test_light_and_dark_are_readable_on_laptop_and_phone(self):
        self.look("track", lambda browser: self.open(browser=browser))


if __name__ == "__main__":
    unittest.main()
