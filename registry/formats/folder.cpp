#include "registry/formats/folder.hpp"

#include <algorithm>

namespace gantry::registry {

std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> out;
    std::error_code ec;
    for (std::filesystem::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
        out.push_back(it->path());
    }
    std::ranges::sort(out);
    return out;
}

}  // namespace gantry::registry
