#include "runtime/runner/text_encoder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>
#include <sstream>

namespace gantry::runner {
namespace {

using encoder::EncodeRequest;
using encoder::Task;
using encoder::TextPair;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<int32_t>;

/// A tokenizer of the text tests. Those were made for single texts: the pair template of the published model is put in.
std::shared_ptr<const text::Tokenizer> tokenizer(const std::string& name) {
    std::ifstream in(GANTRY_SOURCE_DIR "/tests/runtime/text/data/" + name + ".json");
    std::ostringstream text;
    text << in.rdbuf();
    boost::json::value json = boost::json::parse(text.str());
    boost::json::object& processor = json.at("post_processor").as_object();
    if (name == "bert_uncased") {
        processor["pair"] = boost::json::parse(R"([
            {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
            {"SpecialToken": {"id": "[SEP]", "type_id": 1}}])");
    } else if (name == "xlm_roberta") {
        processor["pair"] = boost::json::parse(R"([
            {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "</s>", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}},
            {"Sequence": {"id": "B", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}])");
    }
    auto made = text::Tokenizer::create(registry::TokenizerJson{boost::json::serialize(json), ""});
    EXPECT_TRUE(made) << made.error().text();
    return made ? *made : nullptr;
}

class TextEncoderTest : public ::testing::Test {
  protected:
    TextEncoder make(const std::string& name = "bert_uncased") const {
        encoder::EncoderLimits limits{200'000, 16, 64, 8, 8, 0};
        if (info_.task != registry::EncoderInfo::Task::kEmbed) {
            limits.embed_width = 0;
            limits.score_width = std::max<uint64_t>(info_.labels.size(), 1);
        }
        return TextEncoder(tokenizer(name), info_, limits);
    }
    static EncodeRequest request(std::vector<encoder::Input> inputs, Task task = Task::kEmbed) {
        EncodeRequest out;
        out.task = task;
        out.inputs = std::move(inputs);
        return out;
    }
    registry::EncoderInfo info_;
};

TEST_F(TextEncoderTest, TextsGetTheModelsSpecialTokensAndIdsDoNot) {
    const TextEncoder texts = make();
    const auto tokenizer = texts.tokenizer().encode("hello world", {true, true});
    const auto got = texts.prepare(request({std::string("hello world"), Ids{7, 8}}));
    ASSERT_TRUE(got) << got.error().text();
    EXPECT_EQ(got->work.inputs[0].ids, tokenizer);
    EXPECT_EQ(got->work.inputs[1].ids, (Ids{7, 8}));
    EXPECT_THAT(got->prompt_tokens, ElementsAre(tokenizer.size(), 2U));
    EXPECT_EQ(got->work.pooling, GANTRY_POOLING_DEFAULT);
}

TEST_F(TextEncoderTest, WhatIsTooLongIsRefusedWithBothCountsOrCut) {
    const TextEncoder texts = make();
    EncodeRequest long_one = request({std::string("a"), std::string("a a a a a a a a a a a a a a a a a a a a")});
    const auto refused = texts.prepare(long_one);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
    EXPECT_THAT(refused.error().message, HasSubstr("input 1: it has 22 tokens, but the model takes at most 16"));
    long_one.truncate_prompt_tokens = -1;
    const auto cut = texts.prepare(long_one);
    ASSERT_TRUE(cut);
    const Ids& ids = cut->work.inputs[1].ids;
    EXPECT_EQ(ids.size(), 16U);
    EXPECT_EQ(ids.back(), cut->work.inputs[0].ids.back()) << "the last special token stays";
    EXPECT_EQ(cut->truncated_inputs, 1U);
    long_one.truncate_prompt_tokens = 5;
    EXPECT_EQ(texts.prepare(long_one)->work.inputs[1].ids.size(), 5U);
    long_one.truncate_prompt_tokens = 2;
    EXPECT_FALSE(texts.prepare(long_one));
}

TEST_F(TextEncoderTest, PairsAreMadeAsTheTokenizersPublisherHasIt) {
    info_.task = registry::EncoderInfo::Task::kRerank;
    struct Row {
        const char* tokenizer;
        size_t specials;
        bool segments;
    };
    for (const Row& row : {Row{"bert_uncased", 3, true}, Row{"roberta", 4, false}, Row{"xlm_roberta", 4, false}}) {
        const TextEncoder texts = make(row.tokenizer);
        const auto a = texts.tokenizer().encode("one", {false, true});
        const auto b = texts.tokenizer().encode("two", {false, true});
        const auto got = texts.prepare(request({TextPair{"one", "two"}}, Task::kScore));
        ASSERT_TRUE(got) << got.error().text();
        const encoder::Sequence& pair = got->work.inputs.front();
        EXPECT_EQ(pair.ids.size(), a.size() + b.size() + row.specials) << row.tokenizer;
        EXPECT_EQ(pair.types.empty(), !row.segments) << row.tokenizer;
        EXPECT_EQ(got->work.pooling, GANTRY_POOLING_SCORES);
        if (row.segments) {
            EXPECT_EQ(pair.types.front(), 0);
            EXPECT_EQ(pair.types.back(), 1);
        }
    }
}

TEST_F(TextEncoderTest, ThePairsLongerTextIsCutFirst) {
    info_.task = registry::EncoderInfo::Task::kRerank;
    const TextEncoder texts = make();
    EncodeRequest pair = request({TextPair{"a b", "c c c c c c c c c c c c c c c c c c c c"}}, Task::kScore);
    EXPECT_FALSE(texts.prepare(pair));
    pair.truncate_prompt_tokens = -1;
    const auto cut = texts.prepare(pair);
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->work.inputs.front().ids.size(), 16U);
    const auto& types = cut->work.inputs.front().types;
    EXPECT_EQ(std::count(types.begin(), types.end(), 0), 4) << "[CLS] a b [SEP]";
}

TEST_F(TextEncoderTest, ATemplateAsksItsQuestionAndKeepsItsEnd) {
    info_.task = registry::EncoderInfo::Task::kRerank;
    info_.pair_template = "{instruction} q {query} d {document} end";
    info_.default_instruction = "judge";
    const TextEncoder texts = make();
    const auto whole = texts.prepare(request({TextPair{"one", "two"}}, Task::kScore));
    ASSERT_TRUE(whole) << whole.error().text();
    EXPECT_EQ(whole->work.inputs.front().ids, texts.tokenizer().encode("judge q one d two end", {false, true}));
    EncodeRequest longer = request({TextPair{"one", "w w w w w w w w w w w w w w w w w w w w"}}, Task::kScore);
    longer.truncate_prompt_tokens = -1;
    const auto cut = texts.prepare(longer);
    ASSERT_TRUE(cut);
    EXPECT_EQ(cut->work.inputs.front().ids.size(), 16U);
    EXPECT_EQ(cut->work.inputs.front().ids.back(), texts.tokenizer().encode("end", {false, true}).back());
}

TEST_F(TextEncoderTest, PromptsGoBeforeTexts) {
    info_.prompts = {{"query", "query : "}, {"passage", "passage : "}};
    const TextEncoder texts = make();
    const auto ids_for = [&](const std::string& name, const std::string& type) {
        EncodeRequest one = request({std::string("x")});
        one.prompt_name = name;
        one.input_type = type;
        return texts.prepare(one)->work.inputs.front().ids;
    };
    const auto query = texts.tokenizer().encode("query : x", {true, true});
    EXPECT_EQ(ids_for("query", ""), query);
    EXPECT_EQ(ids_for("", "query"), query);
    EXPECT_EQ(ids_for("", "document"), texts.tokenizer().encode("passage : x", {true, true}));
    EXPECT_EQ(ids_for("", ""), texts.tokenizer().encode("x", {true, true}));
    EncodeRequest unknown = request({std::string("x")});
    unknown.prompt_name = "poem";
    const auto refused = texts.prepare(unknown);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text(), HasSubstr("passage, query"));
}

