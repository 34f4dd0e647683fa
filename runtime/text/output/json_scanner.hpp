#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gantry::text {

/// Follows one JSON value (RFC 8259) as it is written, byte by byte, without keeping it. Used by one thread.
class JsonScanner {
  public:
    enum class State { kOpen, kComplete, kBroken };

    /// Takes bytes up to the value's end or the first that cannot be; gives how many were taken. A number at top level
    /// is complete only with the byte that follows it, which is not taken.
    size_t push(std::string_view text);
    State state() const { return state_; }

  private:
    enum class Expect {
        kValue,
        kValueOrEnd,
        kKey,
        kKeyOrEnd,
        kColon,
        kCommaOrEnd,
        kString,
        kEscape,
        kHex,
        kLiteral,
        kNumber
    };
    static constexpr size_t kMaxDepth = 128;

    bool take(char c);  ///< false: the byte belongs to what follows
    void begin_value(char c);
    void end_value();
    void open(char close, Expect next);
    void close(char c);
    void in_string(char c);
    void in_number(char c);

    State state_ = State::kOpen;
    Expect expect_ = Expect::kValue;
    std::string closers_;       ///< of the objects and arrays that are open
    bool key_ = false;          ///< the string being read is a member's name
    int hex_left_ = 0;          ///< digits of a \u escape
    std::string_view literal_;  ///< what is left of true, false or null
    std::string number_;        ///< its bytes so far
};

/// Whether `text` is one whole JSON value, white space around it allowed.
bool is_json(std::string_view text);

/// Length of the value at the front of `text`; npos while it is not complete, `broken` set where it cannot become one.
size_t json_value_length(std::string_view text, bool& broken);

/// The text of a JSON string literal with its quotes; escapes decoded, lone surrogates as U+FFFD.
std::string json_unquote(std::string_view literal);

/// Appends `text` as it stands between the quotes of a JSON string; bytes above 0x7f pass, so any split is allowed.
void append_json_escaped(std::string_view text, std::string& out);
void append_utf8(uint32_t code_point, std::string& out);

}  // namespace gantry::text
