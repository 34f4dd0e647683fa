#!/usr/bin/env python3
"""Writes sampling_cases.json: distributions by the published definitions, straight from the logits and in doubles.

Every case is a vocabulary of short texts, logits (multiples of 1/64, so that floats have them exactly), a prompt and
an answer so far, sampling parameters, and the probabilities with which the next token must be drawn. Cases whose
result hangs on the last digits are thrown away.
"""
import json
import math
import pathlib
import random

import numpy as np

TEXTS = ["a", "b", "ab", " c", "d", "\n", ":", "x:", "e", "f", " g", "END", "E", "ND", "h", "*"]
MARGIN = 1e-4


class Unclear(Exception):
    """Two reasonable roundings would give different results."""


def at_least(value, threshold):
    if abs(value - threshold) < MARGIN * max(abs(threshold), 1e-3):
        raise Unclear
    return value >= threshold


def dry(logits, tokens, p):
    """p-e-w's definition (text-generation-webui #5677), breakers by text: one that ends within a token."""
    if p.get("dry_penalty_last_n", -1) > 0:
        first = max(len(tokens) - p["dry_penalty_last_n"], 0)
    else:
        first = 0
    text, breaks = "", []
    for t in tokens:
        before = len(text)
        text += TEXTS[t]
        ends = [i + len(b) for b in p.get("dry_sequence_breakers", ["\n", ":", '"', "*"])
                for i in range(len(text)) if text.startswith(b, i)]
        breaks.append(any(before < e <= len(text) for e in ends))
    tokens, breaks = tokens[first:], breaks[first:]
    if not tokens or breaks[-1]:
        return logits
    longest = {}
    for i in range(len(tokens) - 1):
        if tokens[i] != tokens[-1] or breaks[i + 1]:
            continue
        length = 1
        while i - length >= 0 and tokens[i - length] == tokens[-1 - length] and not breaks[-1 - length]:
            length += 1
        longest[tokens[i + 1]] = max(longest.get(tokens[i + 1], 0), length)
    for token, length in longest.items():
        if length >= p.get("dry_allowed_length", 2):
            logits[token] -= p["dry_multiplier"] * p.get("dry_base", 1.75) ** (length - p.get("dry_allowed_length", 2))
    return logits


def penalties(logits, prompt, answer, p):
    n = p.get("repeat_last_n", -1)
    if n == 0:
        return logits
    everything = [(t, False) for t in prompt] + [(t, True) for t in answer]
    window = everything if n < 0 else everything[-n:]
    for token in {t for t, _ in window}:
        r = p.get("repetition_penalty", 1)
        logits[token] = logits[token] / r if logits[token] > 0 else logits[token] * r
        times = sum(1 for t, mine in window if mine and t == token)
        logits[token] -= times * p.get("frequency_penalty", 0) + (times > 0) * p.get("presence_penalty", 0)
    return logits


def by_likelihood(probs):
    return sorted((i for i in range(len(probs)) if probs[i] > 0), key=lambda i: (-probs[i], i))


def normal(probs):
    return probs / probs.sum()


def keep(probs, ids):
    out = np.zeros_like(probs)
    out[list(ids)] = probs[list(ids)]
    return normal(out)


def shortest_with_mass(probs, order, mass):
    total, kept = 0.0, []
    for i in order:
        kept.append(i)
        total += probs[i]
        if at_least(total, mass):
            break
    return kept


def mirostat(probs, p, mu):
    order = by_likelihood(probs)
    if p["mirostat"] == 2:
        kept = [i for i in order if not at_least(-math.log2(probs[i]), mu)]
        return keep(probs, kept or order[:1])
    top = order[:100]
    t = [math.log((i + 2) / (i + 1)) for i in range(len(top) - 1)]
    b = [math.log(probs[top[i]] / probs[top[i + 1]]) for i in range(len(top) - 1)]
    s = sum(x * y for x, y in zip(t, b)) / sum(x * x for x in t)
    k = ((s - 1) * 2 ** mu / (1 - len(probs) ** -(s - 1))) ** (1 / s)
    if abs(k - round(k)) < 1e-3:
        raise Unclear
    return keep(probs, order[:max(int(k), 1)])


