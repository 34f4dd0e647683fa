#include "runtime/text/tokenizer/pre_tokenizer.hpp"

#include <algorithm>
#include <utility>

#include "runtime/text/tokenizer/byte_level.hpp"
#include "runtime/text/tokenizer/unicode.hpp"

namespace gantry::text::tok {
namespace {

/// GPT-2's own pattern.
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// A stretch between or over the delimiters.
struct Stretch {
    size_t begin, end;
    bool delimiter;
};

/// Covers [0, size) with delimiters and what lies between them.
std::vector<Stretch> stretches(const std::vector<Match>& matches, size_t size) {
    std::vector<Stretch> out;
    out.reserve(matches.size() * 2 + 1);
    size_t done = 0;
    for (const Match& m : matches) {
        if (done != m.begin) out.push_back({done, m.begin, false});
        out.push_back({m.begin, m.end, true});
        done = m.end;
    }
    if (done != size) out.push_back({done, size, false});
    return out;
}

/// Merges a delimiter into its neighbour in `list` order, unless the one before it was a delimiter too.
template <class Absorb>
std::vector<Stretch> merge_delimiters(const std::vector<Stretch>& list, Absorb absorb) {
    std::vector<Stretch> out;
    bool previous = false;
    for (const Stretch& s : list) {
        if (s.delimiter && !previous && !out.empty()) {
            absorb(out.back(), s);
        } else {
            out.push_back(s);
        }
        previous = s.delimiter;
    }
    return out;
}

std::vector<Stretch> behave(std::vector<Stretch> list, SplitBehavior behavior) {
    switch (behavior) {
        case SplitBehavior::kIsolated:
            return list;
        case SplitBehavior::kRemoved:
            std::erase_if(list, [](const Stretch& s) { return s.delimiter; });
            return list;
        case SplitBehavior::kMergedWithPrevious:
            return merge_delimiters(list, [](Stretch& to, const Stretch& s) { to.end = s.end; });
        case SplitBehavior::kMergedWithNext: {
            std::ranges::reverse(list);
            auto out = merge_delimiters(list, [](Stretch& to, const Stretch& s) { to.begin = s.begin; });
            std::ranges::reverse(out);
            return out;
        }
        case SplitBehavior::kContiguous: {
            std::vector<Stretch> out;
            bool previous = false;
            for (const Stretch& s : list) {
                if (s.delimiter == previous && !out.empty()) {
                    out.back().end = s.end;
                } else {
                    out.push_back(s);
                }
                previous = s.delimiter;
            }
            return out;
        }
    }
    return list;
}

/// Splits every piece where `find(text, matches)` finds delimiters.
template <class Find>
void split_pieces(Pieces& pieces, Find find, SplitBehavior behavior, bool invert) {
    std::vector<Pieces::Span> out;
    out.reserve(pieces.spans.size() * 2);
    std::vector<Match> matches;
    for (const Pieces::Span& span : pieces.spans) {
        matches.clear();
        const std::string_view text = pieces.view(span);
        find(text, matches);
        auto list = stretches(matches, text.size());
        if (invert) {
            for (Stretch& s : list) s.delimiter = !s.delimiter;
        }
        for (const Stretch& s : behave(std::move(list), behavior)) {
            if (s.begin < s.end)
                out.push_back({span.begin + s.begin, span.begin + s.end, span.at_start && s.begin == 0});
        }
    }
    pieces.spans = std::move(out);
}

/// Every character that `is` accepts is a delimiter.
template <class Is>
void split_at_characters(Pieces& pieces, Is is, SplitBehavior behavior) {
    const auto find = [&is](std::string_view text, std::vector<Match>& out) {
        for (size_t pos = 0, size = 0; pos < text.size(); pos += size) {
            if (is(decode_utf8(text, pos, size))) out.push_back({pos, pos + size});
        }
    };
    split_pieces(pieces, find, behavior, false);
}

/// Rebuilds the text piece by piece; `f(out, span, text)` appends what a piece becomes.
template <class F>
void rewrite_pieces(Pieces& pieces, F f) {
    std::string out;
    out.reserve(pieces.text.size() + pieces.text.size() / 4 + 8);
    for (Pieces::Span& span : pieces.spans) {
        const size_t begin = out.size();
        f(out, span, pieces.view(span));
        span = {begin, out.size(), span.at_start};
    }
    pieces.text = std::move(out);
}

class Split final : public PreTokenizer {
  public:
    Split(Regex pattern, SplitBehavior behavior, bool invert)
        : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
    void apply(Pieces& pieces) const override {
        const auto find = [this](std::string_view text, std::vector<Match>& out) { pattern_.find_all(text, out); };
        split_pieces(pieces, find, behavior_, invert_);
    }

