#!/usr/bin/env python3
"""Writes docs/results.md: each network on each machine by the vendor's program, where there is one,
and by ours; what the machine cannot do faster, the gap, and how long compiling took.

usage: bench/results.py [--check] [FAMILY ...]    (families: xdnn, pulp; default: all)

WORKBENCH: the program (build/release/workbench); WORKBENCH_SHARED: the folder with the vendor's
programs (../shared). A family that is not named keeps its table. Every run is compared with the
golden model and must be bit-exact and without hazard. --check: writes nothing, and fails where
cycles differ from the page.
"""
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "results.md"
WORKBENCH = os.environ.get("WORKBENCH", str(ROOT / "build" / "release" / "workbench"))
SHARED = pathlib.Path(os.environ.get("WORKBENCH_SHARED", str(ROOT / ".." / "shared")))

XDNN_MACHINES = ["v3_96", "v2_56"]
XDNN_NETWORKS = ["googlenet_v1", "inception_v2", "inception_v3", "inception_v4", "resnet50",
                 "resnet101", "resnet152", "vgg16", "vgg19", "squeezenet_v1.0", "squeezenet_v1.1",
                 "mobilenet_v1", "mobilenet_v2", "darknet19", "yolo_v2", "yolo_v2_tiny"]
VENDOR = {("googlenet_v1", "v3_96"): "googlenet_v1_8b_latency.json",
          ("resnet50", "v3_96"): "resnet50_8b_latency.json",
          ("googlenet_v1", "v2_56"): "googlenet_v1_56.json"}


def run(network, machine, *options):
    """The JSON report of a run, which must be right."""
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.json")
        command = [WORKBENCH, "run", network, "--hw", machine, "--brief", "--json", report, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr}")
        with open(report, encoding="utf-8") as file:
            return json.load(file)


def images_per_second(report):
    return report["totals"]["images_per_second"]


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}"


def vendor_rate(network, machine):
    name = VENDOR.get((network, machine))
    path = SHARED / "programs" / "xdnn" / name if name else None
    if path is None or not path.exists():
        return None
    return images_per_second(run(f"zoo:{network}", machine, "--program", str(path)))


def xdnn_row(network, machine):
    vendor = vendor_rate(network, machine)
    ours = run(f"zoo:{network}", machine, "--explain-bound")
    bound = ours["bounds"]["total"]
    two = run(f"zoo:{network}", machine, "--batch", "2", "--explain-bound")
    bound_of_two = two["bounds"]["total"]
    rate, rate_of_two = images_per_second(ours), images_per_second(two)
    return [network, machine, number(vendor) if vendor else "-", number(rate),
            f"{rate / vendor:.2f}" if vendor else "-",
            number(rate * bound["cycles"] / bound["bound_cycles"]), bound["resource"],
            f"{100 * bound['gap']:.1f} %", bound["held_by"] or "-",
            number(rate_of_two), f"{rate_of_two / vendor:.2f}" if vendor else "-",
            number(rate_of_two * bound_of_two["cycles"] / bound_of_two["bound_cycles"]),
            f"{two['totals']['latency_ms']:.2f}", f"{ours['totals']['latency_ms']:.2f}",
            f"{ours['totals']['cycles']}", f"{ours['wall']['compile_seconds']:.2f}"]


def xdnn_table():
    head = ["network", "machine", "vendor", "ours", "ours / vendor", "bound", "bound by", "gap",
            "held by", "two at once", "two / vendor", "bound of two", "latency of two, ms",
            "latency of one, ms", "cycles", "compile, s"]
    rows = [xdnn_row(network, machine) for machine in XDNN_MACHINES for network in XDNN_NETWORKS]
    return [head, *rows]


PULP_MACHINES = ["pulp_open", "gap8"]
PULP_ZOO = ["mobilenet_v1?resolution=128&width=0.5", "mobilenet_v2?resolution=96"]


def pulp_networks():
    """Integer networks of the shared folder by name, then those of the zoo."""
    files = sorted((SHARED / "networks" / "pulp").glob("*/*.onnx"))
    return ([(path.parent.name, str(path)) for path in files]
            + [(name, f"zoo:{name}") for name in PULP_ZOO])


