#include "runtime/text/jinja/text_ops.hpp"

#include <algorithm>

#include "runtime/text/jinja/unicode.hpp"

namespace gantry::text::jinja {

std::string_view strip(std::string_view s, const std::string* chars, bool left, bool right) {
    const auto goes = [&](char32_t c) {
        if (chars == nullptr) {
            return is_space(c);
        }
        for (size_t pos = 0; pos < chars->size();) {
            if (utf8_next(*chars, pos) == c) {
                return true;
            }
        }
        return false;
    };
    while (left && !s.empty()) {
        size_t next = 0;
        if (!goes(utf8_next(s, next))) {
            break;
        }
        s.remove_prefix(next);
    }
    while (right && !s.empty()) {
        size_t previous = s.size();
        if (!goes(utf8_previous(s, previous))) {
            break;
        }
        s = s.substr(0, previous);
    }
    return s;
}

std::string replace(std::string_view s, std::string_view from, std::string_view to, int64_t count) {
    TextBuilder out;
    size_t pos = 0;
    if (from.empty()) {
        for (; count != 0 && pos < s.size(); --count) {
            const size_t begin = pos;
            utf8_next(s, pos);
            out.add(to);
            out.add(s.substr(begin, pos - begin));
        }
        out.add(count != 0 ? to : s.substr(pos));
        return out.take();
    }
    for (; count != 0; --count) {
        const size_t at = s.find(from, pos);
        if (at == std::string_view::npos) {
            break;
        }
        out.add(s.substr(pos, at - pos));
        out.add(to);
        pos = at + from.size();
    }
    out.add(s.substr(pos));
    return out.take();
}

std::vector<std::string_view> split_lines(std::string_view s, bool keep_ends) {
    std::vector<std::string_view> lines;
    size_t begin = 0;
    for (size_t pos = 0; pos < s.size();) {
        const size_t end = pos;
        const char32_t c = utf8_next(s, pos);
        if (is_line_end(c)) {
            if (c == '\r' && pos < s.size() && s[pos] == '\n') {
                ++pos;
            }
            lines.push_back(s.substr(begin, (keep_ends ? pos : end) - begin));
            begin = pos;
        }
    }
    if (begin < s.size()) {
        lines.push_back(s.substr(begin));
    }
    return lines;
}

namespace {

std::vector<std::string_view> split_words(std::string_view s, int64_t limit, bool from_right) {
    std::vector<std::string_view> words;
    s = strip(s, nullptr, !from_right, from_right);
    while (!s.empty()) {
        if (limit == static_cast<int64_t>(words.size())) {
            words.push_back(s);
            break;
        }
        if (from_right) {
            size_t begin = s.size();
            for (size_t previous = begin; previous > 0; begin = previous) {
                if (is_space(utf8_previous(s, previous))) {
                    break;
                }
            }
            words.push_back(s.substr(begin));
            s = s.substr(0, begin);
        } else {
            size_t end = 0;
            for (size_t next = 0; next < s.size(); end = next) {
                if (is_space(utf8_next(s, next))) {
                    break;
                }
            }
            words.push_back(s.substr(0, end));
            s = s.substr(end);
        }
        s = strip(s, nullptr, !from_right, from_right);
    }
    return words;
}

}  // namespace

std::vector<std::string_view> split(std::string_view s, const std::string* separator, int64_t limit, bool from_right) {
    std::vector<std::string_view> parts;
    if (separator == nullptr) {
        parts = split_words(s, limit, from_right);
    } else {
        while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
            const size_t at = from_right ? s.rfind(*separator) : s.find(*separator);
            if (at == std::string_view::npos) {
                break;
            }
            const size_t after = at + separator->size();
            parts.push_back(from_right ? s.substr(after) : s.substr(0, at));
            s = from_right ? s.substr(0, at) : s.substr(after);
        }
        parts.push_back(s);
    }
    if (from_right) {
        std::ranges::reverse(parts);
    }
    return parts;
}

std::string justify(std::string_view s, int64_t width, std::string_view fill, char align) {
    const auto length = static_cast<int64_t>(utf8_length(s));
    const int64_t missing = std::max<int64_t>(width - length, 0);
    if (missing > static_cast<int64_t>(kMaxTextBytes)) {
        raise(ErrorKind::kLimit, "the template makes too long a text");
    }
    // Python's centre: the odd blank goes left when the width is odd.
    const int64_t left = align == '<' ? 0 : align == '>' ? missing : missing / 2 + (missing & width & 1);
    TextBuilder out;
    for (int64_t i = 0; i < left; ++i) {
        out.add(fill);
    }
    out.add(s);
    for (int64_t i = left; i < missing; ++i) {
        out.add(fill);
    }
    return out.take();
}

// --- textwrap --------------------------------------------------------------------------------------------------------

