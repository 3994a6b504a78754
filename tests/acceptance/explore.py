"""Criteria of exploring and guarding: sweeps, kills, Slurm, tracking, reports."""
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from acceptance.common import BUILD, ROOT, call, line, tests

E2E = ROOT / "tests" / "e2e"
JOBS = 2

# 5 x 10 x 5 x 4 points; half of the memories are too small for the network as it is.
CARD = ["--hw", "v3_96", "--set", "dsp=32,48,64,96,128",
        "--set", "memory=0.5,1,1.5,2,3,4,6,9,12,16", "--set", "bandwidth=3.2,6.4,9.6,12.8,19.2",
        "--set", "engines=1,2,3,4", "zoo:resnet50"]
# 25 x 8 points.
CLUSTER = ["--hw", "gap8", "--set", "l1=16k..64k:2k", "--set", "cores=1..8",
           "zoo:mobilenet_v1?resolution=128"]
# Small enough to simulate a sample of it in a minute; engines get in each other's way.
SMALL_CARD = ["--hw", "v3_96", "--set", "dsp=32,48,64,96", "--set", "memory=1,2,9",
              "--set", "bandwidth=3.2,9.6,19.2", "--set", "engines=1,2,4",
              "--set", "board.ddr_banks=1", "zoo:resnet50?resolution=128"]


def sweep(folder, *arguments):
    """Seconds, the JSON report, and what went wrong."""
    report = Path(folder) / "report.json"
    begin = time.monotonic()
    done = call(BUILD / "workbench", "sweep", *arguments, "--store", Path(folder) / "store.db",
                "--json", report, "-j", JOBS)
    seconds = time.monotonic() - begin
    if done.returncode != 0 or not report.exists():
        return seconds, None, (done.stderr.strip().splitlines() or ["no output"])[-1]
    return seconds, json.loads(report.read_text()), ""


def speed(criterion, asked, limit, points, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        seconds, report, reason = sweep(folder, *arguments)
    if report is None:
        line(criterion, asked, reason, False)
        return
    status = [point["status"] for point in report["points"]]
    inexact = sum(point["bit_exact"] is False for point in report["points"])
    good = len(status) == points and status.count("failed") == 0 and inexact == 0
    line(criterion, asked, f"{seconds:.1f} s, {len(status)} points, "
         f"{status.count('infeasible')} infeasible, {status.count('failed')} failed",
         good and seconds < limit)


def described(report, index):
    point = report["points"][index]
    return " ".join(f"{name}={point['settings'][name]}" for name in report["parameters"])


def ranks(name, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        _, report, reason = sweep(folder, *arguments, "--refine", "--sample", "30")
    if report is None or not report["agreement"]:
        line(f"ranks of the tiers, {name}", "Kendall tau >= 0.9", reason or "nothing refined", False)
        return
    one = report["agreement"][0]
    refined = [point for point in report["points"] if point["tier"] == "transaction"]
    exact = all(point["bit_exact"] is True for point in refined if point["status"] == "ok")
    line(f"ranks of the tiers, {name}", "Kendall tau >= 0.9, bit-exact",
         f"{one['kendall_tau']:.3f} on {one['points']} points, mean error "
         f"{100 * one['mean_absolute_error']:.1f} %, {len(one['swaps'])} order changes",
         one["kendall_tau"] >= 0.9 and exact and len(refined) > 0)
    for swap in one["swaps"][:5]:
        first, second = (swap.values() if isinstance(swap, dict) else swap)
        print(f"    contention changes the order: {described(report, first)} | "
              f"{described(report, second)}")


def python_test(name, **environment):
    return subprocess.run(["/usr/bin/python3", E2E / f"{name}_test.py", "-v"], cwd=ROOT, text=True,
                          capture_output=True,
                          env={**os.environ, "WORKBENCH": str(BUILD / "workbench"), **environment})


def kills():
    done = python_test("sweep_kill", MOMENTS="20")
    found = re.search(r"killed_sweeps moments (\d+) points (\d+)", done.stdout)
    line("kill -9 of the sweep, resumed", "20 moments, same CSV bytes",
         f"{found[1]} moments, {found[2]} points, same" if found else "CSV differs, or no resume",
         done.returncode == 0 and found is not None)


def slurm():
    done = python_test("sweep_slurm")
    passed = re.findall(r"^test_(\w+) .*\.\.\. ok$", done.stderr, re.MULTILINE)
    for test, criterion in [("the_same_sweep_gives_the_same_csv", "the same sweep through Slurm"),
                            ("a_killed_task_is_submitted_again", "Slurm, a task killed"),
                            ("a_killed_sweep_goes_on_where_its_tasks_were",
                             "Slurm, the sweep killed")]:
        skipped = "skipped" in done.stderr
        line(criterion, "same CSV", "same" if test in passed else
             "skipped: no cluster can be started" if skipped else "differs", test in passed)


def tracking():
    done = python_test("track", TRACK_REPEATS="20")
    passed = re.findall(r"^test_(\w+) .*\.\.\. ok$", done.stderr, re.MULTILINE)
    line("track compare, an engine 1 % slower", "fails, names the layers",
         "flagged" if any("one_percent" in test for test in passed) else "not flagged",
         any("one_percent" in test for test in passed))
    line("track compare, unchanged tree", "silent in 20 repeats",
         "silent" if any("unchanged" in test for test in passed) else "not silent",
         any("unchanged" in test for test in passed))
    tests("e2e", "the project tracks itself", "^track_self$")


def check(options):
    del options
    speed("1,000 analytic points, resnet50", "< 60 s on 2 CPUs", 60, 1000, *CARD)
    speed("200 transaction points, mobilenet", "< 300 s, bit-exact", 300, 200, *CLUSTER, "--tier",
          "transaction")
    ranks("PULP", *CLUSTER)
    ranks("xDNN", *SMALL_CARD)
    kills()
    slurm()
    tracking()
    tests("e2e", "reports in a browser", "e2e_(run|sweep|track|accuracy)_page")
    tests("e2e", "store, Python, bad input", "e2e_(store|sweep|python)$")
    tests("timing", "energy within published figures", "Energy")
