#pragma once

/// The tables that the build has; dispatch.cpp picks one. Calling these is safe on any processor, calling the kernels
/// is not.

#include "plugins/cpu/kernels/kernels.hpp"

namespace gantry::cpu {

const Kernels& scalar_kernels() noexcept;
#ifdef GANTRY_CPU_X86
const Kernels& avx2_kernels() noexcept;
const Kernels& avx512_kernels() noexcept;
const Kernels& avx512vnni_kernels() noexcept;
const Kernels& avx512bf16_kernels() noexcept;
#endif

}  // namespace gantry::cpu
