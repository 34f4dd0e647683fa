#pragma once

/// Guessed tokens that follow a sequence's last one, as a tree: several continuations are verified in one pass
/// (SpecInfer, arXiv:2305.09781). A chain is the simple case.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace gantry::engine {

struct DraftTree {
    static constexpr int32_t kRoot = -1;  ///< the sequence's last token

    std::vector<int32_t> tokens;
    std::vector<int32_t> parents;  ///< parallel: index into `tokens`, smaller than the node's own, or kRoot

    size_t size() const { return tokens.size(); }
    bool empty() const { return tokens.empty(); }
    bool is_chain() const {
        for (size_t i = 0; i < parents.size(); ++i) {
            if (parents[i] != static_cast<int32_t>(i) - 1) {
                return false;
            }
        }
        return true;
    }
    /// Returns the new node's index.
    int32_t add(int32_t parent, int32_t token) {
        tokens.push_back(token);
        parents.push_back(parent);
        return static_cast<int32_t>(tokens.size()) - 1;
    }
    /// The child of `parent` with this token.
    std::optional<int32_t> child(int32_t parent, int32_t token) const {
        for (auto i = static_cast<size_t>(parent + 1); i < tokens.size(); ++i) {
            if (parents[i] == parent && tokens[i] == token) {
                return static_cast<int32_t>(i);
            }
        }
        return std::nullopt;
    }
    /// Adds a continuation of the root, sharing the beginning that is there already, up to `limit` tokens in all.
    void merge(std::span<const int32_t> chain, size_t limit) {
        int32_t node = kRoot;
        for (int32_t token : chain) {
            const auto known = child(node, token);
            if (!known && tokens.size() >= limit) {
                return;
            }
            node = known ? *known : add(node, token);
        }
    }
    /// Keeps the first `count` nodes.
    void truncate(size_t count) {
        if (count < tokens.size()) {
            tokens.resize(count);
            parents.resize(count);
        }
    }
    /// Tokens between the root and the node, itself included.
    uint32_t depth(size_t node) const {
        uint32_t depth = 1;
        for (int32_t p = parents[node]; p != kRoot; p = parents[static_cast<size_t>(p)]) {
            ++depth;
        }
        return depth;
    }
};

}  // namespace gantry::engine
