#!/usr/bin/env python3
"""Writes families/<model>/: tiny random decoders as published folders, some as GGUF too, and what transformers gives.

    generate_families.py [OUT [MODEL...]]      (default: families/ beside this script, all models)

Each folder has config.json, model.safetensors (bfloat16) and expected.safetensors: `ids` and `begin` of a ragged batch,
`logits` [tokens, vocab] of every token of each sequence, and `greedy`, what follows the first sequence. families/<model>.gguf
is the same model as the PyPI package gguf writes it, under the names and in the order of llama.cpp's converter. Families
that transformers has no class for are computed by one that is the same arithmetic, and stored under their own names. Needs
torch, transformers, safetensors, gguf. The same versions give the same bytes.
"""
import json
import math
import pathlib
import sys

import gguf
import numpy as np
import torch
import transformers as t
from safetensors.torch import load_file, save_file

t.logging.set_verbosity_error()
t.logging.disable_progress_bar()
torch.set_num_threads(1)
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "families"
ONLY = set(sys.argv[2:])
LENGTHS = [19, 6, 11]
STEPS = 14
MARGIN = 0.004  # least distance of the best two logits: equal tokens then mean equal arithmetic, not luck
VOCAB = 48

BASE = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
MOE = dict(BASE, intermediate_size=24, num_experts_per_tok=2)
OLD = dict(vocab_size=VOCAB, bos_token_id=1, eos_token_id=2)


def rope(theta=10000.0, **more):
    return dict(rope_type="default", rope_theta=theta, **more)


