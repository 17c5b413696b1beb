#!/usr/bin/env python3
"""train: the lab model, a decoder-only language model over bytes, Llama style, about 4.85M parameters.

    python3 train.py --text FOLDER --out FOLDER [--steps N | --seconds S] [--device cuda|cpu]

FOLDER of --text holds train.txt, valid.txt and heldout.txt of make_text.py. Writes model.safetensors (F16, the tensor
names of transformers' LlamaForCausalLM), config.json, curve.csv and reference.json: the held-out loss of the exported
F16 weights computed in FP32, and the logits of a few positions, which the tests of the C code compare with.

The window law, for whoever wants the same number: the bytes of heldout.txt are the tokens t[0..n). Window k has the
inputs t[512 k .. 512 k + 511], and t[512 k + 1 .. 512 k + 512] to predict; the last window is shorter. No context is
carried from one window to the next, nothing is put in front. Each byte but the first is predicted once; bits per byte
is the sum of -log2 p over them, divided by n - 1.
"""
import argparse
import copy
import hashlib
import json
import math
import pathlib
import struct
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "head_dim": 64,
    "hidden_act": "silu",
    "hidden_size": 256,
    "intermediate_size": 768,
    "max_position_embeddings": 512,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 6,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
    "vocab_size": 256,
}
WIDTH, LAYERS, HEADS, KV_HEADS = 256, 6, 4, 2
HEAD, INNER, CONTEXT, VOCAB = 64, 768, 512, 256


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + CONFIG["rms_norm_eps"]) * self.weight


def rope_table():
    """cos and sin [context, head / 2] of the angles position * theta^(-2 i / head)."""
    rate = CONFIG["rope_theta"] ** (-torch.arange(0, HEAD, 2, dtype=torch.float64) / HEAD)
    angle = torch.arange(CONTEXT, dtype=torch.float64)[:, None] * rate[None, :]
    return angle.cos().float(), angle.sin().float()


def rotate(x, cos, sin):
    """Pairs are the first half of a head with its second half. x [batch, heads, tokens, head]."""
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1).to(x.dtype)


def attend(q, k, v):
    """Causal attention; written out where torch is too old to have it."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    scores = q @ k.transpose(-1, -2) / math.sqrt(HEAD)
    ahead = torch.ones(q.shape[-2], q.shape[-2], dtype=torch.bool, device=q.device).triu(1)
    return scores.masked_fill(ahead, float("-inf")).softmax(-1) @ v


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(WIDTH, HEADS * HEAD, bias=False)
        self.k_proj = nn.Linear(WIDTH, KV_HEADS * HEAD, bias=False)
        self.v_proj = nn.Linear(WIDTH, KV_HEADS * HEAD, bias=False)
        self.o_proj = nn.Linear(HEADS * HEAD, WIDTH, bias=False)

    def forward(self, x, cos, sin):
        batch, tokens, _ = x.shape
        q, k, v = (
            p(x).view(batch, tokens, -1, HEAD).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = rotate(q, cos[:tokens], sin[:tokens]), rotate(k, cos[:tokens], sin[:tokens])
        k, v = (y.repeat_interleave(HEADS // KV_HEADS, dim=1) for y in (k, v))
        return self.o_proj(attend(q, k, v).transpose(1, 2).reshape(batch, tokens, -1))


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(WIDTH, INNER, bias=False)
        self.up_proj = nn.Linear(WIDTH, INNER, bias=False)
        self.down_proj = nn.Linear(INNER, WIDTH, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.input_layernorm, self.self_attn = Norm(WIDTH), Attention()
        self.post_attention_layernorm, self.mlp = Norm(WIDTH), FeedForward()
        self.drop = nn.Dropout(dropout)

    def forward(self, x, cos, sin):
        x = x + self.drop(self.self_attn(self.input_layernorm(x), cos, sin))
        return x + self.drop(self.mlp(self.post_attention_layernorm(x)))


class Model(nn.Module):
    """Parameters are named as in transformers: model.layers.0.self_attn.q_proj.weight, lm_head.weight ..."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(VOCAB, WIDTH)
        self.model.layers = nn.ModuleList(Layer(dropout) for _ in range(LAYERS))
        self.model.norm = Norm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, VOCAB, bias=False)
        self.drop = nn.Dropout(dropout)
        cos, sin = rope_table()
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                small = "o_proj" in name or "down_proj" in name
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * LAYERS) if small else 0.02)

    def forward(self, tokens):
        x = self.drop(self.model.embed_tokens(tokens))
        for layer in self.model.layers:
            x = layer(x, self.cos, self.sin)
        return self.lm_head(self.model.norm(x))


def loss_of(model, windows):
    logits = model(windows[:, :-1])
    return F.cross_entropy(logits.float().view(-1, VOCAB), windows[:, 1:].reshape(-1))


def read_tokens(path, device):
    return torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8).long().to(device)


@torch.no_grad()
def bits_per_byte(model, tokens):
    """The window law of this file's head. FP32 logits, sums in FP64."""
    n, total = len(tokens), 0.0
    full = (n - 1) // CONTEXT
    groups = [tokens[: full * CONTEXT + 1].unfold(0, CONTEXT + 1, CONTEXT)] if full else []
    if (n - 1) % CONTEXT:
        groups.append(tokens[full * CONTEXT :].unsqueeze(0))
    for windows in groups:
        for part in windows.split(32):
            logp = F.log_softmax(model(part[:, :-1]).float().double(), dim=-1)
            total -= logp.gather(-1, part[:, 1:].unsqueeze(-1)).sum().item()
    return total / math.log(2) / (n - 1)


