#include <gantry/transformer/lora.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <gantry/transformer/checks.hpp>
#include <gantry/transformer/dequantize.hpp>

namespace gantry::transformer {
namespace {

using sdk::Error;

constexpr std::array<std::string_view, kLoraModules> kNames = {"attn_q",   "attn_k", "attn_v",  "attn_out",
                                                               "ffn_gate", "ffn_up", "ffn_down"};
/// Far above any published adapter.
constexpr uint64_t kMaxRank = 4096;

struct Shape {
    uint64_t out, in;
};

Shape shape_of(const ModelConfig& c, LoraModule module) {
    switch (module) {
        case LoraModule::kQ:
            return {c.q_width(), c.hidden_size};
        case LoraModule::kK:
        case LoraModule::kV:
            return {c.kv_width(), c.hidden_size};
        case LoraModule::kAttnOut:
            return {c.hidden_size, c.q_width()};
        case LoraModule::kFfnGate:
        case LoraModule::kFfnUp:
            return {c.ffn_size, c.hidden_size};
        case LoraModule::kFfnDown:
            return {c.hidden_size, c.ffn_size};
    }
    return {};
}

/// Both halves of one layer's change, as the file has them.
struct PlannedPair {
    uint32_t layer = 0;
    LoraModule module{};
    uint64_t rank = 0;
    uint64_t a = 0, b = 0;  ///< tensor numbers
};

std::string tensor_name(uint32_t layer, size_t module, std::string_view part) {
    return "layers." + std::to_string(layer) + "." + std::string(kNames[module]) + "." + std::string(part);
}

gantry_tensor_view_t checked(const sdk::Manifest& m, uint64_t index, uint64_t rows, uint64_t cols) {
    const gantry_tensor_view_t view = m.tensor(index);
    const std::string name = "adapter tensor '" + std::string(m.tensor_name(index)) + "'";
    gantry_tensor_view_t expected{};
    expected.rank = 2;
    expected.shape[0] = rows;
    expected.shape[1] = cols;
    if (view.rank != 2 || view.shape[0] != rows || view.shape[1] != cols) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT,
                    name + " has the shape " + shape_text(view) + ", " + shape_text(expected) + " expected",
                    "the adapter was made for another model");
    }
    if (!type_traits(view.dtype).dequantizable) {
        throw Error(GANTRY_ERR_UNIMPLEMENTED,
                    name + " has a type that cannot be read (" + std::string(type_traits(view.dtype).name) + ")");
    }
    const uint64_t row = row_bytes(view.dtype, cols);
    if (row == 0 || row * rows != view.nbytes) {
        throw Error(GANTRY_ERR_INVALID_ARGUMENT, name + " has " + std::to_string(view.nbytes) + " bytes, " +
                                                     std::to_string(row * rows) + " expected");
    }
    return view;
}

/// Experts take no adapters yet, and not every feed-forward has a gate.
void refuse_absent(const ModelConfig& c, uint32_t layer, size_t module) {
    const bool ffn = module >= static_cast<size_t>(LoraModule::kFfnGate);
    const bool absent =
        (ffn && c.has_experts(layer)) || (!c.gated && module == static_cast<size_t>(LoraModule::kFfnGate));
    if (!absent) return;
    throw Error(
        GANTRY_ERR_UNIMPLEMENTED,
        "the adapter changes '" + std::string(kNames[module]) + "' of layer " + std::to_string(layer) + ", which " +
            (c.has_experts(layer) ? "is made of experts; those take no adapters yet" : "the model does not have"));
}

