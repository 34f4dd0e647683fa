#!/usr/bin/env python3
"""Writes configs/catalog/*.toml from a file of facts on published models: make_catalog.py FACTS.jsonl

One JSON object a line, with the fields that Xinference's model lists have. What those lists do not say (sizes of encoders,
licences, descriptions) stands in the tables below; what they say wrongly is put right in sensible(). gantry.toml is written
by hand and stays as it is. configs/catalog/README.md describes what comes out.
"""
import collections
import json
import pathlib
import re
import sys

OUT = pathlib.Path(__file__).resolve().parent / "catalog"

# Billions of parameters of encoders and rerankers, from their publishers' pages; names without a size are in sizes_by_name.
SIZES = {
    "bge-large-en": 0.335, "bge-base-en": 0.109, "gte-large": 0.335, "gte-base": 0.109, "e5-large-v2": 0.335,
    "bge-large-zh": 0.326, "bge-base-zh": 0.102, "multilingual-e5-large": 0.56, "bge-small-zh": 0.024,
    "bge-small-zh-v1.5": 0.024, "bge-base-zh-v1.5": 0.102, "bge-large-zh-v1.5": 0.326, "bge-small-en-v1.5": 0.033,
    "bge-base-en-v1.5": 0.109, "bge-large-en-v1.5": 0.335, "jina-embeddings-v2-small-en": 0.033,
    "jina-embeddings-v2-base-en": 0.137, "jina-embeddings-v2-base-zh": 0.161, "text2vec-large-chinese": 0.326,
    "text2vec-base-chinese": 0.102, "text2vec-base-chinese-paraphrase": 0.118, "text2vec-base-multilingual": 0.118,
    "bge-m3": 0.568, "bce-embedding-base_v1": 0.278, "m3e-small": 0.024, "m3e-base": 0.102, "m3e-large": 0.326,
    "gte-Qwen2": 7.6, "jina-embeddings-v3": 0.572, "jina-clip-v2": 0.865, "jina-embeddings-v4": 3.8,
    "jina-embeddings-v5-text-nano": 0.239, "jina-embeddings-v5-text-small": 0.677,
    "jina-embeddings-v5-omni-nano": 0.95, "jina-embeddings-v5-omni-small": 1.57,
    "bge-reranker-large": 0.56, "bge-reranker-base": 0.278, "bce-reranker-base_v1": 0.278, "bge-reranker-v2-m3": 0.568,
    "bge-reranker-v2-gemma": 2.5, "bge-reranker-v2-minicpm-layerwise": 2.7, "jina-reranker-v2": 0.278,
    "minicpm-reranker": 2.7, "jina-reranker-v3": 0.6, "jina-reranker-v3.5": 0.6, "jina-reranker-m0": 2.4,
}

# name: (licence, description)
ABOUT = {
    "qwen2.5-instruct": ("Apache-2.0 (3B: Qwen Research, 72B: Qwen)", "Alibaba's general chat models of 2024 in seven sizes"),
    "qwen2.5-coder-instruct": ("Apache-2.0 (3B: Qwen Research)", "Chat models for writing and reading code"),
    "qwen2-instruct": ("Apache-2.0", "The generation before qwen2.5-instruct"),
    "qwen3": ("Apache-2.0", "Chat models that can think before they answer; thinking can be switched off"),
    "Qwen3-Instruct": ("Apache-2.0", "Answers at once; the 2507 edition with a long context"),
    "Qwen3-Thinking": ("Apache-2.0", "Thinks before every answer; the 2507 edition with a long context"),
    "llama-3.1-instruct": ("Llama 3.1 Community", "Meta's chat models of 2024"),
    "llama-3.3-instruct": ("Llama 3.3 Community", "Meta's 70B chat model of December 2024"),
    "llama-3-instruct": ("Meta Llama 3 Community", "Meta's first Llama 3 chat models"),
    "llama-2-chat": ("Llama 2 Community", "Meta's chat models of 2023"),
    "mistral-instruct-v0.3": ("Apache-2.0", "Mistral's 7B chat model"),
    "mistral-nemo-instruct": ("Apache-2.0", "Mistral's and NVIDIA's 12B chat model"),
    "deepseek-r1-distill-qwen": ("MIT", "Qwen2.5 models taught to reason by DeepSeek-R1"),
    "deepseek-r1-distill-llama": ("MIT, Llama Community", "Llama 3 models taught to reason by DeepSeek-R1"),
}

# Models that the facts lack.
MORE = [{
    "type": "LLM", "name": "llama-3.2-instruct", "context_length": 131072, "languages": ["en", "de", "fr", "it", "pt", "hi", "es", "th"],
    "abilities": ["chat", "tools"], "architectures": ["LlamaForCausalLM"],
    "stop": ["<|end_of_text|>", "<|eot_id|>", "<|eom_id|>"], "stop_token_ids": [128001, 128008, 128009],
    "specs": [{"format": "ggufv2", "size_in_billions": size, "hubs": {"huggingface": {
        "quantizations": ["Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0"], "model_id": f"bartowski/Llama-3.2-{size}B-Instruct-GGUF",
        "model_file_name_template": f"Llama-3.2-{size}B-Instruct-{{quantization}}.gguf"}}} for size in (1, 3)],
}]
ABOUT["llama-3.2-instruct"] = ("Llama 3.2 Community", "Meta's small chat models")

