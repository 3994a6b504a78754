"""A sweep through a real Slurm: same CSV as on this machine alone, with a task killed in the
middle, after the sweep itself was killed, and one clear line where Slurm is missing or refuses."""
import os
import signal
import unittest

from slurm_cluster import SlurmCluster, missing
from support import WorkbenchTest

STUDY = ["sweep", "--hw", "gap8", "--set", "cores=1,2,4,8", "--set", "l1=1k,8k,16k,32k",
         "--set", "tiler=optimal,dory", "zoo:tiny_mobile"]
# Interrupted on the way: two tasks of six points each.
CUT_STUDY = ["sweep", "--hw", "gap8", "--tier", "transaction", "--set", "cores=1,2,4,8",
             "--set", "l1=16k,32k,64k", "zoo:tiny_mobile"]
ON_TWO_TASKS = ["--executor", "slurm", "-j", "2", "--points-per-task", "6"]


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

    def cut_sweep(self, plan, plan_of_tasks):
        """A sweep that signals itself as `plan` says (COUNT:SIGNAL), and so does each of its tasks.
        One that was begun anew counts what it finds, and is not signalled again."""
        sweep = self.start(*CUT_STUDY, "--store", "slurm.db", "--csv", "slurm.csv", *ON_TWO_TASKS,
                           f"--sbatch=--export=ALL,WORKBENCH_SIGNAL_AFTER={plan_of_tasks}",
                           env={**self.cluster.environment, "WORKBENCH_SIGNAL_AFTER": plan})
        self.addCleanup(sweep.communicate)
        self.addCleanup(sweep.kill)
        return sweep

    def test_a_killed_task_is_submitted_again(self):
        sweep = self.cut_sweep("", "1:KILL")
        _, errors = sweep.communicate(timeout=300)
        self.assertEqual(sweep.returncode, 0, errors)
        self.assertIn("submitted again", errors)
        self.expect_as_local(CUT_STUDY, "slurm")

    def test_a_lost_node_costs_its_unfinished_points_alone(self):
        # Both tasks stop after their first point, and the sweep once it has the two.
        sweep = self.cut_sweep("2:STOP", "1:STOP")
        stopped = os.waitid(os.P_PID, sweep.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self.assertEqual(stopped.si_code, os.CLD_STOPPED)
        self.assertEqual(len(self.cluster.tasks()), 2)
        self.cluster.lose_node()
        self.cluster.start_node()
        sweep.send_signal(signal.SIGCONT)
        _, errors = sweep.communicate(timeout=300)
        self.assertEqual(sweep.returncode, 0, errors)
        self.assertIn("submitted again", errors)
        self.expect_as_local(CUT_STUDY, "slurm")

    def test_a_killed_sweep_goes_on_where_its_tasks_were(self):
        sweep = self.cut_sweep("1:KILL", "")
        sweep.communicate(timeout=300)
        self.assertEqual(sweep.returncode, -signal.SIGKILL)
        done = self.sweep(CUT_STUDY, "slurm", "--executor", "slurm", "-j", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.expect_as_local(CUT_STUDY, "slurm")
        # Cancelled tasks may have written once more; the next sweep takes over what they left.
        again = self.sweep(CUT_STUDY, "slurm", "--executor", "slurm")
        self.assertEqual(again.returncode, 0, again.stderr)
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
