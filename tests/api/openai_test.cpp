#include "tests/api/api_fixture.hpp"

namespace gantry::test {
namespace {

class OpenAiTest : public ApiTest {
  protected:
    OpenAiTest() { fleet.add("m"); }

    Reply chat(const std::string& more = "", const std::string& messages = R"([{"role":"user","content":"Hi"}])") {
        return post("/v1/chat/completions",
                    R"({"model":"m","messages":)" + messages + (more.empty() ? "" : "," + more) + "}");
    }
    Reply complete(const std::string& more = "", const std::string& prompt = "\"Hi\"") {
        return post("/v1/completions", R"({"model":"m","prompt":)" + prompt + (more.empty() ? "" : "," + more) + "}");
    }
    const engine::GenerateRequest& last() { return fleet.requests.back(); }
    const engine::ChatInput& last_chat() { return std::get<engine::ChatInput>(last().input); }
};

engine::TokenLogprob token(std::string bytes, double logprob) {
    engine::TokenLogprob out;
    out.id = 7;
    out.bytes = bytes;
    out.logprob = logprob;
    out.top = {{7, logprob}, {8, logprob - 1}};
    out.top_bytes = {bytes, "\xe2\x80"};
    return out;
}

Scripted text_with_logprobs(std::string t, std::vector<engine::TokenLogprob> tokens) {
    engine::Delta delta;
    delta.text = std::move(t);
    delta.logprobs = std::move(tokens);
    return event(std::move(delta));
}

TEST_F(OpenAiTest, ChatAnswersWhole) {
    fleet.scripts.push_back({text("Hel"), text("lo"), finish(engine::FinishReason::kLength), usage(5, 2, 4)});
    const Reply reply = chat();
    ASSERT_EQ(reply.status, 200) << reply.body;
    const bj::value body = reply.json();
    EXPECT_TRUE(body.at("id").as_string().starts_with("chatcmpl-"));
    EXPECT_EQ(body.at("object"), "chat.completion");
    EXPECT_EQ(body.at("model"), "m");
    EXPECT_EQ(body.at("choices").at(0).at("message"), bj::parse(R"({"role":"assistant","content":"Hello"})"));
    EXPECT_EQ(body.at("choices").at(0).at("finish_reason"), "length");
    EXPECT_TRUE(body.at("choices").at(0).at("logprobs").is_null());
    EXPECT_EQ(body.at("usage"), bj::parse(R"({"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,
                                               "prompt_tokens_details":{"cached_tokens":4},
                                               "completion_tokens_details":{"reasoning_tokens":0}})"));
    EXPECT_EQ(reply.header("X-Gantry-Ignored"), "");
}

TEST_F(OpenAiTest, PredictionsReachTheEngineAndAreCounted) {
    engine::Usage took;
    took.accepted_draft_tokens = 9;
    took.rejected_draft_tokens = 2;
    fleet.scripts.push_back({text("x"), finish(), event(took)});
    const Reply reply = chat(R"("prediction":{"type":"content","content":[{"type":"text","text":"a"},
                                {"type":"text","text":"b"}]},"speculative":"ngram")");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(last().prediction, "ab");
    EXPECT_EQ(last().speculative, engine::DraftSource::kNgram);
    EXPECT_EQ(reply.json().at("usage").at("completion_tokens_details"),
              bj::parse(R"({"reasoning_tokens":0,"accepted_prediction_tokens":9,"rejected_prediction_tokens":2})"));
    EXPECT_EQ(chat(R"("prediction":{"type":"content","content":"c"})").status, 200);
    EXPECT_EQ(last().prediction, "c");
    EXPECT_FALSE(last().speculative);
}

TEST_F(OpenAiTest, TimingsAreGivenWhereTheyAreAskedFor) {
    engine::Usage took;
    took.prompt_tokens = 12;
    took.cached_tokens = 2;
    took.completion_tokens = 4;
    took.queue_seconds = 0.25;
    took.prefill_seconds = 0.5;
    took.decode_seconds = 2;
    took.first_token_seconds = 0.75;
    took.gaps = {0.001, 0.002, 0.004};
    const bj::value expected =
        bj::parse(R"({"cache_n":2,"prompt_n":10,"prompt_ms":5e2,"prompt_per_second":2e1,"predicted_n":4,
            "predicted_ms":2e3,"predicted_per_second":2e0,"queue_ms":2.5e2,"first_token_ms":7.5e2,
            "inter_token_ms":{"p50":1e0,"p90":2e0,"p99":4e0}})");
    for (int i = 0; i < 4; ++i) {
        fleet.scripts.push_back({text("x"), finish(), event(took)});
    }
    const Reply whole = chat(R"("timings":true)");
    EXPECT_EQ(whole.json().at("timings"), expected) << whole.body;
    EXPECT_EQ(whole.header("X-Gantry-Timing"),
              "queue;dur=250.000, prefill;dur=500.000, decode;dur=2000.000, first_token;dur=750.000, "
              "gap_p50;dur=1.000, gap_p90;dur=2.000, gap_p99;dur=4.000");
    EXPECT_EQ(whole.header("X-Gantry-Ignored"), "");
    const auto events = chat(R"("stream":true,"timings":true)").events();
    EXPECT_FALSE(bj::parse(events.at(0)).as_object().contains("timings"));
    EXPECT_EQ(bj::parse(events.at(1)).at("timings"), expected);
    const Reply unasked = chat();
    EXPECT_FALSE(unasked.json().as_object().contains("timings"));
    EXPECT_FALSE(unasked.header("X-Gantry-Timing").empty());
    EXPECT_EQ(chat(R"("stream":true)").body.find("timings"), std::string::npos);
}

