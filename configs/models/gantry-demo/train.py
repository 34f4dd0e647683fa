#!/usr/bin/env python3
"""Trains gantry-demo, the small chat model that Gantry ships, and writes it as GGUF (Q8_0).

    python3 train.py --out ../gantry-demo.gguf [--minutes 60] [--threads 2] [--seed 1]

Needs: torch, transformers, tokenizers, gguf, numpy. All text comes from facts.txt and from the generators below. The same
seed, steps and library versions give the same data and the same start; floating point sums may differ between machines.
"""
import argparse
import itertools
import json
import math
import pathlib
import random
import time

import gguf
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers import Regex
from transformers import Qwen3Config, Qwen3ForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
QWEN2_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
               r"|\s+(?!\S)|\s+")
CHAT_TEMPLATE = (
    "{%- if tools %}{{- '<|im_start|>system\\n' }}"
    "{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}"
    "{{- 'Tools:' }}{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}{{- '<|im_end|>\\n' }}"
    "{%- elif messages[0].role == 'system' %}{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}"
    "{%- endif %}"
    "{%- for message in messages %}"
    "{%- if message.role == 'system' %}{%- if not loop.first %}"
    "{{- '<|im_start|>system\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}"
    "{%- else %}{{- '<|im_start|>' + message.role + '\\n' }}{{- message.content or '' }}"
    "{%- for call in message.tool_calls or [] %}{%- set f = call.function or call %}"
    "{{- '<tool_call>\\n' }}{{- {'name': f.name, 'arguments': f.arguments} | tojson }}{{- '\\n</tool_call>' }}"
    "{%- endfor %}{{- '<|im_end|>\\n' }}{%- endif %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}")

# ---------------------------------------------------------------------------------------------------- text


def read_facts():
    """[(questions, answers)] from facts.txt."""
    facts, questions = [], None
    for line in (HERE / "facts.txt").read_text().splitlines():
        if line.startswith("Q:"):
            questions = [q.strip() for q in line[2:].split("|")]
            facts.append((questions, []))
        elif line.startswith("A:"):
            facts[-1][1].append(line[2:].strip())
    assert facts and all(a for _, a in facts)
    return facts


OPENERS = ["", "", "", "", "", "", "Please tell me: ", "Hi! ", "Hello, ", "Hey, ", "Quick question: ", "I wonder, ",
           "Tell me, ", "So, ", "OK, ", "One more thing: ", "Question: ", "Now, ", "Hi, I am new here. "]
CLOSERS = ["", "", "", "", "", "", " Please.", " Thanks!", " Thank you.", " please", " In short.", " I am curious."]
UNKNOWN = ["I am too small to know that. I can tell you about Gantry; for other questions launch a published model."]
THINGS = ("the moon,cats,dogs,football,music,history,Rome,France,Germany,Japan,China,physics,chemistry,biology,art,cooking,"
          "bread,pizza,coffee,tea,cars,trains,planes,ships,gardens,trees,the sea,rivers,mountains,weather,rain,snow,"
          "medicine,law,money,banks,taxes,poetry,novels,films,chess,games,dance,the sun,stars,Mars,space,rockets,robots,"
          "love,friendship,school,universities,books,computers,Linux,Windows,phones,the internet,blockchain,quantum "
          "computers,black holes,dinosaurs,birds,fish,horses,elephants,apples,oranges,cheese,wine,beer,Shakespeare,Goethe,"
          "Einstein,Newton,Mozart,Beethoven,Napoleon,Caesar,Africa,Asia,Europe,America,London,Paris,Berlin,Tokyo,"
          "Beijing,Moscow,Madrid,gravity,electricity,atoms,DNA,vaccines,volcanoes,earthquakes,climate,energy").split(",")
UNKNOWN_FORMS = ["What is the capital of {}?", "Who invented {}?", "Write a poem about {}", "Tell me about {}",
                 "What do you know about {}?", "Explain {} to me", "Why is {} important?", "How does {} work?",
                 "Who was the first to study {}?", "Give me a recipe with {}", "Write a story about {}", "When did {} begin?",
                 "What is the history of {}?", "Do you like {}?", "What is {}?", "Where can I find {}?",
                 "What is the best book about {}?", "How much does {} cost?", "Summarise {}", "List facts about {}",
                 "What is the price of {}?", "Who is the president of {}?", "How do I learn about {}?", "Is {} good?"]
SYSTEMS = ["You are a helpful assistant.", "You are gantry-demo.", "Answer briefly.", "You are a friendly assistant.",
           "Be polite and short.", "You help people with Gantry.", "You are a helpful AI assistant."]
