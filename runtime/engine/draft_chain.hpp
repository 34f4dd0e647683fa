#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gantry::engine {

/// Stands between texts in one list of tokens; never drafted.
inline constexpr int32_t kNoToken = -1;

/// The tokens from `place` on, at most `count`. Where they reach the end of the text they go on with themselves, so
/// that a text that repeats with a short period is drafted at any length. Stops at kNoToken; none from the end itself.
inline std::vector<int32_t> chain_from(std::span<const int32_t> text, size_t place, size_t count) {
    std::vector<int32_t> chain;
    if (place >= text.size()) {
        return chain;
    }
    while (chain.size() < count) {
        const size_t at = place + chain.size();
        const int32_t token = at < text.size() ? text[at] : chain[at - text.size()];
        if (token == kNoToken) {
            break;
        }
        chain.push_back(token);
    }
    return chain;
}

}  // namespace gantry::engine