CORRECTIONS = {("image", "DeepSeek-OCR"): {"hubs": {"huggingface": {"model_id": "deepseek-ai/DeepSeek-OCR"}}}}

FORMATS = {"ggufv2": "gguf", "pytorch": "safetensors"}
# Formats in the order in which they are tried where a user names none.
ORDER = ["gguf", "safetensors", "fp8", "awq", "gptq", "fp4", "bnb", "mlx", "other"]
HUBS = ("huggingface", "modelscope")
# How a model of these classes writes calls (docs/tools-and-reasoning.md), where the lists name any parser. They are wrong
# about some; classes that are not here are left to the chat template, which shows it.
PARSERS = {
    "Qwen2ForCausalLM": "hermes", "Qwen2MoeForCausalLM": "hermes", "Qwen3ForCausalLM": "hermes", "Qwen3MoeForCausalLM": "hermes",
    "Qwen3NextForCausalLM": "hermes", "Qwen3VLMoeForConditionalGeneration": "hermes",
    "Qwen3OmniMoeForConditionalGeneration": "hermes", "Qwen3_5MoeForConditionalGeneration": "qwen3-coder",
    "Qwen3_5ForConditionalGeneration": "qwen3-coder", "Qwen3_5MoeForCausalLM": "qwen3-coder", "GptOssForCausalLM": "harmony",
    "LlamaForCausalLM": "llama3", "DeepseekV4ForCausalLM": "deepseek-v3.2", "Glm4MoeForCausalLM": "glm4",
    "Glm4vMoeForConditionalGeneration": "glm4", "Glm4MoeLiteForCausalLM": "glm4", "GlmMoeDsaForCausalLM": "glm4",
    "MiniMaxM2ForCausalLM": "minimax-m2",
}
PARSER_OF = {"Qwen3-Coder": "qwen3-coder", "deepseek-r1-distill-llama": "", "deepseek-r1-0528": "deepseek-v3",
             "deepseek-v3": "deepseek-v3", "Deepseek-V3.1": "deepseek-v3.1", "DeepSeek-V3.2": "deepseek-v3.2",
             "DeepSeek-V3.2-Exp": "deepseek-v3.1"}


def quoted(value):
    return json.dumps(value, ensure_ascii=False)


def size_text(size):
    return str(size).replace("_", ".")


def sensible(hub):
    """What a hub's entry says, with the lists' slips put right; None where nothing is left that could be fetched."""
    hub = dict(hub)
    owner, *_, name = hub["model_id"].split("/")  # some have a folder between the two
    hub["model_id"] = f"{owner}/{name}"
    file, split = hub.get("model_file_name_template"), hub.get("model_file_name_split_template")
    parts = hub.get("quantization_parts") or {}
    quantizations = list(hub.get("quantizations") or [])
    quantizations += [q for q in parts if q not in quantizations]
    # Pieces of one file, cut without regard to its content: no reader takes them as they are.
    cut = [q for q, names in parts.items() if names != [f"{i:05}-of-{len(names):05}" for i in range(1, len(names) + 1)]]
    hub["quantizations"] = [q for q in quantizations if q not in cut]
    hub["parts"] = {q: len(names) for q, names in parts.items() if q not in cut and len(names) > 1}
    if hub["parts"]:
        if not split or "{part}" not in split:
            raise SystemExit(f"{hub['model_id']}: parts without a name for them")
        hub["split_file"] = split
        # A template that is another repository's: the split files' shows the right one.
        stem = re.sub(r"[^a-z0-9]", "", split.split("/")[-1].split("{")[0].lower())
        if file and not re.sub(r"[^a-z0-9]", "", file.lower()).startswith(stem):
            file = split.split("/")[-1].replace("-{part}", "")
    hub["file"] = file
    return hub if hub["quantizations"] else None


def spec_of(format_name, size, active, hubs):
    """The TOML of what hubs offer alike."""
    first = next(iter(hubs.values()))
    lines = ["[[model.spec]]", f"format = {quoted(format_name)}"]
    if size:
        lines.append(f"size_in_billions = {quoted(size)}")
    if active:
        lines.append(f"activated_in_billions = {quoted(size_text(active))}")
    quantizations = [q for q in first["quantizations"] if q != "none"]
    if quantizations:
        lines.append(f"quantizations = [{', '.join(map(quoted, quantizations))}]")
    lines.append("hub = { " + ", ".join(f"{h} = {quoted(v['model_id'])}" for h, v in hubs.items()) + " }")
    revision = hubs.get("huggingface", {}).get("model_revision")
    if revision and revision not in ("main", "master"):
        lines.append(f"revision = {quoted(revision)}")
    if format_name == "gguf":
        lines.append(f"file = {quoted(first['file'])}")
        if first["parts"]:
            lines.append(f"split_file = {quoted(first['split_file'])}")
            lines.append("parts = { " + ", ".join(f"{quoted(q)} = {n}" for q, n in first["parts"].items()) + " }")
    return "\n".join(lines)


