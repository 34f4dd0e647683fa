#include "runtime/runner/prompt.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "registry/registry.hpp"

namespace gantry::runner {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

class PrompterTest : public ::testing::Test {
  protected:
    PrompterTest() : manifest_(registry::load_manifest(GANTRY_SOURCE_DIR "/tests/runtime/fixtures/tiny.gguf").value()) {
        tokenizer_ = text::Tokenizer::create(manifest_.tokenizer).value();
    }
    Prompter prompter() const { return Prompter(manifest_, tokenizer_); }
    static engine::ChatInput chat(const char* text) {
        engine::ChatInput out;
        out.messages = {json::object{{"role", "user"}, {"content", text}}};
        return out;
    }
    registry::ModelManifest manifest_;
    std::shared_ptr<const text::Tokenizer> tokenizer_;
};

TEST_F(PrompterTest, RendersAndTokenisesAChat) {
    const Prompter p = prompter();
    EXPECT_FALSE(p.chat_error());
    EXPECT_EQ(*p.render(chat("Hi")), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    engine::GenerateRequest request;
    request.id = "7";
    request.input = chat("Hi");
    request.max_tokens = 5;
    const auto prepared = p.prepare(request);
    ASSERT_TRUE(prepared);
    EXPECT_EQ(prepared->id, "7");
    EXPECT_EQ(prepared->params.max_tokens, 5u);
    EXPECT_EQ(prepared->prompt.front(), tokenizer_->token_to_id("<|im_start|>"));
    EXPECT_EQ(std::ranges::count(prepared->prompt, *tokenizer_->token_to_id("<|im_end|>")), 1);
    EXPECT_TRUE(prepared->echo_text.empty());
}

TEST_F(PrompterTest, TakesTextAndTokens) {
    const Prompter p = prompter();
    engine::GenerateRequest request;
    request.echo = true;
    request.input = engine::TextInput{"abc", true};
    const auto text = p.prepare(request);
    ASSERT_TRUE(text);
    EXPECT_EQ(text->echo_text, "abc");
    request.input = engine::TokenInput{text->prompt};
    const auto tokens = p.prepare(request);
    ASSERT_TRUE(tokens);
    EXPECT_EQ(tokens->prompt, text->prompt);
    EXPECT_EQ(tokens->echo_text, "abc");
}

TEST_F(PrompterTest, HandsTemplateVariablesOn) {
    manifest_.chat_template = "{{ bos_token }}|{{ mood }}|{{ tools is none }}|{{ messages | length }}";
    const Prompter p = prompter();
    engine::ChatInput input = chat("Hi");
    input.template_kwargs["mood"] = "calm";
    EXPECT_EQ(*p.render(input), manifest_.bos_token + "|calm|True|1");
}

TEST_F(PrompterTest, VariablesOfTheLaunchHoldWhereAChatSetsNone) {
    manifest_.chat_template = "{{ mood }}|{{ colour }}";
    const Prompter p(manifest_, tokenizer_, {}, {{"mood", "calm"}, {"colour", "red"}});
    engine::GenerateRequest request;
    request.echo = true;
    engine::ChatInput input = chat("Hi");
    input.template_kwargs["mood"] = "wild";
    request.input = input;
    const auto prepared = p.prepare(request);
    ASSERT_TRUE(prepared);
    EXPECT_EQ(prepared->echo_text, "wild|red");
}

TEST_F(PrompterTest, UsesTheToolTemplateForTools) {
    manifest_.chat_templates["tool_use"] = "tools: {{ tools | length }}";
    const Prompter p = prompter();
    engine::ChatInput input = chat("Hi");
    input.tools = {json::object{{"type", "function"}}};
    EXPECT_EQ(*p.render(input), "tools: 1");
    EXPECT_THAT(*p.render(chat("Hi")), HasSubstr("im_start"));
}

TEST_F(PrompterTest, AModelWithoutAUsableTemplateStillCompletes) {
    const std::pair<const char*, const char*> cases[] = {
        {"", "no chat template"},
        {"{% if %}", "the model's chat template"},
        {"{{ raise_exception('never') }}", "refuses even a plain message"},
    };
    for (const auto& [source, reason] : cases) {
        manifest_.chat_template = source;
        const Prompter p = prompter();
        ASSERT_TRUE(p.chat_error()) << source;
        EXPECT_THAT(p.chat_error()->message, HasSubstr(reason));
        engine::GenerateRequest request;
        request.input = chat("Hi");
        EXPECT_FALSE(p.prepare(request));
        request.input = engine::TextInput{"abc", true};
        EXPECT_TRUE(p.prepare(request));
    }
}

TEST_F(PrompterTest, RendersForPeopleWhoDebugTemplates) {
    const Prompter p = prompter();
    json::object body{{"messages", json::array{json::object{{"role", "user"}, {"content", "Hi"}}}},
                      {"add_generation_prompt", true}};
    EXPECT_EQ(*p.render_debug(body), *p.render(chat("Hi")));
    body["template"] = "{{ messages[0].content }}-{{ strftime_now('%Y') }}";
    body["now"] = 86400 * 200;
    EXPECT_EQ(*p.render_debug(body), "Hi-1970");
    body["template"] = "{{ raise_exception('no') }}";
    EXPECT_THAT(p.render_debug(body).error().message, HasSubstr("no"));
}

TEST_F(PrompterTest, CompilesTheFormOfTheAnswer) {
    const Prompter p = prompter();
    engine::GenerateRequest request;
    request.input = engine::TextInput{"abc", true};
    EXPECT_FALSE(p.prepare(request)->constraint);
    request.grammar = engine::GrammarSpec{engine::GrammarSpec::Kind::kRegex, "yes|no", "", {}, ""};
    const auto prepared = p.prepare(request);
    ASSERT_TRUE(prepared);
    const auto constraint = prepared->constraint();
    EXPECT_FALSE(constraint->can_end());
    EXPECT_TRUE(constraint->accept(tokenizer_->encode("no", {false, false}).front()));
    request.grammar->text = "yes|(no";
    EXPECT_THAT(p.prepare(request).error().message, HasSubstr("character 5"));
}

TEST(TextBytes, CountsWhatIsToBeTokenised) {
    engine::GenerateRequest request;
    request.input = engine::TextInput{"12345", true};
    EXPECT_EQ(text_bytes(request), 5u);
    engine::ChatInput chat;
    chat.messages = {json::object{{"content", "123"}}, json::object{{"content", "45"}}};
    request.input = chat;
    EXPECT_EQ(text_bytes(request), 5u);
    request.input = engine::TokenInput{};
    EXPECT_EQ(text_bytes(request), 0u);
}

}  // namespace
}  // namespace gantry::runner
