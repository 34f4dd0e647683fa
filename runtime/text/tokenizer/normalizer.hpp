#pragma once

/// Normalizers: text to text, before anything is split. Each is what Hugging Face's component of that name does.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "runtime/text/tokenizer/regex.hpp"
#include "runtime/text/tokenizer/unicode.hpp"

namespace gantry::text::tok {

/// A text on its way. `at_start`: its first character is the first of the whole input (Metaspace asks).
struct NormalText {
    std::string text;
    bool at_start = true;
};

class Normalizer {
  public:
    virtual ~Normalizer() = default;
    /// `t.text` is valid UTF-8 before and after.
    virtual void apply(NormalText& t) const = 0;
};
using NormalizerPtr = std::unique_ptr<const Normalizer>;

struct BertNormalizerOptions {
    bool clean_text = true;
    bool handle_chinese_chars = true;
    std::optional<bool> strip_accents;  ///< default: as `lowercase`
    bool lowercase = true;
};

NormalizerPtr make_unicode_normalizer(NormalForm form);
NormalizerPtr make_lowercase();
NormalizerPtr make_strip(bool left, bool right);
NormalizerPtr make_strip_accents();
NormalizerPtr make_replace(Regex pattern, std::string content);
NormalizerPtr make_prepend(std::string prefix);
NormalizerPtr make_bert_normalizer(BertNormalizerOptions options);
NormalizerPtr make_nmt();
NormalizerPtr make_byte_level_normalizer();
NormalizerPtr make_normalizer_sequence(std::vector<NormalizerPtr> parts);
/// SentencePiece's precompiled character map (the bytes, not base64). kDataLoss where it is cut short.
Result<NormalizerPtr> make_precompiled(std::string charsmap);

}  // namespace gantry::text::tok
