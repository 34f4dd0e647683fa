#include "tests/plugins/conformance_test.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

namespace gantry::test {

float Conformance::tolerance(int32_t dtype) const {
    if (plugin().id() == "reference") return 1e-4F;
    switch (dtype) {
        case GANTRY_DTYPE_F32:
            return 1e-3F;
        case GANTRY_DTYPE_F16:
            return 0.05F;
        case GANTRY_DTYPE_BF16:
            return 0.2F;  // activations may be rounded to bfloat16 too
        default:
            return 0.5F;  // activations may be rounded to 8 bits
    }
}

std::vector<std::filesystem::path> conformance_plugins() {
    std::vector<std::filesystem::path> out;
    std::istringstream ids(GANTRY_CONFORMANCE_IDS);
    for (std::string id; std::getline(ids, id, ':');) out.push_back(built_plugin(id));
    const char* more = std::getenv("GANTRY_CONFORMANCE_PLUGINS");
    std::istringstream paths(more == nullptr ? "" : more);
    for (std::string path; std::getline(paths, path, ':');) out.emplace_back(path);
    return out;
}

std::string plugin_name(const testing::TestParamInfo<std::filesystem::path>& info) {
    std::string name = info.param.stem().stem().string();
    std::replace_if(
        name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Plugin, Conformance, testing::ValuesIn(conformance_plugins()), plugin_name);

}  // namespace gantry::test
