/// EngineCore: one step of the model.

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

#include "runtime/engine/core.hpp"
#include "runtime/engine/core_request.hpp"

namespace gantry::engine {
namespace {

/// Of moving blocks, in bytes a second, until it has been measured: slow memory, so that the first try pays.
constexpr double kAssumedBandwidth = 2e9;

}  // namespace

void EngineCore::note_load(const StepPlan& plan, double seconds) {
    LoadEstimate::Step step;
    step.seconds = seconds;
    for (const StepItem& item : plan.items) {
        step.tokens += item.count;
        step.prefill = step.prefill || item.count > 1;
    }
    step.admitted = static_cast<uint32_t>(plan.admitted.size());
    step.backlog = scheduler_.waiting() > 0;
    load_.add(step);
    const double token = load_.first_token_seconds(0, 1).value_or(0);
    const double block = moved_blocks_ > 0 ? move_seconds_ / static_cast<double>(moved_blocks_)
                                           : static_cast<double>(limits_.block_bytes) / kAssumedBandwidth;
    scheduler_.set_costs(token, block);
}

bool EngineCore::step(Clock::time_point now) {
    end_expired(now);
    if (requests_.empty()) {
        return false;
    }
    const auto begin = Clock::now();
    StepPlan plan = scheduler_.plan(now);
    stats_.preemptions += plan.preempted.size();
    note_admissions(plan, now);
    report_queue(now);
    speculation_.draft(plan, [this](SequenceId id) { return draft_wish(id); });
    const auto model_begin = Clock::now();
    const Status status = run_model(plan);
    const auto model_end = Clock::now();
    ++stats_.steps;
    if (status) {
        scheduler_.commit(plan);
        speculation_.observe(plan, seconds(model_end - model_begin));
        sample(plan);
        if (const Status settled = speculation_.settle(*model_); !settled) {
            broken_ = Error{Code::kUnavailable, "the model has failed: " + settled.error().message, "launch it again"};
            fail_all(settled.error().in("the model has failed"));
        }
    } else if (status.error().code == Code::kInternal) {
        broken_ = Error{Code::kUnavailable, "the model has failed: " + status.error().message, "launch it again"};
        fail_all(status.error().in("the model has failed"));
    } else {
        fail_step(plan, status.error().in("the model refused a step"));
    }
    deliver_all();
    const auto end = Clock::now();
    meter_.step_seconds.observe(seconds(end - begin));
    meter_.step_sequences.observe(static_cast<double>(plan.items.size()));
    meter_.step_tokens.observe(std::transform_reduce(
        plan.items.begin(), plan.items.end(), 0.0, std::plus<>(),
        [](const StepItem& item) { return static_cast<double>(item.count + item.draft.size()); }));
    note_load(plan, seconds(end - begin));
    stats_.busy_seconds += seconds(end - begin);
    stats_.overhead_seconds += seconds((end - begin) - (model_end - model_begin));
    return true;
}

void EngineCore::note_admissions(const StepPlan& plan, Clock::time_point now) {
    for (SequenceId id : plan.admitted) {
        Request& r = *find(id);
        if (r.admitted) {
            continue;
        }
        r.admitted = std::max(now, r.submitted);
        reporting_.erase(r.arrival);
        r.cached_tokens = scheduler_.at(id).cached;
        if (r.spec.params.cache_debug) {
            r.cache_miss = CacheMiss{std::string(miss_name(scheduler_.at(id).miss)), r.cached_tokens};
        }
        --unadmitted_;
        stats_.prompt_tokens += r.spec.prompt.size();
        stats_.cached_tokens += r.cached_tokens;
    }
}

void EngineCore::save_evicted() {
    for (const Spill& spill : blocks_.take_spills()) {
        if (swap_.save_slot(spill.slot, spill.block)) {
            ++stats_.cache_spills;
        } else {
            blocks_.drop_from_host(spill.slot);
        }
    }
}

Status EngineCore::move_blocks(const StepPlan& plan) {
    save_evicted();
    const auto begin = Clock::now();
    const uint64_t before = moved_blocks_;
    for (const BlockMove& move : plan.swap_outs) {
        if (const Status saved = swap_.save(move.id, move.blocks); saved) {
            ++stats_.swaps_out;
            moved_blocks_ += move.blocks.size();
        } else if (saved.error().code == Code::kInternal) {
            return saved;
        } else {
            scheduler_.forget_swap(move.id);
        }
    }
    if (!plan.copies.empty()) {
        std::vector<uint32_t> from, to;
        for (const BlockCopy& copy : plan.copies) {
            from.push_back(copy.from);
            to.push_back(copy.to);
        }
        GANTRY_CHECK_OK(model_->copy_blocks(from, to));
    }
    for (const BlockMove& move : plan.swap_ins) {
        GANTRY_CHECK_OK(swap_.restore(move.id, move.first, move.blocks));
        ++stats_.swaps_in;
        moved_blocks_ += move.blocks.size();
    }
    for (const BlockFetch& fetch : plan.fetches) {
        GANTRY_CHECK_OK(swap_.restore_slot(fetch.slot, fetch.block));
        ++stats_.cache_fetches;
        ++moved_blocks_;
    }
    if (moved_blocks_ > before) {
        move_seconds_ += seconds(Clock::now() - begin);
    }
    return ok();
}

Status EngineCore::run_model(const StepPlan& plan) {
    if (plan.items.empty()) {
        return Error{Code::kInternal, "the scheduler found nothing to do though requests are there"};
    }
    GANTRY_CHECK_OK(move_blocks(plan));
    const auto any = [&](auto&& asked) {
        return std::ranges::any_of(plan.items, [&](const StepItem& i) { return asked(find(i.id)->spec.params); });
    };
    device_draws_.clear();
    const bool able = (limits_.features & GANTRY_CAUSAL_LM_DETERMINISTIC) != 0;
    if (!able && any([](const GenerateRequest& p) { return p.deterministic; })) {
        return execute_apart(*model_, batch_, plan, scheduler_);
    }
    const bool deterministic =
        able && any([](const GenerateRequest& p) { return p.deterministic || p.sampling.seed.has_value(); });
    plan_device_draws(plan);
    gantry_batch_t batch = batch_.build(plan.items, scheduler_, deterministic);
    if (device_draws_.empty()) {
        const bool sums_up = (limits_.features & GANTRY_CAUSAL_LM_SUMMARIES) != 0;
        return model_->execute(sums_up ? batch_.summarise(mass_scales(plan)) : batch);
    }
    batch.logits = nullptr;
    GANTRY_CHECK_OK(model_->execute(batch));
    return device_draws_.make(*model_);
}

std::vector<float> EngineCore::mass_scales(const StepPlan& plan) {
    std::vector<float> scales;
    for (const StepItem& item : plan.items) {
        scales.insert(scales.end(), item.extra_rows(), 0.0f);
        if (item.samples) {
            const Request& r = *find(item.id);
            // A search has more texts than branches, and reads whole rows anyway.
            const bool whole = r.beams || !r.config.allowed.empty() || r.branches[item.id % kMaxAnswers]->constraint;
            const float scale = whole ? 0.0f : Sampler::mass_scale(r.config, limits_.vocab_size);
            scales.insert(scales.end(), 1 + item.draft.size(), scale);
        }
    }
    return scales;
}

std::pair<uint32_t, uint32_t> EngineCore::answers_of(const Request& r, const StepItem& item) const {
    const auto index = static_cast<uint32_t>(item.id % kMaxAnswers);
    return {index, r.forked ? index + 1 : static_cast<uint32_t>(r.branches.size())};
}

void EngineCore::plan_device_draws(const StepPlan& plan) {
    const bool all = model_->has_sampler() && std::ranges::all_of(plan.items, [&](const StepItem& item) {
                         const Request& r = *find(item.id);
                         return item.extra_rows() == 0 && item.draft.size() == 0 && (!item.samples || r.on_device);
                     });
    uint32_t row = 0;
    for (const StepItem& item : plan.items) {
        if (!all || !item.samples) {
            continue;
        }
        const Request& r = *find(item.id);
        const auto [begin, end] = answers_of(r, item);
        for (uint32_t i = begin; i < end; ++i) {
            const Branch& branch = *r.branches[i];
            device_draws_.add(sequence_id(r, i), row, r.config,
                              {branch.history, branch.answer.forbidden(), {i, branch.answer.tokens()}});
        }
        ++row;
    }
}

void EngineCore::fail_step(const StepPlan& plan, const Error& error) {
    for (const StepItem& item : plan.items) {
        if (Request* r = find(item.id)) {
            fail(*r, error);
        }
    }
}

}  // namespace gantry::engine
