"""PyTorch: scaled_dot_product_attention (SDPA), whose flash kernel knows causal masks; FlexAttention, compiled, with a block mask; parts.py;
and in bf16 the equation as two products and a softmax, which go through oneDNN: faster where MKL, which SDPA takes, has no code for the CPU.

Copies of heads, padding, masks and block masks are made outside the timing. A mask as a matrix is not tried where FlexAttention skips most
of it: 3 to 30 times slower when it was.
"""
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from ..problem import NUMPY, Problem
from ..shapes import BLOCK
from . import Path
from .parts import in_parts, splits

NAME = "torch"
torch._dynamo.config.cache_size_limit = 1000  # a kernel for each problem
torch.set_grad_enabled(False)


def version() -> str:
    return torch.__version__


def _tensor(array: np.ndarray) -> torch.Tensor:
    """The same memory; NumPy's bf16 is unknown to PyTorch."""
    return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16) if array.dtype == NUMPY["bf16"] else torch.from_numpy(array)


def _array(tensor: torch.Tensor, dtype: str) -> np.ndarray:
    return tensor.contiguous().view(torch.int16).numpy().view(NUMPY["bf16"]) if dtype == "bf16" else tensor.numpy()


def _path(p: Problem, name: str, compute: Callable[[], torch.Tensor], finish: Callable = lambda result: result) -> Path:
    """finish: from what compute returns to (batch, heads, seq_q, head_dim_v), outside the timing."""
    last = {}

    def run() -> None:
        last["result"] = compute()

    return Path(name, run, lambda: _array(finish(last["result"]), p.dtype))


def _repeated(p: Problem) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The flash kernel wants as many key as query heads, and values as wide as keys: zeros stand beside narrower ones."""
    key, value = _tensor(p.repeated(p.key)), _tensor(p.repeated(p.value))
    return _tensor(p.query), key, F.pad(value, (0, p.shape.head_dim - p.shape.value_dim))


def _products(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: torch.Tensor | None = None) -> torch.Tensor:
    score = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    return torch.softmax(score if attn_mask is None else score + attn_mask, -1) @ value


NAMES = {F.scaled_dot_product_attention: "SDPA", _products: "products"}


def _whole(p: Problem, threads: int, attend: Callable = F.scaled_dot_product_attention) -> Path:
    s = p.shape
    q, k, v = _repeated(p)
    if s.is_dense:
        compute, name = partial(attend, q, k, v), NAMES[attend]
    elif attend is F.scaled_dot_product_attention and s.seq_q == s.seq_kv and not (s.is_sparse or s.alibi or s.bias):
        compute, name = partial(attend, q, k, v, is_causal=True), "SDPA"
    else:
        compute, name = partial(attend, q, k, v, attn_mask=_tensor(p.additive_mask)[None]), f"{NAMES[attend]}, dense mask"
    return _path(p, name, compute, lambda result: result[..., : s.value_dim])


def _flex(p: Problem, threads: int) -> Path:
    s = p.shape
    offset = s.seq_kv - s.seq_q
    ids, slopes, blocks = torch.from_numpy(s.document_ids()), torch.from_numpy(s.slopes()), torch.from_numpy(s.blocks())
    bias = torch.from_numpy(p.bias) if s.bias else None

    def mask_mod(b, h, q, kv):
        seen = q >= 0
        if s.causal:
            seen = seen & (kv <= q + offset)
        if s.window_left is not None:
            seen = seen & (kv >= q + offset - s.window_left)
        if s.documents > 1:
            seen = seen & (ids[q] == ids[kv])
        if s.block_density < 1:
            seen = seen & blocks[q // BLOCK, kv // BLOCK]
        return seen

    def score_mod(score, b, h, q, kv):
        if s.alibi:
            score = score - slopes[h] * (q + offset - kv).abs()
        if s.bias:
            score = score + bias[h, q, kv]
        return s.soft_cap * torch.tanh(score / s.soft_cap) if s.soft_cap else score

    masked = s.causal or s.is_sparse
    block_mask = create_block_mask(mask_mod, None, None, s.seq_q, s.seq_kv, device="cpu") if masked else None
    scored = s.alibi or s.bias or s.soft_cap
    compute = partial(torch.compile(flex_attention, dynamic=False), _tensor(p.query), _tensor(p.key), _tensor(p.value),
                      score_mod=score_mod if scored else None, block_mask=block_mask, enable_gqa=s.group > 1)
    return _path(p, "FlexAttention", compute)


def paths(problem: Problem, threads: int) -> list[Callable[[], Path]]:
    torch.set_num_threads(threads)
    s = problem.shape
    attends = [F.scaled_dot_product_attention] + [_products] * (problem.dtype == "bf16")
    whole = [partial(_whole, attend=attend) for attend in attends]
    ways = [] if s.is_sparse else [partial(way, problem, threads) for way in whole]
    ways += [partial(in_parts, split, way, threads) for split in splits(problem) for way in whole]
    if s.soft_cap:  # neither has one
        ways = []
    if not s.is_dense:  # there it is SDPA with a slower product
        ways.append(partial(_flex, problem, threads))
    return ways
