#include <filesystem>

#include "api/dialects/ollama/library.hpp"
#include "base/version.hpp"
#include "tests/api/api_fixture.hpp"

namespace gantry::test {
namespace {

class OllamaTest : public ApiTest {
  protected:
    OllamaTest() {
        fleet.add("m");
        registry::CatalogEntry entry;
        entry.name = "cat";
        registry::ModelSpec spec;
        spec.format = "gguf";
        spec.size_in_billions = "0.5";
        spec.quantizations = {"q4_0", "q8_0"};
        entry.specs.push_back(spec);
        EXPECT_TRUE(catalog.add(entry));
    }

    Reply chat(const std::string& more = R"("stream":false)",
               const std::string& messages = R"([{"role":"user","content":"Hi"}])") {
        return post("/api/chat", R"({"model":"m","messages":)" + messages + "," + more + "}");
    }
    Reply generate(const std::string& more) { return post("/api/generate", R"({"model":"m",)" + more + "}"); }
    const engine::GenerateRequest& last() { return fleet.requests.back(); }
    const engine::ChatInput& last_chat() { return std::get<engine::ChatInput>(last().input); }
    static std::string error(const Reply& reply) { return std::string(reply.json().at("error").as_string()); }
    static std::vector<bj::object> lines(const Reply& reply) {
        std::vector<bj::object> out;
        for (size_t at = 0; at < reply.body.size();) {
            const size_t end = reply.body.find('\n', at);
            EXPECT_NE(end, std::string::npos) << "a line without its end";
            out.push_back(bj::parse(reply.body.substr(at, end - at)).as_object());
            at = end + 1;
        }
        return out;
    }
    static Scripted timed_usage() {
        engine::Usage usage;
        usage.prompt_tokens = 7;
        usage.completion_tokens = 3;
        usage.prefill_seconds = 0.5;
        usage.decode_seconds = 2;
        return event(usage);
    }
    static Scripted tool_part(std::string name, std::string arguments, uint32_t call = 0) {
        engine::Delta delta;
        delta.tool_calls.push_back({call, name.empty() ? "" : "id" + std::to_string(call), name, std::move(arguments)});
        return event(std::move(delta));
    }
};

TEST_F(OllamaTest, ChatsStreamLinesUnlessAskedNotTo) {
    fleet.scripts.push_back({text("Hel"), text("l\"o"), finish(), timed_usage()});
    const Reply reply = chat(R"("options":{})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.header("Content-Type"), "application/x-ndjson");
    EXPECT_TRUE(reply.whole);
    const auto got = lines(reply);
    ASSERT_EQ(got.size(), 3u) << reply.body;
    EXPECT_EQ(got[0].at("message"), bj::parse(R"({"role":"assistant","content":"Hel"})"));
    EXPECT_EQ(got[1].at("message").at("content"), "l\"o");
    EXPECT_EQ(got[1].at("done"), false);
    EXPECT_EQ(got[1].at("model"), "m");
    EXPECT_EQ(got[2].at("done"), true);
    EXPECT_EQ(got[2].at("done_reason"), "stop");
    EXPECT_EQ(got[2].at("message").at("content"), "");
    EXPECT_EQ(got[2].at("prompt_eval_count"), 7);
    EXPECT_EQ(got[2].at("prompt_eval_duration"), 500'000'000);
    EXPECT_EQ(got[2].at("eval_count"), 3);
    EXPECT_EQ(got[2].at("eval_duration"), 2'000'000'000);
    EXPECT_EQ(got[2].at("load_duration"), 0);
    EXPECT_TRUE(got[2].at("total_duration").is_int64());
}

TEST_F(OllamaTest, ChatsAnswerWhole) {
    engine::Delta thought;
    thought.reasoning = "hm";
    fleet.scripts.push_back(
        {event(thought), text("Hel"), text("lo"), finish(engine::FinishReason::kLength), timed_usage()});
    const Reply reply = chat();
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.json().at("message"), bj::parse(R"({"role":"assistant","content":"Hello","thinking":"hm"})"));
    EXPECT_EQ(reply.json().at("done_reason"), "length");
}

TEST_F(OllamaTest, OptionsReachTheEngine) {
    const Reply good = chat(
        R"("stream":false,"format":{"type":"object"},"options":{"temperature":0,"top_k":5,"seed":-1,"num_predict":9,
            "stop":"x","repeat_penalty":1.5,"repeat_last_n":64,"num_gpu":3})");
    ASSERT_EQ(good.status, 200) << good.body;
    EXPECT_EQ(last().sampling.temperature, 0);
    EXPECT_EQ(last().sampling.top_k, 5);
    EXPECT_FALSE(last().sampling.seed);
    EXPECT_EQ(last().max_tokens, 9u);
    EXPECT_EQ(last().stop, std::vector<std::string>{"x"});
    EXPECT_EQ(last().sampling.repetition_penalty, 1.5);
    EXPECT_EQ(last().sampling.repeat_last_n, 64);
    ASSERT_TRUE(last().grammar);
    EXPECT_EQ(last().grammar->text, R"({"type":"object"})");
    EXPECT_EQ(good.header("X-Gantry-Ignored"), "options.num_gpu");
    EXPECT_EQ(chat(R"("stream":false,"options":{"num_predict":-1,"top_p":0})").status, 200);
    EXPECT_FALSE(last().max_tokens);
    EXPECT_EQ(last().sampling.top_k, 1);
}

TEST_F(OllamaTest, WrongFieldsAreNamed) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {R"("options":{"temperature":"hot"})", "options.temperature"},
        {R"("options":5)", "options"},
        {R"("format":"xml")", "format"},
        {R"("think":"maybe")", "think"},
        {R"("keep_alive":"soon")", "keep_alive"},
        {R"("tools":[{"type":"function"}])", "tools[0]"},
        {R"("stream":"yes")", "stream"},
    };
    for (const auto& [field, name] : cases) {
        const Reply reply = chat(field);
        EXPECT_EQ(reply.status, 400) << field;
        EXPECT_NE(error(reply).find(name), std::string::npos) << reply.body;
    }
    EXPECT_EQ(chat("\"stream\":false", R"([{"role":"pirate","content":"x"}])").status, 400);
    const Reply image = chat("\"stream\":false", R"([{"role":"user","content":"x","images":["AAAA"]}])");
    EXPECT_EQ(image.status, 400);
    EXPECT_NE(error(image).find("messages[0].images"), std::string::npos);
    EXPECT_EQ(post("/api/chat", "{}").status, 400);
    EXPECT_EQ(post("/api/chat", "nonsense").status, 400);
    EXPECT_TRUE(fleet.requests.empty());
}

