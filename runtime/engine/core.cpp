#include "runtime/engine/core.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <numeric>
#include <random>
#include <set>
#include <utility>

#include "runtime/engine/answer_stage.hpp"
#include "runtime/engine/beam_run.hpp"
#include "runtime/engine/best_of.hpp"
#include "runtime/engine/prompt_logprobs.hpp"
#include "runtime/engine/request_checks.hpp"

namespace gantry::engine {
namespace {

/// Of moving blocks, in bytes a second, until it has been measured: slow memory, so that the first try pays.
constexpr double kAssumedBandwidth = 2e9;
/// How often those that wait may hear of it.
constexpr std::chrono::milliseconds kReportInterval{200};

double seconds(EngineCore::Clock::duration d) { return std::chrono::duration<double>(d).count(); }

SchedulerLimits scheduler_limits(const ModelLimits& model, const EngineOptions& options) {
    const uint32_t tokens =
        options.step_tokens > 0 ? std::min(options.step_tokens, model.max_step_tokens) : model.max_step_tokens;
    const uint64_t swap_blocks = model.block_bytes > 0 ? options.swap_bytes / model.block_bytes : 0;
    return {tokens,
            std::min(model.max_sequences, model.max_logit_rows),
            options.priority_ageing,
            options.share_weights,
            static_cast<uint32_t>(std::min<uint64_t>(swap_blocks, UINT32_MAX)),
            model.max_logit_rows};
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

/// One of a request's answers.
struct EngineCore::Branch {
    Answer answer;
    TokenHistory history;
    std::unique_ptr<AnswerStage> stage;  ///< null: the text goes out as it is
    std::optional<Clock::time_point> last_token = std::nullopt;
    std::unique_ptr<TokenConstraint> constraint = nullptr;  ///< none: any text
};

struct EngineCore::Request {
    EngineRequest spec;
    EventSink sink;
    uint64_t arrival = 0;
    StopRules rules;
    SamplerConfig config;
    std::vector<std::unique_ptr<Branch>> branches;
    std::unique_ptr<BestOf> best;                 ///< set: not all of the answers are shown
    std::unique_ptr<BeamRun> beams;               ///< set: has the sequences; the branches get its result
    std::unique_ptr<PromptScores> prompt_scores;  ///< set: asked for
    uint32_t unfinished = 0;
    bool on_device = false;  ///< its tokens may be drawn by the plugin
    bool forked = false;     ///< answers 1.. have sequences of their own
    bool ended = false;      ///< the last event is in the outbox
    uint64_t cached_tokens = 0;
    std::optional<CacheMiss> cache_miss;
    uint64_t completion_tokens = 0;
    uint64_t accepted_tokens = 0, rejected_tokens = 0;  ///< of those drafted
    uint64_t context_shifts = 0;
    std::shared_ptr<Adapter> adapter;  ///< null: none
    Clock::time_point submitted;
    std::optional<Clock::time_point> deadline;
    uint64_t reported_position = 0;
    std::optional<Clock::time_point> admitted, first_token;
    GapRecorder gaps;
    std::vector<Event> outbox;

    /// Lets out what has become certain of an answer, or keeps it where only the best of several answers are shown.
    void let_out(Branch& branch) {
        if (auto delta = branch.answer.take_delta()) {
            std::vector<Event> kept;
            std::vector<Event>& out = best ? kept : outbox;
            branch.stage ? branch.stage->add(std::move(*delta), out)
                         : static_cast<void>(out.emplace_back(std::move(*delta)));
            keep(std::move(kept));
        }
    }
    /// The end of an answer, in the same way.
    void let_out_end(Branch& branch, FinishReason reason) {
        std::vector<Event> kept;
        std::vector<Event>& out = best ? kept : outbox;
        branch.stage ? branch.stage->finish(reason, out)
                     : static_cast<void>(out.emplace_back(Finish{branch.answer.index(), reason, {}}));
        keep(std::move(kept));
    }
    void keep(std::vector<Event> events) {
        for (Event& event : events) {
            best->keep(std::move(event));
        }
    }

    uint32_t adapter_id() const { return adapter != nullptr ? adapter->id : 0; }
    /// Blocks are shared within one salt of the client's and one adapter.
    std::string cache_salt() const {
        const std::string& own = spec.params.cache_salt;
        const std::string with = adapter != nullptr ? "adapter " + std::to_string(adapter->id) + "," : std::string();
        return own.empty() && with.empty() ? std::string() : with + "salt " + own;
    }
    Usage usage(Clock::time_point now) const {
        Usage u;
        u.prompt_tokens = spec.prompt.size();
        u.cached_tokens = cached_tokens;
        u.cache_miss = cache_miss;
        u.completion_tokens = completion_tokens;
        u.accepted_draft_tokens = accepted_tokens;
        u.rejected_draft_tokens = rejected_tokens;
        u.truncated_tokens = spec.truncated;
        u.context_shifts = context_shifts;
        for (const auto& branch : branches) {
            u.reasoning_tokens += branch->stage ? branch->stage->reasoning_tokens() : 0;
        }
        u.queue_seconds = seconds(admitted.value_or(now) - submitted);
        u.prefill_seconds = admitted ? seconds(first_token.value_or(now) - *admitted) : 0;
        u.decode_seconds = first_token ? seconds(now - *first_token) : 0;
        u.first_token_seconds = first_token ? seconds(*first_token - submitted) : 0;
        u.gaps = gaps.percentiles();
        return u;
    }
};

EngineCore::EngineCore(std::unique_ptr<CausalModel> model, std::shared_ptr<const text::Tokenizer> tokenizer,
                       EngineOptions options, EndHook on_end)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      options_(std::move(options)),
      on_end_(std::move(on_end)),
      limits_(model_->limits()),
      broken_(unusable(limits_)),
      blocks_(block_count_of(limits_), std::max(limits_.block_size, 1u), options_.prefix_cache),
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

void EngineCore::queue(Request& r) {
    const GenerateRequest& params = r.spec.params;
    if (params.report_queue) {
        reporting_.insert(r.arrival);
    }
    if (!params.deadline_ms) {
        return;
    }
    r.deadline = r.submitted + std::chrono::milliseconds(*params.deadline_ms);
    deadlines_.add(r.arrival, *r.deadline);
    const SequenceId id = sequence_id(r, 0);
    const bool place = scheduler_.running() + scheduler_.waiting() <= scheduler_.limits().max_running;
    const size_t ahead = place ? 0 : scheduler_.ahead(id, r.submitted) + 1;
    if (auto error = hopeless(*r.deadline - r.submitted, load_, ahead, scheduler_.uncached(id))) {
        ++stats_.refused;
        fail(r, *error);
        deliver(r);
    }
}

void EngineCore::end_expired(Clock::time_point now) {
    for (const uint64_t arrival : deadlines_.expired(now)) {
        Request& r = *requests_.at(arrival);
        r.deadline.reset();
        ++stats_.expired;
        fail(r, deadline_passed(*r.spec.params.deadline_ms, r.completion_tokens));
    }
    deliver_all();
}

void EngineCore::report_queue(Clock::time_point now) {
    if (reporting_.empty() || now < next_report_) {
        return;
    }
    next_report_ = now + kReportInterval;
    for (const uint64_t arrival : reporting_) {
        Request& r = *requests_.at(arrival);
        const size_t ahead = scheduler_.ahead(sequence_id(r, 0), now);
        if (ahead + 1 != r.reported_position) {
            r.reported_position = ahead + 1;
            r.outbox.emplace_back(Queued{ahead + 1, load_.first_token_seconds(ahead + 1, r.spec.prompt.size())});
            touched_.push_back(arrival);
        }
    }
}

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

Status EngineCore::move_blocks(const StepPlan& plan) {
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
    if (device_draws_.empty()) {
        return model_->execute(batch_.build(plan.items, scheduler_, deterministic));
    }
    gantry_batch_t batch = batch_.build(plan.items, scheduler_, deterministic);
    batch.logits = nullptr;
    GANTRY_CHECK_OK(model_->execute(batch));
    return device_draws_.make(*model_);
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
    }
    for (const uint64_t arrival : searching) {
        settle_beams(*requests_.at(arrival));
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
    if (branch.stage) {
        branch.stage->steer(batch_.logits(first_row + walk.row()));
    }
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
    const SampleInput in{branch.history, branch.answer.forbidden(), {index, branch.answer.tokens()}, allowed};
    auto token = device_draws_.empty() ? sampler_.sample(batch_.logits(first_row + walk.row()), r.config, in)
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
