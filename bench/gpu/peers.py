#!/usr/bin/env python3
"""What other libraries take for the rows of attune_gpu_bench, on the same card: cuDNN, FlashAttention and the memory-efficient kernel as PyTorch has
them (scaled_dot_product_attention), and cuBLAS's two products of all pairs without a softmax between, which no unfused attention can be below.

    attune_gpu_bench --json rows.json && python peers.py rows.json [--json peers.json]

Needs PyTorch with CUDA. --device cpu and --smoke are for trying the script: their times say nothing.
"""
import argparse
import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
BACKENDS = {"cuDNN": SDPBackend.CUDNN_ATTENTION, "FlashAttention": SDPBackend.FLASH_ATTENTION, "efficient": SDPBackend.EFFICIENT_ATTENTION}
torch.set_grad_enabled(False)


def milliseconds(run: Callable[[], object], device: str, repeats: int) -> float:
    """The median of single calls, each enqueued and waited for, as attune_gpu_bench takes it."""
    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    times = []
    for i in range(3 + repeats):
        wait()
        begin = time.perf_counter()
        run()
        wait()
        if i >= 3:
            times.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(times)


def rivals(row: dict, device: str) -> dict[str, Callable[[], object]]:
    generator = torch.Generator(device).manual_seed(1)

    def array(heads: int, length: int) -> torch.Tensor:
        """(batch, heads, length, head_dim), heads beside each other in memory."""
        shape = (row["batch"], length, heads, row["head_dim"])
        return torch.randn(shape, generator=generator, device=device).to(DTYPES[row["dtype"]]).transpose(1, 2)

    query = array(row["num_heads"], row["seq_len_q"])
    key, value = (array(row["num_kv_heads"], row["seq_len_kv"]) for _ in range(2))
    causal, grouped = row["mask"] == "causal", row["num_heads"] != row["num_kv_heads"]

    def sdpa(backend: SDPBackend) -> Callable[[], object]:
        def run() -> torch.Tensor:
            with sdpa_kernel(backend):
                return F.scaled_dot_product_attention(query, key, value, is_causal=causal, enable_gqa=grouped)

        return run

    group = row["num_heads"] // row["num_kv_heads"]
    rows = query.reshape(row["batch"], row["num_kv_heads"], group * row["seq_len_q"], row["head_dim"])  # heads of a group share their keys
    found = {name: sdpa(backend) for name, backend in BACKENDS.items()}
    found["cuBLAS, no softmax"] = lambda: (rows @ key.transpose(-2, -1)) @ value
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="example:\n  python peers.py rows.json --json peers.json",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, help="what attune_gpu_bench --json wrote")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--repeats", type=int, default=20, help="measured calls of a row [20]")
    parser.add_argument("--smoke", action="store_true", help="one call of each: whether they run, not how fast")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        print("peers.py: PyTorch finds no CUDA device here; --device cpu tries the script", file=sys.stderr)
        return 77
    attune = json.loads(given.rows.read_text())
    name = torch.cuda.get_device_name() if given.device == "cuda" else "CPU"
    print(f"{name}; torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}; Attune's rows of {attune['device']}")
    print(f"{'kernel':24} {'batch':>5} {'queries':>7} {'keys':>7}  {'rival':20} {'median ms':>10} {'TFLOP/s':>8} {'rival / Attune':>14}")
    out = []
    for row in attune["rows"]:
        for rival, run in rivals(row, given.device).items():
            try:
                with contextlib.redirect_stderr(None):  # PyTorch says there why a kernel does not take a shape
                    ms = milliseconds(run, given.device, 1 if given.smoke else given.repeats)
            except RuntimeError:  # no such kernel for this type, shape or device; or too little memory
                continue
            tflops = row["tflops"] * row["median_ms"] / ms
            print(f"{row['kernel']:24} {row['batch']:5} {row['seq_len_q']:7} {row['seq_len_kv']:7}  {rival:20} {ms:10.4f} {tflops:8.2f} "
                  f"{ms / row['median_ms']:14.2f}", flush=True)
            out.append({**{k: row[k] for k in ("kernel", "batch", "num_heads", "seq_len_q", "seq_len_kv")}, "rival": rival, "median_ms": ms, "tflops": tflops})
    if given.json:
        given.json.write_text(json.dumps({"device": name, "torch": torch.__version__, "cudnn": torch.backends.cudnn.version(), "rows": out}, indent=1) + "\n")
    return 0 if out else 1


if __name__ == "__main__":
    sys.exit(main())
