#include <fmt/core.h>

#include <algorithm>

#include "api/dialects/anthropic/call.hpp"

namespace gantry::dialects::anthropic {

namespace bj = boost::json;

namespace {

constexpr size_t kMaxTools = 1024;
constexpr size_t kMaxName = 128;

/// The tool in OpenAI's form, which templates know; empty at an error, which stays in the reader.
bj::object read_tool(json::Reader& reader, const bj::value& value, const std::string& path) {
    const bj::object* tool = value.if_object();
    const std::string type = tool != nullptr ? text_member(*tool, "type") : std::string();
    if (tool != nullptr && !type.empty() && type != "custom") {
        reader.fail(path + ".type",
                    fmt::format("\"{}\" is a tool of Anthropic's own service, which there is not here", type),
                    "send tools with an input_schema");
        return {};
    }
    const std::string name = tool != nullptr ? text_member(*tool, "name") : std::string();
    if (name.empty() || name.size() > kMaxName || name.find_first_of(" \t\r\n\"'<>{}()[]|") != std::string::npos) {
        reader.fail(path + ".name", fmt::format("must be 1 to {} letters, digits, '_' and '-', not \"{}\"", kMaxName,
                                                name.substr(0, kMaxName)));
        return {};
    }
    const bj::value* schema = tool->if_contains("input_schema");
    if (schema == nullptr || !schema->is_object()) {
        reader.fail(path + ".input_schema", "must be an object, a JSON Schema");
        return {};
    }
    return bj::object{
        {"type", "function"},
        {"function",
         bj::object{{"name", name}, {"description", text_member(*tool, "description")}, {"parameters", *schema}}}};
}

void read_choice(json::Reader& reader, engine::ChatInput& input) {
    using engine::ToolChoice;
    const bj::object* choice = reader.object("tool_choice");
    if (choice == nullptr) {
        return;
    }
    json::Reader inner(*choice, "tool_choice");
    const auto type = inner.choice("type", {"auto", "any", "tool", "none"});
    input.parallel_tool_calls = !inner.boolean("disable_parallel_tool_use").value_or(false);
    if (type == "tool") {
        input.tool_choice = ToolChoice::kNamed;
        input.tool_name = inner.required_string("name");
        const bool known = std::any_of(input.tools.begin(), input.tools.end(), [&](const bj::value& tool) {
            return tool.at("function").at("name").as_string() == input.tool_name;
        });
        if (!known) {
            inner.fail("name", fmt::format("\"{}\" is none of the tools", input.tool_name));
        }
    } else if (type == "any") {
        input.tool_choice = ToolChoice::kRequired;
        if (input.tools.empty()) {
            inner.fail("type", "asks for a call, but there are no tools", "send \"tools\", or leave it out");
        }
    } else if (type == "none") {
        input.tool_choice = ToolChoice::kNone;
    } else if (!type) {
        inner.fail("type", "is missing");
    }
    if (!inner.status()) {
        reader.fail_at(inner.failed_path(), inner.status().error());
    }
}

}  // namespace

void read_tools(json::Reader& reader, engine::ChatInput& input) {
    if (const bj::array* tools = reader.array("tools")) {
        if (tools->size() > kMaxTools) {
            reader.fail("tools", fmt::format("at most {} tools are possible, not {}", kMaxTools, tools->size()));
            return;
        }
        for (const bj::value& tool : *tools) {
            bj::object read = read_tool(reader, tool, fmt::format("tools.{}", input.tools.size()));
            if (read.empty()) {
                return;
            }
            input.tools.emplace_back(std::move(read));
        }
    }
    read_choice(reader, input);
    if (input.tool_choice == engine::ToolChoice::kNone) {
        input.tools.clear();
    }
}

}  // namespace gantry::dialects::anthropic
