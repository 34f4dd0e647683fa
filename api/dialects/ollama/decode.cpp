#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <deque>
#include <limits>

#include "api/dialects/ollama/call.hpp"

namespace gantry::dialects::ollama {

namespace bj = boost::json;
using api::ApiError;

namespace {

constexpr std::array<std::string_view, 4> kRoles{"system", "user", "assistant", "tool"};
constexpr size_t kMaxTools = 256;

void refuse_images(json::Reader& reader, const bj::object& object, const std::string& path) {
    const bj::value* images = object.if_contains("images");
    const bool none = images == nullptr || images->is_null() || (images->is_array() && images->get_array().empty());
    if (!none) {
        reader.fail_at(path, Error(Code::kInvalidArgument,
                                   fmt::format("\"{}\": this model takes text only; images are not supported", path),
                                   "leave them out"));
    }
}

/// The calls that an earlier answer made, in the form that chat templates expect; their ids go into `open`.
bool read_calls(json::Reader& reader, const bj::array& given, const std::string& path, bj::object& message,
                std::deque<std::string>& open) {
    bj::array calls;
    for (const bj::value& value : given) {
        const bj::object* call = value.if_object();
        const bj::value* found = call != nullptr ? call->if_contains("function") : nullptr;
        const bj::object* function = found != nullptr ? found->if_object() : nullptr;
        if (function == nullptr || text_member(*function, "name").empty()) {
            reader.fail(fmt::format("{}[{}]", path, calls.size()),
                        "must be {\"function\": {\"name\": ..., \"arguments\": {...}}}");
            return false;
        }
        std::string id = text_member(*call, "id");
        if (id.empty()) {
            id = fmt::format("call_{:09}", open.size() + calls.size());
        }
        const bj::value* arguments = function->if_contains("arguments");
        calls.emplace_back(bj::object{
            {"id", id},
            {"type", "function"},
            {"function", bj::object{{"name", text_member(*function, "name")},
                                    {"arguments", arguments != nullptr ? *arguments : bj::value(bj::object())}}}});
        open.push_back(std::move(id));
    }
    message["tool_calls"] = std::move(calls);
    return true;
}

/// A tool's answer belongs to the oldest call that has none, unless it says to which.
void bind_result(const bj::object& given, bj::object& message, std::deque<std::string>& open) {
    std::string id = text_member(given, "tool_call_id");
    if (id.empty() && !open.empty()) {
        id = open.front();
    }
    std::erase(open, id);
    if (!id.empty()) {
        message["tool_call_id"] = id;
    }
    const std::string name = text_member(given, "tool_name");
    if (!name.empty()) {
        message["name"] = name;
    }
}

bool read_message(json::Reader& reader, const bj::value& value, const std::string& path, bj::array& out,
                  std::deque<std::string>& open) {
    if (!value.is_object()) {
        reader.fail(path, fmt::format("must be an object, not {}", json::kind_name(value)));
        return false;
    }
    const bj::object& given = value.get_object();
    json::Reader inner(given, path);
    const std::string role = inner.required_string("role");
    const std::string content = inner.string("content").value_or("");
    const std::string thinking = inner.string("thinking").value_or("");
    const bj::array* calls = inner.array("tool_calls");
    if (!inner.status()) {
        reader.fail_at(inner.failed_path(), inner.status().error());
        return false;
    }
    if (std::find(kRoles.begin(), kRoles.end(), role) == kRoles.end()) {
        reader.fail(path + ".role",
                    fmt::format("must be \"system\", \"user\", \"assistant\" or \"tool\", not \"{}\"", role));
        return false;
    }
    refuse_images(reader, given, path + ".images");
    bj::object message{{"role", role}, {"content", content}};
    if (!thinking.empty()) {
        message["reasoning_content"] = thinking;
    }
    if (calls != nullptr && !calls->empty() && !read_calls(reader, *calls, path + ".tool_calls", message, open)) {
        return false;
    }
    if (role == "tool") {
        bind_result(given, message, open);
    }
    out.emplace_back(std::move(message));
    return reader.status().has_value();
}

bj::array read_messages(json::Reader& reader) {
    bj::array out;
    std::deque<std::string> open;
    if (const bj::array* given = reader.array("messages")) {
        for (const bj::value& message : *given) {
            if (!read_message(reader, message, fmt::format("messages[{}]", out.size()), out, open)) {
                break;
            }
        }
    }
    return out;
}

void read_tools(json::Reader& reader, engine::ChatInput& input) {
    const bj::array* tools = reader.array("tools");
    if (tools == nullptr) {
        return;
    }
    if (tools->size() > kMaxTools) {
        reader.fail("tools", fmt::format("at most {} tools are possible, not {}", kMaxTools, tools->size()));
        return;
    }
    for (const bj::value& value : *tools) {
        const bj::value* found = value.is_object() ? value.get_object().if_contains("function") : nullptr;
        const bj::object* function = found != nullptr ? found->if_object() : nullptr;
        if (function == nullptr || text_member(*function, "name").empty()) {
            reader.fail(fmt::format("tools[{}]", input.tools.size()),
                        "must be {\"type\": \"function\", \"function\": {\"name\": ...}}");
            return;
        }
        const bj::value* parameters = function->if_contains("parameters");
        if (parameters != nullptr && !parameters->is_object() && !parameters->is_null()) {
            reader.fail(fmt::format("tools[{}].function.parameters", input.tools.size()),
                        "must be an object, a JSON Schema");
            return;
        }
        input.tools.push_back(value);
    }
}

void read_common(json::Reader& reader, Call& call) {
    reader.known({"model", "name"});  // read before, to find what the model's own parameters are
    call.stream = reader.boolean("stream").value_or(true);
    call.keep_alive = read_keep_alive(reader);
    read_options(reader, call);
}

api::ApiResult<Call> finished(json::Reader& reader, Call call) {
    if (!reader.status()) {
        return ApiError::from(reader);
    }
    const auto unknown = reader.unknown();
    call.ignored.insert(call.ignored.end(), unknown.begin(), unknown.end());
    return call;
}

void read_context(json::Reader& reader, Call& call) {
    if (const auto ids = reader.integers("context")) {
        for (const int64_t id : *ids) {
            if (id < 0 || id > std::numeric_limits<int32_t>::max()) {
                reader.fail("context", fmt::format("{} is no token id", id));
                return;
            }
            call.context.push_back(static_cast<int32_t>(id));
        }
    }
}

}  // namespace

api::ApiResult<Call> decode_generate(const bj::object& body) {
    json::Reader reader(body);
    Call call;
    read_common(reader, call);
    const std::string prompt = reader.string("prompt").value_or("");
    const std::string system = reader.string("system").value_or("");
    call.suffix = reader.string("suffix").value_or("");
    const std::string own_template = reader.string("template").value_or("");
    const bool raw = reader.boolean("raw").value_or(false);
    read_context(reader, call);
    if (reader.any("images") != nullptr) {
        refuse_images(reader, body, "images");
    }
    engine::ChatInput input;
    read_answer_form(reader, call, input);
    if (raw && !(system.empty() && own_template.empty() && call.context.empty())) {
        reader.fail("raw", "is not possible with \"system\", \"template\" or \"context\"");
    }
    const bool plain = raw || !call.suffix.empty() || own_template == "{{ .Prompt }}" || own_template == "{{.Prompt}}";
    if (!own_template.empty() && !plain) {
        reader.fail("template", "Go templates are not supported; a model's own template is used, or with \"raw\" none",
                    "leave it out");
    }
    call.load_only = prompt.empty();
    call.give_context = !raw && call.suffix.empty();
    if (plain) {
        call.request.input = engine::TextInput{prompt, true};
    } else {
        if (!system.empty()) {
            input.messages.emplace_back(bj::object{{"role", "system"}, {"content", system}});
        }
        input.messages.emplace_back(bj::object{{"role", "user"}, {"content", prompt}});
        call.request.input = std::move(input);
    }
    return finished(reader, std::move(call));
}

api::ApiResult<Call> decode_chat(const bj::object& body) {
    json::Reader reader(body);
    Call call;
    call.chat = true;
    read_common(reader, call);
    engine::ChatInput input;
    input.messages = read_messages(reader);
    read_tools(reader, input);
    read_answer_form(reader, call, input);
    call.load_only = input.messages.empty();
    call.request.input = std::move(input);
    return finished(reader, std::move(call));
}

}  // namespace gantry::dialects::ollama
