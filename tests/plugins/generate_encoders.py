#!/usr/bin/env python3
"""Writes encoders/<model>/: tiny random encoders as published folders, some as GGUF too, and what transformers gives.

    generate_encoders.py [OUT]      (default: encoders/ beside this script)

Each folder has config.json, model.safetensors (weights that bfloat16 holds exactly), a tokenizer, sentence-transformers'
files where the model is an embedder, and expected.safetensors: `ids`, `types` and `begin` of a ragged batch, `hidden`
[tokens, hidden] of every token, and `pooled` [sequences, width], the vectors (normalised where the model says so) or
scores before their activation. encoders/<model>.gguf is the same model as the PyPI package gguf writes it. Needs torch,
transformers, tokenizers, safetensors, gguf. The same versions give the same bytes.
"""
import json
import pathlib
import sys

import gguf
import numpy as np
import torch
import transformers as t
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "encoders"
LENGTHS = [7, 1, 30, 16, 3]
WORDS = ("a b c d e f g h i j k l m n o p q r s t u v w x y z ##a ##b ##c ##d ##e ##f ##g ##h ##i ##j ##k ##l ##m ##n "
         "##o ##p ##q ##r ##s ##t ##u ##v ##w ##x ##y ##z . , ! ? the what is rain ##ing capital of france paris").split()
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCAB = len(SPECIALS) + len(WORDS)
COMMON = dict(vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
              max_position_embeddings=40, layer_norm_eps=1e-7, hidden_act="gelu", attn_implementation="eager")
DISTIL = dict(vocab_size=VOCAB, dim=32, n_layers=2, n_heads=4, hidden_dim=64, max_position_embeddings=40,
              attn_implementation="eager")
ROBERTA = dict(COMMON, max_position_embeddings=42, pad_token_id=1, type_vocab_size=1)
CAUSAL = dict(vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              head_dim=16, intermediate_size=64, max_position_embeddings=64, rms_norm_eps=1e-6, tie_word_embeddings=True,
              attn_implementation="eager")
MODERN = {k: v for k, v in COMMON.items() if k not in ("layer_norm_eps", "hidden_act")} | dict(
    num_hidden_layers=4, norm_eps=1e-5, local_attention=8, pad_token_id=0, bos_token_id=2, eos_token_id=3,
    cls_token_id=2, sep_token_id=3)

# name: (class, config, pooling, normalised?, more files)
MODELS = {
    "bert": (t.BertModel, t.BertConfig(**COMMON), "mean", True, {}),
    "bert_cls_dense": (t.BertModel, t.BertConfig(**{**COMMON, "hidden_act": "gelu_new"}), "cls", False, {"dense": 24}),
    "bert_rerank": (t.BertForSequenceClassification, t.BertConfig(**COMMON, num_labels=1), "scores", False, {}),
    "roberta_classify": (t.RobertaForSequenceClassification, t.RobertaConfig(**ROBERTA, num_labels=3), "scores", False,
                         {}),
    "xlm_roberta": (t.XLMRobertaModel, t.XLMRobertaConfig(**ROBERTA), "cls", True, {}),
    "distilbert": (t.DistilBertModel, t.DistilBertConfig(**DISTIL), "mean", False, {}),
    "distilbert_classify": (t.DistilBertForSequenceClassification, t.DistilBertConfig(**DISTIL, num_labels=2), "scores",
                            False, {}),
    "modernbert": (t.ModernBertModel, t.ModernBertConfig(**MODERN), "cls", True, {}),
    "modernbert_rerank": (t.ModernBertForSequenceClassification,
                          t.ModernBertConfig(**MODERN, num_labels=1, classifier_pooling="mean"), "scores", False, {}),
    "nomic_bert": (t.NomicBertModel, t.NomicBertConfig(**{**COMMON, "hidden_act": "silu", "head_dim": 8}), "mean", True,
                   {"published_names": True}),
    "gte": (t.GteModel, t.GteConfig(**COMMON), "cls", True, {"published_names": True}),
    "gte_rerank": (t.GteForSequenceClassification, t.GteConfig(**COMMON, num_labels=1), "scores", False, {}),
    "qwen3_reranker": (t.Qwen3ForCausalLM, t.Qwen3Config(**CAUSAL), "yes_no", False, {"yes": 10, "no": 11}),
    "qwen3_embedding": (t.Qwen3Model, t.Qwen3Config(**CAUSAL), "lasttoken", True,
                        {"prompts": {"query": "Instruct: find it\nQuery:", "document": ""}, "truncate_dim": 16}),
}
ONLY = sys.argv[2:]


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        value = torch.randn(p.shape, generator=generator) * (0.2 if p.dim() == 2 else 0.1)
        if p.dim() == 1 and name.endswith("weight"):
            value = 1 + value
        if "embeddings" in name and p.dim() == 2:
            value = value * 2.5
        p.data = value.bfloat16().float()


