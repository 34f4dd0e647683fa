#!/usr/bin/env python3
"""Writes the model fixtures of the registry's tests: tiny random models, each as a Hugging Face folder and as GGUF.

    generate_fixtures.py [OUT]      (default: fixtures/ beside this script)

Needs torch, transformers, tokenizers, safetensors, gguf, numpy. The same versions give the same bytes.
"""
import json
import math
import pathlib
import shutil
import sys

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "fixtures"
VOCAB = 272
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
TOOL_TEMPLATE = "{{ tools | tojson }}" + TEMPLATE
COMMON = dict(vocab_size=VOCAB, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              intermediate_size=64, max_position_embeddings=512, bos_token_id=256, eos_token_id=258)
LLAMA3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64)
YARN = dict(rope_type="yarn", rope_theta=1000000.0, factor=4.0, original_max_position_embeddings=128)

# name: (class, config class, GGUF architecture, what differs from COMMON)
MODELS = {
    "llama": (transformers.LlamaForCausalLM, transformers.LlamaConfig, "llama",
              dict(rms_norm_eps=1e-5, tie_word_embeddings=False, rope_parameters=LLAMA3)),
    "qwen2": (transformers.Qwen2ForCausalLM, transformers.Qwen2Config, "qwen2",
              dict(rms_norm_eps=1e-6, tie_word_embeddings=True, rope_parameters=YARN)),
    "qwen3": (transformers.Qwen3ForCausalLM, transformers.Qwen3Config, "qwen3",
              dict(rms_norm_eps=1e-6, tie_word_embeddings=True, head_dim=32,
                   rope_parameters=dict(rope_type="default", rope_theta=1000000.0))),
    "mistral": (transformers.MistralForCausalLM, transformers.MistralConfig, "llama",
                dict(rms_norm_eps=1e-5, tie_word_embeddings=False, sliding_window=32, head_dim=16,
                     rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=2.0))),
}


def byte_level_vocab():
    """256 bytes, three special tokens, merges until the vocabulary is full."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = alphabet + SPECIALS
    merges = []
    for pair in ("t h", "h e", "i n", "a n", "Ġ t", "e r", "o n", "r e", "Ġt he", "Ġ a", "e s", "o u", "i s"):
        merges.append(pair)
        tokens.append(pair.replace(" ", ""))
    assert len(tokens) == VOCAB
    return tokens, merges


def write_tokenizer(folder, tokens, merges, list_form):
    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m.split(" ")) for m in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "added_tokens_decoder": {str(tokens.index(s)): {"content": s, "special": True} for s in SPECIALS},
        "bos_token": "<|endoftext|>",
        "eos_token": {"content": "<|im_end|>", "special": True},
        "model_max_length": 512,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    if list_form:
        config["chat_template"] = [{"name": "default", "template": TEMPLATE}, {"name": "tool_use", "template": TOOL_TEMPLATE}]
    else:
        (folder / "chat_template.jinja").write_text(TEMPLATE)
        (folder / "additional_chat_templates").mkdir(exist_ok=True)
        (folder / "additional_chat_templates" / "tool_use.jinja").write_text(TOOL_TEMPLATE)
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
    (folder / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>"}))


def permute(weight, heads):
    """Neighbouring rotary pairs, as GGUF's 'llama' has them."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def llama3_divisors(head_dim, p):
    out = []
    for i in range(0, head_dim, 2):
        wave = 2 * math.pi * p["rope_theta"] ** (i / head_dim)
        low, high = p["original_max_position_embeddings"] / p["low_freq_factor"], p["original_max_position_embeddings"] / p["high_freq_factor"]
        if wave < high:
            out.append(1.0)
        elif wave > low:
            out.append(p["factor"])
        else:
            s = (p["original_max_position_embeddings"] / wave - p["low_freq_factor"]) / (p["high_freq_factor"] - p["low_freq_factor"])
            out.append(1 / ((1 - s) / p["factor"] + s))
    return np.array(out, dtype=np.float32)


