#include "api/dialects/anthropic/render.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/http/status_map.hpp"
#include "base/retry.hpp"
#include "runtime/engine/json_text.hpp"

namespace gantry::dialects::anthropic {

namespace bj = boost::json;

namespace {

constexpr int kOverloaded = 529;

std::string_view error_type(int status) {
    switch (status) {
        case 401:
            return "authentication_error";
        case 403:
            return "permission_error";
        case 404:
            return "not_found_error";
        case 413:
            return "request_too_large";
        case 429:
            return "rate_limit_error";
        case 504:
            return "timeout_error";
        case kOverloaded:
            return "overloaded_error";
        default:
            return status >= 500 ? "api_error" : "invalid_request_error";
    }
}

std::string event_text(std::string_view name, const bj::object& data) {
    return fmt::format("event: {}\ndata: {}\n\n", name, bj::serialize(data));
}

/// Anthropic's clients send a thinking block back with the signature that it came with; here it only has to be there.
std::string signature_of(std::string_view thinking) {
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char c : thinking) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    }
    return fmt::format("gantry{:016x}", hash);
}

/// Anthropic counts what was found in the cache apart.
bj::object usage_object(const engine::Usage& usage) {
    const uint64_t cached = std::min(usage.cached_tokens, usage.prompt_tokens);
    return bj::object{{"input_tokens", usage.prompt_tokens - cached},
                      {"cache_creation_input_tokens", 0},
                      {"cache_read_input_tokens", cached},
                      {"output_tokens", usage.completion_tokens}};
}

}  // namespace

int error_status(const Error& error) {
    switch (error.code) {
        case Code::kUnavailable:
        case Code::kOutOfMemory:
            return kOverloaded;
        case Code::kFailedPrecondition:
        case Code::kUnimplemented:
            return 400;
        default:
            return http::status_of(error.code);
    }
}

bj::object error_body(const Error& error, int status, const std::string& request_id) {
    return bj::object{{"type", "error"},
                      {"error", bj::object{{"type", error_type(status)}, {"message", error.text()}}},
                      {"request_id", request_id}};
}

http::Response error_response(const api::ApiError& error, const std::string& request_id) {
    http::Response response;
    response.status = error.status != 0 ? error.status : error_status(error.error);
    response.headers.set("Content-Type", "application/json");
    if (const auto wait = retry_seconds(error.error.hint)) {
        response.headers.set("Retry-After", std::to_string(*wait));
    } else if (response.status >= 500 && response.status != kOverloaded) {
        response.headers.set("x-should-retry", "false");
    }
    response.headers.set("request-id", request_id);
    response.body = bj::serialize(error_body(error.error, response.status, request_id));
    return response;
}

std::string error_event(const Error& error, const std::string& request_id) {
    return event_text("error", error_body(error, error_status(error), request_id));
}

MessageWriter::MessageWriter(const Call& call, std::string id)
    : model_(call.model),
      id_(std::move(id)),
      stops_(call.request.stop),
      thinking_(call.thinking),
      stream_(call.stream) {}

bj::object MessageWriter::message() const {
    return bj::object{{"id", id_},          {"type", "message"},      {"role", "assistant"},     {"model", model_},
                      {"content", blocks_}, {"stop_reason", nullptr}, {"stop_sequence", nullptr}};
}

std::string MessageWriter::start() const {
    bj::object begun = message();
    begun["usage"] = usage_object({});  // what the prompt has is told with the end
    return event_text("message_start", {{"type", "message_start"}, {"message", std::move(begun)}}) +
           event_text("ping", {{"type", "ping"}});
}

void MessageWriter::open(Kind kind, bj::object block, std::string& out) {
    kind_ = kind;
    if (stream_) {
        out += event_text("content_block_start",
                          {{"type", "content_block_start"}, {"index", blocks_.size()}, {"content_block", block}});
    }
    blocks_.emplace_back(std::move(block));
}

