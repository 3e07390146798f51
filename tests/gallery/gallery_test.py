#!/usr/bin/env python3
"""The gallery through the attune command, from a folder where nothing lies.

    gallery_test.py ATTUNE SPECS GROUP

presets    every file is a preset, named after itself, with its source and a command; unknown names are told what is near
rules      a mask shows as many pairs as its rule, written here as a loop, over several lengths
tightness  the plan visits the blocks that hold a visible pair and no others; the rules that it may overestimate are named below
pictures   specs/pictures is what make_pictures.sh draws
"""
import filecmp
import json
import os
import re
import struct
import subprocess
import sys
import tempfile

ATTUNE, SPECS, GROUP = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3]
FOLDER = tempfile.TemporaryDirectory(prefix="attune-gallery-test-")
failures = 0


def fail(text):
    global failures
    failures += 1
    print("FAILED:", text)


def attune(*words):
    return subprocess.run([ATTUNE, *words], cwd=FOLDER.name, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


def explain(name, *words):
    r = attune("explain", name, *words, "--target", "avx512", "--json")
    if r.returncode != 0:
        fail(f"explain {name} {' '.join(words)}: {r.stderr}")
        return None
    return json.loads(r.stdout)


def names(folder):
    return sorted(f[:-5] for f in os.listdir(os.path.join(SPECS, folder)) if f.endswith(".toml"))


def text_of(*path):
    with open(os.path.join(SPECS, *path), encoding="utf-8") as file:
        return file.read()


def array(name, code, shape, values):
    """Writes an .npy file. code: of struct, "i" or "?"."""
    header = repr({"descr": {"i": "<i4", "?": "|b1"}[code], "fortran_order": False, "shape": shape})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    path = os.path.join(FOLDER.name, name + ".npy")
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(values)}{code}", *values))
    return f"{name}={path}"


def presets():
    readme = text_of("README.md")
    listed = {p["name"]: p for p in json.loads(attune("list", "--presets", "--json").stdout)}
    files = [(folder, name) for folder in (".", "models", "gallery") for name in names(folder)]
    if len(listed) != len(files) or len({name for _, name in files}) != len(files):
        fail(f"{len(listed)} presets, {len(files)} files, or a name that is there twice")
    for folder, name in files:
        text = text_of(folder, name + ".toml")
        if name not in listed or listed[name]["file"] != os.path.normpath(os.path.join(SPECS, folder, name + ".toml")):
            fail(f"{folder}/{name}.toml is not listed")
        elif not 10 < len(listed[name]["summary"]) < 160 or (folder == "gallery") != (listed[name]["kind"] == "gallery"):
            fail(f"{name}: {listed[name]}")
        if not re.search(rf'^name *= "{name}"$', text, re.M):
            fail(f"{name}: its name is not its file's")
        if f"({name}.toml)" not in readme and f"/{name}.toml)" not in readme:
            fail(f"{name} is not in specs/README.md")
        if folder != "." and not re.search(rf"^#   attune bench {name} --shape [a-z0-9=,]+$", text, re.M):
            fail(f"{name}: no command that measures it")
    for word, near in (("lama3_8b", "llama3_8b"), ("window", "sliding_window"), ("no_such_thing", "list --presets")):
        r = attune("explain", word)
        if r.returncode != 2 or near not in r.stderr or "list --presets" not in r.stderr:
            fail(f"explain {word}: {r.returncode} {r.stderr}")
    # A word with a slash or an ending is a file, a bare one a preset, whatever lies in the folder.
    with open(os.path.join(FOLDER.name, "causal"), "w", encoding="utf-8") as file:
        file.write('[kernel]\nhead_dim = 96\n')
    for word, dims in (("causal", 64), ("./causal", 96)):
        if (found := explain(word)) and found["spec"]["head_dim"] != dims:
            fail(f"{word} has head_dim {found['spec']['head_dim']}")


