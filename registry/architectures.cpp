#include "registry/architectures.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>

#include "registry/formats/dtype.hpp"
#include "registry/formats/fault.hpp"

namespace gantry::registry {
namespace {

constexpr auto kGlobalModules = std::to_array<ModuleRule>({
    {"token_embd", "token_embd", "model.embed_tokens", Dim::kVocab, Dim::kHidden},
    {"output_norm", "output_norm", "model.norm", Dim::kHidden},
    {"output", "output", "lm_head", Dim::kVocab, Dim::kHidden, Bias::kNone, false},
});

/// Llama's layer; `qkv` and `other` say which projections have biases.
constexpr std::array<ModuleRule, 9> llama_layer(Bias qkv, Bias other) {
    return {{
        {"attn_norm", "attn_norm", "input_layernorm", Dim::kHidden},
        {"attn_q", "attn_q", "self_attn.q_proj", Dim::kQuery, Dim::kHidden, qkv},
        {"attn_k", "attn_k", "self_attn.k_proj", Dim::kKeyValue, Dim::kHidden, qkv},
        {"attn_v", "attn_v", "self_attn.v_proj", Dim::kKeyValue, Dim::kHidden, qkv},
        {"attn_out", "attn_output", "self_attn.o_proj", Dim::kHidden, Dim::kQuery, other},
        {"ffn_norm", "ffn_norm", "post_attention_layernorm", Dim::kHidden},
        {"ffn_gate", "ffn_gate", "mlp.gate_proj", Dim::kFfn, Dim::kHidden, other},
        {"ffn_up", "ffn_up", "mlp.up_proj", Dim::kFfn, Dim::kHidden, other},
        {"ffn_down", "ffn_down", "mlp.down_proj", Dim::kHidden, Dim::kFfn, other},
    }};
}

constexpr auto kLlamaLayer = llama_layer(Bias::kOptional, Bias::kOptional);
constexpr auto kQwen2Layer = llama_layer(Bias::kRequired, Bias::kOptional);
constexpr auto kMistralLayer = llama_layer(Bias::kNone, Bias::kNone);

constexpr std::array<ModuleRule, 11> qwen3_layer() {
    std::array<ModuleRule, 11> out{};
    std::ranges::copy(llama_layer(Bias::kOptional, Bias::kNone), out.begin());
    out[9] = {"attn_q_norm", "attn_q_norm", "self_attn.q_norm", Dim::kHead};
    out[10] = {"attn_k_norm", "attn_k_norm", "self_attn.k_norm", Dim::kHead};
    return out;
}
constexpr auto kQwen3Layer = qwen3_layer();

// GGUF files of Llama (and of Mistral, which are 'llama' there) have the rows of Q and K reordered so that rotary pairs
// are neighbours; everyone else keeps Hugging Face's order.
constexpr auto kArchitectures = std::to_array<Architecture>({
    {"llama", "LlamaForCausalLM", "interleaved", kGlobalModules, kLlamaLayer},
    {"qwen2", "Qwen2ForCausalLM", "half", kGlobalModules, kQwen2Layer, true},
    {"qwen3", "Qwen3ForCausalLM", "half", kGlobalModules, kQwen3Layer, true},
    {"mistral", "MistralForCausalLM", "", kGlobalModules, kMistralLayer},
});

/// The class of the same model without its output head: "Qwen3Model" of "Qwen3ForCausalLM".
std::string base_class(std::string_view hf_class) {
    return std::string(hf_class.substr(0, hf_class.find("For"))) + "Model";
}

std::string supported_list(bool hf) {
    std::string out;
    for (const auto& a : kArchitectures) {
        if (hf || !a.gguf_rope_style.empty()) {
            out.append(out.empty() ? "" : ", ").append(hf ? a.hf_class : a.name);
        }
    }
    return out;
}

Error unknown_architecture(std::string_view name, std::string_view file, bool hf) {
    return Error{Code::kUnimplemented, std::string(file) + ": architecture '" + printable(name) +
                                           "' is not supported; supported are " + supported_list(hf)};
}

/// A source name taken apart: "blk.3.attn_q.weight" is {3, "attn_q", "weight"}.
struct TensorName {
    std::optional<uint32_t> layer;
    std::string_view module;
    std::string_view part;
};

std::optional<TensorName> take_apart(FileKind kind, std::string_view name) {
    const std::string_view prefix = kind == FileKind::kGguf ? "blk." : "model.layers.";
    TensorName out;
    if (name.starts_with(prefix)) {
        name.remove_prefix(prefix.size());
        const auto dot = name.find('.');
        uint32_t layer = 0;
        const auto digits = name.substr(0, dot);
        const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), layer);
        if (dot == std::string_view::npos || result.ec != std::errc() || result.ptr != digits.data() + dot ||
            (digits.size() > 1 && digits[0] == '0')) {
            return std::nullopt;
        }
        out.layer = layer;
        name.remove_prefix(dot + 1);
    }
    const auto dot = name.rfind('.');
    if (dot == std::string_view::npos) {
        return std::nullopt;
    }
    out.module = name.substr(0, dot);
    out.part = name.substr(dot + 1);
    return out;
}

