"""`import workbench`: the same answers, arrays and errors as the command line gives.

Environment: WORKBENCH_PYTHON, the folder that has the package.
"""
import csv
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.environ["WORKBENCH_PYTHON"])

import numpy as np  # noqa: E402

import workbench as wb  # noqa: E402
from support import ROOT, WorkbenchTest  # noqa: E402

try:
    import pandas
except ImportError:
    pandas = None


class PythonTest(WorkbenchTest):
    def setUp(self):
        super().setUp()
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.folder)

    def python(self, code, **options):
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                              cwd=self.folder, timeout=120,
                              env={**os.environ, "PYTHONPATH": os.environ["WORKBENCH_PYTHON"]},
                              **options)


class Runs(PythonTest):
    def test_a_run_is_that_of_the_command_line(self):
        for machine, option in (("v3_96", ("--memory", "2")), ("gap8", ("--l1", "36k"))):
            with self.subTest(machine):
                self.succeed("run", "--hw", machine, *option, "zoo:tiny_cnn", "--json", "run.json",
                             "--dump-tensors", "tensors")
                told = json.loads((self.folder / "run.json").read_text())
                run = wb.run("zoo:tiny_cnn", hw=machine, **{option[0].strip("-"): option[1]})
                told.pop("wall")
                self.assertEqual({key: value for key, value in run.report.items() if key != "wall"},
                                 told)
                self.assertIs(run.bit_exact, True)
                for name, array in run.tensors.items():
                    file = self.folder / "tensors" / (re.sub(r"[^\w.-]", "_", name) + ".npy")
                    self.assertTrue(file.exists(), file)
                    dumped = np.load(file)
                    self.assertEqual(array.dtype, dumped.dtype)
                    np.testing.assert_array_equal(array, dumped)

    @unittest.skipUnless(shutil.which("riscv64-unknown-elf-gcc"), "no riscv64-unknown-elf-gcc")
    def test_both_tiers_have_the_same_values(self):
        compiled = wb.compile("zoo:tiny_cnn", hw="pulp_open")
        fast, detailed = compiled.run(), compiled.run(tier="detailed")
        self.assertIs(detailed.bit_exact, True)
        for name, array in detailed.tensors.items():
            np.testing.assert_array_equal(array, fast.tensors[name])
        self.assertEqual(len(fast.outputs), len(detailed.outputs))
        self.assertIn("instructions", detailed.layers[0]["cores"])
        with self.assertRaisesRegex(wb.Error, "tier: expected 'transaction' or 'detailed'"):
            compiled.run(tier="analytic")

    def test_arrays_are_inputs_and_outputs(self):
        image = np.random.default_rng(3).uniform(-1, 1, (1, 3, 32, 32)).astype(np.float32)
        np.save("image.npy", image)
        of_array = wb.run("zoo:tiny_cnn", hw="v3_96", input=image)
        of_file = wb.run("zoo:tiny_cnn", hw="v3_96", input="image.npy")
        other = wb.run("zoo:tiny_cnn", hw="v3_96", input=-image)
        (output,), (same,), (different,) = (run.outputs.values()
                                            for run in (of_array, of_file, other))
        self.assertEqual(output.shape, (1, 10))
        np.testing.assert_array_equal(output, same)
        self.assertTrue((output != different).any())
        self.assertFalse(output.flags.writeable)
        with self.assertRaises(ValueError):
            output[0, 0] = 1
        del of_array
        np.testing.assert_array_equal(output, same)  # it owns its bytes

    def test_arrays_of_an_unknown_name_are_refused(self):
        array = wb.compile("zoo:tiny_cnn", hw="gap8").input[0]
        with self.assertRaisesRegex(wb.Error, "input: expected arrays named .*, found 'wrong'"):
            wb.compile("zoo:tiny_cnn", hw="gap8", input={"wrong": array})
        name = wb.compile("zoo:tiny_cnn", hw="gap8")._native.input_names()[0]
        self.assertTrue(wb.run("zoo:tiny_cnn", hw="gap8", input={name: array}).bit_exact)

    def test_a_program_has_layers_weights_and_the_reports_of_its_family(self):
        program = wb.compile("zoo:tiny_residual", hw="v2_56", memory=1)
        told = self.succeed("compile", "--hw", "v2_56", "--memory", "1", "--report", "xfdnn",
                            "zoo:tiny_residual").stdout
        self.assertTrue(told.startswith(program.xfdnn_report()))
        self.assertEqual(program.capacity_bytes, 1 << 20)
        self.assertTrue(any(array.dtype == np.int8 for array in program.constants.values()))
        program.save("program.bin")
        self.succeed("disasm", "program.bin")
        with self.assertRaisesRegex(wb.Error, "^xfdnn_report: expected an xDNN machine, found"):
            wb.compile("zoo:tiny_cnn", hw="gap8").xfdnn_report()

    def test_the_timeline_tiles_every_resources_time(self):
        timeline = wb.run("zoo:tiny_cnn", hw="v3_96").timeline
        length = timeline["end"] - timeline["begin"]
        self.assertTrue((length > 0).all())
        for resource in range(len(timeline["resources"])):
            self.assertEqual(length[timeline["resource"] == resource].sum(), timeline["cycles"])

    def test_timing_alone_has_the_same_cycles_and_no_verdict(self):
        whole = wb.run("zoo:tiny_cnn", hw="gap8")
        timing = wb.run("zoo:tiny_cnn", hw="gap8", values=False)
        self.assertEqual(timing.cycles, whole.cycles)
        self.assertIsNone(timing.bit_exact)

    def test_errors_are_the_command_lines(self):
        for arguments, keywords in ((["--hw", "v3_97", "zoo:tiny_cnn"], {"hw": "v3_97"}),
                                    (["--hw", "gap8", "--l2", "1k", "zoo:tiny_cnn"],
                                     {"hw": "gap8", "l2": "1k"})):
            done = self.workbench("run", *arguments)
            self.assertEqual(done.returncode, 2)
            with self.assertRaises(wb.Error) as raised:
                wb.run("zoo:tiny_cnn", **keywords)
            self.assertEqual(done.stderr, f"workbench: {raised.exception}\n")
        self.assertTrue(issubclass(wb.Error, ValueError))
        with self.assertRaisesRegex(wb.Error, "dsp"):
            wb.compile("zoo:tiny_cnn", hw="v3_96", dps=3)
        with self.assertRaisesRegex(wb.Error, "^none.onnx: "):
            wb.compile("none.onnx", hw="v3_96")

    def test_a_pipe_is_no_network(self):
        os.mkfifo("pipe.onnx")
        with self.assertRaisesRegex(wb.Error, "^pipe.onnx: .*expected a file, found a pipe"):
            wb.compile("pipe.onnx", hw="v3_96")

    def test_other_threads_run_during_a_simulation(self):
        # From here on no thread has to let another one run: it does so where it waits, or where
        # native code says that it may.
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1000)
        program = wb.compile("zoo:tiny_residual", hw="v3_96")
        asked, seen = queue.SimpleQueue(), []
        simulating = False

        def look():
            while asked.get():
                seen.append(simulating)

        looking = threading.Thread(target=look)
        looking.start()
        for _ in range(1000):  # until the other thread was given a processor meanwhile
            asked.put(True)
            simulating = True
            program.run()
            simulating = False
            if True in seen:
                break
        asked.put(False)
        looking.join()
        self.assertIn(True, seen)

    def test_simulations_wait_for_each_other(self):
        program = wb.compile("zoo:tiny_residual", hw="v3_96")
        cycles = []
        threads = [threading.Thread(target=lambda: cycles.append(program.run().cycles))
                   for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(cycles, [program.run().cycles] * 3)

    @unittest.skipUnless(pandas, "no pandas")
    def test_frames_have_a_row_per_layer(self):
        run = wb.run("zoo:tiny_cnn", hw="v3_96")
        frame = run.frame()
        self.assertEqual(len(frame), len(run.layers))
        self.assertEqual(frame["cycles"].sum(), run.cycles)
        self.assertEqual(frame.filter(like="waterfall.").to_numpy().sum(), run.cycles)
        program = wb.compile("zoo:tiny_cnn", hw="v3_96")
        self.assertEqual(list(program.frame()["name"]), [layer["name"] for layer in program.layers])

    def test_it_shares_a_process_with_onnx(self):
        for imports in ("import onnx, workbench", "import workbench, onnx"):
            done = self.python(f"{imports}\n"
                               "print(workbench.run('zoo:tiny_cnn', hw='v3_96').bit_exact)\n"
                               "onnx.helper.make_tensor('t', 1, [1], [0.5])")
            self.assertEqual((done.stdout, done.stderr), ("True\n", ""), imports)


class Points(PythonTest):
    def test_a_sweep_is_that_of_the_command_line(self):
        arguments = ["--hw", "gap8", "--set", "l1=1k,16k,64k", "--set", "cores=1,8", "--refine"]
        self.succeed("sweep", *arguments, "zoo:tiny_cnn", "--csv", "sweep.csv")
        with open("sweep.csv", encoding="utf-8") as file:
            told = list(csv.DictReader(file))
        sweep = wb.sweep("zoo:tiny_cnn", hw="gap8", l1="1k,16k,64k", cores=[1, 8], refine=True,
                         store="python.db")
        self.assertEqual(len(sweep), len(told))
        for column in ("tier", "status", "reason", "bit_exact"):
            self.assertEqual([row[column] or None for row in told],
                             [value or None for value in sweep[column]])
        for column in ("cycles", "energy_mj", "l1", "cores"):
            expected = [wb.points.number(row[column]) if row[column] else np.nan for row in told]
            np.testing.assert_array_equal(sweep[column], expected)
        self.assertEqual(sweep.on_front.sum() > 0, True)
        again = wb.sweep("zoo:tiny_cnn", hw="gap8", l1=["1k", "16k", "64k"], cores=[1, 8],
                         refine=True, store="python.db")
        self.assertEqual((again.computed, again.reused), (0, len(sweep)))
        self.assertEqual(again.rows, sweep.rows)

    def test_a_study_is_a_file_or_a_dict(self):
        study = {"networks": "zoo:tiny_cnn", "machines": ["v3_96"],
                 "parameters": {"dsp": [48, 96], "ddr.efficiency": [0.5, 1]}}
        (self.folder / "study.yaml").write_text(json.dumps(study))
        sweeps = [wb.sweep(study, store="a.db"), wb.sweep("study.yaml", store="b.db"),
                  wb.sweep("zoo:tiny_cnn", hw="v3_96", store="c.db",
                           **{"dsp": [48, 96], "ddr.efficiency": np.array([0.5, 1])})]
        for sweep in sweeps:
            self.assertEqual(sweep["dsp"].tolist(), [48, 48, 96, 96])
            np.testing.assert_array_equal(sweep["cycles"], sweeps[0]["cycles"])
        with self.assertRaisesRegex(TypeError, "dsp"):
            wb.sweep(study, dsp=[1])
        with self.assertRaisesRegex(wb.Error, "^study:1: .*machines"):
            wb.sweep({**study, "machine": "gap8"})

    def test_a_point_alone_is_that_of_a_sweep(self):
        point = wb.evaluate("zoo:tiny_cnn", hw="gap8", cores=4, tier="transaction")
        sweep = wb.sweep("zoo:tiny_cnn", hw="gap8", cores=4, tier="transaction", store="s.db")
        self.assertEqual(point["key"], sweep["key"][0])
        self.assertEqual(point["metrics"]["cycles"], sweep["cycles"][0])
        self.assertIs(point["bit_exact"], True)
        layers = sweep.layers()
        self.assertEqual(layers["cycles"].sum(), sweep["cycles"][0])
        infeasible = wb.evaluate("zoo:tiny_cnn", hw="gap8", l2="1k")
        self.assertEqual(infeasible["status"], "infeasible")
        self.assertIn("does not fit L2", infeasible["reason"])

    def test_results_are_columns_and_frames(self):
        wb.sweep("zoo:tiny_cnn", hw="gap8", l1=["1k", "64k"], tiler="dory", store="s.db")
        points = wb.results("s.db")
        self.assertEqual(points["l1"].dtype, np.int64)
        self.assertEqual(points["cycles"].dtype, float)
        self.assertEqual(points["l1"].tolist(), [1024, 65536])
        self.assertEqual(points["tiler"].tolist(), ["dory", "dory"])
        self.assertTrue(np.isnan(points["cycles"][0]))
        self.assertEqual(len(wb.results("s.db", 1, where=["status=ok"])), 1)
        self.assertEqual([(run["kind"], run["points"]) for run in wb.runs("s.db")],
                         [("python", 2)])
        with self.assertRaises(KeyError):
            points["cycels"]
        with self.assertRaisesRegex(wb.Error, "^none.db: expected a results store"):
            wb.results("none.db")
        if pandas:
            self.assertEqual(list(points.frame()["status"]), ["infeasible", "ok"])

    def test_progress_is_told_and_may_stop_the_sweep(self):
        told = []
        wb.sweep("zoo:tiny_cnn", hw="gap8", l1="16k,32k", store="s.db",
                 progress=lambda *what: told.append(what))
        self.assertEqual(told[-1][1:], (2, 2))

        def stop(stage, done, total):
            raise RuntimeError("enough")

        with self.assertRaisesRegex(RuntimeError, "enough"):
            wb.sweep("zoo:tiny_cnn", hw="gap8", l1="16k..64k:1k", jobs=1, store="t.db",
                     progress=stop)
        self.assertLess(len(wb.results("t.db")), 49)

    def test_ctrl_c_keeps_what_was_finished(self):
        code = ("import workbench as wb, signal, os\n"
                "def tell(stage, done, total):\n"
                "    if done == 3: os.kill(os.getpid(), signal.SIGINT)\n"
                "try:\n"
                "    wb.sweep('zoo:tiny_cnn', hw='gap8', l1='16k..64k:1k', jobs=1, store='s.db',\n"
                "             progress=tell)\n"
                "except KeyboardInterrupt:\n"
                "    print('interrupted')\n")
        done = self.python(code)
        self.assertEqual((done.stdout, done.stderr), ("interrupted\n", ""))
        kept = len(wb.results("s.db"))
        self.assertGreaterEqual(kept, 3)
        rest = wb.sweep("zoo:tiny_cnn", hw="gap8", l1="16k..64k:1k", store="s.db")
        self.assertEqual((rest.computed, rest.reused), (49 - kept, kept))


class Docs(PythonTest):
    @unittest.skipUnless(pandas, "no pandas")
    def test_the_page_and_the_notebook_run(self):
        page = (ROOT / "docs" / "python.md").read_text()
        names = {}
        for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
            exec(compile(block, "docs/python.md", "exec"), names)
        done = self.python((ROOT / "docs" / "notebook.py").read_text())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    unittest.main()
