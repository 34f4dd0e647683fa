// Runs a Program. A position in a text is a set of (program state, stack of states to return to); the deterministic
// state is that set in one canonical form, so that equal sets are the same number.
//
// All stacks of one program state are kept together as a trie node: from the top of the stack, each return state leads
// to one node for what may lie below it. Nodes are interned, so a node is its number, sets of stacks are merged node by
// node, and a long chain is shared by all that stand on it. A call at the very end of a rule pushes nothing, which
// keeps right-recursive lists flat; left recursion has been taken out of the program.

#include <algorithm>
#include <array>
#include <memory>
#include <unordered_map>
#include <utility>

#include "runtime/grammar/program.hpp"

namespace gantry::grammar {
namespace {

using NodeId = uint32_t;

/// Nesting deeper than this is not allowed: a bound on memory and on the depth of merge().
constexpr uint32_t kMaxDepth = 2000;

struct VectorHash {
    size_t operator()(const std::vector<uint64_t>& v) const {
        uint64_t h = 0x9e3779b97f4a7c15u + v.size();
        for (const uint64_t x : v) {
            h = (h ^ x) * 0xff51afd7ed558ccdu;
            h ^= h >> 32;
        }
        return h;
    }
};

constexpr uint64_t pack(uint32_t high, uint32_t low) { return (uint64_t{high} << 32) | low; }
constexpr uint32_t high_of(uint64_t v) { return static_cast<uint32_t>(v >> 32); }
constexpr uint32_t low_of(uint64_t v) { return static_cast<uint32_t>(v); }

/// Sets of stacks.
class Stacks {
  public:
    /// Marks that the bottom may lie here: the whole text may end.
    static constexpr uint64_t kBottom = ~uint64_t{0};

    Stacks() : empty_(intern({kBottom})) {}

    /// The set of the empty stack.
    NodeId empty() const { return empty_; }
    /// (return state, node below) packed, sorted; kBottom last.
    const std::vector<uint64_t>& entries(NodeId node) const { return *nodes_[node].entries; }
    uint32_t depth(NodeId node) const { return nodes_[node].depth; }
    NodeId push(NodeId below, uint32_t back) { return intern({pack(back, below)}); }

    NodeId merge(NodeId a, NodeId b) {
        if (a == b) {
            return a;
        }
        const uint64_t key = pack(std::min(a, b), std::max(a, b));
        if (const auto it = merged_.find(key); it != merged_.end()) {
            return it->second;
        }
        std::vector<uint64_t> out;
        const std::vector<uint64_t>& left = entries(a);
        const std::vector<uint64_t>& right = entries(b);
        size_t i = 0, j = 0;
        while (i < left.size() || j < right.size()) {
            const uint64_t l = i < left.size() ? left[i] : kBottom;
            const uint64_t r = j < right.size() ? right[j] : kBottom;
            if (i < left.size() && j < right.size() && high_of(l) == high_of(r)) {
                out.push_back(l == r ? l : pack(high_of(l), merge(low_of(l), low_of(r))));
                ++i, ++j;
            } else if (j == right.size() || (i < left.size() && l < r)) {
                out.push_back(l);
                ++i;
            } else {
                out.push_back(r);
                ++j;
            }
        }
        const NodeId node = intern(std::move(out));
        merged_.emplace(key, node);
        return node;
    }

  private:
    struct Node {
        const std::vector<uint64_t>* entries;  ///< a key of known_
        uint32_t depth;
    };

    NodeId intern(std::vector<uint64_t> entries) {
        const auto [it, added] = known_.try_emplace(std::move(entries), static_cast<NodeId>(nodes_.size()));
        if (added) {
            uint32_t depth = 0;
            for (const uint64_t entry : it->first) {
                depth = entry == kBottom ? depth : std::max(depth, nodes_[low_of(entry)].depth + 1);
            }
            nodes_.push_back({&it->first, depth});
        }
        return it->second;
    }

    std::unordered_map<std::vector<uint64_t>, NodeId, VectorHash> known_;
    std::vector<Node> nodes_;
    std::unordered_map<uint64_t, NodeId> merged_;
    NodeId empty_;
};

class PushdownAutomaton final : public Automaton {
  public:
    explicit PushdownAutomaton(Program program) : program_(std::move(program)) {
        find_classes();
        node_of_.assign(program_.states.size(), kNone);
        for (uint32_t s = 0; s < program_.states.size(); ++s) {
            loops_.push_back(
                std::ranges::any_of(program_.states[s].bytes, [&](const ByteEdge& e) { return e.target == s; }));
        }
        if (program_.has_start) {
            add(program_.start, stacks_.empty());
        }
        accepting_ = program_.accepts_empty;
        start_ = close();
    }

    State start() override { return start_; }
    bool accepts(State state) override { return states_[state].accepting; }
    size_t state_count() const override { return states_.size(); }

    State next(State state, uint8_t byte) override {
        const uint8_t c = class_of_[byte];
        const State known = transitions_[size_t{state} * class_bytes_.size() + c];
        return known != kUnknown ? known : make_next(state, c);
    }