def write_gguf(path, arch, config, state, tokens, merges):
    w = gguf.GGUFWriter(path, arch)
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    w.add_name(path.stem)
    w.add_context_length(config.max_position_embeddings)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_key_length(head_dim)
    w.add_value_length(head_dim)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    rope = config.rope_parameters
    w.add_rope_freq_base(rope["rope_theta"])
    w.add_rope_dimension_count(head_dim)
    if rope["rope_type"] == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(rope["factor"])
    elif rope["rope_type"] == "yarn":
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(rope["factor"])
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if arch == "llama" and getattr(config, "sliding_window", None):
        w.add_sliding_window(config.sliding_window)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types([3 if t in SPECIALS else 1 for t in tokens])
    w.add_token_merges(merges)
    w.add_bos_token_id(tokens.index("<|endoftext|>"))
    w.add_eos_token_id(tokens.index("<|im_end|>"))
    w.add_add_bos_token(False)
    w.add_chat_template([{"name": "default", "template": TEMPLATE}, {"name": "tool_use", "template": TOOL_TEMPLATE}])
    if rope["rope_type"] == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_divisors(head_dim, rope))
    modules = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
               "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
               "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
               "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    for name, tensor in state.items():
        value = tensor.float().numpy()
        if name.startswith("model.layers."):
            _, _, layer, rest = name.split(".", 3)
            module, part = rest.rsplit(".", 1)
            if arch == "llama" and module in ("self_attn.q_proj", "self_attn.k_proj"):
                value = permute(value, config.num_attention_heads if "q_proj" in module else config.num_key_value_heads)
            new = f"blk.{layer}.{modules[module]}.{part}"
        else:
            new = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
                   "lm_head.weight": "output.weight"}[name]
        w.add_tensor(new, value if value.ndim == 1 else value.astype(np.float16))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_seed(path):
    """A model of a few kilobytes with every kind of key: what the fuzzer starts from."""
    w = gguf.GGUFWriter(path, "llama")
    w.add_context_length(16)
    w.add_embedding_length(8)
    w.add_block_count(1)
    w.add_feed_forward_length(8)
    w.add_head_count(2)
    w.add_head_count_kv([1, 1])
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    w.add_rope_scaling_factor(2.0)
    w.add_tokenizer_model("llama")
    w.add_token_list(["<s>", "</s>", "a", "<|eot_id|>"])
    w.add_token_scores([0.0, 0.0, -1.0, 0.0])
    w.add_token_types([3, 3, 1, 3])
    w.add_token_merges(["a b"])
    w.add_bos_token_id(0)
    w.add_add_bos_token(True)
    w.add_precompiled_charsmap(b"\x01\x02")
    w.add_chat_template([{"name": "default", "template": "T"}, {"name": "rag", "template": "R"}])
    w.add_tensor("rope_freqs.weight", np.ones(2, dtype=np.float32))
    w.add_tensor("token_embd.weight", np.ones((4, 8), dtype=np.float32))
    w.add_tensor("output_norm.weight", np.ones(8, dtype=np.float32))
    for name in ("attn_norm", "ffn_norm"):
        w.add_tensor(f"blk.0.{name}.weight", np.ones(8, dtype=np.float32))
    for name, rows in (("attn_q", 8), ("attn_k", 4), ("attn_v", 4), ("attn_output", 8), ("ffn_gate", 8), ("ffn_up", 8),
                       ("ffn_down", 8)):
        w.add_tensor(f"blk.0.{name}.weight", np.ones((rows, 8), dtype=np.float16))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    tokens, merges = byte_level_vocab()
    shutil.rmtree(OUT, ignore_errors=True)
    for seed, (name, (cls, config_cls, arch, extra)) in enumerate(MODELS.items()):
        torch.manual_seed(seed)
        config = config_cls(**COMMON, **extra)
        model = cls(config).to(torch.float16)
        folder = OUT / name
        folder.mkdir(parents=True)
        model.generation_config = transformers.GenerationConfig(
            bos_token_id=256, eos_token_id=[258, 256], do_sample=True, temperature=0.7, top_p=0.8, top_k=20,
            repetition_penalty=1.05)
        # Two shards for one of them.
        model.save_pretrained(folder, max_shard_size="100KB" if name == "qwen3" else "5GB")
        write_tokenizer(folder, tokens, merges, list_form=name == "mistral")
        state = {}
        for shard in sorted(folder.glob("*.safetensors")):
            state.update(load_file(shard))
        write_gguf(OUT / f"{name}.gguf", arch, model.config, state, tokens, merges)
    seeds = pathlib.Path(__file__).parent.parent / "fuzz" / "corpus"
    for kind in ("gguf", "safetensors"):
        (seeds / f"fuzz_{kind}").mkdir(parents=True, exist_ok=True)
    write_seed(seeds / "fuzz_gguf" / "seed.gguf")
    save_file({"a": torch.ones(2, 2), "b\u00e9": torch.ones(4, dtype=torch.bfloat16)},
              seeds / "fuzz_safetensors" / "seed.safetensors", metadata={"format": "pt"})
    # The same model as published before transformers 5, with the older keys.
    config = json.loads((OUT / "llama" / "config.json").read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope
    (OUT / "llama" / "config.transformers4.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    main()
