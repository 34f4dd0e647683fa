#!/usr/bin/env python3
"""Writes golden/<model>/: tiny random models and what transformers computes with them.

Each folder has config.json and model.safetensors as a published model would (weights drawn so that bfloat16 holds them
exactly; stored as F32 or BF16), and expected.safetensors: `prompt` [T] int32, `logits` [T, vocab] of the prompt in one
pass, `greedy` [64] int32, the greedy continuation, and `greedy_logits` [4, vocab], the logits that chose its tokens
0, 1, 31 and 63. golden/rope.json holds frequencies of every rotary scaling. Run: generate_golden.py FOLDER
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import (LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config,
                          Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

STEPS = 64
PROMPT = 29
KEPT = [0, 1, 31, 63]  # greedy steps whose logits are kept
# Least distance between the best two logits at every greedy step: equal tokens then mean equal arithmetic, not luck.
MARGIN = 0.02

COMMON = dict(vocab_size=160, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
              num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-5, attn_implementation="eager",
              bos_token_id=1, eos_token_id=2)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32, rope_theta=10000.0)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=10000.0)

MODELS = {
    "llama": (LlamaForCausalLM, LlamaConfig(**COMMON, rope_parameters=LLAMA3, tie_word_embeddings=False),
              torch.float32),
    "llama_biased": (LlamaForCausalLM, LlamaConfig(**COMMON, rope_parameters=YARN, tie_word_embeddings=True,
                                                   attention_bias=True, mlp_bias=True), torch.bfloat16),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**COMMON, tie_word_embeddings=True), torch.bfloat16),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**COMMON, head_dim=24, tie_word_embeddings=False), torch.bfloat16),
    "mistral": (MistralForCausalLM, MistralConfig(**{**COMMON, "num_hidden_layers": 3}, sliding_window=12,
                                                  tie_word_embeddings=False), torch.bfloat16),
}


def randomise(model: torch.nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        scale = 0.15 if p.dim() == 2 else 0.1
        value = torch.randn(p.shape, generator=generator) * scale
        if name.endswith("norm.weight"):
            value = 1 + 2 * value
        if "embed_tokens" in name or "lm_head" in name:
            value = value * 2.5
        p.data = value.bfloat16().float()


@torch.no_grad()
def compute(model: torch.nn.Module, seed: int) -> dict[str, torch.Tensor] | None:
    generator = torch.Generator().manual_seed(1000 + seed)
    prompt = torch.randint(3, 160, (1, PROMPT), generator=generator)
    logits = model(prompt, use_cache=False).logits[0]
    tokens, kept = prompt, []
    for step in range(STEPS):
        row = model(tokens, use_cache=False).logits[0, -1]
        best = row.topk(2).values
        if best[0] - best[1] < MARGIN:
            return None
        if step in KEPT:
            kept.append(row)
        tokens = torch.cat([tokens, row.argmax().view(1, 1)], dim=1)
    greedy = tokens[0, PROMPT:]
    if len(set(greedy.tolist())) < 8:  # a loop of two tokens would show little
        return None
    return {"prompt": prompt[0].int(), "logits": logits.contiguous(), "greedy": greedy.int().contiguous(),
            "greedy_logits": torch.stack(kept)}


def write_model(folder: pathlib.Path, name: str) -> None:
    cls, config, stored = MODELS[name]
    model = cls(config).float().eval()
    expected = None
    for seed in range(200):
        randomise(model, seed)
        expected = compute(model, seed)
        if expected is not None:
            break
    assert expected is not None, name
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.to(stored).contiguous() for k, v in model.state_dict().items()}
    if config.tie_word_embeddings:
        weights.pop("lm_head.weight", None)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    save_file(expected, folder / "expected.safetensors")
    config.architectures = [cls.__name__]
    (folder / "config.json").write_text(json.dumps(config.to_diff_dict(), indent=1, sort_keys=True) + "\n")
    print(name, "seed", seed, "max logit", float(expected["logits"].abs().max()))


def write_rope(path: pathlib.Path) -> None:
    pairs = 16
    cases = {
        "linear": dict(rope_type="linear", factor=4.0),
        "dynamic": dict(rope_type="dynamic", factor=4.0),
        "llama3": dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                       original_max_position_embeddings=8192),
        "yarn": dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=4096),
        "yarn_mscale": dict(rope_type="yarn", factor=40.0, original_max_position_embeddings=4096, mscale=1.0,
                            mscale_all_dim=0.707, beta_fast=32, beta_slow=1),
        "yarn_untruncated": dict(rope_type="yarn", factor=32.0, original_max_position_embeddings=4096, truncate=False),
        "longrope": dict(rope_type="longrope", factor=32.0, original_max_position_embeddings=4096,
                         short_factor=[1 + 0.01 * i for i in range(pairs)],
                         long_factor=[1 + 0.7 * i for i in range(pairs)]),
    }
    out = []
    for name, parameters in cases.items():
        context = 4096 if name == "dynamic" else 131072
        config = LlamaConfig(head_dim=2 * pairs, max_position_embeddings=context,
                             rope_parameters={**parameters, "rope_theta": 500000.0})
        for length in (2048, 16384):
            freqs, factor = ROPE_INIT_FUNCTIONS[parameters["rope_type"]](config, "cpu", seq_len=length)
            out.append(dict(name=name, dim=2 * pairs, theta=500000.0, context_length=context, max_context=length,
                            parameters=parameters, inv_freq=[float(f) for f in freqs], magnitude=float(factor)))
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in out) + "\n]\n")


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    for name in MODELS:
        write_model(folder / name, name)
    write_rope(folder / "rope.json")


main()
