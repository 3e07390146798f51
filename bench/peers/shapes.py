"""The problems of real models that every contestant is given, and what of each is visible. A row of SHAPES is a row of the table."""
from dataclasses import dataclass

import numpy as np

BLOCK = 128  # rows and keys of a block of block-sparse shapes


@dataclass(frozen=True)
class Shape:
    """softmax(score(query keyᵀ / sqrt(head_dim))) value over the pairs that the mask shows.

    The mask is the conjunction of what is set below. Query q stands at q + seq_kv - seq_q among the keys, as in a chunk that is
    appended to a cache.
    """

    name: str
    heads: int
    kv_heads: int
    seq_q: int
    seq_kv: int
    head_dim: int
    head_dim_v: int = 0  # 0: head_dim
    batch: int = 1
    causal: bool = False
    window_left: int | None = None  # keys seen before the query's own position
    documents: int = 1  # packed one behind the other; tokens see their own only
    block_density: float = 1.0  # share of the BLOCK x BLOCK blocks that is computed; the same blocks in all heads
    alibi: bool = False  # score - slope[head] * distance
    soft_cap: float = 0.0  # cap * tanh(score / cap)
    bias: bool = False  # score + bias[head, q, kv]
    dtypes: tuple[str, ...] = ("f32", "f16", "bf16")

    @property
    def value_dim(self) -> int:
        return self.head_dim_v or self.head_dim

    @property
    def group(self) -> int:
        """Query heads per key/value head."""
        return self.heads // self.kv_heads

    @property
    def is_dense(self) -> bool:
        """Every pair is visible and its score is the scaled product."""
        return not (self.causal or self.is_sparse or self.alibi or self.soft_cap or self.bias)

    @property
    def is_sparse(self) -> bool:
        """More is hidden than a causal mask hides."""
        return self.window_left is not None or self.documents > 1 or self.block_density < 1

    def document_bounds(self) -> np.ndarray:
        """First token of each document, and the end. Lengths rise from about half to one and a half of the mean; few start on a block."""
        if self.documents == 1:
            return np.array([0, self.seq_kv])
        mean = self.seq_kv / self.documents
        return np.rint(np.r_[0, np.cumsum(np.linspace(0.53, 1.47, self.documents) * mean)]).astype(np.int64)

    def document_ids(self) -> np.ndarray:
        return np.repeat(np.arange(self.documents, dtype=np.int32), np.diff(self.document_bounds()))

    def blocks(self) -> np.ndarray:
        """(rows of blocks, blocks of keys) bool: random ones, as many in each row as the density says, give or take one."""
        rows, columns = -(-self.seq_q // BLOCK), -(-self.seq_kv // BLOCK)
        counts = np.diff(np.floor(np.arange(rows + 1) * columns * self.block_density)).astype(int)
        random = np.random.default_rng(1)
        chosen = np.zeros((rows, columns), bool)
        for row, count in enumerate(counts):
            chosen[row, random.permutation(columns)[:count]] = True
        return chosen

    def slopes(self) -> np.ndarray:
        """ALiBi: 2^(-8 (h + 1) / heads)."""
        return np.exp2(-8 * np.arange(1, self.heads + 1) / self.heads).astype(np.float32)

    def visible(self, rows: np.ndarray) -> np.ndarray:
        """(rows, seq_kv) bool, the same in all heads and sequences."""
        at, kv = rows[:, None] + self.seq_kv - self.seq_q, np.arange(self.seq_kv)[None]
        seen = np.ones((len(rows), self.seq_kv), bool)
        if self.causal:
            seen &= kv <= at
        if self.window_left is not None:
            seen &= kv >= at - self.window_left
        if self.documents > 1:
            ids = self.document_ids()
            seen &= ids[at] == ids[kv]
        if self.block_density < 1:
            seen &= self.blocks()[rows[:, None] // BLOCK, kv // BLOCK]
        return seen

    def visible_pairs(self) -> int:
        """(query, key) pairs that the mask shows, over batch and heads."""
        parts = np.array_split(np.arange(self.seq_q), -(-self.seq_q // 512))
        return self.batch * self.heads * sum(int(np.count_nonzero(self.visible(part))) for part in parts)

    def flops(self) -> int:
        """2 * visible_pairs * (head_dim + head_dim_v), as everywhere in this project."""
        return 2 * self.visible_pairs() * (self.head_dim + self.value_dim)


def _heads_8(seq: int, head_dim: int) -> Shape:
    return Shape(f"mha-{seq}-d{head_dim}", 8, 8, seq, seq, head_dim)


SHAPES = (
    #     name                heads kv_heads seq_q seq_kv head_dim
    _heads_8(1024, 64),
    _heads_8(1024, 128),
    _heads_8(4096, 64),
    _heads_8(4096, 128),
    Shape("bert-base-384",       12, 12,  384,  384,  64, batch=8),
    Shape("vit-b16",             12, 12,  197,  197,  64, batch=8),  # a length that no block divides
    Shape("nanogpt-none",        25, 25, 1024, 1024,  64),
    Shape("nanogpt-causal",      25, 25, 1024, 1024,  64, causal=True),
    Shape("llama-prefill",        8,  2, 2048, 2048, 128, causal=True),
    Shape("llama-chunk",          8,  2,  256, 8192, 128, causal=True),
    Shape("mla-prefill",         16, 16, 1024, 1024, 192, head_dim_v=128, causal=True),
    Shape("window-256",           8,  2, 4096, 4096, 128, causal=True, window_left=255),
    Shape("block-sparse-10",      8,  8, 8192, 8192, 128, block_density=0.1),
    Shape("documents-16",         8,  2, 8192, 8192, 128, documents=16),
    Shape("alibi-causal",        32, 32, 2048, 2048, 128, causal=True, alibi=True),
    Shape("gemma2-softcap",       8,  4, 4096, 4096, 256, causal=True, soft_cap=50.0),
    Shape("sd15-self",            8,  8, 4096, 4096,  40, batch=2),
    Shape("sdxl-cross",          10, 10, 4096,   77,  64, batch=2),
    Shape("decode-llama3",       32,  8,    1, 8192, 128, causal=True),
    Shape("decode-mha",          32, 32,    1, 4096, 128, causal=True),
    Shape("decode-batch8",       32,  8,    1, 2048, 128, batch=8, causal=True),
    Shape("swin-bias",            3,  3,   49,   49,  32, batch=1024, bias=True, dtypes=("f32",)),
)
