// Hyperparameters into the canonical vocabulary: a table for what only changes its name, code for what is derived.

#include <algorithm>
#include <array>
#include <cmath>

#include "registry/architectures.hpp"
#include "registry/formats/fault.hpp"

namespace gantry::registry {
namespace {

constexpr int64_t kMaxSize = (int64_t{1} << 31) - 1;

/// A positive integer under another name. An optional one has its default computed later.
struct IntegerRule {
    std::string_view canonical;
    std::string_view gguf;
    std::string_view hf;
    bool required = true;
};

constexpr auto kIntegers = std::to_array<IntegerRule>({
    {"hidden_size", "embedding_length", "hidden_size"},
    {"layer_count", "block_count", "num_hidden_layers"},
    {"head_count", "attention.head_count", "num_attention_heads"},
    {"kv_head_count", "attention.head_count_kv", "num_key_value_heads", false},
    {"head_dim", "attention.key_length", "head_dim", false},
    {"ffn_size", "feed_forward_length", "intermediate_size"},
    {"context_length", "context_length", "max_position_embeddings"},
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

class HyperTranslator {
  public:
    HyperTranslator(const Architecture& architecture, FileKind kind, const HyperSource& source, ModelManifest& out)
        : architecture_(architecture), gguf_(kind == FileKind::kGguf), in_(source), out_(out) {}

    Status run(uint64_t tensor_count, std::optional<uint64_t> vocab_rows, bool has_output) {
        GANTRY_CHECK_OK(refuse_experts());
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
        GANTRY_CHECK_OK(rope());
        GANTRY_CHECK_OK(sliding_window());
        bool tied = !has_output;
        if (!gguf_) {
            GANTRY_TRY(const auto flag, in_.flag("tie_word_embeddings"));
            tied = flag.value_or(tied);
        }
        out_.hyper["tie_embeddings"] = tied;
        out_.context_length = static_cast<uint64_t>(integer("context_length"));
        return ok();
    }

  private:
    std::string_view key(std::string_view gguf, std::string_view hf) const { return gguf_ ? gguf : hf; }
    int64_t integer(std::string_view name) const { return std::get<int64_t>(out_.hyper.find(name)->second); }

    Status refuse_experts() const {
        GANTRY_TRY(const auto experts, in_.integer("expert_count"));
        return experts.value_or(0) == 0
                   ? ok()
                   : Status(in_.fault("expert_count", "mixture-of-experts models are not supported",
                                      Code::kUnimplemented));
    }

    Status positive(const IntegerRule& rule) {
        const auto name = key(rule.gguf, rule.hf);
        GANTRY_TRY(const auto value, in_.integer(name));
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
        GANTRY_TRY(auto size, in_.integer("vocab_size"));
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
        const auto name = key("attention.layer_norm_rms_epsilon", "rms_norm_eps");
        GANTRY_TRY(const auto eps, in_.number(name));
        if (!eps) {
            return in_.fault(name, "required key is missing");
        }
        if (*eps < 0) {
            return in_.fault(name, "must not be negative");
        }
        out_.hyper["norm_eps"] = *eps;
        std::string activation = "silu";
        if (!gguf_) {
            GANTRY_TRY(const auto given, in_.text("hidden_act"));
            activation = given.value_or(activation);
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

    /// A number above zero; `fallback` where the key is absent.
    Result<double> positive_number(std::string_view source_key, std::optional<double> fallback) const {
        GANTRY_TRY(const auto value, in_.number(source_key));
        if (!value && !fallback) {
            return in_.fault(source_key, "required key is missing");
        }
        const double number = value ? *value : *fallback;
        if (!(number > 0)) {
            return in_.fault(source_key, "must be above zero");
        }
        return number;
    }

    Status rope() {
        out_.hyper["rope.style"] = std::string(gguf_ ? architecture_.gguf_rope_style : "half");
        GANTRY_TRY(const double theta, positive_number(key("rope.freq_base", "rope.rope_theta"), 10000.0));
        out_.hyper["rope.theta"] = theta;
        const int64_t head_dim = integer("head_dim");
        int64_t dim = head_dim;
        if (gguf_) {
            GANTRY_TRY(const auto given, in_.integer("rope.dimension_count"));
            dim = given.value_or(head_dim);
        } else {
            GANTRY_TRY(const double part, positive_number("rope.partial_rotary_factor", 1.0));
            dim = part <= 1 ? static_cast<int64_t>(static_cast<double>(head_dim) * part) : head_dim + 1;
        }
        if (dim < 2 || dim > head_dim || dim % 2 != 0) {
            return in_.fault(
                key("rope.dimension_count", "rope.partial_rotary_factor"),
                "rotates " + std::to_string(dim) + " of a head's " + std::to_string(head_dim) + " dimensions");
        }
        out_.hyper["rope.dim"] = dim;
        return scaling();
    }

    Result<std::string> scaling_type() const {
        if (gguf_) {
            GANTRY_TRY(const auto type, in_.text("rope.scaling.type"));
            return type.value_or("none");
        }
        GANTRY_TRY(auto type, in_.text("rope.rope_type"));
        if (!type) {
            GANTRY_TRY(type, in_.text("rope.type"));
        }
        return !type || *type == "default" ? std::string("none") : *type;
    }

    Status scaling() {
        GANTRY_TRY(const std::string type, scaling_type());
        GANTRY_TRY(const auto old_style, in_.number("rope.scale_linear"));
        if (gguf_ && type == "none" && old_style.value_or(0) > 0 && *old_style != 1) {
            out_.hyper["rope.scaling"] = std::string("linear");
            out_.hyper["rope.factor"] = *old_style;
            return ok();
        }
        out_.hyper["rope.scaling"] = type;
        if (type == "none") {
            return ok();
        }
        if (gguf_ && type == "longrope") {
            return ok();  // the rest is in tensors, see RotaryTables
        }
        if (!gguf_ && (type == "longrope" || type == "su")) {
            return longrope();
        }
        if (type != "linear" && type != "dynamic" && type != "yarn" && type != "llama3") {
            return in_.fault(key("rope.scaling.type", "rope.rope_type"),
                             "rotary scaling '" + type + "' is not supported for this architecture",
                             Code::kUnimplemented);
        }
        GANTRY_TRY(const double factor, positive_number(key("rope.scaling.factor", "rope.factor"), std::nullopt));
        out_.hyper["rope.factor"] = factor;
        if (type == "linear") {
            return ok();
        }
        const auto original_key = key("rope.scaling.original_context_length", "rope.original_max_position_embeddings");
        GANTRY_TRY(const auto original, in_.integer(original_key));
        if (original && (*original < 1 || *original > kMaxSize)) {
            return in_.fault(original_key, std::to_string(*original) + " is out of range");
        }
        out_.hyper["rope.original_context"] = original.value_or(integer("context_length"));
        if (type == "llama3") {
            return llama3();
        }
        return type == "yarn" ? yarn(factor) : ok();
    }

    Status llama3() {
        GANTRY_TRY(const double low, positive_number("rope.low_freq_factor", std::nullopt));
        GANTRY_TRY(const double high, positive_number("rope.high_freq_factor", std::nullopt));
        if (high <= low) {
            return in_.fault("rope.high_freq_factor", "must be above low_freq_factor");
        }
        out_.hyper["rope.low_freq_factor"] = low;
        out_.hyper["rope.high_freq_factor"] = high;
        return ok();
    }

    /// The attention factor is always given, so that no backend has to know how either kind of file leaves it out.
    Status yarn(double factor) {
        GANTRY_TRY(const double fast, positive_number(key("rope.scaling.yarn_beta_fast", "rope.beta_fast"), 32.0));
        GANTRY_TRY(const double slow, positive_number(key("rope.scaling.yarn_beta_slow", "rope.beta_slow"), 1.0));
        const auto mscale = [&](double weight) { return factor <= 1 ? 1.0 : 0.1 * weight * std::log(factor) + 1.0; };
        double attention = mscale(1);
        if (gguf_) {
            // llama.cpp multiplies the file's factor with the usual one.
            GANTRY_TRY(const double times, positive_number("rope.scaling.attn_factor", 1.0));
            attention *= times;
        } else {
            GANTRY_TRY(const auto truncate, in_.flag("rope.truncate"));
            if (!truncate.value_or(true)) {
                out_.hyper["rope.truncate"] = false;
            }
            GANTRY_TRY(const auto given, in_.number("rope.attention_factor"));
            GANTRY_TRY(const auto one, in_.number("rope.mscale"));
            GANTRY_TRY(const auto all, in_.number("rope.mscale_all_dim"));
            if (given) {
                attention = *given;
            } else if (one.value_or(0) != 0 && all.value_or(0) != 0) {
                attention = mscale(*one) / mscale(*all);
            }
        }
        out_.hyper["rope.beta_fast"] = fast;
        out_.hyper["rope.beta_slow"] = slow;
        out_.hyper["rope.attention_factor"] = attention;
        return ok();
    }

    /// LongRoPE, which Phi-3's first files call "su". The factor may be left out: it is the ratio of the two contexts.
    Status longrope() {
        out_.hyper["rope.scaling"] = std::string("longrope");
        const auto pairs = static_cast<size_t>(std::get<int64_t>(out_.hyper.at("rope.dim")) / 2);
        for (const auto& [from, to] : {std::pair{"rope.short_factor", "rope.short_factors"},
                                       std::pair{"rope.long_factor", "rope.long_factors"}}) {
            GANTRY_TRY(std::vector<double> factors, in_.numbers(from));
            if (factors.size() != pairs || std::ranges::any_of(factors, [](double f) { return f <= 0; })) {
                return in_.fault(from, "must be " + std::to_string(pairs) + " positive numbers, one a rotated pair");
            }
            out_.hyper[to] = std::move(factors);
        }
        constexpr std::string_view kOriginal = "rope.original_max_position_embeddings";
        GANTRY_TRY(const auto original, in_.integer(kOriginal));
        if (!original || *original < 2 || *original > kMaxSize) {
            return in_.fault(kOriginal, "is missing or out of range");
        }
        out_.hyper["rope.original_context"] = *original;
        const double ratio = static_cast<double>(integer("context_length")) / static_cast<double>(*original);
        GANTRY_TRY(const double factor, positive_number("rope.factor", ratio));
        out_.hyper["rope.factor"] = factor;
        GANTRY_TRY(const auto attention, in_.number("rope.attention_factor"));
        if (attention) {
            out_.hyper["rope.attention_factor"] = *attention;
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
        return gguf_ ? ok() : window_layers();
    }

    /// Which layers look back only a window: `layer_types`, else, in Qwen's files, those from `max_window_layers` on.
    Status window_layers() {
        const auto layers = static_cast<size_t>(integer("layer_count"));
        GANTRY_TRY(const auto types, in_.texts("layer_types"));
        std::vector<int64_t> windowed(layers, 1);
        if (!types.empty()) {
            if (types.size() != layers) {
                return in_.fault("layer_types", "has " + std::to_string(types.size()) + " elements for " +
                                                    std::to_string(layers) + " layers");
            }
            for (size_t i = 0; i < layers; ++i) {
                windowed[i] = types[i] == "sliding_attention" ? 1 : 0;
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

    const Architecture& architecture_;
    bool gguf_;
    const HyperSource& in_;
    ModelManifest& out_;
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
