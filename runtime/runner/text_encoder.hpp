#pragma once

/// From texts to the tokens that an encoder gets, and from its rows to what a client gets.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "registry/encoder_info.hpp"
#include "runtime/encoder/encoder_engine.hpp"
#include "runtime/encoder/types.hpp"
#include "runtime/text/special_form.hpp"

namespace gantry::runner {

/// What a model says of itself by its outputs alone, for files that say nothing.
registry::EncoderInfo guess_encoder_info(const encoder::EncoderLimits& limits);

/// One model's tokenizer and what its publisher says of its texts. Any thread.
class TextEncoder {
  public:
    TextEncoder(std::shared_ptr<const text::Tokenizer> tokenizer, registry::EncoderInfo info,
                encoder::EncoderLimits limits);

    const registry::EncoderInfo& info() const { return info_; }
    const text::Tokenizer& tokenizer() const { return *tokenizer_; }
    uint32_t max_tokens() const { return max_tokens_; }  ///< of one text or pair, special tokens included
    uint64_t width() const;                              ///< of a vector, or of a row of scores

    struct Prepared {
        encoder::EncodeWork work;
        std::vector<uint32_t> prompt_tokens;
        uint64_t truncated_inputs = 0;
        // What finish() has to do.
        encoder::Task task = encoder::Task::kEmbed;
        uint64_t keep = 0;  ///< components of a row
        bool normalize = false, activate = false;
    };
    /// kInvalidArgument, naming the input and both counts, for one that is too long and may not be cut; likewise for a
    /// task that the model does not do, widths that it does not have, unknown prompts and inputs that do not suit the
    /// task.
    Result<Prepared> prepare(encoder::EncodeRequest request) const;

    /// Cuts, normalises, activates.
    encoder::EncodeResult finish(Prepared prepared, encoder::EncodedRows rows) const;

  private:
    struct Cut {
        size_t limit = 0;    ///< tokens of an input
        bool asked = false;  ///< longer ones are cut instead of refused
    };
    Status check_task(encoder::Task task) const;
    Result<uint64_t> kept_width(const encoder::EncodeRequest& request) const;
    Result<std::string> prompt(const encoder::EncodeRequest& request) const;
    Result<Cut> cut(const encoder::EncodeRequest& request) const;
    Result<encoder::Sequence> encode(const encoder::Input& input, const std::string& prefix, bool add_special,
                                     const Cut& cut, bool& truncated) const;
    Result<encoder::Sequence> encode_text(const std::string& text, bool add_special, const Cut& cut,
                                          bool& truncated) const;
    Result<encoder::Sequence> encode_pair(const encoder::TextPair& pair, const Cut& cut, bool& truncated) const;
    Result<encoder::Sequence> fill_template(const encoder::TextPair& pair, const Cut& cut, bool& truncated) const;
    Error too_long(size_t tokens) const;

    std::shared_ptr<const text::Tokenizer> tokenizer_;
    registry::EncoderInfo info_;
    encoder::EncoderLimits limits_;
    text::SpecialForm form_;
    uint32_t max_tokens_;
};

}  // namespace gantry::runner
