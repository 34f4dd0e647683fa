#include "runtime/engine/request_checks.hpp"

#include <spdlog/fmt/fmt.h>

#include <cmath>
#include <limits>

#include "runtime/engine/utf8.hpp"

namespace gantry::engine {
namespace {

template <class T>
Error out_of_range(std::string_view name, const T& value, std::string_view range) {
    return {Code::kInvalidArgument, fmt::format("{} is {}; it must be {}", name, value, range)};
}

constexpr double kUnbounded = std::numeric_limits<double>::infinity();

/// A number's range: both ends belong to it, unless `open_low`. What is not finite is never in it.
struct NumberRule {
    std::string_view name;
    std::optional<double> SamplingParams::*member;
    double low, high;
    bool open_low;
    std::string_view range;
};
constexpr NumberRule kNumbers[] = {
    {"temperature", &SamplingParams::temperature, 0, kUnbounded, false, "a number of at least 0"},
    {"top_p", &SamplingParams::top_p, 0, 1, true, "above 0 and at most 1"},
    {"min_p", &SamplingParams::min_p, 0, 1, false, "from 0 to 1"},
    {"repetition_penalty", &SamplingParams::repetition_penalty, 0, kUnbounded, true, "above 0"},
    {"dynatemp_range", &SamplingParams::dynatemp_range, 0, kUnbounded, false, "a number of at least 0"},
    {"dynatemp_exponent", &SamplingParams::dynatemp_exponent, 0, kUnbounded, false, "a number of at least 0"},
    {"top_n_sigma", &SamplingParams::top_n_sigma, -1, kUnbounded, false, "-1 or 0 (off) or a positive number"},
    {"typical_p", &SamplingParams::typical_p, 0, 1, true, "above 0 and at most 1"},
    {"xtc_threshold", &SamplingParams::xtc_threshold, 0, 1, false, "from 0 to 1"},
    {"xtc_probability", &SamplingParams::xtc_probability, 0, 1, false, "from 0 to 1"},
    {"mirostat_tau", &SamplingParams::mirostat_tau, 0, kUnbounded, false, "a number of at least 0"},
    {"mirostat_eta", &SamplingParams::mirostat_eta, 0, 1, false, "from 0 to 1"},
    {"dry_multiplier", &SamplingParams::dry_multiplier, 0, kUnbounded, false, "a number of at least 0"},
    {"dry_base", &SamplingParams::dry_base, 1, kUnbounded, false, "a number of at least 1"},
};

struct IntegerRule {
    std::string_view name;
    std::optional<int32_t> SamplingParams::*member;
    int32_t low, high;
    std::string_view range;
};
constexpr IntegerRule kIntegers[] = {
    {"repeat_last_n", &SamplingParams::repeat_last_n, -1, INT32_MAX, "-1 (all), 0 (off) or a positive number"},
    {"mirostat", &SamplingParams::mirostat, 0, 2, "0 (off), 1 or 2"},
    {"dry_allowed_length", &SamplingParams::dry_allowed_length, 1, INT32_MAX, "at least 1"},
    {"dry_penalty_last_n", &SamplingParams::dry_penalty_last_n, -1, INT32_MAX,
     "-1 (all), 0 (off) or a positive number"},
};

Status check_texts(std::string_view name, const std::vector<std::string>& texts) {
    if (texts.size() > kMaxSamplingTexts) {
        return out_of_range(fmt::format("the number of {}", name), texts.size(),
                            fmt::format("at most {}", kMaxSamplingTexts));
    }
    for (size_t i = 0; i < texts.size(); ++i) {
        if (texts[i].empty() || texts[i].size() > kMaxSamplingTextBytes || !is_valid_utf8(texts[i])) {
            return Error{Code::kInvalidArgument,
                         fmt::format("{}[{}] is {}; it must be a text of 1 to {} bytes", name, i,
                                     texts[i].empty()                          ? "empty"
                                     : texts[i].size() > kMaxSamplingTextBytes ? "too long"
                                                                               : "not valid UTF-8",
                                     kMaxSamplingTextBytes)};
        }
    }
    return ok();
}

Status check_sampling(const SamplingParams& s) {
    for (const NumberRule& rule : kNumbers) {
        const std::optional<double>& v = s.*rule.member;
        if (v && !(std::isfinite(*v) && *v >= rule.low && *v <= rule.high && !(rule.open_low && *v == rule.low))) {
            return out_of_range(fmt::format("sampling.{}", rule.name), *v, rule.range);
        }
    }
    for (const IntegerRule& rule : kIntegers) {
        const std::optional<int32_t>& v = s.*rule.member;
        if (v && (*v < rule.low || *v > rule.high)) {
            return out_of_range(fmt::format("sampling.{}", rule.name), *v, rule.range);
        }
    }
    if (s.top_k && (*s.top_k < -1 || *s.top_k > INT32_MAX)) {
        return out_of_range("sampling.top_k", *s.top_k, "-1 or 0 (off) or a positive 32-bit number");
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
    if (s.dry_sequence_breakers) {
        GANTRY_CHECK_OK(check_texts("sampling.dry_sequence_breakers", *s.dry_sequence_breakers));
    }
    GANTRY_CHECK_OK(check_texts("sampling.bad_words", s.bad_words));
    if (s.allowed_token_ids) {
        if (s.allowed_token_ids->empty()) {
            return Error{Code::kInvalidArgument, "sampling.allowed_token_ids is empty; it must have at least one id"};
        }
        for (const int32_t id : *s.allowed_token_ids) {
            if (id < 0) {
                return out_of_range("a member of sampling.allowed_token_ids", id, "a token id");
            }
        }
    }
    return ok();
}

constexpr size_t kMaxGrammarBytes = size_t{1} << 20;
constexpr size_t kMaxMarkerBytes = 256;

Status check_grammar(const GrammarSpec& g) {
    if (g.text.size() > kMaxGrammarBytes) {
        return out_of_range("the length of grammar.text", g.text.size(), fmt::format("at most {}", kMaxGrammarBytes));
    }
    if (g.start_after.size() > kMaxMarkerBytes) {
        return out_of_range("the length of grammar.start_after", g.start_after.size(),
                            fmt::format("at most {}", kMaxMarkerBytes));
    }
    return ok();
}

Status check_beams(const GenerateRequest& r) {
    if (int64_t{r.beams->width} < r.n || r.beams->width > static_cast<uint32_t>(kMaxAnswers)) {
        return out_of_range("beams.width", r.beams->width, fmt::format("from n, which is {}, to {}", r.n, kMaxAnswers));
    }
    if (!(std::abs(r.beams->length_penalty) <= 10)) {
        return out_of_range("beams.length_penalty", r.beams->length_penalty, "from -10 to 10");
    }
    const std::pair<std::string_view, bool> excluded[] = {{"stop", !r.stop.empty()},
                                                          {"top_logprobs", r.top_logprobs.has_value()},
                                                          {"best_of", r.best_of.has_value()},
                                                          {"context_shift", r.context_shift},
                                                          {"grammar", r.grammar.has_value()}};
    for (const auto& [name, given] : excluded) {
        if (given) {
            return Error{Code::kInvalidArgument, fmt::format("{} is not possible with a beam search", name),
                         "leave one of them out"};
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
    if (r.prompt_logprobs && *r.prompt_logprobs > kMaxTopLogprobs) {
        return out_of_range("prompt_logprobs", *r.prompt_logprobs, fmt::format("from 0 to {}", kMaxTopLogprobs));
    }
    if (r.best_of && (*r.best_of < r.n || *r.best_of > kMaxAnswers)) {
        return out_of_range("best_of", *r.best_of, fmt::format("from n, which is {}, to {}", r.n, kMaxAnswers));
    }
    if (r.beams) {
        GANTRY_CHECK_OK(check_beams(r));
    }
    if (r.max_tokens && r.min_tokens > *r.max_tokens) {
        return out_of_range("min_tokens", r.min_tokens, fmt::format("at most max_tokens, which is {}", *r.max_tokens));
    }
    if (std::abs(int64_t{r.priority}) > kMaxPriority) {
        return out_of_range("priority", r.priority, fmt::format("from -{0} to {0}", kMaxPriority));
    }
    if (r.share_key.size() > kMaxShareKey) {
        return out_of_range("the length of share_key", r.share_key.size(),
                            fmt::format("at most {} bytes", kMaxShareKey));
    }
    if (r.cache_salt.size() > kMaxShareKey) {
        return out_of_range("the length of cache_salt", r.cache_salt.size(),
                            fmt::format("at most {} bytes", kMaxShareKey));
    }
    if (r.deadline_ms && (*r.deadline_ms == 0 || *r.deadline_ms > kMaxDeadlineMs)) {
        return out_of_range("deadline_ms", *r.deadline_ms, fmt::format("from 1 to {}", kMaxDeadlineMs));
    }
    if (r.grammar) {
        GANTRY_CHECK_OK(check_grammar(*r.grammar));
    }
    if (r.truncate_prompt_tokens && *r.truncate_prompt_tokens < 1 && *r.truncate_prompt_tokens != -1) {
        return out_of_range("truncate_prompt_tokens", *r.truncate_prompt_tokens,
                            "the number of tokens to keep, or -1 for what the context holds");
    }
    if (r.n_keep < -1) {
        return out_of_range("n_keep", r.n_keep, "a number of tokens, or -1 for the whole prompt");
    }
    if (r.context_shift && !r.max_tokens) {
        return Error{Code::kInvalidArgument, "context_shift has no end without max_tokens", "set max_tokens"};
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

Status check_tokens(std::span<const int32_t> prompt, const SamplingParams& sampling, uint32_t vocab_size) {
    const auto known = [&](int64_t id) { return id >= 0 && id < int64_t{vocab_size}; };
    const auto unknown = [&](std::string_view where, int32_t id) {
        return Error{Code::kInvalidArgument,
                     fmt::format("{} {}; the model's vocabulary has {}", where, id, vocab_size)};
    };
    for (size_t i = 0; i < prompt.size(); ++i) {
        if (!known(prompt[i])) {
            return unknown(fmt::format("prompt token {} is", i), prompt[i]);
        }
    }
    for (const auto& [id, bias] : sampling.logit_bias) {
        if (!known(id)) {
            return unknown("sampling.logit_bias has token", id);
        }
    }
    for (const int32_t id : sampling.allowed_token_ids.value_or(std::vector<int32_t>())) {
        if (!known(id)) {
            return unknown("sampling.allowed_token_ids has token", id);
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
