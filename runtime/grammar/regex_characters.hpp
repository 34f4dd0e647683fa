#pragma once

/// The characters of a regular expression: single ones, escapes and classes, read from a cursor that keeps the first
/// error. The part of the parser that knows nothing of the expression's structure.

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "runtime/grammar/codepoints.hpp"
#include "runtime/grammar/regex.hpp"

namespace gantry::grammar {

class RegexCharacters {
  public:
    RegexCharacters(std::string_view pattern, RegexOptions options) : text_(pattern), options_(options) {}

  protected:
    /// Keeps the first error and goes to the end.
    void fail_at(size_t at, std::string_view what, std::string hint = {});
    void fail(std::string_view what, std::string hint = {}) { fail_at(at_, what, std::move(hint)); }

    bool more() const { return at_ < text_.size(); }
    char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
    bool take(std::string_view what);
    char32_t take_char() { return next_codepoint(text_, at_).value_or(0); }

    /// \d, \w, \s, \p{..} and their negations, behind the backslash.
    std::optional<CodepointSet> class_escape();
    /// A single character's escape, behind the backslash. `begin` is where the backslash is.
    char32_t escaped_char(size_t begin);
    /// A class behind its '[', with the closing bracket.
    CodepointSet character_class(size_t begin);

    std::string_view text_;
    RegexOptions options_;
    size_t at_ = 0;
    std::optional<Error> error_;

  private:
    CodepointSet property(bool negated);
    char32_t control(size_t begin);
    char32_t hex(size_t begin, int digits);
    char32_t braced_hex(size_t begin);
    char32_t checked(size_t begin, char32_t value);
    char32_t surrogate_pair(size_t begin, char32_t first);
    /// One character of a class, or nothing when a whole class went into `out`.
    std::optional<char32_t> class_member(CodepointSet& out);
};

}  // namespace gantry::grammar
