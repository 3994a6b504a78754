"""What docs/reliability.md promises: no input, full disk, signal or damaged store makes the workbench
crash, hang, fill the memory, lose what it printed or leave half a file behind."""
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import unittest

import numpy as np
import onnx
import onnx.numpy_helper

from support import ROOT, WORKBENCH, WorkbenchTest

MACHINE = (ROOT / "configs" / "v3_96.yaml").read_text()
LIMIT = 2 << 30  # bytes of memory that no run here may take


class ReliabilityTest(WorkbenchTest):
    def ended(self, *arguments, **options):
        """The run, which ended by itself: with an exit code of ours, and one line if it refused."""
        done = subprocess.run([WORKBENCH, *map(str, arguments)], cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                              preexec_fn=options.pop("before", None), **options)
        text = done.stderr.decode(errors="replace")
        self.assertIn(done.returncode, (0, 1, 2), f"{arguments}\n{text}")
        for theirs in ("internal error", "exception", "malformed database"):
            self.assertNotIn(theirs, text)
        if done.returncode == 2:
            self.assertEqual(len(text.splitlines()), 1, text)
            self.assertLess(len(text), 3000)
        return done.returncode, text

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())

    def refused(self, *arguments, says, **options):
        before = self.names()
        code, text = self.ended(*arguments, **options)
        self.assertEqual(code, 2, f"{arguments}\n{text}")
        self.assertIn(says, text)
        self.assertEqual(before, self.names())