def specs_of(model):
    """Hubs that offer the same files share a spec."""
    out = []
    for spec in model["specs"]:
        format_name = FORMATS.get(spec["format"], spec["format"])
        size = size_text(spec.get("size_in_billions") or SIZES.get(model["name"]) or size_in_name(model["name"]) or "")
        groups = collections.defaultdict(dict)
        for hub in HUBS:
            said = sensible(spec["hubs"][hub]) if hub in spec["hubs"] else None
            if said and (format_name != "gguf" or said["file"]):
                key = json.dumps([said["quantizations"], said["file"], said.get("split_file"), said["parts"]])
                groups[key][hub] = said
        for hubs in groups.values():
            out.append((ORDER.index(format_name), float(size or 0), spec_of(format_name, size, spec.get("activated_in_billions"), hubs)))
    return [text for _, _, text in sorted(out, key=lambda s: s[:2])]


def size_in_name(name):
    found = re.search(r"(\d+(?:\.\d+)?)[bB](?:$|-)", name)
    return found and found[1]


def other_specs(models):
    """Of models for plugins that know their files: the repository as a whole."""
    out = []
    for model in models:
        hubs = {h: model["hubs"][h] for h in HUBS if model.get("hubs", {}).get(h, {}).get("model_id")}
        if hubs:
            hubs = {h: dict(v, quantizations=["none"]) for h, v in hubs.items()}
            mlx = all(v["model_id"].startswith("mlx-community/") for v in hubs.values())
            out.append(spec_of("mlx" if mlx else "other", size_text(size_in_name(model["name"]) or ""), None, hubs))
    return sorted(set(out), key=lambda s: 'format = "mlx"' in s)


def entry(models):
    model = models[0]
    lines = ["[[model]]", f"name = {quoted(model['name'])}"]
    add = lambda key, value: lines.append(f"{key} = {value}") if value not in (None, "", "[]", '""', 0, "0") else None
    texts = lambda values: "[" + ", ".join(map(quoted, values or [])) + "]"
    licence, description = ABOUT.get(model["name"], ("", ""))
    if model["type"] != "LLM":
        add("type", quoted(model["type"]))
    add("description", quoted(description))
    add("licence", quoted(licence))
    add("context_length", model.get("context_length") or model.get("max_tokens"))
    add("dimensions", model.get("dimensions"))
    add("family", quoted(model.get("family") or model.get("rerank_type") or ""))
    add("abilities", texts(model.get("abilities") or {"embedding": ["embed"], "rerank": ["rerank"]}.get(model["type"])))
    languages = model.get("languages") or model.get("language")
    add("languages", texts(languages))
    add("architectures", texts(model.get("architectures")))
    if model.get("tool_parser"):
        add("tool_parser", quoted(PARSER_OF.get(model["name"], PARSERS.get(model["architectures"][0], ""))))
    add("stop", texts(model.get("stop")))
    add("stop_token_ids", "[" + ", ".join(map(str, model.get("stop_token_ids") or [])) + "]")
    specs = specs_of(model) if "specs" in model else other_specs(models)
    if not specs:
        print(f"left out, nothing to fetch: {model['name']}", file=sys.stderr)
        return ""
    return "\n\n".join(["\n".join(lines), *specs])


def file_of(model):
    """LLMs by family, where one has several; all others by what they are."""
    if model["type"] != "LLM":
        return model["type"]
    family = re.match(r"[a-z]+", model["name"].lower())[0]
    return "llm-" + ({"code": "llama", "glm": "glm", "qwq": "qwen", "qvq": "qwen", "codeqwen": "qwen",
                      "qwenlong": "qwen", "codestral": "mistral", "mixtral": "mistral"}.get(family, family))


def main():
    facts = [json.loads(line) for line in open(sys.argv[1])] + MORE
    for fact in facts:
        fact.update(CORRECTIONS.get((fact["type"], fact["name"]), {}))
    models = collections.OrderedDict()
    for fact in facts:
        models.setdefault((fact["type"], fact["name"]), []).append(fact)
    files = collections.defaultdict(list)
    for group in models.values():
        files[file_of(group[0])].append(entry(group))
    for name in [n for n in files if n.startswith("llm-") and len(files[n]) < 3]:
        files["llm-others"] += files.pop(name)
    for name, entries in files.items():
        head = "# Written by configs/make_catalog.py. The form is described in README.md beside this file.\n\n"
        (OUT / f"{name}.toml").write_text(head + "\n\n".join(filter(None, entries)) + "\n")
    print(f"{sum(map(len, files.values()))} models in {len(files)} files")


if __name__ == "__main__":
    main()
