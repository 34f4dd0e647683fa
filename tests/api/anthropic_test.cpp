#include "tests/api/api_fixture.hpp"

namespace gantry::test {
namespace {

class AnthropicTest : public ApiTest {
  protected:
    AnthropicTest() { fleet.add("m"); }

    Reply send_messages(const std::string& more = "", const std::string& messages = kHello) {
        return post("/v1/messages",
                    R"({"model":"m","max_tokens":64,"messages":)" + messages + (more.empty() ? "" : "," + more) + "}");
    }
    const engine::GenerateRequest& last() { return fleet.requests.back(); }
    const engine::ChatInput& last_chat() { return std::get<engine::ChatInput>(last().input); }
    static std::string error(const Reply& reply) {
        return std::string(reply.json().at("error").at("message").as_string());
    }
    /// The data of the events, each checked to be named as its type says.
    static std::vector<bj::object> parsed_events(const Reply& reply) {
        std::vector<bj::object> out;
        for (size_t at = 0; at < reply.body.size();) {
            const size_t end = reply.body.find("\n\n", at);
            const std::string text = reply.body.substr(at, end - at);
            const size_t line = text.find('\n');
            out.push_back(bj::parse(text.substr(line + 7)).as_object());
            EXPECT_EQ(text.substr(0, line), "event: " + std::string(out.back().at("type").as_string()));
            at = end + 2;
        }
        return out;
    }
    static std::vector<std::string> types(const std::vector<bj::object>& events) {
        std::vector<std::string> out;
        for (const bj::object& event : events) {
            out.emplace_back(event.at("type").as_string());
        }
        return out;
    }
    Reply get_models(const std::string& target) {
        http::Request request;
        request.target = target;
        request.headers.set("anthropic-version", "2023-06-01");
        return send(std::move(request));
    }
    static Scripted thought(std::string t) {
        engine::Delta delta;
        delta.reasoning = std::move(t);
        return event(std::move(delta));
    }
    static Scripted tool_part(std::string id, std::string name, std::string arguments, uint32_t call = 0) {
        engine::Delta delta;
        delta.tool_calls.push_back({call, std::move(id), std::move(name), std::move(arguments)});
        return event(std::move(delta));
    }
    static constexpr const char* kHello = R"([{"role":"user","content":"Hi"}])";
    static constexpr const char* kTools =
        R"("tools":[{"name":"add","description":"Adds.","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}])";
};

TEST_F(AnthropicTest, AnswersWhole) {
    fleet.scripts.push_back({thought("hm"), text("Hel"), text("lo"), finish(), usage(9, 2, 4)});
    const Reply reply = send_messages();
    ASSERT_EQ(reply.status, 200) << reply.body;
    const bj::value body = reply.json();
    EXPECT_TRUE(body.at("id").as_string().starts_with("msg_"));
    EXPECT_EQ(body.at("type"), "message");
    EXPECT_EQ(body.at("role"), "assistant");
    EXPECT_EQ(body.at("content"), bj::parse(R"([{"type":"text","text":"Hello"}])")) << "nobody asked for thoughts";
    EXPECT_EQ(body.at("stop_reason"), "end_turn");
    EXPECT_TRUE(body.at("stop_sequence").is_null());
    EXPECT_EQ(body.at("usage"), bj::parse(R"({"input_tokens":5,"cache_creation_input_tokens":0,
                                               "cache_read_input_tokens":4,"output_tokens":2})"));
    EXPECT_FALSE(reply.header("request-id").empty());
    EXPECT_EQ(last().max_tokens, 64u);
    EXPECT_EQ(last_chat().template_kwargs.at("enable_thinking"), false);
}

