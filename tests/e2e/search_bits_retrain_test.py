"""search-bits --retrain, and what retrain writes beside a model: where workbench-retrain is built."""
import json
import unittest

from photos import write_photos
from support import WorkbenchTest

NETWORK = ("zoo:tiny_cnn", "--hw", "gap8", "--effort", "fast")  # which says the target
IMAGES = ("--calibration", "photos", "--preprocess", "steps.yaml")


class SearchBitsRetrain(WorkbenchTest):
    def setUp(self):
        super().setUp()
        write_photos(self.folder, seed=5)

    def search(self, *options):
        return self.workbench("search-bits", *NETWORK, *IMAGES, "--scheme", "per-channel-pow2",
                              "--objective", "weight_bytes", "--points", "2", "--images", "photos",
                              "--json", "bits.json", "-o", "recipes", *options)

    def test_points_of_the_front_are_trained_and_scored_bit_exactly(self):
        done = self.search("--html", "bits.html", "--retrain", "--train", "photos", "--epochs", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads((self.folder / "bits.json").read_text())
        front = [point for point in report["points"] if point["on_front"]]
        self.assertGreaterEqual(len(front), 2)
        for point in report["points"]:
            self.assertEqual(point["trained"] is not None, point["on_front"], point["name"])
        for point in front:
            trained = point["trained"]
            self.assertTrue(trained["bit_exact"], point["name"])
            self.assertGreater(trained["golden_values"], 1000)
            self.assertIn(round(12 * trained["top1"], 6), range(13))
            self.assertEqual(trained["metrics"]["cycles"], point["metrics"]["cycles"])
            equal = next(other for other in front if other["bits"] == point["bits"])
            self.assertEqual(trained, equal["trained"])
        # Training moved something.
        self.assertTrue(any(point["trained"]["signal_to_noise_db"] != point["signal_to_noise_db"]
                            for point in front))
        header = next(line for line in done.stdout.splitlines() if line.startswith("point  "))
        self.assertRegex(header, r"top-1 +trained +golden")
        row = next(line for line in done.stdout.splitlines() if line.startswith(front[1]["name"]))
        top1 = [point["top1"] for point in (front[1], front[1]["trained"])]
        self.assertRegex(row, rf"{100 * top1[0]:.1f} % +{100 * top1[1]:.1f} % +bit-exact")
        self.assertIn('"trained":', (self.folder / "bits.html").read_text())
        model = "recipes/" + front[1]["name"].replace(" ", "_") + ".onnx"
        run = self.succeed("run", "--hw", "gap8", "--effort", "fast", "--brief", model, "--json",
                           "run.json")
        self.assertIn("bit-exact", run.stdout)
        # The file has the widths.
        totals = json.loads((self.folder / "run.json").read_text())["totals"]
        self.assertEqual(totals["cycles"], front[1]["trained"]["metrics"]["cycles"])

    def test_options_of_training_need_each_other_and_images(self):
        for options, message in [
                (("--retrain",), "--retrain requires --train"),
                (("--train", "photos"), "--train requires --retrain"),
                (("--epochs", "2"), "--epochs requires --retrain"),
                (("--retrain", "--train", "nowhere"), "nowhere: ")]:
            done = self.search(*options)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(message, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_ways_to_show_images_are_named(self):
        ways = "expected none, or some of shift, flip, noise and mix"
        for options, message in [
                (("--augment", "shift,turned"), f"--augment shift,turned: {ways}, found turned"),
                (("--augment", "none,mix"), f"--augment none,mix: {ways}, found none"),
                (("--augment", "mix", "--loss", "both"),
                 "--augment mix: expected --loss distill, found both")]:
            done = self.workbench("retrain", *NETWORK, *IMAGES, "--train", "photos", "-o", "net.onnx",
                                  *options)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(message, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1)
            self.assertFalse((self.folder / "net.onnx").exists())

    def test_images_become_codes_as_beside_a_model_of_quantize(self):
        for words in (("quantize",), ("retrain", "--train", "photos", "--trains", "weights",
                                      "--epochs", "1")):
            self.succeed(words[0], *NETWORK, *IMAGES, "--scheme", "per-channel-pow2", *words[1:],
                         "--format", "nemo", "-o", f"{words[0]}.onnx")
        quantized, trained = ((self.folder / f"{name}.preprocess.yaml").read_text()
                              for name in ("quantize", "retrain"))
        self.assertEqual(quantized, trained)
        # Pixels less their mean are within 0.017 * 135 = 2.3: codes of +-128 in steps of 4 / 128.
        scale = next(line for line in trained.splitlines() if line.startswith("input_scale"))
        self.assertAlmostEqual(float(scale.split("[")[1].split("]")[0]), 0.017 * 32, places=6)


if __name__ == "__main__":
    unittest.main()