TEST_F(OllamaTest, CallsOfToolsComeWhole) {
    fleet.models.front().tool_parser = "hermes";
    const Script script{tool_part("add", R"({"a":)"), tool_part("", "1}"), tool_part("now", "", 1),
                        finish(engine::FinishReason::kToolCalls), timed_usage()};
    fleet.scripts = {script, script};
    const std::string tools =
        R"("tools":[{"type":"function","function":{"name":"add","parameters":{"type":"object"}}}])";
    const auto got = lines(chat(tools));
    ASSERT_EQ(got.size(), 3u);
    const bj::value expected = bj::parse(R"([{"id":"id0","function":{"index":0,"name":"add","arguments":{"a":1}}}])");
    EXPECT_EQ(got[0].at("message").at("tool_calls"), expected);
    EXPECT_EQ(got[1].at("message").at("tool_calls").at(0).at("function").at("arguments"), bj::object());
    EXPECT_EQ(got[2].at("done_reason"), "stop");
    const Reply whole = chat(tools + R"(,"stream":false)");
    EXPECT_EQ(whole.json().at("message").at("tool_calls").as_array().size(), 2u);
    EXPECT_EQ(last_chat().tools.size(), 1u);
    fleet.models.front().tool_parser = "none";
    EXPECT_EQ(error(chat(tools)), "\"m\" does not support tools");
}

