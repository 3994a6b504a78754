"""The same command gives the same bytes: twice, on one thread or on many, with each vector
extension of the CPU."""
import array
import os
import random
import unittest

from support import WorkbenchTest

FILES = ["report.json", "layers.csv", "trace.json", "program.bin", "quantizer.json", "page.html"]
EXTENSIONS = ["sse2", "avx2", "avx512"]  # what the CPU lacks is not used
SIDE = 32


class Determinism(WorkbenchTest):
    def bytes_of(self, names):
        return {name: (self.folder / name).read_bytes() for name in names}

    def outputs(self, model, *extra, environment=None):
        done = self.workbench("run", "--hw", "v3_96", model, "--deterministic", "--json", FILES[0],
                              "--csv", FILES[1], "--trace", FILES[2], "--save-program", FILES[3],
                              "--save-quantizer", FILES[4], "--html", FILES[5], *extra,
                              environment=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {**self.bytes_of(FILES), "stdout": done.stdout}

    def quantized(self, model, *extra, environment):
        done = self.workbench("quantize", model, "-o", "q.onnx", "--calibration", "images.npy",
                              *extra, environment=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {**self.bytes_of(["q.onnx"]), "stdout": done.stdout}

    def assert_same(self, first, second, what):
        for name, wanted in first.items():
            self.assertTrue(wanted == second[name], f"{what}: {name} differs")

    def write_images(self, count):
        seeded = random.Random(3)
        size = count * 3 * SIDE * SIDE
        numbers = array.array("f", (seeded.gauss(0, 40) for _ in range(size)))
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({count}, 3, {SIDE}, {SIDE})}}"
        header = header.ljust(117) + "\n"
        (self.folder / "images.npy").write_bytes(
            b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
            + numbers.tobytes())

    def settings(self):
        """What must not show: (name, options, environment)."""
        for extension in EXTENSIONS:
            for threads in [1, 3]:
                yield (f"{extension}, {threads} threads", ("--threads", threads),
                       {**os.environ, "WORKBENCH_VECTORS": extension})

    def test_two_runs_write_the_same_bytes(self):
        for model in ["zoo:tiny_residual", "zoo:tiny_inception"]:
            self.assert_same(self.outputs(model), self.outputs(model), model)

    def test_threads_and_vector_extensions_do_not_show_in_a_run(self):
        self.write_images(4)
        for model in ["zoo:tiny_mobile", "zoo:tiny_inception"]:
            first = None
            for name, options, environment in self.settings():
                found = self.outputs(model, "--calibration", "images.npy", *options,
                                     environment=environment)
                first = first or found
                self.assert_same(first, found, f"{model}, {name}")

    def test_threads_and_vector_extensions_do_not_show_in_codes(self):
        self.write_images(4)
        for scheme in [("--target", "xdnn"), ("--target", "pulp"),
                       ("--target", "none", "--effort", "best"),
                       ("--target", "none", "--scheme", "graffitist")]:
            first = None
            for name, options, environment in self.settings():
                found = self.quantized("zoo:tiny_cnn", *scheme, *options,
                                       environment=environment)
                first = first or found
                self.assert_same(first, found, f"{scheme}, {name}")

    def test_an_unknown_extension_is_refused_in_one_line(self):
        done = self.workbench("ops", environment={**os.environ, "WORKBENCH_VECTORS": "mmx"})
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr, "workbench: WORKBENCH_VECTORS: expected sse2, avx2 or avx512, "
                                      "found 'mmx'\n")


if __name__ == "__main__":
    unittest.main()
