#include "api/dialects/routes.hpp"
#include "api/dialects/descriptions.hpp"
#include "api/dialects/ollama/handlers.hpp"

namespace gantry::dialects {

namespace {

using api::Scope;
namespace o = ollama;

constexpr api::Route route(std::string_view method, std::string_view pattern, Scope scope, api::RouteHandler handler,
                           std::string_view summary) {
    return {method, pattern, scope, handler, summary, {}, o::error_response};
}

constexpr api::Route kRoutes[] = {
    route("POST", "/api/generate", Scope::kInference, o::generate, "Ollama: go on from a prompt"),
    route("POST", "/api/chat", Scope::kInference, o::chat, "Ollama: answer a chat"),
    route("GET", "/api/tags", Scope::kRead, o::list_models, "Ollama: the models that are here"),
    route("GET", "/api/ps", Scope::kRead, o::list_running, "Ollama: the models that are loaded"),
    route("POST", "/api/show", Scope::kRead, o::show_model, "Ollama: what a model is"),
    route("POST", "/api/pull", Scope::kLaunch, o::pull_model, "Ollama: have a model here"),
    route("POST", "/api/push", Scope::kLaunch, o::push_model, "Ollama: refused"),
    route("POST", "/api/create", Scope::kLaunch, o::create_model, "Ollama: make a model of another"),
    route("POST", "/api/copy", Scope::kLaunch, o::copy_model, "Ollama: a second name for a model"),
    route("DELETE", "/api/delete", Scope::kLaunch, o::delete_model, "Ollama: forget a created model"),
    route("GET", "/api/blobs/{digest}", Scope::kLaunch, o::find_blob, "Ollama: there are no uploaded files"),
    route("POST", "/api/blobs/{digest}", Scope::kLaunch, o::put_blob, "Ollama: refused"),
    route("POST", "/api/embed", Scope::kInference, o::embed, "Ollama: embed texts"),
    route("POST", "/api/embeddings", Scope::kInference, o::embed, "Ollama: embed one text"),
    route("GET", "/api/version", Scope::kPublic, o::version, "Ollama: the version of its interface"),
    route("GET", "/", Scope::kPublic, o::root, "Ollama: says that it runs"),
};

}  // namespace

api::RouteTable ollama_routes() { return {kRoutes, ollama_description()}; }

}  // namespace gantry::dialects