/// The sizes that the rules' dimensions stand for.
class Sizes {
  public:
    explicit Sizes(const ModelManifest& m) {
        const auto get = [&](std::string_view key) {
            return static_cast<uint64_t>(std::get<int64_t>(m.hyper.find(key)->second));
        };
        layers = get("layer_count");
        values_[Dim::kVocab] = get("vocab_size");
        values_[Dim::kHidden] = get("hidden_size");
        values_[Dim::kHead] = get("head_dim");
        values_[Dim::kQuery] = get("head_count") * get("head_dim");
        values_[Dim::kKeyValue] = get("kv_head_count") * get("head_dim");
        values_[Dim::kFfn] = get("ffn_size");
    }

    std::vector<uint64_t> shape(const ModuleRule& rule, bool bias) const {
        std::vector<uint64_t> out{values_.at(rule.out)};
        if (!bias && rule.in != Dim::kNone) {
            out.push_back(values_.at(rule.in));
        }
        return out;
    }

    uint64_t layers = 0;

  private:
    std::map<Dim, uint64_t> values_;
};

std::string shape_text(std::span<const uint64_t> shape) {
    std::string out = "[";
    for (const uint64_t dim : shape) {
        out.append(out.size() > 1 ? ", " : "").append(std::to_string(dim));
    }
    return out + "]";
}

Error tensor_fault(const SourceTensor& t, std::string_view problem, Code code) {
    return file_fault(t.origin, "tensor " + in_quotes(t.name), t.info_offset, problem, code);
}

std::string source_name(FileKind kind, const ModuleRule& rule, std::optional<uint64_t> layer, std::string_view part) {
    std::string out;
    if (layer) {
        out = (kind == FileKind::kGguf ? "blk." : "model.layers.") + std::to_string(*layer) + ".";
    }
    return out.append(kind == FileKind::kGguf ? rule.gguf : rule.hf).append(".").append(part);
}

std::string canonical_name(const ModuleRule& rule, std::optional<uint64_t> layer, std::string_view part) {
    const std::string prefix = layer ? "layers." + std::to_string(*layer) + "." : "";
    return prefix + std::string(rule.canonical) + "." + std::string(part);
}

class TensorTranslator {
  public:
    TensorTranslator(const Architecture& architecture, FileKind kind, ModelManifest& out)
        : architecture_(architecture), kind_(kind), out_(out), sizes_(out) {}

    Status add(const SourceTensor& t) {
        const auto name = take_apart(kind_, t.name);
        const auto* rule = name ? find_rule(*name) : nullptr;
        if (rule == nullptr || (name->layer && *name->layer >= sizes_.layers)) {
            return tensor_fault(t, "is no part of architecture '" + std::string(architecture_.name) + "'",
                                Code::kUnimplemented);
        }
        const auto expected = sizes_.shape(*rule, name->part == "bias");
        if (!std::ranges::equal(t.shape, expected)) {
            return tensor_fault(
                t, "has shape " + shape_text(t.shape) + ", the hyperparameters give " + shape_text(expected),
                Code::kDataLoss);
        }
        TensorEntry entry;
        entry.name = canonical_name(*rule, name->layer, name->part);
        entry.dtype = t.dtype;
        entry.shape = expected;
        entry.file = t.file;
        entry.offset = t.offset;
        entry.nbytes = t.nbytes;
        present_.insert(entry.name);
        out_.tensors.push_back(std::move(entry));
        return ok();
    }

