#include "runtime/plugins/probe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "tests/runtime/plugins/plugin_folder.hpp"

namespace gantry::plugins {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using testing::add_plugin;
using ::testing::HasSubstr;
using testing::TempDir;

const json::object& plugin(const json::object& answer, std::string_view id) {
    for (const json::value& entry : answer.at("plugins").as_array()) {
        if (entry.at("id").as_string() == id) {
            return entry.as_object();
        }
    }
    throw std::runtime_error("no plugin " + std::string(id));
}

ProbeRequest request_for(const fs::path& dir) {
    ProbeRequest request;
    request.plugin_dirs = {dir};
    return request;
}

TEST(Probe, ListsPluginsWithTheirDevices) {
    const TempDir dir;
    add_plugin(dir.path(), "ok");
    const json::object answer = probe(request_for(dir.path()));
    EXPECT_EQ(answer.at("abi").as_string(), "0.9");
    const json::object& tiny = plugin(answer, "tiny");
    EXPECT_EQ(tiny.at("state").as_string(), "ok");
    EXPECT_EQ(tiny.at("devices").at(0).at("name").as_string(), "tiny device");
    EXPECT_FALSE(tiny.contains("assess"));
    EXPECT_FALSE(answer.contains("model"));
}

// One that crashes, one that is broken, one that nobody should run, one without a device: none spoils the others.
TEST(Probe, OutlivesEveryPlugin) {
    const TempDir dir;
    const TempDir crash, silent, broken, rejected;
    add_plugin(dir.path(), "ok");
    add_plugin(crash.path(), "crash_at_devices");
    add_plugin(silent.path(), "silent_devices");
    add_plugin(broken.path(), "no_load_fn");
    testing::write_file(add_plugin(rejected.path(), "ok") / "plugin.toml", "[plugin]");
    const std::pair<const TempDir*, std::array<const char*, 2>> cases[] = {
        {&dir, {"ok", "tiny device"}},
        {&crash, {"failed", "crashed while it was asked: signal 6 (Aborted)"}},
        {&silent, {"ok", "this machine has no tiny device"}},
        {&broken, {"failed", "has no load"}},
        {&rejected, {"rejected", "id must be"}},
    };
    for (const auto& [folder, expected] : cases) {
        const json::object answer = probe(request_for(folder->path()));
        EXPECT_EQ(plugin(answer, "tiny").at("state").as_string(), expected[0]);
        EXPECT_THAT(json::serialize(answer), HasSubstr(expected[1]));
    }
}

TEST(Probe, AssessesAModel) {
    ProbeRequest request = request_for(GANTRY_BUILD_DIR "/lib/gantry/plugins");
    request.model_path = GANTRY_SOURCE_DIR "/tests/runtime/fixtures/tiny.gguf";
    request.engine = "null";
    const json::object answer = probe(request);
    EXPECT_EQ(answer.at("model").at("architecture").as_string(), "llama");
    EXPECT_EQ(answer.at("model").at("context_length").to_number<int>(), 512);
    EXPECT_EQ(plugin(answer, "null").at("assess").at("max_context").to_number<int>(), 512);
    request.spec.options["colour"] = "red";
    EXPECT_THAT(json::serialize(plugin(probe(request), "null").at("assess")), HasSubstr("unknown option 'colour'"));
    request.model_path = "/no/such/model.gguf";
    const json::object missing = probe(request);
    EXPECT_EQ(missing.at("model").at("error").at("code").as_string(), "not_found");
    EXPECT_FALSE(plugin(missing, "null").contains("assess"));
}

TEST(Probe, RequestsSurviveTheTrip) {
    ProbeRequest request = request_for("/p");
    request.model_path = "/m";
    request.engine = "cpu";
    request.threads = 3;
    request.spec.max_context = 99;
    request.spec.devices = {1, 2};
    request.spec.options = {{"a", "b"}};
    const auto back = probe_request_from_json(json::serialize(to_json(request)));
    ASSERT_TRUE(back);
    EXPECT_EQ(to_json(*back), to_json(request));
    EXPECT_FALSE(probe_request_from_json("nonsense"));
}

TEST(Probe, ReadsAndWritesAsAProcess) {
    std::array<int, 2> in{}, out{};
    ASSERT_TRUE(::pipe(in.data()) == 0 && ::pipe(out.data()) == 0);
    ASSERT_EQ(::write(in[1], "?", 1), 1);
    ::close(in[1]);
    EXPECT_EQ(run_probe(in[0], out[1]), 1);
    ::close(out[1]);
    std::array<char, 256> text{};
    ASSERT_GT(::read(out[0], text.data(), text.size() - 1), 0);
    EXPECT_THAT(text.data(), HasSubstr("not a JSON object"));
    ::close(in[0]);
    ::close(out[0]);
}

}  // namespace
}  // namespace gantry::plugins
