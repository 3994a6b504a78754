"""`cmake --install`, the installed command, and a CMake project that finds the library."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ["WORKBENCH_BUILD"])


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.prefix = Path(cls.folder.name) / "prefix"
        done = run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        assert done.returncode == 0, done.stdout + done.stderr

    def succeed(self, *command):
        done = run(*command)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def test_the_installed_command_runs_and_finds_its_machines(self):
        text = self.succeed(self.prefix / "bin" / "workbench", "run", "--hw", "v3_96", "--brief",
                            "zoo:tiny_cnn")
        self.assertIn("bit-exact", text)
        self.assertTrue((self.prefix / "share" / "workbench" / "configs" / "gap8.yaml").exists())

    def test_another_project_compiles_a_network_through_the_library(self):
        build = Path(self.folder.name) / "build"
        self.succeed("cmake", "-S", ROOT / "docs" / "examples" / "library", "-B", build,
                     f"-DCMAKE_PREFIX_PATH={self.prefix}", "-DCMAKE_BUILD_TYPE=Release")
        self.succeed("cmake", "--build", build)
        machine = self.prefix / "share" / "workbench" / "configs" / "gap8.yaml"
        theirs = self.succeed(build / "cycles", machine, "zoo:tiny_cnn")
        ours = self.succeed(BUILD / "workbench", "run", "--hw", "gap8", "--brief", "zoo:tiny_cnn")
        cycles = next(line.split()[1] for line in ours.splitlines() if line.startswith("cycles "))
        self.assertEqual(theirs.split()[0], cycles.replace(",", ""))


if __name__ == "__main__":
    unittest.main()
