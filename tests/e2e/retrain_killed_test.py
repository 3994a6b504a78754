"""A training that is killed -9 goes on as if it had not been: where workbench-retrain is built."""
import signal
import unittest

from killed import KilledTest
from photos import write_photos


class RetrainKilled(KilledTest):
    COMMAND = ("retrain", "zoo:tiny_cnn", "--target", "xdnn", "--scheme", "per-tensor-pow2",
               "--weight-bits", "4", "--train", "../photos", "--preprocess", "../steps.yaml",
               "--epochs", "4", "--batch-size", "4", "--look-every", "1", "--threads", "1",
               "--html", "t.html", "-o", "t.onnx")

    def setUp(self):
        super().setUp()
        write_photos(self.folder, seed=3)

    def test_killed_at_any_write_it_ends_with_the_same_network(self):
        self.at_work("whole")
        most = self.whole_run(self.COMMAND)
        whole = self.contents()
        tried = 0
        for at in self.moments(most):
            with self.subTest(f"killed at operation {at}"):
                self.at_work(f"killed{at}")
                self.assertEqual(self.run_with(self.COMMAND, KILL_AT=at).returncode, -signal.SIGKILL)
                tried += 1
                again = self.run_with(self.COMMAND)
                self.assertEqual(again.returncode, 0, again.stderr)
                left = self.contents()
                self.assertEqual(left["t.onnx"], whole["t.onnx"])
                self.assertEqual(left.keys(), whole.keys())
        print(f"killed {tried} times")


if __name__ == "__main__":
    unittest.main()
