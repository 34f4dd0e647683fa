#pragma once

/// What a client asks of a model and what it gets, in the one form that all dialects share.

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace gantry::engine {

struct ChatInput {
    boost::json::array messages;          ///< OpenAI's form; content strings or parts already checked to be text
    boost::json::array tools;             ///< empty: none
    boost::json::object template_kwargs;  ///< extra template variables (enable_thinking, ...)
    bool add_generation_prompt = true;
};
struct TextInput {
    std::string text;
    bool add_special = true;
};
struct TokenInput {
    std::vector<int32_t> ids;
};

/// How the next token is drawn. Unset fields take the model publisher's value, then the default in the comment.
struct SamplingParams {
    std::optional<double> temperature;         ///< >= 0; default 1 (0: greedy)
    std::optional<int64_t> top_k;              ///< 0 or -1: off (default)
    std::optional<double> top_p;               ///< (0, 1]; default 1
    std::optional<double> min_p;               ///< [0, 1]; default 0
    std::optional<double> repetition_penalty;  ///< > 0; default 1; over prompt and answer
    double frequency_penalty = 0;              ///< [-2, 2]; over the answer
    double presence_penalty = 0;               ///< [-2, 2]; over the answer
    std::map<int32_t, double> logit_bias;      ///< token id -> added to its logit, [-100, 100]
    std::optional<uint64_t> seed;              ///< same seed, prompt and model: same answer
};

struct GenerateRequest {
    std::string id;  ///< unique in the runner; the front makes it
    std::variant<TextInput, TokenInput, ChatInput> input;
    SamplingParams sampling;
    std::optional<uint32_t> max_tokens;  ///< default: what is left of the context
    uint32_t min_tokens = 0;
    std::vector<std::string> stop;        ///< texts that end the answer; not part of it
    std::vector<int32_t> stop_token_ids;  ///< beside the model's own end tokens
    bool ignore_eos = false;
    bool echo = false;                     ///< completions: the prompt's text comes first
    std::optional<uint32_t> top_logprobs;  ///< set: logprobs wanted, with so many alternatives (0..20)
    int32_t n = 1;                         ///< answers, 1..16; they share the prompt's blocks
    int32_t priority = 0;                  ///< higher goes first
    std::string traceparent;               ///< W3C trace context that the request belongs to; empty: none
};

enum class FinishReason { kStop, kLength, kCancelled };
std::string_view finish_name(FinishReason reason);  ///< "stop", "length", "cancelled"

struct TokenLogprob {
    int32_t id = 0;
    std::string bytes;  ///< the token's raw bytes
    double logprob = 0;
    std::vector<std::pair<int32_t, double>> top;  ///< best first
    std::vector<std::string> top_bytes;           ///< parallel to top
};

struct Delta {
    uint32_t index = 0;  ///< which of the n answers
    std::string text;    ///< whole characters; may be empty when only logprobs or ids come
    std::vector<int32_t> ids;
    std::vector<TokenLogprob> logprobs;
};
struct Finish {
    uint32_t index = 0;
    FinishReason reason = FinishReason::kStop;
};
/// Seconds between one token and the next of the same answer; 0 where there were not two.
struct TokenGaps {
    double p50 = 0, p90 = 0, p99 = 0;
};
/// Once, after every answer has finished.
struct Usage {
    uint64_t prompt_tokens = 0;
    uint64_t cached_tokens = 0;  ///< of the prompt, found in the prefix cache
    uint64_t completion_tokens = 0;
    double queue_seconds = 0, prefill_seconds = 0, decode_seconds = 0;
    double first_token_seconds = 0;  ///< from the request's arrival to its first token; 0 where none came
    TokenGaps gaps;
};
/// Any number of Delta and one Finish an index, then Usage; or, at any point, one Error, which is the last.
using Event = std::variant<Delta, Finish, Usage, Error>;

/// JSON forms, as they travel between front and runner: one object a request, one line an event.
boost::json::object to_json(const GenerateRequest& request);
Result<GenerateRequest> generate_request_from_json(const boost::json::value& value);
void append_json_line(const Event& event, std::string& out);
Result<Event> event_from_json(std::string_view line);

}  // namespace gantry::engine
