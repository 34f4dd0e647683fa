#include "runtime/engine/suffix_drafter.hpp"

#include "runtime/engine/draft_chain.hpp"

namespace gantry::engine {
namespace {

constexpr size_t kBranches = 3;

}  // namespace

void SuffixDrafter::begin(SequenceId id, std::span<const int32_t> hint, std::span<const int32_t> tokens) {
    SuffixAutomaton& text = texts_[id] = SuffixAutomaton();
    for (int32_t token : hint) {
        text.push(token);
    }
    if (!hint.empty()) {
        text.push(kNoToken);
    }
    append(id, tokens.size() > kLongestText / 2 ? tokens.last(kLongestText / 2) : tokens);
}

void SuffixDrafter::append(SequenceId id, std::span<const int32_t> tokens) {
    SuffixAutomaton& text = texts_.at(id);
    for (int32_t token : tokens) {
        if (text.text().size() >= kLongestText) {
            SuffixAutomaton shorter;
            for (int32_t kept : text.text().last(kLongestText / 2)) {
                shorter.push(kept);
            }
            text = std::move(shorter);
        }
        text.push(token);
    }
}

void SuffixDrafter::propose(std::span<DraftRequest> requests) {
    for (DraftRequest& request : requests) {
        const SuffixAutomaton& text = texts_.at(request.id);
        const size_t limit = request.max_tokens;
        // The likeliest branch first and longest: a branch that begins like an earlier one only lengthens it.
        size_t length = request.trees && limit >= 4 ? limit - limit / 4 : limit;
        size_t branches = 0;
        for (const SuffixAutomaton::Match& match : text.earlier_ends(kShortest)) {
            request.draft.merge(chain_from(text.text(), match.follows, length), limit);
            if (!request.trees || ++branches == kBranches || request.draft.size() >= limit) {
                break;
            }
            length = limit - request.draft.size();
        }
    }
}

}  // namespace gantry::engine
