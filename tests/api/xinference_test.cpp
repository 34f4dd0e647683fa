#include "tests/api/api_fixture.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace gantry::test {
namespace {

using fleet::State;

class XinferenceTest : public ApiTest {
  protected:
    XinferenceTest() {
        registry::CatalogEntry entry;
        entry.name = "tiny";
        entry.abilities = {"chat"};
        entry.built_in = true;
        registry::ModelSpec spec;
        spec.format = "gguf";
        spec.size_in_billions = "0.5";
        spec.quantizations = {"Q4_0", "Q8_0"};
        spec.hubs = {{"huggingface", "org/tiny"}};
        entry.specs.push_back(spec);
        EXPECT_TRUE(catalog.add(entry));
    }
    /// What the Python client sends, with some of it changed.
    Reply launch(const std::string& more = "", const std::string& query = "") {
        bj::object body =
            bj::parse(R"({"model_uid":null,"model_name":"tiny","model_engine":null,"peft_model_config":null,
            "model_type":"LLM","model_size_in_billions":null,"model_format":null,"quantization":null,"replica":1,
            "n_worker":1,"n_gpu":"auto","request_limits":null,"worker_ip":null,"gpu_idx":null,"replica_config":null,
            "model_path":null,"enable_thinking":null,"enable_virtual_env":null,"virtual_env_packages":null,
            "virtual_env_find_links":null,"envs":null})")
                .as_object();
        const bj::value changes = bj::parse("{" + more + "}");
        for (const auto& member : changes.as_object()) {
            body[member.key()] = member.value();
        }
        return post("/v1/models" + query, bj::serialize(body));
    }
    const fleet::LaunchRequest& last() { return fleet.launches.back(); }
};

TEST_F(XinferenceTest, LaunchWithTheClientsDefaults) {
    const Reply reply = launch();
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(reply.json(), bj::parse(R"({"model_uid":"tiny"})"));
    EXPECT_EQ(last().model, "tiny");
    EXPECT_EQ(last().engine, "");
    EXPECT_EQ(fleet.waits, 1);
    EXPECT_EQ(reply.header("X-Gantry-Ignored"), "");
    EXPECT_EQ(launch("", "?wait_ready=False").status, 200);
    EXPECT_EQ(fleet.waits, 1);
    EXPECT_EQ(launch("", "?wait_ready=maybe").status, 400);
}

TEST_F(XinferenceTest, LaunchArgumentsReachTheFleet) {
    const Reply reply = launch(R"("model_uid":"u","model_engine":"CPU","quantization":"q4_0","n_ctx":4096,
        "max_num_seqs":4,"n_threads":2,"speculative":"suffix","draft_tokens":6,"engine_options":{"a":"b","c":3,"d":true},"model_format":"ggufv2",
        "model_size_in_billions":"0_5","worker_ip":"x","request_limits":3,"odd":1,"other":null)");
    ASSERT_EQ(reply.status, 200) << reply.body;
    EXPECT_EQ(last().uid, "u");
    EXPECT_EQ(last().engine, "cpu");
    EXPECT_EQ(last().quantization, "q4_0");
    EXPECT_EQ(last().context, 4096u);
    EXPECT_EQ(last().max_sequences, 4u);
    EXPECT_EQ(last().threads, 2u);
    EXPECT_EQ(last().speculative, "suffix");
    EXPECT_EQ(last().draft_tokens, 6u);
    EXPECT_EQ(last().format, "ggufv2");
    EXPECT_EQ(last().size_in_billions, "0.5");
    EXPECT_EQ(last().options, (std::map<std::string, std::string>{{"a", "b"}, {"c", "3"}, {"d", "true"}}));
    EXPECT_EQ(reply.header("X-Gantry-Ignored"), "worker_ip, odd");
    EXPECT_EQ(fleet.launches.back().request_limit, 3u);
    EXPECT_EQ(launch(R"("draft_model":"small")").status, 200);
    EXPECT_EQ(last().draft_model, "small");
    EXPECT_EQ(last().speculative, "draft");
    EXPECT_EQ(last().template_kwargs, "");
    EXPECT_EQ(launch(R"("enable_thinking":false,"default_chat_template_kwargs":{"a":1})").header("X-Gantry-Ignored"),
              "");
    EXPECT_EQ(bj::parse(last().template_kwargs), bj::parse(R"({"a":1,"enable_thinking":false,"thinking":false})"));
    launch(R"("model_path":"/x.gguf","model_size_in_billions":7)");
    EXPECT_EQ(last().model_path, "/x.gguf");
    EXPECT_EQ(last().size_in_billions, "7");
}

