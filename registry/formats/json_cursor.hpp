#pragma once

/// A pull parser for JSON that knows where it is. Used where an error must name the byte (safetensors headers) or where
/// duplicate keys matter; everything else goes through Boost.JSON.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gantry::registry {

/// Walks one JSON text. Errors are kDataLoss: "FILE: FIELD at byte N: PROBLEM" with N = `base` + position in the text.
class JsonCursor {
  public:
    /// `text` must outlive the cursor. `base` is where it starts in the file.
    JsonCursor(std::string_view text, std::string_view file, uint64_t base = 0)
        : text_(text), file_(file), base_(base) {}

    /// Calls `member(key, offset)` for each member with the cursor on its value, which `member` must consume.
    /// Duplicate keys are refused. `field` names the object in errors.
    Status object(std::string_view field, const std::function<Status(const std::string&, uint64_t)>& member);
    /// Calls `element(index)` for each element, with the cursor on it.
    Status array(std::string_view field, const std::function<Status(uint64_t)>& element);
    /// A string, unescaped to UTF-8.
    Result<std::string> string(std::string_view field);
    /// A non-negative integer below 2^64, without fraction or exponent.
    Result<uint64_t> integer(std::string_view field);
    /// Checks and passes over any value; nesting is bounded.
    Status skip(std::string_view field, int depth = 0);
    /// Only white space may follow.
    Status end(std::string_view field);

    /// Of the next token, from the start of the file.
    uint64_t offset();
    Error fault(std::string_view field, uint64_t offset, std::string_view problem) const;

  private:
    char peek();
    Status expect(char c, std::string_view field);
    Status escape(std::string_view field, std::string& out);
    Result<uint32_t> hex4(std::string_view field);
    Status skip_scalar(std::string_view field);
    Error unexpected(std::string_view field, std::string_view wanted);

    std::string_view text_;
    std::string_view file_;
    uint64_t base_;
    size_t pos_ = 0;
};

/// Where `key` of the top-level object lies in a JSON text ("at byte N" of a message); 0 if it is not there.
uint64_t json_key_offset(std::string_view text, std::string_view key);

}  // namespace gantry::registry
