"""The C kernels of runtime/pulp: random calls by Xpulp instructions, executed, leave L1 as plain C does."""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from support import ROOT

RUNTIME = ROOT / "runtime" / "pulp"
KERNELS = Path(__file__).resolve().parent / "kernels"
COMPILER = "riscv64-unknown-elf-gcc"
FLAGS = ["-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs", "-O2", "-Wall", "-ffunction-sections",
         "-fdata-sections", "-DPICOLIBC_INTEGER_PRINTF_SCANF", "-DNUM_CORES=8", f"-I{RUNTIME}/platform",
         "-Ikernels"]


@unittest.skipUnless(shutil.which(COMPILER), f"{COMPILER} is not installed")
class Kernels(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def compile(self, *words):
        subprocess.run([COMPILER, *FLAGS, *map(str, words)], cwd=self.folder, check=True)

    def program(self, seed, *options, calls=640, machine="pulp_open", header="nn_xpulp.h", change=lambda text: text):
        kernels = self.folder / "kernels"
        shutil.copytree(RUNTIME / "kernels", kernels)
        header = kernels / header
        header.write_text(change(header.read_text()))
        objects = []
        for source in sorted(kernels.glob("nn_*.c")):
            for kind, of_kind in (("plain", ["-include", KERNELS / "rename.h"]), ("xpulp", ["-DNN_XPULP"])):
                objects.append(f"{kind}_{source.stem}.o")
                self.compile(*of_kind, "-c", source, "-o", objects[-1])
        platform = [RUNTIME / "platform" / name for name in ("crt0.S", "cluster.c", "heap.c", "l3.c", "memory.c", "system.c")]
        self.compile(f"-DSEED={seed}u", f"-DCALLS={calls}", *options, KERNELS / "main.c", *objects, *platform, "-nostartfiles",
                     f"-T{RUNTIME}/platform/link.ld", "-Wl,--gc-sections", "-o", "main.elf")
        return subprocess.run([os.environ["WORKBENCH"], "execute", "main.elf", "--hw", machine], cwd=self.folder,
                              capture_output=True, text=True)

    def test_what_instructions_compute_is_what_plain_c_does(self):
        done = self.program(seed=20261123)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("640 calls, 0 wrong", done.stdout)

    def test_another_instruction_is_noticed(self):
        signed, unsigned = "0x57, 1, 0x5c", "0x57, 1, 0x54"
        done = self.program(seed=1, change=lambda text: text.replace(signed, unsigned))
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"640 calls, [1-9]\d* wrong")

    def extended(self, **options):
        return self.program(7, "-DEXTENDED", calls=320, machine="pulp_xpulpnn", header="nn_xpulpnn.h", **options)

    def test_instructions_of_xpulpnn_compute_it_too(self):
        done = self.extended()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("320 calls, 0 wrong", done.stdout)

    def test_a_word_loaded_from_elsewhere_is_noticed(self):
        done = self.extended(change=lambda text: text.replace('NN_LOAD_W1_BY_X1 "19"', 'NN_LOAD_W1_BY_X1 "21"'))
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"320 calls, [1-9]\d* wrong")

    def test_a_core_without_them_says_so(self):
        done = self.program(7, "-DEXTENDED", calls=1)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("no instruction: 0x", done.stderr)


if __name__ == "__main__":
    unittest.main()
