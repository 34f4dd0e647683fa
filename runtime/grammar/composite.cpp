#include "runtime/grammar/composite.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>
#include <utility>

namespace gantry::grammar {
namespace {

/// A place: a node, or behind them, one for each part, inside that part; then `state` is the part's.
struct Item {
    uint32_t place = 0;
    Automaton::State state = 0;
    auto operator<=>(const Item&) const = default;
};

class CompositeAutomaton final : public Automaton {
  public:
    CompositeAutomaton(uint32_t nodes, const std::vector<Composite::Edge>& empty,
                       const std::vector<Composite::ByteEdge>& bytes, std::vector<Composite::Part> parts,
                       uint32_t start, uint32_t end)
        : nodes_(nodes), end_(end), empty_(nodes), bytes_(nodes), parts_of_(nodes), parts_(std::move(parts)) {
        for (const auto& edge : empty) {
            empty_[edge.from].push_back(edge.to);
        }
        for (const auto& edge : bytes) {
            bytes_[edge.from].push_back(edge);
        }
        for (uint32_t p = 0; p < parts_.size(); ++p) {
            parts_of_[parts_[p].from].push_back(p);
        }
        std::vector<Item> items;
        add({start, 0}, items);
        start_ = intern(std::move(items));
    }

    State start() override { return start_; }
    bool accepts(State state) override { return states_[state].accepting; }

    State next(State state, uint8_t byte) override {
        const State known = (*states_[state].next)[byte];
        if (known != kUnknown) {
            return known;
        }
        std::vector<Item> items;
        for (const Item& item : *states_[state].items) {
            if (item.place >= nodes_) {
                const State inner = parts_[item.place - nodes_].automaton->next(item.state, byte);
                if (inner != kDead) {
                    add({item.place, inner}, items);
                }
                continue;
            }
            for (const auto& edge : bytes_[item.place]) {
                if (edge.first <= byte && byte <= edge.last) {
                    add({edge.to, 0}, items);
                }
            }
        }
        const State to = intern(std::move(items));
        (*states_[state].next)[byte] = to;
        return to;
    }

    const std::bitset<256>& self_loop(State state) override {
        const std::vector<Item>& items = *states_[state].items;
        if (items.size() == 1 && items[0].place >= nodes_) {
            return parts_[items[0].place - nodes_].automaton->self_loop(items[0].state);
        }
        const auto [it, added] = loops_.try_emplace(state);
        if (added) {
            std::bitset<256> loop;
            for (size_t byte = 0; byte < 256; ++byte) {
                loop[byte] = next(state, static_cast<uint8_t>(byte)) == state;
            }
            it->second = loop;
        }
        return it->second;
    }

    size_t state_count() const override {
        size_t sum = states_.size() * 4;  // its own are that much larger than others
        for (const auto& part : parts_) {
            sum += part.automaton->state_count();
        }
        return sum;
    }

  private:
    static constexpr State kUnknown = UINT32_MAX - 1;

    struct StateData {
        const std::vector<Item>* items;  ///< a key of known_
        bool accepting;
        std::unique_ptr<std::array<State, 256>> next;
    };

    void add(Item item, std::vector<Item>& items) {
        if (std::ranges::find(items, item) != items.end()) {
            return;
        }
        items.push_back(item);
        if (item.place >= nodes_) {
            const auto& part = parts_[item.place - nodes_];
            if (part.automaton->accepts(item.state)) {
                add({part.to, 0}, items);
            }
            return;
        }
        for (const uint32_t to : empty_[item.place]) {
            add({to, 0}, items);
        }
        for (const uint32_t part : parts_of_[item.place]) {
            add({nodes_ + part, parts_[part].automaton->start()}, items);
        }
    }

    State intern(std::vector<Item> items) {
        const bool accepting = std::ranges::find(items, Item{end_, 0}) != items.end();
        std::erase_if(items,
                      [&](const Item& i) { return i.place < nodes_ && i.place != end_ && bytes_[i.place].empty(); });
        if (items.empty()) {
            return kDead;
        }
        std::ranges::sort(items);
        const auto [it, added] = known_.try_emplace(std::move(items), static_cast<State>(states_.size()));
        if (added) {
            auto table = std::make_unique<std::array<State, 256>>();
            table->fill(kUnknown);
            states_.push_back({&it->first, accepting, std::move(table)});
        }
        return it->second;
    }