TEST_F(AnthropicTest, StreamsBlockByBlock) {
    fleet.scripts.push_back({thought("h"), thought("m"), text("\n\n"), text("Hel"), text("lo"),
                             tool_part("id0", "add", ""), tool_part("", "", R"({"a":)"), tool_part("", "", "1}"),
                             finish(engine::FinishReason::kToolCalls), usage(9, 2, 4)});
    const Reply reply =
        send_messages(R"("stream":true,"thinking":{"type":"enabled","budget_tokens":32},)" + std::string(kTools));
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.header("Content-Type"), "text/event-stream; charset=utf-8");
    const auto got = parsed_events(reply);
    EXPECT_EQ(types(got),
              (std::vector<std::string>{"message_start", "ping", "content_block_start", "content_block_delta",
                                        "content_block_delta", "content_block_delta", "content_block_stop",
                                        "content_block_start", "content_block_delta", "content_block_delta",
                                        "content_block_stop", "content_block_start", "content_block_delta",
                                        "content_block_delta", "content_block_stop", "message_delta", "message_stop"}))
        << reply.body;
    EXPECT_TRUE(got[0].at("message").at("content").as_array().empty());
    EXPECT_EQ(got[2].at("content_block").at("type"), "thinking");
    EXPECT_EQ(got[3].at("delta"), bj::parse(R"({"type":"thinking_delta","thinking":"h"})"));
    EXPECT_EQ(got[5].at("delta").at("type"), "signature_delta");
    EXPECT_EQ(got[7].at("index"), 1);
    EXPECT_EQ(got[8].at("delta"), bj::parse(R"({"type":"text_delta","text":"Hel"})"));
    EXPECT_EQ(got[11].at("content_block"), bj::parse(R"({"type":"tool_use","id":"id0","name":"add","input":{}})"));
    EXPECT_EQ(got[12].at("delta"), bj::parse(R"({"type":"input_json_delta","partial_json":"{\"a\":"})"));
    EXPECT_EQ(got[15].at("delta").at("stop_reason"), "tool_use");
    EXPECT_EQ(got[15].at("usage").at("output_tokens"), 2);
    EXPECT_EQ(last_chat().reasoning_budget, 32u);
    EXPECT_EQ(last_chat().template_kwargs.at("enable_thinking"), true);
}

TEST_F(AnthropicTest, BlocksBecomeMessages) {
    const Reply reply = send_messages(R"("system":[{"type":"text","text":"A","cache_control":{"type":"ephemeral"}},
                                                 {"type":"text","text":"B"}])",
                                      R"([
        {"role":"user","content":[{"type":"text","text":"What is 1+1?"}]},
        {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"text","text":"Wait."},
            {"type":"tool_use","id":"u1","name":"add","input":{"a":1}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"u1","is_error":true,
                                   "content":[{"type":"text","text":"no"}]},{"type":"text","text":"Well?"}]}])");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(last_chat().messages, bj::parse(R"([{"role":"system","content":"A\nB"},
        {"role":"user","content":"What is 1+1?"},
        {"role":"assistant","content":"Wait.","reasoning_content":"t","tool_calls":[{"id":"u1","type":"function",
            "function":{"name":"add","arguments":{"a":1}}}]},
        {"role":"tool","tool_call_id":"u1","name":"add","content":"Error: no"},
        {"role":"user","content":"Well?"}])"));
}

TEST_F(AnthropicTest, ToolsAndChoicesReachTheEngine) {
    using engine::ToolChoice;
    const std::string tools(kTools);
    ASSERT_EQ(send_messages(tools + R"(,"tool_choice":{"type":"any","disable_parallel_tool_use":true})").status, 200);
    EXPECT_EQ(last_chat().tool_choice, ToolChoice::kRequired);
    EXPECT_FALSE(last_chat().parallel_tool_calls);
    EXPECT_EQ(last_chat().tools, bj::parse(R"([{"type":"function","function":{"name":"add","description":"Adds.",
                                                "parameters":{"type":"object"}}}])"));
    ASSERT_EQ(send_messages(tools + R"(,"tool_choice":{"type":"tool","name":"add"})").status, 200);
    EXPECT_EQ(last_chat().tool_name, "add");
    ASSERT_EQ(send_messages(tools + R"(,"tool_choice":{"type":"none"})").status, 200);
    EXPECT_TRUE(last_chat().tools.empty());
    EXPECT_EQ(send_messages(tools + R"(,"tool_choice":{"type":"tool","name":"sub"})").status, 400);
    EXPECT_EQ(send_messages(R"("tool_choice":{"type":"any"})").status, 400);
    EXPECT_EQ(send_messages(R"("tools":[{"type":"web_search_20250305","name":"web_search"}])").status, 400);
}