TEST_F(OpenAiTest, TheTraceGoesOnToTheModel) {
    http::Request request;
    request.method = "POST";
    request.target = "/v1/completions";
    request.body = R"({"model":"m","prompt":"x"})";
    request.headers.set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    EXPECT_EQ(send(request).status, 200);
    EXPECT_TRUE(fleet.requests.back().traceparent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
    EXPECT_EQ(fleet.requests.back().traceparent.find("b7ad6b7169203331"), std::string::npos) << "a span of its own";
    request.headers.set("traceparent", "nonsense");
    EXPECT_EQ(send(request).status, 200);
    EXPECT_EQ(fleet.requests.back().traceparent.size(), 55u);
}

TEST_F(OpenAiTest, EventsThatAreReadyTogetherAreWrittenTogether) {
    const Script script{text("a"), text("b"), text("c"), text("d"), finish(), usage(5, 4)};
    fleet.scripts = {script, script};
    const Reply apart = chat(R"("stream":true)");
    fleet.together = true;
    const Reply together = chat(R"("stream":true)");
    EXPECT_EQ(apart.writes, 5u);
    EXPECT_EQ(together.writes, 1u);
    const auto events = together.events();
    ASSERT_EQ(events.size(), apart.events().size());
    EXPECT_EQ(bj::parse(events.at(2)).at("choices"), bj::parse(apart.events().at(2)).at("choices"));
    EXPECT_EQ(bj::parse(events.at(2)).at("choices").at(0).at("delta").at("content"), "c");
}

TEST_F(OpenAiTest, ChatStreams) {
    fleet.scripts.push_back({text("Hé\""), text("\n"), text(""), finish(), usage(5, 2)});
    const Reply reply = chat(R"("stream":true,"stream_options":{"include_usage":true})");
    ASSERT_EQ(reply.status, 200);
    EXPECT_EQ(reply.header("Content-Type"), "text/event-stream; charset=utf-8");
    EXPECT_TRUE(reply.whole);
    const auto events = reply.events();
    ASSERT_EQ(events.size(), 5u) << reply.body;
    const bj::value first = bj::parse(events[0]);
    EXPECT_EQ(first.at("object"), "chat.completion.chunk");
    EXPECT_EQ(first.at("choices").at(0).at("delta"), bj::parse("{\"role\":\"assistant\",\"content\":\"Hé\\\"\"}"));
    EXPECT_TRUE(first.at("usage").is_null());
    EXPECT_TRUE(first.at("choices").at(0).at("finish_reason").is_null());
    EXPECT_EQ(bj::parse(events[1]).at("choices").at(0).at("delta"), bj::parse(R"({"content":"\n"})"));
    const bj::value last = bj::parse(events[2]);
    EXPECT_EQ(last.at("choices").at(0).at("delta"), bj::parse(R"({"content":""})"));
    EXPECT_EQ(last.at("choices").at(0).at("finish_reason"), "stop");
    EXPECT_TRUE(last.at("usage").is_null()) << "clients add up what they are told";
    const bj::value extra = bj::parse(events[3]);
    EXPECT_TRUE(extra.at("choices").as_array().empty());
    EXPECT_EQ(extra.at("usage").at("completion_tokens"), 2);
    EXPECT_EQ(events[4], "[DONE]");
    EXPECT_EQ(first.at("id"), extra.at("id"));
    EXPECT_EQ(reply.body.find("\"error\""), std::string::npos) << "Xinference's client raises on that key";
}

TEST_F(OpenAiTest, SeveralAnswersKeepTheirIndexAndRole) {
    const Script script{text("a", 1),
                        text("b", 0),
                        finish(engine::FinishReason::kStop, 1),
                        text("c", 0),
                        finish(engine::FinishReason::kLength, 0),
                        usage(5, 3)};
    fleet.scripts = {script, script};
    const bj::value whole = chat(R"("n":2)").json();
    EXPECT_EQ(last().n, 2);
    EXPECT_EQ(whole.at("choices").at(0).at("message").at("content"), "bc");
    EXPECT_EQ(whole.at("choices").at(1).at("message").at("content"), "a");
    EXPECT_EQ(whole.at("choices").at(0).at("finish_reason"), "length");
    int roles = 0;
    std::string zero;
    for (const std::string& data : chat(R"("n":2,"stream":true)").events()) {
        if (data == "[DONE]") {
            continue;
        }
        const bj::value chunk = bj::parse(data);
        const bj::value& choice = chunk.at("choices").at(0);
        roles += choice.at("delta").as_object().contains("role") ? 1 : 0;
        if (choice.at("index") == 0) {
            zero += choice.at("delta").at("content").as_string();
        }
    }
    EXPECT_EQ(roles, 2);
    EXPECT_EQ(zero, "bc");
}

TEST_F(OpenAiTest, AnEmptyAnswerStillHasItsRole) {
    fleet.scripts.push_back({finish(), usage(5, 0)});
    const auto events = chat(R"("stream":true)").events();
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(bj::parse(events[0]).at("choices").at(0).at("delta").at("role"), "assistant");
    EXPECT_EQ(bj::parse(events[1]).at("choices").at(0).at("delta"), bj::parse(R"({"content":""})"));
}

TEST_F(OpenAiTest, FieldsReachTheEngine) {
    ASSERT_EQ(chat(R"("temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.05,"repetition_penalty":1.1,
        "frequency_penalty":-1,"presence_penalty":1,"logit_bias":{"5":-100,"6":3.5},"seed":42,"max_tokens":9,
        "max_completion_tokens":7,"min_tokens":2,"stop":["a","b"],"stop_token_ids":[1,2],"ignore_eos":true,
        "logprobs":true,"top_logprobs":3,"chat_template_kwargs":"{\"x\":1}","enable_thinking":false,
        "reasoning_effort":"low","user":"u","metadata":{})")
                  .status,
              200);
    const engine::SamplingParams& s = last().sampling;
    EXPECT_EQ(s.temperature, 0.5);
    EXPECT_EQ(s.top_p, 0.9);
    EXPECT_EQ(s.top_k, 40);
    EXPECT_EQ(s.min_p, 0.05);
    EXPECT_EQ(s.repetition_penalty, 1.1);
    EXPECT_EQ(s.frequency_penalty, -1);
    EXPECT_EQ(s.presence_penalty, 1);
    EXPECT_EQ(s.logit_bias, (std::map<int32_t, double>{{5, -100}, {6, 3.5}}));
    EXPECT_EQ(s.seed, 42u);
    EXPECT_EQ(last().max_tokens, 7u);
    EXPECT_EQ(last().min_tokens, 2u);
    EXPECT_EQ(last().stop, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(last().stop_token_ids, (std::vector<int32_t>{1, 2}));
    EXPECT_TRUE(last().ignore_eos);
    EXPECT_EQ(last().top_logprobs, 3u);
    EXPECT_EQ(last_chat().template_kwargs,
              bj::parse(R"({"x":1,"enable_thinking":false,"thinking":false,"reasoning_effort":"low"})").as_object());
    EXPECT_FALSE(last().id.empty());
}

TEST_F(OpenAiTest, SamplingFieldsOfOtherServersReachTheEngine) {
    ASSERT_EQ(chat(R"("typical_p":0.5,"top_n_sigma":1,"xtc_threshold":0.2,"xtc_probability":0.25,"mirostat":2,
        "mirostat_tau":4,"mirostat_eta":0.5,"dry_multiplier":0.8,"dry_base":2,"dry_allowed_length":3,
        "dry_penalty_last_n":-1,"dry_sequence_breakers":["."],"dynatemp_range":0.5,"dynatemp_exponent":2,
        "repeat_last_n":64,"repeat_penalty":1.2,"bad_words":["no","never"],"allowed_token_ids":[3,1])")
                  .header("X-Gantry-Ignored"),
              "");
    const engine::SamplingParams& s = last().sampling;
    EXPECT_EQ(s.typical_p, 0.5);
    EXPECT_EQ(s.top_n_sigma, 1);
    EXPECT_EQ(s.xtc_threshold, 0.2);
    EXPECT_EQ(s.xtc_probability, 0.25);
    EXPECT_EQ(s.mirostat, 2);
    EXPECT_EQ(s.mirostat_tau, 4);
    EXPECT_EQ(s.mirostat_eta, 0.5);
    EXPECT_EQ(s.dry_multiplier, 0.8);
    EXPECT_EQ(s.dry_base, 2);
    EXPECT_EQ(s.dry_allowed_length, 3);
    EXPECT_EQ(s.dry_penalty_last_n, -1);
    EXPECT_EQ(s.dry_sequence_breakers, (std::vector<std::string>{"."}));
    EXPECT_EQ(s.dynatemp_range, 0.5);
    EXPECT_EQ(s.dynatemp_exponent, 2);
    EXPECT_EQ(s.repeat_last_n, 64);
    EXPECT_EQ(s.repetition_penalty, 1.2);
    EXPECT_EQ(s.bad_words, (std::vector<std::string>{"no", "never"}));
    EXPECT_EQ(s.allowed_token_ids, (std::vector<int32_t>{3, 1}));
}

TEST_F(OpenAiTest, UnsetFieldsStayUnset) {
    ASSERT_EQ(
        chat(R"("temperature":null,"stop":null,"max_tokens":null,"stream":null,"top_k":-1,"stop_token_ids":5)").status,
        200);
    EXPECT_FALSE(last().sampling.temperature);
    EXPECT_FALSE(last().sampling.top_p);
    EXPECT_EQ(last().sampling.top_k, -1);
    EXPECT_FALSE(last().max_tokens);
    EXPECT_FALSE(last().top_logprobs);
    EXPECT_FALSE(last().sampling.seed);
    EXPECT_EQ(last().stop_token_ids, (std::vector<int32_t>{5}));
}

TEST_F(OpenAiTest, MessagesAreBroughtIntoShape) {
    ASSERT_EQ(chat("", R"([
        {"role":"developer","content":"Be brief."},
        {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"name":"n"},
        {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function",
            "function":{"name":"f","arguments":"{\"x\":1}"}}]},
        {"role":"tool","tool_call_id":"1","content":"2"}])")
                  .status,
              200);
    const bj::array& messages = last_chat().messages;
    EXPECT_EQ(messages.at(0).at("role"), "system");
    EXPECT_EQ(messages.at(1).at("content"), "a\nb");
    EXPECT_EQ(messages.at(1).at("name"), "n");
    EXPECT_EQ(messages.at(2).at("tool_calls").at(0).at("function").at("arguments"), bj::parse(R"({"x":1})"));
    EXPECT_EQ(messages.at(3).at("tool_call_id"), "1");
}