def distribution(logits, prompt, answer, p):
    x = np.array(logits, dtype=np.float64)
    if "allowed_token_ids" in p:
        x[[i for i in range(len(x)) if i not in p["allowed_token_ids"]]] = -np.inf
    for token, bias in p.get("logit_bias", {}).items():
        x[int(token)] += bias
    x = penalties(x, prompt, answer, p)
    if p.get("dry_multiplier", 0) > 0 and p.get("dry_penalty_last_n", -1) != 0:
        x = dry(x, prompt + answer, p)
    temperature = p.get("temperature", 1)
    if p.get("dynatemp_range", 0) > 0:
        q = normal(np.exp(x - x.max()))
        entropy = -sum(v * math.log(v) for v in q if v > 0)
        part = entropy / math.log(np.isfinite(x).sum())
        low = max(temperature - p["dynatemp_range"], 0)
        high = temperature + p["dynatemp_range"]
        temperature = low + (high - low) * part ** p.get("dynatemp_exponent", 1)
    probs = normal(np.exp((x - x.max()) / temperature))
    if p.get("mirostat", 0):
        return mirostat(probs, p, 2 * p.get("mirostat_tau", 5))
    if p.get("top_n_sigma", 0) > 0:
        finite = x[np.isfinite(x)]
        threshold = x.max() - p["top_n_sigma"] * finite.std()
        probs = keep(probs, [i for i in range(len(x)) if np.isfinite(x[i]) and at_least(x[i], threshold)])
    if p.get("top_k", 0) > 0:
        probs = keep(probs, by_likelihood(probs)[:p["top_k"]])
    if p.get("typical_p", 1) < 1:
        entropy = -sum(v * math.log(v) for v in probs if v > 0)
        away = {i: abs(-math.log(probs[i]) - entropy) for i in range(len(probs)) if probs[i] > 0}
        order = sorted(away, key=lambda i: (round(away[i], 6), i))
        probs = keep(probs, shortest_with_mass(probs, order, p["typical_p"]))
    if p.get("top_p", 1) < 1:
        probs = keep(probs, shortest_with_mass(probs, by_likelihood(probs), p["top_p"]))
    if p.get("min_p", 0) > 0:
        probs = keep(probs, [i for i in range(len(probs)) if at_least(probs[i], p["min_p"] * probs.max())])
    if p.get("xtc_probability", 0) == 1 and p.get("xtc_threshold", 0.1) <= 0.5:
        top = [i for i in by_likelihood(probs) if at_least(probs[i], p.get("xtc_threshold", 0.1))]
        probs = keep(probs, [i for i in range(len(probs)) if probs[i] > 0 and i not in top[:-1]])
    return probs


def variants(dice):
    one = [
        {"typical_p": dice.choice([0.2, 0.5, 0.9])},
        {"top_n_sigma": dice.choice([0.5, 1.0, 2.0])},
        {"xtc_probability": 1, "xtc_threshold": dice.choice([0.05, 0.1, 0.3])},
        {"xtc_probability": 1, "xtc_threshold": 0.6},
        {"dynatemp_range": dice.choice([0.3, 0.8]), "dynatemp_exponent": dice.choice([1, 2])},
        {"mirostat": 1, "mirostat_tau": dice.choice([0.5, 1.0, 2.0])},
        {"mirostat": 2, "mirostat_tau": dice.choice([0.5, 1.0, 2.0])},
        {"dry_multiplier": 0.8},
        {"dry_multiplier": 0.5, "dry_base": 2, "dry_allowed_length": 1, "dry_sequence_breakers": ["END"]},
        {"dry_multiplier": 0.8, "dry_allowed_length": 1, "dry_penalty_last_n": 9},
        {"repetition_penalty": 1.5, "repeat_last_n": dice.choice([0, 3, 8])},
        {"frequency_penalty": 0.5, "presence_penalty": 0.25, "repeat_last_n": 5},
        {"allowed_token_ids": sorted(dice.sample(range(16), 5))},
    ]
    extra = [{}, {"temperature": 0.75}, {"top_k": 7}, {"top_p": 0.8}, {"min_p": 0.1}, {"logit_bias": {"3": 2, "4": -100}}]
    for base in one:
        for more in extra:
            yield {**base, **more}
    for _ in range(40):
        yield {**dice.choice(one[:5]), **dice.choice(one[:5]), **dice.choice(one[7:]), **dice.choice(extra),
               **dice.choice(extra)}


def main():
    dice = random.Random(20)
    cases = []
    for params in variants(dice):
        for _ in range(100):
            logits = [round(dice.gauss(0, 1.5) * 64) / 64 for _ in TEXTS]
            pattern = [dice.randrange(16) for _ in range(dice.choice([2, 4, 6]))]
            prompt = [dice.randrange(16) for _ in range(6)] + pattern
            answer = [dice.randrange(16) for _ in range(dice.choice([0, 3]))] + pattern[:dice.randrange(1, len(pattern) + 1)]
            try:
                probs = distribution(logits, prompt, answer, params)
            except Unclear:
                continue
            cases.append({"logits": logits, "prompt": prompt, "answer": answer, "params": params,
                          "probabilities": {str(i): round(float(v), 7) for i, v in enumerate(probs) if v > 1e-6}})
            break
    out = pathlib.Path(__file__).with_name("sampling_cases.json")
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    out.write_text('{"texts":' + json.dumps(TEXTS) + ',"cases":[\n' + lines + "\n]}\n")
    print(len(cases), "cases")


main()
