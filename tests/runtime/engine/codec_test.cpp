#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "runtime/engine/json_text.hpp"
#include "runtime/engine/types.hpp"

namespace gantry::engine {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

std::string line_of(const Event& event) {
    std::string line;
    append_json_line(event, line);
    return line;
}

Event round_trip(const Event& event) {
    auto back = event_from_json(line_of(event));
    EXPECT_FALSE(back.has_error()) << line_of(event);
    return std::move(*back);
}

GenerateRequest full_request() {
    GenerateRequest r;
    r.id = "req-\xC3\xA9";
    r.input = TextInput{"Hello", false};
    r.sampling.temperature = 0.7;
    r.sampling.top_k = 40;
    r.sampling.top_p = 0.9;
    r.sampling.min_p = 0.05;
    r.sampling.repetition_penalty = 1.1;
    r.sampling.frequency_penalty = -0.5;
    r.sampling.presence_penalty = 1.5;
    r.sampling.logit_bias = {{5, -100.0}, {70000, 2.5}};
    r.sampling.seed = std::numeric_limits<uint64_t>::max();
    r.sampling.repeat_last_n = 64;
    r.sampling.dynatemp_range = 0.25;
    r.sampling.dynatemp_exponent = 2;
    r.sampling.top_n_sigma = 1.5;
    r.sampling.typical_p = 0.75;
    r.sampling.xtc_threshold = 0.125;
    r.sampling.xtc_probability = 0.5;
    r.sampling.mirostat = 2;
    r.sampling.mirostat_tau = 4;
    r.sampling.mirostat_eta = 0.25;
    r.sampling.dry_multiplier = 0.8;
    r.sampling.dry_base = 1.5;
    r.sampling.dry_allowed_length = 3;
    r.sampling.dry_penalty_last_n = 100;
    r.sampling.dry_sequence_breakers = {"\n", "END"};
    r.sampling.bad_words = {"no", "never"};
    r.sampling.allowed_token_ids = {1, 5};
    r.max_tokens = 77;
    r.min_tokens = 3;
    r.stop = {"\n\n", "END"};
    r.stop_token_ids = {2, 9};
    r.ignore_eos = true;
    r.echo = true;
    r.top_logprobs = 5;
    r.n = 4;
    r.best_of = 6;
    r.prompt_logprobs = 3;
    r.logprobs_mode = LogprobsMode::kProcessed;
    r.deterministic = true;
    r.priority = -2;
    r.grammar = GrammarSpec{GrammarSpec::Kind::kGrammar, "root ::= \"\xC3\xA9\"", "gbnf", {"a", "b"}, "</think>"};
    r.speculative = DraftSource::kSuffix;
    r.prediction = "so \"it\" goes";
    r.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    r.share_key = "tenant 7";
    r.deadline_ms = 1500;
    r.report_queue = true;
    r.cache_salt = "s";
    r.cache_pin = true;
    r.cache_debug = true;
    r.adapter = "polite";
    r.truncate_prompt_tokens = -1;
    r.context_shift = true;
    r.n_keep = 12;
    return r;
}

/// Through text and back, as it travels.
Result<GenerateRequest> travel(const GenerateRequest& r) {
    return generate_request_from_json(json::parse(json::serialize(to_json(r))));
}

TEST(RequestCodec, KeepsEveryField) {
    const GenerateRequest r = full_request();
    const GenerateRequest back = travel(r).value();
    EXPECT_EQ(to_json(back), to_json(r));
    EXPECT_EQ(back.sampling.seed, r.sampling.seed);
    EXPECT_EQ(back.sampling.logit_bias, r.sampling.logit_bias);
    EXPECT_EQ(back.stop_token_ids, r.stop_token_ids);
    EXPECT_EQ(back.best_of, 6);
    EXPECT_EQ(back.prompt_logprobs, 3u);
    EXPECT_EQ(back.logprobs_mode, LogprobsMode::kProcessed);
    EXPECT_TRUE(back.deterministic);
    EXPECT_EQ(back.sampling.typical_p, r.sampling.typical_p);
    EXPECT_EQ(back.sampling.dry_penalty_last_n, r.sampling.dry_penalty_last_n);
    EXPECT_EQ(back.sampling.dry_sequence_breakers, r.sampling.dry_sequence_breakers);
    EXPECT_EQ(back.sampling.bad_words, r.sampling.bad_words);
    EXPECT_EQ(back.sampling.allowed_token_ids, r.sampling.allowed_token_ids);
    EXPECT_EQ(std::get<TextInput>(back.input).text, "Hello");
    EXPECT_FALSE(std::get<TextInput>(back.input).add_special);
}

TEST(RequestCodec, KeepsABeamSearch) {
    for (const EarlyStopping early : {EarlyStopping::kNo, EarlyStopping::kYes, EarlyStopping::kNever}) {
        GenerateRequest r;
        r.input = TextInput{"Hello", true};
        r.beams = BeamParams{5, -0.5, early};
        const GenerateRequest back = travel(r).value();
        ASSERT_TRUE(back.beams);
        EXPECT_EQ(back.beams->width, 5u);
        EXPECT_EQ(back.beams->length_penalty, -0.5);
        EXPECT_EQ(back.beams->early_stopping, early);
    }
}

TEST(RequestCodec, KeepsUnsetFieldsUnset) {
    GenerateRequest r;
    r.input = TokenInput{{1, 2, 3}};
    const GenerateRequest back = travel(r).value();
    EXPECT_EQ(to_json(back), to_json(r));
    EXPECT_FALSE(back.sampling.temperature || back.sampling.top_k || back.sampling.seed || back.max_tokens ||
                 back.top_logprobs);
    EXPECT_EQ(std::get<TokenInput>(back.input).ids, (std::vector<int32_t>{1, 2, 3}));
}

TEST(RequestCodec, KeepsAChat) {
    GenerateRequest r;
    ChatInput chat;
    chat.messages = json::parse(R"([{"role":"user","content":"hi"}])").as_array();
    chat.tools = json::parse(R"([{"type":"function"}])").as_array();
    chat.template_kwargs = json::parse(R"({"enable_thinking":false})").as_object();
    chat.add_generation_prompt = false;
    chat.tool_choice = ToolChoice::kNamed;
    chat.tool_name = "f";
    chat.parallel_tool_calls = false;
    chat.reasoning_budget = 9;
    chat.separate_reasoning = false;
    r.input = chat;
    const GenerateRequest back = travel(r).value();
    EXPECT_EQ(to_json(back), to_json(r));
    const auto& chat_back = std::get<ChatInput>(back.input);
    EXPECT_EQ(chat_back.tool_choice, ToolChoice::kNamed);
    EXPECT_EQ(chat_back.tool_name, "f");
    EXPECT_FALSE(chat_back.parallel_tool_calls || chat_back.separate_reasoning);
    EXPECT_EQ(chat_back.reasoning_budget, 9U);
}

TEST(RequestCodec, ReadsAShortRequest) {
    const auto r = generate_request_from_json(json::parse(R"({"input":{"text":"hi"},"max_tokens":5.0,"stop":null})"));
    ASSERT_TRUE(r) << r.error().message;
    EXPECT_EQ(r->max_tokens, 5u);
    EXPECT_TRUE(std::get<TextInput>(r->input).add_special);
}

TEST(RequestCodec, SaysWhereARequestIsWrong) {
    struct Case {
        std::string text, says;
    };
    for (const Case& c : std::vector<Case>{
             {R"(7)", "the request must be an object, but is a number"},
             {R"({})", "input is missing"},
             {R"({"input":7})", "input must be an object"},
             {R"({"input":{}})", "exactly one of text, tokens and messages"},
             {R"({"input":{"text":"a","tokens":[1]}})", "exactly one of"},
             {R"({"input":{"text":"a","tools":[]}})", "input.tools is unknown"},
             {R"({"input":{"tokens":[1,"x"]}})", "input.tokens[1] must be an integer, but is a string"},
             {R"({"input":{"tokens":[1,1e99]}})", "input.tokens[1] is 1E99; it must be an integer"},
             {R"({"input":{"messages":{}}})", "input.messages must be an array, but is an object"},
             {R"({"input":{"text":"a"},"max_tokens":-1})", "max_tokens is -1; it must be an integer from 0"},
             {R"({"input":{"text":"a"},"max_tokens":1.5})", "max_tokens is 1.5E0; it must be an integer"},
             {R"({"input":{"text":"a"},"n":0})", "n is 0; it must be from 1 to 16"},
             {R"({"input":{"text":"a"},"n":17})", "n is 17"},
             {R"({"input":{"text":"a"},"prompt_logprobs":21})", "prompt_logprobs is 21; it must be from 0 to 20"},
             {R"({"input":{"text":"a"},"n":3,"best_of":2})", "best_of is 2; it must be from n, which is 3, to 16"},
             {R"({"input":{"text":"a"},"best_of":17})", "best_of is 17"},
             {R"({"input":{"text":"a"},"logprobs_mode":"odd"})", "logprobs_mode is \"odd\""},
             {R"({"input":{"text":"a"},"n":2,"beams":{"width":1}})", "beams.width is 1; it must be from n, which is 2"},
             {R"({"input":{"text":"a"},"beams":{"width":17}})", "beams.width is 17"},
             {R"({"input":{"text":"a"},"beams":{"length_penalty":11}})", "beams.length_penalty is 11"},
             {R"({"input":{"text":"a"},"beams":{"early_stopping":"x"}})", "beams.early_stopping is \"x\""},
             {R"({"input":{"text":"a"},"beams":{"odd":1}})", "beams.odd is unknown"},
             {R"({"input":{"text":"a"},"beams":{},"stop":["x"]})", "stop is not possible with a beam search"},
             {R"({"input":{"text":"a"},"beams":{},"top_logprobs":0})", "top_logprobs is not possible with a beam"},
             {R"({"input":{"text":"a"},"deterministic":1})", "deterministic must be a boolean"},
             {R"({"input":{"text":"a"},"top_logprobs":21})", "top_logprobs is 21; it must be from 0 to 20"},
             {R"({"input":{"text":"a"},"min_tokens":5,"max_tokens":4})",
              "min_tokens is 5; it must be at most max_tokens, which is 4"},
             {R"({"input":{"text":"a"},"stop":["a",""]})", "stop[1] is empty"},
             {R"({"input":{"text":"a"},"stop":"a"})", "stop must be an array, but is a string"},
             {R"({"input":{"text":"a"},"echo":1})", "echo must be a boolean"},
             {R"({"input":{"text":"a"},"temprature":1})", "temprature is unknown"},
             {R"({"input":{"text":"a"},"sampling":[]})", "sampling must be an object"},
             {R"({"input":{"text":"a"},"sampling":{"temperature":-1}})", "sampling.temperature is -1"},
             {R"({"input":{"text":"a"},"sampling":{"temperature":"hot"}})", "sampling.temperature must be a number"},
             {R"({"input":{"text":"a"},"sampling":{"top_p":0}})", "sampling.top_p is 0"},
             {R"({"input":{"text":"a"},"sampling":{"top_p":1.01}})", "sampling.top_p is 1.01"},
             {R"({"input":{"text":"a"},"sampling":{"top_k":-2}})", "sampling.top_k is -2"},
             {R"({"input":{"text":"a"},"sampling":{"min_p":2}})", "sampling.min_p is 2"},
             {R"({"input":{"text":"a"},"sampling":{"repetition_penalty":0}})", "sampling.repetition_penalty is 0"},
             {R"({"input":{"text":"a"},"sampling":{"frequency_penalty":3}})", "sampling.frequency_penalty is 3"},
             {R"({"input":{"text":"a"},"sampling":{"presence_penalty":-3}})", "sampling.presence_penalty is -3"},
             {R"({"input":{"text":"a"},"sampling":{"seed":-3}})", "sampling.seed is -3"},
             {R"({"input":{"text":"a"},"sampling":{"logit_bias":{"x":1}}})", "sampling.logit_bias has the key \"x\""},
             {R"({"input":{"text":"a"},"sampling":{"logit_bias":{"7":101}}})", "sampling.logit_bias.7 is 101"},
             {R"({"input":{"text":"a"},"sampling":{"typical_p":0}})",
              "sampling.typical_p is 0; it must be above 0 and at most 1"},
             {R"({"input":{"text":"a"},"sampling":{"top_n_sigma":-2}})", "sampling.top_n_sigma is -2"},
             {R"({"input":{"text":"a"},"sampling":{"xtc_threshold":1.5}})", "sampling.xtc_threshold is 1.5"},
             {R"({"input":{"text":"a"},"sampling":{"xtc_probability":-0.5}})", "sampling.xtc_probability is -0.5"},
             {R"({"input":{"text":"a"},"sampling":{"mirostat":3}})",
              "sampling.mirostat is 3; it must be 0 (off), 1 or 2"},
             {R"({"input":{"text":"a"},"sampling":{"mirostat_tau":-1}})", "sampling.mirostat_tau is -1"},
             {R"({"input":{"text":"a"},"sampling":{"mirostat_eta":2}})", "sampling.mirostat_eta is 2"},
             {R"({"input":{"text":"a"},"sampling":{"dry_multiplier":-1}})", "sampling.dry_multiplier is -1"},
             {R"({"input":{"text":"a"},"sampling":{"dry_base":0.5}})", "sampling.dry_base is 0.5"},
             {R"({"input":{"text":"a"},"sampling":{"dry_allowed_length":0}})", "sampling.dry_allowed_length is 0"},
             {R"({"input":{"text":"a"},"sampling":{"dry_penalty_last_n":-2}})", "sampling.dry_penalty_last_n is -2"},
             {R"({"input":{"text":"a"},"sampling":{"repeat_last_n":-2}})", "sampling.repeat_last_n is -2"},
             {R"({"input":{"text":"a"},"sampling":{"dynatemp_range":-1}})", "sampling.dynatemp_range is -1"},
             {R"({"input":{"text":"a"},"sampling":{"dynatemp_exponent":-1}})", "sampling.dynatemp_exponent is -1"},
             {R"({"input":{"text":"a"},"sampling":{"dry_sequence_breakers":["a",""]}})",
              "sampling.dry_sequence_breakers[1] is empty"},
             {R"({"input":{"text":"a"},"sampling":{"bad_words":[""]}})", "sampling.bad_words[0] is empty"},
             {R"({"input":{"text":"a"},"sampling":{"bad_words":"a"}})", "bad_words must be an array"},
             {R"({"input":{"text":"a"},"sampling":{"allowed_token_ids":[]}})", "sampling.allowed_token_ids is empty"},
             {R"({"input":{"text":"a"},"sampling":{"allowed_token_ids":[-1]}})",
              "a member of sampling.allowed_token_ids is -1"},
             {R"({"input":{"text":"a"},"sampling":{"heat":1}})", "sampling.heat is unknown"},
         }) {
        const auto r = generate_request_from_json(json::parse(c.text));
        ASSERT_FALSE(r) << c.text;
        EXPECT_EQ(r.error().code, Code::kInvalidArgument);
        EXPECT_THAT(r.error().message, HasSubstr(c.says)) << c.text;
    }
}

TEST(EventCodec, WritesOneLineAnEvent) {
    Delta delta;
    delta.index = 1;
    delta.text = "a\"\n\x01\xC3\xA9";
    delta.ids = {5, -1};
    EXPECT_EQ(line_of(delta), "{\"delta\":{\"index\":1,\"text\":\"a\\\"\\n\\u0001\xC3\xA9\",\"ids\":[5,-1]}}\n");
    EXPECT_EQ(line_of(Finish{2, FinishReason::kLength}), "{\"finish\":{\"index\":2,\"reason\":\"length\"}}\n");
    EXPECT_EQ(line_of(Error{Code::kInvalidArgument, "bad", ""}),
              "{\"error\":{\"code\":\"invalid_argument\",\"message\":\"bad\",\"hint\":\"\"}}\n");
}

TEST(EventCodec, KeepsAPromptsLogprobs) {
    PromptLogprobs prompt;
    prompt.tokens.push_back({7, "a", -std::numeric_limits<double>::infinity(), {}, {}});
    prompt.tokens.push_back({8, "b", -0.5, {{8, -0.5}}, {"b"}});
    const auto back = std::get<PromptLogprobs>(round_trip(prompt));
    ASSERT_EQ(back.tokens.size(), 2u);
    EXPECT_EQ(back.tokens[0].logprob, prompt.tokens[0].logprob);
    EXPECT_EQ(back.tokens[1].top, prompt.tokens[1].top);
    EXPECT_EQ(back.tokens[1].bytes, "b");
}

TEST(EventCodec, KeepsADelta) {
    Delta delta;
    delta.index = 3;
    delta.text = "\xF0\x9F\x98\x80 / \\ \t";
    delta.ids = {1, 2147483647, 0};
    delta.logprobs.push_back({7, std::string("\xFF\x00\x80", 3), -0.1, {{7, -0.1}, {8, -1.0 / 3}}, {"a", "\xC3"}});
    delta.logprobs.push_back({8, "", -std::numeric_limits<double>::infinity(), {}, {}});
    const auto back = std::get<Delta>(round_trip(delta));
    EXPECT_EQ(back.index, delta.index);
    EXPECT_EQ(back.text, delta.text);
    EXPECT_EQ(back.ids, delta.ids);
    ASSERT_EQ(back.logprobs.size(), 2u);
    EXPECT_EQ(back.logprobs[0].id, 7);
    EXPECT_EQ(back.logprobs[0].bytes, delta.logprobs[0].bytes);
    EXPECT_EQ(back.logprobs[0].logprob, delta.logprobs[0].logprob);
    EXPECT_EQ(back.logprobs[0].top, delta.logprobs[0].top);
    EXPECT_EQ(back.logprobs[0].top_bytes, delta.logprobs[0].top_bytes);
    EXPECT_EQ(back.logprobs[1].logprob, delta.logprobs[1].logprob);
}

TEST(EventCodec, KeepsReasoningAndToolCalls) {
    Delta delta;
    delta.reasoning = "why \xC3\xA9\n";
    delta.tool_calls = {{2, "call_1", "f", "{\"a\""}, {3, "", "", ": 1}"}};
    Usage usage;
    usage.reasoning_tokens = 7;
    EXPECT_EQ(std::get<Usage>(round_trip(usage)).reasoning_tokens, 7U);
    EXPECT_EQ(std::get<Finish>(round_trip(Finish{0, FinishReason::kStop, "no \"such\" tool"})).tool_error,
              "no \"such\" tool");
    EXPECT_EQ(std::get<Finish>(round_trip(Finish{0, FinishReason::kStop, {}, "</end>\n"})).stop_text, "</end>\n");
    const auto back = std::get<Delta>(round_trip(delta));
    EXPECT_EQ(back.reasoning, delta.reasoning);
    ASSERT_EQ(back.tool_calls.size(), 2U);
    EXPECT_EQ(back.tool_calls[0].call, 2U);
    EXPECT_EQ(back.tool_calls[0].id, "call_1");
    EXPECT_EQ(back.tool_calls[0].name, "f");
    EXPECT_EQ(back.tool_calls[0].arguments, "{\"a\"");
    EXPECT_EQ(back.tool_calls[1].arguments, ": 1}");
}

TEST(EventCodec, KeepsFinishUsageAndError) {
    for (FinishReason reason :
         {FinishReason::kStop, FinishReason::kLength, FinishReason::kCancelled, FinishReason::kToolCalls}) {
        const auto back = std::get<Finish>(round_trip(Finish{4, reason}));
        EXPECT_EQ(back.index, 4u);
        EXPECT_EQ(back.reason, reason);
    }
    const Usage usage{std::numeric_limits<uint64_t>::max(),
                      2,
                      3,
                      CacheMiss{"evicted", 48},
                      0.1,
                      1e-9,
                      12345.678901234567,
                      0.25,
                      {0.01, 0.02, 0.5},
                      6,
                      7,
                      7,
                      8};
    const auto back = std::get<Usage>(round_trip(usage));
    EXPECT_EQ(back.prompt_tokens, usage.prompt_tokens);
    EXPECT_EQ(back.cached_tokens, 2u);
    EXPECT_EQ(back.accepted_draft_tokens, usage.accepted_draft_tokens);
    EXPECT_EQ(back.rejected_draft_tokens, usage.rejected_draft_tokens);
    EXPECT_EQ(back.completion_tokens, 3u);
    EXPECT_EQ(back.cache_miss, usage.cache_miss);
    EXPECT_EQ(back.truncated_tokens, 7u);
    EXPECT_EQ(back.context_shifts, 8u);
    EXPECT_EQ(back.queue_seconds, usage.queue_seconds);
    EXPECT_EQ(back.prefill_seconds, usage.prefill_seconds);
    EXPECT_EQ(back.decode_seconds, usage.decode_seconds);
    EXPECT_EQ(back.first_token_seconds, usage.first_token_seconds);
    EXPECT_EQ(back.gaps.p50, usage.gaps.p50);
    EXPECT_EQ(back.gaps.p90, usage.gaps.p90);
    EXPECT_EQ(back.gaps.p99, usage.gaps.p99);
    const auto error = std::get<Error>(round_trip(Error{Code::kUnavailable, "m\xFF", "h"}));
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_EQ(error.message, "m\xEF\xBF\xBD");
    EXPECT_EQ(error.hint, "h");
}

TEST(EventCodec, KeepsThePlaceInTheQueue) {
    const auto known = std::get<Queued>(round_trip(Queued{12, 3.25}));
    EXPECT_EQ(known.position, 12u);
    EXPECT_EQ(known.estimated_seconds, 3.25);
    EXPECT_FALSE(std::get<Queued>(round_trip(Queued{1, {}})).estimated_seconds);
}

TEST(EventCodec, KeepsRandomNumbersAndBytesExactly) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 5000; ++i) {
        TokenLogprob token;
        token.id = static_cast<int32_t>(random());
        do {
            const uint64_t bits = random();
            token.logprob = std::bit_cast<double>(bits);
        } while (!std::isfinite(token.logprob));
        for (size_t j = 0; j < random() % 6; ++j) {
            token.bytes += static_cast<char>(random());
        }
        Delta delta;
        delta.logprobs.push_back(token);
        const auto back = std::get<Delta>(round_trip(delta)).logprobs.at(0);
        ASSERT_EQ(back.id, token.id);
        ASSERT_EQ(back.logprob, token.logprob);
        ASSERT_EQ(back.bytes, token.bytes);
    }
}

