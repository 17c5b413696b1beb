#!/usr/bin/env python3
"""make_models: tiny random models of each family that the loader takes, written by transformers, with its logits.

    python3 tests/make_models.py

Needs torch and transformers. Writes tests/models/NAME: config.json and .safetensors as save_pretrained leaves them, and
logits.json: 24 tokens and what the last four of them predict, in float64.
"""
import json
import pathlib

import torch
import transformers

HERE = pathlib.Path(__file__).resolve().parent / "models"
SMALL = dict(hidden_size=16, intermediate_size=36, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             vocab_size=67, max_position_embeddings=64, rms_norm_eps=1e-5)
LLAMA3 = dict(rope_type="llama3", rope_theta=500.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16)
MODELS = {
    "llama3": (transformers.LlamaConfig, transformers.LlamaForCausalLM,
               dict(SMALL, tie_word_embeddings=True, rope_parameters=LLAMA3), torch.bfloat16, "12KB"),
    "llama-bias": (transformers.LlamaConfig, transformers.LlamaForCausalLM,
                   dict(SMALL, attention_bias=True, head_dim=6), torch.float32, "1GB"),
    "mistral-linear": (transformers.MistralConfig, transformers.MistralForCausalLM,
                       dict(SMALL, sliding_window=None,
                            rope_parameters=dict(rope_type="linear", factor=2.0, rope_theta=10000.0)),
                       torch.float16, "1GB"),
    "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM, SMALL, torch.bfloat16, "1GB"),
    "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM, dict(SMALL, head_dim=8), torch.bfloat16, "1GB"),
}


def main():
    for number, (name, (config, kind, options, dtype, shard)) in enumerate(MODELS.items()):
        torch.manual_seed(number)
        model = kind(config(**options)).eval()
        for parameter in model.parameters():  # far from what initialization makes, so that every part counts
            torch.nn.init.normal_(parameter, mean=1.0 if parameter.dim() == 1 else 0.0, std=0.3)
        model = model.to(dtype)
        model.save_pretrained(HERE / name, max_shard_size=shard)
        for extra in (HERE / name).glob("generation_config.json"):
            extra.unlink()
        tokens = torch.randint(0, SMALL["vocab_size"], (1, 24))
        with torch.no_grad():
            logits = kind.from_pretrained(HERE / name, dtype=torch.float32).double()(tokens).logits[0, -4:]
        rows = [[round(float(x), 6) for x in row] for row in logits]
        (HERE / name / "logits.json").write_text(json.dumps({"tokens": tokens[0].tolist(), "last": rows}) + "\n")
        print(name, sorted(p.name for p in (HERE / name).iterdir()))


if __name__ == "__main__":
    main()
