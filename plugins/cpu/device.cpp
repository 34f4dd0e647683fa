#include "plugins/cpu/device.hpp"

#include <gantry/ext/causal_lm.h>
#include <gantry/transformer/dequantize.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "plugins/cpu/kv_cache.hpp"

namespace gantry::cpu {
namespace {

using transformer::Activation;
using transformer::Mat;

/// Below this many elements an elementwise operation is not worth waking other threads.
constexpr size_t kParallelElements = 32768;

class HostBuffer final : public transformer::Buffer {
  public:
    explicit HostBuffer(size_t floats) : floats_(floats), pages_(floats * sizeof(float)) {}
    float* data() override { return pages_.as<float>(); }
    size_t size() const override { return floats_; }

  private:
    size_t floats_;
    Pages pages_;
};

Act act_of(Activation act) {
    switch (act) {
        case Activation::kSilu:
            return Act::kSilu;
        case Activation::kGelu:
            return Act::kGelu;
        case Activation::kGeluTanh:
            return Act::kGeluTanh;
        case Activation::kRelu:
            return Act::kRelu;
        case Activation::kReluSquared:
            return Act::kReluSquared;
        case Activation::kTanh:
            return Act::kTanh;
    }
    return Act::kSilu;
}

const CpuWeight& own(const transformer::Weight& weight) { return static_cast<const CpuWeight&>(weight); }
float* row_of(Mat m, size_t row) { return m.data + row * m.cols; }
size_t size_of(Mat m) { return static_cast<size_t>(m.rows) * m.cols; }

}  // namespace

CpuDevice::CpuDevice(const Kernels& kernels, const CpuFeatures& features, const DeviceOptions& options)
    : kernels_(kernels),
      precision_(options.precision),
      prefill_(options.prefill),
      pool_(options.threads, options.pinned_cpus),
      products_(kernels, features, pool_, options.precision, options.prefill),
      attention_(kernels, pool_),
      self_attention_(kernels, pool_) {}

/// Calls f(begin, end) for ranges of rows, on several threads where there is enough to do.
template <class F>
void CpuDevice::for_rows(uint32_t rows, size_t cols, F&& f) {
    if (pool_.size() == 1 || rows == 1 || rows * cols < kParallelElements) return f(0, rows);
    const uint32_t parts = std::min(rows, pool_.size() * 4);
    pool_.for_each(parts, [&](size_t part, uint32_t) {
        f(static_cast<uint32_t>(part * rows / parts), static_cast<uint32_t>((part + 1) * rows / parts));
    });
}

/// The same for elements; ranges begin at multiples of 64.
template <class F>
void CpuDevice::for_elements(size_t count, F&& f) {
    constexpr size_t kPart = 64;
    for_rows(static_cast<uint32_t>((count + kPart - 1) / kPart), kPart,
             [&](size_t begin, size_t end) { f(begin * kPart, std::min(end * kPart, count) - begin * kPart); });
}

std::unique_ptr<transformer::Buffer> CpuDevice::allocate(size_t floats) { return std::make_unique<HostBuffer>(floats); }

void CpuDevice::upload(float* dst, const float* src, size_t floats) { std::memcpy(dst, src, floats * sizeof(float)); }
void CpuDevice::download(float* dst, const float* src, size_t floats) { std::memcpy(dst, src, floats * sizeof(float)); }

/// What a thread copies it sums up while that is in its nearest cache.
void CpuDevice::download_logits(float* dst, Mat logits, const transformer::LogitSummary& summary) {
    constexpr size_t kBlocks = 32;  // of a task
    if (summary.peaks == nullptr) return download(dst, logits.data, size_of(logits));
    const size_t blocks = (logits.cols + GANTRY_LOGIT_BLOCK - 1) / GANTRY_LOGIT_BLOCK;
    const size_t parts = (blocks + kBlocks - 1) / kBlocks;
    pool_.for_each(logits.rows * parts, [&](size_t task, uint32_t) {
        const size_t row = task / parts;
        const size_t end = std::min((task % parts + 1) * kBlocks, blocks);
        for (size_t b = task % parts * kBlocks; b < end; ++b) {
            const size_t begin = b * GANTRY_LOGIT_BLOCK;
            const size_t count = std::min<size_t>(GANTRY_LOGIT_BLOCK, logits.cols - begin);
            const size_t at = row * blocks + b;
            kernels_.copy_logits(row_of(logits, row) + begin, static_cast<uint32_t>(count), summary.mass_scales[row],
                                 dst + row * logits.cols + begin, summary.peaks + at, summary.masses + at);
        }
    });
}

bool CpuDevice::supports(int32_t dtype, transformer::WeightUse) const { return weight_supported(dtype); }

uint64_t CpuDevice::weight_bytes(const gantry_tensor_view_t& view, transformer::WeightUse use) const {
    return weight_private_bytes(view, use, precision_);
}

std::unique_ptr<transformer::Weight> CpuDevice::load_weight(const gantry_tensor_view_t& view,
                                                            transformer::WeightUse use) {
    return std::make_unique<CpuWeight>(view, use, precision_, pool_, prefill_ == Prefill::kOneDnn, [this] { poll(); });
}

bool CpuDevice::supports(transformer::KvType) const { return true; }

uint64_t CpuDevice::kv_bytes_per_block(const transformer::KvSpec& spec) const {
    return static_cast<uint64_t>(KvLayout(spec).block_bytes) * spec.layers;
}

std::unique_ptr<transformer::KvCache> CpuDevice::create_kv(const transformer::KvSpec& spec) {
    return std::make_unique<CpuKvCache>(spec, kernels_);
}

uint64_t CpuDevice::scratch_bytes(const transformer::ScratchSpec& s) const {
    const uint64_t rotations = uint64_t{s.max_tokens} * s.rotated_pairs * 2 * sizeof(float);
    return rotations + Products::scratch_bytes(s) + Attention::scratch_bytes(s);
}

uint64_t CpuDevice::encoder_scratch_bytes(const transformer::ScratchSpec& s) const {
    const uint64_t rotations = uint64_t{s.max_tokens} * s.rotated_pairs * 2 * sizeof(float);
    return rotations + Products::scratch_bytes(s) + SelfAttention::scratch_bytes(s);
}

void CpuDevice::embed(const transformer::Weight& table, std::span<const int32_t> ids, Mat out) {
    const CpuWeight& weight = own(table);
    for_rows(out.rows, out.cols, [&](uint32_t begin, uint32_t end) {
        for (uint32_t t = begin; t < end; ++t) {
            transformer::dequantize(weight.dtype(), weight.file_row(static_cast<uint32_t>(ids[t])), row_of(out, t),
                                    out.cols);
        }
    });
}

void CpuDevice::rms_norm(Mat x, const transformer::Weight& gain, float eps, float gain_offset, Mat out) {
    for_rows(x.rows, x.cols, [&](uint32_t begin, uint32_t end) {
        for (uint32_t r = begin; r < end; ++r) {
            kernels_.rms_norm(row_of(x, r), own(gain).values(), x.cols, eps, gain_offset, row_of(out, r));
        }
    });
}

void CpuDevice::rms_norm_heads(Mat x, uint32_t head_dim, const transformer::Weight& gain, float eps,
                               float gain_offset) {
    const Mat heads{x.data, static_cast<uint32_t>(size_of(x) / head_dim), head_dim};
    rms_norm(heads, gain, eps, gain_offset, heads);
}

void CpuDevice::add_rms_norm(Mat x, Mat delta, const transformer::Weight& gain, float eps, float gain_offset, Mat out) {
    for_rows(x.rows, x.cols, [&](uint32_t begin, uint32_t end) {
        for (uint32_t r = begin; r < end; ++r) {
            kernels_.add_rms_norm(row_of(x, r), row_of(delta, r), own(gain).values(), x.cols, eps, gain_offset,
                                  row_of(out, r));
        }
    });
}

void CpuDevice::layer_norm(Mat x, const transformer::Weight& gain, const transformer::Weight* bias, float eps,
                           Mat out) {
    const float* shift = bias == nullptr ? nullptr : own(*bias).values();
    for_rows(x.rows, x.cols, [&](uint32_t begin, uint32_t end) {
        for (uint32_t r = begin; r < end; ++r) {
            kernels_.layer_norm(row_of(x, r), own(gain).values(), shift, x.cols, eps, row_of(out, r));
        }
    });
}

/// Every layer of a step rotates at the same positions: the table is made once a step.
void CpuDevice::fill_rotations(const transformer::Rope& rope, std::span<const uint32_t> positions) {
    if (rope.magnitude == rotated_magnitude_ && rope.inv_freq == rotated_freq_ &&
        std::equal(positions.begin(), positions.end(), rotated_positions_.begin(), rotated_positions_.end())) {
        return;
    }
    const size_t pairs = rope.inv_freq.size();
    cosine_.resize(positions.size() * pairs);
    sine_.resize(positions.size() * pairs);
    for_rows(static_cast<uint32_t>(positions.size()), pairs * 32, [&](uint32_t begin, uint32_t end) {
        for (size_t t = begin; t < end; ++t) {
            for (size_t i = 0; i < pairs; ++i) {
                const float angle = static_cast<float>(positions[t]) * rope.inv_freq[i];
                cosine_[t * pairs + i] = std::cos(angle) * rope.magnitude;
                sine_[t * pairs + i] = std::sin(angle) * rope.magnitude;
            }
        }
    });
    rotated_magnitude_ = rope.magnitude;
    rotated_freq_ = rope.inv_freq;
    rotated_positions_.assign(positions.begin(), positions.end());
}

void CpuDevice::rope(Mat x, uint32_t head_dim, const transformer::Rope& rope, std::span<const uint32_t> positions) {
    fill_rotations(rope, positions);
    const auto pairs = static_cast<uint32_t>(rope.inv_freq.size());
    const auto rotate = rope.style == transformer::RopeStyle::kHalf ? kernels_.rope_half : kernels_.rope_interleaved;
    for_rows(x.rows, x.cols, [&](uint32_t begin, uint32_t end) {
        for (size_t t = begin; t < end; ++t) {
            for (uint32_t head = 0; head < x.cols; head += head_dim) {
                rotate(row_of(x, t) + head, cosine_.data() + t * pairs, sine_.data() + t * pairs, pairs);
            }
        }
    });
}

void CpuDevice::store_kv(transformer::KvCache& kv, uint32_t layer, Mat k, Mat v, std::span<const uint32_t> slots) {
    auto& cache = static_cast<CpuKvCache&>(kv);
    const uint32_t heads = cache.spec().kv_heads;
    // Divided by heads: the tokens of one group lie within each other's cache lines.
    const auto store_heads = [&](uint32_t begin, uint32_t end) {
        for (uint32_t head = begin; head < end; ++head) {
            for (size_t t = 0; t < slots.size(); ++t) {
                cache.store(layer, head, slots[t], row_of(k, t) + static_cast<size_t>(head) * cache.spec().head_dim,
                            row_of(v, t) + static_cast<size_t>(head) * cache.spec().v_head_dim);
            }
        }
    };
    for_rows(heads, slots.size() * (cache.spec().head_dim + cache.spec().v_head_dim), store_heads);
}

void CpuDevice::self_attention(const transformer::SelfAttentionParams& params, std::span<const uint32_t> begin, Mat q,
                               Mat k, Mat v, Mat out) {
    self_attention_.run(params, begin, q, k, v, out);
}

void CpuDevice::mean_rows(Mat x, std::span<const uint32_t> begin, Mat out) {
    for (uint32_t s = 0; s < out.rows; ++s) {
        float* to = row_of(out, s);
        std::fill_n(to, out.cols, 0.0F);
        for (uint32_t r = begin[s]; r < begin[s + 1]; ++r) kernels_.add(to, row_of(x, r), x.cols);
        kernels_.scale(to, 1.0F / static_cast<float>(begin[s + 1] - begin[s]), out.cols);
    }
}

void CpuDevice::gated(Activation act, Mat gate, Mat up, Mat out) {
    for_elements(size_of(gate), [&](size_t begin, size_t count) {
        kernels_.gated(act_of(act), gate.data + begin, up.data + begin, count, out.data + begin);
    });
}

void CpuDevice::activate(Activation act, Mat x) {
    for_elements(size_of(x), [&](size_t begin, size_t count) {
        kernels_.gated(act_of(act), x.data + begin, nullptr, count, x.data + begin);
    });
}

void CpuDevice::add(Mat x, Mat y) {
    for_elements(size_of(x), [&](size_t begin, size_t count) { kernels_.add(x.data + begin, y.data + begin, count); });
}

void CpuDevice::scale(Mat x, float factor) {
    for_elements(size_of(x), [&](size_t begin, size_t count) { kernels_.scale(x.data + begin, factor, count); });
}

void CpuDevice::softcap(Mat x, float cap) {
    for_elements(size_of(x), [&](size_t begin, size_t count) { kernels_.softcap(x.data + begin, cap, count); });
}

void CpuDevice::gather_rows(Mat x, std::span<const uint32_t> rows, Mat out) {
    for (size_t i = 0; i < rows.size(); ++i) std::copy_n(row_of(x, rows[i]), x.cols, row_of(out, i));
}

void CpuDevice::add_scaled_rows(Mat x, std::span<const uint32_t> rows, std::span<const float> factors, Mat out) {
    for_rows(x.rows, x.cols, [&](uint32_t begin, uint32_t end) {
        for (uint32_t i = begin; i < end; ++i) {
            const float* from = row_of(x, i);
            float* to = row_of(out, rows[i]);
            for (uint32_t c = 0; c < x.cols; ++c) to[c] += factors[i] * from[c];
        }
    });
}

void CpuDevice::linear(Mat x, std::span<const transformer::LinearOut> outs) { products_.run(x, outs, deterministic_); }

void CpuDevice::attention(transformer::KvCache& kv, const transformer::AttentionParams& params,
                          const transformer::Step& step, Mat q, Mat out) {
    attention_.run(static_cast<CpuKvCache&>(kv), params, step, q, out);
}

std::string CpuDevice::plan() const {
    return products_.plan() + ", " + std::to_string(pool_.size()) + (pool_.size() == 1 ? " thread" : " threads");
}

}  // namespace gantry::cpu
