// Thousands of random schedules on the fake model. Whatever the batching, preemption, sharing and cancelling: blocks
// are conserved at every step, every request ends exactly once, and every answer is what it is when alone.

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "fakes.hpp"
#include "guessing_drafter.hpp"
#include "runtime/engine/core.hpp"

namespace gantry::engine {
namespace {

using testing::FakeModel;
using testing::Transcript;

class Dice {
  public:
    explicit Dice(uint64_t seed) : engine_(seed) {}
    uint32_t pick(uint32_t low, uint32_t high) { return low + static_cast<uint32_t>(engine_() % (high - low + 1)); }
    bool chance(uint32_t percent) { return pick(1, 100) <= percent; }

  private:
    std::mt19937_64 engine_;
};

struct Expected {
    std::string text;
    FinishReason finish = FinishReason::kLength;
    uint64_t tokens = 0;
};

/// UTF-8 text without the bytes of a last, incomplete character.
std::string_view whole_characters(std::string_view bytes) {
    for (size_t cut = 1; cut <= std::min<size_t>(3, bytes.size()); ++cut) {
        const auto byte = static_cast<unsigned char>(bytes[bytes.size() - cut]);
        if (byte >= 0xC0) {
            return utf8_length(bytes.substr(bytes.size() - cut)) == 0 ? bytes.substr(0, bytes.size() - cut) : bytes;
        }
    }
    return bytes;
}

/// The answer when nothing else is going on, in the most direct way.
Expected alone(const EngineRequest& request, uint32_t index, const ModelLimits& limits, uint32_t window) {
    const auto tokenizer = testing::small_tokenizer();
    const GenerateRequest& p = request.params;
    const SamplerConfig config = resolve(p.sampling, {}, 0, *tokenizer);
    std::vector<int32_t> stop_ids = p.stop_token_ids;
    if (!p.ignore_eos) {
        stop_ids.push_back(testing::kEos);
    }
    const auto context = std::min<uint64_t>(limits.max_context, limits.block_count * limits.block_size);
    const auto room = static_cast<uint32_t>(context - request.prompt.size());
    const uint32_t max_tokens = std::min(p.max_tokens.value_or(room), room);
    std::vector<int32_t> all = request.prompt;
    std::vector<int32_t> answer;
    TokenHistory history(config, *tokenizer);
    history.add_prompt(all);
    Sampler sampler;
    std::vector<float> row(limits.vocab_size);
    while (true) {
        testing::fake_logits(window > 0 && all.size() > window ? std::span(all).last(window) : std::span(all), row);
        const bool early = answer.size() < p.min_tokens;
        const auto token = sampler.sample(
            row, config, {history, early ? std::span(stop_ids) : std::span<const int32_t>(), {index, answer.size()}});
        const int32_t id = token->id;
        if (!early && std::ranges::find(stop_ids, id) != stop_ids.end()) {
            return {tokenizer->decode(answer, true), FinishReason::kStop, answer.size() + 1};
        }
        all.push_back(id);
        answer.push_back(id);
        history.accept(*token, config);
        const bool last = answer.size() >= max_tokens;
        const std::string bytes = tokenizer->bytes(answer);
        const std::string text = testing::lossy(last ? bytes : whole_characters(bytes));
        size_t cut = std::string::npos;
        for (const std::string& stop : p.stop) {
            cut = std::min(cut, text.find(stop));
        }
        if (cut != std::string::npos) {
            return {text.substr(0, cut), FinishReason::kStop, answer.size()};
        }
        if (last) {
            return {text, FinishReason::kLength, answer.size()};
        }
    }
}

ModelLimits random_limits(Dice& dice) {
    ModelLimits l = testing::small_limits();
    l.block_size = dice.pick(1, 6);
    l.block_count = dice.pick(6, dice.chance(50) ? 12 : 60);
    l.max_context = dice.pick(20, 80);
    l.max_step_tokens = dice.pick(1, dice.chance(30) ? 4 : 40);
    l.max_sequences = dice.pick(1, 8);
    l.max_logit_rows = dice.pick(1, 8);
    return l;
}

EngineRequest random_request(Dice& dice, const std::string& id, size_t longest_prompt) {
    EngineRequest request;
    request.id = id;
    // Few distinct texts, so that prefixes are met again.
    const auto text = static_cast<int32_t>(dice.pick(0, 2));
    const auto length = dice.pick(1, static_cast<uint32_t>(longest_prompt));
    const auto differs_from = dice.pick(0, length);
    for (uint32_t i = 0; i < length; ++i) {
        const auto twist = i >= differs_from ? static_cast<int32_t>(dice.pick(0, 3)) : 0;
        request.prompt.push_back(static_cast<int32_t>((static_cast<int32_t>(i) * 7 + text * 5 + twist) % 31 + 1));
    }
    GenerateRequest& p = request.params;
    p.sampling.seed = dice.pick(0, 1000);
    if (dice.chance(70)) {
        p.sampling.temperature = dice.chance(30) ? 0.0 : 0.25 * dice.pick(1, 6);
    }
    if (dice.chance(30)) {
        p.sampling.top_k = dice.pick(0, 10);
    }
    if (dice.chance(30)) {
        p.sampling.top_p = 0.1 * dice.pick(1, 10);
    }
    if (dice.chance(30)) {
        p.sampling.repetition_penalty = 1.25;
        p.sampling.frequency_penalty = 0.5;
    }
    if (dice.chance(80)) {
        p.max_tokens = dice.pick(1, 25);
    }
    p.ignore_eos = dice.chance(20);
    if (dice.chance(40)) {
        p.stop = {"end", "aab", "\xC3\xA9"};
    } else if (dice.chance(20)) {
        p.min_tokens = dice.pick(0, p.max_tokens.value_or(5));
    }
    if (dice.chance(10)) {
        p.stop_token_ids = {5};
    }
    p.n = dice.chance(30) ? static_cast<int32_t>(dice.pick(2, 5)) : 1;
    p.priority = dice.chance(25) ? static_cast<int32_t>(dice.pick(0, 2)) - 1 : 0;
    p.share_key = std::string(dice.pick(0, 2), 'k');
    if (dice.chance(10)) {
        p.deadline_ms = dice.pick(1, 2000);
    }
    p.report_queue = dice.chance(20);
    p.cache_salt = dice.chance(15) ? "salt" : "";
    p.cache_pin = dice.chance(15);
    p.cache_debug = dice.chance(30);
    return request;
}

struct Job {
    EngineRequest request;
    uint64_t submit_step = 0;
    std::optional<uint64_t> cancel_step;
    bool cancelled = false;
    Transcript transcript;
};

/// One schedule from start to end.
class Schedule {
  public:
    explicit Schedule(uint64_t seed) : dice_(seed), limits_(random_limits(dice_)) {
        const size_t capacity = limits_.block_count * limits_.block_size;
        const size_t context = std::min<size_t>(limits_.max_context, capacity);
        const uint32_t count = dice_.pick(1, 8);
        for (uint32_t i = 0; i < count; ++i) {
            Job& job = *jobs_.emplace_back(std::make_unique<Job>());
            job.request = random_request(dice_, "r" + std::to_string(i), std::min<size_t>(context - 1, 30));
            job.submit_step = dice_.chance(50) ? 0 : dice_.pick(0, 40);
            if (dice_.chance(15)) {
                job.cancel_step = job.submit_step + dice_.pick(0, 30);
            }
        }
        EngineOptions options;
        options.prefix_cache = dice_.chance(70);
        options.step_tokens = dice_.chance(30) ? dice_.pick(1, 16) : 0;
        options.eos_ids = {testing::kEos};
        options.priority_ageing = std::chrono::milliseconds(dice_.pick(0, 500));
        options.share_weights = {{"k", 2.0}};
        options.swap_bytes = dice_.chance(60) ? dice_.pick(0, 30) * limits_.block_size * sizeof(int32_t) : 0;
        if (dice_.chance(50)) {
            const bool trees = dice_.chance(70);
            limits_.features |= trees ? uint32_t{GANTRY_CAUSAL_LM_TREE} : 0u;
            limits_.max_logit_rows += dice_.pick(trees ? 8 : 0, 24);
            if (trees) {  // a tree needs room in the step
                limits_.max_step_tokens = std::max(limits_.max_step_tokens, dice_.pick(8, 40));
                options.step_tokens = dice_.chance(70) ? 0 : options.step_tokens;
            }
            options.speculative = static_cast<DraftSource>(dice_.pick(2, 4));
            options.draft_tokens = dice_.pick(1, 9);
            options.draft_adaptive = dice_.chance(30);
            options.drafter = std::make_shared<testing::GuessingDrafter>(limits_.vocab_size, seed, dice_.pick(0, 100));
        }
        options.cache_host_bytes = dice_.chance(50) ? dice_.pick(0, 40) * limits_.block_size * sizeof(int32_t) : 0;
        limits_.features |= seed % 2 != 0 ? uint32_t{GANTRY_CAUSAL_LM_SUMMARIES} : 0u;
        options.window = dice_.chance(25) ? dice_.pick(1, 20) : 0;
        auto model = std::make_unique<FakeModel>(limits_);
        model_ = model.get();
        model_->window = options.window;
        if (dice_.chance(20)) {
            model_->before_read = [this] {
                return dice_.chance(70) ? ok() : Status(Error{Code::kOutOfMemory, "no pinned memory"});
            };
        }
        if (dice_.chance(15)) {
            model_->before_execute = [this](const gantry_batch_t& batch) -> Status {
                if (dice_.chance(97)) {
                    return ok();
                }
                may_fail_ += batch.sequence_count;
                return Error{Code::kOutOfMemory, "no scratch memory"};
            };
            model_->after_row = [this](std::span<float> row) {
                if (dice_.chance(1)) {
                    ++may_fail_;
                    row[3] = std::numeric_limits<float>::quiet_NaN();
                }
            };
        }
        core_ = std::make_unique<EngineCore>(std::move(model), testing::small_tokenizer(), options);
    }

