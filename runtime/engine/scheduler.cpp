#include "runtime/engine/scheduler.hpp"

#include <algorithm>
#include <cassert>

namespace gantry::engine {

Scheduler::Scheduler(SchedulerLimits limits, BlockManager& blocks)
    : limits_(std::move(limits)),
      blocks_(blocks),
      shares_(std::move(limits_.share_weights)),
      queue_(limits_.ageing, shares_) {
    limits_.step_tokens = std::max(limits_.step_tokens, 1u);
    limits_.logit_rows = std::max(limits_.logit_rows, 1u);
    limits_.max_running = std::clamp(limits_.max_running, 1u, std::min(limits_.step_tokens, limits_.logit_rows));
}

ScheduledSequence& Scheduler::insert(std::unique_ptr<ScheduledSequence> sequence) {
    ScheduledSequence& s = *sequence;
    assert(!s.tokens.empty() && !sequences_.contains(s.id));
    s.rank = Rank::of(s.id, s.priority, s.arrival, limits_.ageing);
    queue_.push(entry(s));
    sequences_.emplace(s.id, std::move(sequence));
    return s;
}

void Scheduler::add(SequenceId id, int32_t priority, std::vector<int32_t> tokens, std::string_view key,
                    TimePoint arrival, CacheUse cache) {
    auto sequence = std::make_unique<ScheduledSequence>();
    sequence->id = id;
    sequence->priority = priority;
    sequence->arrival = arrival;
    sequence->key = shares_.enter(key);
    sequence->root = blocks_.acquire_root(cache.salt);
    sequence->pin_tokens = cache.pin ? static_cast<uint32_t>(tokens.size()) : 0;
    sequence->explain = cache.explain;
    sequence->adapter = cache.adapter;
    sequence->tokens = std::move(tokens);
    insert(std::move(sequence));
}

void Scheduler::fork(SequenceId parent, SequenceId child) {
    const ScheduledSequence& original = at(parent);
    auto sequence = std::make_unique<ScheduledSequence>();
    sequence->id = child;
    sequence->priority = original.priority;
    sequence->arrival = original.arrival;
    sequence->key = original.key;
    sequence->charged = original.charged;
    sequence->tokens = original.tokens;
    sequence->hashes = original.hashes;
    sequence->root = original.root;
    sequence->isolated = original.isolated;
    sequence->adapter = original.adapter;
    blocks_.share_root(original.root);
    shares_.enter(original.key);
    ScheduledSequence& copy = insert(std::move(sequence));
    if (original.running && running_.size() < limits_.max_running) {
        blocks_.reference(original.held());
        copy.table = original.table;
        copy.dropped = original.dropped;
        copy.computed = original.computed;
        copy.published = original.published;
        start(copy);
    }
}

void Scheduler::start(ScheduledSequence& s) {
    queue_.erase(entry(s));
    s.running = true;
    running_.emplace(s.rank, &s);
}

void Scheduler::append(SequenceId id, int32_t token) { sequences_.at(id)->tokens.push_back(token); }

void Scheduler::remove(SequenceId id) {
    auto it = sequences_.find(id);
    ScheduledSequence& s = *it->second;
    if (s.running) {
        blocks_.release(s.held());
        running_.erase(s.rank);
    } else {
        queue_.erase(entry(s));
        forget_swap(id);
    }
    shares_.leave(s.key);
    blocks_.release_root(s.root);
    sequences_.erase(it);
}

size_t Scheduler::uncached(SequenceId id) {
    ScheduledSequence& s = *sequences_.at(id);
    const auto partial = look_up(s);
    return s.tokens.size() - (known_.size() + known_in_host_.size()) * blocks_.block_size() -
           (partial ? partial->tokens : 0);
}

void Scheduler::forget_swap(SequenceId id) {
    ScheduledSequence& s = *sequences_.at(id);
    swapped_blocks_ -= blocks_.blocks_for(s.swapped);
    s.swapped = 0;
}

bool Scheduler::worth_swapping(const ScheduledSequence& s) const {
    const uint32_t blocks = blocks_.blocks_for(s.computed);
    return s.computed > 0 && s.dropped == 0 && token_cost_ > 0 && swapped_blocks_ + blocks <= limits_.swap_blocks &&
           2 * block_cost_ * blocks < token_cost_ * s.computed;
}

StepItem Scheduler::item(const ScheduledSequence& s, uint32_t count) {
    StepItem item{s.id, s.computed, count, count == s.pending(), {}};
    item.rows_begin = std::clamp(s.rows_done, s.computed, s.computed + count);
    item.rows_end = std::clamp(s.rows_wanted, item.rows_begin, s.computed + count);
    return item;
}

uint32_t Scheduler::chunk(const ScheduledSequence& s, uint32_t& budget, uint32_t& spare) {
    uint32_t count = std::min(s.pending(), budget);
    if (count == 0) {
        return 0;
    }
    StepItem whole = item(s, count);
    if (whole.extra_rows() + (whole.samples ? 1 : 0) > spare + 1) {
        count = whole.rows_begin - s.computed + std::min(spare + 1, whole.extra_rows());
        whole = item(s, count);
    }
    budget -= count;
    spare -= std::max(whole.extra_rows() + (whole.samples ? 1 : 0), 1u) - 1;
    return count;
}

void Scheduler::isolate(SequenceId id) { sequences_.at(id)->isolated = true; }

void Scheduler::want_logits(SequenceId id, uint32_t count) { sequences_.at(id)->rows_wanted = count; }

StepItem Scheduler::take(ScheduledSequence& s, uint32_t count) {
    if (const uint32_t end = s.computed + count; end > s.charged) {  // a prompt was charged whole when it was admitted
        shares_.charge(s.key, kAnswerWeight * (end - s.charged));
        s.charged = end;
    }
    return item(s, count);
}

StepPlan Scheduler::plan(TimePoint now) {
    StepPlan plan;
    const auto decodes = std::ranges::count_if(running_, [](const auto& e) { return e.second->pending() == 1; });
    uint32_t budget = limits_.step_tokens - static_cast<uint32_t>(decodes);
    auto spare = limits_.logit_rows - static_cast<uint32_t>(running_.size());
    for (auto it = running_.begin(); it != running_.end(); ++it) {
        ScheduledSequence& s = *it->second;
        const bool decode = s.pending() == 1;
        const uint32_t count = decode ? 1 : chunk(s, budget, spare);
        if (count == 0) {
            continue;
        }
        if (!make_room(s, count, plan)) {
            break;
        }
        plan.items.push_back(take(s, count));
    }
    while (plan.preempted.empty() && budget > 0 && spare > 0 && !queue_.empty() &&
           running_.size() < limits_.max_running) {
        ScheduledSequence& s = *sequences_.at(queue_.next(now));
        if (!admit(s, plan)) {
            break;
        }
        --spare;  // its own
        const uint32_t count = chunk(s, budget, spare);
        plan.admitted.push_back(s.id);
        plan.items.push_back(take(s, count));
    }
    return plan;
}

bool Scheduler::must_copy_last(const ScheduledSequence& s) const {
    const uint32_t block = s.computed / blocks_.block_size();
    return block < s.table.size() && blocks_.references(s.table[block]) > 1;
}

bool Scheduler::make_room(ScheduledSequence& s, uint32_t count, StepPlan& plan) {
    const auto shortage = [&] {
        const uint32_t wanted = blocks_.blocks_for(size_t{s.computed} + count);
        const auto have = static_cast<uint32_t>(s.table.size());
        const uint32_t needed = (wanted > have ? wanted - have : 0) + (must_copy_last(s) ? 1 : 0);
        return needed > blocks_.available();
    };
    while (shortage()) {
        ScheduledSequence& victim = *running_.rbegin()->second;
        preempt(victim, plan);
        if (&victim == &s) {
            return false;
        }
    }
    if (must_copy_last(s)) {
        BlockId& shared = s.table[s.computed / blocks_.block_size()];
        const BlockId own = *blocks_.allocate();
        plan.copies.push_back({shared, own});
        blocks_.release(shared);
        shared = own;
    }
    while (s.table.size() < blocks_.blocks_for(size_t{s.computed} + count)) {
        s.table.push_back(*blocks_.allocate());
    }
    return true;
}

std::optional<PartialMatch> Scheduler::look_up(ScheduledSequence& s) {
    known_.clear();
    known_in_host_.clear();
    if (!blocks_.prefix_cache() || s.isolated) {
        return std::nullopt;
    }
    // At least one token is computed anew: its logits are what the sequence is here for.
    const size_t first_wanted = s.rows_done < s.rows_wanted ? s.rows_done : s.tokens.size();
    const std::span<const int32_t> reusable(s.tokens.data(), std::min(s.tokens.size() - 1, first_wanted));
    blocks_.extend_hashes(s.root, s.tokens, s.hashes);
    const size_t whole = std::min(s.hashes.size(), reusable.size() / blocks_.block_size());
    blocks_.match(s.root, s.tokens, std::span(s.hashes).first(whole), known_);
    blocks_.match_host(s.root, s.tokens, std::span(s.hashes).first(whole), known_, known_in_host_);
    if (!known_in_host_.empty()) {
        return std::nullopt;
    }
    const auto parent = known_.empty() ? std::nullopt : std::optional(known_.back());
    return blocks_.match_partial(s.root, parent, reusable.subspan(known_.size() * blocks_.block_size()));
}

MissReason Scheduler::miss_reason(const ScheduledSequence& s, bool shared) const {
    if (s.cached + 1 >= s.tokens.size()) {
        return MissReason::kNone;
    }
    const size_t block = s.cached / blocks_.block_size();
    const MissReason reason = block < s.hashes.size() || !blocks_.prefix_cache()
                                  ? blocks_.miss_reason(block < s.hashes.size() ? s.hashes[block] : 0, shared)
                                  : (shared ? MissReason::kDiffers : MissReason::kNew);
    return reason == MissReason::kNew && s.root != kPlainRoot && s.cached == 0 ? MissReason::kNewSalt : reason;
}

bool Scheduler::admit(ScheduledSequence& s, StepPlan& plan) {
    if (blocks_.available() <= running_.size()) {
        return false;  // whatever the cache has, one block is needed
    }
    auto partial = look_up(s);
    const auto known_tokens = static_cast<uint32_t>(known_.size()) * blocks_.block_size();
    const auto host_tokens = static_cast<uint32_t>(known_in_host_.size()) * blocks_.block_size();
    const bool restore = s.swapped > known_tokens + host_tokens;
    if (restore) {
        partial.reset();
        known_in_host_.clear();
    }
    const auto idle = std::ranges::count_if(known_, [&](BlockId b) { return blocks_.references(b) == 0; });
    const size_t fresh = blocks_.blocks_for(s.tokens.size()) - known_.size();
    if (blocks_.available() < fresh + static_cast<size_t>(idle) + running_.size()) {
        return false;
    }
    blocks_.reference(known_);
    s.table.assign(known_.begin(), known_.end());
    s.published = static_cast<uint32_t>(known_.size());
    s.computed = s.published * blocks_.block_size();
    if (partial && blocks_.references(partial->block) == 0 && blocks_.available() <= fresh) {
        partial.reset();  // it may be evicted for this very sequence
    }
    if (partial) {
        blocks_.reference({&partial->block, 1});
    }
    s.first_fetched = s.published;
    for (const uint32_t slot : known_in_host_) {  // before evictions can take its place
        s.fetched_nodes.push_back(blocks_.take_from_host(slot));
    }
    for (size_t i = 0; i < fresh; ++i) {
        s.table.push_back(*blocks_.allocate());
    }
    for (size_t i = 0; i < known_in_host_.size(); ++i) {
        plan.fetches.push_back({known_in_host_[i], s.table[s.published + i]});
        s.computed += blocks_.block_size();
    }
    if (partial) {
        plan.copies.push_back({partial->block, s.table[s.published]});
        blocks_.release(partial->block);
        s.computed += partial->tokens;
    }
    s.cached = s.computed;
    if (s.swapped > 0) {
        BlockMove move{s.id, s.published, {}};
        if (restore) {
            move.blocks.assign(s.table.begin() + s.published, s.table.begin() + blocks_.blocks_for(s.swapped));
            s.computed = s.swapped;
        }
        plan.swap_ins.push_back(std::move(move));
        forget_swap(s.id);
    }
    if (s.explain) {
        s.miss = miss_reason(s, partial.has_value());
    }
    start(s);
    const auto length = static_cast<uint32_t>(s.tokens.size());
    if (const uint32_t paid = std::max(s.charged, s.computed); paid < length) {
        shares_.charge(s.key, static_cast<double>(length - paid));
    }
    s.charged = length;
    return true;
}

void Scheduler::preempt(ScheduledSequence& s, StepPlan& plan) {
    if (worth_swapping(s)) {
        s.swapped = s.computed;
        const uint32_t blocks = blocks_.blocks_for(s.swapped);
        swapped_blocks_ += blocks;
        plan.swap_outs.push_back({s.id, 0, {s.table.begin(), s.table.begin() + blocks}});
    }
    blocks_.release(s.held());
    s.table.clear();
    s.computed = s.published = s.dropped = 0;
    s.fetched_nodes.clear();
    s.running = false;
    running_.erase(s.rank);
    queue_.push(entry(s));
    plan.preempted.push_back(s.id);
}

void Scheduler::commit(const StepPlan& plan) {
    for (const StepItem& done : plan.items) {
        if (const auto it = sequences_.find(done.id); it != sequences_.end()) {
            it->second->rows_done = std::max(it->second->rows_done, done.rows_end);
            fill(*it->second, done.context + done.count);
        }
    }
}

void Scheduler::fill(ScheduledSequence& s, uint32_t computed) {
    s.computed = computed;
    publish(s);
    drop_unseen(s);
}

void Scheduler::publish(ScheduledSequence& s) {
    const uint32_t block_size = blocks_.block_size();
    if (!blocks_.prefix_cache() || s.isolated || s.published == s.computed / block_size) {
        return;
    }
    blocks_.extend_hashes(s.root, s.tokens, s.hashes);
    for (; s.published < s.computed / block_size; ++s.published) {
        const uint32_t i = s.published;
        const auto parent = i > 0 ? std::optional(s.table[i - 1]) : std::nullopt;
        const auto text = std::span(s.tokens).subspan(size_t{i} * block_size, block_size);
        const uint32_t fetched = i - s.first_fetched;
        const uint64_t node = i >= s.first_fetched && fetched < s.fetched_nodes.size() ? s.fetched_nodes[fetched] : 0;
        s.table[i] = blocks_.publish(s.root, parent, s.table[i], text, s.hashes[i], node);
    }
    if (s.pin_tokens > 0 && s.computed >= s.pin_tokens / block_size * block_size) {
        blocks_.pin(std::span(s.table).first(s.pin_tokens / block_size));
        s.pin_tokens = 0;
    }
}

void Scheduler::drop_unseen(ScheduledSequence& s) {
    if (limits_.window == 0 || s.pin_tokens > 0 || s.computed < limits_.window) {
        return;
    }
    // The next token sees from here on. Its own block and the one before stay, which the next to be published follows.
    const uint32_t seen_from = s.computed + 1 - limits_.window;
    const uint32_t next = s.computed / blocks_.block_size();
    const uint32_t end = std::min(seen_from / blocks_.block_size(), std::max(next, 1u) - 1);
    if (end <= s.dropped) {
        return;
    }
    blocks_.release(std::span(s.table).subspan(s.dropped, end - s.dropped));
    s.dropped = end;
    std::fill_n(s.table.begin(), end, s.table[end]);
}

}  // namespace gantry::engine
