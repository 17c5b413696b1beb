#!/usr/bin/env python3
"""make_sentences: more of all-MiniLM-L6-v2: attention weights, what enters each matrix over 300 real sentences, and
2,000 sentence embeddings with their sentences.

    python3 lessons/tensors/make_sentences.py [WHEEL]

Sentences are verses of the King James Version and sentences of the Jargon File, both in the public domain, from the
Debian packages that lessons/model/make_text.py names; they are written to sentences2000.txt, one a line, in turn. The
encoder of make_minilm.py runs in float64, one sequence a sentence; only results are rounded, to F16. Writes
sentences.safetensors and adds its tensors to index.json. Needs numpy, apt-get and dpkg.
"""
import math
import pathlib
import re
import sys
import tempfile

import numpy as np

import make_minilm
from make_minilm import HERE, LAYER, attention, dense, layer_norm, read_weights, tokens

sys.path.insert(0, str(HERE.parent / "model"))
import make_text  # noqa: E402

EACH = 1000  # sentences from either book
SHORTEST, LONGEST = 25, 70  # characters
SPREAD, ROWS = 300, 1024  # sentences whose tokens' activations are kept, and how many rows of them
GRID = 64  # erf is known exactly at multiples of 1 / GRID, and by its Taylor series between them
KNOWN = np.array([math.erf(i / GRID) for i in range(-6 * GRID, 6 * GRID + 1)])


def erf(x):
    """To the last bits of float64, vectorized: seven terms around the nearest grid point. Beyond 6 it is 1."""
    x = np.clip(x, -6, 6)
    index = np.rint(x * GRID).astype(int)
    g = index / GRID
    h = x - g
    before, now = np.zeros_like(g), 2 / math.sqrt(math.pi) * np.exp(-g * g)  # derivatives of erf at g
    total, power = KNOWN[index + 6 * GRID], h.copy()
    for n in range(1, 8):
        total += now * power
        before, now = now, -2 * g * now - 2 * (n - 1) * before
        power = power * h / (n + 1)
    return total


def spaced(found, count):
    """`count` of the sentences, evenly over the book."""
    return [found[i * len(found) // count] for i in range(count)]


def sentences():
    with tempfile.TemporaryDirectory() as folder:
        root = make_text.unpack(folder)
        bible, words = make_text.books(root), make_text.jargon(root)
    verses = re.findall(r"^\d+ (.*)$", b"".join(bible.values()).decode("ascii"), re.M)
    prose = " ".join(words.decode("utf-8").split())
    prose = re.findall(r"(?<=[.!?] )[A-Z][A-Za-z ,;'-]+[.]", prose)
    fit = [[s for s in dict.fromkeys(found) if SHORTEST <= len(s) <= LONGEST] for found in (verses, prose)]
    return [s for pair in zip(*(spaced(found, EACH) for found in fit)) for s in pair]


def encode(ids, weights):
    """All layers: the embedding, and what enters the four kinds of matrices in LAYER."""
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = layer_norm(x + weights["embeddings.token_type_embeddings.weight"][0], weights, "embeddings.LayerNorm")
    kept = {}
    for i in range(6):
        layer = f"encoder.layer.{i}."
        mixed = attention(x, weights, layer)
        if i == LAYER:
            kept["attention_in"], kept["attention_out_in"] = x, mixed
        x = layer_norm(x + dense(mixed, weights, layer + "attention.output.dense"), weights,
                       layer + "attention.output.LayerNorm")
        inner = dense(x, weights, layer + "intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        if i == LAYER:
            kept["ffn_in"], kept["ffn_out_in"] = x, inner
        x = layer_norm(x + dense(inner, weights, layer + "output.dense"), weights, layer + "output.LayerNorm")
    mean = x.mean(axis=0)
    return mean / np.sqrt((mean**2).sum()), kept


def thin(parts):
    """ROWS rows, evenly over all tokens."""
    rows = np.concatenate(parts)
    return rows[np.arange(ROWS) * len(rows) // ROWS]


def sample_tensors(package, lines):
    weights = read_weights(package)
    listed = package.read(make_minilm.MODEL + "vocab.txt").decode("utf-8").splitlines()
    vocab = {piece: i for i, piece in enumerate(listed)}
    embeddings, kept = [], []
    for i, line in enumerate(lines):
        embedding, inside = encode(tokens(line, vocab), weights)
        embeddings.append(embedding)
        if i < SPREAD:
            kept.append(inside)
    part = f"encoder.layer.{LAYER}.attention."
    titles = {"query": "self.query", "key": "self.key", "value": "self.value", "attention_out": "output.dense"}
    found = {f"{name}_weight": (f"the weights of attention's {name.replace('_', ' ')}", weights[f"{part}{of}.weight"])
             for name, of in titles.items()}
    for name, title in {"attention_in": "what enters attention", "attention_out_in": "what enters attention's output",
                        "ffn_in": "what enters a feed-forward layer",
                        "ffn_out_in": "what enters the layer's second half"}.items():
        found["wide_" + name] = (f"{title}, over {SPREAD} sentences", thin([inside[name] for inside in kept]))
    found = {name: (f", layer {LAYER + 1} of 6: {title}", array) for name, (title, array) in found.items()}
    found["embeddings"] = (": 2,000 sentences as vectors of length 1", np.stack(embeddings))
    return {name: (title, array.astype("<f2")) for name, (title, array) in found.items()}


def main():
    lines = sentences()
    (HERE / "sentences2000.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        package = make_minilm.open_package(sys.argv[1] if len(sys.argv) > 1 else None, folder)
        tensors = sample_tensors(package, lines)
    make_minilm.write_safetensors(HERE / "sentences.safetensors", tensors)
    make_minilm.write_index(HERE / "index.json", tensors, "sentences.safetensors", pathlib.Path(__file__).name,
                            title_prefix="all-MiniLM-L6-v2")
    for name, (_, array) in tensors.items():
        make_minilm.report(name, array)


if __name__ == "__main__":
    main()
