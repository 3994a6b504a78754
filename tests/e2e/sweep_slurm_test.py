"""A sweep through a real Slurm: same CSV as on this machine alone, with a task killed in the
middle, after the sweep itself was killed, and one clear line where Slurm is missing or refuses."""
import os
import signal
import subprocess
import time
import unittest

from slurm_cluster import SlurmCluster, missing
from support import WORKBENCH, WorkbenchTest

STUDY = ["sweep", "--hw", "gap8", "--set", "cores=1,2,4,8", "--set", "l1=1k,8k,16k,32k",
         "--set", "tiler=optimal,dory", "zoo:tiny_mobile"]
# Long enough to be killed on the way.
LONG_STUDY = ["sweep", "--hw", "gap8", "--tier", "transaction", "--set", "cores=1,2,4,8",
              "--set", "l1=16k,32k,64k", "zoo:mobilenet_v1?resolution=128"]


class WithoutSlurm(WorkbenchTest):
    def test_a_missing_sbatch_is_one_clear_line(self):
        done = self.workbench(*STUDY, "--executor", "slurm",
                              environment={**os.environ, "PATH": "/nowhere"})
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertEqual(done.stderr.splitlines()[-1],
                         "workbench: --executor slurm: expected Slurm's sbatch in PATH, found none")

    def test_workers_of_a_job_folder_give_the_same_csv(self):
        files = ["--store", "folder.db", "--csv", "folder.csv", "--job-folder", "jobs", "--refine"]
        stages = 0
        while True:
            done = self.succeed(*STUDY, *files)
            if not (self.folder / "jobs" / "job.json").exists():
                break
            self.assertIn("workbench sweep-worker jobs/job.json", done.stderr)
            for chunk in range(3):
                self.succeed("sweep-worker", "jobs/job.json", "--chunk", chunk, "--chunks", 3,
                             "--output", "jobs")
            stages += 1
        self.assertEqual(stages, 2)  # all points, and the refined ones
        self.succeed(*STUDY, "--refine", "--store", "local.db", "--csv", "local.csv")
        self.assertEqual((self.folder / "folder.csv").read_text(),
                         (self.folder / "local.csv").read_text())

    def test_bad_jobs_are_one_clear_line(self):
        (self.folder / "job.json").write_text("[1, 2")
        for arguments, expected in [(["none.json", "--output", "o"], "none.json: cannot read"),
                                    (["job.json", "--output", "o"], "expected a job file"),
                                    (["job.json"], "expected one of --output and --store")]:
            done = self.workbench("sweep-worker", *arguments)
            self.assertEqual(done.returncode, 2)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(expected, done.stderr)


@unittest.skipIf(missing(), f"no Slurm cluster can be started: {missing()}")
class WithSlurm(WorkbenchTest):
    @classmethod
    def setUpClass(cls):
        cls.cluster = SlurmCluster()
        cls.enterClassContext(cls.cluster) if hasattr(cls, "enterClassContext") else (
            cls.cluster.__enter__(), cls.addClassCleanup(cls.cluster.__exit__))

    def sweep(self, study, name, *arguments):
        return self.workbench(*study, "--store", f"{name}.db", "--csv", f"{name}.csv", *arguments,
                              environment=self.cluster.environment)

    def expect_as_local(self, study, name):
        done = self.sweep(study, "local")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.folder / f"{name}.csv").read_text(),
                         (self.folder / "local.csv").read_text())

    def test_the_same_sweep_gives_the_same_csv(self):
        done = self.sweep(STUDY, "slurm", "--executor", "slurm", "-j", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.expect_as_local(STUDY, "slurm")
        spool = self.folder / "slurm.db.spool"
        self.assertEqual([str(path) for path in spool.glob("*")], [])
        # Nothing is missing now: nothing is submitted.
        again = self.sweep(STUDY, "slurm", "--executor", "slurm")
        self.assertEqual(again.returncode, 0, again.stderr)

    def running_sweep(self):
        sweep = subprocess.Popen(
            [WORKBENCH, *LONG_STUDY, "--store", "slurm.db", "--csv", "slurm.csv", "--executor",
             "slurm", "-j", "2", "--points-per-task", "3"],
            cwd=self.folder, env=self.cluster.environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        self.addCleanup(sweep.communicate)
        self.addCleanup(sweep.kill)
        for _ in range(600):
            finished = sum(path.read_text().count("\n")
                           for path in self.folder.glob("slurm.db.spool/*/chunk-*.jsonl"))
            tasks = self.cluster.tasks()
            if finished >= 1 and tasks:
                return sweep, tasks
            self.assertIsNone(sweep.poll(), "the sweep ended before a task could be killed")
            time.sleep(0.02)
        self.fail("no task began")

    def test_a_killed_task_is_submitted_again(self):
        sweep, tasks = self.running_sweep()
        os.kill(tasks[0], signal.SIGKILL)
        _, errors = sweep.communicate(timeout=300)
        self.assertEqual(sweep.returncode, 0, errors)
        self.assertIn("submitted again", errors)
        self.expect_as_local(LONG_STUDY, "slurm")

    def test_a_lost_node_costs_its_unfinished_points_alone(self):
        sweep, _ = self.running_sweep()
        self.cluster.lose_node()
        time.sleep(1)
        self.cluster.start_node()
        _, errors = sweep.communicate(timeout=300)
        self.assertEqual(sweep.returncode, 0, errors)
        self.expect_as_local(LONG_STUDY, "slurm")

    def test_a_killed_sweep_goes_on_where_its_tasks_were(self):
        sweep, _ = self.running_sweep()
        sweep.kill()
        sweep.communicate()
        done = self.sweep(LONG_STUDY, "slurm", "--executor", "slurm", "-j", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.expect_as_local(LONG_STUDY, "slurm")
        self.assertEqual([str(path) for path in (self.folder / "slurm.db.spool").glob("*")], [])

    def test_a_refused_submission_is_one_clear_line(self):
        done = self.sweep(STUDY, "slurm", "--executor", "slurm", "--sbatch=--partition=nowhere")
        self.assertEqual(done.returncode, 2, done.stdout)
        line = done.stderr.splitlines()[-1]
        self.assertTrue(line.startswith("workbench: --executor slurm: sbatch refuses: "), line)
        self.assertIn("partition", line)

    def test_tasks_that_never_begin_end_the_sweep_in_one_clear_line(self):
        done = self.sweep(STUDY, "slurm", "--executor", "slurm", "--points-per-task", "40",
                          "--sbatch=--output=/nowhere/log-%a.txt")
        self.assertEqual(done.returncode, 2, done.stdout)
        line = done.stderr.splitlines()[-1]
        self.assertIn("--executor slurm: task 0 was submitted 4 times and finished nothing", line)


if __name__ == "__main__":
    unittest.main()
