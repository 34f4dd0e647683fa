#pragma once

/// Small text and JSON files beside a model's weights.

#include <boost/json.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gantry::registry {

/// A JSON object with the text it came from, for positions in messages.
struct JsonFile {
    std::filesystem::path path;
    std::string text;
    boost::json::object root;

    /// nullptr if absent or null.
    const boost::json::value* find(std::string_view key) const;
    /// kDataLoss: "PATH: 'key' at byte N: problem".
    Error fault(std::string_view key, std::string_view problem, Code code = Code::kDataLoss,
                std::string_view hint = {}) const;
    /// The member's text; nullopt if absent, an error if it is something else.
    Result<std::optional<std::string>> text_of(std::string_view key) const;
};

/// The whole file, at most `limit` bytes (kTooLarge above); nullopt if there is none.
Result<std::optional<std::string>> read_text_file(const std::filesystem::path& path, uint64_t limit);

/// nullopt if there is no such file; kDataLoss with the byte offset for a syntax error or anything but an object.
Result<std::optional<JsonFile>> read_json_file(const std::filesystem::path& path, uint64_t limit = 64 << 20);

/// Parses a text that came from `path`.
Result<JsonFile> parse_json(std::string text, const std::filesystem::path& path);

}  // namespace gantry::registry
