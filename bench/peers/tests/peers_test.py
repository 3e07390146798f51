#!/usr/bin/env python3
"""What bench/peers says of problems and prints of results, without the libraries that it compares. Exits 77, which CTest takes for
"skipped", where NumPy or ml_dtypes is missing."""
import sys
import unittest
from dataclasses import asdict
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parents[2]))
try:
    import numpy as np

    from peers import machine, measure, table
    from peers.contestants import Path as Way
    from peers.contestants import Unsupported
    from peers.contestants.attune import parameters, specification
    from peers.contestants.parts import in_parts, splits
    from peers.problem import Problem
    from peers.shapes import BLOCK, SHAPES, Shape
except ImportError as missing:
    print(f"skipped: {missing}; ./dev installs it into .venv")
    sys.exit(77)

SMALL = (
    #     name          heads kv_heads seq_q seq_kv head_dim
    Shape("dense",          4, 2,    5,   7, 8, head_dim_v=4, batch=2),
    Shape("causal",         2, 2,    9,   9, 8, causal=True),
    Shape("chunk",          2, 1,    4,  11, 8, causal=True),  # rows are the last of the keys
    Shape("window",         2, 2,   20,  20, 8, causal=True, window_left=3),
    Shape("documents",      2, 2,   40,  40, 8, documents=4),
    Shape("blocks",         2, 2,  300, 520, 8, block_density=0.4),  # the last blocks are cut
    Shape("alibi",          2, 2,    6,   6, 8, causal=True, alibi=True),
    Shape("cap",            2, 2,    6,   6, 8, causal=True, soft_cap=5.0),
    Shape("bias",           2, 2,    6,   6, 8, bias=True),
)


