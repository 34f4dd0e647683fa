#include "runtime/runner/grammars.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json.hpp"
#include "runtime/grammar/choice.hpp"
#include "runtime/grammar/ebnf.hpp"
#include "runtime/grammar/lark.hpp"
#include "runtime/grammar/regex.hpp"
#include "runtime/grammar/schema/schema.hpp"
#include "runtime/grammar/structural_tag.hpp"

namespace gantry::runner {
namespace {

using AutomatonResult = Result<std::unique_ptr<grammar::Automaton>>;

constexpr size_t kMaxForcedBytes = 512;

/// Any JSON object, for JSON mode; its numbers are within what readers take.
constexpr std::string_view kJsonObject = R"g(
root   ::= object
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws (string ws ":" ws value ws ("," ws string ws ":" ws value ws)*)? "}"
array  ::= "[" ws (value ws ("," ws value ws)*)? "]"
string ::= "\"" ([^"\\\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))* "\""
number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,2})?
ws     ::= [ \n]{0,40}
)g";

AutomatonResult ebnf_automaton(std::string_view text) {
    grammar::Rules rules;
    GANTRY_TRY(const grammar::RuleId root, grammar::parse_ebnf(rules, text));
    return grammar::rules_automaton(rules, root);
}

AutomatonResult lark_automaton(std::string_view text) {
    grammar::Rules rules;
    GANTRY_TRY(const grammar::RuleId root, grammar::parse_lark(rules, text));
    return grammar::rules_automaton(rules, root);
}

AutomatonResult schema_automaton(const boost::json::value& schema) { return grammar::json_schema_automaton(schema); }

AutomatonResult grammar_automaton(const engine::GrammarSpec& spec) {
    if (spec.syntax == "lark" || (spec.syntax.empty() && spec.text.find("::=") == std::string::npos)) {
        return lark_automaton(spec.text);
    }
    if (spec.syntax.empty() || spec.syntax == "gbnf" || spec.syntax == "ebnf") {
        return ebnf_automaton(spec.text);
    }
    return Error{Code::kInvalidArgument, "the grammar syntax '" + spec.syntax + "' is unknown",
                 "known are gbnf, ebnf and lark"};
}

AutomatonResult automaton_of(const engine::GrammarSpec& spec) {
    switch (spec.kind) {
        case engine::GrammarSpec::Kind::kJsonObject:
            return ebnf_automaton(kJsonObject);
        case engine::GrammarSpec::Kind::kJsonSchema: {
            GANTRY_TRY(const boost::json::value schema, json::parse(spec.text));
            return schema_automaton(schema);
        }
        case engine::GrammarSpec::Kind::kRegex:
            return grammar::regex_automaton(spec.text);
        case engine::GrammarSpec::Kind::kChoice:
            return grammar::choice_automaton(spec.choices);
        case engine::GrammarSpec::Kind::kGrammar:
            return grammar_automaton(spec);
        case engine::GrammarSpec::Kind::kStructuralTag: {
            GANTRY_TRY(const boost::json::value tags, json::parse(spec.text));
            return grammar::structural_tag_automaton(tags, schema_automaton);
        }
    }
    return Error{Code::kInternal, "this kind of grammar is unknown"};
}

/// Tokens through a GrammarMatcher.
class MatcherConstraint final : public engine::TokenConstraint {
  public:
    MatcherConstraint(std::shared_ptr<grammar::TokenGrammar> grammar, std::shared_ptr<const text::Tokenizer> tokenizer,
                      std::string marker)
        : matcher_(std::move(grammar)), tokenizer_(std::move(tokenizer)), marker_(std::move(marker)) {
        if (!marker_.empty()) {
            const auto id = tokenizer_->token_to_id(marker_);
            marker_id_ = id && tokenizer_->token_bytes(*id).empty() ? id : std::nullopt;
        }
    }

    Result<std::span<const uint32_t>> allowed() override {
        GANTRY_TRY(const grammar::TokenMask* const mask, matcher_.mask());
        if (!marker_id_ || started_at_) {
            return mask->words();
        }
        with_marker_.assign(mask->words().begin(), mask->words().end());
        with_marker_[static_cast<size_t>(*marker_id_) / 32] |= uint32_t{1} << (*marker_id_ % 32);
        return std::span<const uint32_t>(with_marker_);
    }

