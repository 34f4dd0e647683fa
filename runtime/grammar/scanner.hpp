#pragma once

/// A cursor over a grammar's text that knows lines and columns and keeps the first error.

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace gantry::grammar {

class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    bool more() const { return at_ < text_.size(); }
    char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
    size_t position() const { return at_; }
    void go_to(size_t position) { at_ = position; }
    void skip(size_t bytes = 1) { at_ += bytes; }
    std::string_view rest() const { return text_.substr(at_); }
    std::string_view slice(size_t from, size_t to) const { return text_.substr(from, to - from); }
    /// Skips `what`, if it is next.
    bool take(std::string_view what);
    /// Spaces, tabs and line ends.
    void skip_blanks();
    void skip_line();
    /// [A-Za-z0-9_-]*; no '-' unless `dashes`.
    std::string_view take_name(bool dashes);
    std::optional<uint32_t> take_number();
    char32_t take_char();
    /// An escape behind its backslash: \n \t \r \f \v \0 \xHH \uHHHH \UHHHHHHHH, or the character itself.
    char32_t take_escape();
    /// So many hexadecimal digits of a character; 0 of them: as many as there are.
    char32_t take_hex(int digits);

    /// Keeps the first error, with the place where it happened, and goes to the end.
    void fail(std::string_view what, std::string hint = {}) { fail_at(at_, what, std::move(hint)); }
    void fail_at(size_t position, std::string_view what, std::string hint = {});
    bool failed() const { return error_.has_value(); }
    const Error& error() const { return *error_; }

  private:
    std::string_view text_;
    size_t at_ = 0;
    std::optional<Error> error_;
};

/// "line 3, column 5", both from 1; columns count characters.
std::string place_in(std::string_view text, size_t position);

bool is_name_char(char c, bool dashes);

}  // namespace gantry::grammar
