#pragma once

/// Products of many rows through oneDNN. Built without oneDNN, create() answers null and the own kernels do all.
///
/// oneDNN's distribution packages run on OpenMP, which keeps its threads spinning between calls; beside a pool of our
/// own that would fight for the processors. So every thread of our pool calls oneDNN on columns of its own, with
/// OpenMP held at one thread, and no OpenMP thread is ever started.

#include <compare>
#include <memory>
#include <span>
#include <string>

#include "plugins/cpu/dispatch.hpp"

namespace gantry::cpu {

class MatrixLibrary {
  public:
    virtual ~MatrixLibrary() = default;

    /// out[rows, columns] (+)= x * w^T: x is [rows, depth] and w [columns, depth], without gaps, both of `type` (fp32
    /// or bf16).
    struct Shape {
        Element type;
        uint32_t rows;
        uint32_t columns;
        uint32_t depth;
        auto operator<=>(const Shape&) const = default;
    };
    /// Generates the code for shapes that the next calls of multiply will have. [engine, no multiply running]
    virtual void prepare(std::span<const Shape> shapes) = 0;

    /// Computes a product of a prepared shape. Concurrent calls need different `thread` numbers. Throws
    /// gantry::sdk::Error.
    virtual void multiply(const Shape& shape, const void* x, const void* weights, const OutTile& out,
                          uint32_t thread) = 0;

    /// What the library calls its code for such a product ("brg:avx512_core").
    virtual std::string implementation(Element type, uint32_t rows, uint32_t columns, uint32_t depth) const = 0;

    /// Name and version for people.
    virtual std::string name() const = 0;

    /// Null where the build has no oneDNN.
    static std::unique_ptr<MatrixLibrary> create(uint32_t threads);
};

/// Whether products in bf16 are faster here than in fp32: they are with AMX and on AMD's cores; Intel's cores without
/// AMX do half as many multiplications a cycle in bf16 as in fp32.
inline bool prefers_bf16(const CpuFeatures& f) { return f.amx_bf16 || (f.avx512_bf16 && f.amd); }

}  // namespace gantry::cpu
