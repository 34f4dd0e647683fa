#pragma once

/// What makes a request acceptable whatever the model: the ranges that types.hpp states.

#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/engine/types.hpp"

namespace gantry::engine {

inline constexpr int32_t kMaxAnswers = 16;
inline constexpr uint32_t kMaxTopLogprobs = 20;
inline constexpr size_t kMaxSamplingTexts = 128;  ///< bad words; sequence breakers
inline constexpr size_t kMaxSamplingTextBytes = 1024;
inline constexpr int32_t kMaxPriority = 1000;
inline constexpr size_t kMaxShareKey = 512;
inline constexpr uint32_t kMaxDeadlineMs = 86'400'000;

/// kInvalidArgument naming the parameter by its path in the JSON form ("sampling.top_p"), its value and its range.
Status check_ranges(const GenerateRequest& request);

/// kInvalidArgument for a token id that a model with such a vocabulary does not have: in the prompt, the logit bias or
/// the allowed tokens.
Status check_tokens(std::span<const int32_t> prompt, const SamplingParams& sampling, uint32_t vocab_size);

bool is_valid_utf8(std::string_view text);

}  // namespace gantry::engine
