// GenerateRequest as JSON. Unknown members are refused: a front that asks for something that this runner does not know
// must hear so, not be answered without it. Absent and null are the same.

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "runtime/engine/request_checks.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::engine {
namespace {

namespace json = boost::json;

std::string_view kind_name(const json::value& v) {
    switch (v.kind()) {
        case json::kind::null:
            return "null";
        case json::kind::bool_:
            return "a boolean";
        case json::kind::int64:
        case json::kind::uint64:
        case json::kind::double_:
            return "a number";
        case json::kind::string:
            return "a string";
        case json::kind::array:
            return "an array";
        case json::kind::object:
            return "an object";
    }
    return "something else";
}

constexpr std::array<std::string_view, 4> kToolChoices{"auto", "none", "required", "named"};  // by ToolChoice
std::string_view tool_choice_name(ToolChoice choice) { return kToolChoices.at(static_cast<size_t>(choice)); }

/// Reads members of one object into fields; the first error sticks.
class Decoder {
  public:
    Decoder(const json::value& v, std::string path) : path_(std::move(path)), object_(v.if_object()) {
        if (object_ == nullptr) {
            wrong(path_.empty() ? "the request" : path_, "an object", v);
        }
    }

    /// The member, unless absent or null or something has failed.
    const json::value* find(std::string_view key) {
        known_.push_back(key);
        const json::value* v = object_ != nullptr && status_ ? object_->if_contains(key) : nullptr;
        return v != nullptr && !v->is_null() ? v : nullptr;
    }

