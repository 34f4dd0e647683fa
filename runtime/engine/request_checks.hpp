#pragma once

/// What makes a request acceptable whatever the model: the ranges that types.hpp states.

#include <cstdint>
#include <string_view>

#include "runtime/engine/types.hpp"

namespace gantry::engine {

inline constexpr int32_t kMaxAnswers = 16;
inline constexpr uint32_t kMaxTopLogprobs = 20;

/// kInvalidArgument naming the parameter by its path in the JSON form ("sampling.top_p"), its value and its range.
Status check_ranges(const GenerateRequest& request);

bool is_valid_utf8(std::string_view text);

}  // namespace gantry::engine
