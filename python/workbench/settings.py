"""Keyword arguments as the parameters of `workbench sweep --set`, which the command line names."""
import contextlib
import json
import os
import tempfile

import numpy as np

from . import _native

_NAMES = {entry["name"] for entry in json.loads(_native.parameters())}


def parameter_name(keyword):
    """norm_bits is norm-bits: Python's names have no dashes."""
    dashed = keyword.replace("_", "-")
    return dashed if keyword not in _NAMES and dashed in _NAMES else keyword


def text(value):
    """A value as the command line would have it."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


@contextlib.contextmanager
def settings(keywords):
    """Pairs of name and text. Arrays given as data are files for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        pairs = []
        for keyword, value in keywords.items():
            if value is None:
                continue
            name = parameter_name(keyword)
            pairs.append((name, _data_file(folder, name, value)))
        yield pairs


def _data_file(folder, name, value):
    if isinstance(value, np.ndarray) and value.ndim > 0:
        path = os.path.join(folder, f"{name}.npy")
        np.save(path, value)
        return path
    if isinstance(value, dict):
        path = os.path.join(folder, f"{name}.npz")
        np.savez(path, **value)
        return path
    return text(value)
