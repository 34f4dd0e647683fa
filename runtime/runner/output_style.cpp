#include "runtime/runner/output_style.hpp"

#include <algorithm>

#include "runtime/runner/prompt.hpp"
#include "runtime/text/output/literal.hpp"

namespace gantry::runner {
namespace json = boost::json;
namespace {

uint8_t type_bit(std::string_view name) {
    struct Named {
        std::string_view name;
        uint8_t bit;
    };
    constexpr Named kNames[] = {{"string", text::kStringType},  {"number", text::kNumberType},
                                {"integer", text::kNumberType}, {"boolean", text::kBooleanType},
                                {"null", text::kNullType},      {"array", text::kArrayType},
                                {"object", text::kObjectType}};
    const auto* const found = std::ranges::find(kNames, name, &Named::name);
    return found == std::end(kNames) ? uint8_t{0} : found->bit;
}

uint8_t type_of(const json::value& value) {
    return value.is_string()   ? text::kStringType
           : value.is_number() ? text::kNumberType
           : value.is_bool()   ? text::kBooleanType
           : value.is_null()   ? text::kNullType
           : value.is_array()  ? text::kArrayType
                               : text::kObjectType;
}

/// What a reference into the parameters means; null where it leads nowhere.
const json::value* referred(const json::object& object, const json::object& parameters) {
    const json::value* reference = object.if_contains("$ref");
    if (reference == nullptr || !reference->is_string() || !reference->get_string().starts_with("#/")) {
        return nullptr;
    }
    const json::object* at = &parameters;
    const json::value* found = nullptr;
    std::string_view rest = std::string_view(reference->get_string()).substr(2);
    while (at != nullptr && !rest.empty()) {
        const std::string_view key = rest.substr(0, rest.find('/'));
        rest.remove_prefix(std::min(rest.size(), key.size() + 1));
        found = at->if_contains(key);
        at = found != nullptr ? found->if_object() : nullptr;
    }
    return rest.empty() ? found : nullptr;
}

uint8_t types_of(const json::value& schema, const json::object& parameters, int depth) {
    const json::object* object = schema.if_object();
    if (object == nullptr || depth > 8) {
        return 0;
    }
    if (const json::value* meant = referred(*object, parameters)) {
        return types_of(*meant, parameters, depth + 1);
    }
    uint8_t types = 0;
    const auto each = [&](std::string_view key, auto&& add) {
        if (const json::value* list = object->if_contains(key); list != nullptr && list->is_array()) {
            for (const json::value& item : list->get_array()) {
                types = static_cast<uint8_t>(types | add(item));
            }
        }
    };
    if (const json::value* type = object->if_contains("type"); type != nullptr && type->is_string()) {
        types = type_bit(std::string_view(type->get_string()));
    }
    each("type", [](const json::value& item) { return item.is_string() ? type_bit(item.get_string()) : uint8_t{0}; });
    if (types == 0) {
        each("enum", [](const json::value& item) { return type_of(item); });
        const auto nested = [&](const json::value& item) { return types_of(item, parameters, depth + 1); };
        each("anyOf", nested);
        each("oneOf", nested);
        each("allOf", nested);
        if (const json::value* only = object->if_contains("const"); only != nullptr && types == 0) {
            types = type_of(*only);
        }
    }
    if (const json::value* nullable = object->if_contains("nullable");
        types != 0 && nullable != nullptr && *nullable == true) {
        types |= text::kNullType;
    }
    return types;
}

const json::object* member(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr ? value->if_object() : nullptr;
}

}  // namespace

uint8_t parameter_types(const json::value& schema, const json::object& parameters) {
    return types_of(schema, parameters, 0);
}

std::vector<text::ToolInfo> tool_infos(const json::array& tools) {
    std::vector<text::ToolInfo> out;
    for (const json::value& tool : tools) {
        const json::object* function = tool.is_object() ? member(tool.get_object(), "function") : nullptr;
        const json::value* name = function != nullptr ? function->if_contains("name") : nullptr;
        if (name == nullptr || !name->is_string()) {
            continue;
        }
        text::ToolInfo& info = out.emplace_back();
        info.name = std::string_view(name->get_string());
        const json::object* parameters = member(*function, "parameters");
        const json::object* properties = parameters != nullptr ? member(*parameters, "properties") : nullptr;
        if (properties != nullptr) {
            for (const auto& property : *properties) {
                info.types[std::string(property.key())] = parameter_types(property.value(), *parameters);
            }
        }
    }
    return out;
}

std::vector<int32_t> find_marker_tokens(const text::OutputFormat* format, const text::ReasoningTags& reasoning,
                                        const text::Tokenizer& tokenizer) {
    std::vector<std::string_view> markers{reasoning.begin, reasoning.end};
    if (format != nullptr) {
        for (const auto* list : {&format->section_begin, &format->section_end, &format->call_begin,
                                 &format->message_end, &format->dropped}) {
            markers.insert(markers.end(), list->begin(), list->end());
        }
        for (const std::string_view marker :
             {format->call_end, format->before_name, format->name_end, format->id_begin, format->key_begin,
              format->key_end, format->value_begin, format->value_end, format->header_begin, format->header_end}) {
            markers.push_back(marker);
        }
    }
    std::vector<int32_t> out;
    const auto size = static_cast<int32_t>(tokenizer.vocab_size());
    for (int32_t id = 0; id < size; ++id) {
        if (!tokenizer.is_special(id)) {
            continue;
        }
        const std::string_view token = tokenizer.id_to_token(id);
        const auto within = [&](std::string_view marker) { return marker.find(token) != std::string_view::npos; };
        if (!token.empty() && std::ranges::any_of(markers, within)) {
            out.push_back(id);
        }
    }
    return out;
}

std::string reasoning_stop(const text::OutputFormat* format, const text::ReasoningTags& reasoning, bool formed) {
    if (format != nullptr && !format->texts.reasoning_end.empty()) {
        return formed ? std::string(format->message_end.front())
                      : std::string(format->texts.reasoning_end) + std::string(format->texts.content);
    }
    return "\n" + reasoning.end;
}

Result<OutputStyle> OutputStyle::choose(const std::string& tool_parser, const std::string& reasoning_parser,
                                        const registry::ModelManifest& manifest) {
    std::string templates = manifest.chat_template;
    for (const auto& [name, source] : manifest.chat_templates) {
        templates += "\n" + source;
    }
    OutputStyle out;
    if (tool_parser.empty() || tool_parser == "auto") {
        out.format = text::detect_output_format(templates);
    } else if (tool_parser != "none") {
        out.format = text::find_output_format(tool_parser);
        if (out.format == nullptr) {
            return Error{Code::kInvalidArgument, "there is no tool parser '" + tool_parser + "'",
                         "there are: none, auto, " + text::output_format_names()};
        }
    }
    if (reasoning_parser.empty() || reasoning_parser == "auto") {
        out.reasoning = text::detect_reasoning_tags(templates);
    } else if (reasoning_parser != "none") {
        out.reasoning = text::find_reasoning_tags(reasoning_parser);
        if (!out.reasoning) {
            return Error{Code::kInvalidArgument, "there is no reasoning parser '" + reasoning_parser + "'",
                         "there are: none, auto, think (also named qwen3, deepseek-r1, glm45, ...), mistral, seed-oss, "
                         "command-r"};
        }
    }
    return out;
}

}  // namespace gantry::runner
