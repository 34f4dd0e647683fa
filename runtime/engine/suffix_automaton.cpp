#include "runtime/engine/suffix_automaton.hpp"

namespace gantry::engine {
namespace {

/// Ends of the text whose places are kept up to date with each token: the longest ones, which are the ones asked for.
constexpr int kNoted = 16;
constexpr size_t kMatches = 4;

}  // namespace

void SuffixAutomaton::add_edge(uint32_t from, int32_t token, uint32_t to) {
    targets_.emplace(key(from, token), to);
    edges_.push_back({token, states_[from].edges});
    states_[from].edges = static_cast<uint32_t>(edges_.size()) - 1;
}

void SuffixAutomaton::push(int32_t token) {
    text_.push_back(token);
    const auto created = static_cast<uint32_t>(states_.size());
    states_.push_back({static_cast<uint32_t>(text_.size()), kRoot, kNone, 0, 0});
    uint32_t p = last_;
    auto found = targets_.find(key(p, token));
    while (found == targets_.end()) {
        add_edge(p, token, created);
        p = states_[p].link;
        if (p == kNone) {
            break;
        }
        found = targets_.find(key(p, token));
    }
    if (p != kNone) {
        const uint32_t q = found->second;
        states_[created].link = states_[q].length == states_[p].length + 1 ? q : split(p, q, token);
    }
    last_ = created;
    note_place(created, static_cast<uint32_t>(text_.size()));
}

uint32_t SuffixAutomaton::split(uint32_t parent, uint32_t state, int32_t token) {
    const auto clone = static_cast<uint32_t>(states_.size());
    State copy = states_[state];
    copy.length = states_[parent].length + 1;
    copy.edges = kNone;
    states_.push_back(copy);
    for (uint32_t e = states_[state].edges; e != kNone; e = edges_[e].next) {
        const int32_t on = edges_[e].token;
        add_edge(clone, on, targets_.at(key(state, on)));
    }
    states_[state].link = clone;
    for (uint32_t p = parent; p != kNone; p = states_[p].link) {
        uint32_t& target = targets_.at(key(p, token));
        if (target != state) {
            break;
        }
        target = clone;
    }
    return clone;
}

void SuffixAutomaton::note_place(uint32_t state, uint32_t place) {
    for (int i = 0; i < kNoted && state != kRoot && state != kNone; ++i) {
        State& s = states_[state];
        s.before = s.latest;
        s.latest = place;
        state = s.link;
    }
}

std::vector<SuffixAutomaton::Match> SuffixAutomaton::earlier_ends(uint32_t shortest) const {
    std::vector<Match> out;
    for (uint32_t s = states_[last_].link; s != kRoot && s != kNone && out.size() < kMatches; s = states_[s].link) {
        const State& state = states_[s];
        if (state.length < shortest) {
            break;
        }
        const size_t place = state.latest < text_.size() ? state.latest : state.before;
        if (place > 0 && place < text_.size()) {
            out.push_back({state.length, place});
        }
    }
    return out;
}

}  // namespace gantry::engine
