#include <algorithm>
#include <cmath>
#include <numbers>

#include "device.hpp"

namespace gantry::reference {

using transformer::Activation;
using transformer::AttentionParams;
using transformer::KvCache;
using transformer::LinearOut;
using transformer::Rope;
using transformer::RopeStyle;
using transformer::Step;

namespace {

using Mat = transformer::Mat;

const MappedWeight& mapped(const transformer::Weight& weight) { return static_cast<const MappedWeight&>(weight); }

float* row_of(Mat m, size_t row) { return m.data + row * m.cols; }
size_t size_of(Mat m) { return static_cast<size_t>(m.rows) * m.cols; }

const float* decode(const transformer::Weight& weight, uint64_t row, std::vector<float>& into) {
    into.resize(weight.cols());
    mapped(weight).row(row, into.data());
    return into.data();
}

double dot(const float* a, const float* b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    return sum;
}

void rms_row(const float* x, const float* gain, size_t n, float eps, float gain_offset, float* out) {
    const double mean_square = dot(x, x, n) / static_cast<double>(n);
    const auto inverse = static_cast<float>(1 / std::sqrt(mean_square + static_cast<double>(eps)));
    for (size_t i = 0; i < n; ++i) out[i] = x[i] * inverse * (gain[i] + gain_offset);
}

float apply(Activation act, float x) {
    switch (act) {
        case Activation::kSilu:
            return x / (1 + std::exp(-x));
        case Activation::kGelu:
            return 0.5F * x * (1 + std::erf(x / std::numbers::sqrt2_v<float>));
        case Activation::kGeluTanh: {
            const float inner = std::sqrt(2 / std::numbers::pi_v<float>) * (x + 0.044715F * x * x * x);
            return 0.5F * x * (1 + std::tanh(inner));
        }
        case Activation::kRelu:
            return std::max(x, 0.0F);
        case Activation::kReluSquared:
            return std::max(x, 0.0F) * std::max(x, 0.0F);
        case Activation::kTanh:
            return std::tanh(x);
    }
    return x;
}

/// Depth of token t (an index within the sequence's step) below the context: the number of its ancestors in the step.
uint32_t depth(std::span<const int32_t> parents, uint32_t t) {
    uint32_t d = 0;
    for (int32_t p = parents[t]; p >= 0; p = parents[static_cast<size_t>(p)]) ++d;
    return d;
}

/// Physical slots that token t of sequence s sees, in order, itself last.
void visible_slots(const Step& step, size_t s, uint32_t t, uint32_t block_size, uint32_t window,
                   std::vector<uint32_t>& out) {
    const uint32_t* table = step.block_ids.data() + step.block_begin[s];
    const auto physical = [&](uint32_t slot) { return table[slot / block_size] * block_size + slot % block_size; };
    const uint32_t context = step.context_len[s];
    std::span<const int32_t> parents;
    if (!step.tree_parent.empty()) parents = step.tree_parent.subspan(step.token_begin[s]);

    const uint32_t place = context + (parents.empty() ? t : depth(parents, t));
    const uint32_t first = window != 0 && place + 1 > window ? place + 1 - window : 0;
    out.clear();
    for (uint32_t slot = first; slot < context; ++slot) out.push_back(physical(slot));
    if (parents.empty()) {
        for (uint32_t i = first > context ? first - context : 0; i <= t; ++i) out.push_back(physical(context + i));
        return;
    }
    const size_t from = out.size();
    uint32_t ancestor_place = place;
    for (auto p = static_cast<int32_t>(t); p >= 0 && ancestor_place >= first; p = parents[static_cast<size_t>(p)]) {
        out.push_back(physical(context + static_cast<uint32_t>(p)));
        --ancestor_place;
    }
    std::reverse(out.begin() + static_cast<std::ptrdiff_t>(from), out.end());
}

}  // namespace

void ReferenceDevice::embed(const Weight& table, std::span<const int32_t> ids, Mat out) {
    for (size_t t = 0; t < ids.size(); ++t) mapped(table).row(static_cast<uint64_t>(ids[t]), row_of(out, t));
}

void ReferenceDevice::rms_norm(Mat x, const Weight& gain, float eps, float gain_offset, Mat out) {
    const float* g = decode(gain, 0, row_);
    for (uint32_t r = 0; r < x.rows; ++r) rms_row(row_of(x, r), g, x.cols, eps, gain_offset, row_of(out, r));
}

void ReferenceDevice::rms_norm_heads(Mat x, uint32_t head_dim, const Weight& gain, float eps, float gain_offset) {
    const Mat heads{x.data, static_cast<uint32_t>(size_of(x) / head_dim), head_dim};
    rms_norm(heads, gain, eps, gain_offset, heads);
}

void ReferenceDevice::layer_norm(Mat x, const Weight& gain, const Weight* bias, float eps, Mat out) {
    const float* g = decode(gain, 0, row_);
    const float* b = bias == nullptr ? nullptr : decode(*bias, 0, bias_);
    for (uint32_t r = 0; r < x.rows; ++r) {
        const float* in = row_of(x, r);
        double mean = 0;
        for (uint32_t i = 0; i < x.cols; ++i) mean += static_cast<double>(in[i]) / x.cols;
        double variance = 0;
        for (uint32_t i = 0; i < x.cols; ++i) variance += std::pow(static_cast<double>(in[i]) - mean, 2) / x.cols;
        const double inverse = 1 / std::sqrt(variance + static_cast<double>(eps));
        for (uint32_t i = 0; i < x.cols; ++i) {
            const auto normal = static_cast<float>((static_cast<double>(in[i]) - mean) * inverse);
            row_of(out, r)[i] = normal * g[i] + (b == nullptr ? 0 : b[i]);
        }
    }
}

void ReferenceDevice::linear(Mat x, std::span<const LinearOut> outs) {
    for (const LinearOut& o : outs) {
        const float* bias = o.bias == nullptr ? nullptr : decode(*o.bias, 0, bias_);
        for (uint64_t n = 0; n < o.weight->rows(); ++n) {
            const float* w = decode(*o.weight, n, row_);
            for (uint32_t t = 0; t < x.rows; ++t) {
                const double product = dot(row_of(x, t), w, x.cols) + (bias == nullptr ? 0.0 : double{bias[n]});
                float& to = row_of(o.out, t)[n];
                to = static_cast<float>(o.accumulate ? double{to} + product : product);
            }
        }
    }
}

void ReferenceDevice::rope(Mat x, uint32_t head_dim, const Rope& rope, std::span<const uint32_t> positions) {
    const size_t pairs = rope.inv_freq.size();
    const bool half = rope.style == RopeStyle::kHalf;
    for (uint32_t t = 0; t < x.rows; ++t) {
        for (size_t i = 0; i < pairs; ++i) {
            const float angle = static_cast<float>(positions[t]) * rope.inv_freq[i];
            const float c = std::cos(angle) * rope.magnitude;
            const float s = std::sin(angle) * rope.magnitude;
            const size_t first = half ? i : 2 * i;
            const size_t second = half ? i + pairs : 2 * i + 1;
            for (size_t head = 0; head < x.cols; head += head_dim) {
                float& a = row_of(x, t)[head + first];
                float& b = row_of(x, t)[head + second];
                const float rotated = a * c - b * s;
                b = b * c + a * s;
                a = rotated;
            }
        }
    }
}

void ReferenceDevice::store_kv(KvCache& kv, uint32_t layer, Mat k, Mat v, std::span<const uint32_t> slots) {
    auto& cache = static_cast<HostKv&>(kv);
    for (size_t t = 0; t < slots.size(); ++t) {
        cache.write(layer, slots[t], row_of(k, t), row_of(v, t));
    }
}

void ReferenceDevice::attention(KvCache& kv, const AttentionParams& p, const Step& step, Mat q, Mat out) {
    auto& cache = static_cast<HostKv&>(kv);
    const uint32_t v_dim = cache.spec().v_head_dim;
    sum_.resize(v_dim);
    cached_.resize(std::max(p.head_dim, v_dim));
    for (size_t s = 0; s < step.sequences(); ++s) {
        for (uint32_t t = step.token_begin[s]; t < step.token_begin[s + 1]; ++t) {
            visible_slots(step, s, t - step.token_begin[s], cache.spec().block_size, p.sliding_window, visible_);
            scores_.resize(visible_.size());
            for (uint32_t h = 0; h < p.heads; ++h) {
                const uint32_t kv_head = h / (p.heads / p.kv_heads);
                const float* query = row_of(q, t) + h * p.head_dim;
                double highest = -HUGE_VAL;
                for (size_t i = 0; i < visible_.size(); ++i) {
                    cache.read_key(p.layer, visible_[i], kv_head, cached_.data());
                    double score = dot(query, cached_.data(), p.head_dim) * static_cast<double>(p.scale);
                    const auto cap = static_cast<double>(p.logit_softcap);
                    if (cap != 0) score = cap * std::tanh(score / cap);
                    scores_[i] = score;
                    highest = std::max(highest, score);
                }
                double total = 0;
                std::fill(sum_.begin(), sum_.end(), 0.0);
                for (size_t i = 0; i < visible_.size(); ++i) {
                    cache.read_value(p.layer, visible_[i], kv_head, cached_.data());
                    const double weight = std::exp(scores_[i] - highest);
                    total += weight;
                    for (uint32_t d = 0; d < v_dim; ++d) sum_[d] += weight * static_cast<double>(cached_[d]);
                }
                float* to = row_of(out, t) + h * v_dim;
                for (uint32_t d = 0; d < v_dim; ++d) to[d] = static_cast<float>(sum_[d] / total);
            }
        }
    }
}

void ReferenceDevice::self_attention(const transformer::SelfAttentionParams& p, std::span<const uint32_t> begin, Mat q,
                                     Mat k, Mat v, Mat out) {
    sum_.resize(p.head_dim);
    for (size_t s = 0; s + 1 < begin.size(); ++s) {
        for (uint32_t t = begin[s]; t < begin[s + 1]; ++t) {
            const uint32_t first = p.window != 0 && t - begin[s] > p.window ? t - p.window : begin[s];
            uint32_t end = p.causal ? t + 1 : begin[s + 1];
            if (p.window != 0) end = std::min(end, t + p.window + 1);
            scores_.resize(end - first);
            for (uint32_t h = 0; h < p.heads; ++h) {
                const uint32_t kv_offset = h / (p.heads / p.kv_heads) * p.head_dim;
                const float* query = row_of(q, t) + h * p.head_dim;
                double highest = -HUGE_VAL;
                for (uint32_t j = first; j < end; ++j) {
                    scores_[j - first] =
                        dot(query, row_of(k, j) + kv_offset, p.head_dim) * static_cast<double>(p.scale);
                    highest = std::max(highest, scores_[j - first]);
                }
                double total = 0;
                std::fill(sum_.begin(), sum_.end(), 0.0);
                for (uint32_t j = first; j < end; ++j) {
                    const double weight = std::exp(scores_[j - first] - highest);
                    total += weight;
                    const float* value = row_of(v, j) + kv_offset;
                    for (uint32_t d = 0; d < p.head_dim; ++d) sum_[d] += weight * static_cast<double>(value[d]);
                }
                float* to = row_of(out, t) + h * p.head_dim;
                for (uint32_t d = 0; d < p.head_dim; ++d) to[d] = static_cast<float>(sum_[d] / total);
            }
        }
    }
}

void ReferenceDevice::mean_rows(Mat x, std::span<const uint32_t> begin, Mat out) {
    for (uint32_t s = 0; s < out.rows; ++s) {
        for (uint32_t i = 0; i < x.cols; ++i) {
            double sum = 0;
            for (uint32_t r = begin[s]; r < begin[s + 1]; ++r) sum += static_cast<double>(row_of(x, r)[i]);
            row_of(out, s)[i] = static_cast<float>(sum / (begin[s + 1] - begin[s]));
        }
    }
}

void ReferenceDevice::gated(Activation act, Mat gate, Mat up, Mat out) {
    for (size_t i = 0; i < size_of(gate); ++i) out.data[i] = apply(act, gate.data[i]) * up.data[i];
}

void ReferenceDevice::activate(Activation act, Mat x) {
    for (size_t i = 0; i < size_of(x); ++i) x.data[i] = apply(act, x.data[i]);
}

void ReferenceDevice::add(Mat x, Mat y) {
    for (size_t i = 0; i < size_of(x); ++i) x.data[i] += y.data[i];
}

void ReferenceDevice::scale(Mat x, float factor) {
    for (size_t i = 0; i < size_of(x); ++i) x.data[i] *= factor;
}

void ReferenceDevice::softcap(Mat x, float cap) {
    for (size_t i = 0; i < size_of(x); ++i) x.data[i] = cap * std::tanh(x.data[i] / cap);
}

void ReferenceDevice::gather_rows(Mat x, std::span<const uint32_t> rows, Mat out) {
    for (size_t i = 0; i < rows.size(); ++i) std::copy_n(row_of(x, rows[i]), x.cols, row_of(out, i));
}

void ReferenceDevice::add_scaled_rows(Mat x, std::span<const uint32_t> rows, std::span<const float> factors, Mat out) {
    for (size_t i = 0; i < rows.size(); ++i) {
        for (uint32_t c = 0; c < x.cols; ++c) row_of(out, rows[i])[c] += factors[i] * row_of(x, i)[c];
    }
}

}  // namespace gantry::reference