TEST_F(XinferenceTest, UpstreamEnginesMeanAutoWithANote) {
    for (const char* engine : {"llama.cpp", "Transformers", "vLLM", "SGLang", "auto", "Auto"}) {
        const Reply reply = launch(std::string(R"("model_engine":")") + engine + "\"");
        EXPECT_EQ(reply.status, 200);
        EXPECT_EQ(last().engine, "") << engine;
        EXPECT_EQ(reply.header("X-Gantry-Note").empty(), std::string_view(engine).substr(1) == "uto") << engine;
    }
    launch(R"("n_gpu":null)");
    EXPECT_EQ(last().engine, "cpu") << "n_gpu null is the CPU, other nulls are nothing";
}

TEST_F(XinferenceTest, BadLaunchesAreRefusedByName) {
    struct Row {
        const char* more;
        const char* param;
    };
    for (const Row& row : {
             Row{R"("model_name":null)", "model_name"},
             Row{R"("model_type":"image")", "model_type"},
             Row{R"("model_type":"llm")", "model_type"},
             Row{R"("replica":true)", "replica"},
             Row{R"("replica":1.5)", "replica"},
             Row{R"("replica":0)", "replica"},
             Row{R"("replica":null)", "replica"},
             Row{R"("replica":"x")", "replica"},
             Row{R"("replica":65)", "replica"},
             Row{R"("keep_alive":"5 parsecs")", "keep_alive"},
             Row{R"("keep_alive":true)", "keep_alive"},
             Row{R"("n_gpu":-1)", "n_gpu"},
             Row{R"("n_gpu":0)", "n_gpu"},
             Row{R"("n_gpu":"all")", "n_gpu"},
             Row{R"("n_ctx":0)", "n_ctx"},
             Row{R"("speculative":"magic")", "speculative"},
             Row{R"("draft_tokens":0)", "draft_tokens"},
             Row{R"("speculative":"draft")", "speculative"},
             Row{R"("engine_options":{"a":[]})", "engine_options.a"},
             Row{R"("peft_model_config":{"lora_list":[{"lora_name":"a"}]})", "peft_model_config"},
             Row{R"("peft_model_config":{})", "peft_model_config"},
             Row{R"("lora_modules":["a"])", "lora_modules"},
         }) {
        const Reply reply = launch(row.more);
        EXPECT_EQ(reply.status, 400) << row.more;
        EXPECT_EQ(reply.param(), row.param) << reply.body;
    }
    EXPECT_TRUE(fleet.launches.empty());
    EXPECT_EQ(launch(R"("replica":"1")").status, 200);
}

TEST_F(XinferenceTest, FleetRefusalsKeepTheirWords) {
    for (const auto& [code, status] :
         {std::pair{Code::kNotFound, 400}, std::pair{Code::kAlreadyExists, 400}, std::pair{Code::kInvalidArgument, 400},
          std::pair{Code::kDataLoss, 400}, std::pair{Code::kFailedPrecondition, 400},
          std::pair{Code::kOutOfMemory, 507}, std::pair{Code::kCancelled, 499}}) {
        fleet.launch_error = Error(code, "the reason");
        EXPECT_EQ(launch().status, status) << code_name(code);
        EXPECT_EQ(launch().json().at("detail"),
                  code == Code::kCancelled ? "Launch cancelled: the reason" : "the reason");
        fleet.launch_error.reset();
        fleet.wait_error = Error(code, "while loading");
        EXPECT_EQ(launch().status, status) << code_name(code);
        fleet.wait_error.reset();
    }
}