    uint32_t nodes_, end_;
    std::vector<std::vector<uint32_t>> empty_;
    std::vector<std::vector<Composite::ByteEdge>> bytes_;
    std::vector<std::vector<uint32_t>> parts_of_;
    std::vector<Composite::Part> parts_;
    std::map<std::vector<Item>, State> known_;
    std::vector<StateData> states_;
    std::unordered_map<State, std::bitset<256>> loops_;
    State start_ = kDead;
};

/// The automaton of "which text does what has been read so far end in".
struct Dictionary {
    struct Node {
        std::array<uint32_t, 256> next{};
        uint32_t shorter = 0;  ///< the longest proper end that is a node too
        std::vector<size_t> found;
    };
    std::vector<Node> nodes{1};

    explicit Dictionary(std::span<const std::string> texts) {
        for (size_t i = 0; i < texts.size(); ++i) {
            uint32_t at = 0;
            for (const char c : texts[i]) {
                uint32_t to = nodes[at].next[static_cast<uint8_t>(c)];
                if (to == 0) {
                    to = static_cast<uint32_t>(nodes.size());
                    nodes[at].next[static_cast<uint8_t>(c)] = to;
                    nodes.emplace_back();
                }
                at = to;
            }
            nodes[at].found.push_back(i);
        }
        std::vector<uint32_t> order{0};
        for (size_t i = 0; i < order.size(); ++i) {
            const uint32_t at = order[i];
            for (size_t byte = 0; byte < 256; ++byte) {
                const uint32_t to = nodes[at].next[byte];
                const uint32_t other = at == 0 ? 0 : nodes[nodes[at].shorter].next[byte];
                if (to == 0) {
                    nodes[at].next[byte] = other;
                    continue;
                }
                nodes[to].shorter = other;
                const auto& inherited = nodes[other].found;
                nodes[to].found.insert(nodes[to].found.end(), inherited.begin(), inherited.end());
                order.push_back(to);
            }
        }
    }
};

}  // namespace

Composite::Node Composite::add_node() { return nodes_++; }

void Composite::add_text(Node from, std::string_view text, Node to) {
    Node at = from;
    for (size_t i = 0; i < text.size(); ++i) {
        const Node next = i + 1 == text.size() ? to : add_node();
        const auto byte = static_cast<uint8_t>(text[i]);
        bytes_.push_back({at, byte, byte, next});
        at = next;
    }
    if (text.empty()) {
        add_empty(from, to);
    }
}

void Composite::add_automaton(Node from, std::unique_ptr<Automaton> part, Node to) {
    parts_.push_back({from, to, std::move(part)});
}

void Composite::add_free_text(Node from, std::span<const std::string> texts, std::span<const Node> ends,
                              const Node* stop) {
    const Dictionary dictionary(texts);
    std::vector<Node> nodes;
    for (const auto& node : dictionary.nodes) {
        nodes.push_back(add_node());
        for (const size_t found : node.found) {
            add_empty(nodes.back(), ends[found]);
        }
        if (stop != nullptr && node.found.empty()) {
            add_empty(nodes.back(), *stop);
        }
    }
    add_empty(from, nodes[0]);
    for (size_t at = 0; at < nodes.size(); ++at) {
        const auto& node = dictionary.nodes[at];
        for (size_t byte = 0; byte < 256 && node.found.empty();) {
            size_t last = byte;
            while (last + 1 < 256 && node.next[last + 1] == node.next[byte]) {
                ++last;
            }
            bytes_.push_back(
                {nodes[at], static_cast<uint8_t>(byte), static_cast<uint8_t>(last), nodes[node.next[byte]]});
            byte = last + 1;
        }
    }
}

void Composite::drop_dead_ends(Node end) {
    std::vector<bool> live(nodes_);
    live[end] = true;
    for (bool changed = true; changed;) {
        changed = false;
        const auto follow = [&](Node from, Node to) {
            if (live[to] && !live[from]) {
                live[from] = changed = true;
            }
        };
        for (const auto& edge : empty_) {
            follow(edge.from, edge.to);
        }
        for (const auto& edge : bytes_) {
            follow(edge.from, edge.to);
        }
        for (const auto& part : parts_) {
            if (part.automaton->start() != Automaton::kDead) {
                follow(part.from, part.to);
            }
        }
    }
    std::erase_if(empty_, [&](const Edge& e) { return !live[e.to]; });
    std::erase_if(bytes_, [&](const ByteEdge& e) { return !live[e.to]; });
    std::erase_if(parts_, [&](const Part& p) { return !live[p.to] || p.automaton->start() == Automaton::kDead; });
}

Result<std::unique_ptr<Automaton>> Composite::build(Node start, Node end) && {
    drop_dead_ends(end);
    auto out = std::make_unique<CompositeAutomaton>(nodes_, empty_, bytes_, std::move(parts_), start, end);
    if (out->start() == Automaton::kDead) {
        return Error{Code::kInvalidArgument, "no text has this form"};
    }
    return out;
}

}  // namespace gantry::grammar
