#include "runtime/runner/forced_calls.hpp"

#include <string_view>
#include <utility>

namespace gantry::runner {
namespace json = boost::json;
namespace {

json::object constant(std::string text) { return {{"type", "const_string"}, {"value", std::move(text)}}; }

json::object tag(std::string begin, json::object content, std::string end) {
    return {{"type", "tag"}, {"begin", std::move(begin)}, {"content", std::move(content)}, {"end", std::move(end)}};
}

json::object schema(const json::value& value) { return {{"type", "json_schema"}, {"json_schema", value}}; }

json::object one_of(const char* type, json::array elements) {
    return {{"type", type}, {"elements", std::move(elements)}};
}

const json::value* member(const json::object& object, std::string_view key) { return object.if_contains(key); }

std::string with_name(std::string_view text, std::string_view name) {
    std::string out(text);
    const size_t at = out.find("NAME");
    return at == std::string::npos ? out : out.replace(at, 4, name);
}

/// Whether values of this schema are written between tags as they are, not as JSON.
bool is_text(const json::value& property) {
    const json::object* object = property.if_object();
    const json::value* type = object != nullptr ? member(*object, "type") : nullptr;
    return type != nullptr && *type == "string" && !object->contains("enum") && !object->contains("const");
}

/// The texts of a schema that allows only some strings; empty where it does not.
json::array choices(const json::value& property) {
    const json::object* object = property.if_object();
    const json::value* list = object != nullptr ? member(*object, "enum") : nullptr;
    json::array out;
    for (const json::value& item : list != nullptr && list->is_array() ? list->get_array() : json::array()) {
        if (!item.is_string()) {
            return {};
        }
        out.push_back(constant(std::string(item.get_string())));
    }
    return out;
}

bool is_required(const json::object& parameters, std::string_view key) {
    const json::value* list = member(parameters, "required");
    if (list == nullptr || !list->is_array()) {
        return false;
    }
    for (const json::value& item : list->get_array()) {
        if (item.is_string() && item.get_string() == key) {
            return true;
        }
    }
    return false;
}

/// A call whose arguments stand between tags: the parameters in the schema's order, those that need not be may be left
/// out.
json::object tagged_call(const text::OutputFormat& format, const std::string& name, const json::object& parameters) {
    const std::string line = format.line_values ? "\n" : "";
    const std::string section(format.section_begin.empty() ? std::string_view() : format.section_begin.front());
    std::string begin = section.empty() ? "" : section + "\n";
    begin += std::string(format.call_begin.front()) + name + std::string(format.name_end) + "\n";
    json::array parts{constant(std::move(begin))};
    const json::value* properties = member(parameters, "properties");
    for (const auto& property :
         properties != nullptr && properties->is_object() ? properties->get_object() : json::object()) {
        const std::string opening = std::string(format.key_begin) + std::string(property.key()) +
                                    std::string(format.key_end) + std::string(format.value_begin) + line;
        const std::string closing = line + std::string(format.value_end) + "\n";
        json::array texts = choices(property.value());
        json::object value = !texts.empty()              ? one_of("or", std::move(texts))
                             : is_text(property.value()) ? json::object{{"type", "any_text"}}
                                                         : schema(property.value());
        json::object part = tag(opening, std::move(value), closing);
        if (!is_required(parameters, property.key())) {
            part = one_of("or", {std::move(part), constant("")});
        }
        parts.push_back(std::move(part));
    }
    std::string end(format.call_end);
    end += section.empty() ? "" : "\n" + std::string(format.section_end.front());
    parts.push_back(constant(std::move(end)));
    return one_of("sequence", std::move(parts));
}

}  // namespace

Result<std::string> forced_call(const text::OutputFormat* format, const engine::ChatInput& chat) {
    const bool tagged =
        format != nullptr && format->syntax == text::CallSyntax::kKeyValue && !format->typed_values && !format->cdata;
    if (format == nullptr || (format->forced_begin.empty() && !tagged)) {
        return Error{Code::kInvalidArgument,
                     format == nullptr
                         ? "tool_choice: no format of calls is known for this model, so none can be forced"
                         : "tool_choice: calls in the format '" + std::string(format->name) +
                               "', which this model writes, cannot be forced",
                     "use \"auto\", and ask for the call in the prompt"};
    }
    json::array calls;
    for (const json::value& tool : chat.tools) {
        const json::object& function = tool.at("function").as_object();
        const std::string name(function.at("name").as_string());
        if (!chat.tool_name.empty() && name != chat.tool_name) {
            continue;
        }
        const json::value* given = member(function, "parameters");
        const json::value parameters =
            given != nullptr && given->is_object() ? *given : json::value{{"type", "object"}};
        if (tagged) {
            calls.push_back(tagged_call(*format, name, parameters.get_object()));
        } else {
            calls.push_back(
                tag(with_name(format->forced_begin, name), schema(parameters), std::string(format->forced_end)));
        }
    }
    return json::serialize(json::object{{"format", one_of("or", std::move(calls))}});
}

}  // namespace gantry::runner
