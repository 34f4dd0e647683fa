// How a call begins, in each syntax.

#include "runtime/text/output/cursor.hpp"
#include "runtime/text/output/parser.hpp"

namespace gantry::text {
namespace {

bool is_name_key(std::string_view key) { return key == "name" || key == "tool_name" || key == "function"; }
bool is_arguments_key(std::string_view key) { return key == "arguments" || key == "parameters" || key == "args"; }

/// "functions.get_weather:3" to "get_weather".
std::string_view bare_name(std::string_view name, const OutputFormat& format) {
    if (!format.name_prefix.empty() && name.starts_with(format.name_prefix)) {
        name.remove_prefix(format.name_prefix.size());
    }
    if (format.name_index) {
        const size_t colon = name.rfind(':');
        if (colon != std::string_view::npos &&
            name.find_first_not_of("0123456789", colon + 1) == std::string_view::npos) {
            name = name.substr(0, colon);
        }
    }
    return name;
}

}  // namespace

OutputParser::Verdict OutputParser::read_call(Cursor& in, Call& call) const {
    if (format_.syntax == CallSyntax::kPythonic) {
        return read_python_call(in, call);
    }
    call.section = in.eat_any(format_.section_begin);
    in.space();
    const bool marked = in.eat_any(format_.call_begin);
    if (!marked && (!format_.bare || in.more)) {
        return in.no();
    }
    in.more = false;  // of a marker that was not the one
    in.space();
    if (format_.syntax == CallSyntax::kJson) {
        return read_json_call(in, call);
    }
    if (format_.syntax == CallSyntax::kNameJson && format_.ids == CallIds::kNine) {
        const char next = in.peek();
        if (next == '\0' || next == '[' || next == '{') {  // Mistral's older list
            return next == '\0' ? Verdict::kMore : read_json_call(in, call);
        }
    }
    return read_named_call(in, call);
}

OutputParser::Verdict OutputParser::read_json_call(Cursor& in, Call& call) const {
    call.list = in.eat("[");
    in.more = false;
    in.space();
    return read_members(in, call);
}

/// {"name": ..., "arguments": ...}: up to the arguments' value where the name is known by then, else to the end.
OutputParser::Verdict OutputParser::read_members(Cursor& in, Call& call) const {
    in.space();
    if (!in.eat("{")) {
        return in.peek() == '\0' ? Verdict::kMore : in.no();
    }
    call.arguments = "{}";
    call.object = true;
    for (bool first = true;; first = false) {
        in.space();
        if (in.peek() == '}' && in.eat("}")) {
            call.complete = true;
            return call.name.empty() ? Verdict::kNo : Verdict::kYes;
        }
        std::string_view key, value;
        if (!first) {
            if (!in.eat(",")) {
                return in.no();
            }
            in.space();
        }
        if (in.peek() != '"' || !in.json(key)) {
            return in.no();
        }
        in.space();
        if (!in.eat(":")) {
            return in.no();
        }
        in.space();
        const std::string name = json_unquote(key);
        const char next = in.peek();
        if (format_.bare && first && !is_name_key(name) && !is_arguments_key(name) && name != "type" && name != "id") {
            return Verdict::kNo;  // an answer that is JSON; waiting for its end would spoil the stream
        }
        if (is_arguments_key(name) && next == '{' && !call.name.empty()) {
            call.next = Mode::kJsonArguments;
            return Verdict::kYes;
        }
        if (!in.json(value)) {
            return in.no();
        }
        if (is_name_key(name) && next == '"' && call.name.empty()) {
            call.name = bare_name(json_unquote(value), format_);
        } else if (is_arguments_key(name) && (next == '{' || next == '"')) {
            call.arguments = next == '{' ? std::string(value) : json_unquote(value);  // some models quote the object
            if (!is_json(call.arguments)) {
                return Verdict::kNo;
            }
        }
    }
}

/// NAME, what ends it, and for JSON the opening brace, which is not consumed.
OutputParser::Verdict OutputParser::read_named_call(Cursor& in, Call& call) const {
    if (!format_.before_name.empty() && !in.eat(format_.before_name) && in.more) {
        return Verdict::kMore;
    }
    std::string_view name, id;
    if (!in.name(name)) {
        return in.no();
    }
    call.name = bare_name(name, format_);
    if (format_.ids == CallIds::kModelsName) {
        call.id = name;
    }
    if (format_.syntax == CallSyntax::kKeyValue) {
        call.next = Mode::kKeys;
        if (!format_.name_end.empty()) {
            return in.eat(format_.name_end) ? Verdict::kYes : in.no();
        }
        in.space();
        Cursor ahead = in;
        const bool key_or_end = ahead.eat(format_.key_begin) || ahead.eat(format_.call_end);
        return key_or_end ? Verdict::kYes : ahead.no();
    }
    if (!format_.id_begin.empty()) {
        if (in.eat(format_.id_begin) ? !in.name(id) : in.more) {
            return in.no();
        }
        call.id = id;
    }
    if (!in.eat(format_.name_end) && (in.more || in.peek() != '{')) {
        return in.no();
    }
    in.space();
    if (!format_.before_args.empty() && !in.eat(format_.before_args) && in.more) {
        return Verdict::kMore;
    }
    in.space();
    return in.peek() == '{' ? Verdict::kYes : in.no();
}

OutputParser::Verdict OutputParser::read_python_call(Cursor& in, Call& call) const {
    if (!call.list) {
        const bool marked = in.eat_any(format_.call_begin);
        if (!marked && (!format_.bare || in.more)) {
            return in.no();
        }
        in.more = false;
        in.space();
        call.list = in.eat("[");
        if (!call.list) {
            return in.peek() == '\0' ? Verdict::kMore : Verdict::kNo;
        }
    }
    in.space();
    std::string_view name;
    if (!in.name(name)) {
        return in.no();
    }
    in.space();
    call.name = name;
    call.next = Mode::kPython;
    return in.eat("(") ? Verdict::kYes : in.no();
}

}  // namespace gantry::text
