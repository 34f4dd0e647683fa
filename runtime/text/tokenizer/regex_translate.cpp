// What Oniguruma's Ruby syntax and PCRE2 (UTF, UCP) read differently:
//   \s       PCRE2 adds U+180E           -> explicit ranges
//   \w \b    other characters            -> explicit classes
//   \h       hexadecimal digit           -> [0-9A-Fa-f]
//   \uHHHH   character                   -> \x{HHHH}
//   \p{Han}  script, not its extensions  -> \p{sc:Han}
//   [a[b]] [a&&b]  union, intersection   -> alternatives and look-aheads
//   X{n,m}+  repeats the repeat, is not possessive -> (?:X{n,m})+
// ^ and $ are always multi-line: Regex::compile sets PCRE2_MULTILINE.

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <memory>
#include <optional>

#include "runtime/text/tokenizer/regex.hpp"

namespace gantry::text::tok {
namespace {

constexpr std::string_view kSpaceSet = R"(\t-\r\x{85}\p{Z})";
constexpr std::string_view kWordSet = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE})";
constexpr int kDeepestClass = 32;

bool compiles(const std::string& pattern) {
    int code = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code* compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                         PCRE2_UTF | PCRE2_UCP, &code, &offset, nullptr);
    pcre2_code_free(compiled);
    return compiled != nullptr;
}

class Translator {
  public:
    explicit Translator(std::string_view source) : in_(source) {}

    Result<std::string> run() {
        std::string out;
        size_t atom = 0;  // where in `out` the last repeatable item began
        while (pos_ < in_.size()) {
            const char c = in_[pos_];
            if (c == '[') {
                atom = out.size();
                GANTRY_TRY(const std::string set, parse_class(0));
                out += set;
            } else if (c == '\\') {
                atom = out.size();
                out += outside_escape();
            } else if (c == '{') {
                copy_interval(out, atom);
            } else {
                if (c == '(') groups_.push_back(out.size());
                atom = out.size();
                if (c == ')' && !groups_.empty()) {
                    atom = groups_.back();
                    groups_.pop_back();
                }
                out += c;
                ++pos_;
            }
        }
        return out;
    }

  private:
    /// `{n,m}`; where `+` follows, wraps the item so that PCRE2 does not read it as possessive.
    void copy_interval(std::string& out, size_t atom) {
        const size_t close = in_.find('}', pos_);
        const bool interval =
            close != std::string_view::npos && close > pos_ + 1 &&
            in_.substr(pos_ + 1, close - pos_ - 1).find_first_not_of("0123456789,") == std::string_view::npos;
        if (!interval) {
            out += in_[pos_++];
            return;
        }
        out += in_.substr(pos_, close + 1 - pos_);
        pos_ = close + 1;
        if (pos_ < in_.size() && in_[pos_] == '+') {
            out.insert(atom, "(?:");
            out += ')';
        }
    }

