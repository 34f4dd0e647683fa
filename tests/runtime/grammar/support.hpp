#pragma once

/// Vocabularies and the slow, certain way to a mask.

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/grammar/token_trie.hpp"

namespace gantry::grammar {

/// All single bytes, and `more` texts over a small alphabet, some of them twice; id 0 is a control token.
inline std::vector<std::string> small_vocabulary(uint32_t seed, size_t more, std::string_view alphabet) {
    std::vector<std::string> out{""};
    for (int b = 0; b < 256; ++b) {
        out.emplace_back(1, static_cast<char>(b));
    }
    std::mt19937 random(seed);
    for (size_t i = 0; i < more; ++i) {
        std::string token;
        for (size_t length = 1 + random() % 6; length > 0; --length) {
            token.push_back(alphabet[random() % alphabet.size()]);
        }
        out.push_back(std::move(token));
    }
    return out;
}

inline Automaton::State walk(Automaton& automaton, Automaton::State state, std::string_view text) {
    for (const char c : text) {
        if (state == Automaton::kDead) {
            break;
        }
        state = automaton.next(state, static_cast<uint8_t>(c));
    }
    return state;
}

inline bool matches(Automaton& automaton, std::string_view text) {
    const auto state = walk(automaton, automaton.start(), text);
    return state != Automaton::kDead && automaton.accepts(state);
}

/// Every token checked byte by byte.
inline TokenMask brute_force_mask(const TokenTrie& trie, Automaton& automaton, Automaton::State state) {
    TokenMask mask(trie.vocab_size());
    for (size_t id = 0; id < trie.vocab_size(); ++id) {
        const auto bytes = trie.token_bytes(static_cast<int32_t>(id));
        if (!bytes.empty() && walk(automaton, state, bytes) != Automaton::kDead) {
            mask.set(id);
        }
    }
    return mask;
}

}  // namespace gantry::grammar
