"""quantize, and run on what it wrote: schemes by name, networks that came quantized."""
import array
import json
import re
import unittest
from random import Random

import onnx
import onnx.helper

from support import WorkbenchTest

RUN = ("run", "--hw", "v3_96", "--brief")
QUANTIZE = ("quantize", "zoo:tiny_cnn", "-o", "q.onnx")


def verdict(done):
    return next(line for line in done.stdout.splitlines() if line.startswith("verdict"))


class QuantizeCli(WorkbenchTest):
    def test_a_network_that_came_quantized_needs_no_calibration(self):
        self.succeed(*QUANTIZE, "--target", "xdnn")
        done = self.succeed(*RUN, "q.onnx")
        self.assertEqual(done.stderr.splitlines(),
                         ["warning: no --input: run on one synthetic image; cycles are real, "
                          "accuracy is not"])
        self.assertIn("bit-exact", verdict(done))
        again = self.succeed("quantize", "q.onnx", "--target", "xdnn")
        self.assertEqual(again.stderr, "")
        self.assertIn("all codes came with it", again.stdout)

    def test_the_target_is_the_family_of_the_machine(self):
        for machine, target in (("gap8", "pulp"), ("v2_28", "xdnn"), (None, "xdnn")):
            hw = ("--hw", machine) if machine else ()
            inferred, named = [
                (self.succeed(*QUANTIZE, *hw, *options).stdout, (self.folder / "q.onnx").read_bytes())
                for options in ((), ("--target", target))]
            self.assertIn(f"target       {target} (", inferred[0])
            self.assertEqual(inferred, named)
        self.succeed(*QUANTIZE, "--hw", "gap8", "--scheme", "nemo", "--format", "nemo")
        for machine, target, family in (("gap8", "xdnn", "pulp"), ("v3_96", "pulp", "xdnn")):
            done = self.workbench(*QUANTIZE, "--hw", machine, "--target", target)
            self.assertEqual((done.returncode, done.stderr),
                             (2, f"workbench: --hw {machine}: expected a machine of --target "
                                 f"{target}, found one of --target {family}\n"))
        done = self.workbench(*QUANTIZE, "--hw", "gap8", "--target", "none")
        self.assertEqual((done.returncode, done.stderr),
                         (2, "workbench: --hw: expected none with --target none\n"))

    def test_run_warns_of_codes_that_the_target_changes_as_quantize_does(self):
        # Unsigned codes of what cannot be negative, which xDNN has not.
        self.succeed(*QUANTIZE, "--target", "none")
        told = [line for line in self.succeed("quantize", "q.onnx", "--target",
                                              "xdnn").stderr.splitlines() if "came as" in line]
        self.assertTrue(any("uint8" in line and "differs by up to" in line for line in told), told)
        for scheme in [(), ("--scheme", "published"), ("--scheme", "default")]:
            done = self.succeed(*RUN, "q.onnx", *scheme)
            self.assertIn("bit-exact", verdict(done))
            for line in told:
                self.assertIn(line, done.stderr)

    def test_codes_that_the_file_moves_or_gives_to_the_user_are_its_own(self):
        # QLinearConv, then codes flattened, for a QGemm or for the user.
        for type_, dtype in ((onnx.TensorProto.UINT8, "uint8"), (onnx.TensorProto.INT8, "int8")):
            for last in ("QGemm", "user"):
                self.write_qoperator("q.onnx", type_, last)
                for machine in ("v3_96", "v2_56", "darius_32", "math_engine", "gap8"):
                    done = self.succeed("run", "--hw", machine, "--brief", "q.onnx")
                    self.assertIn("bit-exact", verdict(done), (dtype, last, machine))

    def write_qoperator(self, name, type_, last):
        random, unsigned = Random(7), type_ == onnx.TensorProto.UINT8
        tensor, node = onnx.helper.make_tensor, onnx.helper.make_node
        constants, zero = [], 127 if unsigned else -1

        def constant(key, kind, dims, values):
            constants.append(tensor(key, kind, dims, values))
            return key

        def scale(key, step):
            return [constant(key + "_scale", onnx.TensorProto.FLOAT, [], [step]),
                    constant(key + "_zero", type_, [], [zero])]

        def weights(key, dims):
            count = 1
            for dim in dims:
                count *= dim
            codes = [random.randint(-127, 127) for _ in range(count)]
            return [constant(key, onnx.TensorProto.INT8, dims, codes),
                    constant(key + "_scale", onnx.TensorProto.FLOAT, [], [0.003]),
                    constant(key + "_zero", onnx.TensorProto.INT8, [], [0])]

        x, y, z = scale("x", 0.02), scale("y", 0.03), scale("z", 0.2)
        nodes = [node("QuantizeLinear", ["x"] + x, ["xq"]),
                 node("QLinearConv", ["xq"] + x + weights("w", [4, 3, 3, 3]) + y, ["yq"]),
                 node("Flatten", ["yq"], ["flat"])]
        result = onnx.helper.make_tensor_value_info("flat", type_, [1, 144])
        if last == "QGemm":
            nodes += [node("QGemm", ["flat"] + y + weights("v", [144, 5]) + [""] + z, ["zq"],
                           domain="com.microsoft"),
                      node("DequantizeLinear", ["zq"] + z, ["out"])]
            result = onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [1, 5])
        graph = onnx.helper.make_graph(
            nodes, "q",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])],
            [result], constants)
        opsets = [onnx.helper.make_opsetid("", 13), onnx.helper.make_opsetid("com.microsoft", 1)]
        onnx.save(onnx.helper.make_model(graph, opset_imports=opsets), str(self.folder / name))

    def test_a_scheme_does_not_touch_what_came_quantized_and_says_so(self):
        self.succeed(*QUANTIZE, "--target", "none")
        for scheme in ["xfdnn", "graffitist", "per-channel"]:
            done = self.succeed("quantize", "q.onnx", "--target", "none", "--scheme", scheme)
            self.assertIn(f"--scheme {scheme}: the network came quantized", done.stderr)
            self.assertIn("as it came", done.stdout)

    def test_every_scheme_runs(self):
        plain = self.succeed(*RUN, "zoo:tiny_cnn")
        named = self.succeed(*RUN, "zoo:tiny_cnn", "--scheme", "published")
        self.assertEqual(verdict(plain), verdict(named))
        for scheme in ["default", "xfdnn", "graffitist", "graffitist-int4",
                       "graffitist:mobilenet_v1"]:
            done = self.succeed(*RUN, "zoo:tiny_cnn", "--scheme", scheme)
            self.assertIn("bit-exact", verdict(done), scheme)
        for scheme in ["published", "nemo", "nemo-input-bias", "graffitist", "default"]:
            done = self.succeed("run", "--hw", "gap8", "--brief", "zoo:tiny_mobile", "--scheme",
                                scheme)
            self.assertIn("bit-exact", verdict(done), scheme)

    def test_an_unknown_scheme_names_all_others_the_nearest_first(self):
        for command in [("quantize", "zoo:tiny_cnn"), (*RUN, "zoo:tiny_cnn")]:
            done = self.workbench(*command, "--scheme", "per-tensor-pow3")
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stderr,
                             "workbench: --scheme: expected per-tensor-pow2 (the nearest), "
                             "default, published, graffitist, graffitist-int4, nemo, "
                             "nemo-input-bias, xfdnn, "
                             "per-channel, per-channel-pow2, per-tensor-pow2-clip-safe, "
                             "published-static, found 'per-tensor-pow3'\n")

    def test_widths_of_codes_are_options_of_recipes(self):
        run = ("run", "zoo:tiny_cnn", "--hw", "gap8")
        narrow = self.succeed(*run, "--scheme", "default", "--weight-bits", "4",
                              "--activation-bits", "4", "--layer", "conv1:weight-bits=2")
        self.assertIn("bit-exact", verdict(narrow))
        for scheme in ["published", "nemo"]:
            done = self.workbench(*run, "--scheme", scheme, "--weight-bits", "4")
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stderr.splitlines()[-1],
                             "workbench: --weight-bits, --activation-bits and --layer: expected "
                             f"--scheme default or a recipe, found '{scheme}'")

    def test_widths_that_the_target_has_not_are_refused_before_anything_is_written(self):
        (self.folder / "narrow.yaml").write_text("weight-bits: 3\n")
        for command in ["quantize", "run"]:
            for options, told in [
                    (("--hw", "gap8", "--weight-bits", "3"),
                     "weight-bits: expected 8, 4 or 2 on target pulp, found 3"),
                    (("--hw", "pulp_open", "--scheme", "narrow.yaml"),
                     "weight-bits: expected 8, 4 or 2 on target pulp, found 3"),
                    (("--hw", "mr_wolf", "--activation-bits", "6"),
                     "activation-bits: expected 8, 4 or 2 on target pulp, found 6"),
                    (("--hw", "gap8", "--layer", "conv1:weight-bits=5"),
                     "layer 'conv1': weight-bits: expected 8, 4 or 2 on target pulp, found 5"),
                    (("--hw", "v3_96", "--activation-bits", "4"),
                     "activation-bits: expected 8 on target xdnn, found 4"),
                    (("--hw", "v3_96", "--weight-bits", "9"),
                     "weight-bits: expected 2 to 8 on target xdnn, found 9")]:
                scheme = () if "--scheme" in options else ("--scheme", "default")
                written = ("-o", "never.onnx") if command == "quantize" else ()
                done = self.workbench(command, "zoo:tiny_cnn", *options, *scheme, *written)
                self.assertEqual(done.returncode, 2)
                self.assertEqual(done.stderr.splitlines()[-1], f"workbench: {told}")
        self.assertFalse((self.folder / "never.onnx").exists())

    def test_a_file_of_codes_has_the_preprocessing_that_gives_them(self):
        """Pixels of 0.25 to 1 become -0.25 to 0.75: the last code, 127 or 255, is for the largest."""
        random = Random(3)
        (self.folder / "images").mkdir()
        for i in range(4):
            pixels = bytes(random.randrange(64, 256) for _ in range(3 * 32 * 32))
            (self.folder / "images" / f"{i}.ppm").write_bytes(b"P6 32 32 255\n" + pixels)
        steps = ("--resize", "none", "--dims", "3,32,32", "--transpose", "2,0,1", "--channel-swap",
                 "0,1,2", "--raw-scale", "2", "--mean-value", "0.5", "--input-scale", "0.5")
        for scheme in ["default", "nemo", "nemo-input-bias"]:
            self.succeed("quantize", "zoo:tiny_cnn", "--target", "pulp", "--scheme", scheme,
                         "--effort", "fast", *steps, "--calibration", "images", "--format",
                         "nemo", "-o", "codes.onnx")
            text = (self.folder / "codes.preprocess.yaml").read_text()
            mean, scale = (float(re.search(name + r": \[([^],]*)", text).group(1))
                           for name in ["mean_value", "input_scale"])
            self.assertTrue(100 < (2 - mean) * scale < 260, f"{scheme}: {text}")

    def test_a_scheme_of_another_target_is_refused(self):
        for command in [("quantize", "zoo:tiny_cnn", "--target", "xdnn"), (*RUN, "zoo:tiny_cnn")]:
            done = self.workbench(*command, "--scheme", "nemo")
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stderr,
                             "workbench: --scheme nemo: expected target pulp, found xdnn\n")
        done = self.workbench("quantize", "zoo:tiny_cnn", "--scheme", "graffitist:mobilenet_v3")
        self.assertEqual(done.returncode, 2)
        self.assertIn("mobilenet_v1", done.stderr)

    def test_transforms_of_graffitist_by_name_and_in_order(self):
        plain = self.succeed(*QUANTIZE, "--target", "none", "--scheme", "graffitist",
                             "--save-quantizer", "plain.json")
        published = ("fix_input_shape", "fold_batch_norms(is_training=False)",
                     "remove_training_nodes", "strip_unused_nodes", "preprocess_layers",
                     "quantize(weight_bits=-8, activation_bits=-8, layer_bits=-16, relu_bits=8, "
                     "avgpool_bits=8, avgpool_reciprocal_bits=8)")
        network = (self.folder / "q.onnx").read_bytes()
        parameters = json.loads((self.folder / "plain.json").read_text())
        self.assertTrue(all(one["bitwidth"] in (8, 16) for one in parameters.values()))
        notes = [line.strip().split(": ")[0] for line in plain.stdout.splitlines()
                 if line.startswith(" " * 13)]
        self.assertEqual(notes, list(published))
        # As in Graffitist's own scripts, one by one, and in one text: the same network.
        (self.folder / "list.txt").write_text(
            "# published\n" + " \\\n".join(f"'{one}'" for one in published) + "\n")
        for given in [("list.txt",), published, (" ".join(published),)]:
            transforms = [part for one in given for part in ("--transforms", one)]
            done = self.succeed(*QUANTIZE, "--target", "none", "--scheme", "graffitist",
                                *transforms)
            self.assertEqual(done.stdout, plain.stdout)
            self.assertEqual((self.folder / "q.onnx").read_bytes(), network)
        # And another one with other widths, on hardware, too.
        other = ("--scheme", "graffitist", "--transforms",
                 "fold_batch_norms preprocess_layers quantize(weight_bits=-4, layer_bits=-12)")
        done = self.succeed("quantize", "zoo:tiny_cnn", "--target", "none", *other)
        self.assertIn("int4 x", done.stdout)
        for machine in ["v3_96", "gap8"]:
            done = self.succeed("run", "--hw", machine, "--brief", "zoo:tiny_cnn", *other)
            self.assertIn("bit-exact", verdict(done))

    def test_transforms_that_cannot_be_are_refused_in_one_line(self):
        graffitist = ("--scheme", "graffitist")
        for options, message in [
                (("--transforms", "quantize"),
                 "--transforms: expected --scheme graffitist, found 'default'"),
                (("--scheme", "graffitist-int4", "--transforms", "quantize"),
                 "--transforms: expected --scheme graffitist, found 'graffitist-int4'"),
                ((*graffitist, "--transforms", "fold_batch_norm preprocess_layers quantize"),
                 "transform 'fold_batch_norm': expected a transform of Graffitist, "
                 "'fold_batch_norms' is nearest"),
                ((*graffitist, "--transforms", "preprocess_layers fold_batch_norms quantize(a"),
                 "transforms: expected ')' at the end of 'quantize(a'"),
                ((*graffitist, "--transforms", "quantize preprocess_layers"),
                 "transform 'quantize': expected after 'preprocess_layers', found before it"),
                ((*graffitist, "--transforms", " # nothing"),
                 "--transforms ' # nothing': expected transforms of Graffitist, found none"),
                ((*graffitist, "--transforms",
                  "preprocess_layers quantize(absorb_left_shifts=True)"),
                 "transform 'quantize': absorb_left_shifts: not built: ")]:
            done = self.workbench("quantize", "zoo:tiny_cnn", "--target", "none", *options)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertTrue(done.stderr.startswith("workbench: " + message), done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1)
        done = self.workbench(*RUN, "zoo:tiny_cnn", "--transforms", "quantize")
        self.assertEqual((done.returncode, done.stderr),
                         (2, "workbench: --transforms: expected --scheme graffitist, found none\n"))

    def test_the_operator_form_is_the_same_network(self):
        for target, machine in [("none", "v3_96"), ("xdnn", "v3_96"), ("pulp", "gap8")]:
            quantize = ("quantize", "zoo:tiny_mobile", "--target", target, "-o")
            run = ("run", "--hw", machine, "--brief", "--deterministic", "--dump-tensors")
            self.succeed(*quantize, "qdq.onnx")
            done = self.succeed(*quantize, "qoperator.onnx", "--format", "qoperator")
            self.assertIn("in QDQ form, as no QLinear operator can be:", done.stdout)
            self.assertIn(b"QLinearConv", (self.folder / "qoperator.onnx").read_bytes())
            results = []
            for form in ["qdq", "qoperator"]:
                done = self.succeed(*run, form, f"{form}.onnx")
                self.assertIn("bit-exact", verdict(done))
                results.append(array.array("f", (self.folder / form / "prob.npy").read_bytes()[-40:]))
            # What came so is written so: not a code of it changes.
            self.succeed("quantize", "qoperator.onnx", "--target", target, "-o", "again.onnx",
                         "--format", "qoperator")
            self.succeed(*run, "again", "again.onnx")
            self.assertEqual((self.folder / "qoperator" / "prob.npy").read_bytes(),
                             (self.folder / "again" / "prob.npy").read_bytes())
            # Biases are rounded: codes next to a tie may differ.
            for one, other in zip(*results):
                self.assertAlmostEqual(one, other, delta=0.03)

    def test_narrow_codes_are_written_and_read_at_their_width(self):
        self.write_images(1)
        uniform = {"W4A8": "weight-bits: 4", "W4A4": "weight-bits: 4\nactivation-bits: 4"}
        mixed = ("weight-bits: 4\nlayers:\n"
                 "  \"res1/conv1\": {weight-bits: 2, activation-bits: 4}\n"
                 "  \"res2/conv1\": {weight-bits: 2, activation-bits: 2}\n"
                 "  \"res3/conv1\": {weight-bits: 8, activation-bits: 4}")
        for name, widths in {**uniform, "mixed": mixed}.items():
            (self.folder / "recipe.yaml").write_text(f"scheme: per-channel\n{widths}\n")
            recipe = ("zoo:tiny_residual", "--hw", "gap8", "--scheme", "recipe.yaml",
                      "--calibration", "images.npy")
            told = self.succeed("quantize", *recipe, "-o", "q.onnx").stdout
            self.assertIn("as INT4 or UINT4, which are of opset 21", told)
            self.assertEqual("as bytes, behind a Clip to that width" in told, name == "mixed")
            model = onnx.load(self.folder / "q.onnx")
            self.check_narrow(model)
            runs = []
            for folder, network in (("came", recipe), ("again", ("q.onnx", "--hw", "gap8"))):
                done = self.succeed("run", *network, "--input", "images.npy", "--brief",
                                    "--deterministic", "--json", f"{folder}.json", "--dump-tensors",
                                    folder)
                self.assertIn("bit-exact", verdict(done), name)
                report = json.loads((self.folder / f"{folder}.json").read_text())
                runs.append((report["totals"]["cycles"],
                             {path.name: path.read_bytes()
                              for path in (self.folder / folder).glob("*.npy")}))
            self.assertEqual(runs[0][0], runs[1][0], name)
            shared = runs[0][1].keys() & runs[1][1].keys()
            self.assertGreater(len(shared), 10, name)
            self.assertEqual([key for key in shared if runs[0][1][key] != runs[1][1][key]], [], name)

    def check_narrow(self, model):
        """onnx.checker, where it knows opset 21, and what of it Debian's does not know: types."""
        self.assertEqual((model.opset_import[0].version, model.ir_version), (21, 10))
        if onnx.defs.onnx_opset_version() >= 21:
            onnx.checker.check_model(model, full_check=True)
        uint8, int8, uint4, int4 = 2, 3, 21, 22
        types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
        for tensor in model.graph.initializer:
            if tensor.data_type in (uint4, int4):
                count = 1
                for dim in tensor.dims:
                    count *= dim
                self.assertEqual(len(tensor.raw_data), (count + 1) // 2, tensor.name)
        self.assertIn(int4, types.values())
        self.assertIn(int8, types.values())
        for node in model.graph.node:  # types of codes are those of zero points and of each other
            if node.op_type == "QuantizeLinear":
                types[node.output[0]] = types[node.input[2]]
            elif node.op_type == "Clip" and node.input[0] in types:
                self.assertIn(types[node.input[0]], (uint8, int8))
                self.assertEqual({types[name] for name in node.input}, {types[node.input[0]]})
                types[node.output[0]] = types[node.input[0]]
            elif node.op_type == "DequantizeLinear":
                self.assertEqual(types[node.input[0]], types[node.input[2]], node.name)

    def test_networks_without_narrow_codes_stay_at_opset_13(self):
        self.succeed(*QUANTIZE, "--hw", "gap8")
        model = onnx.load(self.folder / "q.onnx")
        onnx.checker.check_model(model, full_check=True)
        self.assertEqual((model.opset_import[0].version, model.ir_version), (13, 7))

    def test_the_operator_form_has_bytes_alone(self):
        told = self.succeed(*QUANTIZE, "--hw", "gap8", "--weight-bits", "2", "--format",
                            "qoperator").stdout
        self.assertIn("codes of 2 bits (2 tensors) as bytes, which QLinear operators have alone", told)
        done = self.workbench(*QUANTIZE, "--hw", "gap8", "--activation-bits", "4", "--format",
                              "qoperator")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"^workbench: --format qoperator: value '.*': expected codes of "
                                      r"8 bits: --format qdq has narrower, found 4;.*\n$")

    def write_images(self, count=4):
        """images.npy: so many images for tiny_cnn."""
        shape = (count, 3, 32, 32)
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
        numbers = array.array("f", ((7 * i * i) % 251 / 128 - 1 for i in range(count * 3 * 32 * 32)))
        (self.folder / "images.npy").write_bytes(
            b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() +
            numbers.tobytes())

    def test_the_calibration_cache_changes_no_bit(self):
        self.write_images()
        quantize = ("quantize", "zoo:tiny_cnn", "--target", "none", "--calibration", "images.npy",
                    "-o")
        cached = ("--calibration-cache", "cache")
        self.succeed(*quantize, "plain.onnx")
        plain = (self.folder / "plain.onnx").read_bytes()
        self.assertFalse((self.folder / "cache").exists())
        # All at once, then with what these left, then with a file that is no longer what it was.
        together = [self.start(*quantize, f"{i}.onnx", *cached) for i in range(3)]
        for i, process in enumerate(together):
            _, errors = process.communicate()
            self.assertEqual((process.returncode, errors), (0, ""))
            self.assertEqual((self.folder / f"{i}.onnx").read_bytes(), plain)
        entries = sorted((self.folder / "cache").iterdir())
        self.assertTrue(entries)
        self.assertTrue(all(entry.suffix == ".statistics" for entry in entries), entries)
        done = self.succeed(*quantize, "again.onnx", *cached)
        self.assertEqual(done.stderr, "")
        self.assertEqual((self.folder / "again.onnx").read_bytes(), plain)
        for entry in entries:
            entry.write_bytes(entry.read_bytes()[:-1])
        done = self.succeed(*quantize, "damaged.onnx", *cached)
        self.assertIn("the entry is damaged; calibrated anew", done.stderr)
        self.assertEqual((self.folder / "damaged.onnx").read_bytes(), plain)
        self.assertEqual(self.succeed(*quantize, "mended.onnx", *cached).stderr, "")

    def test_run_calibrates_from_the_same_cache(self):
        self.write_images()
        run = (*RUN, "zoo:tiny_cnn", "--calibration", "images.npy", "--deterministic")
        plain = self.succeed(*run)
        for _ in range(2):
            done = self.succeed(*run, "--calibration-cache", "cache")
            self.assertEqual((done.stdout, done.stderr), (plain.stdout, plain.stderr))
        self.assertTrue(list((self.folder / "cache").iterdir()))


if __name__ == "__main__":
    unittest.main()
