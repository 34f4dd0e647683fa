// Events as lines of JSON:
//   {"delta":{"index":0,"text":"Hi","ids":[42],"logprobs":[{"id":42,"bytes":[72,105],"logprob":-0.1,"top":[...]}]}}
//   {"queued":{"position":4,"estimated_seconds":1.5}}
//   {"prompt_logprobs":[{"id":1,"bytes":[],"logprob":null},{"id":42,...}]}
//   {"finish":{"index":0,"reason":"stop"}}
//   {"usage":{"prompt_tokens":9,"cached_tokens":0,"completion_tokens":3,"queue_seconds":0.1,...}}
//   {"error":{"code":"invalid_argument","message":"...","hint":"..."}}
// Bytes are arrays of numbers, because a token may be half a character. A logprob of minus infinity is null.

#include <cmath>
#include <limits>
#include <optional>

#include "runtime/engine/json_text.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::engine {
namespace {

template <class Range, class F>
void append_array(const Range& range, std::string& out, F&& append) {
    out += '[';
    bool first = true;
    for (const auto& element : range) {
        if (!first) {
            out += ',';
        }
        first = false;
        append(element);
    }
    out += ']';
}

void append_token(int32_t id, std::string_view bytes, double logprob, std::string& out) {
    out += "{\"id\":";
    append_json_number(id, out);
    out += ",\"bytes\":";
    append_array(bytes, out, [&](char c) { append_json_number(uint32_t{static_cast<unsigned char>(c)}, out); });
    out += ",\"logprob\":";
    append_json_number(logprob, out);
}

void append(const TokenLogprob& token, std::string& out) {
    append_token(token.id, token.bytes, token.logprob, out);
    if (!token.top.empty()) {
        out += ",\"top\":";
        size_t i = 0;
        append_array(token.top, out, [&](const auto& alternative) {
            const std::string_view bytes = i < token.top_bytes.size() ? token.top_bytes[i] : std::string_view();
            append_token(alternative.first, bytes, alternative.second, out);
            out += '}';
            ++i;
        });
    }
    out += '}';
}

void append(const ToolCallDelta& call, std::string& out) {
    out += "{\"call\":";
    append_json_number(call.call, out);
    out += ",\"id\":";
    append_json_string(call.id, out);
    out += ",\"name\":";
    append_json_string(call.name, out);
    out += ",\"arguments\":";
    append_json_string(call.arguments, out);
    out += '}';
}

void append(const Delta& delta, std::string& out) {
    out += "{\"delta\":{\"index\":";
    append_json_number(delta.index, out);
    out += ",\"text\":";
    append_json_string(delta.text, out);
    if (!delta.reasoning.empty()) {
        out += ",\"reasoning\":";
        append_json_string(delta.reasoning, out);
    }
    if (!delta.tool_calls.empty()) {
        out += ",\"tool_calls\":";
        append_array(delta.tool_calls, out, [&](const ToolCallDelta& call) { append(call, out); });
    }
    if (!delta.ids.empty()) {
        out += ",\"ids\":";
        append_array(delta.ids, out, [&](int32_t id) { append_json_number(id, out); });
    }
    if (!delta.logprobs.empty()) {
        out += ",\"logprobs\":";
        append_array(delta.logprobs, out, [&](const TokenLogprob& token) { append(token, out); });
    }
    out += "}}";
}

void append(const PromptLogprobs& prompt, std::string& out) {
    out += "{\"prompt_logprobs\":";
    append_array(prompt.tokens, out, [&](const TokenLogprob& token) { append(token, out); });
    out += '}';
}

void append(const Finish& finish, std::string& out) {
    out += "{\"finish\":{\"index\":";
    append_json_number(finish.index, out);
    out += ",\"reason\":\"";
    out += finish_name(finish.reason);
    out += '"';
    if (!finish.tool_error.empty()) {
        out += ",\"tool_error\":";
        append_json_string(finish.tool_error, out);
    }
    if (!finish.stop_text.empty()) {
        out += ",\"stop_text\":";
        append_json_string(finish.stop_text, out);
    }
    out += "}}";
}

void append(const Usage& usage, std::string& out) {
    const auto time = [&](std::string_view name, double value) {
        out += name;
        append_json_number(std::isfinite(value) ? value : 0.0, out);
    };
    out += "{\"usage\":{\"prompt_tokens\":";
    append_json_number(usage.prompt_tokens, out);
    out += ",\"cached_tokens\":";
    append_json_number(usage.cached_tokens, out);
    if (usage.cache_miss) {
        out += ",\"cache_miss\":{\"reason\":";
        append_json_string(usage.cache_miss->reason, out);
        out += ",\"at\":";
        append_json_number(usage.cache_miss->at, out);
        out += '}';
    }
    out += ",\"completion_tokens\":";
    append_json_number(usage.completion_tokens, out);
    if (usage.accepted_draft_tokens + usage.rejected_draft_tokens > 0) {
        out += ",\"accepted_draft_tokens\":";
        append_json_number(usage.accepted_draft_tokens, out);
        out += ",\"rejected_draft_tokens\":";
        append_json_number(usage.rejected_draft_tokens, out);
    }
    if (usage.truncated_tokens > 0) {
        out += ",\"truncated_tokens\":";
        append_json_number(usage.truncated_tokens, out);
    }
    if (usage.context_shifts > 0) {
        out += ",\"context_shifts\":";
        append_json_number(usage.context_shifts, out);
    }
    if (usage.reasoning_tokens > 0) {
        out += ",\"reasoning_tokens\":";
        append_json_number(usage.reasoning_tokens, out);
    }
    time(",\"queue_seconds\":", usage.queue_seconds);
    time(",\"prefill_seconds\":", usage.prefill_seconds);
    time(",\"decode_seconds\":", usage.decode_seconds);
    time(",\"first_token_seconds\":", usage.first_token_seconds);
    time(",\"gap_p50\":", usage.gaps.p50);
    time(",\"gap_p90\":", usage.gaps.p90);
    time(",\"gap_p99\":", usage.gaps.p99);
    out += "}}";
}

void append(const Queued& queued, std::string& out) {
    out += "{\"queued\":{\"position\":";
    append_json_number(queued.position, out);
    if (queued.estimated_seconds) {
        out += ",\"estimated_seconds\":";
        append_json_number(*queued.estimated_seconds, out);
    }
    out += "}}";
}

void append(const Error& error, std::string& out) {
    out += "{\"error\":{\"code\":";
    append_json_string(code_name(error.code), out);
    out += ",\"message\":";
    append_json_string(error.message, out);
    out += ",\"hint\":";
    append_json_string(error.hint, out);
    out += "}}";
}

void read_bytes(JsonReader& in, std::string& bytes) {
    bytes.clear();
    in.array([&] {
        uint8_t byte = 0;
        in.integer(byte);
        bytes += static_cast<char>(byte);
    });
}

void read_logprob(JsonReader& in, double& value) {
    if (in.null()) {
        value = -std::numeric_limits<double>::infinity();
    } else {
        in.number(value);
    }
}

TokenLogprob read_logprob_entry(JsonReader& in) {
    TokenLogprob token;
    in.object([&](std::string_view key) {
        if (key == "id") {
            in.integer(token.id);
        } else if (key == "bytes") {
            read_bytes(in, token.bytes);
        } else if (key == "logprob") {
            read_logprob(in, token.logprob);
        } else if (key == "top") {
            in.array([&] {
                TokenLogprob alternative = read_logprob_entry(in);
                token.top.emplace_back(alternative.id, alternative.logprob);
                token.top_bytes.push_back(std::move(alternative.bytes));
            });
        } else {
            in.skip();
        }
    });
    return token;
}

ToolCallDelta read_tool_call(JsonReader& in) {
    ToolCallDelta call;
    in.object([&](std::string_view key) {
        if (key == "call") {
            in.integer(call.call);
        } else if (key == "id") {
            in.string(call.id);
        } else if (key == "name") {
            in.string(call.name);
        } else if (key == "arguments") {
            in.string(call.arguments);
        } else {
            in.skip();
        }
    });
    return call;
}

Delta read_delta(JsonReader& in) {
    Delta delta;
    in.object([&](std::string_view key) {
        if (key == "index") {
            in.integer(delta.index);
        } else if (key == "text") {
            in.string(delta.text);
        } else if (key == "reasoning") {
            in.string(delta.reasoning);
        } else if (key == "tool_calls") {
            in.array([&] { delta.tool_calls.push_back(read_tool_call(in)); });
        } else if (key == "ids") {
            in.array([&] { in.integer(delta.ids.emplace_back()); });
        } else if (key == "logprobs") {
            in.array([&] { delta.logprobs.push_back(read_logprob_entry(in)); });
        } else {
            in.skip();
        }
    });
    return delta;
}

void read_reason(JsonReader& in, FinishReason& reason) {
    std::string name;
    in.string(name);
    for (FinishReason known :
         {FinishReason::kStop, FinishReason::kLength, FinishReason::kCancelled, FinishReason::kToolCalls}) {
        if (name == finish_name(known)) {
            reason = known;
            return;
        }
    }
    in.fail("finish.reason \"" + name + "\" is unknown");
}

Finish read_finish(JsonReader& in) {
    Finish finish;
    bool has_reason = false;
    in.object([&](std::string_view key) {
        if (key == "index") {
            in.integer(finish.index);
        } else if (key == "reason") {
            has_reason = true;
            read_reason(in, finish.reason);
        } else if (key == "tool_error") {
            in.string(finish.tool_error);
        } else if (key == "stop_text") {
            in.string(finish.stop_text);
        } else {
            in.skip();
        }
    });
    if (!has_reason) {
        in.fail("finish.reason is missing");
    }
    return finish;
}

CacheMiss read_cache_miss(JsonReader& in) {
    CacheMiss miss;
    in.object([&](std::string_view key) {
        if (key == "reason") {
            in.string(miss.reason);
        } else if (key == "at") {
            in.integer(miss.at);
        } else {
            in.skip();
        }
    });
    return miss;
}

Usage read_usage(JsonReader& in) {
    Usage usage;
    in.object([&](std::string_view key) {
        if (key == "prompt_tokens") {
            in.integer(usage.prompt_tokens);
        } else if (key == "cached_tokens") {
            in.integer(usage.cached_tokens);
        } else if (key == "cache_miss") {
            usage.cache_miss = read_cache_miss(in);
        } else if (key == "accepted_draft_tokens") {
            in.integer(usage.accepted_draft_tokens);
        } else if (key == "rejected_draft_tokens") {
            in.integer(usage.rejected_draft_tokens);
        } else if (key == "completion_tokens") {
            in.integer(usage.completion_tokens);
        } else if (key == "truncated_tokens") {
            in.integer(usage.truncated_tokens);
        } else if (key == "context_shifts") {
            in.integer(usage.context_shifts);
        } else if (key == "reasoning_tokens") {
            in.integer(usage.reasoning_tokens);
        } else if (key == "queue_seconds") {
            in.number(usage.queue_seconds);
        } else if (key == "prefill_seconds") {
            in.number(usage.prefill_seconds);
        } else if (key == "decode_seconds") {
            in.number(usage.decode_seconds);
        } else if (key == "first_token_seconds") {
            in.number(usage.first_token_seconds);
        } else if (key == "gap_p50") {
            in.number(usage.gaps.p50);
        } else if (key == "gap_p90") {
            in.number(usage.gaps.p90);
        } else if (key == "gap_p99") {
            in.number(usage.gaps.p99);
        } else {
            in.skip();
        }
    });
    return usage;
}

Queued read_queued(JsonReader& in) {
    Queued queued;
    in.object([&](std::string_view key) {
        if (key == "position") {
            in.integer(queued.position);
        } else if (key == "estimated_seconds") {
            in.number(queued.estimated_seconds.emplace());
        } else {
            in.skip();
        }
    });
    return queued;
}

Error read_error(JsonReader& in) {
    Error error;
    in.object([&](std::string_view key) {
        std::string code;
        if (key == "code") {
            in.string(code);
            error.code = code_from_name(code);
        } else if (key == "message") {
            in.string(error.message);
        } else if (key == "hint") {
            in.string(error.hint);
        } else {
            in.skip();
        }
    });
    return error;
}

}  // namespace