TEST_F(AnthropicTest, FieldsReachTheEngine) {
    const Reply reply = send_messages(
        R"("temperature":0.5,"top_k":3,"top_p":0.9,"stop_sequences":["END"],"metadata":{"user_id":"ann"},
           "output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}},
           "service_tier":"auto","unheard_of":1)");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(last().sampling.temperature, 0.5);
    EXPECT_EQ(last().sampling.top_k, 3);
    EXPECT_EQ(last().sampling.top_p, 0.9);
    EXPECT_EQ(last().stop, std::vector<std::string>{"END"});
    EXPECT_EQ(last().share_key, "ann");
    EXPECT_EQ(last().grammar->text, R"({"type":"object"})");
    EXPECT_EQ(last_chat().template_kwargs.at("reasoning_effort"), "low");
    EXPECT_EQ(reply.header("X-Gantry-Ignored"), "unheard_of");
}

TEST_F(AnthropicTest, TellsWhichStopSequenceEndedTheAnswer) {
    const auto stopped_by = [](std::string text) {
        return event(engine::Finish{0, engine::FinishReason::kStop, {}, std::move(text)});
    };
    fleet.scripts.push_back({text("Hi"), stopped_by("END"), usage(9, 2)});
    const bj::value whole = send_messages(R"("stop_sequences":["no","END"])").json();
    EXPECT_EQ(whole.at("stop_reason"), "stop_sequence");
    EXPECT_EQ(whole.at("stop_sequence"), "END");
    fleet.scripts.push_back({text("Hi"), stopped_by("END"), usage(9, 2)});
    const auto events = parsed_events(send_messages(R"("stream":true,"stop_sequences":["END"])"));
    EXPECT_EQ(events[events.size() - 2].at("delta"),
              bj::parse(R"({"stop_reason":"stop_sequence","stop_sequence":"END"})"));
    fleet.scripts.push_back({text("Hi"), stopped_by("of the model"), usage(9, 2)});
    EXPECT_EQ(send_messages(R"("stop_sequences":["END"])").json().at("stop_reason"), "end_turn")
        << "nobody asked for this one";
}

TEST_F(AnthropicTest, WrongFieldsAreNamed) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {R"("temperature":9)", "temperature"},
        {R"("thinking":{"type":"enabled"})", "budget_tokens"},
        {R"("thinking":{"type":"enabled","budget_tokens":64})", "less than max_tokens"},
        {R"("stop_sequences":[" "])", "stop_sequences"},
        {R"("system":5)", "system"},
        {R"("tools":[{"name":"x"}])", "tools.0.input_schema"},
        {R"("mcp_servers":[{}])", "mcp_servers"},
    };
    for (const auto& [field, words] : cases) {
        const Reply reply = send_messages(field);
        EXPECT_EQ(reply.status, 400) << field;
        EXPECT_EQ(reply.json().at("type"), "error");
        EXPECT_EQ(reply.json().at("error").at("type"), "invalid_request_error");
        EXPECT_NE(error(reply).find(words), std::string::npos) << reply.body;
    }
    const std::vector<std::pair<std::string, std::string>> conversations{
        {"[]", "messages"},
        {R"([{"role":"pirate","content":"x"}])", "messages.0.role"},
        {R"([{"role":"user","content":[{"type":"image","source":{}}]}])", "messages.0.content.0"},
        {R"([{"role":"user","content":[{"type":"tool_result","tool_use_id":"x"}]}])", "tool_use_id"},
        {R"([{"role":"user","content":"x"},{"role":"assistant","content":"y"}])", "the last message"},
        {R"([{"role":"assistant","content":[{"type":"tool_use","name":"x"}]},{"role":"user","content":"x"}])",
         "messages.0.content.0"},
        {"[5]", "messages.0"},
    };
    for (const auto& [messages, words] : conversations) {
        const Reply reply = send_messages("", messages);
        EXPECT_EQ(reply.status, 400) << messages;
        EXPECT_NE(error(reply).find(words), std::string::npos) << reply.body;
    }
    EXPECT_EQ(post("/v1/messages", R"({"model":"m","messages":[{"role":"user","content":"x"}]})").status, 400);
    EXPECT_TRUE(fleet.requests.empty());
}