def sees(s: Shape, q: int, kv: int) -> bool:
    """The masks as one reads them, pair by pair."""
    at = q + s.seq_kv - s.seq_q
    seen = not s.causal or kv <= at
    if s.window_left is not None:
        seen = seen and at - kv <= s.window_left
    if s.documents > 1:
        starts = s.document_bounds()[:-1]
        seen = seen and sum(starts <= at) == sum(starts <= kv)
    if s.block_density < 1:
        seen = seen and bool(s.blocks()[q // BLOCK][kv // BLOCK])
    return seen


def attention(p: Problem, b: int, h: int, q: int) -> np.ndarray:
    """One row by the equation, in double."""
    s = p.shape
    logits = {}
    for kv in range(s.seq_kv):
        if not sees(s, q, kv):
            continue
        x = float(p.query[b, h, q].astype(float) @ p.key[b, h // s.group, kv].astype(float)) / s.head_dim**0.5
        x -= float(s.slopes()[h]) * abs(q + s.seq_kv - s.seq_q - kv) if s.alibi else 0
        x += float(p.bias[h, q, kv]) if s.bias else 0
        logits[kv] = s.soft_cap * np.tanh(x / s.soft_cap) if s.soft_cap else x
    weights = {kv: np.exp(x - max(logits.values())) for kv, x in logits.items()}
    return sum(w * p.value[b, h // s.group, kv].astype(float) for kv, w in weights.items()) / sum(weights.values())


def right_output(p: Problem) -> np.ndarray:
    s = p.shape
    return np.array([[[attention(p, b, h, q) for q in range(s.seq_q)] for h in range(s.heads)] for b in range(s.batch)])


class Shapes(unittest.TestCase):
    def test_counts_what_every_pair_says(self):
        for s in SMALL:
            pairs = s.batch * s.heads * sum(sees(s, q, kv) for q in range(s.seq_q) for kv in range(s.seq_kv))
            self.assertEqual(s.visible_pairs(), pairs, s.name)
            self.assertEqual(s.flops(), 2 * pairs * (s.head_dim + s.value_dim), s.name)

    def test_every_row_of_the_table_sees_a_key_in_every_query(self):
        for s in SHAPES:
            rows = np.unique(np.r_[0, s.seq_q - 1, np.arange(0, s.seq_q, 97)])
            self.assertTrue(s.visible(rows).any(axis=1).all(), s.name)

    def test_documents_fill_the_sequence(self):
        s = next(s for s in SHAPES if s.documents > 1)
        self.assertEqual(len(s.document_ids()), s.seq_kv)
        self.assertTrue((np.diff(s.document_ids()) >= 0).all())

    def test_blocks_have_the_density(self):
        s = next(s for s in SHAPES if s.block_density < 1)
        self.assertAlmostEqual(s.blocks().mean(), s.block_density, places=3)

    def test_specification_declares_what_parameters_holds(self):
        for s in SMALL:
            declared = specification(s, "f32").split("[params]\n")[1].splitlines()
            self.assertEqual(len(declared), len(parameters(Problem(s, "f32"))), s.name)


class Errors(unittest.TestCase):
    def test_right_output_has_none(self):
        for s in SMALL:
            if s.block_density == 1:  # the loops would take long
                p = Problem(s, "f32")
                self.assertLess(p.error(right_output(p)), 1e-12, s.name)

    def test_matrix_says_what_the_mask_and_score_say(self):
        for s in SMALL:
            if s.block_density == 1 and not s.soft_cap:
                p = Problem(s, "f32")
                q, k, v = (a.astype(float) for a in (p.query, p.repeated(p.key), p.repeated(p.value)))
                weights = np.exp(q @ k.swapaxes(2, 3) * p.scale + p.additive_mask)
                self.assertLess(p.error(weights @ v / weights.sum(axis=3, keepdims=True)), 1e-6, s.name)

    def test_another_mask_is_far_off(self):
        p = Problem(SMALL[1], "f32")
        other = right_output(Problem(Shape("dense", 2, 2, 9, 9, 8), "f32"))
        self.assertGreater(p.error(other), 0.1)
        self.assertTrue(np.isnan(p.error(np.full_like(other, np.nan))))


class Parts(unittest.TestCase):
    def test_join_to_the_whole(self):
        window = Shape("window", 2, 1, 384, 384, 8, causal=True, window_left=140)  # the first two chunks see the first key
        for s, count in (SMALL[4], 4), (window, 2):
            p = Problem(s, "f32")
            (split,) = splits(p)
            self.assertEqual(len(split.problems), count)
            whole = in_parts(split, lambda part, threads: Way("loops", lambda: None, lambda: right_output(part)), 1)
            self.assertLess(p.error(whole.output()), 1e-12, s.name)
            self.assertEqual(sum(part.shape.visible_pairs() for part in split.problems), s.visible_pairs())

    def test_other_masks_have_none(self):
        for s in SMALL[:4] + SMALL[5:]:
            self.assertEqual(splits(Problem(s, "f32")), [], s.name)


class Fake:
    """A contestant that returns what it is given."""

    def __init__(self, name, output):
        self.NAME, self.output = name, output

    def paths(self, problem, threads):
        if self.output is None:
            raise Unsupported("never learnt it")
        return [lambda: Way("fake", lambda: sum(range(1000)), lambda: self.output)]


class Measuring(unittest.TestCase):
    def setUp(self):
        p = Problem(SMALL[0], "f32")
        right = right_output(p)
        others = [Fake("attune", right), Fake("good", right), Fake("wrong", right + 1), Fake("unable", None)]
        with mock.patch.object(machine, "peak_gflops", return_value=100.0), mock.patch.object(measure, "SLOT_SECONDS", 1e-4):
            self.row = measure.measure(p, others, 1, measure.Budget(0.01), 1e6)

    def test_a_wrong_result_is_no_result(self):
        results = {r.contestant: r for r in self.row.results}
        self.assertEqual(len(self.row.wrong), 1)
        self.assertIn("wrong fake: error", self.row.wrong[0])
        self.assertEqual([bool(results[name].path) for name in ("attune", "good", "wrong", "unable")], [True, True, False, False])
        self.assertEqual(results["unable"].reason, "never learnt it")
        self.assertEqual(results["attune"].ratio, 1)

    def test_table_has_a_dash_and_its_reason(self):
        text = table.text_table([asdict(self.row)], ["attune", "good", "wrong", "unable"])
        head, line, *notes = text.splitlines()
        self.assertTrue(line.startswith("dense  f32         1"), line)
        self.assertIn(" - ", line)
        self.assertEqual(head.index("threads") + len("threads"), line.index("1  ") + 1)  # numbers stand below the end of their heads
        self.assertIn("- unable: never learnt it (dense f32)", notes)

    def test_csv_has_a_line_a_result(self):
        lines = table.csv_text([asdict(self.row)]).splitlines()
        self.assertEqual(len(lines), 1 + 4)
        self.assertEqual({line.count(",") for line in lines}, {lines[0].count(",")})


if __name__ == "__main__":
    unittest.main()
