#!/usr/bin/env python3
"""Makes tests/vectors/blocks.gguf and blocks.safetensors.

blocks.gguf has a tensor of each block type that is decoded here: random bytes, written by the gguf package;
blocks.safetensors has what that package decodes them to. Both are kept, and tests/test_gguf.c reads them.
check_readers.py compares more files with what the packages read.

    pip install gguf safetensors numpy
    make_gguf.py
"""
import os

import gguf
import numpy as np
from safetensors.numpy import save_file

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


if __name__ == "__main__":
    write()