MODELS = {
    "phi3": (t.Phi3ForCausalLM, t.Phi3Config(**BASE, sliding_window=12)),
    "phi4": (t.Phi3ForCausalLM, t.Phi3Config(**dict(BASE, max_position_embeddings=128), tie_word_embeddings=True, rope_parameters=dict(
        rope_type="longrope", rope_theta=10000.0, partial_rotary_factor=0.5, original_max_position_embeddings=64,
        short_factor=[1.0, 1.5], long_factor=[1.2, 3.0]))),
    "gemma": (t.GemmaForCausalLM, t.GemmaConfig(**BASE, head_dim=16)),
    "gemma2": (t.Gemma2ForCausalLM, t.Gemma2Config(**BASE, head_dim=8, sliding_window=8, query_pre_attn_scalar=8,
                                                  attn_logit_softcapping=5.0, final_logit_softcapping=8.0)),
    "gemma3": (t.Gemma3ForCausalLM, t.Gemma3TextConfig(
        **dict(BASE, num_hidden_layers=6, intermediate_size=32), head_dim=8, sliding_window=8, query_pre_attn_scalar=8, rope_parameters=dict(
            full_attention=dict(rope_type="linear", factor=4.0, rope_theta=50000.0),
            sliding_attention=rope()))),
    "qwen1_5": (t.Qwen2ForCausalLM, t.Qwen2Config(**dict(BASE, num_key_value_heads=4))),
    "smollm3": (t.SmolLM3ForCausalLM, t.SmolLM3Config(**dict(BASE, num_hidden_layers=4, intermediate_size=32))),
    "granite": (t.GraniteForCausalLM, t.GraniteConfig(**BASE, embedding_multiplier=6.0, residual_multiplier=0.4,
                                                     attention_multiplier=0.2, logits_scaling=4.0)),
    "olmo2": (t.Olmo2ForCausalLM, t.Olmo2Config(**BASE)),
    "seed_oss": (t.SeedOssForCausalLM, t.SeedOssConfig(**BASE, head_dim=8, attention_bias=True,
                                                      attention_out_bias=False)),
    "ernie4_5": (t.Ernie4_5ForCausalLM, t.Ernie4_5Config(**BASE, head_dim=8, use_bias=False)),
    "hunyuan": (t.HunYuanDenseV1ForCausalLM, t.HunYuanDenseV1Config(**BASE, head_dim=8, rope_parameters=dict(
        rope_type="dynamic", rope_theta=10000.0, alpha=100.0, factor=1.0))),
    "internlm2": (t.LlamaForCausalLM, t.LlamaConfig(**BASE)),
    "internlm3": (t.LlamaForCausalLM, t.LlamaConfig(**BASE, head_dim=16)),
    "baichuan2": (t.LlamaForCausalLM, t.LlamaConfig(**dict(BASE, num_key_value_heads=4))),
    "minicpm": (t.GraniteForCausalLM, t.GraniteConfig(
        **BASE, embedding_multiplier=4.0, residual_multiplier=1.4 / math.sqrt(2), attention_multiplier=8 ** -0.5,
        logits_scaling=2.0, tie_word_embeddings=True)),
    "mixtral": (t.MixtralForCausalLM, t.MixtralConfig(**MOE, num_local_experts=3, sliding_window=None)),
    "qwen2moe": (t.Qwen2MoeForCausalLM, t.Qwen2MoeConfig(
        **MOE, moe_intermediate_size=16, shared_expert_intermediate_size=24, num_experts=5, mlp_only_layers=[],
        norm_topk_prob=False)),
    "qwen3moe": (t.Qwen3MoeForCausalLM, t.Qwen3MoeConfig(
        **dict(MOE, num_experts_per_tok=3), moe_intermediate_size=16, num_experts=5, norm_topk_prob=True, head_dim=8)),
    "qwen3moe_mixed": (t.Qwen3MoeForCausalLM, t.Qwen3MoeConfig(
        **MOE, moe_intermediate_size=16, num_experts=4, norm_topk_prob=False, head_dim=8, mlp_only_layers=[0])),
    "granitemoe": (t.GraniteMoeForCausalLM, t.GraniteMoeConfig(
        **dict(MOE, intermediate_size=12), num_local_experts=3, embedding_multiplier=6.0, residual_multiplier=0.4,
        attention_multiplier=0.2, logits_scaling=4.0)),
    "olmoe": (t.OlmoeForCausalLM, t.OlmoeConfig(**dict(MOE, intermediate_size=12), num_experts=5)),
    "glm4moe": (t.Glm4MoeForCausalLM, t.Glm4MoeConfig(
        **MOE, head_dim=8, moe_intermediate_size=16, n_routed_experts=8, n_shared_experts=1, n_group=4, topk_group=2,
        routed_scaling_factor=1.5, first_k_dense_replace=1, norm_topk_prob=True, use_qk_norm=True,
        attention_bias=True)),
    "gpt2": (t.GPT2LMHeadModel, t.GPT2Config(**OLD, n_embd=32, n_layer=2, n_head=4, n_positions=64, n_inner=32)),
    "gptneox": (t.GPTNeoXForCausalLM, t.GPTNeoXConfig(
        **OLD, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32,
        max_position_embeddings=64, hidden_act="gelu", rope_parameters=rope(partial_rotary_factor=0.5))),
    "gptneox_serial": (t.GPTNeoXForCausalLM, t.GPTNeoXConfig(
        **OLD, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32,
        max_position_embeddings=64, hidden_act="gelu", use_parallel_residual=False,
        rope_parameters=rope(partial_rotary_factor=0.25))),
    "opt": (t.OPTForCausalLM, t.OPTConfig(
        **OLD, pad_token_id=0, hidden_size=32, ffn_dim=32, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, word_embed_proj_dim=32)),
    "falcon": (t.FalconForCausalLM, t.FalconConfig(
        **OLD, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_hidden_size=32, multi_query=True,
        parallel_attn=True, new_decoder_architecture=False, alibi=False, bias=False, max_position_embeddings=64)),
    "falcon40": (t.FalconForCausalLM, t.FalconConfig(
        **OLD, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_kv_heads=2, ffn_hidden_size=32,
        new_decoder_architecture=True, alibi=False, bias=False, max_position_embeddings=64)),
    "starcoder2": (t.Starcoder2ForCausalLM, t.Starcoder2Config(**BASE, sliding_window=64, use_bias=True)),
    "phi2": (t.PhiForCausalLM, t.PhiConfig(**dict(BASE, num_key_value_heads=4), rope_parameters=rope(partial_rotary_factor=0.5))),
    "stablelm": (t.StableLmForCausalLM, t.StableLmConfig(**BASE, use_qkv_bias=True, use_parallel_residual=False,
                                                        rope_parameters=rope(partial_rotary_factor=0.5))),
    "stablelm_parallel": (t.StableLmForCausalLM, t.StableLmConfig(
        **BASE, use_parallel_residual=True, rope_parameters=rope(partial_rotary_factor=0.25))),
    "orion": (t.StableLmForCausalLM, t.StableLmConfig(**BASE, use_parallel_residual=False, use_qkv_bias=False,
                                                     rope_parameters=rope(partial_rotary_factor=1.0))),
    "command_r": (t.CohereForCausalLM, t.CohereConfig(**BASE, logit_scale=0.5, tie_word_embeddings=True)),
    "cohere2": (t.Cohere2ForCausalLM, t.Cohere2Config(**dict(BASE, num_hidden_layers=4, intermediate_size=32),
                                                     logit_scale=0.5, sliding_window=8, tie_word_embeddings=True)),
    "glm": (t.GlmForCausalLM, t.GlmConfig(**BASE, head_dim=8, attention_bias=True,
                                         rope_parameters=rope(partial_rotary_factor=0.5))),
    "glm4": (t.Glm4ForCausalLM, t.Glm4Config(**BASE, head_dim=8, attention_bias=True,
                                            rope_parameters=rope(partial_rotary_factor=0.5))),
    "chatglm3": (t.GlmForCausalLM, t.GlmConfig(**BASE, head_dim=8, attention_bias=True,
                                              rope_parameters=rope(20000.0, partial_rotary_factor=0.5))),
}


