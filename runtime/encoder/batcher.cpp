#include "runtime/encoder/batcher.hpp"

#include <algorithm>
#include <numeric>

namespace gantry::encoder {

void Batcher::add(uint64_t request, int32_t kind, std::span<const uint32_t> lengths, int32_t priority,
                  std::string_view key, engine::TimePoint arrival) {
    Waiting waiting;
    waiting.entry = {engine::Rank::of(request, priority, arrival, ageing_), shares_.enter(key), arrival};
    waiting.kind = kind;
    waiting.lengths.assign(lengths.begin(), lengths.end());
    tokens_ += std::accumulate(lengths.begin(), lengths.end(), uint64_t{0});
    queue_.push(waiting.entry);
    waiting_.emplace(request, std::move(waiting));
}

void Batcher::cancel(uint64_t request) {
    if (waiting_.contains(request)) {
        remove(request);
    }
}

void Batcher::remove(uint64_t request) {
    const auto found = waiting_.find(request);
    const Waiting& waiting = found->second;
    for (size_t i = waiting.next; i < waiting.lengths.size(); ++i) {
        tokens_ -= waiting.lengths[i];
    }
    queue_.erase(waiting.entry);
    shares_.leave(waiting.entry.key);
    waiting_.erase(found);
}

std::vector<Slot> Batcher::next(engine::TimePoint now) {
    std::vector<Slot> step;
    uint64_t tokens = 0;
    while (!queue_.empty() && step.size() < limits_.sequences) {
        const uint64_t request = queue_.next(now);
        Waiting& first = waiting_.at(request);
        const uint32_t length = first.lengths[first.next];
        if (step.empty()) {
            kind_ = first.kind;
        } else if (first.kind != kind_ || tokens + length > limits_.tokens) {
            break;
        }
        step.push_back({request, static_cast<uint32_t>(first.next), length});
        tokens += length;
        tokens_ -= length;
        shares_.charge(first.entry.key, length);
        if (++first.next == first.lengths.size()) {
            remove(request);
        }
    }
    std::ranges::stable_sort(step, std::ranges::greater{}, &Slot::tokens);
    return step;
}

}  // namespace gantry::encoder
