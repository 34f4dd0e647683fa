#include <algorithm>

#include "api/dialects/encode/handlers.hpp"

namespace gantry::dialects::encode {

namespace asio = boost::asio;
namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

/// The model that is named; without a name, the only one that there is.
std::string which(json::Reader& reader, Services& services) {
    auto name = reader.string("model");
    if (name) {
        return *name;
    }
    const std::vector<fleet::ModelStatus> all = services.fleet.list();
    if (all.size() == 1) {
        return all.front().uid;
    }
    reader.fail("model", "is missing; name one of the launched models");
    return {};
}

asio::awaitable<Result<bj::value>> call(Services& services, std::string model, std::string path, bj::object body) {
    bj::value value = std::move(body);
    co_return co_await services.fleet.call(std::move(model), std::move(path), std::move(value));
}

const bj::value* member(const bj::value& answer, std::string_view name) {
    const bj::object* object = answer.if_object();
    return object == nullptr ? nullptr : object->if_contains(name);
}

Error odd_answer() { return {Code::kInternal, "the model's process gave an answer of an unknown form"}; }

/// One list of ids to its tokens.
asio::awaitable<Result<bj::value>> tokens_of(Services& services, std::string model, bj::value ids) {
    bj::object body{{"ids", std::move(ids)}};
    auto answer = co_await call(services, std::move(model), "/detokenize", std::move(body));
    if (!answer) {
        co_return answer.error();
    }
    const bj::value* tokens = member(*answer, "tokens");
    if (tokens == nullptr) {
        co_return odd_answer();
    }
    bj::value out = *tokens;
    co_return out;
}

}  // namespace

Answer tokenize(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    std::string model = which(reader, services);
    auto text = reader.string("prompt");
    const bj::array* messages = reader.array("messages");
    if (!text && messages == nullptr) {
        reader.fail("prompt", "is missing; a \"prompt\" or \"messages\" are needed");
    }
    const bool strings = reader.boolean("return_token_strs").value_or(false);
    // A chat's template writes the special tokens itself.
    const bool special = reader.boolean("add_special_tokens").value_or(messages == nullptr);
    bj::object chat;
    if (messages != nullptr) {
        chat["messages"] = *messages;
        chat["add_generation_prompt"] = reader.boolean("add_generation_prompt").value_or(true);
        if (const bj::array* tools = reader.array("tools")) {
            chat["tools"] = *tools;
        }
    }
    if (auto error = close(reader, exchange)) {
        co_return std::move(*error);
    }
    if (!text) {
        const auto rendered = co_await call(services, model, "/template", std::move(chat));
        if (!rendered) {
            co_return ApiError(rendered.error());
        }
        const bj::value* prompt = member(*rendered, "prompt");
        if (prompt == nullptr || !prompt->is_string()) {
            co_return ApiError(odd_answer());
        }
        text = std::string(prompt->get_string());
    }
    bj::object question{{"text", *text}, {"add_special", special}};
    const auto answer = co_await call(services, model, "/tokenize", std::move(question));
    if (!answer) {
        co_return ApiError(answer.error());
    }
    const bj::value* ids = member(*answer, "ids");
    const bj::value* tokens = member(*answer, "tokens");
    if (ids == nullptr || !ids->is_array() || tokens == nullptr) {
        co_return ApiError(odd_answer());
    }
    const auto status = services.fleet.describe(model);
    co_return api::json_response(bj::object{{"count", ids->get_array().size()},
                                            {"max_model_len", status ? status->context_length : 0},
                                            {"tokens", *ids},
                                            {"token_strs", strings ? *tokens : bj::value(nullptr)}});
}

Answer detokenize(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    std::string model = which(reader, services);
    const bj::array* tokens = reader.array("tokens");
    if (tokens == nullptr) {
        reader.fail("tokens", "is missing; a list of token ids is needed");
    }
    bj::object question;
    if (tokens != nullptr) {
        question["ids"] = *tokens;
        question["skip_special"] = false;
    }
    if (auto error = close(reader, exchange)) {
        co_return std::move(*error);
    }
    const auto answer = co_await call(services, std::move(model), "/detokenize", std::move(question));
    if (!answer) {
        co_return ApiError(answer.error());
    }
    const bj::value* text = member(*answer, "text");
    co_return api::json_response(bj::object{{"prompt", text == nullptr ? bj::value("") : *text}});
}

Answer convert_ids_to_tokens(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    const std::string model = which(reader, services);
    const bj::array* given = reader.array("input");
    if (given == nullptr || given->size() > kMaxInputs) {
        reader.fail("input", "must be a list of token ids, or a list of such lists");
    }
    const bj::array input = given == nullptr ? bj::array() : *given;
    if (auto error = close(reader, exchange)) {
        co_return std::move(*error);
    }
    const bool nested = !input.empty() && input.front().is_array();
    bj::array lists;
    if (nested) {
        lists = input;
    } else {
        lists.emplace_back(input);
    }
    bj::array out;
    for (const bj::value& ids : lists) {
        bj::value one = ids;
        auto tokens = co_await tokens_of(services, model, std::move(one));
        if (!tokens) {
            co_return ApiError(tokens.error(), "input");
        }
        out.push_back(std::move(*tokens));
    }
    co_return api::json_response(nested ? bj::value(std::move(out)) : out.front());
}

}  // namespace gantry::dialects::encode
