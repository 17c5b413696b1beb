#!/usr/bin/env python3
"""Makes tests/vectors/blocks.gguf and blocks.safetensors, and checks this program's readers against others'.

blocks.gguf has a tensor of each block type that is decoded here: random bytes, written by the gguf package;
blocks.safetensors has what that package decodes them to. Both are kept, and tests/test_gguf.c reads them.

    pip install gguf safetensors numpy
    make_gguf.py                     writes the two files
    make_gguf.py check PROGRAM FILE  compares what PROGRAM (build/saffron) decodes of FILE (.gguf or .safetensors),
                                     tensor by tensor and element by element, with what the packages do
"""
import json
import os
import subprocess
import sys
import tempfile

import gguf
import numpy as np
from safetensors.numpy import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS MXFP4 NVFP4 BF16".split()
# Where FP16 numbers stand in a block: random bits there would be NaN or infinite now and then.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}
ROWS, COLS = 3, 512


def random_blocks(rng, kind):
    values, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (ROWS * COLS // values, size), dtype=np.uint8)
    for at in HALVES.get(kind.name, []):
        half = rng.normal(0, 0.05, len(blocks)).astype(np.float16)
        blocks[:, at:at + 2] = half.view(np.uint8).reshape(-1, 2)
    if kind.name == "BF16":
        bits = rng.normal(0, 1, ROWS * COLS).astype(np.float32).view(np.uint32) >> 16
        return bits.astype(np.uint16).view(np.uint8).reshape(ROWS, -1)
    return blocks.reshape(ROWS, -1)


def write():
    rng = np.random.default_rng(1)
    writer = gguf.GGUFWriter(os.path.join(HERE, "blocks.gguf"), "llama")
    writer.add_name("every block type")
    writer.add_array("test.words", ["one", "two"])
    writer.add_float32("test.float", 0.5)
    expected = {}
    for name in TYPES:
        kind = gguf.GGMLQuantizationType[name]
        raw = random_blocks(rng, kind)
        writer.add_tensor(name.lower(), raw, raw_dtype=kind)
        expected[name.lower()] = gguf.quants.dequantize(raw, kind).astype(np.float32).reshape(ROWS, COLS)
    plain = rng.normal(0, 1, (2, 3, 4)).astype(np.float32)
    writer.add_tensor("plain", plain)
    writer.add_tensor("half", plain.astype(np.float16))
    expected["plain"] = plain
    expected["half"] = plain.astype(np.float16).astype(np.float32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, os.path.join(HERE, "blocks.safetensors"))


def reference(path):
    """Each tensor as FP32, by the packages."""
    if not path.endswith(".gguf"):
        return {name: values.astype(np.float32) for name, values in load_file(path).items()}
    tensors = {}
    for tensor in gguf.GGUFReader(path).tensors:
        shape = tuple(reversed(tensor.shape.tolist()))
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        tensors[tensor.name] = values.astype(np.float32).reshape(shape)
    return tensors


def check(program, path):
    """By `saffron inspect` for the list, and by `saffron quantize --format fp32` for the values."""
    wanted = reference(path)
    listed = json.loads(subprocess.run([program, "inspect", path, "--json"], check=True, capture_output=True).stdout)
    shapes = {t["name"]: tuple(t["shape"]) for t in listed["tensors"]}
    assert shapes == {name: values.shape for name, values in wanted.items()}, "names or shapes differ"
    for name, values in wanted.items():
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "out.safetensors")
            subprocess.run([program, "quantize", path, name, "--format", "fp32", "--emit", "dequant", "--out", out],
                           check=True, capture_output=True)
            ours = load_file(out)["dequant"].reshape(values.shape)
        same = (ours.view(np.uint32) == values.view(np.uint32)) | (np.isnan(ours) & np.isnan(values))
        assert same.all(), f"{name}: {(~same).sum()} of {same.size} values differ"
    print(f"{path}: {len(wanted)} tensors, {sum(v.size for v in wanted.values())} values, all the same")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "check":
        check(sys.argv[2], sys.argv[3])
    else:
        write()
