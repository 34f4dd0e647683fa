#pragma once

/// Drafts trees of random shape: rubbish, among which the fake model's likeliest tokens are found as often as asked.

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "fakes.hpp"
#include "runtime/engine/drafter.hpp"

namespace gantry::engine::testing {

class GuessingDrafter final : public Drafter {
  public:
    GuessingDrafter(uint32_t vocab_size, uint64_t seed, uint32_t percent_right)
        : row_(vocab_size), dice_(seed), percent_right_(percent_right) {}

    void begin(SequenceId id, std::span<const int32_t>, std::span<const int32_t> tokens) override {
        texts_[id].assign(tokens.begin(), tokens.end());
    }
    void append(SequenceId id, std::span<const int32_t> tokens) override {
        auto& text = texts_.at(id);
        text.insert(text.end(), tokens.begin(), tokens.end());
    }
    void propose(std::span<DraftRequest> requests) override {
        for (DraftRequest& request : requests) {
            const auto wanted = dice_() % (request.max_tokens + 1);
            if (wanted > 1 && request.trees && dice_() % 2 == 0) {  // the right branch is not the first
                request.draft.add(DraftTree::kRoot, static_cast<int32_t>(dice_() % row_.size()));
                request.draft.add(DraftTree::kRoot, guess(request, DraftTree::kRoot));
            }
            while (request.draft.size() < wanted) {
                const auto size = static_cast<int32_t>(request.draft.size());
                const bool branch = request.trees && dice_() % 3 == 0;
                const int32_t parent = (branch ? static_cast<int32_t>(dice_() % (request.draft.size() + 1)) : size) - 1;
                request.draft.add(parent, guess(request, parent));
            }
        }
    }
    void end(SequenceId id) override { texts_.erase(id); }

  private:
    int32_t guess(const DraftRequest& request, int32_t parent) {
        if (dice_() % 100 >= percent_right_) {
            return static_cast<int32_t>(dice_() % row_.size());
        }
        std::vector<int32_t> path;
        for (int32_t node = parent; node >= 0; node = request.draft.parents[static_cast<size_t>(node)]) {
            path.push_back(request.draft.tokens[static_cast<size_t>(node)]);
        }
        std::vector<int32_t> text = texts_.at(request.id);
        text.insert(text.end(), path.rbegin(), path.rend());
        fake_logits(text, row_);
        return static_cast<int32_t>(std::ranges::max_element(row_) - row_.begin());
    }

    std::vector<float> row_;
    std::mt19937_64 dice_;
    uint32_t percent_right_;
    std::map<SequenceId, std::vector<int32_t>> texts_;
};

}  // namespace gantry::engine::testing
