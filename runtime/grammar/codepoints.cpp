#include "runtime/grammar/codepoints.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>

namespace gantry::grammar {
namespace {

constexpr char32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF;
size_t encode(char32_t c, std::array<uint8_t, 4>& out) {
    const auto tail = [&](int shift) { return static_cast<uint8_t>(0x80 | ((c >> shift) & 0x3F)); };
    if (c < 0x80) {
        out[0] = static_cast<uint8_t>(c);
        return 1;
    }
    if (c < 0x800) {
        out = {static_cast<uint8_t>(0xC0 | (c >> 6)), tail(0)};
        return 2;
    }
    if (c < 0x10000) {
        out = {static_cast<uint8_t>(0xE0 | (c >> 12)), tail(6), tail(0)};
        return 3;
    }
    out = {static_cast<uint8_t>(0xF0 | (c >> 18)), tail(12), tail(6), tail(0)};
    return 4;
}

/// Splits [from, to] until both ends have the same length and differ only where all tails are full ranges.
void split(char32_t from, char32_t to, std::vector<std::vector<ByteRange>>& out) {
    for (const char32_t limit : {0x7Fu, 0x7FFu, 0xFFFFu}) {
        if (from <= limit && to > limit) {
            split(from, limit, out);
            split(limit + 1, to, out);
            return;
        }
    }
    for (int bits = 6; from >= 0x80 && bits <= 18; bits += 6) {
        const char32_t tail = (char32_t{1} << bits) - 1;
        if ((from & ~tail) == (to & ~tail)) {
            continue;
        }
        if ((from & tail) != 0) {
            split(from, from | tail, out);
            split((from | tail) + 1, to, out);
            return;
        }
        if ((to & tail) != tail) {
            split(from, (to & ~tail) - 1, out);
            split(to & ~tail, to, out);
            return;
        }
    }
    std::array<uint8_t, 4> low{}, high{};
    const size_t length = encode(from, low);
    encode(to, high);
    std::vector<ByteRange>& sequence = out.emplace_back();
    for (size_t i = 0; i < length; ++i) {
        sequence.push_back({low[i], high[i]});
    }
}

/// Both the one-letter and the two-letter categories.
std::map<std::string, CodepointSet, std::less<>> all_categories() {
    std::map<std::string, CodepointSet, std::less<>> out;
    std::string open;  // the category of the characters from `begin` on
    char32_t begin = 0;
    for (char32_t c = 0; c <= kLastCodepoint + 1; ++c) {
        const std::string_view name =
            c > kLastCodepoint ? "" : utf8proc_category_string(static_cast<utf8proc_int32_t>(c));
        if (name == open) {
            continue;
        }
        if (!open.empty()) {
            out[open].add(begin, c - 1);
            out[open.substr(0, 1)].add(begin, c - 1);
        }
        open = name;
        begin = c;
    }
    return out;
}

/// Characters with their upper or lower case forms.
std::vector<CodepointSet::Range> case_pairs() {
    std::vector<CodepointSet::Range> out;
    for (utf8proc_int32_t c = 0; c <= static_cast<utf8proc_int32_t>(kLastCodepoint); ++c) {
        for (const utf8proc_int32_t other : {utf8proc_tolower(c), utf8proc_toupper(c)}) {
            if (other != c) {
                out.emplace_back(static_cast<char32_t>(c), static_cast<char32_t>(other));
            }
        }
    }
    return out;
}

}  // namespace

CodepointSet CodepointSet::of(char32_t from, char32_t to) {
    CodepointSet set;
    set.add(from, to);
    return set;
}

CodepointSet CodepointSet::any_but_newline() { return of('\n', '\n').complement(); }

CodepointSet CodepointSet::word() {
    CodepointSet set = digits();
    set.add('A', 'Z');
    set.add('a', 'z');
    set.add('_', '_');
    return set;
}

CodepointSet CodepointSet::spaces() {
    CodepointSet set = of('\t', '\r');
    set.add(' ', ' ');
    return set;
}

std::optional<CodepointSet> CodepointSet::category(std::string_view name) {
    static const std::map<std::string, CodepointSet, std::less<>> known = all_categories();
    const auto found = known.find(name);
    return found == known.end() ? std::nullopt : std::optional(found->second);
}

void CodepointSet::add(char32_t from, char32_t to) {
    to = std::min(to, kLastCodepoint);
    if (from < kFirstSurrogate && to >= kFirstSurrogate) {
        insert(from, kFirstSurrogate - 1);
        from = kFirstSurrogate;
    }
    if (from >= kFirstSurrogate && from <= kLastSurrogate) {
        from = kLastSurrogate + 1;
    }
    if (from <= to) {
        insert(from, to);
    }
}

/// Joins the range with those that it touches.
void CodepointSet::insert(char32_t from, char32_t to) {
    const auto first = std::ranges::lower_bound(ranges_, from, {}, [](const Range& r) { return r.second + 1; });
    auto last = first;
    for (; last != ranges_.end() && last->first <= to + 1; ++last) {
        from = std::min(from, last->first);
        to = std::max(to, last->second);
    }
    if (first == last) {
        ranges_.insert(first, {from, to});
        return;
    }
    *first = {from, to};
    ranges_.erase(first + 1, last);
}

void CodepointSet::add(const CodepointSet& other) {
    for (const auto& [from, to] : other.ranges_) {
        insert(from, to);
    }
}

bool CodepointSet::contains(char32_t c) const {
    const auto at = std::ranges::lower_bound(ranges_, c, {}, &Range::second);
    return at != ranges_.end() && at->first <= c;
}

CodepointSet CodepointSet::complement() const {
    CodepointSet out;
    char32_t next = 0;
    for (const auto& [from, to] : ranges_) {
        if (from > next) {
            out.add(next, from - 1);
        }
        next = to + 1;
    }
    if (next <= kLastCodepoint) {
        out.add(next, kLastCodepoint);
    }
    return out;
}

CodepointSet CodepointSet::without(const CodepointSet& other) const {
    CodepointSet outside = complement();
    outside.add(other);
    return outside.complement();
}

CodepointSet CodepointSet::ignoring_case() const {
    static const std::vector<Range> known = case_pairs();
    CodepointSet out = *this;
    for (const auto& [c, other] : known) {
        if (contains(c)) {
            out.insert(other, other);
        }
    }
    return out;
}

std::vector<std::vector<ByteRange>> utf8_sequences(const CodepointSet& set) {
    std::vector<std::vector<ByteRange>> out;
    for (const auto& [from, to] : set.ranges()) {
        split(from, to, out);
    }
    return out;
}

void append_utf8(char32_t c, std::string& out) {
    std::array<uint8_t, 4> bytes{};
    const size_t length = encode(c, bytes);
    for (size_t i = 0; i < length; ++i) {
        out.push_back(static_cast<char>(bytes[i]));
    }
}

std::optional<char32_t> next_codepoint(std::string_view text, size_t& at) {
    utf8proc_int32_t c = -1;
    const auto rest = text.substr(at);
    const auto taken = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(rest.data()),
                                        static_cast<utf8proc_ssize_t>(rest.size()), &c);
    if (taken <= 0 || c < 0) {
        return std::nullopt;
    }
    at += static_cast<size_t>(taken);
    return static_cast<char32_t>(c);
}

}  // namespace gantry::grammar