TEST(EventCodec, WritesWhatAnyJsonReaderReads) {
    std::mt19937_64 random(2);
    for (int i = 0; i < 5000; ++i) {
        Delta delta;
        for (size_t j = 0; j < random() % 12; ++j) {
            delta.text += static_cast<char>(random() % 3 == 0 ? 0xC3 : random());  // mostly not UTF-8
        }
        const auto value = json::parse(line_of(delta));
        const auto& text = value.at("delta").at("text").as_string();
        ASSERT_EQ(std::get<Delta>(round_trip(delta)).text, std::string_view(text));
    }
}

TEST(EventCodec, ReadsOtherWritersJson) {
    const auto event = event_from_json(
        " { \"new\" : {\"a\":[1,2,{\"b\":null}],\"c\":true} , \"delta\" : { \"text\" : \"\\u00e9\\ud83d\\ude00\\/\" , "
        "\"index\" : 2, \"later\": -1.5e3 } } \r\n");
    ASSERT_FALSE(event.has_error());
    EXPECT_EQ(std::get<Delta>(*event).text, "\xC3\xA9\xF0\x9F\x98\x80/");
    EXPECT_EQ(std::get<Delta>(*event).index, 2u);
}

TEST(EventCodec, RefusesDamagedLines) {
    const std::vector<std::string> lines{"",
                                         "{",
                                         "{}",
                                         "[]",
                                         "null",
                                         "{\"delta\":7}",
                                         "{\"delta\":{\"text\":7}}",
                                         "{\"delta\":{\"text\":\"a}}",
                                         "{\"delta\":{\"text\":\"a\xFF\"}}",
                                         "{\"delta\":{\"text\":\"a\nb\"}}",
                                         "{\"delta\":{\"text\":\"\\ud800\"}}",
                                         "{\"delta\":{\"text\":\"\\q\"}}",
                                         "{\"delta\":{\"index\":-1}}",
                                         "{\"delta\":{\"index\":4294967296}}",
                                         "{\"delta\":{\"ids\":[1.5]}}",
                                         "{\"delta\":{\"ids\":[1,]}}",
                                         "{\"delta\":{\"logprobs\":[{\"bytes\":[256]}]}}",
                                         "{\"delta\":{}}x",
                                         "{\"finish\":{\"index\":0}}",
                                         "{\"finish\":{\"reason\":\"bored\"}}",
                                         "{\"usage\":{\"prompt_tokens\":-1}}",
                                         "{\"other\":1}",
                                         std::string(100'000, '[')};
    for (const std::string& line : lines) {
        const auto event = event_from_json(line);
        ASSERT_TRUE(event.has_error()) << line;
        EXPECT_EQ(event.error().code, Code::kDataLoss);
    }
    // Cut anywhere, a line is never taken for a whole one.
    Delta delta;
    delta.text = "caf\xC3\xA9 \"x\"";
    delta.ids = {1, 2};
    delta.logprobs.push_back({1, "a", -1, {{2, -2}}, {"b"}});
    const std::string whole = line_of(delta);
    for (size_t size = 0; size + 1 < whole.size(); ++size) {
        EXPECT_TRUE(event_from_json(std::string_view(whole).substr(0, size)).has_error()) << size;
    }
}

}  // namespace
}  // namespace gantry::engine
