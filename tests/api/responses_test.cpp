#include "api/dialects/responses/store.hpp"
#include "tests/api/api_fixture.hpp"

namespace gantry::test {
namespace {

class ResponsesTest : public ApiTest {
  protected:
    ResponsesTest() { fleet.add("m"); }

    Reply create(const std::string& more = "", const std::string& input = "\"Hi\"") {
        return post("/v1/responses", R"({"model":"m","input":)" + input + (more.empty() ? "" : "," + more) + "}");
    }
    const engine::GenerateRequest& last() { return fleet.requests.back(); }
    const engine::ChatInput& last_chat() { return std::get<engine::ChatInput>(last().input); }
    static std::string id_of(const Reply& reply) { return std::string(reply.json().at("id").as_string()); }
    /// The data of the events, each checked for its name and number.
    static std::vector<bj::object> parsed_events(const Reply& reply) {
        std::vector<bj::object> out;
        for (size_t at = 0; at < reply.body.size();) {
            const size_t end = reply.body.find("\n\n", at);
            const std::string text = reply.body.substr(at, end - at);
            const size_t line = text.find('\n');
            out.push_back(bj::parse(text.substr(line + 7)).as_object());
            EXPECT_EQ(text.substr(0, line), "event: " + std::string(out.back().at("type").as_string()));
            EXPECT_EQ(out.back().at("sequence_number").to_number<size_t>(), out.size() - 1);
            at = end + 2;
        }
        return out;
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
    static constexpr const char* kTools =
        R"("tools":[{"type":"function","name":"add","parameters":{"type":"object"},"strict":true}])";
};

TEST_F(ResponsesTest, AnswersWhole) {
    fleet.scripts.push_back({thought("hm"), text("Hel"), text("lo"), finish(), usage(9, 3, 4)});
    const Reply reply = create(R"("instructions":"Be brief.","metadata":{"a":"b"},"temperature":0.5)");
    ASSERT_EQ(reply.status, 200) << reply.body;
    const bj::value body = reply.json();
    EXPECT_TRUE(body.at("id").as_string().starts_with("resp_"));
    EXPECT_EQ(body.at("object"), "response");
    EXPECT_EQ(body.at("status"), "completed");
    EXPECT_EQ(body.at("instructions"), "Be brief.");
    EXPECT_EQ(body.at("metadata"), bj::parse(R"({"a":"b"})"));
    EXPECT_EQ(body.at("temperature"), 0.5);
    EXPECT_TRUE(body.at("error").is_null());
    ASSERT_EQ(body.at("output").as_array().size(), 2u);
    EXPECT_EQ(body.at("output").at(0).at("type"), "reasoning");
    EXPECT_EQ(body.at("output").at(0).at("content"), bj::parse(R"([{"type":"reasoning_text","text":"hm"}])"));
    EXPECT_EQ(body.at("output").at(1).at("content"),
              bj::parse(R"([{"type":"output_text","text":"Hello","annotations":[],"logprobs":[]}])"));
    EXPECT_EQ(body.at("usage"), bj::parse(R"({"input_tokens":9,"input_tokens_details":{"cached_tokens":4},
        "output_tokens":3,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":12})"));
    EXPECT_EQ(last_chat().messages,
              bj::parse(R"([{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}])"));
}

TEST_F(ResponsesTest, StreamsNumberedEventsInOrder) {
    fleet.scripts.push_back({thought("h"), text("\n"), text("Hel"), text("lo"), tool_part("c0", "add", ""),
                             tool_part("", "", "{}"), finish(engine::FinishReason::kToolCalls), usage(9, 3)});
    const Reply reply = create(R"("stream":true,)" + std::string(kTools));
    ASSERT_EQ(reply.status, 200) << reply.body;
    const auto got = parsed_events(reply);
    std::vector<std::string> types;
    for (const auto& e : got) {
        types.emplace_back(std::string(e.at("type").as_string()).substr(9));
    }
    EXPECT_EQ(types, (std::vector<std::string>{"created",
                                               "in_progress",
                                               "output_item.added",
                                               "content_part.added",
                                               "reasoning_text.delta",
                                               "reasoning_text.done",
                                               "content_part.done",
                                               "output_item.done",
                                               "output_item.added",
                                               "content_part.added",
                                               "output_text.delta",
                                               "output_text.delta",
                                               "output_text.done",
                                               "content_part.done",
                                               "output_item.done",
                                               "output_item.added",
                                               "function_call_arguments.delta",
                                               "function_call_arguments.done",
                                               "output_item.done",
                                               "completed"}))
        << reply.body;
    EXPECT_EQ(got[0].at("response").at("status"), "in_progress");
    EXPECT_EQ(got[10].at("delta"), "Hel");
    EXPECT_EQ(got[10].at("output_index"), 1);
    EXPECT_EQ(got[10].at("item_id"), got[8].at("item").at("id"));
    EXPECT_EQ(got[12].at("text"), "Hello");
    EXPECT_EQ(got[17].at("arguments"), "{}");
    EXPECT_EQ(got[18].at("item").at("call_id"), "c0");
    EXPECT_EQ(got[19].at("response").at("output").as_array().size(), 3u);
    EXPECT_EQ(last_chat().tools, bj::parse(R"([{"type":"function","function":{"name":"add","description":"",
                                                "parameters":{"type":"object"}}}])"));
}

TEST_F(ResponsesTest, ConversationsGoOn) {
    fleet.scripts.push_back({text("Four."), finish(), usage(3, 1)});
    const Reply first = create(R"("instructions":"A")", "\"2+2?\"");
    ASSERT_EQ(first.status, 200) << first.body;
    const Reply second = create(R"("instructions":"B","previous_response_id":")" + id_of(first) + "\"", "\"And 3+3?\"");
    ASSERT_EQ(second.status, 200) << second.body;
    EXPECT_EQ(last_chat().messages, bj::parse(R"([{"role":"system","content":"B"},{"role":"user","content":"2+2?"},
        {"role":"assistant","content":"Four."},{"role":"user","content":"And 3+3?"}])"));
    const Reply third = create(R"("previous_response_id":")" + id_of(second) + "\"", "\"x\"");
    EXPECT_EQ(last_chat().messages.size(), 5u) << "instructions are not carried on";
    EXPECT_EQ(create(R"("previous_response_id":"resp_0")").param(), "previous_response_id");
    const Reply unkept = create(R"("store":false)");
    EXPECT_EQ(create(R"("previous_response_id":")" + id_of(unkept) + "\"").status, 400);
}

