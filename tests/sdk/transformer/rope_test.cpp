#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <gantry/transformer/config.hpp>
#include <map>
#include <sstream>
#include <string>

namespace gantry::transformer {
namespace {

namespace json = boost::json;

json::array read_cases() {
    std::ifstream file(GANTRY_SOURCE_DIR "/tests/sdk/transformer/golden/rope.json");
    std::ostringstream text;
    text << file.rdbuf();
    return json::parse(text.str()).as_array();
}

RopeConfig config_of(const json::object& c) {
    static const std::map<std::string, RopeScaling, std::less<>> kScalings = {
        {"linear", RopeScaling::kLinear}, {"dynamic", RopeScaling::kDynamic},   {"llama3", RopeScaling::kLlama3},
        {"yarn", RopeScaling::kYarn},     {"longrope", RopeScaling::kLongRope},
    };
    const json::object& p = c.at("parameters").as_object();
    const auto number = [&p](const char* key, double fallback) {
        const auto* v = p.if_contains(key);
        return v == nullptr ? fallback : v->to_number<double>();
    };
    RopeConfig out;
    out.scaling = kScalings.find(std::string(p.at("rope_type").as_string()))->second;
    out.dim = c.at("dim").to_number<uint32_t>();
    out.theta = c.at("theta").to_number<double>();
    out.factor = number("factor", 1);
    out.original_context =
        static_cast<uint32_t>(number("original_max_position_embeddings", c.at("context_length").to_number<double>()));
    out.low_freq_factor = number("low_freq_factor", out.low_freq_factor);
    out.high_freq_factor = number("high_freq_factor", out.high_freq_factor);
    out.beta_fast = number("beta_fast", out.beta_fast);
    out.beta_slow = number("beta_slow", out.beta_slow);
    out.mscale = number("mscale", 0);
    out.mscale_all_dim = number("mscale_all_dim", 0);
    if (const auto* v = p.if_contains("truncate")) out.truncate = v->as_bool();
    if (const auto* v = p.if_contains("short_factor")) out.short_factors = json::value_to<std::vector<double>>(*v);
    if (const auto* v = p.if_contains("long_factor")) out.long_factors = json::value_to<std::vector<double>>(*v);
    return out;
}

TEST(Rope, EveryScalingGivesTheFrequenciesOfTransformers) {
    const json::array cases = read_cases();
    ASSERT_EQ(cases.size(), 14U);
    for (const json::value& value : cases) {
        const json::object& c = value.as_object();
        const auto max_context = c.at("max_context").to_number<uint32_t>();
        SCOPED_TRACE(std::string(c.at("name").as_string()) + " at " + std::to_string(max_context));
        const Rope rope = make_rope(config_of(c), max_context);
        EXPECT_NEAR(static_cast<double>(rope.magnitude), c.at("magnitude").to_number<double>(), 1e-6);
        const auto expected = json::value_to<std::vector<double>>(c.at("inv_freq"));
        ASSERT_EQ(rope.inv_freq.size(), expected.size());
        for (size_t i = 0; i < expected.size(); ++i) {
            EXPECT_NEAR(static_cast<double>(rope.inv_freq[i]), expected[i], 2e-6 * expected[i]) << "pair " << i;
        }
    }
}

TEST(Rope, DivisorsDivideAndAnAttentionFactorOverrides) {
    RopeConfig c;
    c.dim = 4;
    c.divisors = {1, 8};
    EXPECT_FLOAT_EQ(make_rope(c, 128).inv_freq[1], 0.01F / 8);
    c.scaling = RopeScaling::kYarn;
    c.original_context = 64;
    c.factor = 4;
    c.attention_factor = 1.25;
    EXPECT_EQ(make_rope(c, 128).magnitude, 1.25F);
}

}  // namespace
}  // namespace gantry::transformer
