// What of the families' hyperparameters has to be computed.

#include <algorithm>
#include <cmath>

#include "registry/families.hpp"

namespace gantry::registry {
namespace {

int64_t integer(const ModelManifest& m, std::string_view key) { return std::get<int64_t>(m.hyper.find(key)->second); }

double inverse_root(double value) { return 1 / std::sqrt(value); }

Error refuse(const HyperSource& in, std::string_view key, std::string_view problem) {
    return in.fault(key, problem, Code::kUnimplemented);
}

/// Refuses a flag that is set to what is not supported.
Status need_flag(const HyperSource& in, std::string_view key, bool wanted, bool fallback) {
    GANTRY_TRY(const auto value, in.flag(key));
    if (value.value_or(fallback) == wanted) {
        return ok();
    }
    return refuse(in, key, wanted ? "is false, which is not supported" : "is true, which is not supported");
}

}  // namespace

Status adjust_gemma(const HyperSource& in, bool gguf, ModelManifest& out) {
    const auto hidden = static_cast<double>(integer(out, "hidden_size"));
    out.hyper["embedding.scale"] = std::sqrt(hidden);
    const bool third = out.architecture == "gemma3";
    if (gguf) {
        // Files do not say what queries are divided by; only the largest of each generation differs.
        const int64_t layers = integer(out, "layer_count");
        if (layers == (third ? 62 : 46)) {
            out.hyper["attention.scale"] = inverse_root(hidden / static_cast<double>(integer(out, "head_count")));
        }
    } else {
        GANTRY_TRY(const auto scalar, in.number("query_pre_attn_scalar"));
        if (scalar && *scalar > 0 && out.architecture != "gemma") {
            out.hyper["attention.scale"] = inverse_root(*scalar);
        }
        GANTRY_CHECK_OK(need_flag(in, "use_bidirectional_attention", false, false));
    }
    if (third) {
        out.hyper["attention.qk_norm"] = std::string("head");
        GANTRY_TRY(const auto given, in.number("rope.sliding_attention.rope_theta"));
        GANTRY_TRY(const auto old, in.number(gguf ? "rope.freq_base_swa" : "rope_local_base_freq"));
        out.hyper["rope.local_theta"] = given.value_or(old.value_or(10000.0));
    }
    return ok();
}

/// Every fourth layer does not rotate, unless the file says otherwise.
Status adjust_smollm3(const HyperSource& in, bool gguf, ModelManifest& out) {
    const auto layers = static_cast<size_t>(integer(out, "layer_count"));
    std::vector<double> given;
    int64_t period = 4;
    if (!gguf) {
        GANTRY_TRY(given, in.numbers("no_rope_layers"));
        GANTRY_TRY(const auto interval, in.integer("no_rope_layer_interval"));
        period = std::max<int64_t>(interval.value_or(period), 1);
    }
    if (!given.empty() && given.size() != layers) {
        return in.fault("no_rope_layers",
                        "has " + std::to_string(given.size()) + " elements for " + std::to_string(layers) + " layers");
    }
    std::vector<int64_t> rotated(layers);
    for (size_t i = 0; i < layers; ++i) {
        rotated[i] = given.empty() ? (static_cast<int64_t>(i) + 1) % period != 0 : given[i] != 0;
    }
    out.hyper["rope.layers"] = std::move(rotated);
    return ok();
}

/// What MiniCPM's files lack is what its first models, which were written before the keys, had.
Status adjust_minicpm(const HyperSource& in, bool gguf, ModelManifest& out) {
    const double depth = std::sqrt(static_cast<double>(integer(out, "layer_count")));
    const auto hidden = static_cast<double>(integer(out, "hidden_size"));
    if (gguf) {
        out.hyper.try_emplace("embedding.scale", 12.0);
        out.hyper.try_emplace("residual.scale", 1.4 / depth);
        out.hyper.try_emplace("logit.scale", 256.0 / hidden);
        return ok();
    }
    GANTRY_TRY(const auto scale, in.number("scale_depth"));
    GANTRY_TRY(const auto base, in.number("dim_model_base"));
    GANTRY_TRY(const auto experts, in.integer("num_experts"));
    if (experts.value_or(0) != 0) {
        return refuse(in, "num_experts", "MiniCPM with experts is not supported");
    }
    out.hyper["residual.scale"] = scale ? *scale / depth : 1.0;
    out.hyper["logit.scale"] = base ? *base / hidden : 1.0;
    return ok();
}

/// The files do not tell the four models apart but by their sizes; Baichuan 2 is trained with z_loss.
Status adjust_baichuan(const HyperSource& in, bool gguf, ModelManifest& out) {
    if (integer(out, "hidden_size") == 5120) {
        return refuse(in, gguf ? "embedding_length" : "hidden_size",
                      "is that of Baichuan 13B, which needs ALiBi; that is not supported");
    }
    if (gguf) {
        return ok();  // converters take a head that is normalised already
    }
    GANTRY_TRY(const auto second, in.number("z_loss_weight"));
    if (second || integer(out, "vocab_size") == 125696) {
        out.hyper["output.normalized"] = true;
    }
    return ok();
}

/// NTK scaling with a fixed alpha is another base; GGUF's converter has worked it in.
Status adjust_hunyuan(const HyperSource& in, bool gguf, ModelManifest& out) {
    if (gguf) {
        return ok();
    }
    GANTRY_TRY(const auto alpha, in.number("rope.alpha"));
    if (alpha && *alpha > 0) {
        const auto dim = static_cast<double>(integer(out, "rope.dim"));
        const double theta = std::get<double>(out.hyper["rope.theta"]);
        out.hyper["rope.theta"] = theta * std::pow(*alpha, dim / (dim - 2));
        out.hyper["rope.scaling"] = std::string("none");
        out.hyper.erase("rope.factor");
        out.hyper.erase("rope.original_context");
    }
    return need_flag(in, "use_qk_norm", true, true);
}

/// Which layers have experts, where not all do: Qwen's files name the others, and take every n-th.
Status adjust_experts(const HyperSource& in, bool gguf, ModelManifest& out) {
    for (const char* key : {"expert.count", "expert.used", "expert.ffn_size"}) {
        if (!out.hyper.contains(key)) {
            return in.fault(gguf ? "expert_count" : "num_experts",
                            "the file does not say '" + std::string(key) + "' in any way that is known");
        }
    }
    if (out.architecture != "qwen2moe" && out.architecture != "qwen3moe") {
        if (!gguf && out.architecture == "olmoe") {
            GANTRY_TRY(const auto clip, in.number("clip_qkv"));
            return clip ? Status(refuse(in, "clip_qkv", "clipped projections are not supported")) : ok();
        }
        return ok();
    }
    if (gguf) {
        return ok();
    }
    const auto layers = static_cast<size_t>(integer(out, "layer_count"));
    GANTRY_TRY(const auto dense, in.numbers("mlp_only_layers"));
    GANTRY_TRY(const auto step, in.integer("decoder_sparse_step"));
    std::vector<int64_t> flags(layers);
    for (size_t i = 0; i < layers; ++i) {
        const bool named = std::ranges::find(dense, static_cast<double>(i)) != dense.end();
        flags[i] = !named && step.value_or(1) > 0 && (static_cast<int64_t>(i) + 1) % step.value_or(1) == 0;
    }
    out.hyper["expert.layers"] = std::move(flags);
    return ok();
}

/// The first layers have no experts; the shared ones are one feed-forward of their width together.
Status adjust_glm4_experts(const HyperSource& in, bool gguf, ModelManifest& out) {
    if (gguf) {
        // GGUF files count the layers that predict further tokens.
        GANTRY_TRY(const auto extra, in.integer("nextn_predict_layers"));
        if (extra.value_or(0) < 0 || extra.value_or(0) >= integer(out, "layer_count")) {
            return in.fault("nextn_predict_layers", std::to_string(*extra) + " is out of range");
        }
        out.hyper["layer_count"] = integer(out, "layer_count") - extra.value_or(0);
    }
    GANTRY_CHECK_OK(adjust_experts(in, gguf, out));
    GANTRY_TRY(const auto first, in.integer(gguf ? "leading_dense_block_count" : "first_k_dense_replace"));
    GANTRY_TRY(const auto shared, in.integer(gguf ? "expert_shared_count" : "n_shared_experts"));
    std::vector<int64_t> flags(static_cast<size_t>(integer(out, "layer_count")));
    for (size_t i = 0; i < flags.size(); ++i) {
        flags[i] = static_cast<int64_t>(i) >= first.value_or(0) ? 1 : 0;
    }
    out.hyper["expert.layers"] = std::move(flags);
    if (shared.value_or(0) > 0) {
        out.hyper["expert.shared_ffn_size"] = *shared * integer(out, "expert.ffn_size");
    }
    return ok();
}

Status adjust_parallel(const HyperSource& in, bool gguf, ModelManifest& out) {
    const bool neox = out.architecture == "gptneox";
    GANTRY_TRY(const auto parallel, in.flag("use_parallel_residual"));
    if (parallel.value_or(neox)) {
        out.hyper["block"] = std::string(neox ? "parallel" : "parallel_shared");
    }
    if (!gguf && !neox) {
        GANTRY_CHECK_OK(need_flag(in, "qk_layernorm", false, false));
    }
    return ok();
}

Status adjust_opt(const HyperSource& in, bool, ModelManifest& out) {
    GANTRY_CHECK_OK(need_flag(in, "do_layer_norm_before", true, true));
    GANTRY_CHECK_OK(need_flag(in, "_remove_final_layer_norm", false, false));
    GANTRY_TRY(const auto width, in.integer("word_embed_proj_dim"));
    if (width.value_or(integer(out, "hidden_size")) != integer(out, "hidden_size")) {
        return refuse(in, "word_embed_proj_dim", "differs from hidden_size, which is not supported");
    }
    out.hyper["position.count"] = integer(out, "context_length") + 2;
    return ok();
}

Status adjust_falcon(const HyperSource& in, bool gguf, ModelManifest& out) {
    if (gguf) {
        out.hyper["block"] = std::string("parallel_shared");  // with a norm for each branch it is made 'parallel'
        return ok();
    }
    GANTRY_CHECK_OK(need_flag(in, "alibi", false, false));
    GANTRY_TRY(const auto second, in.flag("new_decoder_architecture"));
    GANTRY_TRY(const auto one_key, in.flag("multi_query"));
    GANTRY_TRY(const auto parallel, in.flag("parallel_attn"));
    if (!second.value_or(false)) {
        out.hyper["kv_head_count"] = one_key.value_or(true) ? int64_t{1} : integer(out, "head_count");
    }
    out.hyper["block"] = std::string(second.value_or(false) || parallel.value_or(true) ? "parallel_shared" : "serial");
    return ok();
}

Status adjust_gpt2(const HyperSource& in, bool gguf, ModelManifest& out) {
    out.hyper["position.count"] = integer(out, "context_length");
    if (gguf) {
        return ok();
    }
    GANTRY_CHECK_OK(need_flag(in, "scale_attn_weights", true, true));
    return need_flag(in, "scale_attn_by_inverse_layer_idx", false, false);
}

Status adjust_cohere(const HyperSource& in, bool gguf, ModelManifest& out) {
    if (!gguf) {
        GANTRY_CHECK_OK(need_flag(in, "use_qk_norm", false, false));
    }
    if (out.architecture != "cohere2") {
        return ok();
    }
    // Only the layers with a window rotate.
    const auto layers = static_cast<size_t>(integer(out, "layer_count"));
    std::vector<int64_t> rotated(layers, out.hyper.contains("sliding_window") ? 1 : 0);
    if (const auto it = out.hyper.find("sliding_window_layers"); it != out.hyper.end()) {
        rotated = std::get<std::vector<int64_t>>(it->second);
    }
    out.hyper["rope.layers"] = std::move(rotated);
    return ok();
}

/// ChatGLM rotates half of a head, with a base that the file multiplies.
Status adjust_chatglm(const HyperSource& in, bool gguf, ModelManifest& out) {
    if (gguf) {
        return ok();
    }
    GANTRY_TRY(const auto ratio, in.number("rope_ratio"));
    GANTRY_CHECK_OK(need_flag(in, "rmsnorm", true, true));
    GANTRY_CHECK_OK(need_flag(in, "apply_residual_connection_post_layernorm", false, false));
    out.hyper["rope.theta"] = 10000.0 * ratio.value_or(1.0);
    out.hyper["rope.dim"] = integer(out, "head_dim") / 2;
    out.hyper["tie_embeddings"] = false;
    GANTRY_TRY(const auto grouped, in.flag("multi_query_attention"));
    if (!grouped.value_or(false)) {
        out.hyper["kv_head_count"] = integer(out, "head_count");
    }
    return ok();
}

}  // namespace gantry::registry
