"""ONNX Runtime: a model of one node; which operator is fast depends on mask, heads and type, so all that can compute a problem are tried.

Layouts, casts and masks are prepared outside the timing, in the layout that the operator likes best.
"""
from collections.abc import Callable
from functools import partial

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper

from ..problem import NUMPY, Problem, aligned
from . import Path, Unsupported
from .parts import in_parts, splits

NAME = "onnxruntime"
ONNX_TYPE = {"f32": TensorProto.FLOAT, "f16": TensorProto.FLOAT16}


def version() -> str:
    return ort.__version__


def _onnx_type(array: np.ndarray) -> int:
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def _session(op: str, domain: str, inputs: dict[str, np.ndarray | None], outputs: dict[str, tuple[int, ...]], dtype: str, threads: int,
             **attributes) -> tuple[Callable[[], None], Callable[[], np.ndarray]]:
    """A session with arrays bound to it. inputs in the operator's order, None where one is left out; the first output is the result."""
    named = {name: array for name, array in inputs.items() if array is not None}
    node = helper.make_node(op, [name if name in named else "" for name in inputs], list(outputs), domain=domain, **attributes)
    graph = helper.make_graph(
        [node], op,
        [helper.make_tensor_value_info(name, _onnx_type(array), array.shape) for name, array in named.items()],
        [helper.make_tensor_value_info(name, ONNX_TYPE[dtype], extents) for name, extents in outputs.items()])
    # Opset 25: the first whose Attention has windows. IR 11 is what this runtime's own opsets came with.
    opsets = [helper.make_opsetid("", 25), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=11)

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4  # what fails is an exception anyway
    # Else its threads spin on after a call and take the cores from who comes next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    binding = session.io_binding()
    values = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in named.items()}
    for name, value in values.items():
        binding.bind_ortvalue_input(name, value)
    results = []
    for name, extents in outputs.items():
        # A cache of the full length is updated in place.
        shared = values.get(name.replace("present", "past"))
        result = shared if shared is not None and tuple(shared.shape()) == extents else \
            ort.OrtValue.ortvalue_from_numpy(aligned(np.zeros(extents, NUMPY[dtype])))
        binding.bind_ortvalue_output(name, result)
        results.append(result)

    def run(_kept=(values, results)) -> None:  # the binding borrows the arrays' memory
        session.run_with_iobinding(binding)

    return run, results[0].numpy


def _tokens_first(array: np.ndarray) -> np.ndarray:
    """(batch, heads, seq, dim) -> (batch, seq, heads * dim)"""
    batch, heads, seq, dim = array.shape
    return aligned(array.transpose(0, 2, 1, 3).reshape(batch, seq, heads * dim))


def _heads_first(output: np.ndarray, heads: int) -> np.ndarray:
    batch, seq, hidden = output.shape
    return output.reshape(batch, seq, heads, hidden // heads).transpose(0, 2, 1, 3)


def _multi_head_attention(p: Problem, threads: int) -> Path:
    """Its tiled kernel takes neither mask nor bias; with them it computes whole rows. Heads that share keys get copies of them."""
    s = p.shape
    inputs = {"query": _tokens_first(p.query), "key": _tokens_first(p.repeated(p.key)), "value": _tokens_first(p.repeated(p.value)),
              "bias": None, "key_padding_mask": None}
    if not s.is_dense:
        inputs["attention_bias"] = p.additive_mask[None]
    run, output = _session("MultiHeadAttention", "com.microsoft", inputs, {"output": (s.batch, s.seq_q, s.heads * s.value_dim)}, p.dtype,
                           threads, num_heads=s.heads, scale=p.scale)
    return Path("MultiHeadAttention", run, lambda: _heads_first(output(), s.heads))


def _group_query_attention(p: Problem, threads: int) -> Path:
    """Grouped heads, window, soft cap, the rest as a bias. Keys before a chunk stand in a cache, which a call writes its own into."""
    s, past = p.shape, p.shape.seq_kv - p.shape.seq_q
    cache = (s.batch, s.kv_heads, s.seq_kv, s.head_dim)
    inputs = {"query": _tokens_first(p.query), "key": _tokens_first(p.key[:, :, past:]), "value": _tokens_first(p.value[:, :, past:]),
              "past_key": aligned(p.key) if past else None, "past_value": aligned(p.value) if past else None,
              "seqlens_k": np.full(s.batch, s.seq_kv - 1, np.int32), "total_sequence_length": np.array([s.seq_kv], np.int32)}
    if s.alibi or s.bias or s.block_density < 1:
        inputs |= {"cos_cache": None, "sin_cache": None, "position_ids": None, "attention_bias": p.additive_mask[None]}
    outputs = {"output": (s.batch, s.seq_q, s.heads * s.head_dim), "present_key": cache, "present_value": cache}
    run, output = _session("GroupQueryAttention", "com.microsoft", inputs, outputs, p.dtype, threads, num_heads=s.heads,
                           kv_num_heads=s.kv_heads, scale=p.scale, softcap=s.soft_cap, causal=int(s.causal),
                           local_window_size=-1 if s.window_left is None else s.window_left + 1)
    return Path("GroupQueryAttention", run, lambda: _heads_first(output(), s.heads))


def _attention(p: Problem, threads: int, window: bool = False) -> Path:
    """The operator of the standard. A mask that it has no word for is a matrix; window: it has, since opset 25."""
    s = p.shape
    named = not (s.documents > 1 or s.block_density < 1 or s.alibi or s.bias) and (s.window_left is None or window)
    implicit = named and s.seq_q == s.seq_kv
    inputs = {"Q": p.query, "K": p.key, "V": p.value}
    attributes = {"scale": p.scale, "softcap": s.soft_cap}
    if window:
        attributes["left_window_size"] = s.window_left
    if implicit:
        attributes["is_causal"] = int(s.causal)
    elif not s.is_dense:
        inputs["attn_mask"] = p.additive_mask[None]
    run, output = _session("Attention", "", inputs, {"Y": (s.batch, s.heads, s.seq_q, s.value_dim)}, p.dtype, threads, **attributes)
    return Path("Attention-25, window" if window else "Attention-25", run, output)


def paths(problem: Problem, threads: int) -> list[Callable[[], Path]]:
    s = problem.shape
    if problem.dtype not in ONNX_TYPE:
        raise Unsupported("no bf16 attention on CPUs")
    ways = [_attention]
    if problem.dtype == "f32" and not s.soft_cap:
        ways.append(_multi_head_attention)
    parts = [partial(in_parts, split, way, threads) for split in splits(problem) for way in ways]
    if (s.causal or s.group > 1) and s.head_dim == s.value_dim and s.documents == 1:
        ways.append(_group_query_attention)
    if s.window_left is not None:  # of the whole, what has a word for windows
        ways = [_group_query_attention, partial(_attention, window=True)]
    elif parts:
        ways = []
    return [partial(way, problem, threads) for way in ways] + parts
