#pragma once

/// Source text to tokens, with jinja2's white-space rules (trim_blocks and lstrip_blocks on).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/jinja/value.hpp"

namespace gantry::text::jinja {

enum class TokenType : uint8_t {
    kData,           ///< text between tags
    kVariableBegin,  ///< {{
    kVariableEnd,
    kBlockBegin,  ///< {%
    kBlockEnd,
    kName,
    kString,
    kNumber,  ///< `number` holds the value
    kOperator,
    kEnd,
};

struct Token {
    TokenType type;
    std::string text;  ///< data, name, decoded string or operator
    Value number;
    size_t offset;  ///< in the normalised source
    uint32_t line;
};

/// Line ends become "\n" and one at the very end is dropped, as jinja2 does.
std::string normalize_source(std::string_view source);

/// Line and column (from 1, in characters) of a byte offset.
std::pair<uint32_t, uint32_t> position_of(std::string_view source, size_t offset);

/// Throws SyntaxError. The last token is kEnd.
std::vector<Token> tokenize(std::string_view source);

}  // namespace gantry::text::jinja
