#!/usr/bin/env python3
"""Times `workbench run` against bench/forward_pass on the same network and prints the ratios.

usage: bench/run_speed.py [MODEL] [BUILD_DIR]   (default: zoo:resnet50 build/release)
"""
import os
import subprocess
import sys
import time

REPETITIONS = 3


def best_seconds(command):
    best = float("inf")
    for _ in range(REPETITIONS):
        begin = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        best = min(best, time.monotonic() - begin)
    return best


def main():
    model = sys.argv[1] if len(sys.argv) > 1 else "zoo:resnet50"
    build = sys.argv[2] if len(sys.argv) > 2 else "build/release"
    text = subprocess.run([os.path.join(build, "bench", "forward_pass"), model], check=True,
                          capture_output=True, text=True).stdout
    reference = dict(line.split() for line in text.splitlines())
    forward = float(reference["forward_seconds"])
    run = [os.path.join(build, "workbench"), "run", "--hw", "v3_96", model, "--golden"]
    off, on = best_seconds(run + ["off"]), best_seconds(run + ["on"])
    print(text, end="")
    print(f"{'run_golden_off_seconds':<22} {off:.3f}")
    print(f"{'run_golden_on_seconds':<22} {on:.3f}")
    print(f"{'ratio_golden_off':<22} {off / forward:.2f}")
    print(f"{'ratio_golden_on':<22} {on / forward:.2f}")


if __name__ == "__main__":
    main()
