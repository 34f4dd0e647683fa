#pragma once

/// JSON text written and read without a tree in between, for the event lines that pass between front and runner: one
/// a token, so they are worth it. Doubles survive the way there and back exactly.

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gantry::engine {

/// Appends a JSON string; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string_view text, std::string& out);
/// Appends a number that reads back as the same double; null where it is not finite.
void append_json_number(double value, std::string& out);

template <std::integral T>
void append_json_number(T value, std::string& out) {
    char buffer[24];
    const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
    out.append(buffer, end);
}

/// Reads JSON text from front to back. The first error sticks: after it every call does nothing and gives false.
class JsonReader {
  public:
    explicit JsonReader(std::string_view text) : text_(text) {}

    /// Calls on_member(key) for each member; it must read the value. `key` lives until it does.
    template <class F>
    bool object(F&& on_member) {
        if (!open('{')) {
            return false;
        }
        std::string key;
        for (bool first = true; next('}', first); first = false) {
            if (!string(key) || !expect(':')) {
                return false;
            }
            on_member(std::string_view(key));
        }
        return close();
    }
    /// Calls on_element() for each element; it must read it.
    template <class F>
    bool array(F&& on_element) {
        if (!open('[')) {
            return false;
        }
        for (bool first = true; next(']', first); first = false) {
            on_element();
        }
        return close();
    }
    bool string(std::string& out);
    bool number(double& out);
    template <std::integral T>
    bool integer(T& out) {
        const std::string_view token = number_token();
        if (failed()) {
            return false;
        }
        const auto [end, ec] = std::from_chars(token.data(), token.data() + token.size(), out);
        return (ec == std::errc() && end == token.data() + token.size()) || fail("not an integer in range");
    }
    /// Consumes `null` if that is what comes.
    bool null();
    /// Passes over any value.
    bool skip();
    /// Only white space is left.
    bool at_end();

    bool fail(std::string_view what);
    bool failed() const { return error_.has_value(); }
    /// "what at byte n"; only after a failure.
    const std::string& error() const { return *error_; }

  private:
    static constexpr int kMaxDepth = 64;

    void white_space();
    bool open(char bracket);
    /// True if another element comes; consumes the comma.
    bool next(char bracket, bool first);
    bool close();
    bool expect(char c);
    bool literal(std::string_view word);
    bool escape(std::string& out);
    std::optional<uint32_t> hex4();
    std::string_view number_token();

    std::string_view text_;
    size_t at_ = 0;
    int depth_ = 0;
    std::optional<std::string> error_;
};

}  // namespace gantry::engine
