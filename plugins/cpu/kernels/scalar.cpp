#include "plugins/cpu/kernels/simd_scalar.hpp"
#include "plugins/cpu/kernels/table.inc.hpp"
#include "plugins/cpu/kernels/tables.hpp"

namespace gantry::cpu {

const Kernels& scalar_kernels() noexcept {
    static constexpr Kernels kTable = make_table(Isa::kScalar, "scalar");
    return kTable;
}

}  // namespace gantry::cpu