RAW_HEADS = {}


def randomise(model, seed, name):
    generator = torch.Generator().manual_seed(seed)
    gemma = type(model).__name__.startswith("Gemma")
    scaled = gemma or hasattr(model.config, "embedding_multiplier") or model.config.tie_word_embeddings
    for key, p in list(model.named_parameters()) + list(model.named_buffers()):
        if key.endswith("inv_freq") or not p.is_floating_point() or p.dim() == 0:
            continue
        value = torch.randn(p.shape, generator=generator) * (0.25 if p.dim() >= 2 else 0.15)
        is_norm = any(part in key for part in ("norm", "ln_")) and key.endswith("weight") and p.dim() == 1
        if is_norm and not gemma:
            value = 1 + value
        if p.shape[0] == VOCAB:
            value = value * (1 if scaled else 3)
        with torch.no_grad():
            p.copy_(value.bfloat16().float())
    if name == "baichuan2":
        raw = model.lm_head.weight.detach().clone()  # what the file has; it is used normalised
        RAW_HEADS[name] = raw.bfloat16()
        with torch.no_grad():
            model.lm_head.weight.copy_(torch.nn.functional.normalize(raw))


@torch.no_grad()
def compute(model, seed):
    generator = torch.Generator().manual_seed(1000 + seed)
    rows = [torch.randint(3, VOCAB, (1, n), generator=generator) for n in LENGTHS]
    logits = [model(row, use_cache=False).logits[0].float() for row in rows]
    tokens = rows[0]
    for _ in range(STEPS):
        row = model(tokens, use_cache=False).logits[0, -1]
        best = row.topk(2).values
        if best[0] - best[1] < MARGIN:
            return None
        tokens = torch.cat([tokens, row.argmax().view(1, 1)], dim=1)
    greedy = tokens[0, LENGTHS[0]:]
    if len(set(greedy.tolist())) < 3:
        return None
    return {"ids": torch.cat([row[0] for row in rows]).int(), "greedy": greedy.int().contiguous(),
            "begin": torch.tensor([0] + LENGTHS).cumsum(0).int(), "logits": torch.cat(logits).contiguous()}


# --- families under names of their own -------------------------------------------------------------------------

def rename(weights, pairs):
    out = {}
    for name, tensor in weights.items():
        for old, new in pairs:
            name = name.replace(old, new)
        out[name] = tensor
    return out


def grouped(q, k, v, groups):
    """Each group's queries, key and value after each other."""
    def split(w):
        return w.view(groups, -1, *w.shape[1:])
    return torch.cat([split(q), split(k), split(v)], dim=1).reshape(-1, *q.shape[1:])


def publish_internlm2(weights, config):
    pairs = [("embed_tokens", "tok_embeddings"), ("lm_head", "output"), ("self_attn.o_proj", "attention.wo"),
             ("mlp.gate_proj", "feed_forward.w1"), ("mlp.up_proj", "feed_forward.w3"),
             ("mlp.down_proj", "feed_forward.w2"), ("input_layernorm", "attention_norm"),
             ("post_attention_layernorm", "ffn_norm")]
    for n in range(config["num_hidden_layers"]):
        p = f"model.layers.{n}."
        parts = [weights.pop(f"{p}self_attn.{x}_proj.weight") for x in "qkv"]
        weights[p + "attention.wqkv.weight"] = grouped(*parts, config["num_key_value_heads"])
    config.update(architectures=["InternLM2ForCausalLM"], model_type="internlm2", bias=False, rope_theta=10000.0)
    return rename(weights, pairs), config


