"""Nodes as `attune import onnx --json` reports them: arguments of `attune run` from a case's tensors, and what comes back."""
import os
import re
import subprocess

import ml_dtypes
import numpy as np


class Refused(Exception):
    """The command line said no: its message."""


def run(words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise Refused((done.stderr or done.stdout).strip() or f"exit code {done.returncode}")
    return done.stdout


def bits(array):
    """As .npy holds it: NumPy has no bfloat16, so its bits stand in uint16."""
    return np.ascontiguousarray(array.view(np.uint16) if array.dtype == ml_dtypes.bfloat16 else array)


def split_heads(array, heads):
    """(batch, seq_len, heads * dim) -> (batch, heads, seq_len, dim); arrays of rank 4 stay."""
    if array.ndim == 4:
        return array
    batch, seq_len, hidden = array.shape
    return array.reshape(batch, seq_len, heads, hidden // heads).transpose(0, 2, 1, 3)


def merge_heads(array, like):
    """The inverse, where the query had rank 3."""
    if like.ndim == 4:
        return array
    batch, heads, seq_len, dim = array.shape
    return array.transpose(0, 2, 1, 3).reshape(batch, seq_len, heads * dim)


def padded(array, seq_len_kv, value):
    """attn_mask may end before the keys do: what is missing hides."""
    missing = seq_len_kv - array.shape[-1]
    fill = {"false": False, "-inf": -np.inf}.get(value)
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)], constant_values=fill) if value and missing > 0 else array


def declared(array, declaration):
    """As "f32[b, kv, hkv, 8]" wants it: floats are cast, and a last dimension that holds two declared ones is split."""
    element, dims = re.fullmatch(r"(\w+)\[(.*)\]", declaration).groups()
    dims = dims.split(", ")
    if element == "f32":
        array = array.astype(np.float32)
    return array.reshape(*array.shape[:-1], -1, int(dims[-1])) if array.ndim < len(dims) else array


class Node:
    """One imported node."""

    def __init__(self, attune, imported, tensors, folder):
        self.attune, self.node, self.tensors, self.folder = attune, imported, tensors, folder
        self.raw_query = tensors[imported["query"]]
        self.query = split_heads(self.raw_query, imported.get("num_heads"))
        self.key, self.value = (split_heads(tensors[imported[name]], imported.get("num_kv_heads")) for name in ("key", "value"))

    def path(self, name):
        return os.path.join(self.folder, name + ".npy")

    def save(self, name, array):
        np.save(self.path(name), bits(array))
        return self.path(name)

    def run_kernel(self, kernel, more=()):
        """-> output, in the query's type."""
        words = [self.attune, "run", kernel["spec"], "--out", self.path("out"), "--threads", "1", *more]
        for name in ("query", "key", "value"):
            words += ["--" + name, self.save(name, getattr(self, name))]
        if kernel["lengths_kv"]:
            words += ["--lengths-kv", self.save("lengths_kv", self.tensors[kernel["lengths_kv"]].astype(np.int32))]
        for param in kernel["params"]:
            if "length_of" in param:
                text = str(self.tensors[param["length_of"]].shape[2])
            else:
                array = padded(self.tensors[param["tensor"]], self.key.shape[2], param["pad"])
                text = self.save(param["name"], declared(array, param["type"]))
            words += ["--param", f"{param['name']}={text}"]
        run(words)
        return merge_heads(np.load(self.path("out")).view(self.query.dtype), self.raw_query)

    def outputs(self):
        """Name in the model -> array, for every output that the node has; "" for what it has not."""
        return {self.node["output"]: self.run_kernel(self.node["kernel"])}


class Attention(Node):
    """key and value follow the past; a matrix of pairs may come from a kernel of its own."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.key, self.value = (self.joined(name, new) for name, new in (("key", self.key), ("value", self.value)))

    def joined(self, name, new):
        past = self.node["past_" + name]
        return np.concatenate([self.tensors[past], new], axis=2) if past else new

    def run_with_pairs(self, kernel):
        """-> output and matrix of pairs, None where the kernel writes none."""
        if not kernel["pairs"]:
            return self.run_kernel(kernel), None
        out = self.run_kernel(kernel, ["--pairs", self.path("pairs")])
        return out, np.load(self.path("pairs")).view(self.query.dtype)

    def outputs(self):
        node = self.node
        out, pairs = self.run_with_pairs(node["kernel"])
        if node["pairs_kernel"]:
            _, pairs = self.run_with_pairs(node["pairs_kernel"])
        return {node["output"]: out, node["present_key"]: self.key, node["present_value"]: self.value, node["qk_matmul_output"]: pairs}


class LinearAttention(Node):
    """A state of floats goes in and comes out; in the model it has the type of past_state, or else of the query."""

    def outputs(self):
        node, more = self.node, ["--state", self.path("state")]
        past = self.tensors.get(node["past_state"])
        if past is not None:
            more += ["--past-state", self.save("past_state", past.astype(np.float32))]
        out = self.run_kernel(node["kernel"], more)
        state = np.load(self.path("state")).astype(self.query.dtype if past is None else past.dtype)
        return {node["output"]: out, node["present_state"]: state}


CLASSES = {"Attention": Attention, "LinearAttention": LinearAttention, "FlexAttention": Node}
