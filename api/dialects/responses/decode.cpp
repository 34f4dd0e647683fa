#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "api/dialects/responses/call.hpp"
#include "runtime/engine/request_checks.hpp"

namespace gantry::dialects::responses {

namespace bj = boost::json;

namespace {

constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();
constexpr size_t kMaxTools = 256;

/// Answers repeat what they were asked for; fields that were left out have OpenAI's defaults there.
bj::object echoed(const bj::object& body) {
    bj::object out{{"instructions", nullptr},
                   {"max_output_tokens", nullptr},
                   {"max_tool_calls", nullptr},
                   {"metadata", bj::object()},
                   {"parallel_tool_calls", true},
                   {"previous_response_id", nullptr},
                   {"reasoning", bj::object{{"effort", nullptr}, {"summary", nullptr}}},
                   {"safety_identifier", nullptr},
                   {"store", true},
                   {"temperature", 1.0},
                   {"text", bj::object{{"format", bj::object{{"type", "text"}}}}},
                   {"tool_choice", "auto"},
                   {"tools", bj::array()},
                   {"top_logprobs", 0},
                   {"top_p", 1.0},
                   {"truncation", "disabled"},
                   {"user", nullptr}};
    for (auto& member : out) {
        const bj::value* given = body.if_contains(member.key());
        if (given != nullptr && !given->is_null()) {
            member.value() = *given;
        }
    }
    return out;
}

void read_format(json::Reader& reader, engine::GenerateRequest& request) {
    const bj::object* text = reader.object("text");
    const bj::value* found = text != nullptr ? text->if_contains("format") : nullptr;
    const bj::object* format = found != nullptr ? found->if_object() : nullptr;
    if (format == nullptr) {
        return;
    }
    const std::string type = text_member(*format, "type");
    if (type == "json_object") {
        request.grammar.emplace().kind = engine::GrammarSpec::Kind::kJsonObject;
    } else if (type == "json_schema") {
        const bj::value* schema = format->if_contains("schema");
        if (schema == nullptr || !schema->is_object()) {
            reader.fail("text.format.schema", "is missing; a JSON schema is needed");
            return;
        }
        request.grammar.emplace().kind = engine::GrammarSpec::Kind::kJsonSchema;
        request.grammar->text = bj::serialize(*schema);
    } else if (type != "text") {
        reader.fail("text.format.type",
                    fmt::format("must be \"text\", \"json_object\" or \"json_schema\", not \"{}\"", type));
    }
}

void read_reasoning(json::Reader& reader, engine::ChatInput& input) {
    const bj::object* reasoning = reader.object("reasoning");
    if (reasoning == nullptr) {
        return;
    }
    json::Reader inner(*reasoning, "reasoning");
    const auto effort = inner.choice("effort", {"none", "minimal", "low", "medium", "high", "xhigh", "max"});
    if (effort == "none") {
        input.template_kwargs["enable_thinking"] = false;
        input.template_kwargs["thinking"] = false;
    } else if (effort) {
        input.template_kwargs["reasoning_effort"] = *effort;
    }
    if (!inner.status()) {
        reader.fail_at(inner.failed_path(), inner.status().error());
    }
}

void read_sampling(json::Reader& reader, Call& call) {
    engine::GenerateRequest& request = call.request;
    request.sampling.temperature = reader.number("temperature", {0, 2});
    request.sampling.top_p = reader.number("top_p", {0, 1, true});
    if (const auto most = reader.integer("max_output_tokens", 1, kMaxTokens)) {
        request.max_tokens = static_cast<uint32_t>(*most);
    }
    const auto top = reader.integer("top_logprobs", 0, engine::kMaxTopLogprobs);
    const auto include = reader.strings("include").value_or(std::vector<std::string>());
    call.logprobs = std::find(include.begin(), include.end(), "message.output_text.logprobs") != include.end();
    if (call.logprobs) {
        request.top_logprobs = static_cast<uint32_t>(top.value_or(0));
    }
    if (const auto truncation = reader.choice("truncation", {"auto", "disabled"}); truncation == "auto") {
        request.truncate_prompt_tokens = -1;
    }
    for (const char* name : {"user", "safety_identifier"}) {
        const auto user = reader.string(name);
        request.share_key = request.share_key.empty() ? user.value_or("") : request.share_key;
    }
    if (request.share_key.size() > engine::kMaxShareKey) {
        reader.fail("user", fmt::format("must have at most {} bytes", engine::kMaxShareKey));
    }
}

void refuse(json::Reader& reader) {
    if (reader.boolean("background").value_or(false)) {
        reader.fail("background", "is not supported", "use \"stream\": true");
    }
    for (const char* name : {"conversation", "prompt", "context_management"}) {
        if (reader.any(name) != nullptr) {
            reader.fail(name, "is not supported, and would change the answer", "leave it out");
        }
    }
    // Known, and without effect on the answer.
    reader.known({"service_tier", "stream_options", "prompt_cache_key", "prompt_cache_retention", "max_tool_calls"});
}

void read_choice(json::Reader& reader, engine::ChatInput& input) {
    using engine::ToolChoice;
    const bj::value* choice = reader.any("tool_choice");
    if (choice == nullptr || *choice == "auto") {
        return;
    }
    const bj::object* named = choice->if_object();
    if (*choice == "none") {
        input.tool_choice = ToolChoice::kNone;
        input.tools.clear();
    } else if (*choice == "required") {
        input.tool_choice = ToolChoice::kRequired;
    } else if (named != nullptr && text_member(*named, "type") == "function") {
        input.tool_choice = ToolChoice::kNamed;
        input.tool_name = text_member(*named, "name");
        const bool known = std::any_of(input.tools.begin(), input.tools.end(), [&](const bj::value& tool) {
            return tool.at("function").at("name").as_string() == input.tool_name;
        });
        if (!known) {
            reader.fail("tool_choice", fmt::format("\"{}\" is none of the tools", input.tool_name));
        }
    } else {
        reader.fail("tool_choice",
                    "must be \"auto\", \"none\", \"required\" or {\"type\": \"function\", \"name\": ...}, not " +
                        bj::serialize(*choice));
    }
    if (input.tool_choice == ToolChoice::kRequired && input.tools.empty()) {
        reader.fail("tool_choice", "asks for a call, but there are no tools", "send \"tools\", or leave it out");
    }
}

}  // namespace

void read_tools(json::Reader& reader, engine::ChatInput& input) {
    if (const bj::array* tools = reader.array("tools")) {
        if (tools->size() > kMaxTools) {
            reader.fail("tools", fmt::format("at most {} tools are possible, not {}", kMaxTools, tools->size()));
            return;
        }
        for (const bj::value& value : *tools) {
            const std::string path = fmt::format("tools[{}]", input.tools.size());
            const bj::object* tool = value.if_object();
            const std::string type = tool != nullptr ? text_member(*tool, "type") : std::string();
            if (type != "function") {
                reader.fail(path, fmt::format("tools of type \"{}\" are not supported; only functions are", type));
                return;
            }
            const std::string name = text_member(*tool, "name");
            const bj::value* parameters = tool->if_contains("parameters");
            if (name.empty() || (parameters != nullptr && !parameters->is_object() && !parameters->is_null())) {
                reader.fail(path, "must be {\"type\": \"function\", \"name\": ..., \"parameters\": {...}}");
                return;
            }
            bj::object function{{"name", name}, {"description", text_member(*tool, "description")}};
            if (parameters != nullptr && parameters->is_object()) {
                function["parameters"] = *parameters;
            }
            input.tools.emplace_back(bj::object{{"type", "function"}, {"function", std::move(function)}});
        }
    }
    input.parallel_tool_calls = reader.boolean("parallel_tool_calls").value_or(true);
    read_choice(reader, input);
}

api::ApiResult<Call> decode_call(const bj::object& body, const bj::array& previous) {
    json::Reader reader(body);
    Call call;
    engine::ChatInput input;
    call.model = reader.required_string("model");
    call.stream = reader.boolean("stream").value_or(false);
    call.store = reader.boolean("store").value_or(true);
    call.input = read_input(reader);
    bj::array items = previous;
    items.insert(items.end(), call.input.begin(), call.input.end());
    if (const auto instructions = reader.string("instructions"); instructions && !instructions->empty()) {
        input.messages.emplace_back(bj::object{{"role", "system"}, {"content", *instructions}});
    }
    const bj::array messages = to_messages(reader, items, previous.size());
    input.messages.insert(input.messages.end(), messages.begin(), messages.end());
    read_tools(reader, input);
    read_format(reader, call.request);
    read_reasoning(reader, input);
    read_sampling(reader, call);
    const bj::object* metadata = reader.object("metadata");
    if (metadata != nullptr && metadata->size() > 16) {
        reader.fail("metadata", "at most 16 entries are possible");
    }
    refuse(reader);
    reader.known({"previous_response_id"});  // what it leads to is in `previous`
    if (reader.status() && messages.empty()) {
        reader.fail("input", "must not be empty");
    }
    if (!reader.status()) {
        return api::ApiError::from(reader);
    }
    call.ignored = reader.unknown();
    call.echo = echoed(body);
    call.request.input = std::move(input);
    return call;
}

}  // namespace gantry::dialects::responses
