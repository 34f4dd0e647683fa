#!/usr/bin/env python3
"""A GGUF file with random weights in the true shape of a published model, for measuring speed and memory.

    random_gguf.py --shape qwen2.5-0.5b --type q8_0 --out FILE

Speed does not depend on the values; the text that such a model writes is noise. K- and I-quants and MXFP4 are random bits with
scales that give weights of a sensible size; rows that are no multiple of 256 are Q8_0 in these. The tokenizer is a byte-level BPE with one
merge: 256 bytes, one pair, fillers up to the vocabulary's size, and the three ChatML tokens. Both engines read the same file.
"""
import argparse

import gguf
import numpy as np

# architecture, hidden, layers, heads, kv heads, head_dim, ffn, vocabulary, rope base, epsilon, context
SHAPES = {
    "qwen2.5-0.5b": ("qwen2", 896, 24, 14, 2, 64, 4864, 151936, 1e6, 1e-6, 32768),
    "llama-3.2-1b": ("llama", 2048, 16, 32, 8, 64, 8192, 128256, 5e5, 1e-5, 131072),
    "qwen3-0.6b": ("qwen3", 1024, 28, 16, 8, 128, 3072, 151936, 1e6, 1e-6, 40960),
}
T = gguf.GGMLQuantizationType
TYPES = {t.name.lower(): t for t in (T.F32, T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1)}
# Types that gguf-py cannot make: random bits. (offset of an fp16 scale in a block, its value for weights of deviation 1)
BITS = {T.Q2_K: [(80, 0.101), (82, 0.152)], T.Q3_K: [(108, 0.0235)], T.Q4_K: [(0, 0.006), (2, 0.045)],
        T.Q5_K: [(0, 0.003), (2, 0.0465)], T.Q6_K: [(208, 0.00073)], T.IQ1_S: [(0, 0.14)], T.IQ2_XXS: [(0, 0.0167)],
        T.IQ2_XS: [(0, 0.0167)], T.IQ2_S: [(0, 0.0167)], T.IQ3_XXS: [(0, 0.0067)], T.IQ3_S: [(0, 0.0067)],
        T.IQ4_NL: [(0, 0.0145)], T.IQ4_XS: [(0, 0.00078)], T.MXFP4: []}
TYPES |= {t.name.lower(): t for t in BITS}
TYPES["q4_k_m"] = T.Q4_K  # with Q6_K where llama.cpp's mixture of that name has it
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def byte_tokens():
    """GPT-2's printable stand-ins for the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(b if b in printable else next(spare)) for b in range(256)]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--shape", choices=SHAPES, required=True)
    p.add_argument("--type", choices=TYPES, required=True)
    p.add_argument("--out", required=True)
    args = p.parse_args()
    arch, hidden, layers, heads, kv, dim, ffn, vocab, base, eps, context = SHAPES[args.shape]
    kind = TYPES[args.type]
    rng = np.random.default_rng(1)
    w = gguf.GGUFWriter(args.out, arch)
    w.add_name(f"{args.shape}, random weights")
    w.add_context_length(context)
    w.add_embedding_length(hidden)
    w.add_block_count(layers)
    w.add_feed_forward_length(ffn)
    w.add_head_count(heads)
    w.add_head_count_kv(kv)
    w.add_key_length(dim)
    w.add_value_length(dim)
    w.add_rope_dimension_count(dim)
    w.add_layer_norm_rms_eps(eps)
    w.add_rope_freq_base(base)
    w.add_vocab_size(vocab)

    tokens = byte_tokens() + ["ab"]
    tokens += [f"<unused{i}>" for i in range(vocab - len(tokens) - len(SPECIALS))] + SPECIALS
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types([gguf.TokenType.CONTROL if t in SPECIALS else gguf.TokenType.NORMAL for t in tokens])
    w.add_token_merges(["a b"])
    tokens_id = {t: i for i, t in enumerate(tokens)}
    w.add_eos_token_id(tokens_id["<|im_end|>"])
    w.add_bos_token_id(tokens_id["<|endoftext|>"])
    w.add_add_bos_token(False)
    w.add_chat_template(TEMPLATE)

    def matrix(name, rows, cols, kind=kind):
        if kind in BITS:
            elements, size = gguf.GGML_QUANT_SIZES[kind]
            if cols % elements:
                return matrix(name, rows, cols, T.Q8_0)
            data = rng.integers(0, 256, (rows * cols // elements, size), dtype=np.uint8)
            for at, value in BITS[kind]:
                data[:, at:at + 2] = np.full(1, value * cols ** -0.5, np.float16).view(np.uint8)
            if kind == T.MXFP4:
                data[:, 0] = 127 + int(np.floor(np.log2(cols ** -0.5 / 2.9)))
            return w.add_tensor(name, data.reshape(rows, -1), raw_dtype=kind)
        data = rng.standard_normal((rows, cols), dtype=np.float32) * np.float32(cols ** -0.5)
        w.add_tensor(name, gguf.quantize(data, kind), raw_dtype=kind)

    def vector(name, n, value=None):
        w.add_tensor(name, np.full(n, value, np.float32) if value is not None else
                     rng.standard_normal(n).astype(np.float32) * np.float32(0.02))

    mixed = args.type == "q4_k_m"
    matrix("token_embd.weight", vocab, hidden, T.Q6_K if mixed else kind)
    vector("output_norm.weight", hidden, 1)
    for i in range(layers):
        # The first and last eighth of the layers and every third one between are finer.
        fine = T.Q6_K if mixed and (i < layers // 8 or i >= 7 * layers // 8 or (i - layers // 8) % 3 == 2) else kind
        b = f"blk.{i}."
        vector(b + "attn_norm.weight", hidden, 1)
        vector(b + "ffn_norm.weight", hidden, 1)
        matrix(b + "attn_q.weight", heads * dim, hidden)
        matrix(b + "attn_k.weight", kv * dim, hidden)
        matrix(b + "attn_v.weight", kv * dim, hidden, fine)
        matrix(b + "attn_output.weight", hidden, heads * dim)
        matrix(b + "ffn_gate.weight", ffn, hidden)
        matrix(b + "ffn_up.weight", ffn, hidden)
        matrix(b + "ffn_down.weight", hidden, ffn, fine)
        if arch == "qwen2":
            for n, rows in (("q", heads * dim), ("k", kv * dim), ("v", kv * dim)):
                vector(b + f"attn_{n}.bias", rows)
        if arch == "qwen3":
            vector(b + "attn_q_norm.weight", dim, 1)
            vector(b + "attn_k_norm.weight", dim, 1)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    main()
