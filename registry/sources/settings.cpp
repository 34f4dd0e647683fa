#include "registry/sources/settings.hpp"

#include <cstdlib>
#include <fstream>

namespace gantry::sources {
namespace {

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

std::string without_slash(std::string url) {
    while (url.ends_with('/')) {
        url.pop_back();
    }
    return url;
}

std::string token() {
    if (std::string given = variable("HF_TOKEN"); !given.empty()) {
        return given;
    }
    std::filesystem::path file = variable("HF_TOKEN_PATH");
    if (file.empty()) {
        const std::string home = variable("HF_HOME");
        file = home.empty() ? std::filesystem::path(variable("HOME")) / ".cache/huggingface/token"
                            : std::filesystem::path(home) / "token";
    }
    std::ifstream in(file);
    std::string text;
    in >> text;
    return text;
}

bool says_yes(const std::string& value) { return value == "1" || value == "true" || value == "TRUE" || value == "ON"; }

}  // namespace

Settings environment_settings() {
    Settings out;
    const std::string endpoint = without_slash(variable("HF_ENDPOINT"));
    out.hugging_face = endpoint.empty() ? "https://huggingface.co" : endpoint;
    out.hugging_face_token = token();
    out.model_scope = "https://www.modelscope.cn";
    out.ollama = "https://registry.ollama.ai";
    out.network.offline = says_yes(variable("HF_HUB_OFFLINE"));
    return out;
}

}  // namespace gantry::sources
