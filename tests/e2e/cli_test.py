"""Every subcommand on small networks, and what it writes."""
import json
import os
import unittest

from support import ROOT, WorkbenchTest

RUN = ("run", "--hw", "v3_96")


class Cli(WorkbenchTest):
    def test_run_is_bit_exact_and_every_cycle_is_explained(self):
        for model in ["zoo:tiny_cnn", "zoo:tiny_residual", "zoo:tiny_inception", "zoo:tiny_mobile"]:
            self.succeed(*RUN, model, "--json", "report.json")
            report = json.loads((self.folder / "report.json").read_text())
            self.assertEqual(report["schema_version"], 1)
            self.assertIs(report["verdict"]["bit_exact"], True)
            self.assertEqual(report["verdict"]["hazards"], 0)
            self.assertGreater(report["verdict"]["values_compared"], 0)
            cycles = report["totals"]["cycles"]
            self.assertEqual(sum(layer["cycles"] for layer in report["layers"]), cycles)
            self.assertEqual(sum(report["waterfall"].values()), cycles)
            for layer in report["layers"]:
                self.assertEqual(sum(layer["waterfall"].values()), layer["cycles"])

    def test_golden_off_leaves_the_verdict_open(self):
        self.succeed(*RUN, "zoo:tiny_cnn", "--golden", "off", "--json", "report.json")
        report = json.loads((self.folder / "report.json").read_text())
        self.assertIsNone(report["verdict"]["bit_exact"])

    def test_a_pipe_gets_plain_text_of_a_readable_width(self):
        done = self.succeed(*RUN, "zoo:tiny_inception")
        self.assertNotIn("\x1b", done.stdout)
        self.assertIn("bit-exact", done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 160)

    def test_synthetic_data_is_announced(self):
        self.assertIn("warning: no --calibration", self.succeed(*RUN, "zoo:tiny_cnn").stderr)

    def test_the_trace_has_one_track_per_engine(self):
        self.succeed(*RUN, "zoo:tiny_residual", "--trace", "trace.json")
        events = json.loads((self.folder / "trace.json").read_text())["traceEvents"]
        tracks = {event["args"]["name"] for event in events if event["name"] == "thread_name"}
        self.assertIn("conv", tracks)
        self.assertTrue(any(event["ph"] == "X" for event in events))

    def test_an_exported_network_runs_as_the_zoo_network_does(self):
        self.succeed("workload", "tiny_residual", "-o", "tiny.onnx")
        self.succeed(*RUN, "tiny.onnx", "--json", "file.json", "--deterministic")
        self.succeed(*RUN, "zoo:tiny_residual", "--json", "zoo.json", "--deterministic")
        file, zoo = (json.loads((self.folder / f"{name}.json").read_text())
                     for name in ["file", "zoo"])
        self.assertEqual(file["totals"], zoo["totals"])

    def test_a_saved_program_disassembles(self):
        self.succeed("compile", "--hw", "v3_96", "zoo:tiny_cnn", "-o", "program")
        self.assertIn("XNConv", self.succeed("disasm", "program").stdout)

    def test_verify_accepts_our_own_tensors_and_refuses_others(self):
        self.succeed("workload", "tiny_residual", "-o", "tiny.onnx")
        self.succeed(*RUN, "tiny.onnx", "--dump-tensors", "dump")
        source = self.folder / "dump" / "data.npy"
        verify = ("verify", "--hw", "v3_96", "tiny.onnx", "--input", source)
        again = self.workbench(*RUN, "tiny.onnx", "--input", source, "--dump-tensors", "again")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.succeed(*verify, "--expect", "again")
        victim = self.folder / "again" / "res1_relu.npy"
        content = bytearray(victim.read_bytes())
        content[-1] ^= 0x40
        victim.write_bytes(content)
        done = self.workbench(*verify, "--expect", "again")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("FAIL res1/relu", done.stdout)

    def test_a_quantizer_table_round_trips_through_a_run(self):
        self.succeed(*RUN, "zoo:tiny_residual", "--save-quantizer", "table.json", "--json", "a.json",
                     "--deterministic", "--dump-tensors", "a")
        self.succeed(*RUN, "zoo:tiny_residual", "--quantizer-json", "table.json", "--json",
                     "b.json", "--deterministic", "--dump-tensors", "b")
        for path in (self.folder / "a").iterdir():
            self.assertEqual(path.read_bytes(), (self.folder / "b" / path.name).read_bytes(), path)

    def test_passes_are_dumped(self):
        self.succeed(*RUN, "zoo:tiny_mobile", "--dump-passes", "passes")
        self.assertTrue(any((self.folder / "passes").iterdir()))

    def test_ops_lists_what_can_be_imported(self):
        ops = self.succeed("ops").stdout
        for name in ["Conv", "MaxPool", "QuantizeLinear"]:
            self.assertIn(name, ops)

    def test_machines_are_found_by_path_and_by_name(self):
        self.succeed("compile", "--hw", ROOT / "configs" / "v3_96.yaml", "zoo:tiny_cnn")
        self.succeed("compile", "--hw", "v3_96", "zoo:tiny_cnn")

    def test_help_is_no_error(self):
        self.assertIn("run", self.succeed("--help").stdout)
        self.assertIn("--golden", self.succeed("run", "--help").stdout)

    def test_real_networks_agree_on_labelled_images(self):
        shared = ROOT / os.environ.get("WORKBENCH_SHARED", "../shared")
        model = shared / "networks/models/squeezenet1.1/squeezenet1.1_fp32_from_fp16.onnx"
        images = shared / "images/imagenet500_256"
        if not model.exists() or not images.exists():
            self.skipTest("the shared models and images are not there")
        self.succeed(*RUN, model, "--calibration", images, "--calibration-limit", 8, "--json",
                     "report.json")
        report = json.loads((self.folder / "report.json").read_text())
        top = report["accuracy"]["top5"][0]
        self.assertEqual(top["float"][0]["class"], top["integer"][0]["class"])


if __name__ == "__main__":
    unittest.main()
