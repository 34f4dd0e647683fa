#include "registry/architectures.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "registry/families.hpp"
#include "registry/formats/dtype.hpp"
#include "registry/formats/fault.hpp"
#include "registry/translate_tensors.hpp"

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
const std::vector<Architecture>& all_architectures() {
    static const std::vector<Architecture> list = [] {
        std::vector<Architecture> out = {
            {"llama", "LlamaForCausalLM", "interleaved", kGlobalModules, kLlamaLayer},
            {"qwen2", "Qwen2ForCausalLM", "half", kGlobalModules, kQwen2Layer, true},
            {"qwen3", "Qwen3ForCausalLM", "half", kGlobalModules, kQwen3Layer, true},
            {"mistral", "MistralForCausalLM", "", kGlobalModules, kMistralLayer},
        };
        for (const auto families : {gated_families(), expert_families(), layer_norm_families()}) {
            out.insert(out.end(), families.begin(), families.end());
        }
        return out;
    }();
    return list;
}

std::string_view gguf_name(const Architecture& a) { return a.gguf_name.empty() ? a.name : a.gguf_name; }

/// The class of the same model without its output head: "Qwen3Model" of "Qwen3ForCausalLM".
std::string base_class(std::string_view hf_class) {
    return std::string(hf_class.substr(0, hf_class.find("For"))) + "Model";
}

std::string supported_list(bool hf) {
    std::string out;
    std::set<std::string_view> told;
    for (const auto& a : all_architectures()) {
        const std::string_view name = hf ? a.hf_class : gguf_name(a);
        if ((hf || !a.gguf_rope_style.empty()) && told.insert(name).second) {
            out.append(out.empty() ? "" : ", ").append(name);
        }
    }
    return out;
}

Error unknown_architecture(std::string_view name, std::string_view file, bool hf) {
    return Error{Code::kUnimplemented, std::string(file) + ": architecture '" + printable(name) +
                                           "' is not supported; supported are " + supported_list(hf)};
}

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

std::span<const Architecture> architectures() { return all_architectures(); }

Result<const Architecture*> find_gguf_architecture(std::string_view name, std::string_view file) {
    for (const auto& a : all_architectures()) {
        if (gguf_name(a) == name && !a.gguf_rope_style.empty()) {
            return &a;
        }
    }
    return unknown_architecture(name, file, false);
}

Result<const Architecture*> find_hf_architecture(std::span<const std::string> classes, std::string_view model_type,
                                                 std::string_view file) {
    for (const auto& a : all_architectures()) {
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
    // Rotary tables, and the masks of GPT-2 and GPT-NeoX.
    static constexpr auto kBuffers =
        std::to_array<std::string_view>({".rotary_emb.inv_freq", ".rotary_pos_emb.inv_freq", ".attn.bias",
                                         ".attn.masked_bias", ".attention.bias", ".attention.masked_bias"});
    return std::ranges::any_of(kBuffers, [&](std::string_view end) { return name.ends_with(end); });
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

namespace {

/// A family's variant, which only the rest of the file tells: GGUF calls Mixtral 'llama', and the larger models of
/// Falcon have another norm.
const Architecture& variant(const Architecture& architecture, FileKind kind, const HyperSource& source,
                            std::span<const SourceTensor> tensors) {
    std::string_view wanted = architecture.name;
    bool two_norms = false;
    if (kind == FileKind::kGguf && architecture.name == "llama") {
        const auto experts = source.integer("expert_count");
        if (experts && experts->value_or(0) > 0) wanted = "mixtral";
    }
    if (architecture.name == "falcon") {
        const std::string_view second = kind == FileKind::kGguf ? ".attn_norm_2.weight" : ".ln_attn.weight";
        two_norms = std::ranges::any_of(tensors, [&](const auto& t) { return t.name.ends_with(second); });
    }
    const auto& all = all_architectures();
    const auto it =
        std::ranges::find_if(all, [&](const Architecture& a) { return a.name == wanted && a.two_norms == two_norms; });
    return it == all.end() ? architecture : *it;
}

}  // namespace

Status translate(const Architecture& family, FileKind kind, const HyperSource& source,
                 std::span<const SourceTensor> tensors, RotaryTables rotary, ModelManifest& out) {
    const Architecture& architecture = variant(family, kind, source, tensors);
    const std::string_view file = tensors.empty() ? std::string_view("model") : tensors.front().origin;
    const std::string embedding = global_name(architecture, kind, "token_embd");
    const std::string head = global_name(architecture, kind, "output");
    std::optional<uint64_t> rows;
    if (const auto it = std::ranges::find(tensors, std::string_view(embedding), &SourceTensor::name);
        it != tensors.end() && !it->shape.empty()) {
        rows = it->shape.front();
    }
    const bool has_output = std::ranges::find(tensors, std::string_view(head), &SourceTensor::name) != tensors.end();
    out.architecture = architecture.name;
    GANTRY_CHECK_OK(translate_hyper(architecture, kind, source, tensors.size(), rows, has_output, out));
    if (out.encoder && out.encoder->task == EncoderInfo::Task::kEmbed) {
        out.hyper["tie_embeddings"] = true;  // an embedder has no use for an output head, nor need its file have one
    }
    if (std::get<std::string>(out.hyper.at("rope.style")) != "none") {
        GANTRY_CHECK_OK(add_rotary(file, source, std::move(rotary), out));
    }
    const auto normed_heads = [](const SourceTensor& t) {
        return t.name.ends_with(".attn_q_norm.weight") || t.name.ends_with(".q_norm.weight");
    };
    if (architecture.name == "glm4moe" && std::ranges::any_of(tensors, normed_heads)) {
        out.hyper["attention.qk_norm"] = std::string("head");  // not all of the family have it
    }
    GANTRY_CHECK_OK(translate_tensors(architecture, kind, tensors, file, out));
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
