#!/usr/bin/env python3
"""The published schema and the C++ reader agree: 2,000 records with one field changed, judged by both.

    schema_test.py ATTUNE SCHEMA

Exits 77, which CTest takes for "skipped", where the package jsonschema is missing.
"""
import copy
import json
import os
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    print("skipped: the Python package jsonschema is missing")
    sys.exit(77)

attune, schema = sys.argv[1:]
with open(schema) as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)

hash32 = "0123456789abcdef" * 2
times = {"median_ms": 1, "default_ms": 1, "spread": 0}
base = {"schema": 1, "spec": hash32, "target": "avx2", "device": "zen4", "family": "cpu_query_lanes", "parameters": {"block_q": 64, "tile_q": 3},
        "shapes": {"b=1,h=8": {"median_ms": 1.5, "default_ms": 2, "spread": 0.1}}, "share_of_limit": 0.5, "determinism": "D1",
        "provenance": {"date": "2026-01-01T00:00:00Z", "cpu": "c", "attune": "0", "halide": "1", "llvm": "2", "command": "x"}}
with_rules = dict(base, schema=2, rules=[{"most_seq_len_q": 64, "parameters": {"block_q": 48}}, {"most_seq_len_kv": 64, "most_seq_len_q": 4096, "parameters": {"tile_q": 1}}])
words = ["", "x", "any", "*", "D0", "D2", "D3", "A", "_a", "9a", "a b", "a" * 32, "a" * 33, "a" * 64, "a" * 65, "é" * 64, "é" * 65, "é" * 200,
         "é" * 201, "x" * 4096, "x" * 4097, "\x1b", "\x7f", "\x80", "2026-02-31T23:59:59Z", "2026-00-01T00:00:00Z", "2026-01-01T24:00:00Z",
         "2026-01-01", "b=1", "b=", "b=1,", "b=12345678901", "b=1234567890,h=1", hash32, hash32.upper(), "avx512"]
values = [None, True, -1, 0, 1, 2, 64.0, 64.5, 1e9, 1e9 + 1, 1048576, 1048577, -0.0, 1e300, 5e-324, [], {}, [1], {"a": 1}, {"b=1": times},
          {"b=1": dict(times, more=[])}, {"B=1": times}, {f"p{i}": 1 for i in range(64)}, {f"p{i}": 1 for i in range(65)}, *words]


def places(value, before=()):
    for key, inner in value.items():
        yield (*before, key)
        if isinstance(inner, dict):
            yield from places(inner, (*before, key))


def changed(place, change, base=base):
    record = copy.deepcopy(base)
    inner = record
    for key in place[:-1]:
        inner = inner[key]
    change(inner, place[-1])
    return record


records = [base]
for place in places(base):
    records.append(changed(place, lambda o, k: o.pop(k)))
    records += [changed(place, lambda o, k: o.update({k: value})) for value in values]
    records += [changed(place, lambda o, k: o.update({word: o.pop(k)})) for word in words]

# The same of a record with rules: the list, a rule, its bounds and its parameters.
records.append(with_rules)
rule = ("rules", 0)
for place in (("rules",), rule, (*rule, "most_seq_len_q"), (*rule, "most_seq_len_kv"), (*rule, "most_batch"), (*rule, "parameters"), (*rule, "parameters", "block_q"), ("schema",)):
    records += [changed(place, lambda o, k: o.__setitem__(k, value), with_rules) for value in (*values, 268435456, 268435457, [{}] * 17, base["parameters"], with_rules["rules"] * 8, with_rules["rules"] * 9)]
for place in (("rules",), (*rule, "most_seq_len_q"), (*rule, "parameters"), ("schema",)):
    records.append(changed(place, lambda o, k: o.pop(k), with_rules))

with tempfile.TemporaryDirectory() as folder:
    name = os.path.join(folder, "records.jsonl")
    with open(name, "w") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    report = subprocess.run([attune, "db", "verify", "--json", name], capture_output=True, text=True)
# A row that is read, and that no kernel of this version takes, is no matter of the schema.
refused = {p["line"] for p in json.loads(report.stdout)["problems"] if not p["problem"].endswith("measure again with this version")}
failures = 0
for line, record in enumerate(records, 1):
    if validator.is_valid(record) != (line not in refused):
        failures += 1
        print(f"FAILED: the schema says {validator.is_valid(record)}, attune the contrary: {json.dumps(record)[:300]}")
valid = len(records) - len(refused)
print(f"{len(records)} records, {valid} of them valid, {failures} disagreements")
sys.exit(1 if failures or valid < 100 else 0)
