/// Holds the sources to the boundaries: a folder includes only what its target links, plugins and SDK only the SDK.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

const fs::path kRoot = GANTRY_SOURCE_DIR;

struct Module {
    std::string target;
    std::string folder;
    std::vector<std::string> links;
};

std::vector<Module> modules() {
    std::vector<Module> out;
    std::ifstream in(GANTRY_MODULES_FILE);
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        Module m;
        words >> m.target >> m.folder;
        for (std::string link; words >> link;) {
            m.links.push_back(link);
        }
        if (!m.target.empty()) {
            out.push_back(m);
        }
    }
    return out;
}

bool is_source(const fs::path& path) {
    const auto e = path.extension();
    return e == ".cpp" || e == ".hpp" || e == ".h" || e == ".c" || e == ".cu";
}

/// The quoted ("...") or angled (<...>) includes of every source below a folder.
std::vector<std::pair<fs::path, std::string>> includes(const fs::path& folder, const std::regex& pattern) {
    std::vector<std::pair<fs::path, std::string>> out;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file() || !is_source(entry.path())) {
            continue;
        }
        std::ifstream in(entry.path());
        for (std::string line; std::getline(in, line);) {
            if (std::smatch m; std::regex_search(line, m, pattern)) {
                out.emplace_back(fs::relative(entry.path(), kRoot), m[1]);
            }
        }
    }
    return out;
}

const std::regex kQuoted("^\\s*#\\s*include\\s*\"([^\"]+)\"");
const std::regex kAngled("^\\s*#\\s*include\\s*<([^>]+)>");

TEST(Architecture, FoldersIncludeOnlyWhatTheirTargetLinks) {
    const auto all = modules();
    ASSERT_FALSE(all.empty());
    std::map<std::string, const Module*> by_target;
    for (const auto& m : all) {
        by_target[m.target] = &m;
    }
    for (const auto& m : all) {
        std::set<std::string> reachable;  // folders
        std::vector<const Module*> todo{&m};
        while (!todo.empty()) {
            const Module* at = todo.back();
            todo.pop_back();
            if (reachable.insert(at->folder).second) {
                for (const auto& link : at->links) {
                    if (const auto it = by_target.find(link); it != by_target.end()) {
                        todo.push_back(it->second);
                    }
                }
            }
        }
        // The owner of a file is the module with the longest folder that is a prefix of its path.
        const auto owner_of = [&](const std::string& path) {
            std::string owner;
            for (const auto& other : all) {
                if (path.starts_with(other.folder + "/") && other.folder.size() > owner.size()) {
                    owner = other.folder;
                }
            }
            return owner;
        };
        for (const auto& [file, include] : includes(kRoot / m.folder, kQuoted)) {
            const std::string owner = owner_of(include);
            if (!owner.empty() && owner_of(file.generic_string()) == m.folder) {
                EXPECT_TRUE(reachable.contains(owner)) << file << " includes \"" << include << "\", but " << m.target
                                                       << " does not link the target of " << owner;
            }
        }
    }
}

TEST(Architecture, BaseAndRegistryKnowNothingAboveThem) {
    for (const auto& [folder, forbidden] :
         {std::pair{"base", "^(registry|runtime|api|plugins|sdk)/"}, std::pair{"registry", "^(runtime|api|plugins)/"},
          std::pair{"runtime", "^(api|plugins)/"}}) {
        for (const auto& [file, include] : includes(kRoot / folder, kQuoted)) {
            EXPECT_FALSE(std::regex_search(include, std::regex(forbidden))) << file << " includes " << include;
        }
    }
}

TEST(Architecture, PluginsAndSdkSeeNothingButTheSdk) {
    for (const auto* folder : {"plugins", "sdk"}) {
        for (const auto& [file, include] : includes(kRoot / folder, kQuoted)) {
            EXPECT_FALSE(std::regex_search(include, std::regex("^(base|registry|runtime|api|tests)/")))
                << file << " includes " << include;
        }
        for (const auto& [file, include] : includes(kRoot / folder, kAngled)) {
            // The emulator's threads are fibers; it is in no plugin that is installed.
            if (include.starts_with("boost/context/") && file.string().starts_with("plugins/gpu/emulator/")) continue;
            EXPECT_FALSE(include.starts_with("boost/") || include.starts_with("spdlog/"))
                << file << " includes " << include;
        }
    }
}

TEST(Architecture, BeastStaysInsideBaseHttp) {
    for (const auto* folder : {"base", "registry", "runtime", "api"}) {
        for (const auto& [file, include] : includes(kRoot / folder, kAngled)) {
            if (include.starts_with("boost/beast")) {
                EXPECT_THAT(file.string(), ::testing::StartsWith("base/http/")) << include;
            }
        }
    }
}

}  // namespace
