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

/// Whether the model may, must or must not call a function.
enum class ToolChoice { kAuto, kNone, kRequired, kNamed };

struct ChatInput {
    boost::json::array messages;          ///< OpenAI's form; content strings or parts already checked to be text
    boost::json::array tools;             ///< empty: none
    boost::json::object template_kwargs;  ///< extra template variables (enable_thinking, ...)
    bool add_generation_prompt = true;
    ToolChoice tool_choice = ToolChoice::kAuto;
    std::string tool_name;                     ///< kNamed: which function
    bool parallel_tool_calls = true;           ///< false: the answer ends with its first call
    std::optional<uint32_t> reasoning_budget;  ///< tokens of reasoning, after which it is made to end
    bool separate_reasoning = true;            ///< false: reasoning stays in the text, tags and all
};
struct TextInput {
    std::string text;
    bool add_special = true;
};
struct TokenInput {
    std::vector<int32_t> ids;
};

/// How the next token is drawn, in the order of docs/engine.md. Unset fields take the model publisher's value where it
/// gives one (temperature to repetition_penalty), then the default in the comment.
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
    std::optional<int32_t> repeat_last_n;      ///< tokens that the three penalties look at; -1: all (default), 0: none
    std::optional<double> dynatemp_range;      ///< >= 0; default 0 (off): temperature varies by so much, by entropy
    std::optional<double> dynatemp_exponent;   ///< >= 0; default 1
    std::optional<double> top_n_sigma;    ///< -1 or 0: off (default); only logits within so many deviations of the best
    std::optional<double> typical_p;      ///< (0, 1]; default 1 (off)
    std::optional<double> xtc_threshold;  ///< [0, 1]; default 0.1; above 0.5: off
    std::optional<double> xtc_probability;      ///< [0, 1]; default 0 (off)
    std::optional<int32_t> mirostat;            ///< 0: off (default), 1 or 2; takes the place of all filters
    std::optional<double> mirostat_tau;         ///< >= 0, bits; default 5
    std::optional<double> mirostat_eta;         ///< [0, 1]; default 0.1
    std::optional<double> dry_multiplier;       ///< >= 0; default 0 (off)
    std::optional<double> dry_base;             ///< >= 1; default 1.75
    std::optional<int32_t> dry_allowed_length;  ///< >= 1; default 2
    std::optional<int32_t> dry_penalty_last_n;  ///< tokens; -1: all (default), 0: off
    std::optional<std::vector<std::string>> dry_sequence_breakers;  ///< default "\n", ":", "\"", "*"
    std::vector<std::string> bad_words;                             ///< texts that the answer must not have
    std::optional<std::vector<int32_t>> allowed_token_ids;          ///< set: no other token is drawn; not empty
};

/// What the answer's text must look like (structured output).
struct GrammarSpec {
    enum class Kind { kJsonObject, kJsonSchema, kRegex, kChoice, kGrammar, kStructuralTag };
    Kind kind = Kind::kJsonObject;
    std::string text;                  ///< the schema's or tags' JSON text, the pattern, or the grammar
    std::string syntax;                ///< of a grammar: "gbnf", "ebnf" or "lark"; empty: told from the text
    std::vector<std::string> choices;  ///< of kChoice
    std::string start_after;           ///< the form holds for what comes behind this text; empty: from the beginning
    bool operator==(const GrammarSpec&) const = default;
};

/// Where guesses at the coming tokens come from (speculative decoding). Never changes an answer.
enum class DraftSource { kOff, kAuto, kNgram, kSuffix, kDraft };
std::string_view draft_source_name(DraftSource source);  ///< "off", "auto", "ngram", "suffix", "draft"
std::optional<DraftSource> draft_source_from(std::string_view name);

enum class LogprobsMode {
    kRaw,       ///< of the model's own logits
    kProcessed  ///< of what the token was drawn from, after bias, penalties, temperature and filters
};

