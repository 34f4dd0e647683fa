#include "runtime/runner/grammars.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <regex>

#include "runtime/engine/core.hpp"
#include "tests/runtime/engine/fakes.hpp"
#include "tests/runtime/runner/greedy_tokenizer.hpp"

namespace gantry::runner {
namespace {

using engine::GrammarSpec;
using engine::testing::FakeModel;
using engine::testing::Transcript;
using ::testing::HasSubstr;
using Kind = GrammarSpec::Kind;

constexpr int32_t kEndOfThought = 1;  // a control token

/// The end token, a control token, the printable characters and some longer pieces.
std::shared_ptr<const text::Tokenizer> tokenizer() {
    std::vector<std::string> tokens{"</s>", "[/THINK]", "\n",   "\xC3",     "\xA9", "\": ", "{\"",
                                    "\",",  "\"}",      "true", "</think>", "</",   "k>{",  "name",
                                    "no",   "yes",      "12",   "\": \"",   ">",    "1</"};
    for (char c = ' '; c <= '~'; ++c) {
        tokens.emplace_back(1, c);
    }
    return std::make_shared<testing::GreedyTokenizer>(std::move(tokens),
                                                      std::set<int32_t>{engine::testing::kEos, kEndOfThought});
}

/// An engine with random logits.
class GrammarsTest : public ::testing::Test {
  protected:
    GrammarsTest() : tokenizer_(tokenizer()), grammars_(tokenizer_) {
        auto limits = engine::testing::small_limits();
        limits.vocab_size = static_cast<uint32_t>(tokenizer_->vocab_size());
        limits.block_count = 256;
        limits.max_context = 600;
        auto model = std::make_unique<FakeModel>(limits);
        model_ = model.get();
        engine::EngineOptions options;
        options.eos_ids = {engine::testing::kEos};
        core_ = std::make_unique<engine::EngineCore>(std::move(model), tokenizer_, options);
    }

    Transcript run(const AnswerForm& form, uint64_t seed, engine::GenerateRequest params = {}) {
        Transcript out;
        engine::EngineRequest request;
        request.id = "r" + std::to_string(++requests_);
        request.prompt = {5, 6, static_cast<int32_t>(seed % 50)};
        request.params = std::move(params);
        request.params.sampling.seed = seed;
        request.params.max_tokens = request.params.max_tokens.value_or(500);
        auto constraint = grammars_.compile(form);
        EXPECT_TRUE(constraint.has_value()) << constraint.error().text();
        if (!constraint) {
            return out;
        }
        request.constraint = *constraint;
        core_->add(std::move(request), [&](std::vector<engine::Event> events) { out.take(events); });
        while (core_->step()) {
        }
        EXPECT_EQ(out.complaint, "");
        EXPECT_EQ(model_->complaint, "");
        EXPECT_EQ(core_->audit(), "");
        return out;
    }

    Transcript run(const GrammarSpec& spec, uint64_t seed, engine::GenerateRequest params = {}) {
        AnswerForm form;
        form.content = spec;
        return run(form, seed, std::move(params));
    }

