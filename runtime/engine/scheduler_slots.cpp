/// Scheduler: slots that are lent to guessed tokens.

#include <algorithm>

#include "runtime/engine/scheduler.hpp"

namespace gantry::engine {

uint32_t Scheduler::lend_slots(const StepItem& item, uint32_t count) {
    ScheduledSequence& s = *sequences_.at(item.id);
    const size_t used = size_t{item.context} + item.count;
    while (s.table.size() < blocks_.blocks_for(used + count) && blocks_.available() > 0) {
        s.table.push_back(*blocks_.allocate());
    }
    return static_cast<uint32_t>(std::min<size_t>(count, s.table.size() * blocks_.block_size() - used));
}

void Scheduler::accept(SequenceId id) {
    ScheduledSequence& s = *sequences_.at(id);
    fill(s, s.computed + 1);
}

void Scheduler::take_back(SequenceId id) {
    const auto it = sequences_.find(id);
    if (it == sequences_.end()) {
        return;
    }
    ScheduledSequence& s = *it->second;
    const size_t kept = blocks_.blocks_for(s.computed);
    if (kept < s.table.size()) {
        blocks_.release(std::span(s.table).subspan(kept));
        s.table.resize(kept);
    }
}

uint32_t Scheduler::slot(const ScheduledSequence& s, uint32_t position) const {
    const uint32_t block_size = blocks_.block_size();
    return s.table[position / block_size] * block_size + position % block_size;
}

}  // namespace gantry::engine