/// When a beam search ends before max_tokens.
enum class EarlyStopping {
    kNo,    ///< when the best running beam, at its present length, is no better than the worst finished one
    kYes,   ///< when there are as many finished beams as the width
    kNever  ///< as kNo, but judged at the length that the running beam could profit from most
};
struct BeamParams {
    uint32_t width = 1;         ///< n..16
    double length_penalty = 1;  ///< [-10, 10]; a finished beam's score is its logprob / tokens^length_penalty
    EarlyStopping early_stopping = EarlyStopping::kNo;
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
    LogprobsMode logprobs_mode = LogprobsMode::kRaw;
    std::optional<uint32_t> prompt_logprobs;  ///< set: a PromptLogprobs event, with so many alternatives (0..20)
    int32_t n = 1;                            ///< answers, 1..16; they share the prompt's blocks
    std::optional<int32_t> best_of;           ///< n..16: so many are made, and the n of the highest logprob shown
    std::optional<BeamParams> beams;          ///< set: nothing is drawn; the n best of a beam search, without logprobs
    bool deterministic = false;               ///< the same answer, to the bit, whatever else the model computes
    std::string traceparent;                  ///< W3C trace context that the request belongs to; empty: none
    int32_t priority = 0;                     ///< higher goes first, -1000..1000; waiting makes up for a lower one
    std::string share_key;                    ///< whose fair share it is counted on (a user, a tenant)
    std::optional<uint32_t> deadline_ms;      ///< from its submission to its end, 1..86400000; too late: an error
    bool report_queue = false;                ///< Queued events while it waits
    std::string cache_salt;                   ///< only requests of the same salt share cached prefixes
    bool cache_pin = false;                   ///< keep the prompt in the prefix cache before others; bounded
    bool cache_debug = false;                 ///< Usage::cache_miss
    std::optional<GrammarSpec> grammar;       ///< unset: any text
    /// Default: as the model was launched.
    std::optional<DraftSource> speculative;
    /// A text that the answer is likely to quote: guesses are taken from it.
    std::string prediction;
    std::string adapter;  ///< name of a loaded adapter; empty: none
    /// Cut a prompt at its beginning to its last so many tokens; -1: to what the context holds beside the answer.
    /// Unset: a prompt that is too long is refused.
    std::optional<int32_t> truncate_prompt_tokens;
    /// Go on past the end of the context: the older half of what comes after the first `n_keep` tokens is dropped and
    /// the rest computed anew. Needs max_tokens.
    bool context_shift = false;
    int32_t n_keep = 0;  ///< -1: the whole prompt
};

enum class FinishReason { kStop, kLength, kCancelled, kToolCalls };
std::string_view finish_name(FinishReason reason);  ///< "stop", "length", "cancelled", "tool_calls"

struct TokenLogprob {
    int32_t id = 0;
    std::string bytes;  ///< the token's raw bytes
    double logprob = 0;
    std::vector<std::pair<int32_t, double>> top;  ///< best first
    std::vector<std::string> top_bytes;           ///< parallel to top
};

/// A piece of a call: its beginning has the name and an id, and any piece a fragment of the arguments' JSON text.
struct ToolCallDelta {
    uint32_t call = 0;  ///< which call of the answer
    std::string id, name, arguments;
};

struct Delta {
    uint32_t index = 0;     ///< which of the n answers
    std::string text;       ///< whole characters; may be empty when only logprobs or ids come
    std::string reasoning;  ///< chats: before `text`, as `tool_calls` come after it
    std::vector<ToolCallDelta> tool_calls;
    std::vector<int32_t> ids;
    std::vector<TokenLogprob> logprobs;
};
/// How a request that waits stands, for those that have asked; whenever it has moved.
struct Queued {
    uint64_t position = 1;                    ///< 1: the next to be admitted
    std::optional<double> estimated_seconds;  ///< until its first token; none before there are measurements
};
/// Before any Delta, where asked for.
struct PromptLogprobs {
    /// One a token of the prompt. The first has a logprob of minus infinity: nothing comes before it.
    std::vector<TokenLogprob> tokens;
};
struct Finish {
    uint32_t index = 0;
    FinishReason reason = FinishReason::kStop;
    std::string tool_error = {};  ///< what was wrong with a call that was left as text; empty: nothing
    std::string stop_text = {};   ///< the stop text that ended the answer; empty: something else did
};
/// Seconds between one token and the next of the same answer; 0 where there were not two.
struct TokenGaps {
    double p50 = 0, p90 = 0, p99 = 0;
};
/// Why the prefix cache gave no more of a prompt.
struct CacheMiss {
    std::string reason;  ///< "none", "off", "new", "new_salt", "differs", "evicted"
    uint64_t at = 0;     ///< the first token that it did not have
    bool operator==(const CacheMiss&) const = default;
};

/// Once, after every answer has finished.
struct Usage {
    uint64_t prompt_tokens = 0;
    uint64_t cached_tokens = 0;  ///< of the prompt, found in the prefix cache
    uint64_t completion_tokens = 0;
    std::optional<CacheMiss> cache_miss = std::nullopt;  ///< where it was asked for
    double queue_seconds = 0, prefill_seconds = 0, decode_seconds = 0;
    double first_token_seconds = 0;  ///< from the request's arrival to its first token; 0 where none came
    TokenGaps gaps;
    uint64_t accepted_draft_tokens = 0, rejected_draft_tokens = 0;  ///< of those guessed and verified
    uint64_t truncated_tokens = 0;  ///< cut from the prompt, because the request asked for it; not in prompt_tokens
    uint64_t context_shifts = 0;    ///< times that the context was shifted, over all answers
    uint64_t reasoning_tokens = 0;  ///< of the completion
};
/// Any number of Queued, perhaps PromptLogprobs, then any number of Delta and one Finish an index, then Usage; or, at
/// any point, one Error, which is the last.
using Event = std::variant<Delta, Finish, Usage, Error, Queued, PromptLogprobs>;

/// JSON forms, as they travel between front and runner: one object a request, one line an event.
boost::json::object to_json(const GenerateRequest& request);
Result<GenerateRequest> generate_request_from_json(const boost::json::value& value);
void append_json_line(const Event& event, std::string& out);
Result<Event> event_from_json(std::string_view line);

}  // namespace gantry::engine
