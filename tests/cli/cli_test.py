#!/usr/bin/env python3
"""The attune command as other people's scripts see it: exit codes, the one line on stderr, JSON fields, arrays.

    cli_test.py ATTUNE [GROUP...]        groups: usage specification bad_arrays bad_params run params weights linear picture caches commands scaling db tune; none: all

A group is a function. Exits 77, which CTest takes for "skipped", where NumPy is missing.
"""
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.dom.minidom
import zlib

try:
    import numpy as np
except ImportError:
    print("skipped: NumPy is missing; ./dev installs it into .venv")
    sys.exit(77)

ATTUNE = os.path.abspath(sys.argv[1])
FOLDER = tempfile.mkdtemp(prefix="attune-cli-test-")
# Kernels are kept from run to run: the key holds the build of the generator.
CACHE = os.path.join(os.path.dirname(ATTUNE), "..", "cli_test_cache")
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("ATTUNE_")}
ENVIRONMENT.update(ATTUNE_CACHE_DIR=os.path.abspath(CACHE), NO_COLOR="1")
failures = 0


def fail(words, text):
    global failures
    failures += 1
    print("FAILED:", shlex.join(["attune", *words]), "\n   ", text)


def attune(words, env=None, stdout=subprocess.PIPE, **more):
    return subprocess.run([ATTUNE, *words], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=FOLDER,
                          env={**ENVIRONMENT, **(env or {})}, timeout=300, **more)


def expect_error(words, code, *parts, has_value=True, env=None):
    """Exact exit code; one line on stderr with each of the parts, and below it the place in an expression; nothing on stdout and no new
    file; the same as JSON."""
    name = {1: "check_failed", 2: "usage", 3: "input", 4: "target", 5: "internal"}[code]
    before = sorted(os.listdir(FOLDER))
    r = attune(words, env)
    if r.returncode != code:
        return fail(words, f"exit code {r.returncode}, expected {code}: {r.stderr}{r.stdout}")
    for part in (*parts, "expected ", "; "):
        if part not in r.stderr:
            fail(words, f"no {part!r} in: {r.stderr}")
    if r.stdout:
        fail(words, f"stdout: {r.stdout!r}")
    if sorted(os.listdir(FOLDER)) != before:
        fail(words, f"left files behind: {set(os.listdir(FOLDER)) - set(before)}")
    j = attune([*words[:1], "--json", *words[1:]], env)
    if j.returncode != code or j.stderr != r.stderr:
        fail(words, f"--json changes the error: {j.returncode} {j.stderr}")
    error = json.loads(j.stdout)["error"]
    if list(error) != ["code", "name", "argument", "value", "expected", "cure", "file", "line", "column", "caret"]:
        fail(words, f"fields {list(error)}")
    below = "".join(f"  {line}\n" for line in error["caret"].split("\n")) if error["caret"] else ""
    if not (r.stderr.startswith("attune: ") and r.stderr.endswith("\n" + below) and r.stderr.count("\n") == 1 + below.count("\n")):
        fail(words, f"not one line on stderr, with the caret below it: {r.stderr!r}")
    if error["code"] != code or error["name"] != name:
        fail(words, f"JSON says {error['code']} {error['name']}")
    for field in ["argument", "expected", "cure"] + (["value"] if has_value else []):
        if not error[field]:
            fail(words, f"empty {field} in {error}")
    return error


def expect_success(words, code=0, env=None):
    r = attune(words, env)
    if r.returncode != code or r.stderr:
        fail(words, f"exit code {r.returncode}, stderr {r.stderr!r}, stdout {r.stdout[-500:]!r}")
    return r.stdout


def expect_json(words, code=0, env=None):
    text = expect_success([*words, "--json"], code, env)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        fail(words, f"no JSON: {error}: {text!r}")
        return {}


def expect(condition, words, text):
    if not condition:
        fail(words, text)


def path(name):
    return os.path.join(FOLDER, name)


def save(name, array):
    np.save(path(name), array)
    return name


def write(name, text):
    with open(path(name), "w") as file:
        file.write(text)
    return name


# ---- arrays

