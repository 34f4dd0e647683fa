#include <limits>

#include "api/dialects/openai/call.hpp"
#include "api/dialects/openai/fields.hpp"
#include "api/dialects/openai/messages.hpp"
#include "api/dialects/openai/sampling_fields.hpp"

namespace gantry::dialects::openai {

namespace bj = boost::json;

namespace {

/// chat_template_kwargs (an object, or its JSON text) with the fields that are short for one of its members.
bj::object read_template_kwargs(json::Reader& reader) {
    bj::object kwargs;
    if (const bj::value* given = reader.any("chat_template_kwargs")) {
        if (given->is_object()) {
            kwargs = given->get_object();
        } else if (given->is_string()) {
            auto parsed = json::parse_object(given->get_string());
            if (!parsed) {
                reader.fail("chat_template_kwargs", parsed.error().message);
                return {};
            }
            kwargs = std::move(*parsed);
        } else {
            reader.fail("chat_template_kwargs", "must be an object or its JSON text");
        }
    }
    if (const auto thinking = reader.boolean("enable_thinking")) {
        kwargs["enable_thinking"] = *thinking;
        kwargs["thinking"] = *thinking;
    }
    const auto effort = reader.choice("reasoning_effort", {"none", "minimal", "low", "medium", "high", "xhigh", "max"});
    if (effort == "none") {
        kwargs["enable_thinking"] = false;
        kwargs["thinking"] = false;
    } else if (effort) {
        kwargs["reasoning_effort"] = *effort;
    }
    return kwargs;
}

/// The budget goes by several names: ours, and those of other servers.
void read_reasoning(json::Reader& reader, engine::ChatInput& input) {
    for (const std::string_view name : {"max_reasoning_tokens", "thinking_budget", "thinking_token_budget"}) {
        const auto budget = reader.integer(name, 0, std::numeric_limits<int32_t>::max());
        if (budget && !input.reasoning_budget) {
            input.reasoning_budget = static_cast<uint32_t>(*budget);
        }
    }
    input.separate_reasoning = reader.boolean("separate_reasoning").value_or(true);
}

void read_logprobs(json::Reader& reader, Call& call, engine::GenerateRequest& request) {
    call.logprobs = reader.boolean("logprobs").value_or(false);
    const auto top = reader.integer("top_logprobs", 0, 20);
    if (top && *top > 0 && !call.logprobs) {
        reader.fail("top_logprobs", "needs \"logprobs\": true");
    }
    if (call.logprobs) {
        request.top_logprobs = static_cast<uint32_t>(top.value_or(0));
    }
}

}  // namespace

api::ApiResult<Call> decode_chat(const bj::object& body) {
    json::Reader reader(body);
    Call call;
    engine::GenerateRequest request;
    engine::ChatInput input;
    read_common(reader, call, request);
    input.messages = read_messages(reader);
    read_tools(reader, input);
    call.tools = !input.tools.empty();
    input.template_kwargs = read_template_kwargs(reader);
    read_reasoning(reader, input);
    input.add_generation_prompt = reader.boolean("add_generation_prompt").value_or(true);
    read_logprobs(reader, call, request);
    if (reader.boolean("echo").value_or(false)) {
        reader.fail("echo", "belongs to /v1/completions");
    }
    if (const bj::value* choice = reader.any("function_call"); choice && *choice != "none" && *choice != "auto") {
        reader.fail("function_call", "is not supported by this version", "leave it out");
    }
    read_beams(reader, request);
    refuse_unsupported(reader);
    if (!reader.status()) {
        return api::ApiError::from(reader);
    }
    const auto unknown = reader.unknown();
    call.ignored.insert(call.ignored.end(), unknown.begin(), unknown.end());
    request.input = std::move(input);
    call.requests.push_back(std::move(request));
    return call;
}

}  // namespace gantry::dialects::openai
