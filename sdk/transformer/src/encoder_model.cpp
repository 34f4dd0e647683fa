#include "encoder_model.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <gantry/transformer/dequantize.hpp>
#include "loader.hpp"

namespace gantry::transformer {
namespace {

using sdk::Error;

[[noreturn]] void refuse(std::string message, std::string hint = {}) {
    throw Error(GANTRY_ERR_INVALID_ARGUMENT, std::move(message), std::move(hint));
}

gantry_encoder_t make_table() {
    gantry_encoder_t t{};
    t.struct_size = GANTRY_SIZE(gantry_encoder_t, encode);
    t.width = [](gantry_model_t* m, int32_t pooling, uint64_t* out) {
        return sdk::guard([&] {
            sdk::detail::need(out, "out");
            *out = sdk::model_cast<EncoderModel>(m).width(pooling);
        });
    };
    t.encode = [](gantry_model_t* m, const gantry_encode_batch_t* batch) {
        return sdk::guard([&] { sdk::model_cast<EncoderModel>(m).encode(batch); });
    };
    return t;
}

ScratchSpec scratch_spec(const EncoderConfig& c, const LoadPlan& plan) {
    const ModelConfig& b = c.base;
    return {plan.max_step_tokens,
            plan.max_sequences,
            plan.max_context,
            std::max({b.hidden_size, b.q_width(), b.ffn_size}),
            b.head_count,
            b.head_dim,
            c.has_rope ? b.rope.dim / 2 : 0,
            plan.threads,
            b.kv_head_count};
}

/// Rows to unit length; a row of zeros stays.
void to_unit_length(float* rows, size_t count, size_t width) {
    for (size_t r = 0; r < count; ++r) {
        float* row = rows + r * width;
        double sum = 0;
        for (size_t i = 0; i < width; ++i) sum += static_cast<double>(row[i]) * static_cast<double>(row[i]);
        if (!(sum > 0)) continue;
        const double inverse = 1 / std::sqrt(sum);
        for (size_t i = 0; i < width; ++i) row[i] = static_cast<float>(static_cast<double>(row[i]) * inverse);
    }
}

}  // namespace

uint64_t encoder_scratch_bytes(const EncoderConfig& c, const LoadPlan& plan, const Device& device) {
    return Encoder::floats(c, plan.max_step_tokens, plan.max_sequences) * sizeof(float) +
           device.encoder_scratch_bytes(scratch_spec(c, plan));
}

EncoderModel::EncoderModel(EncoderParts parts, const sdk::Manifest& manifest, std::span<const PlannedTensor> tensors,
                           const gantry_progress_t& progress)
    : parts_(std::move(parts)),
      weights_(load_encoder_weights(manifest, parts_.config, tensors, *parts_.device, progress_of(progress, "repack"))),
      encoder_(std::make_unique<Encoder>(*parts_.device, parts_.config, weights_, parts_.plan.max_step_tokens,
                                         parts_.plan.max_sequences)),
      table_(make_table()) {
    plan_line_ = parts_.config.base.architecture + " encoder, " + std::to_string(parts_.config.base.layer_count) +
                 " layers; " + parts_.device->plan();
    const LoadProgress warming = progress_of(progress, "warm-up");
    warming(0, 1);
    warm_up(manifest, tensors);
    warming(1, 1);
}

// One token through the whole model: first-use costs are paid here, and weights that are not numbers show.
void EncoderModel::warm_up(const sdk::Manifest& manifest, std::span<const PlannedTensor> tensors) {
    const int32_t token = 0;
    const uint32_t begin[] = {0, 1};
    std::vector<float> row(width(GANTRY_POOLING_DEFAULT));
    encoder_->run({{&token, 1}, {}, begin}, resolve(GANTRY_POOLING_DEFAULT), row.data());
    if (std::all_of(row.begin(), row.end(), [](float f) { return std::isfinite(f); })) return;
    for (const PlannedTensor& t : tensors) {
        if (type_traits(t.view.dtype).dequantizable) check_finite(t.name, manifest.tensor(t.index));
    }
    throw Error(GANTRY_ERR_DATA_LOSS, "the model's vectors are not finite, though all of its weights are",
                "the file may be damaged or converted wrongly");
}

gantry_model_info_t EncoderModel::info() {
    const LoadPlan& plan = parts_.plan;
    gantry_model_info_t info{};
    info.vocab_size = parts_.config.base.vocab_size;
    info.hidden_size = parts_.config.base.hidden_size;
    info.max_context = plan.max_context;
    info.max_step_tokens = plan.max_step_tokens;
    info.max_sequences = plan.max_sequences;
    info.weights_bytes = weights_.private_bytes;
    info.scratch_bytes = encoder_scratch_bytes(parts_.config, plan, *parts_.device);
    info.plan = sdk::to_abi(plan_line_);
    return info;
}

int32_t EncoderModel::resolve(int32_t pooling) const {
    if (pooling == GANTRY_POOLING_DEFAULT) pooling = parts_.config.pooling;
    if (pooling < GANTRY_POOLING_NONE || pooling > GANTRY_POOLING_SCORES) {
        refuse("pooling is " + std::to_string(pooling) + ", 0 to " + std::to_string(GANTRY_POOLING_SCORES) +
               " expected");
    }
    if (pooling == GANTRY_POOLING_SCORES && parts_.config.label_count == 0) {
        throw Error(GANTRY_ERR_UNIMPLEMENTED, "the model has no classification head, so it gives no scores");
    }
    return pooling;
}

uint64_t EncoderModel::width(int32_t pooling) const {
    const int32_t resolved = resolve(pooling);
    if (resolved == GANTRY_POOLING_SCORES) return parts_.config.label_count;
    return resolved == GANTRY_POOLING_NONE ? parts_.config.base.hidden_size : parts_.config.pooled_width();
}

EncoderBatch EncoderModel::check(const gantry_encode_batch_t& b) const {
    const LoadPlan& plan = parts_.plan;
    const auto count = [](const char* name, uint32_t value, uint32_t limit) {
        if (value == 0 || value > limit) {
            refuse(std::string(name) + " is " + std::to_string(value) + ", 1 to " + std::to_string(limit) +
                   " expected");
        }
    };
    count("sequence_count", b.sequence_count, plan.max_sequences);
    count("token_count", b.token_count, plan.max_step_tokens);
    sdk::detail::need(b.token_ids, "token_ids");
    sdk::detail::need(b.token_begin, "token_begin");
    sdk::detail::need(b.out, "out");
    if (b.token_begin[0] != 0 || b.token_begin[b.sequence_count] != b.token_count) {
        refuse("token_begin does not go from 0 to token_count (" + std::to_string(b.token_count) + ")");
    }
    for (uint32_t s = 0; s < b.sequence_count; ++s) {
        const uint32_t begin = b.token_begin[s];
        const uint32_t end = b.token_begin[s + 1];
        if (end <= begin || end > b.token_count) refuse("sequence " + std::to_string(s) + " has no tokens");
        if (end - begin > plan.max_context) {
            refuse("sequence " + std::to_string(s) + " has " + std::to_string(end - begin) + " tokens, at most " +
                   std::to_string(plan.max_context) + " are possible");
        }
    }
    for (uint32_t t = 0; t < b.token_count; ++t) {
        if (b.token_ids[t] < 0 || static_cast<uint32_t>(b.token_ids[t]) >= parts_.config.base.vocab_size) {
            refuse("token " + std::to_string(t) + " is " + std::to_string(b.token_ids[t]) + ", the vocabulary has " +
                   std::to_string(parts_.config.base.vocab_size));
        }
        if (b.type_ids != nullptr && b.type_ids[t] < 0) {
            refuse("type_ids: token " + std::to_string(t) + " has " + std::to_string(b.type_ids[t]));
        }
        const bool known = parts_.config.type_count <= 1 || b.type_ids == nullptr ||
                           static_cast<uint32_t>(b.type_ids[t]) < parts_.config.type_count;
        if (!known) {
            refuse("type_ids: token " + std::to_string(t) + " has " + std::to_string(b.type_ids[t]) +
                   ", the model knows " + std::to_string(parts_.config.type_count) + " segments");
        }
    }
    for (uint32_t s = 0; b.adapter_ids != nullptr && s < b.sequence_count; ++s) {
        if (b.adapter_ids[s] != 0) {
            throw Error(GANTRY_ERR_UNIMPLEMENTED, "sequence " + std::to_string(s) + " asks for the adapter " +
                                                      std::to_string(b.adapter_ids[s]) + ", encoders take none yet");
        }
    }
    EncoderBatch out;
    out.ids = {b.token_ids, b.token_count};
    if (b.type_ids != nullptr) out.types = {b.type_ids, b.token_count};
    out.begin = {b.token_begin, b.sequence_count + size_t{1}};
    return out;
}

void EncoderModel::encode(const gantry_encode_batch_t* abi) {
    sdk::detail::need(abi, "the batch");
    const gantry_encode_batch_t b = sdk::read_struct(abi);
    const int32_t pooling = resolve(b.pooling);
    const EncoderBatch checked = check(b);
    const uint64_t columns = width(pooling);
    if (b.out_width != columns) {
        refuse("out_width is " + std::to_string(b.out_width) + ", rows have " + std::to_string(columns));
    }
    encoder_->run(checked, pooling, b.out);
    const size_t rows = pooling == GANTRY_POOLING_NONE ? b.token_count : b.sequence_count;
    if (b.normalize != 0) to_unit_length(b.out, rows, columns);
}

}  // namespace gantry::transformer
