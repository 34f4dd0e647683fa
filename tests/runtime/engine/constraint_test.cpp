#include "runtime/engine/constraint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gantry::engine {
namespace {

class Scripted final : public TokenConstraint {
  public:
    Scripted(std::vector<uint32_t> bits, bool can_end) : bits_(std::move(bits)), can_end_(can_end) {}
    Result<std::span<const uint32_t>> allowed() override { return std::span<const uint32_t>(bits_); }
    Status accept(int32_t) override { return ok(); }
    void rollback(size_t) override {}
    bool can_end() override { return can_end_; }
    bool must_end() override { return false; }
    std::vector<int32_t> forced() override { return {}; }

  private:
    std::vector<uint32_t> bits_;
    bool can_end_;
};

Result<std::vector<int32_t>> drawable(std::vector<uint32_t> bits, bool can_end, bool may_end, size_t vocab) {
    Scripted constraint(std::move(bits), can_end);
    std::vector<uint32_t> scratch;
    const std::vector<int32_t> end_ids{1, -1, 1000};
    GANTRY_TRY(const std::span<const uint32_t> words, tokens_to_draw(constraint, end_ids, may_end, vocab, scratch));
    std::vector<int32_t> out;
    for (size_t id = 0; id < words.size() * 32; ++id) {
        if (((words[id / 32] >> (id % 32)) & 1) != 0) {
            out.push_back(static_cast<int32_t>(id));
        }
    }
    return out;
}

TEST(TokensToDraw, EndTokensComeWhereBothSidesAgree) {
    using testing::ElementsAre;
    EXPECT_THAT(*drawable({8, 256}, true, true, 64), ElementsAre(1, 3, 40));
    EXPECT_THAT(*drawable({8, 256}, true, false, 64), ElementsAre(3, 40));
    EXPECT_THAT(*drawable({8, 256}, false, true, 64), ElementsAre(3, 40));
}

TEST(TokensToDraw, TokensBeyondTheModelsVocabularyAreLeftOut) {
    EXPECT_THAT(*drawable({8, 256, 1}, false, true, 40), testing::ElementsAre(3));
    EXPECT_THAT(*drawable({8}, false, true, 100), testing::ElementsAre(3));
}

TEST(TokensToDraw, NothingToDrawIsAnEndOrAnError) {
    EXPECT_THAT(*drawable({0}, true, false, 32), testing::IsEmpty());
    const auto stuck = drawable({0, 4}, false, true, 32);
    ASSERT_FALSE(stuck.has_value());
    EXPECT_THAT(stuck.error().message, testing::HasSubstr("excludes every token"));
}

}  // namespace
}  // namespace gantry::engine
