"""Every subcommand on small networks, and what it writes."""
import csv
import json
import re
import shutil
import unittest
import xml.etree.ElementTree

import numpy

from support import ROOT, SHARED, WorkbenchTest

RUN = ("run", "--hw", "v3_96")


class Cli(WorkbenchTest):
    def test_run_is_bit_exact_and_every_cycle_is_explained(self):
        for model in ["zoo:tiny_cnn", "zoo:tiny_residual", "zoo:tiny_inception", "zoo:tiny_mobile"]:
            self.succeed(*RUN, model, "--json", "report.json")
            report = json.loads((self.folder / "report.json").read_text())
            self.assertEqual(report["schema_version"], 2)
            self.assertIs(report["verdict"]["bit_exact"], True)
            self.assertEqual(report["verdict"]["hazards"], 0)
            self.assertGreater(report["verdict"]["values_compared"], 0)
            cycles = report["totals"]["cycles"]
            self.assertEqual(sum(layer["cycles"] for layer in report["layers"]), cycles)
            self.assertEqual(sum(report["waterfall"].values()), cycles)
            for layer in report["layers"]:
                self.assertEqual(sum(layer["waterfall"].values()), layer["cycles"])
            # Whatever multiplies, does so in a layer of the overlay or in a step of the host.
            self.assertEqual(sum(part["macs"] for part in report["layers"] + report["host_steps"]),
                             report["network"]["macs"])
            self.assertTrue(any(step["macs"] for step in report["host_steps"]))

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

    def test_inspect_says_what_a_file_is_and_where_it_would_run(self):
        self.succeed("workload", "tiny_residual", "-o", "tiny.onnx")
        facts = self.succeed("inspect", "tiny.onnx").stdout
        self.assertRegex(facts, r"format +ONNX, IR \d+, opset \d+, by workbench\n")
        self.assertRegex(facts, r"operators +.*\d+ Conv")
        self.assertNotIn("on the host", facts)
        placed = self.succeed("inspect", "--hw", "v3_96", "tiny.onnx").stdout
        self.assertTrue(placed.startswith(facts))
        self.assertRegex(placed, r"\nConv +\d+\n")
        self.assertRegex(placed, r"on the host +1 step\n"
                                 r" +\d+ nodes?: fully connected layers run on the host")

    def test_verify_names_the_first_wrong_layer(self):
        self.succeed("workload", "tiny_cnn", "-o", "tiny.onnx")
        self.succeed("quantize", "tiny.onnx", "--target", "xdnn", "-o", "q.onnx")
        arguments = ("verify", "--hw", "v3_96", "q.onnx", "--expect", "outputs.npz", "--input",
                     "input.npy")
        self.succeed("evaluate", "q.onnx", "-o", "tensors")
        shutil.copy(self.folder / "tensors" / "input_0.npy", self.folder / "input.npy")
        self.succeed(*RUN, "q.onnx", "--input", "input.npy", "--dump-tensors", "run", "--brief")
        arrays = {name: numpy.load(self.folder / "run" / f"{name}.npy")
                  for name in ["conv3_relu", "pool1", "pool2"]}
        numpy.savez(self.folder / "outputs.npz", **arrays)
        equal = self.succeed(*arguments).stdout.splitlines()
        self.assertEqual(equal[-1], f"{len(arrays)} of {len(arrays)} tensors are equal")
        order = [line.split()[1].rstrip(":") for line in equal[:-1]]
        self.assertEqual(order, ["pool1", "pool2", "conv3/relu"])
        for name in ["pool2", "conv3_relu"]:
            arrays[name].flat[0] += 1
        numpy.savez(self.folder / "outputs.npz", **arrays)
        done = self.workbench(*arguments)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"1 of {len(arrays)} tensors are equal; first wrong layer: pool2 (",
                      done.stdout.splitlines()[-1])

    def test_compare_puts_runs_side_by_side(self):
        self.succeed("run", "--hw", "gap8", "zoo:tiny_cnn", "--json", "r.json", "--brief")
        text = self.succeed("compare", "v3_96 zoo:tiny_cnn", "gap8 zoo:tiny_cnn cores=4", "r.json",
                            "--json", "c.json", "--html", "c.html").stdout
        self.assertRegex(text, r"(?m)^latency_ms \(ms\) .* x ")
        self.assertIn("what differs in C from A\n  machine: v3_96 -> gap8\n", text)
        saved, compared = (json.loads((self.folder / name).read_text())
                           for name in ["r.json", "c.json"])
        runs = compared["runs"]
        self.assertEqual([run["verdict"] for run in runs], ["bit-exact"] * 3)
        self.assertEqual(runs[2]["figures"]["cycles"], saved["totals"]["cycles"])
        for index, run in enumerate(runs):
            self.assertEqual(sum(run["waterfall"].values()), run["figures"]["cycles"])
            self.assertEqual(sum(layer["cycles"][index] or 0 for layer in compared["layers"]),
                             run["figures"]["cycles"])
        # On four cores convolutions take longer, and the layers of one family have the same names.
        both = [layer["cycles"] for layer in compared["layers"] if layer["cycles"][2]]
        self.assertTrue(all(four > 0 for _, four, _ in both))
        self.assertGreater(runs[1]["figures"]["cycles"], runs[2]["figures"]["cycles"])
        self.assertIn("Runs side by side", (self.folder / "c.html").read_text())

    def test_compare_names_the_knob_that_differs(self):
        text = self.succeed("compare", "gap8 zoo:tiny_cnn", "gap8 zoo:tiny_cnn cores=4").stdout
        self.assertRegex(text, r"what differs in B from A\n(.*\n)*.*cluster.cores 8 -> 4")
        for runs in (["gap8 zoo:tiny_cnn"], ["gap8", "r.json"], ["none.json"] * 2):
            done = self.workbench("compare", *runs)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1))

    def test_the_isa_pages_are_what_the_field_lists_say(self):
        for family in "xdnn", "pulp":
            self.assertEqual(self.succeed("isa", family).stdout,
                             (ROOT / "docs" / f"isa-{family}.md").read_text())

    def test_disasm_explains_fields_of_both_families(self):
        for machine, words in [("v3_96", ["XNMaxPoolPipelined conv1", "inchan +3 +channels, of"]),
                               ("gap8", ["dma", "length +\\d+ +bytes, of a line",
                                         "kind +conv_Ho\\w* +the kernel"])]:
            self.succeed("compile", "--hw", machine, "zoo:tiny_cnn", "-o", "p")
            text = self.succeed("disasm", "p", "--explain").stdout
            for word in words:
                self.assertRegex(text, word)
            numbers = [int(line.split()[0]) for line in text.splitlines() if line[0] != " "]
            self.assertEqual(numbers, list(range(len(numbers))))

    def test_an_instruction_has_one_number_in_hazards_errors_and_words(self):
        self.succeed("workload", "tiny_cnn", "-o", "net.onnx")
        self.succeed("compile", "--hw", "v3_96", "net.onnx", "-o", "p")
        self.succeed("disasm", "p", "--format", "json", "-o", "p.json")
        program = json.loads((self.folder / "p.json").read_text())
        fields = [entry["xdnn_kv"] for entry in program["network"] if "xdnn_kv" in entry]
        for field in fields:
            field["id"] = str(7 + 2 * int(field["id"]))  # as vendors number
        fields[2]["wait_conv"] = "0"
        (self.folder / "bad.json").write_text(json.dumps(program))
        done = self.workbench("run", "--hw", "v3_96", "--program", "bad.json", "--weights",
                              "net.onnx", "--brief")
        self.assertEqual(done.returncode, 1)
        self.assertIn("hazard: instruction 2 (conv3) does not wait", done.stdout)
        self.assertRegex(self.succeed("disasm", "bad.json", "--explain").stdout,
                         r"(?m)^2 XNConv conv3\n    id +11 ")
        fields[2]["inchan"] = "many"
        (self.folder / "bad.json").write_text(json.dumps(program))
        done = self.workbench("disasm", "bad.json")
        self.assertEqual(done.returncode, 2)
        self.assertIn(" (instruction 2): XNConv 'conv3': field inchan: ", done.stderr)

    def test_advice_is_what_the_sweep_says(self):
        text = self.succeed("run", "--hw", "gap8", "zoo:tiny_cnn", "--brief", "--advise", "--json",
                            "r.json", "--html", "r.html").stdout
        advice = text.split("what would help")[1].splitlines()[1:]
        self.assertEqual(json.loads((self.folder / "r.json").read_text())["advice"]["lines"], advice)
        self.assertIn(advice[0], (self.folder / "r.html").read_text())
        self.assertTrue(1 <= len(advice) <= 5)
        cores = re.search(r"cores 8 -> 16: ([-+][\d.]+) %", "\n".join(advice))
        self.succeed("sweep", "zoo:tiny_cnn", "--hw", "gap8", "--set", "cores=8,16", "--json",
                     "s.json")
        points = json.loads((self.folder / "s.json").read_text())["points"]
        pace = [point["metrics"]["images_per_second"] for point in points]
        self.assertAlmostEqual(float(cores.group(1)), 100 * (pace[0] / pace[1] - 1), places=1)

    def test_a_batch_of_images_says_which_is_run(self):
        self.succeed("evaluate", "zoo:tiny_cnn", "-o", "tensors")
        one = numpy.load(self.folder / "tensors" / "input_0.npy")
        numpy.save(self.folder / "batch.npy", numpy.concatenate([one, one]))
        numpy.save(self.folder / "one.npy", one)
        text = "holds more than one image: run on the first"
        self.assertIn(text, self.succeed(*RUN, "zoo:tiny_cnn", "--input", "batch.npy").stderr)
        self.assertNotIn(text, self.succeed(*RUN, "zoo:tiny_cnn", "--input", "one.npy").stderr)

    def test_images_a_second_of_a_cluster_count_its_host(self):
        self.succeed("run", "--hw", "gap8", "zoo:tiny_cnn", "--json", "r.json")
        totals = json.loads((self.folder / "r.json").read_text())["totals"]
        self.assertGreater(totals["host_ms"], 0)
        self.assertAlmostEqual(totals["images_per_second"],
                               1e3 / (totals["run_ms"] + totals["host_ms"]))

    def test_quiet_says_nothing_beside_the_report(self):
        loud, quiet = (self.succeed(*RUN, "zoo:tiny_cnn", "--deterministic", *more)
                       for more in [(), ("--quiet",)])
        self.assertEqual(quiet.stderr, "")
        self.assertEqual(quiet.stdout, loud.stdout)
        self.assertIn("importing", self.succeed(*RUN, "zoo:tiny_cnn", "--verbose").stderr)

    def test_sweep_lists_its_metrics(self):
        self.assertRegex(self.succeed("sweep", "--metrics").stdout, r"\nlatency_ms +ms +lower ")

    def test_convert_writes_what_run_reads(self):
        self.succeed("workload", "tiny_residual", "-o", "tiny.onnx")
        self.succeed("convert", "tiny.onnx", "-o", "copy.onnx")
        self.succeed(*RUN, "copy.onnx", "--brief")

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

    def test_a_program_as_text_or_json_is_the_same_and_runs(self):
        self.succeed("compile", "--hw", "v3_96", "zoo:tiny_inception", "-o", "program")
        self.succeed("disasm", "program", "-o", "net.cmd")
        self.succeed("asm", "net.cmd", "-o", "net.json")
        self.succeed("asm", "net.json", "--format", "text", "-o", "again.cmd")
        self.assertEqual((self.folder / "again.cmd").read_text(),
                         (self.folder / "net.cmd").read_text())
        self.succeed(*RUN, "zoo:tiny_inception", "--json", "own.json", "--deterministic")
        for listing in ["net.cmd", "net.json"]:
            done = self.succeed(*RUN, "--program", listing, "--weights", "zoo:tiny_inception",
                                "--json", "replayed.json", "--deterministic")
            self.assertIn("verdict  bit-exact", done.stdout)
            self.assertIn("wait bits are redundant", done.stderr)
            own, replayed = (json.loads((self.folder / f"{name}.json").read_text())
                             for name in ["own", "replayed"])
            self.assertEqual(own["totals"]["cycles"], replayed["totals"]["cycles"])

    def test_a_program_that_does_not_fit_its_network_is_an_error(self):
        self.succeed("compile", "--hw", "v3_96", "zoo:tiny_residual", "-o", "program")
        self.succeed("disasm", "program", "-o", "net.cmd")
        done = self.workbench(*RUN, "--program", "net.cmd", "--weights", "zoo:tiny_cnn")
        self.assertEqual(done.returncode, 2)
        self.assertIn("net.cmd:", done.stderr)

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

    def test_layers_that_a_quantizer_table_leaves_out_are_told_in_one_line(self):
        (self.folder / "table.json").write_text('{"network": []}')
        done = self.succeed(*RUN, "zoo:tiny_residual", "--quantizer-json", "table.json")
        told = [line for line in done.stderr.splitlines() if "table.json" in line]
        self.assertEqual(len(told), 1, done.stderr)
        self.assertRegex(told[0], r"table\.json: (\d+) of \1 layers .* calibration: '.*', \.\.\.")

    def test_passes_are_dumped(self):
        self.succeed(*RUN, "zoo:tiny_mobile", "--dump-passes", "passes")
        self.assertTrue(any((self.folder / "passes").iterdir()))

    def test_ops_lists_what_can_be_imported_and_which_unit_runs_it(self):
        lines = self.succeed("ops").stdout.splitlines()
        self.assertEqual(lines[0].split()[2:7], ["V2", "V3", "Darius", "MathEngine", "PULP"])
        units = {line.split()[0]: line.split()[1:5] for line in lines[1:]}
        kernels = {line.split()[0]: line.split()[5] for line in lines[1:]}
        self.assertEqual(units["Conv"], ["array"] * 4)
        self.assertEqual(units["QLinearConv"], ["array"] * 4)
        self.assertEqual(units["MaxPool"], ["pool"] * 4)
        self.assertEqual(units["Concat"], ["address"] * 4)
        self.assertEqual(units["QuantizeLinear"], ["folded"] * 4)
        self.assertEqual(units["Softmax"], ["host"] * 4)
        # Only V3 has a PReLU behind the array (docs/facts/xdnn.md 1.8).
        self.assertEqual(units["PRelu"][1], "merged")
        self.assertNotEqual(units["PRelu"][0], "merged")
        # PULP-NN's kernels, and what is arithmetic of one of them or only an address.
        for operator, kernel in {"Conv": "conv", "Gemm": "linear", "Add": "add",
                                 "MaxPool": "maxpool", "GlobalAveragePool": "avgpool",
                                 "Relu": "merged", "RequantShift": "merged", "Concat": "address",
                                 "Flatten": "address", "Cast": "folded", "LeakyRelu": "host",
                                 "Softmax": "host", "ConvTranspose": "host"}.items():
            self.assertEqual(kernels[operator], kernel, operator)

    def report(self, *arguments):
        self.succeed(*arguments, "--json", "report.json")
        return json.loads((self.folder / "report.json").read_text())

    def test_a_program_survives_text_and_json(self):
        self.succeed("compile", "--hw", "v3_96", "zoo:tiny_inception", "-o", "program")
        self.succeed("disasm", "program", "-o", "a.txt")
        self.succeed("asm", "a.txt", "-o", "a.json")
        json.loads((self.folder / "a.json").read_text())
        self.succeed("disasm", "a.json", "-o", "b.txt")
        text = (self.folder / "a.txt").read_text()
        self.assertEqual(text, (self.folder / "b.txt").read_text())
        self.assertEqual(text, self.succeed("asm", "a.txt", "--format", "text").stdout)

    def test_our_own_listing_is_replayed_as_the_program_it_came_from(self):
        # An operation of the second one is cut for the machine's limits.
        for network in ["zoo:tiny_inception", "zoo:tiny_residual"]:
            own = self.report(*RUN, network, "--save-program", "program")
            self.succeed("disasm", "program", "--format", "json", "-o", "listing.json")
            replay = self.report(*RUN, "--program", "listing.json", "--weights", network)
            self.assertIs(replay["verdict"]["bit_exact"], True)
            self.assertEqual(replay["verdict"]["hazards"], 0)
            self.assertEqual(replay["totals"]["cycles"], own["totals"]["cycles"])
            # So is the file itself.
            saved = self.report(*RUN, "--program", "program", "--weights", network)
            self.assertIs(saved["verdict"]["bit_exact"], True)
            self.assertEqual(saved["totals"], replay["totals"])

    def test_passes_are_listed_and_switched(self):
        lines = [line.split(maxsplit=2) for line in self.succeed("passes").stdout.splitlines()]
        state = {name: on for name, on, _ in lines}
        self.assertEqual(state["fuse_activation"], "on")
        self.assertEqual(state["conv1x1_stride2_to_pool"], "off")
        ops = {}
        for switch in [(), ("--without", "fuse_activation"), ("--with", "conv1x1_stride2_to_pool")]:
            report = self.report(*RUN, "zoo:tiny_residual", *switch)
            self.assertIs(report["verdict"]["bit_exact"], True)
            ops[switch[:1]] = [layer["op"] for layer in report["layers"]]
        self.assertGreater(len(ops[("--without",)]), len(ops[()]))
        self.assertTrue(any("Conv 1x1/2" in op for op in ops[()]), ops)
        self.assertFalse(any("Conv 1x1/2" in op for op in ops[("--with",)]), ops)

    def test_schedules_are_ranked_chosen_and_read(self):
        run = (*RUN, "zoo:tiny_inception")
        text = self.succeed("compile", *RUN[1:], "zoo:tiny_inception", "--dump-schedules").stdout
        # Orders of six tasks before the concat: pool is before pool_proj (half of them), 3x3_reduce
        # before 3x3 and 1x5 (a third of those): 6! / 2 / 3.
        self.assertRegex(text, r"inception_a/output .*: 7 tasks, 120 valid schedules")
        time, space, natural = (self.report(*run, "--schedule", goal)
                                for goal in ["time", "space", "natural"])
        for report in [time, space, natural]:
            self.assertIs(report["verdict"]["bit_exact"], True)
        self.assertLessEqual(space["memory"]["minimum_bytes"], natural["memory"]["minimum_bytes"])
        names = [layer["name"] for layer in natural["layers"] if layer["nodes"]]
        first, second = "inception_a/3x3", "inception_a/1x5"
        self.assertLess(names.index(first), names.index(second))
        i, j = names.index(first), names.index(second)
        names[i], names[j] = names[j], names[i]
        (self.folder / "order.txt").write_text("\n".join(names) + "\n")
        report = self.report(*run, "--schedule-file", "order.txt")
        self.assertIs(report["verdict"]["bit_exact"], True)
        self.assertEqual([layer["name"] for layer in report["layers"] if layer["nodes"]], names)

    def test_machines_are_changed_from_the_command_line(self):
        run = (*RUN, "zoo:tiny_residual")
        plain = self.report(*run)
        narrow = self.report(*run, "--dsp", 32)
        self.assertEqual(3 * narrow["machine"]["peak_mac_per_cycle"],
                         plain["machine"]["peak_mac_per_cycle"])
        self.assertIs(narrow["machine"]["extrapolated"], True)
        self.assertIs(plain["machine"]["extrapolated"], False)
        small = self.report(*run, "--memory", 0.5, "--ddr", 1)
        self.assertEqual(small["memory"]["capacity_bytes"], 2**19)
        slow = self.report(*run, "--set", "ddr.efficiency=0.1")
        self.assertGreater(slow["totals"]["cycles"], plain["totals"]["cycles"])
        clock = self.report(*run, "--clock", "report=175", "--clock", "array=350",
                            "--engines", 2)
        self.assertEqual(clock["machine"]["report_clock_mhz"], 175)
        self.assertEqual(len(clock["engines"]), 2)
        throughput = self.report(*run, "--mode", "throughput")
        self.assertEqual(throughput["machine"]["mode"], "throughput")
        for report in [narrow, small, slow, clock, throughput]:
            self.assertIs(report["verdict"]["bit_exact"], True)

    def test_the_xfdnn_report_has_the_published_minimum_memory(self):
        """docs/facts/xdnn.md 4.6; the layout is what scripts for the notebook's output look for."""
        for network, machine, megabytes, layer, asked in [
                ("googlenet_v1", "v2_56", 5, "inception_3b/pool", 3325952),
                ("resnet50", "v2_28", 3, "res2a_branch2c", 4128768)]:
            text = self.succeed("compile", "--hw", machine, "--memory", megabytes, "--schedule",
                                "natural", "--report", "xfdnn", f"zoo:{network}").stdout
            found = re.findall(r"(\d+) \['(\S+)'\] size:(\d+)\.0 remap:\[\] data movement:\[\]",
                               text)
            self.assertIn((layer, str(asked)), [entry[1:] for entry in found])
            self.assertEqual(max(int(entry[2]) for entry in found), asked)
            # The tensor lines of a step add up to its figure.
            for step, _, size in found:
                parts = re.findall(rf"^{step}\t\S+_blob M\[0,\d+\] Z=(\d+) F=", text, re.M)
                self.assertEqual(sum(map(int, parts)), int(size), step)
            self.assertIn("Unsupported Layers: 3", text)

    def test_the_xfdnn_report_is_the_program_that_runs(self):
        done = self.succeed(*RUN, "zoo:tiny_inception", "--report", "xfdnn", "--json", "r.json")
        report = json.loads((self.folder / "r.json").read_text())
        figure = lambda pattern: int(re.search(pattern, done.stdout).group(1))
        self.assertEqual(figure(r"Network Operations Count: (\d+)"), report["network"]["ops"])
        self.assertEqual(figure(r"DDR Transfers \(bytes\): (\d+)"), report["totals"]["moveops"])
        self.assertEqual(figure(r"allocator: extent (\d+)"), report["memory"]["extent_bytes"])
        on_host = sum(len(step["nodes"]) for step in report["host_steps"])
        self.assertEqual(figure(r"Unsupported Layers: (\d+)"), 1 + on_host)
        steps = re.findall(r"^(\d+) (\S+)", done.stdout.split("MEMORY REQUIREMENTS")[0], re.M)
        self.assertEqual([int(step) for step, _ in steps], list(range(len(steps))))
        names = {name for _, name in steps}
        for layer in report["layers"]:
            for node in layer["nodes"]:
                self.assertIn(node, names)
        self.assertIn("bit-exact", done.stdout)

    def test_a_spilled_tensor_is_in_the_xfdnn_report(self):
        done = self.succeed("compile", "--hw", "v2_28", "--memory", "0.1", "--report", "xfdnn",
                            "zoo:tiny_residual")
        moved = int(re.search(r"DDR Transfers \(bytes\): (\d+)", done.stdout).group(1))
        self.assertGreater(moved, 0)
        spilled = re.findall(r"^\S+_blob .* E=\[(.*?)\] .* L=1 ", done.stdout, re.M)
        self.assertTrue(any(spilled), done.stdout)

    def test_the_graph_is_drawn(self):
        self.succeed("compile", "--hw", "v3_96", "zoo:tiny_residual", "--graph", "g.dot")
        dot = (self.folder / "g.dot").read_text()
        self.assertTrue(dot.startswith('digraph "tiny_residual" {'))
        self.assertIn("cycles alone", dot)
        self.succeed(*RUN, "zoo:tiny_residual", "--graph", "g.dot", "--json", "r.json")
        dot = (self.folder / "g.dot").read_text()
        for layer in json.loads((self.folder / "r.json").read_text())["layers"]:
            if layer["nodes"]:
                self.assertIn(f'label="{layer["name"]}\\n', dot)
                self.assertIn(f'{layer["cycles"]:,} cycles of the run', dot)
        self.assertIn("host: ", dot)

    def test_the_graph_is_drawn_as_svg(self):
        if shutil.which("dot") is None:
            self.skipTest("Graphviz is not installed")
        self.succeed("compile", "--hw", "v3_96", "zoo:tiny_inception", "--graph", "g.svg")
        root = xml.etree.ElementTree.parse(self.folder / "g.svg").getroot()
        self.assertTrue(root.tag.endswith("svg"))
        self.assertIn("inception_a", "".join(root.itertext()))

    def test_the_optimized_network_computes_the_same(self):
        self.succeed("workload", "tiny_mobile", "-o", "tiny.onnx")
        self.succeed(*RUN, "tiny.onnx", "--save-optimized", "optimized.onnx", "--dump-tensors",
                     "a", "--json", "a.json")
        self.succeed(*RUN, "optimized.onnx", "--input", "a/data.npy", "--dump-tensors", "b",
                     "--json", "b.json")
        before, after = (json.loads((self.folder / f"{name}.json").read_text())
                         for name in ["a", "b"])
        self.assertEqual([layer["op"] for layer in before["layers"]],
                         [layer["op"] for layer in after["layers"]])
        self.assertEqual(before["totals"]["cycles"], after["totals"]["cycles"])

    def allocation(self, rows, *options):
        (self.folder / "problem.csv").write_text("id,lower,upper,size\n" + "".join(
            f"b{i},{lower},{upper},{size}\n" for i, (lower, upper, size) in enumerate(rows)))
        return self.workbench("allocate", "problem.csv", *options)

    def assert_placed(self, rows, capacity, text):
        placed = list(csv.DictReader(text.splitlines()))
        self.assertEqual([(int(p["lower"]), int(p["upper"]), int(p["size"])) for p in placed], rows)
        places = [(*row, int(p["offset"])) for row, p in zip(rows, placed)]
        for i, (lower, upper, size, offset) in enumerate(places):
            self.assertGreaterEqual(offset, 0)
            self.assertLessEqual(offset + size, capacity)
            for other in places[:i]:
                if lower < other[1] and other[0] < upper:
                    self.assertTrue(offset + size <= other[3] or other[3] + other[2] <= offset)

    def test_allocate_prints_a_legal_placement(self):
        # Demand is 10 at every time; big-first strategies need more.
        rows = [(0, 2, 4), (0, 4, 6), (2, 6, 4), (4, 6, 6), (6, 8, 10)]
        done = self.allocation(rows, "--capacity", 10)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_placed(rows, 10, done.stdout)
        self.assertIn("optimal", done.stderr)

    def test_allocate_writes_a_file_and_knows_units_and_strategies(self):
        rows = [(0, 2, 1000), (1, 3, 3000), (2, 4, 1000)]
        for strategy in ["exact", "all", "bysize", "tops", "bottles", "shuffle", "flip"]:
            done = self.allocation(rows, "--capacity", "8k", "--strategy", strategy, "-o", "out.csv")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, "")
            self.assert_placed(rows, 8192, (self.folder / "out.csv").read_text())

    def test_allocate_minimizes(self):
        rows = [(0, 2, 4), (0, 4, 6), (2, 6, 4), (4, 6, 6), (6, 8, 10)]
        done = self.allocation(rows, "--capacity", 100, "--minimize")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_placed(rows, 10, done.stdout)

    def test_allocate_says_when_there_is_no_placement(self):
        done = self.allocation([(0, 2, 6), (1, 3, 6)], "--capacity", 11)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        self.assertIn("no placement exists", done.stderr)

    def test_allocate_keeps_buffers_within_buckets(self):
        done = self.allocation([(0, 2, 3), (0, 2, 3)], "--capacity", 8, "--bucket", 4)
        self.assertEqual(done.returncode, 0, done.stderr)
        offsets = {int(row["offset"]) for row in csv.DictReader(done.stdout.splitlines())}
        self.assertEqual(offsets, {0, 4})
        done = self.allocation([(0, 2, 5)], "--capacity", 8, "--bucket", 4)
        self.assertEqual(done.returncode, 1, done.stderr)

    def test_machines_are_found_by_path_and_by_name(self):
        self.succeed("compile", "--hw", ROOT / "configs" / "v3_96.yaml", "zoo:tiny_cnn")
        self.succeed("compile", "--hw", "v3_96", "zoo:tiny_cnn")

    def test_help_is_no_error(self):
        self.assertIn("run", self.succeed("--help").stdout)
        self.assertIn("--golden", self.succeed("run", "--help").stdout)

    def test_real_networks_agree_on_labelled_images(self):
        model = SHARED / "networks/models/squeezenet1.1/squeezenet1.1_fp32_from_fp16.onnx"
        images = SHARED / "images/imagenet500_256"
        if not model.exists() or not images.exists():
            self.skipTest("the shared models and images are not there")
        self.succeed(*RUN, model, "--calibration", images, "--calibration-limit", 8, "--json",
                     "report.json")
        report = json.loads((self.folder / "report.json").read_text())
        top = report["accuracy"]["top5"][0]
        self.assertEqual(top["float"][0]["class"], top["integer"][0]["class"])


if __name__ == "__main__":
    unittest.main()
