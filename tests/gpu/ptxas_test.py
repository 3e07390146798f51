"""CUDA kernels assembled without a GPU: registers, spills, occupancy and what the inner loops of the machine code are made of.

usage: ptxas_test.py ATTUNE SPECS     exit code 77: there is no ptxas or no nvdisasm
       ptxas_test.py ATTUNE SPECS --markdown     the table of generator/gpu/README.md
A kernel that spills fails, as does an f32 kernel whose innermost loops are to less than 75 % multiply-adds, or one of them to less than 70 %, and one of
tensor cores without HMMA.
"""
import json
import os
import re
import subprocess
import sys

ARCHITECTURES = ["sm_80", "sm_86", "sm_90"]
PRESETS = ["any_group", "bert_base", "llama3_prefill", "minilm", "qwen_small", "sd15_self", "vit_b16", "whisper_cross"]
LEAST_SHARE, LEAST_SHARE_OF_A_LOOP = 0.75, 0.70


def explain(attune, target, arguments, *more):
    return subprocess.run([attune, "explain", *arguments, "--target", target, "--stage", "sass", *more], capture_output=True, text=True)


def sass(attune, target, arguments, architecture):
    result = explain(attune, target, arguments, "--arch", architecture, "--json")
    if result.returncode:
        sys.exit(f"{' '.join(arguments)} for {target}, {architecture}: {result.stderr}")
    return json.loads(result.stdout)


def whole_share(found):
    """Products among the instructions of all innermost loops that have any."""
    instructions = sum(loop["instructions"] for loop in found["loops"])
    return sum(loop["product_share"] * loop["instructions"] for loop in found["loops"]) / max(instructions, 1)


def problems(target, found):
    """What is wrong with a kernel's code, in words."""
    if found["spilled_bytes"]:
        yield f"{found['spilled_bytes']} bytes spilled"
    if target == "cuda_mma":
        if not any("HMMA" in loop["opcodes"] for loop in found["loops"]):
            yield "no HMMA in a loop"
        return
    if whole_share(found) < LEAST_SHARE:
        yield f"inner loops are to {100 * whole_share(found):.1f} % multiply-adds"
    for loop in found["loops"]:
        if loop["product_share"] < LEAST_SHARE_OF_A_LOOP:
            yield f"loop {loop['label']} has {100 * loop['product_share']:.1f} % multiply-adds: {loop['opcodes']}"


def check_messages(attune, preset):
    """Errors name what is missing or refused, and the cure."""
    failures = 0
    for variables, words, code, text in [
        ({"ATTUNE_PTXAS": "/nowhere/ptxas"}, [], 4, "/nowhere/ptxas is not found, expected a program of NVIDIA's CUDA toolkit, for --stage sass; install it"),
        ({"ATTUNE_NVDISASM": "/nowhere/nvdisasm"}, [], 4, "/nowhere/nvdisasm is not found"),
        ({}, ["--arch", "sm_70"], 2, "--arch is sm_70, expected sm_80 or a later one"),
        ({}, ["--arch", "hopper"], 2, "--arch is hopper, expected sm_80 or a later one"),
        ({}, ["--arch", "sm_999"], 2, "--arch is sm_999, expected an architecture for which ptxas assembles the kernel"),
    ]:
        result = subprocess.run([attune, "explain", preset, "--target", "cuda", "--stage", "sass", *words], capture_output=True, text=True, env={**os.environ, **variables})
        if result.returncode != code or text not in result.stderr:
            print(f"{variables or words}: exit code {result.returncode}, expected {code} and '{text}' in:\n{result.stderr}")
            failures += 1
    return failures


def main():
    attune, specs = sys.argv[1:3]
    markdown = "--markdown" in sys.argv
    presets = {name: [os.path.join(specs, name + ".toml")] for name in PRESETS}
    first = explain(attune, "cuda", presets["minilm"])
    if first.returncode == 4 and "is not found" in first.stderr:
        print(first.stderr)
        return 77
    kernels = [("cuda", name, arguments) for name, arguments in presets.items()]
    kernels += [(target, f"{dtype} d{d} {mask}", ["--dtype", dtype, "--head-dim", str(d), "--mask", mask])
                for target, dtype in (("cuda", "f32"), ("cuda_mma", "f16"), ("cuda_mma", "bf16")) for d in (64, 128) for mask in ("none", "causal")]
    failures = 0
    if markdown:
        print("| kernel | arch | registers | spilled | shared bytes | warps of an SM | products in inner loops | in each |\n|---|---|---|---|---|---|---|---|")
    else:
        print(f"{'kernel':34}{'arch':7}{'registers':>10}{'spilled':>9}{'shared':>8}{'warps':>7}{'products':>10}  in each inner loop")
    for target, name, arguments in kernels:
        for architecture in ARCHITECTURES:
            found = sass(attune, target, arguments, architecture)
            occupancy = found["occupancy"]
            shares = ", ".join(f"{100 * loop['product_share']:.0f} %" for loop in found["loops"])
            whole = f"{100 * whole_share(found):.0f} %"
            row = [f"{target} {name}", architecture, found["registers"], found["spilled_bytes"], found["shared_bytes"], f"{occupancy['warps']} ({100 * occupancy['share']:.0f} %)", whole, shares]
            print("| " + " | ".join(str(cell) for cell in row) + " |" if markdown else f"{row[0]:34}{row[1]:7}{row[2]:>10}{row[3]:>9}{row[4]:>8}{occupancy['warps']:>7}{whole:>10}  {shares}", flush=True)
            for problem in problems(target, found):
                print(f"FAILED {row[0]}, {architecture}: {problem}")
                failures += 1
    again = sass(attune, "cuda", presets["minilm"], "sm_90")
    if again != sass(attune, "cuda", presets["minilm"], "sm_90"):
        print("FAILED: the same specification gave different machine code")
        failures += 1
    text = explain(attune, "cuda", presets["minilm"]).stdout
    if not re.search(r"// loop \.L_x_\d+ +\d+\.\d % products of \d+ instructions: \d+ FFMA", text) or "// occupancy" not in text or "EXIT" not in text:
        print(f"FAILED: the text of --stage sass lacks the loops, the occupancy or the listing:\n{text[:2000]}")
        failures += 1
    failures += check_messages(attune, presets["minilm"][0])
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