TEST_F(XinferenceTest, ListsReadyModelsInBothForms) {
    fleet.add("a");
    fleet.add("b", State::kLoading);
    fleet.add("c", State::kFailed);
    const bj::value list = get("/v1/models").json();
    EXPECT_EQ(list.at("object"), "list");
    ASSERT_EQ(list.at("data").as_array().size(), 1u);
    const bj::object& model = list.at("data").at(0).as_object();
    EXPECT_EQ(model.at("id"), "a");
    EXPECT_EQ(model.at("object"), "model");
    EXPECT_EQ(model.at("created"), 1'700'000'000);
    for (const char* key :
         {"model_type", "address", "accelerators", "model_name", "model_lang", "model_ability", "model_description",
          "model_format", "model_size_in_billions", "model_family", "quantization", "multimodal_projector", "model_hub",
          "revision", "context_length", "strict_system_first", "model_engine", "replica"}) {
        EXPECT_TRUE(model.contains(key)) << key;
    }
    EXPECT_EQ(model.at("model_size_in_billions"), "0_5");
    EXPECT_EQ(model.at("model_format"), "ggufv2");
    EXPECT_EQ(get("/v1/models/a").json(), bj::value(model));
}

TEST_F(XinferenceTest, DescribeSaysWhatAnUnreadyModelDoes) {
    fleet.add("b", State::kLoading);
    auto& failed = fleet.add("c", State::kFailed);
    failed.error = Error(Code::kDataLoss, "magic is wrong");
    const Reply loading = get("/v1/models/b");
    EXPECT_EQ(loading.status, 503);
    EXPECT_NE(loading.message().find("loading"), std::string::npos);
    EXPECT_TRUE(loading.headers.find("Retry-After"));
    EXPECT_EQ(get("/v1/models/c").status, 400);
    EXPECT_NE(get("/v1/models/c").message().find("magic is wrong"), std::string::npos);
    EXPECT_EQ(get("/v1/models/x").status, 404);
}

TEST_F(XinferenceTest, TerminateAnswersNullAndThenUnknown) {
    fleet.add("a");
    const Reply reply = call("DELETE", "/v1/models/a");
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "null");
    EXPECT_EQ(reply.header("Content-Type"), "application/json");
    EXPECT_EQ(call("DELETE", "/v1/models/a").status, 404);
}

TEST_F(XinferenceTest, AdaptersAndSleepAreAskedForAtLaunch) {
    ASSERT_EQ(launch(R"("peft_model_config":{"lora_list":[{"lora_name":"a","local_path":"/l/a"}]},
        "lora_modules":[{"name":"b","path":"/l/b"}],"adapter_dirs":["/l"],"wake_on_request":true,
        "kv_cache_dtype":"q8_0")")
                  .status,
              200);
    EXPECT_EQ(last().adapters, (std::map<std::string, std::string>{{"a", "/l/a"}, {"b", "/l/b"}}));
    EXPECT_EQ(last().adapter_dirs, std::vector<std::string>{"/l"});
    EXPECT_TRUE(last().wake_on_request);
    EXPECT_EQ(last().options.at("kv_dtype"), "q8_0");
}

TEST_F(XinferenceTest, ADrainMayComeBeforeTheEnd) {
    fleet.add("a");
    EXPECT_EQ(call("DELETE", "/v1/models/a?drain_s=soon").status, 400);
    EXPECT_EQ(call("DELETE", "/v1/models/a?drain_s=2.5").status, 200);
    EXPECT_EQ(fleet.drained, std::chrono::milliseconds(2500));
}

