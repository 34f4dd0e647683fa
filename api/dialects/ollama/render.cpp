#include "api/dialects/ollama/render.hpp"

#include <fmt/core.h>

#include <ctime>
#include <utility>

#include "base/http/error_response.hpp"
#include "runtime/engine/json_text.hpp"

namespace gantry::dialects::ollama {

namespace bj = boost::json;

namespace {

std::string_view reason_text(engine::FinishReason reason) {
    switch (reason) {
        case engine::FinishReason::kLength:
            return "length";
        case engine::FinishReason::kCancelled:
            return "abort";
        case engine::FinishReason::kToolCalls:
        case engine::FinishReason::kStop:
            break;
    }
    return "stop";
}

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

bj::object token_object(const std::string& bytes, double logprob) {
    bj::array raw;
    for (const char c : bytes) {
        raw.emplace_back(static_cast<int64_t>(static_cast<unsigned char>(c)));
    }
    std::string text;
    engine::append_json_string(bytes, text);  // what is no UTF-8 becomes U+FFFD
    return bj::object{{"token", bj::parse(text)}, {"logprob", logprob}, {"bytes", std::move(raw)}};
}

bj::object logprob_object(const engine::TokenLogprob& token) {
    bj::object out = token_object(token.bytes, token.logprob);
    bj::array top;
    for (size_t i = 0; i < token.top.size() && i < token.top_bytes.size(); ++i) {
        top.emplace_back(token_object(token.top_bytes[i], token.top[i].second));
    }
    if (!top.empty()) {
        out["top_logprobs"] = std::move(top);
    }
    return out;
}

}  // namespace

std::string time_text(std::chrono::system_clock::time_point time) {
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
    const std::time_t seconds = static_cast<std::time_t>(micros / 1'000'000);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, micros % 1'000'000);
}

bj::object error_body(const Error& error) { return bj::object{{"error", error.text()}}; }

http::Response error_response(const api::ApiError& error, const std::string&) {
    http::Response response =
        error.status != 0 ? http::error_response(error.status, error.error) : http::error_response(error.error);
    response.body = bj::serialize(error_body(error.error));
    return response;
}

bj::object load_answer(const Call& call, const std::string& model, std::string_view reason) {
    bj::object out{{"model", model}, {"created_at", time_text(std::chrono::system_clock::now())}};
    if (call.chat) {
        out["message"] = bj::object{{"role", "assistant"}, {"content", ""}};
    } else {
        out["response"] = "";
    }
    out["done_reason"] = reason;
    out["done"] = true;
    return out;
}

AnswerWriter::AnswerWriter(const Call& call, std::string model, std::vector<int32_t> prompt_ids)
    : chat_(call.chat),
      stream_(call.stream),
      give_context_(call.give_context && !prompt_ids.empty()),
      logprobs_(call.logprobs),
      ids_(std::move(prompt_ids)) {
    engine::append_json_string(model, model_);
}

void AnswerWriter::close_call() {
    if (!open_) {
        return;
    }
    boost::system::error_code error;
    bj::value arguments = bj::parse(open_->arguments, error);
    if (error || !arguments.is_object()) {
        arguments = bj::object();  // a call without arguments may have no text for them
    }
    piece_.calls.emplace_back(bj::object{
        {"id", open_->id},
        {"function", bj::object{{"index", open_->call}, {"name", open_->name}, {"arguments", std::move(arguments)}}}});
    open_.reset();
}

void AnswerWriter::add_calls(const engine::Delta& delta) {
    for (const engine::ToolCallDelta& part : delta.tool_calls) {
        if (!open_ || open_->call != part.call) {
            close_call();
            open_ = engine::ToolCallDelta{part.call, {}, {}, {}};
        }
        open_->id += part.id;
        open_->name += part.name;
        open_->arguments += part.arguments;
    }
}

void AnswerWriter::take(const engine::Event& event, std::string& out) {
    if (const auto* finish = std::get_if<engine::Finish>(&event)) {
        reason_ = finish->reason;
        close_call();
    } else if (const auto* delta = std::get_if<engine::Delta>(&event)) {
        piece_.text += delta->text;
        piece_.thinking += delta->reasoning;
        add_calls(*delta);
        if (give_context_) {
            ids_.insert(ids_.end(), delta->ids.begin(), delta->ids.end());
        }
        if (logprobs_) {
            for (const engine::TokenLogprob& token : delta->logprobs) {
                piece_.logprobs.emplace_back(logprob_object(token));
            }
        }
    }
    if (stream_ && !piece_.empty()) {
        append(std::exchange(piece_, Piece()), "\"done\":false", out);
    }
}

std::string AnswerWriter::last(const engine::Usage& usage, const Took& took) {
    std::string tail = fmt::format("\"done\":true,\"done_reason\":\"{}\",", reason_text(reason_));
    if (give_context_) {
        tail += "\"context\":" + bj::serialize(bj::array(ids_.begin(), ids_.end())) + ',';
    }
    tail += fmt::format(
        "\"total_duration\":{},\"load_duration\":{},\"prompt_eval_count\":{},\"prompt_eval_duration\":{},"
        "\"eval_count\":{},\"eval_duration\":{}",
        took.total.count(), took.load.count(), usage.prompt_tokens, nanoseconds(usage.prefill_seconds),
        usage.completion_tokens, nanoseconds(usage.decode_seconds));
    std::string out;
    append(piece_, tail, out);
    return out;
}

/// One object, with a line's end.
void AnswerWriter::append(const Piece& piece, std::string_view tail, std::string& out) const {
    out += "{\"model\":" + model_ + ",\"created_at\":\"" + time_text(std::chrono::system_clock::now()) + "\",";
    out += chat_ ? "\"message\":{\"role\":\"assistant\",\"content\":" : "\"response\":";
    engine::append_json_string(piece.text, out);
    if (!piece.thinking.empty()) {
        out += ",\"thinking\":";
        engine::append_json_string(piece.thinking, out);
    }
    if (!piece.calls.empty()) {
        out += ",\"tool_calls\":" + bj::serialize(piece.calls);
    }
    out += chat_ ? "}," : ",";
    if (!piece.logprobs.empty()) {
        out += "\"logprobs\":" + bj::serialize(piece.logprobs) + ',';
    }
    out += tail;
    out += "}\n";
}

}  // namespace gantry::dialects::ollama