TEST_F(ResponsesTest, ItemsBecomeMessages) {
    const Reply reply = create("", R"([{"role":"developer","content":"D"},
        {"type":"message","role":"user","content":[{"type":"input_text","text":"1+1?"}]},
        {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"t"}]},
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"Wait."}]},
        {"type":"function_call","call_id":"c","name":"add","arguments":"{\"a\":1}"},
        {"type":"function_call_output","call_id":"c","output":"2"}])");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(last_chat().messages, bj::parse(R"([{"role":"system","content":"D"},{"role":"user","content":"1+1?"},
        {"role":"assistant","content":"Wait.","reasoning_content":"t","tool_calls":[{"id":"c","type":"function",
            "function":{"name":"add","arguments":{"a":1}}}]},
        {"role":"tool","tool_call_id":"c","name":"add","content":"2"}])"));
}

TEST_F(ResponsesTest, FieldsReachTheEngine) {
    const Reply reply = create(
        R"("max_output_tokens":5,"top_p":0.5,"truncation":"auto","user":"ann","reasoning":{"effort":"low"},
           "text":{"format":{"type":"json_schema","name":"x","schema":{"type":"object"},"strict":true}},
           "include":["message.output_text.logprobs"],"top_logprobs":2,"parallel_tool_calls":false,
           "tool_choice":{"type":"function","name":"add"},"unheard_of":1,)" +
        std::string(kTools));
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(last().max_tokens, 5u);
    EXPECT_EQ(last().sampling.top_p, 0.5);
    EXPECT_EQ(last().truncate_prompt_tokens, -1);
    EXPECT_EQ(last().share_key, "ann");
    EXPECT_EQ(last().grammar->text, R"({"type":"object"})");
    EXPECT_EQ(last().top_logprobs, 2u);
    EXPECT_EQ(last_chat().template_kwargs.at("reasoning_effort"), "low");
    EXPECT_EQ(last_chat().tool_name, "add");
    EXPECT_FALSE(last_chat().parallel_tool_calls);
    EXPECT_EQ(reply.header("X-Gantry-Ignored"), "unheard_of");
    fleet.scripts.push_back({text("x"), finish(engine::FinishReason::kLength), usage(1, 1)});
    const bj::value cut = create().json();
    EXPECT_EQ(cut.at("status"), "incomplete");
    EXPECT_EQ(cut.at("incomplete_details").at("reason"), "max_output_tokens");
}