    template <class T>
    void read(std::string_view key, T& out) {
        if (const json::value* v = find(key)) {
            convert(*v, child(key), out);
        }
    }
    template <class T>
    void read(std::string_view key, std::optional<T>& out) {
        if (const json::value* v = find(key)) {
            convert(*v, child(key), out.emplace());
        }
    }
    template <class T>
    void read(std::string_view key, std::vector<T>& out) {
        const json::value* v = find(key);
        if (v == nullptr) {
            return;
        }
        const json::array* array = v->if_array();
        if (array == nullptr) {
            wrong(child(key), "an array", *v);
            return;
        }
        for (size_t i = 0; i < array->size() && status_; ++i) {
            convert((*array)[i], fmt::format("{}[{}]", child(key), i), out.emplace_back());
        }
    }
    template <class T>
    void read(std::string_view key, std::optional<std::vector<T>>& out) {
        if (find(key) != nullptr) {
            read(key, out.emplace());
        }
    }
    void read(std::string_view key, std::map<int32_t, double>& out) {
        const json::value* v = find(key);
        if (v == nullptr) {
            return;
        }
        const json::object* object = v->if_object();
        if (object == nullptr) {
            wrong(child(key), "an object", *v);
            return;
        }
        for (const auto& member : *object) {
            const std::string_view name = member.key();
            int32_t id = 0;
            const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), id);
            if (ec != std::errc() || end != name.data() + name.size() || id < 0) {
                fail(fmt::format("{} has the key \"{}\"; its keys must be token ids", child(key), name));
                return;
            }
            convert(member.value(), fmt::format("{}.{}", child(key), name), out[id]);
        }
    }

    void fail(std::string message) {
        if (status_) {
            status_ = Error{Code::kInvalidArgument, std::move(message)};
        }
    }
    std::string child(std::string_view key) const {
        return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
    }
    /// Also fails for a member that nobody asked for.
    Status finish() {
        if (object_ != nullptr && status_) {
            for (const auto& member : *object_) {
                if (std::ranges::find(known_, std::string_view(member.key())) == known_.end()) {
                    fail(fmt::format("{} is unknown; known are {}", child(member.key()), fmt::join(known_, ", ")));
                }
            }
        }
        return status_;
    }

  private:
    void wrong(std::string_view path, std::string_view expected, const json::value& v) {
        fail(fmt::format("{} must be {}, but is {}", path, expected, kind_name(v)));
    }
    void convert(const json::value& v, const std::string& path, bool& out) {
        v.is_bool() ? static_cast<void>(out = v.get_bool()) : wrong(path, "a boolean", v);
    }
    void convert(const json::value& v, const std::string& path, double& out) {
        if (!v.is_number()) {
            wrong(path, "a number", v);
            return;
        }
        out = v.to_number<double>();
    }
    void convert(const json::value& v, const std::string& path, std::string& out) {
        if (!v.is_string()) {
            wrong(path, "a string", v);
            return;
        }
        out = std::string_view(v.get_string());
        if (!is_valid_utf8(out)) {
            fail(path + " is not valid UTF-8");
        }
    }
    void convert(const json::value& v, const std::string& path, json::array& out) {
        v.is_array() ? static_cast<void>(out = v.get_array()) : wrong(path, "an array", v);
    }
    void convert(const json::value& v, const std::string& path, json::object& out) {
        v.is_object() ? static_cast<void>(out = v.get_object()) : wrong(path, "an object", v);
    }
    void convert(const json::value& v, const std::string& path, DraftSource& out) {
        std::string name;
        convert(v, path, name);
        const auto source = draft_source_from(name);
        if (status_ && !source) {
            fail(fmt::format("{} is \"{}\"; it must be off, auto, ngram, suffix or draft", path, name));
        }
        out = source.value_or(DraftSource::kOff);
    }
    template <std::integral T>
    void convert(const json::value& v, const std::string& path, T& out) {
        if (!v.is_number()) {
            wrong(path, "an integer", v);
            return;
        }
        json::error_code ec;
        out = v.to_number<T>(ec);  // takes 3.0, refuses 3.5 and what is out of range
        if (ec) {
            fail(fmt::format("{} is {}; it must be an integer from {} to {}", path, json::serialize(v),
                             std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
        }
    }

    std::string path_;
    const json::object* object_;
    std::vector<std::string_view> known_;
    Status status_ = ok();
};

Status read_input(const json::value& v, GenerateRequest& r) {
    Decoder in(v, "input");
    const bool has_text = in.find("text") != nullptr;
    const bool has_tokens = in.find("tokens") != nullptr;
    const bool has_messages = in.find("messages") != nullptr;
    if (v.is_object() && has_text + has_tokens + has_messages != 1) {
        in.fail("input must have exactly one of text, tokens and messages");
    } else if (has_tokens) {
        in.read("tokens", r.input.emplace<TokenInput>().ids);
    } else if (has_text) {
        auto& text = r.input.emplace<TextInput>();
        in.read("text", text.text);
        in.read("add_special", text.add_special);
    } else {
        auto& chat = r.input.emplace<ChatInput>();
        in.read("messages", chat.messages);
        in.read("tools", chat.tools);
        in.read("template_kwargs", chat.template_kwargs);
        in.read("add_generation_prompt", chat.add_generation_prompt);
        std::string choice(tool_choice_name(chat.tool_choice));
        in.read("tool_choice", choice);
        const auto* const known = std::ranges::find(kToolChoices, choice);
        if (known == kToolChoices.end()) {
            in.fail(fmt::format("input.tool_choice is \"{}\"; it must be one of {}", choice,
                                fmt::join(kToolChoices, ", ")));
        } else {
            chat.tool_choice = static_cast<ToolChoice>(known - kToolChoices.begin());
        }
        in.read("tool_name", chat.tool_name);
        in.read("parallel_tool_calls", chat.parallel_tool_calls);
        in.read("reasoning_budget", chat.reasoning_budget);
        in.read("separate_reasoning", chat.separate_reasoning);
    }
    return in.finish();
}

constexpr std::pair<std::string_view, std::optional<double> SamplingParams::*> kNumbers[] = {
    {"dynatemp_range", &SamplingParams::dynatemp_range}, {"dynatemp_exponent", &SamplingParams::dynatemp_exponent},
    {"top_n_sigma", &SamplingParams::top_n_sigma},       {"typical_p", &SamplingParams::typical_p},
    {"xtc_threshold", &SamplingParams::xtc_threshold},   {"xtc_probability", &SamplingParams::xtc_probability},
    {"mirostat_tau", &SamplingParams::mirostat_tau},     {"mirostat_eta", &SamplingParams::mirostat_eta},
    {"dry_multiplier", &SamplingParams::dry_multiplier}, {"dry_base", &SamplingParams::dry_base},
};
constexpr std::pair<std::string_view, std::optional<int32_t> SamplingParams::*> kIntegers[] = {
    {"repeat_last_n", &SamplingParams::repeat_last_n},
    {"mirostat", &SamplingParams::mirostat},
    {"dry_allowed_length", &SamplingParams::dry_allowed_length},
    {"dry_penalty_last_n", &SamplingParams::dry_penalty_last_n},
};

Status read_sampling(const json::value& v, SamplingParams& s) {
    Decoder in(v, "sampling");
    in.read("temperature", s.temperature);
    in.read("top_k", s.top_k);
    in.read("top_p", s.top_p);
    in.read("min_p", s.min_p);
    in.read("repetition_penalty", s.repetition_penalty);
    in.read("frequency_penalty", s.frequency_penalty);
    in.read("presence_penalty", s.presence_penalty);
    in.read("logit_bias", s.logit_bias);
    in.read("seed", s.seed);
    for (const auto& [name, member] : kNumbers) {
        in.read(name, s.*member);
    }
    for (const auto& [name, member] : kIntegers) {
        in.read(name, s.*member);
    }
    in.read("dry_sequence_breakers", s.dry_sequence_breakers);
    in.read("bad_words", s.bad_words);
    in.read("allowed_token_ids", s.allowed_token_ids);
    return in.finish();
}

struct GrammarKindName {
    GrammarSpec::Kind kind;
    std::string_view name;
};
constexpr std::array kGrammarKinds{GrammarKindName{GrammarSpec::Kind::kJsonObject, "json_object"},
                                   GrammarKindName{GrammarSpec::Kind::kJsonSchema, "json_schema"},
                                   GrammarKindName{GrammarSpec::Kind::kRegex, "regex"},
                                   GrammarKindName{GrammarSpec::Kind::kChoice, "choice"},
                                   GrammarKindName{GrammarSpec::Kind::kGrammar, "grammar"},
                                   GrammarKindName{GrammarSpec::Kind::kStructuralTag, "structural_tag"}};

Status read_grammar(const json::value& v, GrammarSpec& g) {
    Decoder in(v, "grammar");
    std::string kind;
    in.read("kind", kind);
    in.read("text", g.text);
    in.read("syntax", g.syntax);
    in.read("choices", g.choices);
    in.read("start_after", g.start_after);
    const auto known = std::ranges::find(kGrammarKinds, kind, &GrammarKindName::name);
    if (known != kGrammarKinds.end()) {
        g.kind = known->kind;
    } else {
        in.fail(fmt::format("grammar.kind is \"{}\", which is unknown", kind));
    }
    return in.finish();
}

json::object grammar_json(const GrammarSpec& g) {
    json::object out;
    out["kind"] = std::ranges::find(kGrammarKinds, g.kind, &GrammarKindName::kind)->name;
    out["text"] = g.text;
    out["syntax"] = g.syntax;
    out["choices"] = json::value_from(g.choices);
    out["start_after"] = g.start_after;
    return out;
}

constexpr EarlyStopping kEarlyStopping[] = {EarlyStopping::kNo, EarlyStopping::kYes, EarlyStopping::kNever};
std::string_view early_stopping_name(EarlyStopping value) {
    return value == EarlyStopping::kNo ? "no" : value == EarlyStopping::kYes ? "yes" : "never";
}

Status read_beams(const json::value& v, BeamParams& beams) {
    Decoder in(v, "beams");
    in.read("width", beams.width);
    in.read("length_penalty", beams.length_penalty);
    std::string early = "no";
    in.read("early_stopping", early);
    const auto known = std::ranges::find(kEarlyStopping, early, early_stopping_name);
    if (known == std::end(kEarlyStopping)) {
        in.fail("beams.early_stopping is \"" + early + "\"; it must be \"no\", \"yes\" or \"never\"");
        return in.finish();
    }
    beams.early_stopping = *known;
    return in.finish();
}

template <class T>
void put(json::object& out, std::string_view key, const std::optional<T>& value) {
    if (value) {
        out[key] = *value;
    }
}

json::object input_json(const GenerateRequest& r) {
    json::object out;
    if (const auto* chat = std::get_if<ChatInput>(&r.input)) {
        out["messages"] = chat->messages;
        out["tools"] = chat->tools;
        out["template_kwargs"] = chat->template_kwargs;
        out["add_generation_prompt"] = chat->add_generation_prompt;
        out["tool_choice"] = tool_choice_name(chat->tool_choice);
        out["tool_name"] = chat->tool_name;
        out["parallel_tool_calls"] = chat->parallel_tool_calls;
        put(out, "reasoning_budget", chat->reasoning_budget);
        out["separate_reasoning"] = chat->separate_reasoning;
    } else if (const auto* text = std::get_if<TextInput>(&r.input)) {
        out["text"] = text->text;
        out["add_special"] = text->add_special;
    } else {
        out["tokens"] = json::value_from(std::get<TokenInput>(r.input).ids);
    }
    return out;
}

json::object sampling_json(const SamplingParams& s) {
    json::object out;
    put(out, "temperature", s.temperature);
    put(out, "top_k", s.top_k);
    put(out, "top_p", s.top_p);
    put(out, "min_p", s.min_p);
    put(out, "repetition_penalty", s.repetition_penalty);
    out["frequency_penalty"] = s.frequency_penalty;
    out["presence_penalty"] = s.presence_penalty;
    json::object bias;
    for (const auto& [id, value] : s.logit_bias) {
        bias[std::to_string(id)] = value;
    }
    out["logit_bias"] = std::move(bias);
    put(out, "seed", s.seed);
    for (const auto& [name, member] : kNumbers) {
        put(out, name, s.*member);
    }
    for (const auto& [name, member] : kIntegers) {
        put(out, name, s.*member);
    }
    if (s.dry_sequence_breakers) {
        out["dry_sequence_breakers"] = json::value_from(*s.dry_sequence_breakers);
    }
    if (!s.bad_words.empty()) {
        out["bad_words"] = json::value_from(s.bad_words);
    }
    if (s.allowed_token_ids) {
        out["allowed_token_ids"] = json::value_from(*s.allowed_token_ids);
    }
    return out;
}

}  // namespace

