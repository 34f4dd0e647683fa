#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "api/dialects/openai/call.hpp"
#include "api/dialects/openai/fields.hpp"
#include "api/dialects/openai/sampling_fields.hpp"
#include "runtime/engine/request_checks.hpp"

namespace gantry::dialects::openai {

namespace bj = boost::json;

namespace {

using Input = decltype(engine::GenerateRequest::input);

constexpr size_t kMaxPrompts = 128;

bool token_ids(const bj::array& list, std::vector<int32_t>& out) {
    for (const bj::value& item : list) {
        const auto id = json::whole(item);
        if (!id || *id < 0 || *id > std::numeric_limits<int32_t>::max()) {
            return false;
        }
        out.push_back(static_cast<int32_t>(*id));
    }
    return true;
}

/// The prompts, whatever of the four forms they come in.
std::vector<Input> read_prompts(json::Reader& reader) {
    const bj::value* prompt = reader.any("prompt");
    if (!prompt) {
        reader.fail("prompt", "is missing; a string, or a list of strings or token ids, is needed");
        return {};
    }
    if (prompt->is_string()) {
        return {engine::TextInput{std::string(prompt->get_string()), true}};
    }
    const bj::array* list = prompt->if_array();
    if (!list || list->empty()) {
        reader.fail("prompt", fmt::format("must be a string, or a list of strings or token ids, not {}",
                                          list ? "an empty list" : json::kind_name(*prompt)));
        return {};
    }
    if ((*list)[0].is_number()) {
        engine::TokenInput tokens;
        if (!token_ids(*list, tokens.ids)) {
            reader.fail("prompt", "a list of token ids must hold whole numbers from 0 on");
            return {};
        }
        return {std::move(tokens)};
    }
    if (list->size() > kMaxPrompts) {
        reader.fail("prompt", fmt::format("at most {} prompts are possible, not {}", kMaxPrompts, list->size()));
        return {};
    }
    std::vector<Input> out;
    for (const bj::value& item : *list) {
        const std::string path = fmt::format("prompt[{}]", out.size());
        engine::TokenInput tokens;
        if (item.is_string()) {
            out.emplace_back(engine::TextInput{std::string(item.get_string()), true});
        } else if (item.is_array() && !item.get_array().empty() && token_ids(item.get_array(), tokens.ids)) {
            out.emplace_back(std::move(tokens));
        } else {
            reader.fail(path, "must be a string or a list of token ids, like the first");
            return {};
        }
    }
    return out;
}

}  // namespace

api::ApiResult<Call> decode_completion(const bj::object& body) {
    json::Reader reader(body);
    Call call;
    call.chat = false;
    engine::GenerateRequest request;
    read_common(reader, call, request);
    std::vector<Input> prompts = read_prompts(reader);
    request.echo = reader.boolean("echo").value_or(false);
    if (const auto top = reader.integer("logprobs", 0, 20)) {
        call.logprobs = true;
        request.top_logprobs = static_cast<uint32_t>(*top);
    }
    if (request.echo && call.logprobs) {
        call.echo_logprobs = true;
        request.prompt_logprobs = std::max(request.prompt_logprobs.value_or(0), *request.top_logprobs);
    }
    if (const auto best = reader.integer("best_of", 1, engine::kMaxAnswers)) {
        if (*best < request.n) {
            reader.fail("best_of", "must not be less than n");
        } else if (call.stream && *best > request.n) {
            reader.fail("best_of", "is not possible with \"stream\": true: the best is known at the end only");
        }
        request.best_of = static_cast<int32_t>(*best);
    }
    call.suffix = reader.string("suffix").value_or("");
    const bool all_text = std::all_of(prompts.begin(), prompts.end(), [](const Input& prompt) {
        return std::holds_alternative<engine::TextInput>(prompt);
    });
    if (!call.suffix.empty() && (request.echo || !all_text)) {
        reader.fail("suffix", request.echo ? "is not possible with \"echo\": true" : "needs prompts that are texts");
    }
    read_beams(reader, request);
    refuse_unsupported(reader);
    if (!reader.status()) {
        return api::ApiError::from(reader);
    }
    const auto unknown = reader.unknown();
    call.ignored.insert(call.ignored.end(), unknown.begin(), unknown.end());
    for (Input& prompt : prompts) {
        call.requests.push_back(request);
        call.requests.back().input = std::move(prompt);
    }
    return call;
}

}  // namespace gantry::dialects::openai
