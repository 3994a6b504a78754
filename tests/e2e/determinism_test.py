"""The same command twice gives the same bytes, on one thread or on many."""
import unittest

from support import WorkbenchTest

FILES = ["report.json", "layers.csv", "trace.json", "program.bin", "quantizer.json"]


class Determinism(WorkbenchTest):
    def outputs(self, model, *extra):
        self.succeed("run", "--hw", "v3_96", model, "--deterministic", "--json", FILES[0], "--csv",
                     FILES[1], "--trace", FILES[2], "--save-program", FILES[3],
                     "--save-quantizer", FILES[4], *extra)
        return {name: (self.folder / name).read_bytes() for name in FILES}

    def test_two_runs_write_the_same_bytes(self):
        for model in ["zoo:tiny_residual", "zoo:tiny_inception"]:
            first, second = self.outputs(model), self.outputs(model)
            for name in FILES:
                self.assertTrue(first[name] == second[name], f"{model}: {name} differs")

    def test_the_number_of_threads_does_not_show(self):
        many, one = self.outputs("zoo:tiny_mobile"), self.outputs("zoo:tiny_mobile", "--threads", 1)
        for name in FILES:
            self.assertTrue(many[name] == one[name], f"{name} differs")


if __name__ == "__main__":
    unittest.main()