    std::shared_ptr<const text::Tokenizer> tokenizer_;
    Grammars grammars_;
    FakeModel* model_ = nullptr;
    std::unique_ptr<engine::EngineCore> core_;
    int requests_ = 0;
};

GrammarSpec spec(Kind kind, std::string text) {
    GrammarSpec out;
    out.kind = kind;
    out.text = std::move(text);
    return out;
}

AnswerForm content(GrammarSpec spec) {
    AnswerForm out;
    out.content = std::move(spec);
    return out;
}

const char* const kSum = "root ::= term (\"+\" term)*\nterm ::= [0-9]+ | \"(\" root \")\"";

TEST_F(GrammarsTest, EveryFinishedAnswerHasTheFormAskedFor) {
    struct Case {
        GrammarSpec spec;
        const char* pattern;
    };
    for (const Case& c :
         {Case{spec(Kind::kRegex, "[a-c]{2,5}(-[0-9]+)?"), "[a-c]{2,5}(-[0-9]+)?"},
          Case{spec(Kind::kJsonSchema, R"({"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":2})"),
               "\\s*\\[\\s*(true|false)\\s*(,\\s*(true|false)\\s*)?\\]"},
          Case{spec(Kind::kRegex, "(é|yes)+\\n"), "(\xC3\xA9|yes)+\n"}, Case{spec(Kind::kGrammar, kSum), "[0-9+()]+"},
          Case{spec(Kind::kGrammar, "start: \"a\" NUMBER\n%import common.INT -> NUMBER"), "a[0-9]+"},
          Case{spec(Kind::kChoice, ""), "yes|no|name"}}) {
        GrammarSpec asked = c.spec;
        if (asked.kind == Kind::kChoice) {
            asked.choices = {"yes", "no", "name"};
        }
        int finished = 0;
        for (uint64_t seed = 0; seed < 30; ++seed) {
            const Transcript t = run(asked, seed);
            ASSERT_FALSE(t.error) << t.error->text();
            const auto& answer = t.answers.at(0);
            if (answer.finish == engine::FinishReason::kStop) {
                ++finished;
                EXPECT_TRUE(std::regex_match(answer.text, std::regex(c.pattern))) << answer.text;
            }
        }
        EXPECT_GT(finished, 15) << c.pattern;
    }
}

TEST_F(GrammarsTest, JsonModeGivesObjects) {
    int finished = 0;
    for (uint64_t seed = 0; seed < 60; ++seed) {
        const Transcript t = run(spec(Kind::kJsonObject, ""), seed);
        ASSERT_FALSE(t.error) << t.error->text();
        if (t.answers.at(0).finish == engine::FinishReason::kStop) {
            ++finished;
            boost::system::error_code ec;
            const auto value = boost::json::parse(t.answers.at(0).text, ec);
            EXPECT_TRUE(!ec && value.is_object()) << t.answers.at(0).text;
        }
    }
    EXPECT_GT(finished, 10);
}

TEST_F(GrammarsTest, TheFormCanBeginBehindAText) {
    GrammarSpec late = spec(Kind::kRegex, "\\{(yes|no)\\}");
    late.start_after = "</think>";
    const std::regex whole("[^]*?</think>\\{(yes|no)\\}");
    engine::GenerateRequest params;
    params.sampling.logit_bias = {{*tokenizer_->token_to_id("</think>"), 3.0}};
    int finished = 0;
    for (uint64_t seed = 0; seed < 30; ++seed) {
        const Transcript t = run(late, seed, params);
        ASSERT_FALSE(t.error) << t.error->text();
        if (t.answers.at(0).finish == engine::FinishReason::kStop) {
            ++finished;
            EXPECT_TRUE(std::regex_match(t.answers.at(0).text, whole)) << t.answers.at(0).text;
        }
    }
    EXPECT_GT(finished, 15);
}

TEST_F(GrammarsTest, TheTextToWaitForMayBeAControlToken) {
    GrammarSpec late = spec(Kind::kRegex, "\\{(yes|no)\\}");
    late.start_after = "[/THINK]";
    engine::GenerateRequest params;
    params.sampling.logit_bias = {{kEndOfThought, 3.0}};
    int finished = 0;
    for (uint64_t seed = 0; seed < 30; ++seed) {
        const Transcript t = run(late, seed, params);
        const auto& answer = t.answers.at(0);
        if (answer.finish == engine::FinishReason::kStop) {
            ++finished;
            EXPECT_EQ(std::ranges::count(answer.ids, kEndOfThought), 1);
            EXPECT_TRUE(std::regex_search(answer.text, std::regex("\\{(yes|no)\\}$"))) << answer.text;
        }
    }
    EXPECT_GT(finished, 15);
}

TEST_F(GrammarsTest, TextWithoutAChoiceIsNotSampled) {
    const GrammarSpec fixed = spec(Kind::kRegex, "\\{\"name\": \"(yes|no)\", \"truetruetruetrue\": 12\\}");
    const uint64_t before = model_->executes;
    const Transcript t = run(fixed, 1);
    const auto steps = model_->executes - before;
    EXPECT_EQ(t.answers.at(0).finish, engine::FinishReason::kStop);
    EXPECT_GT(t.answers.at(0).text.size(), 30u);
    EXPECT_EQ(t.usage->completion_tokens, t.answers.at(0).ids.size());
    EXPECT_LT(steps, t.answers.at(0).ids.size() / 2);

    engine::GenerateRequest with_logprobs;
    with_logprobs.top_logprobs = 2;
    const Transcript every = run(fixed, 1, with_logprobs);
    EXPECT_EQ(every.answers.at(0).logprobs.size(), every.answers.at(0).ids.size());
    for (const auto& entry : every.answers.at(0).logprobs) {
        EXPECT_LT(entry.logprob, 0);
    }
}

TEST_F(GrammarsTest, WorksWithSeveralAnswersStopTextsAndMinTokens) {
    engine::GenerateRequest params;
    params.n = 4;
    Transcript t = run(spec(Kind::kRegex, "[a-c]{3,8}"), 3, params);
    ASSERT_EQ(t.answers.size(), 4u);
    std::set<std::string> different;
    for (const auto& [index, answer] : t.answers) {
        EXPECT_TRUE(std::regex_match(answer.text, std::regex("[a-c]{3,8}"))) << answer.text;
        different.insert(answer.text);
    }
    EXPECT_GT(different.size(), 1u);

    params = {};
    params.stop = {"b"};
    t = run(spec(Kind::kRegex, "[ab]{400}"), 4, params);
    EXPECT_EQ(t.answers.at(0).finish, engine::FinishReason::kStop);
    EXPECT_EQ(t.answers.at(0).text.find('b'), std::string::npos);

    params = {};
    params.min_tokens = 6;
    for (uint64_t seed = 0; seed < 10; ++seed) {
        t = run(spec(Kind::kRegex, "[a-c]+"), seed, params);
        EXPECT_GE(t.answers.at(0).text.size(), 6u);
        t = run(spec(Kind::kRegex, "[a-c]{2}"), seed, params);  // the form wins
        EXPECT_EQ(t.answers.at(0).text.size(), 2u);
    }

    params = {};
    params.ignore_eos = true;
    params.max_tokens = 20;
    t = run(spec(Kind::kRegex, "a+"), 5, params);
    EXPECT_EQ(t.answers.at(0).finish, engine::FinishReason::kLength);
    t = run(spec(Kind::kRegex, "a{3}"), 5, params);
    EXPECT_EQ(t.answers.at(0).finish, engine::FinishReason::kStop);
    EXPECT_EQ(t.answers.at(0).text, "aaa");
}

TEST_F(GrammarsTest, TheSameSeedGivesTheSameAnswer) {
    const auto asked = spec(Kind::kRegex, "[a-z]{5,30}");
    EXPECT_EQ(run(asked, 9).answers.at(0).text, run(asked, 9).answers.at(0).text);
}

TEST_F(GrammarsTest, AFormThatTheVocabularyCannotSpellIsAnError) {
    const Transcript t = run(spec(Kind::kRegex, "a(Ж|Я)"), 1);
    ASSERT_TRUE(t.error);
    EXPECT_EQ(t.error->code, Code::kInvalidArgument);
    EXPECT_THAT(t.error->message, HasSubstr("excludes every token"));
}

TEST_F(GrammarsTest, MistakesAreFoundBeforeTheEngine) {
    struct Case {
        GrammarSpec spec;
        const char* what;
    };
    GrammarSpec unknown = spec(Kind::kGrammar, "root ::= \"a\"");
    unknown.syntax = "bison";
    for (const Case& c :
         {Case{spec(Kind::kRegex, "a("), "character 2"}, Case{spec(Kind::kGrammar, "root ::= b"), "line 1"},
          Case{spec(Kind::kGrammar, "start: b"), "line 1"}, Case{spec(Kind::kChoice, ""), "choices is empty"},
          Case{unknown, "bison"}, Case{spec(Kind::kStructuralTag, "{}"), "triggers"},
          Case{spec(Kind::kStructuralTag, "{"), "malformed JSON"}, Case{spec(Kind::kJsonSchema, "{"), "malformed JSON"},
          Case{spec(Kind::kJsonSchema, R"({"properties":{"a":{"type":"text"}}})"),
               "\"type\" at \"#/properties/a/type\""}}) {
        const auto compiled = grammars_.compile(content(c.spec));
        ASSERT_FALSE(compiled.has_value()) << c.what;
        EXPECT_THAT(compiled.error().message, HasSubstr(c.what));
    }
}

TEST_F(GrammarsTest, RemembersTheLastOnes) {
    for (size_t i = 0; i < Grammars::kRemembered + 5; ++i) {
        EXPECT_TRUE(grammars_.compile(content(spec(Kind::kRegex, "a{" + std::to_string(i) + "}"))).has_value());
    }
    EXPECT_EQ(run(spec(Kind::kRegex, "a{2}"), 1).answers.at(0).text, "aa");
}

}  // namespace
}  // namespace gantry::runner
