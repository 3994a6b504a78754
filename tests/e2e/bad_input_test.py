"""Whatever the user gets wrong: one line on stderr that says where, exit 2, no file left behind."""
import os
import re
import subprocess
import unittest

from support import ROOT, WORKBENCH, WorkbenchTest

RUN = ("run", "--hw", "v3_96")
MACHINE = (ROOT / "configs" / "v3_96.yaml").read_text()


class BadInput(WorkbenchTest):
    def refused(self, *arguments, says):
        before = sorted(path.name for path in self.folder.iterdir())
        done = self.workbench(*arguments)
        lines = done.stderr.splitlines()
        self.assertEqual(done.returncode, 2, f"{arguments}\n{done.stdout}{done.stderr}")
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith("workbench: "), lines[0])
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, lines[0])
        self.assertEqual(done.stdout, "")
        self.assertEqual(before, sorted(path.name for path in self.folder.iterdir()))

    def machine(self, text):
        (self.folder / "machine.yaml").write_text(text)
        return "run", "--hw", "machine.yaml", "zoo:tiny_cnn"

    def machine_with(self, old, new):
        """The shipped machine with one line changed, and the number of that line."""
        self.assertEqual(MACHINE.count(old), 1)
        line = MACHINE[: MACHINE.index(old)].count("\n") + 1
        return self.machine(MACHINE.replace(old, new)), f"machine.yaml:{line}"

    def test_a_missing_model_is_named(self):
        self.refused(*RUN, "nothing.onnx", says=["nothing.onnx", "No such file"])

    def test_an_option_of_the_other_family_is_refused(self):
        self.refused(*RUN, "zoo:tiny_cnn", "--tiler", "dory", says=["--tiler", "xDNN machine"])
        self.refused("compile", "--hw", "gap8", "zoo:tiny_cnn", "--schedule", "space",
                     says=["--schedule", "PULP machine"])

    def test_an_empty_text_is_no_value(self):
        self.refused(*RUN, "zoo:tiny_cnn", "--html", "", says=["--html", "expected a value"])
        self.refused(*RUN, "", says="expected a value")

    def test_output_that_cannot_be_written_is_an_error(self):
        for arguments in (*RUN, "--brief", "zoo:tiny_cnn"), ("passes",), ("run", "--help"):
            with open("/dev/full", "w") as full:
                done = subprocess.run([WORKBENCH, *arguments], cwd=self.folder, stdout=full,
                                      stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("standard output: cannot write", done.stderr)

    def test_a_missing_group_of_the_machine_is_said(self):
        text = re.sub(r"(?ms)^dma:.*?(?=^\S)", "", (ROOT / "configs" / "gap8.yaml").read_text())
        done = self.succeed(*self.machine(text), "--brief")
        self.assertRegex(done.stderr, r"machine.yaml: no group 'dma': taken as bytes_per_cycle 8,")
        self.assertNotIn("no group", self.succeed(*RUN, "zoo:tiny_cnn", "--brief").stderr)

    def test_a_buffer_has_its_id_alone(self):
        (self.folder / "p.csv").write_text("id,lower,upper,size\na,0,2,16\na,1,3,16\n")
        self.refused("allocate", "p.csv", "--capacity", "1k", says=["p.csv:3", "'a' in line 2"])

    def test_a_folder_is_not_a_model(self):
        self.refused(*RUN, ".", says="directory")

    def test_a_truncated_model_is_refused_at_every_length(self):
        self.succeed("workload", "tiny_cnn", "-o", "whole.onnx")
        whole = (self.folder / "whole.onnx").read_bytes()
        for length in [0, 1, 10, len(whole) // 2, len(whole) - 1]:
            (self.folder / "cut.onnx").write_bytes(whole[:length])
            self.refused(*RUN, "cut.onnx", says="cut.onnx")

    def test_text_is_not_a_model(self):
        (self.folder / "text.onnx").write_text("hello")
        self.refused(*RUN, "text.onnx", says="text.onnx")
        self.refused("inspect", "text.onnx", says="text.onnx")
        self.refused("convert", "text.onnx", "-o", "out.onnx", says="text.onnx")

    def test_an_unknown_zoo_network_gets_a_suggestion(self):
        self.refused(*RUN, "zoo:resnet51", says=["resnet51", "resnet50"])
        self.refused("inspect", "zoo:resnet51", says=["resnet51", "resnet50"])

    def test_an_unknown_zoo_option_is_named(self):
        self.refused(*RUN, "zoo:mobilenet_v1?depth=2", says="depth")
        self.refused(*RUN, "zoo:mobilenet_v1?width=wide", says="wide")

    def test_what_options_take_is_told_in_the_words_of_other_errors(self):
        self.refused(*RUN, "zoo:tiny_cnn", "--effort", "2",
                     says="--effort: expected best, fast or normal, found '2'")
        self.refused(*RUN, "zoo:tiny_cnn", "--threads", "0",
                     says="--threads: expected a number above 0, found '0'")
        self.refused(*RUN, "zoo:tiny_cnn", "--schedule", "fast",
                     says="--schedule: expected natural, space or time, found 'fast'")
        self.refused("verify", "--hw", "v3_96", "zoo:tiny_cnn", "--input", "x", "--expect", "y",
                     "--atol", "-1", says="--atol: expected a number from 0 on, found '-1'")
        self.refused("quantize", "zoo:tiny_cnn", "--calibration", ".", "--calibration-size", "0",
                     says="--calibration-size: expected a number above 0, found '0'")

    def test_control_characters_of_what_is_quoted_do_not_reach_the_terminal(self):
        (self.folder / "q.json").write_text('{"network": [{"name": "a\\n\\u001b[31mb\\r"}]}')
        self.refused(*RUN, "zoo:tiny_cnn", "--quantizer-json", "q.json",
                     says="layer 'a  [31mb ': expected key")
        photos = self.folder / "photos"
        photos.mkdir()
        (photos / "a\nb.ppm").write_bytes(b"P6 32 32 255\n" + bytes(range(96)) * 32)
        (photos / "c\nd.ppm").write_bytes(b"P6")
        done = self.succeed("quantize", "zoo:tiny_cnn", "--calibration", "photos", "--skip-bad",
                            "--dims", "3,32,32", "--transpose", "2,0,1", "--channel-swap",
                            "2,1,0", "--raw-scale", "255", "--mean-value", "1,2,3",
                            "--input-scale", "1")
        self.assertIn("photos: 1 skipped, 1 left; the first: photos/c d.ppm: ", done.stderr)

    def test_a_file_that_is_no_list_of_transforms_is_not_quoted_whole(self):
        (self.folder / "list.bin").write_bytes(b"(\0\x1b" + b"x" * 100000)
        done = self.workbench("quantize", "zoo:tiny_cnn", "--target", "none", "--scheme",
                              "graffitist", "--transforms", "list.bin")
        self.assertEqual(done.returncode, 2)
        self.assertIn("transforms: expected ')' at the end of '(", done.stderr)
        self.assertLess(len(done.stderr), 200)

    def test_quantize_refuses_before_it_writes_anything(self):
        # What `refused` checks: the network that -o names is not there either.
        self.refused("quantize", "zoo:tiny_mobile", "--target", "pulp", "-o", "q.onnx",
                     "--save-quantizer", "q.json",
                     says="--save-quantizer: expected --target xdnn, or --scheme graffitist, "
                          "found pulp")
        for option in [("--calibration-size", "3"), ("--calibration-seed", "3"),
                       ("--calibration-indices", "3")]:
            self.refused("quantize", "zoo:tiny_cnn", "-o", "q.onnx", *option,
                         says=f"{option[0]}: expected images with --calibration, found none")

    def test_an_unknown_flag_is_named(self):
        self.refused(*RUN, "zoo:tiny_cnn", "--fast", says="--fast")

    def test_a_missing_option_is_named(self):
        self.refused("run", "zoo:tiny_cnn", says="--hw")
        self.refused(*RUN, says="model")
        self.refused(says="subcommand")

    def test_an_unknown_machine_names_the_shipped_ones(self):
        self.refused("run", "--hw", "v9", "zoo:tiny_cnn", says=["v9", "v3_96"])

    def test_an_unknown_key_is_shown_with_its_line(self):
        line = MACHINE.count("\n") + 1
        self.refused(*self.machine(MACHINE + "bogus: 1\n"),
                     says=[f"machine.yaml:{line}", "bogus"])

    def test_a_wrong_type_is_shown_with_its_line(self):
        arguments, where = self.machine_with("  rows: 96 ", "  rows: many ")
        self.refused(*arguments, says=[where, "rows", "many"])

    def test_absurd_values_are_shown_with_their_line(self):
        for value in ["0", "-350", "1e30", "nan"]:
            arguments, where = self.machine_with("  report: 350 ", f"  report: {value} ")
            self.refused(*arguments, says=[where, "report"])

    def test_a_machine_that_is_no_yaml_is_refused(self):
        self.refused(*self.machine("{{{"), says="machine.yaml:")
        self.refused(*self.machine(""), says="machine.yaml")

    def test_an_output_that_cannot_be_written_is_refused_before_the_work(self):
        for flag in ["--json", "--csv", "--trace", "--save-program", "--save-quantizer"]:
            self.refused(*RUN, "zoo:tiny_cnn", flag, "no/such/folder/file",
                         says="no/such/folder/file: cannot write")
        self.refused("workload", "tiny_cnn", "-o", "no/file.onnx", says="no/file.onnx")

    def test_views_that_cannot_be_shown_are_refused_before_the_work(self):
        self.refused(*RUN, "zoo:tiny_cnn", "--report", "html", says=["--report", "xfdnn"])
        self.refused(*RUN, "zoo:tiny_cnn", "--graph", "g.png", says=["--graph", ".svg", "g.png"])
        for flag, name in [("--graph", "g.dot"), ("--save-optimized", "o.onnx")]:
            self.refused(*RUN, "zoo:tiny_cnn", flag, f"no/such/folder/{name}",
                         says=f"no/such/folder/{name}: cannot write")

    def test_svg_without_graphviz_says_what_to_install(self):
        done = self.workbench(*RUN, "zoo:tiny_cnn", "--graph", "g.svg",
                              environment={**os.environ, "PATH": str(self.folder)})
        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("graphviz", done.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_dot_that_fails_leaves_no_file(self):
        tools = self.folder / "tools"
        tools.mkdir()
        (tools / "dot").write_text("#!/bin/sh\necho no fonts >&2\nexit 3\n")
        (tools / "dot").chmod(0o755)
        done = self.workbench(*RUN, "zoo:tiny_cnn", "--graph", "g.svg",
                              environment={**os.environ, "PATH": str(tools)})
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("no fonts", done.stderr)
        self.assertFalse((self.folder / "g.svg").exists())

    def problem(self, text, *options, capacity="100", says):
        (self.folder / "p.csv").write_text(text)
        self.refused("allocate", "p.csv", "--capacity", capacity, *options, says=says)

    def test_broken_allocation_problems_are_shown_with_their_line(self):
        head = "id,lower,upper,size\n"
        self.problem("", says=["p.csv", "id, lower, upper, size"])
        self.problem("id,lower,size\n", says=["p.csv:1", "upper"])
        self.problem(head.replace("size", "bytes"), says=["p.csv:1", "bytes"])
        self.problem("id,id,lower,upper,size\n", says=["p.csv:1", "twice"])
        self.problem(head + "a,0,1\n", says=["p.csv:2", "4 values"])
        self.problem(head + "a,0,1,1\nb,3,3,1\n", says=["p.csv:3", "lower < upper"])
        for value in ["-1", "0", "x", "1.5", "", "1e3", "99999999999999999999"]:
            self.problem(head + f"a,0,1,{value}\n", says=["p.csv:2", "size"])
        self.problem(head + "a,-1,1,1\n", says=["p.csv:2", "lower"])
        self.refused("allocate", "absent.csv", "--capacity", "1", says="absent.csv")

    def test_broken_allocation_options_are_refused(self):
        text = "id,lower,upper,size\na,0,1,1\n"
        for value in ["", "x", "-5", "4G", "1.5M", "99999999999999999999"]:
            self.problem(text, capacity=value, says="--capacity")
        self.problem(text, "--bucket", "x", says="--bucket")
        self.problem(text, "--strategy", "magic", says="magic")
        self.problem(text, "--strategy", "top", "--minimize", says="--minimize")
        self.problem(text, "--nodes", "0", says="--nodes")
        (self.folder / "p.csv").write_text(text)
        self.refused("allocate", "p.csv", says="--capacity")

    def test_machine_options_out_of_range_are_shown_with_the_range(self):
        for option, value, says in [
                ("--dsp", "33", "multiple of 16"), ("--dsp", "x", "--dsp"),
                ("--dsp", "0", "between 1 and 256"),
                ("--memory", "-1", "am.size_bytes"), ("--memory", "nan", "whole number"),
                ("--memory", "much", "--memory"), ("--ddr", "0.01", "ddr.size_bytes"),
                ("--engines", "9", "between 1 and 8"), ("--engines", "0", "between 1 and 8"),
                ("--mode", "fast", "latency or throughput"),
                ("--clock", "array=500", "whole multiple"), ("--clock", "ram=4", "clocks.ram"),
                ("--clock", "array", "NAME=MHz"),
                ("--set", "ddr.efficiency=2", "between 0.01 and 1"),
                ("--set", "ddr.speed=2", "unknown key"), ("--set", "ddr.efficiency", "KEY=VALUE"),
                ("--set", "family=xdnn_v2", "--hw")]:
            self.refused(*RUN, "zoo:tiny_cnn", option, value, "--json", "r.json",
                         says=[option, value, says])
        self.refused("run", "--hw", "v2_28", "zoo:tiny_cnn", "--mode", "throughput",
                     says=["--mode throughput", "slice 0"])
        self.refused(*RUN, "zoo:tiny_residual", "--memory", "0.001", "--json", "r.json",
                     says=["tiny_residual", "bytes", "v3_96"])

    def test_unknown_passes_are_refused_with_the_known_ones(self):
        for option in ["--with", "--without"]:
            self.refused(*RUN, "zoo:tiny_cnn", option, "fuse_everything", "--json", "r.json",
                         says=[option, "fuse_activation", "'fuse_everything'"])
        self.refused(*RUN, "zoo:tiny_cnn", "--with", "bridge_concat", "--without", "bridge_concat",
                     says="bridge_concat")

    def test_broken_schedules_are_shown_with_their_line(self):
        run = (*RUN, "zoo:tiny_cnn", "--json", "r.json")
        self.refused(*run, "--schedule", "fast", says=["--schedule", "fast", "natural"])
        self.refused(*run, "--schedule-file", "absent", says="absent: cannot read")
        for text, says in [("conv1\nconv9\n", ["order.txt:2", "conv9"]),
                           ("conv1\nconv1\n", ["order.txt:2", "conv1", "line 1", "second time"]),
                           ("conv2\nconv1\n", ["order.txt:1", "conv1", "before its operand"])]:
            (self.folder / "order.txt").write_text(text)
            self.refused(*run, "--schedule-file", "order.txt", says=says)

    def listing(self):
        """A program's text, and the number of the line of its first convolution."""
        self.succeed("compile", *RUN[1:], "zoo:tiny_cnn", "-o", "program")
        text = self.succeed("disasm", "program").stdout
        before = text[: re.search(r"^\d+ XNConv ", text, re.M).start()]
        return text, before.count("\n") + 1

    def test_broken_listings_are_shown_with_their_line(self):
        text, number = self.listing()
        good = text.splitlines()[number - 1]
        values = good.split()
        for bad, says in [(good.replace("XNConv", "XNFoo"), "XNFoo"),  # no such opcode
                          (" ".join(values[:6]), "XNConv"),            # fields are missing
                          (" ".join([*values[:3], "x", *values[4:]]), "kernel_w")]:
            lines = text.splitlines()
            lines[number - 1] = bad
            (self.folder / "bad.txt").write_text("\n".join(lines))
            for command in [("asm", "bad.txt", "-o", "out.json"), ("disasm", "bad.txt"),
                            (*RUN, "--program", "bad.txt", "--json", "r.json")]:
                self.refused(*command, says=[f"bad.txt:{number}", says])
        (self.folder / "bad.json").write_text("{]")
        self.refused("asm", "bad.json", "-o", "out.json", says="bad.json")
        self.refused("asm", "absent.txt", says="absent.txt: cannot read")
        self.refused("asm", "program", "-o", "no/out.json", says="no/out.json")
        self.refused("disasm", "program", "--format", "yaml", says=["--format", "json"])

    def test_a_program_that_does_not_fit_is_refused(self):
        text, _ = self.listing()
        (self.folder / "good.txt").write_text(text)
        run = (*RUN, "--json", "r.json", "--program")
        self.refused(*run, "absent.txt", says="absent.txt: cannot read")
        self.refused(*run, "good.txt", "--weights", "zoo:tiny_residual", says="good.txt")
        self.refused(*run, "good.txt", "--weights", "absent.onnx", says="absent.onnx")
        self.refused("compile", *RUN[1:], "--program", "good.txt", says="--program")

    def test_options_of_the_other_family_are_refused(self):
        for option, value in [("--dsp", "28"), ("--memory", "1"), ("--engines", "2"),
                              ("--mode", "latency"), ("--report", "xfdnn"),
                              ("--quantizer-json", "q.json")]:
            self.refused("run", "--hw", "gap8", option, value, "zoo:tiny_cnn",
                         says=[option, "gap8"])
        for option, value in [("--l1", "20k"), ("--cores", "4"), ("--dma-width", "4"),
                              ("--report", "dory"), ("--emit-c", "c")]:
            self.refused(*RUN, option, value, "zoo:tiny_cnn", says=[option, "v3_96"])
        self.refused(*RUN, "--timing-only", "zoo:tiny_cnn", says=["--timing-only", "v3_96"])

    def test_what_does_not_fit_a_cluster_is_refused_with_what_would_do(self):
        run = ("run", "--hw", "gap8", "--json", "r.json")
        self.refused(*run, "--l2", "1k", "zoo:tiny_cnn", says=["does not fit L2", "1360 bytes"])
        self.refused(*run, "--l1", "9x", "zoo:tiny_cnn", says="9x")
        self.refused(*run, "zoo:resnet50", says=["bytes of L3", "8388608", "--l3 32M"])
        self.refused(*run, "--tiler", "dory", "--l1", "900", "zoo:tiny_cnn", says="DORY's")

    def test_somebody_elses_pulp_program_is_refused(self):
        self.succeed("compile", "--hw", "gap8", "zoo:tiny_cnn", "-o", "program")
        self.succeed("disasm", "program", "-o", "program.s")
        run = ("run", "--hw", "gap8", "--json", "r.json", "--program")
        self.refused(*run, "program", "zoo:tiny_mobile", says=["program", "another network"])
        self.refused(*run, "program", says="model")
        (self.folder / "cut").write_bytes((self.folder / "program").read_bytes()[:3000])
        self.refused(*run, "cut", "zoo:tiny_cnn", says="cut")
        text = (self.folder / "program.s").read_text().splitlines()
        line = next(i for i, entry in enumerate(text) if entry.startswith("kernel "))
        text[line] = text[line].replace("kernel ", "kernel speed=3 ", 1)
        (self.folder / "bad.s").write_text("\n".join(text))
        self.refused(*run, "bad.s", "zoo:tiny_cnn", says=[f"bad.s:{line + 1}", "speed"])
        self.refused("asm", "bad.s", "-o", "out", says=[f"bad.s:{line + 1}", "speed"])

    def test_a_full_device_is_reported(self):
        self.refused(*RUN, "zoo:tiny_cnn", "--json", "/dev/full", says="/dev/full: cannot write")

    def test_calibration_without_an_image_is_refused(self):
        (self.folder / "empty").mkdir()
        self.refused(*RUN, "zoo:tiny_cnn", "--calibration", "empty", says=["empty", "image"])
        self.refused(*RUN, "zoo:tiny_cnn", "--calibration", "absent", says="absent")

    def test_broken_input_files_are_refused(self):
        for name in ["x.npy", "x.npz", "x.pb", "x.png", "x.txt"]:
            (self.folder / name).write_bytes(b"\x93NUMPYgarbage")
            self.refused(*RUN, "zoo:tiny_cnn", "--input", name, says=name)

    def test_a_bad_shape_is_explained(self):
        self.succeed("workload", "tiny_cnn", "-o", "tiny.onnx")
        for text in ["1,3", "data=", "data=1,x", "data=1,-3,4,4"]:
            self.refused(*RUN, "tiny.onnx", "--shape", text, says="--shape")

    def test_a_broken_quantizer_table_is_refused(self):
        (self.folder / "table.json").write_text("{]")
        self.refused(*RUN, "zoo:tiny_cnn", "--quantizer-json", "table.json", says="table.json")
        (self.folder / "table.json").write_text(
            '{"network": [{"name": "no", "bw_layer_in": 8, "bw_layer_out": 8, "th_layer_in": 1, '
            '"th_layer_out": 1}]}')
        self.refused(*RUN, "zoo:tiny_cnn", "--quantizer-json", "table.json",
                     says="table.json: layer 'no': expected a layer of network")

    def test_codes_that_a_format_cannot_hold_are_refused(self):
        self.refused("quantize", "--hw", "v3_96", "--bits", "16", "zoo:tiny_cnn", "-o", "q.onnx",
                     says="--format qdq: expected a machine with codes of 8 bits")

    def test_a_broken_program_is_refused(self):
        (self.folder / "program").write_bytes(b"\xff" * 100)
        self.refused("disasm", "program", says="program")
        self.refused("disasm", "absent", says="absent")

    def test_broken_expectations_are_refused(self):
        self.succeed(*RUN, "zoo:tiny_cnn", "--dump-tensors", "dump")
        source = str(next((self.folder / "dump").iterdir()))
        self.refused("verify", "--hw", "v3_96", "zoo:tiny_cnn", "--input", "absent.npy",
                     "--expect", source, says="absent.npy")


if __name__ == "__main__":
    unittest.main()
