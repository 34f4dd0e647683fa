#include "plugins/cpu/kv_cache.hpp"

#include <gantry/cpp/error.hpp>

#include <array>

#include "tests/plugins/cpu/support.hpp"

namespace gantry::cpu::test {
namespace {

using transformer::KvSpec;
using transformer::KvType;

constexpr KvSpec spec(KvType type, uint32_t block_size) { return {2, 3, 20, 12, block_size, 5, type}; }

/// What the cache holds of a token: K as it was stored, of one head.
std::vector<float> key_of(const CpuKvCache& kv, uint32_t layer, uint32_t head, uint32_t slot) {
    const uint32_t offset = slot % kv.spec().block_size;
    const auto* group =
        reinterpret_cast<const float*>(kv.k_group(layer, slot / kv.spec().block_size, head, offset / 16));
    std::vector<float> k(kv.spec().head_dim);
    for (size_t d = 0; d < k.size(); ++d) k[d] = group[d * 16 + offset % 16];
    return k;
}

void fill(CpuKvCache& kv, uint32_t slot, uint32_t seed) {
    for (uint32_t layer = 0; layer < 2; ++layer) {
        for (uint32_t head = 0; head < 3; ++head) {
            const auto k = random_floats(20, seed + layer * 10 + head);
            const auto v = random_floats(12, seed + layer * 10 + head + 5);
            kv.store(layer, head, slot, k.data(), v.data());
        }
    }
}

TEST(KvCacheTest, StoredKeysAreTransposedInGroups) {
    CpuKvCache kv(spec(KvType::kF32, 40), *kernels_for(Isa::kScalar));
    fill(kv, 83, 1);
    EXPECT_EQ(key_of(kv, 1, 2, 83), random_floats(20, 13));
}

TEST(KvCacheTest, CopiesOfSlotsAndBlocksAreAlike) {
    for (const uint32_t block_size : {8U, 16U, 40U}) {
        CpuKvCache kv(spec(KvType::kF32, block_size), *kernels_for(Isa::kScalar));
        for (uint32_t i = 0; i < block_size; ++i) fill(kv, i, 100 * i);
        kv.copy_blocks(std::array{0U}, std::array{3U});
        kv.copy_slots(std::array{1U, 7U}, std::array{2 * block_size, block_size + 5});
        for (uint32_t layer = 0; layer < 2; ++layer) {
            for (uint32_t head = 0; head < 3; ++head) {
                for (uint32_t i = 0; i < block_size; ++i) {
                    EXPECT_EQ(key_of(kv, layer, head, 3 * block_size + i), key_of(kv, layer, head, i));
                }
                EXPECT_EQ(key_of(kv, layer, head, 2 * block_size), key_of(kv, layer, head, 1));
                EXPECT_EQ(key_of(kv, layer, head, block_size + 5), key_of(kv, layer, head, 7));
            }
        }
    }
}

/// One head's K [20] and V [12] of a token, from the expanded group.
std::vector<float> expanded(const CpuKvCache& kv, uint32_t layer, uint32_t head, uint32_t slot) {
    const uint32_t offset = slot % kv.spec().block_size;
    std::vector<float> group(kv.expanded_floats());
    kv.expand_group(layer, slot / kv.spec().block_size, head, offset / 16, group.data());
    std::vector<float> out;
    for (size_t d = 0; d < 20; ++d) out.push_back(group[d * 16 + offset % 16]);
    const float* v = group.data() + 20 * 16 + (offset % 16) * kv.layout().v_stride;
    out.insert(out.end(), v, v + 12);
    return out;
}

TEST(KvCacheTest, QuantisedTypesHoldWhatTheLibraryRoundsTo) {
    for (const KvType type : {KvType::kQ8_0, KvType::kQ4_0}) {
        for (const Kernels* kernels : runnable_kernels()) {
            CpuKvCache kv(spec(type, 40), *kernels);
            fill(kv, 83, 1);
            kv.copy_slots(std::array{83U}, std::array{41U});
            kv.copy_blocks(std::array{1U}, std::array{4U});
            std::vector<float> expected;
            for (auto& values : {random_floats(20, 13), random_floats(12, 18)}) {
                std::vector<std::byte> row(transformer::kv_row_bytes(type, values.size()));
                std::vector<float> rounded(values.size());
                transformer::encode_kv_row(type, values.data(), values.size(), row.data());
                transformer::decode_kv_row(type, row.data(), values.size(), rounded.data());
                expected.insert(expected.end(), rounded.begin(), rounded.end());
            }
            for (const uint32_t slot : {83U, 41U, 161U}) EXPECT_EQ(expanded(kv, 1, 2, slot), expected) << slot;
        }
    }
}

TEST(KvCacheTest, BytesOfABlockAreThoseOfItsType) {
    const auto bytes = [](KvType type) {
        return CpuKvCache({1, 1, 64, 64, 16, 1, type}, *kernels_for(Isa::kScalar)).bytes_per_block();
    };
    EXPECT_EQ(bytes(KvType::kF32), 16U * 128 * 4);
    EXPECT_EQ(bytes(KvType::kF16), 16U * 128 * 2);
    EXPECT_EQ(bytes(KvType::kQ8_0), 16U * 4 * 34);
    EXPECT_EQ(bytes(KvType::kQ4_0), 16U * 4 * 18);
}

TEST(KvCacheTest, BlocksTravelThroughHostMemory) {
    CpuKvCache from(spec(KvType::kF16, 16), *kernels_for(Isa::kScalar));
    CpuKvCache to(spec(KvType::kF16, 16), *kernels_for(Isa::kScalar));
    for (uint32_t i = 0; i < 80; ++i) fill(from, i, i);
    std::vector<std::byte> host(2 * from.bytes_per_block()), again(host.size());
    from.read_blocks(std::array{4U, 1U}, host.data());
    to.write_blocks(std::array{0U, 2U}, host.data());
    to.read_blocks(std::array{0U, 2U}, again.data());
    EXPECT_EQ(host, again);
}

TEST(KvCacheTest, BlocksThatDoNotExistAreRefused) {
    CpuKvCache kv(spec(KvType::kBf16, 16), *kernels_for(Isa::kScalar));
    EXPECT_THROW(kv.copy_blocks(std::array{0U}, std::array{5U}), sdk::Error);
    EXPECT_THROW(kv.copy_slots(std::array{80U}, std::array{0U}), sdk::Error);
}

}  // namespace
}  // namespace gantry::cpu::test
