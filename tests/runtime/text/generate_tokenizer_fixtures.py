#!/usr/bin/env python3
"""Writes the tokenizer fixtures: data/strings.txt, data/KIND.json, data/KIND.expected.

Published vocabularies are large and not ours to ship, so small ones are trained here, in exactly the published
configurations, and Hugging Face's `tokenizers` says what must come out.

strings.txt     one string a line; \\xNN for bytes outside printable ASCII and valid UTF-8, and for the backslash.
KIND.expected   for each string: its ids without special tokens (two characters of base 64 an id), then CRC-32 of
                its ids with special tokens (each as little-endian int32), of decode(those, skip_special_tokens=True)
                and of decode(..., False). After a line "decode", sequences of random ids: ids and the two decode CRCs.

    generate_tokenizer_fixtures.py                    writes everything (needs tokenizers, sentencepiece)
    generate_tokenizer_fixtures.py --explain KIND N   prints what is expected for string N
"""

import base64
import io
import json
import os
import random
import struct
import sys
import unicodedata
import zlib

import sentencepiece
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers)

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")

SENTENCES = """
The quick brown fox jumps over the lazy dog. It's what they'd've wanted; we're sure you'll agree, I'm told.
Attention is all you need, and the tokenizer decides what the model can see of a text before anything else.
Der schnelle braune Fuchs springt über den faulen Hund. Straße, Größe, Übermut und Ärger.
Le renard brun saute par-dessus le chien paresseux. L'été dernier, où étiez-vous? Ça va déjà très bien.
El zorro marrón salta sobre el perro perezoso. ¿Dónde está la biblioteca? ¡Mañana será otro día!
A raposa marrom salta sobre o cão preguiçoso. Não há nada como o coração de uma mãe.
La volpe marrone salta sopra il cane pigro. Perché così? È già più di là che di qua.
Быстрая коричневая лиса прыгает через ленивую собаку. Съешь ещё этих мягких французских булок.
Швидка коричнева лисиця стрибає через ледачого пса. Їжак з'їв ґанок.
Η γρήγορη καφέ αλεπού πηδά πάνω από το τεμπέλικο σκυλί. Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.
الثعلب البني السريع يقفز فوق الكلب الكسول. نص حكيم له سر قاطع وذو شأن عظيم.
השועל החום המהיר קופץ מעל הכלב העצלן. דג סקרן שט בים מאוכזב.
तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है। ऋषियों को सताने वाले दुष्ट राक्षसों के राजा।
দ্রুত বাদামী শিয়াল অলস কুকুরের উপর লাফ দেয়। আমার সোনার বাংলা।
வேகமான பழுப்பு நரி சோம்பேறி நாயின் மீது குதிக்கிறது.
สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ เป็นมนุษย์สุดประเสริฐเลิศคุณค่า
敏捷的棕色狐狸跳过了懒狗。天地玄黄，宇宙洪荒。我们今天去北京大学图书馆看书。
敏捷的棕色狐狸跳過了懶狗。臺灣的繁體字：龍、鳳、龜。
素早い茶色の狐がのろまな犬を飛び越える。いろはにほへと ちりぬるを。カタカナとひらがな、漢字。
빠른 갈색 여우가 게으른 개를 뛰어넘는다. 다람쥐 헌 쳇바퀴에 타고파.
Con cáo nâu nhanh nhẹn nhảy qua con chó lười. Tiếng Việt có dấu: ường, nguyễn, đẹp.
Hızlı kahverengi tilki tembel köpeğin üzerinden atlar. İstanbul'da ılık bir gün, ŞÖĞÜÇ.
Szybki brązowy lis przeskakuje nad leniwym psem. Zażółć gęślą jaźń.
Příliš žluťoučký kůň úpěl ďábelské ódy. Rychlá hnědá liška.
ფრთხილი ყავისფერი მელა. Արագ շագանակագույն աղվեսը. ፈጣን ቡናማ ቀበሮ።
def encode(self, text: str) -> list[int]:  # returns ids
    return [self.vocab[t] for t in text.split() if t in self.vocab]
for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; } // O(n)
SELECT name, COUNT(*) FROM users WHERE id >= 1000 AND email LIKE '%@example.com' GROUP BY name;
{"role": "user", "content": "Hello\\nworld", "temperature": 0.7, "max_tokens": 4096}
#include <vector>\nstd::vector<std::string> names{"alpha", "beta", "gamma"};
https://example.com/path/to/page?query=1&lang=en#section-2 mail@example.org 192.168.0.1 2024-11-22T12:00:00Z
3.14159 2,718,281 1e-10 0x7fff 123456789 1/2 50% $19.99 €20 £5 ¥1000 №7 1st 2nd 3rd 4ème
""".strip().split("\n")

