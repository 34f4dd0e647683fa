#pragma once

/// A vocabulary's tokens by their bytes, and the sets of tokens that an automaton lets come next.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
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
    void reset(size_t id) { words_[id / 32] &= ~(uint32_t{1} << (id % 32)); }
    bool none() const;
    size_t count() const;
    std::span<const uint32_t> words() const { return words_; }

  private:
    std::vector<uint32_t> words_;
};

/// The byte trie of a vocabulary in preorder arrays. Immutable: any thread may use one concurrently. About 20 bytes a
/// node; 150,000 tokens have some 400,000 nodes.
///
/// Plain tokens (Automaton::plain_run(); nine out of ten) are kept by their lengths beside it, and the others in a trie
/// of their own, which is all that has to be walked inside a string.
class TokenTrie {
  public:
    /// The bytes of each token; those of tokens that are no text (control tokens) are empty, and no automaton allows
    /// them.
    explicit TokenTrie(std::vector<std::string> tokens);

    size_t vocab_size() const { return vocab_size_; }
    size_t node_count() const { return all_.nodes.size(); }
    /// Empty for a control token or an unknown id.
    std::string_view token_bytes(int32_t id) const;

    /// The tokens whose bytes lead from `state` to a live state. Makes states as it goes; gives up, with a part of the
    /// tokens, when there are more than `max_states`.
    TokenMask mask(Automaton& automaton, Automaton::State state, size_t max_states = SIZE_MAX) const;

  private:
    struct Node {
        uint32_t end = 0;          ///< the first node behind this subtree
        uint32_t first_token = 0;  ///< the subtree's tokens begin here in the order
        uint32_t below = 0;        ///< index in the sets: the bytes further down
        uint16_t depth = 0;
        uint8_t byte = 0;  ///< leads here
    };

    struct Tree {
        std::vector<Node> nodes;     ///< preorder; the root is first, and a sentinel is last
        std::vector<int32_t> order;  ///< token ids in preorder, a node's own before those below it
        std::vector<std::bitset<256>> sets;
    };

    /// Of these tokens, sorted by their bytes.
    Tree build(const std::vector<uint32_t>& sorted) const;
    static void finish_nodes(Tree& tree);
    /// Adds to the mask what TokenTrie::mask() says, of a tree's tokens.
    static void walk(const Tree& tree, Automaton& automaton, Automaton::State state, size_t max_states,
                     TokenMask& mask);
    bool start_plain(Automaton& automaton, Automaton::State state, TokenMask& mask) const;

    size_t vocab_size_ = 0;
    std::string bytes_;             ///< of all tokens
    std::vector<uint32_t> begins_;  ///< by id, and one more
    Tree all_, marked_;             ///< of every token; of those that are not plain
    TokenMask plain_;
    std::vector<std::pair<uint16_t, int32_t>> lengths_;  ///< of plain tokens in characters, ascending
};

}  // namespace gantry::grammar
