#pragma once

/// Reads the files that generate_tokenizer_fixtures.py writes.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "registry/manifest.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gantry::text::test {

/// What must come out for one string.
struct ExpectedEncoding {
    std::vector<int32_t> ids;      ///< without special tokens
    uint32_t full_ids_crc = 0;     ///< with
    uint32_t decoded_crc = 0;      ///< of the ids with special tokens, which are skipped
    uint32_t decoded_all_crc = 0;  ///< and kept
};

/// What random ids must decode to.
struct ExpectedDecoding {
    std::vector<int32_t> ids;
    uint32_t decoded_crc = 0, decoded_all_crc = 0;
};

struct Fixture {
    std::string json;                         ///< tokenizer.json
    std::vector<ExpectedEncoding> encodings;  ///< one a string
    std::vector<ExpectedDecoding> decodings;
};

/// The shared strings; may be invalid UTF-8.
std::vector<std::string> read_strings();
Fixture read_fixture(const std::string& kind);
std::shared_ptr<const Tokenizer> load_json(const std::string& json, const std::string& config = "");

/// The same tokenizer as a GGUF file's converter would write it. `pre` is for byte-level BPE.
registry::TokenizerGguf to_gguf(const std::string& json, const std::string& model, const std::string& pre);

uint32_t crc32(std::string_view bytes);
uint32_t crc32(std::span<const int32_t> ids);
/// Printable, for messages.
std::string escaped(std::string_view bytes);

}  // namespace gantry::text::test
