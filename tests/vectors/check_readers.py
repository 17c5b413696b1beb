#!/usr/bin/env python3
"""check_readers.py: this program's readers against independent ones: the safetensors and gguf packages, and NumPy.

    pip install gguf safetensors numpy ml_dtypes
    tests/vectors/check_readers.py PROGRAM [FILE...]      PROGRAM: build/saffron

Of each file every tensor's name, shape and bits a value as `saffron inspect` lists them, and every element as `saffron
quantize --format fp32` reads it, bit for bit. Without FILE: the files of this repository, and files written here by the
packages: .safetensors of every element type, whole and in shards, .gguf of every type (made by the package's own
quantizer where it has one, of random blocks besides), versions 2 and 3, and .npy of every element type.
Not part of `make test`; users need none of it.
"""
import glob
import io
import json
import os
import subprocess
import sys
import tempfile

import gguf
import ml_dtypes
import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHIPPED = ["lessons/tensors/*.safetensors", "lessons/model/model.safetensors", "tests/vectors/*.safetensors",
           "tests/vectors/*.gguf", "tests/models/*/model.safetensors", "tests/models/*/model.safetensors.index.json"]
NUMPY = {"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1", "U64": "u8",
         "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?", "BF16": ml_dtypes.bfloat16,
         "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
         "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
         "F8_E8M0": ml_dtypes.float8_e8m0fnu}
LISTED = {"C64": 64, "F4": 4}  # bits; their values are not decoded
# Where FP16 numbers stand in a block, that random bits there are no NaN now and then.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}
# What the program decodes; of the other types it shows name, shape and bits.
DECODED = set(HALVES) | {"MXFP4", "NVFP4", "F32", "F16", "BF16", "F64", "I8", "I16", "I32", "I64"}


# --- what the packages read: {name: (shape, bits a value, values as FP32 or None)}

def of_safetensors(path):
    with open(path, "rb") as file:
        tensors = safetensors.deserialize(file.read())
    found = {}
    for name, t in tensors:
        if t["dtype"] in LISTED:
            found[name] = (tuple(t["shape"]), LISTED[t["dtype"]], None)
            continue
        dtype = np.dtype(NUMPY[t["dtype"]])
        with np.errstate(over="ignore"):
            values = np.frombuffer(t["data"], dtype).astype(np.float32)
        found[name] = (tuple(t["shape"]), 8 * dtype.itemsize, values)
    return found


def of_index(path):
    with open(path) as file:
        names = json.load(file)["weight_map"]
    found = {}
    for shard in set(names.values()):
        found.update(of_safetensors(os.path.join(os.path.dirname(path), shard)))
    assert set(found) == set(names)
    return found


def of_gguf(path):
    found = {}
    for t in gguf.GGUFReader(path).tensors:
        values, size = gguf.GGML_QUANT_SIZES[t.tensor_type]
        floats = None
        if t.tensor_type.name in DECODED:
            with np.errstate(over="ignore", invalid="ignore"):
                plain = values == 1 and t.data.dtype != np.uint8
                floats = np.array(t.data) if plain else gguf.quants.dequantize(np.array(t.data), t.tensor_type)
                floats = floats.astype(np.float32).ravel()
        found[t.name] = (tuple(reversed(t.shape.tolist())), 8 * size / values, floats)
    return found


def of_npy(path):
    array = np.load(path)
    with np.errstate(over="ignore"):
        return {"": (array.shape, 8 * array.itemsize, array.astype(np.float32).ravel())}


def reference(path):
    for end, reader in (".gguf", of_gguf), (".npy", of_npy), (".json", of_index):
        if path.endswith(end):
            return reader(path)
    return of_safetensors(path)


# --- what the program reads

def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


def values_of(program, path, name):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.safetensors")
        run(program, "quantize", path, name, "--format", "fp32", "--overflow", "native", "--emit", "dequant",
            "--out", out)
        return load_file(out)["dequant"].ravel()


def check(program, path):
    wanted = reference(path)
    listed = json.loads(run(program, "inspect", path, "--json"))["tensors"]
    ours = {t["name"] if len(wanted) > 1 or "" not in wanted else "": t for t in listed}
    assert set(ours) == set(wanted), f"{path}: other names"
    read = compared = 0
    for name, (shape, bits, values) in wanted.items():
        t = ours[name]
        assert tuple(t["shape"]) == shape, f"{path}: {name} has the shape {shape}, not {t['shape']}"
        assert t["bits_per_weight"] == bits, f"{path}: {name} has {bits} bits a value, not {t['bits_per_weight']}"
        if values is None or not values.size:
            continue
        got = values_of(program, path, name)
        same = (got.view(np.uint32) == values.view(np.uint32)) | (np.isnan(got) & np.isnan(values))
        assert same.all(), f"{path}: {name}: {(~same).sum()} of {same.size} values differ"
        read, compared = read + 1, compared + same.size
    print(f"{path}: {len(wanted)} tensors, shapes and bits the same; {compared} values of {read}, all the same",
          flush=True)


