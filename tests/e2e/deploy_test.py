#!/usr/bin/env python3
"""workbench --emit-c and --emit-runtime: the application builds and runs with this machine's compiler and, where there
is one, with a RISC-V compiler; a table that is not what it was is noticed."""

import json
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper

from support import ROOT, SHARED, WORKBENCH, run

RISCV = shutil.which("riscv64-unknown-elf-gcc")
# Three networks of the zoo, by machine: residual additions, depthwise layers, concatenations.
NETWORKS = [("gap8", "zoo:tiny_residual"), ("pulp_open", "zoo:tiny_mobile"),
            ("gap8", "zoo:tiny_inception")]


class Network:
    """Node by node, from "x" to "out"."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.constants, self.nodes = [], []

    def constant(self, name, *shape, scale=1.0):
        values = self.random.normal(0, scale, shape).astype(np.float32)
        self.constants.append(onnx.numpy_helper.from_array(values, name))
        return name

    def convolution(self, source, result, ins, outs, kernel=3):
        weights = self.constant(f"{result}_weights", outs, ins, kernel, kernel,
                                scale=(2 / (ins * kernel * kernel)) ** 0.5)
        self.node("Conv", [source, weights], result, pads=[kernel // 2] * 4)

    def node(self, kind, inputs, result, **attributes):
        self.nodes.append(onnx.helper.make_node(kind, inputs, [result], name=result, **attributes))

    def save(self, path, shape, result, kind=onnx.TensorProto.FLOAT, more=()):
        """`more`: name, type and shape of further outputs."""
        value = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            self.nodes, path.stem, [value("x", kind, shape)],
            [value("out", onnx.TensorProto.FLOAT, result), *(value(*one) for one in more)],
            self.constants)
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 16)]),
                  str(path))


class Deploy(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="workbench-deploy-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def emit(self, machine, network, *options, folder="app"):
        done = run(WORKBENCH, "compile", "--hw", machine, network, "--emit-c",
                   self.folder / folder, *options, cwd=ROOT)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.folder / folder

    def make(self, app, *words):
        return run("make", "-s", "-f", *words, cwd=app)

    def on_host(self, app):
        done = self.make(app, "Makefile.host", "CFLAGS=-O1", "main")
        self.assertEqual(done.returncode, 0, done.stderr)
        return run("./main", cwd=app)

    def execute(self, app, machine):
        """On the detailed tier, where this workbench has it."""
        if "\n  execute " not in run(WORKBENCH, "--help").stdout:
            self.skipTest("this workbench cannot execute ELF files")
        return run(WORKBENCH, "execute", app / "main.elf", "--hw", machine, "--files", app / "hex",
                   cwd=ROOT)

    def test_three_networks_run_bit_exactly_on_this_machine(self):
        for i, (machine, network) in enumerate(NETWORKS):
            with self.subTest(network):
                done = self.on_host(self.emit(machine, network, folder=f"app{i}"))
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertIn("all as expected", done.stdout)
                self.assertRegex(done.stdout, r"check sum \d+ \d+, ok")
                self.assertRegex(done.stdout, r"output .*: 0 of \d+ bytes differ")

    @unittest.skipUnless(RISCV, "no riscv64-unknown-elf-gcc")
    def test_three_networks_build_for_the_cluster(self):
        for i, (machine, network) in enumerate(NETWORKS):
            for xpulp in ("0", "1") if i == 0 else ("1",):
                with self.subTest(network, xpulp=xpulp):
                    app = self.emit(machine, network, folder=f"app{i}")
                    done = self.make(app, "Makefile.plain", f"XPULP={xpulp}", "-B", "main.elf")
                    self.assertEqual(done.returncode, 0, done.stderr)

    @unittest.skipUnless(RISCV, "no riscv64-unknown-elf-gcc")
    def test_three_networks_run_bit_exactly_on_the_detailed_tier(self):
        for i, (machine, network) in enumerate(NETWORKS):
            with self.subTest(network):
                app = self.emit(machine, network, folder=f"app{i}")
                self.assertEqual(self.make(app, "Makefile.plain", "main.elf").returncode, 0)
                done = self.execute(app, machine)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertIn("all as expected", done.stdout)

    @unittest.skipUnless(RISCV, "no riscv64-unknown-elf-gcc")
    def test_mobilenet_of_the_slides_leaves_most_of_l2_to_data(self):
        model = SHARED / "networks/pulp/MV1-128/model_int.onnx"
        if not model.exists():
            self.skipTest(f"no {model}")
        app = self.emit("pulp_open", model)
        self.assertEqual(self.make(app, "Makefile.plain", "main.elf").returncode, 0)
        size = run("riscv64-unknown-elf-size", app / "main.elf").stdout.splitlines()[1].split()
        self.assertLessEqual(int(size[0]) + int(size[1]), 60_000)

    def test_integers_and_weights_that_are_computed_are_the_fabric_controllers(self):
        """Indices of a pool, sums and products of indices, a transposed convolution by weights of the image's own."""
        net = Network(9)
        net.convolution("x", "first", 3, 8)
        net.nodes.append(onnx.helper.make_node("MaxPool", ["first"], ["pooled", "places"], kernel_shape=[2, 2], strides=[2, 2]))
        net.convolution("pooled", "second", 8, 6)
        net.node("ArgMax", ["second"], "best", axis=1, keepdims=0)
        for name, values in (("rows", [1]), ("axis", 2), ("weights_shape", [6, 1, 1, 1])):
            net.constants.append(onnx.numpy_helper.from_array(np.array(values, np.int64), name))
        net.node("ReduceSum", ["best", "rows"], "sums", keepdims=0)
        net.node("CumSum", ["best", "axis"], "running")
        net.node("ReduceProd", ["best"], "product", axes=[1], keepdims=0)
        net.node("GlobalAveragePool", ["second"], "means")
        net.node("Reshape", ["means", "weights_shape"], "channels")
        net.node("Mul", ["channels", net.constant("pattern", 6, 3, 2, 2)], "weights")
        net.node("ConvTranspose", ["second", "weights"], "large", strides=[2, 2])
        net.convolution("large", "out", 3, 4)
        whole = onnx.TensorProto.INT64
        net.save(self.folder / "net.onnx", [1, 3, 12, 10], [1, 4, 12, 10],
                 more=[("places", whole, [1, 8, 6, 5]), ("sums", whole, [1, 5]), ("running", whole, [1, 6, 5]),
                       ("product", whole, [1, 5])])
        app = self.emit("gap8", self.folder / "net.onnx")
        done = self.on_host(app)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for name in ("places", "sums", "running", "product"):
            self.assertIn(f"output {name}: 0 of ", done.stdout)

    def test_what_the_cluster_cannot_run_is_the_fabric_controllers(self):
        """Tables, one for each channel too, a gate, a shuffle, a transposed convolution, and the input
        and a tensor of the cluster's that are read again when something else lies in their places."""
        net = Network(5)
        net.convolution("x", "first", 3, 8)
        net.node("LeakyRelu", ["first"], "leaky", alpha=0.1)
        net.convolution("leaky", "second", 8, 8)
        net.node("PRelu", ["second", net.constant("slopes", 8, 1, 1)], "prelu")
        net.node("Sigmoid", ["prelu"], "gate")
        net.node("Mul", ["first", "gate"], "gated")
        net.node("SpaceToDepth", ["gated"], "blocks", blocksize=2)
        net.convolution("blocks", "third", 32, 12, 1)
        net.node("ConvTranspose", ["third", net.constant("spread", 12, 3, 2, 2, scale=0.2)], "large",
                 strides=[2, 2])
        net.node("Softmax", ["large"], "shares", axis=1)
        net.node("Mul", ["shares", "x"], "weighed")
        net.convolution("weighed", "out", 3, 4)
        net.save(self.folder / "net.onnx", [1, 3, 12, 10], [1, 4, 12, 10])
        app = self.emit("gap8", self.folder / "net.onnx")
        turns = sorted((app / "src").glob("fabric_*.c"))
        self.assertGreaterEqual(len(turns), 3)
        done = self.on_host(app)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(len(re.findall("fabric controller before layer", done.stdout)), len(turns))
        if RISCV:
            self.assertEqual(self.make(app, "Makefile.plain", "main.elf").returncode, 0)
            done = self.execute(app, "gap8")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(len(re.findall(r"before layer \d+: \d+ cycles", done.stdout)), len(turns))
        # Another function than the network's is noticed.
        table = next(turn for turn in turns if "fabric_map(" in turn.read_text())
        text = table.read_text()
        table.write_text(re.sub(r"(_by_code\[\] = \{)(.*?)(\n\};)", r"\1\n    0,\3", text, flags=re.S))
        self.assertEqual(self.on_host(app).returncode, 1)

    def test_the_application_takes_the_networks_input_and_gives_its_outputs(self):
        """An image as a camera has it, which is normalised; behind the layers the shares of classes, and
        of each pixel the greatest, one output of which is whole before others begin."""
        net = Network(7)
        net.nodes.append(onnx.helper.make_node("Cast", ["x"], ["real"], name="real", to=1))
        net.node("Transpose", ["real"], "planes", perm=[0, 3, 1, 2])
        net.node("Mul", ["planes", net.constant("scale", 1, scale=0.01)], "scaled")
        net.convolution("scaled", "first", 3, 6)
        net.node("Softmax", ["first"], "out", axis=1)
        net.node("LeakyRelu", ["first"], "leaky", alpha=0.1)
        net.convolution("leaky", "second", 6, 5)
        net.node("ArgMax", ["second"], "best", axis=1, keepdims=0)
        net.save(self.folder / "net.onnx", [1, 12, 10, 3], [1, 6, 12, 10], onnx.TensorProto.UINT8,
                 [("best", onnx.TensorProto.INT64, [1, 12, 10])])
        app = self.emit("gap8", self.folder / "net.onnx")
        done = self.on_host(app)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("fabric controller before layer 0", done.stdout)
        self.assertIn("fabric controller behind all layers", done.stdout)
        self.assertIn("output out: 0 of 2880 bytes differ", done.stdout)
        self.assertIn("output best: 0 of 480 bytes differ", done.stdout)
        self.assertEqual((app / "hex/inputs.hex").stat().st_size, 12 * 10 * 3)
        shares = np.fromfile(app / "hex/outputs.hex", np.float32).reshape(6, 12, 10)
        self.assertLess(abs(shares.sum(axis=0) - 1).max(), 1e-6)
        self.assertLess(np.fromfile(app / "hex/outputs1.hex", np.int32).max(), 5)
        readme = (app / "README.md").read_text()
        self.assertIn("| `hex/inputs.hex` | x | [1, 12, 10, 3], unsigned of 8 bits |", readme)
        self.assertIn("| `hex/outputs.hex` | out | [1, 6, 12, 10], float of 4 bytes |", readme)
        if RISCV:
            self.assertEqual(self.make(app, "Makefile.plain", "main.elf").returncode, 0)
            done = self.execute(app, "gap8")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertRegex(done.stdout, r"behind all layers: \d+ cycles")
        # Before and behind the layers another function than the network's is noticed.
        for turn, change in [(next((app / "src").glob("fabric_00.c")), (", kHalf", " + 1, kHalf")),
                             (sorted((app / "src").glob("fabric_*.c"))[-1], ("index = k", "index = 0"))]:
            with self.subTest(turn.name):
                text = turn.read_text()
                if change[0] not in text:  # a table
                    change = ("_by_code[] = {\n    ", "_by_code[] = {\n    1 + ")
                turn.write_text(text.replace(*change))
                self.assertEqual(self.on_host(app).returncode, 1)
                turn.write_text(text)

    def test_recurrent_cells_sampling_and_indices_are_the_fabric_controllers(self):
        net = Network(9)
        net.convolution("x", "first", 2, 4)
        y, x = np.meshgrid(np.linspace(-0.9, 0.7, 6), np.linspace(-1.2, 1, 5), indexing="ij")
        net.constants.append(onnx.numpy_helper.from_array(
            np.stack([x, y], axis=-1)[None].astype(np.float32), "grid"))
        net.node("GridSample", ["first", "grid"], "seen")
        net.convolution("seen", "second", 4, 4)
        net.node("Transpose", ["second"], "by_time", perm=[2, 0, 1, 3])
        net.constants.append(onnx.numpy_helper.from_array(np.array([6, 1, 20]), "frames"))
        net.node("Reshape", ["by_time", "frames"], "frame")
        net.nodes.append(onnx.helper.make_node(
            "GRU", ["frame", net.constant("w", 1, 24, 20, scale=0.3), net.constant("r", 1, 24, 8, scale=0.3),
                    net.constant("b", 1, 48, scale=0.1)], ["", "state"], name="gru", hidden_size=8))
        net.nodes.append(onnx.helper.make_node(
            "LSTM", ["frame", net.constant("lw", 2, 32, 20, scale=0.3), net.constant("lr", 2, 32, 8, scale=0.3)],
            ["out"], name="lstm", hidden_size=8, direction="bidirectional"))
        net.constants.append(onnx.numpy_helper.from_array(np.array([3]), "three"))
        net.nodes.append(onnx.helper.make_node("TopK", ["state", "three"], ["most", "which"], name="most"))
        net.save(self.folder / "net.onnx", [1, 2, 8, 8], [6, 2, 1, 8],
                 more=[("which", onnx.TensorProto.INT64, [1, 1, 3])])
        app = self.emit("gap8", self.folder / "net.onnx")
        done = self.on_host(app)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("output out: 0 of 384 bytes differ", done.stdout)
        self.assertIn("output which: 0 of 12 bytes differ", done.stdout)
        if RISCV:
            self.assertEqual(self.make(app, "Makefile.plain", "main.elf").returncode, 0)
            done = self.execute(app, "gap8")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_behind_the_layers_what_has_no_c_is_left_out_with_a_word(self):
        net = Network(5)
        net.convolution("x", "first", 3, 4)
        net.node("Sigmoid", ["first"], "gate")
        net.node("ArgMax", ["gate"], "best", axis=1)
        net.node("ReduceMax", ["best"], "last", axes=[2])
        net.node("ReduceLogSum", ["last"], "most", axes=[3])
        net.nodes.append(onnx.helper.make_node("Cast", ["most"], ["out"], name="out", to=1))
        net.save(self.folder / "net.onnx", [1, 3, 8, 8], [1, 1, 1, 1])
        done = run(WORKBENCH, "compile", "--hw", "gap8", self.folder / "net.onnx", "--emit-c",
                   self.folder / "app", cwd=ROOT)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("--emit-c: no C for 'most' (ReduceLogSum): left out", done.stderr)
        app = self.folder / "app"
        self.assertRegex((app / "README.md").read_text(), r"behind it: 'most' \(ReduceLogSum\), 'out' \(.*\)\.")
        self.assertIn("output last: 0 of 32 bytes differ", self.on_host(app).stdout)

    def test_an_application_that_l2_does_not_hold_is_named_with_what_to_do(self):
        net = Network(5)
        net.convolution("x", "first", 3, 8)
        net.node("MaxPool", ["first"], "out", kernel_shape=[2, 2], strides=[2, 2])
        net.save(self.folder / "net.onnx", [1, 3, 216, 216], [1, 8, 108, 108])

        def compiled(l2):
            done = run(WORKBENCH, "compile", "--hw", "gap8", self.folder / "net.onnx", "--l2", l2,
                       "--emit-c", self.folder / l2, cwd=ROOT)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stderr

        room = re.search(r"--emit-c: the application does not fit L2, by an estimate: its buffer of "
                         r"\d+ bytes and about \d+ of code.*; expected --l2 (\d+k) or less",
                         compiled("512k"))
        self.assertIsNotNone(room)
        self.assertNotIn("does not fit", compiled(room[1]))
        if RISCV:
            for l2, expected in [("512k", 2), (room[1], 0)]:
                app = self.folder / l2
                self.assertEqual(self.make(app, "Makefile.plain", "main.elf").returncode, 0)
                self.assertIn(f"exit code {expected}", self.execute(app, "gap8").stdout)

    def test_what_has_no_c_is_refused_in_a_line(self):
        net = Network(5)
        net.convolution("x", "first", 3, 4)
        net.node("ArgMax", ["first"], "best", axis=1)
        net.node("ReduceLogSum", ["best"], "most", axes=[2, 3])
        net.nodes.append(onnx.helper.make_node("Cast", ["most"], ["factor"], name="factor", to=1))
        net.node("Mul", ["first", "factor"], "scaled")
        net.convolution("scaled", "out", 4, 4)
        net.save(self.folder / "net.onnx", [1, 3, 8, 8], [1, 4, 8, 8])
        done = run(WORKBENCH, "compile", "--hw", "gap8", self.folder / "net.onnx", "--emit-c",
                   self.folder / "app", cwd=ROOT)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("--emit-c: 'most' (ReduceLogSum): run on the host between layers: the application "
                      "has no C for it", done.stderr)
        self.assertFalse((self.folder / "app").exists())

    def test_what_is_emitted_is_the_same_each_time_and_replaced_whole(self):
        first = self.emit(*NETWORKS[0])
        (first / "src/stale.c").write_text("none of this")
        second = self.emit(*NETWORKS[0], folder="second")
        self.emit(*NETWORKS[0])
        self.assertEqual(run("diff", "-r", first, second).stdout, "")
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["app", "second"])

    def test_a_folder_with_something_else_in_it_is_left_alone(self):
        (self.folder / "notes.txt").write_text("mine")
        done = run(WORKBENCH, "compile", "--hw", "gap8", "zoo:tiny_cnn", "--emit-c", self.folder,
                   cwd=ROOT)
        self.assertEqual(done.returncode, 2)
        self.assertIn("expected a new or empty folder", done.stderr)
        self.assertEqual([p.name for p in self.folder.iterdir()], ["notes.txt"])

    def unnoticed(self, app, is_row, change):
        """Rows of the layers' tables, changed one by one, that the application takes for right."""
        run("make", "-s", "-f", "Makefile.host", "CFLAGS=-O1", "main", cwd=app)
        objects = [str(path.relative_to(app)) for path in
                   [*(app / "network").glob("*.c"), *(app / "kernels").glob("*.c"),
                    app / "host/pmsis.c"]]
        flags = ["-std=gnu11", "-O1", "-DNUM_CORES=8", "-Inetwork", "-Ikernels", "-Ihost"]
        self.assertEqual(run("cc", *flags, "-r", "-o", "runtime.o", *objects, cwd=app).returncode, 0)
        tried, right = 0, []
        for path in sorted((app / "src").glob("layer*.c")):
            lines = path.read_text().splitlines(keepends=True)
            for i in [i for i in range(1, len(lines)) if is_row(lines, i)][:2]:
                path.write_text("".join(lines[:i] + [change(lines[i])] + lines[i + 1:]))
                self.assertEqual(run("cc", *flags, "runtime.o", *map(str, (app / "src").glob("*.c")),
                                     "-lm", "-o", "mutant", cwd=app).returncode, 0)
                tried += 1
                if run("./mutant", cwd=app, timeout=60).returncode == 0:
                    right.append(f"{path.name}:{i + 1}: {lines[i].strip()}")
                path.write_text("".join(lines))
        self.assertGreater(tried, 5)
        return right

    def test_a_table_that_is_not_what_it_was_is_noticed(self):
        app = self.emit("pulp_open", "zoo:tiny_cnn", "--l1", "6k")

        def says(what):
            return lambda lines, i: re.search(r"^ *\d+,.*// " + what, lines[i]) is not None

        def lone_wait(lines, i):  # transfers of even ids, and of odd ones, have one counter
            return (says("dma_wait")(lines, i) and not says("dma_wait")(lines, i - 1)
                    and not says("dma_wait")(lines, i + 1))

        def barrier_before_kernel(lines, i):
            return (says("barrier")(lines, i) and says("dma_wait")(lines, i - 1)
                    and says("(call|nn)_(conv|pointwise|linear)")(lines, i + 1))

        # Bit 5 of a command: its fields change, and nothing is done (network/layer.h).
        def idle(line):
            return re.sub(r"\d+", lambda number: str(int(number[0]) | 32), line, count=1)

        for what, row, change in [("transfers", says(r"dma (in|weights|kappa|lambda|out)"), idle),
                                  ("waits", lone_wait, idle),
                                  ("kernels", says("(call|nn)_"), idle),
                                  ("barriers", barrier_before_kernel, lambda line: "")]:
            with self.subTest(what):
                self.assertEqual(self.unnoticed(app, row, change), [])


