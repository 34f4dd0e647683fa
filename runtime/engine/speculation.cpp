#include "runtime/engine/speculation.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace gantry::engine {
namespace {

constexpr uint32_t kProbeTokens = 2;
constexpr double kNewDraftWeight = 0.1;

}  // namespace

Speculation::Speculation(const ModelLimits& limits, const Options& options, Scheduler& scheduler)
    : trees_((limits.features & GANTRY_CAUSAL_LM_TREE) != 0),
      max_rows_(limits.max_logit_rows),
      options_(options),
      scheduler_(scheduler) {}

Speculation::Track& Speculation::track(SequenceId id, const Wish& wish) {
    const auto [it, added] = tracks_.try_emplace(id);
    Track& t = it->second;
    if (added) {
        t.drafter = wish.drafter;
        t.acceptance = usual_.try_emplace(wish.drafter).first->second;
        const auto& tokens = scheduler_.at(id).tokens;
        t.drafter->begin(id, wish.hint, tokens);
        t.told = tokens.size();
    }
    return t;
}

void Speculation::tell(SequenceId id, Track& t) {
    const std::span<const int32_t> tokens = scheduler_.at(id).tokens;
    if (t.told > tokens.size()) {
        t.drafter->begin(id, {}, tokens);  // the sequence has started over with a part of its text
    } else {
        t.drafter->append(id, tokens.subspan(t.told));
    }
    t.told = tokens.size();
}

std::vector<Speculation::Chosen> Speculation::choose(const StepPlan& plan,
                                                     const std::function<Wish(SequenceId)>& wish) {
    uint32_t tokens = 0, rows = 0;
    std::vector<Chosen> chosen;
    std::vector<DraftCandidate> candidates;
    for (size_t i = 0; i < plan.items.size(); ++i) {
        const StepItem& item = plan.items[i];
        tokens += item.count;
        rows += item.extra_rows() + (item.samples ? 1 : 0);
        if (!item.samples) {
            continue;
        }
        const Wish w = wish(item.id);
        if (w.drafter == nullptr || w.room == 0) {
            continue;
        }
        Chosen& c = chosen.emplace_back();
        c.item = i;
        c.track = &track(item.id, w);
        c.request.id = item.id;
        c.request.trees = trees_;
        candidates.push_back({c.track->acceptance.rate(), std::min(w.room, options_.max_draft)});
    }
    const uint32_t left_tokens = options_.step_tokens > tokens ? options_.step_tokens - tokens : 0;
    const uint32_t left_rows = max_rows_ > rows ? max_rows_ - rows : 0;
    uint32_t budget = std::min(left_tokens, left_rows);
    const auto lengths = choose_lengths(candidates, tokens, rows, budget, cost_, draft_seconds_);
    for (size_t k = 0; k < chosen.size(); ++k) {
        uint32_t length = options_.adaptive ? lengths[k] : candidates[k].limit;
        if (length == 0 && budget > 0 && chosen[k].track->probe.due()) {
            length = std::min(kProbeTokens, candidates[k].limit);
        }
        length = std::min(length, budget);
        budget -= length;
        chosen[k].request.max_tokens = length;
    }
    std::erase_if(chosen, [](const Chosen& c) { return c.request.max_tokens == 0; });
    return chosen;
}

void Speculation::draft(StepPlan& plan, const std::function<Wish(SequenceId)>& wish) {
    const auto begin = std::chrono::steady_clock::now();
    std::vector<Chosen> chosen = choose(plan, wish);
    if (chosen.empty()) {
        return;
    }
    // One call for each drafter, so that it sees its sequences together.
    std::ranges::stable_sort(chosen, {}, [](const Chosen& c) { return c.track->drafter; });
    uint64_t drafted = 0;
    std::vector<DraftRequest> requests;
    for (size_t from = 0; from < chosen.size();) {
        Drafter& drafter = *chosen[from].track->drafter;
        requests.clear();
        size_t to = from;
        for (; to < chosen.size() && chosen[to].track->drafter == &drafter; ++to) {
            tell(chosen[to].request.id, *chosen[to].track);
            requests.push_back(std::move(chosen[to].request));
        }
        drafter.propose(requests);
        for (size_t k = 0; k < requests.size(); ++k) {
            StepItem& item = plan.items[chosen[from + k].item];
            DraftTree& tree = requests[k].draft;
            tree.truncate(requests[k].max_tokens);
            tree.truncate(scheduler_.lend_slots(item, static_cast<uint32_t>(tree.size())));
            drafted += tree.size();
            item.draft = std::move(tree);
        }
        from = to;
    }
    if (drafted > 0) {
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        draft_seconds_ += kNewDraftWeight * (took.count() / static_cast<double>(drafted) - draft_seconds_);
        counts_.drafted += drafted;
        ++counts_.steps;
    }
}

void Speculation::observe(const StepPlan& plan, double seconds) {
    uint32_t tokens = 0;
    for (const StepItem& item : plan.items) {
        tokens += item.count + static_cast<uint32_t>(item.draft.size());
    }
    cost_.observe(tokens, seconds);
}

void Speculation::follow(DraftWalk& walk, int32_t token) {
    if (!walk.live) {
        return;
    }
    const auto child = walk.item.draft.child(walk.node, token);
    walk.live = child.has_value();
    if (!child) {
        return;
    }
    walk.node = *child;
    ++walk.accepted;
    ++counts_.accepted;
    const StepItem& item = walk.item;
    const ScheduledSequence& s = scheduler_.at(item.id);
    const uint32_t from = item.context + item.count + static_cast<uint32_t>(walk.node);
    if (from != s.computed) {  // a branch that is not the first lies behind its siblings
        slots_from_.push_back(scheduler_.slot(s, from));
        slots_to_.push_back(scheduler_.slot(s, s.computed));
    }
    scheduler_.accept(item.id);
}

void Speculation::finish(const DraftWalk& walk) {
    if (walk.item.draft.empty()) {
        return;
    }
    scheduler_.take_back(walk.item.id);
    const auto it = tracks_.find(walk.item.id);
    if (it == tracks_.end()) {
        return;  // it has ended: how much would have been accepted is not known
    }
    const bool refused = std::ranges::find(walk.item.draft.parents, walk.node) != walk.item.draft.parents.end();
    Track& t = it->second;
    t.acceptance.observe(walk.accepted, refused);
    t.probe.verified(walk.accepted > 0);
    usual_[t.drafter].observe(walk.accepted, refused);
}

Status Speculation::settle(CausalModel& model) {
    if (slots_from_.empty()) {
        return ok();
    }
    const auto from = std::exchange(slots_from_, {});
    const auto to = std::exchange(slots_to_, {});
    return model.copy_slots(from, to);
}

void Speculation::end(SequenceId id) {
    const auto it = tracks_.find(id);
    if (it != tracks_.end()) {
        it->second.drafter->end(id);
        tracks_.erase(it);
    }
}

}  // namespace gantry::engine
