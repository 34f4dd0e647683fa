#pragma once

#include <cstdint>

#include "runtime/grammar/schema/languages.hpp"

namespace gantry::grammar {

/// Reads the inside of a JSON string byte by byte (UTF-8, escapes, surrogate pairs) and follows the decoded characters
/// through a language. Ways on which no text of the language lies are refused at the first byte that shows it.
class TextReader {
  public:
    struct State {
        Lang lang = Languages::kNone;  ///< what may still follow; kNone: refused
        uint32_t within = 0;           ///< place inside a character or an escape; 0 between characters
    };

    explicit TextReader(Languages& languages) : languages_(languages) {}

    /// `byte` is not the closing quote (that one is right where `within` is 0 and the language has the empty text).
    /// When a character is complete, it is stored in `character`; otherwise that is kNoCharacter.
    State next(State state, uint8_t byte, uint32_t& character);

    static constexpr uint32_t kNoCharacter = UINT32_MAX;

  private:
    State complete(Lang lang, uint32_t c, uint32_t& character);
    /// Stays within a character as long as one of low to high may come.
    State within(Lang lang, uint32_t low, uint32_t high, uint32_t place);
    State first_byte(Lang lang, uint8_t byte, uint32_t& character);
    State escape(Lang lang, uint8_t byte, uint32_t& character);
    State hex(Lang lang, uint32_t place, uint8_t byte, uint32_t& character);
    bool any_between(Lang lang, uint32_t low, uint32_t high);

    Languages& languages_;
};

}  // namespace gantry::grammar