TEST_F(TextEncoderTest, RefusesWhatTheModelDoesNotDo) {
    EXPECT_FALSE(make().prepare(request({TextPair{"a", "b"}}, Task::kScore)));
    EXPECT_FALSE(make().prepare(request({std::string("a")}, Task::kClassify)));
    EncodeRequest wide = request({std::string("a")});
    wide.dimensions = 9;
    EXPECT_FALSE(make().prepare(wide));
    info_.dimensions = {8, 4};
    wide.dimensions = 5;
    EXPECT_THAT(make().prepare(wide).error().text(), HasSubstr("8, 4"));
    info_.task = registry::EncoderInfo::Task::kRerank;
    EXPECT_FALSE(make().prepare(request({std::string("a")})));
}

TEST_F(TextEncoderTest, RowsAreCutNormalisedAndActivated) {
    info_.normalize = true;
    const TextEncoder texts = make();
    EncodeRequest one = request({std::string("x")});
    one.dimensions = 2;
    encoder::EncodedRows rows{8, {3, 4, 9, 9, 9, 9, 9, 9}, 0, 0};
    const auto result = texts.finish(std::move(*texts.prepare(one)), rows);
    EXPECT_EQ(result.width, 2U);
    EXPECT_THAT(result.values, ElementsAre(0.6F, 0.8F));
    one.normalize = false;
    EXPECT_THAT(texts.finish(std::move(*texts.prepare(one)), rows).values, ElementsAre(3, 4));
    info_.task = registry::EncoderInfo::Task::kRerank;
    info_.activation = registry::EncoderInfo::Activation::kSigmoid;
    const TextEncoder rank = make();
    EncodeRequest pair = request({TextPair{"a", "b"}}, Task::kScore);
    const encoder::EncodedRows score{1, {0}, 0, 0};
    EXPECT_THAT(rank.finish(std::move(*rank.prepare(pair)), score).values, ElementsAre(0.5F));
    pair.raw_scores = true;
    EXPECT_THAT(rank.finish(std::move(*rank.prepare(pair)), score).values, ElementsAre(0));
}

}  // namespace
}  // namespace gantry::runner
