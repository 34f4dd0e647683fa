#include "encoder.hpp"

#include <algorithm>
#include <cmath>
#include <gantry/cpp/error.hpp>
#include <span>

namespace gantry::null_plugin {
namespace {

void embed(std::span<const int32_t> ids, std::span<float> row) {
    std::ranges::fill(row, 0.0F);
    for (const int32_t id : ids) {
        row[static_cast<size_t>(id) % row.size()] += 1.0F;
    }
}

void score(std::span<const int32_t> ids, const int32_t* types, std::span<float> row) {
    float common = 0;
    for (size_t i = 0; i < ids.size() && types != nullptr; ++i) {
        for (size_t k = 0; types[i] == 1 && k < ids.size(); ++k) {
            if (types[k] == 0 && ids[k] == ids[i]) {
                common += 1;
                break;
            }
        }
    }
    for (size_t k = 0; k < row.size(); ++k) {
        row[k] = common - static_cast<float>(k);
    }
}

}  // namespace

bool is_encoder(const Options& options) { return options.embed_width != 0 || options.score_width != 0; }

uint64_t encoder_width(const Options& options, int32_t pooling) {
    const uint64_t width = pooling == GANTRY_POOLING_SCORES ? options.score_width : options.embed_width;
    if (width == 0 || pooling == GANTRY_POOLING_NONE) {
        throw sdk::Error(GANTRY_ERR_UNIMPLEMENTED, "the null plugin was not asked for this output",
                         "load it with embed_width=N or score_width=N");
    }
    return width;
}

void encode(const gantry_encode_batch_t& batch) {
    for (uint32_t s = 0; s < batch.sequence_count; ++s) {
        const uint32_t begin = batch.token_begin[s];
        const std::span<const int32_t> ids(batch.token_ids + begin, batch.token_begin[s + 1] - begin);
        const std::span<float> row(batch.out + s * batch.out_width, batch.out_width);
        if (batch.pooling == GANTRY_POOLING_SCORES) {
            score(ids, batch.type_ids == nullptr ? nullptr : batch.type_ids + begin, row);
        } else {
            embed(ids, row);
        }
        if (batch.normalize != 0) {
            double sum = 0;
            std::ranges::for_each(row, [&](float value) { sum += double{value} * double{value}; });
            const auto scale = static_cast<float>(sum > 0 ? 1 / std::sqrt(sum) : 1);
            std::ranges::for_each(row, [&](float& value) { value *= scale; });
        }
    }
}

}  // namespace gantry::null_plugin
