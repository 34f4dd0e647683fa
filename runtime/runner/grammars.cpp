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

AutomatonResult content_automaton(const engine::GrammarSpec& spec) {
    switch (spec.kind) {
        case engine::GrammarSpec::Kind::kJsonObject:
            return schema_automaton(boost::json::object{{"type", "object"}});
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
    using Controls = std::map<std::string, int32_t, std::less<>>;

    MatcherConstraint(std::shared_ptr<grammar::TokenGrammar> grammar, std::shared_ptr<const text::Tokenizer> tokenizer,
                      std::shared_ptr<const Controls> controls)
        : trie_(grammar->shared_trie()),
          matcher_(std::move(grammar)),
          tokenizer_(std::move(tokenizer)),
          controls_(std::move(controls)) {}

    Result<std::span<const uint32_t>> allowed() override {
        GANTRY_TRY(const grammar::TokenMask* const mask, matcher_.mask());
        return mask->words();
    }

    Status accept(int32_t id) override {
        if (!matcher_.accept(id)) {
            return Error{Code::kInternal, "token " + std::to_string(id) + " was drawn against the grammar"};
        }
        return ok();
    }

    void rollback(size_t tokens) override { matcher_.rollback(tokens); }
    bool can_end() override { return matcher_.can_end(); }
    bool must_end() override { return matcher_.must_end(); }

    std::vector<int32_t> forced() override {
        const std::string text = matcher_.forced_text(kMaxForcedBytes);
        if (text.empty()) {
            return {};
        }
        std::vector<int32_t> ids;
        bool loose = false;  // the last token may become another with what comes next
        for (std::string_view rest = text; !rest.empty();) {
            const std::string_view plain = rest.substr(0, rest.find(grammar::kControl));
            rest.remove_prefix(plain.size());
            for (const int32_t id : tokenizer_->encode(plain, {false, false})) {
                ids.push_back(id);
                loose = true;
            }
            if (rest.empty()) {
                break;
            }
            rest.remove_prefix(1);
            const auto control = longest(rest);
            if (control == controls_->end()) {
                break;  // cut off
            }
            ids.push_back(control->second);
            rest.remove_prefix(control->first.size());
            loose = false;
        }
        if (loose) {
            grammar::GrammarMatcher ahead = matcher_;
            if (!ahead.accept_bytes(text) || !ahead.must_end()) {
                ids.pop_back();
            }
        }
        std::string spelled;
        for (const int32_t id : ids) {
            spelled += trie_->token_bytes(id);
        }
        // Some tokenizers put a space before a text, or change it: then the model finds the way itself.
        return std::string_view(text).starts_with(spelled) ? ids : std::vector<int32_t>();
    }

  private:
    Controls::const_iterator longest(std::string_view text) const {
        auto found = controls_->end();
        for (auto it = controls_->begin(); it != controls_->end(); ++it) {
            if (text.starts_with(it->first) && (found == controls_->end() || it->first.size() > found->first.size())) {
                found = it;
            }
        }
        return found;
    }

    std::shared_ptr<const grammar::TokenTrie> trie_;
    grammar::GrammarMatcher matcher_;
    std::shared_ptr<const text::Tokenizer> tokenizer_;
    std::shared_ptr<const Controls> controls_;
};

}  // namespace

Grammars::Grammars(std::shared_ptr<const text::Tokenizer> tokenizer, std::span<const int32_t> markers)
    : tokenizer_(std::move(tokenizer)) {
    const auto size = static_cast<int32_t>(tokenizer_->vocab_size());
    Controls controls;
    for (int32_t id = 0; id < size; ++id) {
        if (tokenizer_->is_special(id) && !tokenizer_->id_to_token(id).empty()) {
            controls.emplace(tokenizer_->id_to_token(id), id);
        }
    }
    for (const auto& [text, id] : controls) {
        control_texts_.texts.push_back(text);
        if (std::ranges::find(markers, id) != markers.end()) {
            control_texts_.free.push_back(text);
        }
    }
    controls_ = std::make_shared<const Controls>(std::move(controls));
}

