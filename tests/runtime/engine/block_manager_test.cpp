#include "runtime/engine/block_manager.hpp"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <random>
#include <set>

namespace gantry::engine {
namespace {

std::vector<int32_t> iota(int32_t from, size_t count) {
    std::vector<int32_t> tokens(count);
    std::iota(tokens.begin(), tokens.end(), from);
    return tokens;
}

/// Allocates and publishes whole blocks for a text, as a sequence that has computed it would.
std::vector<BlockId> fill(BlockManager& blocks, std::span<const int32_t> tokens) {
    const uint32_t size = blocks.block_size();
    std::vector<BlockId> table;
    for (size_t i = 0; i + size <= tokens.size(); i += size) {
        const auto parent = table.empty() ? std::nullopt : std::optional(table.back());
        const auto block = blocks.allocate();
        table.push_back(blocks.publish(parent, *block, tokens.subspan(i, size)));
    }
    return table;
}

TEST(BlockManager, GivesOutEveryBlockOnceThenNone) {
    BlockManager blocks(3, 4, true);
    std::set<BlockId> seen;
    for (int i = 0; i < 3; ++i) {
        seen.insert(*blocks.allocate());
    }
    EXPECT_EQ(seen.size(), 3u);
    EXPECT_EQ(blocks.allocate(), std::nullopt);
    EXPECT_EQ(blocks.counts().used, 3u);
    EXPECT_EQ(blocks.audit(), "");
}

TEST(BlockManager, FindsAReleasedTextAgain) {
    BlockManager blocks(8, 4, true);
    const auto text = iota(0, 12);
    const auto table = fill(blocks, text);
    blocks.release(table);
    EXPECT_EQ(blocks.counts().cached, 3u);
    EXPECT_EQ(blocks.match(text, 9), table);
    EXPECT_EQ(blocks.match(text, 2).size(), 2u);
    EXPECT_EQ(blocks.match(iota(0, 11), 9).size(), 2u);
    EXPECT_TRUE(blocks.match(iota(1, 12), 9).empty());
    blocks.reference(table);
    EXPECT_EQ(blocks.counts().used, 3u);
    EXPECT_EQ(blocks.audit(), "");
}

TEST(BlockManager, FindsNothingWithTheCacheOff) {
    BlockManager blocks(8, 4, false);
    const auto text = iota(0, 12);
    blocks.release(fill(blocks, text));
    EXPECT_TRUE(blocks.match(text, 9).empty());
    EXPECT_EQ(blocks.counts().free, 8u);
}

TEST(BlockManager, EvictsTheOldestTextAndItsEndFirst) {
    BlockManager blocks(4, 2, true);
    const auto first = iota(0, 4);
    const auto second = iota(50, 4);
    blocks.release(fill(blocks, first));
    blocks.release(fill(blocks, second));
    ASSERT_TRUE(blocks.allocate());
    EXPECT_EQ(blocks.match(first, 9).size(), 1u);
    EXPECT_EQ(blocks.match(second, 9).size(), 2u);
    ASSERT_TRUE(blocks.allocate());
    EXPECT_EQ(blocks.match(first, 9).size(), 0u);
    EXPECT_EQ(blocks.match(second, 9).size(), 2u);
    EXPECT_EQ(blocks.audit(), "");
}

TEST(BlockManager, ReusingATextMakesItYoung) {
    BlockManager blocks(4, 2, true);
    const auto first = iota(0, 4);
    blocks.release(fill(blocks, first));
    blocks.release(fill(blocks, iota(50, 4)));
    const auto again = blocks.match(first, 9);
    blocks.reference(again);
    blocks.release(again);
    blocks.allocate();
    blocks.allocate();
    EXPECT_EQ(blocks.match(first, 9).size(), 2u);
}

TEST(BlockManager, MergesTwoCopiesOfOneText) {
    BlockManager blocks(8, 2, true);
    const auto text = iota(0, 4);
    const auto first = fill(blocks, text);
    const auto second = fill(blocks, text);
    EXPECT_EQ(first, second);
    EXPECT_EQ(blocks.references(first[0]), 2u);
    EXPECT_EQ(blocks.counts().used, 2u);
    blocks.release(first);
    EXPECT_EQ(blocks.counts().used, 2u);
    blocks.release(second);
    EXPECT_EQ(blocks.counts().cached, 2u);
    EXPECT_EQ(blocks.audit(), "");
}

TEST(BlockManager, TheSameTokensAfterAnotherBeginningAreAnotherBlock) {
    BlockManager blocks(8, 2, true);
    const std::vector<int32_t> first{1, 2, 9, 9};
    const std::vector<int32_t> second{3, 4, 9, 9};
    const auto a = fill(blocks, first);
    const auto b = fill(blocks, second);
    EXPECT_NE(a[1], b[1]);
    EXPECT_EQ(blocks.match(second, 9), b);
}

TEST(BlockManager, ACollisionOfHashesNeverServesAnotherText) {
    for (uint64_t mask : {uint64_t{0}, uint64_t{1}, uint64_t{7}}) {
        BlockManager blocks(64, 2, true, mask);
        std::map<std::vector<int32_t>, std::vector<BlockId>> tables;
        for (int32_t i = 0; i < 8; ++i) {
            std::vector<int32_t> text{i % 2, 5, i, 7, 1, 1};
            tables[text] = fill(blocks, text);
            ASSERT_EQ(blocks.audit(), "");
        }
        for (const auto& [text, table] : tables) {
            const auto found = blocks.match(text, 9);
            ASSERT_LE(found.size(), table.size());
            EXPECT_TRUE(std::equal(found.begin(), found.end(), table.begin()));
        }
        for (const auto& [text, table] : tables) {
            blocks.release(table);
            ASSERT_EQ(blocks.audit(), "");
        }
        EXPECT_EQ(blocks.counts().used, 0u);
    }
}

TEST(BlockManager, KeepsItsBooksThroughRandomUse) {
    for (uint64_t seed = 0; seed < 200; ++seed) {
        std::mt19937_64 random(seed);
        const auto count = static_cast<uint32_t>(4 + random() % 30);
        BlockManager blocks(count, 2, seed % 5 != 0, seed % 3 == 0 ? 15 : ~uint64_t{0});
        std::vector<std::vector<BlockId>> tables;
        std::map<BlockId, std::vector<int32_t>> contents;  // whole text up to and with the block, for those in use
        for (int step = 0; step < 200; ++step) {
            if (random() % 2 == 0 || tables.empty()) {
                std::vector<int32_t> text;
                for (size_t i = 0; i < 2 * (1 + random() % 6); ++i) {
                    text.push_back(static_cast<int32_t>(random() % 2));
                }
                auto table = blocks.match(text, 9);
                blocks.reference(table);
                for (size_t i = 0; i < table.size(); ++i) {
                    if (contents.contains(table[i])) {
                        ASSERT_EQ(contents[table[i]],
                                  std::vector(text.begin(), text.begin() + 2 * (static_cast<long>(i) + 1)));
                    }
                }
                while (table.size() * 2 < text.size()) {
                    const auto block = blocks.allocate();
                    if (!block) {
                        break;
                    }
                    const size_t at = table.size() * 2;
                    const auto parent = table.empty() ? std::nullopt : std::optional(table.back());
                    table.push_back(blocks.publish(parent, *block, std::span(text).subspan(at, 2)));
                    contents[table.back()] = std::vector(text.begin(), text.begin() + static_cast<long>(at) + 2);
                }
                if (random() % 4 == 0) {
                    blocks.pin(table);
                }
                tables.push_back(std::move(table));
            } else {
                const size_t which = random() % tables.size();
                blocks.release(tables[which]);
                for (BlockId id : tables[which]) {
                    if (blocks.references(id) == 0) {
                        contents.erase(id);
                    }
                }
                tables.erase(tables.begin() + static_cast<long>(which));
            }
            ASSERT_EQ(blocks.audit(), "") << "seed " << seed << " step " << step;
            const auto counts = blocks.counts();
            ASSERT_EQ(counts.free + counts.cached + counts.used, count);
            ASSERT_EQ(blocks.available(), counts.free + counts.cached);
        }
    }
}

TEST(BlockManager, FindsABlockThatBeginsLikeTheText) {
    BlockManager blocks(8, 4, true);
    const auto table = fill(blocks, iota(0, 8));
    const std::vector<int32_t> rest{4, 5, 99};
    const auto partial = blocks.match_partial(kPlainRoot, table[0], rest);
    ASSERT_TRUE(partial);
    EXPECT_EQ(partial->block, table[1]);
    EXPECT_EQ(partial->tokens, 2u);
    EXPECT_FALSE(blocks.match_partial(kPlainRoot, table[0], iota(7, 3)));
    EXPECT_FALSE(blocks.match_partial(kPlainRoot, table[1], rest));
    EXPECT_EQ(blocks.match_partial(kPlainRoot, std::nullopt, iota(0, 3))->tokens, 3u);
}

/// As fill(), for a salt.
std::vector<BlockId> fill_salted(BlockManager& blocks, PrefixRoot root, std::span<const int32_t> tokens) {
    std::vector<uint64_t> hashes;
    blocks.extend_hashes(root, tokens, hashes);
    std::vector<BlockId> table;
    for (size_t i = 0; i < hashes.size(); ++i) {
        const auto parent = table.empty() ? std::nullopt : std::optional(table.back());
        const auto text = tokens.subspan(i * blocks.block_size(), blocks.block_size());
        table.push_back(blocks.publish(root, parent, *blocks.allocate(), text, hashes[i]));
    }
    return table;
}

size_t matches(const BlockManager& blocks, PrefixRoot root, std::span<const int32_t> tokens) {
    std::vector<uint64_t> hashes;
    blocks.extend_hashes(root, tokens, hashes);
    std::vector<BlockId> found;
    blocks.match(root, tokens, hashes, found);
    return found.size();
}

TEST(BlockManager, KeepsTextsOfDifferentSaltsApartUnderAnyHash) {
    for (const uint64_t mask : {~uint64_t{0}, uint64_t{3}, uint64_t{0}}) {
        BlockManager blocks(16, 4, true, mask);
        const auto text = iota(0, 12);
        const PrefixRoot one = blocks.acquire_root("one"), two = blocks.acquire_root("two");
        EXPECT_EQ(blocks.acquire_root("one"), one);
        const auto table = fill_salted(blocks, one, text);
        EXPECT_EQ(matches(blocks, two, text), 0u);
        EXPECT_EQ(matches(blocks, kPlainRoot, text), 0u);
        EXPECT_FALSE(blocks.match_partial(two, std::nullopt, text));
        blocks.release(table);
        blocks.release_root(one);
        blocks.release_root(one);
        const PrefixRoot again = blocks.acquire_root("one");
        EXPECT_EQ(again, one) << "its blocks are cached";
        if (mask != 0) {
            EXPECT_GT(matches(blocks, again, text), 0u);
        }
        EXPECT_EQ(blocks.audit(), "");
    }
}

TEST(BlockManager, ForgetsASaltWithItsLastBlock) {
    BlockManager blocks(2, 4, true);
    const PrefixRoot one = blocks.acquire_root("one");
    blocks.release(fill_salted(blocks, one, iota(0, 8)));
    blocks.release_root(one);
    (void)blocks.allocate();
    (void)blocks.allocate();
    EXPECT_NE(blocks.acquire_root("one"), one);
    EXPECT_EQ(blocks.audit(), "");
}

TEST(BlockManager, EvictsPinnedTextsLast) {
    BlockManager blocks(8, 4, true);
    const auto pinned = fill(blocks, iota(0, 8));
    EXPECT_EQ(blocks.pin(pinned), 2u);
    blocks.release(pinned);
    const auto other = fill(blocks, iota(100, 24));
    blocks.release(other);
    EXPECT_EQ(blocks.audit(), "");
    for (int i = 0; i < 6; ++i) {
        (void)blocks.allocate();
    }
    EXPECT_EQ(blocks.match(iota(0, 8), 9).size(), 2u);
    EXPECT_EQ(blocks.match(iota(100, 24), 9).size(), 0u);
    (void)blocks.allocate();  // a pin is a wish, not a claim
    EXPECT_EQ(blocks.match(iota(0, 8), 9).size(), 1u);
    EXPECT_EQ(blocks.pinned(), 1u);
    EXPECT_EQ(blocks.audit(), "");
}

TEST(BlockManager, UnpinsTheOldestTextPastTheLimit) {
    BlockManager blocks(16, 4, true);  // 4 pins
    const auto first = fill(blocks, iota(0, 12));
    const auto second = fill(blocks, iota(100, 12));
    EXPECT_EQ(blocks.pin(first), 3u);
    EXPECT_EQ(blocks.pin(first), 3u);
    EXPECT_EQ(blocks.pinned(), 3u);
    blocks.release(first);
    EXPECT_EQ(blocks.pin(second), 3u);
    EXPECT_EQ(blocks.pinned(), 3u);
    EXPECT_EQ(blocks.audit(), "");
    const auto long_text = fill(blocks, iota(200, 32));
    EXPECT_EQ(blocks.pin(long_text), 4u);
    EXPECT_EQ(blocks.audit(), "");
}

TEST(BlockManager, EvictedBlocksAreFoundInHostMemory) {
    BlockManager blocks(3, 4, true, ~uint64_t{0}, 2);
    const auto text = iota(0, 12);
    std::vector<uint64_t> hashes;
    blocks.extend_hashes(kPlainRoot, text, hashes);
    const auto table = fill(blocks, text);
    blocks.release(table);
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(blocks.allocate());  // the text's end gives way first
    }
    const auto spills = blocks.take_spills();
    ASSERT_EQ(spills.size(), 2u);
    EXPECT_EQ(spills[0].block, table[2]);
    EXPECT_EQ(spills[1].block, table[1]);
    std::vector<BlockId> known;
    std::vector<uint32_t> slots;
    blocks.match(kPlainRoot, text, hashes, known);
    EXPECT_EQ(known.size(), 1u);
    blocks.match_host(kPlainRoot, text, hashes, known, slots);
    ASSERT_EQ(slots, (std::vector<uint32_t>{spills[1].slot, spills[0].slot}));
    // The second comes back under its old number, so that the third is still found behind it.
    const uint64_t node = blocks.take_from_host(slots[0]);
    blocks.reference(known);
    const auto again = blocks.publish(kPlainRoot, known[0], table[1], std::span(text).subspan(4, 4), hashes[1], node);
    EXPECT_EQ(again, table[1]);
    known.push_back(again);
    blocks.match_host(kPlainRoot, text, hashes, known, slots);
    EXPECT_EQ(slots, (std::vector<uint32_t>{spills[0].slot}));
    EXPECT_EQ(blocks.audit(), "");
}

TEST(HostTier, KeepsWhatCameLastAndLendsNoSlotThatIsBeingRead) {
    HostTier tier(2);
    const std::vector<int32_t> text{1, 2};
    const auto entry = [&](uint64_t hash) { return HostTier::Entry{hash, hash + 100, 7, text}; };
    const auto first = tier.put(entry(1)), second = tier.put(entry(2));
    ASSERT_TRUE(first && second);
    EXPECT_EQ(tier.find(1, 7, text), std::nullopt) << "it is not saved yet";
    tier.settle();
    EXPECT_EQ(tier.find(1, 7, text), first);
    EXPECT_EQ(tier.find(1, 8, text), std::nullopt);
    EXPECT_EQ(tier.find(1, 7, std::vector<int32_t>{1, 3}), std::nullopt);
    tier.take(*first);
    EXPECT_EQ(tier.put(entry(3)), second);  // not the one that was taken
    EXPECT_EQ(tier.find(2, 7, text), std::nullopt);
    tier.settle();
    EXPECT_EQ(tier.put(entry(4)), first);
    EXPECT_EQ(tier.put(entry(3)), second);  // the same text again: in its own place
    EXPECT_EQ(tier.audit(), "");
    EXPECT_EQ(HostTier(0).put(entry(1)), std::nullopt);
}

TEST(BlockManager, WhatFollowsAnEvictedBeginningCannotBeFound) {
    BlockManager blocks(6, 4, true);
    const auto used = fill(blocks, iota(0, 12));
    auto branch = blocks.match(iota(0, 4), 1);
    blocks.reference(branch);
    branch.push_back(*blocks.allocate());
    std::vector<int32_t> other = iota(0, 4);
    other.insert(other.end(), {91, 92, 93, 94});
    branch[1] = blocks.publish(branch[0], branch[1], std::span(other).last(4));
    blocks.release(branch);                    // its end is cached
    blocks.release(std::span(used).first(1));  // a window has left the beginning behind
    EXPECT_EQ(blocks.match(iota(0, 12), 3).size(), 3u);
    EXPECT_EQ(blocks.audit(true), "");
    for (int i = 0; i < 3; ++i) {  // two are free, one is cached: the branch's end, which is older than the beginning
        ASSERT_TRUE(blocks.allocate());
    }
    EXPECT_EQ(blocks.match(iota(0, 12), 3).size(), 3u);
    ASSERT_TRUE(blocks.allocate());
    EXPECT_EQ(blocks.match(iota(0, 12), 3).size(), 0u);
    EXPECT_EQ(blocks.audit(true), "");
    EXPECT_EQ(blocks.counts().used, 6u);
    blocks.release(std::span(used).subspan(1));
    EXPECT_EQ(blocks.counts().free, 2u);
    EXPECT_EQ(blocks.audit(true), "");
}

TEST(BlockManager, EvictingABeginningFreesWhatIsCachedBehindIt) {
    BlockManager blocks(3, 4, true);
    const auto table = fill(blocks, iota(0, 12));
    for (const BlockId block : table) {  // beginnings first, as windows leave them
        blocks.release(block);
    }
    EXPECT_EQ(blocks.counts().cached, 3u);
    ASSERT_TRUE(blocks.allocate());
    EXPECT_EQ(blocks.counts().free, 2u);
    EXPECT_EQ(blocks.counts().cached, 0u);
    EXPECT_EQ(blocks.audit(), "");
}

TEST(BlockManager, TellsTheEvictedFromTheNew) {
    BlockManager blocks(2, 4, true);
    std::vector<uint64_t> hashes, others;
    blocks.extend_hashes(kPlainRoot, iota(0, 8), hashes);
    blocks.extend_hashes(kPlainRoot, iota(50, 8), others);
    blocks.release(fill(blocks, iota(0, 8)));
    (void)blocks.allocate();
    EXPECT_EQ(blocks.miss_reason(hashes[1], false), MissReason::kEvicted);
    EXPECT_EQ(blocks.miss_reason(others[0], false), MissReason::kNew);
    EXPECT_EQ(blocks.miss_reason(others[0], true), MissReason::kDiffers);
}

// The index against a map, dense enough that searches run into each other and around the end.
TEST(HashIndex, FindsWhatAMapFinds) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 200; ++round) {
        HashIndex index(8);
        std::map<uint64_t, uint32_t> map;
        for (int i = 0; i < 200; ++i) {
            const uint64_t hash = random() % 40;
            if (map.contains(hash) && random() % 2 == 0) {
                index.erase(hash);
                map.erase(hash);
            } else if (map.size() < 8) {
                EXPECT_EQ(index.insert(hash, static_cast<uint32_t>(i)),
                          map.emplace(hash, static_cast<uint32_t>(i)).second);
            }
            for (uint64_t h = 0; h < 40; ++h) {
                ASSERT_EQ(index.find(h), map.contains(h) ? std::optional(map[h]) : std::nullopt);
            }
            ASSERT_EQ(index.size(), map.size());
        }
    }
}

}  // namespace
}  // namespace gantry::engine
