#include "runtime/runner/spec.hpp"

#include <utility>

#include "runtime/plugins/json.hpp"

namespace gantry::runner {
namespace json = boost::json;
using plugins::json_bool;
using plugins::json_number;
using plugins::json_text;

uint32_t logit_rows(uint32_t max_sequences, std::string_view speculative) {
    return speculative.empty() || speculative == "off" ? max_sequences : 2 * max_sequences;
}

namespace {

json::object texts_to_json(const std::map<std::string, std::string>& texts) {
    json::object out;
    for (const auto& [key, value] : texts) {
        out[key] = value;
    }
    return out;
}

void read_list(const json::object& object, std::string_view name, std::vector<std::string>& out) {
    const json::value* list = object.if_contains(name);
    if (list == nullptr || !list->is_array()) {
        return;
    }
    for (const json::value& text : list->get_array()) {
        if (text.is_string()) {
            out.emplace_back(text.get_string());
        }
    }
}

void read_texts(const json::object& object, std::string_view name, std::map<std::string, std::string>& out) {
    const json::value* texts = object.if_contains(name);
    if (texts == nullptr || !texts->is_object()) {
        return;
    }
    for (const auto& [key, text] : texts->get_object()) {
        if (text.is_string()) {
            out[std::string(key)] = std::string(text.get_string());
        }
    }
}

}  // namespace

json::object to_json(const RunnerSpec& spec) {
    return {{"uid", spec.uid},
            {"model_path", spec.model_path},
            {"plugin_dirs", json::array(spec.plugin_dirs.begin(), spec.plugin_dirs.end())},
            {"engine", spec.engine},
            {"socket", spec.socket},
            {"tool_parser", spec.tool_parser},
            {"reasoning_parser", spec.reasoning_parser},
            {"template_kwargs", spec.template_kwargs},
            {"threads", spec.threads},
            {"context", spec.context},
            {"max_sequences", spec.max_sequences},
            {"memory_bytes", spec.memory_bytes},
            {"options", texts_to_json(spec.options)},
            {"scheduling", texts_to_json(spec.scheduling)},
            {"speculative", spec.speculative},
            {"draft_model_path", spec.draft_model_path},
            {"draft_context", spec.draft_context},
            {"draft_memory_bytes", spec.draft_memory_bytes},
            {"draft_tokens", spec.draft_tokens},
            {"adapters", texts_to_json(spec.adapters)},
            {"adapter_dirs", json::array(spec.adapter_dirs.begin(), spec.adapter_dirs.end())},
            {"state_dir", spec.state_dir},
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
    spec.tool_parser = json_text(value, "tool_parser");
    spec.reasoning_parser = json_text(value, "reasoning_parser");
    spec.template_kwargs = json_text(value, "template_kwargs");
    spec.threads = static_cast<uint32_t>(json_number(value, "threads", 1));
    spec.context = static_cast<uint32_t>(json_number(value, "context"));
    spec.max_sequences = static_cast<uint32_t>(json_number(value, "max_sequences", 16));
    spec.memory_bytes = json_number(value, "memory_bytes");
    spec.speculative = json_text(value, "speculative");
    spec.draft_model_path = json_text(value, "draft_model_path");
    spec.draft_context = static_cast<uint32_t>(json_number(value, "draft_context"));
    spec.draft_memory_bytes = json_number(value, "draft_memory_bytes");
    spec.draft_tokens = static_cast<uint32_t>(json_number(value, "draft_tokens", spec.draft_tokens));
    spec.state_dir = json_text(value, "state_dir");
    spec.sandbox = json_bool(value, "sandbox", true);
    spec.parent_pid = static_cast<int>(json_number(value, "parent_pid"));
    const json::object& object = value.get_object();
    read_list(object, "plugin_dirs", spec.plugin_dirs);
    read_list(object, "adapter_dirs", spec.adapter_dirs);
    read_texts(object, "adapters", spec.adapters);
    read_texts(object, "options", spec.options);
    read_texts(object, "scheduling", spec.scheduling);
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