TEST_F(OllamaTest, EarlierCallsAndResultsAreBoundTogether) {
    const Reply reply = chat("\"stream\":false", R"([{"role":"user","content":"1+1?"},
        {"role":"assistant","content":"","thinking":"t","tool_calls":[{"function":{"name":"add","arguments":{"a":1}}},
                                                      {"id":"own","function":{"name":"sub","arguments":{}}}]},
        {"role":"tool","tool_name":"add","content":"2"},{"role":"tool","content":"3"}])");
    ASSERT_EQ(reply.status, 200) << reply.body;
    const bj::array& messages = last_chat().messages;
    EXPECT_EQ(messages.at(1).at("reasoning_content"), "t");
    EXPECT_EQ(messages.at(1).at("tool_calls").at(0).at("function").at("arguments").at("a"), 1);
    EXPECT_EQ(messages.at(2).at("tool_call_id"), messages.at(1).at("tool_calls").at(0).at("id"));
    EXPECT_EQ(messages.at(2).at("name"), "add");
    EXPECT_EQ(messages.at(3).at("tool_call_id"), "own");
}

TEST_F(OllamaTest, ThinkingIsRefusedWhereTheModelCannot) {
    EXPECT_EQ(error(chat(R"("think":true)")), "\"m\" does not support thinking");
    EXPECT_EQ(chat(R"("think":false,"stream":false)").status, 200);
    EXPECT_EQ(last_chat().template_kwargs.at("enable_thinking"), false);
    fleet.models.front().reasoning_tag = "<think>";
    EXPECT_EQ(chat(R"("think":"low","stream":false)").status, 200);
    EXPECT_EQ(last_chat().template_kwargs.at("reasoning_effort"), "low");
}

TEST_F(OllamaTest, PromptsBecomeChatsUnlessRaw) {
    ASSERT_EQ(generate(R"("prompt":"Hi","system":"Be brief.","stream":false)").status, 200);
    EXPECT_EQ(last_chat().messages,
              bj::parse(R"([{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}])"));
    const Reply raw = generate(R"("prompt":"Hi","raw":true,"stream":false)");
    ASSERT_EQ(raw.status, 200) << raw.body;
    EXPECT_EQ(std::get<engine::TextInput>(last().input).text, "Hi");
    EXPECT_EQ(raw.json().at("response"), "Hello");
    fleet.models.front().abilities = {"generate"};
    ASSERT_EQ(generate(R"("prompt":"Hi","system":"S","stream":false)").status, 200);
    EXPECT_EQ(std::get<engine::TextInput>(last().input).text, "S\nHi");
    EXPECT_EQ(error(chat()), "\"m\" does not support chat");
    EXPECT_EQ(generate(R"("prompt":"Hi","suffix":"x")").status, 400);
    EXPECT_EQ(generate(R"("prompt":"Hi","template":"{{ .System }}")").status, 400);
    EXPECT_EQ(generate(R"("prompt":"Hi","images":["AAAA"])").status, 400);
}

TEST_F(OllamaTest, AnEmptyPromptLoadsAndKeepAliveZeroUnloads) {
    EXPECT_EQ(generate(R"("stream":false)").json().at("done_reason"), "load");
    EXPECT_TRUE(fleet.requests.empty());
    const Reply unloaded = generate(R"("keep_alive":0)");
    EXPECT_EQ(unloaded.json().at("done_reason"), "unload");
    EXPECT_EQ(unloaded.json().at("response"), "");
    EXPECT_TRUE(fleet.models.empty());
}

