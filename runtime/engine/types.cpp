#include "runtime/engine/types.hpp"

#include <algorithm>
#include <array>

namespace gantry::engine {

namespace {

constexpr std::array<std::string_view, 5> kDraftSources{"off", "auto", "ngram", "suffix", "draft"};

}  // namespace

std::string_view draft_source_name(DraftSource source) { return kDraftSources[static_cast<size_t>(source)]; }

std::optional<DraftSource> draft_source_from(std::string_view name) {
    const auto it = std::ranges::find(kDraftSources, name);
    return it == kDraftSources.end() ? std::nullopt
                                     : std::optional(static_cast<DraftSource>(it - kDraftSources.begin()));
}

std::string_view finish_name(FinishReason reason) {
    switch (reason) {
        case FinishReason::kStop:
            return "stop";
        case FinishReason::kLength:
            return "length";
        case FinishReason::kCancelled:
            return "cancelled";
        case FinishReason::kToolCalls:
            return "tool_calls";
    }
    return "stop";
}

}  // namespace gantry::engine
