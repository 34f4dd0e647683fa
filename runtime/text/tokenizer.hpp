#pragma once

/// Text to token ids and back, for every tokenizer family that the registry can hand over.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "registry/manifest.hpp"

namespace gantry::text {

struct EncodeOptions {
    bool add_special = true;    ///< run the post-processor: BOS, EOS, CLS, ... as the model's publisher set it
    bool parse_special = true;  ///< recognise added tokens such as <|im_start|> inside the text
};

/// Immutable after loading: any thread may use one concurrently.
class Tokenizer {
  public:
    /// Builds from tokenizer.json or GGUF keys. A damaged or unknown source gives kDataLoss or kUnimplemented naming
    /// the field.
    static Result<std::shared_ptr<const Tokenizer>> create(const registry::TokenizerSource& source);

    virtual ~Tokenizer() = default;

    /// Never fails: invalid UTF-8 is encoded as Hugging Face's tokenizers does after lossy decoding (U+FFFD).
    virtual std::vector<int32_t> encode(std::string_view text, EncodeOptions options = {}) const = 0;

    /// The text of a whole sequence, as `tokenizers` decode(skip_special_tokens=...) gives it. Unknown ids give
    /// nothing.
    virtual std::string decode(std::span<const int32_t> ids, bool skip_special = true) const = 0;

    /// One more than the highest id: every id is below it.
    virtual size_t vocab_size() const = 0;
    /// The id of a token given by its exact content ("<|im_end|>", "Ġhello").
    virtual std::optional<int32_t> token_to_id(std::string_view token) const = 0;
    /// The token's content in the vocabulary; empty for an unknown id.
    virtual std::string_view id_to_token(int32_t id) const = 0;
    /// The raw bytes that a token stands for in the middle of a text (may be half a character); what logprobs report
    /// and what grammars will walk. Empty for control tokens.
    virtual std::string token_bytes(int32_t id) const = 0;
    virtual bool is_special(int32_t id) const = 0;
    virtual std::optional<int32_t> bos_id() const = 0;
    virtual std::optional<int32_t> eos_id() const = 0;
};

/// Detokenises one growing sequence. push() returns the text that became certain: never half a character, and the
/// concatenation of all returns equals decode() of all ids (but for U+FFFD at a cut-off end, which flush() gives).
/// One exception: where <0xNN> tokens spell invalid UTF-8, decode() turns the whole run into U+FFFD; characters of the
/// run that were returned before the bad byte came stay. Used by one thread. Cost per push is bounded (it re-decodes
/// only a short window).
class StreamDecoder {
  public:
    explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special = true);
    std::string push(int32_t id);
    /// The rest; afterwards the decoder is as new.
    std::string flush();

  private:
    std::string certain_text(std::span<const int32_t> ids) const;
    void shorten_window();

    std::shared_ptr<const Tokenizer> tokenizer_;
    bool skip_special_;
    std::vector<int32_t> ids_;  ///< the window
    size_t read_ = 0;           ///< ids_[0, read_) were returned and give context to what follows
    std::string shown_;         ///< the beginning of the window's text that was returned
    std::string pending_;       ///< bytes of a character that is not complete yet
};

}  // namespace gantry::text
