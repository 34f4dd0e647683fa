#include <fmt/core.h>

#include <map>

#include "api/dialects/anthropic/call.hpp"

namespace gantry::dialects::anthropic {

namespace bj = boost::json;

namespace {

void append_text(std::string& out, std::string_view text) {
    out += out.empty() || text.empty() ? "" : "\n";
    out += text;
}

/// Walks through the messages; the first error stays in the reader.
class Conversation {
  public:
    explicit Conversation(json::Reader& reader) : reader_(reader) {}

    void system(const bj::value& value) {
        const std::string text = texts(value, "system");
        if (!text.empty()) {
            out_.emplace_back(bj::object{{"role", "system"}, {"content", text}});
        }
    }

    /// False at an error.
    bool message(const bj::value& value, const std::string& path) {
        if (!value.is_object()) {
            fail(path, fmt::format("must be an object, not {}", json::kind_name(value)));
            return false;
        }
        const std::string role = text_member(value.get_object(), "role");
        const bj::value* content = value.get_object().if_contains("content");
        if (content == nullptr || !(content->is_string() || content->is_array())) {
            fail(path + ".content", "must be a string or a list of content blocks");
        } else if (role == "assistant") {
            assistant(*content, path + ".content");
        } else if (role == "user") {
            user(*content, path + ".content");
        } else if (role == "system") {
            out_.emplace_back(bj::object{{"role", "system"}, {"content", texts(*content, path + ".content")}});
        } else {
            fail(path + ".role", fmt::format("must be \"user\" or \"assistant\", not \"{}\"", role));
        }
        return reader_.status().has_value();
    }

    bj::array take() { return std::move(out_); }

  private:
    void fail(const std::string& path, const std::string& message, std::string hint = {}) {
        reader_.fail_at(path, Error(Code::kInvalidArgument, fmt::format("{}: {}", path, message), std::move(hint)));
    }

    void unknown_block(const std::string& path, const std::string& type) {
        const bool media = type == "image" || type == "document" || type == "file";
        fail(path,
             media ? fmt::format("this model takes text only; content of type \"{}\" is not supported", type)
                   : fmt::format("content of type \"{}\" is not supported here", type),
             "send blocks of type \"text\"");
    }

    /// The text of a text block, or of a document that is plain text; nullopt for what is neither.
    static std::optional<std::string> text_of(const bj::object& block) {
        const std::string type = text_member(block, "type");
        const bj::value* text = block.if_contains("text");
        if (type == "text" && text != nullptr && text->is_string()) {
            return std::string(text->get_string());
        }
        const bj::value* source = block.if_contains("source");
        if (type == "document" && source != nullptr && source->is_object() &&
            text_member(source->get_object(), "type") == "text") {
            return text_member(source->get_object(), "data");
        }
        return std::nullopt;
    }

    /// A string, or blocks that are all text.
    std::string texts(const bj::value& value, const std::string& path) {
        if (value.is_string()) {
            return std::string(value.get_string());
        }
        std::string out;
        if (!value.is_array()) {
            fail(path, fmt::format("must be a string or a list of text blocks, not {}", json::kind_name(value)));
            return out;
        }
        size_t at = 0;
        for (const bj::value& item : value.get_array()) {
            const std::string here = fmt::format("{}.{}", path, at++);
            const auto text = item.is_object() ? text_of(item.get_object()) : std::nullopt;
            if (!text) {
                unknown_block(here, item.is_object() ? text_member(item.get_object(), "type") : std::string());
                break;
            }
            append_text(out, *text);
        }
        return out;
    }

    void tool_result(const bj::object& block, const std::string& path) {
        const std::string id = text_member(block, "tool_use_id");
        const auto name = names_.find(id);
        if (name == names_.end()) {
            fail(path + ".tool_use_id", fmt::format("there is no earlier tool_use block with the id \"{}\"", id));
            return;
        }
        const bj::value* content = block.if_contains("content");
        std::string text =
            content == nullptr || content->is_null() ? std::string() : texts(*content, path + ".content");
        const bj::value* failed = block.if_contains("is_error");
        if (failed != nullptr && *failed == true) {
            text = "Error: " + text;
        }
        out_.emplace_back(
            bj::object{{"role", "tool"}, {"tool_call_id", id}, {"name", name->second}, {"content", text}});
    }

