#!/usr/bin/env python3
"""Accuracy of the default recipe beside the single recipes, over networks and calibration seeds, as
a table in Markdown.

usage: bench/recipes.py [--target xdnn|pulp] [--hw NAME] [--seeds 1,2,3,4,5] [--limit 1000]
                        [--recipes default,...] [--options "--weight-bits 4"] NETWORK=IMAGES ...

IMAGES are labelled, as --images of accuracy takes them; those that calibrate (32 seeded ones) are not scored. Without
networks: those of ../shared (WORKBENCH_SHARED). Points are those of top-1 that are lost against the
float network, the mean over the seeds and the worst; the last column says by how much the default
loses more than the best single recipe of that network, in the mean. WORKBENCH: the program.
"""
import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORKBENCH = os.environ.get("WORKBENCH", str(ROOT / "build" / "release" / "workbench"))
SHARED = pathlib.Path(os.environ.get("WORKBENCH_SHARED", str(ROOT / ".." / "shared")))
RECIPES = "default,per-channel,xfdnn,per-channel-pow2,per-tensor-pow2-clip-safe"


def shared_networks():
    models, images = SHARED / "networks" / "models", SHARED / "images"
    return [f"{models / name / name}.onnx={images / folder}" for name, folder in [
        ("resnet8_cifar10", "cifar10_lossless/cifar10_batch_50.png"),
        ("resnet20_cifar10", "cifar10_lossless/cifar10_batch_50.png"),
        ("mobilenet_v1_0.25_224", "imagenet500_256"), ("squeezenet1.1", "imagenet500_256")]]


def points_lost(network, images, recipe, seed, options):
    """None where the recipe does not apply."""
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.json")
        command = [WORKBENCH, "accuracy", network, "--images", images, "--brief", "--target",
                   options.target, "--scheme", recipe, "--calibration-seed", str(seed), "--limit",
                   str(options.limit), "--golden-images", "1", "--json", report,
                   *(["--hw", options.hw] if options.hw else []), *shlex.split(options.options)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 2:
            print(f"{recipe}: {done.stderr.strip()}", file=sys.stderr)
            return None
        if done.returncode != 0:
            sys.exit(f"{shlex.join(command)}: {done.stdout[-2000:]}{done.stderr}")
        with open(report, encoding="utf-8") as file:
            return 0.0 - 100 * json.load(file)["difference"]["top1"]


def cell(losses):
    if not losses:
        return "-"
    return f"{sum(losses) / len(losses):.2f} ({max(losses):.1f})"


def row(network, images, options):
    losses = {}
    for recipe in options.recipes:
        found = [points_lost(network, images, recipe, seed, options) for seed in options.seeds]
        losses[recipe] = [one for one in found if one is not None]
    means = {recipe: sum(found) / len(found) for recipe, found in losses.items() if found}
    others = [mean for recipe, mean in means.items() if recipe != "default"]
    more = f"{means['default'] - min(others):+.2f}" if "default" in means and others else "-"
    cells = [pathlib.Path(network).stem, *(cell(losses[recipe]) for recipe in options.recipes), more]
    return "| " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--target", default="xdnn")
    parser.add_argument("--hw", default="")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--recipes", default=RECIPES)
    parser.add_argument("--options", default="")
    options = parser.parse_args()
    options.seeds = [int(seed) for seed in options.seeds.split(",")]
    options.recipes = options.recipes.split(",")
    print("| network | " + " | ".join(options.recipes) + " | default worse by |")
    print("|---" * (len(options.recipes) + 2) + "|")
    for pair in options.networks or shared_networks():
        network, _, images = pair.rpartition("=")
        if not network:
            sys.exit(f"{pair}: expected NETWORK=IMAGES")
        print(row(network, images, options), flush=True)


if __name__ == "__main__":
    main()
