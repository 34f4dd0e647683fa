#include "runtime/runner/forced_calls.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/runner/output_style.hpp"
#include "runtime/text/output/literal.hpp"

namespace gantry::runner {
namespace json = boost::json;
namespace {

using text::CallSyntax;
using text::OutputFormat;

json::object constant(std::string_view text) { return {{"type", "const_string"}, {"value", text}}; }
json::object regex(std::string_view pattern) { return {{"type", "regex"}, {"pattern", pattern}}; }
json::object any_text() { return {{"type", "any_text"}}; }

json::object tag(std::string_view begin, json::object content, std::string_view end) {
    return {{"type", "tag"}, {"begin", begin}, {"content", std::move(content)}, {"end", end}};
}

json::object schema(json::value value) { return {{"type", "json_schema"}, {"json_schema", std::move(value)}}; }

json::object elements(const char* type, json::array list) { return {{"type", type}, {"elements", std::move(list)}}; }

std::string replaced(std::string_view text, std::string_view what, std::string_view by) {
    std::string out(text);
    const size_t at = out.find(what);
    return at == std::string::npos ? out : out.replace(at, what.size(), by);
}

/// A property of the parameters as a schema of its own, in which their references still mean the same.
json::value property_schema(const json::object& parameters, std::string_view key, const json::value& property) {
    if (json::serialize(property).find("\"$ref\"") == std::string::npos) {
        return property;
    }
    const std::string id = parameters.contains("$id") && parameters.at("$id").is_string()
                               ? std::string(parameters.at("$id").get_string())
                               : "urn:parameters";
    json::object whole = parameters;
    whole["$id"] = id;
    std::string pointer;
    for (const char c : key) {
        constexpr std::string_view kDigits = "0123456789ABCDEF";
        const auto byte = static_cast<uint8_t>(c);
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        pointer += c == '~'   ? "~0"
                   : c == '/' ? "~1"
                   : plain    ? std::string(1, c)
                              : std::string{'%', kDigits[byte / 16], kDigits[byte % 16]};
    }
    json::object out{{"$ref", id + "#/properties/" + pointer},
                     {"$defs", json::object{{"parameters", std::move(whole)}}}};
    if (const json::value* draft = parameters.if_contains("$schema")) {
        out["$schema"] = *draft;
    }
    return out;
}

/// The values of a schema that lists them, as they stand between tags; empty where it does not.
json::array choices(const json::value& property) {
    const json::object* object = property.if_object();
    const json::value* list = object != nullptr ? object->if_contains("enum") : nullptr;
    const json::value* only = object != nullptr ? object->if_contains("const") : nullptr;
    json::array out;
    for (const json::value& item : only != nullptr                       ? json::array{*only}
                                   : list != nullptr && list->is_array() ? list->get_array()
                                                                         : json::array()) {
        out.push_back(constant(item.is_string() ? std::string(item.get_string()) : json::serialize(item)));
    }
    return out;
}

/// Writes the calls of one request.
class Writer {
  public:
    Writer(const OutputFormat& format, CallUse use) : format_(format), texts_(format.texts), use_(use) {}

    /// One call as a tag. `skipped` bytes of what comes before the name are left out, and what follows `end`.
    json::object call(const json::object& function, std::string_view marker, size_t skipped,
                      std::string_view end) const {
        const std::string name(function.at("name").as_string());
        const bool held = use_ == CallUse::kOnly || (function.contains("strict") && function.at("strict") == true);
        const json::value* given = function.if_contains("parameters");
        json::object parameters = given != nullptr && given->is_object() ? given->get_object() : json::object();
        if (!parameters.contains("$ref")) {
            parameters["type"] = "object";  // arguments are
        }
        json::object content = arguments(parameters, held);
        const std::string_view head = texts_.call.substr(skipped);
        const size_t index = std::min(head.find("INDEX"), head.size());
        const std::string begin = std::string(marker) + replaced(head.substr(0, index), "NAME", name);
        if (index < head.size()) {
            const std::string rest = replaced(head.substr(index + std::string_view("INDEX").size()), "NAME", name);
            content = elements("sequence", {regex("0|[1-9][0-9]?"), constant(rest), std::move(content)});
        }
        return tag(begin, std::move(content), end);
    }

    /// Calls and nothing else, behind one of the section's markers where the format has some.
    json::object list(std::vector<json::object> calls, std::string_view begin, bool several) const {
        json::array tags(calls.begin(), calls.end());
        json::object out{{"type", "tags_with_separator"},
                         {"tags", std::move(tags)},
                         {"separator", texts_.between},
                         {"at_least_one", true},
                         {"stop_after_first", !several}};
        return texts_.begin.empty() ? out : tag(begin, std::move(out), texts_.end);
    }

