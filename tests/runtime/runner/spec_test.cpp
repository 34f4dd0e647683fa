#include "runtime/runner/spec.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

#include "runtime/runner/lifeline.hpp"

namespace gantry::runner {
namespace {

using ::testing::HasSubstr;

TEST(RunnerSpec, SurvivesTheTrip) {
    RunnerSpec spec;
    spec.uid = "a";
    spec.model_path = "/models/m.gguf";
    spec.plugin_dirs = {"/p", "/q"};
    spec.engine = "cpu";
    spec.socket = "/run/x.sock";
    spec.template_kwargs = R"({"enable_thinking":false})";
    spec.threads = 7;
    spec.context = 4096;
    spec.max_sequences = 3;
    spec.memory_bytes = uint64_t{5} << 33;
    spec.options = {{"kv_dtype", "f16"}};
    spec.speculative = "suffix";
    spec.draft_tokens = 5;
    spec.draft_model_path = "/models/small.gguf";
    spec.draft_context = 2048;
    spec.draft_memory_bytes = uint64_t{3} << 32;
    spec.adapters = {{"polite", "/adapters/polite"}};
    spec.adapter_dirs = {"/adapters"};
    spec.sandbox = false;
    spec.parent_pid = 42;
    const auto back = spec_from_json(boost::json::serialize(to_json(spec)));
    ASSERT_TRUE(back);
    EXPECT_EQ(to_json(*back), to_json(spec));
}

TEST(RunnerSpec, NamesWhatIsMissing) {
    const std::pair<const char*, const char*> cases[] = {
        {"", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{}", "lacks model_path"},
        {R"({"model_path":"m"})", "lacks engine"},
        {R"({"model_path":"m","engine":"e","socket":7})", "lacks socket"},
    };
    for (const auto& [text, reason] : cases) {
        const auto spec = spec_from_json(text);
        ASSERT_FALSE(spec) << text;
        EXPECT_THAT(spec.error().message, HasSubstr(reason));
    }
}

TEST(ReadLine, TakesOneLineAndNoMore) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    ASSERT_EQ(::write(pipe[1], "one\ntwo", 7), 7);
    EXPECT_EQ(*read_line(pipe[0]), "one");
    ::close(pipe[1]);
    EXPECT_EQ(read_line(pipe[0]).error().code, Code::kDataLoss);
    ::close(pipe[0]);
}

}  // namespace
}  // namespace gantry::runner
