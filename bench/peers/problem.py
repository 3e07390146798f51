"""Arrays of a shape, the right answer in float64 of sampled rows, and how far an output is from it."""
from functools import cached_property

import ml_dtypes
import numpy as np

from .shapes import Shape

NUMPY = {"f32": np.dtype(np.float32), "f16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}
# Relative error, root of mean squares, that is refused. Arithmetic with the type's own roundings stays several times below; a wrong mask
# or layout gives about 1, and f32 computed in bf16 about 3e-3.
LARGEST_ERROR = {"f32": 1e-4, "f16": 1e-2, "bf16": 3e-2}
HIDDEN = -1e4  # added to a hidden score: exp of it is 0 in every type, and no row becomes -inf minus -inf
SAMPLED_ROWS = 24  # in each of three heads


def aligned(array: np.ndarray) -> np.ndarray:
    """A dense copy that starts on a cache line, as no library should depend on what an allocator returned."""
    memory = np.empty(array.nbytes + 64, np.uint8)
    at = -memory.ctypes.data % 64
    copy = memory[at : at + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class Problem:
    """One shape in one type: what every contestant computes. Arrays are (batch, heads, seq, dim)."""

    def __init__(self, shape: Shape, dtype: str, arrays: list[np.ndarray] | None = None):
        """arrays: query, key and value; none: N(0, 1)."""
        self.shape, self.dtype = shape, dtype
        s, random = shape, np.random.default_rng(1)

        def normal(*extents: int) -> np.ndarray:
            return aligned(random.standard_normal(extents, np.float32).astype(NUMPY[dtype]))

        self.query, self.key, self.value = arrays or (
            normal(s.batch, s.heads, s.seq_q, s.head_dim), normal(s.batch, s.kv_heads, s.seq_kv, s.head_dim),
            normal(s.batch, s.kv_heads, s.seq_kv, s.value_dim))
        self.bias = aligned(random.standard_normal((s.heads, s.seq_q, s.seq_kv), np.float32)) if s.bias else None

    @property
    def scale(self) -> float:
        return self.shape.head_dim**-0.5

    def repeated(self, array: np.ndarray) -> np.ndarray:
        """key or value with as many heads as query, for libraries without grouped heads."""
        return array if self.shape.group == 1 else aligned(np.repeat(array, self.shape.group, axis=1))

    @cached_property
    def additive_mask(self) -> np.ndarray:
        """(1 or heads, seq_q, seq_kv) in the problem's type, for libraries that take mask and bias as a matrix."""
        s = self.shape
        dense = np.where(s.visible(np.arange(s.seq_q)), np.float32(0), np.float32(HIDDEN))[None]
        if s.alibi:
            distance = np.abs(np.arange(s.seq_q)[:, None] + s.seq_kv - s.seq_q - np.arange(s.seq_kv)[None]).astype(np.float32)
            dense = dense - s.slopes()[:, None, None] * distance
        if s.bias:
            dense = dense + self.bias
        return aligned(dense.astype(NUMPY[self.dtype]))

    @cached_property
    def _samples(self) -> list[tuple[int, int, np.ndarray, np.ndarray]]:
        """(sequence, head, rows, right output of these rows)."""
        s = self.shape
        rows = np.unique(np.r_[0, s.seq_q - 1, np.random.default_rng(2).integers(0, s.seq_q, SAMPLED_ROWS)])
        visible = s.visible(rows)
        samples = []
        for b, h in {(0, 0), (s.batch // 2, s.heads // 2), (s.batch - 1, s.heads - 1)}:
            q, k, v = (a.astype(np.float64) for a in (self.query[b, h, rows], self.key[b, h // s.group], self.value[b, h // s.group]))
            score = q @ k.T * self.scale
            if s.alibi:
                score -= s.slopes()[h] * np.abs(rows[:, None] + s.seq_kv - s.seq_q - np.arange(s.seq_kv)[None])
            if s.bias:
                score += self.bias[h, rows]
            if s.soft_cap:
                score = s.soft_cap * np.tanh(score / s.soft_cap)
            score = np.where(visible, score, -np.inf)
            weights = np.exp(score - score.max(axis=1, keepdims=True))
            samples.append((b, h, rows, weights @ v / weights.sum(axis=1, keepdims=True)))
        return samples

    def error(self, output: np.ndarray) -> float:
        """sqrt(sum |output - right|² / sum |right|²) over the sampled rows; NaN where output has one."""
        wrong = right_size = 0.0
        for b, h, rows, right in self._samples:
            wrong += np.sum((output[b, h, rows].astype(np.float64) - right) ** 2)
            right_size += np.sum(right**2)
        return float(np.sqrt(wrong / right_size))
