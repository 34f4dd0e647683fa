#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>

#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/paths.hpp"
#include "base/text_distance.hpp"

namespace gantry {
namespace {

TEST(TextDistance, CountsEditsWithoutCase) {
    EXPECT_EQ(text_distance("port", "PORT"), 0u);
    EXPECT_EQ(text_distance("prot", "port"), 1u);
    EXPECT_EQ(text_distance("", "abc"), 3u);
    EXPECT_EQ(text_distance("kitten", "sitting"), 3u);
}

TEST(NearestName, OffersOnlyLikelyTypos) {
    const std::vector<std::string> names{"server.port", "server.host", "log.level"};
    EXPECT_EQ(nearest_name("server.prot", names), "server.port");
    EXPECT_EQ(nearest_name("zzz", names), std::nullopt);
    EXPECT_EQ(nearest_name("a", std::vector<std::string>{"b"}), std::nullopt);
}

TEST(Log, RendersTextAndJsonOnOneLine) {
    using log::Format;
    using log::Level;
    EXPECT_EQ(log::render(Format::kText, Level::kWarn, "T", "a\nb", {{"key", "x y"}, {"n", "3", true}}),
              "T warn  a\\nb key=\"x y\" n=3");
    EXPECT_EQ(log::render(Format::kJson, Level::kInfo, "T", "a\n\"b\"", {{"key", "v"}, {"n", "3", true}}),
              R"({"time":"T","level":"info","message":"a\n\"b\"","key":"v","n":3})");
    EXPECT_EQ(log::level_from_name("debug").value(), Level::kDebug);
    EXPECT_FALSE(log::level_from_name("loud"));
}

TEST(Metrics, RendersPrometheusAndOpenMetrics) {
    metrics::Registry registry;
    registry.counter("requests_total", "Requests.", {{"path", "/a\"b"}}).add(2);
    registry.gauge("models", "Models.").set(1.5);
    auto& histogram = registry.histogram("seconds", "Time.", {0.1, 1});
    for (const double value : {0.05, 0.1, 0.5, 7.0}) {
        histogram.observe(value);
    }
    EXPECT_EQ(registry.render(),
              "# HELP models Models.\n# TYPE models gauge\nmodels 1.5\n"
              "# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total{path=\"/a\\\"b\"} 2\n"
              "# HELP seconds Time.\n# TYPE seconds histogram\n"
              "seconds_bucket{le=\"0.1\"} 2\nseconds_bucket{le=\"1\"} 3\nseconds_bucket{le=\"+Inf\"} 4\n"
              "seconds_sum 7.65\nseconds_count 4\n");
    const std::string open = registry.render(metrics::TextFormat::kOpenMetrics);
    EXPECT_NE(open.find("# TYPE requests counter\nrequests_total{"), std::string::npos);
    EXPECT_TRUE(open.ends_with("# EOF\n"));
}

TEST(Metrics, SameNameAndLabelsAreOneObjectAndCanBeForgotten) {
    metrics::Registry registry;
    EXPECT_EQ(&registry.gauge("g", "G.", {{"a", "1"}}), &registry.gauge("g", "G.", {{"a", "1"}}));
    EXPECT_NE(&registry.gauge("g", "G.", {{"a", "1"}}), &registry.gauge("g", "G.", {{"a", "2"}}));
    registry.on_collect([&] { registry.gauge("g", "G.", {{"a", "2"}}).set(9); });
    EXPECT_NE(registry.render().find("g{a=\"2\"} 9"), std::string::npos);
    registry.remove("g", {{"a", "1"}});
    EXPECT_EQ(registry.render().find("a=\"1\""), std::string::npos);
}

TEST(Metrics, SamplesFromElsewhereJoinTheirFamilies) {
    metrics::Registry registry;
    registry.gauge("b", "Ours.", {{"model", "x"}}).set(1);
    const std::vector<metrics::Sample> foreign{{"b", "Theirs.", "gauge", {{"model", "y"}}, 2, {}, {}},
                                               {"a_total", "A.", "counter", {{"model", "y"}}, 3, {}, {}},
                                               {"b", "Another type.", "counter", {{"model", "z"}}, 4, {}, {}},
                                               {"h", "H.", "histogram", {{"model", "y"}}, 2.5, {1, 2}, {3, 0, 1}}};
    EXPECT_EQ(registry.render(metrics::TextFormat::kPrometheus, foreign),
              "# HELP a_total A.\n# TYPE a_total counter\na_total{model=\"y\"} 3\n"
              "# HELP b Ours.\n# TYPE b gauge\nb{model=\"x\"} 1\nb{model=\"y\"} 2\n"
              "# HELP h H.\n# TYPE h histogram\nh_bucket{model=\"y\",le=\"1\"} 3\nh_bucket{model=\"y\",le=\"2\"} 3\n"
              "h_bucket{model=\"y\",le=\"+Inf\"} 4\nh_sum{model=\"y\"} 2.5\nh_count{model=\"y\"} 4\n");
}

paths::Environment environment(std::map<std::string, std::string> values) {
    return [values = std::move(values)](const char* name) -> std::optional<std::string> {
        const auto found = values.find(name);
        return found == values.end() || found->second.empty() ? std::nullopt : std::optional(found->second);
    };
}

TEST(Paths, FollowXdgThenHomeThenTheSystem) {
    const auto xdg =
        environment({{"XDG_DATA_HOME", "/d"}, {"XDG_CONFIG_HOME", "/c"}, {"XDG_RUNTIME_DIR", "/r"}, {"HOME", "/h"}});
    EXPECT_EQ(paths::data_dir(xdg), "/d/gantry");
    EXPECT_EQ(paths::config_dir(xdg), "/c/gantry");
    EXPECT_EQ(paths::runtime_dir(xdg), "/r/gantry");
    const auto home = environment({{"XDG_DATA_HOME", "relative"}, {"HOME", "/h"}});
    EXPECT_EQ(paths::data_dir(home), "/h/.local/share/gantry");
    EXPECT_EQ(paths::config_dir(home), "/h/.config/gantry");
    EXPECT_EQ(paths::data_dir(environment({})), "/var/lib/gantry");
    EXPECT_EQ(paths::config_dir(environment({})), "/etc/gantry");
    EXPECT_FALSE(paths::runtime_dir(environment({})).empty());
}

TEST(Paths, ProgramFilesLieBesideTheBinary) {
    using Dirs = std::vector<std::filesystem::path>;
    EXPECT_EQ(paths::share_dir("/usr/bin/gantry"), "/usr/share/gantry");
    EXPECT_EQ(paths::plugin_dirs(environment({}), "/usr/bin/gantry"), (Dirs{"/usr/lib/gantry/plugins"}));
    EXPECT_EQ(paths::plugin_dirs(environment({{"GANTRY_PATHS_PLUGIN_DIRS", "/a,/b"}}), "/usr/bin/gantry"),
              (Dirs{"/a", "/b", "/usr/lib/gantry/plugins"}));
    EXPECT_EQ(paths::catalog_dirs(environment({{"HOME", "/h"}})), (Dirs{"/h/.config/gantry/catalog"}));
    EXPECT_TRUE(paths::program().is_absolute());
}

TEST(Paths, PrivateFoldersAreForOneUser) {
    std::string pattern = "/tmp/gantry-paths-XXXXXX";
    const std::filesystem::path base = ::mkdtemp(pattern.data());
    const auto folder = base / "a/b";
    ASSERT_TRUE(paths::make_private(folder));
    ASSERT_TRUE(paths::make_private(folder));
    struct stat info {};
    ASSERT_EQ(::stat(folder.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, 0700u);
    EXPECT_FALSE(paths::make_private("/proc/gantry"));
    std::filesystem::remove_all(base);
}

}  // namespace
}  // namespace gantry
