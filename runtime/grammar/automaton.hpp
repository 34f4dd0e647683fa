#pragma once

/// The seam of structured output: whatever a client asks an answer to look like (a regular expression, a grammar, a
/// JSON schema) becomes an Automaton, and everything behind (token masks, rolling back, forced text) knows nothing
/// else.

#include <bitset>
#include <cstddef>
#include <cstdint>

namespace gantry::grammar {

/// Stands before a control token's text in the bytes that automata read; no text has this byte. What spells out such a
/// text with other tokens is something else.
inline constexpr char kControl = '\xFF';

/// A language over bytes as a lazily built deterministic automaton. States are interned numbers: equal numbers have
/// equal futures, so masks are cached by state and rolling back is remembering a number. One thread at a time (the
/// engine's; the compiler's before it hands the automaton over).
class Automaton {
  public:
    using State = uint32_t;
    static constexpr State kDead = UINT32_MAX;

    virtual ~Automaton() = default;

    /// kDead only where the language is empty.
    virtual State start() = 0;
    /// kDead where no text of the language goes on like this. Every state but kDead can still reach acceptance.
    /// `state` is not kDead.
    virtual State next(State state, uint8_t byte) = 0;
    virtual bool accepts(State state) = 0;
    /// Bytes that lead from `state` back to itself (a plain string's inside): lets the masker take whole subtrees. May
    /// leave out some. Valid until the next call.
    virtual const std::bitset<256>& self_loop(State) {
        static constexpr std::bitset<256> kNone;
        return kNone;
    }
    /// What may come next of plain text: characters from U+0020 on in UTF-8, neither '"' nor '\\'. The last one of a
    /// text may be cut short.
    struct PlainRun {
        size_t characters = 0;  ///< every plain text of at most so many leads to a living state
        bool exact = false;     ///< and none that is longer does
    };
    /// Inside a JSON string this spares the masker most of a vocabulary. Runs of `limit` and more need not be told
    /// apart.
    virtual PlainRun plain_run(State state, size_t limit) {
        static_cast<void>(state);
        static_cast<void>(limit);
        return {};
    }
    /// States made so far, for bounding memory: the owner recreates an automaton that has grown too large.
    virtual size_t state_count() const = 0;
};

}  // namespace gantry::grammar
