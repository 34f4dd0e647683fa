#include <fmt/core.h>

#include <algorithm>

#include "api/dialects/openai/messages.hpp"

namespace gantry::dialects::openai {

namespace bj = boost::json;

namespace {

constexpr size_t kMaxTools = 256;
constexpr size_t kMaxName = 128;

std::string text_of(const bj::object& object, std::string_view key) {
    const bj::value* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

/// The function's name; empty and an error in the reader where a tool is none.
std::string read_tool(json::Reader& reader, const bj::value& value, const std::string& path) {
    const bj::object* tool = value.if_object();
    const bj::value* found = tool ? tool->if_contains("function") : nullptr;
    const bj::object* function = found ? found->if_object() : nullptr;
    if (!function || text_of(*function, "name").empty()) {
        reader.fail(path, "must be {\"type\": \"function\", \"function\": {\"name\": ...}}");
        return {};
    }
    if (tool->contains("type") && text_of(*tool, "type") != "function") {
        reader.fail(path + ".type", "must be \"function\", not " + bj::serialize(tool->at("type")));
        return {};
    }
    std::string name = text_of(*function, "name");
    if (name.size() > kMaxName || name.find_first_of(" \t\r\n\"'<>{}()[]|") != std::string::npos) {
        reader.fail(path + ".function.name",
                    fmt::format("must be at most {} letters, digits, '_', '-' and '.', not \"{}\"", kMaxName,
                                name.substr(0, kMaxName)));
        return {};
    }
    const bj::value* parameters = function->if_contains("parameters");
    if (parameters && !parameters->is_object() && !parameters->is_null()) {
        reader.fail(path + ".function.parameters",
                    fmt::format("must be an object, a JSON Schema, not {}", json::kind_name(*parameters)));
    }
    const bj::value* strict = function->if_contains("strict");
    if (strict && !strict->is_bool() && !strict->is_null()) {
        reader.fail(path + ".function.strict", fmt::format("must be true or false, not {}", json::kind_name(*strict)));
    }
    return name;
}

void read_choice(json::Reader& reader, const std::vector<std::string>& names, engine::ChatInput& input) {
    using engine::ToolChoice;
    const bj::value* choice = reader.any("tool_choice");
    if (!choice) {
        return;
    }
    const std::string word = choice->is_string() ? std::string(choice->get_string()) : std::string();
    if (word == "auto" || word == "none") {
        input.tool_choice = word == "none" ? ToolChoice::kNone : ToolChoice::kAuto;
        return;
    }
    const bj::value* function = choice->is_object() ? choice->get_object().if_contains("function") : nullptr;
    const bool named = function && function->is_object() && text_of(choice->get_object(), "type") == "function";
    if (word != "required" && !named) {
        reader.fail("tool_choice",
                    "must be \"auto\", \"none\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": "
                    "...}}, not " +
                        bj::serialize(*choice));
        return;
    }
    if (names.empty()) {
        reader.fail("tool_choice", "asks for a call, but there are no tools", "send \"tools\", or leave it out");
        return;
    }
    input.tool_choice = named ? ToolChoice::kNamed : ToolChoice::kRequired;
    if (named) {
        input.tool_name = text_of(function->get_object(), "name");
        if (std::find(names.begin(), names.end(), input.tool_name) == names.end()) {
            reader.fail("tool_choice", fmt::format("\"{}\" is none of the tools", input.tool_name));
        }
    }
}

}  // namespace

void read_tools(json::Reader& reader, engine::ChatInput& input) {
    std::vector<std::string> names;
    if (const bj::array* given = reader.array("tools")) {
        if (given->size() > kMaxTools) {
            reader.fail("tools", fmt::format("at most {} tools are possible, not {}", kMaxTools, given->size()));
            return;
        }
        for (const bj::value& tool : *given) {
            names.push_back(read_tool(reader, tool, fmt::format("tools[{}]", names.size())));
            if (names.back().empty()) {
                return;
            }
        }
        input.tools = *given;
    }
    read_choice(reader, names, input);
    input.parallel_tool_calls = reader.boolean("parallel_tool_calls").value_or(true);
    if (input.tool_choice == engine::ToolChoice::kNone) {
        input.tools.clear();
    }
}

}  // namespace gantry::dialects::openai