    /// At a backslash outside a class.
    std::string outside_escape() {
        const char kind = pos_ + 1 < in_.size() ? in_[pos_ + 1] : '\0';
        const std::string word = "[" + std::string(kWordSet) + "]";
        switch (kind) {
            case 's':
                return skip(2, "[" + std::string(kSpaceSet) + "]");
            case 'S':
                return skip(2, "[^" + std::string(kSpaceSet) + "]");
            case 'w':
                return skip(2, word);
            case 'W':
                return skip(2, "[^" + std::string(kWordSet) + "]");
            case 'h':
                return skip(2, "[0-9A-Fa-f]");
            case 'H':
                return skip(2, "[^0-9A-Fa-f]");
            case 'b':
                return skip(2, "(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))");
            case 'B':
                return skip(2, "(?:(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + "))");
            default:
                return common_escape();
        }
    }

    /// At a backslash inside a class.
    std::string inside_escape() {
        const char kind = pos_ + 1 < in_.size() ? in_[pos_ + 1] : '\0';
        switch (kind) {
            case 's':
                return skip(2, std::string(kSpaceSet));
            case 'w':
                return skip(2, std::string(kWordSet));
            case 'h':
                return skip(2, "0-9A-Fa-f");
            default:
                return common_escape();
        }
    }

    std::string common_escape() {
        const std::string_view rest = in_.substr(pos_);
        if (rest.size() >= 6 && rest[1] == 'u' &&
            rest.substr(2, 4).find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos) {
            return skip(6, "\\x{" + std::string(rest.substr(2, 4)) + "}");
        }
        if (rest.size() >= 4 && (rest[1] == 'p' || rest[1] == 'P') && rest[2] == '{') {
            const size_t close = rest.find('}');
            if (close != std::string_view::npos) {
                return skip(close + 1, property(rest[1], rest.substr(3, close - 3)));
            }
        }
        size_t length = rest.size() > 1 ? 2 : 1;
        while (length < rest.size() && (static_cast<unsigned char>(rest[length]) & 0xC0) == 0x80) {
            ++length;  // an escaped character of several bytes
        }
        return skip(length, std::string(rest.substr(0, length)));
    }

    static std::string property(char kind, std::string_view name) {
        const bool negated = !name.empty() && name.front() == '^';
        const std::string bare(negated ? name.substr(1) : name);
        const std::string script = "\\p{sc:" + bare + "}";
        const bool is_script = bare.size() > 2 && bare.find_first_of(":=") == std::string::npos && compiles(script);
        return std::string("\\") + kind + "{" + (negated ? "^" : "") + (is_script ? "sc:" : "") + bare + "}";
    }

    /// At '['. Gives a class, or a group where classes were nested or intersected.
    Result<std::string> parse_class(int depth) {
        if (depth > kDeepestClass) {
            return Error{Code::kInvalidArgument, "regular expression nests character classes too deep"};
        }
        const size_t start = pos_++;
        const bool negated = pos_ < in_.size() && in_[pos_] == '^';
        pos_ += negated ? 1 : 0;
        std::string items;                  // of the operand at hand
        std::vector<std::string> nested;    // classes of the operand at hand
        std::vector<std::string> operands;  // done, joined by &&
        bool first = true;
        for (;; first = false) {
            if (pos_ >= in_.size()) {
                return Error{
                    Code::kInvalidArgument,
                    "regular expression has a character class that does not close, at offset " + std::to_string(start)};
            }
            const std::string_view rest = in_.substr(pos_);
            if (rest[0] == ']' && !first) {
                ++pos_;
                break;
            }
            if (rest.starts_with("[:")) {
                const size_t close = rest.find(":]");
                if (close != std::string_view::npos) {
                    items += skip(close + 2, std::string(rest.substr(0, close + 2)));
                    continue;
                }
            }
            if (rest[0] == '[') {
                GANTRY_TRY(std::string inner, parse_class(depth + 1));
                nested.push_back(std::move(inner));
            } else if (rest.starts_with("&&")) {
                pos_ += 2;
                operands.push_back(join(items, nested));
                items.clear();
                nested.clear();
            } else if (rest[0] == '\\') {
                items += inside_escape();
            } else {
                if (rest[0] == ']') items += '\\';
                items += rest[0];
                ++pos_;
            }
        }
        if (operands.empty() && nested.empty()) {
            return "[" + std::string(negated ? "^" : "") + items + "]";
        }
        operands.push_back(join(items, nested));
        std::string all;
        for (size_t i = 0; i + 1 < operands.size(); ++i) {
            all += "(?=" + operands[i] + ")";
        }
        all += operands.back();
        return negated ? "(?:(?!" + all + ")(?s:.))" : "(?:" + all + ")";
    }

    static std::string join(const std::string& items, const std::vector<std::string>& nested) {
        std::string out = items.empty() ? "" : "[" + items + "]";
        for (const std::string& set : nested) {
            out += (out.empty() ? "" : "|") + set;
        }
        return nested.size() + (items.empty() ? 0 : 1) > 1 ? "(?:" + out + ")" : out;
    }

    std::string skip(size_t length, std::string replacement) {
        pos_ += length;
        return replacement;
    }

    std::string_view in_;
    size_t pos_ = 0;
    std::vector<size_t> groups_;  ///< where the open groups began in the output
};

}  // namespace

Result<std::string> translate_onig(std::string_view pattern) { return Translator(pattern).run(); }

}  // namespace gantry::text::tok