def near_1d(i, j, extent, k, step):
    """NATTEN's window of k places, `step` apart, moved inward at the borders."""
    if i % step != j % step:
        return False
    places = [p for p in range(extent) if p % step == i % step]
    start = min(max(places.index(i) - k // 2, 0), len(places) - k)
    return j in places[start:start + k]


def near_2d(i, j, extent, k, step):
    return near_1d(i // extent, j // extent, extent, k, step) and near_1d(i % extent, j % extent, extent, k, step)


def same_window(i, j, extent, w, shift):
    """As Swin does it: the image is rolled, cut into windows, and labelled by where its parts come from."""
    def label(p):
        rolled = (p - shift) % extent
        return rolled // w, p < shift
    return all(label(a) == label(b) for a, b in ((i // extent, j // extent), (i % extent, j % extent)))


def rules():
    """rule(i, j): whether the query at place i among the keys sees key j. The first query is at skv - sq."""
    ids = [min(t // 37, 11) * 2 for t in range(1500)]
    prefixed = [0 if t < 90 else 1 + (t - 90) // 50 for t in range(1500)]
    words = []  # a binary tree: draft t follows draft (t - 1) // 2
    for t in range(24):
        words.append(1 << t | (words[(t - 1) // 2] if t else 0))
    window = lambda left, right=0: lambda i, j: i - left <= j <= i + right
    causal = lambda i, j: j <= i
    documents = array("ids", "i", (1, 1500), ids)
    wide, image = ((257, 257), (150, 1400)), ((1024, 1024),)
    table = [  # preset, shapes, parameters, rule, head
        ("causal", wide, [], causal),
        ("sliding_window", wide, [], window(255)),
        ("sliding_window_two_sided", wide, [], window(128, 128)),
        ("chunked_local", ((257, 257), (600, 1400)), [], lambda i, j: causal(i, j) and i // 512 == j // 512),
        ("prefix_lm", wide, ["prefix_length=77"], lambda i, j: causal(i, j) or j < 77),
        ("packed_documents", wide, [documents], lambda i, j: ids[i] == ids[j]),
        ("document_causal", wide, [documents], lambda i, j: causal(i, j) and ids[i] == ids[j]),
        ("dilated", ((257, 257), (300, 1400)), [], lambda i, j: i - j in range(0, 1021, 4)),
        ("sparse_transformer_strided", wide, [], lambda i, j: i - j in range(128) or (causal(i, j) and (i - j) % 128 == 0)),
        ("sparse_transformer_fixed", wide, [], lambda i, j: causal(i, j) and (i // 128 == j // 128 or j % 128 in range(96, 128))),
        ("longformer", wide, ["tokens=3"], lambda i, j: abs(i - j) <= 256 or i < 3 or j < 3),
        ("streaming_llm", ((257, 257), (150, 1500)), [], lambda i, j: causal(i, j) and (j < 4 or i - j < 1020)),
        ("phi3_small_block_sparse", ((257, 257), (300, 1500)), [],
         lambda i, j: causal(i, j) and (i // 64 - j // 64 < 16 or (j // 64 + 2 + 1) % 8 == 0), 2),
        ("neighborhood_2d", image, [], lambda i, j: near_2d(i, j, 32, 7, 1)),
        ("neighborhood_2d_dilated", image, [], lambda i, j: near_2d(i, j, 32, 7, 4)),
        ("swin_shifted_window", image, [], lambda i, j: same_window(i, j, 32, 8, 4)),
        ("shared_prefix", ((400, 1000),), ["prefix_length=90", array("prefixed", "i", (1, 1500), prefixed).replace("prefixed=", "ids=", 1)],
         lambda i, j: causal(i, j) and (j < 90 or prefixed[i] == prefixed[j])),
        ("speculative_tree", ((24, 90),), [array("ancestors", "i", (1, 24), words)], lambda i, j: j < 66 or words[i - 66] >> (j - 66) & 1),
        ("duo_attention", wide, [array("dense", "?", (4,), [1, 0, 0, 1])], lambda i, j: causal(i, j) and (j < 64 or i - j <= 255), 1),
        ("duo_attention", wide, [array("dense", "?", (4,), [1, 0, 0, 1])], causal, 3),
        ("gpt_oss_sink", wide, [], lambda i, j: 0 <= i - j < 128),
        ("causal_top_left", ((257, 257), (150, 400)), [], None),  # of the query's own place
    ]
    for name, shapes, params, rule, *head in table:
        for sq, skv in shapes:
            found = explain(name, "--shape", f"h=4,sq={sq},skv={skv}", "--head", str(head[0] if head else 0),
                            *(word for param in params for word in ("--param", param)))
            if name == "causal_top_left":
                expected = sum(min(q + 1, skv) for q in range(sq))
            else:
                expected = sum(1 for i in range(skv - sq, skv) for j in range(skv) if rule(i, j))
            if found and found["blocks"]["visible_pairs"] != expected:
                fail(f"{name}, sq={sq}, skv={skv}: {found['blocks']['visible_pairs']} visible pairs, the rule has {expected}")


# Blocks visited / blocks with a visible pair: 1 where the rule is affine or sorted, and for tables.
NEITHER_AFFINE_NOR_SORTED = {"neighborhood_2d", "neighborhood_2d_dilated", "swin_shifted_window", "dinat_tiny", "dinat_tiny_dilated"}


def tightness():
    seen = set()
    for folder in ("gallery", "models"):
        for name in names(folder):
            text = text_of(folder, name + ".toml")
            mask = re.search(r"^mask *= *(.*)$", text, re.M).group(1)
            if mask in seen:  # models share the gallery's
                continue
            seen.add(mask)
            most = 1.10 if name in NEITHER_AFFINE_NOR_SORTED else 1.0
            size = 3136 if name.startswith("dinat") else 1024
            by_head = "[h]" in text or "stride(" in text
            for sq in (32, 20) if "tree(" in mask else (size, 300):  # drafts fit the bits of a word
                for head in ("0", "5") if by_head else ("0",):
                    found = explain(name, "--shape", f"hkv=8,sq={sq},skv={size}", "--head", head)
                    blocks = found and found["blocks"]
                    if found and (blocks["tightness"] > most or blocks["needed"] == 0):
                        fail(f"{name}, sq={sq}, skv={size}, head {head}: at most {most}, but {blocks}")


def pictures():
    folder = os.path.join(FOLDER.name, "pictures")
    subprocess.run(["bash", os.path.join(SPECS, "make_pictures.sh"), ATTUNE, folder], check=True, timeout=200)
    kept = os.path.join(SPECS, "pictures")
    drawn = sorted(os.listdir(folder))
    if drawn != sorted(os.listdir(kept)):
        fail(f"drawn {drawn}, kept {sorted(os.listdir(kept))}")
    readme = text_of("README.md")
    for name in drawn:
        if not os.path.exists(os.path.join(kept, name)) or not filecmp.cmp(os.path.join(folder, name), os.path.join(kept, name), shallow=False):
            fail(f"specs/pictures/{name} is out of date; run specs/make_pictures.sh")
        if os.path.getsize(os.path.join(folder, name)) > 20000:
            fail(f"{name} has over 20 kB; draw a smaller shape")
        if f"pictures/{name}" not in readme:
            fail(f"{name} is not in specs/README.md")


{"presets": presets, "rules": rules, "tightness": tightness, "pictures": pictures}[GROUP]()
print(f"{GROUP}: {failures} failures")
sys.exit(failures != 0)
