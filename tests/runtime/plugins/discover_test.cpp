#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/runtime/plugins/plugin_folder.hpp"

namespace gantry::plugins {
namespace {

namespace fs = std::filesystem;
using testing::add_plugin;
using testing::good_toml;
using ::testing::HasSubstr;
using testing::TempDir;
using testing::write_file;

std::string reason(const fs::path& dir) {
    const PluginFile file = testing::only_plugin(dir);
    return file.rejected ? file.rejected->message : "accepted";
}

TEST(Discover, ReadsWhatPluginTomlSays) {
    const TempDir dir;
    add_plugin(dir.path(), "ok");
    const PluginFile file = testing::only_plugin(dir.path());
    ASSERT_FALSE(file.rejected) << file.rejected->text();
    EXPECT_EQ(file.id, "tiny");
    EXPECT_EQ(file.version, "1.2.3");
    EXPECT_EQ(file.description, "a test's plugin");
    EXPECT_EQ(file.licence, "Apache-2.0");
    EXPECT_EQ(file.abi_min, GANTRY_MAKE_VERSION(0, 9));
    EXPECT_EQ(file.library, dir.path() / "tiny" / "tiny.gantry.so");
}

TEST(Discover, FindsThePluginsOfThisBuild) {
    const auto files = discover({GANTRY_BUILD_DIR "/lib/gantry/plugins"});
    const auto null = std::ranges::find(files, "null", &PluginFile::id);
    ASSERT_NE(null, files.end());
    EXPECT_FALSE(null->rejected) << null->rejected->text();
}

TEST(Discover, SkipsWhatIsNoPlugin) {
    const TempDir dir;
    fs::create_directories(dir.path() / "notes");
    write_file(dir.path() / "README", "hello");
    EXPECT_TRUE(discover({dir.path(), dir.path() / "missing"}).empty());
}

TEST(Discover, SortsById) {
    const TempDir dir;
    for (const char* id : {"zeta", "alpha", "mid"}) {
        add_plugin(dir.path(), "ok", id);
    }
    const auto files = discover({dir.path()});
    ASSERT_EQ(files.size(), 3u);
    EXPECT_EQ(files[0].id, "alpha");
    EXPECT_EQ(files[2].id, "zeta");
}

TEST(Discover, RefusesBadToml) {
    const std::string good = good_toml("tiny", "tiny.gantry.so");
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string text = good;
        return text.replace(text.find(from), from.size(), to);
    };
    const struct {
        std::string toml, reason;
    } cases[] = {
        {"[plugin\n", "line 1"},
        {"", "id must be"},
        {with("id = \"tiny\"", "id = 7"), "id must be"},
        {with("id = \"tiny\"", "id = \"../up\""), "id must be"},
        {with("tiny.gantry.so", "../tiny.gantry.so"), "must name a file beside it"},
        {with("tiny.gantry.so", "/usr/lib/libc.so.6"), "must name a file beside it"},
        {with("tiny.gantry.so", "missing.so"), "missing.so"},
        {with("abi_min = \"0.9\"", "abi_min = \"0\""), "abi_min and abi_max"},
        {with("abi_min = \"0.9\"", "abi_min = \"0.9x\""), "abi_min and abi_max"},
        {with("abi_min = \"0.9\"", "abi_min = 0.9"), "abi_min and abi_max"},
        {with("abi_min = \"0.9\"", "abi_min = \"1.0\""), "abi_min and abi_max"},
        {std::string(70'000, '#'), "64 KiB"},
    };
    for (const auto& c : cases) {
        const TempDir dir;
        write_file(add_plugin(dir.path(), "ok") / "plugin.toml", c.toml);
        EXPECT_THAT(reason(dir.path()), HasSubstr(c.reason)) << c.toml.substr(0, 200);
    }
}

// Every pair of minimum and maximum around the host's version.
TEST(Discover, JudgesTheAbiRange) {
    const std::string host = std::to_string(GANTRY_ABI_MAJOR) + '.' + std::to_string(GANTRY_ABI_MINOR);
    const struct {
        const char* text;
        int order;  ///< against the host's
    } versions[] = {{"0.1", -1}, {"0.8", -1}, {"0.9", 0}, {"0.10", 1}, {"1.0", 1}, {"2.3", 1}};
    for (const auto& min : versions) {
        for (const auto& max : versions) {
            if (&max < &min) {
                continue;
            }
            const TempDir dir;
            std::string toml = good_toml("tiny", "tiny.gantry.so");
            toml.replace(toml.find("abi_min"), std::string::npos,
                         std::string("abi_min = \"") + min.text + "\"\nabi_max = \"" + max.text + "\"\n");
            write_file(add_plugin(dir.path(), "ok") / "plugin.toml", toml);
            const std::string got = reason(dir.path());
            if (min.order <= 0 && max.order >= 0) {
                EXPECT_EQ(got, "accepted") << min.text << " to " << max.text;
            } else {
                EXPECT_THAT(got, HasSubstr(std::string("speaks plugin contract ") + min.text + " to " + max.text +
                                           ", this Gantry speaks " + host));
            }
        }
    }
}

TEST(Discover, RefusesWhatOthersMayWrite) {
    for (const char* what : {"tiny/tiny.gantry.so", "tiny/plugin.toml", "tiny", "."}) {
        const TempDir dir;
        add_plugin(dir.path(), "ok");
        EXPECT_EQ(reason(dir.path()), "accepted");
        fs::permissions(dir.path() / what, fs::perms::others_write, fs::perm_options::add);
        EXPECT_THAT(reason(dir.path()), HasSubstr("may be written by everybody")) << what;
    }
}

TEST(Discover, LooksBehindLinks) {
    const TempDir dir, elsewhere;
    const fs::path folder = add_plugin(dir.path(), "ok");
    const fs::path library = elsewhere.path() / "real.so";
    fs::rename(folder / "tiny.gantry.so", library);
    fs::create_symlink(library, folder / "tiny.gantry.so");
    EXPECT_EQ(reason(dir.path()), "accepted");
    fs::permissions(elsewhere.path(), fs::perms::others_write, fs::perm_options::add);
    EXPECT_THAT(reason(dir.path()), HasSubstr("may be written by everybody"));
}

TEST(Discover, RefusesRelativeDirectories) {
    const auto files = discover({"plugins"});
    ASSERT_EQ(files.size(), 1u);
    ASSERT_TRUE(files[0].rejected);
    EXPECT_THAT(files[0].rejected->message, HasSubstr("is not absolute"));
}

TEST(Discover, TheFirstOfTwoWithOneIdCounts) {
    const TempDir first, second;
    add_plugin(first.path(), "ok");
    add_plugin(second.path(), "ok");
    const auto files = discover({first.path(), second.path()});
    ASSERT_EQ(files.size(), 2u);
    for (const PluginFile& file : files) {
        EXPECT_EQ(file.rejected.has_value(), file.folder == second.path() / "tiny");
    }
}

}  // namespace
}  // namespace gantry::plugins
