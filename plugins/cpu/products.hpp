#pragma once

/// All products with weights: which kernel computes which, and how the work is divided.

#include <gantry/transformer/device.hpp>

#include <memory>
#include <string>
#include <vector>

#include "plugins/cpu/matrix_library.hpp"
#include "plugins/cpu/thread_pool.hpp"
#include "plugins/cpu/weights.hpp"

namespace gantry::cpu {

/// Where products with many rows are computed.
enum class Prefill {
    kAuto,    ///< quantised weights: own integer kernels; plain weights: oneDNN if there
    kOneDnn,  ///< oneDNN for all weights, dequantised in parts
    kOwn      ///< never oneDNN
};

class Products {
  public:
    Products(const Kernels& kernels, const CpuFeatures& features, ThreadPool& pool, Precision precision,
             Prefill prefill);

    /// Every out of `outs` (+)= x * weight^T (+ bias). With `own_kernels_only` a row's result does not depend on how
    /// many rows there are. [engine]
    void run(transformer::Mat x, std::span<const transformer::LinearOut> outs, bool own_kernels_only);

    /// Most that the scratch below grows to.
    static uint64_t scratch_bytes(const transformer::ScratchSpec& spec);

    /// Kernels and library, for people.
    std::string plan() const;

  private:
    enum class Way { kPacked, kPlain, kLibrary };
    /// Panels begin .. end of one product.
    struct Task {
        const transformer::LinearOut* out;
        Way way;
        uint32_t begin;
        uint32_t end;
    };

    Way way_of(const CpuWeight& weight, uint32_t rows, bool own_kernels_only) const;
    void prepare_rows(transformer::Mat x);
    void plan_tasks(transformer::Mat x, std::span<const transformer::LinearOut> outs, bool own_kernels_only);
    MatrixLibrary::Shape library_shape(const Task& task, transformer::Mat x) const;
    void packed_product(const Task& task, transformer::Mat x) const;
    void plain_product(const Task& task, transformer::Mat x, uint32_t thread);
    void library_product(const Task& task, transformer::Mat x, uint32_t thread);
    const void* library_weights(const CpuWeight& weight, uint64_t first, uint32_t count, uint32_t thread);

    const Kernels& kernels_;
    ThreadPool& pool_;
    Precision precision_;
    Prefill prefill_;
    std::unique_ptr<MatrixLibrary> library_;  ///< null: own kernels do all
    Element library_type_;                    ///< what the library computes in

    // Scratch, grown as needed. [engine]
    std::vector<Task> tasks_;
    std::vector<MatrixLibrary::Shape> shapes_;  ///< of the tasks that go to the library
    std::vector<int8_t> quants_;                ///< activations as int8
    std::vector<BlockInfo> block_info_;
    std::vector<uint16_t> narrow_;  ///< activations as bf16
    struct Scratch {
        std::vector<float> wide;
        std::vector<uint16_t> narrow;
    };
    std::vector<Scratch> scratch_;  ///< one per thread: weights on their way to the library
};

}  // namespace gantry::cpu