def settings(model, args):
    """AdamW; matrices decay, norms and the embedding do not."""
    decayed = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() != 2 or "embed" in n]
    groups = [{"params": decayed, "weight_decay": args.decay}, {"params": others, "weight_decay": 0.0}]
    fused = args.device == "cuda"
    return torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.95), eps=1e-9, fused=fused)


def rate_at(step, steps, args):
    """A short linear start, then a cosine down to a fiftieth."""
    if step < args.warmup:
        return args.rate * (step + 1) / args.warmup
    share = min(1.0, (step - args.warmup) / max(1, steps - args.warmup))
    return args.rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


def train(model, args, text, device):
    """Trains in place and leaves the weights that did best on valid.txt. Returns the rows of the curve."""
    torch.manual_seed(args.seed)
    data, valid = (read_tokens(text / name, device) for name in ("train.txt", "valid.txt"))
    compiled = torch.compile(model) if device == "cuda" else model
    optimizer = settings(model, args)
    cast = torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda")
    steps, rows, best, best_weights = args.steps or 10**9, [], float("inf"), None
    offsets, begin, running = torch.arange(CONTEXT + 1, device=device), time.time(), None
    mark, step = None, 0
    while step < steps:
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps, args)
        starts = torch.randint(0, len(data) - CONTEXT - 1, (args.batch, 1), device=device)
        with cast:
            loss = loss_of(compiled, data[starts + offsets])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        running = loss.detach() if running is None else running * 0.98 + loss.detach() * 0.02
        step += 1
        if not args.steps and step in (60, 160):  # the rate is measured after compiling, then the end is fixed
            running.item()
            if step == 160:
                left = args.seconds - (time.time() - begin)
                steps = step + max(0, int(left * 100 / (time.time() - mark) * 0.97))
                print(f"steps fixed at {steps}", flush=True)
            mark = time.time()
        if step % args.every == 0 or step == steps:
            model.eval()
            with cast:
                bits = bits_per_byte(model, valid)
            model.train()
            rows.append((step, running.item() / math.log(2), bits, time.time() - begin))
            print("step %d train %.4f valid %.4f bits per byte, %.1f s" % rows[-1], flush=True)
            if bits < best:
                best, best_weights = bits, copy.deepcopy(model.state_dict())
    model.load_state_dict(best_weights)
    return rows


def write_safetensors(path, tensors):
    """F16, little-endian, in the order given; the header is padded to eight bytes."""
    header, offset, data = {"__metadata__": {"format": "pt"}}, 0, []
    for name, tensor in tensors.items():
        raw = tensor.detach().cpu().contiguous().numpy().astype("<f2").tobytes()
        header[name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        data.append(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


def reference(model, text, note):
    """What the C code has to reproduce: FP32 on the CPU from the F16 weights."""
    held = text / "heldout.txt"
    tokens = read_tokens(held, "cpu")
    places = [0, 1, 7, 100, 511]
    with torch.no_grad():
        logits = model(tokens[None, :CONTEXT])[0].float()
    return {
        "text": "heldout.txt",
        "text_sha256": hashlib.sha256(held.read_bytes()).hexdigest(),
        "context": CONTEXT,
        "predicted": len(tokens) - 1,
        "bits_per_byte": bits_per_byte(model, tokens),
        "first_window": {
            "positions": places,
            "top1": [int(logits[p].argmax()) for p in places],
            "logits": [[round(float(x), 5) for x in logits[p]] for p in places],
        },
        "training": note,
    }


def export(model, args, text, out, rows, note):
    plain = Model()
    plain.load_state_dict({n: t.detach().half().float().cpu() for n, t in model.state_dict().items()})
    plain.eval()
    write_safetensors(out / "model.safetensors", dict(plain.named_parameters()))
    (out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    lines = ["step,train_bits_per_byte,valid_bits_per_byte,seconds"]
    lines += ["%d,%.4f,%.4f,%.1f" % row for row in rows]
    (out / "curve.csv").write_text("\n".join(lines) + "\n")
    found = reference(plain, text, note)
    found["model_sha256"] = hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()
    (out / "reference.json").write_text(json.dumps(found, indent=1) + "\n")
    print("held out: %.6f bits per byte" % found["bits_per_byte"])


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=100)
    parser.add_argument("--every", type=int, default=250)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=20261124)
    return parser.parse_args()


def main():
    args, device = options(), None
    device = args.device
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    model = Model(args.dropout).to(device)
    print(sum(p.numel() for p in model.parameters()), "parameters", flush=True)
    rows = train(model, args, args.text, device)
    best = min(rows, key=lambda row: row[2])
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    note = {"device": name, "torch": torch.__version__, "steps": rows[-1][0], "best_step": best[0],
            "batch": args.batch, "rate": args.rate, "decay": args.decay, "dropout": args.dropout,
            "seed": args.seed, "seconds": round(rows[-1][3], 1), "valid_bits_per_byte": round(best[2], 4)}
    print(json.dumps(note))
    export(model, args, args.text, args.out, rows, note)


if __name__ == "__main__":
    main()
