#pragma once

/// Automata put together: texts, other automata and free text in sequence, in choice and in loops.

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "runtime/grammar/automaton.hpp"

namespace gantry::grammar {

/// A small nondeterministic automaton whose edges are bytes, whole automata, or nothing. Built once, then handed over.
class Composite {
  public:
    using Node = uint32_t;

    Node add_node();
    void add_empty(Node from, Node to) { empty_.push_back({from, to}); }
    void add_text(Node from, std::string_view text, Node to);
    void add_automaton(Node from, std::unique_ptr<Automaton> part, Node to);
    /// Any text up to the end of the first of these texts that occurs (Aho and Corasick, 1975); ends[i] is where the
    /// i-th leads. The text before may also end by itself, at `stop`, if that is given. No text may be empty.
    void add_free_text(Node from, std::span<const std::string> texts, std::span<const Node> ends,
                       const Node* stop = nullptr);

    struct Edge {
        Node from = 0, to = 0;
    };
    struct ByteEdge {
        Node from = 0;
        uint8_t first = 0, last = 0;
        Node to = 0;
    };
    struct Part {
        Node from = 0, to = 0;
        std::unique_ptr<Automaton> automaton;
    };

    /// What leads from `start` to `end`. kInvalidArgument when nothing does.
    Result<std::unique_ptr<Automaton>> build(Node start, Node end) &&;

  private:
    void drop_dead_ends(Node end);

    Node nodes_ = 0;
    std::vector<Edge> empty_;
    std::vector<ByteEdge> bytes_;
    std::vector<Part> parts_;
};

}  // namespace gantry::grammar
