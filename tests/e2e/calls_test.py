"""Kernel calls take what the model says: random calls of the kernels of runtime/pulp in both tiers
(bench/pulp_calls.sh), on machines whose banks have no conflicts, of shapes that constants were not counted with; and the
calls of whole networks, with conflicts (bench/pulp_tiers.sh)."""
import os
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import ROOT, SHARED

BUILD = Path(os.environ["WORKBENCH"]).parent


def window(draw, largest):
    kernel = draw.randint(2, largest)
    return kernel, draw.randint(0, kernel // 2), draw.randint(1, 2), draw.randint(kernel, 11)


def norm(draw, bits=8):
    """Of bytes half of the calls in 64 bits, shifted by one half of them or into it."""
    if bits < 8 or draw.random() < 0.5:
        return "norm=1"
    return f"norm=1 norm_bits=64 shift={draw.choice([draw.randint(1, 31), draw.randint(32, 60)])}"


def convolution(draw, kind, bits=8):
    (w, left, stride_x, in_w), (h, top, stride_y, in_h) = window(draw, 5), window(draw, 4)
    channels = draw.choice([4, 8, 12, 16]) if bits < 8 else draw.choice([1, 3, 4, 6, 8, 13, 16])
    return (f"{kind} in_w={in_w} in_h={in_h} in_c={channels} out_c={draw.randint(1, 6) * 4} kernel_w={w} kernel_h={h} "
            f"pad_left={left} pad_right={left} pad_top={top} pad_bottom={top} stride_x={stride_x} stride_y={stride_y} "
            f"{norm(draw, bits)} in_bits={bits} weight_bits={bits} out_bits={bits}")


def pointwise(draw, kind, bits=8):
    return (f"{kind} in_w={draw.randint(1, 12)} in_h={draw.randint(1, 12)} in_c={draw.randint(2, 20) * 4} "
            f"out_c={draw.randint(1, 8) * 4} {norm(draw, bits)} out_signed={draw.randint(0, int(bits == 8))} in_bits={bits} "
            f"weight_bits={bits} out_bits={bits}")


def depthwise(draw):
    channels, stride = draw.randint(1, 16) * 4, draw.randint(1, 2)
    return (f"depthwise_3x3_pixels in_w={draw.randint(4, 20)} in_h={draw.randint(3, 14)} in_c={channels} out_c={channels} "
            f"kernel_w=3 kernel_h=3 pad_left=1 pad_right=1 pad_top=1 pad_bottom=1 stride_x={stride} stride_y={stride} "
            f"{norm(draw)} out_signed={draw.randint(0, 1)}")


def pool(draw, kind):
    kernel, channels = draw.randint(2, 3), draw.randint(1, 12) * 4
    pad = draw.randint(0, 1) if kind == "maxpool_direct" else 0
    return (f"{kind} in_w={draw.randint(4, 14)} in_h={draw.randint(4, 14)} in_c={channels} kernel_w={kernel} kernel_h={kernel} "
            f"stride_x=2 stride_y=2 pad_left={pad} pad_right={pad} pad_top={pad} pad_bottom={pad}")


def elementwise(draw, kind):
    factors = "multiplier1=3 multiplier2=4 shift=3" if kind == "add" else "norm=1"
    return f"{kind} in_w={draw.randint(1, 12)} in_h={draw.randint(1, 12)} in_c={draw.randint(1, 16) * 4} {factors}"


def bytes_alone(draw):
    lines = []
    for split in ("Ho", "HoWo", "Co"):
        lines += [convolution(draw, f"conv_{split}_4x4") for _ in range(8)]
        lines += [pointwise(draw, f"pointwise_{split}_4x4") for _ in range(8)]
    lines += [depthwise(draw) for _ in range(12)]
    lines += [pool(draw, kind) for kind in ("maxpool", "maxpool_direct") for _ in range(8)]
    lines += [elementwise(draw, kind) for kind in ("add", "requantize") for _ in range(6)]
    for kind in ("linear norm=1", "linear_out_32"):
        lines += [f"{kind} in_c={draw.randint(4, 60) * 4} out_c={draw.randint(8, 80)}" for _ in range(6)]
    return lines


def packed(draw):
    kinds = [f"{split}_{suffix}" for split in ("Ho", "HoWo") for suffix in ("packed_4x4", "packed", "macload_4x4")]
    return [line for kind in kinds for bits in (4, 2) for _ in range(2)
            for line in (convolution(draw, f"conv_{kind}", bits), pointwise(draw, f"pointwise_{kind}", bits))]


@unittest.skipUnless(shutil.which("riscv64-unknown-elf-gcc"), "no riscv64-unknown-elf-gcc")
class Calls(unittest.TestCase):
    def errors(self, lines, machine, **environment):
        """Of each call executed against modelled, a fraction, with its line."""
        with tempfile.TemporaryDirectory() as folder:
            hw, calls = Path(folder) / "hw.yaml", Path(folder) / "calls"
            text = (ROOT / "configs" / f"{machine}.yaml").read_text()
            self.assertIn("  conflicts: 1 ", text)
            hw.write_text(text.replace("  conflicts: 1 ", "  conflicts: 0 "))
            calls.write_text("\n".join(lines) + "\n")
            done = subprocess.run([ROOT / "bench" / "pulp_calls.sh", hw, calls], capture_output=True, text=True,
                                  env={**os.environ, "BUILD": str(BUILD), **environment})
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
        rows = [line.split(maxsplit=6) for line in done.stdout.splitlines()[1:]]
        self.assertEqual(len(rows), len(lines))
        return [(int(row[2]) / int(row[0]) - 1, row[6]) for row in rows]

    def check(self, errors, median, worst):
        self.assertLessEqual(statistics.median(abs(error) for error, _ in errors), median)
        for error, line in errors:
            self.assertLessEqual(abs(error), worst, f"{error:+.3f} {line}")

    def test_of_bytes(self):
        self.check(self.errors(bytes_alone(random.Random(20261125)), "pulp_open"), median=0.01, worst=0.09)

    def test_of_packed_codes(self):
        self.check(self.errors(packed(random.Random(20261126)), "pulp_xpulpnn", DEFINES=""), median=0.03, worst=0.17)

    def check_network(self, network, machine, median=3, worst=8):
        """In the cores' own order at the banks and by round robin; all conflicts, as cores that execute have them."""
        for order in (0, 1):
            with self.subTest(network, round_robin=order):
                done = subprocess.run([ROOT / "bench" / "pulp_tiers.sh", machine, network, "l1.depthwise_conflicts=1",
                                       f"l1.round_robin={order}"], capture_output=True, text=True,
                                      env={**os.environ, "BUILD": str(BUILD)})
                self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])
                found = re.search(r"^all +\d+ calls +median +([\d.]+) +worst +([-+][\d.]+)$", done.stdout, re.M)
                self.assertLessEqual(float(found[1]), median, done.stdout)
                self.assertLessEqual(abs(float(found[2])), worst, done.stdout)

    def test_of_networks_of_the_zoo(self):
        for network in ("zoo:tiny_cnn", "zoo:tiny_residual"):  # channels that are no multiples of four
            self.check_network(network, "pulp_open")

    def test_of_published_networks(self):
        for name in ("Deeploy_MLPerf_KeywordSpotting", "dronet_complete"):
            folder = SHARED / "networks/pulp" / name
            models = [folder / file for file in ("model_int.onnx", "network.onnx") if (folder / file).exists()]
            if not models:
                self.skipTest(f"no {folder}")
            self.check_network(str(models[0]), "pulp_open")


if __name__ == "__main__":
    unittest.main()
