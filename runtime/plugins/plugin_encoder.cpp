#include "runtime/plugins/plugin_encoder.hpp"

#include <gantry/ext/causal_lm.h>

#include <algorithm>
#include <utility>

#include "runtime/plugins/abi_convert.hpp"
#include "runtime/plugins/plugin_model.hpp"

namespace gantry::plugins {
namespace {

Error broken(std::string what) {
    return {Code::kInternal, "the plugin breaks the contract: " + std::move(what),
            "report this to the plugin's author"};
}

class PluginEncoder final : public encoder::EncoderModel {
  public:
    PluginEncoder(std::shared_ptr<void> keep, std::unique_ptr<ManifestAdapter> manifest, ModelHandle model,
                  const gantry_encoder_t* table, encoder::EncoderLimits limits)
        : keep_(std::move(keep)),
          manifest_(std::move(manifest)),
          model_(std::move(model)),
          table_(table),
          limits_(limits) {}

    const encoder::EncoderLimits& limits() const override { return limits_; }

    Status encode(const gantry_encode_batch_t& batch) override {
        return call_plugin("encode", [&] { return table_->encode(model_.get(), &batch); });
    }

  private:
    // Destroyed last to first: the model, then what it reads from, then the backend that made it.
    std::shared_ptr<void> keep_;
    std::unique_ptr<ManifestAdapter> manifest_;
    ModelHandle model_;
    const gantry_encoder_t* table_;
    encoder::EncoderLimits limits_;
};

/// 0 where the model does not give this output, which it says by an error.
uint64_t width(gantry_model_t* model, const gantry_encoder_t& table, int32_t pooling) {
    uint64_t out = 0;
    const Status told = call_plugin("width", [&] { return table.width(model, pooling, &out); });
    return told ? out : 0;
}

Result<encoder::EncoderLimits> read_limits(gantry_model_t* model, const gantry_encoder_t& table, std::string& plan) {
    gantry_model_info_t info{};
    info.struct_size = GANTRY_SIZE(gantry_model_info_t, plan);
    GANTRY_CHECK_OK(call_plugin("info", [&] { return model->info(model, &info); }));
    encoder::EncoderLimits limits;
    limits.vocab_size = info.vocab_size;
    limits.max_step_tokens = info.max_step_tokens;
    limits.max_context = std::min(info.max_context, info.max_step_tokens);  // an input goes into one step
    limits.max_sequences = info.max_sequences;
    for (const auto& [name, value] :
         {std::pair("vocab_size", limits.vocab_size), std::pair("max_context", limits.max_context),
          std::pair("max_step_tokens", limits.max_step_tokens), std::pair("max_sequences", limits.max_sequences)}) {
        if (value == 0) {
            return broken(std::string("its model says that ") + name + " is 0");
        }
    }
    limits.score_width = width(model, table, GANTRY_POOLING_SCORES);
    // A model with a head says what the head gives where it is asked for its default.
    for (const int32_t pooling :
         {GANTRY_POOLING_DEFAULT, GANTRY_POOLING_MEAN, GANTRY_POOLING_CLS, GANTRY_POOLING_LAST}) {
        if (limits.score_width == 0 && limits.embed_width == 0) {
            limits.embed_width = width(model, table, pooling);
        }
    }
    if (limits.score_width == 0 && limits.embed_width == 0) {
        return broken("its encoder gives neither vectors nor scores");
    }
    plan = from_abi(info.plan);
    return limits;
}

/// Tokens and texts that a step of an encoder has room for: enough for efficient products.
constexpr uint32_t kEncoderStepTokens = 4096;
constexpr uint32_t kEncoderSequences = 256;

}  // namespace

LoadSpec spec_for(const registry::ModelManifest& manifest, LoadSpec spec) {
    if (manifest.encoder) {
        const uint32_t longest = manifest.encoder->max_tokens != 0 ? manifest.encoder->max_tokens
                                                                   : static_cast<uint32_t>(manifest.context_length);
        const uint32_t context = spec.max_context != 0 ? spec.max_context : longest;
        spec.max_step_tokens = std::max({spec.max_step_tokens, kEncoderStepTokens, context});
        spec.max_sequences = std::max(spec.max_sequences, kEncoderSequences);
    }
    return spec;
}

Result<AnyModel> wrap_any_model(gantry_model_t* model, std::shared_ptr<void> keep,
                                std::unique_ptr<ManifestAdapter> manifest, std::string& plan) {
    AnyModel out;
    const bool asks = model != nullptr && GANTRY_HAS(model, gantry_model_t, destroy) &&
                      GANTRY_HAS(model, gantry_model_t, info) && GANTRY_HAS(model, gantry_model_t, get_extension);
    const auto* table =
        asks ? static_cast<const gantry_encoder_t*>(model->get_extension(model, GANTRY_ENCODER)) : nullptr;
    if (table == nullptr || model->get_extension(model, GANTRY_CAUSAL_LM) != nullptr) {
        GANTRY_TRY(out.causal, wrap_causal_model(model, std::move(keep), std::move(manifest), plan));
        return out;
    }
    ModelHandle handle(model);
    if (!GANTRY_HAS(table, gantry_encoder_t, width) || !GANTRY_HAS(table, gantry_encoder_t, encode)) {
        return broken("its " GANTRY_ENCODER " has no width or encode");
    }
    GANTRY_TRY(const encoder::EncoderLimits limits, read_limits(model, *table, plan));
    out.encoder =
        std::make_unique<PluginEncoder>(std::move(keep), std::move(manifest), std::move(handle), table, limits);
    return out;
}

}  // namespace gantry::plugins
