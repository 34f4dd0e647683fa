#include "runtime/fleet/launch_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/fleet/launch_codec.hpp"

namespace gantry::fleet {
namespace {

LaunchRequest everything() {
    LaunchRequest r;
    r.model = "tiny";
    r.uid = "t";
    r.engine = "cpu";
    r.format = "gguf";
    r.size_in_billions = "0.5";
    r.quantization = "Q4_K";
    r.model_path = "/models/tiny.gguf";
    r.tool_parser = "hermes";
    r.reasoning_parser = "think";
    r.template_kwargs = R"({"enable_thinking":false})";
    r.context = 2048;
    r.max_sequences = 4;
    r.threads = 2;
    r.speculative = "draft";
    r.draft_model = "tinier";
    r.draft_tokens = 3;
    r.options = {{"kv_dtype", "q8_0"}};
    r.adapters = {{"a", "/adapters/a"}};
    r.adapter_dirs = {"/adapters"};
    r.wake_on_request = true;
    r.keep_alive = std::chrono::seconds(-1);
    r.on_demand = true;
    r.pinned = true;
    r.evict = true;
    r.replicas = 3;
    return r;
}

TEST(LaunchCodec, GoesThereAndBack) {
    const boost::json::object written = to_json(everything());
    const auto read = launch_from_json(written);
    ASSERT_TRUE(read) << read.error().text();
    EXPECT_EQ(to_json(*read), written);
    EXPECT_EQ(read->keep_alive, std::chrono::seconds(-1));
    EXPECT_EQ(read->options.at("kv_dtype"), "q8_0");
    EXPECT_EQ(read->replicas, 3u);
    EXPECT_EQ(to_json(launch_from_json(boost::json::object()).value()), to_json(LaunchRequest()));
}

TEST(LaunchCodec, PassesOverTheUnknownAndRefusesTheWrong) {
    EXPECT_TRUE(launch_from_json(boost::json::object{{"model", "m"}, {"invented_later", 1}}));
    for (const char* text : {"7", R"({"model":7})", R"({"options":{"a":1}})", R"({"context":-1})"}) {
        const auto read = launch_from_json(boost::json::parse(text));
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code, Code::kDataLoss);
    }
}

TEST(LaunchStore, KeepsOrderReplacesAndForgets) {
    sqlite::Database database = sqlite::Database::in_memory().value();
    LaunchRequest request;
    for (const char* uid : {"b", "a", "c"}) {
        request.uid = request.model = uid;
        ASSERT_TRUE(LaunchStore(&database).put(request));
    }
    LaunchStore store(&database);
    request.uid = "a";
    request.model = "other";
    ASSERT_TRUE(store.park("a", "it crashed"));
    ASSERT_TRUE(store.attempt_failed("b"));
    auto all = store.all();
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0].uid, "b");
    EXPECT_EQ(all[0].attempts, 1);
    EXPECT_TRUE(all[1].parked);
    EXPECT_EQ(all[1].reason, "it crashed");
    ASSERT_TRUE(store.put(request)) << "a new launch is a new beginning";
    ASSERT_TRUE(store.attempt_succeeded("b"));
    ASSERT_TRUE(store.remove("c"));
    ASSERT_TRUE(store.remove("unknown"));
    all = store.all();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].attempts, 0);
    EXPECT_FALSE(all[1].parked);
    EXPECT_EQ(all[1].request.model, "other");
}

TEST(LaunchStore, ARecordThatCannotBeReadCostsOnlyItself) {
    sqlite::Database database = sqlite::Database::in_memory().value();
    LaunchStore store(&database);
    LaunchRequest request;
    request.uid = request.model = "good";
    ASSERT_TRUE(store.put(request));
    ASSERT_TRUE(database.execute("INSERT INTO launches(uid, request) VALUES('bad', '{\"model\":')"));
    ASSERT_EQ(store.all().size(), 1u);
}

TEST(LaunchStore, WithoutADatabaseNothingIsKept) {
    LaunchStore store(nullptr);
    LaunchRequest request;
    request.uid = "m";
    EXPECT_TRUE(store.put(request));
    EXPECT_TRUE(store.put_alias("a", "m"));
    EXPECT_TRUE(store.all().empty());
    EXPECT_TRUE(store.aliases().empty());
}

}  // namespace
}  // namespace gantry::fleet