# --- files that the packages write

def odd_values(dtype, shape, rng):
    """Numbers of every size, zeros of both signs and what is not finite among them, of any NumPy type."""
    bits = rng.integers(0, 256, (*shape, np.dtype(dtype).itemsize), dtype=np.uint8)
    if np.dtype(dtype) == bool:
        bits &= 1
    return bits.view(dtype).reshape(shape)


def write_safetensors(folder, rng):
    tensors = {name: odd_values(dtype, (5, 7), rng) for name, dtype in NUMPY.items()}
    tensors["scalar"] = np.array(3.5, "f4")
    tensors["deep"] = odd_values("f2", (2, 1, 3, 4, 1), rng)
    tensors["none"] = np.zeros((0, 9), "f4")
    path = os.path.join(folder, "every-type.safetensors")
    save_file(tensors, path, {"format": "np"})
    yield path
    raw = rng.integers(0, 256, 96, dtype=np.uint8)
    specs = {kind: safetensors.TensorSpec(dtype=kind, shape=[96 // size], data_ptr=raw.ctypes.data, data_len=96)
             for kind, size in (("complex64", 8), ("float4_e2m1fn_x2", 1))}
    path = os.path.join(folder, "listed.safetensors")
    with open(path, "wb") as file:
        file.write(safetensors.serialize(specs))
    yield path
    shards = [{"a.weight": odd_values("f4", (3, 8), rng), "b.weight": odd_values("f2", (6,), rng)},
              {"c.weight": odd_values("i1", (2, 2), rng)}]
    names = {}
    for i, shard in enumerate(shards):
        save_file(shard, os.path.join(folder, f"model-{i + 1}.safetensors"))
        names.update({name: f"model-{i + 1}.safetensors" for name in shard})
    path = os.path.join(folder, "model.safetensors.index.json")
    with open(path, "w") as file:
        json.dump({"metadata": {}, "weight_map": names}, file)
    yield path


def add_quantized(writer, kind, rng):
    """Random blocks; and a matrix rounded by the package, where it can."""
    values, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (3 * 512 // values, size), dtype=np.uint8)
    for at in HALVES.get(kind.name, []):
        half = rng.normal(0, 0.05, len(blocks)).astype(np.float16)
        blocks[:, at:at + 2] = half.view(np.uint8).reshape(-1, 2)
    writer.add_tensor(f"{kind.name}.blocks", blocks.reshape(3, -1), raw_dtype=kind)
    try:
        rounded = gguf.quants.quantize(rng.normal(0, 1, (4, 768)).astype(np.float32), kind)
        writer.add_tensor(f"{kind.name}.rounded", rounded, raw_dtype=kind)
    except (NotImplementedError, AttributeError):
        pass


def write_gguf(folder, rng):
    path = os.path.join(folder, "every-type.gguf")
    writer = gguf.GGUFWriter(path, "llama")
    for kind in gguf.GGMLQuantizationType:
        if gguf.GGML_QUANT_SIZES[kind][0] > 1:
            add_quantized(writer, kind, rng)
    for dtype in "f4", "f2", "f8", "i1", "i2", "i4", "i8":
        writer.add_tensor(dtype, odd_values(dtype, (3, 5), rng))
    writer.add_tensor("BF16", rng.integers(0, 256, (3, 10), dtype=np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.add_tensor("deep", odd_values("f4", (2, 3, 4, 5), rng))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    yield path
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data[4] = 2  # version 2 differs in nothing that is used here
    path = os.path.join(folder, "version-2.gguf")
    with open(path, "wb") as file:
        file.write(data)
    yield path


def write_npy(folder, rng):
    for dtype in "f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?":
        path = os.path.join(folder, f"array-{np.dtype(dtype)}.npy")
        np.save(path, odd_values(dtype, (3, 4, 5), rng))
        yield path
    for version in (1, 0), (2, 0), (3, 0):
        path = os.path.join(folder, f"version-{version[0]}.npy")
        out = io.BytesIO()
        np.lib.format.write_array(out, odd_values("f4", (9,), rng), version=version)
        with open(path, "wb") as file:
            file.write(out.getvalue())
        yield path


def main(program, files):
    for path in files or sorted(p for pattern in SHIPPED for p in glob.glob(os.path.join(ROOT, pattern))):
        check(program, path)
    if files:
        return
    rng = np.random.default_rng(6)
    with tempfile.TemporaryDirectory() as folder:
        for write in write_safetensors, write_gguf, write_npy:
            for path in write(folder, rng):
                check(program, path)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
