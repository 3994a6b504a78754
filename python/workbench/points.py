"""Many points: evaluated, swept, read from a store; as NumPy columns and pandas frames."""
import json
import os
import re

import numpy as np

from . import _native
from .settings import parameter_name, settings, text

_SUFFIXES = {"": 1, "k": 1024, "K": 1024, "M": 1024 ** 2}


def number(word):
    """65536 for "64k", 0.5 for "0.5"; None for what is no number."""
    match = re.fullmatch(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)([kKM]?)", word)
    return float(match[1]) * _SUFFIXES[match[2]] if match else None


def _column(values):
    """Integers where all are whole numbers, else floats with NaN for nothing; where there are
    words, texts and None."""
    numbers = [number(value) if isinstance(value, str) else value for value in values]
    if any(value is not None and number is None for value, number in zip(values, numbers)):
        return np.array(values, dtype=object)
    column = np.array([np.nan if value is None else value for value in numbers], dtype=float)
    whole = (column == np.floor(column)) & (np.abs(column) < 2 ** 53)
    return column.astype(np.int64) if whole.all() else column


class Points:
    """A table with a row per point (or per layer). points["cycles"] is a column."""

    def __init__(self, columns, rows):
        self.columns = columns
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, column):
        if column not in self.columns:
            raise KeyError(f"{column}: expected one of {', '.join(self.columns)}")
        values = [row[column] for row in self.rows]
        if column in ("bit_exact", "key", "network", "machine"):  # a name may look like a number
            return np.array(values, dtype=object)
        return _column(values)

    def arrays(self):
        """Every column, by name."""
        return {column: self[column] for column in self.columns}

    def frame(self):
        """A pandas frame with the columns as arrays() has them."""
        import pandas
        return pandas.DataFrame(self.arrays(), columns=self.columns)

    def __repr__(self):
        return f"<{len(self)} rows of {', '.join(self.columns)}>"


class Sweep(Points):
    """What a sweep found, in study order, refined points behind the others."""

    def __init__(self, store, outcome):
        table = json.loads(_native.results(store, outcome["run"], [], False))
        row_of = {row["key"]: row for row in table["rows"]}
        super().__init__(table["columns"], [row_of[key] for key in outcome["keys"]])
        self.store = store
        self.run = outcome["run"]  # its number in the store
        self.complete = outcome["complete"]
        self.computed = outcome["computed"]  # points, by this call
        self.reused = outcome["reused"]  # points that the store had
        self.on_front = np.array(outcome["on_front"], dtype=bool)  # of its tier, per row
        self.meets = np.array(outcome["meets"], dtype=bool)  # the constraints, per row
        self.agreement = outcome["agreement"]  # of the tiers, per objective
        self.warnings = outcome["warnings"]
        self.text = outcome["text"]  # as `workbench sweep` prints it

    def layers(self):
        """A row per layer and point."""
        return results(self.store, self.run, layers=True)


def evaluate(network, hw, *, tier="analytic", **parameters):
    """One point as a dict: status, reason, metrics, layers. Not stored."""
    with settings(parameters) as pairs:
        return json.loads(_native.evaluate(text(network), text(hw), pairs, tier))


def _values(value):
    if isinstance(value, (str, os.PathLike)) or not np.iterable(value):
        return text(value)
    return [text(item) for item in value]


def _study(networks, hw, given, parameters):
    study = {"networks": _values(networks), "machines": _values(hw)}
    study["name"] = " on ".join(names if isinstance(names, str) else ", ".join(names)
                                for names in study.values())
    study.update({key: value for key, value in given.items() if value is not None})
    if parameters:
        study["parameters"] = {parameter_name(name): _values(value)
                               for name, value in parameters.items()}
    return study


def sweep(study, hw=None, *, store="workbench.db", jobs=0, limit=None, progress=None, name=None,
          tier=None, options=None, conditions=None, objectives=None, constraints=None, refine=None,
          search=None, **parameters):
    """Computes what the store does not have yet and returns a Sweep.

    study: a file (docs/sweep.md), the same as a dict, or a network or a list of them; then hw is
    the machine or a list of them, and every other keyword a parameter with its values: a list, or
    text as --set takes it. jobs: processes (0: one per CPU). limit: points to compute at most.
    progress: called with (stage, done, total). refine, search: True, or a dict as in the file.
    """
    given = {"name": name, "tier": tier, "options": options, "conditions": conditions,
             "objectives": objectives, "constraints": constraints,
             "refine": _switch(refine, True), "search": _switch(search, "nsga2")}
    is_file = isinstance(study, (str, os.PathLike)) and text(study).endswith((".yaml", ".yml"))
    if is_file or isinstance(study, dict):
        extra = [key for key, value in {**given, **parameters, "hw": hw}.items()
                 if value is not None]
        if extra:
            raise TypeError(f"sweep: expected {', '.join(extra)} in the study, found beside it")
        what = text(study) if is_file else json.dumps(study)
    else:
        if hw is None:
            raise TypeError("sweep: expected hw, the machine of these networks")
        what = json.dumps(_study(study, hw, given, parameters))
    store = text(store)
    return Sweep(store, json.loads(_native.sweep(what, is_file, store, jobs, limit, progress)))


def _switch(value, yes):
    return yes if value is True else None if value is False else value


def results(store="workbench.db", run=None, *, where=(), layers=False):
    """Points of a store (of one run by number; None: all), those for which every condition holds:
    where=["cycles <= 1e6", "l1=64k"]. layers: a row per layer instead."""
    table = json.loads(_native.results(text(store), run or 0, list(where), layers))
    return Points(table["columns"], table["rows"])


def runs(store="workbench.db"):
    """The runs of a store, oldest first: a list of dicts."""
    return json.loads(_native.runs(text(store)))


def metrics():
    """The figures of a point: a list of dicts with name, unit and formula."""
    return json.loads(_native.metrics())


def parameters():
    """What compile(), run(), evaluate() and sweep() take as keywords: a list of dicts."""
    return json.loads(_native.parameters())
