/// sampler_bench [VOCABULARY]: prints the median microseconds that drawing one token takes, for the usual parameters
/// and for each of the unusual ones; from rows alone, and where the model gives their blocks' peaks and masses. Rows
/// differ from draw to draw, as they do in a batch, so that none is in a near cache.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "runtime/engine/sampler.hpp"

using namespace gantry::engine;

namespace {

constexpr size_t kRows = 32;
constexpr int kRounds = 12;

std::vector<std::vector<float>> random_rows(size_t vocabulary) {
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal(0, 2.5f);
    std::vector<std::vector<float>> rows(kRows, std::vector<float>(vocabulary));
    for (auto& row : rows) {
        std::ranges::generate(row, [&] { return normal(random); });
        for (int i = 0; i < 20; ++i) {  // the few likely tokens that text has
            row[random() % vocabulary] = 12 + normal(random);
        }
    }
    return rows;
}

/// What a model that sums its rows up gives beside them.
struct Summary {
    std::vector<float> peaks, masses;
};

std::vector<Summary> summaries_of(const std::vector<std::vector<float>>& rows, float scale) {
    std::vector<Summary> out(rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
        for (size_t begin = 0; begin < rows[i].size(); begin += GANTRY_LOGIT_BLOCK) {
            float& peak = out[i].peaks.emplace_back();
            kernels::row_masses(&rows[i][begin], std::min<size_t>(GANTRY_LOGIT_BLOCK, rows[i].size() - begin),
                                scale > 0 ? scale : 1, &peak, &out[i].masses.emplace_back());
        }
    }
    return out;
}

double median_us(std::vector<std::vector<float>>& rows, const SamplerConfig& config, const SampleInput& in,
                 bool summed_up = false) {
    Sampler sampler;
    const float scale = Sampler::mass_scale(config, rows.front().size());
    const auto summaries = summed_up ? summaries_of(rows, scale) : std::vector<Summary>(rows.size());
    std::vector<double> times;
    for (int round = 0; round < kRounds; ++round) {
        for (size_t i = 0; i < rows.size(); ++i) {
            auto& row = rows[i];
            SampleInput input = in;
            input.summary = {summaries[i].peaks, summaries[i].masses, scale};
            input.place.position = times.size();
            const auto begin = std::chrono::steady_clock::now();
            const auto token = sampler.sample(row, config, input);
            const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - begin;
            if (!token) {
                std::exit(1);
            }
            times.push_back(time.count());
        }
    }
    std::ranges::nth_element(times, times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2));
    return times[times.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
    const size_t vocabulary = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 151'936;
    auto rows = random_rows(vocabulary);
    std::vector<std::pair<std::string, SamplerConfig>> cases;
    const auto add = [&](std::string name, auto&& set) {
        SamplerConfig config;
        config.seed = 7;
        set(config);
        cases.emplace_back(std::move(name), std::move(config));
    };
    add("greedy", [](SamplerConfig& c) { c.temperature = 0; });
    add("temperature", [](SamplerConfig& c) { c.temperature = 0.7f; });
    const auto usual = [](SamplerConfig& c) {
        c.temperature = 0.7f;
        c.top_k = 20;
        c.top_p = 0.8f;
    };
    add("temperature, top-k, top-p", usual);
    add("temperature, top-p", [](SamplerConfig& c) { c.top_p = 0.95f; });
    add("temperature, min-p", [](SamplerConfig& c) { c.min_p = 0.05f; });
    add("greedy, 5 logprobs", [](SamplerConfig& c) {
        c.temperature = 0;
        c.top_logprobs = 5;
    });
    add("usual, 5 processed logprobs", [&](SamplerConfig& c) {
        usual(c);
        c.top_logprobs = 5;
        c.processed_logprobs = true;
    });
    add("top-n-sigma", [](SamplerConfig& c) { c.top_n_sigma = 1; });
    add("dynamic temperature", [](SamplerConfig& c) { c.dynatemp_range = 0.5f; });
    add("typical-p after top-k 1000", [](SamplerConfig& c) {
        c.typical_p = 0.9f;
        c.top_k = 1000;
    });
    add("typical-p over all", [](SamplerConfig& c) { c.typical_p = 0.9f; });
    add("min-p, XTC", [](SamplerConfig& c) {
        c.min_p = 0.02f;
        c.xtc_probability = 1;
    });
    add("Mirostat 1", [](SamplerConfig& c) { c.mirostat = 1; });
    add("Mirostat 2", [](SamplerConfig& c) { c.mirostat = 2; });
    const TokenHistory history;
    std::printf("%-32s %10s %24s\n", "", "median us", "us of a row summed up");
    for (const auto& [name, config] : cases) {
        std::printf("%-32s %10.1f %24.1f\n", name.c_str(), median_us(rows, config, {history}),
                    median_us(rows, config, {history}, true));
    }
    std::vector<uint32_t> mask((vocabulary + 31) / 32, 0x5a5a5a5au);
    SamplerConfig masked = cases[2].second;
    std::printf("%-32s %10.1f\n", "the usual under a mask", median_us(rows, masked, {history, {}, {}, mask}));
    return 0;
}