    const std::bitset<256>& self_loop(State state) override {
        const StateData& data = states_[state];
        if (!data.loops) {
            return kNoBytes;
        }
        if (const auto it = self_loops_.find(state); it != self_loops_.end()) {
            return it->second;
        }
        std::vector<bool> loops;
        for (const uint8_t byte : class_bytes_) {
            loops.push_back(next(state, byte) == state);
        }
        std::bitset<256> out;
        for (size_t b = 0; b < 256; ++b) {
            out[b] = loops[class_of_[b]];
        }
        return self_loops_.emplace(state, out).first->second;
    }

  private:
    static constexpr NodeId kNone = UINT32_MAX;
    static constexpr State kUnknown = UINT32_MAX - 1;
    static inline const std::bitset<256> kNoBytes;

    struct StateData {
        const std::vector<uint64_t>* items;  ///< (program state with byte edges, node); a key of known_
        bool accepting;
        bool loops;
    };

    /// Bytes that no edge tells apart share a class.
    void find_classes() {
        std::bitset<257> borders;
        for (const ProgramState& s : program_.states) {
            for (const ByteEdge& edge : s.bytes) {
                borders.set(edge.from);
                borders.set(edge.to + size_t{1});
            }
        }
        for (size_t b = 0; b < 256; ++b) {
            if (b == 0 || borders[b]) {
                class_bytes_.push_back(static_cast<uint8_t>(b));
            }
            class_of_[b] = static_cast<uint8_t>(class_bytes_.size() - 1);
        }
    }

    void add(uint32_t state, NodeId node) {
        NodeId& known = node_of_[state];
        const NodeId merged = known == kNone ? node : stacks_.merge(known, node);
        if (merged == known) {
            return;
        }
        if (known == kNone) {
            touched_.push_back(state);
        }
        known = merged;
        todo_.push_back(state);
    }

    /// Closes what was added over calls and returns, and makes it a state.
    State close() {
        while (!todo_.empty()) {
            const uint32_t state = todo_.back();
            todo_.pop_back();
            const NodeId node = node_of_[state];
            const ProgramState& s = program_.states[state];
            for (const CallEdge& call : s.calls) {
                if (program_.states[call.back].only_final()) {
                    add(call.entry, node);
                } else if (stacks_.depth(node) < kMaxDepth) {
                    add(call.entry, stacks_.push(node, call.back));
                }
            }
            if (s.final) {
                for (const uint64_t entry : stacks_.entries(node)) {
                    if (entry == Stacks::kBottom) {
                        accepting_ = true;
                    } else {
                        add(high_of(entry), low_of(entry));
                    }
                }
            }
        }
        std::vector<uint64_t> items;
        bool loops = false;
        for (const uint32_t state : touched_) {
            if (!program_.states[state].bytes.empty()) {
                items.push_back(pack(state, node_of_[state]));
                loops = loops || loops_[state];
            }
            node_of_[state] = kNone;
        }
        touched_.clear();
        const bool accepting = std::exchange(accepting_, false);
        if (items.empty() && !accepting) {
            return kDead;
        }
        std::ranges::sort(items);
        items.push_back(accepting ? 1 : 0);
        const auto [it, added] = known_.try_emplace(std::move(items), static_cast<State>(states_.size()));
        if (added) {
            states_.push_back({&it->first, accepting, loops});
            transitions_.resize(transitions_.size() + class_bytes_.size(), kUnknown);
        }
        return it->second;
    }

    State make_next(State state, uint8_t byte_class) {
        const uint8_t byte = class_bytes_[byte_class];
        const std::vector<uint64_t>& items = *states_[state].items;
        for (size_t i = 0; i + 1 < items.size(); ++i) {
            for (const ByteEdge& edge : program_.states[high_of(items[i])].bytes) {
                if (edge.from <= byte && byte <= edge.to) {
                    add(edge.target, low_of(items[i]));
                }
            }
        }
        const State to = close();
        transitions_[size_t{state} * class_bytes_.size() + byte_class] = to;
        return to;
    }

    Program program_;
    std::array<uint8_t, 256> class_of_{};
    std::vector<uint8_t> class_bytes_;  ///< one byte of each class
    std::vector<bool> loops_;           ///< program states with an edge to themselves
    Stacks stacks_;
    std::unordered_map<std::vector<uint64_t>, State, VectorHash> known_;
    std::vector<StateData> states_;
    std::vector<State> transitions_;  ///< by state and class
    std::unordered_map<State, std::bitset<256>> self_loops_;
    State start_ = kDead;
    // Of the state that is being made:
    std::vector<NodeId> node_of_;
    std::vector<uint32_t> touched_, todo_;
    bool accepting_ = false;
};

}  // namespace

Result<std::unique_ptr<Automaton>> rules_automaton(const Rules& rules, RuleId start) {
    GANTRY_TRY(Program program, build_program(rules, start));
    return std::make_unique<PushdownAutomaton>(std::move(program));
}

}  // namespace gantry::grammar
