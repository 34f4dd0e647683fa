#include "runtime/grammar/schema/pattern.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "runtime/grammar/schema/schema_error.hpp"

namespace gantry::grammar {

namespace {

constexpr uint32_t kLastCharacter = 0x10FFFF;
constexpr int kMaxNesting = 100;
constexpr uint32_t kMaxRepeat = 100000;

struct Item {
    enum Kind { kText, kGroup, kBegin, kEnd, kAhead, kNotAhead } kind = kText;
    Lang lang = Languages::kEmptyText;
    std::vector<std::vector<Item>> ways;
    uint32_t min = 1;
    uint32_t max = 1;
};
using Sequence = std::vector<Item>;
using Ranges = std::vector<CharRange>;

Ranges complement(Ranges ranges) {
    std::sort(ranges.begin(), ranges.end(), [](const CharRange& x, const CharRange& y) { return x.low < y.low; });
    Ranges out;
    uint32_t next = 0;
    for (const auto& r : ranges) {
        if (r.low > next) {
            out.push_back({next, r.low - 1});
        }
        next = std::max(next, r.high + 1);
    }
    if (next <= kLastCharacter) {
        out.push_back({next, kLastCharacter});
    }
    return out;
}

const Ranges kLineEnds{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
const Ranges kSpaces{{9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                     {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const Ranges kDigits{{'0', '9'}};
const Ranges kWordCharacters{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};

class Parser {
  public:
    Parser(Languages& languages, std::string_view pattern) : languages_(languages), text_(to_characters(pattern)) {}

    Lang parse() {
        std::vector<Sequence> ways = alternatives(0);
        if (at_ < text_.size()) {
            fail("there is a ) too many");
        }
        while (ways.size() == 1 && ways[0].size() == 1 && ways[0][0].kind == Item::kGroup && ways[0][0].min == 1 &&
               ways[0][0].max == 1) {
            ways = std::vector<Sequence>(ways[0][0].ways);
        }
        std::vector<Lang> parts;
        for (const auto& way : ways) {
            parts.push_back(search(way));
        }
        return languages_.either(std::move(parts));
    }

  private:
    [[noreturn]] void fail(std::string_view what) const {
        throw SchemaError(fmt::format("{} (at character {} of the pattern)", what, at_ + 1));
    }
    bool more() const { return at_ < text_.size(); }
    bool take(char32_t c) {
        if (more() && text_[at_] == c) {
            ++at_;
            return true;
        }
        return false;
    }
    bool take(std::u32string_view word) {
        if (std::u32string_view(text_).substr(at_).starts_with(word)) {
            at_ += word.size();
            return true;
        }
        return false;
    }

    static bool anchored(const Sequence& way) {
        return std::any_of(way.begin(), way.end(), [](const Item& item) {
            return item.kind == Item::kBegin || item.kind == Item::kEnd ||
                   std::any_of(item.ways.begin(), item.ways.end(), anchored);
        });
    }

    /// Texts in which one alternative of the whole pattern is found.
    Lang search(Sequence way) {
        const bool begin = !way.empty() && way.front().kind == Item::kBegin;
        const bool end = !way.empty() && way.back().kind == Item::kEnd;
        if (const Sequence inner(way.begin() + (begin ? 1 : 0),
                                 way.end() - (end && way.size() > (begin ? 1U : 0U) ? 1 : 0));
            !anchored(inner)) {
            const Lang found = sequence(inner, end ? Languages::kEmptyText : Languages::kAll, true);
            return begin ? found : languages_.cat(Languages::kAll, found);
        }
        // Anchors in other places match two characters that stand before and behind every text.
        const Lang found = languages_.cat(Languages::kAll, sequence(way, Languages::kAll, true));
        return languages_.before_end(languages_.derive(found, Languages::kTextBegin));
    }

    Lang sequence(const Sequence& way, Lang rest, bool top) {
        for (auto item = way.rbegin(); item != way.rend(); ++item) {
            std::vector<Lang> parts;
            switch (item->kind) {
                case Item::kText:
                    rest = languages_.cat(languages_.repeat(item->lang, item->min, item->max), rest);
                    break;
                case Item::kBegin:
                case Item::kEnd: {
                    const uint32_t mark = item->kind == Item::kBegin ? Languages::kTextBegin : Languages::kTextEnd;
                    rest = languages_.cat(languages_.chars({{mark, mark}}), rest);
                    break;
                }
                case Item::kGroup:
                    for (const auto& inner : item->ways) {
                        parts.push_back(sequence(inner, Languages::kEmptyText, false));
                    }
                    rest = languages_.cat(languages_.repeat(languages_.either(std::move(parts)), item->min, item->max),
                                          rest);
                    break;
                case Item::kAhead:
                case Item::kNotAhead: {
                    if (!top) {
                        throw SchemaError("lookahead inside a group is not supported");
                    }
                    for (auto inner : item->ways) {
                        const bool end = !inner.empty() && inner.back().kind == Item::kEnd;
                        if (end) {
                            inner.pop_back();
                        }
                        parts.push_back(sequence(inner, end ? Languages::kEmptyText : Languages::kAll, true));
                    }
                    const Lang ahead = languages_.either(std::move(parts));
                    rest = languages_.both({rest, item->kind == Item::kAhead ? ahead : languages_.negate(ahead)});
                    break;
                }
            }
        }
        return rest;
    }

    std::vector<Sequence> alternatives(int depth) {
        if (depth > kMaxNesting) {
            fail("groups are nested too deeply");
        }
        std::vector<Sequence> ways(1);
        while (more() && text_[at_] != ')') {
            if (take('|')) {
                ways.emplace_back();
            } else {
                Item item = atom(depth);
                quantifier(item);
                ways.back().push_back(std::move(item));
            }
        }
        return ways;
    }

    Item atom(int depth) {
        Item item;
        const char32_t c = text_[at_++];
        switch (c) {
            case '^':
                item.kind = Item::kBegin;
                return item;
            case '$':
                item.kind = Item::kEnd;
                return item;
            case '(':
                return group(depth);
            case '[':
                item.lang = languages_.chars(char_class());
                return item;
            case '.':
                item.lang = languages_.chars(complement(kLineEnds));
                return item;
            case '\\':
                item.lang = languages_.chars(escape(false));
                return item;
            case '*':
            case '+':
            case '?':
                --at_;
                fail("there is nothing to repeat");
            default:
                item.lang = languages_.chars({{c, c}});
                return item;
        }
    }

    Item group(int depth) {
        Item item;
        item.kind = Item::kGroup;
        if (take(U"?=")) {
            item.kind = Item::kAhead;
        } else if (take(U"?!")) {
            item.kind = Item::kNotAhead;
        } else if (take(U"?<=") || take(U"?<!")) {
            fail("lookbehind is not supported");
        } else if (take(U"?<")) {
            while (more() && !take('>')) {
                ++at_;
            }
        } else if (!take(U"?:") && more() && text_[at_] == '?') {
            fail("this kind of group is not supported");
        }
        item.ways = alternatives(depth + 1);
        if (!take(')')) {
            fail("a ) is missing");
        }
        return item;
    }

    std::optional<uint32_t> number() {
        std::optional<uint32_t> out;
        while (more() && text_[at_] >= '0' && text_[at_] <= '9') {
            out = std::min(out.value_or(0) * 10 + (text_[at_++] - '0'), kMaxRepeat + 1);
        }
        return out;
    }

    void quantifier(Item& item) {
        const size_t start = at_;
        if (take('*')) {
            item.min = 0;
            item.max = Languages::kUnbounded;
        } else if (take('+')) {
            item.max = Languages::kUnbounded;
        } else if (take('?')) {
            item.min = 0;
        } else if (take('{')) {
            const auto low = number();
            const bool range = take(',');
            const auto high = range ? number() : low;
            if (!low || !take('}')) {
                at_ = start;  // as in scripts: a brace that is no quantifier stands for itself
                return;
            }
            item.min = *low;
            item.max = high.value_or(Languages::kUnbounded);
            if (item.min > item.max || item.min > kMaxRepeat || (high && *high > kMaxRepeat)) {
                fail("the numbers of a {} quantifier are wrong or too large");
            }
        } else {
            return;
        }
        take('?');  // what is found first makes no difference
        if (item.kind != Item::kText && item.kind != Item::kGroup) {
            fail("an anchor or a lookahead cannot be repeated");
        }
    }

    Ranges char_class() {
        const bool negated = take('^');
        Ranges out;
        while (!take(']')) {
            if (!more()) {
                fail("a ] is missing");
            }
            const Ranges first = class_atom();
            if (first.size() == 1 && first[0].low == first[0].high && at_ + 1 < text_.size() && text_[at_] == '-' &&
                text_[at_ + 1] != ']') {
                ++at_;
                const Ranges last = class_atom();
                if (last.size() != 1 || last[0].low != last[0].high || last[0].low < first[0].low) {
                    fail("the ends of a range in [] are wrong");
                }
                out.push_back({first[0].low, last[0].low});
            } else {
                out.insert(out.end(), first.begin(), first.end());
            }
        }
        return negated ? complement(out) : out;
    }

    Ranges class_atom() {
        const char32_t c = text_[at_++];
        return c == '\\' ? escape(true) : Ranges{{c, c}};
    }

    uint32_t hex(size_t digits) {
        uint32_t value = 0;
        for (size_t i = 0; i < digits; ++i, ++at_) {
            const char32_t c = more() ? text_[at_] : U'?';
            const bool decimal = c >= '0' && c <= '9';
            const char32_t lower = c | 0x20;
            if (!decimal && (lower < 'a' || lower > 'f')) {
                fail("hexadecimal digits are missing");
            }
            value = value << 4 | (decimal ? c - '0' : lower - 'a' + 10);
        }
        return value;
    }

    uint32_t unicode_escape() {
        if (take('{')) {
            size_t digits = 0;
            while (at_ + digits < text_.size() && text_[at_ + digits] != '}') {
                ++digits;
            }
            const uint32_t value = digits > 6 ? kLastCharacter + 1 : hex(digits);
            if (!take('}') || value > kLastCharacter) {
                fail("there is no such character");
            }
            return value;
        }
        const uint32_t first = hex(4);
        if (first >= 0xD800 && first < 0xDC00 && take(U"\\u")) {
            return 0x10000 + ((first - 0xD800) << 10) + ((hex(4) - 0xDC00) & 0x3FF);
        }
        return first;
    }

    Ranges escape(bool in_class) {
        if (!more()) {
            fail("a \\ ends the pattern");
        }
        const char32_t c = text_[at_++];
        const auto one = [](uint32_t character) { return Ranges{{character, character}}; };
        constexpr std::u32string_view kControlLetters = U"tnvfr0";
        constexpr std::array<uint32_t, 6> kControls{'\t', '\n', '\v', '\f', '\r', 0};
        if (const auto at = kControlLetters.find(c); at != std::u32string_view::npos) {
            return one(kControls[at]);
        }
        switch (c) {
            case 'd':
                return kDigits;
            case 'D':
                return complement(kDigits);
            case 'w':
                return kWordCharacters;
            case 'W':
                return complement(kWordCharacters);
            case 's':
                return kSpaces;
            case 'S':
                return complement(kSpaces);
            case 'x':
                return one(hex(2));
            case 'u':
                return one(unicode_escape());
            case 'c':
                return one(more() ? text_[at_++] & 0x1F : 0);
            case 'p':
                return property();
            case 'P':
                return complement(property());
            default:
                break;
        }
        if (c == 'b' && in_class) {
            return one('\b');
        }
        if (c >= '1' && c <= '9') {
            fail("back references are not supported");
        }
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
            fail(fmt::format("\\{} is not supported", static_cast<char>(c)));
        }
        return one(c);
    }

    Ranges property() {
        std::string name;
        if (!take('{')) {
            fail("\\p needs a name in braces");
        }
        while (more() && !take('}')) {
            append_utf8(name, text_[at_++]);
        }
        const auto ranges = category_ranges(name);
        if (!ranges) {
            fail("only general categories are supported in \\p");
        }
        return *ranges;
    }

    Languages& languages_;
    std::u32string text_;
    size_t at_ = 0;
};

}  // namespace

Lang pattern_language(Languages& languages, std::string_view pattern) { return Parser(languages, pattern).parse(); }

}  // namespace gantry::grammar
