#include <fmt/core.h>

#include <algorithm>

#include "api/dialects/ollama/handlers.hpp"
#include "api/dialects/ollama/targets.hpp"
#include "api/http/generation_events.hpp"
#include "api/http/infill.hpp"

namespace gantry::dialects::ollama {

namespace asio = boost::asio;
namespace bj = boost::json;
using api::ApiError;
using api::Exchange;
using api::Outcome;
using api::Services;

namespace {

using Clock = std::chrono::steady_clock;

/// Lines that are ready together are gathered up to so many bytes before they are written.
constexpr size_t kWriteSize = 32 * 1024;

/// A request on its way: what was asked, of whom, and since when.
struct Run {
    Call call;
    Target target;
    Clock::time_point begin = Clock::now();
    Took took;
    std::vector<int32_t> prompt_ids;
};

http::Response line_response(std::string body) {
    http::Response response;
    response.headers.set("Content-Type", "application/json; charset=utf-8");
    response.body = std::move(body);
    return response;
}

/// What the model cannot do, as Ollama says it.
std::optional<Error> unable(const fleet::ModelStatus& model, const Run& run) {
    const auto cannot = [&](std::string_view what) {
        return Error(Code::kInvalidArgument, fmt::format("\"{}\" does not support {}", run.target.name, what));
    };
    const auto* chat = std::get_if<engine::ChatInput>(&run.call.request.input);
    if (run.call.needs_thinking && model.reasoning_tag.empty()) {
        return cannot("thinking");
    }
    if (chat != nullptr && !chat->tools.empty() && model.tool_parser == "none") {
        return cannot("tools");
    }
    if (run.call.chat && std::find(model.abilities.begin(), model.abilities.end(), "chat") == model.abilities.end()) {
        return cannot("chat");
    }
    return std::nullopt;
}

/// A model without a chat template goes on with the texts of the prompt.
void make_plain(const fleet::ModelStatus& model, engine::GenerateRequest& request) {
    const auto* chat = std::get_if<engine::ChatInput>(&request.input);
    if (chat == nullptr || std::find(model.abilities.begin(), model.abilities.end(), "chat") != model.abilities.end()) {
        return;
    }
    std::string text;
    for (const bj::value& message : chat->messages) {
        text += (text.empty() ? "" : "\n") + text_member(message.get_object(), "content");
    }
    request.input = engine::TextInput{std::move(text), true};
}

/// The prompt's tokens, for the "context" of the answer; none where the model's process does not tell.
asio::awaitable<std::vector<int32_t>> prompt_tokens(Services& services, const Run& run) {
    bj::object ask{{"parse_special", true}};
    if (const auto* text = std::get_if<engine::TextInput>(&run.call.request.input)) {
        ask["text"] = text->text;
        ask["add_special"] = run.call.context.empty();
    } else {
        const auto& chat = std::get<engine::ChatInput>(run.call.request.input);
        bj::object variables = chat.template_kwargs;
        variables["messages"] = chat.messages;
        variables["add_generation_prompt"] = true;
        std::string path = "/template";
        bj::value body = std::move(variables);
        const auto rendered = co_await services.fleet.call(run.target.uid, std::move(path), std::move(body));
        if (!rendered || !rendered->is_object()) {
            co_return std::vector<int32_t>();
        }
        ask["text"] = text_member(rendered->get_object(), "prompt");
        ask["add_special"] = false;
    }
    std::string path = "/tokenize";
    bj::value body = std::move(ask);
    const auto answer = co_await services.fleet.call(run.target.uid, std::move(path), std::move(body));
    const bj::value* ids = answer && answer->is_object() ? answer->get_object().if_contains("ids") : nullptr;
    std::vector<int32_t> out = run.call.context;
    if (ids != nullptr && ids->is_array()) {
        for (const bj::value& id : ids->get_array()) {
            out.push_back(id.to_number<int32_t>());
        }
    }
    co_return out;
}

asio::awaitable<Outcome> answer_whole(Exchange& exchange, Run run, api::GenerationEvents events) {
    AnswerWriter writer(run.call, run.target.name, std::move(run.prompt_ids));
    std::string nothing;
    while (true) {
        const auto step = co_await events.next();
        if (step.error) {
            co_return ApiError(*step.error);
        }
        if (const auto* usage = std::get_if<engine::Usage>(&step.event)) {
            run.took.total = Clock::now() - run.begin;
            exchange.ignored(run.call.ignored);
            co_return line_response(writer.last(*usage, run.took));
        }
        writer.take(step.event, nothing);
    }
}

asio::awaitable<Outcome> answer_stream(Exchange& exchange, Run run, api::GenerationEvents events) {
    AnswerWriter writer(run.call, run.target.name, std::move(run.prompt_ids));
    std::string pending;
    bool started = false;
    for (bool whole = false; !whole;) {
        const auto step = co_await events.next();
        if (step.error && !started) {
            co_return ApiError(*step.error);
        }
        if (!started) {
            started = true;
            exchange.ignored(run.call.ignored);
            if (!co_await exchange.start(200, "application/x-ndjson")) {
                co_return api::Streamed{};
            }
        }
        if (step.error) {
            pending += bj::serialize(error_body(*step.error)) + '\n';
            whole = true;
        } else if (const auto* usage = std::get_if<engine::Usage>(&step.event)) {
            run.took.total = Clock::now() - run.begin;
            pending += writer.last(*usage, run.took);
            whole = true;
        } else {
            writer.take(step.event, pending);
        }
        const bool more = !whole && pending.size() < kWriteSize && events.ready();
        if (!pending.empty() && !more) {
            std::string text = std::exchange(pending, std::string());
            if (!co_await exchange.write(std::move(text))) {
                co_return api::Streamed{};
            }
        }
    }
    (void)co_await exchange.finish();
    co_return api::Streamed{};
}

/// A request without a prompt loads the model; with a keep_alive of 0 it stops it.
asio::awaitable<Outcome> load_or_unload(Services& services, api::Principal caller, Run run) {
    if (run.call.keep_alive == std::chrono::seconds(0)) {
        if (!caller.may(api::Scope::kLaunch)) {
            co_return ApiError(
                Error(Code::kPermissionDenied, "this key may not stop models", "use a key with the scope launch"));
        }
        const auto status = services.fleet.describe(run.target.uid);
        if (status) {
            const Status stopped = co_await services.fleet.stop(run.target.uid);
            if (!stopped) {
                co_return ApiError(stopped.error());
            }
        }
        co_return api::json_response(load_answer(run.call, run.target.name, "unload"));
    }
    const auto ready = co_await make_ready(services, std::move(caller), run.target, run.call.keep_alive);
    if (!ready) {
        co_return ApiError(ready.error());
    }
    co_return api::json_response(load_answer(run.call, run.target.name, "load"));
}

asio::awaitable<Outcome> run_call(Services& services, Exchange& exchange, Run run) {
    if (run.call.load_only) {
        co_return co_await load_or_unload(services, exchange.principal, std::move(run));
    }
    const auto loading = co_await make_ready(services, exchange.principal, run.target, run.call.keep_alive);
    if (!loading) {
        co_return ApiError(loading.error());
    }
    run.took.load = *loading;
    const auto model = services.fleet.describe(run.target.uid);
    if (!model) {
        co_return ApiError(model.error());
    }
    if (auto error = unable(*model, run)) {
        co_return ApiError(std::move(*error));
    }
    make_plain(*model, run.call.request);
    if (!run.call.suffix.empty()) {
        auto& input = std::get<engine::TextInput>(run.call.request.input);
        auto prompt = co_await api::infill_prompt(services.fleet, run.target.uid, input.text, run.call.suffix);
        if (!prompt) {
            co_return ApiError(prompt.error());
        }
        input.text = std::move(*prompt);
    }
    if (run.call.give_context) {
        run.prompt_ids = co_await prompt_tokens(services, run);
        if (!run.call.context.empty()) {
            run.call.request.input = engine::TokenInput{run.prompt_ids};
        }
    }
    api::GenerationName name{run.target.name, run.call.chat ? "chat" : "text_completion",
                             "ollama-" + services.new_id()};
    auto events =
        co_await api::begin_generation(services, exchange, run.target.route, std::move(name), run.call.request);
    if (!events) {
        co_return ApiError(events.error());
    }
    if (run.call.stream) {
        co_return co_await answer_stream(exchange, std::move(run), std::move(*events));
    }
    co_return co_await answer_whole(exchange, std::move(run), std::move(*events));
}

using Decode = api::ApiResult<Call> (*)(const bj::object&);

asio::awaitable<Outcome> decode_and_run(Services& services, Exchange& exchange, Decode decode, bool chat) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    const auto name = model_name(*body);
    if (!name) {
        co_return name.error();
    }
    if (const Derived* derived = services.kept<Library>().find(short_name(*name))) {
        fill_in(*derived, *body, chat);
    }
    auto call = decode(*body);
    if (!call) {
        co_return call.error();
    }
    auto target = find_target(services, *name);
    if (!target) {
        co_return target.error();
    }
    if (target->launch) {
        target->launch->context = call->num_ctx;
        target->launch->threads = call->num_thread;
    }
    Run run;
    run.call = std::move(*call);
    run.target = std::move(*target);
    co_return co_await run_call(services, exchange, std::move(run));
}

}  // namespace

Answer generate(Services& services, Exchange& exchange) {
    return decode_and_run(services, exchange, decode_generate, false);
}

Answer chat(Services& services, Exchange& exchange) { return decode_and_run(services, exchange, decode_chat, true); }

}  // namespace gantry::dialects::ollama