EMOJI = ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇯🇵", "1️⃣", "❤️", "🤷🏻‍♀️", "🧑‍🚀", "©️", "☎", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👩‍❤️‍💋‍👨", "🫠"]
ODD = ["\u00a0", "\u3000", "\u2028", "\u200b", "\u200d", "\ufeff", "\u180e", "\u0085", "\u2581", "\ufffd", "\x00", "\x07",
       "\x1b[0m", "\x7f", "\r\n", "\n\n\n", "\t\t", "    ", "\u202e", "\u00ad", "ﬁ", "Ⅷ", "①", "½", "²", "ſ", "K", "ß", "İ",
       "ı", "Å", "Ω", "e\u0301", "\u0301", "o\u0302\u0323", "ệ", "가", "가", "ﷺ", "㎞", "ｆｕｌｌ", "ﾊﾝｶｸ",
       "\u0e33", "क्ष", "\u1100\u1161", "…", "—", "“”", "«»", "、。", "？！", "\u0600", "\U000e0001", "\U0010ffff"]
INVALID = [b"\xff", b"\xc3", b"\xe4\xbd", b"\xf0\x9f\x98", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80\x80",
           b"\xe2\x82", b"\xf8\x88\x80\x80\x80", b"\xe4\xbd\xa0\xe5", b"\xfe\xff"]
SPECIAL = ["<|endoftext|>", "<|begin_of_text|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "<s>", "</s>",
           "<unk>", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "<mask>", "[INST]", "[/INST]", "<｜begin▁of▁sentence｜>",
           "<｜User｜>", "<pad>", "<extra_id_0>", "<0x41>", "<|eot_id|>", "Yesterday", "<|end"]


def make_strings():
    rng = random.Random(20240607)
    out = [b"", b" ", b"  ", b"\n", b"a", b" a", b"a ", b"<s>", b"Hello world", b" Hello  world ", b"hello world" * 12]
    blocks = [(0x20, 0x7e), (0xa0, 0x24f), (0x250, 0x36f), (0x370, 0x3ff), (0x400, 0x52f), (0x530, 0x5ff), (0x600, 0x6ff),
              (0x900, 0x97f), (0x980, 0xdff), (0xe00, 0xeff), (0xf00, 0x109f), (0x10a0, 0x11ff), (0x1200, 0x137f),
              (0x13a0, 0x18af), (0x1d00, 0x1fff), (0x2000, 0x2bff), (0x3000, 0x30ff), (0x3100, 0x33ff), (0x4e00, 0x9fff),
              (0xa000, 0xabff), (0xac00, 0xd7a3), (0xf900, 0xfaff), (0xfb00, 0xffef), (0x10000, 0x10fff), (0x1d000, 0x1d7ff),
              (0x1f000, 0x1faff), (0x20000, 0x2a6d0)]
    assigned = {b: [c for c in range(b[0], b[1] + 1) if unicodedata.category(chr(c)) not in ("Cn", "Cs")] for b in blocks}

    def word():
        return rng.choice(rng.choice(SENTENCES).split() or ["x"])

    def characters(n):
        block = rng.choice(blocks)
        return "".join(chr(rng.choice(assigned[block])) for _ in range(n))

    def piece():
        kind = rng.randrange(10)
        if kind < 3:
            return word()
        if kind == 3:
            return rng.choice(EMOJI)
        if kind == 4:
            return rng.choice(ODD)
        if kind == 5:
            return characters(rng.randrange(1, 5))
        if kind == 6:
            return "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 9)))
        if kind == 7:
            return "".join(rng.choice(" \t\n\r  ") for _ in range(rng.randrange(1, 7)))
        if kind == 8:
            return rng.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") * rng.randrange(1, 4)
        return rng.choice(["'s", "'LL", "’s", "don't", "I'VE", "__init__", "camelCaseWord", "HTTPServer", "ALLCAPS", "x"])

    while len(out) < 350:
        s = rng.choice(SENTENCES)
        i = rng.randrange(len(s))
        out.append(s[i:i + rng.randrange(1, 50)].encode())
    while len(out) < 1100:
        out.append(rng.choice(["", " "]).join(piece() for _ in range(rng.randrange(1, 8))).encode())
    while len(out) < 1400:
        out.append(characters(rng.randrange(1, 14)).encode())
    while len(out) < 1500:
        base = rng.choice("aeiouncsyzAEO한कกあЖ")
        marks = "".join(chr(rng.choice(assigned[(0x250, 0x36f)][-112:])) for _ in range(rng.randrange(1, 5)))
        out.append(unicodedata.normalize(rng.choice(["NFC", "NFD"]), base + marks + word()).encode())
    while len(out) < 1620:
        out.append("".join(rng.choice("   \t\n\r\u00a0\u3000x.1") for _ in range(rng.randrange(1, 20))).encode())
    while len(out) < 1720:
        out.append("".join(chr(rng.randrange(0x20 if rng.random() < 0.5 else 0xa0)) for _ in range(rng.randrange(1, 10))).encode())
    while len(out) < 1900:
        parts = [rng.choice(SPECIAL) if rng.random() < 0.5 else rng.choice(["", " ", "  ", "\n"]) + word() for _ in range(rng.randrange(1, 7))]
        out.append(rng.choice(["", " "]).join(parts).encode())
    while len(out) < 2010:
        parts = [rng.choice(INVALID) if rng.random() < 0.4 else word().encode() for _ in range(rng.randrange(1, 6))]
        out.append(b"".join(parts))
    while len(out) < 2060:
        out.append(bytes(rng.randrange(256) for _ in range(rng.randrange(1, 16))))
    return out


CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL
QWEN2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
LEAD = r"[^\r\n\p{L}\p{N}]?"
O200K = (f"{LEAD}{UPPER}*{LOWER}+{CONTRACTIONS}?|{LEAD}{UPPER}+{LOWER}*{CONTRACTIONS}?" + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL)
TEKKEN = f"{LEAD}{UPPER}*{LOWER}+|{LEAD}{UPPER}+{LOWER}*" + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*" + TAIL)


def isolated(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def byte_level(*before):
    return pre_tokenizers.Sequence([*before, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def special(*contents, **flags):
    return [AddedToken(c, normalized=False, special=True, **flags) for c in contents]


def template(before, after, tokenizer):
    names = before + after
    return processors.TemplateProcessing(single=" ".join(before + ["$A"] + after),
                                         special_tokens=[(n, tokenizer.token_to_id(n)) for n in dict.fromkeys(names)])


def train_bpe(pre, added, normalizer=None, size=900, decoder=None, **model):
    t = Tokenizer(models.BPE(**model))
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.decoder = decoder or decoders.ByteLevel()
    suffix = {"end_of_word_suffix": model["end_of_word_suffix"]} if "end_of_word_suffix" in model else {}
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False,
                                  special_tokens=["<unk>"] if model.get("unk_token") == "<unk>" else [], **suffix)
    t.train_from_iterator(SENTENCES * 2, trainer)
    t.add_tokens(added)
    return t


def gpt2():
    t = train_bpe(pre_tokenizers.ByteLevel(add_prefix_space=False), special("<|endoftext|>"))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def llama3():
    t = train_bpe(byte_level(isolated(LLAMA3)), special("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"), ignore_merges=True)
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template(["<|begin_of_text|>"], [], t)])
    return t


def qwen2():
    plain = [AddedToken(c, normalized=False, special=False) for c in ("<think>", "</think>", "<tool_call>")]
    t = train_bpe(byte_level(isolated(QWEN2)), special("<|endoftext|>", "<|im_start|>", "<|im_end|>") + plain, normalizers.NFC())
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def deepseek_v3():
    pre = byte_level(isolated(r"\p{N}{1,3}"), isolated("[一-龥\u3040-ゟ゠-ヿ]+"), isolated(DEEPSEEK))
    plain = [AddedToken(c, normalized=True, special=False) for c in ("<｜User｜>", "<think>", "</think>")]
    t = train_bpe(pre, special("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>") + plain, normalizers.Sequence([]))
    t.post_processor = template(["<｜begin▁of▁sentence｜>"], [], t)
    return t


def o200k():
    return train_bpe(byte_level(isolated(O200K)), special("<|endoftext|>", "<|im_start|>"))


def tekken():
    t = train_bpe(byte_level(isolated(TEKKEN)), special("<unk>", "<s>", "</s>", "[INST]", "[/INST]"), ignore_merges=True)
    t.post_processor = template(["<s>"], [], t)
    return t


def falcon():
    pre = pre_tokenizers.Sequence([pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False),
                                   pre_tokenizers.Digits(individual_digits=False), isolated("[0-9][0-9][0-9]")])
    return train_bpe(pre, special("<|endoftext|>"))


def smollm():
    pre = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return train_bpe(pre, special("<|endoftext|>", "<|im_start|>", "<|im_end|>"))