json::object to_json(const GenerateRequest& r) {
    json::object out;
    out["id"] = r.id;
    out["input"] = input_json(r);
    out["sampling"] = sampling_json(r.sampling);
    put(out, "max_tokens", r.max_tokens);
    out["min_tokens"] = r.min_tokens;
    out["stop"] = json::value_from(r.stop);
    out["stop_token_ids"] = json::value_from(r.stop_token_ids);
    out["ignore_eos"] = r.ignore_eos;
    out["echo"] = r.echo;
    put(out, "top_logprobs", r.top_logprobs);
    if (r.logprobs_mode == LogprobsMode::kProcessed) {
        out["logprobs_mode"] = "processed";
    }
    put(out, "prompt_logprobs", r.prompt_logprobs);
    put(out, "best_of", r.best_of);
    if (r.beams) {
        out["beams"] = {{"width", r.beams->width},
                        {"length_penalty", r.beams->length_penalty},
                        {"early_stopping", early_stopping_name(r.beams->early_stopping)}};
    }
    out["deterministic"] = r.deterministic;
    out["n"] = r.n;
    out["priority"] = r.priority;
    if (r.speculative) {
        out["speculative"] = draft_source_name(*r.speculative);
    }
    out["prediction"] = r.prediction;
    if (!r.traceparent.empty()) {
        out["traceparent"] = r.traceparent;
    }
    if (!r.share_key.empty()) {
        out["share_key"] = r.share_key;
    }
    put(out, "deadline_ms", r.deadline_ms);
    out["report_queue"] = r.report_queue;
    if (!r.cache_salt.empty()) {
        out["cache_salt"] = r.cache_salt;
    }
    out["cache_pin"] = r.cache_pin;
    out["cache_debug"] = r.cache_debug;
    if (r.grammar) {
        out["grammar"] = grammar_json(*r.grammar);
    }
    out["adapter"] = r.adapter;
    put(out, "truncate_prompt_tokens", r.truncate_prompt_tokens);
    out["context_shift"] = r.context_shift;
    out["n_keep"] = r.n_keep;
    return out;
}