class DetailedTier(unittest.TestCase):
    """workbench run --tier detailed: the same report from the cores' instructions."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="workbench-detailed-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def report(self, machine, network, *options):
        done = run(WORKBENCH, "run", "--hw", machine, network, "--deterministic", "--json",
                   self.folder / "run.json", *options, cwd=ROOT)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads((self.folder / "run.json").read_text()), done.stdout

    @unittest.skipUnless(RISCV, "no riscv64-unknown-elf-gcc")
    def test_three_networks_have_the_values_of_the_golden_model(self):
        for machine, network in NETWORKS:
            with self.subTest(network):
                detailed, text = self.report(machine, network, "--tier", "detailed")
                transaction, _ = self.report(machine, network)
                self.assertIn("detailed tier", text)
                self.assertIs(detailed["verdict"]["bit_exact"], True)
                self.assertGreater(detailed["verdict"]["values_compared"],
                                   transaction["verdict"]["values_compared"] / 2)
                self.agree(detailed["layers"], transaction["layers"])
                total = sum(layer["cycles"] for layer in detailed["layers"])
                self.assertEqual(total, detailed["totals"]["cycles"])

    def agree(self, detailed, transaction):
        for ours, theirs in zip(detailed, transaction, strict=True):
            self.assertEqual(ours["name"], theirs["name"])
            causes = [ours["cores"][key] for key in ours["cores"] if key != "cycles"]
            self.assertEqual(sum(causes), ours["cores"]["cycles"])
            # All cores are in the layer from its first instruction to its last one.
            self.assertGreater(ours["cores"]["instructions"], theirs["macs"] / 16)
            self.assertEqual(sum(ours["waterfall"].values()), ours["cycles"])

    @unittest.skipUnless(RISCV, "no riscv64-unknown-elf-gcc")
    def test_the_same_bytes_each_time_and_a_trace_of_all_resources(self):
        reports = []
        for name in ("first", "second"):
            self.report("pulp_open", "zoo:tiny_cnn", "--tier", "detailed", "--trace",
                        self.folder / f"{name}.trace", "--html", self.folder / f"{name}.html")
            reports.append([(self.folder / file).read_bytes() for file in
                            ("run.json", f"{name}.trace", f"{name}.html")])
        self.assertEqual(reports[0], reports[1])
        names = {event["args"]["name"] for event in json.loads(reports[0][1])["traceEvents"]
                 if event["ph"] == "M" and event["name"] == "thread_name"}
        self.assertEqual(names, {"cores", "dma in", "dma out", "l3"})

    def refused(self, *options, **how):
        done = run(WORKBENCH, "run", "--tier", "detailed", *options, cwd=ROOT, **how)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.stderr

    def test_without_a_compiler_it_says_what_to_install(self):
        empty = {**os.environ, "PATH": str(self.folder), "PULP_CC": "riscv64-unknown-elf-gcc"}
        self.assertIn("apt install gcc-riscv64-unknown-elf",
                      self.refused("--hw", "gap8", "zoo:tiny_cnn", env=empty))

    @unittest.skipUnless(RISCV, "no riscv64-unknown-elf-gcc")
    def test_what_it_cannot_run_is_refused(self):
        self.assertIn("expected a PULP machine", self.refused("--hw", "v3_96", "zoo:tiny_cnn"))
        self.assertIn("--timing-only",
                      self.refused("--hw", "gap8", "zoo:tiny_cnn", "--timing-only"))
        compiler = self.folder / "broken-gcc"
        compiler.write_text("#!/bin/sh\necho 'cc1: fatal error: no luck' >&2\nexit 1\n")
        compiler.chmod(0o755)
        broken = {**os.environ, "PULP_CC": str(compiler)}
        self.assertIn("fatal error: no luck",
                      self.refused("--hw", "gap8", "zoo:tiny_cnn", env=broken))

    @unittest.skipUnless(RISCV, "no riscv64-unknown-elf-gcc")
    def test_a_changed_instruction_barrier_or_transfer_is_noticed(self):
        app = self.folder / "app"
        done = run(WORKBENCH, "compile", "--hw", "pulp_open", "zoo:tiny_cnn", "--l1", "6k",
                   "--emit-c", app, cwd=ROOT)
        self.assertEqual(done.returncode, 0, done.stderr)
        built = run("make", "-s", "-f", "Makefile.plain", "main.elf", cwd=app)
        self.assertEqual(built.returncode, 0, built.stderr)
        self.assertEqual(self.execute(app), 0)
        profile = json.loads((app / "profile.json").read_text())
        for name, change in [
                # Weights of the dot product become unsigned, then its sum is forgotten.
                ("pv.sdotusp.b", lambda word: word ^ 1 << 28 if word >> 28 & 1 else word | 1 << 28),
                # A load with post-increment goes two words on.
                ("p.lw", lambda word: word ^ 12 << 20),
                # No core sleeps at barriers: addi x0, x0, 0.
                ("p.elw", lambda word: 0x13),
                # Commands of the DMA go nowhere.
                ("dma", None)]:
            with self.subTest(name):
                places = self.dma_stores(profile) if change is None else self.executed(profile, name)
                self.assertTrue(places, name)
                self.patch(app, places, change or (lambda word: 0x13))
                self.assertNotEqual(self.execute(app, "mutant.elf"), 0)

    def execute(self, app, program="main.elf"):
        done = run(WORKBENCH, "execute", app / program, "--files", app / "hex", "--json",
                   app / "profile.json" if program == "main.elf" else self.folder / "mutant.json",
                   "--brief", "--max-cycles", 100_000_000, cwd=ROOT)
        return done.returncode

    @staticmethod
    def executed(profile, name):
        """Addresses of the instructions of that name that kernels and layers have run."""
        return [one["address"] for function in profile["functions"]
                if function["name"].startswith(("nn_", "pulp_nn_", "layer_run"))
                for one in function["instructions"] if one["text"].split()[0] == name]

    @staticmethod
    def dma_stores(profile):
        """Addresses of the stores of dma.c's functions that a queue or a register keeps waiting."""
        return [one["address"] for function in profile["functions"]
                if function["name"] in ("dma_copy", "row", "command")
                for one in function["instructions"]
                if one["text"].split()[0] == "sw" and "sp" not in one["text"]]

    @staticmethod
    def patch(app, places, change):
        image = bytearray((app / "main.elf").read_bytes())
        headers, count = int.from_bytes(image[28:32], "little"), int.from_bytes(image[44:46], "little")
        for address in places:
            for k in range(count):
                at = headers + 32 * k
                offset, virtual, size = (int.from_bytes(image[at + field:at + field + 4], "little")
                                         for field in (4, 8, 16))
                if virtual <= address < virtual + size:
                    at = offset + address - virtual
                    word = change(int.from_bytes(image[at:at + 4], "little"))
                    image[at:at + 4] = word.to_bytes(4, "little")
        (app / "mutant.elf").write_bytes(image)


