#pragma once

/// Sets of Unicode characters, and the byte sequences that spell them in UTF-8.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gantry::grammar {

inline constexpr char32_t kLastCodepoint = 0x10FFFF;

/// Characters as sorted, disjoint, closed ranges. Surrogates are never in it.
class CodepointSet {
  public:
    using Range = std::pair<char32_t, char32_t>;

    CodepointSet() = default;
    static CodepointSet of(char32_t from, char32_t to);
    static CodepointSet all() { return of(0, kLastCodepoint); }
    /// All but the line feed, as `.` has it.
    static CodepointSet any_but_newline();
    static CodepointSet digits() { return of('0', '9'); }
    static CodepointSet word();    ///< [A-Za-z0-9_]
    static CodepointSet spaces();  ///< [ \t\n\r\f\v]
    /// The characters of a general category ("L", "Lu"); nullopt for an unknown name.
    static std::optional<CodepointSet> category(std::string_view name);

    void add(char32_t from, char32_t to);
    void add(const CodepointSet& other);
    CodepointSet complement() const;
    CodepointSet without(const CodepointSet& other) const;
    /// With the upper and lower case forms of what is in it.
    CodepointSet ignoring_case() const;

    bool contains(char32_t c) const;
    bool empty() const { return ranges_.empty(); }
    const std::vector<Range>& ranges() const { return ranges_; }

  private:
    void insert(char32_t from, char32_t to);
    std::vector<Range> ranges_;
};

struct ByteRange {
    uint8_t from = 0, to = 0;
};

/// The set as alternatives of up to four byte ranges each.
std::vector<std::vector<ByteRange>> utf8_sequences(const CodepointSet& set);

void append_utf8(char32_t c, std::string& out);

/// The character at `at`, which moves behind it; nullopt for invalid UTF-8 (and `at` stays).
std::optional<char32_t> next_codepoint(std::string_view text, size_t& at);

}  // namespace gantry::grammar
