#!/usr/bin/python3
"""Writes the ONNX standard's node tests, from Debian's python3-onnx, as tests/golden reads them.

usage: generate_onnx_node_tests.py DIRECTORY

Each DIRECTORY/test_NAME/ holds
  model.onnx     the test's model; operands that say what to do (shapes, axes, scales, bounds) are
                 initializers, as the importer resolves all shapes
  constant.onnx  the same with every input an initializer: what there is to fold is folded
  ops.txt        the operators, one per line
  input_N.pb, output_N.pb   the tensors of the remaining inputs of model.onnx, and the results
"""

import os
import shutil
import sys
import tempfile

import numpy as np

# The generators of onnx 1.12 use names that numpy 1.24 dropped.
for name, kind in (("float", float), ("int", int), ("bool", bool), ("object", object),
                   ("long", int)):
    if name not in np.__dict__:
        setattr(np, name, kind)

import onnx  # noqa: E402  (needs the names above)
from onnx.backend.test import cmd_tools  # noqa: E402

# Operands (by position) that must be known at import.
PARAMETERS = {
    "Clip": (1, 2), "CumSum": (1,), "DequantizeLinear": (1, 2), "Dropout": (1, 2), "Expand": (1,),
    "OneHot": (1,), "Pad": (1, 2),
    "QLinearConv": (1, 2, 4, 5, 6, 7), "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "QuantizeLinear": (1, 2), "ReduceSum": (1,), "Reshape": (1,), "Resize": (1, 2, 3),
    "Slice": (1, 2, 3, 4), "Split": (1,), "Squeeze": (1,), "Tile": (1,), "TopK": (1,),
    "Trilu": (1,), "Unsqueeze": (1,), "Upsample": (1,),
}


def read_tensors(folder, kind, count):
    tensors = []
    for i in range(count):
        tensor = onnx.TensorProto()
        with open(os.path.join(folder, f"{kind}_{i}.pb"), "rb") as file:
            tensor.ParseFromString(file.read())
        tensors.append(tensor)
    return tensors


def bind(model, tensors, names):
    """A copy of the model in which the inputs in `names` are initializers."""
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    kept = [value for value in bound.graph.input if value.name not in names]
    for value, tensor in zip(model.graph.input, tensors):
        if value.name in names:
            tensor.name = value.name
            bound.graph.initializer.append(tensor)
    del bound.graph.input[:]
    bound.graph.input.extend(kept)
    return bound


def parameter_names(model):
    names = set()
    for node in model.graph.node:
        for position in PARAMETERS.get(node.op_type, ()):
            if position < len(node.input):
                names.add(node.input[position])
    return names


def convert(source, destination):
    model = onnx.load(os.path.join(source, "model.onnx"))
    values = list(model.graph.input) + list(model.graph.output)
    if not all(value.type.HasField("tensor_type") for value in values):
        return  # sequences and optionals: their data is no TensorProto
    for opset in model.opset_import:  # operators unchanged since opset 1 or 6 come in those
        opset.version = max(opset.version, 7)
    data = os.path.join(source, "test_data_set_0")
    inputs = read_tensors(data, "input", len(model.graph.input))
    outputs = read_tensors(data, "output", len(model.graph.output))
    os.makedirs(destination)
    parameters = parameter_names(model)
    onnx.save(bind(model, inputs, parameters), os.path.join(destination, "model.onnx"))
    everything = {value.name for value in model.graph.input}
    onnx.save(bind(model, inputs, everything), os.path.join(destination, "constant.onnx"))
    with open(os.path.join(destination, "ops.txt"), "w") as file:
        file.writelines(op + "\n" for op in sorted({node.op_type for node in model.graph.node}))
    remaining = [tensor for value, tensor in zip(model.graph.input, inputs)
                 if value.name not in parameters]
    for kind, tensors in (("input", remaining), ("output", outputs)):
        for i, tensor in enumerate(tensors):
            with open(os.path.join(destination, f"{kind}_{i}.pb"), "wb") as file:
                file.write(tensor.SerializeToString())


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    destination = sys.argv[1]
    shutil.rmtree(destination, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["backend-test-tools", "generate-data", "-o", folder]
        with open(os.devnull, "w") as silence:  # the generators print what they do
            stdout, sys.stdout = sys.stdout, silence
            cmd_tools.main()
            sys.stdout = stdout
        tests = sorted(os.listdir(os.path.join(folder, "node")))
        for test in tests:
            convert(os.path.join(folder, "node", test), os.path.join(destination, test))
    print(f"{destination}: {len(tests)} ONNX node tests")


if __name__ == "__main__":
    main()
