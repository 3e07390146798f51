"""Rewrites that people make by hand for libraries without a sparse mask: smaller problems whose masks a library can do, run one after the
other. Their arrays are cut out, and copied, before the timing."""
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..problem import Problem, aligned
from . import Path

CHUNK = 128  # queries of a chunk of a window


@dataclass
class Split:
    """join: the parts' outputs to that of the whole."""

    name: str
    problems: list[Problem]
    join: Callable[[list[np.ndarray]], np.ndarray]


def _documents(p: Problem) -> Split:
    bounds = p.shape.document_bounds().tolist()
    parts = []
    for begin, end in zip(bounds, bounds[1:]):
        shape = replace(p.shape, documents=1, seq_q=end - begin, seq_kv=end - begin)
        parts.append(Problem(shape, p.dtype, [aligned(array[:, :, begin:end]) for array in (p.query, p.key, p.value)]))
    return Split("by hand a call a document", parts, lambda outputs: np.concatenate(outputs, axis=2))


def _chunks(p: Problem) -> Split:
    """The first queries, whose windows begin before the first key; then a batch of chunks with the keys of their windows."""
    s, left = p.shape, p.shape.window_left
    first = -(-left // CHUNK) * CHUNK
    head = Problem(replace(s, seq_q=first, seq_kv=first, window_left=left if left + 1 < first else None), p.dtype,
                   [aligned(array[:, :, :first]) for array in (p.query, p.key, p.value)])
    starts = np.arange(first, s.seq_q, CHUNK)
    queries, keys = (np.add.outer(starts, np.arange(-before, CHUNK)) for before in (0, left))

    def cut(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return aligned(array[0][:, rows].transpose(1, 0, 2, 3))

    tail = Problem(replace(s, batch=len(starts), seq_q=CHUNK, seq_kv=CHUNK + left), p.dtype,
                   [cut(p.query, queries), cut(p.key, keys), cut(p.value, keys)])

    def join(outputs: list[np.ndarray]) -> np.ndarray:
        chunks = outputs[1].transpose(1, 0, 2, 3)
        return np.concatenate([outputs[0], chunks.reshape(1, s.heads, -1, s.value_dim)], axis=2)

    return Split("by hand in overlapping chunks", [head, tail], join)


def splits(p: Problem) -> list[Split]:
    """At most one: none where the mask is not one of these two."""
    s = p.shape
    square = s.seq_q == s.seq_kv and s.block_density == 1 and not (s.alibi or s.bias)
    if square and s.documents > 1 and s.window_left is None:
        return [_documents(p)]
    if square and s.documents == 1 and s.window_left is not None and s.causal and s.batch == 1 and s.seq_q % CHUNK == 0:
        return [_chunks(p)]
    return []


def in_parts(split: Split, way: Callable[[Problem, int], Path], threads: int) -> Path:
    made = [way(part, threads) for part in split.problems]

    def run() -> None:
        for part in made:
            part.run()

    return Path(f"{made[-1].name}, {split.name}", run, lambda: split.join([part.output() for part in made]))
