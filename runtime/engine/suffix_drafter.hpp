#pragma once

#include <unordered_map>

#include "runtime/engine/drafter.hpp"
#include "runtime/engine/suffix_automaton.hpp"

namespace gantry::engine {

/// Drafts what followed the longest end of the text that has been there before (SAM-Decoding, arXiv:2411.10666). With
/// trees, shorter ends that went on otherwise give further branches.
class SuffixDrafter final : public Drafter {
  public:
    /// Shorter matches are chance.
    static constexpr uint32_t kShortest = 2;
    /// Tokens that are indexed; past them the older half is forgotten. About 100 bytes a token.
    static constexpr size_t kLongestText = 65536;

    void begin(SequenceId id, std::span<const int32_t> hint, std::span<const int32_t> tokens) override;
    void append(SequenceId id, std::span<const int32_t> tokens) override;
    void propose(std::span<DraftRequest> requests) override;
    void end(SequenceId id) override { texts_.erase(id); }

  private:
    std::unordered_map<SequenceId, SuffixAutomaton> texts_;
};

}  // namespace gantry::engine