    /// Every tensor that the architecture needs must be there.
    Status check_complete(std::string_view file) const {
        const bool tied = std::get<bool>(out_.hyper.find("tie_embeddings")->second);
        for (const auto& rule : architecture_.global_modules) {
            const bool needed = rule.required || (rule.canonical == "output" && !tied);
            GANTRY_CHECK_OK(check_module(rule, std::nullopt, needed, file));
        }
        for (uint64_t layer = 0; layer < sizes_.layers; ++layer) {
            for (const auto& rule : architecture_.layer_modules) {
                GANTRY_CHECK_OK(check_module(rule, layer, rule.required, file));
            }
        }
        return ok();
    }

  private:
    const ModuleRule* find_rule(const TensorName& name) const {
        const auto rules = name.layer ? architecture_.layer_modules : architecture_.global_modules;
        const auto it =
            std::ranges::find(rules, name.module, kind_ == FileKind::kGguf ? &ModuleRule::gguf : &ModuleRule::hf);
        const bool known =
            it != rules.end() && (name.part == "weight" || (name.part == "bias" && it->bias != Bias::kNone));
        return known ? &*it : nullptr;
    }

    Status check_module(const ModuleRule& rule, std::optional<uint64_t> layer, bool needed,
                        std::string_view file) const {
        for (const std::string_view part : {"weight", "bias"}) {
            const bool wanted = part == "weight" ? needed : needed && rule.bias == Bias::kRequired;
            if (wanted && !present_.contains(canonical_name(rule, layer, part))) {
                return Error{Code::kDataLoss,
                             std::string(file) + ": tensor '" + source_name(kind_, rule, layer, part) + "' is missing",
                             "the file is incomplete or is not what its architecture says"};
            }
        }
        return ok();
    }

    const Architecture& architecture_;
    FileKind kind_;
    ModelManifest& out_;
    Sizes sizes_;
    std::set<std::string, std::less<>> present_;
};

/// The type that holds most of the parameters.
std::string commonest_type(const ModelManifest& m) {
    std::map<int32_t, uint64_t> weight_of;
    for (const auto& t : m.tensors) {
        weight_of[t.dtype] += element_count(t.shape).value_or(0);
    }
    const auto it = std::ranges::max_element(weight_of, {}, [](const auto& entry) { return entry.second; });
    return it == weight_of.end() ? "" : std::string(dtype_name(it->first));
}

}  // namespace

std::span<const Architecture> architectures() { return kArchitectures; }

Result<const Architecture*> find_gguf_architecture(std::string_view name, std::string_view file) {
    for (const auto& a : kArchitectures) {
        if (a.name == name && !a.gguf_rope_style.empty()) {
            return &a;
        }
    }
    return unknown_architecture(name, file, false);
}

Result<const Architecture*> find_hf_architecture(std::span<const std::string> classes, std::string_view model_type,
                                                 std::string_view file) {
    for (const auto& a : kArchitectures) {
        const bool match = classes.empty() ? a.name == model_type
                                           : std::ranges::find(classes, a.hf_class) != classes.end() ||
                                                 std::ranges::find(classes, base_class(a.hf_class)) != classes.end();
        if (match) {
            return &a;
        }
    }
    return unknown_architecture(classes.empty() ? model_type : classes.front(), file, true);
}

bool is_ignored_tensor(FileKind kind, std::string_view name) {
    if (kind == FileKind::kGguf) {
        return name == "rope_freqs.weight" || name == "rope_factors_short.weight" ||
               name == "rope_factors_long.weight" || name.ends_with(".attn_rot_embd.weight");
    }
    return name.ends_with(".rotary_emb.inv_freq");
}