TEST_F(OpenAiTest, ToolsReachTheModel) {
    const std::string tools = R"("tools":[{"type":"function","function":{"name":"f","parameters":{}}}])";
    Reply reply = chat(tools);
    EXPECT_EQ(last_chat().tools.size(), 1u);
    EXPECT_EQ(reply.header("X-Gantry-Ignored"), "");
    EXPECT_EQ(reply.json().at("choices").at(0).at("message").at("tool_calls"), bj::array());
    reply = chat(tools + R"(,"tool_choice":"none")");
    EXPECT_TRUE(last_chat().tools.empty());
    EXPECT_EQ(reply.header("X-Gantry-Ignored"), "");
    EXPECT_EQ(chat(R"("tools":[])").header("X-Gantry-Ignored"), "");
    chat(tools + R"(,"tool_choice":"required","parallel_tool_calls":false)");
    EXPECT_EQ(last_chat().tool_choice, engine::ToolChoice::kRequired);
    EXPECT_FALSE(last_chat().parallel_tool_calls);
    chat(tools + R"(,"tool_choice":{"type":"function","function":{"name":"f"}})");
    EXPECT_EQ(last_chat().tool_choice, engine::ToolChoice::kNamed);
    EXPECT_EQ(last_chat().tool_name, "f");
}

TEST_F(OpenAiTest, WrongToolsAreRefusedByTheirPath) {
    const std::string tools = R"("tools":[{"type":"function","function":{"name":"f","parameters":{}}}])";
    const std::pair<std::string, std::string> cases[] = {
        {R"("tools":[{"name":"f"}])", "tools[0]"},
        {R"("tools":[{"type":"web","function":{"name":"f"}}])", "tools[0].type"},
        {R"("tools":[{"type":"function","function":{"name":"a b"}}])", "tools[0].function.name"},
        {R"("tools":[{"type":"function","function":{"name":"f","parameters":[]}}])", "tools[0].function.parameters"},
        {R"("tools":[{"type":"function","function":{"name":"f","strict":1}}])", "tools[0].function.strict"},
        {tools + R"(,"tool_choice":"always")", "tool_choice"},
        {tools + R"(,"tool_choice":{"type":"function","function":{"name":"g"}})", "tool_choice"},
        {R"("tool_choice":"required")", "tool_choice"},
        {tools + R"(,"parallel_tool_calls":"no")", "parallel_tool_calls"},
        {R"("reasoning_effort":"huge")", "reasoning_effort"},
        {R"("max_reasoning_tokens":-1)", "max_reasoning_tokens"},
    };
    for (const auto& [fields, param] : cases) {
        const Reply reply = chat(fields);
        EXPECT_EQ(reply.status, 400) << fields;
        EXPECT_EQ(reply.param(), param) << fields;
    }
}

