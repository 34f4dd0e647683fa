/// EngineCore: from a step's logits to tokens, and from tokens to answers.

#include <algorithm>
#include <utility>

#include "runtime/engine/core.hpp"
#include "runtime/engine/core_request.hpp"

namespace gantry::engine {
namespace {

/// Of a large batch the first tokens go on their way while the others are drawn: what renders and sends them then works
/// beside this thread, not after it.
constexpr size_t kDeliveredTogether = 64;

}  // namespace

void EngineCore::sample(const StepPlan& plan) {
    sampling_since_ = Clock::now();  // one look at the clock for all tokens of a step
    size_t row = 0;
    std::set<uint64_t> searching;
    for (const StepItem& item : plan.items) {
        Request* const r = find(item.id);
        const size_t first_row = row + item.extra_rows();
        row = first_row + (item.samples ? 1 + item.draft.size() : 0);
        if (r != nullptr && item.extra_rows() > 0) {
            const size_t extra = first_row - item.extra_rows();
            if (const Status taken = r->prompt_scores->take(item, batch_, extra, sampler_); !taken) {
                fail(*r, taken.error());
            }
        }
        if (!item.samples || r == nullptr || r->ended) {
            continue;  // without a token, or ended by an error earlier in this step
        }
        if (r->prompt_scores) {
            if (auto scores = r->prompt_scores->whole()) {
                r->outbox.emplace_back(std::move(*scores));
            }
        }
        if (r->beams) {
            r->first_token = r->first_token.value_or(sampling_since_);
            searching.insert(r->arrival);
            if (const Status taken = r->beams->take(item.id, batch_.logits(first_row), sampler_); !taken) {
                fail(*r, taken.error());
            }
            continue;
        }
        const auto [begin, end] = answers_of(*r, item);
        if (end - begin > 1) {
            fork_answers(*r);
        }
        r->first_token = r->first_token.value_or(sampling_since_);
        touched_.push_back(r->arrival);
        for (uint32_t i = begin; i < end && !r->ended; ++i) {
            DraftWalk walk{item};
            while (walk.live && !r->ended && !r->branches[i]->answer.finished()) {
                sample_one(*r, i, walk, first_row);
            }
            r->accepted_tokens += walk.accepted;
            r->rejected_tokens += item.draft.size() - walk.accepted;
            speculation_.finish(walk);
        }
        if (touched_.size() >= kDeliveredTogether) {
            deliver_all();
        }
    }
    for (const uint64_t arrival : searching) {
        if (const auto it = requests_.find(arrival); it != requests_.end()) {  // else it has failed and been told so
            settle_beams(*it->second);
        }
    }
}

void EngineCore::settle_beams(Request& r) {
    if (r.ended) {
        return;
    }
    touched_.push_back(r.arrival);
    r.beams->settle();
    if (!r.beams->done()) {
        return;
    }
    const auto found = r.beams->hypotheses();
    for (uint32_t i = 0; i < r.branches.size(); ++i) {
        Answer& answer = r.branches[i]->answer;
        for (const int32_t id : i < found.size() ? found[i].ids : std::vector<int32_t>()) {
            SampledToken token;
            token.id = id;
            answer.push(std::move(token));
            note_token(r, *r.branches[i]);
        }
        r.let_out(*r.branches[i]);
        end_answer(r, i, answer.finished().value_or(FinishReason::kLength));
    }
}

Speculation::Wish EngineCore::draft_wish(SequenceId id) {
    const Request& r = *find(id);
    const bool apart = r.spec.params.deterministic && (limits_.features & GANTRY_CAUSAL_LM_DETERMINISTIC) == 0;
    if (r.beams || apart) {
        return {};  // beams need no guesses; what is computed apart, a token at a time, gains nothing
    }
    const Answer& answer = r.branches[id % kMaxAnswers]->answer;
    if (answer.tokens() == 0 || r.spec.params.context_shift) {
        return {};  // the answers may fork off in this step, or start over, and would share or lose what is lent
    }
    const auto length = static_cast<uint32_t>(scheduler_.at(id).tokens.size());
    const uint32_t room = std::min(r.rules.max_tokens - answer.tokens(), context_ - std::min(context_, length));
    Drafter* const drafter =
        drafters_.choose(r.spec.params.speculative, options_.speculative, !r.spec.prediction.empty());
    return {drafter, std::max(room, 1u) - 1, r.spec.prediction};
}

void EngineCore::fork_answers(Request& r) {
    r.forked = true;
    for (uint32_t i = 1; i < r.branches.size(); ++i) {
        scheduler_.fork(sequence_id(r, 0), sequence_id(r, i));
    }
}

void EngineCore::sample_one(Request& r, uint32_t index, DraftWalk& walk, size_t first_row) {
    Branch& branch = *r.branches[index];
    const size_t row = first_row + walk.row();
    const bool steered = branch.stage && branch.stage->steer(batch_.logits(row));
    std::span<const uint32_t> allowed;
    if (branch.constraint) {
        const auto found = tokens_to_draw(*branch.constraint, r.rules.ids, branch.answer.forbidden().empty(),
                                          limits_.vocab_size, allowed_);
        if (!found) {
            fail(r, found.error());
            return;
        }
        if (found->empty()) {
            branch.answer.complete();
            finish_if_done(r, index);
            return;
        }
        allowed = *found;
    }
    const SampleInput in{branch.history,
                         branch.answer.forbidden(),
                         {index, branch.answer.tokens()},
                         allowed,
                         steered ? RowSummary() : batch_.summary(row)};
    auto token = device_draws_.empty() ? sampler_.sample(batch_.logits(row), r.config, in)
                                       : Result<SampledToken>(device_draws_.take(sequence_id(r, index)));
    if (!token) {
        fail(r, token.error());
        return;
    }
    take_token(r, index, walk, std::move(*token));
    if (branch.constraint && !r.rules.logprobs && !r.best && !r.ended && !branch.answer.finished()) {
        for (const int32_t id : branch.constraint->forced()) {  // those with logprobs need their logits
            if (r.ended || branch.answer.finished()) {
                break;
            }
            take_token(r, index, walk, {id, 0, {}, r.config.mirostat_tau});  // neither surprise nor lack of it
        }
    }
    finish_if_done(r, index);
}

void EngineCore::take_token(Request& r, uint32_t index, DraftWalk& walk, SampledToken token) {
    Branch& branch = *r.branches[index];
    const int32_t id = token.id;
    branch.history.accept(token, r.config);
    if (r.best) {
        r.best->add_logprob(index, token.logprob);
    }
    note_token(r, branch);
    scheduler_.append(sequence_id(r, index), id);
    speculation_.follow(walk, id);
    branch.answer.push(std::move(token));
    if (!branch.constraint || branch.answer.finished()) {
        return;
    }
    if (const auto status = branch.constraint->accept(id); !status) {
        fail(r, status.error());
    } else if (branch.constraint->must_end()) {
        branch.answer.complete();
    }
}

void EngineCore::finish_if_done(Request& r, uint32_t index) {
    if (r.ended) {
        return;
    }
    Answer& answer = r.branches[index]->answer;
    const auto& stage = r.branches[index]->stage;
    r.let_out(*r.branches[index]);
    if (stage && stage->done() && !answer.finished()) {
        answer.stop(FinishReason::kStop);
    }
    if (const auto reason = answer.finished()) {
        end_answer(r, index, *reason);
    } else if (r.spec.params.context_shift && scheduler_.at(sequence_id(r, index)).tokens.size() >= context_) {
        shift_context(r, index);
    }
}

void EngineCore::note_token(Request& r, Branch& branch) {
    ++r.completion_tokens;
    ++stats_.generated_tokens;
    if (branch.last_token) {
        const double gap = seconds(sampling_since_ - *branch.last_token);
        r.gaps.add(gap);
        meter_.token_gap_seconds.observe(gap);
    }
    branch.last_token = sampling_since_;
}

}  // namespace gantry::engine