    /// Results of calls become messages of their own, before the text that came with them.
    void user(const bj::value& content, const std::string& path) {
        std::string text;
        bool any_text = content.is_string();
        if (any_text) {
            text = std::string(content.get_string());
        } else {
            size_t at = 0;
            for (const bj::value& item : content.get_array()) {
                const std::string here = fmt::format("{}.{}", path, at++);
                const bj::object* block = item.if_object();
                const std::string type = block != nullptr ? text_member(*block, "type") : std::string();
                if (type == "tool_result") {
                    tool_result(*block, here);
                } else if (const auto found = block != nullptr ? text_of(*block) : std::nullopt) {
                    append_text(text, *found);
                    any_text = true;
                } else {
                    unknown_block(here, type);
                }
            }
        }
        if (any_text) {
            out_.emplace_back(bj::object{{"role", "user"}, {"content", text}});
        }
    }

    void assistant(const bj::value& content, const std::string& path) {
        std::string text, thinking;
        bj::array calls;
        if (content.is_string()) {
            text = std::string(content.get_string());
        } else {
            size_t at = 0;
            for (const bj::value& item : content.get_array()) {
                const std::string here = fmt::format("{}.{}", path, at++);
                const bj::object* block = item.if_object();
                const std::string type = block != nullptr ? text_member(*block, "type") : std::string();
                if (type == "text") {
                    append_text(text, text_member(*block, "text"));
                } else if (type == "thinking") {
                    append_text(thinking, text_member(*block, "thinking"));
                } else if (type == "tool_use") {
                    calls.emplace_back(call(*block, here));
                } else if (type != "redacted_thinking") {
                    unknown_block(here, type);
                }
            }
        }
        bj::object message{{"role", "assistant"}, {"content", text}};
        if (!thinking.empty()) {
            message["reasoning_content"] = thinking;
        }
        if (!calls.empty()) {
            message["tool_calls"] = std::move(calls);
        }
        out_.emplace_back(std::move(message));
    }

    bj::object call(const bj::object& block, const std::string& path) {
        const std::string id = text_member(block, "id");
        const std::string name = text_member(block, "name");
        const bj::value* input = block.if_contains("input");
        if (id.empty() || name.empty() || input == nullptr || !input->is_object()) {
            fail(path, "a tool_use block needs \"id\", \"name\" and an object \"input\"");
            return {};
        }
        names_[id] = name;
        return bj::object{
            {"id", id}, {"type", "function"}, {"function", bj::object{{"name", name}, {"arguments", *input}}}};
    }

    json::Reader& reader_;
    bj::array out_;
    std::map<std::string, std::string> names_;  ///< of the functions that were called, by the calls' ids
};

}  // namespace

bj::array read_messages(json::Reader& reader) {
    Conversation conversation(reader);
    if (const bj::value* system = reader.any("system")) {
        conversation.system(*system);
    }
    const bj::array* messages = reader.array("messages");
    if (messages == nullptr || messages->empty()) {
        reader.fail("messages", messages != nullptr ? "at least one message is required"
                                                    : "is missing; a list of messages is needed");
        return {};
    }
    size_t at = 0;
    for (const bj::value& message : *messages) {
        if (!conversation.message(message, fmt::format("messages.{}", at++))) {
            return {};
        }
    }
    if (text_member(messages->back().get_object(), "role") == "assistant") {
        reader.fail("messages",
                    "the last message is the assistant's: going on from a beginning of the answer is not "
                    "supported",
                    "end with a message of the user");
    }
    return conversation.take();
}

}  // namespace gantry::dialects::anthropic