TEST_F(OpenAiTest, ReasoningFieldsReachTheModel) {
    chat(R"("reasoning_effort":"low","thinking_budget":7,"separate_reasoning":false)");
    EXPECT_EQ(last_chat().template_kwargs.at("reasoning_effort"), "low");
    EXPECT_EQ(last_chat().reasoning_budget, 7U);
    EXPECT_FALSE(last_chat().separate_reasoning);
    chat(R"("reasoning_effort":"none")");
    EXPECT_EQ(last_chat().template_kwargs.at("enable_thinking"), false);
}

Scripted pieces(std::string reasoning, std::string content, std::vector<engine::ToolCallDelta> calls) {
    engine::Delta delta;
    delta.reasoning = std::move(reasoning);
    delta.text = std::move(content);
    delta.tool_calls = std::move(calls);
    return event(std::move(delta));
}

Script tool_script() {
    engine::Finish end{0, engine::FinishReason::kToolCalls, "what went wrong"};
    engine::Usage use;
    use.completion_tokens = 9;
    use.reasoning_tokens = 4;
    return {pieces("Hm.", "", {}),
            pieces("", "", {{0, "call_1", "f", ""}}),
            pieces("", "", {{0, "", "", "{\"x\""}}),
            pieces("", "", {{0, "", "", ":1}"}, {1, "call_2", "g", "{}"}}),
            event(end),
            event(use)};
}

TEST_F(OpenAiTest, RendersReasoningAndCallsWhole) {
    fleet.scripts = {tool_script()};
    const bj::value body = chat(R"("tools":[{"type":"function","function":{"name":"f"}}])").json();
    const bj::value& choice = body.at("choices").at(0);
    EXPECT_EQ(choice.at("finish_reason"), "tool_calls");
    EXPECT_EQ(choice.at("tool_call_error"), "what went wrong");
    EXPECT_EQ(choice.at("message"), bj::parse(R"({"role":"assistant","content":null,"reasoning_content":"Hm.",
        "reasoning":"Hm.","tool_calls":[
        {"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
        {"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]})"));
    EXPECT_EQ(body.at("usage").at("completion_tokens_details").at("reasoning_tokens"), 4);
}

TEST_F(OpenAiTest, RendersReasoningAndCallsInPieces) {
    fleet.scripts = {tool_script()};
    std::vector<bj::value> deltas;
    for (const std::string& line :
         chat(R"("stream":true,"tools":[{"type":"function","function":{"name":"f"}}])").events()) {
        if (line != "[DONE]") {
            deltas.push_back(bj::parse(line).at("choices").at(0).at("delta"));
        }
    }
    ASSERT_EQ(deltas.size(), 5U);
    EXPECT_EQ(deltas[0],
              bj::parse(R"({"role":"assistant","reasoning_content":"Hm.","reasoning":"Hm.","content":null})"));
    EXPECT_EQ(deltas[1], bj::parse(R"({"tool_calls":[{"index":0,"id":"call_1","type":"function",
        "function":{"name":"f","arguments":""}}]})"));
    EXPECT_EQ(deltas[2], bj::parse(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"x\""}}]})"));
    EXPECT_EQ(deltas[3], bj::parse(R"({"tool_calls":[{"index":0,"function":{"arguments":":1}"}},
        {"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]})"));
}

TEST_F(OpenAiTest, PassesOnWhoAsksHowUrgentlyAndByWhen) {
    const Reply reply = chat(R"("user":"ann","priority":-3,"deadline_ms":900)");
    EXPECT_EQ(reply.header("X-Gantry-Ignored"), "");
    EXPECT_EQ(last().share_key, "ann");
    EXPECT_EQ(last().priority, -3);
    EXPECT_EQ(last().deadline_ms, 900u);
    EXPECT_FALSE(last().report_queue);
}

TEST_F(OpenAiTest, SaysWhyTheCacheMissedWhereItIsAsked) {
    engine::Usage u;
    u.prompt_tokens = 50;
    u.cached_tokens = 32;
    u.cache_miss = engine::CacheMiss{"differs", 32};
    fleet.scripts.push_back({text("Hi"), finish(), event(u)});
    const Reply reply = chat(R"("cache_salt":"team","cache_pin":true,"cache_debug":true)");
    EXPECT_EQ(last().cache_salt, "team");
    EXPECT_TRUE(last().cache_pin && last().cache_debug);
    EXPECT_EQ(reply.header("X-Gantry-Cache"), "cached=32; miss=differs; at=32");
    EXPECT_EQ(reply.json().at("usage").at("prompt_tokens_details"),
              bj::parse(R"({"cached_tokens":32,"cache_miss":{"reason":"differs","at":32}})"));
}

TEST_F(OpenAiTest, StreamsThePlaceInTheQueueWhereItIsAsked) {
    fleet.scripts.push_back(
        {event(engine::Queued{2, 1.5}), event(engine::Queued{1, {}}), text("Hi"), finish(), usage(5, 1)});
    const Reply reply = chat(R"("stream":true,"stream_options":{"include_queue":true})");
    EXPECT_TRUE(last().report_queue);
    const auto events = reply.events();
    ASSERT_GE(events.size(), 3u);
    EXPECT_EQ(bj::parse(events[0]).at("queue"), bj::parse(R"({"position":2,"estimated_seconds":1.5})"));
    EXPECT_EQ(bj::parse(events[0]).at("choices"), bj::array());
    EXPECT_EQ(bj::parse(events[1]).at("queue"), bj::parse(R"({"position":1,"estimated_seconds":null})"));
    EXPECT_EQ(bj::parse(events[2]).at("choices").at(0).at("delta").at("content"), "Hi");
}

TEST_F(OpenAiTest, AFullQueueSaysWhenToComeBack) {
    fleet.scripts.push_back({failure(Error(Code::kResourceExhausted, "the queue is full", "try again in 42 s"))});
    const Reply reply = chat();
    EXPECT_EQ(reply.status, 429);
    EXPECT_EQ(reply.header("Retry-After"), "42");
}