def write_tokenizer(folder):
    tokens = SPECIALS + WORDS
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIALS))
    (folder / "tokenizer_config.json").write_text(
        json.dumps({f"{k}_token": v for k, v in names.items()} | {"model_max_length": 38}, indent=1) + "\n")


def write_sentence_files(folder, pooling, normalize, more, width):
    dump = lambda path, value: path.write_text(json.dumps(value, indent=1) + "\n")
    steps = [("", "Transformer"), ("1_Pooling", "Pooling")]
    (folder / "1_Pooling").mkdir(exist_ok=True)
    modes = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
    chosen = {"cls": "cls_token", "mean": "mean_tokens", "lasttoken": "lasttoken"}[pooling]
    dump(folder / "1_Pooling" / "config.json",
         {"word_embedding_dimension": width} | {f"pooling_mode_{m}": m == chosen for m in modes} | {"include_prompt": True})
    if "dense" in more:
        steps.append(("2_Dense", "Dense"))
    if normalize:
        steps.append((f"{len(steps)}_Normalize", "Normalize"))
    dump(folder / "modules.json", [dict(idx=i, name=str(i), path=p, type="sentence_transformers.models." + k)
                                   for i, (p, k) in enumerate(steps)])
    dump(folder / "sentence_bert_config.json", {"max_seq_length": 36, "do_lower_case": False})
    if "prompts" in more:
        dump(folder / "config_sentence_transformers.json",
             {"prompts": more["prompts"], "default_prompt_name": None, "similarity_fn_name": "cosine",
              "truncate_dim": more["truncate_dim"]})


def write_dense(folder, out, width):
    generator = torch.Generator().manual_seed(77)
    weight = (torch.randn(out, width, generator=generator) * 0.2).bfloat16().float()
    bias = (torch.randn(out, generator=generator) * 0.1).bfloat16().float()
    (folder / "2_Dense").mkdir(exist_ok=True)
    save_file({"linear.weight": weight, "linear.bias": bias}, folder / "2_Dense" / "model.safetensors")
    (folder / "2_Dense" / "config.json").write_text(json.dumps(
        {"in_features": width, "out_features": out, "bias": True,
         "activation_function": "torch.nn.modules.activation.Tanh"}, indent=1) + "\n")
    return lambda x: torch.tanh(x @ weight.T + bias)


