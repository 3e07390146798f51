"""MiniLM in PyTorch: one product for query, key and value, SDPA, and the fused linear, layer norm and GELU of torch.nn.functional."""
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from .onnx_model import read_safetensors

torch.set_grad_enabled(False)


class Torch:
    name = "PyTorch"

    def __init__(self, folder: Path, threads: int):
        torch.set_num_threads(threads)
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = {name: torch.from_numpy(array.copy()) for name, array in read_safetensors(folder / "model.safetensors").items()}
        for i in range(self.config["num_hidden_layers"]):
            own = f"encoder.layer.{i}.attention.self."
            for kind in ("weight", "bias"):
                self.weights[f"{own}qkv.{kind}"] = torch.cat([self.weights[f"{own}{part}.{kind}"] for part in ("query", "key", "value")])

    @staticmethod
    def version() -> str:
        return f"torch {torch.__version__}"

    def _dense(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weights[f"{name}.LayerNorm.weight"], self.weights[f"{name}.LayerNorm.bias"], self.config["layer_norm_eps"])

    def _layer(self, i: int, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        layer, heads = f"encoder.layer.{i}.", self.config["num_attention_heads"]
        batch, seq, width = x.shape
        query, key, value = self._dense(f"{layer}attention.self.qkv", x).view(batch, seq, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).reshape(batch, seq, width)
        x = self._norm(f"{layer}attention.output", self._dense(f"{layer}attention.output.dense", mixed) + x)
        inner = F.gelu(self._dense(f"{layer}intermediate.dense", x))
        return self._norm(f"{layer}output", self._dense(f"{layer}output.dense", inner) + x)

    def hidden(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        batch, seq = ids.shape
        table = "embeddings.{}_embeddings.weight"
        x = F.embedding(torch.from_numpy(ids), self.weights[table.format("word")])
        x = self._norm("embeddings", x + self.weights[table.format("position")][:seq] + self.weights[table.format("token_type")][0])
        # Without padding there is no mask, with which SDPA leaves its flash kernel.
        mask = None if (lengths == seq).all() else (torch.arange(seq) < torch.from_numpy(lengths)[:, None])[:, None, None, :]
        for i in range(self.config["num_hidden_layers"]):
            x = self._layer(i, x, mask)
        return x.numpy()