TEST_F(OpenAiTest, ADeadlineThatCannotBeMetIs504) {
    fleet.scripts.push_back(
        {failure(Error(Code::kDeadlineExceeded, "too late", "try again in 7 s, or allow more time"))});
    const Reply reply = chat(R"("stream":true,"deadline_ms":5)");
    EXPECT_EQ(reply.status, 504);
    EXPECT_EQ(reply.header("Retry-After"), "7");
}

TEST_F(OpenAiTest, UnknownFieldsAreReportedHeaderSafe) {
    const Reply reply = chat(R"("frobnicate":1,"bad\r\nX: y":2,"stream_options":{"odd":1},"min_p":0.1)");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.header("X-Gantry-Ignored"), "stream_options.odd, frobnicate, bad%0D%0AX%3A%20y");
}

TEST_F(OpenAiTest, BadValuesAreRefusedByName) {
    struct Row {
        const char* field;
        const char* param;
    };
    for (const Row& row : {
             Row{R"("temperature":-1)", "temperature"},
             Row{R"("temperature":2.5)", "temperature"},
             Row{R"("temperature":"hot")", "temperature"},
             Row{R"("top_p":0)", "top_p"},
             Row{R"("top_p":1.1)", "top_p"},
             Row{R"("top_k":-2)", "top_k"},
             Row{R"("min_p":2)", "min_p"},
             Row{R"("repetition_penalty":0)", "repetition_penalty"},
             Row{R"("typical_p":0)", "typical_p"},
             Row{R"("top_n_sigma":-2)", "top_n_sigma"},
             Row{R"("xtc_threshold":2)", "xtc_threshold"},
             Row{R"("xtc_probability":-1)", "xtc_probability"},
             Row{R"("mirostat":3)", "mirostat"},
             Row{R"("mirostat_tau":-1)", "mirostat_tau"},
             Row{R"("mirostat_eta":2)", "mirostat_eta"},
             Row{R"("dry_multiplier":-1)", "dry_multiplier"},
             Row{R"("dry_base":0.5)", "dry_base"},
             Row{R"("dry_allowed_length":0)", "dry_allowed_length"},
             Row{R"("dry_penalty_last_n":-2)", "dry_penalty_last_n"},
             Row{R"("repeat_last_n":-2)", "repeat_last_n"},
             Row{R"("repeat_penalty":0)", "repeat_penalty"},
             Row{R"("dynatemp_range":-1)", "dynatemp_range"},
             Row{R"("dynatemp_exponent":-1)", "dynatemp_exponent"},
             Row{R"("bad_words":[""])", "bad_words"},
             Row{R"("dry_sequence_breakers":[""])", "dry_sequence_breakers"},
             Row{R"("allowed_token_ids":[])", "allowed_token_ids"},
             Row{R"("allowed_token_ids":[-1])", "allowed_token_ids"},
             Row{R"("max_tokens":0)", "max_tokens"},
             Row{R"("max_tokens":-5)", "max_tokens"},
             Row{R"("max_tokens":"abc")", "max_tokens"},
             Row{R"("max_completion_tokens":1.5)", "max_completion_tokens"},
             Row{R"("n":0)", "n"},
             Row{R"("priority":1001)", "priority"},
             Row{R"("deadline_ms":0)", "deadline_ms"},
             Row{R"("user":5)", "user"},
             Row{R"("n":17)", "n"},
             Row{R"("speculative":"magic")", "speculative"},
             Row{R"("prediction":{"type":"content"})", "prediction"},
             Row{R"("prediction":{"type":"content","content":[{"type":"text"}]})", "prediction"},
             Row{R"("stop":7)", "stop"},
             Row{R"("stop":["a",1])", "stop[1]"},
             Row{R"("stop":"")", "stop"},
             Row{R"("logit_bias":{"x":1})", "logit_bias"},
             Row{R"("logit_bias":{"1":101})", "logit_bias"},
             Row{R"("logprobs":3)", "logprobs"},
             Row{R"("top_logprobs":3)", "top_logprobs"},
             Row{R"("logprobs":true,"top_logprobs":21)", "top_logprobs"},
             Row{R"("min_tokens":5,"max_tokens":3)", "min_tokens"},
             Row{R"("stream":"yes")", "stream"},
             Row{R"("stream_options":{"include_usage":1})", "stream_options.include_usage"},
             Row{R"("chat_template_kwargs":"{")", "chat_template_kwargs"},
             Row{R"("response_format":{"type":"json_schema","json_schema":{}})", "response_format.json_schema.schema"},
             Row{R"("response_format":{"type":"json_schema"})", "response_format.json_schema"},
             Row{R"("response_format":{"type":"json_schema","json_schema":{"schema":{},"strict":"no"}})",
                 "response_format.json_schema.strict"},
             Row{R"("response_format":{"type":"xml"})", "response_format.type"},
             Row{R"("response_format":{"type":"grammar"})", "response_format.grammar"},
             Row{R"("guided_regex":7)", "guided_regex"},
             Row{R"("guided_regex":"a","guided_choice":["a"])", "guided_choice"},
             Row{R"("response_format":{"type":"json_object"},"structured_outputs":{"regex":"a"})",
                 "structured_outputs.regex"},
             Row{R"("structured_outputs":{"choice":[1]})", "structured_outputs.choice[0]"},
             Row{R"("functions":[])", "functions"},
             Row{R"("modalities":["text","audio"])", "modalities"},
             Row{R"("echo":true)", "echo"},
         }) {
        const Reply reply = chat(row.field);
        EXPECT_EQ(reply.status, 400) << row.field;
        EXPECT_EQ(reply.param(), row.param) << reply.body;
        EXPECT_TRUE(reply.json().at("detail").as_string().starts_with(reply.message()));
        EXPECT_NE(reply.message().find(row.param), std::string::npos) << reply.message();
    }
    EXPECT_TRUE(fleet.requests.empty());
    EXPECT_EQ(chat(R"("response_format":{"type":"text"},"modalities":["text"],"functions":null)").status, 200);
}

TEST_F(OpenAiTest, TheFormOfTheAnswerReachesTheEngine) {
    using Kind = engine::GrammarSpec::Kind;
    struct Row {
        const char* field;
        engine::GrammarSpec wanted;
    };
    for (
        const Row& row : {
            Row{R"("response_format":{"type":"json_object"})", {Kind::kJsonObject, "", "", {}, ""}},
            Row{R"("response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"a":1}}})",
                {Kind::kJsonSchema, R"({"a":1})", "", {}, ""}},
            Row{R"("response_format":{"type":"grammar","grammar":"start: A","syntax":"lark","start_after":"</think>"})",
                {Kind::kGrammar, "start: A", "lark", {}, "</think>"}},
            Row{R"("response_format":{"type":"structural_tag","structures":[],"triggers":[]})",
                {Kind::kStructuralTag, R"({"type":"structural_tag","structures":[],"triggers":[]})", "", {}, ""}},
            Row{R"("guided_json":{"b":2})", {Kind::kJsonSchema, R"({"b":2})", "", {}, ""}},
            Row{R"("guided_json":"{}")", {Kind::kJsonSchema, "{}", "", {}, ""}},
            Row{R"("guided_regex":"a+")", {Kind::kRegex, "a+", "", {}, ""}},
            Row{R"("guided_choice":["x","y"])", {Kind::kChoice, "", "", {"x", "y"}, ""}},
            Row{R"("guided_grammar":"root ::= \"a\"")", {Kind::kGrammar, "root ::= \"a\"", "", {}, ""}},
            Row{R"("structured_outputs":{"regex":"b","start_after":"."})", {Kind::kRegex, "b", "", {}, "."}},
        }) {
        ASSERT_EQ(chat(row.field).status, 200) << row.field;
        const auto& got = fleet.requests.back().grammar;
        ASSERT_TRUE(got) << row.field;
        EXPECT_EQ(*got, row.wanted) << row.field;
    }
    ASSERT_EQ(chat(R"("temperature":0)").status, 200);
    EXPECT_FALSE(fleet.requests.back().grammar);
}

