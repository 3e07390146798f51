"""MiniLM as an ONNX model on the operators that ONNX Runtime has for BERT (com.microsoft): its best path on a CPU."""
import json
import struct
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    body = memoryview(data)[8 + size :]
    arrays = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = entry["data_offsets"]
            arrays[name] = np.frombuffer(body[begin:end], np.float32).reshape(entry["shape"])
    return arrays


class Graph:
    """Nodes and initializers as they come; each node has one output, named after it."""

    def __init__(self, weights: dict[str, np.ndarray]):
        self.weights, self.nodes, self.initializers = weights, [], {}

    def constant(self, name: str, array: np.ndarray) -> str:
        self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def weight(self, name: str, transposed: bool = False) -> str:
        array = self.weights[name]
        return self.constant(name, array.T if transposed else array)

    def node(self, kind: str, inputs: list[str], domain: str = "", **attributes) -> str:
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output


def encoder_layer(graph: Graph, i: int, x: str, config: dict) -> str:
    layer, epsilon = f"encoder.layer.{i}.", config["layer_norm_eps"]
    own = [f"{layer}attention.self.{part}" for part in ("query", "key", "value")]
    qkv = graph.constant(f"{layer}qkv.weight", np.concatenate([graph.weights[f"{name}.weight"].T for name in own], axis=1))
    bias = graph.constant(f"{layer}qkv.bias", np.concatenate([graph.weights[f"{name}.bias"] for name in own]))
    mixed = graph.node("Attention", [x, qkv, bias, "lengths"], MICROSOFT, num_heads=config["num_attention_heads"])

    def dense(name: str, rows: str) -> str:
        return graph.node("MatMul", [rows, graph.weight(f"{layer}{name}.weight", transposed=True)])

    def skip_norm(name: str, rows: str, skip: str) -> str:
        parts = [graph.weight(f"{layer}{name}.LayerNorm.{part}") for part in ("weight", "bias")]
        return graph.node("SkipLayerNormalization", [rows, skip, *parts, graph.weight(f"{layer}{name}.dense.bias")], MICROSOFT, epsilon=epsilon)

    x = skip_norm("attention.output", dense("attention.output.dense", mixed), x)
    inner = graph.node("BiasGelu", [dense("intermediate.dense", x), graph.weight(f"{layer}intermediate.dense.bias")], MICROSOFT)
    return skip_norm("output", dense("output.dense", inner), x)


def minilm(folder: Path) -> bytes:
    """ids, positions (batch, seq) and lengths (batch) -> hidden (batch, seq, hidden_size)"""
    config = json.loads((folder / "config.json").read_text())
    graph = Graph(read_safetensors(folder / "model.safetensors"))
    words = graph.node("Gather", [graph.weight("embeddings.word_embeddings.weight"), "ids"])
    places = graph.node("Gather", [graph.weight("embeddings.position_embeddings.weight"), "positions"])
    kind = graph.constant("token_type", graph.weights["embeddings.token_type_embeddings.weight"][0])
    embedded = graph.node("Add", [graph.node("Add", [words, places]), kind])
    norm = [graph.weight(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
    x = graph.node("LayerNormalization", [embedded, *norm], axis=-1, epsilon=config["layer_norm_eps"])
    for i in range(config["num_hidden_layers"]):
        x = encoder_layer(graph, i, x, config)
    graph.nodes.append(helper.make_node("Identity", [x], ["hidden"]))
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "seq"]) for name in ("ids", "positions")]
    inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, ["batch"]))
    output = helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["batch", "seq", config["hidden_size"]])
    model = helper.make_model(helper.make_graph(graph.nodes, "minilm", inputs, [output], list(graph.initializers.values())),
                              opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()
