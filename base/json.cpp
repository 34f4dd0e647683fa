#include "base/json.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace gantry::json {

namespace bj = boost::json;

namespace {

std::pair<size_t, size_t> line_and_column(std::string_view text, size_t offset) {
    offset = std::min(offset, text.size());
    size_t line = 1, start = 0;
    for (size_t i = 0; i < offset; ++i) {
        if (text[i] == '\n') {
            ++line;
            start = i + 1;
        }
    }
    return {line, offset - start + 1};
}

/// Plain words for what Boost.JSON's error codes say in jargon.
std::string explain(const boost::system::error_code& error, std::string_view text, size_t offset) {
    if (offset >= text.size()) {
        return "the text ends in the middle of a value";
    }
    if (error == bj::error::too_deep) {
        return "values are nested too deeply";
    }
    if (error == bj::error::extra_data) {
        return "there is more text behind the value";
    }
    return error.message();
}

std::string range_text(const Range& range) {
    if (std::isinf(range.high)) {
        return fmt::format("{} {}", range.open_low ? "above" : "of at least", range.low);
    }
    if (std::isinf(range.low)) {
        return fmt::format("of at most {}", range.high);
    }
    return range.open_low ? fmt::format("above {} and at most {}", range.low, range.high)
                          : fmt::format("from {} to {}", range.low, range.high);
}

}  // namespace

std::optional<int64_t> whole(const bj::value& value) {
    if (value.is_int64()) {
        return value.get_int64();
    }
    if (value.is_double()) {
        const double number = value.get_double();
        if (std::trunc(number) == number && std::abs(number) < 9.0e15) {
            return static_cast<int64_t>(number);
        }
    }
    return std::nullopt;
}

Result<bj::value> parse(std::string_view text, const ParseLimits& limits) {
    if (text.size() > limits.max_bytes) {
        return Error(Code::kTooLarge, fmt::format("the JSON text has {} bytes, more than the limit of {}", text.size(),
                                                  limits.max_bytes));
    }
    bj::parse_options options;
    options.max_depth = limits.max_depth;
    bj::stream_parser parser({}, options);
    boost::system::error_code error;
    const size_t used = parser.write_some(text.data(), text.size(), error);
    size_t offset = used;
    if (!error) {
        offset = used;
        while (offset < text.size() && std::string_view(" \t\r\n").find(text[offset]) != std::string_view::npos) {
            ++offset;
        }
        if (offset < text.size()) {
            error = bj::error::extra_data;
        } else {
            parser.finish(error);
        }
    }
    if (error) {
        const auto [line, column] = line_and_column(text, offset);
        return Error(Code::kInvalidArgument,
                     fmt::format("malformed JSON at {}:{}: {}", line, column, explain(error, text, offset)));
    }
    return parser.release();
}

Result<bj::object> parse_object(std::string_view text, const ParseLimits& limits) {
    if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        return Error(Code::kInvalidArgument, "the body is empty; a JSON object is needed");
    }
    GANTRY_TRY(bj::value value, parse(text, limits));
    if (!value.is_object()) {
        return Error(Code::kInvalidArgument, fmt::format("a JSON object is needed, not {}", kind_name(value)));
    }
    return std::move(value.get_object());
}

std::string_view kind_name(const bj::value& value) {
    switch (value.kind()) {
        case bj::kind::null:
            return "null";
        case bj::kind::bool_:
            return "a boolean";
        case bj::kind::int64:
        case bj::kind::uint64:
            return "an integer";
        case bj::kind::double_:
            return "a number";
        case bj::kind::string:
            return "a string";
        case bj::kind::array:
            return "a list";
        case bj::kind::object:
            return "an object";
    }
    return "a value";
}

