"""What the command line says of itself: help with examples that run, suggestions, completion, the man
page."""
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import unittest
from pathlib import Path

import numpy

from support import WORKBENCH, WorkbenchTest

RETRAIN = Path(WORKBENCH).resolve().with_name("workbench-retrain")

SUITE = """name: example
cases:
  - {name: tiny, network: "zoo:tiny_cnn", machine: gap8}
"""


def program_of(*words):
    """A RISC-V executable of these instructions in L2."""
    size, base = 4 * len(words), 0x1c000000
    header = b"\x7fELF\1\1\1".ljust(16, b"\0") + struct.pack(
        "<HHIIIIIHHHHHH", 2, 243, 1, base, 52, 0, 0, 52, 32, 1, 40, 0, 0)
    return header + struct.pack("<8I", 1, 84, base, base, size, size, 5, 4) + struct.pack(f"<{len(words)}I", *words)


def commands_of(text):
    """The names that a help text lists below `Subcommands:`."""
    return re.findall(r"^  ([a-z-]+) ", text[text.index("Subcommands:"):], re.M)


class CommandLine(WorkbenchTest):
    def all_commands(self):
        names = []
        for name in commands_of(self.succeed("--help").stdout):
            text = self.succeed(name, "--help").stdout
            names += ([[name, sub] for sub in commands_of(text)] if "Subcommands:" in text
                      else [[name]])
        return names

    def prepare(self):
        """The files that the examples name."""
        os.symlink(WORKBENCH, self.folder / "workbench")
        self.succeed("workload", "tiny_cnn", "-o", "net.onnx")
        self.succeed("evaluate", "net.onnx", "-o", "tensors")
        shutil.copy(self.folder / "tensors" / "input_0.npy", self.folder / "input.npy")
        output = numpy.load(self.folder / "tensors" / "output_0.npy")
        name = re.search(r"output +(\S+)", self.succeed("inspect", "net.onnx").stdout).group(1)
        numpy.savez(self.folder / "outputs.npz", **{name.rstrip(":"): output})
        images = self.folder / "images"
        images.mkdir()
        for i in range(36):
            pixels = bytes((i * 7 + j) % 256 for j in range(32 * 32 * 3))
            (images / f"image_{i}.ppm").write_bytes(b"P6 32 32 255\n" + pixels)
        (images / "labels.tsv").write_text("".join(f"image_{i}.ppm\t{i % 10}\n" for i in range(36)))
        (self.folder / "net.preprocess.yaml").write_text("dims: [3, 32, 32]\nmean_value: 128\n")
        (self.folder / "suite.yaml").write_text(SUITE)
        # addi a0, zero, 0; addi a7, zero, 93; ecall
        (self.folder / "app.elf").write_bytes(program_of(0x00000513, 0x05d00893, 0x00000073))
        (self.folder / "buffers.csv").write_text("id,lower,upper,size\na,0,2,1024\nb,1,3,2048\n")

    def test_accuracy_takes_the_quantizers_file(self):
        self.prepare()
        images = ("--images", "images", "--calibration", "images")
        self.succeed("quantize", "net.onnx", "--target", "xdnn", "--scheme", "published",
                     "--calibration", "images", "--save-quantizer", "q.json")
        self.succeed("accuracy", "net.onnx", "--target", "xdnn", *images, "--quantizer-json",
                     "q.json", "--json", "table.json")
        self.succeed("accuracy", "net.onnx", "--target", "xdnn", *images, "--scheme", "published",
                     "--json", "scheme.json")
        table, scheme = (json.loads((self.folder / name).read_text())
                         for name in ["table.json", "scheme.json"])
        self.assertEqual(table["layers"], scheme["layers"])
        table = json.loads((self.folder / "q.json").read_text())
        for layer in table["network"]:
            layer["th_layer_in"] = layer["th_layer_out"] = 1e-3
        (self.folder / "q.json").write_text(json.dumps(table))
        self.succeed("accuracy", "net.onnx", "--target", "xdnn", *images, "--quantizer-json",
                     "q.json", "--json", "clipped.json")
        clipped = json.loads((self.folder / "clipped.json").read_text())
        self.assertNotEqual(clipped["layers"], scheme["layers"])

    def test_preprocessing_is_written_and_goes_with_the_model(self):
        self.succeed("workload", "tiny_cnn", "-o", "net.onnx")
        image = numpy.arange(48 * 64 * 3, dtype=numpy.uint8).reshape(48, 64, 3)
        (self.folder / "a.ppm").write_bytes(b"P6 64 48 255\n" + image.tobytes())
        done = self.workbench("run", "--hw", "gap8", "net.onnx", "--input", "a.ppm")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        shown = self.succeed("preprocess", "net.onnx", "--mean-value", "0.5").stdout
        self.assertIn("\ndims: [3, 32, 32] ", shown)
        self.assertFalse((self.folder / "net.preprocess.yaml").exists())
        self.succeed("preprocess", "net.onnx", "--mean-value", "0.5", "--write")
        written = (self.folder / "net.preprocess.yaml").read_text()
        self.assertEqual(written, shown)
        done = self.workbench("preprocess", "net.onnx", "--write")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--force", done.stderr)
        self.succeed("preprocess", "net.onnx", "--input", "a.ppm", "-o", "a.npy")
        array = numpy.load(self.folder / "a.npy")
        self.assertEqual(array.shape, (1, 3, 32, 32))
        self.assertTrue((abs(array) <= 0.5).all())
        # The same input by the file and by the array; other steps, another one.
        said = [json.loads(self.report("net.onnx", *arguments))["accuracy"]["top5"]
                for arguments in (["--input", "a.ppm"], ["--input", "a.npy"],
                                  ["--input", "a.ppm", "--raw-scale", "3", "--resize", "32x32"])]
        self.assertEqual(said[0], said[1])
        self.assertNotEqual(said[0], said[2])
        # In floating point, too.
        self.succeed("evaluate", "net.onnx", "--input", "a.ppm", "-o", "float")
        self.assertTrue((numpy.load(self.folder / "float" / "input_0.npy") == array).all())
        self.succeed("evaluate", "net.onnx", "--input", "a.ppm", "--raw-scale", "3", "-o", "other")
        other = numpy.load(self.folder / "other" / "input_0.npy")
        numpy.testing.assert_allclose(other, 3 * (array + 0.5) - 0.5, atol=1e-5)
        self.succeed("quantize", "net.onnx", "--target", "pulp", "--calibration", "a.ppm",
                     "--channel-swap", "2,1,0", "-o", "codes.onnx")
        kept = (self.folder / "codes.preprocess.yaml").read_text()
        self.assertIn("channel_swap: [2, 1, 0] ", kept)
        self.assertEqual(kept.replace("[2, 1, 0] ", "[0, 1, 2] ", 1), written)
        (self.folder / "net.preprocess.yaml").rename(self.folder / "elsewhere.yaml")
        done = self.workbench("evaluate", "net.onnx", "--input", "a.ppm")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.succeed("evaluate", "net.onnx", "--input", "a.ppm", "--preprocess", "elsewhere.yaml")

    def report(self, *arguments):
        self.succeed("run", "--hw", "gap8", *arguments, "--json", "report.json")
        return (self.folder / "report.json").read_text()

    def test_every_command_has_two_examples_that_run(self):
        self.prepare()
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        calls = {}
        for command in self.all_commands():
            text = self.succeed(*command, "--help").stdout
            calls[" ".join(command)] = re.findall(r"^  (workbench .*)$", text, re.M)
        first = ["workload", "run", "compile", "quantize", "sweep", "track record"]
        for name in first + [name for name in sorted(calls) if name not in first]:
            if name == "asm":
                continue  # reads what disasm writes
            if name == "retrain" and not RETRAIN.exists():
                continue  # a program of its own, built where libtorch is
            for call in calls[name] + (calls["asm"] if name == "disasm" else []):
                done = subprocess.run(["bash", "-c", call], cwd=self.folder, env=environment,
                                      capture_output=True, text=True, timeout=100)
                self.assertEqual(done.returncode, 0, f"{call}\n{done.stdout}\n{done.stderr}")
            self.assertEqual(len(calls[name]), 2, name)

    LOST = ("full", "closed", "broken")

    def run_into(self, kind, command):
        """The command with a standard output that takes nothing."""
        options = {"cwd": self.folder, "stderr": subprocess.PIPE, "text": True, "timeout": 120}
        if kind == "full":
            with open("/dev/full", "w") as full:
                return subprocess.run(command, stdout=full, **options)
        if kind == "closed":
            return subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *command], **options)
        reading, writing = os.pipe()
        os.close(reading)
        try:
            return subprocess.run(command, stdout=writing, **options)
        finally:
            os.close(writing)

    def test_no_command_loses_what_it_prints_without_a_word(self):
        """The first example of each command, as its help has it, and its help itself."""
        self.prepare()
        tried = 0
        for names in self.all_commands():
            text = self.succeed(*names, "--help").stdout
            first = shlex.split(text.split("examples:\n")[1].splitlines()[0])
            for command in (first, ["workbench", *names, "--help"]):
                command = [WORKBENCH, *command[1:]]
                done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True,
                                      timeout=120)
                if done.returncode != 0 or not done.stdout:
                    continue
                for kind in self.LOST:
                    with self.subTest(f"{kind}: {' '.join(command[1:])}"):
                        lost = self.run_into(kind, command)
                        self.assertNotEqual(lost.returncode, 0)
                        if lost.returncode > 0:
                            self.assertEqual(lost.returncode, 2, lost.stderr)
                            last = lost.stderr.splitlines()[-1]
                            self.assertIn("standard output: cannot write", last)
                        tried += 1
        self.assertGreater(tried, 3 * len(self.all_commands()))

    @unittest.skipIf(RETRAIN.exists(), "workbench-retrain is built")
    def test_retrain_says_how_to_get_its_program(self):
        self.refused("retrain", "zoo:tiny_cnn", "--train", "a", "--validate", "b", "-o", "c.onnx",
                     says=f"retrain: expected the program {RETRAIN}, found none: scripts/workbench "
                          "retrain installs libtorch-dev and builds it, as does cmake "
                          "-DWORKBENCH_RETRAIN=ON where libtorch is")

    @unittest.skipIf(RETRAIN.exists(), "workbench-retrain is built")
    def test_a_search_that_trains_says_so_before_it_searches(self):
        self.refused("search-bits", "zoo:tiny_cnn", "--retrain", "--train", "a", "--images", "b",
                     "-o", "recipes",
                     says=f"search-bits --retrain: expected the program {RETRAIN}, found none: "
                          "scripts/workbench retrain installs libtorch-dev and builds it, as does "
                          "cmake -DWORKBENCH_RETRAIN=ON where libtorch is")
        self.assertFalse((self.folder / "recipes").exists())

    def test_help_lists_groups_and_machines(self):
        text = self.succeed("run", "--help").stdout
        for group in "Machine:", "Network:", "Data and quantization:", "Program:", "Output:":
            self.assertIn(f"\n{group}\n", text)
        self.assertRegex(text, r"machines: .*gap8.*v3_96")

    def refused(self, *arguments, says):
        done = self.workbench(*arguments)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(done.stderr, f"workbench: {says}\n")

    def test_a_mistyped_command_or_option_gets_a_suggestion(self):
        self.refused("rnu", says="rnu: no such command; did you mean run?")
        self.refused("track", "rcord", says="rcord: no such command; did you mean record?")
        self.refused("run", "--htm=x", "--hw", "gap8", "zoo:tiny_cnn",
                     says="--htm: no such option of run; did you mean --html?")
        self.refused("run", "--everything", says="--everything: no such option of run")

    def test_an_unknown_option_is_named_before_a_missing_one(self):
        self.refused("verify", "zoo:tiny_cnn", "--exptect", "x",
                     says="--exptect: no such option of verify; did you mean --expect?")

    def completed(self, *words):
        script = self.succeed("completion", "bash").stdout
        words = ["workbench", *words]
        call = (f"{script}\nCOMP_WORDS=({' '.join(map(shlex.quote, words))}); "
                f"COMP_CWORD={len(words) - 1}; _workbench; echo \"${{COMPREPLY[@]}}\"")
        done = subprocess.run(["bash", "-c", call], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_bash_completes_commands_options_values_and_files(self):
        self.assertEqual(self.completed("acc"), ["accuracy"])
        self.assertEqual(self.completed("track", "rec"), ["record"])
        self.assertEqual(self.completed("run", "--norm"), ["--norm-bits"])
        self.assertEqual(self.completed("run", "--hw", "v2"), ["v2_28", "v2_56"])
        self.assertEqual(self.completed("track", "report", "--sto"), ["--store"])
        (self.folder / "net.onnx").touch()
        self.assertEqual(self.completed("run", "ne"), ["net.onnx"])

    def test_zsh_has_every_command_and_option(self):
        script = self.succeed("completion", "zsh").stdout
        self.assertTrue(script.startswith("#compdef workbench\n"))
        for command in self.all_commands():
            function = "_workbench_" + "_".join(command)
            body = script.split(f"{function}() {{\n")[1].split("\n}\n")[0]
            options = re.findall(r"(--[a-z0-9-]+)", self.succeed(*command, "--help").stdout
                                 .split("examples:")[0])
            for option in set(re.findall(r"^ +'\*?(--[a-z0-9-]+)\[", body, re.M)) ^ (
                    set(options) & set(re.findall(r"(--[a-z0-9-]+)\[", body))):
                self.fail(f"{command}: {option}")
        if shutil.which("zsh"):
            (self.folder / "_workbench").write_text(script)
            subprocess.run(["zsh", "-n", "_workbench"], cwd=self.folder, check=True)

    def test_the_man_page_is_clean_roff_with_every_option(self):
        page = self.succeed("manual").stdout
        for option in "\\-\\-norm\\-bits", "\\-\\-points\\-per\\-task", "\\-\\-junit":
            self.assertIn(option, page)
        if shutil.which("groff"):
            done = subprocess.run(["groff", "-man", "-ww", "-z"], input=page, text=True,
                                  capture_output=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