def publish_internlm3(weights, config):
    config.update(architectures=["InternLM3ForCausalLM"], model_type="internlm3", qkv_bias=False, bias=False,
                  rope_theta=10000.0)
    return weights, config


def publish_baichuan2(weights, config):
    for n in range(config["num_hidden_layers"]):
        p = f"model.layers.{n}.self_attn."
        weights[p + "W_pack.weight"] = torch.cat([weights.pop(f"{p}{x}_proj.weight") for x in "qkv"])
    weights["lm_head.weight"] = RAW_HEADS["baichuan2"]
    for key in ("num_key_value_heads", "rope_parameters", "head_dim"):
        config.pop(key, None)
    config.update(architectures=["BaichuanForCausalLM"], model_type="baichuan", z_loss_weight=0)
    return weights, config


def publish_minicpm(weights, config):
    for key in ("embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling"):
        config.pop(key)
    config.update(architectures=["MiniCPMForCausalLM"], model_type="minicpm", scale_emb=4, scale_depth=1.4,
                  dim_model_base=16)
    return weights, config


def publish_orion(weights, config):
    for key in ("layer_norm_eps", "use_parallel_residual", "use_qkv_bias", "qk_layernorm", "rope_parameters"):
        config.pop(key, None)
    config.update(architectures=["OrionForCausalLM"], model_type="orion", rms_norm_eps=1e-5, rope_theta=10000.0)
    return weights, config


def publish_chatglm(weights, config):
    pairs = [("model.embed_tokens", "transformer.embedding.word_embeddings"), ("lm_head", "transformer.output_layer"),
             ("model.norm", "transformer.encoder.final_layernorm"), ("model.layers", "transformer.encoder.layers"),
             ("self_attn.o_proj", "self_attention.dense"), ("mlp.gate_up_proj", "mlp.dense_h_to_4h"),
             ("mlp.down_proj", "mlp.dense_4h_to_h")]
    for n in range(config["num_hidden_layers"]):
        for kind in ("weight", "bias"):
            parts = [weights.pop(f"model.layers.{n}.self_attn.{x}_proj.{kind}") for x in "qkv"]
            weights[f"model.layers.{n}.self_attention.query_key_value.{kind}"] = torch.cat(parts)
    return rename(weights, pairs), dict(
        architectures=["ChatGLMModel"], model_type="chatglm", padded_vocab_size=VOCAB, hidden_size=32, num_layers=2,
        num_attention_heads=4, multi_query_attention=True, multi_query_group_num=2, kv_channels=8, ffn_hidden_size=32,
        seq_length=64, layernorm_epsilon=config["rms_norm_eps"], rmsnorm=True, add_qkv_bias=True, rope_ratio=2.0,
        apply_residual_connection_post_layernorm=False, torch_dtype="bfloat16", eos_token_id=2)


PUBLISH = {"baichuan2": publish_baichuan2, "internlm2": publish_internlm2, "internlm3": publish_internlm3, "minicpm": publish_minicpm,
           "orion": publish_orion, "chatglm3": publish_chatglm}


# --- GGUF ------------------------------------------------------------------------------------------------------

A = gguf.MODEL_ARCH
# Architecture, and whether the rows of Q and K are reordered so that rotary pairs are neighbours.
GGUF = {
    "phi3": (A.PHI3, False), "gemma": (A.GEMMA, False), "gemma2": (A.GEMMA2, False), "gemma3": (A.GEMMA3, False),
    "smollm3": (A.SMOLLM3, True), "granite": (A.GRANITE, True), "olmo2": (A.OLMO2, False),
    "seed_oss": (A.SEED_OSS, False), "ernie4_5": (A.ERNIE4_5, False), "hunyuan": (A.HUNYUAN_DENSE, False),
    "internlm2": (A.INTERNLM2, True), "minicpm": (A.MINICPM, True), "mixtral": (A.LLAMA, True),
    "qwen2moe": (A.QWEN2MOE, False), "qwen3moe": (A.QWEN3MOE, False), "granitemoe": (A.GRANITE_MOE, True),
    "olmoe": (A.OLMOE, False), "glm4moe": (A.GLM4_MOE, False), "gpt2": (A.GPT2, False), "gptneox": (A.GPTNEOX, False),
    "falcon": (A.FALCON, False), "falcon40": (A.FALCON, False), "starcoder2": (A.STARCODER2, False),
    "phi2": (A.PHI2, False), "stablelm": (A.STABLELM, False),
    "command_r": (A.COMMAND_R, False), "cohere2": (A.COHERE2, False), "glm4": (A.GLM4, False),
    "chatglm3": (A.CHATGLM, False),
}