namespace {

Status add_table(std::string_view file, const char* tensor, const char* key, std::vector<double> values,
                 ModelManifest& out) {
    const auto pairs = std::get<int64_t>(out.hyper.find("rope.dim")->second) / 2;
    if (values.size() != static_cast<size_t>(pairs)) {
        return Error{Code::kDataLoss, std::string(file) + ": tensor '" + tensor + "' has " +
                                          std::to_string(values.size()) + " elements, the model rotates " +
                                          std::to_string(pairs) + " pairs"};
    }
    out.hyper[key] = std::move(values);
    return ok();
}

/// LongRoPE as llama.cpp's converter writes it: the factors are tensors, and the scaling's type may be left out. Where
/// the attention factor is left out, too, backends have it from the two contexts.
Status add_longrope(std::string_view file, const HyperSource& source, RotaryTables& rotary, ModelManifest& out) {
    constexpr std::string_view kOriginal = "rope.scaling.original_context_length";
    GANTRY_TRY(const auto original, source.integer(kOriginal));
    const int64_t context = std::get<int64_t>(out.hyper.find("context_length")->second);
    if (!original || *original < 2 || *original > context) {
        return source.fault(kOriginal, "is missing or out of range, and the file has factors of LongRoPE");
    }
    GANTRY_CHECK_OK(
        add_table(file, "rope_factors_short.weight", "rope.short_factors", std::move(rotary.short_factors), out));
    GANTRY_CHECK_OK(
        add_table(file, "rope_factors_long.weight", "rope.long_factors", std::move(rotary.long_factors), out));
    GANTRY_TRY(const auto attention, source.number("rope.scaling.attn_factor"));
    if (attention && *attention <= 0) {
        return source.fault("rope.scaling.attn_factor", "must be above zero");
    }
    if (attention) {
        out.hyper["rope.attention_factor"] = *attention;
    }
    out.hyper["rope.scaling"] = std::string("longrope");
    out.hyper["rope.original_context"] = *original;
    out.hyper["rope.factor"] = static_cast<double>(context) / static_cast<double>(*original);
    return ok();
}

Status add_rotary(std::string_view file, const HyperSource& source, RotaryTables rotary, ModelManifest& out) {
    if (!rotary.divisors.empty()) {
        GANTRY_CHECK_OK(
            add_table(file, "rope_freqs.weight", "rope.frequency_divisors", std::move(rotary.divisors), out));
    }
    if (!rotary.short_factors.empty() || !rotary.long_factors.empty()) {
        return add_longrope(file, source, rotary, out);
    }
    const auto scaling = out.hyper.find("rope.scaling");
    const bool longrope = scaling != out.hyper.end() && std::get<std::string>(scaling->second) == "longrope";
    if (longrope && !out.hyper.contains("rope.long_factors")) {
        return Error{Code::kDataLoss, std::string(file) +
                                          ": the model is scaled by LongRoPE, but tensors "
                                          "'rope_factors_short.weight' and 'rope_factors_long.weight' are missing"};
    }
    return ok();
}

}  // namespace

Status translate(const Architecture& architecture, FileKind kind, const HyperSource& source,
                 std::span<const SourceTensor> tensors, RotaryTables rotary, ModelManifest& out) {
    const std::string_view file = tensors.empty() ? std::string_view("model") : tensors.front().origin;
    const std::string_view embedding = kind == FileKind::kGguf ? "token_embd.weight" : "model.embed_tokens.weight";
    const std::string_view head = kind == FileKind::kGguf ? "output.weight" : "lm_head.weight";
    std::optional<uint64_t> rows;
    if (const auto it = std::ranges::find(tensors, embedding, &SourceTensor::name);
        it != tensors.end() && !it->shape.empty()) {
        rows = it->shape.front();
    }
    const bool has_output = std::ranges::find(tensors, head, &SourceTensor::name) != tensors.end();
    out.architecture = architecture.name;
    GANTRY_CHECK_OK(translate_hyper(architecture, kind, source, tensors.size(), rows, has_output, out));
    if (out.encoder && out.encoder->task == EncoderInfo::Task::kEmbed) {
        out.hyper["tie_embeddings"] = true;  // an embedder has no use for an output head, nor need its file have one
    }
    GANTRY_CHECK_OK(add_rotary(file, source, std::move(rotary), out));
    const bool tied = std::get<bool>(out.hyper.find("tie_embeddings")->second);
    TensorTranslator translator(architecture, kind, out);
    for (const auto& t : tensors) {
        // A tied model's file may hold the head a second time; the embedding is the one that counts.
        if (!is_ignored_tensor(kind, t.name) && !(tied && t.name == head)) {
            GANTRY_CHECK_OK(translator.add(t));
        }
    }
    GANTRY_CHECK_OK(translator.check_complete(file));
    sum_up_tensors(out);
    return ok();
}

void sum_up_tensors(ModelManifest& out) {
    out.parameter_count = 0;
    for (const auto& t : out.tensors) {
        out.parameter_count += element_count(t.shape).value_or(0);
    }
    out.quantization = commonest_type(out);
}

}  // namespace gantry::registry
