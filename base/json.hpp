#pragma once

/// Helpers over Boost.JSON: parsing hostile text with clear errors, and reading an object field by field.

#include <boost/json.hpp>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gantry::json {

struct ParseLimits {
    size_t max_depth = 64;
    size_t max_bytes = 64 * 1024 * 1024;
};

/// Parses exactly one value. kInvalidArgument names line and column (both from 1), kTooLarge the size.
Result<boost::json::value> parse(std::string_view text, const ParseLimits& limits = {});

/// parse() and the demand that the value is an object; an empty text is an error that says so.
Result<boost::json::object> parse_object(std::string_view text, const ParseLimits& limits = {});

/// The number, where it is whole: 2.0 is what JSON Schema calls an integer. nullopt for all else.
std::optional<int64_t> whole(const boost::json::value& value);

/// "a string", "an integer", "null", ... for messages.
std::string_view kind_name(const boost::json::value& value);

/// A range that a number must be in; both ends belong to it, unless `open_low`.
struct Range {
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();
    bool open_low = false;
};

/// Reads fields of one object; null counts as absent. The first error is kept with the path of its field and later
/// reads return nothing, so callers read everything and ask status() once. What was never asked for is unknown().
class Reader {
  public:
    /// `path` stands before field names in messages ("messages[0]"). The object must outlive the reader.
    explicit Reader(const boost::json::object& object, std::string path = {})
        : object_(object), path_(std::move(path)) {}

    std::optional<std::string> string(std::string_view name);
    std::optional<bool> boolean(std::string_view name);
    /// Whole numbers only (3.0 passes, 3.5 and "3" do not).
    std::optional<int64_t> integer(std::string_view name, int64_t low = std::numeric_limits<int64_t>::min(),
                                   int64_t high = std::numeric_limits<int64_t>::max());
    /// Finite numbers.
    std::optional<double> number(std::string_view name, Range range = {});
    /// One of `choices`.
    std::optional<std::string> choice(std::string_view name, std::initializer_list<std::string_view> choices);
    const boost::json::object* object(std::string_view name);
    const boost::json::array* array(std::string_view name);
    /// A list of strings; with `or_single` one string is a list of one.
    std::optional<std::vector<std::string>> strings(std::string_view name, bool or_single = false);
    std::optional<std::vector<int64_t>> integers(std::string_view name, bool or_single = false);
    /// The value itself, whatever it is; nullptr when absent or null.
    const boost::json::value* any(std::string_view name);
    /// Like string(), but its absence is an error.
    std::string required_string(std::string_view name);

    /// Marks a field as known without reading it.
    void known(std::initializer_list<std::string_view> names);
    /// Reports an error of the caller's own about a field (unless there is one already).
    void fail(std::string_view name, std::string message, std::string hint = {});
    /// Takes over an error whose path is already complete.
    void fail_at(std::string full_path, Error error);

    Status status() const;
    /// Full path of the field at fault; empty without error.
    const std::string& failed_path() const { return failed_path_; }
    /// Names that nobody asked for, in the object's order.
    std::vector<std::string> unknown() const;
    std::string path_of(std::string_view name) const;

  private:
    void wrong_type(std::string_view name, std::string_view wanted, const boost::json::value& got);

    const boost::json::object& object_;
    std::string path_;
    std::set<std::string, std::less<>> asked_;
    std::optional<Error> error_;
    std::string failed_path_;
};

}  // namespace gantry::json
