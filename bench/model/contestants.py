"""The rivals: each encodes padded batches of token ids to hidden states, by its best path on a CPU."""
import importlib.util
from pathlib import Path

import numpy as np
import onnxruntime

from .onnx_model import minilm


class OnnxRuntime:
    name = "ONNX Runtime"

    def __init__(self, folder: Path, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(minilm(folder), options, providers=["CPUExecutionProvider"])

    @staticmethod
    def version() -> str:
        return f"onnxruntime {onnxruntime.__version__}"

    def hidden(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        positions = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        return self.session.run(["hidden"], {"ids": ids, "positions": positions, "lengths": lengths})[0]


def contestants() -> list[type]:
    """Those that are installed; ONNX Runtime first."""
    if importlib.util.find_spec("torch") is None:
        return [OnnxRuntime]
    from .torch_model import Torch

    return [OnnxRuntime, Torch]
