"""kill -9 at every write, a clock that goes backwards, a worker whose file is damaged or is that of
another chunk: nothing is lost, nothing is half-written, and the final bytes are the same."""
import hashlib
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import unittest

from killed import KilledTest
from support import WORKBENCH, WorkbenchTest


class Faults(KilledTest):
    COMMANDS = (("workload", "tiny_residual", "-o", "net.onnx"),
                ("run", "--hw", "gap8", "zoo:tiny_cnn", "--deterministic", "--json", "a.json", "--html",
                 "a.html", "--csv", "a.csv", "--save-program", "p", "--dump-tensors", "tensors"),
                ("quantize", "--hw", "v3_96", "zoo:tiny_cnn", "-o", "q.onnx", "--save-quantizer",
                 "q.json", "--dump-reference", "values"),
                ("compile", "--hw", "gap8", "zoo:tiny_cnn", "--emit-c", "app"),
                ("track", "record", "suite.yaml", "-o", "b.json", "--revision", "r"))
    SWEEP = ("sweep", "zoo:tiny_cnn", "--hw", "gap8", "--set", "cores=1,2,4,8", "--tier", "analytic",
             "--csv", "s.csv")

    def at_work(self, name):
        super().at_work(name)
        (self.work / "suite.yaml").write_text(
            "name: x\ncases:\n  - name: a\n    network: zoo:tiny_cnn\n    machine: gap8\n")

    def test_killed_at_any_write_leaves_whole_files_or_none(self):
        tried = 0
        for number, command in enumerate(self.COMMANDS):
            self.at_work(f"whole{number}")
            most = self.whole_run(command)
            whole = self.contents()
            for at in self.moments(most):
                with self.subTest(f"{command[0]} killed at operation {at}"):
                    self.at_work(f"killed{number}_{at}")
                    done = self.run_with(command, KILL_AT=at)
                    self.assertEqual(done.returncode, -signal.SIGKILL)
                    tried += 1
                    for name, data in self.contents().items():
                        self.assertEqual(data, whole.get(name), name)
                    again = self.run_with(command)  # where the killed one left off
                    self.assertEqual(again.returncode, 0, again.stderr)
                    self.assertEqual(self.contents(), whole)
        print(f"killed {tried} times")

    def test_sweeps_killed_at_any_write_go_on_where_they_were(self):
        sweep = ("sweep", "zoo:tiny_cnn", "--hw", "gap8", "--set", "cores=1,8", "--tier", "analytic",
                 "--csv", "s.csv", "-j", "1", "--store", "s.db", "--html", "s.html", "--json", "s.json")
        self.at_work("whole")
        most = self.whole_run(sweep)
        whole = (self.work / "s.csv").read_bytes()
        tried = 0
        for at in self.moments(most):
            with self.subTest(f"killed at operation {at}"):
                self.at_work(f"killed{at}")
                died = self.run_with(sweep, KILL_AT=at)
                # The sweep and its worker count each for itself: a point whose worker dies twice fails.
                self.assertIn(died.returncode, (0, 1, -signal.SIGKILL), died.stderr)
                tried += died.returncode == -signal.SIGKILL
                again = self.run_with(sweep)
                self.assertEqual(again.returncode, 0, again.stderr)
                self.assertEqual((self.work / "s.csv").read_bytes(), whole)
                with sqlite3.connect(self.work / "s.db") as store:
                    self.assertEqual(store.execute("PRAGMA integrity_check").fetchone()[0], "ok")
        self.assertGreater(tried, 0)
        print(f"killed {tried} sweeps")

    def test_a_clock_that_goes_backwards_changes_nothing(self):
        self.at_work("steady")
        self.assertEqual(self.run_with((*self.SWEEP, "--store", "s.db")).returncode, 0)
        steady = (self.work / "s.csv").read_bytes()
        self.at_work("back")
        for _ in range(2):  # computed, and from the store
            done = self.run_with((*self.SWEEP, "--store", "s.db"), CLOCK_BACK=1)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual((self.work / "s.csv").read_bytes(), steady)
        listed = self.run_with(("results", "--store", "s.db"), CLOCK_BACK=1)
        self.assertEqual(listed.returncode, 0, listed.stderr)


