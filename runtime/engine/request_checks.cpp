#include "runtime/engine/request_checks.hpp"

#include <spdlog/fmt/fmt.h>

#include <cmath>

#include "runtime/engine/utf8.hpp"

namespace gantry::engine {
namespace {

template <class T>
Error out_of_range(std::string_view name, const T& value, std::string_view range) {
    return {Code::kInvalidArgument, fmt::format("{} is {}; it must be {}", name, value, range)};
}

Status check_sampling(const SamplingParams& s) {
    const auto within = [](const std::optional<double>& v, auto&& test) {
        return !v || (std::isfinite(*v) && test(*v));
    };
    if (!within(s.temperature, [](double v) { return v >= 0; })) {
        return out_of_range("sampling.temperature", *s.temperature, "a number of at least 0");
    }
    if (s.top_k && (*s.top_k < -1 || *s.top_k > INT32_MAX)) {
        return out_of_range("sampling.top_k", *s.top_k, "-1 or 0 (off) or a positive 32-bit number");
    }
    if (!within(s.top_p, [](double v) { return v > 0 && v <= 1; })) {
        return out_of_range("sampling.top_p", *s.top_p, "above 0 and at most 1");
    }
    if (!within(s.min_p, [](double v) { return v >= 0 && v <= 1; })) {
        return out_of_range("sampling.min_p", *s.min_p, "from 0 to 1");
    }
    if (!within(s.repetition_penalty, [](double v) { return v > 0; })) {
        return out_of_range("sampling.repetition_penalty", *s.repetition_penalty, "above 0");
    }
    if (!(std::abs(s.frequency_penalty) <= 2)) {
        return out_of_range("sampling.frequency_penalty", s.frequency_penalty, "from -2 to 2");
    }
    if (!(std::abs(s.presence_penalty) <= 2)) {
        return out_of_range("sampling.presence_penalty", s.presence_penalty, "from -2 to 2");
    }
    for (const auto& [id, bias] : s.logit_bias) {
        if (!(std::abs(bias) <= 100)) {
            return out_of_range(fmt::format("sampling.logit_bias.{}", id), bias, "from -100 to 100");
        }
        if (id < 0) {
            return out_of_range("a key of sampling.logit_bias", id, "a token id");
        }
    }
    return ok();
}

}  // namespace

Status check_ranges(const GenerateRequest& r) {
    GANTRY_CHECK_OK(check_sampling(r.sampling));
    if (r.n < 1 || r.n > kMaxAnswers) {
        return out_of_range("n", r.n, fmt::format("from 1 to {}", kMaxAnswers));
    }
    if (r.top_logprobs && *r.top_logprobs > kMaxTopLogprobs) {
        return out_of_range("top_logprobs", *r.top_logprobs, fmt::format("from 0 to {}", kMaxTopLogprobs));
    }
    if (r.max_tokens && r.min_tokens > *r.max_tokens) {
        return out_of_range("min_tokens", r.min_tokens, fmt::format("at most max_tokens, which is {}", *r.max_tokens));
    }
    for (size_t i = 0; i < r.stop.size(); ++i) {
        if (r.stop[i].empty() || !is_valid_utf8(r.stop[i])) {
            return Error{Code::kInvalidArgument,
                         fmt::format("stop[{}] is {}; it must be a text of at least one character", i,
                                     r.stop[i].empty() ? "empty" : "not valid UTF-8")};
        }
    }
    return ok();
}

bool is_valid_utf8(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
        const size_t length = utf8_length(text.substr(i));
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}

}  // namespace gantry::engine
