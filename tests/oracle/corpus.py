#!/usr/bin/python3
"""What becomes of model files of other people: imported, held to reference arrays, run.

For every model of FOLDER (its INDEX.tsv lists the files): the network in floating point, as
imported and after the passes, is compared with the reference arrays beside the model (relative
error 1e-4, `workbench evaluate`); with --runtime, ONNX files that have none are held to ONNX
Runtime on seeded inputs. The network runs on each machine of --hw (`workbench run`).
--write PAGE puts the table into docs/networks.md. Needs the standard library, and for --runtime
node with onnxruntime-node (onnxruntime/package.json). See docs/oracle.md.
"""
import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SHARED = Path(os.environ.get("WORKBENCH_SHARED", ROOT.parent / "shared"))
WORKBENCH = os.environ.get("WORKBENCH", str(ROOT / "build" / "release" / "workbench"))
KINDS = {"onnx": "ONNX", "caffe": "Caffe", "tf": "TensorFlow", "tflite": "TensorFlow Lite"}
MODEL = {"onnx": r"\.onnx$", "caffe": r"\.prototxt$", "tf": r"\.pb$", "tflite": r"\.tflite$"}


@dataclass
class Model:
    kind: str
    path: Path
    options: list = field(default_factory=list)

    @property
    def name(self):
        return f"{self.path.parent.name}/{self.path.name}"


@dataclass
class Outcome:
    imported: bool = False
    oracle: str = ""  # "1.2e-06", "none", or what is wrong
    runs: dict = field(default_factory=dict)  # machine -> (bit-exact, text)
    obstacle: str = ""


def models(folder):
    with open(folder / "INDEX.tsv", newline="") as index:
        rows = list(csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE))
    found = []
    for row in rows:
        if row["opset_or_version"] == "data" or not re.search(MODEL[row["kind"]], row["file"]):
            continue
        path = folder / row["kind"] / row["dir"] / row["file"]
        weights = sorted(path.parent.glob("*.caffemodel")) if row["kind"] == "caffe" else []
        options = ["--weights", str(weights[0])] if len(weights) == 1 else []
        found.append(Model(row["kind"], path, options))
    return found


def call(arguments, seconds):
    """Exit code, output, errors; a crash or a timeout is an error like any other."""
    try:
        done = subprocess.run([WORKBENCH, *map(str, arguments)], capture_output=True, text=True,
                              timeout=seconds, errors="replace",
                              env={**os.environ, "WORKBENCH_CACHE": "none"})
        return done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        return -1, "", f"workbench: took more than {seconds} s"


def arrays(folder):
    """Reference inputs and outputs beside a model, in the forms that test data come in."""
    for inputs, outputs in [("ref_in_*.npy", "ref_out_*.npy"), ("input_*.pb", "*output_*.pb"),
                            ("inputs.npz", "outputs.npz"), ("*_in.npy", "*_out.npy")]:
        given, expected = sorted(folder.glob(inputs)), sorted(folder.glob(outputs))
        if expected:
            return given, expected
    return [], []


def ask_runtime(runtime, model, folder, seconds):
    """ONNX Runtime's outputs on seeded inputs: files for --input and --expect, or what it says."""
    code, _, errors = call(["evaluate", model.path, "-o", folder / "ours"], seconds)
    if code != 0:
        return [], [], last_line(errors, model)
    given = sorted((folder / "ours").glob("input_*.npy"), key=number)
    jobs = folder / "jobs.json"
    jobs.write_text(json.dumps([{"model": str(model.path), "inputs": list(map(str, given)),
                                 "output": str(folder / "theirs")}]))
    done = subprocess.run(["node", HERE / "onnxruntime" / "run.js", jobs], capture_output=True,
                          text=True, env={**os.environ, "NODE_PATH": str(runtime / "node_modules")})
    expected = sorted((folder / "theirs").glob("*.npy"), key=number)
    return given, expected, "" if done.returncode == 0 else refusal_of_runtime(done.stderr, model)


def refusal_of_runtime(errors, model):
    """What ONNX Runtime says, without its warnings, the file and the place in its source."""
    lines = [line for line in errors.splitlines() if line.startswith("Error: ")]
    text = (lines or errors.splitlines() or ["no output"])[-1].removeprefix("Error: ")
    text = text.replace(f"Load model from {model.path} failed:", "")
    return "ONNX Runtime: " + re.sub(r"^/\S+ .*\) ", "", text).strip()


def number(path):
    return int(re.search(r"\d+$", path.stem).group())


def last_line(errors, model):
    lines = [line for line in errors.splitlines() if line.strip()] or ["no output"]
    return lines[-1].removeprefix("workbench: ").replace(f"{model.path}: ", "")


def imports(model, seconds):
    """Whether the file becomes a network, whatever can be done with that."""
    _, output, _ = call(["inspect", model.path, *model.options], seconds)
    return any(line.startswith("imported ") for line in output.splitlines())


def compare_with_reference(model, outcome, seconds, runtime):
    given, expected = arrays(model.path.parent)
    if runtime is None or expected or model.kind != "onnx":
        compare_with(given, expected, model, outcome, seconds)
        return
    with tempfile.TemporaryDirectory() as folder:
        given, expected, trouble = ask_runtime(runtime, model, Path(folder), seconds)
        compare_with(given, expected, model, outcome, seconds)
        if trouble and outcome.oracle == "none":
            outcome.oracle = "none: " + trouble


