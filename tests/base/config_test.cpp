#include "base/config.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace gantry::config {
namespace {

namespace fs = std::filesystem;

class ConfigTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = "/tmp/gantry-config-XXXXXX";
        dir_ = ::mkdtemp(pattern.data());
    }
    void TearDown() override { fs::remove_all(dir_); }

    Result<Config> load(const std::string& text, Sources sources = {}) {
        const fs::path file = dir_ / "gantry.toml";
        std::ofstream(file) << text;
        sources.file = file;
        return Config::load(gantry_keys(), sources);
    }

    fs::path dir_;
};

TEST_F(ConfigTest, LaterSourcesWinAndSayWhereTheyAre) {
    Sources sources;
    auto config = load("[server]\nport = 1000\nhost = \"::1\"\n", sources);
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_EQ(config->integer("server.port"), 1000);
    EXPECT_TRUE(config->origin("server.port").ends_with("gantry.toml:2")) << config->origin("server.port");
    EXPECT_EQ(config->origin("server.unix_socket"), "default");

    sources.environment = {{"GANTRY_SERVER_PORT", "2000"}, {"PATH", "x"}};
    config = load("[server]\nport = 1000\n", sources);
    EXPECT_EQ(config->integer("server.port"), 2000);
    EXPECT_EQ(config->origin("server.port"), "GANTRY_SERVER_PORT");

    sources.flags = {{"server.port", "3000"}, {"paths.plugin_dirs", "/a,/b"}, {"server.allow_public", "yes"}};
    config = load("[server]\nport = 1000\n", sources);
    EXPECT_EQ(config->integer("server.port"), 3000);
    EXPECT_EQ(config->list("paths.plugin_dirs"), (std::vector<std::string>{"/a", "/b"}));
    EXPECT_TRUE(config->boolean("server.allow_public"));
}

TEST_F(ConfigTest, ErrorsNameFileLineAndTheNearestKey) {
    struct Row {
        const char* text;
        const char* where;
        const char* what;
    };
    for (const Row& row : {
             Row{"[server]\n\nprot = 1\n", "gantry.toml:3", "did you mean \"server.port\"?"},
             Row{"[sever]\nport = 1\n", "gantry.toml:1", "sever"},
             Row{"[server]\nport = \"x\"\n", "gantry.toml:2", "must be an integer, not a string"},
             Row{"[server]\nport = 70000\n", "gantry.toml:2", "from 0 to 65535"},
             Row{"[log]\nlevel = \"loud\"\n", "gantry.toml:2", "one of trace, debug"},
             Row{"[paths]\nplugin_dirs = [1]\n", "gantry.toml:2", "a list of strings"},
             Row{"[server\n", "gantry.toml:1", ""},
         }) {
        const auto config = load(row.text);
        ASSERT_FALSE(config) << row.text;
        EXPECT_EQ(config.error().code, Code::kInvalidArgument);
        EXPECT_NE(config.error().text().find(row.where), std::string::npos) << config.error().text();
        EXPECT_NE(config.error().text().find(row.what), std::string::npos) << config.error().text();
    }
}

TEST_F(ConfigTest, EnvironmentAndFlagsAreCheckedAlike) {
    Sources sources;
    sources.environment = {{"GANTRY_SERVER_PROT", "1"}};
    EXPECT_NE(Config::load(gantry_keys(), sources).error().text().find("GANTRY_SERVER_PORT"), std::string::npos);
    sources.environment = {{"GANTRY_SERVER_PORT", "many"}};
    EXPECT_NE(Config::load(gantry_keys(), sources).error().text().find("an integer, not \"many\""), std::string::npos);
    sources.environment = {{"GANTRY_SHARED_DATA", "x"}};
    const auto config = Config::load(gantry_keys(), sources);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->warnings().size(), 1u);
    sources = {};
    sources.flags = {{"server.prot", "1"}};
    EXPECT_NE(Config::load(gantry_keys(), sources).error().hint.find("server.port"), std::string::npos);
    sources = {};
    sources.file = "/no/such/gantry.toml";
    EXPECT_EQ(Config::load(gantry_keys(), sources).error().code, Code::kNotFound);
}

TEST_F(ConfigTest, TheShippedFileDocumentsEveryKeyWithItsDefault) {
    std::ifstream stream(GANTRY_SOURCE_DIR "/configs/gantry.toml");
    std::stringstream shipped;
    shipped << stream.rdbuf();
    EXPECT_EQ(shipped.str(), documented_file(gantry_keys())) << "write documented_file()'s text to configs/gantry.toml";

    // With every line in force it is still valid, and changes nothing.
    std::string in_force;
    for (std::string line; std::getline(shipped, line);) {
        const bool setting = line.size() > 1 && line[0] == '#' && line[1] != ' ';
        in_force += (setting ? line.substr(1) : line) + "\n";
    }
    const auto config = load(in_force);
    ASSERT_TRUE(config) << config.error().text();
    const auto standard = Config::load(gantry_keys(), {});
    for (const Key& key : gantry_keys()) {
        EXPECT_NE(config->origin(key.name), "default") << key.name;
        if (std::holds_alternative<std::string>(key.standard)) {
            EXPECT_EQ(config->string(key.name), standard->string(key.name));
        }
    }
}

}  // namespace
}  // namespace gantry::config