  private:
    json::object arguments(const json::object& parameters, bool held) const {
        if (format_.syntax == CallSyntax::kKeyValue) {
            return held ? tagged(parameters) : any_tagged();
        }
        if (format_.syntax == CallSyntax::kPythonic) {
            return keywords(parameters);
        }
        return schema(held ? json::value(parameters) : json::value{{"type", "object"}});
    }

    struct Property {
        std::string key;
        json::object value;
        bool required = false;
    };

    static std::vector<Property> properties_of(const json::object& parameters) {
        std::vector<Property> out;
        const json::value* required = parameters.if_contains("required");
        const json::value* properties = parameters.if_contains("properties");
        for (const auto& property :
             properties != nullptr && properties->is_object() ? properties->get_object() : json::object()) {
            const json::value key(property.key());
            out.push_back({property.key(), schema(property_schema(parameters, property.key(), property.value())),
                           required != nullptr && required->is_array() &&
                               std::ranges::find(required->get_array(), key) != required->get_array().end()});
        }
        return out;
    }

    /// Arguments between tags: in the schema's order, those that need not be may be left out.
    json::object tagged(const json::object& parameters) const {
        json::array parts{constant("")};
        for (const Property& property : properties_of(parameters)) {
            const json::value& own = parameters.at("properties").at(property.key);
            const uint8_t types = parameter_types(own, parameters);
            const bool is_text = types == 0 || (types & text::kStringType) != 0;
            const std::string begin = std::string(texts_.key) + property.key + std::string(texts_.key_end) +
                                      std::string(is_text ? texts_.text : texts_.json);
            json::array listed = choices(own);
            json::object part =
                tag(begin, listed.empty() ? property.value : elements("or", std::move(listed)), texts_.value_end);
            if (is_text && choices(own).empty()) {
                const size_t behind = texts_.value_end.find(format_.value_end) + format_.value_end.size();
                part = elements("sequence",
                                {tag(begin, any_text(), format_.value_end), constant(texts_.value_end.substr(behind))});
            }
            parts.push_back(property.required ? part : elements("or", {part, constant("")}));
        }
        return elements("sequence", std::move(parts));
    }

    /// Any names and texts between tags.
    json::object any_tagged() const {
        const size_t behind = texts_.value_end.find(format_.value_end) + format_.value_end.size();
        json::object value = tag(std::string(texts_.key_end) + std::string(texts_.text), any_text(), format_.value_end);
        json::object one =
            tag(texts_.key, elements("sequence", {regex("[A-Za-z_][A-Za-z0-9_.-]{0,63}"), std::move(value)}),
                texts_.value_end.substr(behind));
        return {{"type", "tags_with_separator"}, {"tags", json::array{std::move(one)}}, {"separator", ""}};
    }

    /// Keyword arguments, their values spelled as in JSON: those that must be first, then any of the others in order.
    static json::object keywords(const json::object& parameters) {
        std::vector<Property> properties = properties_of(parameters);
        std::stable_partition(properties.begin(), properties.end(), std::mem_fn(&Property::required));
        const auto from = [&](size_t first, bool at_front) {
            json::array parts{constant("")};
            for (size_t i = first; i < properties.size(); ++i) {
                const bool front = at_front && i == first;
                const Property& property = properties[i];
                json::object part = tag((front ? "" : ", ") + property.key + "=", property.value, "");
                parts.push_back(property.required || front ? part : elements("or", {part, constant("")}));
            }
            return elements("sequence", std::move(parts));
        };
        if (properties.empty() || properties.front().required) {
            return from(0, true);
        }
        constexpr size_t kMaxFirst = 8;  // each makes the form as much longer as there are arguments
        json::array ways{constant("")};
        for (size_t i = 0; i < std::min(properties.size(), kMaxFirst); ++i) {
            ways.push_back(from(i, true));
        }
        return elements("or", std::move(ways));
    }

