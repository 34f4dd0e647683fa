#pragma once

/// The table of kernel functions, one per instruction set, and the data layouts that they share.
///
/// Everything here is plain data and function pointers, so that only the kernels' own translation units are compiled
/// for more than the baseline. All kernels are pure functions of their arguments and may run on any thread; pointers
/// need no alignment unless said. The arithmetic of one output row never depends on how many rows are computed with
/// it: that is what makes a sequence's result independent of its batch mates.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gantry::cpu {

/// Instruction sets, each one including those before it.
enum class Isa { kScalar, kAvx2, kAvx512, kAvx512Vnni, kAvx512Bf16 };

/// Output features that one packed panel holds: the lanes of a 512-bit vector of int32.
inline constexpr uint32_t kPanelRows = 16;
/// Elements that share one activation scale.
inline constexpr uint32_t kBlock = 32;
/// Tokens in one group of the KV cache (the lanes of one score vector).
inline constexpr uint32_t kGroupTokens = 16;
/// Tokens whose scores are computed before the running maximum is updated.
inline constexpr uint32_t kStepTokens = 128;

/// Packed weight formats (see packing.hpp).
enum class Pack : uint8_t { kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ2K, kQ4K, kQ5K, kQ6K, kIq4Nl, kMxfp4, kCodes };
inline constexpr size_t kPackCount = 12;

/// Plain element types of weights and KV.
enum class Element : uint8_t { kF32, kF16, kBf16 };
inline constexpr size_t kElementCount = 3;

/// What a packed product needs to know of 32 activations besides their int8 values.
struct BlockInfo {
    float scale;          ///< value = scale * int8
    float scaled_sum;     ///< scale * (sum of the int8 values)
    int32_t offset8;      ///< -8 * sum: what formats that store q + 8 start from
    int32_t offset16;     ///< -16 * sum
    int32_t offset128;    ///< -128 * sum
    int32_t offset32[2];  ///< -32 * sum of each half
    int32_t unused;
};
static_assert(sizeof(BlockInfo) == 32);

/// Quantised activations: `rows` rows of `blocks` blocks.
struct QuantRows {
    const int8_t* q = nullptr;  ///< row r at q + r * q_stride
    size_t q_stride = 0;
    const BlockInfo* info = nullptr;  ///< row r at info + r * info_stride
    size_t info_stride = 0;
    uint32_t blocks = 0;
    uint32_t rows = 0;
};

/// Where a product goes: element (row, column) at data[row * stride + column].
struct OutTile {
    float* data = nullptr;
    size_t stride = 0;
    const float* bias = nullptr;  ///< one per column, or nullptr
    bool accumulate = false;      ///< add to what is there
};

/// The most panels that a packed product takes in one call.
inline constexpr uint32_t kCallPanels = 2;

/// out[rows, columns] = x * weights^T, of the weight rows in up to kCallPanels panels that follow each other.
using PackedFn = void (*)(const uint8_t* panel, const QuantRows& x, uint32_t columns, const OutTile& out);

/// fp32 rows times `columns` weight rows of a plain type: out[rows, columns] = x * w^T.
struct DotArgs {
    const void* weights;  ///< column c's weight row at weights + c * weight_stride bytes
    size_t weight_stride;
    uint32_t columns;
    uint32_t depth;  ///< elements in a row
    const float* x;  ///< row r at x + r * x_stride
    size_t x_stride;
    uint32_t rows;
    OutTile out;
};
using DotFn = void (*)(const DotArgs& args);

/// Up to 16 consecutive tokens of one KV head.
struct KvGroup {
    const void* k;   ///< [head_dim][16], transposed
    const void* v;   ///< [16][v_stride]
    uint32_t first;  ///< logical index of the first token
    uint32_t count;  ///< tokens in it
};

/// Query rows that share one KV head, and the running state of their softmax (online, as in FlashAttention,
/// arXiv:2205.14135).
struct AttentionTile {
    const float* q;  ///< [rows][head_dim], already scaled
    uint32_t rows;
    uint32_t head_dim;
    uint32_t v_stride;  ///< padded width of V and of `acc`, a multiple of 16
    const KvGroup* groups;
    uint32_t group_count;
    const uint32_t* begin;  ///< [rows] first visible logical index
    const uint32_t* end;    ///< [rows] one past the last one
    /// For token trees: row r sees token mask_first + j only if mask[r][j] != 0. nullptr: all.
    const uint8_t* const* mask;
    uint32_t mask_first;
    float softcap;   ///< 0: off
    float* scores;   ///< scratch [rows][kStepTokens]
    float* acc;      ///< [rows][v_stride], in and out; zero at first
    float* maximum;  ///< [rows], in and out; -infinity at first
    float* sum;      ///< [rows], in and out; zero at first
};
using AttentionFn = void (*)(const AttentionTile& tile);

/// Quantised KV to fp32. Keys: `rows` dimensions of 16 tokens, a scale each token, out [rows][16]. Values: n (a
/// multiple of 16) dimensions of one token. Q8: int8; Q4: two dimensions a byte, the even one low, 8 added.
struct ExpandFns {
    void (*keys)(const uint8_t* q, const float* scales, uint32_t rows, float* out);
    void (*values)(const uint8_t* q, float scale, uint32_t n, float* out);
};

enum class Act : uint8_t { kSilu, kGelu, kGeluTanh, kRelu, kReluSquared, kTanh };

struct Kernels {
    Isa isa;
    std::string_view name;

    /// x[blocks * 32] to int8 with a scale per 32.
    void (*quantize)(const float* x, uint32_t blocks, int8_t* q, BlockInfo* info);
    PackedFn packed[kPackCount];
    DotFn dot[kElementCount];
    AttentionFn attention[kElementCount];
    ExpandFns expand_q8, expand_q4;

    /// out = x / rms(x) * (gain + offset); may alias.
    void (*rms_norm)(const float* x, const float* gain, uint32_t n, float eps, float offset, float* out);
    /// x += delta, out = rms_norm(x).
    void (*add_rms_norm)(float* x, const float* delta, const float* gain, uint32_t n, float eps, float offset,
                         float* out);
    /// bias may be nullptr.
    void (*layer_norm)(const float* x, const float* gain, const float* bias, uint32_t n, float eps, float* out);
    /// Pairs (i, i + n): x[2n] in place.
    void (*rope_half)(float* x, const float* cosine, const float* sine, uint32_t n);
    /// Pairs (2i, 2i + 1).
    void (*rope_interleaved)(float* x, const float* cosine, const float* sine, uint32_t n);
    /// out = act(gate) * up; `up` nullptr: out = act(gate). May alias.
    void (*gated)(Act act, const float* gate, const float* up, size_t n, float* out);
    void (*add)(float* x, const float* y, size_t n);
    void (*scale)(float* x, float factor, size_t n);
    void (*softcap)(float* x, float cap, size_t n);
    /// Copies n logits; *peak is the largest, NaN where one is no number; *mass the sum of exp((x - peak) * scale), 0
    /// where the peak is not finite, left alone where scale is 0.
    void (*copy_logits)(const float* x, uint32_t n, float scale, float* out, float* peak, float* mass);
    /// fp32 to F16 or BF16, round to nearest even.
    void (*to_f16)(const float* x, size_t n, uint16_t* out);
    void (*to_bf16)(const float* x, size_t n, uint16_t* out);
    void (*from_f16)(const uint16_t* x, size_t n, float* out);
    void (*from_bf16)(const uint16_t* x, size_t n, float* out);
};

/// The table of an instruction set that this build has, or nullptr.
const Kernels* kernels_for(Isa isa) noexcept;

}  // namespace gantry::cpu
