"""Criteria of quantization: published schemes, accuracy on real photos, calibration, exchange."""
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from acceptance.common import BUILD, ROOT, SHARED, call, line, tests, unit_tests

MODELS = SHARED / "networks" / "models"
IMAGES = SHARED / "images"
IMAGENET = IMAGES / "imagenet500_256"
CIFAR_TRAINING = IMAGES / "cifar10_lossless" / "cifar10_batch_0.png"
CIFAR = IMAGES / "cifar10_lossless" / "cifar10_batch_50.png"
MNIST = IMAGES / "mnist_t10k" / "t10k-images-idx3-ubyte.gz"
MOBILENET = MODELS / "mobilenet_v1_0.25_224" / "mobilenet_v1_0.25_224.onnx"
SQUEEZENET = MODELS / "squeezenet1.1" / "squeezenet1.1_fp32_from_fp16.onnx"

# name, model, images, calibration, points of loss. All images are scored; where the set has no
# other images to calibrate with, the 32 that do are among them (their labels are not looked at).
REAL = [
    ("mobilenet_v1_0.25", MOBILENET, IMAGENET, IMAGENET, 1),
    ("squeezenet1.1", SQUEEZENET, IMAGENET, IMAGENET, 1),
    ("resnet20", MODELS / "resnet20_cifar10" / "resnet20_cifar10.onnx", CIFAR, CIFAR_TRAINING, 0.5),
    ("resnet8", MODELS / "resnet8_cifar10" / "resnet8_cifar10.onnx", CIFAR, CIFAR_TRAINING, 0.5),
    ("mnist", MODELS / "mnist_cnn" / "mnist.onnx", MNIST, MNIST, 0.2),
]


def accuracy(model, images, *arguments, calibration):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "accuracy.json"
        given = ["--calibration", calibration, "--calibration-size", "32", "--calibration-seed", "1"]
        done = call(BUILD / "workbench", "accuracy", model, "--images", images, *given, *arguments,
                    "--json", path)
        if not path.exists():
            return None, (done.stderr.strip().splitlines() or ["no output"])[-1]
        return json.loads(path.read_text()), ""


def percent(fraction):
    return f"{100 * fraction:.1f}"


def points(report):
    low, high = report["difference"]["interval"]
    loss = 100 * (report["float"]["top1"] - report["int8"]["top1"])
    return round(loss, 6), (f"{percent(report['float']['top1'])} -> {percent(report['int8']['top1'])} on "
                  f"{report['images']}, {-100 * high:+.1f}..{-100 * low:+.1f} lost")


def published_collapse():
    for name, model, most in [("mobilenet_v1_0.25", MOBILENET, 5), ("squeezenet1.1", SQUEEZENET, 100)]:
        report, reason = accuracy(model, IMAGENET, "--target", "none", "--scheme", "graffitist",
                                  "--brief", calibration=IMAGENET)
        if report is None:
            line(f"graffitist static, {name}", "runs", reason, False)
            continue
        top1 = 100 * report["int8"]["top1"]
        _, text = points(report)
        line(f"graffitist static, {name}", f"top-1 below {most} %", text, top1 < most)


def per_tensor():
    report, reason = accuracy(MOBILENET, IMAGENET, "--target", "none", "--scheme",
                              "per-tensor-pow2", "--brief", calibration=IMAGENET)
    if report is None:
        line("per tensor, powers of two", "runs", reason, False)
        return
    loss, text = points(report)
    line("per tensor, powers of two", "within 8 points (aim 3)", text, loss <= 8)


def default_recipes():
    for target in ["xdnn", "pulp"]:
        for name, model, images, calibration, most in REAL:
            report, reason = accuracy(model, images, "--target", target, "--brief",
                                      calibration=calibration)
            if report is None:
                line(f"{name}, {target}", f"within {most} points", reason, False)
                continue
            loss, text = points(report)
            golden = report["golden"]
            exact = golden["mismatches"] == 0 and golden["hazards"] == 0 and golden["values"] > 0
            line(f"{name}, {target}", f"within {most} points, bit-exact",
                 text + ("" if exact else ", NOT bit-exact"), loss <= most and exact)


def calibration():
    with tempfile.TemporaryDirectory() as folder:
        before = time.monotonic()
        process = subprocess.Popen(
            [str(BUILD / "workbench"), "quantize", str(SQUEEZENET), "--calibration", str(IMAGENET),
             "--calibration-size", "32", "-o", str(Path(folder) / "squeezenet.onnx")],
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - before
        mebibytes = usage.ru_maxrss / 1024
        line("calibrating squeezenet1.1", "< 60 s, < 1 GiB, 32 images",
             f"{seconds:.1f} s, {mebibytes / 1024:.2f} GiB",
             status == 0 and seconds < 60 and mebibytes < 1024)


def klj():
    done = call(BUILD / "bench" / "klj", SQUEEZENET, IMAGENET, "32")
    for text in done.stdout.splitlines():
        match = re.match(r"(klj\S*) plain_seconds (\S+) fast_seconds (\S+) ratio (\S+) "
                         r"thresholds_equal (\S+)", text)
        if match:
            rule, plain, fast, ratio, equal = match.groups()
            line(f"KL-J, {rule}", ">= 100x, same thresholds",
                 f"{float(ratio):.0f}x ({plain} s, {fast} s), equal: {equal}",
                 float(ratio) >= 100 and equal == "true")


def shipped_files():
    done = call(BUILD / "tests" / "golden_text_test", "--gtest_filter=QuantizerFiles.*")
    scales = re.search(r"quantizer_files channels (\d+) exact (\d+) ties (\d+)", done.stdout)
    if scales:
        channels, exact, ties = map(int, scales.groups())
        others = channels - exact
        line("scales of shipped quantizer files", ">= 99.9 % of channels, rest ties",
             f"{exact} of {channels}, {others} differ ({ties} ties)",
             exact >= 0.999 * channels and done.returncode == 0)
    weights = re.search(r"th_params layers (\d+) of (\d+) identical, channels (\d+)", done.stdout)
    if weights:
        identical, layers, channels = weights.groups()
        line("th_params of googlenet_v1_to_4c", "identical",
             f"{identical} of {layers} layers, {channels} channels", identical == layers)
    if not scales or not weights:
        line("shipped quantizer files", "all", "skipped: they are not there", False)


def check(options):
    del options
    shipped_files()
    if not MODELS.exists():
        line("real models", "all", f"{MODELS} is not there", False)
    else:
        published_collapse()
        per_tensor()
        default_recipes()
        calibration()
        klj()
    unit_tests("quantize_unit_test", "shipped quantizer files, schemes, lowering", "*")
    tests("e2e", "goldens of NEMO, Quantlab, Deeploy", "PulpGolden|PublishedNetworks|PulpNetworks")
