// Hyperparameters into the canonical vocabulary: a table for what only changes its name, code for what is derived.

#include <algorithm>
#include <array>

#include "registry/formats/fault.hpp"
#include "registry/hyper_reader.hpp"

namespace gantry::registry {
namespace {

/// A positive integer under another name. An optional one has its default computed later.
struct IntegerRule {
    std::string_view canonical;
    std::string_view gguf;
    std::string_view hf;
    bool required = true;
};

constexpr auto kIntegers = std::to_array<IntegerRule>({
    {"hidden_size", "embedding_length", "hidden_size|n_embd"},
    {"layer_count", "block_count", "num_hidden_layers|n_layer|num_layers"},
    {"head_count", "attention.head_count", "num_attention_heads|n_head"},
    {"kv_head_count", "attention.head_count_kv", "num_key_value_heads|num_kv_heads|multi_query_group_num", false},
    {"head_dim", "attention.key_length", "head_dim|kv_channels", false},
    {"ffn_size", "feed_forward_length", "intermediate_size|ffn_dim|n_inner|ffn_hidden_size"},
    {"context_length", "context_length", "max_position_embeddings|n_positions|seq_length|model_max_length"},
});

struct Activation {
    std::string_view hf;
    std::string_view canonical;
};

constexpr auto kActivations = std::to_array<Activation>({
    {"silu", "silu"},
    {"swish", "silu"},
    {"swiglu", "silu"},
    {"gelu", "gelu"},
    {"gelu_new", "gelu_tanh"},
    {"gelu_fast", "gelu_tanh"},
    {"gelu_pytorch_tanh", "gelu_tanh"},
    {"relu", "relu"},
    {"relu2", "relu_squared"},
});

class HyperTranslator : HyperReader {
  public:
    using HyperReader::HyperReader;

    Status run(uint64_t tensor_count, std::optional<uint64_t> vocab_rows, bool has_output) {
        GANTRY_CHECK_OK(refuse_experts());
        set_constants();
        for (const auto& rule : kIntegers) {
            GANTRY_CHECK_OK(positive(rule));
        }
        if (static_cast<uint64_t>(integer("layer_count")) > tensor_count) {
            return in_.fault(key("block_count", "num_hidden_layers"), "is " + std::to_string(integer("layer_count")) +
                                                                          ", the model has only " +
                                                                          std::to_string(tensor_count) + " tensors");
        }
        GANTRY_CHECK_OK(vocabulary(vocab_rows));
        GANTRY_CHECK_OK(heads());
        GANTRY_CHECK_OK(norm_and_activation());
        GANTRY_CHECK_OK(translate_rope(architecture_, gguf_ ? FileKind::kGguf : FileKind::kHuggingFace, in_, out_));
        GANTRY_CHECK_OK(sliding_window());
        for (const auto& rule : architecture_.numbers) {
            GANTRY_CHECK_OK(number(rule));
        }
        bool tied = !has_output;
        if (!gguf_) {
            GANTRY_TRY(const auto flag, in_.flag("tie_word_embeddings"));
            tied = flag.value_or(tied);
        }
        out_.hyper["tie_embeddings"] = tied;
        out_.context_length = static_cast<uint64_t>(integer("context_length"));
        if (architecture_.adjust != nullptr) {
            GANTRY_CHECK_OK(architecture_.adjust(in_, gguf_, out_));
        }
        if (architecture_.two_norms) {
            out_.hyper["block"] = std::string("parallel");
        }
        return ok();
    }

  private:
    Status refuse_experts() const {
        GANTRY_TRY(const auto experts, in_.integer("expert_count"));
        return experts.value_or(0) == 0 || architecture_.has_experts
                   ? ok()
                   : Status(in_.fault("expert_count", "mixture-of-experts models are not supported",
                                      Code::kUnimplemented));
    }

    void set_constants() {
        for (const Constant& c : architecture_.constants) {
            if (c.only && (*c.only == FileKind::kGguf) != gguf_) {
                continue;
            }
            std::visit(
                [&](const auto& value) {
                    using T = std::decay_t<decltype(value)>;
                    if constexpr (std::is_same_v<T, std::string_view>) {
                        out_.hyper[std::string(c.canonical)] = std::string(value);
                    } else {
                        out_.hyper[std::string(c.canonical)] = value;
                    }
                },
                c.value);
        }
    }