TEST_F(OpenAiTest, BadMessagesAreRefusedByPath) {
    struct Row {
        const char* messages;
        const char* param;
    };
    for (
        const Row& row : {
            Row{"[]", "messages"},
            Row{"{}", "messages"},
            Row{"null", "messages"},
            Row{"[3]", "messages[0]"},
            Row{R"([{"content":"x"}])", "messages[0].role"},
            Row{R"([{"role":"bogus","content":"x"}])", "messages[0].role"},
            Row{R"([{"role":"user"}])", "messages[0].content"},
            Row{R"([{"role":"user","content":5}])", "messages[0].content"},
            Row{R"([{"role":"user","content":"a"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}])",
                "messages[1].content[0]"},
            Row{R"([{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}])", "messages[0].content[0]"},
            Row{R"([{"role":"user","content":[{"type":"text"}]}])", "messages[0].content[0]"},
        }) {
        const Reply reply = chat("", row.messages);
        EXPECT_EQ(reply.status, 400) << row.messages;
        EXPECT_EQ(reply.param(), row.param) << reply.body;
    }
}

TEST_F(OpenAiTest, MalformedBodiesAre400WithLineAndColumn) {
    const Reply broken = post("/v1/chat/completions", "{\n \"model\": }");
    EXPECT_EQ(broken.status, 400);
    EXPECT_NE(broken.message().find("2:11"), std::string::npos) << broken.message();
    for (const char* body :
         {"", "[]", "{", "\xff\xfe{}", R"({"model":"m","messages":[{"role":"user","content":"\ud800"}]})"}) {
        EXPECT_EQ(post("/v1/chat/completions", body).status, 400) << body;
    }
    EXPECT_EQ(post("/v1/chat/completions", R"({"messages":[]})").param(), "model");
    EXPECT_EQ(post("/v1/chat/completions", R"({"model":3,"messages":[]})").param(), "model");
}

TEST_F(OpenAiTest, FleetErrorsBecomeStatuses) {
    Reply reply = post("/v1/chat/completions", R"({"model":"nobody","messages":[{"role":"user","content":"x"}]})");
    EXPECT_EQ(reply.status, 404);
    EXPECT_EQ(reply.param(), "model");
    for (const bool stream : {false, true}) {
        for (const auto& [code, status] : {std::pair{Code::kUnavailable, 503}, std::pair{Code::kResourceExhausted, 429},
                                           std::pair{Code::kInvalidArgument, 400}}) {
            const std::string more = stream ? R"("stream":true)" : "";
            fleet.generate_error = Error(code, "the prompt has 5000 tokens, more than the context of 2048");
            EXPECT_EQ(chat(more).status, status);
            fleet.generate_error.reset();
            fleet.scripts.push_back({failure(Error(code, "x"))});
            reply = chat(more);
            EXPECT_EQ(reply.status, status) << "an error before the first token is a status";
            EXPECT_EQ(reply.headers.find("Retry-After").has_value(), status == 503 || status == 429);
        }
    }
}

TEST_F(OpenAiTest, ErrorsInMidStreamAreAnEvent) {
    fleet.scripts.push_back(
        {text("a"), failure(Error(Code::kUnavailable, "the model's process was killed by signal 9"))});
    const Reply reply = chat(R"("stream":true)");
    EXPECT_EQ(reply.status, 200);
    const auto events = reply.events();
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(bj::parse(events[1]).at("error").at("message"), "the model's process was killed by signal 9");
    fleet.scripts.push_back({text("a"), event(Error(Code::kInternal, "bug"))});
    EXPECT_EQ(bj::parse(chat(R"("stream":true)").events()[1]).at("error").at("code"), "internal");
    fleet.scripts.push_back({text("a"), failure(Error(Code::kUnavailable, "gone"))});
    EXPECT_EQ(chat().status, 503);
    fleet.scripts.push_back({text("a")});
    EXPECT_EQ(chat().status, 503) << "an answer without its end is not whole";
    fleet.scripts.push_back({text("a"), finish(engine::FinishReason::kCancelled), usage(1, 1)});
    const Reply aborted = chat();
    EXPECT_EQ(aborted.status, 200);
    EXPECT_EQ(aborted.json().at("choices").at(0).at("finish_reason"), "abort");
}