class Runtime(unittest.TestCase):
    """workbench --emit-runtime: what is written for the card's runtime, read back."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="workbench-deploy-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def test_what_is_written_is_read_back_bit_exactly(self):
        for i, (machine, network) in enumerate([("v3_96", "zoo:tiny_residual"),
                                                ("v3_96", "zoo:tiny_inception"),
                                                ("v2_28", "zoo:tiny_cnn")]):
            with self.subTest(network, machine=machine):
                self.filters_lie_in_the_image(self.written_and_read_back(machine, network, str(i)))

    def written_and_read_back(self, machine, network, name):
        app = self.folder / name
        ours = run(WORKBENCH, "run", "--hw", machine, network, "--emit-runtime", app, "--json",
                   self.folder / "ours.json", "--deterministic", cwd=ROOT)
        self.assertEqual(ours.returncode, 0, ours.stderr)
        self.assertNotIn("--emit-runtime", ours.stderr)
        back = run(WORKBENCH, "run", "--hw", machine, "--program", app / "program.json",
                   "--weights", app / "network.onnx", "--quantization", app / "quantizer.json",
                   "--json", self.folder / "back.json", "--deterministic", cwd=ROOT)
        self.assertEqual(back.returncode, 0, back.stderr)
        self.assertIn("bit-exact", back.stdout)
        reports = [json.loads((self.folder / f"{side}.json").read_text())
                   for side in ("ours", "back")]
        self.assertEqual(*(report["totals"]["cycles"] for report in reports))
        return app

    def test_hosts_turns_between_are_read_back(self):
        """A gate of the host's, joins that grow, and one whose operand has to be copied."""
        net = Network(3)
        net.convolution("x", "first", 3, 20)
        net.node("Sigmoid", ["first"], "gate")
        net.node("Mul", ["first", "gate"], "gated")
        net.convolution("gated", "left", 20, 12)
        net.node("Concat", ["gated", "left"], "grown", axis=1)
        net.convolution("grown", "right", 32, 12)
        net.node("Concat", ["grown", "right"], "dense", axis=1)
        net.convolution("dense", "narrow", 44, 20, 1)
        net.node("Concat", ["narrow", "first"], "joined", axis=1)
        net.convolution("joined", "out", 40, 5, 1)
        net.save(self.folder / "gates.onnx", [1, 3, 12, 10], [1, 5, 12, 10])
        for machine in ("v3_96", "v2_56", "darius_32"):
            with self.subTest(machine):
                self.written_and_read_back(machine, self.folder / "gates.onnx", machine)

    def filters_lie_in_the_image(self, app):
        image = (app / "filters.bin").stat().st_size
        filters = json.loads((app / "filters.json").read_text())["filters"]
        self.assertTrue(filters)
        for one in filters:
            self.assertGreater(one["bytes"], 0)
            self.assertLessEqual(one["address"] + one["bytes"], image)

    def test_the_keys_are_the_vendors(self):
        done = run(WORKBENCH, "compile", "--hw", "v3_96", "zoo:tiny_residual", "--emit-runtime",
                   self.folder / "files", cwd=ROOT)
        self.assertEqual(done.returncode, 0, done.stderr)
        program = json.loads((self.folder / "files/program.json").read_text())
        self.assertEqual(program["inputs"][0]["input_name"], "data")
        self.assertEqual(program["inputs"][0]["next_layers"], ["conv1"])
        self.assertGreater(program["unsupported"]["count"], 0)  # the classifier
        first = program["network"][0]
        self.assertEqual(first["xdnn_kv"]["XNOp"], first["xdnn_instr"].split()[1])
        self.assertNotIn("weights_bit", first["xdnn_kv"])
        self.assertEqual(first["memory_description"], "ddr_to_am")

    def test_what_no_runtime_takes_is_refused_in_a_line(self):
        for machine, options, complaint in [
                ("v3_96", ("--batch", 2), "expected a program of one image"),
                ("math_engine", (), "no program of the family math_engine has been published")]:
            with self.subTest(machine):
                done = run(WORKBENCH, "compile", "--hw", machine, "zoo:tiny_cnn", "--emit-runtime",
                           self.folder / "files", *options, cwd=ROOT)
                self.assertEqual(done.returncode, 2, done.stdout)
                self.assertIn("--emit-runtime: ", done.stderr)
                self.assertIn(complaint, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_cluster_has_no_such_files(self):
        done = run(WORKBENCH, "compile", "--hw", "gap8", "zoo:tiny_cnn", "--emit-runtime",
                   self.folder / "files", cwd=ROOT)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--emit-runtime: expected an xDNN machine, found gap8", done.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