def to_bf16(x):
    """Bits, rounded to nearest even."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def from_bf16(bits):
    return (np.asarray(bits, np.uint16).astype(np.uint32) << 16).view(np.float32)


def attention(q, k, v, mask="none", scale=None, lengths_q=None, lengths_kv=None, visible=None, bias=None):
    """float64, by the definition. visible, bias: (batch, heads, seq_q, seq_kv), or what broadcasts to it. Returns [output, lse, bound of output without its last rounding, bound of lse, sum of weight * |value|] (reliability: the derived bound)."""
    q, k, v = (np.asarray(a, np.float64) for a in (q, k, v))
    batch, heads, sq, dim = q.shape
    scale = 1 / np.sqrt(dim) if scale is None else scale
    group, u = heads // k.shape[1], 2.0**-24
    out, lse = np.zeros((batch, heads, sq, v.shape[3])), np.full((batch, heads, sq), -np.inf)
    value_abs = np.zeros(out.shape)
    bound, lse_bound = np.full(out.shape, 2.0**-120), np.full(lse.shape, 2.0**-120)
    shape = (batch, heads, sq, k.shape[2])
    visible = None if visible is None else np.broadcast_to(visible, shape)
    bias = None if bias is None else np.broadcast_to(bias, shape)
    for b in range(batch):
        nq = sq if lengths_q is None else int(lengths_q[b])
        nk = k.shape[2] if lengths_kv is None else int(lengths_kv[b])
        for h in range(heads):
            kk, vv = k[b, h // group, :nk], v[b, h // group, :nk]
            for i in range(nq):
                seen = {"none": nk, "causal": i + nk - nq + 1, "causal_top_left": i + 1}[mask]
                seen = np.arange(max(0, min(nk, seen)))
                if visible is not None:
                    seen = seen[visible[b, h, i, seen]]
                if len(seen) == 0:
                    continue
                s = kk[seen] @ q[b, h, i] * scale
                e = u * (dim + 8) * (np.abs(kk[seen]) @ np.abs(q[b, h, i]) * scale).max()
                if bias is not None:
                    s = s + bias[b, h, i, seen]
                    e += 8 * u * np.abs(s).max() + 8 * u * np.abs(bias[b, h, i, seen]).max()
                w = np.exp(s - s.max())
                lse[b, h, i] = s.max() + np.log(w.sum())
                out[b, h, i] = w @ vv[seen] / w.sum()
                value_abs[b, h, i] = w @ np.abs(vv[seen]) / w.sum()
                bound[b, h, i] += (8 * u + 2 * e) * value_abs[b, h, i]
                lse_bound[b, h, i] += e + 8 * u * max(1, abs(lse[b, h, i]))
    return [out, lse, bound, lse_bound, value_abs]


def random(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def save_problem(prefix, batch=2, heads=4, kv_heads=2, sq=37, skv=53, dim=40, dim_v=24, convert=lambda x: x):
    arrays = [convert(random(1, batch, heads, sq, dim)), convert(random(2, batch, kv_heads, skv, dim)), convert(random(3, batch, kv_heads, skv, dim_v))]
    names = [save(f"{prefix}_{n}.npy", a) for n, a in zip("qkv", arrays)]
    return arrays, ["--query", names[0], "--key", names[1], "--value", names[2]]


def expect_close(words, found, expected, bound):
    if found.shape != expected.shape:
        return fail(words, f"shape {found.shape}, expected {expected.shape}")
    finite = np.isfinite(expected)
    if not np.array_equal(found[~finite], expected[~finite]):
        return fail(words, "infinities differ")
    share = (np.abs(found[finite].astype(np.float64) - expected[finite]) / bound[finite]).max(initial=0)
    if not share <= 1:
        fail(words, f"uses {share} of the error bound")


# ---- groups

def usage():
    for words in (["--help"], ["--version"], *([c, "--help"] for c in ("explain", "build", "run", "bench", "check", "picture", "import", "list", "doctor", "db", "tune"))):
        text = expect_success(words)
        expect(words == ["--version"] or "Example" in text or "example" in text, words, "no example")
        if words[0] != "--help" and words[0] != "--version":
            expect("--json" in text, words, "no --json")
    expect(re.match(r"attune \d+\.\d+\.\d+ ", expect_success(["--version"])), ["--version"], "no version")
    expect_error([], 2, "command is missing", has_value=False)
    expect_error(["explian"], 2, "explian", "did you mean explain")
    expect_error(["explain", "--shpe", "b=1"], 2, "unknown flag --shpe", "did you mean --shape")
    expect_error(["explain", "--shape"], 2, "--shape is without a value")
    expect_error(["explain", "--shape="], 2, "--shape is empty")
    expect_error(["explain", "--shape", "h=0"], 2, "--shape h is 0", "an integer from 1 to")
    expect_error(["explain", "--shape", "heads=2"], 2, "heads")
    expect_error(["explain", "--shape", "h=8,hkv=3", "--group", "any"], 2, "--shape h is 8", "a multiple of hkv, which is 3")
    expect_error(["explain", "--group", "3", "--shape", "h=8"], 2, "--shape h is 8", "group, which is 3")
    expect_error(["explain", "--stage", "assembly"], 2, "--stage")
    expect_error(["explain", "--quiet=3"], 2, "--quiet is 3")
    expect_error(["bench", "--param", "a=1"], 3, "--param a is unknown", "no parameter")
    expect_error(["explain", "--block-mask", "lists.npz"], 2, "--block-mask is lists.npz", "csr")
    expect_error(["bench", "--threads", "0"], 2, "--threads is 0", "an integer from 1 to 1024")
    expect_error(["bench", "--repeat", "many"], 2, "--repeat is many")
    expect_error(["bench", "--inputs", "huge"], 2, "--inputs", "normal, wide, spike")
    expect_error(["bench", "--shape", "b=2147483647,h=1,sq=1,skv=1"], 2, "elements", "at most 2147483647")
    expect_error(["check", "--seed", "-1"], 2, "--seed is -1")
    expect_error(["build"], 2, "--directory is missing", has_value=False)
    expect_error(["run"], 2, "--out is missing", has_value=False)
    expect_error(["picture"], 2, "WEIGHTS is missing", has_value=False)
    expect_error(["picture", "w.npy"], 2, "--output is missing", has_value=False)
    expect_error(["import"], 2, "FORMAT is missing", has_value=False)
    expect_error(["import", "tflite", "model.onnx", "-o", "specs"], 2, 'FORMAT is "tflite"', "expected onnx")
    expect_error(["import", "onnx", "model.onnx"], 2, "--directory is missing", has_value=False)
    expect_error(["import", "onnx", "model.onnx", "more.onnx", "-o", "specs"], 2, 'unexpected argument "more.onnx"')
    expect_error(["import", "onnx", "no_such_model.onnx", "-o", "specs"], 3, "no such file or directory", "an ONNX model")
    # Unknown targets are usage, known ones that cannot be had are not.
    for command in (["explain"], ["check"], ["bench"]):
        expect_error([*command, "--target", "sse9"], 2, "--target is sse9", "amx, avx512_fp16, avx512_bf16, avx512_vnni, avx512, avx2, sse41, neon")
    for command in (["check"], ["bench"]):
        expect_error([*command, "--target", "neon"], 4, "--target is neon", "a CPU with NEON (aarch64)", "--runner")
    expect_error(["check"], 2, "ATTUNE_FORCE_TARGET is sse9", env={"ATTUNE_FORCE_TARGET": "sse9"})
    # A result that cannot be written is no success.
    with open("/dev/full", "w") as full:
        r = attune(["list"], stdout=full)
    expect(r.returncode == 5 and r.stderr.count("\n") == 1 and "No space left" in r.stderr, ["list", ">/dev/full"], f"{r.returncode} {r.stderr!r}")
    read, write_end = os.pipe()
    os.close(read)
    r = attune(["list"], stdout=write_end)
    os.close(write_end)
    expect(r.returncode == 5 and r.stderr.count("\n") == 1, ["list", "| true"], f"{r.returncode} {r.stderr!r}")
    r = subprocess.run(["sh", "-c", 'exec "$0" list >&-', ATTUNE], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    expect(r.returncode == 5 and r.stderr.count("\n") == 1, ["list", ">&-"], f"{r.returncode} {r.stderr!r}")


def specification():
    good = write("good.toml", '[kernel]\ndtype = "f16"\nhead_dim = 96\nmask = "causal"\n')
    j = expect_json(["explain", good])
    expect(j["spec"]["dtype"] == "f16" and j["spec"]["head_dim"] == 96 and j["spec"]["mask"] == "causal", ["explain", good], str(j["spec"]))
    j = expect_json(["explain", good, "--dtype", "f32", "--mask", "none"])  # flags override the file
    expect(j["spec"]["dtype"] == "f32" and j["spec"]["mask"] == "none" and j["spec"]["head_dim"] == 96, ["explain", good], str(j["spec"]))

    bad = {  # text -> line, column, parts of the message
        '[kernel]\nhead_dmi = 64\n': (2, ["head_dmi", "head_dim"]),
        '[kernel]\nhead_dim = "wide"\n': (2, ["head_dim", "wide"]),
        '[kernel]\nhead_dim = 64.5\n': (2, ["head_dim", "64.5"]),
        '[kernel]\nhead_dim = 0\n': (2, ["head_dim is 0", "an integer from 1 to 1024"]),
        '[kernel]\nhead_dim = 1025\n': (2, ["head_dim is 1025", "an integer from 1 to 1024"]),
        '[kernel]\ndtype = "f64"\n': (2, ["dtype is f64", "f32, f16, bf16"]),
        '[kernel]\ndtype = 32\n': (2, ["dtype", "32"]),
        '[kernel]\nmask = "casual"\n': (2, ["mask: unknown name casual", "did you mean causal"]),
        '[kernel]\ngroup = 0\n': (2, ["group is 0"]),
        '[kernel]\nscale = -1\n': (2, ["scale is -1"]),
        '[kernel\n': (1, []),
    }
    for i, (text, (line, parts)) in enumerate(bad.items()):
        name = write(f"bad{i}.toml", text)
        for command in (["explain", name], ["build", name, "-o", "built"], ["check", name], ["bench", name]):
            error = expect_error(command, 2, f"{name}:{line}:", *parts)
            if error:
                expect(error["file"] == name and error["line"] == line and error["column"] > 0, command, str(error))
    for flags, parts in ((["--head-dim", "0"], ["--head-dim is 0"]), (["--head-dim", "1025"], ["--head-dim is 1025"]), (["--dtype", "f64"], ["--dtype is f64"]),
                         (["--group", "1.5"], ["--group is 1.5"]), (["--mask", "causal && x"], ["--mask:11: unknown name x"]), (["--score", "q < 3"], ["--score:"]),
                         (["--params", "a: i32"], ["parameter a", "nothing reads it"]), (["--params", "a: i33", "--mask", "kv < a"], ["--params:4:"])):
        expect_error(["explain", *flags], 2, *parts)
    expect_error(["explain", "missing.toml"], 3, "missing.toml", "o such file")
    expect_error(["build", "missing.toml", "-o", "built"], 3, "missing.toml")
    os.mkdir(path("folder.toml"))
    expect_error(["explain", "folder.toml"], 3, "folder.toml")


def bad_arrays():
    _, arrays = save_problem("good")
    good = dict(zip(arrays[::2], arrays[1::2]))
    out = ["--out", "out.npy", "--lse", "lse.npy"]

    def run(code, *parts, more=(), has_value=True, **replace):
        files = {**good, **{"--" + k: v for k, v in replace.items()}}
        return expect_error(["run", *(w for pair in files.items() if pair[1] for w in pair), *out, *more], code, *parts, has_value=has_value)

    run(2, "--query is missing", query=None, has_value=False)
    run(3, "nowhere.npy", "o such file", query="nowhere.npy")
    run(3, "text.npy", query=write("text.npy", "not an array"))
    with open(path("good_q.npy"), "rb") as file:
        whole = file.read()
    with open(path("cut.npy"), "wb") as file:
        file.write(whole[:-7])
    run(3, "cut.npy", "cut short", query="cut.npy")
    q, k = random(1, 2, 4, 37, 40), random(2, 2, 2, 53, 40)
    run(3, "float64", query=save("f64.npy", q.astype(np.float64)))
    run(3, "big-endian", query=save("big.npy", q.astype(">f4")))
    run(3, "Fortran", query=save("fortran.npy", np.asfortranarray(q)))
    run(3, "query is int32", query=save("int.npy", np.zeros((2, 4, 37, 40), np.int32)))
    run(3, "key is float16", "float32 as query", key=save("half.npy", k.astype(np.float16)))
    run(3, "query is of shape (37, 40)", "4 dimensions", query=save("two.npy", q[0, 0]))
    # Each mismatch names both arrays and their shapes.
    for parts, replace in ((["key is of shape (2, 2, 53, 32)", "dim 40 as query has, of shape (2, 4, 37, 40)"], {"key": save("m1.npy", k[..., :32].copy())}),
                           (["key is of shape (1, 2, 53, 40)", "batch 2 as query has"], {"key": save("m2.npy", k[:1])}),
                           (["value is of shape (2, 2, 52, 24)", "seq 53 as key has, of shape (2, 2, 53, 40)"], {"value": save("m3.npy", random(3, 2, 2, 52, 24))}),
                           (["value is of shape (2, 1, 53, 24)", "heads 2 as key has"], {"value": save("m4.npy", random(3, 2, 1, 53, 24))}),
                           (["query is of shape (2, 3, 37, 40)", "3 heads", "a multiple of the 2 heads of key"], {"query": save("m5.npy", random(1, 2, 3, 37, 40))}),
                           (["head_dim 1025", "from 1 to 1024"], {"query": save("m6.npy", random(1, 2, 4, 3, 1025))}),
                           (["head_dim 0"], {"query": save("m7.npy", random(1, 2, 4, 3, 0))}),
                           (["no head"], {"query": save("m8.npy", random(1, 2, 0, 3, 40))})):
        run(3, *parts, **replace)
    # Given keys that contradict the arrays: both values are named.
    run(3, "dtype of query is f32", "f16 as --dtype says", more=["--dtype", "f16"])
    run(3, "dim of query is 40", "64 as --head-dim says", more=["--head-dim", "64"])
    run(3, "dim of value is 24", "40 as --head-dim-v says", more=["--head-dim-v", "40"])
    run(3, "group of query and key is 2", "4 as --group says", more=["--group", "4"])
    run(3, "dim of query is 40", "64 as head_dim of k.toml says", more=[write("k.toml", "[kernel]\nhead_dim = 64\n")])
    run(2, "--head-dim is 1025", more=["--head-dim", "1025"])
    run(2, "--lse", "outputs", more=["--outputs", "out"])
    # Lengths and packed sequences.
    ints = lambda name, values, dtype=np.int32: save(name, np.array(values, dtype))
    run(3, "--lengths-kv[1] is 54", "0 to 53", more=["--lengths-kv", ints("l1.npy", [1, 54])])
    run(3, "--lengths-q[0] is -1", "0 to 37", more=["--lengths-q", ints("l2.npy", [-1, 2])])
    run(3, "--lengths-kv is of shape (3)", "shape (2)", more=["--lengths-kv", ints("l3.npy", [1, 2, 3])])
    run(3, "--lengths-kv is float32", more=["--lengths-kv", ints("l4.npy", [1, 2], np.float32)])
    run(3, "--lengths-kv is of shape (1, 2)", more=["--lengths-kv", ints("l5.npy", [[1, 2]])])
    run(3, "--lengths-kv[0] is 4294967297", more=["--lengths-kv", ints("l6.npy", [2**32 + 1, 2], np.int64)])
    run(3, "lnone.npy", more=["--lengths-kv", "lnone.npy"])
    cu = ints("cu.npy", [0, 37])
    run(2, "--cu-seqlens-kv is missing", more=["--cu-seqlens-q", cu], has_value=False)
    run(2, "--lengths-kv", more=["--cu-seqlens-q", cu, "--cu-seqlens-kv", cu, "--lengths-kv", ints("l7.npy", [1, 2])])
    run(3, "batch 2", more=["--cu-seqlens-q", cu, "--cu-seqlens-kv", cu])
    packed = dict(query=save("pq.npy", q[:1]), key=save("pk.npy", k[:1]), value=save("pv.npy", random(3, 1, 2, 53, 24)))
    for parts, values in ((["--cu-seqlens-kv[0] is 1"], [1, 53]), (["--cu-seqlens-kv[2] is 3", "at least"], [0, 9, 3]), (["--cu-seqlens-kv[1] is 54", "at most 53"], [0, 54]),
                          (["of shape (3)", "shape (2)"], [0, 1, 53]), (["--cu-seqlens-kv is empty"], [])):
        run(3, *parts, more=["--cu-seqlens-q", cu, "--cu-seqlens-kv", ints("cukv.npy", values)], **packed)
    run(4, "--target is neon", more=["--target", "neon"])
    # Outputs that cannot be written are found before the work.
    out[:] = ["--out", "nofolder/out.npy"]
    run(3, "nofolder/out.npy", "its folder does not exist")
    out[:] = ["--out", "."]
    run(3, "--out is .", "a folder")
    out[:] = ["--out", "same.npy", "--lse", "./same.npy"]
    run(2, "--lse is ./same.npy", "another file")
    out[:] = ["--out", "out.npy", "--lse", "nofolder/lse.npy"]
    run(3, "nofolder/lse.npy")


def bad_params():
    _, arrays = save_problem("params")
    ids = np.sort(np.random.default_rng(4).integers(0, 4, (2, 53)), axis=1).astype(np.int32)
    good = save("ids.npy", ids)
    declared = ["--mask", "document(ids)", "--params", "ids: i32[b, kv] nondecreasing"]

    def run(code, *parts, flags=declared, has_value=True, param=None, more=()):
        given = ["--param", param] if param else []
        return expect_error(["run", *arrays, *flags, *given, "--out", "out.npy", *more], code, *parts, has_value=has_value)

    run(3, "--param ids is missing", "i32[b, kv] nondecreasing", "--param ids=ids.npy")
    run(3, "--param idz is unknown", "one of ids", "did you mean ids", param=f"idz={good}")
    run(3, "--param w is unknown", "no parameter", flags=[], param="w=1")
    run(2, "--param is ids", "NAME=VALUE", param="ids")
    run(2, "--param is ids=", param="ids=")
    run(2, "--param ids is given twice", "one value", param=f"ids={good}", more=["--param", f"ids={good}"])
    run(3, "nowhere.npy", "o such file", param="ids=nowhere.npy")
    for parts, array in ((["float32", "int32 (or int64)", "astype(np.int32)"], ids.astype(np.float32)),
                         (["of shape (53,) with 1 dimension", "expected 2"], ids[0]),
                         (["has 50 along kv", "53 (the keys) or 1"], ids[:, :50].copy()),
                         (["has 3 along b", "2 (the batch) or 1"], np.concatenate([ids, ids[:1]])),
                         (["element 3 is 4294967296", "32 bits"], np.where(np.arange(106).reshape(2, 53) == 3, 2**32, ids.astype(np.int64))),
                         (["decreases from", "sort it"], ids[:, ::-1].copy())):
        run(3, "--param ids", *parts, param=f"ids={save('other.npy', array)}")
    window = ["--mask", "window(w)", "--params", "w: i32"]
    for text in ("x", "1.5", "4294967296", "1 "):
        run(3, f"--param w is {text}", "an integer of 32 bits", flags=window, param=f"w={text}")
    cap = ["--score", "softcap(s, c)", "--params", "c: f32"]
    for text in ("x", "nan", "1e39"):
        run(3, f"--param c is {text}", "a number", flags=cap, param=f"c={text}")
    bits = ["--mask", "bits", "--params", "bits: bool[q, kv]"]
    run(3, "--param bits is int32", "bool (or uint8 of 0 and 1)", flags=bits, param=f"bits={save('other.npy', np.ones((37, 53), np.int32))}")
    run(3, "element 7 is 2", "0 or 1", flags=bits, param=f"bits={save('other.npy', np.where(np.arange(37 * 53).reshape(37, 53) == 7, 2, 1).astype(np.uint8))}")
    table = ["--score", "s + t[h, 3]", "--params", "t: f32[1, 16]"]
    run(3, "--param t has 4 along dimension 0", "1 (the declared extent)", flags=table, param=f"t={save('other.npy', np.ones((4, 16), np.float32))}")
    run(3, "--param t has 1 along dimension 1", "16 (the declared extent)", flags=table, param=f"t={save('other.npy', np.ones((1, 1), np.float32))}")
    for command in (["check"], ["bench"]):
        expect_error([*command, *declared, "--param", f"ids={good}", "--shape", "b=2,sq=9,skv=60"], 3, "--param ids has 53 along kv", "60 (the keys)")

    # Block lists.
    def lists(code, *parts, more=(), **content):
        np.savez(path("lists.npz"), **content)
        return run(code, "--block-mask", *parts, flags=[], more=["--block-mask", "lists.npz", "--block-size", "16,32", *more])

    offsets, columns = np.array([0, 1, 3, 4], np.int32), np.array([0, 0, 1, 1], np.int32)
    lists(3, "without columns", row_offsets=offsets)
    lists(3, "with rows", rows=offsets, row_offsets=offsets, columns=columns)
    lists(3, "row_offsets of float32", row_offsets=offsets.astype(np.float32), columns=columns)
    lists(3, "row_offsets of shape (3,)", "4 in its last dimension", row_offsets=offsets[:3], columns=columns)
    lists(3, "a batch of 1 and 3 heads", "4 query heads or 1", row_offsets=np.tile(offsets, (3, 1)), columns=columns)
    lists(3, "row_offsets 3 and 5 of block row 2", "from 0 to 4", row_offsets=np.array([0, 1, 3, 5], np.int32), columns=columns)
    lists(3, "row_offsets 2 and 1 of block row 1", row_offsets=np.array([0, 2, 1, 4], np.int32), columns=np.array([0, 1, 1, 1], np.int32))
    lists(3, "columns[2] of 2", "from 0 to 1", row_offsets=offsets, columns=np.array([0, 0, 2, 1], np.int32))
    lists(3, "columns[2] of 0 after 1", "rising columns", row_offsets=offsets, columns=np.array([0, 1, 0, 1], np.int32))
    lists(3, "full of bool and shape (3,)", row_offsets=offsets, columns=columns, full=np.ones(3, bool))
    np.savez_compressed(path("lists.npz"), row_offsets=offsets, columns=columns)
    block_mask = lambda name: ["--block-mask", name, "--block-size", "16,32"]
    run(3, "compressed", "numpy.savez, not savez_compressed", flags=[], more=block_mask("lists.npz"))
    run(3, "no .npz archive", flags=[], more=block_mask(write("text.npz", "not an archive")))
    run(3, "an .npy file", "numpy.savez", flags=[], more=block_mask(shutil.copyfile(path(good), path("npy.npz"))))
    run(3, "of shape (3, 3)", "3 rows and 2 columns", flags=[], more=block_mask(save("dense.npy", np.ones((3, 3), bool))))
    run(3, "--block-mask is float32", "bool", flags=[], more=block_mask(save("dense.npy", np.ones((3, 2), np.float32))))
    run(3, "--block-mask is missing", flags=[write("csr.toml", '[kernel]\nblock_mask = "csr"\n')])
    run(3, "--block-mask is csr", "an .npz of lists", flags=[], more=["--block-mask", "csr"])
    run(2, "--block-size", "csr", flags=[], more=["--block-size", "16,32"])
    # Pairs.
    run(2, "--pairs is p.npy", "outputs with", flags=[], more=["--pairs", "p.npy"])
    run(2, "--pairs is ./out.npy", "another file than --out", flags=["--outputs", "out,weights"], more=["--pairs", "./out.npy"])


def run():
    rounding = {"f32": 2.0**-24, "f16": 2.0**-11, "bf16": 2.0**-8}

    def check(flags, expected, dtype, kernel_dtype="f32", widen=lambda x: x):
        words = ["run", *flags, "--out", "out.npy", "--lse", "lse.npy"]
        for name in ("out.npy", "lse.npy"):
            if os.path.exists(path(name)):
                os.remove(path(name))
        j = expect_json(words)
        if not os.path.exists(path("out.npy")) or not os.path.exists(path("lse.npy")):
            return fail(words, "wrote no file")
        out, lse = np.load(path("out.npy")), np.load(path("lse.npy"))
        expect(out.dtype == dtype and lse.dtype == np.float32, words, f"dtypes {out.dtype}, {lse.dtype}")
        bound = expected[2] + np.abs(expected[0]) * rounding[kernel_dtype] + (2.0**-25 if kernel_dtype == "f16" else 0)
        if kernel_dtype == "bf16" and j["target"] in ("amx", "avx512_bf16"):  # which round weights to bf16 (precision_of in error_share.cpp)
            bound = bound + 2 * rounding["bf16"] * expected[4]
        expect_close(words, widen(out), expected[0], bound)
        expect_close(words, lse, expected[1], expected[3])
        for field in ("kernel", "target", "shape", "threads", "ms"):
            expect(field in j, words, f"no {field} in {j}")

    # Every encoding; the output keeps the query's.
    arrays, flags = save_problem("f32")
    for mask in ("none", "causal", "causal_top_left"):
        check([*flags, "--mask", mask], attention(*arrays, mask), np.float32)
    check([*flags, "--scale", "0.5", "--group", "any"], attention(*arrays, scale=0.5), np.float32)
    check([*flags, "--threads", "1", "--target", "sse41"], attention(*arrays), np.float32)
    rounded = [from_bf16(to_bf16(a)) for a in arrays]
    check([*flags, "--dtype", "bf16"], attention(*rounded), np.float32, "bf16")
    words = ["run", *flags, "--dtype", "bf16", "--out", "out.npy"]
    expect_success(words)
    expect(np.array_equal(from_bf16(to_bf16(np.load(path("out.npy")))), np.load(path("out.npy"))), words, "output is not rounded to bf16")
    half, flags = save_problem("f16", convert=lambda a: a.astype(np.float16))
    check(flags, attention(*half), np.float16, "f16")
    bits, flags = save_problem("bf16", convert=to_bf16)
    check(flags, attention(*(from_bf16(b) for b in bits)), np.uint16, "bf16", widen=from_bf16)

    # Padding: what lies after the lengths is never read, rows after lengths_q are 0.
    arrays, flags = save_problem("pad", batch=4, sq=9, skv=11)
    lengths_q, lengths_kv = np.array([9, 0, 3, 5]), np.array([11, 4, 0, 7])
    expected = attention(*arrays, "causal", lengths_q=lengths_q, lengths_kv=lengths_kv)
    for b in range(4):
        arrays[0][b, :, lengths_q[b]:] = np.nan
        arrays[1][b, :, lengths_kv[b]:] = np.nan
        arrays[2][b, :, lengths_kv[b]:] = np.inf
    for name, array in zip("qkv", arrays):
        save(f"pad_{name}.npy", array)
    for dtype in (np.int32, np.int64):
        more = ["--lengths-q", save("lq.npy", lengths_q.astype(dtype)), "--lengths-kv", save("lkv.npy", lengths_kv.astype(dtype)), "--mask", "causal"]
        check([*flags, *more], expected, np.float32)

    # Packed sequences: each by itself.
    lengths_q, lengths_kv = [5, 0, 12, 1], [7, 3, 12, 0]
    arrays, flags = save_problem("packed", batch=1, sq=sum(lengths_q), skv=sum(lengths_kv))
    cu_q, cu_kv = np.cumsum([0, *lengths_q]), np.cumsum([0, *lengths_kv])
    pieces = [attention(arrays[0][:, :, cu_q[i]:cu_q[i + 1]], *(a[:, :, cu_kv[i]:cu_kv[i + 1]] for a in arrays[1:]), "causal") for i in range(4)]
    expected = [np.concatenate(parts, axis=2) for parts in zip(*pieces)]
    more = ["--cu-seqlens-q", save("cq.npy", cu_q.astype(np.int32)), "--cu-seqlens-kv", save("ckv.npy", cu_kv.astype(np.int64)), "--mask", "causal"]
    check([*flags, *more], expected, np.float32)

    # Nothing to do is no error.
    for sizes in (dict(batch=0), dict(sq=0), dict(skv=0)):
        arrays, flags = save_problem("none", **sizes)
        check(flags, attention(*arrays), np.float32)

    # A file of the specification, its keys over the defaults; an old result is replaced; text output is one line.
    arrays, flags = save_problem("spec", dim=16, dim_v=16)
    spec = write("spec.toml", '[kernel]\nmask = "causal"\nscale = 0.25\noutputs = ["out"]\n')
    write("out.npy", "old")
    words = ["run", spec, *flags, "--out", "out.npy"]
    text = expect_success(words)
    expect(text.count("\n") == 1 and "out.npy" in text, words, text)
    out, _, bound, *_ = attention(*arrays, "causal", scale=0.25)
    expect_close(words, np.load(path("out.npy")), out, bound + np.abs(out) * 2.0**-24)
    expect(not [f for f in os.listdir(FOLDER) if ".tmp" in f or ".part" in f], words, "temporary files left")
    # The environment picks the target, a flag wins over it.
    j = expect_json(["run", *flags, "--out", "out.npy"], env={"ATTUNE_FORCE_TARGET": "sse41"})
    expect(j.get("target") == "sse41", words, str(j))
    expect_success(["run", *flags, "--out", "/dev/null"])


def params():
    arrays, flags = save_problem("expr")
    (batch, heads, sq, dim), skv = arrays[0].shape, arrays[1].shape[2]
    q, kv = np.arange(sq)[:, None], np.arange(skv)[None, :]
    q_abs, causal = q + skv - sq, kv <= q + skv - sq
    rng = np.random.default_rng(5)

    def check(more, visible=True, bias=None, **files):
        words = ["run", *flags, *more, "--out", "out.npy", "--lse", "lse.npy"]
        j = expect_json(words)
        expected = attention(*arrays, visible=np.broadcast_to(visible, (batch, heads, sq, skv)), bias=bias)
        expect_close(words, np.load(path("out.npy")), expected[0], expected[2] + np.abs(expected[0]) * 2.0**-24)
        expect_close(words, np.load(path("lse.npy")), expected[1], expected[3])
        return words, j, expected

    # Scalars and tensors, of each type and with extents of 1.
    for w in (0, 5, 100):
        _, j, _ = check(["--mask", "causal && window(w)", "--params", "w: i32", "--param", f"w={w}"], causal & (q_abs - w <= kv))
        expect(j.get("params") == {"w": str(w)} and j.get("block_mask") is None and j.get("pairs") is None, ["run"], str(j))
    for ids in (np.sort(rng.integers(0, 4, (batch, skv)), axis=1), np.sort(rng.integers(0, 4, (1, skv)), axis=1)):
        same = (ids[:, q_abs[:, 0], None] == ids[:, None, :])[:, None]
        for dtype in (np.int32, np.int64):
            check(["--mask", "causal && document(ids)", "--params", "ids: i32[b, kv] nondecreasing", "--param", f"ids={save('ids.npy', ids.astype(dtype))}"], same & causal)
    bits = rng.random((batch, 1, sq, skv)) < 0.5
    for dtype in (bool, np.uint8):
        check(["--mask", "bits", "--params", "bits: bool[b, h, q, kv]", "--param", f"bits={save('bits.npy', bits.astype(dtype))}"], bits)
    bias = rng.standard_normal((1, heads, sq, skv)).astype(np.float32)
    bias[..., 3] = -np.inf
    shown, finite = np.isfinite(bias), np.where(np.isfinite(bias), bias, 0)
    declare = lambda t: ["--score", "s + bias", "--params", f"bias: {t}[1, h, q, kv]", "--param", f"bias={save('bias.npy', bias)}"]
    check(declare("f32"), shown, finite)
    check(declare("bf16"), shown, from_bf16(to_bf16(finite)))
    half = bias.astype(np.float16)
    check(["--score", "s + bias", "--params", "bias: f16[1, h, q, kv]", "--param", f"bias={save('bias.npy', half)}"], shown, np.where(shown, half, 0))
    slopes = np.array([0.5, 0.25, 0.125, 0.0625], np.float32)
    check([write("alibi.toml", '[kernel]\nscore = "alibi(m)"\nmask = "causal"\n[params]\nm = "f32[h]"\n'), "--param", f"m={save('m.npy', slopes)}"], causal,
          -slopes[:, None, None] * np.abs(q_abs - kv))

    # Block lists: dense, and as lists; shared, of each head, of each sequence and head.
    for shape in ((3, 2), (heads, 3, 2), (1, heads, 3, 2), (batch, 1, 3, 2), (batch, heads, 3, 2)):
        dense = rng.random(shape) < 0.6
        visible = np.broadcast_to(dense.reshape((1,) * (4 - len(shape)) + shape), (batch, heads, 3, 2)).repeat(16, axis=2).repeat(32, axis=3)[:, :, :sq, :skv]
        size = ["--block-size", "16,32"]
        _, j, _ = check([*size, "--block-mask", save("dense.npy", dense)], visible)
        expect(j.get("block_mask") == "dense.npy", ["run"], str(j))
        check([*size, "--block-mask", "dense.npy", "--mask", "causal"], visible & causal)
        flat = dense.reshape(-1, 3, 2)
        counts = flat.sum(axis=2)
        starts = np.concatenate([[0], np.cumsum(counts.sum(axis=1))])
        offsets = np.stack([start + np.concatenate([[0], np.cumsum(c)]) for start, c in zip(starts, counts)]).reshape(*shape[:-2], 4)
        columns = np.nonzero(flat)[2]
        full = rng.random(len(columns)) < 0.5
        np.savez(path("lists.npz"), row_offsets=offsets.astype(np.int32), columns=columns.astype(np.int32), full=full)
        whole = np.zeros(flat.shape, bool)
        whole[flat] = full
        whole = np.broadcast_to(whole.reshape((1,) * (4 - len(shape)) + shape), (batch, heads, 3, 2)).repeat(16, axis=2).repeat(32, axis=3)[:, :, :sq, :skv]
        check([*size, "--block-mask", "lists.npz", "--mask", "causal"], visible & (causal | whole))

    # The matrix of pairs.
    scaled = np.einsum("bhqd,bhkd->bhqk", arrays[0].astype(np.float64), arrays[1].repeat(2, axis=1).astype(np.float64)) / np.sqrt(dim)
    for name in ("logits_raw", "logits", "weights"):
        words, _, expected = check(["--mask", "causal", "--outputs", f"out,lse,{name}", "--pairs", "pairs.npy"], causal)
        weights = np.where(causal, np.exp(scaled - np.where(np.isfinite(expected[1]), expected[1], 0)[..., None]), 0)
        wanted = {"logits_raw": scaled, "logits": np.where(causal, scaled, -np.inf), "weights": weights}[name]
        expect_close(words, np.load(path("pairs.npy")), wanted, np.full(wanted.shape, 1e-4))

    # Packed sequences: positions, and blocks, count inside a sequence.
    lengths = [20, 0, 33]
    packed, flags = save_problem("packed_expr", batch=1, sq=53, skv=53)
    ends = np.cumsum([0, *lengths])
    ids = np.sort(rng.integers(0, 3, (3, 33)), axis=1).astype(np.int32)
    dense = rng.random((3, 2)) < 0.7
    visible = dense.repeat(16, axis=0).repeat(32, axis=1)
    cu = save("cu.npy", ends.astype(np.int32))
    for more, seen in ((["--mask", "document(ids)", "--params", "ids: i32[b, kv] nondecreasing", "--param", f"ids={save('ids.npy', ids)}"],
                        lambda i, n: ids[i, :n, None] == ids[i, None, :n]),
                       (["--block-mask", save("dense.npy", dense), "--block-size", "16,32"], lambda i, n: visible[:n, :n])):
        words = ["run", *flags, *more, "--cu-seqlens-q", cu, "--cu-seqlens-kv", cu, "--out", "out.npy"]
        expect_success(words)
        pieces = [attention(*(a[:, :, ends[i]:ends[i + 1]] for a in packed), visible=seen(i, n)) for i, n in enumerate(lengths)]
        expected, bound = (np.concatenate([p[j] for p in pieces], axis=2) for j in (0, 2))
        expect_close(words, np.load(path("out.npy")), expected, bound + np.abs(expected) * 2.0**-24)

    # Checked and timed with what is given, and random values for the rest.
    spec = ["--mask", "document(ids) && window(w)", "--params", "ids: i32[b, kv] nondecreasing; w: i32", "--outputs", "out,lse,weights", "--group", "2"]
    words = ["check", *spec, "--param", "w=7", "--shape", "b=2,h=4,sq=37,skv=53", "--shape", "sq=1,skv=70,h=2"]
    rows = expect_json(words)
    expect(len(rows) == 2 and all(r["ok"] and 0 < r["share_pairs"] <= 1 for r in rows), words, str(rows))
    words = ["check", "--block-mask", "csr", "--mask", "causal", "--block-size", "32,64", "--shape", "b=2,h=2,sq=77,skv=153"]
    expect(all(r["ok"] for r in expect_json(words)), words, "not ok")
    words = ["bench", "--mask", "causal && window(w)", "--params", "w: i32", "--param", "w=3", "--shape", "b=2,h=4,sq=50,skv=50", "--repeat", "2"]
    pairs = 2 * 4 * sum(min(i + 1, 4) for i in range(50))
    expect(expect_json(words)[0]["visible_pairs"] == pairs, words, f"not {pairs} pairs")
    save("dense.npy", np.eye(3, dtype=bool))
    words = ["bench", "--block-mask", "dense.npy", "--block-size", "16,16", "--shape", "b=2,h=4,sq=40,skv=40", "--repeat", "2"]
    expect(expect_json(words)[0]["visible_pairs"] == 2 * 4 * (16 * 16 + 16 * 16 + 8 * 8), words, "wrong count of pairs")
    words = ["build", "--block-mask", "csr", "--mask", "w < kv", "--params", "w: i32", "--name", "my_csr", "-o", "csr dir", "--target", "sse41"]
    expect_json(words)
    header = open(path("csr dir/my_csr.h")).read()
    expect("attune_block_mask block_mask;" in header and "int32_t w;" in header, words, header)


def softmax_weights(q, k, visible, scale=None):
    """float64: rows over the visible keys, 0 where there are none."""
    q, k = np.asarray(q, np.float64), np.repeat(np.asarray(k, np.float64), q.shape[1] // k.shape[1], 1)
    s = np.where(visible, q @ k.swapaxes(2, 3) * (scale or q.shape[3]**-0.5), -np.inf)
    w = np.exp(s - np.where(np.isfinite(s.max(3)), s.max(3), 0)[..., None])
    return w / np.where(w.sum(3) > 0, w.sum(3), 1)[..., None]


def weights():
    ulp = 2.0**-23

    def check(name, flags, visible, amplitude=1, convert=lambda a: a, widen=lambda a: a, more=(), tolerance=1e-4, **sizes):
        _, _ = save_problem(name, convert=lambda a: convert(amplitude * a), **sizes)
        arrays = [np.load(path(f"{name}_{n}.npy")) for n in "qkv"]
        words = ["run", *(w for n, flag in zip("qkv", ("--query", "--key", "--value")) for w in (flag, f"{name}_{n}.npy")), *flags, "--weights", "w.npy", "--importance", "i.npy", *more]
        expect_success([*words, "--quiet", "--json"])
        w, importance = np.load(path("w.npy")), np.load(path("i.npy"))
        q, k = (widen(a).astype(np.float64) for a in arrays[:2])
        expected = softmax_weights(q, k, np.broadcast_to(visible, (q.shape[0], q.shape[1], q.shape[2], k.shape[2])))
        expect(w.dtype == importance.dtype == np.float32 and w.shape == expected.shape, words, f"{w.dtype} {w.shape}, expected {expected.shape}")
        sums = w.astype(np.float64).sum(3)
        seen = expected.sum(3) > 0
        expect((sums[~seen] == 0).all(), words, "a row that sees no key has weights")
        worst = np.abs(sums[seen] - 1).max(initial=0) / ulp
        expect(worst <= 4, words, f"rows sum to 1 within {worst} ulp of f32, expected 4")
        expect_close(words, w, expected, np.full(w.shape, tolerance))
        expect((w[expected == 0] == 0).all(), words, "a hidden key has a weight")
        expect_close(words, importance, w.astype(np.float64).sum(2), np.full(importance.shape, 1e-5 * max(1, w.shape[2])))

    # Odd shapes and masks; the larger the logits, the further lse is rounded, which the weights must not show.
    i, j = np.ogrid[:37, :53]
    causal = j <= i + 53 - 37
    check("w_odd", [], True)
    check("w_causal", ["--mask", "causal"], causal)
    check("w_empty", ["--mask", "causal_top_left && kv > 2"], (j <= i) & (j > 2))  # the first rows see nothing
    check("w_window", ["--mask", "causal && window(4)"], causal & (j >= i + 53 - 37 - 4), amplitude=4, tolerance=1e-3)
    check("w_holes", ["--mask", "kv % 3 != q % 3"], j % 3 != i % 3, amplitude=3)
    check("w_one", [], True, sq=1, skv=1, dim=7, dim_v=5)
    check("w_row", [], True, sq=1, skv=4099, dim=64, amplitude=4, tolerance=1e-3)
    check("w_long", [], True, batch=1, sq=5, skv=2049, dim=64, amplitude=6, tolerance=1e-2)
    check("w_full", ["--algorithm", "full_row"], True)
    check("w_online", ["--algorithm", "online", "--mask", "causal"], causal)
    check("w_sse41", ["--target", "sse41", "--mask", "causal"], causal)
    check("w_half", ["--mask", "causal"], causal, convert=lambda a: a.astype(np.float16), tolerance=2e-3)
    check("w_bf16", [], True, convert=to_bf16, widen=from_bf16, tolerance=1e-2)

    # What is written: heads in the order asked for, rows, and nothing else is needed. The output may be left out.
    _, arrays = save_problem("pick")
    whole = ["run", *arrays, "--mask", "causal"]
    expect_success([*whole, "--weights", "all.npy", "--importance", "all_i.npy", "--out", "out.npy"])
    every, importance = np.load(path("all.npy")), np.load(path("all_i.npy"))
    words = [*whole, "--weights", "some.npy", "--importance", "some_i.npy", "--heads", "3,0", "--rows", "5:16"]
    j = expect_json(words)
    expect(j["weights"] == "some.npy" and j["importance"] == "some_i.npy" and j["out"] is None, words, str(j))
    expect(np.array_equal(np.load(path("some.npy")), every[:, [3, 0], 5:16]), words, "not heads 3 and 0, rows 5 to 15")
    expect(np.allclose(np.load(path("some_i.npy")), every[:, [3, 0], 5:16].sum(2), atol=1e-6), words, "importance is not of the selected rows")
    expect(np.allclose(importance, every.sum(2), atol=1e-5), whole, "importance is not the sum of columns")
    for given, begin, end in (("30:", 30, 37), (":2", 0, 2), ("36:37", 36, 37)):
        words = [*whole, "--weights", "some.npy", "--rows", given]
        expect_success(words)
        expect(np.array_equal(np.load(path("some.npy")), every[:, :, begin:end]), words, "other rows")
    # Beside --pairs: the kernel's own rows, the same but for a factor a row.
    words = [*whole, "--outputs", "out,lse,weights", "--pairs", "pairs.npy", "--weights", "w.npy", "--out", "out.npy"]
    expect_success(words)
    expect(np.allclose(np.load(path("pairs.npy")), np.load(path("w.npy")), rtol=1e-4) and np.array_equal(np.load(path("w.npy")), every), words, "weights and pairs differ")

    out = [*whole, "--weights", "none.npy"]
    expect_error([*out, "--heads", "0,4"], 2, "--heads[1] is 4", "from 0 to 3")
    expect_error([*out, "--heads", "1,1"], 2, "--heads[1] is 1", "each once")
    expect_error([*out, "--heads", "0,"], 2, "--heads[1] is empty")
    for rows in ("5", "5:5", "6:5", "0:38", "-1:4", "a:b"):
        expect_error([*out, "--rows", rows], 2, f"--rows is {rows}", "FIRST:END with 0 <= FIRST < END <= 37, the rows of query")
    expect_error([*whole, "--out", "out.npy", "--rows", "0:4"], 2, "--rows is 0:4", "--weights or --importance beside it")
    expect_error([*out, "--importance", "./none.npy"], 2, "another file than --weights")
    expect_error([*out, "--normalizer", "sigmoid"], 2, "--weights is none.npy", "rows sum to 1", "--pairs none.npy")
    expect_error([*out, "--normalizer", "softmax_plus_one"], 2, "--weights is none.npy", "rows sum to 1")
    expect_error([*out, "--outputs", "out,logits"], 2, "logits", "weights")
    expect_error([*out, "--phases", "decode"], 2, "decode", "a matrix of pairs")
    cu = [save("w_cu.npy", np.array([0, 37], np.int32)), save("w_cukv.npy", np.array([0, 53], np.int32))]
    packed = save_problem("w_packed", batch=1)[1]
    expect_error(["run", *packed, "--weights", "none.npy", "--cu-seqlens-q", cu[0], "--cu-seqlens-kv", cu[1]], 2, "packed", "one by one")


def recurrence(q, k, v, state, scale, decay=None, beta=None):
    """Linear attention of the features q and k, key by key, in double: output, state after the last key."""
    out, state = np.zeros((*q.shape[:3], v.shape[3])), state.astype(np.float64).copy()
    group = q.shape[1] // k.shape[1]
    for i in range(q.shape[2]):
        if decay is not None:
            state *= np.exp(decay[:, i].astype(np.float64))[..., None]
        change = v[:, :, i].astype(np.float64)
        if beta is not None:
            change = beta[:, i, :, None] * (change - np.einsum("bhdv,bhd->bhv", state, k[:, :, i]))
        state += k[:, :, i, :, None] * change[:, :, None, :]
        out[:, :, i] = scale * np.einsum("bhdv,bhd->bhv", np.repeat(state, group, 1), q[:, :, i])
    return out, state


def linear():
    (q, k, v), arrays = save_problem("linear", sq=37, skv=37)
    base = ["run", *arrays, "--normalizer", "linear", "--mask", "causal", "--out", "out.npy"]
    feature = lambda x: np.where(x > 0, x.astype(np.float64) + 1, np.exp(x.astype(np.float64)))
    near = lambda words, found, expected, tolerance: expect_close(words, found, expected, np.full(expected.shape, tolerance))
    nothing = np.zeros((2, 2, 40, 24))
    fq, fk, scale = feature(q), feature(k), 40 ** -0.5

    # Rows divided by their sum; the state and the sum of features.
    j = expect_json([*base, "--state", "s.npy", "--key-sum", "z.npy"])
    expect(j["state"] == "s.npy" and j["key_sum"] == "z.npy", base, str(j))
    weighted, state = recurrence(fq, fk, v, nothing, scale)
    sums, _ = recurrence(fq, fk, np.ones((2, 2, 37, 1)), np.zeros((2, 2, 40, 1)), scale)
    near(base, np.load(path("out.npy")), weighted / sums, 1e-5)
    near(base, np.load(path("s.npy")), state, 1e-4)
    near(base, np.load(path("z.npy")), fk.sum(2), 1e-4)

    # In two calls.
    halves = [[save(f"{n}{i}.npy", a[:, :, s].copy()) for n, a in (("q", q), ("k", k), ("v", v))] for i, s in enumerate((slice(0, 20), slice(20, 37)))]
    for i, past in enumerate(([], ["--past-state", "s0.npy", "--past-key-sum", "z0.npy"])):
        words = ["run", "--query", halves[i][0], "--key", halves[i][1], "--value", halves[i][2], "--normalizer", "linear", "--mask", "causal",
                 "--out", f"out{i}.npy", "--state", f"s{i}.npy", "--key-sum", f"z{i}.npy", *past]
        expect_success(words)
    near(words, np.concatenate([np.load(path("out0.npy")), np.load(path("out1.npy"))], 2), weighted / sums, 1e-5)
    near(words, np.load(path("s1.npy")), state, 1e-4)

    # The gated delta rule.
    decay, beta = -0.3 * np.abs(random(61, 2, 37, 2, 40)), np.abs(random(62, 2, 37, 2)) * 0.02
    words = [*base, "--head-dim", "40", "--feature-map", "identity", "--decay", "g", "--beta", "rate", "--params", "g: f32[b, kv, hkv, 40]", "--param", "g=" + save("g.npy", decay.astype(np.float32)),
             "--param", "rate=" + save("rate.npy", beta.astype(np.float32)), "--state", "s.npy"]
    expect_success(words)
    out, state = recurrence(q, k, v, nothing, scale, decay, beta)
    near(words, np.load(path("out.npy")), out, 1e-4)
    near(words, np.load(path("s.npy")), state, 1e-4)

    # Without a mask every row reads all keys.
    words = [w for w in base if w not in ("--mask", "causal")]
    expect_success(words)
    all_keys = np.repeat(np.einsum("bhkd,bhkv->bhdv", fk, v), 2, 1), np.repeat(fk.sum(2), 2, 1)
    near(words, np.load(path("out.npy")), np.einsum("bhqd,bhdv->bhqv", fq, all_keys[0]) / np.einsum("bhqd,bhd->bhq", fq, all_keys[1])[..., None], 1e-5)

    expect_error(["run", *arrays, "--normalizer", "linear", "--mask", "causal && window(3)", "--out", "out.npy"], 2, "normalizer linear", "none or causal")
    expect_error([*base, "--past-state", "s.npy"], 2, "--past-state is alone", "give both")
    expect_error([*base, "--feature-map", "identity", "--key-sum", "z.npy"], 2, "--key-sum is z.npy", "divided by their sum")
    expect_error([*base, "--past-state", "z.npy", "--past-key-sum", "z.npy"], 3, "--past-state is of shape (2, 2, 40)", "(2, 2, 40, 24)")
    expect_error(["run", *arrays, "--out", "out.npy", "--state", "s.npy"], 2, "--state is s.npy", "write --normalizer linear")
    expect_error([*base, "--state", "./out.npy"], 2, "another file than --out")


def read_png(name):
    """(height, width, 3), with zlib, which shares nothing with the writer."""
    with open(path(name), "rb") as file:
        data = file.read()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("no PNG signature")
    at, chunks = 8, []
    while at < len(data):
        length, kind = int.from_bytes(data[at:at + 4], "big"), data[at + 4:at + 8]
        body, crc = data[at + 8:at + 8 + length], int.from_bytes(data[at + 8 + length:at + 12 + length], "big")
        if zlib.crc32(kind + body) != crc:
            raise ValueError(f"wrong checksum of {kind}")
        chunks.append((kind, body))
        at += 12 + length
    if [kind for kind, _ in chunks] != [b"IHDR", b"IDAT", b"IEND"] or chunks[0][1][8:] != bytes([8, 2, 0, 0, 0]):
        raise ValueError(f"chunks {chunks[0]}")
    width, height = (int.from_bytes(chunks[0][1][i:i + 4], "big") for i in (0, 4))
    rows = np.frombuffer(zlib.decompress(chunks[1][1]), np.uint8).reshape(height, 1 + 3 * width)
    if not (rows[:, 0] == 2).all():
        raise ValueError("another filter")
    return np.cumsum(rows[:, 1:].astype(np.uint8), 0, dtype=np.uint8).reshape(height, width, 3)


def picture():
    n = 12
    w = np.tril(np.random.default_rng(1).random((2, 3, n, n)) + 0.01)
    w = (w / w.sum(3, keepdims=True)).astype(np.float32)
    save("w.npy", w)
    tokens = [f"word{i}" for i in range(n)]
    words = ["picture", "w.npy", "-o", "w.svg", "--head", "1", "--batch", "1", "--tokens", ",".join(tokens)]
    j = expect_json(words)
    expect(j["heads"] == [1] and j["rows"] == [0, n] and abs(j["largest"] - w[1, 1].max()) < 1e-6 and j["worst_sum"] < 1e-6, words, str(j))
    svg = open(path("w.svg"), encoding="utf-8").read()
    expect(all(svg.count(f">{t}<") == 2 for t in tokens), words, "a token is not on both axes")
    expect("w.npy: head 1 of 3" in svg and "12 queries x 12 keys" in svg and ">weight<" in svg, words, "no title, note or scale")
    xml.dom.minidom.parseString(svg.encode())
    # As many pixels as the SVG has units, twice over; the same colours at the cells' centres.
    expect_success([*words[:3], "w.png", *words[4:]])
    png = read_png("w.png")
    width, height = (int(x) for x in re.search(r'width="(\d+)" height="(\d+)"', svg).groups())
    expect(png.shape == (2 * height, 2 * width, 3), words, f"{png.shape} for {width} x {height}")
    x0, y0, cell = (float(x) for x in re.search(r'translate\(([\d.]+) ([\d.]+)\) scale\(([\d.]+)', svg).groups())
    centre = lambda q, kv: png[int(2 * (y0 + (q + 0.5) * cell)), int(2 * (x0 + (kv + 0.5) * cell))].astype(int).sum()
    shown = np.array([[centre(q, kv) for kv in range(n)] for q in range(n)])
    lower, matrix = np.tril(np.ones((n, n), bool)), w[1, 1]
    expect((shown[~lower] == shown[0, 1]).all() and shown[0, 0] < 200, words, "hidden weights are not of one colour, or 1 is not dark")
    # The darker the larger.
    order = np.argsort(matrix[lower])
    expect((np.diff(shown[lower][order]) <= 0).all(), words, "a larger weight is lighter")
    # A part, with labels of its own; numbers where there are none; labels from a file; what XML must not see.
    words = ["picture", "w.npy", "-o", "w.svg", "--rows", "8:12", "--keys", "4:7"]
    expect_success(words)
    svg = open(path("w.svg"), encoding="utf-8").read()
    expect(all(f">{i}<" in svg for i in (8, 11, 4, 6)) and ">3<" not in svg and ">7<" not in svg, words, "not rows 8 to 11 and keys 4 to 6")
    write("tokens.txt", "<s>\r\ncaf\u00e9,\n" + "".join(f"t{i}\n" for i in range(n - 2)))
    words = ["picture", "w.npy", "-o", "w.svg", "--tokens", "tokens.txt", "--query-tokens", ",".join("ABCDEFGHIJKL"), "--title", "a & b"]
    expect_success(words)
    svg = open(path("w.svg"), encoding="utf-8").read()
    expect(all(f">{t}<" in svg for t in ("&lt;s&gt;", "caf\u00e9,", "t9", "A", "L", "a &amp; b")), words, "a label is missing")
    # All heads; large matrices; other types and ranks; numbers of a kernel that are not normalised.
    expect_success(["picture", "w.npy", "-o", "w.svg", "--head", "all"])
    svg = open(path("w.svg"), encoding="utf-8").read()
    expect(all(f">head {h}<" in svg for h in range(3)), ["picture"], "a head is missing")
    large = np.random.default_rng(2).random((1500, 1300), np.float32)
    save("large.npy", large / large.sum(1, keepdims=True))
    expect_success(["picture", "large.npy", "-o", "large.png"])
    read_png("large.png")
    for dtype, convert in (("half", lambda a: a.astype(np.float16)), ("bits", to_bf16)):
        save(f"{dtype}.npy", convert(w[0]))
        expect_success(["picture", f"{dtype}.npy", "-o", "w.png"])
    _, arrays = save_problem("loud", convert=lambda a: 5 * a)
    expect_success(["run", *arrays, "--outputs", "out,lse,weights", "--pairs", "pairs.npy", "--out", "out.npy"])
    expect_success(["picture", "pairs.npy", "-o", "w.svg"])
    # Bytes of any kind as tokens make a picture still.
    with open(path("bytes.txt"), "wb") as file:
        file.write(b"".join(bytes([i]) * 3 + b"\n" for i in (1, 7, 127, 128, 192, 240, 255, 38, 60, 62, 34, 200)))
    for name in ("w.svg", "w.png"):
        expect_success(["picture", "w.npy", "-o", name, "--tokens", "bytes.txt"])
    xml.dom.minidom.parse(path("w.svg"))

    def refused(array, *parts):
        expect_error(["picture", save("bad.npy", array), "-o", "bad.svg"], 3, "bad.npy", *parts)

    refused(np.zeros(5, np.float32), "its shape is (5,)", "(batch, heads, rows, keys)")
    refused(np.zeros((1, 1, 1, 2, 2), np.float32), "its shape is (1, 1, 1, 2, 2)")
    refused(np.zeros((3, 0), np.float32), "its shape is (3, 0)", "at least one row")
    refused(w[0, 0].astype(np.complex64), "c8")
    refused(w[0, 0].astype(np.float64), "float64", "astype(np.float32)")
    refused(w[0, 0].astype(np.int32), "int32")
    refused(np.asfortranarray(w[0, 0]), "Fortran")
    negative = w[0].copy()
    negative[2, 5, 3] = -0.5
    refused(negative, "key 3 of row 5 of head 2 of batch 0 is -0.5", "no attention weights", "attune run --weights")
    for bad in (np.nan, np.inf):
        spoilt = w.copy()
        spoilt[1, 0, 4, 2] = bad
        refused(spoilt, "key 2 of row 4 of head 0 of batch 1 is")
    refused(2 * w, "row 0 of head 0 of batch 0 sums to 2", "rows that sum to 1")
    refused(w[..., :-2].copy(), "row 10 of head 0 of batch 0 sums to 0.")
    expect_error(["picture", write("text.npy", "no array"), "-o", "bad.svg"], 3, "WEIGHTS is no .npy file", "numpy.save")
    expect_error(["picture", "missing.npy", "-o", "bad.svg"], 3, "missing.npy", "o such file")
    good = ["picture", "w.npy"]
    expect_error([*good, "-o", "w.gif"], 2, "--output is w.gif", ".svg or .png")
    expect_error([*good, "-o", "nofolder/w.svg"], 3, "nofolder/w.svg")
    bad = [*good, "-o", "bad.svg"]
    expect_error([*bad, "--head", "3"], 2, "--head is 3", "from 0 to 2")
    expect_error([*bad, "--head", "some"], 2, "--head is some")
    expect_error([*bad, "--batch", "2"], 2, "--batch is 2", "from 0 to 1")
    expect_error([*bad, "--rows", "0:13"], 2, "--rows is 0:13", "the rows of the file")
    expect_error([*bad, "--keys", "3:3"], 2, "--keys is 3:3")
    expect_error([*bad, "--tokens", "a,b"], 3, "--tokens has 2 labels", "12, one for each key of the file")
    expect_error([*bad, "--query-tokens", "a"], 3, "--query-tokens has 1 label", "12, one for each row")
    for largest in ("0", "-1", "1.5", "much", "nan"):
        expect_error([*bad, "--largest", largest], 2, f"--largest is {largest}")


def scaling():
    words = ["explain", "--mask", "causal && window(255)", "--shape", "h=2", "--scaling", "--measure", "--budget", "2", "--plot", "scaling.svg"]
    j = expect_json(words)
    expect(j["threads"] == 1 and [v["name"] for v in j["variants"]] == ["specification", "dense", "causal", "window", "block-sparse", "linear"], words, str(j)[:300])
    lengths = [256 * 2**i for i in range(10)]
    for v in j["variants"]:
        points = v["points"]
        expect([p["seq_len"] for p in points] == lengths, words, f"{v['name']}: {[p['seq_len'] for p in points]}")
        expect(points[0]["exponent"] is None and all(abs(b["exponent"] - np.log2(b["predicted_ms"] / a["predicted_ms"])) < 1e-9 for a, b in zip(points, points[1:])), words, v["name"])
        for p in points:
            expect(p["score_matrix_bytes"] == 4 * 2 * p["seq_len"]**2 and p["tensor_bytes"] == 2 * p["seq_len"] * (4 * 64 * 4 + 4 * (v["normalizer"] == "softmax")), words, str(p))
            expect(0 < p["workspace_bytes"] < 64e6, words, str(p))
        measured = [p["measured_ms"] for p in points if p["measured_ms"] is not None]
        expect(len(measured) >= 1 and points[0]["measured_ms"] and measured == [p["measured_ms"] for p in points[:len(measured)]], words, f"{v['name']}: {measured}")
    last = {v["name"]: v["points"][-1] for v in j["variants"]}
    # What tames the square: a window makes it linear; a mask that hides half or seven eighths does not.
    expect(abs(last["dense"]["exponent"] - 2) < 0.02 and abs(last["causal"]["exponent"] - 2) < 0.02, words, str(last))
    expect(abs(last["specification"]["exponent"] - 1) < 0.02 and abs(last["window"]["exponent"] - 1) < 0.02, words, str(last))
    expect(abs(last["linear"]["exponent"] - 1) < 0.02 and last["linear"]["predicted_ms"] < last["window"]["predicted_ms"], words, str(last))
    expect(1.7 < last["block-sparse"]["exponent"] < 2.02, words, str(last))
    expect(last["dense"]["computed_pairs"] == 2 * 131072**2 and 0.49 < last["causal"]["computed_pairs"] / last["dense"]["computed_pairs"] < 0.52, words, str(last))
    expect(last["window"]["predicted_ms"] < last["block-sparse"]["predicted_ms"] < last["causal"]["predicted_ms"] < last["dense"]["predicted_ms"], words, str(last))
    svg = open(path("scaling.svg"), encoding="utf-8").read()
    xml.dom.minidom.parseString(svg.encode())
    expect(svg.count("<circle") >= 10 and "causal &amp;&amp; window(255)" in svg and "128k" in svg and "one f32 matrix of all scores" in svg, words, "not in the picture")
    # A mask whose pairs have to be asked one by one is not walked to the end; the text says so.
    text = expect_success(["explain", "--mask", "dilated(7)", "--scaling", "--plot", "scaling.png"])
    expect(re.search(r"(?m)^131072 +~", text) and "~ pairs go on" in text and "a score matrix" in text and "128 GiB" not in text, ["explain", "--scaling"], text)
    read_png("scaling.png")
    # The name of what the specification is already; decode keeps its rows; another machine's target is reckoned only.
    j = expect_json(["explain", "--mask", "causal", "--scaling", "--phases", "decode", "--group", "4", "--shape", "h=8,sq=1"])
    expect([v["name"] for v in j["variants"]] == ["causal", "dense", "window", "block-sparse"], ["explain", "--scaling"], str(j)[:200])
    expect(all(p["shape"] == f"b=1,h=8,hkv=2,sq=1,skv={p['seq_len']}" for p in j["variants"][0]["points"]), ["explain", "--scaling"], str(j)[:200])
    expect(abs(j["variants"][0]["points"][-1]["exponent"] - 1) < 0.1, ["explain", "--scaling"], "a step of decode grows with its cache")
    # An argument for each pair ends the lengths before memory does.
    bias = ["explain", "--score", "s + bias", "--params", "bias: f32[1, 1, q, kv]", "--scaling", "--target", "sse41"]
    expect([p["seq_len"] for p in expect_json(bias)["variants"][0]["points"]] == lengths[:5], bias, "other lengths")
    expect_error(["explain", "--plot", "p.svg"], 2, "--plot is p.svg", "--scaling beside it")
    expect_error(["explain", "--measure"], 2, "--measure is given", "--scaling beside it")
    expect_error(["explain", "--scaling", "--plot", "p.pdf"], 2, "--plot is p.pdf", ".svg or .png")
    expect_error(["explain", "--scaling", "--stage", "plan"], 2, "--stage is plan")
    expect_error(["explain", "--scaling", "--target", "opencl"], 2, "--target is opencl", "a CPU target")
    expect_error(["explain", "--scaling", "--budget", "0"], 2, "--budget is 0")
    expect_error(["explain", "--scaling", "--shape", "b=1000000,h=1000"], 2, "elements")


def quantised(x, kv_dtype, zero_points):
    """What a cache of integers makes of rows (attune/attention.h), float64."""
    size = x.shape[-1] if kv_dtype == "i8" else 32
    groups = np.asarray(x, np.float32).reshape(*x.shape[:-1], -1, size)
    low, steps, middle, largest = (-128, 255, 0, 127) if kv_dtype == "i8" else (0, 15, 8, 7)
    if zero_points:
        lo, hi = np.minimum(groups.min(-1, keepdims=True), 0), np.maximum(groups.max(-1, keepdims=True), 0)
        scale = (hi - lo) / np.float32(steps)
        zero = np.float32(low) - lo / scale
    else:
        scale = np.abs(groups).max(-1, keepdims=True) / np.float32(largest)
        zero = np.full_like(scale, middle)
    scale, zero = scale.astype(np.float64), zero.astype(np.float64)
    n = np.clip(np.rint(groups / scale + zero), low, low + steps)
    return (scale * (n - zero)).reshape(x.shape)


def turned(q, first, dims, interleaved):
    """Row i of query turned by position first + i, float64."""
    angle = np.outer(first + np.arange(q.shape[2]), 10000.0 ** (-2 * np.arange(dims // 2) / dims))
    q = np.array(q, np.float64)
    a, b = (slice(0, dims, 2), slice(1, dims, 2)) if interleaved else (slice(0, dims // 2), slice(dims // 2, dims))
    x, y = q[..., a].copy(), q[..., b].copy()
    q[..., a], q[..., b] = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    return q


def caches():
    decode = ["--phases", "decode"]

    def check(flags, expected, slack=1):
        words = ["run", *decode, *flags, "--out", "out.npy", "--lse", "lse.npy"]
        expect_json(words)
        out, lse = np.load(path("out.npy")), np.load(path("lse.npy"))
        expect_close(words, out, expected[0], slack * (expected[2] + np.abs(expected[0]) * 2.0**-24))
        expect_close(words, lse, expected[1], slack * expected[3])

    # Ordinary arrays in every format; what rounding to integers loses is as the header says.
    (q, k, v), flags = save_problem("cache", sq=3, skv=53, dim=64, dim_v=32)
    lengths = np.array([53, 17])
    padded = ["--mask", "causal", "--lengths-kv", save("cache_lengths.npy", lengths.astype(np.int32))]
    for kv_dtype in ("i8", "i4"):
        for quantization in ("symmetric", "asymmetric"):
            held = [quantised(a, kv_dtype, quantization == "asymmetric") for a in (k, v)]
            more = ["--kv-dtype", kv_dtype, "--kv-quantization", quantization]
            check([*flags, *more, *padded], attention(q, *held, "causal", lengths_kv=lengths))
            check([*flags, *more, "--kv-layout", "paged"], attention(q, *held))
            check([*flags, *more, "--kv-layout", "ring", *padded], attention(q, *held, "causal", lengths_kv=lengths))
    check([*flags, "--kv-layout", "paged", "--page-size", "32", *padded], attention(q, k, v, "causal", lengths_kv=lengths))
    check([*flags, "--kv-layout", "ring"], attention(q, k, v))

    # Packed sequences of integers.
    cu_q, cu_kv = np.array([0, 2, 3]), np.array([0, 30, 53])
    one = ["--query", save("cq1.npy", q[:1]), "--key", save("ck1.npy", k[:1]), "--value", save("cv1.npy", v[:1])]
    held = [quantised(a[:1], "i8", False) for a in (k, v)]
    pieces = [attention(q[:1, :, cu_q[i]:cu_q[i + 1]], *(a[:, :, cu_kv[i]:cu_kv[i + 1]] for a in held)) for i in range(2)]
    packed = ["--cu-seqlens-q", save("ccq.npy", cu_q.astype(np.int32)), "--cu-seqlens-kv", save("cckv.npy", cu_kv.astype(np.int32))]
    check([*one, *packed, "--kv-dtype", "i8"], [np.concatenate(parts, axis=2) for parts in zip(*pieces)])

    # The kernel turns the query from keys - rows on, the keys are taken as they are.
    for style in ("half", "interleaved"):
        expected = attention(turned(q, 50, 16, style == "interleaved"), k, v, "causal")
        check([*flags, "--mask", "causal", "--rope", f"style={style},dims=16"], expected, slack=2)

    # Values that lie in the keys.
    spec = write("mla.toml", '[kernel]\nphases = ["decode"]\nhead_dim = 64\nvalue = "key[0:32]"\n')
    words = ["run", spec, *flags[:4], "--out", "out.npy"]
    expect_success(words)
    out, _, bound, *_ = attention(q, k, k[..., :32])
    expect_close(words, np.load(path("out.npy")), out, bound + np.abs(out) * 2.0**-24)

    os.remove(path("out.npy"))
    os.remove(path("lse.npy"))
    expect_error(["run", spec, *flags, "--out", "out.npy"], 2, "--value is", 'value = "key[0:32]"', "leave --value out")
    expect_error(["run", *decode, "--kv-layout", "paged", *one, *packed, "--out", "out.npy"], 2, "--cu-seqlens-q", "no packed sequences with kv_layout paged")
    expect_error(["run", *decode, "--kv-dtype", "i4", *save_problem("odd", sq=1)[1], "--out", "out.npy"], 2, "heads of 40 elements")

    # check and bench: a ring has lost keys, and bytes are those of the cache.
    shape = ["--head-dim", "64", "--shape", "h=2,hkv=2,sq=2,skv=90"]
    for more in (["--kv-dtype", "i8"], ["--kv-dtype", "i4", "--kv-layout", "paged"], ["--kv-layout", "ring", "--mask", "causal"], ["--rope", "style=half"]):
        for inputs in ("normal", "wide", "spike"):
            words = ["check", *decode, *shape, *more, "--inputs", inputs]
            j = expect_json(words)
            expect(j[0]["ok"] and j[0].get("ring_slots") == (60 if "ring" in more else None), words, str(j))
    words = ["bench", *decode, *shape, "--kv-dtype", "i8", "--repeat", "1"]
    j = expect_json(words)
    expect(j[0]["bytes"] == 2 * 2 * (128 * 4 + 4) + 2 * 90 * 2 * 68, words, str(j))
    expect("bytes of a key" in expect_json(["explain", *decode, "--head-dim", "64", "--kv-dtype", "i8"])["bytes_formula"], ["explain"], "bytes_formula")


def commands():
    # explain
    j = expect_json(["explain", "--mask", "causal", "--group", "4", "--shape", "b=2,h=8,sq=100,skv=300"])
    pairs = 2 * 8 * sum(i + 201 for i in range(100))
    expect(j["visible_pairs"] == pairs and j["flops"] == 2 * pairs * 128 and j["shape"] == "b=2,h=8,hkv=2,sq=100,skv=300", ["explain"], str(j))
    expect(j["roofline"]["ms"] > 0 and j["picture"], ["explain"], str(j))
    text = expect_success(["explain", "--mask", "causal", "--shape", "sq=5000,skv=9000"])
    expect(all(c in text for c in "█▒·"), ["explain"], "no picture")
    expect(max(map(len, re.findall(r"(?m)^  ([█▒·]+)$", text))) <= 64 and len(re.findall(r"(?m)^  [█▒·]+$", text)) <= 32, ["explain"], "picture too large")
    expect_success(["explain", "--shape", "b=0,sq=0,skv=0"])
    for stage in ("plan", "algorithm", "schedule", "llvm", "asm"):
        expect(len(expect_success(["explain", "--mask", "causal", "--stage", stage])) > 0, ["explain", "--stage", stage], "nothing")
    expect_success(["explain", "--mask", "causal", "--picture", "mask.svg"])
    expect(open(path("mask.svg")).read().startswith("<svg"), ["explain", "--picture"], "no SVG")
    expect_error(["explain", "--picture", "nofolder/mask.svg"], 3, "nofolder/mask.svg")

    # bench
    words = ["bench", "--mask", "causal", "--shape", "b=2,h=4,sq=64,skv=96", "--shape", "sq=1,skv=64", "--repeat", "5"]
    rows = expect_json(words)
    fields = ["kernel", "target", "schedule", "shape", "threads", "median_ms", "min_ms", "visible_pairs", "flops", "gflops", "peak_gflops", "share_of_peak", "bytes", "gbs"]
    expect(len(rows) == 2 and all(list(r) == fields for r in rows), words, str(rows))
    r = rows[0]
    pairs = 2 * 4 * sum(i + 33 for i in range(64))
    expect(r["visible_pairs"] == pairs and r["flops"] == 2 * pairs * 128 and r["threads"] == 1, words, str(r))
    expect(r["bytes"] == 2 * 4 * (64 + 96) * 128 * 4 + 2 * 4 * 64 * 4, words, str(r))
    expect(0 < r["min_ms"] <= r["median_ms"] and abs(r["gflops"] * r["median_ms"] * 1e6 / r["flops"] - 1) < 1e-9, words, str(r))
    expect(r["peak_gflops"] > 1 and abs(r["gflops"] / r["peak_gflops"] / r["share_of_peak"] - 1) < 1e-9, words, str(r))
    expect(r["kernel"].endswith("__" + r["target"]) and r["shape"] == "b=2,h=4,hkv=4,sq=64,skv=96", words, str(r))
    text = expect_success(["bench", "--shape", "sq=32,skv=32", "--repeat", "1", "--inputs", "spike"])
    expect(len(text.splitlines()) == 2, ["bench"], text)
    expect_json(["bench", "--shape", "b=0,sq=0,skv=0", "--repeat", "2"])

    # check
    for inputs in ("normal", "wide", "spike"):
        words = ["check", "--mask", "causal", "--shape", "h=2,sq=33,skv=65", "--shape", "sq=3,skv=0", "--inputs", inputs, "--seed", "5"]
        rows = expect_json(words)
        expect(len(rows) == 2 and all(list(r) == ["shape", "target", "share_output", "share_lse", "share_pairs", "r", "relative_rms", "worst_index", "ok"] for r in rows), words, str(rows))
        expect(all(r["ok"] is True and 0 <= r["share_output"] <= 1 and 0 <= r["share_lse"] <= 1 for r in rows), words, str(rows))
    text = expect_success(["check", "--group", "3", "--head-dim", "24", "--mask", "causal"])
    expect("largest share" in text, ["check"], text)

    # build
    words = ["build", write("my spec.toml", '[kernel]\nname = "my_kernel"\nhead_dim = 32\n'), "-o", "built dir", "--target", "sse41", "--depfile", "built.d"]
    j = expect_json(words)
    expect(sorted(f["path"] for f in j["files"]) == [f"built dir/my_kernel.{e}" for e in ("a", "h", "json")], words, str(j))
    expect(all(os.path.getsize(path(f["path"])) == f["bytes"] for f in j["files"]), words, str(j))
    expect(open(path("built.d")).read() == "built\\ dir/my_kernel.a: my\\ spec.toml\n", words, open(path("built.d")).read())
    write("a_file", "")
    expect_error(["build", "--head-dim", "8", "-o", "built dir", "--target", "amx"], 4, "targets.cpu is amx", "dtype f32", "write auto")
    expect_error(["build", "--head-dim", "8", "-o", "a_file"], 3, "a_file")
    expect_error(["build", "--head-dim", "8", "-o", "a_file/below"], 3, "a_file")

    # list, doctor
    j = expect_json(["list"])
    expect([t["name"] for t in j["targets"]] == ["amx", "avx512_fp16", "avx512_bf16", "avx512_vnni", "avx512", "avx2", "sse41", "neon"] and j["dtypes"] == ["f32", "f16", "bf16"], ["list"], str(j))
    expect_success(["list"])
    j = expect_json(["doctor"])
    expect(j["threads"] >= 1 and "sse41" in j["targets"]["available"] and j["halide"].startswith("21."), ["doctor"], str(j))
    j = expect_json(["doctor", "--measure"])
    expect(all(p["gflops"] > 1 for p in j["peaks"]) and j["read"][0]["gbs"] > 0.1, ["doctor", "--measure"], str(j))
    peaks = {p["target"]: p["gflops"] for p in j["peaks"] if p["threads"] == 1}
    expect(peaks.get("amx", 1e9) > 4 * peaks.get("avx512", 0), ["doctor", "--measure"], f"the peak of tiles is not theirs: {peaks}")  # 16 times in truth
    expect_success(["doctor"])


# ---- tuned rows

def tuned_row(spec, target="sse41", device="*", family="cpu_query_lanes", date="2026-01-01T00:00:00Z", shape="b=1,h=1,hkv=1,sq=64,skv=64", ms=1.5, **parameters):
    return {"schema": 1, "spec": spec, "target": target, "device": device, "family": family, "parameters": parameters or {"block_q": 64},
            "shapes": {shape: {"median_ms": ms, "default_ms": 2.0, "spread": 0.01}}, "share_of_limit": 0.5, "determinism": "D1",
            "provenance": {"date": date, "cpu": "a CPU", "attune": "0.1.0", "halide": "21.0.0", "llvm": "22.1.8", "command": "by hand"}}


def write_rows(name, *rows):
    return write(name, "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))


def db():
    # The rows themselves.
    key = "0123456789abcdef0123456789abcdef"
    old, new, other = tuned_row(key), tuned_row(key, date="2026-02-01T00:00:00Z", ms=1.75), tuned_row(key, target="avx2", block_q=96)
    a, b = write_rows("a.jsonl", old, other), write_rows("b.jsonl", other, new)
    expect([r["line"] for r in expect_json(["db", "show", a])] == [2, 1], ["db", "show"], "order of the rows")
    expect("cpu_query_lanes(block_q=96)" in expect_success(["db", "show", a, "--target", "avx2"]), ["db", "show"], "no schedule")
    expect(len(expect_json(["db", "show", a, b, "--spec", "0123"])) == 3 and expect_json(["db", "show", a, "--device", "zen4"]) == [], ["db", "show"], "filters")
    gains = write_rows("gains.jsonl", *(tuned_row(key, shape=f"b=1,h=1,hkv=1,sq={n},skv=64", ms=ms) for n, ms in ((1, 1.0), (2, 1.6), (3, 1.9), (4, 2.0))))
    text = expect_success(["db", "show", gains])  # beside 2 ms of the default
    expect(text.endswith("\n4 rows: 1.151 times as fast as the default in the median, 1.000 to 2.000\n") and " 1.250 " in text, ["db", "show"], text)
    j = expect_json(["db", "merge", a, b, "-o", "all.jsonl"])
    expect(j == {"file": "all.jsonl", "rows": 3, "added": 3, "unread": 0}, ["db", "merge"], str(j))
    merged = open(path("all.jsonl")).read()
    expect_success(["db", "merge", b, a, "-o", "all2.jsonl"])
    expect_success(["db", "merge", "all.jsonl", "-o", "all.jsonl"])
    expect(merged == open(path("all2.jsonl")).read() == open(path("all.jsonl")).read(), ["db", "merge"], "depends on order or number")
    j = expect_json(["db", "diff", a, b])
    expect(j["added"] == j["removed"] == [] and [c["median_ms"] for c in j["changed"]] == [{"b=1,h=1,hkv=1,sq=64,skv=64": [1.5, 1.75]}], ["db", "diff"], str(j))
    expect("1.5 -> 1.75 ms" in expect_success(["db", "diff", a, b]), ["db", "diff"], "no times")
    expect(expect_success(["db", "diff", a, a]) == "no differences\n", ["db", "diff"], "differences with itself")
    j = expect_json(["db", "prune", "all.jsonl", "--keep", "best", "-o", "best.jsonl"])
    expect(j == [{"file": "best.jsonl", "rows": 2, "dropped": 1}], ["db", "prune"], str(j))
    expect([r["provenance"]["date"] for r in expect_json(["db", "show", "best.jsonl", "--target", "sse41"])] == [old["provenance"]["date"]], ["db", "prune"], "not the best")
    expect_json(["db", "prune", "all.jsonl"])
    expect([r["provenance"]["date"] for r in expect_json(["db", "show", "all.jsonl", "--target", "sse41"])] == [new["provenance"]["date"]], ["db", "prune"], "not the newest")
    expect(expect_json(["db", "verify", a, b])["ok"], ["db", "verify"], "not ok")
    later = dict(old, schema=3)
    bad = write_rows("bad.jsonl", old, "{", later, dict(old, target="avx9"), tuned_row(key, block_kv=5000), tuned_row(key, tile_x=1))
    j = expect_json(["db", "verify", bad], 1)
    expect([p["line"] for p in j["problems"]] == [2, 3, 4, 5, 6] and not j["ok"], ["db", "verify"], str(j))
    text = expect_success(["db", "verify", bad], 1)
    for part in ("bad.jsonl:2: the line is no JSON", "bad.jsonl:3: schema is 3, expected 2; ", "bad.jsonl:4: target is avx9", "bad.jsonl:6: tile_x is no parameter"):
        expect(part in text, ["db", "verify"], text)
    r = attune(["db", "merge", bad, "-o", "kept.jsonl"])
    expect(r.returncode == 0 and "bad.jsonl:2: " in r.stderr and {"{", json.dumps(later)} < set(open(path("kept.jsonl")).read().split("\n")), ["db", "merge"], r.stderr)
    ruled = dict(tuned_row(key, block_q=64, block_kv=64), schema=2, rules=[{"most_seq_len_q": 64, "parameters": {"block_q": 16, "block_kv": 64}}])
    expect(expect_json(["db", "verify", write_rows("ruled.jsonl", ruled)])["ok"], ["db", "verify"], "not ok")
    expect("where seq_len_q <= 64: (block_kv=64 block_q=16); cpu_query_lanes(block_kv=64 block_q=64)" in expect_success(["db", "show", "ruled.jsonl"]), ["db", "show"], "no rule")
    ruled["rules"][0]["parameters"]["block_kv"] = 128
    text = expect_success(["db", "verify", write_rows("ruled.jsonl", ruled)], 1)
    expect("ruled.jsonl:1: rules[0]: block_kv is 128 and 64, expected one value, as a row's bits depend on it and determinism is D1" in text, ["db", "verify"], text)
    expect(expect_json(["db", "verify", write_rows("ruled.jsonl", dict(ruled, determinism="D0"))])["ok"], ["db", "verify"], "D0 not ok")
    expect_error(["db"], 2, "ACTION is missing", has_value=False)
    expect_error(["db", "shwo", a], 2, 'ACTION is "shwo"', "did you mean show")
    expect_error(["db", "show"], 2, "FILE is missing", has_value=False)
    expect_error(["db", "diff", a], 2, "two files or folders")
    expect_error(["db", "merge", a], 2, "--output is missing", has_value=False)
    expect_error(["db", "show", "no.jsonl"], 3, "no.jsonl")
    expect_error(["db", "merge", a, "-o", "nofolder/all.jsonl"], 3, "nofolder/all.jsonl")
    expect_error(["db", "prune", a, "--keep", "all"], 2, "--keep")

    # What --tuned takes from them.
    spec = ["--head-dim", "16", "--mask", "causal"]
    kernel = [*spec, "--target", "sse41"]
    key = expect_json(["explain", *kernel])["spec_hash"]
    expect(key == expect_json(["explain", *kernel, "--name", "another"])["spec_hash"] != expect_json(["explain", "--head-dim", "24"])["spec_hash"], ["explain"], "spec_hash")
    default = expect_json(["explain", *kernel])["schedule"]["parameters"]
    rows = write_rows("tuned.jsonl", tuned_row(key, block_q=64), tuned_row(key, device="m1", date="2026-03-01T00:00:00Z", block_q=96))
    for more, block_q in ((["--tuned", rows], 64), (["--tuned", rows, "--device", "m1"], 96), ([], default["block_q"])):
        for command in ("explain", "bench", "check", "build"):
            words = [command, *kernel, *more, *({"build": ["-o", "tuned", "--name", "k"], "explain": []}.get(command, ["--shape", "sq=40,skv=70"]))]
            j = expect_json(words)
            if command == "explain":
                expect(j["schedule"]["parameters"] == {**default, "block_q": block_q} and (j["tuned"] or {}).get("file") == ("tuned.jsonl" if more else None), words, str(j))
            if command == "bench":
                expect(f"block_q={block_q}" in j[0]["schedule"], words, str(j))
            if command == "build":
                variant = json.load(open(path("tuned/k.json")))["variants"][0]
                expect(variant["parameters"]["block_q"] == block_q and (variant.get("tuned") or {}).get("device") == (("m1" if "m1" in more else "*") if more else None), words, str(variant))
                expect(j["tuned"] == (["sse41"] if more else []), words, str(j))
    _, arrays = save_problem("tuned", batch=1, heads=1, kv_heads=1, sq=20, skv=30, dim=16, dim_v=16)
    expect_success(["run", *arrays, "--mask", "causal", "--target", "sse41", "--tuned", rows, "--out", "t_out.npy"])
    os.mkdir(path("rows"))
    write_rows("rows/tuned.jsonl", tuned_row(key))
    words = ["build", *kernel, "--name", "k", "--tuned", "rows", "-o", "tuned", "--depfile", "k.d"]
    expect_json(words)
    expect(open(path("k.d")).read() == "tuned/k.a: rows rows/tuned.jsonl\n", words, open(path("k.d")).read())
    # Several schedules, of which each call takes one by its seq_lens.
    ruled = dict(tuned_row(key, block_q=64), schema=2, rules=[{"most_seq_len_q": 48, "parameters": {"block_q": 16}}, {"most_seq_len_kv": 512, "parameters": {"block_q": 32}}])
    rows = write_rows("ruled.jsonl", ruled)
    words = ["explain", *kernel, "--tuned", rows, "--shape", "sq=48,skv=900"]
    j = expect_json(words)
    expect(j["schedule"]["parameters"]["block_q"] == 16 and [s["calls"] for s in j["schedules"]] == ["where seq_len_q <= 48", "where seq_len_kv <= 512", "otherwise"], words, str(j["schedules"]))
    text = expect_success([*words[:-1], "sq=49,skv=900"])
    expect("by seq_len where seq_len_q <= 48: block_q=16 " in text and "cpu_query_lanes(block_q=64" in text, words, text)
    words = ["bench", *kernel, "--tuned", rows, "--repeat", "1", "--shape", "sq=48,skv=70", "--shape", "sq=49,skv=70", "--shape", "sq=49,skv=513"]
    expect([j["schedule"].split()[0] for j in expect_json(words)] == [f"cpu_query_lanes(block_q={n}" for n in (16, 32, 64)], words, "another schedule")
    expect_json(["check", *kernel, "--tuned", rows, "--shape", "sq=40,skv=70", "--shape", "sq=49,skv=600"])
    j = expect_json(["build", *kernel, "--name", "k", "--tuned", rows, "-o", "ruled"])
    built = json.load(open(path("ruled/k.json")))["variants"]
    expect([(v.get("calls") or {}).get("most_seq_len_q") for v in built] == [48, 0, None] and j["tuned"] == ["sse41"], ["build", rows], str(built))
    expect("///   where seq_len_kv <= 512: block_q=32 " in open(path("ruled/k.h")).read(), ["build", rows], "no rule in the header")
    # Schedules that give a row other bits: with permission only.
    loose = dict(ruled, determinism="D0", rules=[{"most_seq_len_q": 48, "parameters": {"block_q": 64, "block_kv": 128}}])
    write_rows("loose.jsonl", loose)
    r = attune(["explain", *kernel, "--tuned", "loose.jsonl"])
    expect(r.returncode == 0 and "determinism is D0" in r.stderr and "--determinism D0" in r.stderr and r.stderr.endswith("; using the default schedule\n"), ["explain"], r.stderr)
    expect(len(expect_json(["explain", *kernel, "--tuned", "loose.jsonl", "--determinism", "D0"])["schedules"]) == 2, ["explain", "--determinism"], "no table")
    expect_error(["explain", *kernel, "--tuned", "loose.jsonl", "--determinism", "D7"], 2, "--determinism")
    # Rows that cannot be used: told, and the default instead.
    untuned = expect_json(["build", *kernel, "--name", "k", "-o", "untuned"])
    for row, *parts in ((tuned_row(key, block_q=63), "tuned.jsonl:1: ", "block_q is 63"), (tuned_row(key, family="cpu_split_kv", split_kv=256), "family is cpu_split_kv"),
                        (dict(tuned_row(key), determinism="D0"), "determinism is D0"), (tuned_row(key, tile_x=1), "tile_x is 1"),
                        (dict(loose, determinism="D1"), "the schedule where seq_len_q <= 48 gives other bits than that of other calls: block_kv is 128 and 64"),
                        (dict(ruled, rules=[{"most_seq_len_q": 48, "parameters": {"block_q": 63}}]), "block_q is 63"),
                        (dict(ruled, rules=ruled["rules"][:1] * 2), "is never taken after")):
        write_rows("tuned.jsonl", row)
        r = attune(["build", *kernel, "--name", "k", "--tuned", "tuned.jsonl", "-o", "refused"])
        expect(r.returncode == 0 and r.stderr.count("\n") == 1 and r.stderr.endswith("; using the default schedule\n") and all(p in r.stderr for p in parts), ["build", "--tuned"], r.stderr)
        for ending in ("a", "h", "json"):
            expect(open(path(f"refused/k.{ending}"), "rb").read() == open(path(f"untuned/k.{ending}"), "rb").read(), ["build", "--tuned"], f"another k.{ending}")
    write_rows("tuned.jsonl", "{", dict(tuned_row(key), schema=3), dict(ruled, rules=[{"most_seq_len_q": 48}]))
    r = attune(["explain", *kernel, "--tuned", "tuned.jsonl"])
    expect(r.returncode == 0 and "tuned.jsonl:1: the line is no JSON" in r.stderr and "tuned.jsonl:2: schema is 3" in r.stderr and "tuned.jsonl:3: rules[0].parameters is missing" in r.stderr, ["explain", "--tuned"], r.stderr)
    expect_error(["explain", "--tuned", "no.jsonl"], 3, "no.jsonl")
    expect_error(["explain", "--device", "Zen 4"], 2, "--device is Zen 4")


def lines_of(name):
    return open(path(name)).read().count("\n") if os.path.exists(path(name)) else 0


def start_tune(words, journal, lines):
    """Begins a tuning and waits until its journal has so many lines."""
    child = subprocess.Popen([ATTUNE, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=FOLDER,
                             env=ENVIRONMENT, start_new_session=True)
    deadline = time.monotonic() + 240
    while lines_of(journal) < lines and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    expect(lines_of(journal) >= lines, words, f"its journal has {lines_of(journal)} lines")
    return child


def tune():
    kernel = ["--head-dim", "16", "--mask", "causal", "--target", "sse41"]
    job = ["tune", *kernel, "--shape", "sq=60,skv=70", "--compilers", "2"]
    few = ["--values", "block_q=16,32", "--values", "block_kv=16", "--values", "tile_q=1,2", "--values", "tile_kv=4", "--values", "tile_d=4", "--values", "unroll=1"]

    # A search, and what it leaves.
    j = expect_json([*job, "--trials", "5", "--quiet", "--journal", "j.jsonl", "--db", "rows.jsonl", "--t4", "t4.json"])
    default = expect_json(["explain", *kernel])["schedule"]["parameters"]
    expect(len(j["trials"]) == 5 and j["trials"][0]["parameters"] == j["default"] == default, job, "trial 0 is not the default")
    expect(all(t["outcome"] == "ok" and t["error_share"] <= 1 and t["predicted_ms"] > 0 for t in j["trials"]), job, str(j["trials"]))
    expect(j["speed_up"] >= 1 and j["stopped_by"] == "trials" and j["shapes"] == ["b=1,h=1,hkv=1,sq=60,skv=70"], job, str(j))
    expect(min(j["leaders"], key=lambda l: l["score"])["parameters"] == j["chosen"], job, "the chosen is not the fastest leader")
    row = expect_json(["db", "show", "rows.jsonl"])[0]
    expect(row["parameters"] == j["chosen"] and row["spec"] == expect_json(["explain", *kernel])["spec_hash"], job, str(row))
    expect(expect_json(["explain", *kernel, "--tuned", "rows.jsonl"])["schedule"]["parameters"] == j["chosen"], job, "explain --tuned")
    t4 = json.load(open(path("t4.json")))
    expect(len(t4["results"]) == 5 and t4["schema_version"] == "1.0.0", job, "T4")
    j = expect_json([*job, "--trials", "1", "--quiet", "--journal", "k.jsonl", "--db", "one.jsonl"])
    expect(j["chosen"] == default and j["leaders"][0]["median_ms"][0] > 0 and expect_json(["db", "verify", "one.jsonl"])["ok"], job, str(j["leaders"]))
    text = attune([*job, "--trials", "2", "--journal", "k.jsonl"])
    expect("default" in text.stdout and "attune: trials 1/2" in text.stderr, job, text.stdout + text.stderr)

    # A journal: gone on with when asked, begun anew when not, refused for another search.
    j = expect_json([*job, "--trials", "7", "--quiet", "--journal", "j.jsonl", "--resume"])
    expect(j["resumed"] == 5 and len(j["trials"]) == 7, job, f"resumed {j['resumed']}")
    j = expect_json([*job, "--trials", "2", "--quiet", "--journal", "j.jsonl"])
    expect(j["resumed"] == 0 and lines_of("j.jsonl") == 3, job, f"resumed {j['resumed']}, {lines_of('j.jsonl')} lines")
    expect_error([*job, "--quiet", "--journal", "j.jsonl", "--resume", "--seed", "2"], 3, "j.jsonl")

    # All points, recorded, and played back without a compiler.
    j = expect_json([*job, "--search", "exhaustive", *few, "--quiet", "--journal", "s.jsonl", "--sweep", "sweep.json"])
    expect(j["stopped_by"] in ("trials", "exhausted") and len(j["trials"]) == 4 + (j["default"] not in [t["parameters"] for t in j["trials"][1:]]), job, str(len(j["trials"])))
    again = [expect_json([*job, "--replay", "sweep.json", "--seed", seed, "--quiet"]) for seed in ("1", "2")]
    sweep = json.load(open(path("sweep.json")))  # times of its own: all points were measured again in turn
    best = dict(zip([p["name"] for p in sweep["parameters"]], min(sweep["points"], key=lambda p: p[-1])[:-1]))
    expect([a["chosen"] for a in again] == [best, best], [*job, "--replay"], f"{[a['chosen'] for a in again]}, not {best}")

    # Two shapes: a compromise, and the best for each.
    j = expect_json([*job, "--shape", "h=2,sq=20,skv=90", "--by-shape", "--trials", "3", "--quiet", "--journal", "two.jsonl"])
    expect([b["shape"] for b in j["by_shape"]] == j["shapes"] and all(len(t["median_ms"]) == 2 for t in j["trials"]), job, str(j["by_shape"]))

    # A table, from recorded times: a schedule for short calls, one for long ones. Of those that keep a row's bits, or of all with permission.
    names = ["block_q", "block_kv", "tile_q", "tile_kv", "tile_d", "unroll"]
    fallback = [default[name] for name in names]
    changed = lambda block_q, block_kv: [block_q, block_kv, *fallback[2:]]
    points = [[*fallback, 1.0, 4.0], [*changed(16, fallback[1]), 0.5, 5.0], [*changed(96, fallback[1]), 0.9, 3.0], [*changed(16, 128), 0.4, 6.0]]
    shapes = ["b=1,h=1,hkv=1,sq=60,skv=70", "b=1,h=1,hkv=1,sq=1000,skv=1000"]
    write("by_shape.json", json.dumps({"attune_sweep": 1, "key": "by hand", "machine": "none", "family": "cpu_query_lanes", "fallback": fallback, "shapes": shapes, "points": points,
                                       "parameters": [{"name": n, "values": sorted({p[i] for p in points})} for i, n in enumerate(names)]}))
    words = [*job, "--shape", "sq=1000,skv=1000", "--replay", "by_shape.json", "--by-shape", "--search", "exhaustive", "--quiet"]
    for more, short, speed_up in (([], (16, fallback[1]), (1 / 0.5 * 4 / 3) ** 0.5), (["--determinism", "D0"], (16, 128), (1 / 0.4 * 4 / 3) ** 0.5)):
        j = expect_json([*words, *more, "--db", "by_shape.jsonl"])["table"]
        rule = j["rules"][0]
        expect(len(j["rules"]) == 1 and rule["calls"] == "where seq_len_q <= 128" and (rule["parameters"]["block_q"], rule["parameters"]["block_kv"]) == short, [*words, *more], str(j))
        expect(j["otherwise"]["block_q"] == 96 and abs(j["speed_up"] - speed_up) < 1e-6, [*words, *more], str(j))
        row = json.loads(open(path("by_shape.jsonl")).read())
        expect(row["determinism"] == ("D0" if more else "D1") and row["schema"] == 2 and row["shapes"][shapes[0]]["median_ms"] == (0.4 if more else 0.5), [*words, *more], str(row))
        expect(expect_json(["explain", *kernel, "--tuned", "by_shape.jsonl", *more, "--shape", "sq=128,skv=128"])["schedule"]["parameters"]["block_kv"] == short[1], [*words, *more], "explain")
        os.remove(path("by_shape.jsonl"))
    expect("  where seq_len_q <= 128: block_q=16 " in expect_success(words), words, "no table in the text")
    expect_error([*job, "--determinism", "D0"], 2, "--determinism is D0", "--by-shape")

    # Interrupted: what is known is kept and told.
    child = start_tune([*job, "--trials", "90", "--json", "--quiet", "--journal", "i.jsonl"], "i.jsonl", 4)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=240)
    expect(child.returncode == 0 and not err and 3 <= len(json.loads(out)["trials"]) < 90 and json.loads(out)["stopped_by"] == "stop", job, out[-300:] + err)
    # Killed: nothing recorded is lost, and no worker is left.
    child = start_tune([*job, "--trials", "90", "--quiet", "--journal", "i.jsonl", "--resume"], "i.jsonl", lines_of("i.jsonl") + 2)
    child.kill()
    child.communicate(timeout=60)
    known = lines_of("i.jsonl") - 1
    j = expect_json([*job, "--trials", str(known + 1), "--quiet", "--journal", "i.jsonl", "--resume"])
    expect(known - 1 <= j["resumed"] <= known, job, f"{j['resumed']} of {known} trials resumed")

    # The page.
    python = {"ATTUNE_PYTHON": sys.executable}
    if importlib.util.find_spec("matplotlib"):
        expect_success([*job, "--trials", "3", "--quiet", "--journal", "k.jsonl", "--report", "page.html"], env=python)
        expect(open(path("page.html")).read().count("<svg") >= 3, job, "no pictures in the page")
        expect_success([*words, "--report", "table.html"], env=python)
        expect("where seq_len_q &lt;= 128" in open(path("table.html")).read(), words, "no table of schedules in the page")
    r = attune([*job, "--trials", "1", "--quiet", "--journal", "k.jsonl", "--report", "none.html"], {"ATTUNE_PYTHON": "/no/such/python"})
    expect(r.returncode == 3 and "/no/such/python" in r.stderr and not os.path.exists(path("none.html")), job, r.stderr)

    for words, code, *parts in ((["--search", "annealing"], 2, '--search is "annealing"'), (["--search", "external"], 2, "--external is absent"),
                                (["--external", "true"], 2, "--external is true"), (["--budget", "5x"], 2, "--budget is 5x"), (["--budget", "-1s"], 2, "--budget"),
                                (["--trials", "0"], 2, "--trials is 0"), (["--values", "block_q"], 2, "--values is block_q"), (["--values", "block_q=a"], 2, "--values"),
                                (["--values", "split_kv=64"], 2, "split_kv", "a parameter of cpu_query_lanes"), (["--replay", "none.json"], 3, "none.json"),
                                (["--db", "nofolder/rows.jsonl"], 3, "nofolder"), (["--report", "nofolder/page.html"], 3, "nofolder")):
        expect_error([*job, *words], code, *parts)


GROUPS = {f.__name__: f for f in (usage, specification, bad_arrays, bad_params, run, params, weights, linear, picture, caches, commands, scaling, db, tune)}
try:
    for name in sys.argv[2:] or GROUPS:
        GROUPS[name]()
finally:
    shutil.rmtree(FOLDER, ignore_errors=True)
print(f"{failures} failures" if failures else "passed")
sys.exit(1 if failures else 0)
