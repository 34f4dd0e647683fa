#include "runtime/grammar/matcher.hpp"

#include <utility>

namespace gantry::grammar {

const TokenMask& TokenGrammar::mask(Automaton::State state) {
    if (const auto known = masks_.find(state); known != masks_.end()) {
        return known->second;
    }
    if (masks_.size() >= kMaxMasks) {
        masks_.clear();  // rare, and what is still in use is soon there again
    }
    const TokenMask& made = masks_.emplace(state, trie_->mask(*automaton_, state, kTooManyStates)).first->second;
    outgrown_ = automaton_->state_count() > kManyStates;
    return made;
}

int TokenGrammar::only_byte(Automaton::State state) {
    const auto [it, added] = only_bytes_.try_emplace(state, kNone);
    if (!added) {
        return it->second;
    }
    int found = kNone;
    for (int byte = 0; byte < 256 && found != kSeveral; ++byte) {
        if (automaton_->next(state, static_cast<uint8_t>(byte)) != Automaton::kDead) {
            found = found == kNone ? byte : kSeveral;
        }
    }
    return it->second = found;
}

GrammarMatcher::GrammarMatcher(std::shared_ptr<TokenGrammar> grammar)
    : grammar_(std::move(grammar)), states_{grammar_->automaton().start()} {}

Result<const TokenMask*> GrammarMatcher::mask() {
    const TokenMask& mask = grammar_->mask(states_.back());
    if (grammar_->exhausted()) {
        return Error{Code::kResourceExhausted, "the grammar has too many states for an answer of this length",
                     "make its repetition counts smaller, or its alternatives easier to tell apart"};
    }
    return &mask;
}

bool GrammarMatcher::accept_bytes(std::string_view bytes) {
    Automaton::State state = states_.back();
    for (const char c : bytes) {
        state = grammar_->automaton().next(state, static_cast<uint8_t>(c));
        if (state == Automaton::kDead) {
            return false;
        }
    }
    if (bytes.empty()) {
        return false;
    }
    states_.push_back(state);
    return true;
}

std::string GrammarMatcher::forced_text(size_t limit) {
    std::string out;
    Automaton& automaton = grammar_->automaton();
    for (Automaton::State state = states_.back(); out.size() < limit && !automaton.accepts(state);) {
        const int byte = grammar_->only_byte(state);
        if (byte < 0) {
            break;
        }
        out.push_back(static_cast<char>(byte));
        state = automaton.next(state, static_cast<uint8_t>(byte));
    }
    // Half a character at the end is left to the model.
    for (size_t back = 1; back <= 3 && back <= out.size(); ++back) {
        const auto byte = static_cast<uint8_t>(out[out.size() - back]);
        if (byte >= 0xC0) {
            const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
            out.resize(back < length ? out.size() - back : out.size());
            break;
        }
        if (byte < 0x80) {
            break;
        }
    }
    return out;
}

}  // namespace gantry::grammar
