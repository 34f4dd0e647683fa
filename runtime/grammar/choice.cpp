#include "runtime/grammar/choice.hpp"

#include <map>
#include <vector>

namespace gantry::grammar {
namespace {

constexpr size_t kMaxBytes = size_t{1} << 20;

/// The trie of the texts: its nodes are the states.
class ChoiceAutomaton final : public Automaton {
  public:
    ChoiceAutomaton() { add_node(); }

    void add(std::string_view text) {
        State at = 0;
        for (const char c : text) {
            const auto [it, added] = edges_.try_emplace({at, static_cast<uint8_t>(c)}, 0);
            if (added) {
                it->second = add_node();
            }
            at = it->second;
        }
        accepting_[at] = true;
    }

    State start() override { return 0; }
    State next(State state, uint8_t byte) override {
        const auto it = edges_.find({state, byte});
        return it == edges_.end() ? kDead : it->second;
    }
    bool accepts(State state) override { return accepting_[state]; }
    size_t state_count() const override { return accepting_.size(); }

  private:
    State add_node() {
        accepting_.push_back(false);
        return static_cast<State>(accepting_.size() - 1);
    }

    std::vector<bool> accepting_;
    std::map<std::pair<State, uint8_t>, State> edges_;
};

}  // namespace

Result<std::unique_ptr<Automaton>> choice_automaton(std::span<const std::string> choices) {
    if (choices.empty()) {
        return Error{Code::kInvalidArgument, "the list of choices is empty", "give at least one text"};
    }
    auto automaton = std::make_unique<ChoiceAutomaton>();
    size_t bytes = 0;
    for (size_t i = 0; i < choices.size(); ++i) {
        bytes += choices[i].size();
        if (choices[i].empty() || bytes > kMaxBytes) {
            return Error{Code::kInvalidArgument,
                         "choice " + std::to_string(i) +
                             (choices[i].empty() ? " is an empty text" : " exceeds 1 MiB of choices")};
        }
        automaton->add(choices[i]);
    }
    return automaton;
}

}  // namespace gantry::grammar
