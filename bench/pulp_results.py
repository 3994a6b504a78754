#!/usr/bin/env python3
"""Cycles of PULP programs by DORY's tiles and by ours, as rows of a Markdown table, and the geometric
mean of the ratio. Networks that DORY's rules refuse, or no cluster runs, are listed behind it.

usage: bench/pulp_results.py [--build DIR] [--hw MACHINE ...] NETWORK ...
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time


def label(path):
    name = os.path.basename(path)
    generic = name in ("model_int.onnx", "network.onnx", "model.onnx")
    return os.path.basename(os.path.dirname(path)) if generic else os.path.splitext(name)[0]


def totals(workbench, machine, network, tiler):
    """The report's totals and the seconds that compiling took; or the error, as text."""
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.json")
        command = [workbench, "run", "--hw", machine, "--tiler", tiler, "--timing-only", "--brief",
                   "--json", report, network]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            return done.stderr.strip().splitlines()[-1]
        with open(report) as file:
            run = json.load(file)
    begin = time.monotonic()
    subprocess.run([workbench, "compile", "--hw", machine, "--tiler", tiler, network],
                   capture_output=True)
    return run["totals"], time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--hw", nargs="+", default=["pulp_open", "gap8"])
    parser.add_argument("networks", nargs="+")
    args = parser.parse_args()
    workbench = os.path.join(args.build, "workbench")
    ratios, missing = [], []
    print("| network | machine | DORY's tiles | ours | ratio | MAC/cycle | seconds |")
    print("|---|---|---|---|---|---|---|")
    for network in args.networks:
        for machine in args.hw:
            theirs, ours = (totals(workbench, machine, network, t) for t in ("dory", "optimal"))
            faults = [text for text in (theirs, ours) if isinstance(text, str)]
            if faults or ours[0]["cycles"] == 0:
                missing.append(f"{label(network)} on {machine}: {(faults or ['host only'])[0]}")
                continue
            ratio = theirs[0]["cycles"] / ours[0]["cycles"]
            ratios.append(ratio)
            print(f"| {label(network)} | {machine} | {theirs[0]['cycles']} | {ours[0]['cycles']} "
                  f"| {ratio:.2f} | {ours[0]['mac_per_cycle']:.2f} | {ours[1]:.2f} |")
            sys.stdout.flush()
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"\n{len(ratios)} programs: {mean:.3f} times as fast (geometric mean), "
              f"at least {min(ratios):.3f}.")
    for line in missing:
        print(f"Missing: {line}")


if __name__ == "__main__":
    main()