    Status number(const HyperRule& rule) {
        const auto names = key(rule.gguf, rule.hf);
        if (names.empty()) {
            return ok();
        }
        const auto name = first_name(names);
        const std::string canonical(rule.canonical);
        if (rule.kind == HyperRule::Kind::kFlag) {
            GANTRY_TRY(const auto flag, in_.flag(name));
            if (flag) {
                out_.hyper.try_emplace(canonical, *flag);
            }
            return ok();
        }
        if (rule.kind == HyperRule::Kind::kInteger) {
            GANTRY_TRY(const auto value, in_.integer(name));
            if (value.value_or(0) < 0 || value.value_or(0) > kMaxSize) {
                return in_.fault(name, std::to_string(*value) + " is out of range");
            }
            if (value.value_or(0) > 0) {
                out_.hyper[canonical] = *value;
            }
            return ok();
        }
        GANTRY_TRY(const auto value, in_.number(name));
        if (!value) {
            return ok();
        }
        if (*value < 0 || (rule.kind == HyperRule::Kind::kReciprocal && *value == 0)) {
            return in_.fault(name, "must be above zero");
        }
        out_.hyper[canonical] = rule.kind == HyperRule::Kind::kReciprocal ? 1 / *value : *value;
        return ok();
    }

    Status positive(const IntegerRule& rule) {
        const auto name = first_name(key(rule.gguf, rule.hf));
        GANTRY_TRY(const auto value, in_.integer(name));
        if (!value && rule.canonical == "ffn_size" && architecture_.ffn_multiple != 0) {
            out_.hyper["ffn_size"] = architecture_.ffn_multiple * integer("hidden_size");
            return ok();
        }
        if (!value && out_.hyper.contains(rule.canonical)) {
            return ok();
        }
        if (!value) {
            return rule.required ? Status(in_.fault(name, "required key is missing")) : ok();
        }
        if (*value < 1 || *value > kMaxSize) {
            return in_.fault(name, std::to_string(*value) + " is out of range");
        }
        out_.hyper[std::string(rule.canonical)] = *value;
        return ok();
    }

    Status vocabulary(std::optional<uint64_t> rows) {
        GANTRY_TRY(auto size, in_.integer(first_name("vocab_size|padded_vocab_size")));
        if (gguf_ && rows) {
            size = static_cast<int64_t>(*rows);  // many files lack the key; the embedding is what counts
        }
        if (!size) {
            return in_.fault("vocab_size", "required key is missing");
        }
        if (*size < 1 || *size > kMaxSize) {
            return in_.fault("vocab_size", std::to_string(*size) + " is out of range");
        }
        out_.hyper["vocab_size"] = *size;
        return ok();
    }

    Status heads() {
        const int64_t count = integer("head_count");
        out_.hyper.try_emplace("kv_head_count", count);
        if (count % integer("kv_head_count") != 0) {
            return in_.fault(key("attention.head_count_kv", "num_key_value_heads"),
                             std::to_string(integer("kv_head_count")) + " does not divide the " +
                                 std::to_string(count) + " query heads");
        }
        if (!out_.hyper.contains("head_dim")) {
            if (integer("hidden_size") % count != 0) {
                return in_.fault(key("attention.head_count", "num_attention_heads"),
                                 std::to_string(count) + " does not divide the hidden size " +
                                     std::to_string(integer("hidden_size")));
            }
            out_.hyper["head_dim"] = integer("hidden_size") / count;
        }
        if (gguf_) {
            GANTRY_TRY(const auto value_length, in_.integer("attention.value_length"));
            if (value_length.value_or(integer("head_dim")) != integer("head_dim")) {
                return in_.fault("attention.value_length", "differs from the key length, which is not supported",
                                 Code::kUnimplemented);
            }
            GANTRY_CHECK_OK(optional_number("attention.scale", "attention.scale"));
        }
        return ok();
    }