void MessageWriter::close(std::string& out) {
    if (kind_ == Kind::kNone) {
        return;
    }
    bj::object& block = blocks_.back().get_object();
    if (kind_ == Kind::kThinking) {
        std::string signature = signature_of(text_);
        block["thinking"] = std::move(text_);
        if (stream_) {
            out += event_text("content_block_delta",
                              {{"type", "content_block_delta"},
                               {"index", blocks_.size() - 1},
                               {"delta", bj::object{{"type", "signature_delta"}, {"signature", signature}}}});
        }
        block["signature"] = std::move(signature);
    } else if (kind_ == Kind::kText) {
        block["text"] = std::move(text_);
    } else {
        boost::system::error_code error;
        bj::value input = bj::parse(text_, error);
        block["input"] = !error && input.is_object() ? std::move(input) : bj::value(bj::object());
    }
    if (stream_) {
        out += event_text("content_block_stop", {{"type", "content_block_stop"}, {"index", blocks_.size() - 1}});
    }
    text_.clear();
    kind_ = Kind::kNone;
}

/// Most of what is streamed: no tree is made of it.
void MessageWriter::add(std::string_view type, std::string_view member, std::string_view text, std::string& out) {
    text_ += text;
    if (!stream_ || text.empty()) {
        return;
    }
    out += fmt::format(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":{},\"delta\":{{\"type\":\"{}\","
        "\"{}\":",
        blocks_.size() - 1, type, member);
    engine::append_json_string(text, out);
    out += "}}\n\n";
}

void MessageWriter::add_call(const engine::ToolCallDelta& part, std::string& out) {
    if (kind_ != Kind::kCall || call_ != part.call) {
        close(out);
        call_ = part.call;
        open(Kind::kCall,
             bj::object{{"type", "tool_use"}, {"id", part.id}, {"name", part.name}, {"input", bj::object()}}, out);
    }
    add("input_json_delta", "partial_json", part.arguments, out);
}

void MessageWriter::take(const engine::Event& event, std::string& out) {
    if (const auto* finish = std::get_if<engine::Finish>(&event)) {
        close(out);
        finish_ = *finish;
        return;
    }
    const auto* delta = std::get_if<engine::Delta>(&event);
    if (delta == nullptr) {
        return;
    }
    if (thinking_ && !delta->reasoning.empty()) {
        if (kind_ != Kind::kThinking) {
            close(out);
            open(Kind::kThinking, bj::object{{"type", "thinking"}, {"thinking", ""}, {"signature", ""}}, out);
        }
        add("thinking_delta", "thinking", delta->reasoning, out);
    }
    // Line ends between reasoning, text and calls are no block of their own.
    const bool blank = delta->text.find_first_not_of(" \t\r\n") == std::string::npos;
    if (!delta->text.empty() && (kind_ == Kind::kText || !blank)) {
        if (kind_ != Kind::kText) {
            close(out);
            open(Kind::kText, bj::object{{"type", "text"}, {"text", ""}}, out);
        }
        add("text_delta", "text", delta->text, out);
    }
    for (const engine::ToolCallDelta& part : delta->tool_calls) {
        add_call(part, out);
    }
}

bj::object MessageWriter::ending() const {
    std::string_view reason = "end_turn";
    bj::value stop = nullptr;
    switch (finish_.reason) {
        case engine::FinishReason::kLength:
            reason = "max_tokens";
            break;
        case engine::FinishReason::kToolCalls:
            reason = "tool_use";
            break;
        case engine::FinishReason::kStop:
            if (std::ranges::find(stops_, finish_.stop_text) != stops_.end()) {
                reason = "stop_sequence";
                stop = finish_.stop_text;
            }
            break;
        case engine::FinishReason::kCancelled:
            break;
    }
    return bj::object{{"stop_reason", reason}, {"stop_sequence", std::move(stop)}};
}

std::string MessageWriter::last(const engine::Usage& usage) {
    std::string out;
    close(out);
    return out +
           event_text("message_delta",
                      {{"type", "message_delta"}, {"delta", ending()}, {"usage", usage_object(usage)}}) +
           event_text("message_stop", {{"type", "message_stop"}});
}

bj::object MessageWriter::whole(const engine::Usage& usage) {
    std::string nothing;
    close(nothing);
    bj::object out = message();
    for (const auto& member : ending()) {
        out[member.key()] = member.value();
    }
    out["usage"] = usage_object(usage);
    return out;
}

}  // namespace gantry::dialects::anthropic
