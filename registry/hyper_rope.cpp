// The rotary embedding and its scaling.

#include <algorithm>
#include <cmath>

#include "registry/hyper_reader.hpp"

namespace gantry::registry {
namespace {

class RopeTranslator : HyperReader {
  public:
    using HyperReader::HyperReader;

    Status rope() {
        if (out_.hyper.contains("rope.style")) {
            return ok();  // a family without
        }
        out_.hyper["rope.style"] = std::string(gguf_ ? architecture_.gguf_rope_style : architecture_.hf_rope_style);
        if (architecture_.hf_rope_style == "interleaved") {
            out_.hyper["rope.native_style"] = std::string("interleaved");
        }
        const auto base = first_name(key("rope.freq_base", "rope.rope_theta|rotary_emb_base"));
        GANTRY_TRY(const double theta, positive_number(base, 10000.0));
        out_.hyper["rope.theta"] = theta;
        const int64_t head_dim = integer("head_dim");
        int64_t dim = head_dim;
        if (gguf_) {
            GANTRY_TRY(const auto given, in_.integer("rope.dimension_count"));
            dim = given.value_or(head_dim);
        } else {
            GANTRY_TRY(const double part, positive_number(first_name("rope.partial_rotary_factor|rotary_pct"), 1.0));
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

  private:
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
};

}  // namespace

Status translate_rope(const Architecture& architecture, FileKind kind, const HyperSource& source, ModelManifest& out) {
    return RopeTranslator(architecture, kind, source, out).rope();
}

}  // namespace gantry::registry
