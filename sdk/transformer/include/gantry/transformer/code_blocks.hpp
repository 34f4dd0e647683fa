#pragma once

/// Block types whose weights are small integers times small scales: Q3_K, IQ1_S to IQ4_XS. Each of them takes no more
/// than 16 different integers, so a plugin can keep every one as nibbles that index a table of 16 (as IQ4_NL and MXFP4
/// are stored anyway). Everything here is pure and may be called from any thread.

#include <gantry/abi.h>

#include <array>
#include <cstdint>

namespace gantry::transformer {

/// A decoded block of 256: element i is d * scales[i / 16] * values[i], exactly.
struct CodeBlock {
    float d;
    std::array<int8_t, 16> scales;
    std::array<int8_t, 256> values;
};

/// The integers that a type's values take; where there are fewer than 16, the rest are zeros.
using CodeTable = std::array<int8_t, 16>;

/// The table of a type that decode_codes() takes, of IQ4_NL or of MXFP4 (whose stored nibbles are indices into it; its
/// numbers are doubled); nullptr for any other type.
const CodeTable* code_table(int32_t dtype) noexcept;

/// Whether decode_codes() takes the type.
bool has_code_blocks(int32_t dtype) noexcept;

/// Decodes the block at `block`, which needs no alignment. Only for types with has_code_blocks().
void decode_codes(int32_t dtype, const uint8_t* block, CodeBlock& out);

}  // namespace gantry::transformer
