#include "runtime/engine/ngram_drafter.hpp"

#include <algorithm>

#include "runtime/engine/draft_chain.hpp"

namespace gantry::engine {

void NgramDrafter::begin(SequenceId id, std::span<const int32_t> hint, std::span<const int32_t> tokens) {
    Text& text = texts_[id] = {};
    if (!hint.empty()) {
        text.in_hint = true;
        for (int32_t token : hint) {
            push(text, token);
        }
        push(text, kNoToken);
        text.in_hint = false;
    }
    append(id, tokens);
}

void NgramDrafter::append(SequenceId id, std::span<const int32_t> tokens) {
    Text& text = texts_.at(id);
    for (int32_t token : tokens) {
        push(text, token);
    }
}

uint64_t NgramDrafter::hash(const Text& text, size_t end, uint32_t length) {
    uint64_t h = (length + 1) * 0x9e3779b97f4a7c15u;  // far from any token, so that no token undoes it
    for (size_t i = end - length; i < end; ++i) {
        h = (h ^ static_cast<uint32_t>(text.tokens[i])) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    return h;
}

void NgramDrafter::push(Text& text, int32_t token) {
    // An n-gram is entered when it is known what follows it, so that a look-up finds earlier places only.
    const size_t end = text.tokens.size();
    for (uint32_t n = text.in_hint ? 1 : kShortest; n <= std::min<size_t>(kLongest, end); ++n) {
        text.follows[hash(text, end, n)] = static_cast<uint32_t>(end);
    }
    text.tokens.push_back(token);
}

size_t NgramDrafter::find(const Text& text) {
    const size_t end = text.tokens.size();
    for (uint32_t n = std::min<uint32_t>(kLongest, static_cast<uint32_t>(end)); n > 0; --n) {
        const auto it = text.follows.find(hash(text, end, n));
        if (it == text.follows.end() || it->second < n) {
            continue;  // the second: the hash of a shorter one, at the beginning of the text
        }
        const auto place = text.tokens.begin() + static_cast<std::ptrdiff_t>(it->second - n);
        if (std::equal(text.tokens.end() - n, text.tokens.end(), place)) {
            return it->second;
        }
    }
    return end;
}

void NgramDrafter::propose(std::span<DraftRequest> requests) {
    for (DraftRequest& request : requests) {
        const Text& text = texts_.at(request.id);
        request.draft.merge(chain_from(text.tokens, find(text), request.max_tokens), request.max_tokens);
    }
}

}  // namespace gantry::engine
