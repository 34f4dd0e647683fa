#pragma once

/// Decoders: the contents of tokens back to text. Each is what Hugging Face's component of that name does.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/tokenizer/pre_tokenizer.hpp"
#include "runtime/text/tokenizer/regex.hpp"

namespace gantry::text::tok {

/// Texts that are still separate; joined without anything between them at the end.
using TokenTexts = std::vector<std::string>;

class Decoder {
  public:
    virtual ~Decoder() = default;
    /// A whole sequence.
    virtual void apply(TokenTexts& tokens) const = 0;
    /// One token as it stands in the middle of a text, as bytes. False: what follows in a chain sees the joined text
    /// and does not concern single tokens.
    virtual bool apply_inside(std::string& token) const = 0;
};
using DecoderPtr = std::unique_ptr<const Decoder>;

DecoderPtr make_byte_level_decoder();
DecoderPtr make_metaspace_decoder(std::string replacement, PrependScheme scheme);
DecoderPtr make_word_piece_decoder(std::string prefix, bool cleanup);
/// `suffix` marks the end of a word.
DecoderPtr make_bpe_decoder(std::string suffix);
DecoderPtr make_byte_fallback_decoder();
DecoderPtr make_fuse_decoder();
/// Takes up to `start` (`stop`) times `content` off the front (end) of every text.
DecoderPtr make_strip_decoder(char32_t content, size_t start, size_t stop);
DecoderPtr make_replace_decoder(Regex pattern, std::string content);
DecoderPtr make_ctc_decoder(std::string pad, std::string word_delimiter, bool cleanup);
DecoderPtr make_decoder_sequence(std::vector<DecoderPtr> parts);

}  // namespace gantry::text::tok