TEST_F(AnthropicTest, ErrorsHaveTheirStatuses) {
    const std::vector<std::tuple<Code, int, std::string>> cases{
        {Code::kNotFound, 404, "not_found_error"},
        {Code::kResourceExhausted, 429, "rate_limit_error"},
        {Code::kUnavailable, 529, "overloaded_error"},
        {Code::kInternal, 500, "api_error"},
        {Code::kInvalidArgument, 400, "invalid_request_error"},
        {Code::kDeadlineExceeded, 504, "timeout_error"},
        {Code::kUnimplemented, 400, "invalid_request_error"},
    };
    for (const auto& [code, status, type] : cases) {
        fleet.generate_error = Error(code, "why");
        const Reply reply = send_messages();
        EXPECT_EQ(reply.status, status);
        EXPECT_EQ(reply.json().at("error").at("type").as_string(), type);
        EXPECT_EQ(error(reply), "why");
        EXPECT_EQ(reply.json().at("request_id").as_string(), reply.header("request-id"));
    }
    fleet.generate_error.reset();
    fleet.scripts.push_back({text("He"), failure(Error(Code::kUnavailable, "it crashed"))});
    const auto got = parsed_events(send_messages(R"("stream":true)"));
    EXPECT_EQ(got.back().at("type"), "error");
    EXPECT_EQ(got.back().at("error"), bj::parse(R"({"type":"overloaded_error","message":"it crashed"})"));
}

TEST_F(AnthropicTest, TokensAreCounted) {
    const Reply reply =
        post("/v1/messages/count_tokens", R"({"model":"m","messages":)" + std::string(kHello) + "," + kTools + "}");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.json(), bj::parse(R"({"input_tokens":5})"));
    EXPECT_EQ(post("/v1/messages/count_tokens", R"({"model":"x","messages":[{"role":"user","content":"x"}]})").status,
              404);
}

TEST_F(AnthropicTest, ModelsAreListedInItsFormForItsClients) {
    fleet.add("n");
    EXPECT_EQ(get("/v1/models").json().at("object"), "list") << "others get their own form";
    const bj::value all = get_models("/v1/models").json();
    ASSERT_EQ(all.at("data").as_array().size(), 2u);
    EXPECT_EQ(all.at("data").at(0).at("type"), "model");
    EXPECT_EQ(all.at("data").at(0).at("created_at"), "2023-11-14T22:13:20Z");
    EXPECT_EQ(all.at("has_more"), false);
    EXPECT_EQ(all.at("last_id"), "n");
    const bj::value first = get_models("/v1/models?limit=1").json();
    EXPECT_EQ(first.at("has_more"), true);
    EXPECT_EQ(get_models("/v1/models?limit=1&after_id=m").json().at("first_id"), "n");
    EXPECT_EQ(get_models("/v1/models?before_id=n").json().at("last_id"), "m");
    EXPECT_EQ(get_models("/v1/models?limit=0").status, 400);
    EXPECT_EQ(get_models("/v1/models/m").json().at("id"), "m");
    EXPECT_EQ(get_models("/v1/models/x").json().at("type"), "error");
}

TEST_F(AnthropicTest, NamesAreMapped) {
    services.anthropic_models = {{"big", "m"}, {"small-*", "n"}, {"small-1", "m"}};
    fleet.add("n");
    const auto answer = [&](const std::string& model) {
        return post("/v1/messages",
                    R"({"model":")" + model + R"(","max_tokens":9,"messages":[{"role":"user","content":"x"}]})");
    };
    EXPECT_EQ(answer("big").json().at("model"), "big");
    EXPECT_EQ(answer("small-1").status, 200);
    EXPECT_EQ(answer("medium").status, 404);
    EXPECT_EQ(get_models("/v1/models").json().at("data").as_array().size(), 4u);
    EXPECT_EQ(get_models("/v1/models/small-9").json().at("id"), "small-9");
}

}  // namespace
}  // namespace gantry::test
