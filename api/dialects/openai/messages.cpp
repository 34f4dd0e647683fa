#include "api/dialects/openai/messages.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace gantry::dialects::openai {

namespace bj = boost::json;

namespace {

constexpr std::array<std::string_view, 6> kRoles{"system", "developer", "user", "assistant", "tool", "function"};
constexpr std::array<std::string_view, 6> kMedia{"image_url", "image",     "input_image",
                                                 "video_url", "audio_url", "input_audio"};

void append_line(std::string& text, size_t index, const bj::string& line) {
    text += index == 0 ? "" : "\n";
    text += line;
}

/// The texts of a list of parts; anything but text is an error at its path.
std::string join_parts(json::Reader& reader, const bj::array& parts, const std::string& path) {
    std::string text;
    for (size_t i = 0; i < parts.size(); ++i) {
        const std::string here = fmt::format("{}[{}]", path, i);
        const bj::object* part = parts[i].if_object();
        if (parts[i].is_string()) {
            append_line(text, i, parts[i].get_string());
            continue;
        }
        if (!part) {
            reader.fail(here, fmt::format("must be an object, not {}", json::kind_name(parts[i])));
            return text;
        }
        for (const std::string_view medium : kMedia) {
            if (part->contains(medium)) {
                reader.fail(here,
                            "this model takes text only; images, audio and video are not supported by this version",
                            "send parts of type \"text\"");
                return text;
            }
        }
        const bj::value* type = part->if_contains("type");
        const bj::value* found = part->if_contains(type != nullptr && *type == "refusal" ? "refusal" : "text");
        if (!found || !found->is_string()) {
            reader.fail(here, "must be a part of type \"text\" with a \"text\"");
            return text;
        }
        append_line(text, i, found->get_string());
    }
    return text;
}

/// Templates walk through arguments as an object; clients send them as JSON text.
void decode_arguments(bj::value& tool_calls) {
    if (!tool_calls.is_array()) {
        return;
    }
    for (bj::value& call : tool_calls.get_array()) {
        bj::value* function = call.is_object() ? call.get_object().if_contains("function") : nullptr;
        bj::value* arguments =
            function && function->is_object() ? function->get_object().if_contains("arguments") : nullptr;
        if (!arguments || !arguments->is_string()) {
            continue;
        }
        boost::system::error_code error;
        bj::value decoded = bj::parse(arguments->get_string(), error);
        if (!error && decoded.is_object()) {
            *arguments = std::move(decoded);
        }
    }
}

bool read_message(json::Reader& reader, bj::object& message, const std::string& path) {
    json::Reader inner(message, path);
    const std::string role = inner.required_string("role");
    if (!inner.status()) {
        reader.fail_at(inner.failed_path(), inner.status().error());
        return false;
    }
    if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
        reader.fail(path + ".role",
                    fmt::format("must be system, developer, user, assistant or tool, not \"{}\"", role));
        return false;
    }
    if (role == "developer") {
        message["role"] = "system";
    }
    bj::value* content = message.if_contains("content");
    const bool may_lack = role == "assistant";
    if (content && content->is_array()) {
        std::string text = join_parts(reader, content->get_array(), path + ".content");
        message["content"] = std::move(text);
    } else if (content && !content->is_string() && !content->is_null()) {
        reader.fail(path + ".content",
                    fmt::format("must be a string or a list of parts, not {}", json::kind_name(*content)));
        return false;
    } else if ((!content || content->is_null()) && !may_lack) {
        reader.fail(path + ".content", "is missing; a string is needed");
        return false;
    }
    if (bj::value* calls = message.if_contains("tool_calls")) {
        decode_arguments(*calls);
    }
    return reader.status().has_value();
}

}  // namespace

bj::array read_messages(json::Reader& reader) {
    const bj::array* given = reader.array("messages");
    if (!given || given->empty()) {
        reader.fail("messages", given ? "must hold at least one message" : "is missing; a list of messages is needed");
        return {};
    }
    bj::array messages = *given;
    for (size_t i = 0; i < messages.size(); ++i) {
        const std::string path = fmt::format("messages[{}]", i);
        if (!messages[i].is_object()) {
            reader.fail(path, fmt::format("must be an object, not {}", json::kind_name(messages[i])));
            return {};
        }
        if (!read_message(reader, messages[i].get_object(), path)) {
            return {};
        }
    }
    return messages;
}

}  // namespace gantry::dialects::openai
