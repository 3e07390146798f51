#!/usr/bin/env python3
"""The arrays of attention.md: a sentence as queries, keys and values of four heads, made by hand so that each head does what its name says.

    sentence.py        writes query.npy, key.npy, value.npy, question.npy and tokens.txt into the current folder

A trained model has learnt its projections; these are written down, so that one can see why a weight is what it is.
"""
import numpy as np

TOKENS = "the cat sat on the mat because it was tired".split()
QUESTION = "who is tired".split()
KINDS = ["thing", "living", "action", "link", "pronoun", "quality"]
KIND_OF = {"cat": ["thing", "living"], "mat": ["thing"], "sat": ["action"], "it": ["pronoun"], "who": ["pronoun"], "tired": ["quality"]}
HEADS = ["the word before", "whom it is about", "words of its kind", "the whole sentence"]
DIM, PAIRS = 16, 4  # of a token; the last 2 * PAIRS numbers say where it stands


def token(word, position):
    """What is known of a word: its kind, and its place as angles, as a clock tells the time."""
    x = np.zeros(DIM)
    for kind in KIND_OF.get(word, ["link"]):
        x[KINDS.index(kind)] = 1
    angles = position * 2 * np.pi / 16 * np.arange(1, PAIRS + 1)
    x[-2 * PAIRS:] = np.stack([np.cos(angles), np.sin(angles)], 1).ravel()
    return x


def projections():
    """W_q and W_k of each head."""
    kind, place = np.diag([1.0] * 8 + [0.0] * 8), np.diag([0.0] * 8 + [1.0] * 8)
    back = place.copy()  # turns each angle back by one position
    for k in range(PAIRS):
        a, at = 2 * np.pi / 16 * (k + 1), 8 + 2 * k
        back[at:at + 2, at:at + 2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    asks = np.zeros((DIM, DIM))  # pronouns, actions and qualities ask for something that lives
    for asking in ("pronoun", "action", "quality"):
        asks[KINDS.index(asking), KINDS.index("living")] = 16
    return [(6 * back, place), (asks, kind), (8 * kind, kind), (0 * kind, kind)]


def heads(x, matrices):
    """(1, heads, tokens, DIM), as `attune run` reads it."""
    return np.stack([x @ w for w in matrices])[None].astype(np.float32)


x = np.stack([token(word, i) for i, word in enumerate(TOKENS)])
question = np.stack([token(word, i) for i, word in enumerate(QUESTION)])
w_q, w_k = zip(*projections())
arrays = {"query": heads(x, w_q), "key": heads(x, w_k), "value": heads(x, [np.eye(DIM)] * len(HEADS)), "question": heads(question, w_q)}
for name, array in arrays.items():
    np.save(f"{name}.npy", array)
with open("tokens.txt", "w", encoding="utf-8") as file:
    file.write("\n".join(TOKENS) + "\n")
print(f"{len(TOKENS)} tokens of {DIM} numbers; query, key, value: {arrays['query'].shape}")
