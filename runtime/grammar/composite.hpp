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

/// What texts are told of a vocabulary's control tokens.
struct ControlTexts {
    std::vector<std::string> texts;  ///< of tokens: where a text has one, the token must be written
    std::vector<std::string> free;   ///< of those, what free text may have anywhere
};

/// A small nondeterministic automaton whose edges are bytes, whole automata, or nothing. Built once, then handed over.
class Composite {
  public:
    using Node = uint32_t;

    Composite() = default;
    explicit Composite(ControlTexts controls) : controls_(std::move(controls)) {}

    Node add_node();
    void add_empty(Node from, Node to) { empty_.push_back({from, to}); }
    void add_text(Node from, std::string_view text, Node to);
    void add_automaton(Node from, std::unique_ptr<Automaton> part, Node to);
    struct FreeText {
        const Node* stop = nullptr;  ///< the text may also end by itself, here
        std::string_view not_first;  ///< characters that it may not begin with, white space aside
        bool controls = false;       ///< it may have ControlTexts::free
    };
    /// Any text up to the end of the first of these texts that occurs (Aho and Corasick, 1975); ends[i] is where the
    /// i-th leads. One that begins with a control token's text is found spelled out as well. No text may be empty.
    void add_free_text(Node from, std::span<const std::string> texts, std::span<const Node> ends, FreeText how);

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
    std::string marked(std::string_view text) const;

    ControlTexts controls_;
    Node nodes_ = 0;
    std::vector<Edge> empty_;
    std::vector<ByteEdge> bytes_;
    std::vector<Part> parts_;
};

}  // namespace gantry::grammar
