#pragma once

/// Errors about damaged model files. All have the form "FILE: FIELD at byte N: PROBLEM", so that a person can open the
/// file at that place, and all file-supplied text in them is made printable.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gantry::registry {

/// `text` with control characters and invalid UTF-8 as \xNN, cut to `limit` bytes: safe on terminals and in JSON.
std::string printable(std::string_view text, size_t limit = 120);

/// `text`, printable and between single quotes.
std::string in_quotes(std::string_view text);

/// `text` with every invalid UTF-8 sequence replaced by U+FFFD; for JSON output of whole strings.
std::string valid_utf8(std::string_view text);

/// "FILE: FIELD at byte N: PROBLEM". The default hint tells how such files come about.
Error file_fault(std::string_view file, std::string_view field, uint64_t offset, std::string_view problem,
                 Code code = Code::kDataLoss, std::string_view hint = {});

/// The unused part of `room` holds at most `room / unit` items: what every count read from a file is compared with
/// before anything is allocated.
constexpr bool fits(uint64_t count, uint64_t unit, uint64_t room) { return count <= room / unit; }

}  // namespace gantry::registry