Result<GenerateRequest> generate_request_from_json(const json::value& value) {
    GenerateRequest r;
    Decoder in(value, "");
    in.read("id", r.id);
    const json::value* const input = in.find("input");
    if (value.is_object() && input == nullptr) {
        in.fail("input is missing; it must be an object with text, tokens or messages");
    }
    const json::value* const sampling = in.find("sampling");
    in.read("max_tokens", r.max_tokens);
    in.read("min_tokens", r.min_tokens);
    in.read("stop", r.stop);
    in.read("stop_token_ids", r.stop_token_ids);
    in.read("ignore_eos", r.ignore_eos);
    in.read("echo", r.echo);
    in.read("top_logprobs", r.top_logprobs);
    std::string mode = "raw";
    in.read("logprobs_mode", mode);
    if (mode != "raw" && mode != "processed") {
        in.fail("logprobs_mode is \"" + mode + "\"; it must be \"raw\" or \"processed\"");
    }
    r.logprobs_mode = mode == "raw" ? LogprobsMode::kRaw : LogprobsMode::kProcessed;
    in.read("prompt_logprobs", r.prompt_logprobs);
    in.read("best_of", r.best_of);
    const json::value* const beams = in.find("beams");
    in.read("deterministic", r.deterministic);
    in.read("n", r.n);
    in.read("priority", r.priority);
    in.read("speculative", r.speculative);
    in.read("prediction", r.prediction);
    in.read("traceparent", r.traceparent);
    in.read("share_key", r.share_key);
    in.read("deadline_ms", r.deadline_ms);
    in.read("report_queue", r.report_queue);
    in.read("cache_salt", r.cache_salt);
    in.read("cache_pin", r.cache_pin);
    in.read("cache_debug", r.cache_debug);
    const json::value* const grammar = in.find("grammar");
    in.read("adapter", r.adapter);
    in.read("truncate_prompt_tokens", r.truncate_prompt_tokens);
    in.read("context_shift", r.context_shift);
    in.read("n_keep", r.n_keep);
    GANTRY_CHECK_OK(in.finish());
    GANTRY_CHECK_OK(read_input(*input, r));
    if (sampling != nullptr) {
        GANTRY_CHECK_OK(read_sampling(*sampling, r.sampling));
    }
    if (grammar != nullptr) {
        GANTRY_CHECK_OK(read_grammar(*grammar, r.grammar.emplace()));
    }
    if (beams != nullptr) {
        GANTRY_CHECK_OK(read_beams(*beams, r.beams.emplace()));
    }
    GANTRY_CHECK_OK(check_ranges(r));
    return r;
}

}  // namespace gantry::engine
