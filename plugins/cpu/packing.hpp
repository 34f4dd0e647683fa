#pragma once

/// Rearranges block-quantised weight rows, as they lie in the file, into the panels of kernels/pack_layout.hpp. The
/// values stay exactly what they were: bits move, and the code books of IQ1_S to IQ3_S become nibbles.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "plugins/cpu/kernels/pack_layout.hpp"

namespace gantry::cpu {

/// The packed format of a GANTRY_DTYPE_*, or nothing for plain types.
std::optional<Pack> pack_of(int32_t dtype) noexcept;

/// Bytes of `rows` packed rows of `depth` elements, which is a whole number of the type's blocks.
uint64_t packed_bytes(Pack pack, uint64_t rows, uint64_t depth) noexcept;

/// Packs rows first .. first + count (count <= 16; missing ones become zero) of a weight of a type that has a packed
/// format into one panel. `rows` is the file's data of the first of them, `row_bytes` apart. The panel is zero before.
void pack_panel(int32_t dtype, const std::byte* rows, size_t row_bytes, uint32_t count, uint32_t depth, uint8_t* panel);

}  // namespace gantry::cpu
