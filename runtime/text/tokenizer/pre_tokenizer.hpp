#pragma once

/// Pre-tokenizers: cut the normalized text into the pieces that the model sees, one by one. Each is what Hugging Face's
/// component of that name does.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/tokenizer/regex.hpp"

namespace gantry::text::tok {

/// Pieces of one text. Empty pieces are never kept.
struct Pieces {
    struct Span {
        size_t begin, end;
        bool at_start;  ///< begins with the first character of the whole input
    };
    std::string text;
    std::vector<Span> spans;

    std::string_view view(const Span& s) const { return std::string_view(text).substr(s.begin, s.end - s.begin); }
};

/// What becomes of the delimiters when a text is split at them.
enum class SplitBehavior : uint8_t { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

enum class PrependScheme : uint8_t { kFirst, kNever, kAlways };

class PreTokenizer {
  public:
    virtual ~PreTokenizer() = default;
    virtual void apply(Pieces& pieces) const = 0;
};
using PreTokenizerPtr = std::unique_ptr<const PreTokenizer>;

PreTokenizerPtr make_split(Regex pattern, SplitBehavior behavior, bool invert);
/// With `use_regex`, splits as GPT-2 does before it turns bytes into characters.
PreTokenizerPtr make_byte_level(bool add_prefix_space, bool use_regex);
/// `replacement` is one character.
PreTokenizerPtr make_metaspace(std::string replacement, PrependScheme scheme, bool split);
PreTokenizerPtr make_digits(bool individual);
PreTokenizerPtr make_punctuation(SplitBehavior behavior);
PreTokenizerPtr make_whitespace();
PreTokenizerPtr make_whitespace_split();
PreTokenizerPtr make_char_delimiter_split(char32_t delimiter);
PreTokenizerPtr make_bert_pre_tokenizer();
/// length > 0, in characters.
PreTokenizerPtr make_fixed_length(size_t length);
PreTokenizerPtr make_pre_tokenizer_sequence(std::vector<PreTokenizerPtr> parts);

}  // namespace gantry::text::tok