std::string Reader::path_of(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

void Reader::fail_at(std::string full_path, Error error) {
    if (!error_) {
        error_ = std::move(error);
        failed_path_ = std::move(full_path);
    }
}

void Reader::fail(std::string_view name, std::string message, std::string hint) {
    const std::string path = path_of(name);
    fail_at(path, Error(Code::kInvalidArgument, fmt::format("\"{}\": {}", path, message), std::move(hint)));
}

void Reader::wrong_type(std::string_view name, std::string_view wanted, const bj::value& got) {
    fail(name, fmt::format("must be {}, not {}", wanted, kind_name(got)));
}

const bj::value* Reader::any(std::string_view name) {
    asked_.emplace(name);
    if (error_) {
        return nullptr;
    }
    const bj::value* found = object_.if_contains(name);
    return found && !found->is_null() ? found : nullptr;
}

std::optional<std::string> Reader::string(std::string_view name) {
    const bj::value* value = any(name);
    if (!value) {
        return std::nullopt;
    }
    if (!value->is_string()) {
        wrong_type(name, "a string", *value);
        return std::nullopt;
    }
    return std::string(value->get_string());
}

std::string Reader::required_string(std::string_view name) {
    const bj::value* value = any(name);
    if (!value) {
        fail(name, "is missing; a string is needed");
        return {};
    }
    return string(name).value_or(std::string());
}

std::optional<bool> Reader::boolean(std::string_view name) {
    const bj::value* value = any(name);
    if (!value) {
        return std::nullopt;
    }
    if (!value->is_bool()) {
        wrong_type(name, "true or false", *value);
        return std::nullopt;
    }
    return value->get_bool();
}

std::optional<int64_t> Reader::integer(std::string_view name, int64_t low, int64_t high) {
    const bj::value* value = any(name);
    if (!value) {
        return std::nullopt;
    }
    const auto number = whole(*value);
    if (!number && value->is_number()) {
        fail(name, "must be a whole number that fits into 64 bits, not " + bj::serialize(*value));
        return std::nullopt;
    }
    if (!number) {
        wrong_type(name, "an integer", *value);
        return std::nullopt;
    }
    if (*number < low || *number > high) {
        Range range;
        range.low = low == std::numeric_limits<int64_t>::min() ? range.low : static_cast<double>(low);
        range.high = high == std::numeric_limits<int64_t>::max() ? range.high : static_cast<double>(high);
        fail(name, fmt::format("must be an integer {}, not {}", range_text(range), *number));
        return std::nullopt;
    }
    return number;
}

std::optional<double> Reader::number(std::string_view name, Range range) {
    const bj::value* value = any(name);
    if (!value) {
        return std::nullopt;
    }
    if (!value->is_number()) {
        wrong_type(name, "a number", *value);
        return std::nullopt;
    }
    const auto number = value->to_number<double>();
    const bool inside = number <= range.high && (range.open_low ? number > range.low : number >= range.low);
    if (!std::isfinite(number) || !inside) {
        fail(name, fmt::format("must be a number {}, not {}", range_text(range), bj::serialize(*value)));
        return std::nullopt;
    }
    return number;
}

std::optional<std::string> Reader::choice(std::string_view name, std::initializer_list<std::string_view> choices) {
    auto text = string(name);
    if (text && std::find(choices.begin(), choices.end(), *text) == choices.end()) {
        std::string all;
        for (const std::string_view one : choices) {
            all += fmt::format("{}\"{}\"", all.empty() ? "" : ", ", one);
        }
        fail(name, fmt::format("must be one of {}, not \"{}\"", all, *text));
        return std::nullopt;
    }
    return text;
}

const bj::object* Reader::object(std::string_view name) {
    const bj::value* value = any(name);
    if (value && !value->is_object()) {
        wrong_type(name, "an object", *value);
        return nullptr;
    }
    return value ? &value->get_object() : nullptr;
}

const bj::array* Reader::array(std::string_view name) {
    const bj::value* value = any(name);
    if (value && !value->is_array()) {
        wrong_type(name, "a list", *value);
        return nullptr;
    }
    return value ? &value->get_array() : nullptr;
}

std::optional<std::vector<std::string>> Reader::strings(std::string_view name, bool or_single) {
    const bj::value* value = any(name);
    if (!value) {
        return std::nullopt;
    }
    if (or_single && value->is_string()) {
        return std::vector<std::string>{std::string(value->get_string())};
    }
    const std::string_view wanted = or_single ? "a string or a list of strings" : "a list of strings";
    if (!value->is_array()) {
        wrong_type(name, wanted, *value);
        return std::nullopt;
    }
    std::vector<std::string> out;
    for (const bj::value& item : value->get_array()) {
        if (!item.is_string()) {
            wrong_type(fmt::format("{}[{}]", name, out.size()), "a string", item);
            return std::nullopt;
        }
        out.emplace_back(item.get_string());
    }
    return out;
}

std::optional<std::vector<int64_t>> Reader::integers(std::string_view name, bool or_single) {
    const bj::value* value = any(name);
    if (!value) {
        return std::nullopt;
    }
    if (or_single && value->is_number()) {
        const auto one = integer(name);
        return one ? std::optional(std::vector<int64_t>{*one}) : std::nullopt;
    }
    if (!value->is_array()) {
        wrong_type(name, or_single ? "an integer or a list of integers" : "a list of integers", *value);
        return std::nullopt;
    }
    std::vector<int64_t> out;
    for (const bj::value& item : value->get_array()) {
        const auto number = whole(item);
        if (!number) {
            wrong_type(fmt::format("{}[{}]", name, out.size()), "an integer", item);
            return std::nullopt;
        }
        out.push_back(*number);
    }
    return out;
}

void Reader::known(std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
        asked_.emplace(name);
    }
}

Status Reader::status() const { return error_ ? Status(*error_) : ok(); }

std::vector<std::string> Reader::unknown() const {
    std::vector<std::string> out;
    for (const auto& member : object_) {
        const std::string_view name(member.key().data(), member.key().size());
        if (!asked_.contains(name)) {
            out.emplace_back(name);
        }
    }
    return out;
}

}  // namespace gantry::json
