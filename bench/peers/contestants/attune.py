"""Attune: a kernel compiled for the shape's head_dim, type, group, mask and score, run in this process."""
import ctypes
import json
import os
import weakref
from collections.abc import Callable

import numpy as np

from ..native import COMPUTE_DTYPE, Inputs, check, library
from ..problem import NUMPY, Problem
from ..shapes import BLOCK, Shape
from . import Path

NAME = "attune"
MOST_DECODE_ROWS = 16
MOST_FULL_ROW_KEYS = 256  # with keys in lanes, which rows of f32 without a mask are
LARGEST_ERROR_OF_I8 = 3e-2  # relative, root of mean squares, of products of 8-bit integers, which are asked for in words


def version() -> str:
    products = f", products of {os.environ[COMPUTE_DTYPE]}" if COMPUTE_DTYPE in os.environ else ""
    return library().attune_peer_versions().decode() + products


def specification(shape: Shape, dtype: str) -> str:
    """The text of the shape's specification file; its parameters stand in the order of parameters()."""
    terms = ["causal"] * shape.causal
    terms += [f"window({shape.window_left})"] * (shape.window_left is not None)
    terms += ["document(ids)"] * (shape.documents > 1)
    score = "alibi(slopes)" if shape.alibi else f"softcap(s, {shape.soft_cap})" if shape.soft_cap else "s + bias" if shape.bias else "s"
    keys = {
        "dtype": dtype,
        "head_dim": shape.head_dim,
        "head_dim_v": shape.value_dim,
        "group": shape.group,
        "mask": " && ".join(terms) or "none",
        "score": score,
        "outputs": ["out"],  # as the others: log-sum-exp wants exponentials of f32's accuracy
    }
    if shape.seq_q <= MOST_DECODE_ROWS:
        keys["phases"] = ["decode"]
    elif dtype == "f32" and COMPUTE_DTYPE not in os.environ and shape.seq_kv <= MOST_FULL_ROW_KEYS and not shape.causal and not shape.is_sparse:
        keys["algorithm"] = "full_row"
    if COMPUTE_DTYPE in os.environ:
        keys["compute_dtype"] = os.environ[COMPUTE_DTYPE]
    if shape.block_density < 1:
        keys |= {"block_mask": "csr", "block_size": [BLOCK, BLOCK]}
    params = {"ids": "i32[b, kv] nondecreasing"} if shape.documents > 1 else {}
    params |= {"slopes": "f32[h]"} if shape.alibi else {}
    params |= {"bias": "f32[h, q, kv]"} if shape.bias else {}

    def line(key: str, value: object) -> str:
        return f"{key} = {json.dumps(value)}"

    return "\n".join(["[kernel]", *map(line, keys, keys.values()), "[params]", *map(line, params, params.values())]) + "\n"


def parameters(problem: Problem) -> list[np.ndarray]:
    """An array for each parameter of the specification, in its order."""
    s = problem.shape
    arrays = []
    if s.documents > 1:
        arrays.append(np.tile(s.document_ids(), (s.batch, 1)))
    if s.alibi:
        arrays.append(s.slopes())
    if s.bias:
        arrays.append(problem.bias)
    return arrays


def _prepare(problem: Problem, threads: int) -> Path:
    s, lib = problem.shape, library()
    arrays = parameters(problem)
    pointers = (ctypes.c_void_p * max(1, len(arrays)))(*(array.ctypes.data for array in arrays))
    inputs = Inputs(s.batch, s.heads, s.kv_heads, s.seq_q, s.seq_kv, problem.query.ctypes.data, problem.key.ctypes.data,
                    problem.value.ctypes.data, pointers, None, None, threads)
    if s.block_density < 1:
        blocks = s.blocks()
        row_offsets = np.r_[0, np.cumsum(blocks.sum(axis=1))].astype(np.int32)
        columns = np.nonzero(blocks)[1].astype(np.int32)
        inputs.row_offsets, inputs.columns = row_offsets.ctypes.data, columns.ctypes.data
    call = lib.attune_peer_prepare(specification(s, problem.dtype).encode(), ctypes.byref(inputs))
    check(call)
    pairs = lib.attune_peer_visible_pairs(call)
    if pairs != s.visible_pairs():
        raise RuntimeError(f"{s.name} has {s.visible_pairs()} visible pairs, and {pairs} by Attune's count")

    def run() -> None:
        check(lib.attune_peer_run(call) == 0)

    def output() -> np.ndarray:
        extents = (s.batch, s.heads, s.seq_q, s.value_dim)
        size = int(np.prod(extents)) * NUMPY[problem.dtype].itemsize
        memory = (ctypes.c_uint8 * size).from_address(lib.attune_peer_output(call))
        return np.frombuffer(memory, NUMPY[problem.dtype]).reshape(extents)

    in_i8 = os.environ.get(COMPUTE_DTYPE) == "i8"
    path = Path(lib.attune_peer_text(call).decode(), run, output, LARGEST_ERROR_OF_I8 if in_i8 else None)
    weakref.finalize(path, lib.attune_peer_free, call)
    return path


def paths(problem: Problem, threads: int) -> list[Callable[[], Path]]:
    return [lambda: _prepare(problem, threads)]
