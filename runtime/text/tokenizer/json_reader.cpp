#include "runtime/text/tokenizer/json_reader.hpp"

#include "runtime/text/tokenizer/unicode.hpp"
#include "runtime/text/tokenizer/vocab.hpp"

namespace gantry::text::tok {
namespace {

const boost::json::value& null_value() {
    static const boost::json::value null;
    return null;
}

}  // namespace

std::string index_text(size_t index) { return std::string("[").append(std::to_string(index)).append("]"); }

Result<JsonReader> JsonReader::get(std::string_view key) const {
    GANTRY_TRY(const auto* members, object());
    const auto* found = members->if_contains(boost::json::string_view(key.data(), key.size()));
    const std::string separator = path_.find(": ") == std::string::npos ? ": " : ".";
    return JsonReader(found != nullptr ? *found : null_value(), path_ + separator + std::string(key));
}

Result<JsonReader> JsonReader::at(size_t index) const {
    GANTRY_TRY(const auto* items, array());
    if (index >= items->size()) {
        return error("has " + std::to_string(items->size()) + " items, but item " + std::to_string(index) +
                     " is needed");
    }
    return JsonReader((*items)[index], path_ + index_text(index));
}

Result<const boost::json::object*> JsonReader::object() const {
    if (const auto* o = value_->if_object()) return o;
    return error("is not an object");
}

Result<const boost::json::array*> JsonReader::array() const {
    if (const auto* a = value_->if_array()) return a;
    return error("is not an array");
}

Result<std::string> JsonReader::string() const {
    if (const auto* s = value_->if_string()) return std::string(s->data(), s->size());
    return error("is not a string");
}

Result<bool> JsonReader::boolean() const {
    if (const auto* b = value_->if_bool()) return *b;
    return error("is neither true nor false");
}

Result<int64_t> JsonReader::integer() const {
    if (const auto* i = value_->if_int64()) return *i;
    return error("is not an integer");
}

Result<double> JsonReader::number() const {
    if (const auto* d = value_->if_double()) return *d;
    if (const auto* i = value_->if_int64()) return static_cast<double>(*i);
    if (const auto* u = value_->if_uint64()) return static_cast<double>(*u);
    return error("is not a number");
}

Result<char32_t> JsonReader::character() const {
    GANTRY_TRY(const std::string text, string());
    size_t size = 0;
    if (text.empty() || utf8_length(text.front()) != text.size()) {
        return error("is not one character");
    }
    return decode_utf8(text, 0, size);
}

Result<int32_t> JsonReader::id() const {
    GANTRY_TRY(const int64_t id, integer());
    if (id < 0 || id > kMaxTokenId) {
        return error("token id " + std::to_string(id) + " is out of range");
    }
    return static_cast<int32_t>(id);
}

Result<std::string> JsonReader::string_or(std::string_view key, std::string_view fallback) const {
    GANTRY_TRY(const JsonReader member, get(key));
    if (member.is_null()) return std::string(fallback);
    return member.string();
}

Result<bool> JsonReader::boolean_or(std::string_view key, bool fallback) const {
    GANTRY_TRY(const JsonReader member, get(key));
    if (member.is_null()) return fallback;
    return member.boolean();
}

}  // namespace gantry::text::tok