class TwoProcesses(WorkbenchTest):
    RECORD = ("track", "record", "suite.yaml", "--revision", "r", "--date", "2026-11-22T19:30:00Z")

    def setUp(self):
        super().setUp()
        (self.folder / "suite.yaml").write_text(
            "name: x\ncases:\n  - name: a\n    network: zoo:tiny_cnn\n    machine: gap8\n")

    def at_once(self, *commands):
        processes = [subprocess.Popen([WORKBENCH, *command], cwd=self.folder, text=True,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                     for command in commands]
        for process in processes:
            said = process.communicate(timeout=120)[1]
            self.assertEqual(process.returncode, 0, said)

    def test_two_that_record_one_baseline_leave_it_whole(self):
        self.succeed(*self.RECORD, "-o", "one.json")
        whole = (self.folder / "one.json").read_bytes()
        for _ in range(3):
            self.at_once(*2 * [(*self.RECORD, "-o", "both.json")])
            self.assertEqual((self.folder / "both.json").read_bytes(), whole)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()),
                         ["both.json", "one.json", "suite.yaml"])

    def test_two_that_record_into_one_store_lose_nothing(self):
        for turn in range(1, 4):
            self.at_once(*[(*self.RECORD, "--store", "s.db", "--name", f"{name}{turn}")
                           for name in "ab"])
            with sqlite3.connect(self.folder / "s.db") as store:
                self.assertEqual(store.execute("PRAGMA integrity_check").fetchone()[0], "ok")
                self.assertEqual(store.execute("SELECT count(*) FROM runs").fetchone()[0], 2 * turn)


