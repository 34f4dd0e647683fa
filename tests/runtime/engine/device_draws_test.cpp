// Draws by the plugin: the same distribution as the host's, and used where they can say what a request asks.

#include "runtime/engine/device_draws.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "fakes.hpp"
#include "runtime/engine/core.hpp"

namespace gantry::engine {
namespace {

/// The fake model with a sampler in the most direct way: sort everything, one filter after the other, in double.
class DeviceModel final : public testing::FakeModel {
  public:
    using FakeModel::FakeModel;

    bool has_sampler() const override { return true; }
    Status execute(const gantry_batch_t& batch) override {
        if (batch.logits != nullptr) {
            ++host_steps;
            return FakeModel::execute(batch);
        }
        rows_.resize(size_t{batch.logit_row_count} * limits().vocab_size);
        gantry_batch_t kept = batch;
        kept.logits = rows_.data();
        return FakeModel::execute(kept);
    }
    Status sample(std::span<const gantry_sample_params_t* const> params,
                  std::span<gantry_sample_result_t* const> results) override {
        for (size_t i = 0; i < params.size(); ++i) {
            sample_one(*params[i], *results[i]);
            ++device_draws;
        }
        return ok();
    }

    uint64_t device_draws = 0, host_steps = 0;

  private:
    void sample_one(const gantry_sample_params_t& p, gantry_sample_result_t& result) {
        const size_t n = limits().vocab_size;
        std::vector<float> row(rows_.begin() + static_cast<std::ptrdiff_t>(p.logit_row * n),
                               rows_.begin() + static_cast<std::ptrdiff_t>((p.logit_row + 1) * n));
        double sum = 0;
        for (const float x : row) {
            sum += std::exp(static_cast<double>(x));
        }
        const auto raw = row;
        for (uint32_t i = 0; i < p.bias_count; ++i) {
            row[static_cast<size_t>(p.bias_ids[i])] += p.bias_values[i];
        }
        std::map<int32_t, int> times;
        for (uint32_t i = 0; i < p.history_count; ++i) {
            ++times[p.history[i]];
        }
        for (const auto& [id, count] : times) {
            float& x = row[static_cast<size_t>(id)];
            x = x > 0 ? x / p.repetition_penalty : x * p.repetition_penalty;
            x -= static_cast<float>(count) * p.frequency_penalty + p.presence_penalty;
        }
        std::vector<size_t> order;
        for (size_t t = 0; t < n; ++t) {
            if (p.mask == nullptr || (p.mask[t / 32] >> (t % 32) & 1u) != 0) {
                order.push_back(t);
            }
        }
        std::ranges::stable_sort(order, [&](size_t a, size_t b) { return row[a] > row[b]; });
        const auto finish = [&](size_t t) {
            result.token = static_cast<int32_t>(t);
            result.logprob = static_cast<float>(static_cast<double>(raw[t]) - std::log(sum));
        };
        if (p.temperature == 0) {
            finish(order[0]);
            return;
        }
        std::vector<double> terms;
        for (const size_t t : order) {
            terms.push_back(std::exp(static_cast<double>(row[t] - row[order[0]]) / static_cast<double>(p.temperature)));
        }
        terms.resize(p.top_k > 0 ? std::min(terms.size(), static_cast<size_t>(p.top_k)) : terms.size());
        const double total = std::accumulate(terms.begin(), terms.end(), 0.0);
        double mass = 0;
        size_t kept = 0;
        while (kept < terms.size() && (mass < static_cast<double>(p.top_p) * total || p.top_p == 1)) {
            mass += terms[kept++];
        }
        while (terms[kept - 1] < static_cast<double>(p.min_p)) {
            mass -= terms[--kept];
        }
        std::seed_seq seed{static_cast<uint32_t>(p.seed), static_cast<uint32_t>(p.seed >> 32),
                           static_cast<uint32_t>(p.counter), static_cast<uint32_t>(p.counter >> 32)};
        std::mt19937_64 random(seed);
        double left = std::uniform_real_distribution<double>(0, mass)(random);
        size_t i = 0;
        while (i + 1 < kept && left >= terms[i]) {
            left -= terms[i++];
        }
        finish(order[i]);
    }

