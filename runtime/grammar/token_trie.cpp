#include "runtime/grammar/token_trie.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <string_view>
#include <unordered_map>

namespace gantry::grammar {
namespace {

/// Longer tokens (rulers of dashes and the like) are left out: no answer needs them.
constexpr size_t kMaxTokenBytes = 512;
/// Subtrees of fewer nodes are walked without asking whether all of them can be taken at once.
constexpr uint32_t kWorthLooking = 4;

}  // namespace

bool TokenMask::none() const {
    return std::ranges::all_of(words_, [](uint32_t w) { return w == 0; });
}

size_t TokenMask::count() const {
    return std::accumulate(words_.begin(), words_.end(), size_t{0},
                           [](size_t sum, uint32_t w) { return sum + static_cast<size_t>(std::popcount(w)); });
}

TokenTrie::TokenTrie(std::vector<std::string> tokens) : vocab_size_(tokens.size()) {
    std::vector<uint32_t> sorted;
    begins_.reserve(tokens.size() + 1);
    for (uint32_t id = 0; id < tokens.size(); ++id) {
        begins_.push_back(static_cast<uint32_t>(bytes_.size()));
        if (!tokens[id].empty() && tokens[id].size() <= kMaxTokenBytes) {
            bytes_ += tokens[id];
            sorted.push_back(id);
        }
    }
    begins_.push_back(static_cast<uint32_t>(bytes_.size()));
    std::ranges::sort(sorted,
                      [&](uint32_t a, uint32_t b) { return tokens[a] != tokens[b] ? tokens[a] < tokens[b] : a < b; });
    nodes_.push_back({});
    std::vector<uint32_t> open{0};  // the nodes on the way to the last token
    for (const uint32_t id : sorted) {
        const std::string& text = tokens[id];
        size_t common = 0;
        while (common + 1 < open.size() && common < text.size() &&
               static_cast<char>(nodes_[open[common + 1]].byte) == text[common]) {
            ++common;
        }
        open.resize(common + 1);
        for (size_t i = common; i < text.size(); ++i) {
            open.push_back(static_cast<uint32_t>(nodes_.size()));
            nodes_.push_back({0, static_cast<uint32_t>(order_.size()), 0, static_cast<uint16_t>(i + 1),
                              static_cast<uint8_t>(text[i])});
        }
        order_.push_back(static_cast<int32_t>(id));
    }
    nodes_.push_back({0, static_cast<uint32_t>(order_.size()), 0, 0, 0});
    finish_nodes();
}

/// From the back, so that what lies below a node is complete when its turn comes.
void TokenTrie::finish_nodes() {
    const auto last = static_cast<uint32_t>(nodes_.size() - 1);
    std::unordered_map<std::bitset<256>, uint32_t> known;
    nodes_[last].end = last;
    for (uint32_t i = last; i-- > 0;) {
        Node& node = nodes_[i];
        std::bitset<256> below;
        uint32_t at = i + 1;
        while (at < last && nodes_[at].depth > node.depth) {
            below |= sets_[nodes_[at].below];
            below.set(nodes_[at].byte);
            at = nodes_[at].end;
        }
        node.end = at;
        const auto [it, added] = known.emplace(below, static_cast<uint32_t>(sets_.size()));
        if (added) {
            sets_.push_back(below);
        }
        node.below = it->second;
    }
}

std::string_view TokenTrie::token_bytes(int32_t id) const {
    if (id < 0 || static_cast<size_t>(id) >= vocab_size_) {
        return {};
    }
    const auto i = static_cast<size_t>(id);
    return std::string_view(bytes_).substr(begins_[i], begins_[i + 1] - begins_[i]);
}

TokenMask TokenTrie::mask(Automaton& automaton, Automaton::State state, size_t max_states) const {
    TokenMask mask(vocab_size_);
    const auto last = static_cast<uint32_t>(nodes_.size() - 1);
    const auto take = [&](uint32_t from, uint32_t to) {
        for (uint32_t i = from; i < to; ++i) {
            mask.set(static_cast<size_t>(order_[i]));
        }
    };
    std::array<Automaton::State, kMaxTokenBytes + 1> states;  // by depth, on the way to the node
    states[0] = state;
    for (uint32_t i = 1; i < last;) {
        const Node& node = nodes_[i];
        if (node.depth <= 2 && automaton.state_count() > max_states) {
            break;
        }
        const Automaton::State from = states[node.depth - 1u];
        const Automaton::State to = automaton.next(from, node.byte);
        if (to == Automaton::kDead) {
            i = node.end;
            continue;
        }
        if (node.end > i + kWorthLooking && (sets_[node.below] & ~automaton.self_loop(to)).none()) {
            take(node.first_token, nodes_[node.end].first_token);
            i = node.end;
            continue;
        }
        take(node.first_token, nodes_[i + 1].first_token);
        states[node.depth] = to;
        ++i;
    }
    return mask;
}

}  // namespace gantry::grammar