class Files(ReliabilityTest):
    DOORS = {
        "model": lambda f: ("compile", "--hw", "v3_96", f),
        "machine": lambda f: ("compile", "--hw", f, "zoo:tiny_cnn"),
        "input": lambda f: ("run", "--hw", "v3_96", "zoo:tiny_cnn", "--input", f),
        "quantizer": lambda f: ("run", "--hw", "v3_96", "zoo:tiny_cnn", "--quantizer-json", f),
        "preprocess": lambda f: ("run", "--hw", "v3_96", "zoo:tiny_cnn", "--preprocess", f),
        "order": lambda f: ("run", "--hw", "v3_96", "zoo:tiny_cnn", "--schedule-file", f),
        "program": lambda f: ("run", "--hw", "gap8", "--program", f, "zoo:tiny_cnn"),
        "listing": lambda f: ("run", "--hw", "v3_96", "--program", f),
        "text": lambda f: ("disasm", f),
        "asm": lambda f: ("asm", f),
        "problem": lambda f: ("allocate", f, "--capacity", "1M"),
        "study": lambda f: ("sweep", f if f.endswith(".yaml") else f),
        "job": lambda f: ("sweep-worker", f, "--chunk", "0", "--chunks", "1", "--output", "."),
        "suite": lambda f: ("track", "record", f, "-o", "b.json"),
        "baseline": lambda f: ("track", "compare", f),
        "figures": lambda f: ("validate", f),
        "store": lambda f: ("results", "--store", f),
        "salvage": lambda f: ("results", "--store", f, "--salvage", "new.db"),
        "expected": lambda f: ("verify", "--hw", "v3_96", "zoo:tiny_cnn", "--expect", f),
        "labels": lambda f: ("accuracy", "--hw", "v3_96", "zoo:tiny_cnn", "--images", f),
    }

    def test_a_command_that_fails_leaves_no_folder(self):
        for folder in ("new", "new/in/new"):
            for command in (("run", "--hw", "v3_96", "missing.onnx", "--dump-passes"),
                            ("compile", "--hw", "gap8", "missing.onnx", "--dump-passes"),
                            ("search-bits", "--hw", "gap8", "missing.onnx", "-o"),
                            ("evaluate", "missing.onnx", "--output"),
                            ("quantize", "--hw", "v3_96", "missing.onnx", "--dump-reference")):
                self.refused(*command, folder, says="missing.onnx")

    def test_devices_pipes_and_folders_are_no_files(self):
        os.mkfifo(self.folder / "pipe")
        (self.folder / "folder").mkdir()
        for door, command in self.DOORS.items():
            for name in ("/dev/zero", "pipe") + (() if door == "labels" else ("folder",)):
                with self.subTest(f"{door} {name}"):
                    code, _ = self.ended(*command(name))
                    self.assertEqual(code, 2)
                    self.assertEqual(self.names(), ["folder", "pipe"])

    def test_a_case_of_a_suite_is_no_device(self):
        (self.folder / "suite.yaml").write_text(
            "name: x\ncases:\n  - name: a\n    network: /dev/zero\n    machine: gap8\n")
        self.refused("track", "record", "suite.yaml", "-o", "b.json", "--revision", "r",
                     says="expected a file, found a device")

    def test_output_to_a_full_disk_is_an_error(self):
        self.succeed("compile", "--hw", "v3_96", "zoo:tiny_cnn", "-o", "p")
        for command in (("disasm", "p"), ("ops",), ("passes",), ("--help",), ("run", "--help"),
                        ("workload", "--list"), ("inspect", "zoo:tiny_cnn"),
                        ("compile", "--hw", "v3_96", "zoo:tiny_cnn"), ("validate",),
                        ("run", "--hw", "gap8", "zoo:tiny_cnn", "--brief")):
            with self.subTest(command), open("/dev/full", "w") as full:
                done = subprocess.run([WORKBENCH, *command], cwd=self.folder, stdout=full,
                                      stderr=subprocess.PIPE, timeout=60)
                self.assertEqual(done.returncode, 2, command)
                self.assertIn(b"standard output: cannot write", done.stderr)

    def test_output_to_a_closed_pipe_is_no_success(self):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run([WORKBENCH, "ops"], stdout=writing, stderr=subprocess.PIPE, timeout=60)
        os.close(writing)
        self.assertNotEqual(done.returncode, 0)

    def test_an_output_is_no_input_and_no_other_output(self):
        self.succeed("workload", "tiny_cnn", "-o", "net.onnx")
        network = (self.folder / "net.onnx").read_bytes()
        (self.folder / "suite.yaml").write_text(
            "name: x\ncases:\n  - name: a\n    network: zoo:tiny_cnn\n    machine: gap8\n")
        os.symlink("net.onnx", self.folder / "link.onnx")
        for command in (("track", "record", "suite.yaml", "-o", "suite.yaml", "--revision", "r"),
                        ("run", "--hw", "v3_96", "net.onnx", "--json", "net.onnx"),
                        ("run", "--hw", "v3_96", "net.onnx", "--json", "link.onnx"),
                        ("run", "--hw", "v3_96", "net.onnx", "--json", "z", "--html", "./z"),
                        ("quantize", "--hw", "v3_96", "net.onnx", "-o", "net.onnx")):
            with self.subTest(command):
                self.refused(*command, says="expected a file of its own")
        self.assertEqual((self.folder / "net.onnx").read_bytes(), network)

    def test_what_is_replaced_keeps_its_permissions_and_links(self):
        target = self.folder / "report.json"
        target.write_text("old")
        target.chmod(0o640)
        os.symlink("report.json", self.folder / "link.json")
        os.symlink("new.json", self.folder / "dangling.json")
        for name in ("link.json", "dangling.json"):
            self.succeed("run", "--hw", "gap8", "zoo:tiny_cnn", "--json", name)
            self.assertTrue((self.folder / name).is_symlink())
        self.assertEqual(stat.S_IMODE(target.stat().st_mode), 0o640)
        self.assertIn("schema_version", target.read_text())
        self.assertIn("schema_version", (self.folder / "new.json").read_text())

    def test_a_file_that_may_not_grow_is_an_error_and_leaves_nothing(self):
        small = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # noqa: E731
        self.refused("workload", "tiny_cnn", "-o", "net.onnx", says="cannot write", before=small)
        (self.folder / "old.html").write_text("old")
        self.refused("run", "--hw", "gap8", "zoo:tiny_cnn", "--html", "old.html",
                     says="cannot write", before=small)
        self.assertEqual((self.folder / "old.html").read_text(), "old")

    def test_a_long_name_leaves_the_reason_and_whole_characters(self):
        for name in ("é" * 3000, "x" + "é" * 3000):
            done = subprocess.run([WORKBENCH, "inspect", name], cwd=self.folder, capture_output=True)
            text = done.stderr.decode()  # throws where half a character is left
            self.assertEqual((done.returncode, len(text.splitlines())), (2, 1), text)
            self.assertLess(len(text), 2500)
            self.assertRegex(text, r" \.\.\. é+: .*\n$")

    def test_texts_of_libraries_reach_nobody(self):
        for text in ("", "{", "[]", "true", "3", '{"format": 3}', '{"network": 3}', "1e999",
                     '{"format": "workbench sweep job", "version": 1, "evaluate": true}',
                     '{"format": "workbench sweep job", "version": 1, "points": {"a": 1}}',
                     '{"network": [{"name": {}}]}', '{"a": "\\ud800"}', "[" * 100000):
            (self.folder / "x.json").write_text(text)
            for door in ("quantizer", "job", "baseline", "asm", "listing"):
                with self.subTest(f"{door} {text[:60]}"):
                    self.assertEqual(self.ended(*self.DOORS[door]("x.json"))[0], 2)