def roberta():
    t = train_bpe(pre_tokenizers.ByteLevel(add_prefix_space=True), special("<s>", "</s>", "<unk>") + special("<mask>", lstrip=True)
                  + [AddedToken("Yesterday", single_word=True, normalized=True), AddedToken("<pad>", rstrip=True, special=True)])
    t.post_processor = processors.RobertaProcessing(("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>")))
    return t


def clip():
    normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    words = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    split = pre_tokenizers.Split(Regex(words), "removed", invert=True)
    t = train_bpe(byte_level(split), special("<|startoftext|>", "<|endoftext|>"), normalizer, decoder=decoders.Sequence([decoders.BPEDecoder("</w>"), decoders.ByteLevel()]),
                  end_of_word_suffix="</w>", unk_token="<unk>")
    t.post_processor = template(["<|startoftext|>"], ["<|endoftext|>"], t)
    return t


def sentencepiece_bpe(t, added):
    """A BPE model as transformers makes it of a SentencePiece one: control tokens, bytes, pieces by merge order, characters."""
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    words.train_from_iterator(SENTENCES * 2, trainers.BpeTrainer(vocab_size=760, show_progress=False, limit_alphabet=330))
    trained = json.loads(words.to_str())["model"]
    pieces = ["".join(m) if isinstance(m, list) else m.replace(" ", "", 1) for m in trained["merges"]]
    pieces = list(dict.fromkeys(pieces))
    characters = [p for p in trained["vocab"] if len(p) == 1]
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + pieces + characters
    vocab = {n: i for i, n in enumerate(dict.fromkeys(names))}
    merges = []
    for piece in pieces:
        splits = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in vocab and piece[i:] in vocab]
        merges += sorted(splits, key=lambda s: (vocab[s[0]], vocab[s[1]]))
    t.model = models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    t.add_tokens(special("<unk>", "<s>", "</s>") + added)
    t.post_processor = template(["<s>"], [], t)
    return t


def llama2():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return sentencepiece_bpe(t, [])


def mistral():
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return sentencepiece_bpe(t, special("[INST]", "[/INST]"))


def sentencepiece_unigram(**options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(SENTENCES * 3), model_writer=model, model_type="unigram", vocab_size=900,
                                             hard_vocab_limit=False, minloglevel=2, num_threads=1, **options)
    return model.getvalue()


def pieces_of(model):
    sp = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [(sp.id_to_piece(i), sp.get_score(i)) for i in range(sp.get_piece_size())]


def protobuf_field(data, wanted):
    """The bytes of the last length-delimited field with this number."""
    found, pos = b"", 0

    def varint():
        nonlocal pos
        value, shift = 0, 0
        while True:
            byte = data[pos]
            pos += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while pos < len(data):
        key = varint()
        if key & 7 == 0:
            varint()
        elif key & 7 == 2:
            length = varint()
            if key >> 3 == wanted:
                found = data[pos:pos + length]
            pos += length
        else:
            pos += {1: 8, 5: 4}[key & 7]
    return found


def with_charsmap(t, model):
    """`tokenizers` takes the character map only from JSON."""
    state = json.loads(t.to_str())
    normalizer_spec = protobuf_field(model, 3)
    charsmap = base64.b64encode(protobuf_field(normalizer_spec, 2)).decode()
    state["normalizer"]["normalizers"][0] = {"type": "Precompiled", "precompiled_charsmap": charsmap}
    return Tokenizer.from_str(json.dumps(state))


def t5():
    model = sentencepiece_unigram(normalization_rule_name="nmt_nfkc", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    t = Tokenizer(models.Unigram(pieces_of(model), unk_id=2))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(" {2,}"), "▁")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    t.add_tokens(special("<pad>", "</s>", "<unk>", "<extra_id_0>"))
    t.post_processor = template([], ["</s>"], t)
    return with_charsmap(t, model)


