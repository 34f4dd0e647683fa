#include "api/dialects/responses/render.hpp"

#include <fmt/core.h>

#include <ctime>
#include <utility>

#include "runtime/engine/json_text.hpp"

namespace gantry::dialects::responses {

namespace bj = boost::json;

namespace {

bj::object usage_object(const engine::Usage& usage) {
    return bj::object{{"input_tokens", usage.prompt_tokens},
                      {"input_tokens_details", bj::object{{"cached_tokens", usage.cached_tokens}}},
                      {"output_tokens", usage.completion_tokens},
                      {"output_tokens_details", bj::object{{"reasoning_tokens", usage.reasoning_tokens}}},
                      {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

bj::object token_object(const std::string& bytes, double logprob) {
    bj::array raw;
    for (const char c : bytes) {
        raw.emplace_back(static_cast<int64_t>(static_cast<unsigned char>(c)));
    }
    std::string text;
    engine::append_json_string(bytes, text);  // what is no UTF-8 becomes U+FFFD
    return bj::object{{"token", bj::parse(text)}, {"bytes", std::move(raw)}, {"logprob", logprob}};
}

bj::array logprobs_array(const std::vector<engine::TokenLogprob>& tokens) {
    bj::array out;
    for (const engine::TokenLogprob& token : tokens) {
        bj::object entry = token_object(token.bytes, token.logprob);
        bj::array top;
        for (size_t i = 0; i < token.top.size() && i < token.top_bytes.size(); ++i) {
            top.emplace_back(token_object(token.top_bytes[i], token.top[i].second));
        }
        entry["top_logprobs"] = std::move(top);
        out.emplace_back(std::move(entry));
    }
    return out;
}

bj::object text_part(std::string_view text, bj::array logprobs) {
    return bj::object{
        {"type", "output_text"}, {"text", text}, {"annotations", bj::array()}, {"logprobs", std::move(logprobs)}};
}

bj::object reasoning_part(std::string_view text) { return bj::object{{"type", "reasoning_text"}, {"text", text}}; }

}  // namespace

ResponseWriter::ResponseWriter(const Call& call, std::string id)
    : stream_(call.stream),
      logprobs_(call.logprobs),
      id_(std::move(id)),
      model_(call.model),
      echo_(call.echo),
      created_(static_cast<int64_t>(std::time(nullptr))) {}

bj::object ResponseWriter::object() const {
    bj::object out{{"id", id_},
                   {"object", "response"},
                   {"created_at", created_},
                   {"status", status_},
                   {"background", false},
                   {"error", error_},
                   {"incomplete_details",
                    status_ == "incomplete" ? bj::value(bj::object{{"reason", "max_output_tokens"}}) : bj::value()},
                   {"model", model_},
                   {"output", output_},
                   {"usage", usage_}};
    for (const auto& member : echo_) {
        out[member.key()] = member.value();
    }
    return out;
}

std::string ResponseWriter::event(std::string_view type, bj::object data) {
    bj::object all{{"type", type}, {"sequence_number", number_++}};
    for (auto& member : data) {
        all[member.key()] = std::move(member.value());
    }
    return fmt::format("event: {}\ndata: {}\n\n", type, bj::serialize(all));
}

bj::object ResponseWriter::place(bool part) const {
    bj::object out{{"item_id", output_.back().at("id")}, {"output_index", output_.size() - 1}};
    if (part) {
        out["content_index"] = 0;
    }
    return out;
}

std::string ResponseWriter::start() {
    std::string out = event("response.created", bj::object{{"response", object()}});
    return out + event("response.in_progress", bj::object{{"response", object()}});
}

void ResponseWriter::open(Kind kind, bj::object item, std::string& out) {
    kind_ = kind;
    output_.emplace_back(std::move(item));
    if (!stream_) {
        return;
    }
    out +=
        event("response.output_item.added", bj::object{{"output_index", output_.size() - 1}, {"item", output_.back()}});
    if (kind != Kind::kCall) {
        bj::object data = place(true);
        data["part"] = kind == Kind::kMessage ? text_part("", {}) : reasoning_part("");
        out += event("response.content_part.added", std::move(data));
    }
}

void ResponseWriter::close(std::string& out) {
    if (kind_ == Kind::kNone) {
        return;
    }
    bj::object& item = output_.back().get_object();
    bj::object done = place(kind_ != Kind::kCall);
    if (kind_ == Kind::kCall) {
        item["arguments"] = text_.empty() ? "{}" : text_;
        done["name"] = item.at("name");
        done["arguments"] = item.at("arguments");
        out += stream_ ? event("response.function_call_arguments.done", std::move(done)) : std::string();
    } else {
        const bool message = kind_ == Kind::kMessage;
        bj::object part = message ? text_part(text_, token_logprobs_) : reasoning_part(text_);
        item["content"] = bj::array{part};
        if (stream_) {
            bj::object part_done = done;
            part_done["part"] = std::move(part);
            done["text"] = text_;
            if (message) {
                done["logprobs"] = token_logprobs_;
            }
            out += event(message ? "response.output_text.done" : "response.reasoning_text.done", std::move(done));
            out += event("response.content_part.done", std::move(part_done));
        }
    }
    const bool cut = finish_.reason == engine::FinishReason::kLength;
    item["status"] = cut ? "incomplete" : "completed";
    if (stream_) {
        out += event("response.output_item.done",
                     bj::object{{"output_index", output_.size() - 1}, {"item", output_.back()}});
    }
    text_.clear();
    token_logprobs_.clear();
    kind_ = Kind::kNone;
}

/// Most of what is streamed: no tree is made of it.
void ResponseWriter::add(std::string_view type, std::string_view text, const bj::array* logprobs, std::string& out) {
    text_ += text;
    if (!stream_ || (text.empty() && (logprobs == nullptr || logprobs->empty()))) {
        return;
    }
    out += fmt::format("event: {}\ndata: {{\"type\":\"{}\",\"sequence_number\":{},\"item_id\":", type, type, number_++);
    engine::append_json_string(std::string_view(output_.back().at("id").as_string()), out);
    out += fmt::format(",\"output_index\":{},", output_.size() - 1);
    out += kind_ == Kind::kCall ? "" : "\"content_index\":0,";
    out += "\"delta\":";
    engine::append_json_string(text, out);
    if (logprobs != nullptr) {
        out += ",\"logprobs\":" + bj::serialize(*logprobs);
    }
    out += "}\n\n";
}

void ResponseWriter::add_call(const engine::ToolCallDelta& part, std::string& out) {
    if (kind_ != Kind::kCall || call_ != part.call) {
        close(out);
        call_ = part.call;
        open(Kind::kCall,
             bj::object{{"id", random_id("fc_")},
                        {"type", "function_call"},
                        {"status", "in_progress"},
                        {"arguments", ""},
                        {"call_id", part.id},
                        {"name", part.name}},
             out);
    }
    add("response.function_call_arguments.delta", part.arguments, nullptr, out);
}

void ResponseWriter::take(const engine::Event& event, std::string& out) {
    if (const auto* finish = std::get_if<engine::Finish>(&event)) {
        finish_ = *finish;
        close(out);
        return;
    }
    const auto* delta = std::get_if<engine::Delta>(&event);
    if (delta == nullptr) {
        return;
    }
    if (!delta->reasoning.empty()) {
        if (kind_ != Kind::kReasoning) {
            close(out);
            open(Kind::kReasoning,
                 bj::object{{"id", random_id("rs_")},
                            {"type", "reasoning"},
                            {"status", "in_progress"},
                            {"summary", bj::array()},
                            {"content", bj::array()}},
                 out);
        }
        add("response.reasoning_text.delta", delta->reasoning, nullptr, out);
    }
    // Line ends between reasoning, text and calls are no item of their own.
    const bool blank = delta->text.find_first_not_of(" \t\r\n") == std::string::npos;
    if (!delta->text.empty() && (kind_ == Kind::kMessage || !blank)) {
        if (kind_ != Kind::kMessage) {
            close(out);
            open(Kind::kMessage,
                 bj::object{{"id", random_id("msg_")},
                            {"type", "message"},
                            {"status", "in_progress"},
                            {"role", "assistant"},
                            {"content", bj::array()}},
                 out);
        }
        const bj::array logprobs = logprobs_ ? logprobs_array(delta->logprobs) : bj::array();
        token_logprobs_.insert(token_logprobs_.end(), logprobs.begin(), logprobs.end());
        add("response.output_text.delta", delta->text, &logprobs, out);
    }
    for (const engine::ToolCallDelta& part : delta->tool_calls) {
        add_call(part, out);
    }
}

std::string ResponseWriter::last(const engine::Usage& usage) {
    usage_ = usage_object(usage);
    std::string_view type = "response.completed";
    status_ = "completed";
    if (finish_.reason == engine::FinishReason::kLength) {
        type = "response.incomplete";
        status_ = "incomplete";
    } else if (finish_.reason == engine::FinishReason::kCancelled) {
        type = "response.incomplete";
        status_ = "cancelled";
    }
    return stream_ ? event(type, bj::object{{"response", object()}}) : std::string();
}

std::string ResponseWriter::failed(const Error& error) {
    status_ = "failed";
    error_ = bj::object{{"code", "server_error"}, {"message", error.text()}};
    return event("response.failed", bj::object{{"response", object()}});
}

}  // namespace gantry::dialects::responses
