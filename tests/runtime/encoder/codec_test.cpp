#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/encoder/types.hpp"

namespace gantry::encoder {
namespace {

using ::testing::HasSubstr;

TEST(EncodeCodec, ARequestComesBackAsItWas) {
    EncodeRequest request;
    request.id = "embd-1";
    request.task = Task::kScore;
    request.inputs = {std::string("a \"text\"\n\xc3\xa9"), std::vector<int32_t>{1, 2, 30000}, TextPair{"q", "d"}};
    request.dimensions = 64;
    request.normalize = false;
    request.prompt_name = "query";
    request.input_type = "document";
    request.raw_scores = true;
    request.add_special = false;
    request.truncate_prompt_tokens = -1;
    request.priority = -3;
    request.share_key = "ann";
    request.deadline_ms = 1500;
    const auto back = encode_request_from_json(to_json(request));
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(back->id, request.id);
    EXPECT_EQ(back->task, request.task);
    EXPECT_EQ(back->inputs, request.inputs);
    EXPECT_EQ(back->dimensions, request.dimensions);
    EXPECT_EQ(back->normalize, request.normalize);
    EXPECT_EQ(back->prompt_name, request.prompt_name);
    EXPECT_EQ(back->input_type, request.input_type);
    EXPECT_EQ(back->raw_scores, request.raw_scores);
    EXPECT_EQ(back->add_special, request.add_special);
    EXPECT_EQ(back->truncate_prompt_tokens, request.truncate_prompt_tokens);
    EXPECT_EQ(back->priority, request.priority);
    EXPECT_EQ(back->share_key, request.share_key);
    EXPECT_EQ(back->deadline_ms, request.deadline_ms);
}

TEST(EncodeCodec, BadRequestsSayWhatIsWrong) {
    const std::pair<const char*, const char*> rows[] = {
        {R"({"inputs": []})", "inputs"},
        {R"({"inputs": "text"})", "inputs"},
        {R"({"inputs": ["a", 5]})", "inputs[1]"},
        {R"({"inputs": [{"ids": [-1]}]})", "inputs[0]"},
        {R"({"inputs": [{"pair": ["a"]}]})", "inputs[0]"},
        {R"({"inputs": ["a"], "task": "dance"})", "task"},
        {R"({"inputs": ["a"], "truncate_prompt_tokens": 0})", "truncate_prompt_tokens"},
        {R"({"inputs": ["a"], "dimensions": 0})", "dimensions"},
        {"[1]", "object"},
    };
    for (const auto& [text, expected] : rows) {
        const auto got = encode_request_from_json(text);
        ASSERT_FALSE(got) << text;
        EXPECT_EQ(got.error().code, Code::kInvalidArgument);
        EXPECT_THAT(got.error().message, HasSubstr(expected));
    }
}

TEST(EncodeCodec, RowsTravelBitForBit) {
    EncodeResult result;
    result.width = 2;
    result.values = {1.0F / 3, -0.0F, 1e-40F, 3.4e38F};
    result.prompt_tokens = {7, 9};
    result.truncated_inputs = 1;
    result.queue_seconds = 0.25;
    const std::string wire = to_wire(result);
    const auto back = encode_result_from_wire(wire);
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(back->width, 2U);
    EXPECT_EQ(back->values, result.values);
    EXPECT_TRUE(std::signbit(back->values[1]));
    EXPECT_EQ(back->prompt_tokens, result.prompt_tokens);
    EXPECT_EQ(back->tokens(), 16U);
    EXPECT_EQ(back->truncated_inputs, 1U);
    EXPECT_EQ(back->queue_seconds, 0.25);
    for (const size_t cut : {size_t{0}, size_t{5}, wire.size() - 1}) {
        const auto damaged = encode_result_from_wire(std::string_view(wire).substr(0, cut));
        ASSERT_FALSE(damaged) << cut;
        EXPECT_EQ(damaged.error().code, Code::kDataLoss);
    }
}

}  // namespace
}  // namespace gantry::encoder