TEST_F(OpenAiTest, LongContextAndAdaptersReachTheEngineAndTheUsage) {
    fleet.models.front().adapters["polite"] = "/adapters/polite";
    engine::Usage used;
    used.prompt_tokens = 10;
    used.completion_tokens = 5;
    used.truncated_tokens = 7;
    used.context_shifts = 2;
    fleet.scripts.push_back({text("a"), finish(), event(used)});
    const Reply reply = chat(R"("truncate_prompt_tokens":-1,"context_shift":true,"n_keep":4,"max_tokens":5,
        "lora_adapter":"polite","request_id":"mine")");
    ASSERT_EQ(reply.status, 200) << reply.body;
    const engine::GenerateRequest& got = fleet.requests.back();
    EXPECT_EQ(got.truncate_prompt_tokens, -1);
    EXPECT_TRUE(got.context_shift);
    EXPECT_EQ(got.n_keep, 4);
    EXPECT_EQ(got.adapter, "polite");
    EXPECT_EQ(got.id, "mine");
    const bj::value usage = reply.json().at("usage");
    EXPECT_EQ(usage.at("prompt_tokens_details").at("truncated_tokens"), 7);
    EXPECT_EQ(usage.at("completion_tokens_details").at("context_shifts"), 2);

    EXPECT_EQ(chat(R"("truncation":"auto")").status, 200);
    EXPECT_EQ(fleet.requests.back().truncate_prompt_tokens, -1);
    for (const char* bad : {R"("truncate_prompt_tokens":0)", R"("truncation":"maybe")", R"("context_shift":true)"}) {
        EXPECT_EQ(chat(bad).status, 400) << bad;
    }
}

TEST_F(OpenAiTest, AClientThatStopsReadingEndsTheGeneration) {
    fleet.scripts.push_back({text("a"), text("b"), text("c"), finish(), usage(1, 3)});
    gone_after = 1;
    const Reply reply = chat(R"("stream":true)");
    EXPECT_EQ(reply.events().size(), 1u);
    EXPECT_EQ(fleet.cancelled, 1);
}

TEST_F(OpenAiTest, ChatLogprobsHaveBytesAndAlternatives) {
    const Script script{text_with_logprobs("é", {token("\xc3\xa9", -0.5)}), finish(), usage(1, 1)};
    fleet.scripts = {script, script};
    const bj::value expected = bj::parse(R"({"content":[{"token":"é","logprob":-0.5,"bytes":[195,169],"top_logprobs":[
        {"token":"é","logprob":-0.5,"bytes":[195,169]},
        {"token":"bytes:\\xe2\\x80","logprob":-1.5,"bytes":[226,128]}]}]})");
    EXPECT_EQ(chat(R"("logprobs":true,"top_logprobs":2)").json().at("choices").at(0).at("logprobs"), expected);
    const auto events = chat(R"("logprobs":true,"top_logprobs":2,"stream":true)").events();
    EXPECT_EQ(bj::parse(events[0]).at("choices").at(0).at("logprobs"), expected);
}

TEST_F(OpenAiTest, PromptLogprobsComeInBothForms) {
    engine::PromptLogprobs prompt;
    prompt.tokens.push_back({5, "H", -std::numeric_limits<double>::infinity(), {}, {}});
    prompt.tokens.push_back({6, "i", -2, {{7, -0.25}}, {"o"}});
    const Script script{event(prompt), text_with_logprobs("Hib", {token("b", -1)}), finish(), usage(2, 1)};
    fleet.scripts = {script, script, script, script};
    const bj::value echoed = complete(R"("logprobs":1,"echo":true)").json().at("choices").at(0).at("logprobs");
    EXPECT_EQ(last().prompt_logprobs, 1u);
    EXPECT_EQ(echoed.at("tokens"), bj::parse(R"(["H","i","b"])"));
    EXPECT_EQ(echoed.at("token_logprobs"), bj::parse("[null,-2.0,-1.0]"));
    EXPECT_EQ(echoed.at("text_offset"), bj::parse("[0,1,2]"));
    EXPECT_TRUE(echoed.at("top_logprobs").at(0).is_null());
    EXPECT_EQ(echoed.at("top_logprobs").at(1), bj::parse(R"({"o":-0.25})"));
    const auto events = complete(R"("logprobs":1,"echo":true,"stream":true)").events();
    EXPECT_EQ(bj::parse(events[0]).at("choices").at(0).at("logprobs"), echoed);
    const bj::value expected = bj::parse(R"([null,{"6":{"logprob":-2.0,"rank":null,"decoded_token":"i"},
        "7":{"logprob":-0.25,"rank":1,"decoded_token":"o"}}])");
    EXPECT_EQ(complete(R"("prompt_logprobs":1)").json().at("choices").at(0).at("prompt_logprobs"), expected);
    EXPECT_EQ(chat(R"("prompt_logprobs":1)").json().at("prompt_logprobs"), expected);
    EXPECT_EQ(chat(R"("prompt_logprobs":21)").param(), "prompt_logprobs");
    EXPECT_EQ(chat(R"("prompt_logprobs":1,"stream":true)").param(), "prompt_logprobs");
}

TEST_F(OpenAiTest, BeamSearchReachesTheEngine) {
    ASSERT_EQ(complete(R"("use_beam_search":true,"best_of":4,"n":2,"length_penalty":0.5,"early_stopping":true)").status,
              200);
    ASSERT_TRUE(last().beams);
    EXPECT_EQ(last().beams->width, 4u);
    EXPECT_EQ(last().beams->length_penalty, 0.5);
    EXPECT_EQ(last().beams->early_stopping, engine::EarlyStopping::kYes);
    EXPECT_FALSE(last().best_of);
    ASSERT_EQ(chat(R"("use_beam_search":true,"beam_width":3,"early_stopping":"never")").status, 200);
    EXPECT_EQ(last().beams->width, 3u);
    EXPECT_EQ(last().beams->early_stopping, engine::EarlyStopping::kNever);
    ASSERT_EQ(chat(R"("use_beam_search":false,"length_penalty":1)").status, 200);
    EXPECT_FALSE(last().beams);
    EXPECT_EQ(chat(R"("use_beam_search":true,"beam_width":17)").param(), "beam_width");
    EXPECT_EQ(chat(R"("use_beam_search":true,"length_penalty":11)").param(), "length_penalty");
    EXPECT_EQ(chat(R"("use_beam_search":true,"early_stopping":"x")").param(), "early_stopping");
    EXPECT_EQ(chat(R"("use_beam_search":true,"stop":"x")").param(), "stop");
    EXPECT_EQ(chat(R"("use_beam_search":true,"logprobs":true)").param(), "logprobs");
}

