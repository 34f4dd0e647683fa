#include "runtime/grammar/token_trie.hpp"

#include <utf8proc.h>

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

/// Whether characters of UTF-8 begin with these bytes, which are none by themselves.
bool begins_character(std::string_view bytes) {
    const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
    const uint8_t lead = at(0);
    if (lead < 0xC2 || lead > 0xF4 || bytes.size() >= (lead >= 0xF0 ? 4u : lead >= 0xE0 ? 3u : 2u)) {
        return false;
    }
    // Overlong forms, surrogates and what is beyond U+10FFFF show in the second byte.
    const uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    return (bytes.size() < 2 || (at(1) >= low && at(1) <= high)) && (bytes.size() < 3 || (at(2) & 0xC0) == 0x80);
}

/// A plain token's characters, the last one perhaps cut short; 0 where it is not plain.
size_t plain_length(std::string_view token) {
    size_t characters = 0;
    for (size_t i = 0; i < token.size(); ++characters) {
        utf8proc_int32_t c = 0;
        const auto taken = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(token.data()) + i,
                                            static_cast<utf8proc_ssize_t>(token.size() - i), &c);
        if (taken <= 0) {
            return begins_character(token.substr(i)) ? characters + 1 : 0;
        }
        if (c < 0x20 || c == '"' || c == '\\') {
            return 0;
        }
        i += static_cast<size_t>(taken);
    }
    return characters;
}

}  // namespace

bool TokenMask::none() const {
    return std::ranges::all_of(words_, [](uint32_t w) { return w == 0; });
}

size_t TokenMask::count() const {
    return std::accumulate(words_.begin(), words_.end(), size_t{0},
                           [](size_t sum, uint32_t w) { return sum + static_cast<size_t>(std::popcount(w)); });
}

TokenTrie::TokenTrie(std::vector<std::string> tokens) : vocab_size_(tokens.size()), plain_(tokens.size()) {
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
    all_ = build(sorted);
    std::erase_if(sorted, [&](uint32_t id) {
        const size_t length = plain_length(tokens[id]);
        if (length > 0) {
            plain_.set(id);
            lengths_.emplace_back(static_cast<uint16_t>(length), static_cast<int32_t>(id));
        }
        return length > 0;
    });
    marked_ = build(sorted);
    std::ranges::sort(lengths_);
}

TokenTrie::Tree TokenTrie::build(const std::vector<uint32_t>& sorted) const {
    Tree tree;
    tree.nodes.push_back({});
    std::vector<uint32_t> open{0};  // the nodes on the way to the last token
    for (const uint32_t id : sorted) {
        const std::string_view text = token_bytes(static_cast<int32_t>(id));
        size_t common = 0;
        while (common + 1 < open.size() && common < text.size() &&
               static_cast<char>(tree.nodes[open[common + 1]].byte) == text[common]) {
            ++common;
        }
        open.resize(common + 1);
        for (size_t i = common; i < text.size(); ++i) {
            open.push_back(static_cast<uint32_t>(tree.nodes.size()));
            tree.nodes.push_back({0, static_cast<uint32_t>(tree.order.size()), 0, static_cast<uint16_t>(i + 1),
                                  static_cast<uint8_t>(text[i])});
        }
        tree.order.push_back(static_cast<int32_t>(id));
    }
    tree.nodes.push_back({0, static_cast<uint32_t>(tree.order.size()), 0, 0, 0});
    finish_nodes(tree);
    return tree;
}

/// From the back, so that what lies below a node is complete when its turn comes.
void TokenTrie::finish_nodes(Tree& tree) {
    const auto last = static_cast<uint32_t>(tree.nodes.size() - 1);
    std::unordered_map<std::bitset<256>, uint32_t> known;
    tree.nodes[last].end = last;
    for (uint32_t i = last; i-- > 0;) {
        Node& node = tree.nodes[i];
        std::bitset<256> below;
        uint32_t at = i + 1;
        while (at < last && tree.nodes[at].depth > node.depth) {
            below |= tree.sets[tree.nodes[at].below];
            below.set(tree.nodes[at].byte);
            at = tree.nodes[at].end;
        }
        node.end = at;
        const auto [it, added] = known.emplace(below, static_cast<uint32_t>(tree.sets.size()));
        if (added) {
            tree.sets.push_back(below);
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
    const bool started = start_plain(automaton, state, mask);
    walk(started ? marked_ : all_, automaton, state, max_states, mask);
    return mask;
}

/// Takes the plain tokens that may come, where the automaton knows them without reading any. Else false, and the mask
/// is as it was.
bool TokenTrie::start_plain(Automaton& automaton, Automaton::State state, TokenMask& mask) const {
    if (lengths_.empty()) {
        return false;
    }
    const size_t longest = lengths_.back().first;
    const auto run = automaton.plain_run(state, longest);
    if (run.characters < longest && !run.exact) {
        return false;
    }
    const auto too_long = std::ranges::upper_bound(lengths_, run.characters, {}, [](const auto& l) { return l.first; });
    if (too_long - lengths_.begin() > lengths_.end() - too_long) {
        mask = plain_;
        std::for_each(too_long, lengths_.end(), [&](const auto& l) { mask.reset(static_cast<size_t>(l.second)); });
    } else {
        std::for_each(lengths_.begin(), too_long, [&](const auto& l) { mask.set(static_cast<size_t>(l.second)); });
    }
    return true;
}

void TokenTrie::walk(const Tree& tree, Automaton& automaton, Automaton::State state, size_t max_states,
                     TokenMask& mask) {
    const std::vector<Node>& nodes = tree.nodes;
    const auto last = static_cast<uint32_t>(nodes.size() - 1);
    const auto take = [&](uint32_t from, uint32_t to) {
        for (uint32_t i = from; i < to; ++i) {
            mask.set(static_cast<size_t>(tree.order[i]));
        }
    };
    std::array<Automaton::State, kMaxTokenBytes + 1> states;  // by depth, on the way to the node
    states[0] = state;
    for (uint32_t i = 1; i < last;) {
        const Node& node = nodes[i];
        if (node.depth <= 2 && automaton.state_count() > max_states) {
            break;
        }
        const Automaton::State from = states[node.depth - 1u];
        const Automaton::State to = automaton.next(from, node.byte);
        if (to == Automaton::kDead) {
            i = node.end;
            continue;
        }
        if (node.end > i + kWorthLooking && (tree.sets[node.below] & ~automaton.self_loop(to)).none()) {
            take(node.first_token, nodes[node.end].first_token);
            i = node.end;
            continue;
        }
        take(node.first_token, nodes[i + 1].first_token);
        states[node.depth] = to;
        ++i;
    }
}

}  // namespace gantry::grammar
