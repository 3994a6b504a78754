"""Runs every command of README.md and of the pages in docs/, and compares what it prints.

A block begins with ```console; `$ ` lines are commands, the lines below what they print, `...`
stands for any number of lines. All commands of a page run in one folder, in order. `pages_test.py
--rebase [PAGE...]` writes the true output into the pages.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support import ROOT, WORKBENCH

FENCE = "```console"
# This test is a part of what it would start.
NOT_RUN = ["scripts/test"]
# store_test.py runs the one, the other needs npm packages.
OTHER_PAGES = ["docs/store.md", "docs/oracle.md"]
# Pages whose commands call a program that a machine may be without.
NEEDS = {"docs/tutorials/low-bits.md": "workbench-retrain",
         "docs/tutorials/profile-a-kernel.md": "riscv64-unknown-elf-gcc"}

os.environ["PATH"] = f"{Path(WORKBENCH).parent}:/usr/bin:{os.environ['PATH']}"


def pages():
    """Paths from the root of all pages with commands."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    names = [str(page.relative_to(ROOT)) for page in found if FENCE in page.read_text()]
    return [name for name in names if name not in OTHER_PAGES]


class Block:
    """The commands of one fenced block, each with the output lines the page shows."""

    def __init__(self, first_line):
        self.first_line = first_line
        self.commands = []

    def add(self, line):
        if line.startswith("$ "):
            self.commands.append((line[2:], []))
        else:
            self.commands[-1][1].append(line)


def blocks(text):
    result, inside = [], False
    for number, line in enumerate(text.splitlines()):
        if not inside and line == FENCE:
            result.append(Block(number + 1))
            inside = True
        elif inside and line == "```":
            inside = False
        elif inside:
            result[-1].add(line)
    return result


def comparable(lines):
    """All but wall times."""
    return [line for line in lines if not line.startswith("wall ")]


def run(command, folder):
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True,
                          timeout=600)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stderr}")
    return done.stdout.splitlines()


def stage(folder):
    """A folder that looks like the repository and can be written to."""
    for entry in ROOT.iterdir():
        if not entry.name.startswith("workbench.db"):  # results of other runs
            (Path(folder) / entry.name).symlink_to(entry)
    if Path(WORKBENCH) != ROOT / "build" / "release" / "workbench":
        scripts = Path(folder) / "scripts"
        scripts.unlink()
        scripts.mkdir()
        (scripts / "workbench").symlink_to(WORKBENCH)


def shown_part(shown, real):
    """`real` cut as `shown` is: as many lines before the first `...`, and after it."""
    if "..." not in shown:
        return real
    head = shown.index("...")
    tail = len(shown) - head - 1
    return real[:head] + ["..."] + (real[-tail:] if tail else [])


def outputs(page):
    """Per block, per command: (command, shown lines, printed lines cut alike)."""
    with tempfile.TemporaryDirectory() as folder:
        stage(folder)
        return [(block, [(command, shown, shown if command in NOT_RUN
                          else shown_part(shown, run(command, folder)))
                         for command, shown in block.commands])
                for block in blocks((ROOT / page).read_text())]


def lacks(page):
    return page in NEEDS and shutil.which(NEEDS[page]) is None


class Pages(unittest.TestCase):
    def test_every_command_prints_what_its_page_shows(self):
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            started = [(page, None if lacks(page) else pool.submit(outputs, page))
                       for page in pages()]
            for page, ran in started:
                with self.subTest(page):
                    if ran is None:
                        self.skipTest(f"{page}: {NEEDS[page]} is not installed")
                    for _, commands in ran.result():
                        for command, shown, real in commands:
                            with self.subTest(f"{page}: {command}"):
                                self.assertEqual(comparable(shown), comparable(real))


def rebase(page):
    lines = (ROOT / page).read_text().splitlines()
    for block, commands in reversed(outputs(page)):
        old = sum(1 + len(shown) for _, shown, _ in commands)
        new = [line for command, _, real in commands for line in ["$ " + command, *real]]
        lines[block.first_line:block.first_line + old] = new
    (ROOT / page).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rebase"]:
        for page in sys.argv[2:] or pages():
            rebase(page)
    else:
        unittest.main()
