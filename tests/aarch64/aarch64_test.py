#!/usr/bin/env python3
"""Kernels for aarch64, in an emulator: what attune build and attune tune make for the target neon is right.

    aarch64_test.py ATTUNE BUILD [GROUP...]      BUILD: where the runtime and the trial archive for aarch64 are built; groups: build tune; none: both

Exits 77, which CTest takes for "skipped", where cross compiler or emulator are missing; the output says which.
"""
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile

ATTUNE, BUILD = (os.path.abspath(word) for word in sys.argv[1:3])
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
CXX, QEMU = "aarch64-linux-gnu-g++", shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
FOLDER = tempfile.mkdtemp(prefix="attune-aarch64-test-")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("ATTUNE_") and k != "CXX"}
ENVIRONMENT.update(ATTUNE_CACHE_DIR=os.path.join(FOLDER, "cache"), NO_COLOR="1")
failures = 0

KERNELS = {  # what is special on a machine without marked operations: all plain Halide, with 32 registers of 4 lanes
    "causal": ["--head-dim", "40", "--mask", "causal", "--outputs", "out,lse"],
    "window_grouped": ["--head-dim", "64", "--mask", "causal && window(37)", "--group", "4", "--outputs", "out,lse"],
    "online": ["--head-dim", "24", "--algorithm", "online", "--score", "softcap(s, 20)"],
    "decode": ["--head-dim", "64", "--phases", "decode", "--group", "4", "--outputs", "out,lse"],
    "decode_i8_paged": ["--head-dim", "32", "--phases", "decode", "--kv-dtype", "i8", "--kv-layout", "paged", "--page-size", "16"],
    "halves": ["--head-dim", "32", "--mask", "causal", "--dtype", "f16"],
    "bfloats": ["--head-dim", "32", "--mask", "causal", "--dtype", "bf16"],
}


def expect(ok, words, text):
    global failures
    if not ok:
        failures += 1
        print("FAILED:", shlex.join(words), "\n   ", text)


def run(words):
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=FOLDER, env=ENVIRONMENT, timeout=900)


def skip(reason):
    print("skipped:", reason)
    sys.exit(77)


def build():
    for name, flags in KERNELS.items():
        r = run([ATTUNE, "build", *flags, "--name", name, "--target", "neon", "-o", "kernels", "--json"])
        expect(r.returncode == 0 and json.loads(r.stdout)["targets"] == ["neon"], flags, r.stdout + r.stderr)
    # Objects of the machine, which need nothing but Attune's runtime and the C library.
    r = run(["aarch64-linux-gnu-nm", "-u", "kernels/causal.a"])
    wanted = {line.split()[1] for line in r.stdout.splitlines() if line.strip().startswith("U ")}
    foreign = {name for name in wanted if not name.startswith(("attune_", "causal_")) and name not in ("memset", "memcpy")}
    expect(r.returncode == 0 and wanted and not foreign, ["nm"], f"{foreign} {r.stderr}")

    # The headers are C, the runtime links statically, and every row is within the derived bound of the reference in double.
    archives = [f"kernels/{name}.a" for name in KERNELS]
    link = [CXX, "-std=c++20", "-O1", "-static", "-I", ROOT, "-I", os.path.join(ROOT, "runtime", "include"), os.path.join(HERE, "check_kernels.cpp"), "-o", "check_kernels",
            "-Wl,--whole-archive", *archives, "-Wl,--no-whole-archive", os.path.join(BUILD, "libattune_trial_main.a"), "-pthread", "-ldl", "-lm"]
    r = run(link)
    if r.returncode != 0:
        return expect(False, link, r.stderr[-3000:])
    r = run([QEMU, "./check_kernels"])
    rows = [json.loads(line) for line in r.stdout.splitlines()]
    print(r.stdout, end="")
    expect(r.returncode == 0, ["check_kernels"], r.stderr[-3000:])
    expect({row["kernel"] for row in rows} == set(KERNELS) and all(row["target"] == "neon" and row["shapes"] >= 9 and row["worst"] <= 1 for row in rows), ["check_kernels"], r.stdout)


def tune():
    tune = [ATTUNE, "tune", "--head-dim", "16", "--mask", "causal", "--target", "neon", "--shape", "sq=40,skv=40", "--trials", "4", "--quiet", "--values", "block_q=16,32",
            "--values", "block_kv=16", "--values", "tile_q=1,2", "--values", "tile_kv=4", "--values", "tile_d=4", "--values", "unroll=1"]
    r = run([*tune, "--runner", f"{QEMU} {{}}", "--db", "rows.jsonl", "--json"])
    if r.returncode != 0:
        return expect(False, tune, f"exit code {r.returncode}: {r.stderr}")
    j = json.loads(r.stdout)
    expect(len(j["trials"]) == 4 and all(t["outcome"] == "ok" and t["error_share"] <= 1 for t in j["trials"]), tune, r.stdout[:2000])
    expect(j["machine"]["peak_gflops"] > 0 and j["target"] == "neon", tune, str(j["machine"]))
    row = json.loads(open(os.path.join(FOLDER, "rows.jsonl")).readline())
    expect(row["target"] == "neon" and row["device"] not in ("", "any"), tune, str(row))
    # The row leads to the same schedule again.
    r = run([ATTUNE, "build", "--head-dim", "16", "--mask", "causal", "--name", "again", "--target", "neon", "--tuned", "rows.jsonl", "--device", "any", "-o", "again"])
    built = json.load(open(os.path.join(FOLDER, "again", "again.json")))["variants"][0] if r.returncode == 0 else {}
    expect(built.get("parameters") == row["parameters"] and "tuned" in built, ["build", "--tuned"], f"{built} {r.stderr}")
    # A machine of another architecture is told before anything is compiled.
    r = run([*tune, "--runner", "env {}"])
    expect(r.returncode == 4 and "expected " in r.stderr, [*tune, "--runner", "env {}"], f"{r.returncode} {r.stderr}")


for word, name in ((shutil.which(CXX), f"{CXX} (Debian: g++-aarch64-linux-gnu)"), (QEMU, "qemu-aarch64 (Debian: qemu-user)")):
    if not word:
        skip(f"{name} is missing")
if not os.path.exists(os.path.join(BUILD, "libattune_trial_main.a")):
    skip(f"{BUILD} has no libattune_trial_main.a: configured before {CXX} was there")
GROUPS = {"build": build, "tune": tune}
try:
    for group in sys.argv[3:] or GROUPS:
        GROUPS[group]()
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
print("ok" if not failures else f"{failures} failed")
sys.exit(1 if failures else 0)
