#include "runtime/engine/beam_search.hpp"

#include <algorithm>
#include <cmath>

namespace gantry::engine {

BeamSearch::BeamSearch(BeamOptions options) : options_(std::move(options)) {}

uint32_t BeamSearch::candidates_wanted() const {
    // So many that `width` of them do not end, even if every beam's best ones do.
    return std::max(2u, 1 + static_cast<uint32_t>(options_.end_ids.size())) * options_.params.width;
}

double BeamSearch::scored(double logprob, size_t length) const {
    return logprob / std::pow(static_cast<double>(length), options_.params.length_penalty);
}

void BeamSearch::finish(Beam beam) {
    Hypothesis found{std::move(beam.ids), beam.logprob, scored(beam.logprob, length_)};
    // Of equals the older one stays in front.
    const auto place = std::ranges::upper_bound(finished_, found.score, std::greater<>(), &Hypothesis::score);
    finished_.insert(place, std::move(found));
    if (finished_.size() > options_.params.width) {
        finished_.pop_back();
    }
}

bool BeamSearch::can_improve() const {
    if (finished_.size() < options_.params.width) {
        return true;
    }
    if (options_.params.early_stopping == EarlyStopping::kYes || beams_.empty()) {
        return false;
    }
    const bool longest = options_.params.early_stopping == EarlyStopping::kNever && options_.params.length_penalty > 0;
    return scored(beams_.front().logprob, longest ? options_.max_tokens : length_) > finished_.back().score;
}

std::vector<BeamSearch::Step> BeamSearch::advance(const std::vector<std::vector<Candidate>>& candidates) {
    struct Choice {
        Step step;
        double logprob = 0;
    };
    std::vector<Choice> choices;
    for (uint32_t beam = 0; beam < candidates.size(); ++beam) {
        for (const auto& [id, logprob] : candidates[beam]) {
            choices.push_back({{beam, id}, beams_[beam].logprob + logprob});
        }
    }
    std::ranges::stable_sort(choices, std::greater<>(), &Choice::logprob);
    choices.resize(std::min<size_t>(choices.size(), candidates_wanted()));
    ++length_;
    const bool last = length_ >= options_.max_tokens;
    std::vector<Step> steps;
    std::vector<Beam> next;
    for (size_t rank = 0; rank < choices.size(); ++rank) {
        const auto& [step, logprob] = choices[rank];
        const bool ends = last || std::ranges::find(options_.end_ids, step.id) != options_.end_ids.end();
        if (ends ? rank >= options_.params.width : steps.size() >= options_.params.width) {
            continue;
        }
        Beam beam{beams_[step.parent].ids, logprob};
        beam.ids.push_back(step.id);
        if (ends) {
            finish(std::move(beam));
        } else {
            steps.push_back(step);
            next.push_back(std::move(beam));
        }
    }
    beams_ = std::move(next);
    done_ = last || beams_.empty() || !can_improve();
    return steps;
}

std::vector<Hypothesis> BeamSearch::hypotheses() const {
    std::vector<Hypothesis> out = finished_;
    for (const Beam& beam : beams_) {
        if (!finished_.empty()) {
            break;
        }
        out.push_back({beam.ids, beam.logprob, scored(beam.logprob, length_)});
    }
    return out;
}

}  // namespace gantry::engine