  private:
    Regex pattern_;
    SplitBehavior behavior_;
    bool invert_;
};

class ByteLevel final : public PreTokenizer {
  public:
    ByteLevel(bool add_prefix_space, PreTokenizerPtr split)
        : add_prefix_space_(add_prefix_space), split_(std::move(split)) {}
    void apply(Pieces& pieces) const override {
        if (add_prefix_space_) {
            rewrite_pieces(pieces, [](std::string& out, const Pieces::Span&, std::string_view text) {
                if (!text.starts_with(' ')) out.push_back(' ');
                out.append(text);
            });
        }
        if (split_) split_->apply(pieces);
        rewrite_pieces(
            pieces, [](std::string& out, const Pieces::Span&, std::string_view text) { append_byte_chars(out, text); });
    }

  private:
    bool add_prefix_space_;
    PreTokenizerPtr split_;
};

class Metaspace final : public PreTokenizer {
  public:
    Metaspace(std::string replacement, PrependScheme scheme, bool split)
        : replacement_(std::move(replacement)), scheme_(scheme), split_(split) {}
    void apply(Pieces& pieces) const override {
        rewrite_pieces(pieces, [this](std::string& out, const Pieces::Span& span, std::string_view text) {
            const bool asked = scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && span.at_start);
            if (asked && !text.starts_with(' ') && !text.starts_with(replacement_)) out.append(replacement_);
            for (const char c : text) {
                if (c == ' ') {
                    out.append(replacement_);
                } else {
                    out.push_back(c);
                }
            }
        });
        if (split_) {
            const auto find = [this](std::string_view text, std::vector<Match>& out) {
                const size_t size = replacement_.size();
                for (size_t pos = text.find(replacement_); pos != std::string_view::npos;
                     pos = text.find(replacement_, pos + size)) {
                    out.push_back({pos, pos + size});
                }
            };
            split_pieces(pieces, find, SplitBehavior::kMergedWithNext, false);
        }
    }

  private:
    std::string replacement_;
    PrependScheme scheme_;
    bool split_;
};

class Digits final : public PreTokenizer {
  public:
    explicit Digits(bool individual) : behavior_(individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous) {}
    void apply(Pieces& pieces) const override { split_at_characters(pieces, is_numeric, behavior_); }

  private:
    SplitBehavior behavior_;
};

class Punctuation final : public PreTokenizer {
  public:
    explicit Punctuation(SplitBehavior behavior) : behavior_(behavior) {}
    void apply(Pieces& pieces) const override { split_at_characters(pieces, is_punctuation, behavior_); }

  private:
    SplitBehavior behavior_;
};

/// Keeps runs of word characters and runs of what is neither word nor white space.
class Whitespace final : public PreTokenizer {
  public:
    void apply(Pieces& pieces) const override {
        std::vector<Pieces::Span> out;
        for (const Pieces::Span& span : pieces.spans) {
            const std::string_view text = pieces.view(span);
            Kind run = Kind::kSpace;
            for (size_t pos = 0, size = 0; pos < text.size(); pos += size) {
                const Kind kind = kind_of(decode_utf8(text, pos, size));
                if (kind != Kind::kSpace) {
                    if (kind == run) {
                        out.back().end += size;
                    } else {
                        out.push_back({span.begin + pos, span.begin + pos + size, span.at_start && pos == 0});
                    }
                }
                run = kind;
            }
        }
        pieces.spans = std::move(out);
    }