class Workers(WorkbenchTest):
    SWEEP = (*Faults.SWEEP, "--store", "s.db")

    def setUp(self):
        super().setUp()
        self.succeed(*Faults.SWEEP, "--store", "whole.db")
        self.whole = (self.folder / "s.csv").read_bytes()
        (self.folder / "s.csv").unlink()
        self.ask()

    def ask(self):
        return self.succeed(*self.SWEEP, "--job-folder", "jobs")

    def work(self, *chunks):
        for chunk in chunks:
            self.succeed("sweep-worker", "jobs/job.json", "--chunk", chunk, "--chunks", "2", "--output",
                         "jobs")
        return [self.folder / "jobs" / f"chunk-{chunk}-of-2.jsonl" for chunk in chunks]

    def test_a_damaged_line_is_no_result(self):
        for seed in range(12):
            file, _ = self.work(0, 1)
            seeded = random.Random(seed)
            data = bytearray(file.read_bytes())
            for _ in range(seeded.choice((1, 1, 5))):
                data[seeded.randrange(len(data))] ^= 1 << seeded.randrange(8)
            file.write_bytes(data)
            missing = self.ask().stdout
            self.assertIn("missing", missing)  # that line at least
            file.unlink()
            self.work(0, 1)
            self.ask()
            self.assertEqual((self.folder / "s.csv").read_bytes(), self.whole)
            self.start_again()

    def test_results_under_the_name_of_another_point_are_none(self):
        file, _ = self.work(0, 1)
        lines = file.read_text().splitlines()
        keys = [line[:line.index('","') + 1] for line in lines]
        swapped = [keys[1 - i] + line[len(keys[i]):] for i, line in enumerate(lines)]
        file.write_text("\n".join(swapped) + "\n")
        self.assertIn("missing", self.ask().stdout)
        file.unlink()
        self.work(0, 1)  # of a job that has the missing points alone
        self.ask()
        self.assertEqual((self.folder / "s.csv").read_bytes(), self.whole)

    def lie(self, file, change, among=None):
        """Changes each result of a worker's file, or the first `among` of them, and signs it again as
        a worker does."""
        lines = []
        for number, line in enumerate(file.read_text().splitlines()):
            if among is not None and number >= among:
                lines.append(line)
                continue
            result = json.loads(line)
            del result["sha256"]
            change(result)
            text = json.dumps(result, separators=(",", ":"))[:-1]
            lines.append(f'{text},"sha256":"{hashlib.sha256(text.encode()).hexdigest()[:16]}"}}')
        file.write_text("".join(line + "\n" for line in lines))

    def test_a_worker_that_lies_is_found_by_computing_a_point_again(self):
        def more_cycles(result):
            result["metrics"]["cycles"] += 1

        def infeasible(result):
            result.update(status="infeasible", reason="no", metrics={}, layers=[])

        for change, says in ((more_cycles, "cycles is"), (infeasible, "is infeasible there, ok here")):
            first, second = self.work(0, 1)
            honest = second.read_bytes()
            self.lie(second, change)
            self.assertNotEqual(second.read_bytes(), honest)
            done = self.workbench(*self.SWEEP, "--job-folder", "jobs")
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(f"jobs/{second.name}: ", done.stderr)
            self.assertIn(says, done.stderr)
            with sqlite3.connect(self.folder / "s.db") as store:  # the other file's are there
                self.assertEqual(store.execute("SELECT count(*) FROM points").fetchone()[0],
                                 len(first.read_text().splitlines()))
            second.unlink()
            self.work(1)
            self.ask()
            self.assertEqual((self.folder / "s.csv").read_bytes(), self.whole)
            self.start_again()

    def test_one_lie_among_many_is_found_where_all_points_are_computed_again(self):
        for among in (0, 1):  # none, and the first of each file
            for file in self.work(0, 1):
                self.lie(file, lambda result: result["metrics"].update(cycles=1), among)
            done = self.workbench(*self.SWEEP, "--job-folder", "jobs", "--recheck", "all")
            self.assertEqual(done.returncode, 2 * among, done.stderr)
            self.assertEqual("cycles is 1 there" in done.stderr, among > 0, done.stderr)
            if among == 0:
                self.start_again()
        refused = self.workbench(*self.SWEEP, "--job-folder", "jobs", "--recheck", "most")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--recheck: expected all, or a whole number", refused.stderr)

    def test_a_worker_that_lies_into_the_store_is_found_by_computing_stored_points_again(self):
        for chunk in (0, 1):
            self.succeed("sweep-worker", "jobs/job.json", "--chunk", chunk, "--chunks", "2", "--store",
                         "s.db")
        again = (*self.SWEEP, "--recheck-stored")
        self.succeed(*again, "4")
        self.assertEqual((self.folder / "s.csv").read_bytes(), self.whole)
        with sqlite3.connect(self.folder / "s.db") as store:
            store.execute("UPDATE metrics SET value = value + 1 WHERE name = 'cycles' AND "
                          "point = (SELECT min(point) FROM points)")
        done = self.workbench(*again, "4")  # all: the false one is among them
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, r"s\.db: zoo:tiny_cnn on gap8 cores=\d: cycles is ")
        self.succeed(*again, "0")

    def test_a_lie_passes_where_nothing_is_computed_again(self):
        _, second = self.work(0, 1)
        self.lie(second, lambda result: result["metrics"].update(cycles=1))
        self.succeed(*self.SWEEP, "--job-folder", "jobs", "--recheck", "0")
        self.assertNotEqual((self.folder / "s.csv").read_bytes(), self.whole)

    def start_again(self):
        for left in [*self.folder.glob("s.db*"), self.folder / "s.csv"]:
            left.unlink()
        shutil.rmtree(self.folder / "jobs")
        self.ask()

    def test_a_file_of_another_chunk_or_job_does_no_harm(self):
        first, second = self.work(0, 1)
        data = first.read_bytes()
        second.write_bytes(data)  # the wrong chunk
        (self.folder / "jobs" / "chunk-9-of-9.jsonl").write_bytes(data + data[:len(data) // 2])
        self.assertIn("missing", self.ask().stdout)
        self.work(0, 1)
        self.ask()
        self.assertEqual((self.folder / "s.csv").read_bytes(), self.whole)


if __name__ == "__main__":
    unittest.main()