TEST_F(OpenAiTest, LogprobsModeAndDeterminismReachTheEngine) {
    ASSERT_EQ(chat(R"("logprobs":true,"logprobs_mode":"processed_logprobs","deterministic":true)").status, 200);
    EXPECT_EQ(last().logprobs_mode, engine::LogprobsMode::kProcessed);
    EXPECT_TRUE(last().deterministic);
    ASSERT_EQ(chat(R"("logprobs_mode":"raw")").status, 200);
    EXPECT_EQ(last().logprobs_mode, engine::LogprobsMode::kRaw);
    EXPECT_FALSE(last().deterministic);
    EXPECT_EQ(chat(R"("logprobs_mode":"odd")").param(), "logprobs_mode");
    EXPECT_EQ(chat(R"("deterministic":1)").param(), "deterministic");
}

TEST_F(OpenAiTest, CompletionAnswersWholeAndStreams) {
    const bj::value body = complete().json();
    EXPECT_EQ(body.at("object"), "text_completion");
    EXPECT_TRUE(body.at("id").as_string().starts_with("cmpl-"));
    EXPECT_EQ(body.at("choices").at(0).at("text"), "Hello");
    EXPECT_EQ(std::get<engine::TextInput>(last().input).text, "Hi");
    const auto events = complete(R"("stream":true)").events();
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(bj::parse(events[0]).at("choices").at(0).at("text"), "Hello");
    EXPECT_EQ(bj::parse(events[1]).at("choices").at(0).at("finish_reason"), "stop");
    EXPECT_EQ(bj::parse(events[1]).at("choices").at(0).at("text"), "");
    EXPECT_EQ(events[2], "[DONE]");
}

TEST_F(OpenAiTest, CompletionPromptsComeInFourForms) {
    complete("", "[1,2,3]");
    EXPECT_EQ(std::get<engine::TokenInput>(last().input).ids, (std::vector<int32_t>{1, 2, 3}));
    fleet.requests.clear();
    fleet.scripts = {{text("x", 0), text("y", 1), finish(), finish(engine::FinishReason::kStop, 1), usage(1, 2)},
                     {text("z", 0), text("w", 1), finish(), finish(engine::FinishReason::kStop, 1), usage(2, 2)}};
    const bj::value body = complete(R"("n":2)", R"(["a",[5]])").json();
    ASSERT_EQ(fleet.requests.size(), 2u);
    EXPECT_NE(fleet.requests[0].id, fleet.requests[1].id);
    std::string texts;
    for (const bj::value& choice : body.at("choices").as_array()) {
        texts += choice.at("text").as_string();
    }
    EXPECT_EQ(texts, "xyzw");
    EXPECT_EQ(body.at("choices").at(3).at("index"), 3);
    EXPECT_EQ(body.at("usage").at("prompt_tokens"), 3);
    EXPECT_EQ(body.at("usage").at("completion_tokens"), 4);
    for (const char* bad : {"3", "[]", "{}", "[[]]", "[1,\"a\"]", "[\"a\",1]", "[-1]", "null"}) {
        EXPECT_EQ(complete("", bad).status, 400) << bad;
    }
}

TEST_F(OpenAiTest, CompletionLogprobsAreParallelLists) {
    fleet.scripts.push_back(
        {text_with_logprobs("éb", {token("\xc3\xa9", -0.5), token("b", -1)}), finish(), usage(1, 2)});
    const bj::value logprobs = complete(R"("logprobs":2,"echo":true)").json().at("choices").at(0).at("logprobs");
    EXPECT_TRUE(last().echo);
    EXPECT_EQ(logprobs.at("tokens"), bj::parse(R"(["é","b"])"));
    EXPECT_EQ(logprobs.at("token_logprobs"), bj::parse("[-0.5,-1.0]"));
    EXPECT_EQ(logprobs.at("text_offset"), bj::parse("[0,1]"));
    EXPECT_EQ(logprobs.at("top_logprobs").at(1).at("b").as_double(), -1.0);
    EXPECT_EQ(complete(R"("best_of":3,"n":2)").status, 200);
    EXPECT_EQ(last().best_of, 3);
    EXPECT_EQ(last().n, 2);
    EXPECT_EQ(complete(R"("best_of":1,"n":2)").param(), "best_of");
    EXPECT_EQ(complete(R"("best_of":17)").param(), "best_of");
    EXPECT_EQ(complete(R"("best_of":3,"stream":true)").param(), "best_of");
    EXPECT_EQ(complete(R"("suffix":"x")").param(), "suffix");
    EXPECT_EQ(complete(R"("best_of":1,"suffix":"")").status, 200);
}

TEST_F(OpenAiTest, SuffixesAreFilledInBefore) {
    EXPECT_NE(complete(R"("suffix":"x")").message().find("cannot fill in"), std::string::npos);
    fleet.infill = true;
    ASSERT_EQ(complete(R"("suffix":"}")", R"(["a {","b {"])").status, 200);
    EXPECT_EQ(std::get<engine::TextInput>(last().input).text, "<fim_prefix>b {<fim_suffix>}<fim_middle>");
    EXPECT_EQ(complete(R"("suffix":"}","echo":true)").param(), "suffix");
    EXPECT_EQ(complete(R"("suffix":"}")", "[1,2]").param(), "suffix");
}

TEST_F(OpenAiTest, RoutesOfOtherKindsOfModelsSayThatThereIsNone) {
    for (const char* route : {"/v1/audio/speech", "/v1/audio/transcriptions", "/v1/audio/translations",
                              "/v1/images/generations", "/v1/images/edits", "/v1/images/variations"}) {
        const Reply reply = post(route, "{}");
        EXPECT_EQ(reply.status, 404);
        EXPECT_TRUE(reply.message().starts_with("there is no ")) << reply.message();
    }
}

}  // namespace
}  // namespace gantry::test
