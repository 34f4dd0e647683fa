#include "api/dialects/openai/fields.hpp"

#include <fmt/core.h>

#include <limits>

#include "api/dialects/openai/grammar_fields.hpp"
#include "api/dialects/openai/sampling_fields.hpp"
#include "runtime/engine/request_checks.hpp"

namespace gantry::dialects::openai {

namespace bj = boost::json;

namespace {

constexpr int64_t kMaxAnswers = 16;
constexpr size_t kMaxStops = 16;
constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();

bool fits_token(int64_t id) { return id >= 0 && id <= std::numeric_limits<int32_t>::max(); }

void read_stops(json::Reader& reader, engine::GenerateRequest& request) {
    if (auto stops = reader.strings("stop", true)) {
        if (stops->size() > kMaxStops) {
            reader.fail("stop", "at most " + std::to_string(kMaxStops) + " stop texts are possible");
        }
        for (const std::string& stop : *stops) {
            if (stop.empty()) {
                reader.fail("stop", "a stop text must not be empty");
            }
        }
        request.stop = std::move(*stops);
    }
    if (const auto ids = reader.integers("stop_token_ids", true)) {
        for (const int64_t id : *ids) {
            if (!fits_token(id)) {
                reader.fail("stop_token_ids", std::to_string(id) + " is no token id");
                return;
            }
            request.stop_token_ids.push_back(static_cast<int32_t>(id));
        }
    }
    request.ignore_eos = reader.boolean("ignore_eos").value_or(false);
}

void read_scheduling(json::Reader& reader, engine::GenerateRequest& request) {
    request.share_key = reader.string("user").value_or("");
    if (request.share_key.size() > engine::kMaxShareKey) {
        reader.fail("user", fmt::format("must have at most {} bytes", engine::kMaxShareKey));
    }
    constexpr int64_t kMost = engine::kMaxPriority;
    request.priority = static_cast<int32_t>(reader.integer("priority", -kMost, kMost).value_or(0));
    if (const auto deadline = reader.integer("deadline_ms", 1, engine::kMaxDeadlineMs)) {
        request.deadline_ms = static_cast<uint32_t>(*deadline);
    }
}

void read_cache(json::Reader& reader, engine::GenerateRequest& request) {
    request.cache_salt = reader.string("cache_salt").value_or("");
    if (request.cache_salt.size() > engine::kMaxShareKey) {
        reader.fail("cache_salt", fmt::format("must have at most {} bytes", engine::kMaxShareKey));
    }
    request.cache_pin = reader.boolean("cache_pin").value_or(false);
    request.cache_debug = reader.boolean("cache_debug").value_or(false);
}

/// Where guesses come from, and OpenAI's predicted output; neither changes the answer.
void read_speculation(json::Reader& reader, engine::GenerateRequest& request) {
    if (const auto name = reader.string("speculative")) {
        request.speculative = engine::draft_source_from(*name);
        if (!request.speculative) {
            reader.fail(
                "speculative",
                fmt::format("must be \"off\", \"auto\", \"ngram\", \"suffix\" or \"draft\", not \"{}\"", *name));
        }
    }
    const bj::object* prediction = reader.object("prediction");
    if (!prediction) {
        return;
    }
    const bj::value* content = prediction->if_contains("content");
    const bj::array* parts = content == nullptr ? nullptr : content->if_array();
    if (content != nullptr && content->is_string()) {
        request.prediction = std::string(content->get_string());
    } else if (parts != nullptr) {
        for (const bj::value& part : *parts) {
            const bj::object* object = part.if_object();
            const bj::value* text = object == nullptr ? nullptr : object->if_contains("text");
            if (text == nullptr || !text->is_string()) {
                reader.fail("prediction", "its parts must have a \"text\"");
                return;
            }
            request.prediction += text->get_string();
        }
    } else {
        reader.fail("prediction", "needs a \"content\" that is a string or an array of text parts");
    }
}

/// What happens to a prompt or an answer that the context does not hold.
void read_long_context(json::Reader& reader, engine::GenerateRequest& request) {
    if (const auto keep = reader.integer("truncate_prompt_tokens", -1, kMaxTokens)) {
        if (*keep == 0) {
            reader.fail("truncate_prompt_tokens", "must be -1 (what the context holds) or at least 1");
        }
        request.truncate_prompt_tokens = static_cast<int32_t>(*keep);
    }
    if (const auto truncation = reader.string("truncation")) {
        if (*truncation == "auto") {
            request.truncate_prompt_tokens = request.truncate_prompt_tokens.value_or(-1);
        } else if (*truncation != "disabled") {
            reader.fail("truncation", fmt::format("must be \"auto\" or \"disabled\", not \"{}\"", *truncation));
        }
    }
    request.context_shift = reader.boolean("context_shift").value_or(false);
    if (request.context_shift && !request.max_tokens) {
        reader.fail("context_shift", "needs max_tokens: the answer has no other end");
    }
    request.n_keep = static_cast<int32_t>(reader.integer("n_keep", -1, kMaxTokens).value_or(0));
}

}  // namespace

void read_common(json::Reader& reader, Call& call, engine::GenerateRequest& request) {
    call.model = reader.required_string("model");
    call.request_id = reader.string("request_id").value_or("");
    for (const char* name : {"lora_adapter", "lora_name"}) {
        if (const auto adapter = reader.string(name)) {
            request.adapter = *adapter;
        }
    }
    read_sampling(reader, request.sampling);
    read_stops(reader, request);
    read_speculation(reader, request);
    // The newer name wins; both are checked.
    const auto newer = reader.integer("max_completion_tokens", 1, kMaxTokens);
    const auto older = reader.integer("max_tokens", 1, kMaxTokens);
    if (newer || older) {
        request.max_tokens = static_cast<uint32_t>(newer ? *newer : *older);
    }
    request.min_tokens = static_cast<uint32_t>(reader.integer("min_tokens", 0, kMaxTokens).value_or(0));
    if (request.max_tokens && request.min_tokens > *request.max_tokens) {
        reader.fail("min_tokens", "must not be more than max_tokens");
    }
    read_long_context(reader, request);
    request.n = static_cast<int32_t>(reader.integer("n", 1, kMaxAnswers).value_or(1));
    read_scheduling(reader, request);
    read_cache(reader, request);
    request.deterministic = reader.boolean("deterministic").value_or(false);
    if (const auto mode = reader.choice("logprobs_mode", {"raw", "raw_logprobs", "processed", "processed_logprobs"})) {
        request.logprobs_mode =
            mode->starts_with("raw") ? engine::LogprobsMode::kRaw : engine::LogprobsMode::kProcessed;
    }
    call.stream = reader.boolean("stream").value_or(false);
    call.timings = reader.boolean("timings").value_or(false);
    if (const auto top = reader.integer("prompt_logprobs", 0, engine::kMaxTopLogprobs)) {
        if (call.stream) {
            reader.fail("prompt_logprobs", "is not possible with \"stream\": true", "leave one of them out");
        }
        call.prompt_logprobs = true;
        request.prompt_logprobs = static_cast<uint32_t>(*top);
    }
    if (const bj::object* options = reader.object("stream_options")) {
        json::Reader inner(*options, "stream_options");
        call.include_usage = inner.boolean("include_usage").value_or(false);
        request.report_queue = call.stream && inner.boolean("include_queue").value_or(false);
        inner.known({"include_obfuscation"});
        if (!inner.status()) {
            reader.fail_at(inner.failed_path(), inner.status().error());
        }
        for (const std::string& name : inner.unknown()) {
            call.ignored.push_back("stream_options." + name);
        }
    }
    read_grammar(reader, request);
    // Known, and without effect on the answer.
    reader.known({"metadata", "store", "service_tier", "stream_interval", "prompt_cache_key", "safety_identifier"});
}

void refuse_unsupported(json::Reader& reader) {
    for (const char* name : {"functions", "web_search_options", "audio"}) {
        if (reader.any(name)) {
            reader.fail(name, "is not supported by this version, and would change the answer", "leave it out");
        }
    }
    for (const char* name : {"continue_final_message"}) {
        if (reader.boolean(name).value_or(false)) {
            reader.fail(name, "is not supported by this version, and would change the answer", "leave it out");
        }
    }
    if (const auto modalities = reader.strings("modalities")) {
        for (const std::string& modality : *modalities) {
            if (modality != "text") {
                reader.fail("modalities", fmt::format("only \"text\" is possible, not \"{}\"", modality));
            }
        }
    }
}

}  // namespace gantry::dialects::openai
