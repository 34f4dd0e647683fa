#pragma once

/// Which kernels this processor can run.

#include <string>

#include "plugins/cpu/kernels/kernels.hpp"

namespace gantry::cpu {

/// What CPUID says, with the operating system's word on whether it saves the registers.
struct CpuFeatures {
    bool avx2 = false;    ///< AVX2, FMA and F16C
    bool avx512 = false;  ///< F, BW, VL and DQ
    bool avx512_vnni = false;
    bool avx512_bf16 = false;
    bool avx_vnni = false;
    bool amx_bf16 = false;
    bool amx_int8 = false;
    bool amd = false;
};

/// Reads CPUID; all false on other architectures. [any thread]
CpuFeatures detect_features() noexcept;

/// Space-separated names of what is there ("avx2 avx512 avx512_vnni"). [any thread]
std::string feature_names(const CpuFeatures& features);

/// The best level that both the build and the processor have. [any thread]
Isa best_isa(const CpuFeatures& features) noexcept;

/// The kernels to use. `forced` is "" for the best, or scalar, avx2, avx512, avx512vnni, avx512bf16; throws
/// gantry::sdk::Error where that is no such name or the processor or build lacks it. [any thread]
const Kernels& select_kernels(std::string_view forced, const CpuFeatures& features);

}  // namespace gantry::cpu
