"""python -m model: a whole MiniLM-L6 encoder on Attune's layers and in ONNX Runtime, on the same sentences and weights, in turns."""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime

from .onnx_model import minilm

TOLERANCE = 1e-5  # of an element of a sentence vector of length 1: f32 sums in another order


class OnnxRuntime:
    def __init__(self, folder: Path, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(minilm(folder), options, providers=["CPUExecutionProvider"])

    def encode(self, sentences: list[list[int]], batch: int) -> tuple[np.ndarray, float]:
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
            positions = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
            (hidden,) = self.session.run(["hidden"], {"ids": ids, "positions": positions, "lengths": lengths})
            for row, i in enumerate(some):
                mean = hidden[row, : lengths[row]].mean(axis=0)
                vectors[i] = mean / np.linalg.norm(mean)
        return np.stack(vectors), 1e3 * (time.perf_counter() - begin)


def attune(program: str, file: Path, threads: int, batch: int, repeat: int) -> dict:
    words = [program, "--json", "--only-attune", "--file", str(file), "--threads", str(threads), "--batch", str(batch), "--repeat", str(repeat)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"model: {program} ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench model", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="MiniLM-L6 on real sentences: Attune's layers beside ONNX Runtime, same weights, same threads, in turns.",
                                     epilog="example:\n  ./dev bench model --threads 1 --batch 1,32 --json model.json\n\n"
                                            "exit status: 0, 1 the vectors differ, 2 usage")
    parser.add_argument("--file", type=Path, default=Path(__file__).parent / "sentences.txt", help="sentences, one a line [32 of our own]")
    parser.add_argument("--threads", default="1", help="numbers of threads, such as 1,2 [1]")
    parser.add_argument("--batch", default="1,32", help="sentences a batch [1,32]")
    parser.add_argument("--rounds", type=int, default=7, help="turns; the median of their times counts [7]")
    parser.add_argument("--repeat", type=int, default=5, help="runs of a turn, of which the fastest counts [5]")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    given = parser.parse_args()
    program = os.environ["ATTUNE_SENTENCE_SIMILARITY"]
    rows, worst = [], 0.0
    for threads in map(int, given.threads.split(",")):
        first = attune(program, given.file, threads, 32, 1)
        tokens = [sentence["tokens"] for sentence in first["sentences"]]
        rival = OnnxRuntime(Path(first["model"]), threads)
        for batch in map(int, given.batch.split(",")):
            ours, theirs = [], []
            for _ in range(given.rounds):
                report = attune(program, given.file, threads, batch, given.repeat)
                ours.append(report["time"]["encoder_ms"])
                turns = [rival.encode(tokens, batch) for _ in range(given.repeat)]
                theirs.append(min(ms for _, ms in turns))
            vectors = np.array([sentence["vector"] for sentence in report["sentences"]])
            worst = max(worst, float(np.abs(vectors - turns[0][0]).max()))
            rows.append({"batch": batch, "threads": threads, "sentences": len(tokens), "tokens": sum(map(len, tokens)), "target": first["target"],
                         "attune_ms": statistics.median(ours), "onnxruntime_ms": statistics.median(theirs),
                         "ratio": statistics.median(a / b for a, b in zip(ours, theirs)), "difference": worst})
    print(f"MiniLM-L6, {rows[0]['sentences']} sentences, {rows[0]['tokens']} tokens, {rows[0]['target']}; onnxruntime {onnxruntime.__version__}")
    print("batch  threads  Attune, ms  ONNX Runtime, ms  Attune / ONNX Runtime  ms a sentence")
    for row in rows:
        print(f"{row['batch']:5}  {row['threads']:7}  {row['attune_ms']:10.2f}  {row['onnxruntime_ms']:16.2f}  {row['ratio']:21.2f}  "
              f"{row['attune_ms'] / row['sentences']:13.3f}")
    print(f"largest difference of a vector's element {worst:.1e} (tolerance {TOLERANCE:.0e})")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