TEST_F(XinferenceTest, ControlRoutesReachTheFleet) {
    fleet.add("a");
    EXPECT_EQ(post("/gantry/v1/models/a/sleep", "").json().at("state"), "asleep");
    EXPECT_EQ(post("/gantry/v1/models/a/wake", "").json().at("state"), "ready");
    EXPECT_EQ(post("/gantry/v1/models/b/sleep", "").status, 404);
    EXPECT_EQ(post("/v1/models/a/requests/r1/abort", R"({"block_duration":30})").json().at("msg"), "DONE");
    EXPECT_EQ(post("/v1/models/unknown/requests/r1/abort", "{}").json().at("msg"), "NO_OP");
    EXPECT_EQ(post("/gantry/v1/models/a/requests/r1/abort", "").status, 200);

    EXPECT_EQ(post("/gantry/v1/models/a/adapters", R"({"name":"x","path":"/l/x"})").json().at("model"), "a:x");
    EXPECT_EQ(post("/gantry/v1/models/a/adapters", R"({"name":"x"})").status, 400);
    EXPECT_EQ(post("/v1/load_lora_adapter", R"({"lora_name":"y","lora_path":"/l/y"})").status, 200);
    EXPECT_EQ(get("/gantry/v1/models/a/adapters").json().at("adapters").as_array().size(), 2U);
    const bj::value listed = get("/v1/models").json().at("data");
    ASSERT_EQ(listed.as_array().size(), 3U);
    EXPECT_EQ(listed.at(1).at("id"), "a:x");
    EXPECT_EQ(listed.at(1).at("parent"), "a");
    EXPECT_EQ(post("/v1/unload_lora_adapter", R"({"lora_name":"y"})").status, 200);
    EXPECT_EQ(post("/v1/unload_lora_adapter", R"({"lora_name":"y"})").status, 404);
    EXPECT_EQ(call("DELETE", "/gantry/v1/models/a/adapters/x").status, 200);
    EXPECT_EQ(call("DELETE", "/gantry/v1/models/a/adapters/x").status, 404);
    fleet.add("b");
    EXPECT_EQ(post("/v1/load_lora_adapter", R"({"lora_name":"y","lora_path":"/l/y"})").status, 400);
}

TEST_F(XinferenceTest, ProgressRisesAndUnknownIsPending) {
    double before = -1;
    for (const State state :
         {State::kResolving, State::kPlacing, State::kStarting, State::kLoading, State::kWarming, State::kReady}) {
        fleet.models.clear();
        auto& model = fleet.add("a", state);
        model.bytes_done = 50;
        model.bytes_total = 100;
        const bj::value body = get("/v1/models/a/progress").json();
        const auto now = body.at("progress").to_number<double>();
        EXPECT_GT(now, before);
        before = now;
        EXPECT_EQ(body.at("stage"), bj::value(fleet::state_name(state)));
        EXPECT_EQ(body.at("replicas").at(0).at("replica_model_uid"), "a-rep0");
    }
    EXPECT_EQ(before, 1);
    const bj::value unknown = get("/v1/models/nope/progress").json();
    EXPECT_EQ(unknown.at("progress").to_number<double>(), 0);
    EXPECT_EQ(unknown.at("stage"), "pending");
}

TEST_F(XinferenceTest, ProgressTellsOfEachReplica) {
    auto& model = fleet.add("a");
    model.replicas = {{0, "a", State::kReady, 1, 0, 0, std::nullopt, "", 100, 100},
                      {1, "a-rep1", State::kLoading, 2, 0, 0, std::nullopt, "map", 50, 100}};
    const bj::value body = get("/v1/models/a/progress").json();
    EXPECT_EQ(body.at("stage"), "loading") << "the last one decides";
    EXPECT_DOUBLE_EQ(body.at("progress").to_number<double>(), 0.75);
    EXPECT_EQ(body.at("replicas").at(0).at("progress").to_number<double>(), 1);
    EXPECT_EQ(body.at("replicas").at(1).at("replica_model_uid"), "a-rep1");
    EXPECT_EQ(body.at("replicas").at(1).at("info"), "map");
    const bj::value own = get("/gantry/v1/models/a").json();
    EXPECT_EQ(own.at("replicas").at(1).at("bytes_done"), 50);
}

