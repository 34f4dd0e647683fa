#include <fmt/core.h>

#include <limits>

#include "api/dialects/anthropic/call.hpp"
#include "runtime/engine/request_checks.hpp"

namespace gantry::dialects::anthropic {

namespace bj = boost::json;

namespace {

constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();

void read_thinking(json::Reader& reader, Call& call, engine::ChatInput& input) {
    if (const bj::object* thinking = reader.object("thinking")) {
        json::Reader inner(*thinking, "thinking");
        const auto type = inner.choice("type", {"enabled", "disabled", "adaptive"});
        const auto budget = inner.integer("budget_tokens", 1, kMaxTokens);
        inner.known({"display"});
        call.thinking = type == "enabled" || type == "adaptive";
        if (!type) {
            inner.fail("type", "is missing");
        } else if (type == "enabled" && !budget) {
            inner.fail("budget_tokens", "is missing");
        } else if (budget && call.request.max_tokens && *budget >= *call.request.max_tokens) {
            inner.fail("budget_tokens", "must be less than max_tokens");
        }
        if (call.thinking && budget) {
            input.reasoning_budget = static_cast<uint32_t>(*budget);
        }
        if (!inner.status()) {
            reader.fail_at(inner.failed_path(), inner.status().error());
        }
    }
    // Without it Anthropic's models do not think, and clients count on short answers.
    input.template_kwargs["enable_thinking"] = call.thinking;
    input.template_kwargs["thinking"] = call.thinking;
}

/// {"type": "json_schema", "schema": {...}}.
void read_format(json::Reader& reader, std::string_view name, engine::GenerateRequest& request) {
    const bj::object* format = reader.object(name);
    if (format == nullptr) {
        return;
    }
    const bj::value* schema = format->if_contains("schema");
    if (text_member(*format, "type") != "json_schema" || schema == nullptr || !schema->is_object()) {
        reader.fail(name, "must be {\"type\": \"json_schema\", \"schema\": {...}}");
        return;
    }
    request.grammar.emplace().kind = engine::GrammarSpec::Kind::kJsonSchema;
    request.grammar->text = bj::serialize(*schema);
}

void read_output(json::Reader& reader, Call& call, engine::ChatInput& input) {
    read_format(reader, "output_format", call.request);
    if (const bj::object* config = reader.object("output_config")) {
        json::Reader inner(*config, "output_config");
        read_format(inner, "format", call.request);
        if (const auto effort = inner.choice("effort", {"low", "medium", "high", "xhigh", "max"})) {
            input.template_kwargs["reasoning_effort"] = *effort;
        }
        if (!inner.status()) {
            reader.fail_at(inner.failed_path(), inner.status().error());
        }
    }
}

void read_user(json::Reader& reader, engine::GenerateRequest& request) {
    if (const bj::object* metadata = reader.object("metadata")) {
        json::Reader inner(*metadata, "metadata");
        request.share_key = inner.string("user_id").value_or("").substr(0, engine::kMaxShareKey);
        if (!inner.status()) {
            reader.fail_at(inner.failed_path(), inner.status().error());
        }
    }
}

void read_sampling(json::Reader& reader, engine::GenerateRequest& request) {
    request.sampling.temperature = reader.number("temperature", {0, 2});
    request.sampling.top_p = reader.number("top_p", {0, 1, true});
    request.sampling.top_k = reader.integer("top_k", 0, kMaxTokens);
    if (auto stops = reader.strings("stop_sequences")) {
        for (const std::string& stop : *stops) {
            if (stop.find_first_not_of(" \t\r\n") == std::string::npos) {
                reader.fail("stop_sequences", "each stop sequence must contain non-whitespace");
            }
        }
        request.stop = std::move(*stops);
    }
}

}  // namespace

std::string text_member(const bj::object& object, std::string_view name) {
    const bj::value* found = object.if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

api::ApiResult<Call> decode_call(const bj::object& body, Purpose purpose) {
    json::Reader reader(body);
    Call call;
    engine::ChatInput input;
    call.model = reader.required_string("model");
    if (const auto most = reader.integer("max_tokens", 1, kMaxTokens)) {
        call.request.max_tokens = static_cast<uint32_t>(*most);
    } else if (purpose == Purpose::kAnswer) {
        reader.fail("max_tokens", "is missing; how long the answer may be must be said");
    }
    input.messages = read_messages(reader);
    read_tools(reader, input);
    read_thinking(reader, call, input);
    read_output(reader, call, input);
    read_sampling(reader, call.request);
    read_user(reader, call.request);
    call.stream = reader.boolean("stream").value_or(false);
    if (const bj::array* servers = reader.array("mcp_servers"); servers != nullptr && !servers->empty()) {
        reader.fail("mcp_servers", "is not supported, and would change the answer", "leave it out");
    }
    // Known, and without effect on the answer.
    reader.known({"service_tier", "cache_control", "betas", "inference_geo"});
    if (!reader.status()) {
        return api::ApiError::from(reader);
    }
    call.ignored = reader.unknown();
    call.request.input = std::move(input);
    return call;
}

}  // namespace gantry::dialects::anthropic
