#!/usr/bin/env python3
"""Every case of an operator of the onnx package, through `attune import onnx` and `attune run`.

    run_cases.py ATTUNE [--operator LinearAttention] [--only TEXT] [--keep FOLDER] [--show]

The cases are those of onnx.backend.test.case.node, without the "expanded" ones, which hold other operators. What is written here and in
nodes.py knows ONNX's shapes, but no case: a case's model is imported, its arrays become the arguments that the importer names, and what
comes back is compared with the arrays that the case expects, as onnx's own runner compares. Passing means all outputs of the node.
Exits 77, which CTest takes for "skipped", where onnx or NumPy is missing.
"""
import argparse
import json
import os
import sys
import tempfile
import warnings

try:
    import ml_dtypes
    import numpy as np
    import onnx
    from nodes import CLASSES, Refused, run
except ImportError as missing:
    print(f"skipped: {missing.name} is missing; ./dev installs it into .venv")
    sys.exit(77)

REQUIRED = {"Attention": 88, "LinearAttention": 14, "FlexAttention": 9}  # of 93, 14 and 11 in onnx 1.23.2

# Cases that are known not to pass, each with its reason. A case that passes in spite of its entry is a failure too: take it out.
UNSUPPORTED = {
    "FlexAttention": {
        "test_flexattention_double": "kernels are float, float16 or bfloat16",
        "test_flexattention_prob_mod": "no specification changes weights after the softmax",
    },
}


def collect(operator):
    """The first call in a process decides which operator's cases are made: hence one operator a run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cases of other operators overflow on purpose
        from onnx.backend.test.case.node import collect_testcases
        return [case for case in collect_testcases(operator) if "expanded" not in case.name]


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
        node = report["imported"][0]
        found = CLASSES[node["operator"]](attune, node, tensors, folder).outputs()
        found = {name: array for name, array in found.items() if name}
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
    parser.add_argument("--operator", choices=REQUIRED, default="Attention")
    parser.add_argument("--only", default="", help="cases whose names contain this")
    parser.add_argument("--keep", help="a folder for models, specifications and arrays")
    parser.add_argument("--show", action="store_true", help="print the specifications")
    arguments = parser.parse_args()

    attune = os.path.abspath(arguments.attune)
    unsupported = UNSUPPORTED.get(arguments.operator, {})
    cases = [case for case in collect(arguments.operator) if arguments.only in case.name]
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
            reason = unsupported.get(case.name)
            if not problems:
                passed.append(case.name)
            if not problems and reason:
                problems = ["passes, but stands in UNSUPPORTED"]
                reason = None
            if problems and not reason:
                failed.append(case.name)
            print(f"{'ok' if not problems else 'not supported (' + reason + ')' if reason else 'FAILED':<6} {case.name}",
                  *problems, sep="\n       ", flush=True)

    unknown = [] if arguments.only else sorted(set(unsupported) - names)
    required = 0 if arguments.only else REQUIRED[arguments.operator]
    print(f"{len(passed)} of {len(cases)} cases of {arguments.operator} of onnx {onnx.__version__} pass, {len(failed)} fail")
    for name in unknown:
        print(f"UNSUPPORTED names no case: {name}")
    few = len(passed) < required
    if few:
        print(f"at least {required} must pass")
    return 1 if failed or unknown or few or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
