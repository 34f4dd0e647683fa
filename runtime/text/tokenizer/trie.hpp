#pragma once

/// A packed byte trie over a list of keys: the children of a node are neighbours, sorted by byte.

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace gantry::text::tok {

class Trie {
  public:
    Trie() = default;
    /// Keys need not be sorted; of equal keys the last counts. Values are not negative. Empty keys are left out.
    explicit Trie(std::vector<std::pair<std::string_view, int32_t>> keys);

    bool empty() const { return nodes_.size() <= 1; }

    /// Calls found(length, value) for every key that `text` begins with, shortest first.
    template <class F>
    void prefixes(std::string_view text, F found) const {
        uint32_t node = 0;
        for (size_t i = 0; i < text.size(); ++i) {
            node = child(node, static_cast<uint8_t>(text[i]));
            if (node == 0) return;
            if (nodes_[node].value >= 0) found(i + 1, nodes_[node].value);
        }
    }

    /// Whether any key begins with this byte.
    bool starts(uint8_t byte) const { return !nodes_.empty() && child(0, byte) != 0; }

  private:
    struct Node {
        uint32_t children = 0;  ///< index of the first
        int32_t value = -1;
        uint16_t count = 0;
        uint8_t label = 0;
    };
    /// 0, the root, for none.
    uint32_t child(uint32_t node, uint8_t label) const;

    std::vector<Node> nodes_;
};

}  // namespace gantry::text::tok
