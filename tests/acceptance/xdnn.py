"""Criteria of the whole xDNN family: machines, shipped programs, small memories, allocation."""
import csv
import re
import resource
import subprocess
import time

from acceptance.common import BUILD, ROOT, SHARED, call, is_exact, line, run, tests, zoo_names

PROGRAMS = SHARED / "programs" / "xdnn"
LATENCY = {"googlenet_v1": 802.95, "resnet50": 287.04}      # docs/facts/xdnn.md 5.1, one engine
THROUGHPUT = {"googlenet_v1": 962.28, "resnet50": 306.57}
OPS = {"googlenet_v1": 3176103168, "resnet50": 7719276544, "resnet101": 15147130880,
       "resnet152": 22575788032, "vgg16": 30699382784, "squeezenet_v1.0": 1727976840,
       "inception_v3": 11446866624}                         # docs/facts/xdnn.md 4.4
VENDOR_MOVES = [                                            # docs/facts/xdnn.md 4.6
    ("googlenet_v1", "v2_56", 5, 0), ("googlenet_v1", "v2_28", 4, 0),
    ("googlenet_v1", "v2_28", 2, 10029632), ("resnet50", "v2_28", 4, 9175040),
    ("resnet50", "v2_28", 3, 33030144), ("resnet50", "v2_28", 2, 73534016),
    ("resnet50", "v2_56", 6, 0)]
MACHINES = [("v2_28", 4), ("v2_28", 1), ("v2_56", 6), ("v3_96", 9), ("v3_96", 1),
            ("darius_64", None), ("math_engine", None)]


def memory_option(megabytes):
    return [] if megabytes is None else ["--memory", megabytes]


def operations():
    for name, asked in OPS.items():
        report, reason = run(f"zoo:{name}", "--golden", "off")
        found = reason if report is None else report["network"]["ops"]
        line(f"ops of {name}", asked, found, found == asked)


def minimum_memory():
    rows = [("googlenet_v1", "v2_56", 5, 3325952, "inception_3b/pool", 4300800),
            ("resnet50", "v2_28", 3, 4128768, "res2a_branch2c", 3670016)]
    for name, machine, megabytes, asked, layer, extent_asked in rows:
        done = call(BUILD / "workbench", "compile", "--hw", machine, "--memory", megabytes,
                    "--schedule", "natural", "--report", "xfdnn", f"zoo:{name}")
        figures = re.findall(r"\[.*?'(\S+?)'\] size:(\d+)", done.stdout)
        peak = max(figures, key=lambda entry: int(entry[1]), default=("nothing", "0"))
        line(f"minimum memory, {name} {machine}", f"{asked} at {layer}", f"{peak[1]} at {peak[0]}",
             (layer, str(asked)) in figures and int(peak[1]) == asked)
        report, reason = run(f"zoo:{name}", "--memory", megabytes, "--golden", "off", hw=machine)
        found = reason if report is None else report["memory"]["extent_bytes"]
        line(f"final extent, {name} {machine}", f"<= {extent_asked}", found,
             report is not None and found <= extent_asked)


def schedules():
    done = call(BUILD / "workbench", "compile", "--hw", "v2_28", "--dump-schedules",
                "zoo:googlenet_v1")
    block = next((part for part in done.stdout.split("\n\n") if "inception_3b" in part
                  and "120" in part), "")
    asked = ["120", "150528", "200704", "301056", "401408", "1505280"]
    found = [figure for figure in asked if re.search(rf"\b{figure}\b", block)]
    line("schedules of inception_3b", ", ".join(asked), ", ".join(found) or "none", found == asked)


def moves():
    for name, machine, megabytes, vendor in VENDOR_MOVES:
        report, reason = run(f"zoo:{name}", "--memory", megabytes, hw=machine)
        found = reason if report is None else report["totals"]["moveops"]
        good = report is not None and found <= vendor and is_exact(report)
        share = f" ({found / vendor:.0%})" if report is not None and vendor else ""
        line(f"moveops, {name} {machine} {megabytes} MB", f"<= {vendor}, bit-exact",
             f"{found}{share}", good)


def replay():
    """Images/s of the two V3 programs, for what follows."""
    if not PROGRAMS.exists():
        line("shipped programs", "run bit-exact", f"{PROGRAMS} is not there", False)
        return {}
    rows = [("googlenet_v1", "v3_96", "googlenet_v1_8b_latency.json"),
            ("resnet50", "v3_96", "resnet50_8b_latency.json"),
            ("googlenet_v1", "v2_56", "googlenet_v1_56.json"),
            ("resnet50", "v2_28", "resnet50_28.json")]
    rates = {}
    for name, machine, file in rows:
        report, reason = run("--program", PROGRAMS / file, "--weights", f"zoo:{name}", hw=machine)
        exact = report is not None and is_exact(report)
        line(f"replay {file}", "bit-exact, no hazard", "bit-exact, no hazard" if exact else
             reason or f"{report['verdict']['mismatches']} mismatches, "
                       f"{report['verdict']['hazards']} hazards", exact)
        if report is None or machine != "v3_96":
            continue
        rates[name] = report["totals"]["engine_images_per_second"]
        asked = LATENCY[name]
        line(f"replay {name} images/s", f"{asked} within 5 %",
             f"{rates[name]:.2f} ({rates[name] / asked - 1:+.1%})",
             abs(rates[name] / asked - 1) <= 0.05)
    return rates