TEST_F(XinferenceTest, CancelInstancesReplicas) {
    fleet.add("a", State::kLoading);
    fleet.add("b").model_name = "other";
    const bj::value instances = get("/v1/models/instances").json();
    EXPECT_EQ(instances.at(0).at("status"), "LOADING");
    EXPECT_EQ(instances.at(1).at("status"), "READY");
    EXPECT_EQ(get("/v1/models/instances?model_name=other").json().as_array().size(), 1u);
    EXPECT_EQ(get("/v1/models/instances?model_name=other&model_uid=a").json().at(0).at("model_uid"), "a");
    EXPECT_EQ(get("/v1/models/b/replicas").json().at(0).at("status"), "READY");
    EXPECT_EQ(get("/v1/models/x/replicas").body, "[]");
    EXPECT_EQ(post("/v1/models/a/cancel", "").body, "null");
    EXPECT_EQ(post("/v1/models/b/cancel", "").status, 409);
    EXPECT_EQ(post("/v1/models/x/cancel", "").status, 404);
}

TEST_F(XinferenceTest, CatalogAndEngines) {
    EXPECT_EQ(get("/v1/model_registrations/LLM").json(), bj::parse(R"([{"model_name":"tiny","is_builtin":true}])"));
    const bj::value detailed = get("/v1/model_registrations/LLM?detailed=True").json();
    EXPECT_EQ(detailed.at(0).at("model_specs").as_array().size(), 2u);
    EXPECT_EQ(detailed.at(0).at("model_specs").at(0).at("model_format"), "ggufv2");
    EXPECT_EQ(get("/v1/model_registrations/embedding").body, "[]");
    EXPECT_EQ(get("/v1/model_registrations/llm").status, 400);
    EXPECT_EQ(get("/v1/model_registrations/LLM/tiny").json().at("model_name"), "tiny");
    EXPECT_EQ(get("/v1/model_registrations/LLM/nope").status, 400);
    const bj::value engines = get("/v1/engines/tiny").json();
    EXPECT_EQ(engines.at("cpu").as_array().size(), 2u);
    EXPECT_EQ(engines.at("cuda"), "no driver");
    EXPECT_EQ(engines.at("bad"), "it crashed");
    EXPECT_EQ(get("/v1/engines/LLM/tiny").json(), engines);
    EXPECT_EQ(get("/v1/engines/nope").body, "null");
}

TEST_F(XinferenceTest, KindsThatNothingHereRunsAreSaidSo) {
    for (const auto& [path, kind] :
         {std::pair{"/v1/audio/embeddings", "audio"}, std::pair{"/v1/images/ocr", "image"},
          std::pair{"/v1/images/inpainting", "image"}, std::pair{"/v1/video/generations", "video"},
          std::pair{"/v1/video/generations/image", "video"}, std::pair{"/v1/video/generations/flf", "video"},
          std::pair{"/v1/worlds/generations", "world"}, std::pair{"/v1/flexible/infers", "flexible"}}) {
        const Reply reply = post(path, "--boundary");
        EXPECT_EQ(reply.status, 404) << path;
        EXPECT_EQ(reply.message(), "there is no model of the type \"" + std::string(kind) + "\" here");
    }
    const Reply progress = get("/v1/requests/r%201/progress");
    EXPECT_EQ(progress.status, 400);
    EXPECT_NE(progress.message().find("'r 1'"), std::string::npos);
}

TEST_F(XinferenceTest, AutostartEntriesAreChecked) {
    for (const auto& [entry, param] :
         {std::pair{R"({"launch":{"model_name":"m"},"max_retries":0})", "max_retries"},
          std::pair{R"({"launch":{"model_name":"m"},"retry_interval_seconds":0.5})", "retry_interval_seconds"},
          std::pair{R"({"launch":{"model_name":"m"},"enabled":false})", "enabled"},
          std::pair{R"({"launch":5})", "launch"}, std::pair{"{}", "launch"}}) {
        const Reply reply = post("/v1/autostart/models", entry);
        EXPECT_EQ(reply.status, 400) << entry;
        EXPECT_EQ(reply.param(), param) << reply.body;
    }
}

