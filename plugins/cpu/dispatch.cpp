#include "plugins/cpu/dispatch.hpp"

#include <gantry/cpp/error.hpp>

#include <array>
#include <utility>

#include "plugins/cpu/kernels/tables.hpp"

#ifdef GANTRY_CPU_X86
#include <cpuid.h>
#endif

namespace gantry::cpu {
namespace {

struct Level {
    std::string_view name;
    Isa isa;
};
constexpr std::array kLevels = {Level{"scalar", Isa::kScalar}, Level{"avx2", Isa::kAvx2}, Level{"avx512", Isa::kAvx512},
                                Level{"avx512vnni", Isa::kAvx512Vnni}, Level{"avx512bf16", Isa::kAvx512Bf16}};

#ifdef GANTRY_CPU_X86
constexpr bool bit(uint32_t word, int index) { return ((word >> index) & 1U) != 0; }

uint64_t enabled_state() {
    uint32_t low = 0;
    uint32_t high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return static_cast<uint64_t>(high) << 32 | low;
}
#endif

}  // namespace

CpuFeatures detect_features() noexcept {
    CpuFeatures f;
#ifdef GANTRY_CPU_X86
    uint32_t a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid(0, &a, &b, &c, &d) == 0) return f;
    f.amd = b == 0x68747541U;                                          // "Auth"
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !bit(c, 27)) return f;  // no xgetbv
    const bool fma_f16c = bit(c, 12) && bit(c, 29);
    const uint64_t state = enabled_state();
    const bool ymm = (state & 0x06) == 0x06;
    const bool zmm = (state & 0xe6) == 0xe6;
    const bool tiles = (state & 0x60000) == 0x60000;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return f;
    const uint32_t subleaves = a;
    f.avx2 = ymm && fma_f16c && bit(b, 5);
    f.avx512 = f.avx2 && zmm && bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31);
    f.avx512_vnni = f.avx512 && bit(c, 11);
    f.amx_bf16 = tiles && bit(d, 22);
    f.amx_int8 = tiles && bit(d, 25);
    if (subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) {
        f.avx_vnni = f.avx2 && bit(a, 4);
        f.avx512_bf16 = f.avx512_vnni && bit(a, 5);
    }
#endif
    return f;
}

std::string feature_names(const CpuFeatures& f) {
    std::string names;
    for (const auto& [name, there] :
         {std::pair{"avx2", f.avx2}, std::pair{"avx_vnni", f.avx_vnni}, std::pair{"avx512", f.avx512},
          std::pair{"avx512_vnni", f.avx512_vnni}, std::pair{"avx512_bf16", f.avx512_bf16},
          std::pair{"amx_bf16", f.amx_bf16}, std::pair{"amx_int8", f.amx_int8}}) {
        if (!there) continue;
        if (!names.empty()) names += ' ';
        names += name;
    }
    return names;
}

Isa best_isa(const CpuFeatures& f) noexcept {
    if (f.avx512_bf16) return Isa::kAvx512Bf16;
    if (f.avx512_vnni) return Isa::kAvx512Vnni;
    if (f.avx512) return Isa::kAvx512;
    if (f.avx2) return Isa::kAvx2;
    return Isa::kScalar;
}

const Kernels* kernels_for(Isa isa) noexcept {
    switch (isa) {
        case Isa::kScalar:
            return &scalar_kernels();
#ifdef GANTRY_CPU_X86
        case Isa::kAvx2:
            return &avx2_kernels();
        case Isa::kAvx512:
            return &avx512_kernels();
        case Isa::kAvx512Vnni:
            return &avx512vnni_kernels();
        case Isa::kAvx512Bf16:
            return &avx512bf16_kernels();
#endif
        default:
            return nullptr;
    }
}

const Kernels& select_kernels(std::string_view forced, const CpuFeatures& features) {
    const Isa best = best_isa(features);
    if (forced.empty()) return *kernels_for(best);
    for (const Level& level : kLevels) {
        if (level.name != forced) continue;
        if (level.isa > best) {
            throw sdk::Error(GANTRY_ERR_FAILED_PRECONDITION,
                             "instruction set '" + std::string(forced) +
                                 "' was asked for, but this processor has only '" +
                                 std::string(kLevels[static_cast<size_t>(best)].name) + "'",
                             "unset GANTRY_CPU_ISA to use the best there is");
        }
        return *kernels_for(level.isa);
    }
    throw sdk::Error(GANTRY_ERR_INVALID_ARGUMENT, "unknown instruction set '" + std::string(forced) + "'",
                     "GANTRY_CPU_ISA takes scalar, avx2, avx512, avx512vnni or avx512bf16");
}

}  // namespace gantry::cpu