    const OutputFormat& format_;
    const text::CallTexts& texts_;
    CallUse use_;
};

std::vector<const json::object*> functions_of(const engine::ChatInput& chat) {
    std::vector<const json::object*> out;
    for (const json::value& tool : chat.tools) {
        const json::object& function = tool.at("function").as_object();
        if (chat.tool_name.empty() || function.at("name") == json::value(chat.tool_name)) {
            out.push_back(&function);
        }
    }
    return out;
}

/// Free text in which a marker that begins a call, or a section of them, must be followed by one.
json::object among(const OutputFormat& format, const engine::ChatInput& chat) {
    const Writer writer(format, CallUse::kAmong);
    const text::CallTexts& texts = format.texts;
    const std::vector<const json::object*> functions = functions_of(chat);
    const bool several = chat.parallel_tool_calls;
    json::array triggers, tags;
    const auto calls = [&](std::string_view marker, size_t skipped, std::string_view end) {
        std::vector<json::object> out;
        for (const json::object* function : functions) {
            out.push_back(writer.call(*function, marker, skipped, end));
        }
        return out;
    };
    const auto add = [&](std::string_view trigger, const std::vector<json::object>& found) {
        triggers.push_back(json::string(trigger));
        tags.insert(tags.end(), found.begin(), found.end());
    };
    const std::string first = std::string(texts.begin.empty() ? texts.call : texts.begin);
    for (const auto* markers : {&format.section_begin, &format.call_begin}) {
        for (const std::string_view marker : *markers) {
            const std::string_view usual = markers->front();
            const size_t within = texts.call.find(usual);
            if (first.starts_with(usual)) {  // in the place of what is usual
                if (texts.begin.empty()) {
                    add(marker, calls(marker, usual.size(), texts.call_end));
                } else {
                    const std::string begin = std::string(marker) + first.substr(usual.size());
                    add(marker, {writer.list(calls("", 0, texts.call_end), begin, several)});
                }
            } else if (within != std::string::npos) {  // a call without its section
                const size_t end = format.call_end.empty() ? std::string::npos : texts.call_end.find(format.call_end);
                add(marker, calls(marker, within + usual.size(),
                                  end == std::string::npos ? texts.call_end
                                                           : texts.call_end.substr(0, end + format.call_end.size())));
            } else {  // in front of calls that do without
                add(marker, {tag(marker, writer.list(calls("", 0, texts.call_end), texts.begin, several), "")});
            }
        }
    }
    if (format.syntax == CallSyntax::kChannels) {
        // A message's header comes first: the recipient in it is what begins a call.
        constexpr std::string_view kRecipient = " to=functions.";
        for (const json::object* function : functions) {
            const std::string name(function->at("name").as_string());
            json::object call = writer.call(*function, "", 0, texts.call_end);
            if (format.header_end == "\n") {
                add(std::string(format.header_begin) + name + "\n",
                    {tag(std::string(format.header_begin) + name + "\n", call.at("content").as_object(), "")});
                continue;
            }
            json::array headers;
            for (const char* const rest :
                 {" <|constrain|>json<|message|>", "<|message|>", " json<|message|>",
                  "<|channel|>commentary<|message|>", "<|channel|>commentary <|constrain|>json<|message|>",
                  "<|channel|>commentary json<|message|>"}) {
                headers.push_back(constant(rest));
            }
            tags.push_back(tag(std::string(kRecipient) + name,
                               elements("sequence", {elements("or", std::move(headers)), call.at("content")}), ""));
        }
        if (triggers.empty()) {
            triggers.push_back(json::string(kRecipient));
        }
    }
    json::object out{{"type", "triggered_tags"},
                     {"triggers", std::move(triggers)},
                     {"tags", std::move(tags)},
                     {"stop_after_first", !several || format.bare}};
    if (format.bare) {
        out["not_first"] = format.syntax == CallSyntax::kPythonic ? "[" : "{";
        out = elements("or", {writer.list(calls("", 0, texts.call_end), texts.begin, several), std::move(out)});
    } else if (format.header_end == "\n") {
        out = elements("or", {writer.list(calls("", 0, texts.call_end), texts.begin, several),
                              elements("sequence", {constant(texts.content), std::move(out)})});
    }
    return out;
}

}  // namespace

Result<json::object> calls_format(const OutputFormat* format, const engine::ChatInput& chat, CallUse use) {
    if (format == nullptr) {
        return Error{Code::kInvalidArgument,
                     "tool_choice: no format of calls is known for this model, so none can be forced",
                     "use \"auto\" without strict tools, and ask for the call in the prompt; or launch it with a "
                     "tool_parser"};
    }
    if (use == CallUse::kAmong) {
        return among(*format, chat);
    }
    const Writer writer(*format, use);
    std::vector<json::object> calls;
    for (const json::object* function : functions_of(chat)) {
        calls.push_back(writer.call(*function, "", 0, format->texts.call_end));
    }
    return writer.list(std::move(calls), format->texts.begin,
                       chat.parallel_tool_calls && chat.tool_choice != engine::ToolChoice::kNamed);
}

}  // namespace gantry::runner
