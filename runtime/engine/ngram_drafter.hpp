#pragma once

#include <unordered_map>

#include "runtime/engine/drafter.hpp"

namespace gantry::engine {

/// Looks the last few tokens up in the sequence itself and in its hint, and drafts what followed there the last time
/// (prompt look-up decoding). Tables grow by three entries a token. O(1) a token and a proposal.
class NgramDrafter final : public Drafter {
  public:
    /// Of the sequence's own text so many tokens must match at least, of the hint one.
    static constexpr uint32_t kShortest = 2, kLongest = 4;

    void begin(SequenceId id, std::span<const int32_t> hint, std::span<const int32_t> tokens) override;
    void append(SequenceId id, std::span<const int32_t> tokens) override;
    void propose(std::span<DraftRequest> requests) override;
    void end(SequenceId id) override { texts_.erase(id); }

  private:
    struct Text {
        std::vector<int32_t> tokens;                     ///< hint, a separator if there is one, then the sequence
        bool in_hint = false;                            ///< while the hint is being entered
        std::unordered_map<uint64_t, uint32_t> follows;  ///< hash of an n-gram -> where what follows it begins
    };
    static void push(Text& text, int32_t token);
    static uint64_t hash(const Text& text, size_t end, uint32_t length);
    static size_t find(const Text& text);

    std::unordered_map<SequenceId, Text> texts_;
};

}  // namespace gantry::engine
