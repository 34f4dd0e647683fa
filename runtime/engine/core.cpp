#include "runtime/engine/core.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include "runtime/engine/core_request.hpp"

namespace gantry::engine {
namespace {

/// How many blocks so much host memory holds; none where the model cannot move them.
uint32_t block_slots(const ModelLimits& model, uint64_t bytes) {
    const uint64_t slots = model.block_bytes > 0 ? bytes / model.block_bytes : 0;
    return static_cast<uint32_t>(std::min<uint64_t>(slots, UINT32_MAX));
}

SchedulerLimits scheduler_limits(const ModelLimits& model, const EngineOptions& options) {
    const uint32_t tokens =
        options.step_tokens > 0 ? std::min(options.step_tokens, model.max_step_tokens) : model.max_step_tokens;
    return {tokens,
            std::min(model.max_sequences, model.max_logit_rows),
            options.priority_ageing,
            options.share_weights,
            block_slots(model, options.swap_bytes),
            model.max_logit_rows,
            options.window};
}

/// Why a model with such limits cannot be used, if so.
std::optional<Error> unusable(const ModelLimits& l) {
    if (l.block_size == 0 || l.block_count == 0 || l.vocab_size == 0 || l.max_context == 0 || l.max_step_tokens == 0 ||
        l.max_sequences == 0 || l.max_logit_rows == 0) {
        return Error{
            Code::kUnavailable,
            fmt::format("the model's limits leave no room for a token: {} blocks of {}, vocabulary {}, context "
                        "{}, step {} tokens, {} sequences, {} logit rows",
                        l.block_count, l.block_size, l.vocab_size, l.max_context, l.max_step_tokens, l.max_sequences,
                        l.max_logit_rows),
            "launch it with more memory, or with another backend"};
    }
    if ((l.features & GANTRY_CAUSAL_LM_RECURRENT) != 0) {
        return Error{Code::kUnimplemented, "the model keeps recurrent state, which this engine does not schedule yet"};
    }
    return std::nullopt;
}

uint32_t block_count_of(const ModelLimits& l) {
    return static_cast<uint32_t>(std::min<uint64_t>(l.block_count, UINT32_MAX - 1));
}

uint64_t fresh_entropy() {
    std::random_device device;
    return (uint64_t{device()} << 32) | device();
}

}  // namespace

EngineCore::EngineCore(std::unique_ptr<CausalModel> model, std::shared_ptr<const text::Tokenizer> tokenizer,
                       EngineOptions options, EndHook on_end)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      options_(std::move(options)),
      on_end_(std::move(on_end)),
      limits_(model_->limits()),
      broken_(unusable(limits_)),
      blocks_(block_count_of(limits_), std::max(limits_.block_size, 1u), options_.prefix_cache, ~uint64_t{0},
              block_slots(limits_, options_.cache_host_bytes)),
      scheduler_(scheduler_limits(limits_, options_), blocks_),
      batch_(limits_.block_size, limits_.vocab_size),
      drafters_(options_.drafter),
      speculation_(limits_,
                   {scheduler_limits(limits_, options_).step_tokens, options_.draft_tokens, options_.draft_adaptive},
                   scheduler_),
      device_draws_(limits_.vocab_size),
      entropy_(fresh_entropy()),
      swap_(*model_) {
    const uint64_t capacity = uint64_t{blocks_.block_count()} * limits_.block_size;
    context_ = static_cast<uint32_t>(std::min<uint64_t>(limits_.max_context, capacity));
    stats_.blocks_total = blocks_.block_count();
    for (const auto& [name, id] : options_.adapters) {
        adapters_.emplace(name, std::make_shared<Adapter>(Adapter{id}));
    }
}

EngineCore::~EngineCore() = default;

SequenceId EngineCore::sequence_id(const Request& request, uint32_t index) {
    return request.arrival * kMaxAnswers + index;
}

std::string EngineCore::block_salt(const std::string& own, uint32_t adapter) {
    const std::string with = adapter != 0 ? "adapter " + std::to_string(adapter) + "," : std::string();
    return own.empty() && with.empty() ? std::string() : with + "salt " + own;
}

EngineCore::Request* EngineCore::find(SequenceId id) {
    const auto it = requests_.find(id / kMaxAnswers);
    return it == requests_.end() || it->second->ended ? nullptr : it->second.get();
}

Status EngineCore::check(const EngineRequest& request) const {
    const size_t length = request.prompt.size();
    if (length == 0) {
        return Error{Code::kInvalidArgument, "the prompt is empty", "send at least one token"};
    }
    if (length >= limits_.max_context) {
        return Error{Code::kInvalidArgument,
                     fmt::format("the prompt has {} tokens, but the model's context holds {}, answer included", length,
                                 limits_.max_context),
                     "shorten the prompt"};
    }
    if (length >= context_) {
        return Error{
            Code::kInvalidArgument,
            fmt::format("the prompt has {} tokens, but the model was given KV memory for {} ({} blocks of {}), "
                        "answer included",
                        length, context_, limits_.block_count, limits_.block_size),
            "shorten the prompt, or launch the model with more KV memory"};
    }
    const GenerateRequest& params = request.params;
    const size_t kept = params.n_keep < 0 ? length : static_cast<size_t>(params.n_keep);
    if (params.context_shift && kept + 2 > context_) {
        return Error{Code::kInvalidArgument,
                     fmt::format("context_shift would keep {} tokens of a context of {}, which leaves nothing to drop",
                                 kept, context_),
                     "lower n_keep"};
    }
    GANTRY_CHECK_OK(check_tokens(request.prompt, request.params.sampling, limits_.vocab_size));
    if (request.params.speculative == DraftSource::kDraft && options_.drafter == nullptr) {
        return Error{Code::kInvalidArgument, "speculative is \"draft\", but the model has no draft model",
                     "launch it with draft_model, or ask for another source"};
    }
    return check_ranges(request.params);
}

void EngineCore::add(EngineRequest spec, EventSink sink, Clock::time_point submitted) {
    auto request = std::make_unique<Request>();
    Request& r = *request;
    r.arrival = ++last_arrival_;
    r.submitted = submitted;
    r.sink = std::move(sink);
    const GenerateRequest& params = spec.params;
    const auto room = context_ - static_cast<uint32_t>(spec.prompt.size());
    const uint32_t wanted = params.max_tokens.value_or(room);
    r.rules.max_tokens = params.context_shift ? wanted : std::min(wanted, room);
    r.rules.min_tokens = params.min_tokens;
    r.rules.texts = params.stop;
    r.rules.ids = params.stop_token_ids;
    if (!params.ignore_eos) {
        r.rules.ids.insert(r.rules.ids.end(), options_.eos_ids.begin(), options_.eos_ids.end());
    }
    r.rules.logprobs = params.top_logprobs.has_value();
    if (spec.output) {
        r.rules.shown_ids = spec.output->marker_tokens;
    }
    r.config =
        resolve(params.sampling, options_.defaults.sampling, entropy_ + r.arrival * 0x9e3779b97f4a7c15u, *tokenizer_);
    r.config.top_logprobs = params.top_logprobs;
    r.config.processed_logprobs = params.logprobs_mode == LogprobsMode::kProcessed;
    r.unfinished = static_cast<uint32_t>(params.best_of.value_or(params.n));
    if (r.unfinished > static_cast<uint32_t>(params.n)) {
        r.best = std::make_unique<BestOf>(r.unfinished, static_cast<uint32_t>(params.n));
        r.config.top_logprobs = params.top_logprobs.value_or(0);
    }
    r.on_device = !params.beams && !spec.constraint && !(spec.output && spec.output->reasoning_budget) &&
                  device_can_draw(r.config, params.sampling.seed || params.deterministic);
    const std::string lead = params.echo ? spec.echo_text : std::string();
    TokenHistory history(r.config, *tokenizer_);
    history.add_prompt(spec.prompt);
    for (uint32_t i = 0; i < r.unfinished; ++i) {
        auto stage = spec.output ? std::make_unique<AnswerStage>(spec.output, spec.id, i) : nullptr;
        r.branches.push_back(
            std::make_unique<Branch>(Branch{Answer(i, r.rules, tokenizer_, lead), history, std::move(stage),
                                            std::nullopt, spec.constraint ? spec.constraint() : nullptr}));
    }
    if (const auto adapter = adapters_.find(params.adapter); adapter != adapters_.end()) {
        r.adapter = adapter->second;
        ++r.adapter->users;
    }
    r.spec = std::move(spec);
    arrival_of_.emplace(r.spec.id, r.arrival);
    requests_.emplace(r.arrival, std::move(request));
    ++stats_.requests;
    ++unadmitted_;
    if (r.rules.max_tokens > 0) {
        scheduler_.add(sequence_id(r, 0), r.spec.params.priority, r.spec.prompt, r.spec.params.share_key, submitted,
                       {r.cache_salt(), r.spec.params.cache_pin, r.spec.params.cache_debug, r.adapter_id()});
        if (const auto top = r.spec.params.prompt_logprobs) {
            scheduler_.want_logits(sequence_id(r, 0), static_cast<uint32_t>(r.spec.prompt.size() - 1));
            r.prompt_scores = std::make_unique<PromptScores>(r.spec.prompt, *top, tokenizer_);
        }
        if (r.spec.params.deterministic) {
            scheduler_.isolate(sequence_id(r, 0));
        }
        if (r.spec.params.beams) {
            r.beams = start_beams(r, std::move(history));
        }
        queue(r);
        return;
    }
    for (uint32_t i = 0; i < r.branches.size(); ++i) {
        r.let_out(*r.branches[i]);
        end_answer(r, i, FinishReason::kLength);
    }
    deliver(r);
}

std::unique_ptr<BeamRun> EngineCore::start_beams(const Request& r, TokenHistory history) {
    const GenerateRequest& params = r.spec.params;
    BeamContext context;
    context.first_id = sequence_id(r, 0);
    context.priority = params.priority;
    context.share_key = params.share_key;
    context.cache_salt = r.cache_salt();
    context.adapter = r.adapter_id();
    context.submitted = r.submitted;
    context.isolated = params.deterministic;
    context.min_tokens = r.rules.min_tokens;
    context.prompt = r.spec.prompt;
    context.remove = [this](SequenceId id) { remove_sequence(id); };
    return std::make_unique<BeamRun>(BeamOptions{*params.beams, r.rules.max_tokens, r.rules.ids}, std::move(context),
                                     r.config, std::move(history), scheduler_);
}

void EngineCore::cancel(const std::string& id) {
    const auto it = arrival_of_.find(id);
    if (it == arrival_of_.end()) {
        return;
    }
    Request& r = *requests_.at(it->second);
    for (uint32_t i = 0; i < r.branches.size(); ++i) {
        if (!r.branches[i]->answer.finished()) {
            end_answer(r, i, FinishReason::kCancelled);
        }
    }
    deliver(r);
}

void EngineCore::remove_sequence(SequenceId id) {
    speculation_.end(id);
    swap_.drop(id);
    scheduler_.remove(id);
}

/// The context is full: the sequence starts over with its beginning and the newer half of the rest. Cached keys are
/// rotated for the places they were at, so what moves has to be computed again.
void EngineCore::shift_context(Request& r, uint32_t index) {
    const SequenceId id = sequence_id(r, index);
    std::vector<int32_t> tokens = scheduler_.at(id).tokens;
    const int32_t n_keep = r.spec.params.n_keep;
    const size_t keep = n_keep < 0 ? r.spec.prompt.size() : static_cast<size_t>(n_keep);
    const size_t drop = (tokens.size() - keep + 1) / 2;
    const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(keep);
    tokens.erase(first, first + static_cast<std::ptrdiff_t>(drop));
    remove_sequence(id);
    scheduler_.add(id, r.spec.params.priority, std::move(tokens), r.spec.params.share_key, r.submitted,
                   {r.cache_salt(), false, false, r.adapter_id()});
    if (r.spec.params.deterministic) {
        scheduler_.isolate(id);
    }
    ++r.context_shifts;
}

void EngineCore::end_answer(Request& r, uint32_t index, FinishReason reason) {
    r.let_out_end(*r.branches[index], reason);
    if (r.beams) {
        r.beams->leave();
    } else if (r.rules.max_tokens > 0 && (index == 0 || r.forked)) {
        remove_sequence(sequence_id(r, index));
    }
    if (--r.unfinished > 0) {
        return;
    }
    if (r.best) {
        std::ranges::move(r.best->best(), std::back_inserter(r.outbox));
    }
    const Usage usage = r.usage(Clock::now());
    meter_.request(usage);
    r.outbox.emplace_back(usage);
    r.ended = true;
    ++(reason == FinishReason::kCancelled ? stats_.cancelled : stats_.finished);
}

void EngineCore::fail(Request& r, const Error& error) {
    if (r.beams) {
        r.beams->leave();
    }
    for (uint32_t i = 0; !r.beams && i < (r.forked ? r.branches.size() : 1); ++i) {
        if (!r.branches[i]->answer.finished()) {
            remove_sequence(sequence_id(r, i));
        }
    }
    r.outbox.emplace_back(error);
    r.ended = true;
    ++stats_.failed;
    touched_.push_back(r.arrival);
}

void EngineCore::fail_all(const Error& error) {
    for (const auto& [arrival, request] : requests_) {
        if (!request->ended) {
            fail(*request, error);
        }
    }
    deliver_all();
}

void EngineCore::deliver_all() {
    for (uint64_t arrival : std::exchange(touched_, {})) {
        if (const auto it = requests_.find(arrival); it != requests_.end()) {
            deliver(*it->second);
        }
    }
}

void EngineCore::deliver(Request& r) {
    const bool ended = r.ended;
    std::unique_ptr<Request> last;
    if (ended) {
        reporting_.erase(r.arrival);
        if (r.deadline) {
            deadlines_.remove(r.arrival, *r.deadline);
        }
        unadmitted_ -= r.admitted ? 0 : 1;
        arrival_of_.erase(r.spec.id);
        auto node = requests_.extract(r.arrival);
        last = std::move(node.mapped());
        if (last->adapter != nullptr) {
            --last->adapter->users;
            unload_if_unused(*last->adapter);
        }
        if (on_end_) {
            on_end_(r.spec.id);
        }
    }
    if (r.outbox.empty()) {
        return;
    }
    try {
        r.sink(std::exchange(r.outbox, {}));
    } catch (...) {  // a sink that throws has no use for more; the other requests go on
        r.sink = [](std::vector<Event>) {};
        if (!ended) {
            cancel(std::string(r.spec.id));
        }
    }
}

EngineStats EngineCore::stats() const {
    EngineStats s = stats_;
    s.drafted_tokens = speculation_.counts().drafted;
    s.accepted_tokens = speculation_.counts().accepted;
    s.draft_steps = speculation_.counts().steps;
    const auto counts = blocks_.counts();
    s.seconds_per_admission = load_.seconds_per_admission().value_or(0);
    s.waiting = scheduler_.waiting();
    s.running = scheduler_.running();
    s.blocks_free = counts.free;
    s.blocks_cached = counts.cached;
    return s;
}

}  // namespace gantry::engine