TEST_F(OllamaTest, ModelsOfTheCatalogAreLaunchedByTheirFirstRequest) {
    const Reply reply = post("/api/chat", R"({"model":"cat:0.5b-q8_0","stream":false,"options":{"num_ctx":512},
                                              "messages":[{"role":"user","content":"Hi"}]})");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.json().at("model"), "cat:0.5b-q8_0");
    ASSERT_EQ(fleet.launches.size(), 1u);
    EXPECT_EQ(fleet.launches[0].model, "cat");
    EXPECT_EQ(fleet.launches[0].size_in_billions, "0.5");
    EXPECT_EQ(fleet.launches[0].quantization, "q8_0");
    EXPECT_EQ(fleet.launches[0].context, 512u);
    EXPECT_EQ(post("/api/generate", R"({"model":"cat:0.5b-q8_0","prompt":"x","stream":false})").status, 200);
    EXPECT_EQ(fleet.launches.size(), 1u);
    for (const char* name : {"cat:7b", "cat:q5_0", "dog", "dog:latest"}) {
        const Reply missing = post("/api/generate", std::string(R"({"model":")") + name + R"(","prompt":"x"})");
        EXPECT_EQ(missing.status, 404) << name;
        EXPECT_TRUE(error(missing).starts_with("model '")) << missing.body;
    }
    fleet.wait_error = Error(Code::kDataLoss, "the file is cut short");
    const Reply broken = post("/api/generate", R"({"model":"cat:latest","prompt":"x"})");
    EXPECT_EQ(broken.status, 400);
    EXPECT_EQ(error(broken), "the file is cut short");
}

TEST_F(OllamaTest, ErrorsComeInOllamasForm) {
    fleet.generate_error = Error(Code::kResourceExhausted, "the queue is full");
    const Reply refused = chat();
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(error(refused), "the queue is full");
    fleet.generate_error.reset();
    fleet.scripts.push_back({text("He"), failure(Error(Code::kUnavailable, "the model crashed"))});
    const auto got = lines(chat(R"("stream":true)"));
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[1].at("error"), "the model crashed");
}

TEST_F(OllamaTest, LogprobsAreGivenWhereAskedFor) {
    engine::TokenLogprob token;
    token.bytes = "He";
    token.logprob = -0.5;
    token.top = {{1, -0.5}};
    token.top_bytes = {"He"};
    engine::Delta delta;
    delta.text = "He";
    delta.logprobs = {token};
    fleet.scripts.push_back({event(delta), finish(), timed_usage()});
    const Reply reply = chat(R"("stream":false,"logprobs":true,"top_logprobs":1)");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(last().top_logprobs, 1u);
    EXPECT_EQ(reply.json().at("logprobs"), bj::parse(R"([{"token":"He","logprob":-5E-1,"bytes":[72,101],
        "top_logprobs":[{"token":"He","logprob":-5E-1,"bytes":[72,101]}]}])"));
}

TEST_F(OllamaTest, ModelsAreListedAndShown) {
    const bj::value tags = get("/api/tags").json();
    ASSERT_EQ(tags.at("models").as_array().size(), 1u);
    EXPECT_EQ(tags.at("models").at(0).at("name"), "m:latest");
    EXPECT_EQ(tags.at("models").at(0).at("details").at("parameter_size"), "500.00M");
    EXPECT_EQ(tags.at("models").at(0).at("digest").as_string().size(), 64u);
    EXPECT_EQ(get("/api/ps").json().at("models").at(0).at("context_length"), 2048);
    const Reply shown = post("/api/show", R"({"model":"m"})");
    EXPECT_EQ(shown.json().at("model_info").at("general.architecture"), "llama") << shown.body;
    EXPECT_EQ(shown.json().at("capabilities"), bj::parse(R"(["completion"])"));
    EXPECT_EQ(post("/api/show", R"({"name":"cat:0.5b"})").json().at("details").at("parameter_size"), "500.00M");
    EXPECT_EQ(post("/api/show", R"({"model":"dog"})").status, 404);
    EXPECT_EQ(get("/api/version").json().at("gantry").as_string(), kVersion);
    EXPECT_EQ(get("/").body, "Ollama is running");
    EXPECT_EQ(call("HEAD", "/").status, 200);
}

