# A notebook as a script: `# %%` begins a cell for Jupyter (by jupytext), VS Code and Spyder. A test
# runs it; what it asserts is what the text claims. The first half goes through the steps of the
# xfDNN compiler notebook: compile a network for an overlay, look at its memory and schedule, quantize
# it, run it, look at where the time went. The second half asks about many machines.

# %% A network and an overlay: GoogLeNet, 56 pixels wide, 5 MB of activation memory, as the notebook
import numpy as np

import workbench as wb

googlenet = wb.compile("zoo:googlenet_v1", hw="v2_56", memory=5)
print(googlenet)

# %% Its operations and DDR transfers. The published figures: 3176103168 and 0
print(f"Network Operations Count: {googlenet.ops}")
print(f"DDR Transfers (bytes): {googlenet.moveops}")
assert (googlenet.ops, googlenet.moveops) == (3176103168, 0)

# %% Memory: what the network needs at its fullest step. Published: 3325952
print(f"at least {googlenet.minimum_bytes} of {googlenet.capacity_bytes} bytes, "
      f"as placed {googlenet.peak_bytes}")
assert googlenet.minimum_bytes == 3325952

# %% The compiler's report, as its console had it: banners, schedule, TOP list, placement
report = googlenet.xfdnn_report()
print("\n".join(report.splitlines()[-6:]))
assert report.rstrip().endswith("SUCCESS")

# %% What the overlay cannot run, and why
left = [node for step in googlenet.host for node in step["nodes"]]
for node in left:
    print(f"{node['name']} ({node['op']}): {node['reason']}")
assert [node["op"] for node in left] == ["Gemm", "Softmax"]

# %% Less memory: the same operations, and transfers
for megabytes in (4, 3, 2):
    smaller = wb.compile("zoo:googlenet_v1", hw="v2_56", memory=megabytes)
    print(f"{megabytes} MB: {smaller.moveops} bytes to DDR and back")
    assert smaller.ops == googlenet.ops

# %% Quantization: weights are codes of 8 bits now; the float network's values are kept beside
weights = googlenet.constants
codes = {name: array for name, array in weights.items() if array.dtype == np.int8}
print(f"{len(codes)} arrays of codes, {sum(array.size for array in codes.values())} in all")
assert sum(array.size for array in codes.values()) >= googlenet.parameters // 2

# %% Run it: simulated, and compared with the golden model value by value
run = googlenet.run()
print(run)
assert run.bit_exact and run.passed

# %% What came out: probabilities, and the best five classes
(probabilities,) = run.outputs.values()
best = np.argsort(probabilities.ravel())[::-1][:5]
print({int(index): round(float(probabilities.ravel()[index]), 4) for index in best})
assert abs(probabilities.sum() - 1) < 1e-3

# %% Any tensor in between is an array too. How far is an integer value from its float one?
reference = googlenet.reference
shared = [name for name in run.tensors if name in reference]
print(f"{len(shared)} values known to both, such as {shared[0]} {reference[shared[0]].shape}")

# %% Speed: the whole network, then its five slowest layers
print(f"{run.totals['latency_ms']:.3f} ms, "
      f"{run.totals['engine_images_per_second']:.1f} images/s, "
      f"{run.totals['array_efficiency']:.1%} of the array")
layers = run.frame()
print(layers.nlargest(5, "cycles")[["name", "op", "cycles", "percent_of_peak"]])
assert layers["cycles"].sum() == run.cycles

# %% Where the cycles went, by cause
causes = layers.filter(like="waterfall.").sum().sort_values(ascending=False)
print(causes)
assert causes.sum() == run.cycles

# %% When each engine worked: the timeline as arrays
timeline = run.timeline
busy = timeline["cause"] == timeline["causes"].index("work")
for index, engine in enumerate(timeline["resources"]):
    at_work = busy & (timeline["resource"] == index)
    cycles = (timeline["end"] - timeline["begin"])[at_work].sum()
    print(f"{engine:10} {cycles / timeline['cycles']:6.1%}")

# %% Many machines: both widths, four memories. What is in the store is not computed again
machines = ["v2_28", "v2_56"]
sweep = wb.sweep("zoo:googlenet_v1", hw=machines, store="notebook.db", memory=[2, 3, 4, 5],
                 objectives=["max images_per_second", "min external_bytes"])
print(sweep.text)

# %% As a frame: images per second by width and memory. The wide array wins where it has the memory
table = sweep.frame().pivot(index="machine", columns="memory", values="images_per_second")
print(table.round(1))
assert (table.loc["v2_56", 3:] > table.loc["v2_28", 3:]).all()

# %% As arrays: more memory never needs more transfers
for machine in machines:
    of_machine = sweep["machine"] == machine
    transfers = sweep["external_bytes"][of_machine][np.argsort(sweep["memory"][of_machine])]
    assert (np.diff(transfers) <= 0).all(), transfers
again = wb.sweep("zoo:googlenet_v1", hw=machines, store="notebook.db", memory=[2, 3, 4, 5])
assert (again.computed, again.reused) == (0, 8)

# %% The other family: a cluster of cores, its L1, and how far the fast tier can be trusted
cluster = wb.sweep("zoo:tiny_mobile", hw="gap8", store="notebook.db", l1="16k..64k:x2",
                   cores=[1, 2, 4, 8], refine=True)
frame = cluster.frame()
print(frame[frame["tier"] == "transaction"][["l1", "cores", "cycles", "energy_mj"]])
print(cluster.agreement[0])
assert set(frame[frame["tier"] == "transaction"]["bit_exact"]) == {"true"}