TEST_F(XinferenceTest, EnginesSayThemselvesWhatTheyCanRun) {
    fleet.fits["Q4_0"] = {{"cpu", std::nullopt},
                          {"cuda", Error(Code::kUnavailable, "no driver")},
                          {"bad", Error(Code::kUnimplemented, "it knows no llamas")}};
    fleet.fits["Q8_0"] = {{"cpu", Error(Code::kUnimplemented, "no bfloat16")}, {"bad", std::nullopt}};
    const bj::value engines = get("/v1/engines/LLM/tiny").json();
    ASSERT_EQ(engines.at("cpu").as_array().size(), 1u) << engines;
    EXPECT_EQ(engines.at("cpu").at(0).at("model_format"), "ggufv2");
    EXPECT_EQ(engines.at("cpu").at(0).at("quantizations").at(0), "Q4_0");
    EXPECT_EQ(engines.at("cuda"), "no driver");
    EXPECT_EQ(engines.at("bad").at(0).at("quantizations").at(0), "Q8_0");
    EXPECT_EQ(fleet.assessed.size(), 2u);
    EXPECT_EQ(get("/v1/engines/embedding/tiny").body, "null") << "it is none";
}

TEST_F(XinferenceTest, CachedModelsCanBeDeletedUnlessTheyAreUsed) {
    namespace fs = std::filesystem;
    std::string pattern = "/tmp/gantry-cache-XXXXXX";
    const fs::path hub = ::mkdtemp(pattern.data());
    ::setenv("HF_HUB_CACHE", hub.c_str(), 1);
    registry::CatalogEntry entry;
    entry.name = "hubbed";
    registry::ModelSpec spec;
    spec.format = "gguf";
    spec.size_in_billions = "0.5";
    spec.quantizations = {"q8_0", "q4_0"};
    spec.hubs = {{"huggingface", "org/hubbed"}};
    spec.file = "m-{quantization}.gguf";
    entry.specs.push_back(spec);
    ASSERT_TRUE(catalog.add(entry));
    const fs::path snapshot = hub / "models--org--hubbed" / "snapshots" / "c0ffee";
    fs::create_directories(snapshot);
    std::ofstream(snapshot / "m-q8_0.gguf") << "x";
    const bj::value listed = get("/v1/cache/models?model_name=hubbed").json().at("list");
    ASSERT_EQ(listed.as_array().size(), 1u) << "the other one is not here";
    EXPECT_EQ(listed.at(0).at("path").as_string(), (snapshot / "m-q8_0.gguf").string());
    const std::string version(listed.at(0).at("model_version").as_string());
    EXPECT_EQ(version, "hubbed--0.5B--ggufv2--q8_0");
    EXPECT_EQ(get("/v1/cache/models/files?model_version=" + version).json().at("paths").as_array().size(), 1u);
    fleet.add("m").model_path = (snapshot / "m-q8_0.gguf").string();
    EXPECT_EQ(call("DELETE", "/v1/cache/models?model_version=" + version).status, 409);
    EXPECT_TRUE(fs::exists(snapshot));
    fleet.models.clear();
    fleet::LaunchRequest drafted;
    drafted.draft_model = "hubbed";
    fleet.wanted.push_back({"m", drafted, false, 0, {}});
    EXPECT_EQ(call("DELETE", "/v1/cache/models?model_version=" + version).status, 409);
    fleet.wanted.clear();
    EXPECT_EQ(call("DELETE", "/v1/cache/models?model_version=" + version).body, R"({"result":true})");
    EXPECT_FALSE(fs::exists(hub / "models--org--hubbed"));
    EXPECT_EQ(call("DELETE", "/v1/cache/models?model_version=never").body, R"({"result":true})");
    ::unsetenv("HF_HUB_CACHE");
    fs::remove_all(hub);
}

