"""OpenVINO's CPU plugin: ScaledDotProductAttention, and the same equation from single operations, which its compiler fuses.

On CPUs without f16 arithmetic f16 tensors are computed in f32. So are f32 tensors, as asked for below; else the plugin may take bf16.
Core() reads the affinity mask, so the process is pinned before this module is used.
"""
from collections.abc import Callable
from functools import cache, partial

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from ..problem import NUMPY, Problem, aligned
from . import Path
from .parts import in_parts, splits

NAME = "openvino"
OV_TYPE = {"f32": ov.Type.f32, "f16": ov.Type.f16, "bf16": ov.Type.bf16}


def version() -> str:
    return ov.__version__


@cache
def _core() -> ov.Core:
    return ov.Core()


def _precision(dtype: str) -> ov.Type:
    """What to compute in: the tensors' type where the plugin can, else f32."""
    capabilities = {"f16": "FP16", "bf16": "BF16"}
    able = capabilities.get(dtype, "FP32") in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return OV_TYPE[dtype] if able else ov.Type.f32


def _request(problem: Problem, threads: int, arrays: list[np.ndarray], define: Callable[..., ov.Output]) -> tuple[Callable, Callable]:
    """A model of what `define` makes of the arrays, compiled, with the arrays and its result bound."""
    element = OV_TYPE[problem.dtype]
    inputs = [ops.parameter(array.shape, element) for array in arrays]
    model = ov.Model([define(*inputs)], inputs, "attention")
    compiled = _core().compile_model(model, "CPU", {
        "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": _precision(problem.dtype)})
    request = compiled.create_infer_request()
    for index, array in enumerate(arrays):
        request.set_input_tensor(index, ov.Tensor(array.view(np.uint16) if problem.dtype == "bf16" else array, array.shape, element))
    s = problem.shape
    result = aligned(np.zeros((s.batch, s.heads, s.seq_q, s.value_dim), NUMPY[problem.dtype]))
    request.set_output_tensor(0, ov.Tensor(result.view(np.uint16) if problem.dtype == "bf16" else result, result.shape, element))

    def run(_kept=(compiled, arrays)) -> None:  # tensors borrow the arrays' memory
        request.start_async()
        request.wait()

    return run, lambda: result


def _arrays(p: Problem) -> list[np.ndarray]:
    """Heads that share keys get copies of them, outside the timing; so do masks as a matrix."""
    masked = [] if p.shape.is_dense or _causal_only(p) else [p.additive_mask[None]]
    return [p.query, p.repeated(p.key), p.repeated(p.value), *masked]


def _causal_only(p: Problem) -> bool:
    """causal=True counts from the first key, which is only right where rows and keys are as many."""
    s = p.shape
    return s.causal and s.seq_q == s.seq_kv and not (s.is_sparse or s.alibi or s.bias or s.soft_cap)


def _fused(p: Problem, threads: int) -> Path:
    scale = np.asarray(p.scale, NUMPY["f32" if p.dtype == "bf16" else p.dtype])

    def define(query, key, value, mask=None):
        factor = ops.constant(scale) if p.dtype != "bf16" else ops.convert(ops.constant(scale), ov.Type.bf16)
        if mask is None:
            mask = ops.convert(ops.constant(np.float32(0)), OV_TYPE[p.dtype])
        return ops.scaled_dot_product_attention(query, key, value, mask, factor, causal=_causal_only(p))

    return Path("ScaledDotProductAttention", *_request(p, threads, _arrays(p), define))


def _composed(p: Problem, threads: int) -> Path:
    arrays = _arrays(p)
    if _causal_only(p):
        arrays.append(p.additive_mask[None])

    def define(query, key, value, mask=None):
        def number(x: float):
            return ops.convert(ops.constant(np.float32(x)), OV_TYPE[p.dtype])

        score = ops.multiply(ops.matmul(query, key, False, True), number(p.scale))
        if p.shape.soft_cap:
            score = ops.multiply(ops.tanh(ops.multiply(score, number(1 / p.shape.soft_cap))), number(p.shape.soft_cap))
        if mask is not None:
            score = ops.add(score, mask)
        return ops.matmul(ops.softmax(score, -1), value, False, False)

    return Path("MatMul, Softmax, MatMul", *_request(p, threads, arrays, define))


def paths(problem: Problem, threads: int) -> list[Callable[[], Path]]:
    ways = [_composed] if problem.shape.soft_cap else [_fused, _composed]
    if parts := splits(problem):
        return [partial(in_parts, split, way, threads) for split in parts for way in ways]
    return [partial(way, problem, threads) for way in ways]
