"""One network on one machine: compiled, simulated, compared with the golden model."""
import json

from . import _native
from .settings import settings, text


class Compiled:
    """A network as a program of a machine. Sizes are bytes, layers are in program order."""

    def __init__(self, native):
        about = json.loads(native.program())
        self._native = native
        self.network = about["network"]
        self.machine = about["machine"]
        self.macs = about["macs"]
        self.ops = about["ops"]  # as xfDNN counts
        self.parameters = about["parameters"]
        self.instructions = about["instructions"]
        self.peak_bytes = about["peak_bytes"]
        self.minimum_bytes = about["minimum_bytes"]
        self.capacity_bytes = about["capacity_bytes"]
        self.moveops = about["moveops"]  # bytes between DDR and AM of intermediate tensors
        self.layers = about["layers"]
        self.host = about["host"]  # what no engine can run, with the reason
        self.warnings = about["warnings"]

    @property
    def input(self):
        """What run() runs on: a list of arrays."""
        return self._native.input()

    @property
    def constants(self):
        """Weights and other constants of the integer network, arrays by name."""
        return self._native.constants()

    @property
    def reference(self):
        """What the float network computes from the input, arrays by name."""
        return self._native.reference()

    def xfdnn_report(self):
        """Schedule, minimum memory and transfers as the xfDNN compiler prints them (xDNN)."""
        return self._native.xfdnn_report()

    def save(self, path):
        """The program, for `workbench disasm` and `run --program`."""
        self._native.save(text(path))

    def run(self, golden=True, values=True, tier="transaction"):
        """Simulates. golden: compare every value with the golden model. values=False: timing
        alone (PULP). tier="detailed": the cores' instructions (PULP, docs/detailed-tier.md)."""
        return Run(self._native, _native.run(self._native, golden, values, tier))

    def frame(self):
        """A pandas frame with a row per layer."""
        import pandas
        return pandas.DataFrame(self.layers)

    def __repr__(self):
        return (f"<{self.network} on {self.machine}: {self.instructions} instructions in "
                f"{len(self.layers)} layers>")


class Run:
    """A simulated run. `report` is what `workbench run --json` writes (docs/report-json.md)."""

    def __init__(self, compiled, native):
        self._native = native
        self.report = json.loads(native.report())
        self.totals = self.report["totals"]
        self.layers = self.report["layers"]
        self.cycles = self.totals["cycles"]
        self.bit_exact = native.bit_exact()  # None: was not compared
        self.passed = native.passed()  # bit-exact as far as it was compared, and no hazard
        self.outputs = _native.outputs(compiled, native)

    @property
    def tensors(self):
        """Every value that can be read from the modelled memories, arrays by name."""
        return self._native.tensors()

    @property
    def timeline(self):
        """What every engine did when: arrays resource, instruction, begin, end, bytes and cause,
        an element per interval; resource and cause are indices into resources and causes."""
        return self._native.timeline()

    @property
    def text(self):
        """The report as people read it."""
        return self._native.text()

    def save_trace(self, path):
        """A timeline for ui.perfetto.dev."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self._native.trace())

    def frame(self):
        """A pandas frame with a row per layer; the waterfall's steps are columns of their own."""
        import pandas
        return pandas.json_normalize(self.layers)

    def __repr__(self):
        exact = {None: "not compared", True: "bit-exact", False: "NOT bit-exact"}[self.bit_exact]
        return f"<run: {self.cycles} cycles, {exact}>"


def compile(network, hw, *, input=None, calibration=None, **parameters):
    """A network (ONNX file or zoo:NAME) as a program of the machine hw (file or shipped name).

    input, calibration: file, array, or arrays by input name in a dict. Other keywords are the
    parameters of `workbench sweep --parameters`, with _ for -; dotted ones in a ** dict.
    """
    data = {"input": input, "calibration": calibration}
    with settings({**parameters, **data}) as pairs:
        compiled = Compiled(_native.compile(text(network), text(hw), pairs))
    names = compiled._native.input_names()
    for option, arrays in data.items():
        for name in arrays if isinstance(arrays, dict) else ():
            if name not in names:
                raise _native.Error(f"{option}: expected arrays named {', '.join(names)}, "
                                    f"found '{name}'")
    return compiled


def run(network, hw, *, golden=True, values=True, tier="transaction", **parameters):
    """compile() and Compiled.run() in one."""
    return compile(network, hw, **parameters).run(golden=golden, values=values, tier=tier)