    std::vector<float> rows_;
};

struct Bench {
    Bench() {
        auto owned = std::make_unique<DeviceModel>(testing::small_limits());
        model = owned.get();
        EngineOptions options;
        options.eos_ids = {testing::kEos};
        core = std::make_unique<EngineCore>(std::move(owned), testing::small_tokenizer(), options);
    }
    testing::Transcript answer(EngineRequest r) {
        testing::Transcript transcript;
        core->add(std::move(r), [&](std::vector<Event> events) { transcript.take(events); });
        while (core->step()) {
        }
        EXPECT_EQ(transcript.complaint, "");
        EXPECT_EQ(model->complaint, "");
        return transcript;
    }
    DeviceModel* model = nullptr;
    std::unique_ptr<EngineCore> core;
};

EngineRequest request(const SamplingParams& sampling, uint32_t max_tokens) {
    EngineRequest r;
    r.id = "r";
    r.prompt = {3, 9, 3, 4};
    r.params.sampling = sampling;
    r.params.max_tokens = max_tokens;
    r.params.ignore_eos = true;
    r.params.n = 16;
    return r;
}

TEST(DeviceDraws, HaveTheHostsDistribution) {
    std::vector<SamplingParams> all(6);
    all[1].temperature = 0.7;
    all[1].top_k = 6;
    all[2].top_p = 0.8;
    all[2].repetition_penalty = 1.7;
    all[3].min_p = 0.1;
    all[3].logit_bias = {{4, 3}, {7, -100}};
    all[4].allowed_token_ids = {{1, 2, 3, 20, 31}};
    all[5].frequency_penalty = 1;
    all[5].presence_penalty = 0.5;
    for (size_t c = 0; c < all.size(); ++c) {
        Bench b;
        const EngineRequest r = request(all[c], 1);
        std::vector<double> seen(testing::small_limits().vocab_size, 0);
        constexpr int kRequests = 250;
        for (int i = 0; i < kRequests; ++i) {
            for (const auto& [index, answer] : b.answer(r).answers) {
                seen[static_cast<size_t>(answer.ids.at(0))] += 1;
            }
        }
        EXPECT_EQ(b.model->device_draws, 16u * kRequests);
        EXPECT_EQ(b.model->host_steps, 0u);
        const SamplerConfig config = resolve(all[c], {}, 0, *testing::small_tokenizer());
        TokenHistory history(config, *testing::small_tokenizer());
        history.add_prompt(r.prompt);
        std::vector<float> row(testing::small_limits().vocab_size);
        testing::fake_logits(r.prompt, row);
        Sampler sampler;
        double chi_square = 0;
        double cells = 0;
        double covered = 0;
        for (const auto& [id, p] : sampler.distribution(row, config, {history}).value()) {
            const double expected = p * 16 * kRequests;
            const double difference = seen[static_cast<size_t>(id)] - expected;
            chi_square += difference * difference / expected;
            covered += seen[static_cast<size_t>(id)];
            ++cells;
        }
        EXPECT_EQ(covered, 16 * kRequests) << c;
        // The engine's own entropy seeds these draws, so the bound is one that chance does not reach in a lifetime.
        EXPECT_LT(chi_square, cells - 1 + 8 * std::sqrt(2 * cells)) << c;
    }
}

TEST(DeviceDraws, GiveTheSameGreedyAnswers) {
    SamplingParams greedy;
    greedy.temperature = 0;
    greedy.frequency_penalty = 0.5;
    EngineRequest r = request(greedy, 12);
    r.params.n = 1;
    r.params.top_logprobs = 0;
    r.params.min_tokens = 3;
    Bench device;
    const auto here = device.answer(r);
    EXPECT_EQ(device.model->device_draws, 12u);
    r.params.sampling.seed = 1;  // seeded: on the host
    Bench host;
    const auto there = host.answer(r);
    EXPECT_EQ(host.model->device_draws, 0u);
    EXPECT_EQ(here.answers.at(0).ids, there.answers.at(0).ids);
    for (size_t i = 0; i < 12; ++i) {
        EXPECT_NEAR(here.answers.at(0).logprobs.at(i).logprob, there.answers.at(0).logprobs.at(i).logprob, 1e-4);
    }
}

TEST(DeviceDraws, LeaveToTheHostWhatTheyCannotSay) {
    const auto can = [](auto&& set, bool seeded = false) {
        SamplerConfig config;
        set(config);
        return device_can_draw(config, seeded);
    };
    EXPECT_TRUE(can([](SamplerConfig& c) { c.top_logprobs = 5; }));
    EXPECT_TRUE(can([](SamplerConfig& c) { c.presence_penalty = 1; }));
    EXPECT_FALSE(can([](SamplerConfig&) {}, true));
    EXPECT_FALSE(can([](SamplerConfig& c) { c.dynatemp_range = 1; }));
    EXPECT_FALSE(can([](SamplerConfig& c) { c.top_n_sigma = 1; }));
    EXPECT_FALSE(can([](SamplerConfig& c) { c.typical_p = 0.5f; }));
    EXPECT_FALSE(can([](SamplerConfig& c) { c.xtc_probability = 0.5f; }));
    EXPECT_FALSE(can([](SamplerConfig& c) { c.mirostat = 2; }));
    EXPECT_FALSE(can([](SamplerConfig& c) { c.dry_multiplier = 1; }));
    EXPECT_FALSE(can([](SamplerConfig& c) { c.bad_words = {{1}}; }));
    EXPECT_FALSE(can([](SamplerConfig& c) { c.processed_logprobs = true; }));
    EXPECT_FALSE(can([](SamplerConfig& c) {
        c.presence_penalty = 1;
        c.repeat_last_n = 4;
    }));
    EXPECT_FALSE(can([](SamplerConfig& c) {
        c.presence_penalty = 1;
        c.repetition_penalty = 2;
    }));
}

}  // namespace
}  // namespace gantry::engine