def permute(w, heads):
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def ungroup(w, heads, groups):
    w = w.view(groups, heads // groups + 2, -1, *w.shape[1:])
    parts = w[:, :-2], w[:, -2:-1], w[:, -1:]
    return torch.cat([p.reshape(-1, *w.shape[3:]) for p in parts])


def converted(name, weights, config, reorder):
    """The tensors as the converter stores them, under Hugging Face's names."""
    heads = config.num_attention_heads
    groups = getattr(config, "num_key_value_heads", None) or heads
    if name == "falcon":
        groups = 1
    elif name == "falcon40":
        groups = config.num_kv_heads
    out = {}
    for key, w in weights.items():
        if key.endswith("rotary_emb.inv_freq"):
            continue
        if reorder and ".q_proj." in key:
            w = permute(w, heads)
        if reorder and ".k_proj." in key:
            w = permute(w, groups)
        if name.startswith("gemma") and key.endswith("norm.weight"):
            w = w.float() + 1
        if name in ("gptneox", "falcon", "falcon40") and ".query_key_value." in key:
            w = ungroup(w, heads, groups)
        if name == "gpt2" and any(key.endswith(f"{x}.weight") for x in ("c_attn", "c_proj", "c_fc")):
            w = w.T
        out[key] = w
    for n in range(config.num_hidden_layers):
        for p in (f"model.layers.{n}.mlp.experts.", f"model.layers.{n}.block_sparse_moe.experts."):
            for x in ("gate_proj", "up_proj", "down_proj", "w1", "w2", "w3"):
                parts = [out.pop(f"{p}{e}.{x}.weight") for e in range(64) if f"{p}{e}.{x}.weight" in out]
                if parts:
                    out[f"{p}{x}.weight"] = torch.stack(parts)
        p = f"model.layers.{n}.block_sparse_moe."
        if p + "input_linear.weight" in out:
            gate, up = out.pop(p + "input_linear.weight").chunk(2, dim=1)
            out[p + "input_linear.gate.weight"], out[p + "input_linear.up.weight"] = gate, up
        if name == "phi2":
            for kind in ("weight", "bias"):
                parts = [out.pop(f"model.layers.{n}.self_attn.{x}_proj.{kind}") for x in "qkv"]
                out[f"transformer.h.{n}.mixer.Wqkv.{kind}"] = torch.cat(parts)
    return out


EXTRA_NAMES = {"block_sparse_moe.input_linear.gate": "ffn_gate_exps", "block_sparse_moe.input_linear.up": "ffn_up_exps",
               "block_sparse_moe.output_linear": "ffn_down_exps", "block_sparse_moe.router.layer": "ffn_gate_inp"}


def gguf_name(names, key):
    if key.endswith("e_score_correction_bias"):
        return f"blk.{key.split('.')[2]}.exp_probs_b.bias"
    stem, part = key.rsplit(".", 1)
    for ours, theirs in EXTRA_NAMES.items():
        if stem.endswith(ours):
            return f"blk.{stem.split('.')[2]}.{theirs}.{part}"
    mapped = names.get_name(stem)
    assert mapped is not None, key
    return f"{mapped}.{part}"


def write_gguf(path, name, weights, config):
    arch, reorder = GGUF[name]
    w = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    heads = config.num_attention_heads
    hidden = config.hidden_size
    w.add_name(name)
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(hidden)
    w.add_block_count(config.num_hidden_layers)
    ffn = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or config.ffn_hidden_size
    w.add_feed_forward_length(ffn)
    w.add_head_count(heads)
    groups = getattr(config, "num_key_value_heads", None) or heads
    w.add_head_count_kv({"falcon": 1, "falcon40": 2}.get(name, groups))
    head_dim = getattr(config, "head_dim", None) or hidden // heads
    if head_dim != hidden // heads:
        w.add_key_length(head_dim)
        w.add_value_length(head_dim)
    eps = getattr(config, "rms_norm_eps", None)
    if eps is not None and name != "orion":
        w.add_layer_norm_rms_eps(eps)
    else:
        w.add_layer_norm_eps(next(getattr(config, k) for k in (
            "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "rms_norm_eps") if hasattr(config, k)))
    ropes = getattr(config, "rope_parameters", None) or {}
    full = ropes.get("full_attention", ropes)
    if full:
        theta = full["rope_theta"]
        if name == "hunyuan":
            theta *= full["alpha"] ** (head_dim / (head_dim - 2))
        w.add_rope_freq_base(theta)
        w.add_rope_dimension_count(int(head_dim * (full.get("partial_rotary_factor") or 1)))
    if full and full["rope_type"] == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(full["factor"])
    if getattr(config, "sliding_window", None) and name != "starcoder2" and "qwen" not in name:
        w.add_sliding_window(config.sliding_window)
    if name == "gemma2":
        w.add_attn_logit_softcapping(config.attn_logit_softcapping)
        w.add_final_logit_softcapping(config.final_logit_softcapping)
    if name in ("granite", "granitemoe", "minicpm"):
        w.add_embedding_scale(config.embedding_multiplier)
        w.add_residual_scale(config.residual_multiplier)
        w.add_logit_scale(config.logits_scaling)
    if name in ("granite", "granitemoe"):
        w.add_attention_scale(config.attention_multiplier)
    if name in ("command_r", "cohere2"):
        w.add_logit_scale(config.logit_scale)
    if hasattr(config, "use_parallel_residual") and name != "orion":
        w.add_parallel_residual(config.use_parallel_residual)
    experts = getattr(config, "num_local_experts", None) or getattr(config, "num_experts", None) or getattr(
        config, "n_routed_experts", None)
    if experts:
        w.add_expert_count(experts)
        w.add_expert_used_count(config.num_experts_per_tok)
        if hasattr(config, "moe_intermediate_size"):
            w.add_expert_feed_forward_length(config.moe_intermediate_size)
    if name == "qwen2moe":
        w.add_expert_shared_feed_forward_length(config.shared_expert_intermediate_size)
    if name == "glm4moe":
        w.add_expert_group_count(config.n_group)
        w.add_expert_group_used_count(config.topk_group)
        w.add_expert_weights_scale(config.routed_scaling_factor)
        w.add_expert_weights_norm(config.norm_topk_prob)
        w.add_expert_shared_count(config.n_shared_experts)
        w.add_leading_dense_block_count(config.first_k_dense_replace)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    for key, tensor in converted(name, weights, config, reorder).items():
        data = tensor.float().contiguous().numpy()
        mapped = gguf_name(names, key)
        if data.ndim == 1 or "ffn_gate_inp" in mapped:
            w.add_tensor(mapped, data)
            continue
        kind = gguf.GGMLQuantizationType.BF16
        w.add_tensor(mapped, gguf.quants.quantize(data, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    for name, (cls, config) in MODELS.items():
        if ONLY and name not in ONLY:
            continue
        torch.manual_seed(0)
        config._attn_implementation = "eager"
        model = cls(config).float().eval()
        for seed in range(100):
            randomise(model, seed, name)
            expected = compute(model, seed)
            if expected is not None:
                break
        assert expected is not None, name
        folder = OUT / name
        folder.mkdir(parents=True, exist_ok=True)
        model.bfloat16().save_pretrained(folder)
        for extra in ("generation_config.json", ".gitattributes"):
            (folder / extra).unlink(missing_ok=True)
        path = folder / "config.json"
        published = json.loads(path.read_text())
        published.pop("transformers_version", None)
        weights = load_file(folder / "model.safetensors")
        if name in GGUF:
            write_gguf(OUT / f"{name}.gguf", name, dict(weights), config)
        if name in PUBLISH:
            weights, published = PUBLISH[name](weights, published)
        save_file({k: v.contiguous() for k, v in weights.items()}, folder / "model.safetensors",
                  metadata={"format": "pt"})
        path.write_text(json.dumps(published, indent=1, sort_keys=True) + "\n")
        save_file(expected, folder / "expected.safetensors")
        print(name, "seed", seed, "max logit", round(float(expected["logits"].abs().max()), 2),
              sum(f.stat().st_size for f in folder.iterdir()))


main()