TEST_F(ResponsesTest, WrongFieldsAreNamed) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {R"("temperature":9)", "temperature"},
        {R"("background":true)", "background"},
        {R"("conversation":"c")", "conversation"},
        {R"("text":{"format":{"type":"xml"}})", "text.format.type"},
        {R"("tools":[{"type":"web_search"}])", "tools[0]"},
        {R"("tool_choice":"required")", "tool_choice"},
        {R"("max_output_tokens":0)", "max_output_tokens"},
    };
    for (const auto& [field, name] : cases) {
        const Reply reply = create(field);
        EXPECT_EQ(reply.status, 400) << field;
        EXPECT_EQ(reply.param(), name) << reply.body;
    }
    const std::vector<std::pair<std::string, std::string>> inputs{
        {"5", "input"},
        {"[]", "input"},
        {"[5]", "input[0]"},
        {R"([{"role":"pirate","content":"x"}])", "input[0].role"},
        {R"([{"role":"user","content":[{"type":"input_image","image_url":"x"}]}])", "input[0].content[0]"},
        {R"([{"type":"function_call_output","call_id":"c","output":"2"}])", "input[0].call_id"},
        {R"([{"type":"computer_call"}])", "input[0]"},
    };
    for (const auto& [input, name] : inputs) {
        const Reply reply = create("", input);
        EXPECT_EQ(reply.status, 400) << input;
        EXPECT_EQ(reply.param(), name) << reply.body;
    }
    EXPECT_TRUE(fleet.requests.empty());
}

TEST_F(ResponsesTest, FailuresEndTheStream) {
    fleet.scripts.push_back({text("He"), failure(Error(Code::kUnavailable, "it crashed"))});
    const auto got = parsed_events(create(R"("stream":true)"));
    EXPECT_EQ(got.back().at("type"), "response.failed");
    EXPECT_EQ(got.back().at("response").at("error").at("message"), "it crashed");
    fleet.generate_error = Error(Code::kResourceExhausted, "full");
    EXPECT_EQ(create(R"("stream":true)").status, 429);
}

TEST_F(ResponsesTest, KeptResponsesAreReadAndForgotten) {
    const Reply made = create("", R"([{"role":"user","content":"a"},{"role":"user","content":"b"}])");
    const std::string path = "/v1/responses/" + id_of(made);
    EXPECT_EQ(get(path).json(), made.json());
    const bj::value items = get(path + "/input_items?order=asc").json();
    ASSERT_EQ(items.at("data").as_array().size(), 2u) << bj::serialize(items);
    EXPECT_EQ(items.at("data").at(0).at("content"), "a");
    EXPECT_EQ(items.at("has_more"), false);
    const bj::value first = get(path + "/input_items?limit=1").json();
    EXPECT_EQ(first.at("data").at(0).at("content"), "b");
    EXPECT_EQ(first.at("has_more"), true);
    const std::string after(first.at("last_id").as_string());
    EXPECT_EQ(get(path + "/input_items?after=" + after).json().at("data").at(0).at("content"), "a");
    EXPECT_EQ(post(path + "/cancel", "").status, 400);
    EXPECT_EQ(call("DELETE", path).json().at("deleted"), true);
    EXPECT_EQ(get(path).status, 404);
    EXPECT_EQ(get(path + "/input_items").status, 404);
    EXPECT_EQ(call("DELETE", path).status, 404);
    EXPECT_EQ(post(path + "/cancel", "").status, 404);
}

TEST(ResponseStore, ForgetsWhatWasNotUsedForLongest) {
    using dialects::responses::Store;
    using dialects::responses::Stored;
    const auto of = [](size_t bytes) {
        Stored out;
        out.response["text"] = std::string(bytes, 'x');
        return out;
    };
    Store store(dialects::responses::StoreLimits{2, 1000});
    store.put("a", of(10));
    store.put("b", of(10));
    EXPECT_NE(store.find("a"), nullptr);
    store.put("c", of(10));
    EXPECT_EQ(store.find("b"), nullptr) << "too many";
    EXPECT_NE(store.find("a"), nullptr);
    store.put("d", of(940));
    EXPECT_EQ(store.find("c"), nullptr) << "too large together";
    EXPECT_LE(store.bytes(), 1000u);
    store.put("e", of(2000));
    EXPECT_EQ(store.find("e"), nullptr);
    EXPECT_NE(store.find("d"), nullptr);
    EXPECT_TRUE(store.remove("d"));
    EXPECT_EQ(store.size(), store.find("a") != nullptr ? 1u : 0u);
}

}  // namespace
}  // namespace gantry::test