    Status accept(int32_t id) override {
        const bool marker = marker_id_ == id && !started_at_;
        if (marker ? !matcher_.accept_bytes(marker_) : !matcher_.accept(id)) {
            return Error{Code::kInternal, "token " + std::to_string(id) + " was drawn against the grammar"};
        }
        if (marker) {
            started_at_ = matcher_.accepted();
        }
        return ok();
    }

    void rollback(size_t tokens) override {
        matcher_.rollback(tokens);
        if (started_at_ && matcher_.accepted() < *started_at_) {
            started_at_.reset();
        }
    }
    bool can_end() override { return matcher_.can_end(); }
    bool must_end() override { return matcher_.must_end(); }

    std::vector<int32_t> forced() override {
        const std::string text = matcher_.forced_text(kMaxForcedBytes);
        if (text.empty()) {
            return {};
        }
        std::vector<int32_t> ids = tokenizer_->encode(text, {false, false});
        grammar::GrammarMatcher ahead = matcher_;
        const bool complete = ahead.accept_bytes(text) && ahead.must_end();
        if (!ids.empty() && !complete) {
            ids.pop_back();  // with what comes next it may be another token
        }
        std::string spelled;
        for (const int32_t id : ids) {
            spelled += tokenizer_->token_bytes(id);
        }
        // Some tokenizers put a space before a text, or change it: then the model finds the way itself.
        return std::string_view(text).starts_with(spelled) ? ids : std::vector<int32_t>();
    }

  private:
    grammar::GrammarMatcher matcher_;
    std::shared_ptr<const text::Tokenizer> tokenizer_;
    std::string marker_;                ///< the text that the grammar waits for, if any
    std::optional<int32_t> marker_id_;  ///< set where the marker is one control token, which is no text
    std::optional<size_t> started_at_;  ///< tokens up to it and with it
    std::vector<uint32_t> with_marker_;
};

}  // namespace

std::shared_ptr<const grammar::TokenTrie> Grammars::trie() {
    if (trie_ == nullptr) {
        std::vector<std::string> tokens(tokenizer_->vocab_size());
        for (size_t id = 0; id < tokens.size(); ++id) {
            tokens[id] = tokenizer_->token_bytes(static_cast<int32_t>(id));
        }
        trie_ = std::make_shared<const grammar::TokenTrie>(std::move(tokens));
    }
    return trie_;
}

Result<engine::TokenConstraintFactory> Grammars::compile(const engine::GrammarSpec& spec) {
    const std::lock_guard lock(mutex_);
    auto entry = std::ranges::find(entries_, spec, &Entry::spec);
    if (entry != entries_.end() && entry->grammar->outgrown()) {
        entries_.erase(entry);
        entry = entries_.end();
    }
    if (entry == entries_.end()) {
        GANTRY_TRY(std::unique_ptr<grammar::Automaton> automaton, automaton_of(spec));
        if (!spec.start_after.empty()) {
            automaton = grammar::after_text_automaton(spec.start_after, std::move(automaton));
        }
        auto compiled = std::make_shared<grammar::TokenGrammar>(trie(), std::move(automaton));
        compiled->warm_up();  // here it costs the engine nothing
        if (compiled->exhausted()) {
            return Error{Code::kInvalidArgument, "the grammar has too many states",
                         "make its repetition counts smaller, or its alternatives easier to tell apart"};
        }
        entries_.push_front({spec, std::move(compiled)});
        if (entries_.size() > kRemembered) {
            entries_.pop_back();
        }
    } else {
        entries_.splice(entries_.begin(), entries_, entry);
    }
    return engine::TokenConstraintFactory(
        [grammar = entries_.front().grammar, tokenizer = tokenizer_, marker = spec.start_after] {
            return std::make_unique<MatcherConstraint>(grammar, tokenizer, marker);
        });
}

}  // namespace gantry::runner