    void run() {
        const uint64_t bound = 100 + worst_steps();
        uint64_t step = 0;
        for (; pending(step); ++step) {
            ASSERT_LT(step, bound) << "starved";
            for (auto& job : jobs_) {
                if (job->submit_step == step) {
                    ASSERT_TRUE(core_->check(job->request)) << core_->check(job->request).error().message;
                    core_->add(
                        job->request, [job = job.get()](auto events) { job->transcript.take(events); }, now_);
                }
                if (job->cancel_step == step) {
                    job->cancelled = true;
                    core_->cancel(job->request.id);
                    ASSERT_TRUE(job->transcript.ended());
                }
            }
            core_->step(now_);
            now_ += std::chrono::milliseconds(dice_.pick(1, 20));
            ASSERT_EQ(core_->audit(), "");
            ASSERT_EQ(model_->complaint, "");
        }
        const EngineStats stats = core_->stats();
        EXPECT_EQ(stats.blocks_free + stats.blocks_cached, stats.blocks_total);
        EXPECT_EQ(stats.waiting + stats.running, 0u);
        EXPECT_EQ(stats.finished + stats.cancelled + stats.failed, jobs_.size());
        EXPECT_LE(stats.failed, may_fail_ + stats.expired + stats.refused);
        late += stats.expired + stats.refused;
        swaps += stats.swaps_in;
        fetches += stats.cache_fetches;
        EXPECT_LE(stats.cache_fetches, stats.cache_spills);
        preemptions += stats.preemptions;
        cached_tokens += stats.cached_tokens;
        copies += model_->copies;
        accepted += stats.accepted_tokens;
        slot_copies += model_->slot_copies;
        EXPECT_LE(stats.accepted_tokens, stats.drafted_tokens);
        for (const auto& job : jobs_) {
            compare(*job);
            reports += job->transcript.places.size();
        }
    }