def compare_with(given, expected, model, outcome, seconds):
    data = [part for path in given for part in ("--input", path)]
    data += [part for path in expected for part in ("--expect", path)]
    worst = []
    for optimized in [[], ["--optimized"]]:
        code, output, errors = call(["evaluate", model.path, *model.options, *data, *optimized],
                                    seconds)
        if code not in (0, 1):
            trouble = last_line(errors, model)
            if outcome.imported:
                outcome.oracle = ("optimized, " if optimized else "") + "not evaluated: " + trouble
            outcome.obstacle = outcome.obstacle or trouble
            return
        if code == 1:
            wrong = next(line for line in output.splitlines() if line.startswith("FAIL"))
            outcome.oracle = ("optimized: " if optimized else "") + wrong.removeprefix("FAIL ")
            return
        worst += [float(error) for error in re.findall(r"relative ([^,]+),", output)]
    outcome.oracle = f"{max(worst):.1e}" if expected else "none"


def run_on(machine, model, outcome, seconds):
    with tempfile.TemporaryDirectory() as folder:
        report_file = Path(folder) / "report.json"
        code, _, errors = call(["run", "--hw", machine, model.path, *model.options, "--brief",
                                "--json", report_file], seconds)
        if code not in (0, 1) or not report_file.exists():
            outcome.runs[machine] = (False, last_line(errors, model))
            return
        report = json.loads(report_file.read_text())
    exact = code == 0 and report["verdict"]["bit_exact"] is True
    engine = sum(layer["macs"] for layer in report["layers"])
    total = engine + sum(step["macs"] for step in report["host_steps"])
    share = f"{100 * engine / total:.0f} %" if total else "no MACs"
    cycles = f"{report['totals']['cycles']:,}"
    outcome.runs[machine] = (exact, f"{share}, {cycles}" if exact else f"MISMATCH, {share}, {cycles}")


def examine(model, machines, seconds, runtime):
    outcome = Outcome(imported=imports(model, seconds))
    compare_with_reference(model, outcome, seconds, runtime)
    for machine in machines:
        run_on(machine, model, outcome, seconds)
    print(f"{model.name}: {outcome.oracle or outcome.obstacle}; "
          + "; ".join(f"{name}: {text}" for name, (_, text) in outcome.runs.items()), flush=True)
    return outcome


def cell(text):
    return re.sub(r"\s+", " ", text).replace("|", "\\|")[:160]


def table(results, machines):
    lines = []
    for kind, title in KINDS.items():
        rows = [(model, outcome) for model, outcome in results if model.kind == kind]
        if not rows:
            continue
        count = len(rows)
        imported = sum(outcome.imported for _, outcome in rows)
        oracles = [outcome.oracle for _, outcome in rows if outcome.imported]
        agree = sum(agrees(oracle) for oracle in oracles)
        without = sum(has_none(oracle) for oracle in oracles)
        lines += [f"## {title}", "",
                  f"{imported} of {count} files import: {agree} agree with their reference, "
                  f"{imported - agree - without} differ, {without} have none; bit-exact: "
                  + ", ".join(f"{sum(outcome.runs[name][0] for _, outcome in rows)} on {name}"
                              for name in machines) + ".", "",
                  "| file | against the reference | " + " | ".join(machines) + " |",
                  "|---" * (2 + len(machines)) + "|"]
        for model, outcome in rows:
            cells = [model.name, outcome.oracle or "not imported: " + outcome.obstacle]
            cells += [outcome.runs[name][1] for name in machines]
            lines.append("| " + " | ".join(map(cell, cells)) + " |")
        lines.append("")
    return lines


def agrees(oracle):
    return re.fullmatch(r"[0-9.e+-]+", oracle) is not None


def has_none(oracle):
    """No reference, or none that was computed."""
    return oracle.startswith(("none", "not evaluated"))


def write_page(page, results, machines):
    text = page.read_text()
    mark = "<!-- written by tests/oracle/corpus.py --write -->"
    head = text[:text.index(mark) + len(mark)]
    page.write_text(head + "\n\n" + "\n".join(table(results, machines)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=SHARED / "corpus")
    parser.add_argument("--hw", nargs="+", default=["v3_96", "gap8"])
    parser.add_argument("--only", default="", help="files whose path contains this")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=300, help="at most, for each command")
    parser.add_argument("--runtime", type=Path, help="folder with onnxruntime's node_modules")
    parser.add_argument("--write", type=Path, help="page to write the table into")
    options = parser.parse_args()
    chosen = [model for model in models(options.folder) if options.only in str(model.path)]
    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(lambda model: examine(model, options.hw, options.seconds,
                                                           options.runtime), chosen))
    results = list(zip(chosen, outcomes))
    if options.write:
        write_page(options.write, results, options.hw)
    else:
        print("\n".join(table(results, options.hw)))
    crashed = [model.name for model, outcome in results
               if any("MISMATCH" in text or "CHECK" in text or "took more" in text or
                      text == "no output" for _, text in outcome.runs.values())]
    if crashed:
        print("mismatches, crashes or timeouts:", ", ".join(crashed), file=sys.stderr)
    return 1 if crashed else 0


if __name__ == "__main__":
    sys.exit(main())
