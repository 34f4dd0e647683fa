#include <utility>
#include <vector>

#include "runtime/grammar/matcher.hpp"

namespace gantry::grammar {
namespace {

/// States below the marker's length are how much of it the text ends in; the others are the language's, moved up.
class AfterText final : public Automaton {
  public:
    AfterText(std::string marker, std::unique_ptr<Automaton> language)
        : marker_(std::move(marker)),
          length_(static_cast<State>(marker_.size())),
          table_(marker_.size() * 256),
          language_(std::move(language)) {
        // Knuth, Morris and Pratt's automaton; `restart` is where the text without its first byte would be.
        State restart = 0;
        for (State at = 0; at < length_; ++at) {
            for (size_t byte = 0; byte < 256; ++byte) {
                table_[at * size_t{256} + byte] = at == 0 ? 0 : table_[restart * size_t{256} + byte];
            }
            const auto wanted = static_cast<uint8_t>(marker_[at]);
            const State after = at == 0 ? 0 : table_[restart * size_t{256} + wanted];
            table_[at * size_t{256} + wanted] = at + 1;
            restart = after;
        }
        outside_.set().reset(static_cast<uint8_t>(marker_[0]));
    }

    State start() override { return 0; }
    State next(State state, uint8_t byte) override {
        if (state >= length_) {
            return lifted(language_->next(state - length_, byte));
        }
        const State to = table_[state * size_t{256} + byte];
        return to < length_ ? to : lifted(language_->start());
    }
    bool accepts(State state) override { return state >= length_ && language_->accepts(state - length_); }
    const std::bitset<256>& self_loop(State state) override {
        return state >= length_ ? language_->self_loop(state - length_) : state == 0 ? outside_ : nothing_;
    }
    size_t state_count() const override { return length_ + language_->state_count(); }

  private:
    State lifted(State state) const { return state == kDead ? kDead : state + length_; }

    std::string marker_;
    State length_;
    std::vector<State> table_;
    std::unique_ptr<Automaton> language_;
    std::bitset<256> outside_, nothing_;
};

}  // namespace

std::unique_ptr<Automaton> after_text_automaton(std::string marker, std::unique_ptr<Automaton> language) {
    return std::make_unique<AfterText>(std::move(marker), std::move(language));
}

}  // namespace gantry::grammar
