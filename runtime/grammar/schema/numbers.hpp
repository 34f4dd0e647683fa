#pragma once

/// Sets of numbers and the automaton that reads a number's JSON text while it can still end inside its set. Arithmetic
/// is exact decimal: 0.3 is a multiple of 0.1, and bounds hold to the last digit written.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gantry::grammar {

using NumberSet = uint32_t;

/// Owns number sets and reading states; both are interned. One thread at a time.
class Numbers {
  public:
    static constexpr NumberSet kEvery = 0;  ///< every number
    static constexpr NumberSet kWhole = 1;  ///< every integer, 1.0 too
    static constexpr uint32_t kDead = UINT32_MAX;

    /// Without `any_spelling` exponents follow one digit that is not zero ("1.5e+16"), as serialisers write them, and
    /// an integer has no exponent below zero and no digits but zero behind its point.
    explicit Numbers(bool any_spelling);
    ~Numbers();
    Numbers(const Numbers&) = delete;
    Numbers& operator=(const Numbers&) = delete;

    /// At least (above, if `open`) the value that `text`, a JSON number, spells; at_most accordingly.
    NumberSet at_least(std::string_view text, bool open);
    NumberSet at_most(std::string_view text, bool open);
    NumberSet exactly(std::string_view text);
    /// Multiples of a positive number.
    NumberSet multiple_of(std::string_view text);
    NumberSet both(NumberSet x, NumberSet y);
    /// The union of the result is what is not in `set`.
    std::vector<NumberSet> negate(NumberSet set);
    bool empty(NumberSet set);
    /// All members, in a spelling that tells them apart, if they are at most `limit`.
    std::optional<std::vector<std::string>> finite(NumberSet set, size_t limit);
    bool contains(NumberSet set, std::string_view text);

    /// Reading: a state before the first character, and each state's successors. All but kDead can still end well.
    uint32_t start(NumberSet set);
    uint32_t next(uint32_t state, uint8_t byte);
    /// The text so far is a number of the set.
    bool complete(uint32_t state);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::grammar
