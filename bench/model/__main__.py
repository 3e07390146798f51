"""python -m model: a whole MiniLM-L6 encoder on Attune's layers, in ONNX Runtime and in PyTorch, on the same sentences and weights, in turns."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from .contestants import contestants

TOLERANCE = {"f32": 1e-5, "bf16": 5e-3}  # of an element of a sentence vector of length 1: sums in another order, and roundings to bf16


def encode(rival, sentences: list[list[int]], batch: int) -> tuple[np.ndarray, float]:
    """Vectors in order, and milliseconds. Batches as the program makes them: of like length, padded to the longest."""
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    vectors: list[np.ndarray] = [np.empty(0)] * len(sentences)
    begin = time.perf_counter()
    for first in range(0, len(order), batch):
        some = order[first : first + batch]
        lengths = np.array([len(sentences[i]) for i in some], np.int32)
        ids = np.zeros((len(some), lengths.max()), np.int64)
        for row, i in enumerate(some):
            ids[row, : lengths[row]] = sentences[i]
        hidden = rival.hidden(ids, lengths)
        for row, i in enumerate(some):
            mean = hidden[row, : lengths[row]].mean(axis=0)
            vectors[i] = mean / np.linalg.norm(mean)
    return np.stack(vectors), 1e3 * (time.perf_counter() - begin)


def attune(program: str, file: Path, dtype: str, threads: int, batch: int, repeat: int) -> dict:
    words = [program, "--json", "--only-attune", "--dtype", dtype, "--file", str(file), "--threads", str(threads), "--batch", str(batch), "--repeat", str(repeat)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"model: {program} ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench model", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="MiniLM-L6 on real sentences: Attune's layers beside ONNX Runtime, and PyTorch where it is installed (./dev bench peers --torch): "
                                                 "same weights, same threads, in turns.",
                                     epilog="example:\n  ./dev bench model --threads 1 --batch 1,32 --json model.json\n\n"
                                            "exit status: 0, 1 the vectors differ, 2 usage")
    parser.add_argument("--file", type=Path, default=Path(__file__).parent / "sentences.txt", help="sentences, one a line [32 of our own]")
    parser.add_argument("--threads", default="1", help="numbers of threads, such as 1,2 [1]")
    parser.add_argument("--batch", default="1,32", help="sentences a batch [1,32]")
    parser.add_argument("--dtype", default="f32", help="elements of Attune's layers, such as f32,bf16; the others compute in f32 [f32]")
    parser.add_argument("--rounds", type=int, default=7, help="turns; the median of their times counts [7]")
    parser.add_argument("--repeat", type=int, default=5, help="runs of a turn, of which the fastest counts [5]")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    given = parser.parse_args()
    dtypes = given.dtype.split(",")
    if unknown := [dtype for dtype in dtypes if dtype not in TOLERANCE]:
        parser.error(f"--dtype: unknown {unknown[0]}, expected some of {', '.join(TOLERANCE)}")
    program = os.environ["ATTUNE_SENTENCE_SIMILARITY"]
    rows = []
    worst = dict.fromkeys(dtypes, 0.0)
    for threads in map(int, given.threads.split(",")):
        first = {dtype: attune(program, given.file, dtype, threads, 32, 1) for dtype in dtypes}
        model, sentences = first[dtypes[0]]["model"], first[dtypes[0]]["sentences"]
        tokens = [sentence["tokens"] for sentence in sentences]
        rivals = [contestant(Path(model), threads) for contestant in contestants()]
        for batch in map(int, given.batch.split(",")):
            ours: dict[str, list[float]] = {dtype: [] for dtype in dtypes}
            theirs: dict[str, list[float]] = {rival.name: [] for rival in rivals}
            for _ in range(given.rounds):
                reports = {dtype: attune(program, given.file, dtype, threads, batch, given.repeat) for dtype in dtypes}
                for rival in rivals:
                    turns = [encode(rival, tokens, batch) for _ in range(given.repeat)]
                    theirs[rival.name].append(min(ms for _, ms in turns))
                    for dtype, report in reports.items():
                        vectors = np.array([sentence["vector"] for sentence in report["sentences"]])
                        worst[dtype] = max(worst[dtype], float(np.abs(vectors - turns[0][0]).max()))
                for dtype, report in reports.items():
                    ours[dtype].append(report["time"]["encoder_ms"])
            for dtype in dtypes:
                for name, times in theirs.items():
                    rows.append({"batch": batch, "threads": threads, "sentences": len(tokens), "tokens": sum(map(len, tokens)), "dtype": dtype,
                                 "target": first[dtype]["target"], "attune_ms": statistics.median(ours[dtype]), "rival": name,
                                 "rival_ms": statistics.median(times), "ratio": statistics.median(a / b for a, b in zip(ours[dtype], times)),
                                 "difference": worst[dtype]})
    versions = ", ".join(contestant.version() for contestant in contestants())
    print(f"MiniLM-L6, {rows[0]['sentences']} sentences, {rows[0]['tokens']} tokens; {versions}")
    print("batch  threads  Attune              Attune, ms  ms a sentence  rival         rival, ms  Attune / rival")
    for row in rows:
        layers = f"{row['dtype']} {row['target']}"
        print(f"{row['batch']:5}  {row['threads']:7}  {layers:18}  {row['attune_ms']:10.2f}  {row['attune_ms'] / row['sentences']:13.3f}  {row['rival']:12}  "
              f"{row['rival_ms']:9.2f}  {row['ratio']:14.2f}")
    for dtype in dtypes:
        print(f"{dtype}: largest difference of a vector's element {worst[dtype]:.1e} (tolerance {TOLERANCE[dtype]:.0e})")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if all(worst[dtype] <= TOLERANCE[dtype] for dtype in dtypes) else 1


if __name__ == "__main__":
    sys.exit(main())
