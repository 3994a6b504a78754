"""Criteria of the main job: published networks and real models on xDNN V3, exact and fast."""
import json
import os
import subprocess
import tempfile
from pathlib import Path

from acceptance.common import (BUILD, ROOT, SHARED, call, is_exact, line, run, tests, zoo_names)

MODELS = SHARED / "networks" / "models"
LOSS_MAX = 2  # percentage points of top-1, int8 against float


def published_networks():
    asked = {"resnet50": (7719276544, 287.04), "googlenet_v1": (3176103168, 802.95)}
    for name, (ops, rate) in asked.items():
        report, reason = run(f"zoo:{name}", hw="configs/v3_96.yaml")
        if report is None:
            line(f"{name}", "bit-exact", reason, False)
            continue
        found = report["network"]["ops"]
        line(f"{name} verdict and ops", f"bit-exact, {ops}",
             f"{'bit-exact' if is_exact(report) else 'MISMATCH'}, {found}",
             is_exact(report) and found == ops)
        images = report["totals"]["engine_images_per_second"]
        line(f"{name} images/s", f"{rate} within 15 %", f"{images:.2f} ({images / rate - 1:+.1%})",
             abs(images / rate - 1) <= 0.15)


def zoo():
    exact, too_large, wrong = [], [], []
    for name in zoo_names():
        report, reason = run(f"zoo:{name}")
        if report is None and "bytes" in reason:  # does not fit: says with what layer and why
            too_large.append(name)
        elif report is not None and is_exact(report):
            exact.append(name)
        else:
            wrong.append(name)
    note = f"{len(exact)} bit-exact, {len(too_large)} do not fit"
    line("zoo", "every network that fits 9 MB", note + (f", wrong: {wrong}" if wrong else ""),
         not wrong)


def real_models(count):
    """tests/e2e/real_models_test.cpp scores them: one photo of each against golden, value by value, and
    `count` photos in float and int8; it prints a line per labelled model."""
    if not MODELS.exists():
        line("real models", "bit-exact, top-1 kept", f"{MODELS} is not there", False)
        return
    environment = {**os.environ, "WORKBENCH_IMAGES": str(count)}
    done = subprocess.run([BUILD / "tests" / "networks_test",
                           "--gtest_filter=*LabelledModel*:UnlabelledModel.*"],
                          cwd=ROOT, env=environment, capture_output=True, text=True)
    line("real models, one photo each", "bit-exact, no hazard", f"test exit {done.returncode}",
         done.returncode == 0)
    for text in done.stdout.splitlines():
        if not text.startswith("model "):
            continue
        words = text.split()
        figures = dict(zip(words[2::2], words[3::2]))
        loss = float(figures["float.top1"]) - float(figures["int8.top1"])
        line(f"{words[1]}, {figures['images']} images", f"int8 top-1 loss <= {LOSS_MAX} points",
             f"{loss:.1f}: float {figures['float.top1']}, int8 {figures['int8.top1']}, agree "
             f"{figures['agreement']}", loss <= LOSS_MAX)


def speed():
    done = call(ROOT / "bench" / "run_speed.py", "zoo:resnet50", BUILD)
    figures = dict(entry.split() for entry in done.stdout.splitlines())
    share = float(figures["percent_of_gemm"])
    line("speed reference", ">= 40 % of a bare GEMM's rate",
         f"{figures['forward_gflops']} of {figures['gemm_gflops']} GFLOP/s, {share:.0f} %",
         share >= 40)
    for golden, limit in [("off", 3), ("on", 8)]:
        ratio = float(figures[f"ratio_golden_{golden}"])
        line(f"run resnet50, golden {golden}", f"<= {limit}x a float forward pass",
             f"{ratio:.2f}x", ratio <= limit)


def memory():
    done = call("/usr/bin/env", "python3", "-c",
                "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
                "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); "
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)",
                BUILD / "workbench", "run", "--hw", "v3_96", "zoo:resnet152", "--brief")
    kilobytes = int(done.stdout or 0)
    line("peak memory, resnet152", "< 2 GiB", f"{kilobytes / 2**20:.2f} GiB",
         0 < kilobytes < 2 * 2**20)


def byte_identity():
    outputs = []
    with tempfile.TemporaryDirectory() as folder:
        for attempt in ["a", "b"]:
            files = [Path(folder) / f"{attempt}.{kind}" for kind in ["json", "trace", "program"]]
            call(BUILD / "workbench", "run", "--hw", "v3_96", "zoo:resnet50", "--deterministic",
                 "--json", files[0], "--trace", files[1], "--save-program", files[2])
            outputs.append([file.read_bytes() if file.exists() else None for file in files])
    same = outputs[0] == outputs[1] and None not in outputs[0]
    line("two runs of resnet50", "identical JSON, trace, program",
         "identical" if same else "different", same)


def covered_lines():
    """(covered, all) lines of the xDNN compiler and semantics, by the random networks alone."""
    build = ROOT / "build" / "coverage"
    call("cmake", "--preset", "coverage")
    if call("ninja", "-C", build, "xdnn_property_test").returncode != 0:
        return 0, 0
    for stale in build.rglob("*.gcda"):
        stale.unlink()
    call(build / "tests" / "xdnn_property_test",
         "--gtest_filter=*RandomNetworks*:SixteenBits.*:RandomPrograms.*:Simulation.*")
    hits = {}
    for data in build.rglob("*.gcda"):
        if not any(part in str(data) for part in ["compiler/xdnn", "isa/xdnn"]):
            continue
        report = json.loads(call("gcov", "--json-format", "--stdout", data).stdout or '{"files":[]}')
        for file in report["files"]:
            name = os.path.relpath(file["file"], ROOT)
            if not name.startswith("compiler/xdnn/") and not name.endswith("semantics.cpp"):
                continue
            for entry in file["lines"]:
                key = (name, entry["line_number"])
                hits[key] = hits.get(key, 0) + entry["count"]
    return sum(count > 0 for count in hits.values()), len(hits)


def coverage():
    covered, total = covered_lines()
    share = covered / total if total else 0
    line("coverage by random networks", ">= 95 % of compiler and semantics",
         f"{share:.1%} of {total} lines", share >= 0.95)


def check(options):
    published_networks()
    zoo()
    real_models(options.images)
    speed()
    memory()
    tests("property", "random networks x machines", "RandomNetworks|RandomPrograms|Simulation")
    tests("timing", "timing derived by hand", ".")
    tests("golden", "ONNX node tests", "Onnx|onnx")
    byte_identity()
    if not options.no_coverage:
        coverage()