std::vector<PlannedPair> plan_pairs(const sdk::Manifest& m, const ModelConfig& c) {
    std::vector<PlannedPair> out;
    for (uint32_t layer = 0; layer < c.layer_count; ++layer) {
        for (size_t module = 0; module < kLoraModules; ++module) {
            const auto a = m.find_tensor(tensor_name(layer, module, "lora_a"));
            const auto b = m.find_tensor(tensor_name(layer, module, "lora_b"));
            if (!a && !b) continue;
            if (!a || !b) {
                throw Error(GANTRY_ERR_NOT_FOUND, "the adapter lacks the tensor '" +
                                                      tensor_name(layer, module, a ? "lora_b" : "lora_a") + "'");
            }
            refuse_absent(c, layer, module);
            const Shape shape = shape_of(c, static_cast<LoraModule>(module));
            const gantry_tensor_view_t view = m.tensor(*a);
            const uint64_t rank = view.rank == 2 ? std::clamp<uint64_t>(view.shape[0], 1, kMaxRank) : 1;
            static_cast<void>(checked(m, *a, rank, shape.in));
            static_cast<void>(checked(m, *b, shape.out, rank));
            out.push_back({layer, static_cast<LoraModule>(module), rank, *a, *b});
        }
    }
    if (out.size() * 2 == m.tensor_count() && !out.empty()) return out;
    for (uint64_t i = 0; i < m.tensor_count(); ++i) {
        const bool used = std::any_of(out.begin(), out.end(), [i](const auto& p) { return p.a == i || p.b == i; });
        if (used) continue;
        throw Error(GANTRY_ERR_UNIMPLEMENTED,
                    "the adapter's tensor '" + std::string(m.tensor_name(i)) + "' has no place in this model",
                    "the model has " + std::to_string(c.layer_count) +
                        " layers; adapted can be attn_q, attn_k, attn_v, attn_out, ffn_gate, ffn_up and ffn_down");
    }
    throw Error(GANTRY_ERR_NOT_FOUND, "the adapter has no tensors");
}

std::vector<float> read_values(const sdk::Manifest& m, uint64_t index, uint64_t rows, uint64_t cols) {
    const gantry_tensor_view_t view = checked(m, index, rows, cols);
    if (view.data == nullptr) {
        throw Error(GANTRY_ERR_FAILED_PRECONDITION,
                    "adapter tensor '" + std::string(m.tensor_name(index)) + "' is not mapped");
    }
    check_finite(m.tensor_name(index), view);
    std::vector<float> out(rows * cols);
    const uint64_t stride = row_bytes(view.dtype, cols);
    for (uint64_t r = 0; r < rows; ++r) {
        dequantize(view.dtype, static_cast<const std::byte*>(view.data) + r * stride, out.data() + r * cols, cols);
    }
    return out;
}

gantry_tensor_view_t view_of(const std::vector<float>& values, uint64_t rows, uint64_t cols) {
    gantry_tensor_view_t view{};
    view.struct_size = GANTRY_SIZE(gantry_tensor_view_t, data);
    view.dtype = GANTRY_DTYPE_F32;
    view.rank = 2;
    view.shape[0] = rows;
    view.shape[1] = cols;
    view.nbytes = rows * cols * sizeof(float);
    view.data = values.empty() ? nullptr : values.data();
    return view;
}

/// From rows of heads in the half-split order to the interleaved one: pair (i, i + n/2) becomes (2i, 2i + 1).
std::vector<float> interleave_rows(const std::vector<float>& from, uint64_t cols, uint32_t head_dim, uint32_t rotated) {
    std::vector<float> out(from.size());
    const uint64_t rows = from.size() / cols;
    for (uint64_t r = 0; r < rows; ++r) {
        const uint64_t within = r % head_dim;
        uint64_t source = r;
        if (within < rotated) source = r - within + within / 2 + within % 2 * (rotated / 2);
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(source * cols), cols,
                    out.begin() + static_cast<std::ptrdiff_t>(r * cols));
    }
    return out;
}

/// What B is multiplied with: alpha / rank, or alpha / sqrt(rank) (rsLoRA, arXiv:2312.03732).
double module_scale(const sdk::Manifest& m, double scale, uint64_t rank) {
    const double alpha = m.find_float("lora.alpha").value_or(static_cast<double>(rank));
    const double by =
        m.find_bool("lora.rslora").value_or(false) ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank);
    const double out = scale * alpha / by;
    if (!std::isfinite(out)) throw Error(GANTRY_ERR_INVALID_ARGUMENT, "the adapter's scale is not finite");
    return out;
}

/// Whether the rows of B for queries and keys have to be brought into the model's order.
bool must_interleave(const sdk::Manifest& m, const ModelConfig& c) {
    const auto style = m.find_string("rope.style");
    const bool interleaved = c.rope.style == RopeStyle::kInterleaved && !c.rope.native_interleaved;
    if (!style || *style == (interleaved ? "interleaved" : "half")) return false;
    if (*style == "half") return true;
    throw Error(GANTRY_ERR_UNIMPLEMENTED,
                "the adapter is for a model with interleaved rotary pairs, this one's are "
                "half-split",
                "load it with the GGUF file of the model, or take the adapter's original folder");
}

}  // namespace

