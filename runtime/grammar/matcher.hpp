#pragma once

/// Follows answers through a grammar, token by token.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "runtime/grammar/automaton.hpp"
#include "runtime/grammar/token_trie.hpp"

namespace gantry::grammar {

/// An automaton with what has been found out about its states. Shared by all answers of all requests that ask for the
/// same; used by one thread at a time.
class TokenGrammar {
  public:
    TokenGrammar(std::shared_ptr<const TokenTrie> trie, std::unique_ptr<Automaton> automaton)
        : trie_(std::move(trie)), automaton_(std::move(automaton)) {}

    Automaton& automaton() { return *automaton_; }
    const TokenTrie& trie() const { return *trie_; }
    std::shared_ptr<const TokenTrie> shared_trie() const { return trie_; }
    /// Valid until the next call of mask().
    const TokenMask& mask(Automaton::State state);
    /// The only byte that may follow, kNone or kSeveral.
    static constexpr int kNone = -1, kSeveral = -2;
    int only_byte(Automaton::State state);
    /// Makes the first mask, so that the first answer does not wait for it.
    void warm_up() { (void)mask(automaton_->start()); }
    /// Has grown so much that the owner should compile it anew for later answers. Any thread.
    bool outgrown() const { return outgrown_; }
    /// Has grown so much that it must not be used further.
    bool exhausted() const { return automaton_->state_count() > kTooManyStates; }

  private:
    static constexpr size_t kManyStates = 100'000, kTooManyStates = 400'000;
    static constexpr size_t kMaxMasks = 2048;  ///< 39 MB for a vocabulary of 150,000

    std::shared_ptr<const TokenTrie> trie_;
    std::unique_ptr<Automaton> automaton_;
    std::unordered_map<Automaton::State, TokenMask> masks_;
    std::unordered_map<Automaton::State, int> only_bytes_;
    std::atomic<bool> outgrown_ = false;
};

/// One answer's way through a grammar.
class GrammarMatcher {
  public:
    explicit GrammarMatcher(std::shared_ptr<TokenGrammar> grammar);

    /// The tokens that may come next; no end tokens. kResourceExhausted once the grammar has grown too large. Valid
    /// until the grammar's next mask.
    Result<const TokenMask*> mask();
    /// False, and nothing changes, where the token may not come next. Control tokens never may.
    bool accept(int32_t id) { return accept_bytes(grammar_->trie().token_bytes(id)); }
    /// The same for a text that counts as one token.
    bool accept_bytes(std::string_view bytes);
    /// Takes back the last tokens. At most as many as were accepted.
    void rollback(size_t tokens) { states_.resize(states_.size() - tokens); }
    size_t accepted() const { return states_.size() - 1; }

    bool can_end() { return grammar_->automaton().accepts(states_.back()); }
    /// The text is complete, and nothing may follow.
    bool must_end() { return can_end() && grammar_->only_byte(states_.back()) == TokenGrammar::kNone; }
    /// The text that must come next, as far as there is no choice, up to `limit` bytes. Whole characters.
    std::string forced_text(size_t limit);

  private:
    std::shared_ptr<TokenGrammar> grammar_;
    std::vector<Automaton::State> states_;  ///< after 0, 1, ... tokens
};

}  // namespace gantry::grammar
