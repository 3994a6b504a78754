"""What every acceptance test does: call the program, read its report, print one line per criterion."""
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORKBENCH = ROOT / "scripts" / "workbench"
BUILD = ROOT / "build" / "release"
SHARED = ROOT / os.environ.get("WORKBENCH_SHARED", "../shared")

os.environ["WORKBENCH_CACHE"] = "none"  # times are of the whole work
failures = 0


def line(criterion, asked, measured, passed):
    global failures
    failures += not passed
    print(f"{criterion:<34} asked {asked:<34} measured {measured:<44} "
          f"{'pass' if passed else 'SHORT'}", flush=True)


def call(*command):
    return subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)


def run(*arguments, hw="v3_96"):
    """The report of a run, or None and the reason when it was refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        done = call(BUILD / "workbench", "run", "--hw", hw, *arguments, "--brief", "--json", path)
        if not path.exists():
            return None, (done.stderr.strip().splitlines() or ["no output"])[-1]
        return json.loads(path.read_text()), ""


def is_exact(report):
    verdict = report["verdict"]
    return verdict["bit_exact"] is True and verdict["hazards"] == 0


def zoo_names():
    listing = call(WORKBENCH, "workload", "--list").stdout.splitlines()[1:]
    return [entry.split()[0] for entry in listing]


def tests(label, criterion, pattern):
    """Tests of the release tree, which ctest knows."""
    done = call("ctest", "--test-dir", BUILD, "-L", label, "-R", pattern, "--no-tests=error")
    summary = [text for text in done.stdout.splitlines() if "tests passed" in text]
    line(criterion, "all pass", summary[0] if summary else "no such tests", done.returncode == 0)


def unit_tests(executable, criterion, pattern):
    """Unit tests that match a GoogleTest pattern. scripts/test compiles them in the sanitizer tree;
    here they are built by name beside the released binary."""
    target = f"tests/{executable}"
    built = call("ninja", "-C", BUILD, target)
    done = call(BUILD / target, f"--gtest_filter={pattern}")
    passed = re.search(r"\[  PASSED  \] (\d+) test", done.stdout)
    count = int(passed[1]) if passed and built.returncode == 0 else 0
    line(criterion, "all pass", f"{count} tests passed, exit {done.returncode}",
         count > 0 and done.returncode == 0)
