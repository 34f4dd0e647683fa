#include "runtime/engine/beam_run.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace gantry::engine {

BeamRun::BeamRun(BeamOptions options, BeamContext context, const SamplerConfig& config, TokenHistory history,
                 Scheduler& scheduler)
    : options_(std::move(options)),
      context_(std::move(context)),
      config_(config),
      scheduler_(scheduler),
      search_(options_) {
    live_.push_back({context_.first_id, std::move(history), {}, {}, false, false});
}

Status BeamRun::take(SequenceId id, std::span<float> row, Sampler& sampler) {
    const auto beam = std::ranges::find(live_, id, &Live::id);
    const bool early = beam->answer.size() < context_.min_tokens;
    const std::span<const int32_t> forbidden = early ? std::span(options_.end_ids) : std::span<const int32_t>();
    GANTRY_TRY(beam->candidates,
               sampler.likeliest(row, config_, {beam->history, forbidden}, search_.candidates_wanted()));
    beam->scored = true;
    return ok();
}

void BeamRun::settle() {
    if (!std::ranges::all_of(live_, &Live::scored)) {
        for (Live& beam : live_) {
            if (beam.scored) {
                park(beam);
            }
        }
        return;
    }
    std::vector<std::vector<BeamSearch::Candidate>> candidates;
    for (Live& beam : live_) {
        candidates.push_back(std::move(beam.candidates));
    }
    const auto steps = search_.advance(candidates);
    if (search_.done()) {
        leave();
    } else {
        go_on(steps);
    }
}

void BeamRun::park(Live& beam) {
    if (!std::exchange(beam.parked, true)) {
        context_.remove(beam.id);
    }
}

void BeamRun::leave() {
    for (Live& beam : live_) {
        park(beam);
    }
}

void BeamRun::add(const Live& beam) {
    std::vector<int32_t> tokens = context_.prompt;
    tokens.insert(tokens.end(), beam.answer.begin(), beam.answer.end());
    scheduler_.add(beam.id, context_.priority, std::move(tokens), context_.share_key, context_.submitted,
                   {context_.cache_salt, false, false, context_.adapter});
    if (context_.isolated) {
        scheduler_.isolate(beam.id);
    }
}

void BeamRun::go_on(const std::vector<BeamSearch::Step>& steps) {
    std::vector<Live> parents = std::exchange(live_, {});
    std::vector<size_t> children(parents.size(), 0);
    for (const auto& step : steps) {
        ++children[step.parent];
    }
    std::set<SequenceId> free;
    for (uint32_t i = 0; i < options_.params.width; ++i) {
        free.insert(context_.first_id + i);
    }
    for (size_t i = 0; i < parents.size(); ++i) {
        if (children[i] == 0) {
            park(parents[i]);
        } else {
            free.erase(parents[i].id);
        }
    }
    for (const auto& step : steps) {
        const Live& parent = parents[step.parent];
        Live child{parent.id, parent.history, parent.answer, {}, false, parent.parked};
        // A beam's last child takes its sequence over; the others are forked off before it grows.
        if (--children[step.parent] > 0) {
            child.id = free.extract(free.begin()).value();
            if (!parent.parked) {
                scheduler_.fork(parent.id, child.id);
            }
        }
        child.history.add_answer(step.id);
        child.answer.push_back(step.id);
        live_.push_back(std::move(child));
    }
    for (Live& beam : live_) {
        if (std::exchange(beam.parked, false)) {
            add(beam);
        } else {
            scheduler_.append(beam.id, beam.answer.back());
        }
    }
}

}  // namespace gantry::engine
