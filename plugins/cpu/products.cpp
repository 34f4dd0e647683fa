#include "plugins/cpu/products.hpp"

#include <gantry/transformer/dequantize.hpp>

#include <algorithm>

namespace gantry::cpu {
namespace {

using transformer::LinearOut;
using transformer::Mat;

/// From this many rows on, oneDNN's speed makes up for bringing the weights into its form.
constexpr uint32_t kLibraryRows = 64;
/// Weight elements that a thread converts for the library at once: half of a common L2 cache in fp32.
constexpr size_t kLibraryElements = 256 * 1024;
/// Activations that are passed over for each panel, so that they stay in the L2 cache.
constexpr size_t kRowBytes = 512 * 1024;
/// Added to the distance of quantised rows and of their BlockInfos: at a power of two, a tile's rows would all lie in
/// the same few sets of the L1 cache.
constexpr uint32_t kPadValues = 64;
constexpr uint32_t kPadBlocks = 2;

const CpuWeight& own(const transformer::Weight* weight) { return *static_cast<const CpuWeight*>(weight); }
const float* bias_of(const LinearOut& out) { return out.bias == nullptr ? nullptr : own(out.bias).values(); }
uint32_t panels_of(const CpuWeight& w) { return static_cast<uint32_t>((w.rows() + kPanelRows - 1) / kPanelRows); }

}  // namespace

Products::Products(const Kernels& kernels, const CpuFeatures& features, ThreadPool& pool, Precision precision,
                   Prefill prefill)
    : kernels_(kernels),
      pool_(pool),
      precision_(precision),
      prefill_(prefill),
      library_(prefill == Prefill::kOwn ? nullptr : MatrixLibrary::create(pool.size())),
      library_type_(precision == Precision::kAuto && prefers_bf16(features) ? Element::kBf16 : Element::kF32),
      scratch_(pool.size()) {}

uint64_t Products::scratch_bytes(const transformer::ScratchSpec& s) {
    // Per activation an int8, its share of a BlockInfo, and a bf16; per thread weights on their way to the library.
    const uint64_t per_value = sizeof(int8_t) + sizeof(BlockInfo) / kBlock + sizeof(uint16_t);
    const uint64_t converted = std::max<uint64_t>(kLibraryElements, uint64_t{s.widest_input} * kPanelRows);
    const uint64_t padding = kPadValues + kPadBlocks * sizeof(BlockInfo);
    return uint64_t{s.max_tokens} * (s.widest_input * per_value + padding) +
           s.threads * converted * (sizeof(float) + sizeof(uint16_t));
}

Products::Way Products::way_of(const CpuWeight& weight, uint32_t rows, bool own_kernels_only) const {
    const bool large = library_ != nullptr && !own_kernels_only && rows >= kLibraryRows;
    if (large && (!weight.pack() || prefill_ == Prefill::kOneDnn)) return Way::kLibrary;
    return weight.pack() ? Way::kPacked : Way::kPlain;
}

/// Brings x into the forms that the tasks need.
void Products::prepare_rows(Mat x) {
    const auto any = [&](Way way) {
        return std::any_of(tasks_.begin(), tasks_.end(), [way](const Task& t) { return t.way == way; });
    };
    const size_t elements = static_cast<size_t>(x.rows) * x.cols;
    const auto parts = std::min<size_t>(x.rows, x.rows < 4 ? 1 : pool_.size() * 4);
    if (any(Way::kPacked)) {
        const uint32_t blocks = x.cols / kBlock;
        const size_t stride = x.cols + kPadValues, info_stride = blocks + kPadBlocks;
        quants_.resize(std::max(quants_.size(), x.rows * stride));
        block_info_.resize(std::max(block_info_.size(), x.rows * info_stride));
        pool_.for_each(parts, [&](size_t part, uint32_t) {
            const size_t begin = part * x.rows / parts, end = (part + 1) * x.rows / parts;
            for (size_t row = begin; row < end; ++row) {
                kernels_.quantize(x.data + row * x.cols, blocks, quants_.data() + row * stride,
                                  block_info_.data() + row * info_stride);
            }
        });
    }
    if (library_type_ == Element::kBf16 && any(Way::kLibrary)) {
        if (narrow_.size() < elements) narrow_.resize(elements);
        pool_.for_each(parts, [&](size_t part, uint32_t) {
            const size_t begin = part * x.rows / parts * x.cols, end = (part + 1) * x.rows / parts * x.cols;
            kernels_.to_bf16(x.data + begin, end - begin, narrow_.data() + begin);
        });
    }
}

/// Divides the products into ranges of panels: enough of them to keep all threads busy to the end, large enough to be
/// worth the taking.
void Products::plan_tasks(Mat x, std::span<const LinearOut> outs, bool own_kernels_only) {
    tasks_.clear();
    uint32_t panels = 0;
    for (const LinearOut& out : outs) panels += panels_of(own(out.weight));
    const uint32_t share = std::max(1U, panels / (pool_.size() * 8));
    for (const LinearOut& out : outs) {
        const CpuWeight& weight = own(out.weight);
        const Way way = way_of(weight, x.rows, own_kernels_only);
        uint32_t step = pool_.size() == 1 ? panels_of(weight) : share;
        if (way == Way::kLibrary) {
            const auto most = static_cast<uint32_t>(kLibraryElements / (static_cast<size_t>(x.cols) * kPanelRows));
            step = std::clamp(std::min(step, most), 1U, 16U);
        } else if (x.rows > 1) {
            // Whole calls of the kernel; a task's panels stay in the L2 cache while the rows pass.
            step = std::min((step + kCallPanels - 1) / kCallPanels * kCallPanels, 8U);
        }
        for (uint32_t p = 0; p < panels_of(weight); p += step) {
            tasks_.push_back({&out, way, p, std::min(p + step, panels_of(weight))});
        }
    }
}

void Products::run(Mat x, std::span<const LinearOut> outs, bool own_kernels_only) {
    if (x.rows == 0) return;
    plan_tasks(x, outs, own_kernels_only);
    shapes_.clear();
    for (const Task& task : tasks_) {
        if (task.way == Way::kLibrary) shapes_.push_back(library_shape(task, x));
    }
    if (!shapes_.empty()) library_->prepare(shapes_);
    prepare_rows(x);
    pool_.for_each(tasks_.size(), [&](size_t index, uint32_t thread) {
        const Task& task = tasks_[index];
        switch (task.way) {
            case Way::kPacked:
                return packed_product(task, x);
            case Way::kPlain:
                return plain_product(task, x, thread);
            case Way::kLibrary:
                return library_product(task, x, thread);
        }
    });
}

void Products::packed_product(const Task& task, Mat x) const {
    const CpuWeight& weight = own(task.out->weight);
    const PackedFn kernel = kernels_.packed[static_cast<size_t>(*weight.pack())];
    const auto columns = static_cast<uint32_t>(weight.rows());
    const float* bias = bias_of(*task.out);
    const auto most = std::max(32U, static_cast<uint32_t>(kRowBytes / x.cols) / 8 * 8);
    const uint32_t blocks = x.cols / kBlock;
    const size_t stride = x.cols + kPadValues, info_stride = blocks + kPadBlocks;
    for (uint32_t row = 0; row < x.rows; row += most) {
        const QuantRows rows{
            quants_.data() + row * stride, stride, block_info_.data() + row * info_stride, info_stride, blocks,
            std::min(most, x.rows - row)};
        for (uint32_t p = task.begin; p < task.end; p += kCallPanels) {
            const uint32_t column = p * kPanelRows;
            const uint32_t end = std::min(std::min(p + kCallPanels, task.end) * kPanelRows, columns);
            const OutTile out{task.out->out.data + static_cast<size_t>(row) * columns + column, columns,
                              bias == nullptr ? nullptr : bias + column, task.out->accumulate};
            kernel(weight.panel(p), rows, end - column, out);
        }
    }
}

void Products::plain_product(const Task& task, Mat x, uint32_t thread) {
    const CpuWeight& weight = own(task.out->weight);
    const float* bias = bias_of(*task.out);
    const auto columns = static_cast<uint32_t>(weight.rows());
    const auto most = std::max(8U, static_cast<uint32_t>(kRowBytes / sizeof(float) / x.cols) / 8 * 8);
    for (uint32_t p = task.begin; p < task.end; ++p) {
        const uint32_t column = p * kPanelRows;
        const uint32_t count = std::min(kPanelRows, columns - column);
        const void* weights = weight.file_row(column);
        size_t stride = weight.row_bytes();
        if (!weight.element()) {
            std::vector<float>& wide = scratch_[thread].wide;
            wide.resize(std::max(wide.size(), static_cast<size_t>(kPanelRows) * x.cols));
            transformer::dequantize(weight.dtype(), weights, wide.data(), static_cast<size_t>(count) * x.cols);
            weights = wide.data();
            stride = x.cols * sizeof(float);
        }
        const auto kernel = kernels_.dot[static_cast<size_t>(weight.element().value_or(Element::kF32))];
        for (uint32_t row = 0; row < x.rows; row += most) {
            const size_t first = row;
            kernel({weights,
                    stride,
                    count,
                    x.cols,
                    x.data + first * x.cols,
                    x.cols,
                    std::min(most, x.rows - row),
                    {task.out->out.data + first * columns + column, columns, bias == nullptr ? nullptr : bias + column,
                     task.out->accumulate}});
        }
    }
}

/// `count` weight rows from `first` on in the library's type: in place where they are that already.
const void* Products::library_weights(const CpuWeight& weight, uint64_t first, uint32_t count, uint32_t thread) {
    const std::byte* rows = weight.file_row(first);
    const auto element = weight.element();
    if (element == library_type_) return rows;
    Scratch& scratch = scratch_[thread];
    const size_t elements = count * weight.cols();
    const auto* halves = reinterpret_cast<const uint16_t*>(rows);
    const float* wide = reinterpret_cast<const float*>(rows);
    if (element != Element::kF32) {
        scratch.wide.resize(std::max(scratch.wide.size(), elements));
        if (element == Element::kF16) {
            kernels_.from_f16(halves, elements, scratch.wide.data());
        } else if (element == Element::kBf16) {
            kernels_.from_bf16(halves, elements, scratch.wide.data());
        } else {
            transformer::dequantize(weight.dtype(), rows, scratch.wide.data(), elements);
        }
        wide = scratch.wide.data();
    }
    if (library_type_ == Element::kF32) return wide;
    scratch.narrow.resize(std::max(scratch.narrow.size(), elements));
    kernels_.to_bf16(wide, elements, scratch.narrow.data());
    return scratch.narrow.data();
}

MatrixLibrary::Shape Products::library_shape(const Task& task, Mat x) const {
    const auto columns = static_cast<uint32_t>(own(task.out->weight).rows());
    const uint32_t count = std::min(task.end * kPanelRows, columns) - task.begin * kPanelRows;
    return {library_type_, x.rows, count, x.cols};
}

void Products::library_product(const Task& task, Mat x, uint32_t thread) {
    const CpuWeight& weight = own(task.out->weight);
    const float* bias = bias_of(*task.out);
    const uint32_t column = task.begin * kPanelRows;
    const MatrixLibrary::Shape shape = library_shape(task, x);
    const OutTile out{task.out->out.data + column, weight.rows(), bias == nullptr ? nullptr : bias + column,
                      task.out->accumulate};
    const void* rows = library_type_ == Element::kBf16 ? static_cast<const void*>(narrow_.data()) : x.data;
    library_->multiply(shape, rows, library_weights(weight, column, shape.columns, thread), out, thread);
}

std::string Products::plan() const {
    std::string text(kernels_.name);
    text += precision_ == Precision::kFp32 ? " kernels in fp32" : " kernels";
    if (library_ == nullptr) return text + ", no oneDNN";
    return text + ", " + library_->name() + (library_type_ == Element::kBf16 ? " bf16" : " fp32") + " prefill";
}

}  // namespace gantry::cpu
