#include "api/dialects/openai/render.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/http/error_response.hpp"
#include "runtime/engine/json_text.hpp"
#include "runtime/engine/utf8.hpp"

namespace gantry::dialects::openai {

namespace bj = boost::json;

namespace {

/// Characters, not bytes: continuation bytes are not counted.
size_t character_count(std::string_view text) {
    return static_cast<size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bj::array byte_array(const std::string& bytes) {
    bj::array out;
    for (const char c : bytes) {
        out.emplace_back(static_cast<int64_t>(static_cast<unsigned char>(c)));
    }
    return out;
}

bj::object chat_token(const std::string& bytes, double logprob) {
    return bj::object{{"token", token_text(bytes)}, {"logprob", logprob}, {"bytes", byte_array(bytes)}};
}

/// What lies around the text of a chunk that has nothing else; the same as chunk() makes.
constexpr std::string_view kChatText = "\"delta\":{\"content\":", kCompletionText = "\"text\":";
constexpr std::string_view kCompletionTail = ",\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";
constexpr std::string_view kChatTail = "},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";

/// A prompt's first token has no probability.
bj::value number_or_null(double value) { return std::isfinite(value) ? bj::value(value) : bj::value(nullptr); }

std::vector<engine::TokenLogprob> joined(std::vector<engine::TokenLogprob> first,
                                         const std::vector<engine::TokenLogprob>& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

std::string_view finish_text(engine::FinishReason reason) {
    switch (reason) {
        case engine::FinishReason::kLength:
            return "length";
        case engine::FinishReason::kToolCalls:
            return "tool_calls";
        case engine::FinishReason::kCancelled:
            return "abort";  // as vLLM says it
        case engine::FinishReason::kStop:
            break;
    }
    return "stop";
}

bj::object tool_call(const engine::ToolCallDelta& call) {
    return bj::object{{"id", call.id},
                      {"type", "function"},
                      {"function", bj::object{{"name", call.name}, {"arguments", call.arguments}}}};
}

/// The members of a chat chunk's delta behind its role. Reasoning goes by both names in use.
std::string delta_members(const engine::Delta& delta, bool first) {
    std::string out = first ? "\"role\":\"assistant\"," : "";
    if (!delta.reasoning.empty()) {
        std::string text;
        engine::append_json_string(delta.reasoning, text);
        out += "\"reasoning_content\":" + text + ",\"reasoning\":" + text + ',';
    }
    if (!delta.tool_calls.empty()) {
        out += "\"tool_calls\":[";
        for (const engine::ToolCallDelta& call : delta.tool_calls) {
            out += fmt::format("{{\"index\":{},", call.call);
            if (!call.id.empty()) {
                out += "\"id\":";
                engine::append_json_string(call.id, out);
                out += ",\"type\":\"function\",\"function\":{\"name\":";
                engine::append_json_string(call.name, out);
                out += ',';
            } else {
                out += "\"function\":{";
            }
            out += "\"arguments\":";
            engine::append_json_string(call.arguments, out);
            out += "}},";
        }
        out.back() = ']';
        out += ',';
    }
    const bool other = !delta.reasoning.empty() || !delta.tool_calls.empty();
    if (!delta.text.empty() || !other) {
        out += "\"content\":";
        engine::append_json_string(delta.text, out);
        out += ',';
    } else if (first) {
        out += "\"content\":null,";
    }
    out.pop_back();
    return out;
}

}  // namespace

void Answer::add(engine::Delta delta) {
    text += delta.text;
    reasoning += delta.reasoning;
    for (engine::ToolCallDelta& piece : delta.tool_calls) {
        if (piece.call >= tool_calls.size()) {
            tool_calls.resize(size_t{piece.call} + 1);
        }
        engine::ToolCallDelta& call = tool_calls[piece.call];
        call.id += piece.id;
        call.name += piece.name;
        call.arguments += piece.arguments;
    }
    std::move(delta.logprobs.begin(), delta.logprobs.end(), std::back_inserter(logprobs));
}

std::string token_text(const std::string& bytes) {
    if (engine::is_utf8(bytes)) {
        return bytes;
    }
    std::string out = "bytes:";
    for (const char c : bytes) {
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
    return out;
}

bj::object usage_object(const engine::Usage& usage) {
    bj::object prompt{{"cached_tokens", usage.cached_tokens}};
    if (usage.cache_miss) {
        prompt["cache_miss"] = bj::object{{"reason", usage.cache_miss->reason}, {"at", usage.cache_miss->at}};
    }
    if (usage.truncated_tokens > 0) {
        prompt["truncated_tokens"] = usage.truncated_tokens;
    }
    bj::object completion{{"reasoning_tokens", usage.reasoning_tokens}};
    if (usage.accepted_draft_tokens + usage.rejected_draft_tokens > 0) {
        completion["accepted_prediction_tokens"] = usage.accepted_draft_tokens;
        completion["rejected_prediction_tokens"] = usage.rejected_draft_tokens;
    }
    if (usage.context_shifts > 0) {
        completion["context_shifts"] = usage.context_shifts;
    }
    return bj::object{{"prompt_tokens", usage.prompt_tokens},
                      {"completion_tokens", usage.completion_tokens},
                      {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
                      {"prompt_tokens_details", std::move(prompt)},
                      {"completion_tokens_details", std::move(completion)}};
}

bj::object timings_object(const engine::Usage& usage) {
    const uint64_t computed = usage.prompt_tokens - std::min(usage.cached_tokens, usage.prompt_tokens);
    const auto rate = [](uint64_t tokens, double seconds) {
        return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
    };
    return bj::object{
        {"cache_n", usage.cached_tokens},
        {"prompt_n", computed},
        {"prompt_ms", usage.prefill_seconds * 1e3},
        {"prompt_per_second", rate(computed, usage.prefill_seconds)},
        {"predicted_n", usage.completion_tokens},
        {"predicted_ms", usage.decode_seconds * 1e3},
        {"predicted_per_second", rate(usage.completion_tokens, usage.decode_seconds)},
        {"queue_ms", usage.queue_seconds * 1e3},
        {"first_token_ms", usage.first_token_seconds * 1e3},
        {"inter_token_ms",
         bj::object{{"p50", usage.gaps.p50 * 1e3}, {"p90", usage.gaps.p90 * 1e3}, {"p99", usage.gaps.p99 * 1e3}}}};
}

bj::array prompt_logprobs(const std::vector<engine::TokenLogprob>& tokens) {
    bj::array out;
    for (const engine::TokenLogprob& token : tokens) {
        if (!std::isfinite(token.logprob)) {
            out.emplace_back(nullptr);
            continue;
        }
        bj::object entry;
        const auto add = [&](int32_t id, const std::string& bytes, double logprob, bj::value rank) {
            entry[std::to_string(id)] = {
                {"logprob", logprob}, {"rank", std::move(rank)}, {"decoded_token", token_text(bytes)}};
        };
        add(token.id, token.bytes, token.logprob, nullptr);
        for (size_t i = 0; i < token.top.size() && i < token.top_bytes.size(); ++i) {
            add(token.top[i].first, token.top_bytes[i], token.top[i].second, i + 1);
        }
        out.emplace_back(std::move(entry));
    }
    return out;
}

bj::object chat_logprobs(const std::vector<engine::TokenLogprob>& tokens) {
    bj::array content;
    for (const engine::TokenLogprob& token : tokens) {
        bj::object entry = chat_token(token.bytes, token.logprob);
        bj::array top;
        for (size_t i = 0; i < token.top.size(); ++i) {
            const std::string bytes = i < token.top_bytes.size() ? token.top_bytes[i] : std::string();
            top.emplace_back(chat_token(bytes, token.top[i].second));
        }
        entry["top_logprobs"] = std::move(top);
        content.emplace_back(std::move(entry));
    }
    return bj::object{{"content", std::move(content)}};
}

bj::object completion_logprobs(const std::vector<engine::TokenLogprob>& tokens, size_t text_offset) {
    bj::array texts, values, tops, offsets;
    for (const engine::TokenLogprob& token : tokens) {
        const std::string text = token_text(token.bytes);
        texts.emplace_back(text);
        values.emplace_back(number_or_null(token.logprob));
        bj::object top;
        for (size_t i = 0; i < token.top.size() && i < token.top_bytes.size(); ++i) {
            top[token_text(token.top_bytes[i])] = token.top[i].second;
        }
        tops.emplace_back(std::isfinite(token.logprob) ? bj::value(std::move(top)) : bj::value(nullptr));
        offsets.emplace_back(text_offset);
        text_offset += character_count(token.bytes);
    }
    return bj::object{{"tokens", std::move(texts)},
                      {"token_logprobs", std::move(values)},
                      {"top_logprobs", std::move(tops)},
                      {"text_offset", std::move(offsets)}};
}

bj::object render_whole(const Call& call, const AnswerHead& head, const std::vector<Answer>& answers,
                        const engine::Usage& usage) {
    bj::array choices;
    for (const Answer& answer : answers) {
        bj::object choice{{"index", choices.size()}};
        if (call.chat) {
            const bool only_calls = answer.text.empty() && !answer.tool_calls.empty();
            bj::object message{{"role", "assistant"},
                               {"content", only_calls ? bj::value(nullptr) : bj::value(answer.text)}};
            if (!answer.reasoning.empty()) {
                message["reasoning_content"] = answer.reasoning;
                message["reasoning"] = answer.reasoning;
            }
            if (call.tools) {
                bj::array calls;
                std::transform(answer.tool_calls.begin(), answer.tool_calls.end(), std::back_inserter(calls),
                               tool_call);
                message["tool_calls"] = std::move(calls);
            }
            choice["message"] = std::move(message);
            choice["logprobs"] = call.logprobs ? bj::value(chat_logprobs(answer.logprobs)) : bj::value(nullptr);
        } else {
            choice["text"] = answer.text;
            const auto all = call.echo_logprobs ? joined(answer.prompt, answer.logprobs) : answer.logprobs;
            choice["logprobs"] = call.logprobs ? bj::value(completion_logprobs(all, 0)) : bj::value(nullptr);
            if (call.prompt_logprobs) {
                choice["prompt_logprobs"] = prompt_logprobs(answer.prompt);
            }
        }
        choice["finish_reason"] = finish_text(answer.reason);
        if (!answer.tool_error.empty()) {
            choice["tool_call_error"] = answer.tool_error;
        }
        choices.emplace_back(std::move(choice));
    }
    bj::object out{{"id", head.id},
                   {"object", call.chat ? "chat.completion" : "text_completion"},
                   {"created", head.created},
                   {"model", head.model},
                   {"choices", std::move(choices)},
                   {"usage", usage_object(usage)}};
    if (call.chat && call.prompt_logprobs) {
        out["prompt_logprobs"] = prompt_logprobs(answers.front().prompt);
    }
    if (call.timings) {
        out["timings"] = timings_object(usage);
    }
    return out;
}

ChunkWriter::ChunkWriter(const Call& call, AnswerHead head)
    : chat_(call.chat),
      logprobs_(call.logprobs),
      timings_(call.timings),
      role_sent_(call.answers()),
      text_offset_(call.answers()),
      prompt_(call.answers()) {
    prefix_ = "data: {\"id\":";
    engine::append_json_string(head.id, prefix_);
    prefix_ += chat_ ? ",\"object\":\"chat.completion.chunk\"" : ",\"object\":\"text_completion\"";
    prefix_ += fmt::format(",\"created\":{},\"model\":", head.created);
    engine::append_json_string(head.model, prefix_);
    prefix_ += ",\"choices\":[";
    for (size_t index = 0; index < role_sent_.size(); ++index) {
        heads_.push_back(fmt::format("{}{{\"index\":{},{}", prefix_, index, chat_ ? kChatText : kCompletionText));
    }
    tail_ = chat_ ? kChatTail : kCompletionTail;
}

std::string ChunkWriter::chunk(uint32_t index, std::string_view body, std::string_view logprobs,
                               std::string_view finish, const engine::Usage* usage, std::string_view tool_error) const {
    std::string out;
    out.reserve(prefix_.size() + body.size() + logprobs.size() + 128);
    out += prefix_;
    out += fmt::format("{{\"index\":{},", index);
    out += body;
    out += ",\"logprobs\":";
    out += logprobs.empty() ? "null" : logprobs;
    out += ",\"finish_reason\":";
    out += finish.empty() ? std::string("null") : fmt::format("\"{}\"", finish);
    if (!tool_error.empty()) {
        out += ",\"tool_call_error\":";
        engine::append_json_string(tool_error, out);
    }
    out += "}],\"usage\":";
    out += usage ? bj::serialize(usage_object(*usage)) : "null";
    if (usage && timings_) {
        out += ",\"timings\":" + bj::serialize(timings_object(*usage));
    }
    out += "}\n\n";
    return out;
}

/// All but an answer's first chunk, as a rule: text alone, between two pieces that were made beforehand.
bool ChunkWriter::plain_delta(uint32_t index, const engine::Delta& delta, std::string& out) {
    if (logprobs_ || !role_sent_.at(index)) {
        return false;
    }
    out += heads_[index];
    engine::append_json_string(delta.text, out);
    out += tail_;
    return true;
}

void ChunkWriter::prompt(uint32_t first_index, uint32_t answers, const std::vector<engine::TokenLogprob>& tokens) {
    for (uint32_t index = first_index; index < first_index + answers; ++index) {
        prompt_.at(index) = tokens;
    }
}

void ChunkWriter::delta(uint32_t index, const engine::Delta& delta, std::string& out) {
    const auto tokens = joined(std::exchange(prompt_.at(index), {}), delta.logprobs);
    const bool has_logprobs = logprobs_ && !tokens.empty();
    const bool only_text = delta.reasoning.empty() && delta.tool_calls.empty();
    if (only_text && ((delta.text.empty() && !has_logprobs) || plain_delta(index, delta, out))) {
        return;
    }
    std::string body;
    if (chat_) {
        body = "\"delta\":{" + delta_members(delta, !role_sent_.at(index)) + '}';
    } else {
        body = "\"text\":";
        engine::append_json_string(delta.text, body);
    }
    role_sent_.at(index) = true;
    std::string logprobs;
    if (has_logprobs) {
        logprobs = bj::serialize(chat_ ? chat_logprobs(tokens) : completion_logprobs(tokens, text_offset_.at(index)));
    }
    text_offset_.at(index) += character_count(delta.text);
    out += chunk(index, body, logprobs, {}, nullptr);
}

std::string ChunkWriter::finish(uint32_t index, const engine::Finish& finish, const engine::Usage* usage) {
    std::string out;
    if (chat_ && !role_sent_.at(index)) {
        role_sent_.at(index) = true;  // an answer without text still begins with its role
        out = chunk(index, "\"delta\":{\"role\":\"assistant\",\"content\":\"\"}", {}, {}, nullptr);
    }
    return out + chunk(index, chat_ ? "\"delta\":{\"content\":\"\"}" : "\"text\":\"\"", {}, finish_text(finish.reason),
                       usage, finish.tool_error);
}

std::string ChunkWriter::usage(const engine::Usage& usage) {
    const std::string timings = timings_ ? ",\"timings\":" + bj::serialize(timings_object(usage)) : std::string();
    return prefix_ + "],\"usage\":" + bj::serialize(usage_object(usage)) + timings + "}\n\n";
}

std::string ChunkWriter::queued(const engine::Queued& queued) const {
    bj::object queue{{"position", queued.position}, {"estimated_seconds", nullptr}};
    if (queued.estimated_seconds) {
        queue["estimated_seconds"] = *queued.estimated_seconds;
    }
    return prefix_ + "],\"usage\":null,\"queue\":" + bj::serialize(queue) + "}\n\n";
}

std::string ChunkWriter::error(const Error& error) {
    return "data: " + bj::serialize(bj::object{{"error", http::error_object(error)}}) + "\n\n";
}

}  // namespace gantry::dialects::openai
