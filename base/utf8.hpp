#pragma once

/// UTF-8 as the Unicode Standard defines it well-formed (table 3-7): no overlong forms, no surrogates.

#include <cstddef>
#include <string_view>

namespace gantry {

/// Bytes of the well-formed sequence at the start of `text`; 0 where there is none. `text` is not empty.
size_t utf8_sequence(std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace gantry
