#include "plugins/cpu/kernels/simd_avx512.hpp"
#include "plugins/cpu/kernels/table.inc.hpp"
#include "plugins/cpu/kernels/tables.hpp"

namespace gantry::cpu {

const Kernels& avx512_kernels() noexcept {
    static constexpr Kernels kTable = make_table(Isa::kAvx512, "avx512");
    return kTable;
}

}  // namespace gantry::cpu