void append_json_line(const Event& event, std::string& out) {
    std::visit([&](const auto& e) { append(e, out); }, event);
    out += '\n';
}

Result<Event> event_from_json(std::string_view line) {
    JsonReader in(line);
    std::optional<Event> event;
    in.object([&](std::string_view key) {
        if (key == "delta") {
            event = read_delta(in);
        } else if (key == "prompt_logprobs") {
            PromptLogprobs prompt;
            in.array([&] { prompt.tokens.push_back(read_logprob_entry(in)); });
            event = std::move(prompt);
        } else if (key == "finish") {
            event = read_finish(in);
        } else if (key == "usage") {
            event = read_usage(in);
        } else if (key == "error") {
            event = read_error(in);
        } else if (key == "queued") {
            event = read_queued(in);
        } else {
            in.skip();
        }
    });
    if (!in.failed() && !in.at_end()) {
        in.fail("more than one value");
    }
    if (!in.failed() && !event) {
        in.fail("neither delta, finish, usage, queued nor error");
    }
    if (in.failed()) {
        return {boost::system::in_place_error,  // an Error alone would be an event
                Error{Code::kDataLoss, "an event line is damaged: " + in.error(),
                      "runner and front may differ in version"}};
    }
    return std::move(*event);
}

}  // namespace gantry::engine
