#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/runtime/engine/fakes.hpp"

namespace gantry::runner::testing {

/// Encodes by the longest token that fits.
class GreedyTokenizer final : public engine::testing::FakeTokenizer {
  public:
    using FakeTokenizer::FakeTokenizer;
    std::vector<int32_t> encode(std::string_view text, text::EncodeOptions options) const override {
        std::vector<int32_t> out;
        while (!text.empty()) {
            int32_t best = -1;
            size_t longest = 0;
            for (int32_t id = 0; id < static_cast<int32_t>(vocab_size()); ++id) {
                const std::string bytes(options.parse_special ? std::string(id_to_token(id)) : token_bytes(id));
                if (bytes.size() > longest && text.starts_with(bytes)) {
                    best = id;
                    longest = bytes.size();
                }
            }
            if (best < 0) {
                return {};
            }
            out.push_back(best);
            text.remove_prefix(longest);
        }
        return out;
    }
    std::optional<int32_t> token_to_id(std::string_view token) const override {
        for (int32_t id = 0; id < static_cast<int32_t>(vocab_size()); ++id) {
            if (id_to_token(id) == token) {
                return id;
            }
        }
        return std::nullopt;
    }
};

}  // namespace gantry::runner::testing
