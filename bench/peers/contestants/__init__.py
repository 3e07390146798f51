"""Who takes part. A contestant is a module with NAME, version() and paths(); an import that fails means: not installed."""
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..problem import Problem


class Unsupported(Exception):
    """The library has no way to compute this problem; the message says why, for the lines below the table."""


@dataclass
class Path:
    """One way through a library, made ready: run() is the computation and nothing else."""

    name: str
    run: Callable[[], object]
    output: Callable[[], np.ndarray]  # of the last run, (batch, heads, seq_q, head_dim_v)
    largest_error: float | None = None  # refused above it; None: as the problem's type says


class Contestant(Protocol):
    NAME: str

    @staticmethod
    def version() -> str: ...

    @staticmethod
    def paths(problem: Problem, threads: int) -> list[Callable[[], Path]]:
        """The ways worth trying; each is made by a call, which may throw. Raises Unsupported where there is none."""
        ...


MODULES = {"attune": "attune", "onnxruntime": "onnxruntime", "openvino": "openvino", "torch": "torch"}  # name -> module here


def installed() -> tuple[list[Contestant], list[str]]:
    """The contestants that can be imported, Attune first, and the names of the others."""
    found, missing = [], []
    for name, module in MODULES.items():
        try:
            found.append(importlib.import_module(f".{module}", __name__))
        except ModuleNotFoundError:
            missing.append(name)
    return found, missing
