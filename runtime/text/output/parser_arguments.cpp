// A call's arguments, and what follows them, in each syntax.

#include <utility>

#include "runtime/text/output/cursor.hpp"
#include "runtime/text/output/literal.hpp"
#include "runtime/text/output/parser.hpp"

namespace gantry::text {

bool OutputParser::step_json_arguments() {
    const size_t taken = scanner_.push(pending_);
    arguments(std::string_view(pending_).substr(0, taken));
    consume(taken);
    if (scanner_.state() == JsonScanner::State::kComplete) {
        if (object_call_) {
            mode_ = Mode::kJsonTail;
        } else {
            end_arguments();
        }
        return true;
    }
    if (scanner_.state() == JsonScanner::State::kBroken) {
        break_call("a call's arguments are not JSON");
        return true;
    }
    return false;
}

/// Members that come after the arguments, and the object's end.
bool OutputParser::step_json_tail() {
    Cursor in(pending_);
    in.space();
    if (in.eat("}")) {
        consume(in.at());
        end_arguments();
        return true;
    }
    std::string_view key, value;
    bool good = in.eat(",");
    in.space();
    good = good && in.peek() == '"' && in.json(key);
    in.space();
    good = good && in.eat(":");
    in.space();
    good = good && in.json(value);
    if (good) {
        consume(in.at());
        return true;
    }
    if (in.more) {
        if (ended_) {
            pending_.clear();  // the answer ends here, and the arguments are whole
        }
        return false;
    }
    break_call("a call is not well formed behind its arguments");
    return true;
}

/// What stands behind a call or a list of calls; every part of it may be left out.
bool OutputParser::step_name_tail() {
    Cursor in(pending_);
    size_t end = 0;
    for (const std::string_view part : {format_.after_args, format_.call_end}) {
        in.space();
        if (!part.empty() && in.eat(part)) {
            end = in.at();
        }
        if (in.more && !ended_) {
            return false;
        }
    }
    consume(end);
    if (in_call_) {
        end_call();
    } else {
        mode_ = Mode::kText;
    }
    return true;
}

/// Between calls of a list: a separator and the next, or its end.
bool OutputParser::step_list_gap() {
    Cursor in(pending_);
    in.space();
    const bool another = in.eat(in_list_ ? "," : format_.separator);
    if (another) {
        in.space();
        if (in.peek() == '\0' && !ended_) {
            return false;
        }
        const std::string before = pending_;
        const bool list = in_list_;
        consume(in.at());
        const Verdict verdict = try_call(true);
        in_list_ = list && verdict != Verdict::kNo;
        if (verdict == Verdict::kMore && !ended_) {
            pending_ = before;
            return false;
        }
        if (verdict != Verdict::kYes) {
            note("a call is not well formed");
            in_list_ = false;
            mode_ = Mode::kText;
        }
        return true;
    }
    if (in_list_ && in.eat("]")) {
        in_list_ = false;
        consume(in.at());
        mode_ = Mode::kNameTail;
        return true;
    }
    if (in.more && !ended_) {
        return false;
    }
    if (in_list_) {
        note("a list of calls does not end");
    }
    in_list_ = false;
    mode_ = Mode::kText;
    return true;
}

bool OutputParser::step_keys() {
    Cursor in(pending_);
    in.space();
    if (in.eat(format_.call_end)) {
        consume(in.at());
        close_arguments();
        end_call();
        return true;
    }
    std::string_view key, typed;
    bool good = in.eat(format_.key_begin) && in.until(format_.key_end, key);
    if (good && !format_.value_begin.empty()) {
        in.space();
        good = in.eat(format_.value_begin) && (!format_.typed_values || in.until("\">", typed));
    }
    constexpr size_t kMaxKey = 4096;
    if (!good && in.more && pending_.size() <= kMaxKey) {
        if (ended_) {
            pending_.clear();
        }
        return false;
    }
    if (!good || in.at() > kMaxKey) {
        close_arguments();
        break_call("a call's arguments are not well formed");
        return true;
    }
    const auto found = tool_->types.find(key);
    value_types_ = found == tool_->types.end() ? uint8_t{0} : found->second;
    if (format_.typed_values) {
        value_types_ = typed == "true" ? uint8_t{kStringType} : static_cast<uint8_t>(~kStringType);
    }
    value_streams_ = value_types_ == kStringType && !format_.cdata;
    value_begun_ = false;
    value_ = empty_arguments_ ? "{\"" : ", \"";
    append_json_escaped(key, value_);
    value_ += value_streams_ ? "\": \"" : "\": ";
    arguments(std::exchange(value_, {}));
    consume(in.at());
    mode_ = Mode::kValue;
    return true;
}

bool OutputParser::step_value() {
    if (format_.line_values && !value_begun_ && pending_.front() == '\n') {
        consume(1);
        value_begun_ = true;
        return true;
    }
    value_begun_ = true;
    const MarkerHit hit = find_marker(pending_, std::initializer_list<std::string_view>{format_.value_end}, ended_);
    std::string_view safe = std::string_view(pending_).substr(0, hit.at);
    const bool whole = !hit.marker.empty();
    const bool line_end = format_.line_values && safe.ends_with('\n');
    if (line_end) {
        safe.remove_suffix(1);
    }
    if (value_streams_) {
        std::string escaped;
        append_json_escaped(safe, escaped);
        arguments(escaped);
    } else {
        value_ += safe;
    }
    if (!whole) {
        consume(safe.size());
        if (ended_) {
            pending_.clear();  // nothing more belongs to a value that was cut off
        }
        return false;
    }
    if (value_streams_) {
        arguments("\"");
    } else if (format_.cdata && value_.starts_with("<![CDATA[") && value_.ends_with("]]>")) {
        std::string quoted = "\"";
        append_json_escaped(std::string_view(value_).substr(9, value_.size() - 12), quoted);
        arguments(quoted + '"');
    } else {
        arguments(value_to_json(value_, value_types_));
    }
    value_.clear();
    consume(hit.at + hit.marker.size());
    mode_ = Mode::kKeys;
    return true;
}

bool OutputParser::step_python() {
    Cursor in(pending_);
    in.space();
    if (!empty_arguments_ && in.eat(",")) {
        in.space();
    }
    if (in.eat(")")) {
        consume(in.at());
        close_arguments();
        end_call();
        return true;
    }
    std::string_view key;
    bool good = in.name(key);
    in.space();
    good = good && in.eat("=");
    if (!good) {
        if (in.more) {
            if (ended_) {
                pending_.clear();
            }
            return false;
        }
        close_arguments();
        break_call("a call's arguments are not keyword arguments");
        return true;
    }
    python_.at = std::max(python_.at, in.at());
    const auto end = python_value_end();
    if (!end) {
        if (ended_) {
            pending_.clear();
        }
        return false;
    }
    const auto json = python_to_json(std::string_view(pending_).substr(in.at(), *end - in.at()));
    const std::string name(key);
    python_ = {};
    if (!json) {
        close_arguments();
        break_call("a call's argument is no literal");
        return true;
    }
    std::string member = empty_arguments_ ? "{\"" : ", \"";
    append_json_escaped(name, member);
    arguments(member + "\": " + *json);
    consume(*end);
    return true;
}

/// Where the value ends whose search has come to python_.at: at a comma or bracket outside of quotes and brackets.
std::optional<size_t> OutputParser::python_value_end() {
    for (; python_.at < pending_.size(); ++python_.at) {
        const char c = pending_[python_.at];
        if (python_.quote != 0) {
            const bool escaped = std::exchange(python_.escaped, false);
            if (!escaped && c == '\\') {
                python_.escaped = true;
            } else if (!escaped && c == python_.quote) {
                python_.quote = 0;
            }
        } else if (c == '"' || c == '\'') {
            python_.quote = c;
        } else if (c == '[' || c == '(' || c == '{') {
            python_.closers += c == '[' ? ']' : c == '(' ? ')' : '}';
        } else if (python_.closers.empty() ? c == ',' || c == ')' : c == python_.closers.back()) {
            if (python_.closers.empty()) {
                return python_.at;
            }
            python_.closers.pop_back();
        }
    }
    return std::nullopt;
}

/// The end of an arguments object that is ours, not the model's.
void OutputParser::close_arguments() { arguments(empty_arguments_ ? "{}" : "}"); }

}  // namespace gantry::text