namespace {

using namespace std::string_literals;
using Text = std::u32string;

bool wrap_space(char32_t c) { return (c >= 0x09 && c <= 0x0D) || c == ' '; }
bool word_char(char32_t c) { return c == '_' || is_alnum(c); }
bool letter(char32_t c) { return c == '_' || (is_alnum(c) && !is_decimal(c)); }
bool word_punctuation(char32_t c) { return word_char(c) || U"!\"'&.,?"s.find(c) != Text::npos; }

/// The chunks that textwrap's word-separating pattern finds: blanks, words cut after hyphens, dashes.
class Chunker {
  public:
    Chunker(const Text& text, bool hyphens) : t_(text), hyphens_(hyphens) {}

    std::vector<Text> run() {
        std::vector<Text> chunks;
        for (size_t pos = 0; pos < t_.size();) {
            const size_t end = chunk_end(pos);
            chunks.push_back(t_.substr(pos, end - pos));
            pos = end;
        }
        return chunks;
    }

  private:
    size_t chunk_end(size_t pos) const {
        size_t end = pos;
        if (wrap_space(t_[pos])) {
            while (end < t_.size() && wrap_space(t_[end])) {
                ++end;
            }
            return end;
        }
        if (hyphens_ && dash(pos)) {
            while (t_[end] == '-') {
                ++end;
            }
            return end;
        }
        while (end < t_.size() && !wrap_space(t_[end])) {
            ++end;
            if (hyphens_ && end < t_.size() &&
                (after_hyphen(end, pos) || (word_punctuation(t_[end - 1]) && dash(end)))) {
                return end;
            }
        }
        return end;
    }

    /// Two hyphens or more between words begin at `pos`.
    bool dash(size_t pos) const {
        if (pos == 0 || !word_punctuation(t_[pos - 1]) || t_[pos] != '-') {
            return false;
        }
        size_t end = pos;
        while (end < t_.size() && t_[end] == '-') {
            ++end;
        }
        return end - pos >= 2 && end < t_.size() && word_char(t_[end]);
    }

    /// A word may be cut at `pos`, right after its hyphen.
    bool after_hyphen(size_t pos, size_t chunk) const {
        if (t_[pos - 1] != '-' || pos - 1 <= chunk) {
            return false;
        }
        const bool before = pos >= 3 && letter(t_[pos - 2]) &&
                            (letter(t_[pos - 3]) || (pos >= 4 && t_[pos - 3] == '-' && letter(t_[pos - 4])));
        const bool after = letter(t_[pos]) && pos + 1 < t_.size() &&
                           (letter(t_[pos + 1]) || (t_[pos + 1] == '-' && pos + 2 < t_.size() && letter(t_[pos + 2])));
        return before && after;
    }

    const Text& t_;
    bool hyphens_;
};

Text decode(std::string_view s) {
    Text out;
    for (size_t pos = 0; pos < s.size();) {
        out += utf8_next(s, pos);
    }
    return out;
}

std::string encode(const Text& s) {
    std::string out;
    for (const char32_t c : s) {
        utf8_append(out, c);
    }
    return out;
}

bool blank_chunk(const Text& s) { return std::ranges::all_of(s, is_space); }

}  // namespace

std::vector<std::string> wrap_line(std::string_view line, size_t width, bool break_long_words, bool break_on_hyphens) {
    const Text text = decode(line);
    std::vector<Text> chunks = Chunker(text, break_on_hyphens).run();
    std::ranges::reverse(chunks);
    std::vector<std::string> lines;
    while (!chunks.empty()) {
        Text current;
        Text last;
        if (!lines.empty() && blank_chunk(chunks.back())) {
            chunks.pop_back();
        }
        while (!chunks.empty() && current.size() + chunks.back().size() <= width) {
            last = chunks.back();
            current += last;
            chunks.pop_back();
        }
        if (!chunks.empty() && chunks.back().size() > width) {
            const size_t room = width > current.size() ? width - current.size() : 0;
            if (break_long_words) {
                Text& chunk = chunks.back();
                size_t cut = room;
                if (break_on_hyphens && chunk.size() > room && room > 0) {
                    const size_t hyphen = chunk.substr(0, room).rfind('-');
                    if (hyphen != Text::npos && hyphen > 0 && chunk.find_first_not_of('-') < hyphen) {
                        cut = hyphen + 1;
                    }
                }
                last = chunk.substr(0, cut);
                current += last;
                chunk.erase(0, cut);
            } else if (current.empty()) {
                last = chunks.back();
                current = last;
                chunks.pop_back();
            }
        }
        if (!current.empty() && blank_chunk(last)) {
            current.resize(current.size() - last.size());
        }
        if (!current.empty()) {
            lines.push_back(encode(current));
        }
    }
    return lines;
}

}  // namespace gantry::text::jinja