class Outputs(ReliabilityTest):
    RUN = ("run", "--hw", "gap8", "zoo:tiny_cnn", "--deterministic", "--quiet")

    def printed(self, *arguments, **options):
        done = subprocess.run([WORKBENCH, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=60, **options)
        self.assertEqual((done.returncode, done.stderr), (0, b""), arguments)
        return done.stdout

    def test_a_pipe_that_nobody_reads_is_not_waited_for(self):
        os.mkfifo(self.folder / "pipe")
        os.symlink("pipe", self.folder / "link")
        for command in (("compile", "--hw", "v3_96", "zoo:tiny_cnn", "-o", "pipe"),
                        ("workload", "tiny_cnn", "-o", "link"),
                        (*self.RUN, "--json", "pipe"), (*self.RUN, "--trace", "link")):
            with self.subTest(command):
                self.refused(*command, says="nobody reads from this pipe")

    def test_a_pipe_that_is_read_gets_everything(self):
        os.mkfifo(self.folder / "pipe")
        self.succeed("workload", "tiny_cnn", "-o", "net.onnx")
        with subprocess.Popen(["cat", "pipe"], cwd=self.folder, stdout=subprocess.PIPE) as reader:
            with open(self.folder / "pipe", "wb"):  # until it is there
                self.succeed("workload", "tiny_cnn", "-o", "pipe")
            self.assertEqual(reader.stdout.read(), (self.folder / "net.onnx").read_bytes())

    def test_a_file_named_minus_is_standard_output_and_nothing_else_is(self):
        self.succeed(*self.RUN, "--json", "a.json", "--csv", "a.csv", "--save-program", "p")
        self.succeed("workload", "tiny_cnn", "-o", "net.onnx")
        self.succeed("disasm", "p", "-o", "p.txt")
        before = self.names()
        for name, command in (("a.json", (*self.RUN, "--json", "-")),
                              ("a.csv", (*self.RUN, "--csv", "-")),
                              ("p", ("compile", "--hw", "gap8", "zoo:tiny_cnn", "-o", "-", "--quiet")),
                              ("p.txt", ("disasm", "p", "-o", "-")),
                              ("net.onnx", ("workload", "tiny_cnn", "-o", "-"))):
            with self.subTest(name):
                self.assertEqual(self.printed(*command), (self.folder / name).read_bytes())
        self.assertEqual(self.names(), before)
        self.refused(*self.RUN, "--json", "-", "--csv", "-", says="expected one file")

    def test_what_standard_output_cannot_be(self):
        for command in ((*self.RUN, "--dump-tensors", "-"), (*self.RUN, "--emit-c", "-"),
                        ("quantize", "--hw", "v3_96", "zoo:tiny_cnn", "-o", "-"),
                        ("evaluate", "zoo:tiny_cnn", "-o", "-"),
                        ("sweep", "zoo:tiny_cnn", "--hw", "gap8", "--store", "-")):
            with self.subTest(command):
                self.refused(*command, says="cannot be standard output (./- is a file")
        self.succeed("workload", "tiny_cnn", "-o", "./-")
        self.assertEqual(self.names(), ["-"])

    def test_descriptors_are_written_where_they_are(self):
        self.succeed(*self.RUN, "--json", "a.json")
        report, text = (self.folder / "a.json").read_bytes(), self.printed(*self.RUN)
        self.assertEqual(self.printed(*self.RUN, "--json", "/dev/stdout"), report + text)
        with open(self.folder / "both", "wb") as both:  # not replaced under who has it open
            both.write(b"before\n")
            both.flush()
            subprocess.run([WORKBENCH, *self.RUN, "--json", "/dev/stdout"], cwd=self.folder,
                           stdout=both, check=True, timeout=60)
        self.assertEqual((self.folder / "both").read_bytes(), b"before\n" + report + text)
        read, write = os.pipe()  # as >(COMMAND) of a shell
        with open(read, "rb") as reader:
            with open(write, "wb"):
                self.printed(*self.RUN, "--csv", f"/dev/fd/{write}", pass_fds=[write])
            self.assertEqual(reader.read(), self.printed(*self.RUN, "--csv", "-"))

    def test_lost_standard_output_is_an_error(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([WORKBENCH, *self.RUN, "--json", "-"], cwd=self.folder,
                                  stdout=full, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual((done.returncode, done.stderr.decode()),
                         (2, "workbench: standard output: cannot write: No space left on device\n"))


class Findings(ReliabilityTest):
    def test_networks_that_once_broke_it_run_or_are_refused(self):
        found = sorted((ROOT / "tests" / "fuzz" / "findings").glob("onnx_*/*.onnx"))
        self.assertGreater(len(found), 0)
        for network in found:
            for machine in ("v3_96", "v2_28", "gap8"):
                with self.subTest(f"{network.name} on {machine}"):
                    self.ended("run", "--hw", machine, network)


class Texts(ReliabilityTest):
    def test_damaged_reports_are_refused_in_our_words(self):
        self.succeed("run", "--hw", "gap8", "zoo:tiny_cnn", "--json", "a.json")
        whole = (self.folder / "a.json").read_text()
        for text in ("", "[]", whole[:len(whole) // 2], whole.replace('"cycles"', '"cycl'),
                     whole.replace('"layers"', '"other"')):
            (self.folder / "b.json").write_text(text)
            code, said = self.ended("compare", "a.json", "b.json")
            self.assertEqual(code, 2, said)
            self.assertIn("b.json: expected a report of `run --json`, found ", said)
            self.assertNotIn("json.", said.replace("b.json", ""))

    def test_json_nested_without_end_is_refused(self):
        deep = "[" * 100000 + "]" * 100000
        doors = {**Files.DOORS, "report": lambda f: ("compare", f, f)}
        for door, text in (("job", '{"format": "workbench sweep job", "version": %s}'),
                           ("baseline", '{"what": %s}'), ("report", '{"machine": %s}'),
                           ("quantizer", '{"network": [{"name": "a", "scale": %s}]}'),
                           ("listing", '{"network": [], "a": %s}')):
            with self.subTest(door):
                (self.folder / "x.json").write_text(text % deep)
                self.refused(*doors[door]("x.json"), says="x.json: JSON nested deeper than 64 levels")


class Memory(ReliabilityTest):
    def test_a_network_beyond_the_limit_is_refused_before_it_is_allocated(self):
        conv = onnx.helper.make_node("Conv", ["x", "w"], ["y"], name="conv")
        image, result = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
                         for name in "xy")
        weights = onnx.numpy_helper.from_array(np.ones((16, 3, 1, 1), np.float32), "w")
        graph = onnx.helper.make_graph([conv], "net", [image], [result], [weights])
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)]),
                  self.folder / "net.onnx")
        small = lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))  # noqa: E731
        self.refused("run", "--hw", "gap8", "net.onnx", "--shape", "x=1,3,9000,9000",
                     "--memory-limit", "1G", says="more than the limit of 1.0 GB", before=small)

    def test_what_a_run_needs_is_known_before_calibration(self):
        image = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, 16384, 16384])
        result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
        pool = onnx.helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2])
        graph = onnx.helper.make_graph([pool], "net", [image], [result])
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)]),
                  self.folder / "net.onnx")
        # Its input alone would not fit here: a GB.
        small = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))  # noqa: E731
        says = "net: simulation and golden model: needs 4.0 GB of memory"
        self.refused("run", "--hw", "v3_96", "net.onnx", "--memory-limit", "2500M", says=says,
                     before=small)
        self.refused("run", "--hw", "v3_96", "net.onnx", "--memory-limit", "1G", before=small,
                     says="needs 2.0 GB of memory")

    def test_what_several_images_need_is_known_from_one(self):
        for images in (3, 4):
            self.ended("compile", "--hw", "v2_28", "zoo:inception_v2", "--batch", images, "--memory-limit", "200M",
                       "--quiet")
            self.ended("run", "--hw", "v2_28", "zoo:inception_v2", "--batch", images, "--memory-limit", "200M",
                       "--quiet")

    @unittest.skipUnless(shutil.which("cc"), "no C compiler")
    def test_without_threads_a_run_is_the_same(self):
        (self.folder / "none.c").write_text(
            "int pthread_create(void *t, void *a, void *f, void *x) { return 11; }")  # EAGAIN
        subprocess.run(["cc", "-w", "-shared", "-fPIC", "none.c", "-o", "none.so"], cwd=self.folder, check=True)
        none = {**os.environ, "LD_PRELOAD": str(self.folder / "none.so")}
        for machine in ("gap8", "v3_96"):
            command = [WORKBENCH, "run", "--hw", machine, "zoo:tiny_cnn", "--deterministic", "--quiet"]
            whole = subprocess.run(command, capture_output=True, check=True).stdout
            done = subprocess.run(command, capture_output=True, env=none)
            self.assertEqual((done.returncode, done.stderr, done.stdout), (0, b"", whole))

    def test_what_integers_need_is_known_before_their_input_is_read(self):
        ends = [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, 4096, 4096]),
                onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)]
        pool = onnx.helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2])
        graph = onnx.helper.make_graph([pool], "net", *[[end] for end in ends])
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)]),
                  self.folder / "net.onnx")
        self.refused("run", "--hw", "gap8", "--set", "l3.size_bytes=1000000000", "net.onnx", "--input",
                     "none.npy", "--memory-limit", "150M",
                     says="net: simulation and golden model: needs ")

    def test_sizes_of_limits_are_checked(self):
        for text in ("", "0", "-1", "4x", "16GB", "99999999999T", "k"):
            self.refused("ops", f"--memory-limit={text}", says="--memory-limit")

    def test_a_run_within_the_limit_is_the_same(self):
        run = ("run", "--hw", "gap8", "zoo:tiny_cnn", "--deterministic", "--json")
        self.succeed(*run, "free.json")
        self.succeed(*run, "tight.json", "--memory-limit", "300M")
        self.assertEqual((self.folder / "free.json").read_bytes(),
                         (self.folder / "tight.json").read_bytes())


