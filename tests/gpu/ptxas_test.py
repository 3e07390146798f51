"""CUDA kernels assembled without a GPU: registers, spills and shared memory by ptxas, and the share of multiply-adds in the PTX's innermost loops.

usage: ptxas_test.py ATTUNE SPECS     exit code 77: there is no ptxas
Spilling fails. A table of what was found is printed; the README of generator/gpu has one.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ARCHITECTURES = ["sm_80", "sm_86", "sm_90"]
PRESETS = ["any_group", "bert_base", "llama3_prefill", "minilm", "qwen_small", "sd15_self", "vit_b16", "whisper_cross"]


def device_code(attune, target, arguments):
    """The PTX that a driver gets."""
    result = subprocess.run([attune, "explain", *arguments, "--target", target, "--stage", "device"], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(arguments)} for {target}: {result.stderr}")
    return result.stdout


def loops(ptx):
    """The instructions of each innermost loop: from a label to a branch back to it, with no label of a loop between."""
    lines = [line.strip() for line in ptx.splitlines()]
    labels = {line[:-1]: i for i, line in enumerate(lines) if re.fullmatch(r"\$\w+:", line.split("//")[0].strip()) for line in [line.split("//")[0].strip()]}
    found = []
    for i, line in enumerate(lines):
        branch = re.match(r"@!?%p\d+ bra\s+(\$\w+);", line)
        if branch and labels.get(branch.group(1), i) < i:
            found.append((labels[branch.group(1)], i))
    inner = [a for a in found if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in found)]
    return [[line for line in lines[first:last] if re.match(r"(@!?%p\d+ )?[a-z]", line) and not line.endswith(":")] for first, last in inner]


def main():
    attune, specs = sys.argv[1:3]
    ptxas = shutil.which("ptxas") or "/usr/local/cuda/bin/ptxas"
    if not os.path.exists(ptxas):
        print("no ptxas on this machine: the CUDA toolkit has it")
        return 77
    kernels = [("cuda", name, [os.path.join(specs, name + ".toml")]) for name in PRESETS]
    kernels += [(target, f"{dtype} d{d} {mask}", ["--dtype", dtype, "--head-dim", str(d), "--mask", mask])
                for target, dtype in (("cuda", "f32"), ("cuda_mma", "f16"), ("cuda_mma", "bf16")) for d in (64, 128) for mask in ("none", "causal")]
    failures = 0
    print(f"{'kernel':34}{'arch':7}{'registers':>10}{'spilled':>9}{'products in loops':>19}")
    with tempfile.TemporaryDirectory() as folder:
        for target, name, arguments in kernels:
            ptx = device_code(attune, target, arguments)
            path = os.path.join(folder, "kernel.ptx")
            with open(path, "w") as file:
                file.write(ptx)
            shares = [sum("fma.rn" in i or "mma.sync" in i for i in loop) / len(loop) for loop in loops(ptx) if len(loop) >= 16]
            share = f"{100 * max(shares):.0f} %" if shares else "-"
            for architecture in ARCHITECTURES:
                result = subprocess.run([ptxas, "-arch", architecture, "-v", path, "-o", os.path.join(folder, "kernel.cubin")], capture_output=True, text=True)
                registers = re.findall(r"Used (\d+) registers", result.stderr)
                spills = re.findall(r"(\d+) bytes spill stores", result.stderr)
                if result.returncode or not registers:
                    print(f"{target} {name} {architecture}: {result.stderr}")
                    failures += 1
                    continue
                spilled = max(int(x) for x in spills)
                failures += spilled > 0
                print(f"{target + ' ' + name:34}{architecture:7}{max(int(x) for x in registers):>10}{spilled:>9}{share:>19}{'  SPILLS' if spilled else ''}", flush=True)
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
