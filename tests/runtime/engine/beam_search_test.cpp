// Beam search against transformers' own (generate_beams.py), over models that are tables.

#include "runtime/engine/beam_search.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <sstream>

#include "runtime/engine/sampler.hpp"

namespace gantry::engine {
namespace {

namespace json = boost::json;

/// The logits after the last two tokens, as multiples of 1/64.
std::vector<float> logits(const json::value& table, const std::vector<int32_t>& tokens) {
    const size_t n = tokens.size();
    auto row = json::value_to<std::vector<float>>(
        table.as_array()[static_cast<size_t>(tokens[n - 2])].as_array()[static_cast<size_t>(tokens[n - 1])]);
    for (float& x : row) {
        x /= 64;
    }
    return row;
}

std::vector<Hypothesis> search(const json::value& table, const BeamOptions& options) {
    BeamSearch beams(options);
    std::vector<std::vector<int32_t>> running{{2, 1}};
    Sampler sampler;
    while (!beams.done()) {
        std::vector<std::vector<BeamSearch::Candidate>> candidates;
        for (const auto& tokens : running) {
            auto row = logits(table, tokens);
            candidates.push_back(sampler.likeliest(row, {}, {TokenHistory()}, beams.candidates_wanted()).value());
        }
        std::vector<std::vector<int32_t>> next;
        for (const auto& step : beams.advance(candidates)) {
            next.push_back(running[step.parent]);
            next.back().push_back(step.id);
        }
        running = std::move(next);
    }
    return beams.hypotheses();
}

TEST(BeamSearch, AgreesWithTransformers) {
    std::ifstream file(GANTRY_ENGINE_TEST_DIR "/beam_cases.json");
    std::stringstream text;
    text << file.rdbuf();
    const json::object all = json::parse(text.str()).as_object();
    for (const json::value& c : all.at("cases").as_array()) {
        BeamOptions options;
        options.params.width = c.at("width").to_number<uint32_t>();
        options.params.length_penalty = c.at("penalty").to_number<double>();
        options.params.early_stopping = static_cast<EarlyStopping>(c.at("early").to_number<int>());
        options.max_tokens = 7;
        options.end_ids = json::value_to<std::vector<int32_t>>(c.at("ends"));
        const auto got = search(all.at("tables").as_array()[c.at("table").to_number<size_t>()], options);
        const json::array& wanted = c.at("beams").as_array();
        ASSERT_EQ(got.size(), wanted.size());
        for (size_t i = 0; i < got.size(); ++i) {
            EXPECT_EQ(got[i].ids, json::value_to<std::vector<int32_t>>(wanted[i].at("ids"))) << json::serialize(c);
            EXPECT_NEAR(got[i].score, wanted[i].at("score").to_number<double>(), 2e-5);
        }
    }
}

/// Every sequence of three tokens, best first.
TEST(BeamSearch, AWideBeamFindsTheBestOfAll) {
    std::vector<float> start{0.3f, -1, 0.7f, 0.1f};
    const auto row_after = [&](int32_t last) {
        auto row = start;
        for (size_t i = 0; i < row.size(); ++i) {
            row[i] = std::sin(static_cast<float>(last + 1) * 2.5f + static_cast<float>(i) * 1.7f) * 2;
        }
        return row;
    };
    Sampler sampler;
    const auto all_of = [&](std::vector<float> row) { return sampler.likeliest(row, {}, {TokenHistory()}, 4).value(); };
    double best = -1e9;
    std::vector<int32_t> best_ids;
    for (const auto& [a, pa] : all_of(start)) {
        for (const auto& [b, pb] : all_of(row_after(a))) {
            for (const auto& [c, pc] : all_of(row_after(b))) {
                if (pa + pb + pc > best) {
                    best = pa + pb + pc;
                    best_ids = {a, b, c};
                }
            }
        }
    }
    BeamSearch beams({{16, 1, EarlyStopping::kNo}, 3, {}});
    std::vector<std::vector<BeamSearch::Candidate>> candidates{all_of(start)};
    while (true) {
        const auto steps = beams.advance(candidates);
        if (beams.done()) {
            break;
        }
        candidates.clear();
        for (const auto& step : steps) {
            candidates.push_back(all_of(row_after(step.id)));
        }
    }
    EXPECT_EQ(beams.hypotheses().front().ids, best_ids);
    EXPECT_NEAR(beams.hypotheses().front().score, best / 3, 1e-6);
}

}  // namespace
}  // namespace gantry::engine