    Status norm_and_activation() {
        const auto name =
            first_name(key("attention.layer_norm_rms_epsilon|attention.layer_norm_epsilon",
                           "rms_norm_eps|layer_norm_eps|layer_norm_epsilon|norm_epsilon|layernorm_epsilon"));
        GANTRY_TRY(const auto eps, in_.number(name));
        if (!eps && !out_.hyper.contains("norm_eps")) {
            return in_.fault(name, "required key is missing");
        }
        if (eps && *eps < 0) {
            return in_.fault(name, "must not be negative");
        }
        if (eps) {
            out_.hyper["norm_eps"] = *eps;
        }
        if (out_.hyper.contains("activation")) {
            return ok();
        }
        std::string activation = "silu";
        for (const char* names : {"hidden_act", "hidden_activation", "activation_function", "activation"}) {
            GANTRY_TRY(const auto given, gguf_ ? Result<std::optional<std::string>>(std::nullopt) : in_.text(names));
            if (given) {
                activation = *given;
                break;
            }
        }
        GANTRY_TRY(out_.hyper["activation"], canonical_activation(activation, in_));
        return ok();
    }

    Status optional_number(std::string_view source_key, std::string_view canonical) {
        GANTRY_TRY(const auto value, in_.number(source_key));
        if (value) {
            out_.hyper[std::string(canonical)] = *value;
        }
        return ok();
    }

    Status sliding_window() {
        const auto name = key("attention.sliding_window", "sliding_window");
        GANTRY_TRY(const auto window, in_.integer(name));
        bool on = window.value_or(0) != 0;
        if (on && (*window < 0 || *window > kMaxSize)) {
            return in_.fault(name, std::to_string(*window) + " is out of range");
        }
        if (!gguf_ && architecture_.hf_window_needs_switch) {
            GANTRY_TRY(const auto use, in_.flag("use_sliding_window"));
            on = on && use.value_or(false);
        }
        if (!on) {
            return ok();
        }
        out_.hyper["sliding_window"] = *window;
        return gguf_ && architecture_.window_period == 0 ? ok() : window_layers();
    }

    /// Which layers look back only a window: `layer_types`, else, in Qwen's files, those from `max_window_layers` on.
    Status window_layers() {
        const auto layers = static_cast<size_t>(integer("layer_count"));
        GANTRY_TRY(const auto types,
                   gguf_ ? Result<std::vector<std::string>>(std::vector<std::string>()) : in_.texts("layer_types"));
        std::vector<int64_t> windowed(layers, 1);
        if (!types.empty()) {
            if (types.size() != layers) {
                return in_.fault("layer_types", "has " + std::to_string(types.size()) + " elements for " +
                                                    std::to_string(layers) + " layers");
            }
            for (size_t i = 0; i < layers; ++i) {
                windowed[i] = types[i] == "sliding_attention" ? 1 : 0;
            }
        } else if (architecture_.window_period != 0) {
            GANTRY_TRY(const auto given,
                       in_.integer(key("attention.sliding_window_pattern", "sliding_window_pattern")));
            const int64_t period = std::max<int64_t>(given.value_or(architecture_.window_period), 1);
            for (size_t i = 0; i < layers; ++i) {
                windowed[i] = (static_cast<int64_t>(i) + 1) % period != 0 ? 1 : 0;
            }
        } else if (architecture_.hf_window_needs_switch) {
            GANTRY_TRY(const auto first, in_.integer("max_window_layers"));
            for (size_t i = 0; i < layers; ++i) {
                windowed[i] = static_cast<int64_t>(i) >= first.value_or(28) ? 1 : 0;  // 28: transformers' default
            }
        }
        if (std::ranges::find(windowed, 1) == windowed.end()) {
            out_.hyper.erase("sliding_window");
        } else if (std::ranges::find(windowed, 0) != windowed.end()) {
            out_.hyper["sliding_window_layers"] = std::move(windowed);
        }
        return ok();
    }
};

}  // namespace

Result<std::string> canonical_activation(std::string_view name, const HyperSource& source) {
    const auto it = std::ranges::find(kActivations, name, &Activation::hf);
    if (it == kActivations.end()) {
        return source.fault("hidden_act", "'" + printable(name) + "' is not supported", Code::kUnimplemented);
    }
    return std::string(it->canonical);
}

Status translate_hyper(const Architecture& architecture, FileKind kind, const HyperSource& source,
                       uint64_t tensor_count, std::optional<uint64_t> vocab_size, bool has_output, ModelManifest& out) {
    return HyperTranslator(architecture, kind, source, out).run(tensor_count, vocab_size, has_output);
}

}  // namespace gantry::registry
