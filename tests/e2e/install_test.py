"""`cmake --install`, the Debian packages and the Python wheel, each in a fresh place where the source
tree and the build tree are not to be found."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ["WORKBENCH_BUILD"])
HIDE = ["unshare", "--map-root-user", "--mount", "sh", "-c",
        'mount -t tmpfs none "$0" && cd / && exec "$@"']


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True)


def away(*command):
    """The command where an empty folder is in the place of the source tree."""
    return [*HIDE, ROOT, *command]


CAN_HIDE = run(*away("true")).returncode == 0


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = Path(cls.temporary.name)
        cls.prefix = cls.folder / "prefix"
        done = run("cmake", "--install", BUILD, "--prefix", cls.prefix)
        assert done.returncode == 0, done.stdout + done.stderr

    def setUp(self):
        if not CAN_HIDE:
            self.skipTest("no mount namespaces here: the source tree cannot be moved away")

    def succeed(self, *command):
        done = run(*command)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def runs_both_families(self, command):
        self.assertFalse(run(*away("test", "-e", ROOT / "configs")).returncode == 0)
        for machine in "v3_96", "gap8":
            text = self.succeed(*away(command, "run", "--hw", machine, "--technology", "default",
                                      "--brief", "zoo:tiny_cnn", "--html", self.folder / "r.html"))
            self.assertIn("bit-exact", text)
        self.assertIn("gap8", self.succeed(*away(command, "validate", "--hw", "gap8")))
        version = self.succeed(*away(command, "--version"))
        self.assertRegex(version, r"^workbench [\d.]+\nrevision  ([0-9a-f]{12}|unknown)\n"
                                  r"compiler  g\+\+ .+\nSystemC   [\d.]+\nONNX      [\d.]+\n$")

    def test_the_installed_command_needs_no_source_tree(self):
        self.runs_both_families(self.prefix / "bin" / "workbench")

    def runs_the_detailed_tier(self, prefix):
        if shutil.which("riscv64-unknown-elf-gcc") is None:
            self.skipTest("no riscv64-unknown-elf-gcc here")
        command = prefix / "bin" / "workbench"
        text = self.succeed(*away(command, "run", "--hw", "pulp_open", "zoo:tiny_cnn", "--brief",
                                  "--tier", "detailed"))
        self.assertIn("bit-exact", text)
        example = prefix / "share" / "workbench" / "examples" / "kernel"
        build = self.folder / "kernel"
        build.mkdir(exist_ok=True)
        self.succeed(*away("make", "-s", "-C", build, "-f", example / "Makefile"))
        text = self.succeed(*away(command, "execute", build / "kernel.elf", "--profile"))
        self.assertIn("0 of 64 results differ", text)
        self.assertIn("sum += in[k] * row[k];", text)

    def test_the_installed_command_runs_the_detailed_tier(self):
        self.runs_the_detailed_tier(self.prefix)

    def test_another_project_compiles_a_network_through_the_library(self):
        build, source = self.folder / "build", self.folder / "library"
        shutil.copytree(ROOT / "docs" / "examples" / "library", source)
        self.succeed(*away("cmake", "-S", source, "-B", build,
                           f"-DCMAKE_PREFIX_PATH={self.prefix}", "-DCMAKE_BUILD_TYPE=Release"))
        self.succeed(*away("cmake", "--build", build))
        machine = self.prefix / "share" / "workbench" / "configs" / "gap8.yaml"
        theirs = self.succeed(*away(build / "cycles", machine, "zoo:tiny_cnn"))
        ours = self.succeed(BUILD / "workbench", "run", "--hw", "gap8", "--brief", "zoo:tiny_cnn")
        cycles = next(line.split()[1] for line in ours.splitlines() if line.startswith("cycles "))
        self.assertEqual(theirs.split()[0], cycles.replace(",", ""))

    def test_the_debian_packages_are_clean_and_run(self):
        for tool in "cpack", "dpkg-deb", "lintian":
            if shutil.which(tool) is None:
                self.skipTest(f"no {tool} here")
        packages = self.folder / "packages"
        self.succeed("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", packages)
        found = sorted(packages.glob("*.deb"))
        self.assertEqual([path.name.split("_")[0] for path in found],
                         ["libworkbench-dev", "workbench"])
        for package in found:
            self.assertEqual(self.succeed("lintian", "--allow-root", package), "")
            self.succeed("dpkg-deb", "-x", package, self.folder / "system")
        self.runs_both_families(self.folder / "system" / "usr" / "bin" / "workbench")
        self.runs_the_detailed_tier(self.folder / "system" / "usr")

    def test_the_wheel_imports_and_runs(self):
        if not (BUILD / "wheel" / "setup.py").exists():
            self.skipTest("configured without the Python module: no wheel")
        self.succeed("cmake", "--build", BUILD, "--target", "wheel")
        wheels = list((BUILD / "wheel").glob("*.whl"))
        place = self.folder / "site"
        self.succeed(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps",
                     "--target", place, wheels[0])
        program = (f"import sys; sys.path.insert(0, {str(place)!r}); import workbench; "
                   "run = workbench.run('zoo:tiny_cnn', hw='gap8'); print(run.bit_exact)")
        self.assertEqual(self.succeed(*away(sys.executable, "-c", program)).strip(), "True")


if __name__ == "__main__":
    unittest.main()
