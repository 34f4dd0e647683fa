#include "runtime/text/tokenizer/trie.hpp"

#include <algorithm>

namespace gantry::text::tok {

Trie::Trie(std::vector<std::pair<std::string_view, int32_t>> keys) {
    std::erase_if(keys, [](const auto& key) { return key.first.empty(); });
    std::ranges::stable_sort(keys, {}, [](const auto& key) { return key.first; });
    nodes_.emplace_back();
    // Breadth first: every node of a depth gets its children before the next depth begins, so that siblings are
    // adjacent.
    struct Work {
        uint32_t node;
        size_t begin, end, depth;  ///< keys[begin, end) share their first `depth` bytes
    };
    std::vector<Work> works{{0, 0, keys.size(), 0}};
    for (size_t w = 0; w < works.size(); ++w) {
        Work work = works[w];
        while (work.begin < work.end && keys[work.begin].first.size() == work.depth) {
            nodes_[work.node].value = keys[work.begin++].second;
        }
        nodes_[work.node].children = static_cast<uint32_t>(nodes_.size());
        while (work.begin < work.end) {
            const char label = keys[work.begin].first[work.depth];
            size_t end = work.begin;
            while (end < work.end && keys[end].first[work.depth] == label) ++end;
            works.push_back({static_cast<uint32_t>(nodes_.size()), work.begin, end, work.depth + 1});
            nodes_.push_back({0, -1, 0, static_cast<uint8_t>(label)});
            ++nodes_[work.node].count;
            work.begin = end;
        }
    }
}

uint32_t Trie::child(uint32_t node, uint8_t label) const {
    const Node* const first = nodes_.data() + nodes_[node].children;
    const Node* const last = first + nodes_[node].count;
    const Node* const it = std::lower_bound(first, last, label, [](const Node& n, uint8_t l) { return n.label < l; });
    return it != last && it->label == label ? static_cast<uint32_t>(it - nodes_.data()) : 0;
}

}  // namespace gantry::text::tok