    uint64_t preemptions = 0, cached_tokens = 0, copies = 0, late = 0, reports = 0, swaps = 0, accepted = 0,
             slot_copies = 0, fetches = 0;

  private:
    bool pending(uint64_t step) const {
        return std::ranges::any_of(jobs_,
                                   [&](const auto& j) { return !j->transcript.ended() || j->submit_step > step; });
    }

    /// Every token one step, and every sequence recomputed from its start for each of them: nothing may take longer.
    uint64_t worst_steps() const {
        uint64_t tokens = 0;
        for (const auto& job : jobs_) {
            const uint64_t length = job->request.prompt.size() + job->request.params.max_tokens.value_or(80);
            tokens += static_cast<uint64_t>(job->request.params.n) * length * 12;
        }
        return tokens + 100;
    }

    void compare(const Job& job) const {
        const Transcript& got = job.transcript;
        EXPECT_EQ(got.complaint, "");
        if (got.error && (may_fail_ > 0 || got.error->code == Code::kDeadlineExceeded)) {
            ASSERT_TRUE(got.error->code != Code::kDeadlineExceeded || job.request.params.deadline_ms);
            return;
        }
        ASSERT_FALSE(got.error) << got.error->message;
        const auto n = static_cast<uint32_t>(job.request.params.n);
        ASSERT_EQ(got.answers.size(), n);
        uint64_t tokens = 0;
        for (uint32_t i = 0; i < n; ++i) {
            const Expected expected = alone(job.request, i, limits_, model_->window);
            const auto& answer = got.answers.at(i);
            tokens += expected.tokens;
            ASSERT_TRUE(answer.finish);
            if (answer.finish == FinishReason::kCancelled) {
                EXPECT_TRUE(job.cancelled);
                EXPECT_TRUE(expected.text.starts_with(answer.text));
                continue;
            }
            EXPECT_EQ(answer.finish, expected.finish);
            EXPECT_EQ(answer.text, expected.text);
        }
        EXPECT_EQ(got.usage->prompt_tokens, job.request.prompt.size());
        EXPECT_LT(got.usage->cached_tokens, job.request.prompt.size());
        if (!job.cancelled) {
            EXPECT_EQ(got.usage->completion_tokens, tokens);
        }
    }

