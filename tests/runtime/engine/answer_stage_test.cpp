#include "runtime/engine/answer_stage.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace gantry::engine {
namespace {

std::shared_ptr<text::OutputPlan> plan() {
    auto out = std::make_shared<text::OutputPlan>();
    out->format = text::find_output_format("hermes");
    out->tools = {{"f", {}}};
    out->reasoning = text::find_reasoning_tags("think");
    return out;
}

Delta delta(std::string text, size_t tokens = 1) {
    Delta out;
    out.text = std::move(text);
    out.ids.assign(tokens, 7);
    return out;
}

const Delta& delta_at(const std::vector<Event>& events, size_t i) { return std::get<Delta>(events.at(i)); }

TEST(AnswerStage, PutsPiecesIntoTheOrderOfADelta) {
    AnswerStage stage(plan(), "r", 0);
    std::vector<Event> out;
    stage.add(delta("<think>why</think>so<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call>then", 3), out);
    stage.finish(FinishReason::kStop, out);
    ASSERT_EQ(out.size(), 3U);
    EXPECT_EQ(delta_at(out, 0).reasoning, "why");
    EXPECT_EQ(delta_at(out, 0).text, "so");
    ASSERT_EQ(delta_at(out, 0).tool_calls.size(), 1U);
    EXPECT_EQ(delta_at(out, 0).tool_calls[0].name, "f");
    EXPECT_EQ(delta_at(out, 0).tool_calls[0].arguments, "{\"a\":1}");
    EXPECT_EQ(delta_at(out, 1).text, "then");
    EXPECT_EQ(delta_at(out, 1).ids.size(), 3U);
    EXPECT_EQ(std::get<Finish>(out[2]).reason, FinishReason::kToolCalls);
}

TEST(AnswerStage, CountsTokensOfReasoning) {
    AnswerStage stage(plan(), "r", 1);
    std::vector<Event> out;
    for (const char* text : {"<think>", "a", "b", "</think>", "c", "d"}) {
        stage.add(delta(text), out);
    }
    EXPECT_EQ(stage.reasoning_tokens(), 4U);
    EXPECT_EQ(delta_at(out, 0).index, 1U);
}

TEST(AnswerStage, KeepsTheReasonWhereTheLengthEndedTheCall) {
    AnswerStage stage(plan(), "r", 0);
    std::vector<Event> out;
    stage.add(delta("<tool_call>{\"name\":\"f\",\"arguments\":{\"a\""), out);
    stage.finish(FinishReason::kLength, out);
    EXPECT_EQ(std::get<Finish>(out.back()).reason, FinishReason::kLength);
    EXPECT_FALSE(std::get<Finish>(out.back()).tool_error.empty());
}

TEST(AnswerStage, EndsWithTheFirstCallWhereOnlyOneIsAllowed) {
    auto one = plan();
    one->parallel_calls = false;
    AnswerStage stage(one, "r", 0);
    std::vector<Event> out;
    const std::string call = "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>";
    stage.add(delta(call.substr(0, 20)), out);
    EXPECT_FALSE(stage.done());
    stage.add(delta(call.substr(20) + call), out);
    EXPECT_TRUE(stage.done());
    stage.finish(FinishReason::kStop, out);
    size_t calls = 0;
    for (size_t i = 0; i + 1 < out.size(); ++i) {
        for (const ToolCallDelta& piece : delta_at(out, i).tool_calls) {
            calls += piece.id.empty() ? 0 : 1;
        }
    }
    EXPECT_EQ(calls, 1U);
    EXPECT_EQ(std::get<Finish>(out.back()).reason, FinishReason::kToolCalls);
}

TEST(AnswerStage, ForcesTheEndOfReasoningWhenItsBudgetIsUsedUp) {
    auto budgeted = plan();
    budgeted->starts_in_reasoning = true;
    budgeted->reasoning_budget = 2;
    budgeted->reasoning_end_tokens = {3, 1};
    AnswerStage stage(budgeted, "r", 0);
    std::vector<Event> out;
    const auto allowed = [&] {
        std::vector<float> row(5, 0.5F);
        stage.steer(row);
        std::vector<int> ids;
        for (int i = 0; i < 5; ++i) {
            if (std::isfinite(row[static_cast<size_t>(i)])) {
                ids.push_back(i);
            }
        }
        return ids;
    };
    const std::vector<int> all{0, 1, 2, 3, 4};
    EXPECT_EQ(allowed(), all);
    stage.add(delta("a"), out);
    EXPECT_EQ(allowed(), all);
    stage.add(delta("b"), out);
    EXPECT_EQ(allowed(), std::vector<int>{3});
    stage.add(delta("\n</thi"), out);
    EXPECT_EQ(allowed(), std::vector<int>{1});
    stage.add(delta("nk>\n"), out);
    EXPECT_EQ(allowed(), all);
    stage.add(delta("answer"), out);
    EXPECT_EQ(delta_at(out, out.size() - 1).text, "answer");
}

}  // namespace
}  // namespace gantry::engine
