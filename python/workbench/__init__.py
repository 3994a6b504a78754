"""The workbench from Python: compile networks, simulate them, sweep machines.

    import workbench as wb

    run = wb.run("zoo:tiny_cnn", hw="gap8", l1="36k")
    run.cycles, run.bit_exact, run.outputs          # NumPy arrays by name
    run.frame()                                     # pandas: a row per layer

    sweep = wb.sweep("zoo:tiny_cnn", hw="gap8", l1="16k..64k:x2", cores=[1, 2, 4, 8])
    sweep["cycles"]                                 # NumPy: a value per point
    sweep.frame()                                   # pandas: a row per point

Whatever the command line refuses raises Error, with the same line. docs/python.md has the rest.
"""
from ._native import Error
from .network import Compiled, Run, compile, run
from .points import Points, Sweep, evaluate, metrics, parameters, results, runs, sweep

__all__ = ["Compiled", "Error", "Points", "Run", "Sweep", "compile", "evaluate", "metrics",
           "parameters", "results", "run", "runs", "sweep"]
