#pragma once

/// Where things lie in a packed panel. A panel holds 16 weight rows over their whole depth: first the scales of all
/// blocks, then the quants of all blocks, both sections aligned to 64 bytes.
///
/// Quants of one block of 32 elements are eight vectors of 64 bytes; byte 4 r + i of vector j is element 4 j + i of
/// row r, as unsigned q + offset. Nibble formats keep vectors p and p + 4 in the low and high nibbles of 64 bytes
/// (p = 0 .. 3), followed by the high bits: one bit a vector in one 64-byte plane (5-bit formats), or two bits a
/// vector in two planes (6-bit: vectors 0-3, then 4-7). Two-bit formats have these two planes only.
///
/// Nibbles of code formats (kIq4Nl, kMxfp4, kCodes) are indices into a table of 16 numbers + 128, which lies four times
/// at the panel's head: one vector for a lookup.
///
/// Scales, 16 rows beside each other: an F16 scale a block (Q8_0, Q4_0, Q5_0), then an F16 minimum (Q4_1, Q5_1); for
/// K-quants an F16 scale for 256 elements (Q4_K, Q5_K: and an F16 minimum), followed for each of the eight blocks by
/// one byte scales and minima (Q4_K, Q5_K) or two int8 scales for 16 elements each (Q6_K). Q2_K has F16 scales and
/// minima for 256 elements, then for each block two bytes of four bits of scale and, above, of minimum. Code formats:
/// an F16 (IQ4_NL) or BF16 (MXFP4) scale a block; kCodes an fp32 scale for 256 elements, then Q6_K's int8 scales.

#include "plugins/cpu/kernels/kernels.hpp"

namespace gantry::cpu {

struct PackLayout {
    uint32_t scale_bytes;   ///< of one panel in `scale_blocks` blocks
    uint32_t scale_blocks;  ///< 1, or 8 for K-quants
    uint32_t quant_bytes;   ///< of one panel in one block
    uint32_t head_bytes;    ///< of one panel, before its scales

    constexpr size_t scale_section(uint32_t blocks) const {
        return head_bytes + (static_cast<size_t>(blocks / scale_blocks) * scale_bytes + 63) / 64 * 64;
    }
    constexpr size_t panel_bytes(uint32_t blocks) const {
        return scale_section(blocks) + static_cast<size_t>(blocks) * quant_bytes;
    }
};

constexpr PackLayout pack_layout(Pack pack) {
    switch (pack) {
        case Pack::kQ8_0:
            return {32, 1, 512, 0};
        case Pack::kQ4_0:
            return {32, 1, 256, 0};
        case Pack::kQ4_1:
            return {64, 1, 256, 0};
        case Pack::kQ5_0:
            return {32, 1, 320, 0};
        case Pack::kQ5_1:
            return {64, 1, 320, 0};
        case Pack::kQ2K:
            return {320, 8, 128, 0};
        case Pack::kQ4K:
            return {320, 8, 256, 0};
        case Pack::kQ5K:
            return {320, 8, 320, 0};
        case Pack::kQ6K:
            return {288, 8, 384, 0};
        case Pack::kIq4Nl:
        case Pack::kMxfp4:
            return {32, 1, 256, 64};
        case Pack::kCodes:
            return {320, 8, 256, 64};
    }
    return {};
}

}  // namespace gantry::cpu
