#include "api/dialects/routes.hpp"
#include "api/dialects/ollama/handlers.hpp"

namespace gantry::dialects {

namespace {

using api::Scope;
namespace o = ollama;

constexpr api::Route kRoutes[] = {
    {"POST", "/api/generate", Scope::kInference, o::in_form<o::generate>, "Ollama: go on from a prompt"},
    {"POST", "/api/chat", Scope::kInference, o::in_form<o::chat>, "Ollama: answer a chat"},
    {"GET", "/api/tags", Scope::kRead, o::in_form<o::list_models>, "Ollama: the models that are here"},
    {"GET", "/api/ps", Scope::kRead, o::in_form<o::list_running>, "Ollama: the models that are loaded"},
    {"POST", "/api/show", Scope::kRead, o::in_form<o::show_model>, "Ollama: what a model is"},
    {"POST", "/api/pull", Scope::kLaunch, o::in_form<o::pull_model>, "Ollama: have a model here"},
    {"POST", "/api/push", Scope::kLaunch, o::in_form<o::push_model>, "Ollama: refused"},
    {"POST", "/api/create", Scope::kLaunch, o::in_form<o::create_model>, "Ollama: make a model of another"},
    {"POST", "/api/copy", Scope::kLaunch, o::in_form<o::copy_model>, "Ollama: a second name for a model"},
    {"DELETE", "/api/delete", Scope::kLaunch, o::in_form<o::delete_model>, "Ollama: forget a created model"},
    {"GET", "/api/blobs/{digest}", Scope::kLaunch, o::in_form<o::find_blob>, "Ollama: there are no uploaded files"},
    {"POST", "/api/blobs/{digest}", Scope::kLaunch, o::in_form<o::put_blob>, "Ollama: refused"},
    {"POST", "/api/embed", Scope::kInference, o::in_form<o::embed>, "Ollama: embed texts"},
    {"POST", "/api/embeddings", Scope::kInference, o::in_form<o::embed>, "Ollama: embed one text"},
    {"GET", "/api/version", Scope::kPublic, o::version, "Ollama: the version of its interface"},
    {"GET", "/", Scope::kPublic, o::root, "Ollama: says that it runs"},
};

}  // namespace

api::RouteTable ollama_routes() { return kRoutes; }

}  // namespace gantry::dialects