def own_programs(shipped):
    for name in LATENCY:
        report, _ = run(f"zoo:{name}", "--golden", "off")
        ratio = report["totals"]["engine_images_per_second"] / shipped.get(name, float("inf"))
        line(f"our {name} / the shipped one", ">= 1.0 (aim 1.15)", f"{ratio:.3f}", ratio >= 1.0)
    for name, asked in THROUGHPUT.items():
        report, reason = run(f"zoo:{name}", "--mode", "throughput")
        rate = 0 if report is None else report["totals"]["engine_images_per_second"]
        line(f"{name}, throughput mode", f">= 0.95x of {asked}, bit-exact",
             reason or f"{rate:.2f} ({rate / asked:.3f}x)",
             report is not None and rate >= 0.95 * asked and is_exact(report))


def conv_share_on_array(report):
    """Share of the convolutions' MACs that the array computes."""
    on_host = sum(step["macs"] for step in report["host_steps"] if "Conv" in step["op"])
    on_array = sum(layer["macs"] for layer in report["layers"])
    return on_array / max(1, on_array + on_host)


def zoo_everywhere():
    for machine, megabytes in MACHINES:
        wrong, low, worst = [], [], 1.0
        for name in zoo_names():
            report, reason = run(f"zoo:{name}", *memory_option(megabytes), hw=machine)
            if report is None or not is_exact(report):
                wrong.append(f"{name} ({reason[:60] or 'verdict'})")
                continue
            share = conv_share_on_array(report)
            worst = min(worst, share)
            if share < 0.99:
                low.append(f"{name} {share:.1%}")
        where = machine if megabytes is None else f"{machine} {megabytes} MB"
        line(f"zoo on {where}", "all bit-exact, >= 99 % MACs on array",
             f"lowest {worst:.1%}" + (f", not exact: {wrong}" if wrong else "") +
             (f", low: {low}" if low else ""), not wrong and not low)


def memory_of_vgg():
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run(["/usr/bin/env", "python3", "-c",
                           "import resource, subprocess, sys; subprocess.run(sys.argv[1:], "
                           "stdout=subprocess.DEVNULL); print(resource.getrusage("
                           "resource.RUSAGE_CHILDREN).ru_maxrss)", str(BUILD / "workbench"), "run",
                           "--hw", "v3_96", "zoo:vgg16", "--brief"],
                          capture_output=True, text=True, cwd=ROOT)
    kilobytes = int(done.stdout or before)
    line("peak memory, vgg16", "< 3 GiB", f"{kilobytes / 2**20:.2f} GiB",
         done.returncode == 0 and kilobytes < 3 * 2**20)


def is_legal(problem, answer, capacity):
    """Checked here a third time, by other hands than the allocator's and its validator's."""
    sizes = {row["id"]: row for row in csv.DictReader(problem.read_text().splitlines())}
    placed = [(int(row["lower"]), int(row["upper"]), int(row["offset"]), int(row["size"]))
              for row in csv.DictReader(answer.splitlines())
              if int(sizes[row["id"]]["size"]) == int(row["size"])]
    if len(placed) != len(sizes):
        return False
    for i, (lower, upper, offset, size) in enumerate(placed):
        if offset < 0 or offset + size > capacity:
            return False
        for other_lower, other_upper, other, other_size in placed[:i]:
            together = lower < other_upper and other_lower < upper
            if together and offset < other + other_size and other < offset + size:
                return False
    return True


def allocation():
    for problem in sorted((SHARED / "allocation").glob("*.csv")):
        begin = time.monotonic()
        done = call(BUILD / "workbench", "allocate", "--capacity", 1048576, problem)
        seconds = time.monotonic() - begin
        legal = done.returncode == 0 and is_legal(problem, done.stdout, 1048576)
        line(f"allocation {problem.stem}", "legal, < 30 s",
             f"{'legal' if legal else done.stderr.strip()[-60:]}, {seconds:.1f} s",
             legal and seconds < 30)
    begin = time.monotonic()
    done = call(BUILD / "workbench", "compile", "--hw", "v3_96", "zoo:resnet152")
    line("compiling resnet152", "allocation within 5 s",
         f"{time.monotonic() - begin:.1f} s for the whole compilation", done.returncode == 0)


def check(options):
    del options  # nothing here depends on them
    operations()
    minimum_memory()
    schedules()
    moves()
    own_programs(replay())
    zoo_everywhere()
    memory_of_vgg()
    allocation()
    tests("property", "exact allocator against brute force", "Alloc|Exact")
    tests("property", "AM down to the claimed minimum", "Minimum|Small|Shrink")
    tests("property", "mutants of programs", "Mutants")