std::shared_ptr<const grammar::TokenTrie> Grammars::trie() {
    if (trie_ == nullptr) {
        std::vector<std::string> tokens(tokenizer_->vocab_size());
        for (size_t id = 0; id < tokens.size(); ++id) {
            tokens[id] = tokenizer_->token_bytes(static_cast<int32_t>(id));
            if (tokens[id].find(grammar::kControl) != std::string::npos) {
                tokens[id].clear();
            }
        }
        for (const auto& [text, id] : *controls_) {
            tokens[static_cast<size_t>(id)] = grammar::kControl + text;
        }
        trie_ = std::make_shared<const grammar::TokenTrie>(std::move(tokens));
    }
    return trie_;
}

AutomatonResult Grammars::automaton_of(const AnswerForm& form) const {
    const bool late = form.content && !form.content->start_after.empty();
    if (!late && form.calls.empty() && form.content_begin.empty() && form.reasoning_end.empty()) {
        return content_automaton(*form.content);
    }
    grammar::Composite out(control_texts_);
    using Node = grammar::Composite::Node;
    const Node start = out.add_node(), body = out.add_node(), end = out.add_node();
    const auto text_until = [&](Node from, const std::string& marker, Node to) {
        out.add_free_text(from, std::vector<std::string>{marker}, std::vector<Node>{to}, {});
    };
    if (!form.reasoning_end.empty()) {
        const Node inside = out.add_node(), behind = out.add_node(), blank = out.add_node();
        text_until(inside, form.reasoning_end, behind);
        if (form.in_reasoning) {
            out.add_empty(start, inside);
        } else {
            out.add_text(start, form.reasoning_begin, inside);
            out.add_empty(start, body);
        }
        out.add_empty(behind, body);
        if (form.blanks) {  // models leave a line free, which is not part of the answer
            out.add_text(behind, "\n", blank);
            out.add_text(blank, "\n", body);
            out.add_empty(blank, body);
        }
    } else {
        out.add_empty(start, body);
    }
    if (!form.calls.empty()) {
        constexpr size_t kMaxDepth = 128;  // what the schemas stand in is deep as well
        GANTRY_TRY(const boost::json::value calls, json::parse(form.calls, {.max_depth = kMaxDepth}));
        const auto added =
            grammar::add_structural_tag(out, body, end, boost::json::object{{"format", calls}}, schema_automaton);
        if (!added) {
            return added.error().in("tools");
        }
    }
    if (form.content) {
        GANTRY_TRY(std::unique_ptr<grammar::Automaton> content, content_automaton(*form.content));
        const Node begun = out.add_node(), open = out.add_node();
        out.add_text(body, form.content_begin, begun);
        if (late) {
            text_until(begun, form.content->start_after, open);
        } else {
            out.add_empty(begun, open);
        }
        out.add_automaton(open, std::move(content), end);
    }
    return std::move(out).build(start, end);
}

Result<engine::TokenConstraintFactory> Grammars::compile(const AnswerForm& form) {
    const std::lock_guard lock(mutex_);
    auto entry = std::ranges::find(entries_, form, &Entry::form);
    if (entry != entries_.end() && entry->grammar->outgrown()) {
        entries_.erase(entry);
        entry = entries_.end();
    }
    if (entry == entries_.end()) {
        GANTRY_TRY(std::unique_ptr<grammar::Automaton> automaton, automaton_of(form));
        auto compiled = std::make_shared<grammar::TokenGrammar>(trie(), std::move(automaton));
        compiled->warm_up();  // here it costs the engine nothing
        if (compiled->exhausted()) {
            return Error{Code::kInvalidArgument, "the grammar has too many states",
                         "make its repetition counts smaller, or its alternatives easier to tell apart"};
        }
        entries_.push_front({form, std::move(compiled)});
        if (entries_.size() > kRemembered) {
            entries_.pop_back();
        }
    } else {
        entries_.splice(entries_.begin(), entries_, entry);
    }
    return engine::TokenConstraintFactory(
        [grammar = entries_.front().grammar, tokenizer = tokenizer_, controls = controls_] {
            return std::make_unique<MatcherConstraint>(grammar, tokenizer, controls);
        });
}

}  // namespace gantry::runner