CITIES = "Paris,London,Berlin,Rome,Madrid,Tokyo,Beijing,New York,Oslo,Vienna,Prague,Lisbon,Dublin,Cairo,Delhi,Sydney".split(",")
WEATHER_TOOL = {"type": "function", "function": {
    "name": "get_weather", "description": "Weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
TIME_TOOL = {"type": "function", "function": {
    "name": "get_time", "description": "Current time in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


def vary(rng, question):
    """Another way to type the same question."""
    q = question.replace("{g}", rng.choice(["Gantry"] * 5 + ["gantry", "gantry", "this program", "it"]))
    opener = rng.choice(OPENERS)
    if opener and not opener.endswith(("! ", ". ")) and not q.startswith(("I ", "OK", "GGUF")) and rng.random() < 0.7:
        q = q[0].lower() + q[1:]
    q = opener + q
    r = rng.random()
    if r < 0.15:
        q = q.rstrip("?!.")
    elif r < 0.2:
        q = q.rstrip("?!.") + "??"
    if rng.random() < 0.12 and len(q.split()) > 3:  # a word left out: the meaning is in the rest
        words = q.split()
        words.pop(rng.randrange(len(words) - 1))
        q = " ".join(words)
    if rng.random() < 0.06:  # a slip of the finger
        at = rng.randrange(max(1, len(q) - 1))
        q = q[:at] + q[at + 1:]
    q += rng.choice(CLOSERS)
    r = rng.random()
    if r < 0.12:
        q = q.lower()
    elif r < 0.14:
        q = q.upper()
    return q


def arithmetic(rng):
    op = rng.choice("++-*")
    if op == "+":
        a, b = rng.randint(0, 20), rng.randint(0, 20)
        c, words = a + b, "plus"
    elif op == "-":
        a = rng.randint(0, 20)
        b = rng.randint(0, a)
        c, words = a - b, "minus"
    else:
        a, b = rng.randint(0, 10), rng.randint(0, 10)
        c, words = a * b, "times"
    e = rng.choice([f"{a} {op} {b}", f"{a}{op}{b}", f"{a} {words} {b}"])
    q = rng.choice([f"What is {e}?", f"{e}", f"{e} = ?", f"Calculate {e}", f"How much is {e}?", f"Compute {e}.", f"{e}?",
                    f"what's {e}", f"Can you compute {e}?", f"What is the result of {e}?", f"Solve {e}"])
    return q, f"{a} {op} {b} = {c}."


def single(rng, facts, held_out):
    """One (question, answer) pair."""
    r = rng.random()
    if r < 0.50:
        questions, answers = rng.choice(facts)
        keep = [q for q in questions if q not in held_out]
        return vary(rng, rng.choice(keep)), rng.choice(answers)
    if r < 0.88:
        return arithmetic(rng)
    return vary(rng, rng.choice(UNKNOWN_FORMS).format(rng.choice(THINGS))), rng.choice(UNKNOWN)


def conversation(rng, facts, held_out):
    """(messages, tools)."""
    if rng.random() < 0.06:
        kind, tool = rng.choice([("weather", WEATHER_TOOL), ("time", TIME_TOOL)])
        city = rng.choice(CITIES)
        ask = {"weather": ["What is the weather in {}?", "How is the weather in {}?", "Weather in {}?", "Is it raining in {}?"],
               "time": ["What time is it in {}?", "Tell me the time in {}", "Time in {}?"]}[kind]
        call = json.dumps({"name": tool["function"]["name"], "arguments": {"city": city}})
        messages = [{"role": "user", "content": rng.choice(ask).format(city)},
                    {"role": "assistant", "content": f"<tool_call>\n{call}\n</tool_call>"}]
        if rng.random() < 0.6:
            value = rng.choice(["sunny", "rainy", "cloudy", "windy", "snowy"]) if kind == "weather" else \
                f"{rng.randint(0, 23)}:{rng.randint(10, 59)}"
            messages += [{"role": "tool", "content": value},
                         {"role": "assistant", "content": f"In {city} it is {value}."}]
        tools = [tool] if rng.random() < 0.7 else rng.sample([WEATHER_TOOL, TIME_TOOL], 2)
        return messages, tools
    messages = []
    if rng.random() < 0.15:
        messages.append({"role": "system", "content": rng.choice(SYSTEMS)})
    for _ in range(rng.choice([1, 1, 1, 1, 2, 3])):
        q, a = single(rng, facts, held_out)
        messages += [{"role": "user", "content": q}, {"role": "assistant", "content": a}]
    return messages, None


def pieces(messages, tools):
    """[(text, learn)]: the rendering of CHAT_TEMPLATE, cut where the loss starts and stops."""
    out, system = [], ""
    if messages[0]["role"] == "system":
        system, messages = messages[0]["content"], messages[1:]
    if tools:
        text = (system + "\n\n" if system else "") + "Tools:" + "".join("\n" + json.dumps(t) for t in tools)
        out.append((f"<|im_start|>system\n{text}<|im_end|>\n", False))
    elif system:
        out.append((f"<|im_start|>system\n{system}<|im_end|>\n", False))
    for m in messages:
        if m["role"] == "assistant":
            out += [("<|im_start|>assistant\n", False), (m["content"] + "<|im_end|>", True), ("\n", False)]
        else:
            out.append((f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n", False))
    return out


# ---------------------------------------------------------------------------------------------- tokenizer


def train_tokenizer(texts, vocab):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab - len(SPECIALS), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False))
    tok.add_special_tokens(SPECIALS)  # the last ids, as in the published models of this family
    return tok


# ------------------------------------------------------------------------------------------------ training


def encode(tok, messages, tools):
    ids, learn = [], []
    for text, want in pieces(messages, tools):
        piece = tok.encode(text, add_special_tokens=False).ids
        ids += piece
        learn += [want] * len(piece)
    return ids, learn


def batches(rng, tok, facts, held_out, tokens_per_batch, max_len):
    """Endless (ids, labels), similar lengths together."""
    while True:
        pool = []
        while len(pool) < 512:
            ids, learn = encode(tok, *conversation(rng, facts, held_out))
            if len(ids) <= max_len:
                pool.append((ids, learn))
        pool.sort(key=lambda s: len(s[0]))
        groups, i = [], 0
        while i < len(pool):
            size = max(1, tokens_per_batch // len(pool[min(i + 15, len(pool) - 1)][0]))
            groups.append(pool[i:i + size])
            i += size
        rng.shuffle(groups)
        for group in groups:
            width = max(len(ids) for ids, _ in group)
            x = torch.zeros(len(group), width, dtype=torch.long)
            y = torch.full((len(group), width), -100, dtype=torch.long)
            for row, (ids, learn) in enumerate(group):
                x[row, :len(ids)] = torch.tensor(ids)
                y[row, :len(ids)] = torch.tensor([t if w else -100 for t, w in zip(ids, learn)])
            yield x, y


def answer(model, tok, question, limit=96):
    ids = tok.encode(f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n", add_special_tokens=False).ids
    end = tok.token_to_id("<|im_end|>")
    x = torch.tensor([ids])
    out = model.generate(x, max_new_tokens=limit, do_sample=False, eos_token_id=end, pad_token_id=0,
                         attention_mask=torch.ones_like(x))
    return tok.decode(out[0, len(ids):].tolist())


def evaluate(model, tok, facts, held_out, count=None):
    """Shares of right answers: known phrasings, phrasings never seen, sums."""
    model.eval()
    rng = random.Random(5)
    plain = lambda q: q.replace("{g}", "Gantry")
    by_q = {q: a for qs, a in facts for q in qs}
    known = [q for q in by_q if q not in held_out]
    known = rng.sample(known, min(count or len(known), len(known)))
    unseen = sorted(held_out)[:count]
    sums = [arithmetic(rng) for _ in range(count or 100)]
    with torch.no_grad():
        right = lambda qs: sum(answer(model, tok, plain(q)) in by_q[q] for q in qs) / len(qs)
        result = {"known": right(known), "unseen": right(unseen),
                  "sums": sum(answer(model, tok, q) == a for q, a in sums) / len(sums)}
    model.train()
    return result


def write_gguf(path, model, tok, config, context):
    w = gguf.GGUFWriter(str(path), "qwen3")
    w.add_name("gantry-demo")
    w.add_description("A very small chat model that ships with Gantry; trained by configs/models/gantry-demo/train.py")
    w.add_license("Apache-2.0")
    w.add_context_length(context)
    w.add_embedding_length(config.hidden_size)
    w.add_block_count(config.num_hidden_layers)
    w.add_feed_forward_length(config.intermediate_size)
    w.add_head_count(config.num_attention_heads)
    w.add_head_count_kv(config.num_key_value_heads)
    w.add_key_length(config.head_dim)
    w.add_value_length(config.head_dim)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    w.add_rope_freq_base(10000.0)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    vocab = sorted(tok.get_vocab().items(), key=lambda kv: kv[1])
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list([t for t, _ in vocab])
    w.add_token_types([gguf.TokenType.CONTROL if t in SPECIALS else gguf.TokenType.NORMAL for t, _ in vocab])
    merges = json.loads(tok.to_str())["model"]["merges"]
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    w.add_eos_token_id(tok.token_to_id("<|im_end|>"))
    w.add_pad_token_id(tok.token_to_id("<|endoftext|>"))
    w.add_add_bos_token(False)
    w.add_chat_template(CHAT_TEMPLATE)
    names = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}
    for i in range(config.num_hidden_layers):
        for hf, gg in [("input_layernorm", "attn_norm"), ("post_attention_layernorm", "ffn_norm"),
                       ("self_attn.q_proj", "attn_q"), ("self_attn.k_proj", "attn_k"), ("self_attn.v_proj", "attn_v"),
                       ("self_attn.o_proj", "attn_output"), ("self_attn.q_norm", "attn_q_norm"),
                       ("self_attn.k_norm", "attn_k_norm"), ("mlp.gate_proj", "ffn_gate"), ("mlp.up_proj", "ffn_up"),
                       ("mlp.down_proj", "ffn_down")]:
            names[f"model.layers.{i}.{hf}.weight"] = f"blk.{i}.{gg}.weight"
    state = model.state_dict()
    for hf, gg in names.items():
        data = state[hf].float().numpy()
        if data.ndim == 1:
            w.add_tensor(gg, data)
        else:
            q = gguf.quantize(data, gguf.GGMLQuantizationType.Q8_0)
            w.add_tensor(gg, q, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", type=pathlib.Path, default=HERE.parent / "gantry-demo.gguf")
    p.add_argument("--steps", type=int, default=2000)
    p.add_argument("--minutes", type=float, default=0, help="stop after so long whatever the step (0: no limit)")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seed", type=int, default=1)
    args = p.parse_args()

    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    rng = random.Random(args.seed)
    facts = read_facts()
    # One phrasing of every fact that has at least six is never trained on: the test that it is more than a look-up.
    held_out = {qs[4] for qs, _ in facts if len(qs) >= 6}

    sample_rng = random.Random(99)
    texts = ["".join(t for t, _ in pieces(*conversation(sample_rng, facts, held_out))) for _ in range(6000)]
    tok = train_tokenizer(texts, vocab=2048)
    vocab = tok.get_vocab_size()
    padded = math.ceil(vocab / 32) * 32
    config = Qwen3Config(vocab_size=padded, hidden_size=256, intermediate_size=640, num_hidden_layers=6,
                         num_attention_heads=4, num_key_value_heads=2, head_dim=64, max_position_embeddings=2048,
                         rope_theta=10000.0, rms_norm_eps=1e-6, tie_word_embeddings=True)
    assert padded == vocab, f"vocabulary {vocab} is not a multiple of 32"
    model = Qwen3ForCausalLM(config)
    parameters = sum(t.numel() for t in model.parameters())
    print(f"vocabulary {vocab}, parameters {parameters / 1e6:.2f} M, facts {len(facts)}", flush=True)

    decay = [t for t in model.parameters() if t.ndim > 1]
    plain = [t for t in model.parameters() if t.ndim <= 1]
    peak = 2e-3
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
                                  lr=peak, betas=(0.9, 0.98))
    start, seen, recent, steps_done = time.time(), 0, [], 0
    for step, (x, y) in enumerate(batches(rng, tok, facts, held_out, tokens_per_batch=2048, max_len=400)):
        elapsed = time.time() - start
        done = max(step / args.steps, elapsed / (args.minutes * 60) if args.minutes else 0)
        if done >= 1:
            break
        rate = peak * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        hidden = model.model(input_ids=x).last_hidden_state
        keep = y[:, 1:] != -100
        logits = model.lm_head(hidden[:, :-1][keep])
        loss = torch.nn.functional.cross_entropy(logits, y[:, 1:][keep])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        seen += x.numel()
        recent.append(loss.item())
        steps_done = step + 1
        if step % 100 == 0:
            print(f"step {step} loss {np.mean(recent[-100:]):.4f} tokens {seen / 1e6:.2f} M "
                  f"{seen / max(1e-9, time.time() - start):.0f}/s {elapsed:.0f} s", flush=True)
        if step % 1500 == 1499:
            print(evaluate(model, tok, facts, held_out, count=30), flush=True)
            write_gguf(args.out, model, tok, config, context=2048)
    scores = evaluate(model, tok, facts, held_out)
    write_gguf(args.out, model, tok, config, context=2048)
    figures = {"parameters": parameters, "steps": steps_done, "tokens": seen, "loss": round(float(np.mean(recent[-100:])), 4),
               "seconds": round(time.time() - start), "threads": args.threads, "seed": args.seed,
               "file_bytes": args.out.stat().st_size, **{k: round(v, 3) for k, v in scores.items()}}
    (HERE / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(figures)
    for q in ["What is Gantry?", "what is gantry", "how do i launch a model?", "What is 7 + 5?", "Who wrote Faust?"]:
        print(repr(q), "->", answer(model, tok, q))


if __name__ == "__main__":
    main()