class Searches(ReliabilityTest):
    def test_machines_with_limits_of_one_end(self):
        for knob in ("kernel_max", "stride_max", "pad_max", "dilation_max"):
            with self.subTest(knob):
                for network in ("tiny_cnn", "tiny_inception"):
                    code, _ = self.ended("compile", "--hw", "v3_96", "--set", f"limits.{knob}=1",
                                         f"zoo:{network}")
                    self.assertEqual(code, 0)


    def test_of_networks_that_are_all_the_hosts_say_nothing(self):
        ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 5]) for name in "xy"]
        node = onnx.helper.make_node("Softmax", ["x"], ["y"])
        onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "net", *[[end] for end in ends]),
                                         opset_imports=[onnx.helper.make_opsetid("", 13)]),
                  self.folder / "net.onnx")
        for machine in ("v3_96", "gap8"):
            code, text = self.ended("compile", "--hw", machine, "net.onnx", "--effort", "best")
            self.assertEqual(code, 0, text)
            self.assertNotIn("best so far", text)  # 0 cycles, a gap of nan %


class Stores(ReliabilityTest):
    SESSIONS = (("results",), ("results", "1"), ("results", "1", "--layers"), ("results", "--all"),
                ("results", "--json", "-"), ("results", "--where", "cycles>0"))

    def setUp(self):
        super().setUp()
        self.succeed("sweep", "zoo:tiny_cnn", "--hw", "gap8", "--set", "cores=1,8", "--tier",
                     "analytic", "--store", "whole.db", "--jobs", "1")
        connection = sqlite3.connect(self.folder / "whole.db")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()
        self.whole = (self.folder / "whole.db").read_bytes()
        self.before = self.names()

    def session(self, name):
        """All that a user does with a store that may be damaged."""
        for command in self.SESSIONS:
            self.ended(*command, "--store", name)
        code, text = self.ended("results", "--store", name, "--salvage", "new.db")
        made = (self.folder / "new.db").exists()
        self.assertEqual(made, code != 2, text)
        if made:
            self.assertEqual(self.ended("results", "--all", "--store", "new.db")[0], 0)
        for left in self.folder.glob("new.db*"):
            left.unlink()
        for left in self.folder.glob(f"{name}*"):
            left.unlink()
        self.assertEqual(self.names(), self.before)

    def altered(self, *statements):
        (self.folder / "s.db").write_bytes(self.whole)
        connection = sqlite3.connect(self.folder / "s.db")
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        self.session("s.db")

    def test_stores_of_another_schema(self):
        tables = ("points", "settings", "metrics", "layers", "layer_metrics", "runs", "run_points",
                  "metric_names")
        for table in tables:
            with self.subTest(table):
                self.altered(f"DROP TABLE {table}")
                self.altered(f"ALTER TABLE {table} RENAME TO other")
                self.altered(f"DELETE FROM {table}")
                self.altered(f"DROP TABLE {table}", f"CREATE TABLE {table} (x)")
                self.altered(f"DELETE FROM sqlite_master WHERE name = '{table}'")
        self.altered("UPDATE points SET status = 'odd'")
        self.altered("UPDATE metrics SET value = 9e999")
        self.altered("UPDATE layer_metrics SET value = 9e999, position = position + 100")
        self.altered("PRAGMA user_version = 99")
        self.altered("PRAGMA application_id = 7")

    def test_what_the_library_says_of_a_schema_is_not_told(self):
        self.altered("UPDATE sqlite_master SET sql = 'CREATE TABLE points(' WHERE name = 'points'")

    def test_a_view_without_an_end_ends(self):
        self.altered("DROP TABLE metrics",
                     "CREATE VIEW metrics AS WITH RECURSIVE n(point, name, value) AS (SELECT 1, 'x', "
                     "1 UNION ALL SELECT point + 1, 'x', 1 FROM n) SELECT * FROM n")

    def test_truncated_and_damaged_stores(self):
        seeded = random.Random(1)
        for length in (0, 1, 99, 100, 4095, 4096, 5000, len(self.whole) // 2, len(self.whole) - 1):
            (self.folder / "s.db").write_bytes(self.whole[:length])
            self.session("s.db")
        for case in range(int(os.environ.get("WORKBENCH_FUZZ_STORES", "8"))):
            damaged = bytearray(self.whole)
            for _ in range(seeded.choice((1, 4, 30, 400))):
                damaged[seeded.randrange(len(damaged))] = seeded.randrange(256)
            if case % 5 == 0:  # one page in the place of another
                pages = len(damaged) // 4096
                a, b = seeded.randrange(pages), seeded.randrange(pages)
                damaged[a * 4096:(a + 1) * 4096] = self.whole[b * 4096:(b + 1) * 4096]
            with self.subTest(case):
                (self.folder / "s.db").write_bytes(damaged)
                self.session("s.db")


# From the write number FAIL_FROM on, the disk is full. Files only: descriptors above stderr.
FULL_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>
static int fails(int file) {
  static long done;
  const char *from = getenv("FAIL_FROM");
  if (file <= 2 || !from || ++done < atol(from)) return 0;
  errno = ENOSPC;
  return 1;
}
ssize_t write(int f, const void *b, size_t n) {
  return fails(f) ? -1 : ((ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(f, b, n);
}
ssize_t writev(int f, const struct iovec *v, int n) {
  return fails(f) ? -1
                  : ((ssize_t(*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev"))(f, v, n);
}
ssize_t pwrite64(int f, const void *b, size_t n, off_t at) {
  return fails(f) ? -1
                  : ((ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64"))(
                        f, b, n, at);
}
ssize_t pwrite(int f, const void *b, size_t n, off_t at) { return pwrite64(f, b, n, at); }
"""


@unittest.skipUnless(shutil.which("cc"), "no C compiler")
class FullDisk(ReliabilityTest):
    COMMANDS = (("workload", "tiny_cnn", "-o", "net.onnx"),
                ("run", "--hw", "gap8", "zoo:tiny_cnn", "--deterministic", "--json", "a.json",
                 "--html", "a.html", "--save-program", "p"),
                ("quantize", "--hw", "v3_96", "zoo:tiny_cnn", "-o", "q.onnx", "--save-quantizer",
                 "q.json"),
                ("track", "record", "suite.yaml", "-o", "b.json", "--revision", "r"))
    SWEEP = ("sweep", "zoo:tiny_cnn", "--hw", "gap8", "--set", "cores=1,8", "--tier", "analytic",
             "--store", "s.db", "--jobs", "1", "--csv", "s.csv")

    def setUp(self):
        super().setUp()
        (self.folder / "suite.yaml").write_text(
            "name: x\ncases:\n  - name: a\n    network: zoo:tiny_cnn\n    machine: gap8\n")
        (self.folder / "full.c").write_text(FULL_DISK)
        subprocess.run(["cc", "-shared", "-fPIC", "full.c", "-o", "full.so", "-ldl"],
                       cwd=self.folder, check=True)

    def full_from(self, write):
        return {**os.environ, "LD_PRELOAD": str(self.folder / "full.so"), "FAIL_FROM": str(write)}

    def contents(self):
        return {name: (self.folder / name).read_bytes() for name in self.names()}

    def test_every_write_may_fail(self):
        for command in self.COMMANDS:
            empty = self.contents()
            self.succeed(*command)
            whole = self.contents()
            for name in set(whole) - set(empty):
                (self.folder / name).unlink()
            for write in range(1, 200):
                with self.subTest(f"{command[0]} from write {write}"):
                    code, _ = self.ended(*command, env=self.full_from(write))
                    left = self.contents()
                    for name, contents in left.items():  # a whole file or none
                        self.assertEqual(contents, whole.get(name), name)
                    if code == 0:
                        self.assertEqual(left, whole)
                for name in set(left) - set(empty):
                    (self.folder / name).unlink()
                if code == 0:
                    break
            self.assertEqual(code, 0, "more writes than expected")
            self.assertGreater(write, 1, "nothing was made to fail")

    def test_a_store_survives_a_full_disk(self):
        self.succeed(*self.SWEEP)
        whole = (self.folder / "s.csv").read_bytes()
        for write in (1, 2, 3, 5, 8, 13, 21, 34):
            for left in list(self.folder.glob("s.db*")) + list(self.folder.glob("s.csv*")):
                left.unlink()
            self.ended(*self.SWEEP, env=self.full_from(write))
            self.succeed(*self.SWEEP)  # goes on where there is room again
            self.assertEqual((self.folder / "s.csv").read_bytes(), whole)


class Signals(ReliabilityTest):
    def test_an_ended_process_leaves_no_temporary_file(self):
        """A pipe that nobody reads holds the writer in the middle of its file."""
        self.succeed("workload", "tiny_cnn", "-o", "net.onnx")
        for wait in (0.02, 0.05, 0.1, 0.2):
            process = subprocess.Popen(
                [WORKBENCH, "run", "--hw", "v3_96", "net.onnx", "--json", "a.json", "--html",
                 "a.html", "--dump-tensors", "tensors"], cwd=self.folder,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(timeout=wait)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGTERM)
            self.assertIn(process.wait(timeout=60), (0, -signal.SIGTERM))
            self.assertEqual([path for path in self.folder.rglob("*.tmp*")], [])
            if (self.folder / "a.json").exists():
                json.loads((self.folder / "a.json").read_text())

    def test_an_ended_process_leaves_no_temporary_folder(self):
        """The signal comes while the folder is there: as soon as it is seen."""
        caught = 0
        for _ in range(12):
            process = subprocess.Popen([WORKBENCH, "compile", "--hw", "v3_96", "zoo:tiny_cnn",
                                        "--emit-runtime", "app"], cwd=self.folder,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None and not list(self.folder.glob("app.tmp*")):
                pass
            process.send_signal(signal.SIGTERM)
            caught += process.wait(timeout=60) == -signal.SIGTERM
            self.assertEqual(list(self.folder.glob("app.tmp*")), [])
        self.assertGreater(caught, 0, "every process had ended before its signal came")


if __name__ == "__main__":
    unittest.main()
