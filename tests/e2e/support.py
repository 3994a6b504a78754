"""Runs the built binary (environment variable WORKBENCH) in a folder of its own."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKBENCH = os.environ.get("WORKBENCH", str(ROOT / "build" / "release" / "workbench"))

# A test neither finds nor leaves anything in the user's folders.
os.environ["WORKBENCH_CACHE"] = "none"


class WorkbenchTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def workbench(self, *arguments, environment=None):
        return subprocess.run([WORKBENCH, *map(str, arguments)], cwd=self.folder,
                              capture_output=True, text=True, timeout=300, env=environment)

    def start(self, *arguments):
        """The running process: communicate() ends it."""
        return subprocess.Popen([WORKBENCH, *map(str, arguments)], cwd=self.folder, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def succeed(self, *arguments):
        """The finished process; fails the test with its output unless the exit code is 0."""
        done = self.workbench(*arguments)
        self.assertEqual(done.returncode, 0, f"{arguments}\n{done.stdout}\n{done.stderr}")
        return done
