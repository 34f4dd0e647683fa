#include "runtime/engine/best_of.hpp"

#include <algorithm>
#include <functional>
#include <utility>
#include <variant>

namespace gantry::engine {

void BestOf::keep(Event event) {
    if (auto* const delta = std::get_if<Delta>(&event)) {
        answers_.at(delta->index).deltas.push_back(std::move(*delta));
    } else if (auto* const finish = std::get_if<Finish>(&event)) {
        answers_.at(finish->index).finish = std::move(*finish);
    }
}

std::vector<Event> BestOf::best() {
    std::ranges::stable_sort(answers_, std::greater<>(), &Kept::logprob);
    std::vector<Event> out;
    for (uint32_t index = 0; index < std::min<size_t>(shown_, answers_.size()); ++index) {
        for (Delta& delta : answers_[index].deltas) {
            delta.index = index;
            out.emplace_back(std::move(delta));
        }
        answers_[index].finish.index = index;
        out.emplace_back(std::move(answers_[index].finish));
    }
    return out;
}

}  // namespace gantry::engine