Adapter::Adapter(const sdk::Manifest& m, const ModelConfig& c, double scale, Device& device) : layers_(c.layer_count) {
    const bool interleave = must_interleave(m, c);
    for (const PlannedPair& p : plan_pairs(m, c)) {
        const Shape shape = shape_of(c, p.module);
        auto pair = std::make_unique<LowRank>();
        pair->a_values = read_values(m, p.a, p.rank, shape.in);
        pair->b_values = read_values(m, p.b, shape.out, p.rank);
        if (interleave && (p.module == LoraModule::kQ || p.module == LoraModule::kK)) {
            pair->b_values = interleave_rows(pair->b_values, p.rank, c.head_dim, c.rope.dim);
        }
        const auto factor = static_cast<float>(module_scale(m, scale, p.rank));
        for (float& value : pair->b_values) value *= factor;
        pair->a = device.load_weight(view_of(pair->a_values, p.rank, shape.in), WeightUse::kLinear);
        pair->b = device.load_weight(view_of(pair->b_values, shape.out, p.rank), WeightUse::kLinear);
        if (!pair->a->uses_mapping()) pair->a_values = {};
        if (!pair->b->uses_mapping()) pair->b_values = {};
        max_rank_ = std::max(max_rank_, static_cast<uint32_t>(p.rank));
        layers_[p.layer][static_cast<size_t>(p.module)] = std::move(pair);
    }
}

uint64_t Adapter::bytes(const sdk::Manifest& m, const ModelConfig& c, const Device& device) {
    static_cast<void>(must_interleave(m, c));
    uint64_t sum = 0;
    for (const PlannedPair& p : plan_pairs(m, c)) {
        const Shape shape = shape_of(c, p.module);
        const auto add = [&](uint64_t rows, uint64_t cols) {
            const gantry_tensor_view_t view = view_of({}, rows, cols);
            const uint64_t own = device.weight_bytes(view, WeightUse::kLinear);
            sum += own == 0 ? view.nbytes : own;
        };
        add(p.rank, shape.in);
        add(shape.out, p.rank);
    }
    return sum;
}

const LowRank* Adapter::find(uint32_t layer, LoraModule module) const {
    return layers_[layer][static_cast<size_t>(module)].get();
}

uint32_t AdapterSet::add(std::unique_ptr<Adapter> adapter) {
    if (last_id_ == std::numeric_limits<uint32_t>::max()) {
        throw Error(GANTRY_ERR_RESOURCE_EXHAUSTED, "no number is left for another adapter");
    }
    adapters_.emplace(++last_id_, std::move(adapter));
    return last_id_;
}

void AdapterSet::drop(uint32_t id) {
    if (adapters_.erase(id) == 0) throw Error(GANTRY_ERR_NOT_FOUND, "there is no adapter " + std::to_string(id));
}

uint32_t AdapterSet::max_rank() const {
    uint32_t rank = 0;
    for (const auto& [id, adapter] : adapters_) rank = std::max(rank, adapter->max_rank());
    return rank;
}

std::span<const AdapterRows> AdapterSet::rows_of(const Step& step, std::span<const uint32_t> ids) {
    rows_.clear();
    for (size_t s = 0; s < ids.size(); ++s) {
        if (ids[s] == 0) continue;
        const auto found = adapters_.find(ids[s]);
        if (found == adapters_.end()) {
            throw Error(GANTRY_ERR_INVALID_ARGUMENT, "batch: sequence " + std::to_string(s) + " names the adapter " +
                                                         std::to_string(ids[s]) + ", which is not loaded");
        }
        const Adapter* adapter = found->second.get();
        const uint32_t begin = step.token_begin[s];
        const uint32_t end = step.token_begin[s + 1];
        if (!rows_.empty() && rows_.back().adapter == adapter && rows_.back().end == begin) {
            rows_.back().end = end;  // neighbours with one adapter are one product
        } else {
            rows_.push_back({begin, end, adapter});
        }
    }
    return rows_;
}

void select_rows(std::span<const AdapterRows> from, std::span<const uint32_t> rows, std::vector<AdapterRows>& out) {
    out.clear();
    size_t i = 0;
    for (const AdapterRows& part : from) {
        while (i < rows.size() && rows[i] < part.begin) ++i;
        const size_t first = i;
        while (i < rows.size() && rows[i] < part.end) ++i;
        if (i > first) out.push_back({static_cast<uint32_t>(first), static_cast<uint32_t>(i), part.adapter});
    }
}

}  // namespace gantry::transformer
