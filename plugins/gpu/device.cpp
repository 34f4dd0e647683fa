#include "plugins/gpu/device.hpp"

#include <gantry/transformer/dequantize.hpp>

#include <algorithm>
#include <utility>

#include "plugins/gpu/memory.hpp"

namespace gantry::gpu {
namespace {

using transformer::Activation;
using transformer::Mat;
using transformer::WeightUse;

constexpr uint32_t kThreads = 128;
constexpr uint32_t kFewRows = 8;  // up to here a product decodes its weights again for every MatVec::kRows rows

uint64_t size_of(Mat m) { return uint64_t{m.rows} * m.cols; }
Global<float> view(Mat m) { return {m.data, size_of(m)}; }
Bytes bytes_of(Mat m) { return {reinterpret_cast<uint8_t*>(m.data), size_of(m) * sizeof(float)}; }
const GpuWeight& on_gpu(const transformer::Weight& weight) { return static_cast<const GpuWeight&>(weight); }
uint32_t blocks(uint64_t n, uint32_t each) { return static_cast<uint32_t>((n + each - 1) / each); }

Function function_of(Activation act) {
    switch (act) {
        case Activation::kSilu:
            return Function::kSilu;
        case Activation::kGelu:
            return Function::kGelu;
        case Activation::kGeluTanh:
            return Function::kGeluTanh;
        case Activation::kRelu:
            return Function::kRelu;
        case Activation::kReluSquared:
            return Function::kReluSquared;
        case Activation::kTanh:
            return Function::kTanh;
    }
    return Function::kTanh;
}

}  // namespace

GpuDevice::GpuDevice(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}

std::unique_ptr<transformer::Buffer> GpuDevice::allocate(size_t floats) {
    return std::make_unique<GpuBuffer>(*backend_, floats);
}
void GpuDevice::upload(float* dst, const float* src, size_t floats) {
    backend_->copy_in(dst, src, floats * sizeof(float));
}
void GpuDevice::download(float* dst, const float* src, size_t floats) {
    backend_->copy_out(dst, src, floats * sizeof(float));
}

bool GpuDevice::supports(int32_t dtype, WeightUse) const { return transformer::type_traits(dtype).dequantizable; }
uint64_t GpuDevice::weight_bytes(const gantry_tensor_view_t& view, WeightUse use) const {
    return GpuWeight::bytes(view, use);
}
std::unique_ptr<transformer::Weight> GpuDevice::load_weight(const gantry_tensor_view_t& view, WeightUse use) {
    return std::make_unique<GpuWeight>(*backend_, view, use, [this] { poll(); });
}

uint64_t GpuDevice::kv_bytes_per_block(const transformer::KvSpec& spec) const {
    return GpuKv::layout_of(spec).block_bytes();
}
std::unique_ptr<transformer::KvCache> GpuDevice::create_kv(const transformer::KvSpec& spec) {
    return std::make_unique<GpuKv>(*backend_, spec);
}

uint64_t GpuDevice::scratch_bytes(const transformer::ScratchSpec& spec) const {
    // The tables: three of tokens, three of sequences, the rotary frequencies and a block id for every token of
    // context.
    const uint64_t entries = uint64_t{3} * spec.max_tokens + uint64_t{3} * (spec.max_sequences + 1) +
                             spec.rotated_pairs + uint64_t{spec.max_sequences} * spec.max_context;
    return entries * sizeof(uint32_t);
}
uint64_t GpuDevice::encoder_scratch_bytes(const transformer::ScratchSpec& spec) const {
    return (uint64_t{3} * spec.max_tokens + spec.max_sequences + 1 + spec.rotated_pairs) * sizeof(uint32_t);
}

void GpuDevice::begin_step(const transformer::Step& step) { deterministic_ = step.deterministic; }

template <class T>
Global<T> GpuDevice::table(Table which, std::span<const T> values) {
    Memory& memory = tables_[which];
    if (memory.bytes() < values.size_bytes()) memory = Memory(*backend_, values.size_bytes());
    if (!values.empty()) backend_->copy_in(memory.data(), values.data(), values.size_bytes());
    return {static_cast<T*>(memory.data()), values.size()};
}

Global<uint32_t> GpuDevice::sequence_table(std::span<const uint32_t> begin) {
    std::vector<uint32_t> sequence(begin.back());
    for (uint32_t s = 0; s + 1 < begin.size(); ++s) {
        std::fill(sequence.begin() + begin[s], sequence.begin() + begin[s + 1], s);
    }
    return table<uint32_t>(kSequence, sequence);
}

void GpuDevice::run_rows(const Kernel& kernel, uint64_t threads) {
    if (threads != 0) backend_->run(kernel, {blocks(threads, kThreads), 1, kThreads, 0});
}

void GpuDevice::run_pointwise(Operation operation, Function function, float factor, Mat x, Mat y, Mat out) {
    run_rows(Pointwise{operation, function, factor, view(x), view(y), view(out)}, size_of(out));
}

void GpuDevice::run_norm(Norm kernel, uint32_t rows) {
    if (rows == 0) return;
    const uint32_t warp = backend_->warp_size();
    const uint32_t threads = std::min(kThreads, blocks(kernel.cols, warp) * warp);
    backend_->run(kernel, {rows, 1, threads, threads / warp});
}

void GpuDevice::embed(const Weight& weight, std::span<const int32_t> ids, Mat out) {
    const GpuWeight& w = on_gpu(weight);
    const std::vector<uint32_t> rows(ids.begin(), ids.end());
    run_rows(Lookup{w.format(), out.cols, w.data(), table<uint32_t>(kIndices, rows), view(out)}, size_of(out));
}

void GpuDevice::rms_norm(Mat x, const Weight& gain, float eps, float gain_offset, Mat out) {
    run_norm({false, x.cols, eps, gain_offset, view(x), on_gpu(gain).floats(), {}, view(out)}, x.rows);
}

void GpuDevice::rms_norm_heads(Mat x, uint32_t head_dim, const Weight& gain, float eps, float gain_offset) {
    const Mat heads{x.data, static_cast<uint32_t>(size_of(x) / head_dim), head_dim};
    rms_norm(heads, gain, eps, gain_offset, heads);
}

void GpuDevice::layer_norm(Mat x, const Weight& gain, const Weight* bias, float eps, Mat out) {
    const Global<float> shift = bias == nullptr ? Global<float>{} : on_gpu(*bias).floats();
    run_norm({true, x.cols, eps, 0, view(x), on_gpu(gain).floats(), shift, view(out)}, x.rows);
}

void GpuDevice::linear(Mat x, std::span<const transformer::LinearOut> outs) {
    if (x.rows == 0) return;
    for (const transformer::LinearOut& o : outs) {
        const GpuWeight& w = on_gpu(*o.weight);
        Product p{w.format(), x.rows,     static_cast<uint32_t>(w.rows()), x.cols, o.accumulate, w.data(), view(x),
                  {},         view(o.out)};
        if (o.bias != nullptr) p.bias = on_gpu(*o.bias).floats();
        // A deterministic step's sums have one order whatever the number of rows.
        if (deterministic_ || x.rows <= kFewRows) {
            const uint32_t warps = kThreads / backend_->warp_size();
            backend_->run(MatVec{p}, {blocks(p.n, warps), blocks(x.rows, MatVec::kRows), kThreads, 0});
        } else {
            backend_->run(MatMat{p}, {blocks(p.n, MatMat::kTile), blocks(x.rows, MatMat::kTile),
                                      MatMat::kTile * MatMat::kTile, MatMat::shared_floats()});
        }
    }
}

void GpuDevice::rope(Mat x, uint32_t head_dim, const transformer::Rope& rope, std::span<const uint32_t> positions) {
    const auto pairs = static_cast<uint32_t>(rope.inv_freq.size());
    const auto frequencies = table<float>(kNumbers, rope.inv_freq);
    const auto places = table<uint32_t>(kIndices, positions);
    run_rows(Rotate{rope.style == transformer::RopeStyle::kHalf, pairs, head_dim, x.cols, rope.magnitude, view(x),
                    frequencies, places},
             uint64_t{x.rows} * (x.cols / head_dim) * pairs);
}

void GpuDevice::store_kv(transformer::KvCache& kv, uint32_t layer, Mat k, Mat v, std::span<const uint32_t> slots) {
    const auto& cache = static_cast<GpuKv&>(kv);
    const KvLayout& layout = cache.layout();
    const auto to = table<uint32_t>(kIndices, slots);
    const uint64_t heads = slots.size() * layout.kv_heads;
    run_rows(StoreKv{layout, layer, false, cache.data(), view(k), to}, heads * blocks(layout.head_dim, 32));
    run_rows(StoreKv{layout, layer, true, cache.data(), view(v), to}, heads * blocks(layout.v_head_dim, 32));
}

void GpuDevice::attention(transformer::KvCache& kv, const transformer::AttentionParams& params,
                          const transformer::Step& step, Mat q, Mat out) {
    if (q.rows == 0) return;
    const auto& cache = static_cast<GpuKv&>(kv);
    const KvLayout& layout = cache.layout();
    PagedKeys keys{
        layout, params.layer, params.sliding_window, !step.tree_parent.empty(), cache.data(), {}, {}, {}, {}, {}, {}};
    keys.sequence = sequence_table(step.token_begin);
    keys.token_begin = table<uint32_t>(kTokenBegin, step.token_begin);
    keys.context_len = table<uint32_t>(kContext, step.context_len);
    keys.block_begin = table<uint32_t>(kBlockBegin, step.block_begin);
    keys.block_ids = table<uint32_t>(kBlocks, step.block_ids);
    keys.parents = table<int32_t>(kParents, step.tree_parent);
    const uint32_t warp = backend_->warp_size();
    backend_->run(Attention<PagedKeys>{params.heads, params.kv_heads, params.head_dim, layout.v_head_dim, params.scale,
                                       params.logit_softcap, keys, view(q), view(out)},
                  {q.rows, params.heads, warp, params.head_dim + layout.v_head_dim + warp});
}

void GpuDevice::self_attention(const transformer::SelfAttentionParams& params, std::span<const uint32_t> begin, Mat q,
                               Mat k, Mat v, Mat out) {
    if (q.rows == 0) return;
    DenseKeys keys{params.kv_heads, params.head_dim, params.window, params.causal, bytes_of(k), bytes_of(v), {}, {}};
    keys.sequence = sequence_table(begin);
    keys.token_begin = table<uint32_t>(kTokenBegin, begin);
    const uint32_t warp = backend_->warp_size();
    backend_->run(Attention<DenseKeys>{params.heads, params.kv_heads, params.head_dim, params.head_dim, params.scale, 0,
                                       keys, view(q), view(out)},
                  {q.rows, params.heads, warp, 2 * params.head_dim + warp});
}

void GpuDevice::mean_rows(Mat x, std::span<const uint32_t> begin, Mat out) {
    run_rows(MeanRows{x.cols, view(x), view(out), table<uint32_t>(kTokenBegin, begin)}, size_of(out));
}

void GpuDevice::gated(Activation act, Mat gate, Mat up, Mat out) {
    run_pointwise(Operation::kGated, function_of(act), 0, gate, up, out);
}
void GpuDevice::activate(Activation act, Mat x) { run_pointwise(Operation::kActivate, function_of(act), 0, x, {}, x); }
void GpuDevice::add(Mat x, Mat y) { run_pointwise(Operation::kAdd, {}, 0, x, y, x); }
void GpuDevice::scale(Mat x, float factor) { run_pointwise(Operation::kScale, {}, factor, x, {}, x); }
void GpuDevice::softcap(Mat x, float cap) { run_pointwise(Operation::kSoftcap, {}, cap, x, {}, x); }

void GpuDevice::gather_rows(Mat x, std::span<const uint32_t> rows, Mat out) {
    run_rows(Lookup{Format::kF32, x.cols, bytes_of(x), table<uint32_t>(kIndices, rows), view(out)}, size_of(out));
}

void GpuDevice::add_scaled_rows(Mat x, std::span<const uint32_t> rows, std::span<const float> factors, Mat out) {
    const auto to = table<uint32_t>(kIndices, rows);
    run_rows(AddScaledRows{x.cols, view(x), table<float>(kNumbers, factors), view(out), to}, rows.size() * x.cols);
}

std::string GpuDevice::plan() const {
    return backend_->name() + ", fp32 sums, warp " + std::to_string(backend_->warp_size());
}

}  // namespace gantry::gpu
