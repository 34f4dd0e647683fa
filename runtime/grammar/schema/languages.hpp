#pragma once

/// Sets of texts over Unicode characters, closed under union, intersection and complement.
///
/// A language is an interned term; `step` is its Brzozowski derivative (J. ACM 11(4), 1964), so a term is at once a
/// regular expression and the state of its own automaton. Intersection and complement are what `allOf`, `not`,
/// `oneOf` and `additionalProperties` need; a matcher of plain regular expressions cannot offer them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/grammar/automaton.hpp"

namespace gantry::grammar {

using Lang = uint32_t;

struct CharRange {
    uint32_t low;
    uint32_t high;  ///< belongs to the range
};

/// Owns all terms. Numbers stay valid for its life. One thread at a time. Throws SchemaError (schema_error.hpp) when a
/// question would need more than `max_states` derivatives.
class Languages {
  public:
    static constexpr Lang kNone = 0;       ///< no text at all
    static constexpr Lang kEmptyText = 1;  ///< only ""
    static constexpr Lang kAll = 2;        ///< every text
    static constexpr Lang kAnyChar = 3;    ///< every text of one character
    static constexpr uint32_t kUnbounded = UINT32_MAX;
    /// Two characters that stand outside every text, for anchors in odd places (see pattern.cpp).
    static constexpr uint32_t kTextBegin = 0x110000;
    static constexpr uint32_t kTextEnd = 0x110001;

    struct Step {
        uint32_t low;
        uint32_t high;
        Lang to;
    };

    explicit Languages(size_t max_states);

    /// Texts of one character out of the ranges (any order, may overlap).
    Lang chars(std::vector<CharRange> ranges);
    Lang cat(Lang first, Lang second);
    Lang either(std::vector<Lang> parts);
    Lang both(std::vector<Lang> parts);
    Lang negate(Lang part);
    Lang repeat(Lang part, uint32_t min, uint32_t max);
    /// A finite set of texts.
    Lang words(std::vector<std::u32string> texts);
    /// Texts t for which t followed by kTextEnd is in `part`.
    Lang before_end(Lang part);

    /// The rest behind a first character: { t : c t in lang }.
    Lang derive(Lang lang, uint32_t c);
    bool has_empty_text(Lang lang) const { return nodes_[lang].nullable; }
    /// Whether any text is in the language.
    bool alive(Lang lang);
    /// Where each character leads, dead ends left out, sorted by range. The reference is valid until the next call.
    const std::vector<Step>& steps(Lang lang);
    /// steps() looked up; kNone where there is no living way.
    Lang step(Lang lang, uint32_t c);
    bool contains(Lang lang, std::u32string_view text);
    /// See Automaton::plain_run(), of a text that has come to `lang`.
    Automaton::PlainRun plain_run(Lang lang, size_t limit);
    /// All texts if they are at most `limit`.
    std::optional<std::vector<std::u32string>> finite(Lang lang, size_t limit);

  private:
    enum class Kind : uint8_t { kNone, kEmptyText, kChars, kCat, kEither, kBoth, kNot, kRepeat, kWords, kBeforeEnd };

    struct Node {
        Kind kind = Kind::kNone;
        bool nullable = false;
        Lang a = 0;
        Lang b = 0;
        uint32_t min = 0;
        uint32_t max = 0;
        std::vector<uint32_t> list;  ///< parts; ranges as pairs; words as length and characters
    };
    struct Key {
        uint64_t head;
        uint64_t tail;
        std::vector<uint32_t> list;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        size_t operator()(const Key& key) const;
    };

    Lang intern(Node node);
    Lang compute(Lang lang, uint32_t c);
    /// Whether every plain character has a living way, or none has.
    enum class Plain { kAll, kNone, kSome };
    Plain plain_steps(Lang lang, std::vector<Lang>& to);
    const std::vector<uint32_t>& borders(Lang lang);
    std::vector<Step> raw_steps(Lang lang);
    std::vector<std::u32string> word_list(Lang lang) const;
    bool enumerate(Lang lang, size_t limit, std::u32string& text, std::vector<std::u32string>& out,
                   std::vector<Lang>& path);

    size_t max_states_;
    std::vector<Node> nodes_;
    std::unordered_map<Key, Lang, KeyHash> index_;
    std::unordered_map<uint64_t, Lang> derived_;
    std::unordered_map<Lang, std::vector<uint32_t>> borders_;
    std::unordered_map<Lang, std::vector<Step>> steps_;
    std::unordered_map<Lang, bool> alive_;
    std::unordered_map<Lang, Automaton::PlainRun> plain_runs_;
    /// Where every plain text of a length leads, for going on from there.
    std::unordered_map<Lang, std::pair<Lang, size_t>> leaps_;
};

/// UTF-8 to characters; bytes that are no UTF-8 are taken as U+FFFD.
std::u32string to_characters(std::string_view utf8);
void append_utf8(std::string& out, uint32_t character);

/// The characters of a Unicode general category, by its short or long name; nullopt for other names.
std::optional<std::vector<CharRange>> category_ranges(std::string_view name);

}  // namespace gantry::grammar
