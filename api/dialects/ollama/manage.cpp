#include <fmt/core.h>

#include <ctime>
#include <filesystem>

#include "api/dialects/ollama/handlers.hpp"
#include "api/dialects/ollama/library.hpp"
#include "api/dialects/ollama/targets.hpp"

namespace gantry::dialects::ollama {

namespace asio = boost::asio;
namespace bj = boost::json;
namespace fs = std::filesystem;
using api::ApiError;
using api::Exchange;
using api::Services;

namespace {

/// The steps of something that is done already: a line each, or the last one alone.
asio::awaitable<api::Outcome> tell(Exchange& exchange, bool stream, std::vector<bj::object> steps) {
    if (!stream) {
        co_return api::json_response(steps.back());
    }
    if (co_await exchange.start(200, "application/x-ndjson")) {
        std::string lines;
        for (const bj::object& step : steps) {
            lines += bj::serialize(step) + '\n';
        }
        (void)co_await exchange.write(std::move(lines));
        (void)co_await exchange.finish();
    }
    co_return api::Streamed{};
}

ApiError refused(std::string message, std::string hint = {}, Code code = Code::kInvalidArgument) {
    return ApiError(Error(code, std::move(message), std::move(hint)));
}

/// What a created model is made of, as the request says it.
api::ApiResult<Derived> decode_create(const bj::object& body) {
    json::Reader reader(body);
    Derived out;
    if (const auto text = reader.string("modelfile"); text && !text->empty()) {
        auto read = read_modelfile(*text);
        if (!read) {
            return ApiError(read.error(), "modelfile");
        }
        out = std::move(*read);
    }
    out.from = reader.string("from").value_or(out.from);
    out.system = reader.string("system").value_or(out.system);
    out.own_template = reader.string("template").value_or(out.own_template);
    if (const auto licence = reader.strings("license", true)) {
        for (const std::string& part : *licence) {
            out.licence += (out.licence.empty() ? "" : "\n") + part;
        }
    }
    if (const bj::object* parameters = reader.object("parameters")) {
        for (const auto& [name, value] : *parameters) {
            out.parameters[name] = value;
        }
    }
    if (const bj::array* messages = reader.array("messages")) {
        out.messages = *messages;
    }
    for (const char* name : {"files", "adapters"}) {
        const bj::object* given = reader.object(name);
        if (given != nullptr && !given->empty()) {
            reader.fail(name, "uploaded files are not supported",
                        "put the file on the server's machine and give its path in \"from\"");
        }
    }
    if (const auto type = reader.string("quantize"); type && !type->empty()) {
        reader.fail("quantize", "is not supported", "name a model that is quantised already");
    }
    if (!out.own_template.empty() && out.own_template != "{{ .Prompt }}" && out.own_template != "{{.Prompt}}") {
        reader.fail("template", "Go templates are not supported, but for \"{{ .Prompt }}\"",
                    "leave it out: the model's own is used");
    }
    if (out.from.empty()) {
        reader.fail("from", "is missing; the name of a model, or the path of its file, is needed");
    }
    if (!reader.status()) {
        return ApiError::from(reader);
    }
    return out;
}

/// The parameters and messages must be such as a request could have.
std::optional<ApiError> check(const Derived& model) {
    const bj::object probe{{"options", model.parameters}, {"messages", model.messages}};
    const auto decoded = decode_chat(probe);
    return decoded ? std::nullopt : std::optional(decoded.error());
}

/// What is made of a created model is made of what that one is made of.
void flatten(const Derived& base, Derived& model) {
    model.from = base.from;
    model.system = model.system.empty() ? base.system : model.system;
    model.own_template = model.own_template.empty() ? base.own_template : model.own_template;
    model.licence = model.licence.empty() ? base.licence : model.licence;
    model.messages = model.messages.empty() ? base.messages : model.messages;
    for (const auto& [name, value] : base.parameters) {
        if (!model.parameters.contains(name)) {
            model.parameters[name] = value;
        }
    }
}

/// A name that may be given: none that leads to something else already.
std::optional<ApiError> unusable(Services& services, const std::string& name) {
    const bool mine = services.kept<Library>().find(short_name(name)) != nullptr;
    if (!mine && find_target(services, name)) {
        return refused(fmt::format("\"{}\" is a model of the catalog or a launched one", name), "choose another name",
                       Code::kAlreadyExists);
    }
    if (name.size() > 200 || name.find_first_of(" \t\r\n\"'\\") != std::string::npos) {
        return refused("a model's name must have at most 200 characters, without blanks and quotes");
    }
    return std::nullopt;
}

}  // namespace

Answer push_model(Services&, Exchange&) {
    co_return refused("models are not pushed anywhere by this server", {}, Code::kUnimplemented);
}

Answer create_model(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    const auto name = model_name(*body);
    if (!name) {
        co_return name.error();
    }
    json::Reader reader(*body);
    const bool stream = reader.boolean("stream").value_or(true);
    auto model = reader.status() ? decode_create(*body) : api::ApiResult<Derived>(ApiError::from(reader));
    if (!model) {
        co_return model.error();
    }
    if (auto error = check(*model)) {
        co_return std::move(*error);
    }
    if (auto error = unusable(services, *name)) {
        co_return std::move(*error);
    }
    Library& library = services.kept<Library>();
    model->name = std::string(short_name(*name));
    model->modified = static_cast<int64_t>(std::time(nullptr));
    std::error_code failed;
    if (const Derived* base = library.find(short_name(model->from)); base != nullptr && base->name != model->name) {
        flatten(*base, *model);
    } else if (fs::path(model->from).is_absolute() ? !fs::exists(model->from, failed)
                                                   : !find_target(services, model->from)) {
        co_return no_such_model(services, model->from);
    }
    const Status kept = library.put(std::move(*model));
    if (!kept) {
        co_return ApiError(kept.error());
    }
    std::vector<bj::object> steps{bj::object{{"status", "writing manifest"}}, bj::object{{"status", "success"}}};
    co_return co_await tell(exchange, stream, std::move(steps));
}

Answer copy_model(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    json::Reader reader(*body);
    const std::string source = reader.required_string("source");
    const std::string destination = reader.required_string("destination");
    if (!reader.status()) {
        co_return ApiError::from(reader);
    }
    if (!find_target(services, source)) {
        co_return no_such_model(services, source);
    }
    if (auto error = unusable(services, destination)) {
        co_return std::move(*error);
    }
    Library& library = services.kept<Library>();
    const Derived* made = library.find(short_name(source));
    Derived copy = made != nullptr ? *made : Derived();
    copy.from = made != nullptr ? made->from : std::string(short_name(source));
    copy.name = std::string(short_name(destination));
    copy.modified = static_cast<int64_t>(std::time(nullptr));
    const Status kept = library.put(std::move(copy));
    if (!kept) {
        co_return ApiError(kept.error());
    }
    co_return http::Response();
}

Answer delete_model(Services& services, Exchange& exchange) {
    auto body = exchange.json_body();
    if (!body) {
        co_return body.error();
    }
    const auto name = model_name(*body);
    if (!name) {
        co_return name.error();
    }
    Library& library = services.kept<Library>();
    const std::string words(short_name(*name));
    if (library.find(words) == nullptr) {
        if (!find_target(services, *name)) {
            co_return no_such_model(services, *name);
        }
        co_return refused(fmt::format("\"{}\" was not created or copied here: its files are not deleted", *name),
                          "stop it with a keep_alive of 0", Code::kFailedPrecondition);
    }
    const Status removed = library.remove(words);
    if (!removed) {
        co_return ApiError(removed.error());
    }
    co_return http::Response();
}

Answer find_blob(Services&, Exchange& exchange) {
    co_return ApiError(Error(Code::kNotFound, "there is no blob " + exchange.param("digest")));
}

Answer put_blob(Services&, Exchange&) {
    co_return refused("uploaded files are not supported",
                      "put the file on the server's machine and give its path in \"from\"", Code::kUnimplemented);
}

}  // namespace gantry::dialects::ollama
