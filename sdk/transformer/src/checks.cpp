#include <gantry/transformer/checks.hpp>

#include <algorithm>
#include <cmath>

#include <gantry/transformer/dequantize.hpp>
#include "planner.hpp"

namespace gantry::transformer {
namespace {

using sdk::Error;

std::string quoted(std::string_view name) { return "tensor '" + std::string(name) + "'"; }

std::string_view use_text(WeightUse use) {
    switch (use) {
        case WeightUse::kLinear:
            return "a linear layer";
        case WeightUse::kEmbedding:
            return "an embedding";
        case WeightUse::kEmbeddingAndLinear:
            return "an embedding that is also the output head";
        case WeightUse::kVector:
            return "a norm or bias";
    }
    return "a weight";
}

}  // namespace

std::string shape_text(const gantry_tensor_view_t& view) {
    std::string text = "[";
    for (uint32_t i = 0; i < std::min<uint32_t>(view.rank, GANTRY_MAX_RANK); ++i) {
        text += (i == 0 ? "" : ", ") + std::to_string(view.shape[i]);
    }
    return text + "]";
}

void Planner::need(const std::string& name, std::initializer_list<uint64_t> shape, WeightUse use) {
    const auto index = manifest_.find_tensor(name);
    if (!index) {
        throw Error(
            GANTRY_ERR_NOT_FOUND, quoted(name) + " is missing",
            "the file is incomplete, or its architecture is not '" + std::string(manifest_.architecture()) + "'");
    }
    PlannedTensor planned{*index, name, use, manifest_.tensor(*index)};
    check(planned, shape);
    used_.insert(*index);
    plan_.push_back(std::move(planned));
}

void Planner::need_rebuilt(const std::string& name, uint64_t out, uint64_t in, Rebuild rebuild) {
    const bool turned = rebuild == Rebuild::kTurned;
    need(name, {turned ? in : out, turned ? out : in}, WeightUse::kLinear);
    PlannedTensor& t = plan_.back();
    if (t.view.dtype != GANTRY_DTYPE_F32 && t.view.dtype != GANTRY_DTYPE_F16 && t.view.dtype != GANTRY_DTYPE_BF16) {
        throw Error(GANTRY_ERR_UNIMPLEMENTED, quoted(name) + (turned ? " lies as [in, out]" : " is to be normalised") +
                                                  " and has the type " + std::string(type_traits(t.view.dtype).name) +
                                                  ", which works for F32, F16 and BF16 only");
    }
    t.view.shape[0] = out;
    t.view.shape[1] = in;
    t.rebuild = rebuild;
    if (turned) return;
    t.view.dtype = GANTRY_DTYPE_F32;
    t.view.nbytes = out * in * sizeof(float);
}

void Planner::ignore(const std::string& name) {
    if (const auto index = manifest_.find_tensor(name)) used_.insert(*index);
}

std::vector<PlannedTensor> Planner::finish() {
    for (uint64_t i = 0; i < manifest_.tensor_count(); ++i) {
        if (used_.contains(i)) continue;
        throw Error(GANTRY_ERR_INVALID_ARGUMENT,
                    quoted(manifest_.tensor_name(i)) + " has no place in the architecture '" +
                        std::string(manifest_.architecture()) + "'",
                    "running without it would give wrong answers; the file needs a newer version or another "
                    "plugin");
    }
    return std::move(plan_);
}

void Planner::check(const PlannedTensor& t, std::initializer_list<uint64_t> shape) const {
    const auto& v = t.view;
    const bool same = v.rank == shape.size() && std::equal(shape.begin(), shape.end(), v.shape);
    if (!same) {
        gantry_tensor_view_t expected{};
        expected.rank = static_cast<uint32_t>(shape.size());
        std::copy(shape.begin(), shape.end(), expected.shape);
        throw Error(GANTRY_ERR_INVALID_ARGUMENT,
                    quoted(t.name) + " has the shape " + shape_text(v) + ", " + shape_text(expected) + " expected");
    }
    const TypeTraits traits = type_traits(v.dtype);
    if (!device_.supports(v.dtype, t.use)) {
        throw Error(GANTRY_ERR_UNIMPLEMENTED, quoted(t.name) + " has the type " + std::string(traits.name) + " (" +
                                                  std::to_string(v.dtype) + "), which this plugin cannot use for " +
                                                  std::string(use_text(t.use)));
    }
    const uint64_t columns = v.shape[v.rank - 1];
    const uint64_t bytes = row_bytes(v.dtype, columns) * (v.rank == 2 ? v.shape[0] : 1);
    if (bytes == 0) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, quoted(t.name) + ": rows of " + std::to_string(columns) +
                                                     " elements are no whole number of " + std::string(traits.name) +
                                                     " blocks of " + std::to_string(traits.block_elements));
    }
    if (bytes != v.nbytes) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, quoted(t.name) + " has " + std::to_string(v.nbytes) + " bytes, " +
                                                     std::to_string(bytes) + " expected for " + shape_text(v) + " of " +
                                                     std::string(traits.name));
    }
}

void check_finite(std::string_view name, const gantry_tensor_view_t& view) {
    const uint64_t columns = view.shape[view.rank - 1];
    const uint64_t rows = view.rank == 2 ? view.shape[0] : 1;
    const uint64_t stride = row_bytes(view.dtype, columns);
    std::vector<float> row(columns);
    for (uint64_t r = 0; r < rows; ++r) {
        dequantize(view.dtype, static_cast<const std::byte*>(view.data) + r * stride, row.data(), columns);
        const auto bad = std::find_if(row.begin(), row.end(), [](float f) { return !std::isfinite(f); });
        if (bad == row.end()) continue;
        throw Error(GANTRY_ERR_DATA_LOSS,
                    quoted(name) + " holds " + (std::isnan(*bad) ? "NaN" : "infinity") + " at element " +
                        std::to_string(r * columns + static_cast<uint64_t>(bad - row.begin())) + " of " +
                        shape_text(view),
                    "the file is damaged or was converted wrongly; download it again");
    }
}

}  // namespace gantry::transformer
