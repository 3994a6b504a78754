"""Runs the built binary (environment variable WORKBENCH) in a folder of its own."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKBENCH = os.environ.get("WORKBENCH", str(ROOT / "build" / "release" / "workbench"))
# Real networks, images and programs, which may not be there.
SHARED = ROOT / os.environ.get("WORKBENCH_SHARED", "../shared")

# A test neither finds nor leaves anything in the user's folders.
os.environ["WORKBENCH_CACHE"] = "none"


def signal_after(count, signal, group=False):
    """The environment of a sweep that signals itself once it has stored `count` points, or of a
    worker once that many are in its file: the same moment each time."""
    plan = f"{count}:{signal}{':group' if group else ''}"
    return {**os.environ, "WORKBENCH_SIGNAL_AFTER": plan}


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)


class WorkbenchTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def workbench(self, *arguments, environment=None):
        return subprocess.run([WORKBENCH, *map(str, arguments)], cwd=self.folder,
                              capture_output=True, text=True, timeout=300, env=environment)

    def start(self, *arguments, **options):
        """The running process: communicate() ends it. Options are subprocess.Popen's."""
        return subprocess.Popen([WORKBENCH, *map(str, arguments)], cwd=self.folder, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def succeed(self, *arguments):
        """The finished process; fails the test with its output unless the exit code is 0."""
        done = self.workbench(*arguments)
        self.assertEqual(done.returncode, 0, f"{arguments}\n{done.stdout}\n{done.stderr}")
        return done