TEST_F(XinferenceTest, AReloadReplacesWithWhatWasChanged) {
    fleet.add("m");
    fleet::LaunchRequest launch;
    launch.model = "tiny";
    launch.uid = "m";
    launch.context = 512;
    launch.options = {{"kv_dtype", "f16"}, {"x", "1"}};
    fleet.wanted.push_back({"m", launch, false, 0, {}});
    EXPECT_EQ(get("/v1/models/m/reload").json(), bj::parse(R"({"status":"idle"})"));
    EXPECT_EQ(get("/v1/models/m/reload/config").json().at("parameters").at("context_length"), 512);
    const Reply begun =
        post("/v1/models/m/reload", R"({"model_config":{"n_ctx":1024,"kv_cache_dtype":"q8_0"},"drain_timeout":5})");
    ASSERT_EQ(begun.status, 202) << begun.body;
    EXPECT_EQ(begun.json().at("status"), "reloading");
    const bj::value after = get("/v1/models/m/reload").json();
    EXPECT_EQ(after.at("status"), "ready");
    EXPECT_EQ(after.at("operation_id"), begun.json().at("operation_id"));
    ASSERT_EQ(fleet.launches.size(), 1u);
    EXPECT_EQ(fleet.launches[0].model, "tiny");
    EXPECT_EQ(fleet.launches[0].context, 1024u);
    EXPECT_EQ(fleet.launches[0].options, (std::map<std::string, std::string>{{"kv_dtype", "q8_0"}, {"x", "1"}}));
    EXPECT_EQ(fleet.drained, std::chrono::seconds(5));
    fleet.launch_error = Error(Code::kOutOfMemory, "no room");
    EXPECT_EQ(post("/v1/models/m/reload", R"({"model_config":{}})").status, 202);
    EXPECT_EQ(get("/v1/models/m/reload").json().at("status"), "error");
    for (const char* bad : {R"({})", R"({"model_config":{"model_name":"x"}})", R"({"model_config":{"n_ctx":0}})",
                            R"({"model_config":{},"drain_timeout":0})", R"({"model_config":{},"odd":1})"}) {
        EXPECT_EQ(post("/v1/models/m/reload", bad).status, 400) << bad;
    }
    EXPECT_EQ(post("/v1/models/nope/reload", R"({"model_config":{}})").status, 400);
    fleet.models.front().replicas.resize(2);
    EXPECT_EQ(post("/v1/models/m/reload", R"({"model_config":{}})").status, 400);
}

TEST_F(XinferenceTest, NothingOfTheServerIsRelaunchedByItself) {
    for (const char* path : {"/v1/api/relaunch", "/v1/supervisor/relaunch", "/v1/workers/127.0.0.1:9997/relaunch"}) {
        EXPECT_EQ(post(path, "{}").status, 409) << path;
    }
    for (const char* path : {"/v1/api-relaunches", "/v1/supervisor-relaunches", "/v1/worker-relaunches"}) {
        EXPECT_EQ(get(path).body, "[]") << path;
        EXPECT_EQ(get(std::string(path) + "/x").status, 404) << path;
    }
}

TEST_F(XinferenceTest, ClusterRoutesParse) {
    EXPECT_EQ(get("/v1/cluster/auth").body, R"({"auth":false})");
    EXPECT_EQ(get("/v1/address").body, R"("127.0.0.1:9997")");
    EXPECT_TRUE(get("/v1/cluster/version").json().as_object().contains("version"));
    EXPECT_EQ(get("/v1/cluster/devices").body, "0");
    EXPECT_GT(get("/v1/cluster/info?detailed=true").json().at(1).at("mem_total").to_number<int64_t>(), 0);
    EXPECT_EQ(get("/v1/cluster/info").json().at(0).at("node_type"), "Supervisor");
    EXPECT_TRUE(get("/status").json().at("workers").as_object().contains("127.0.0.1:9997"));
    EXPECT_EQ(get("/v1/supervisor").json().at("supervisor_ip"), "127.0.0.1:9997");
    EXPECT_EQ(get("/v1/workers").json().at(0).at("work-ip"), "127.0.0.1:9997");
}

}  // namespace
}  // namespace gantry::test
