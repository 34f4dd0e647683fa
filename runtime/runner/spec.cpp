#include "runtime/runner/spec.hpp"

#include <utility>

#include "runtime/plugins/json.hpp"

namespace gantry::runner {
namespace json = boost::json;
using plugins::json_bool;
using plugins::json_number;
using plugins::json_text;

json::object to_json(const RunnerSpec& spec) {
    json::object options;
    for (const auto& [key, value] : spec.options) {
        options[key] = value;
    }
    return {{"uid", spec.uid},
            {"model_path", spec.model_path},
            {"plugin_dirs", json::array(spec.plugin_dirs.begin(), spec.plugin_dirs.end())},
            {"engine", spec.engine},
            {"socket", spec.socket},
            {"threads", spec.threads},
            {"context", spec.context},
            {"max_sequences", spec.max_sequences},
            {"memory_bytes", spec.memory_bytes},
            {"options", std::move(options)},
            {"sandbox", spec.sandbox},
            {"parent_pid", spec.parent_pid}};
}

Result<RunnerSpec> spec_from_json(std::string_view line) {
    boost::system::error_code ec;
    const json::value value = json::parse(line, ec);
    if (ec || !value.is_object()) {
        return Error{Code::kInvalidArgument, "the runner's specification is not a JSON object"};
    }
    RunnerSpec spec;
    spec.uid = json_text(value, "uid");
    spec.model_path = json_text(value, "model_path");
    spec.engine = json_text(value, "engine");
    spec.socket = json_text(value, "socket");
    spec.threads = static_cast<uint32_t>(json_number(value, "threads", 1));
    spec.context = static_cast<uint32_t>(json_number(value, "context"));
    spec.max_sequences = static_cast<uint32_t>(json_number(value, "max_sequences", 16));
    spec.memory_bytes = json_number(value, "memory_bytes");
    spec.sandbox = json_bool(value, "sandbox", true);
    spec.parent_pid = static_cast<int>(json_number(value, "parent_pid"));
    const json::object& object = value.get_object();
    if (const json::value* dirs = object.if_contains("plugin_dirs"); dirs != nullptr && dirs->is_array()) {
        for (const json::value& dir : dirs->get_array()) {
            if (dir.is_string()) {
                spec.plugin_dirs.emplace_back(dir.get_string());
            }
        }
    }
    if (const json::value* options = object.if_contains("options"); options != nullptr && options->is_object()) {
        for (const auto& [key, text] : options->get_object()) {
            if (text.is_string()) {
                spec.options[std::string(key)] = std::string(text.get_string());
            }
        }
    }
    const std::pair<const char*, const std::string*> required[] = {
        {"model_path", &spec.model_path}, {"engine", &spec.engine}, {"socket", &spec.socket}};
    for (const auto& [name, text] : required) {
        if (text->empty()) {
            return Error{Code::kInvalidArgument, std::string("the runner's specification lacks ") + name};
        }
    }
    return spec;
}

}  // namespace gantry::runner
