#pragma once

/// Typed reading of JSON with the path in every error ("tokenizer.json: model.vocab: ...").

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gantry::text::tok {

/// "[3]"
std::string index_text(size_t index);

/// A value and where it stands. Borrows the value: it must outlive the reader.
class JsonReader {
  public:
    JsonReader(const boost::json::value& value, std::string path) : value_(&value), path_(std::move(path)) {}

    const boost::json::value& value() const { return *value_; }
    const std::string& path() const { return path_; }
    bool is_null() const { return value_->is_null(); }

    /// "path: what", as kDataLoss.
    Error error(std::string_view what) const { return Error{Code::kDataLoss, path_ + ": " + std::string(what)}; }
    /// kUnimplemented.
    Error unknown(std::string_view what) const { return Error{Code::kUnimplemented, path_ + ": " + std::string(what)}; }

    /// A member; a null value where it is absent. Fails where this is no object.
    Result<JsonReader> get(std::string_view key) const;
    Result<JsonReader> at(size_t index) const;

    Result<const boost::json::object*> object() const;
    Result<const boost::json::array*> array() const;
    Result<std::string> string() const;
    Result<bool> boolean() const;
    Result<int64_t> integer() const;
    Result<double> number() const;
    /// A string of exactly one character.
    Result<char32_t> character() const;
    /// A token id within the limits.
    Result<int32_t> id() const;

    /// Members that may be absent or null.
    Result<std::string> string_or(std::string_view key, std::string_view fallback) const;
    Result<bool> boolean_or(std::string_view key, bool fallback) const;

  private:
    const boost::json::value* value_;
    std::string path_;
};

}  // namespace gantry::text::tok