  private:
    enum class Kind : uint8_t { kSpace, kWord, kOther };
    static Kind kind_of(char32_t c) {
        return is_white_space(c) ? Kind::kSpace : is_word(c) ? Kind::kWord : Kind::kOther;
    }
};

class WhitespaceSplit final : public PreTokenizer {
  public:
    void apply(Pieces& pieces) const override { split_at_characters(pieces, is_white_space, SplitBehavior::kRemoved); }
};

class CharDelimiterSplit final : public PreTokenizer {
  public:
    explicit CharDelimiterSplit(char32_t delimiter) : delimiter_(delimiter) {}
    void apply(Pieces& pieces) const override {
        split_at_characters(
            pieces, [this](char32_t c) { return c == delimiter_; }, SplitBehavior::kRemoved);
    }

  private:
    char32_t delimiter_;
};

class FixedLength final : public PreTokenizer {
  public:
    explicit FixedLength(size_t length) : length_(length) {}
    void apply(Pieces& pieces) const override {
        std::vector<Pieces::Span> out;
        for (const Pieces::Span& span : pieces.spans) {
            size_t begin = span.begin;
            size_t characters = 0;
            for (size_t pos = span.begin; pos < span.end;) {
                pos += utf8_length(pieces.text[pos]);
                if (++characters == length_ || pos >= span.end) {
                    out.push_back({begin, pos, span.at_start && begin == span.begin});
                    begin = pos;
                    characters = 0;
                }
            }
        }
        pieces.spans = std::move(out);
    }

  private:
    size_t length_;
};

class PreTokenizerSequence final : public PreTokenizer {
  public:
    explicit PreTokenizerSequence(std::vector<PreTokenizerPtr> parts) : parts_(std::move(parts)) {}
    void apply(Pieces& pieces) const override {
        for (const PreTokenizerPtr& part : parts_) part->apply(pieces);
    }

  private:
    std::vector<PreTokenizerPtr> parts_;
};

}  // namespace

PreTokenizerPtr make_split(Regex pattern, SplitBehavior behavior, bool invert) {
    return std::make_unique<Split>(std::move(pattern), behavior, invert);
}

PreTokenizerPtr make_byte_level(bool add_prefix_space, bool use_regex) {
    PreTokenizerPtr split;
    if (use_regex) {
        auto pattern = Regex::compile(kGpt2Pattern);
        split = make_split(std::move(pattern.value()), SplitBehavior::kIsolated, false);
    }
    return std::make_unique<ByteLevel>(add_prefix_space, std::move(split));
}

PreTokenizerPtr make_metaspace(std::string replacement, PrependScheme scheme, bool split) {
    return std::make_unique<Metaspace>(std::move(replacement), scheme, split);
}

PreTokenizerPtr make_digits(bool individual) { return std::make_unique<Digits>(individual); }
PreTokenizerPtr make_punctuation(SplitBehavior behavior) { return std::make_unique<Punctuation>(behavior); }
PreTokenizerPtr make_whitespace() { return std::make_unique<Whitespace>(); }
PreTokenizerPtr make_whitespace_split() { return std::make_unique<WhitespaceSplit>(); }
PreTokenizerPtr make_char_delimiter_split(char32_t delimiter) {
    return std::make_unique<CharDelimiterSplit>(delimiter);
}

PreTokenizerPtr make_bert_pre_tokenizer() {
    std::vector<PreTokenizerPtr> parts;
    parts.push_back(make_whitespace_split());
    parts.push_back(make_punctuation(SplitBehavior::kIsolated));
    return make_pre_tokenizer_sequence(std::move(parts));
}

PreTokenizerPtr make_fixed_length(size_t length) { return std::make_unique<FixedLength>(length); }

PreTokenizerPtr make_pre_tokenizer_sequence(std::vector<PreTokenizerPtr> parts) {
    return std::make_unique<PreTokenizerSequence>(std::move(parts));
}

}  // namespace gantry::text::tok
