#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

namespace gantry::engine {

/// The smallest automaton of all parts of a growing text (Blumer et al., 1985), with the latest place of each. Pushing
/// a token takes amortised constant time. Used by one thread.
class SuffixAutomaton {
  public:
    /// An end of the text that is found earlier too.
    struct Match {
        uint32_t length = 0;  ///< tokens
        size_t follows = 0;   ///< index in text() of what followed it at a late earlier place
    };

    SuffixAutomaton() : states_(1) {}

    void push(int32_t token);
    std::span<const int32_t> text() const { return text_; }
    /// The ends of the text that are there earlier, at least `shortest` long, longest first and one for each set of
    /// places; at most a handful.
    std::vector<Match> earlier_ends(uint32_t shortest) const;

  private:
    static constexpr uint32_t kRoot = 0;
    static constexpr uint32_t kNone = UINT32_MAX;
    struct State {
        uint32_t length = 0;     ///< of the longest part in this state
        uint32_t link = kNone;   ///< the state of its longest end with more places
        uint32_t edges = kNone;  ///< list in edges_
        uint32_t latest = 0;     ///< index after a late place of it
        uint32_t before = 0;     ///< the place noted before that
    };
    struct Edge {
        int32_t token = 0;
        uint32_t next = kNone;
    };
    static uint64_t key(uint32_t state, int32_t token) {
        return (uint64_t{state} << 32) | static_cast<uint32_t>(token);
    }
    void add_edge(uint32_t from, int32_t token, uint32_t to);
    uint32_t split(uint32_t parent, uint32_t state, int32_t token);
    void note_place(uint32_t state, uint32_t place);

    std::vector<int32_t> text_;
    std::vector<State> states_;
    std::vector<Edge> edges_;
    std::unordered_map<uint64_t, uint32_t> targets_;  ///< key(state, token) -> state
    uint32_t last_ = kRoot;
};

}  // namespace gantry::engine