TEST_F(OllamaTest, CreatedModelsFillInWhatRequestsLeaveToThem) {
    const Reply made = post("/api/create", R"({"model":"mine:latest","stream":false,"modelfile":
        "# a comment\nFROM m\nSYSTEM \"\"\"Be\nbrief.\"\"\"\nPARAMETER temperature 0.5\nPARAMETER stop END\nPARAMETER stop \"x y\"\nMESSAGE user Hi\nMESSAGE assistant Ho"})");
    ASSERT_EQ(made.status, 200) << made.body;
    EXPECT_EQ(made.json(), bj::parse(R"({"status":"success"})"));
    ASSERT_EQ(post("/api/chat", R"({"model":"mine","stream":false,"options":{"top_k":3},
                                   "messages":[{"role":"user","content":"Well?"}]})")
                  .status,
              200);
    EXPECT_EQ(last_chat().messages, bj::parse(R"([{"role":"system","content":"Be\nbrief."},
        {"role":"user","content":"Hi"},{"role":"assistant","content":"Ho"},{"role":"user","content":"Well?"}])"));
    EXPECT_EQ(last().sampling.temperature, 0.5);
    EXPECT_EQ(last().sampling.top_k, 3);
    EXPECT_EQ(last().stop, (std::vector<std::string>{"END", "x y"}));
    ASSERT_EQ(post("/api/chat", R"({"model":"mine","stream":false,"options":{"temperature":1},
        "messages":[{"role":"system","content":"S"},{"role":"user","content":"Well?"}]})")
                  .status,
              200);
    EXPECT_EQ(last_chat().messages.at(0).at("content"), "S");
    EXPECT_EQ(last().sampling.temperature, 1.0);
    ASSERT_EQ(post("/api/generate", R"({"model":"mine","stream":false,"prompt":"x"})").status, 200);
    EXPECT_EQ(last_chat().messages.at(0).at("content"), "Be\nbrief.");
    const bj::value shown = post("/api/show", R"({"model":"mine"})").json();
    EXPECT_EQ(shown.at("system"), "Be\nbrief.");
    EXPECT_EQ(shown.at("details").at("parent_model"), "m");
    EXPECT_NE(shown.at("modelfile").as_string().find("FROM m\n"), std::string::npos);
    EXPECT_EQ(get("/api/tags").json().at("models").as_array().size(), 2u);
}

TEST_F(OllamaTest, ModelsAreCreatedOfFieldsCopiedAndDeleted) {
    const auto steps = lines(post("/api/create", R"({"model":"a","from":"m","system":"S","parameters":{"seed":7}})"));
    ASSERT_EQ(steps.size(), 2u);
    EXPECT_EQ(steps[1].at("status"), "success");
    ASSERT_EQ(post("/api/create", R"({"model":"b","from":"a","stream":false,"parameters":{"top_k":2}})").status, 200);
    EXPECT_EQ(post("/api/copy", R"({"source":"b","destination":"c:v1"})").status, 200);
    ASSERT_EQ(post("/api/chat", R"({"model":"c:v1","stream":false,"messages":[{"role":"user","content":"x"}]})").status,
              200);
    EXPECT_EQ(last().sampling.seed, 7u);
    EXPECT_EQ(last().sampling.top_k, 2);
    EXPECT_EQ(call("DELETE", "/api/delete", R"({"model":"c:v1"})").status, 200);
    EXPECT_EQ(call("DELETE", "/api/delete", R"({"model":"c:v1"})").status, 404);
    EXPECT_EQ(call("DELETE", "/api/delete", R"({"model":"m"})").status, 409);
    EXPECT_EQ(post("/api/copy", R"({"source":"nope","destination":"d"})").status, 404);
    EXPECT_EQ(post("/api/copy", R"({"source":"a","destination":"m"})").status, 409);
}