def xlm_roberta():
    rules = os.path.join(HERE, "rules.tsv")
    pairs = [("ﬁ", "fi"), ("½", "1/2"), ("①", "1"), ("\u00a0", " "), ("\u3000", " "), ("\t", " "), ("\r", " "), ("e\u0301", "é"),
             ("ｆ", "f"), ("İ", "i"), ("\u200b", ""), ("\u1100\u1161", "가"), ("…", "...")]
    with open(rules, "w") as f:
        for a, b in pairs:
            f.write(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n")
    model = sentencepiece_unigram(normalization_rule_tsv=rules)
    os.remove(rules)
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)] + pieces_of(model)[3:]
    t = Tokenizer(models.Unigram(pieces, unk_id=3))
    t.normalizer = normalizers.Sequence([normalizers.NFC()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    t.add_tokens(special("<s>", "<pad>", "</s>", "<unk>") + special("<mask>", lstrip=True))
    t.post_processor = template(["<s>"], ["</s>"], t)
    return with_charsmap(t, model)


def unigram_bytes():
    model = sentencepiece_unigram(normalization_rule_name="identity", byte_fallback=True)
    t = Tokenizer(models.Unigram(pieces_of(model), unk_id=0, byte_fallback=True))
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Strip(left=True, right=False), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    t.add_tokens(special("<unk>", "<s>", "</s>"))
    return t


def bert(lowercase):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(SENTENCES * 2, trainers.WordPieceTrainer(vocab_size=1300, special_tokens=names, show_progress=False))
    t.add_tokens(special(*names))
    t.post_processor = template(["[CLS]"], ["[SEP]"], t)
    return t


def word_level():
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("merged_with_previous"),
                                               pre_tokenizers.Split("ou", "merged_with_next")])
    t.train_from_iterator(SENTENCES, trainers.WordLevelTrainer(vocab_size=600, special_tokens=["<unk>"], show_progress=False))
    t.add_tokens(special("<s>", "</s>") + [AddedToken("Yesterday", normalized=True, single_word=True)])
    t.post_processor = processors.BertProcessing(("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>")))
    return t


KINDS = {"gpt2": gpt2, "llama3": llama3, "qwen2": qwen2, "deepseek_v3": deepseek_v3, "o200k": o200k, "tekken": tekken,
         "falcon": falcon, "smollm": smollm, "roberta": roberta, "clip": clip, "llama2": llama2, "mistral": mistral, "t5": t5,
         "xlm_roberta": xlm_roberta, "unigram_bytes": unigram_bytes, "bert_uncased": lambda: bert(True),
         "bert_cased": lambda: bert(False), "word_level": word_level}

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def pack(ids):
    return "".join(DIGITS[i // 64] + DIGITS[i % 64] for i in ids) or "-"


def crc(data):
    return f"{zlib.crc32(data):08x}"


def crc_text(text):
    return crc(text.encode("utf-8", "surrogatepass"))


def expected_line(t, text):
    plain = t.encode(text, add_special_tokens=False).ids
    full = t.encode(text, add_special_tokens=True).ids
    return " ".join([pack(plain), crc(struct.pack(f"<{len(full)}i", *full)), crc_text(t.decode(full, skip_special_tokens=True)),
                     crc_text(t.decode(full, skip_special_tokens=False))])


def escape(raw):
    out = []
    for c in raw.decode("utf-8", "surrogateescape"):
        if c == "\\" or c < " " or "\x7f" <= c < "\xa0" or "\udc80" <= c <= "\udcff" or c in "\u2028\u2029\ufeff":
            out += [f"\\x{b:02x}" for b in c.encode("utf-8", "surrogateescape")]
        else:
            out.append(c)
    return "".join(out)


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--explain":
        t = Tokenizer.from_file(os.path.join(HERE, sys.argv[2] + ".json"))
        text = make_strings()[int(sys.argv[3])].decode("utf-8", "replace")
        full = t.encode(text).ids
        print(repr(text), t.encode(text, add_special_tokens=False).ids, t.encode(text).tokens, repr(t.decode(full)),
              repr(t.decode(full, skip_special_tokens=False)), sep="\n")
        return
    strings = make_strings()
    with open(os.path.join(HERE, "strings.txt"), "w", newline="\n") as f:
        f.writelines(escape(s) + "\n" for s in strings)
    texts = [s.decode("utf-8", "replace") for s in strings]
    for kind, make in KINDS.items():
        if len(sys.argv) > 1 and kind not in sys.argv[1:]:
            continue
        state = json.loads(make().to_str())
        path = os.path.join(HERE, kind + ".json")
        with open(path, "w", newline="\n") as f:
            json.dump(state, f, ensure_ascii=False, separators=(",", ":"))
            f.write("\n")
        t = Tokenizer.from_file(path)
        rng = random.Random(kind)
        size = t.get_vocab_size()
        with open(os.path.join(HERE, kind + ".expected"), "w", newline="\n") as f:
            f.writelines(expected_line(t, text) + "\n" for text in texts)
            f.write("decode\n")
            for _ in range(150):
                ids = [rng.randrange(min(size, 300) if rng.random() < 0.5 else size) for _ in range(rng.randrange(1, 12))]
                f.write(" ".join([pack(ids), crc_text(t.decode(ids)), crc_text(t.decode(ids, skip_special_tokens=False))]) + "\n")
        print(kind, size, os.path.getsize(path), os.path.getsize(path.replace(".json", ".expected")))


if __name__ == "__main__":
    main()
