#include "plugins/cpu/kernels/simd_avx2.hpp"
#include "plugins/cpu/kernels/table.inc.hpp"
#include "plugins/cpu/kernels/tables.hpp"

namespace gantry::cpu {

const Kernels& avx2_kernels() noexcept {
    static constexpr Kernels kTable = make_table(Isa::kAvx2, "avx2");
    return kTable;
}

}  // namespace gantry::cpu
