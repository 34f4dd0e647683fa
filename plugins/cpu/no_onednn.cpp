#include "plugins/cpu/matrix_library.hpp"

namespace gantry::cpu {

std::unique_ptr<MatrixLibrary> MatrixLibrary::create(uint32_t) { return nullptr; }

}  // namespace gantry::cpu
