#pragma once

/// Models: one piece of pre-tokenized text to ids.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "runtime/text/tokenizer/vocab.hpp"

namespace gantry::text::tok {

/// Immutable after creation; any thread may use one concurrently.
class Model {
  public:
    virtual ~Model() = default;
    /// Appends the piece's ids. `piece` is valid UTF-8 and not empty. Characters that the model cannot name and that
    /// have no unknown token give nothing.
    virtual void tokenize(std::string_view piece, std::vector<int32_t>& ids) const = 0;
    virtual const Vocab& vocab() const = 0;
};
using ModelPtr = std::unique_ptr<const Model>;

/// A merge of two tokens, best (lowest rank) first.
struct Merge {
    int32_t left, right, result;
    uint32_t rank;
};

struct BpeOptions {
    std::optional<int32_t> unknown;         ///< id of the unknown token
    std::string continuing_subword_prefix;  ///< before every character but a piece's first
    std::string end_of_word_suffix;         ///< behind a piece's last character
    bool fuse_unknown = false;              ///< one unknown token for a run of unknown characters
    bool byte_fallback = false;             ///< unknown characters become <0xNN> tokens where those exist
    bool ignore_merges = false;             ///< a piece that is a token is that token, whatever the merges say
};

/// Later merges of the same pair win.
ModelPtr make_bpe(Vocab vocab, const std::vector<Merge>& merges, BpeOptions options);

/// `scores` by id; `unknown` may be absent.
ModelPtr make_unigram(Vocab vocab, std::vector<double> scores, std::optional<int32_t> unknown, bool byte_fallback);

struct WordPieceOptions {
    std::optional<int32_t> unknown;
    std::string prefix = "##";    ///< before what continues a word
    size_t max_characters = 100;  ///< a longer piece is unknown
};
ModelPtr make_word_piece(Vocab vocab, WordPieceOptions options);

ModelPtr make_word_level(Vocab vocab, std::optional<int32_t> unknown);

/// "<0x0A>" for 10.
std::string byte_token(uint8_t byte);
/// 10 for "<0x0A>"; nothing for other texts.
std::optional<uint8_t> byte_of_token(std::string_view token);

}  // namespace gantry::text::tok
