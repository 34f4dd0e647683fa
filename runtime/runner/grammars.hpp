#pragma once

/// Compiles what clients ask answers to look like, and remembers it.

#include <list>
#include <memory>
#include <mutex>

#include "base/result.hpp"
#include "runtime/engine/constraint.hpp"
#include "runtime/engine/types.hpp"
#include "runtime/grammar/matcher.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gantry::runner {

/// One model's compiled grammars, the last used ones. Any thread; one compiles at a time. What is handed out is used by
/// the engine's thread alone.
class Grammars {
  public:
    static constexpr size_t kRemembered = 64;

    explicit Grammars(std::shared_ptr<const text::Tokenizer> tokenizer) : tokenizer_(std::move(tokenizer)) {}

    /// kInvalidArgument naming what is wrong with the grammar and where.
    Result<engine::TokenConstraintFactory> compile(const engine::GrammarSpec& spec);

  private:
    struct Entry {
        engine::GrammarSpec spec;
        std::shared_ptr<grammar::TokenGrammar> grammar;
    };
    std::shared_ptr<const grammar::TokenTrie> trie();

    std::shared_ptr<const text::Tokenizer> tokenizer_;
    std::mutex mutex_;
    std::shared_ptr<const grammar::TokenTrie> trie_;  ///< made for the first grammar
    std::list<Entry> entries_;                        ///< last used first
};

}  // namespace gantry::runner
