"""Runs every command of README.md and holds its output against what the README shows.

A block begins with ```console; `$ ` lines are commands, the lines below what they print, `...`
stands for any number of lines. `readme_test.py --rebase` writes the true output into the README.
"""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import ROOT

README = ROOT / "README.md"
FENCE = "```console"
# This test is a part of what it would start.
NOT_RUN = ["scripts/test"]


class Block:
    """The commands of one fenced block, each with the output lines the README shows."""

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


def is_exact(line):
    """Wall times vary, and float sums depend on how wide the CPU's vectors are."""
    return not line.startswith(("wall ", "signal to noise ", "prob, "))


def run(command, folder):
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True,
                          timeout=600)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stderr}")
    return done.stdout.splitlines()


def stage(folder):
    """A folder that looks like the repository and can be written to."""
    for entry in ROOT.iterdir():
        if entry.name.startswith("workbench.db"):  # somebody's results
            continue
        (Path(folder) / entry.name).symlink_to(entry)


def shown_part(shown, real):
    """`real` cut as `shown` is: as many lines before the first `...`, and after it."""
    if "..." not in shown:
        return real
    head = shown.index("...")
    tail = len(shown) - head - 1
    return real[:head] + ["..."] + (real[-tail:] if tail else [])


def comparable(lines):
    return [line for line in lines if is_exact(line)]


class Readme(unittest.TestCase):
    def test_every_command_prints_what_the_readme_shows(self):
        with tempfile.TemporaryDirectory() as folder:
            stage(folder)
            for block in blocks(README.read_text()):
                for command, shown in block.commands:
                    if command in NOT_RUN:
                        continue
                    with self.subTest(command):
                        real = run(command, folder)
                        self.assertEqual(comparable(shown), comparable(shown_part(shown, real)))


def rebase():
    text = README.read_text()
    fresh = []  # (first line, number of lines now, new lines)
    with tempfile.TemporaryDirectory() as folder:
        stage(folder)
        for block in blocks(text):
            new = []
            for command, shown in block.commands:
                real = shown if command in NOT_RUN else shown_part(shown, run(command, folder))
                new += ["$ " + command, *real]
            old = sum(1 + len(shown) for _, shown in block.commands)
            fresh.append((block.first_line, old, new))
    lines = text.splitlines()
    for first, old, new in reversed(fresh):
        lines[first:first + old] = new
    README.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--rebase"]:
        rebase()
    else:
        unittest.main()
