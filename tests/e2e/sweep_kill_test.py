"""kill -9 of a sweep at many moments: what was finished stays, and after resuming the CSV is that of
an uninterrupted sweep, byte for byte. MOMENTS in the environment: how many (default 5)."""
import os
import signal
import sqlite3
import subprocess
import unittest

from support import WORKBENCH, WorkbenchTest, signal_after

STUDY = ["sweep", "--hw", "gap8", "--set", "cores=1..8", "--set", "l1=1k,8k,12k,16k,24k,32k,48k,64k",
         "--refine", "zoo:tiny_mobile"]


def points_in(store):
    """Finished points."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=5) as database:
        return database.execute("SELECT count(*) FROM points").fetchone()[0]


class KilledSweeps(WorkbenchTest):
    def sweep(self, name):
        return [WORKBENCH, *STUDY, "--store", f"{name}.db", "--csv", f"{name}.csv", "-j", "2"]

    def killed_at(self, name, points, whole_group):
        """Points that are there after a sweep that was killed once it had stored so many."""
        killed = subprocess.run(self.sweep(name), cwd=self.folder, capture_output=True,
                                start_new_session=True,
                                env=signal_after(points, "KILL", whole_group))
        self.assertEqual(killed.returncode, -signal.SIGKILL, f"over before {points} points")
        had = points_in(self.folder / f"{name}.db")
        self.assertGreaterEqual(had, points)
        return had

    def test_a_killed_sweep_is_resumed_as_if_nothing_had_been(self):
        whole = subprocess.run(self.sweep("whole"), cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(whole.returncode, 0, whole.stderr)
        expected = (self.folder / "whole.csv").read_bytes()
        total = points_in(self.folder / "whole.db")
        self.assertGreater(total, 64)
        moments = int(os.environ.get("MOMENTS", "5"))
        for i in range(moments):
            share = 0.05 + 0.9 * i / (moments - 1)
            name = f"killed{i}"
            had = self.killed_at(name, max(1, round(share * total)), whole_group=i % 2 == 0)
            resumed = subprocess.run(self.sweep(name), cwd=self.folder, capture_output=True,
                                     text=True)
            self.assertEqual(resumed.returncode, 0, resumed.stderr)
            self.assertEqual((self.folder / f"{name}.csv").read_bytes(), expected,
                             f"killed when {had} of {total} points were done")
            self.assertEqual(points_in(self.folder / f"{name}.db"), total)
        print(f"killed_sweeps moments {moments} points {total}")

    def test_ctrl_c_ends_it_cleanly_and_says_how_to_go_on(self):
        # As a terminal does: to the whole group.
        stopped = subprocess.run(self.sweep("stopped"), cwd=self.folder, capture_output=True,
                                 text=True, timeout=60, start_new_session=True,
                                 env=signal_after(5, "INT", group=True))
        self.assertEqual(stopped.returncode, 130, stopped.stderr)
        self.assertIn("the same command goes on", stopped.stdout)
        had = points_in(self.folder / "stopped.db")
        self.assertGreaterEqual(had, 5)
        resumed = subprocess.run(self.sweep("stopped"), cwd=self.folder, capture_output=True,
                                 text=True)
        self.assertEqual(resumed.returncode, 0, resumed.stderr)
        self.assertIn(f"{had} from the store", resumed.stdout)

    def test_two_sweeps_on_one_store_do_not_disturb_each_other(self):
        both = [subprocess.Popen([*self.sweep("both")[:-4], "--csv", f"both{i}.csv", "-j", "2"],
                                 cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True) for i in range(2)]
        for sweep in both:
            _, errors = sweep.communicate(timeout=300)
            self.assertEqual(sweep.returncode, 0, errors)
        self.assertEqual((self.folder / "both0.csv").read_bytes(),
                         (self.folder / "both1.csv").read_bytes())


if __name__ == "__main__":
    unittest.main()
