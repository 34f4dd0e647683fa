#pragma once

/// Regular expressions of tokenizer files. They are written for Oniguruma (Ruby syntax, UTF-8), which Hugging Face's
/// tokenizers uses; PCRE2 runs them here, after a translation of what the two read differently.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace gantry::text::tok {

/// Bytes [begin, end) of a text.
struct Match {
    size_t begin, end;
};

/// The same expression in PCRE2's syntax; fails for a class that does not close. Exposed for its test.
Result<std::string> translate_onig(std::string_view pattern);

/// Compiled; immutable, any thread may search concurrently.
class Regex {
  public:
    /// kInvalidArgument with the compiler's words and the place for a bad pattern.
    static Result<Regex> compile(std::string_view onig_pattern);
    /// Matches exactly this text.
    static Result<Regex> literal(std::string_view text);

    Regex(Regex&&) noexcept;
    Regex& operator=(Regex&&) noexcept;
    ~Regex();

    /// All matches in order, not overlapping, as Oniguruma's find-iteration gives them (an empty match right behind the
    /// last match does not count). `text` is valid UTF-8. A search that exhausts the engine's limits ends the list.
    void find_all(std::string_view text, std::vector<Match>& out) const;

  private:
    struct Impl;
    explicit Regex(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::text::tok
