#pragma once

#include <algorithm>
#include <string_view>

#include "runtime/text/output/json_scanner.hpp"
#include "runtime/text/output/parser.hpp"

namespace gantry::text {

inline bool is_output_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/// Characters of a function's name; generous, for names are looked up afterwards.
inline bool is_name_byte(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' ||
           c == '.' || c == ':' || c == '/' || static_cast<unsigned char>(c) >= 0x80;
}

/// Where a marker stands in a text that is still growing.
struct MarkerHit {
    size_t at = 0;            ///< what is before it is certain not to be part of a marker
    std::string_view marker;  ///< empty: none is complete
};

/// The first of `markers` in `text`; where only the beginning of one stands at the end, `at` is there.
template <class Markers>
MarkerHit find_marker(std::string_view text, const Markers& markers, bool ended) {
    for (size_t i = 0; i < text.size(); ++i) {
        std::string_view found;
        bool begun = false;
        for (const std::string_view marker : markers) {
            if (marker.empty() || marker.front() != text[i]) {
                continue;
            }
            const std::string_view rest = text.substr(i);
            if (rest.starts_with(marker)) {
                found = found.empty() || marker.size() < found.size() ? marker : found;
            } else {
                begun = begun || marker.starts_with(rest);
            }
        }
        if (!found.empty() || (begun && !ended)) {
            return {i, found};
        }
    }
    return {text.size(), {}};
}

/// Reads a text that is still growing: what cannot be decided yet sets `more`.
class OutputParser::Cursor {
  public:
    explicit Cursor(std::string_view text) : text_(text) {}

    bool more = false;

    size_t at() const { return at_; }
    Verdict no() const { return more ? Verdict::kMore : Verdict::kNo; }
    void space() {
        while (at_ < text_.size() && is_output_space(text_[at_])) {
            ++at_;
        }
    }
    /// The next byte; 0 (and `more`) at the end.
    char peek() {
        more = more || at_ == text_.size();
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    bool eat(std::string_view literal) {
        const std::string_view rest = text_.substr(at_);
        if (rest.starts_with(literal)) {
            at_ += literal.size();
            return true;
        }
        more = more || literal.starts_with(rest);
        return false;
    }
    template <class Literals>
    bool eat_any(const Literals& literals) {
        return std::ranges::any_of(literals, [&](std::string_view literal) { return eat(literal); });
    }
    bool until(std::string_view end, std::string_view& out) {
        const size_t found = text_.find(end, at_);
        if (found == std::string_view::npos) {
            more = true;
            return false;
        }
        out = text_.substr(at_, found - at_);
        at_ = found + end.size();
        return true;
    }
    /// A run of name bytes that is known to have ended.
    bool name(std::string_view& out) {
        const size_t begin = at_;
        while (at_ < text_.size() && is_name_byte(text_[at_])) {
            ++at_;
        }
        out = text_.substr(begin, at_ - begin);
        more = more || at_ == text_.size();
        return !more && !out.empty();
    }
    bool json(std::string_view& out) {
        bool broken = false;
        const size_t length = json_value_length(text_.substr(at_), broken);
        if (length == std::string_view::npos) {
            more = more || !broken;
            return false;
        }
        out = text_.substr(at_, length);
        at_ += length;
        return true;
    }

  private:
    std::string_view text_;
    size_t at_ = 0;
};

}  // namespace gantry::text
