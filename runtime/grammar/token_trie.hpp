#pragma once

/// A vocabulary's tokens by their bytes, and the sets of tokens that an automaton lets come next.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/grammar/automaton.hpp"

namespace gantry::grammar {

/// One bit a token id, 32 a word, lowest bit first.
class TokenMask {
  public:
    TokenMask() = default;
    explicit TokenMask(size_t tokens) : words_((tokens + 31) / 32) {}

    bool test(size_t id) const { return id / 32 < words_.size() && ((words_[id / 32] >> (id % 32)) & 1) != 0; }
    void set(size_t id) { words_[id / 32] |= uint32_t{1} << (id % 32); }
    bool none() const;
    size_t count() const;
    std::span<const uint32_t> words() const { return words_; }

  private:
    std::vector<uint32_t> words_;
};

/// The byte trie of a vocabulary in preorder arrays. Immutable: any thread may use one concurrently. About 20 bytes a
/// node; 150,000 tokens have some 400,000 nodes.
class TokenTrie {
  public:
    /// The bytes of each token; those of tokens that are no text (control tokens) are empty, and no automaton allows
    /// them.
    explicit TokenTrie(std::vector<std::string> tokens);

    size_t vocab_size() const { return vocab_size_; }
    size_t node_count() const { return nodes_.size(); }
    /// Empty for a control token or an unknown id.
    std::string_view token_bytes(int32_t id) const;

    /// The tokens whose bytes lead from `state` to a live state. Makes states as it goes; gives up, with a part of the
    /// tokens, when there are more than `max_states`.
    TokenMask mask(Automaton& automaton, Automaton::State state, size_t max_states = SIZE_MAX) const;

  private:
    struct Node {
        uint32_t end = 0;          ///< the first node behind this subtree
        uint32_t first_token = 0;  ///< the subtree's tokens begin here in order_
        uint32_t below = 0;        ///< index in sets_: the bytes further down
        uint16_t depth = 0;
        uint8_t byte = 0;  ///< leads here
    };

    void finish_nodes();

    size_t vocab_size_ = 0;
    std::string bytes_;             ///< of all tokens
    std::vector<uint32_t> begins_;  ///< by id, and one more
    std::vector<Node> nodes_;       ///< preorder; the root is first, and a sentinel is last
    std::vector<int32_t> order_;    ///< token ids in preorder, a node's own before those below it
    std::vector<std::bitset<256>> sets_;
};

}  // namespace gantry::grammar