    Dice dice_;
    ModelLimits limits_;
    std::vector<std::unique_ptr<Job>> jobs_;
    EngineCore::Clock::time_point now_{};
    uint64_t may_fail_ = 0;  ///< sequences that a fault of the model has met
    FakeModel* model_ = nullptr;
    std::unique_ptr<EngineCore> core_;
};

class RandomSchedules : public ::testing::TestWithParam<uint64_t> {};

TEST_P(RandomSchedules, GiveEveryRequestTheAnswerThatItGetsAlone) {
    uint64_t preemptions = 0, cached = 0, copies = 0, late = 0, reports = 0, swaps = 0, accepted = 0, slot_copies = 0,
             fetches = 0;
    for (uint64_t i = 0; i < 1500; ++i) {
        const uint64_t seed = GetParam() * 1'000'000 + i;
        SCOPED_TRACE("seed " + std::to_string(seed));
        Schedule schedule(seed);
        schedule.run();
        if (HasFailure()) {
            return;
        }
        preemptions += schedule.preemptions;
        cached += schedule.cached_tokens;
        copies += schedule.copies;
        late += schedule.late;
        reports += schedule.reports;
        swaps += schedule.swaps;
        accepted += schedule.accepted;
        slot_copies += schedule.slot_copies;
        fetches += schedule.fetches;
    }
    // The schedules must have met what they are for.
    EXPECT_GT(preemptions, 500u);
    EXPECT_GT(cached, 500u);
    EXPECT_GT(copies, 500u);
    EXPECT_GT(late, 20u);
    EXPECT_GT(reports, 20u);
    EXPECT_GT(swaps, 20u);
    EXPECT_GT(fetches, 20u);
    EXPECT_GT(accepted, 500u);
    EXPECT_GT(slot_copies, 100u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomSchedules, ::testing::Range<uint64_t>(0, 8));

}  // namespace
}  // namespace gantry::engine
