#include <fmt/core.h>

#include <map>
#include <random>

#include "api/dialects/responses/call.hpp"

namespace gantry::dialects::responses {

namespace bj = boost::json;

namespace {

/// Walks through the items; the first error stays in the reader.
class Conversation {
  public:
    explicit Conversation(json::Reader& reader) : reader_(reader) {}

    void item(const bj::value& value, const std::string& path) {
        const bj::object* object = value.if_object();
        if (object == nullptr) {
            fail(path, fmt::format("must be an object, not {}", json::kind_name(value)));
            return;
        }
        const std::string type = text_member(*object, "type");
        if (type == "message" || (type.empty() && object->contains("role"))) {
            message(*object, path);
        } else if (type == "function_call") {
            call(*object, path);
        } else if (type == "function_call_output") {
            result(*object, path);
        } else if (type == "reasoning") {
            reasoning(*object);
        } else {
            fail(path, fmt::format("items of type \"{}\" are not supported", type));
        }
    }

    bj::array take() { return std::move(out_); }

  private:
    void fail(const std::string& path, const std::string& message, std::string hint = {}) {
        reader_.fail_at(path, Error(Code::kInvalidArgument, fmt::format("\"{}\": {}", path, message), std::move(hint)));
    }

    /// A string, or parts that are all text.
    std::string texts(const bj::object& item, std::string_view member, const std::string& path) {
        const bj::value* content = item.if_contains(member);
        if (content != nullptr && content->is_string()) {
            return std::string(content->get_string());
        }
        std::string out;
        if (content == nullptr || !content->is_array()) {
            fail(fmt::format("{}.{}", path, member), "must be a string or a list of parts");
            return out;
        }
        size_t at = 0;
        for (const bj::value& value : content->get_array()) {
            const std::string here = fmt::format("{}.{}[{}]", path, member, at++);
            const bj::object* part = value.if_object();
            const std::string type = part != nullptr ? text_member(*part, "type") : std::string();
            if (type == "input_text" || type == "output_text" || type == "text" || type == "refusal") {
                out += out.empty() ? "" : "\n";
                out += text_member(*part, type == "refusal" ? "refusal" : "text");
            } else {
                fail(here, fmt::format("this model takes text only; parts of type \"{}\" are not supported", type),
                     "send parts of type \"input_text\"");
            }
        }
        return out;
    }

    /// The assistant's message that more of the same answer goes into.
    bj::object& answer() {
        if (out_.empty() || out_.back().at("role") != "assistant") {
            out_.emplace_back(bj::object{{"role", "assistant"}, {"content", ""}});
        }
        return out_.back().get_object();
    }

    void message(const bj::object& item, const std::string& path) {
        std::string role = text_member(item, "role");
        const std::string text = texts(item, "content", path);
        if (role == "assistant") {
            bj::object& open = answer();
            if (!open.at("content").get_string().empty() || open.contains("tool_calls")) {
                out_.emplace_back(bj::object{{"role", "assistant"}, {"content", text}});
            } else {
                open["content"] = text;
            }
        } else if (role == "user" || role == "system" || role == "developer") {
            role = role == "developer" ? "system" : role;
            out_.emplace_back(bj::object{{"role", role}, {"content", text}});
        } else {
            fail(path + ".role",
                 fmt::format("must be \"user\", \"assistant\", \"system\" or \"developer\", not \"{}\"", role));
        }
    }

    void call(const bj::object& item, const std::string& path) {
        const std::string id = text_member(item, "call_id");
        const std::string name = text_member(item, "name");
        if (id.empty() || name.empty()) {
            fail(path, "a function_call needs \"call_id\" and \"name\"");
            return;
        }
        boost::system::error_code error;
        bj::value arguments = bj::parse(text_member(item, "arguments"), error);
        if (error || !arguments.is_object()) {
            arguments = bj::object();
        }
        bj::object& open = answer();
        if (!open.contains("tool_calls")) {
            open["tool_calls"] = bj::array();
        }
        open.at("tool_calls")
            .get_array()
            .emplace_back(bj::object{{"id", id},
                                     {"type", "function"},
                                     {"function", bj::object{{"name", name}, {"arguments", std::move(arguments)}}}});
        names_[id] = name;
    }

    void result(const bj::object& item, const std::string& path) {
        const std::string id = text_member(item, "call_id");
        const auto name = names_.find(id);
        if (name == names_.end()) {
            fail(path + ".call_id", fmt::format("no earlier function_call has the call_id \"{}\"", id));
            return;
        }
        out_.emplace_back(bj::object{
            {"role", "tool"}, {"tool_call_id", id}, {"name", name->second}, {"content", texts(item, "output", path)}});
    }

    void reasoning(const bj::object& item) {
        std::string text;
        for (const char* member : {"content", "summary"}) {
            const bj::value* parts = item.if_contains(member);
            if (!text.empty() || parts == nullptr || !parts->is_array()) {
                continue;
            }
            for (const bj::value& part : parts->get_array()) {
                text += part.is_object() ? text_member(part.get_object(), "text") : std::string();
            }
        }
        if (!text.empty()) {
            out_.emplace_back(bj::object{{"role", "assistant"}, {"content", ""}, {"reasoning_content", text}});
        }
    }

    json::Reader& reader_;
    bj::array out_;
    std::map<std::string, std::string> names_;  ///< of the functions that were called, by the calls' ids
};

}  // namespace

std::string text_member(const bj::object& object, std::string_view name) {
    const bj::value* found = object.if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

std::string random_id(std::string_view prefix) {
    std::random_device source;
    std::string out(prefix);
    for (int i = 0; i < 4; ++i) {
        out += fmt::format("{:08x}", source());
    }
    return out;
}

bj::array read_input(json::Reader& reader) {
    const bj::value* input = reader.any("input");
    if (input == nullptr || !(input->is_string() || input->is_array())) {
        reader.fail("input", "is missing; a string or a list of items is needed");
        return {};
    }
    bj::array items;
    if (input->is_string()) {
        items.emplace_back(
            bj::object{{"type", "message"},
                       {"role", "user"},
                       {"content", bj::array{bj::object{{"type", "input_text"}, {"text", input->get_string()}}}}});
    } else {
        items = input->get_array();
    }
    for (bj::value& item : items) {
        if (item.is_object() && text_member(item.get_object(), "id").empty()) {
            item.get_object()["id"] = random_id("item_");
        }
        if (item.is_object() && !item.get_object().contains("type")) {
            item.get_object()["type"] = "message";
        }
    }
    return items;
}

bj::array to_messages(json::Reader& reader, const bj::array& items, size_t from) {
    Conversation conversation(reader);
    for (size_t i = 0; i < items.size() && reader.status(); ++i) {
        conversation.item(items[i], fmt::format("input[{}]", i < from ? 0 : i - from));
    }
    return conversation.take();
}

}  // namespace gantry::dialects::responses
