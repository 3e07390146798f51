#!/usr/bin/env python3
"""Every Attention case of the onnx package, through `attune import onnx` and `attune run`.

    run_cases.py ATTUNE [--only TEXT] [--keep FOLDER] [--show]

The cases are those of onnx.backend.test.case.node with the operator Attention, without the "expanded" ones, which hold other operators. What
is written here knows ONNX's shapes, but no case: a case's model is imported, its arrays become the arguments that the importer names, and
what comes back is compared with the arrays that the case expects, as onnx's own runner compares. Passing means all outputs of the node.
Exits 77, which CTest takes for "skipped", where onnx or NumPy is missing.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings

try:
    import ml_dtypes
    import numpy as np
    import onnx
except ImportError as missing:
    print(f"skipped: {missing.name} is missing; ./dev installs it into .venv")
    sys.exit(77)

REQUIRED = 88  # of 93 in onnx 1.23.2

# Cases that are known not to pass, each with its reason. A case that passes in spite of its entry is a failure too: take it out.
UNSUPPORTED = {}


class Refused(Exception):
    """The command line said no: its message."""


def collect():
    """The first call in a process decides which operator's cases are made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cases of other operators overflow on purpose
        from onnx.backend.test.case.node import collect_testcases
        return [case for case in collect_testcases("Attention") if "expanded" not in case.name]


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
    fill = {"false": False, "-inf": -np.inf}[value]
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)], constant_values=fill) if missing > 0 else array


class Node:
    """One imported node: its arguments from the case's tensors, its kernels' results."""

    def __init__(self, attune, imported, tensors, folder):
        self.attune, self.node, self.tensors, self.folder = attune, imported, tensors, folder
        self.raw_query = tensors[imported["query"]]
        self.query = split_heads(self.raw_query, imported["num_heads"])
        self.key, self.value = (self.joined(name) for name in ("key", "value"))

    def joined(self, name):
        """key after past_key, where there is one."""
        new = split_heads(self.tensors[self.node[name]], self.node["num_kv_heads"])
        past = self.node["past_" + name]
        return np.concatenate([self.tensors[past], new], axis=2) if past else new

    def save(self, name, array):
        path = os.path.join(self.folder, name + ".npy")
        np.save(path, bits(array))
        return path

    def run_kernel(self, kernel, prefix):
        """-> output and matrix of pairs (or None), in the query's type."""
        out, pairs = (os.path.join(self.folder, f"{prefix}_{name}.npy") for name in ("out", "pairs"))
        words = [self.attune, "run", kernel["spec"], "--out", out, "--threads", "1"]
        for name in ("query", "key", "value"):
            words += ["--" + name, self.save(name, getattr(self, name))]
        if kernel["lengths_kv"]:
            words += ["--lengths-kv", self.save("lengths_kv", self.tensors[kernel["lengths_kv"]].astype(np.int32))]
        for param in kernel["params"]:
            if "length_of" in param:
                text = str(self.tensors[param["length_of"]].shape[2])
            else:
                text = self.save(param["name"], padded(self.tensors[param["tensor"]], self.key.shape[2], param["pad"]))
            words += ["--param", f"{param['name']}={text}"]
        if kernel["pairs"]:
            words += ["--pairs", pairs]
        run(words)
        return tuple(np.load(path).view(self.query.dtype) if wanted else None for path, wanted in ((out, True), (pairs, kernel["pairs"])))

    def outputs(self):
        """Name in the model -> array, for every output that the node has."""
        node = self.node
        out, pairs = self.run_kernel(node["kernel"], "kernel")
        if node["pairs_kernel"]:
            _, pairs = self.run_kernel(node["pairs_kernel"], "pairs_kernel")
        results = {node["output"]: merge_heads(out, self.raw_query),
                   node["present_key"]: self.key, node["present_value"]: self.value, node["qk_matmul_output"]: pairs}
        return {name: array for name, array in results.items() if name}


def compare(name, found, expected, case):
    """onnx's own rule: rtol and atol of the case; for bfloat16 two units in the last place, as onnx.backend.test.runner has it."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return [f"{name} is {found.dtype}{list(found.shape)}, expected {expected.dtype}{list(expected.shape)}"]
    rtol = case.rtol
    if expected.dtype == ml_dtypes.bfloat16:
        rtol = max(rtol, 2.0**-6)
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    right = np.isclose(found, expected, rtol=rtol, atol=case.atol, equal_nan=True)
    if right.all():
        return []
    first = tuple(int(i) for i in np.argwhere(~right)[0])
    return [f"{name}{list(first)} is {found[first]:.8g}, expected {expected[first]:.8g} within rtol {rtol:.3g}, atol {case.atol:.3g}; "
            f"{(~right).sum()} of {right.size} elements are off"]


def check(case, attune, folder, show):
    """-> what is wrong, line by line."""
    model = os.path.join(folder, "model.onnx")  # one name for all, so that equal kernels have equal names and are compiled once
    onnx.save(case.model, model)
    report = json.loads(run([attune, "import", "onnx", model, "-o", os.path.join(folder, "specs"), "--json"]))
    if show:
        for one in report["imported"]:
            for kernel in filter(None, (one["kernel"], one["pairs_kernel"])):
                print(open(kernel["spec"], encoding="utf-8").read())
    if report["refused"] or len(report["imported"]) != 1:
        return [f"refused: {one['reason']}" for one in report["refused"]] or ["not one node"]

    problems = []
    for inputs, expected in case.data_sets:
        tensors = dict(zip((value.name for value in case.model.graph.input), inputs, strict=True))
        found = Node(attune, report["imported"][0], tensors, folder).outputs()
        wanted = [value.name for value in case.model.graph.output]
        if sorted(found) != sorted(wanted):
            problems.append(f"outputs {sorted(found)}, expected {sorted(wanted)}")
        for name, array in zip(wanted, expected, strict=True):
            if name in found:
                problems += compare(name, found[name], array, case)
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("attune")
    parser.add_argument("--only", default="", help="cases whose names contain this")
    parser.add_argument("--keep", help="a folder for models, specifications and arrays")
    parser.add_argument("--show", action="store_true", help="print the specifications")
    arguments = parser.parse_args()

    attune = os.path.abspath(arguments.attune)
    cases = [case for case in collect() if arguments.only in case.name]
    names = {case.name for case in cases}
    passed, failed = [], []
    with tempfile.TemporaryDirectory(prefix="attune-onnx-") as temporary:
        for case in cases:
            folder = os.path.join(arguments.keep or temporary, case.name)
            os.makedirs(folder, exist_ok=True)
            try:
                problems = check(case, attune, folder, arguments.show)
            except Refused as refusal:
                problems = [str(refusal)]
            reason = UNSUPPORTED.get(case.name)
            if not problems:
                passed.append(case.name)
            if not problems and reason:
                problems = ["passes, but stands in UNSUPPORTED"]
                reason = None
            if problems and not reason:
                failed.append(case.name)
            print(f"{'ok' if not problems else 'not supported (' + reason + ')' if reason else 'FAILED':<6} {case.name}",
                  *problems, sep="\n       ", flush=True)

    unknown = [] if arguments.only else sorted(set(UNSUPPORTED) - names)
    print(f"{len(passed)} of {len(cases)} cases of onnx {onnx.__version__} pass, {len(failed)} fail")
    for name in unknown:
        print(f"UNSUPPORTED names no case: {name}")
    few = not arguments.only and len(passed) < REQUIRED
    if few:
        print(f"at least {REQUIRED} must pass")
    return 1 if failed or unknown or few or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
