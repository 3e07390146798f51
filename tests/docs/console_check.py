#!/usr/bin/env python3
"""What console_test.py takes for equal, and what not: a test of documents that could not fail would be none."""
from console_test import blocks, commands, same

body = "$ a \\\n  b\none\n$ c\n"
assert commands(body) == [("a b", ["one"]), ("c", [])]
assert list(blocks("x\n```console varies\n$ a\n```\n")) == [(2, "console varies", "$ a\n")]

EQUAL = [  # expected, found, varies
    (["one"], ["one"], False),
    (["a … c"], ["a b c"], False),
    (["a", "…", "z"], ["a", "b", "c", "z"], False),
    (["…"], [], False),
    (["takes 3.25 ms"], ["takes 12 ms"], True),
    (["S  a  b", "1  2.5  1 KiB"], ["S a  b", "1 7.25   3.5 MiB"], True),
    (["1 2 3"], ["1 2"], True),
]
DIFFERENT = [
    (["one"], ["two"], False),
    (["one"], ["one", "more"], False),
    (["one"], [], False),
    (["1"], ["2"], False),
    (["a … c"], ["a b d"], False),
    (["takes 3.25 ms"], ["took 12 ms"], True),
    (["1 2 3"], ["1 x 2"], True),
    (["1 2 3"], [""], True),
]
for expected, found, varies in EQUAL:
    assert same(expected, found, varies), (expected, found)
for expected, found, varies in DIFFERENT:
    assert not same(expected, found, varies), (expected, found)
