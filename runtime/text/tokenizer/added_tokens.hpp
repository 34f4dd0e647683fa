#pragma once

/// Tokens that are recognised in the text before any model sees it: control tokens and whatever else the publisher
/// added, with Hugging Face's semantics.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "runtime/text/tokenizer/normalizer.hpp"
#include "runtime/text/tokenizer/trie.hpp"
#include "runtime/text/tokenizer/vocab.hpp"

namespace gantry::text::tok {

struct AddedToken {
    std::string content;
    bool single_word = false;  ///< only where no word character touches it
    bool lstrip = false;       ///< swallows white space to its left
    bool rstrip = false;       ///< and to its right
    bool normalized = true;    ///< looked for in the normalized text, in its own normalized form
    bool special = false;      ///< skipped when decoding; not looked for when special tokens are taken as text
};

class AddedTokens {
  public:
    /// Bytes [begin, end) of a text; `id` where they are an added token.
    struct Part {
        size_t begin, end;
        std::optional<int32_t> id;
    };

    AddedTokens() = default;
    /// A token that `vocab` has keeps its id there; others get ids behind the vocabulary, in order.
    AddedTokens(std::vector<AddedToken> tokens, const Vocab& vocab, const Normalizer* normalizer);

    /// Covers the text. `normalized` picks which set of tokens is looked for.
    void split(std::string_view text, bool normalized, bool with_special, std::vector<Part>& out) const;

    const AddedToken* by_id(int32_t id) const;
    /// What the token's text is to a decoder: its normalized form, where it has one.
    std::string_view decode_form(int32_t id) const;
    std::optional<int32_t> find(std::string_view content) const;
    bool is_special_text(std::string_view content) const { return special_.contains(std::string(content)); }
    size_t id_limit() const { return id_limit_; }

  private:
    struct Entry {
        AddedToken token;
        std::string form;  ///< normalized content
    };
    std::unordered_map<int32_t, Entry> entries_;
    std::unordered_map<std::string, int32_t> ids_;
    std::unordered_set<std::string> special_;
    Trie raw_trie_, normalized_trie_;
    size_t id_limit_ = 0;
};

}  // namespace gantry::text::tok
