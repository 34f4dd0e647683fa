#include "runtime/grammar/composite.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

namespace gantry::grammar {
namespace {

// Inside of a part behind which nothing comes, states are the part's own with these bits: it costs nothing there.
constexpr Automaton::State kTail = Automaton::State{1} << 31;
constexpr unsigned kTailShift = 26;
constexpr uint32_t kMaxTails = 16;
constexpr Composite::Node kNowhere = UINT32_MAX;

bool is_tail(Automaton::State state) { return (state & kTail) != 0; }
uint32_t tail_part(Automaton::State state) { return (state & ~kTail) >> kTailShift; }
Automaton::State tail_state(Automaton::State state) { return state & ((Automaton::State{1} << kTailShift) - 1); }

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
        for (const auto& part : parts_) {
            std::vector<Item> behind;
            add({part.to, 0}, behind);
            tails_.push_back(std::ranges::any_of(behind, [&](const Item& i) { return i.place == end_; }) &&
                             std::ranges::all_of(
                                 behind, [&](const Item& i) { return i.place < nodes_ && bytes_[i.place].empty(); }));
        }
        std::vector<Item> items;
        add({start, 0}, items);
        start_ = intern(std::move(items));
    }

    State start() override { return start_; }
    bool accepts(State state) override {
        return is_tail(state) ? part(state).accepts(tail_state(state)) : states_[state].accepting;
    }

    State next(State state, uint8_t byte) override {
        if (is_tail(state)) {
            const State to = part(state).next(tail_state(state), byte);
            return to == kDead ? kDead : tail(tail_part(state), to);
        }
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
        if (is_tail(state)) {
            return part(state).self_loop(tail_state(state));
        }
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

    PlainRun plain_run(State state, size_t limit) override {
        if (is_tail(state)) {
            return part(state).plain_run(tail_state(state), limit);
        }
        const std::vector<Item>& items = *states_[state].items;
        const bool inside = items.size() == 1 && items[0].place >= nodes_;
        return inside ? parts_[items[0].place - nodes_].automaton->plain_run(items[0].state, limit) : PlainRun();
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

    Automaton& part(State state) { return *parts_[tail_part(state)].automaton; }
    static State tail(uint32_t part, State state) { return kTail | (part << kTailShift) | state; }

    /// The only part that the text can be in, where all of the rest is its.
    std::optional<State> as_tail(const std::vector<Item>& items, bool accepting) {
        const auto inside = std::ranges::find_if(items, [&](const Item& i) { return i.place >= nodes_; });
        if (inside == items.end() || items.size() > (accepting ? 2U : 1U)) {
            return std::nullopt;
        }
        const uint32_t part = inside->place - nodes_;
        const bool fits = part < kMaxTails && inside->state < (State{1} << kTailShift);
        return fits && tails_[part] && parts_[part].automaton->accepts(inside->state) == accepting
                   ? std::optional(tail(part, inside->state))
                   : std::nullopt;
    }

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
        if (const auto tail = as_tail(items, accepting)) {
            return *tail;
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
    std::vector<bool> tails_;  ///< by part: only the end comes behind it
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

/// With kControl before what is a control token.
std::string Composite::marked(std::string_view text) const {
    std::string out;
    while (!text.empty()) {
        size_t length = 0;
        for (const std::string& control : controls_.texts) {
            length = text.starts_with(control) ? std::max(length, control.size()) : length;
        }
        out += length > 0 ? std::string(1, kControl) : std::string();
        length = std::max(length, size_t{1});
        out += text.substr(0, length);
        text.remove_prefix(length);
    }
    return out;
}

void Composite::add_text(Node from, std::string_view plain, Node to) {
    const std::string text = marked(plain);
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

void Composite::add_free_text(Node from, std::span<const std::string> texts, std::span<const Node> ends, FreeText how) {
    std::vector<std::string> spelled;
    const Node control = add_node();  // where a control token is possible
    for (size_t i = 0; i < texts.size(); ++i) {
        spelled.push_back(marked(texts[i]));
        if (spelled.back().front() == kControl) {
            spelled.back().erase(0, 1);
            add_text(control, texts[i], ends[i]);
        }
    }
    const Dictionary dictionary(spelled);
    std::vector<Node> nodes;
    for (const auto& node : dictionary.nodes) {
        nodes.push_back(add_node());
        for (const size_t found : node.found) {
            add_empty(nodes.back(), ends[found]);
        }
        if (node.found.empty()) {
            add_empty(nodes.back(), control);
            if (how.stop != nullptr) {
                add_empty(nodes.back(), *how.stop);
            }
        }
    }
    for (const std::string& text : how.controls ? controls_.free : std::vector<std::string>()) {
        if (std::ranges::none_of(texts, [&](const std::string& found) { return found.starts_with(text); })) {
            add_text(control, text, nodes[0]);
        }
    }
    const auto add_bytes = [&](Node node, const Dictionary::Node& edges, const auto& target) {
        for (size_t byte = 0; byte < 255;) {  // kControl is none
            const Node to = target(byte, edges.next[byte]);
            size_t last = byte;
            while (last < 254 && target(last + 1, edges.next[last + 1]) == to) {
                ++last;
            }
            if (to != kNowhere) {
                bytes_.push_back({node, static_cast<uint8_t>(byte), static_cast<uint8_t>(last), to});
            }
            byte = last + 1;
        }
    };
    for (size_t at = 0; at < nodes.size(); ++at) {
        if (dictionary.nodes[at].found.empty()) {
            add_bytes(nodes[at], dictionary.nodes[at], [&](size_t, uint32_t to) { return nodes[to]; });
        }
    }
    if (how.not_first.empty()) {
        add_empty(from, nodes[0]);
        return;
    }
    const Node entry = add_node();
    add_empty(from, entry);
    add_empty(entry, control);
    if (how.stop != nullptr) {
        add_empty(entry, *how.stop);
    }
    add_bytes(entry, dictionary.nodes[0], [&](size_t byte, uint32_t to) {
        const char c = static_cast<char>(byte);
        return how.not_first.find(c) != std::string_view::npos                 ? kNowhere
               : std::string_view(" \n\t\r").find(c) != std::string_view::npos ? entry
                                                                               : nodes[to];
    });
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