TEST_F(OllamaTest, WhatCannotBeCreatedIsRefused) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {R"("from":"nope")", "model 'nope' not found"},
        {R"("from":"/no/such/file")", "not found"},
        {R"("system":"S")", "from"},
        {R"("from":"m","quantize":"q4_0")", "quantize"},
        {R"("from":"m","files":{"x":"sha256:0"})", "files"},
        {R"("from":"m","template":"{{ .System }}")", "template"},
        {R"("from":"m","parameters":{"temperature":"hot"})", "options.temperature"},
        {R"("modelfile":"SYSTEM x")", "FROM"},
        {R"("modelfile":"FROM m\nADAPTER x")", "Modelfile:2: ADAPTER"},
        {R"("modelfile":"FROM m\nSYSTEM \"\"\"x")", "Modelfile:2"},
        {R"("modelfile":"FROM m\nPARAMETER seed")", "Modelfile:2"},
        {R"("modelfile":"FROM m\nMESSAGE dog wuff")", "Modelfile:2"},
    };
    for (const auto& [fields, words] : cases) {
        const Reply reply = post("/api/create", R"({"model":"new",)" + fields + "}");
        EXPECT_GE(reply.status, 400) << fields;
        EXPECT_NE(error(reply).find(words), std::string::npos) << reply.body;
    }
    EXPECT_EQ(post("/api/create", R"({"model":"m","from":"m"})").status, 409) << "a name that is taken";
    EXPECT_EQ(post("/api/show", R"({"model":"new"})").status, 404);
}

TEST_F(OllamaTest, CreatedModelsOutliveTheServer) {
    const auto folder = std::filesystem::path(::testing::TempDir()) / "ollama-library";
    std::filesystem::remove_all(folder);
    services.state_dir = folder.string();
    ASSERT_EQ(post("/api/create", R"({"model":"a","from":"m","system":"S","stream":false})").status, 200);
    api::Services next(fleet, metrics, catalog);
    next.state_dir = folder.string();
    const auto& library = next.kept<dialects::ollama::Library>();
    ASSERT_NE(library.find("a"), nullptr);
    EXPECT_EQ(library.find("a")->system, "S");
    std::filesystem::remove_all(folder);
}

TEST_F(OllamaTest, WhatIsHereIsPulledAndOthersAreNot) {
    const auto steps = lines(post("/api/pull", R"({"model":"m"})"));
    EXPECT_EQ(steps.back().at("status"), "success");
    EXPECT_EQ(post("/api/pull", R"({"model":"m","stream":false})").json().at("status"), "success");
    EXPECT_EQ(post("/api/pull", R"({"model":"nope"})").status, 404);
    EXPECT_EQ(post("/api/push", R"({"model":"m"})").status, 501);
    EXPECT_EQ(call("HEAD", "/api/blobs/sha256:0").status, 404);
    EXPECT_EQ(post("/api/blobs/sha256:0", "x").status, 501);
}

TEST_F(OllamaTest, TextsAreEmbedded) {
    fleet::ModelStatus& model = fleet.add("emb");
    model.abilities = {"embed"};
    model.encoder.emplace();
    model.encoder->width = 3;
    const Reply two = post("/api/embed", R"({"model":"emb","input":["a","bcd"],"dimensions":2})");
    ASSERT_EQ(two.status, 200) << two.body;
    EXPECT_EQ(two.json().at("embeddings"), bj::parse("[[0.0,1.0],[1.0,3.0]]"));
    EXPECT_EQ(two.json().at("model"), "emb");
    EXPECT_EQ(two.json().at("prompt_eval_count"), 4);
    EXPECT_EQ(fleet.encodes.back().truncate_prompt_tokens, -1) << "Ollama cuts texts that are too long";
    const Reply strict = post("/api/embed", R"({"model":"emb","input":"a","truncate":false})");
    EXPECT_EQ(strict.json().at("embeddings").as_array().size(), 1U);
    EXPECT_FALSE(fleet.encodes.back().truncate_prompt_tokens);
    EXPECT_EQ(post("/api/embeddings", R"({"model":"emb","prompt":"a"})").json(),
              bj::parse(R"({"embedding":[0.0,1.0,1.0]})"));
    EXPECT_EQ(post("/api/embed", R"({"model":"emb","input":[]})").json().at("embeddings"), bj::array());
    EXPECT_EQ(post("/api/embed", R"({"model":"emb","input":[1]})").status, 400);
    EXPECT_EQ(post("/api/embed", R"({"model":"nope","input":"a"})").status, 404);
}

}  // namespace
}  // namespace gantry::test
