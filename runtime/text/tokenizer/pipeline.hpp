#pragma once

/// A tokenizer made of parts, as Hugging Face's tokenizers runs them: added tokens are cut out, the rest is normalized,
/// pre-tokenized and given to the model, and the post-processor puts BOS, EOS and the like around the whole.

#include <memory>
#include <string>
#include <vector>

#include "runtime/text/special_form.hpp"
#include "runtime/text/tokenizer/added_tokens.hpp"
#include "runtime/text/tokenizer/decoder.hpp"
#include "runtime/text/tokenizer/model.hpp"
#include "runtime/text/tokenizer/normalizer.hpp"
#include "runtime/text/tokenizer/pre_tokenizer.hpp"

namespace gantry::text::tok {

/// `model` is never null; the other pointers may be.
struct PipelineParts {
    ModelPtr model;
    NormalizerPtr normalizer;
    PreTokenizerPtr pre_tokenizer;
    DecoderPtr decoder;
    AddedTokens added;
    SpecialForm special;
    std::optional<int32_t> bos, eos;
};

/// Ids in `parts` that the vocabulary does not have are the caller's fault, but do no harm.
std::shared_ptr<const Tokenizer> make_pipeline(PipelineParts parts);

Result<std::shared_ptr<const Tokenizer>> load_tokenizer_json(const registry::TokenizerJson& source);
Result<std::shared_ptr<const Tokenizer>> load_tokenizer_gguf(const registry::TokenizerGguf& source);

}  // namespace gantry::text::tok