@torch.no_grad()
def compute(model, pooling, normalize, dense, types_count, yes_no):
    generator = torch.Generator().manual_seed(5)
    ids, types, hidden, pooled = [], [], [], []
    for length in LENGTHS:
        row = torch.randint(5, VOCAB, (length,), generator=generator)
        kind = (torch.arange(length) > length // 2).long() * (1 if types_count > 1 else 0)
        extra = {"token_type_ids": kind[None]} if types_count > 1 else {}
        inputs = dict(input_ids=row[None], attention_mask=torch.ones(1, length, dtype=torch.long), **extra)
        base = getattr(model, model.base_model_prefix) if pooling in ("scores", "yes_no") else model
        states = base(**inputs).last_hidden_state[0]
        if pooling == "scores":
            vector = model(**inputs).logits[0]
        elif pooling == "yes_no":
            logits = model(**inputs).logits[0, -1]
            vector = (logits[yes_no["yes"]] - logits[yes_no["no"]])[None]
        else:
            vector = {"cls": states[0], "mean": states.mean(0), "lasttoken": states[-1]}[pooling]
            vector = dense(vector) if dense else vector
            vector = vector / vector.norm() if normalize else vector
        ids.append(row), types.append(kind), hidden.append(states), pooled.append(vector)
    begin = torch.tensor([0] + LENGTHS).cumsum(0)
    return {"ids": torch.cat(ids).int(), "types": torch.cat(types).int(), "begin": begin.int(),
            "hidden": torch.cat(hidden).contiguous(), "pooled": torch.stack(pooled).contiguous()}


def write_gguf(path, model, config, pooling):
    """BERT as llama.cpp's converter names it; Qwen3 with its pooling."""
    arch = {"bert": "bert", "qwen3": "qwen3", "nomic_bert": "nomic-bert"}[config.model_type]
    writer = gguf.GGUFWriter(path, arch)
    writer.add_name(path.stem)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_feed_forward_length(config.intermediate_size)
    kinds = {"mean": gguf.PoolingType.MEAN, "cls": gguf.PoolingType.CLS, "lasttoken": gguf.PoolingType.LAST,
             "scores": gguf.PoolingType.RANK}
    writer.add_pooling_type(kinds[pooling])
    if arch == "qwen3":
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    else:
        writer.add_layer_norm_eps(config.layer_norm_eps)
        writer.add_causal_attention(False)
        writer.add_token_type_count(config.type_vocab_size)
    if arch == "nomic-bert":
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_tokenizer_model("bert")
    # WordPiece in GGUF marks the beginning of words instead of their continuation.
    words = [w if w in SPECIALS else w[2:] if w.startswith("##") else "▁" + w for w in SPECIALS + WORDS]
    writer.add_token_list(words)
    writer.add_token_types([3 if w in SPECIALS else 1 for w in words])
    for name, value in (("pad", 0), ("unk", 1), ("bos", 2), ("sep", 3), ("mask", 4)):
        getattr(writer, f"add_{name}_token_id")(value)
    names = [("bert.", ""), ("model.", ""), ("embeddings.word_embeddings", "token_embd"),
             ("embeddings.position_embeddings", "position_embd"), ("embeddings.token_type_embeddings", "token_types"),
             ("embeddings.LayerNorm", "token_embd_norm"), ("encoder.layer.", "blk."), ("layers.", "blk."),
             ("attention.self.query", "attn_q"), ("attention.self.key", "attn_k"), ("attention.self.value", "attn_v"),
             ("attention.output.dense", "attn_output"), ("attention.output.LayerNorm", "attn_output_norm"),
             ("intermediate.dense", "ffn_up"), ("output.dense", "ffn_down"), ("output.LayerNorm", "layer_output_norm"),
             ("pooler.dense", "cls"), ("classifier", "cls.output"), ("embed_tokens", "token_embd"),
             ("input_layernorm", "attn_norm"), ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"),
             ("self_attn.v_proj", "attn_v"), ("self_attn.o_proj", "attn_output"), ("self_attn.q_norm", "attn_q_norm"),
             ("self_attn.k_norm", "attn_k_norm"), ("post_attention_layernorm", "ffn_norm"), ("mlp.gate_proj", "ffn_gate"),
             ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down")]
    for name, tensor in model.state_dict().items():
        if name.endswith("position_ids") or (name.startswith("pooler") and pooling != "scores"):
            continue
        for old, new in names:
            name = name.replace(old, new, 1)
        name = "output_norm.weight" if name == "norm.weight" else name
        writer.add_tensor(name, tensor.numpy().astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    for seed, (name, (cls, config, pooling, normalize, more)) in enumerate(MODELS.items()):
        if ONLY and name not in ONLY:
            continue
        model = cls(config).float().eval()
        randomise(model, seed)
        folder = OUT / name
        folder.mkdir(parents=True, exist_ok=True)
        config.architectures = [cls.__name__]
        if "published_names" in more:
            model.save_pretrained(folder)  # under the names of the family's first files
        else:
            weights = {k: v.contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}
            save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
            config.save_pretrained(folder)
        write_tokenizer(folder)
        width = getattr(config, "hidden_size", 0) or config.dim
        dense = write_dense(folder, more["dense"], width) if "dense" in more else None
        if "yes" in more:
            config_path = folder / "config.json"
            content = json.loads(config_path.read_text()) | {"classifier_from_token": [WORDS[more["no"] - 5], WORDS[more["yes"] - 5]]}
            config_path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
        elif pooling != "scores":
            write_sentence_files(folder, pooling, normalize, more, width)
        types = 0 if "distil" in name or name.startswith(("qwen", "modern")) else config.type_vocab_size
        expected = compute(model, pooling, normalize, dense, types, more)
        save_file(expected, folder / "expected.safetensors")
        if name in ("bert", "bert_rerank", "qwen3_embedding"):
            write_gguf(OUT / f"{name}.gguf", model, config, pooling)
        print(name, "max hidden", float(expected["hidden"].abs().max()), tuple(expected["pooled"].shape))


main()
