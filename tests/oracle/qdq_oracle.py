#!/usr/bin/python3
"""ONNX Runtime against our golden model, on the files that `workbench quantize` writes: QDQ, or
with --format qoperator those of QLinear operators.

Each real model is quantized and written as QDQ with the golden model's tensors of one image beside
it; ONNX Runtime runs the file on the same input. Codes are compared tensor by tensor, twice:

  end to end      from the codes of the network's input, as the golden model has them, to its
                  results; one code that differs makes others differ behind it
  layer by layer  every tensor of codes that a layer reads is given, as the golden model has it

A code that differs is a tie when the real number before rounding, as the golden model has it, lies
within TIE (relative) of the middle between two codes: there the last bit of a float32 sum decides.
See docs/oracle.md. Needs numpy, onnx and node with onnxruntime-node (onnxruntime/package.json).
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import onnx
from onnx import helper, numpy_helper

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHARED = Path(os.environ.get("WORKBENCH_SHARED", ROOT.parent / "shared"))
WORKBENCH = os.environ.get("WORKBENCH", str(ROOT / "build" / "release" / "workbench"))
TIE = 1e-5

MODELS = {  # name -> ONNX file, images
    "mnist_cnn": ("mnist_cnn/mnist", "mnist_t10k/t10k-images-idx3-ubyte.gz"),
    "resnet8": ("resnet8_cifar10/resnet8_cifar10", "cifar10_lossless/cifar10_batch_0.png"),
    "resnet20": ("resnet20_cifar10/resnet20_cifar10", "cifar10_lossless/cifar10_batch_0.png"),
    "squeezenet1.1": ("squeezenet1.1/squeezenet1.1_fp32_from_fp16", "imagenet500_256"),
    "mobilenet_v1_0.25": ("mobilenet_v1_0.25_224/mobilenet_v1_0.25_224", "imagenet500_256"),
    "googlenet_to_4c": ("googlenet_v1_to_4c/googlenet_v1_without_lrn_to_4c", "imagenet500_256"),
}


@dataclass
class Crossing:
    """A QuantizeLinear of the file, or a QLinear operator, whose real result is in no file."""
    real: str
    codes: str
    scale: numpy.ndarray  # float32, one or one per index of axis
    axis: int


@dataclass
class Count:
    tensors: int = 0
    values: int = 0
    differing: int = 0
    ties: int = 0
    rounding: int = 0  # the golden model cuts where ONNX rounds
    largest: int = 0   # difference in codes
    where: list = field(default_factory=list)

    @property
    def others(self):
        return self.differing - self.ties - self.rounding


def file_name(value):
    """As file_name_of() in explore/expectation.cpp."""
    return value.replace("/", "_") + ".npy"


def quantize(model, images, options, folder):
    """Writes folder/model.onnx and folder/golden/*.npy."""
    subprocess.run([WORKBENCH, "quantize", str(model), *options, "--calibration", str(images),
                    "--compare", "0", "-o", str(folder / "model.onnx"),
                    "--dump-reference", str(folder / "golden")],
                   check=True, capture_output=True, text=True)


def initializers(model):
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def axis_of(node):
    return next((a.i for a in node.attribute if a.name == "axis"), 1)


# Which input is the scale of the result, and which ones are data.
RESULT_SCALE = {"QLinearConv": 6, "QLinearMatMul": 6, "QGemm": 7, "QLinearAdd": 6, "QLinearMul": 6,
                "QLinearConcat": 0, "QLinearAveragePool": 3, "QLinearLeakyRelu": 3,
                "QLinearSigmoid": 3}


def crossings(model):
    constants = initializers(model)
    outputs = {value.name for value in model.graph.output}
    found = []
    for node in model.graph.node:
        codes = node.output[0]
        if node.op_type == "QuantizeLinear":
            found.append(Crossing(node.input[0], codes, constants[node.input[1]], axis_of(node)))
        elif node.op_type in RESULT_SCALE and len(node.input) > RESULT_SCALE[node.op_type]:
            real = codes.removesuffix("_int8")
            found.append(Crossing(real + "_unrounded" if real in outputs else real, codes,
                                  constants[node.input[RESULT_SCALE[node.op_type]]], 1))
    return found


def values_of(model):
    return {name for node in model.graph.node for name in [*node.input, *node.output]}


def check_file(model):
    """What any reader of QDQ relies on: raises, or says which numbers the file has."""
    onnx.checker.check_model(model, full_check=True)
    constants = initializers(model)
    per_axis = 0
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        scale, zero = constants[node.input[1]], constants[node.input[2]]
        assert scale.dtype == numpy.float32 and (scale > 0).all(), node.name
        assert scale.shape == zero.shape, node.name
        if scale.ndim:
            per_axis += 1
            codes = constants[node.input[0]]  # activations have one scale
            assert codes.shape[axis_of(node)] == scale.size, node.name
    qlinear = sum(node.op_type in RESULT_SCALE for node in model.graph.node)
    return (f"opset {model.opset_import[0].version}, {per_axis} tensors with a scale per channel "
            f"in QDQ form, {qlinear} QLinear operators")


def typed(name, codes):
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(codes.dtype)
                                         if hasattr(helper, "np_dtype_to_tensor_dtype")
                                         else onnx.mapping.NP_TYPE_TO_TENSOR_TYPE[codes.dtype],
                                         codes.shape)


def with_outputs(model, golden):
    """A copy that gives all codes, and the real numbers that they were rounded from."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    given = {value.name for value in copy.graph.input} | {v.name for v in copy.graph.output}
    known = values_of(model)
    for crossing in crossings(model):
        for name in (crossing.codes, crossing.real):
            if name in known and name not in given:
                copy.graph.output.append(typed(name, golden[name]))
                given.add(name)
    return copy


def with_given_codes(model, golden, codes):
    """with_outputs(), and every reader of codes X of that set reads the input X/given instead."""
    copy = with_outputs(model, golden)
    for node in copy.graph.node:
        for i, name in enumerate(node.input):
            if name in codes:
                node.input[i] = name + "/given"
    copy.graph.input.extend(typed(name + "/given", golden[name]) for name in sorted(codes))
    return copy


def run_runtime(jobs, folder, modules):
    """jobs: name -> (model, {input: array}). All outputs of each, by name."""
    listed = []
    for name, (model, inputs) in jobs.items():
        place = folder / name
        place.mkdir()
        onnx.save(model, str(place / "model.onnx"))
        files = {}
        for i, (value, array) in enumerate(inputs.items()):
            files[value] = str(place / f"input{i}.npy")
            numpy.save(files[value], numpy.ascontiguousarray(array))
        listed.append({"model": str(place / "model.onnx"), "inputs": files,
                       "output": str(place / "results")})
    (folder / "jobs.json").write_text(json.dumps(listed))
    subprocess.run(["node", str(HERE / "onnxruntime" / "run.js"), str(folder / "jobs.json")],
                   check=True, env={**os.environ, "NODE_PATH": str(modules)})
    return {name: {value.name: numpy.load(str(folder / name / "results" / f"{i}.npy"))
                   for i, value in enumerate(model.graph.output)}
            for name, (model, _) in jobs.items()}


def in_codes(crossing, real):
    """The real numbers in steps, as exact as double is."""
    scale = crossing.scale.astype(numpy.float64)
    if scale.ndim:
        scale = scale.reshape([-1 if i == crossing.axis else 1 for i in range(real.ndim)])
    return real.astype(numpy.float64) / scale


def compare(model, golden, results, given=()):
    """Of all codes but those that nothing has computed with: `given` ones."""
    count = Count()
    for crossing in crossings(model):
        if crossing.codes in given:
            continue
        ours = golden[crossing.codes].astype(numpy.int64)
        theirs = results[crossing.codes].astype(numpy.int64)
        count.tensors += 1
        count.values += ours.size
        where = ours != theirs
        if not where.any():
            continue
        steps = in_codes(crossing, golden[crossing.real])[where]
        distance = numpy.abs(numpy.abs(steps - numpy.floor(steps)) - 0.5)
        apart = numpy.abs(ours - theirs)[where]
        ties = (distance <= TIE * numpy.maximum(1, numpy.abs(steps))) & (apart == 1)
        cut = ~ties & (numpy.trunc(steps) == ours[where]) & (numpy.rint(steps) == theirs[where])
        count.differing += int(where.sum())
        count.ties += int(ties.sum())
        count.rounding += int(cut.sum())
        count.largest = max(count.largest, int(apart.max()))
        drift = numpy.abs(in_codes(crossing, results.get(crossing.real, golden[crossing.real]))[where]
                          - steps)
        count.where.append(f"{crossing.codes}: {int(where.sum())} of {ours.size} differ, "
                           f"{int(ties.sum())} ties, {int(cut.sum())} cut; at most "
                           f"{distance.max():.2e} steps from the middle, real numbers at most "
                           f"{drift.max():.2e} steps apart")
    return count


def largest_real_difference(model, golden, results):
    """Of the graph's real outputs, relative to their largest magnitude."""
    worst = 0.0
    for value in model.graph.output:
        ours, theirs = golden[value.name], results[value.name]
        scale = max(float(numpy.abs(ours).max()), 1e-30)
        worst = max(worst, float(numpy.abs(ours - theirs).max()) / scale)
    return worst


def load_golden(model, folder):
    """Tensors of the dump by name: the inputs, and both sides of every QuantizeLinear."""
    names = {value.name for value in [*model.graph.input, *model.graph.output]}
    for crossing in crossings(model):
        names |= {crossing.real, crossing.codes}
    return {name: numpy.load(str(folder / file_name(name))) for name in names}


def again(model, golden, images, options, folder):
    """How many codes differ when our own file is quantized again: tensors, values, differing."""
    folder.mkdir()
    try:
        quantize(folder.parent / "model.onnx", images, options, folder)
    except subprocess.CalledProcessError as error:
        return error.stderr.strip()
    tensors = values = differing = 0
    for crossing in crossings(model):
        file = folder / "golden" / file_name(crossing.codes)
        if not file.exists():
            return f"{crossing.codes} is gone"
        ours = numpy.load(str(file))
        tensors += 1
        values += ours.size
        differing += int((ours.astype(numpy.int64) != golden[crossing.codes]).sum())
    return f"{differing} of {values} codes of {tensors} tensors"


def judge(name, options, folder, modules):
    """Prints one line of the table; what the file says, and the codes that differ by layers."""
    file, photos = MODELS[name]
    path = SHARED / "networks" / "models" / f"{file}.onnx"
    options = [*options, "--preprocess", str(path.with_suffix("")) + ".preprocess.yaml"]
    images = SHARED / "images" / photos
    quantize(path, images, options, folder)
    model = onnx.load(str(folder / "model.onnx"))
    facts = check_file(model)
    golden = load_golden(model, folder / "golden")
    inputs = {value.name: golden[value.name] for value in model.graph.input}
    every = {c.codes for c in crossings(model)}
    first = {c.codes for c in crossings(model) if c.real in inputs}
    jobs = {name: (with_given_codes(model, golden, codes),
                   {**inputs, **{c + "/given": golden[c] for c in codes}})
            for name, codes in (("whole", first), ("layers", every))}
    results = run_runtime(jobs, folder, modules)
    whole = compare(model, golden, results["whole"], first)
    layers = compare(model, golden, results["layers"])
    print(f"| {name} | {layers.tensors} | {layers.values} | {whole.differing} | {whole.largest} | "
          f"{layers.differing} | {layers.ties} | {layers.rounding} | {layers.others} | "
          f"{largest_real_difference(model, golden, results['layers']):.1e} | "
          f"{again(model, golden, images, options, folder / 'again')} |", flush=True)
    return facts, layers


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--targets", default="none,pulp,xdnn")
    parser.add_argument("--scheme", default="default")
    parser.add_argument("--format", default="qdq", choices=["qdq", "qoperator"])
    parser.add_argument("--images", default="16", help="to calibrate with")
    parser.add_argument("--modules", default=str(HERE / "onnxruntime" / "node_modules"))
    parser.add_argument("--work", help="folder to keep all files in")
    parser.add_argument("--details", action="store_true", help="each tensor that differs")
    arguments = parser.parse_args()
    others = 0
    with tempfile.TemporaryDirectory() as temporary:
        for target in arguments.targets.split(","):
            options = ["--target", target, "--scheme", arguments.scheme,
                       "--calibration-size", arguments.images, "--format", arguments.format]
            print(f"\n{target}, scheme {arguments.scheme}, {arguments.format}\n\n| model | tensors | codes | differ end "
                  "to end | by at most | differ layer by layer | ties | cut, not rounded | others | "
                  "real outputs | quantized again |\n|" + "---|" * 11)
            for name in arguments.models.split(","):
                folder = Path(arguments.work or temporary) / f"{name}.{target}.{arguments.scheme}"
                folder.mkdir(parents=True)
                facts, layers = judge(name, options, folder, arguments.modules)
                others += layers.others
                if arguments.details:
                    print("\n".join(["", facts, *layers.where, ""]))
    return 1 if others else 0


if __name__ == "__main__":
    sys.exit(main())