def tiled_by_dory(network, machine):
    """Cycles; None where its rules find no tiles."""
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.json")
        command = [WORKBENCH, "run", network, "--hw", machine, "--tiler", "dory", "--timing-only",
                   "--brief", "--json", report]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return None
        with open(report, encoding="utf-8") as file:
            return json.load(file)["totals"]["cycles"]


def pulp_row(name, network, machine):
    dory = tiled_by_dory(network, machine)
    ours = run(network, machine, "--explain-bound")
    bound, totals = ours["bounds"]["total"], ours["totals"]
    ratio = dory / totals["cycles"] if dory and totals["cycles"] else None
    return [name, machine, f"{dory}" if dory else "-", f"{totals['cycles']}",
            f"{ratio:.2f}" if ratio else "-", f"{totals['mac_per_cycle']:.2f}",
            f"{bound['bound_cycles']}", bound["resource"], f"{100 * bound['gap']:.1f} %",
            bound["held_by"] or "-", f"{ours['wall']['compile_seconds']:.2f}"]


def pulp_table():
    head = ["network", "machine", "DORY's tiles", "cycles", "DORY's / ours", "MAC/cycle", "bound",
            "bound by", "gap", "held by", "compile, s"]
    rows = [pulp_row(name, network, machine) for machine in PULP_MACHINES
            for name, network in pulp_networks()]
    ratios = [float(row[4]) for row in rows if row[4] != "-"]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else 0
    blank = ["-"] * (len(head) - 5)
    return [head, *rows, ["geometric mean", "all", "-", "-", f"{mean:.3f}", *blank]]


# Family: its heading, what stands above its table, and what makes the table.
FAMILIES = {
    "xdnn": ("xDNN", "Images per second of one engine in latency mode. Vendor: its shipped program,\n"
             "replayed. Two at once: `--batch 2`. `v2_56` does one thing after the other\n"
             "([xdnn-model.md](xdnn-model.md#lower-bounds)), so that a program which fits its memory "
             "takes its bound.", xdnn_table),
    "pulp": ("PULP", "Cycles of `--tiler dory` and of ours, host turns excluded.", pulp_table),
}


def markdown(table):
    head, *rows = table
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def section(family, table):
    heading, text, _ = FAMILIES[family]
    return f"<!-- {family} -->\n## {heading}\n\n{text}\n\n{table}\n<!-- end -->"


def kept(family, page):
    found = re.search(rf"<!-- {family} -->.*?<!-- end -->", page, re.DOTALL)
    return found.group(0) if found else None


def cycles(text):
    """Of the rows of a page, by network and machine."""
    found = {}
    for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("| \n").split("|")]
                for line in table.splitlines()]
        if "cycles" not in rows[0]:
            continue
        column = rows[0].index("cycles")
        found.update({(row[0], row[1]): row[column] for row in rows[2:]})
    return found


def main():
    check = "--check" in sys.argv
    asked = [word for word in sys.argv[1:] if word != "--check"] or list(FAMILIES)
    for family in asked:
        if family not in FAMILIES:
            sys.exit(f"bench/results.py: expected {', '.join(FAMILIES)}, found '{family}'")
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    parts = []
    for family in FAMILIES:
        made = section(family, markdown(FAMILIES[family][2]())) if family in asked else None
        part = made or kept(family, page)
        if part:
            parts.append(part)
    text = ("# Results\n\nWritten by `bench/results.py`, which runs every line and compares its "
            "values with the golden\nmodel; compile times are of one machine and differ from run "
            "to run. The bound is what the machine\ncannot do faster "
            "([xdnn-model.md](xdnn-model.md#lower-bounds)), the gap how much longer the program "
            "takes.\n\n" + "\n\n".join(parts) + "\n")
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        return
    old, new = cycles(page), cycles(text)
    differing = [key for key in new if old.get(key) != new[key]]
    for key in differing:
        print(f"{key[0]} on {key[1]}: {old.get(key)} cycles on the page, {new[key]} now")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
