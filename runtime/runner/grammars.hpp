#pragma once

/// Compiles what clients ask answers to look like, and remembers it.

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "base/result.hpp"
#include "runtime/engine/constraint.hpp"
#include "runtime/engine/types.hpp"
#include "runtime/grammar/composite.hpp"
#include "runtime/grammar/matcher.hpp"
#include "runtime/text/tokenizer.hpp"

namespace gantry::runner {

/// What an answer must look like: one of `content` and `calls`, behind reasoning.
struct AnswerForm {
    std::optional<engine::GrammarSpec> content;
    std::string content_begin;                   ///< what the model writes before it
    std::string calls;                           ///< JSON text, a structural tag's "format"; empty: none
    std::string reasoning_begin, reasoning_end;  ///< around free text; no end: the model does not reason
    bool in_reasoning = false;                   ///< the prompt has written the beginning; else there may be none
    bool blanks = true;                          ///< up to two line ends may follow the reasoning

    friend bool operator==(const AnswerForm&, const AnswerForm&) = default;
};

/// One model's compiled grammars, the last used ones. Any thread; one compiles at a time. What is handed out is used by
/// the engine's thread alone.
class Grammars {
  public:
    static constexpr size_t kRemembered = 64;

    /// `markers`: the control tokens that a model's free text may have.
    explicit Grammars(std::shared_ptr<const text::Tokenizer> tokenizer, std::span<const int32_t> markers = {});

    /// kInvalidArgument naming what is wrong with the form and where.
    Result<engine::TokenConstraintFactory> compile(const AnswerForm& form);

  private:
    struct Entry {
        AnswerForm form;
        std::shared_ptr<grammar::TokenGrammar> grammar;
    };
    std::shared_ptr<const grammar::TokenTrie> trie();
    Result<std::unique_ptr<grammar::Automaton>> automaton_of(const AnswerForm& form) const;

    std::shared_ptr<const text::Tokenizer> tokenizer_;
    using Controls = std::map<std::string, int32_t, std::less<>>;
    std::shared_ptr<const Controls> controls_;  ///< the control tokens by their texts
    grammar::ControlTexts control_texts_;
    std::mutex mutex_;
    std::shared_ptr<const grammar::TokenTrie> trie_;  ///< made for the first grammar
    std::list<Entry> entries_;                        ///< last used first
};

}  // namespace gantry::runner
